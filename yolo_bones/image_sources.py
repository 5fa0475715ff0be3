"""Where images come from: one file, or a folder searched recursively."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import STRANGE_SUFFIXES, SUFFIXES, check_image_name

MOST_OF_PATIENT: Final = 8
"""Images in one folder; a folder with more is no patient's."""


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
            got = f"the name of {other.parent.name}/{other.name}"
            faults.append(InputError(path, "", "a base name that no other image has", got))
    if faults:
        raise InputErrors(faults)
    return images


def patients_of_folders(source: Path, images: Iterable[Path]) -> dict[str, str]:
    """Image name -> patient, of the images that lie in a folder of a patient below the source.

    Args:
        source: as given to `find_images`.
        images: that it found.
    """
    by_folder: dict[str, list[str]] = {}
    for path in images:
        if path.parent != source and path != source:
            by_folder.setdefault(path.parent.name, []).append(path.name)
    return {name: folder for folder, names in by_folder.items() if len(names) <= MOST_OF_PATIENT for name in names}


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.is_dir():
            raise InputError(path, "", "a folder", "a link to one")
        elif path.suffix.lower() in STRANGE_SUFFIXES:
            raise InputError(path, "", f"a file name ending in {', '.join(SUFFIXES)}", path.suffix)
        elif path.suffix.lower() in SUFFIXES:
            yield path
