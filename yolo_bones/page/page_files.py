"""A page on disk: one HTML file and, where its pictures are too many to lie inside, a folder of them beside it.

The folder is complete before the page gets its name, and an earlier page is gone before its pictures are: a page that
is there shows what it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

from yolo_bones.claims import claim
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.files import (
    machine_errors,
    move_folder,
    refuse_inputs,
    refuse_to_overwrite,
    remove_folder,
    temporary_folder,
    write_bytes,
    write_text,
)
from yolo_bones.page.html import render
from yolo_bones.page.pictures import data_url
from yolo_bones.page.record import PageHead, PageImage, PictureLink, page_record, record_text
from yolo_bones.page.shown_images import PageSource, ShownImage, ShowSettings, show_image
from yolo_bones.parallel import ToldFault, work_in_order
from yolo_bones.watched_files import refuse_changed

T = TypeVar("T")

SUFFIXES: Final = (".html", ".htm")
MARK: Final = "README.txt"
"""In a folder of pictures: says whose it is, and that it may be replaced."""
MARK_TEXT: Final = "Pictures of the page beside this folder, made by yolo_bones; replaced together with it.\n"
KINDS: Final = {".jpg": "image/jpeg", ".png": "image/png"}
TEMPLATE_BYTES: Final = 150_000
"""Of a page without any record, about."""


class Watch(Protocol):
    """Shows how far a step has come: wraps an iteration."""

    def __call__(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        """The same items."""


def pictures_beside(html: Path) -> Path:
    """The folder of a page's pictures."""
    return html.with_name(f"{html.stem}_files")


def check_page_place(
    html: Path, sources: Iterable[Path | None], *, overwrite: bool, images: Path | None = None
) -> None:
    """Make sure that a page can be written without harm, before any work is done.

    Args:
        html: the page.
        sources: files that are read.
        overwrite: whether an earlier page may be replaced.
        images: folder that is searched for radiographs, which the page's pictures must not be taken for.

    Raises:
        InputError: a name that no browser opens as a page, or of a folder.
        RefusedError: it would overwrite an input, an earlier page, or a folder that is no page's; another run is at it.
        MachineError: the place cannot be written.
    """
    if html.suffix.lower() not in SUFFIXES:
        raise InputError("--html", "", f"a file name ending in {' or '.join(SUFFIXES)}", html.name)
    if html.is_dir():
        raise InputError(html, "", "the name of a page", "a folder")
    folder = pictures_beside(html)
    listed = [source for source in sources if source is not None]
    refuse_inputs([html], listed)
    place = folder.resolve()
    inside = next((source for source in listed if source.resolve().is_relative_to(place)), None)
    if inside is not None:
        raise RefusedError(f"{inside}: is an input and lies where the page's pictures go; give the page another name")
    if images is not None and images.is_dir() and place.is_relative_to(images.resolve()):
        raise RefusedError(f"{html}: lies in {images}, where its pictures would be taken for radiographs")
    refuse_to_overwrite(html, overwrite)
    if folder.exists() and not (folder / MARK).is_file():
        raise RefusedError(f"{folder}: holds something that is no page's pictures; give the page another name")
    claim(html)


def write_page(
    html: Path,
    head: PageHead,
    sources: Iterable[PageSource],
    settings: ShowSettings,
    *,
    embed_bytes: int,
    total: int,
    workers: int,
    watch: Watch,
) -> int:
    """Write a page; an earlier one is replaced.

    Args:
        html: the page, at a place that was checked.
        head: what it says beside its images.
        sources: its images in page order; taken as they are needed, few are held at a time.
        settings: how images are made ready.
        embed_bytes: a page that would be larger has its pictures in the folder beside it.
        total: number of images, for the progress bar.
        workers: processes; their number does not change the page.
        watch: for a progress bar.

    Returns:
        Number of pictures in the folder, 0 where all are inside.

    Raises:
        InputErrors: the faults of all images that cannot be read.
        MachineError: the place cannot be written.
    """
    folder = pictures_beside(html)
    with temporary_folder(folder) as spool:
        shown = work_in_order(partial(show_image, settings), sources, workers, named=_source_name)
        images, sizes = _spool(watch(shown, "pictures", total), spool)
        names = [None if size is None else _name(number) for number, size in enumerate(sizes, start=1)]
        links = [
            None if name is None or size is None else PictureLink(quote(f"{folder.name}/{name}"), *size)
            for name, size in zip(names, sizes, strict=True)
        ]
        record = page_record(head, images, links)
        files = [None if name is None else spool / name for name in names]
        figures = [html.parent / figure.picture for figure in head.figures]
        content = [file.stat().st_size for file in (*files, *figures) if file is not None]
        text_bytes = len(record_text(record).encode("utf-8")) + TEMPLATE_BYTES
        is_whole = text_bytes + sum(4 * (size + 2) // 3 for size in content) <= embed_bytes
        if is_whole:
            _embed(record["images"], files)
            _embed(record["figures"], figures)
        write_bytes(spool / MARK, MARK_TEXT.encode())
        refuse_changed()
        _publish(html, render(record), spool, is_whole=is_whole or not any(files))
    return 0 if is_whole else sum(file is not None for file in files)


def _embed(entries: list[dict[str, Any]], files: Sequence[Path | None]) -> None:
    """Put the content of files into entries of the record."""
    for entry, file in zip(entries, files, strict=True):
        if file is not None:
            entry["picture"] = data_url(file.read_bytes(), KINDS[file.suffix])


def _spool(
    shown: Iterable[ShownImage | tuple[str, ...]], spool: Path
) -> tuple[list[PageImage], list[tuple[int, int] | None]]:
    """Images and the sizes of their pictures, which are written as they come."""
    images: list[PageImage] = []
    sizes: list[tuple[int, int] | None] = []
    faults: list[str] = []
    for number, one in enumerate(shown, start=1):
        if isinstance(one, tuple):
            faults.extend(one)
            continue
        images.append(one.image)
        sizes.append(None if one.picture is None else (one.picture.width, one.picture.height))
        if one.picture is not None and not faults:
            write_bytes(spool / _name(number), one.picture.content)
    if faults:
        raise InputErrors([ToldFault(text) for text in faults])
    return images, sizes


def _name(number: int) -> str:
    return f"{number:04}.jpg"


def _source_name(source: PageSource) -> str:
    return source.name


def _publish(html: Path, text: str, spool: Path, *, is_whole: bool) -> None:
    """Put page and pictures into the place of earlier ones."""
    folder = pictures_beside(html)
    if is_whole:
        write_text(html, text)
        remove_folder(folder)
        return
    with machine_errors(html):
        html.unlink(missing_ok=True)
    move_folder(spool, folder)
    write_text(html, text)
