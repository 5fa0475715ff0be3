"""Options of every command that writes a page to look at."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from yolo_bones.command_line import count_argument, progress, say
from yolo_bones.page.page_files import pictures_beside, write_page
from yolo_bones.page.record import PageHead
from yolo_bones.page.shown_images import PageSource, ShowSettings

T = TypeVar("T")

PICTURE_PX: Final = 2048
EMBED_MB: Final = 24
LEAST_PICTURE_PX: Final = 64
MOST_PICTURE_PX: Final = 16384


def add_page_arguments(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`--html` and how the page is made.

    Args:
        parser: of the command.
        required: whether the command writes nothing else.
    """
    page = parser.add_argument_group("page")
    page.add_argument("--html", type=Path, required=required, metavar="FILE", help="page to look at, opens from disk")
    page.add_argument(
        "--picture-px",
        type=_picture_px,
        default=PICTURE_PX,
        metavar="N",
        help=f"longer side of a picture on the page; {PICTURE_PX}, or the image's own where that is smaller",
    )
    page.add_argument(
        "--embed-mb",
        type=count_argument,
        default=EMBED_MB,
        metavar="MB",
        help=f"a larger page has its pictures in a folder FILE_files beside it; {EMBED_MB}",
    )
    page.add_argument("--worst", type=_images, metavar="N", help="show only the N images that come first on the page")


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Where and how a page is written.

    Attributes:
        html: the page.
        picture_px: longer side of a picture.
        embed_mb: size up to which pictures lie inside.
        spacing_mm: side of a pixel, where measurements shall be in millimetres.
        workers: processes.
        quiet: no progress bar, no message.
    """

    html: Path
    picture_px: int = PICTURE_PX
    embed_mb: int = EMBED_MB
    spacing_mm: float | None = None
    workers: int = 1
    quiet: bool = False


def page_options(arguments: argparse.Namespace, spacing_mm: float | None = None) -> PageOptions:
    """Those of a command with the arguments of `add_page_arguments`, `--workers` and `--quiet`."""
    place = arguments.html, arguments.picture_px, arguments.embed_mb
    return PageOptions(*place, spacing_mm, max(1, arguments.workers), arguments.quiet)


def make_page(options: PageOptions, head: PageHead, sources: Iterable[PageSource], total: int) -> None:
    """Write a page, and say where it is.

    Args:
        options: where and how.
        head: what it says beside its images.
        sources: its images in page order.
        total: their number.
    """

    def watch(items: Iterable[T], what: str, total: int) -> Iterable[T]:
        return progress(items, what, total, options.quiet)

    html = options.html
    beside = write_page(
        html,
        head,
        sources,
        ShowSettings(options.picture_px, options.spacing_mm),
        embed_bytes=1_000_000 * options.embed_mb,
        total=total,
        workers=options.workers,
        watch=watch,
    )
    folder = f", {beside} pictures in {pictures_beside(html).name}" if beside else ""
    say(f"{html}: {total} images, {html.stat().st_size / 1e6:.1f} MB{folder}", options.quiet)


def shown_first(images: Sequence[T], worst: int | None) -> Sequence[T]:
    """The images that a page shows, by `--worst`."""
    return images if worst is None else images[:worst]


def images_fact(shown: int, total: int, order: str) -> tuple[str, str]:
    """For the head of a page: how many images it shows."""
    return "images", str(total) if shown == total else f"{shown} of {total}, {order} first"


def _picture_px(text: str) -> int:
    value = count_argument(text)
    if not LEAST_PICTURE_PX <= value <= MOST_PICTURE_PX:
        raise argparse.ArgumentTypeError(f"expected {LEAST_PICTURE_PX} to {MOST_PICTURE_PX} pixels, got {text!r}")
    return value


def _images(text: str) -> int:
    value = count_argument(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1 image, got {text!r}")
    return value
