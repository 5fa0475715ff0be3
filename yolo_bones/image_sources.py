"""Where images come from: one file, or a folder searched recursively."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import SUFFIXES, check_image_name


def find_images(source: Path) -> list[Path]:
    """Image files of a source, sorted by folder and name.

    Raises:
        InputError: nothing there, or no image in it.
        InputErrors: two images with one base name, which a submission cannot tell apart.
        RefusedError: a file name that is not safe in a CSV.
    """
    if source.is_file():
        check_image_name(source)
        return [source]
    if not source.is_dir():
        raise InputError(source, "", "an image file or a folder", "nothing there")
    images = sorted(_walk(source), key=lambda path: (path.parent.as_posix(), path.name))
    if not images:
        raise InputError(source, "", f"at least one image ({', '.join(SUFFIXES)})", "none")
    first: dict[str, Path] = {}
    faults: list[InputError] = []
    for path in images:
        check_image_name(path)
        other = first.setdefault(path.name, path)
        if other is not path:
            faults.append(InputError(path, "", "a base name that no other image has", f"the name of {other}"))
    if faults:
        raise InputErrors(faults)
    return images


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.suffix.lower() in SUFFIXES:
            yield path
