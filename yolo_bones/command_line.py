"""What every command shares: error reporting, exit codes, versions, progress."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar

from tqdm import tqdm

from yolo_bones.claims import given_back_at_end
from yolo_bones.errors import InputError, MachineError, YoloBonesError
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import ImageRows, SizeOf
from yolo_bones.startup import answer_interrupts_in_order
from yolo_bones.unpacked_archives import unpacked
from yolo_bones.watched_files import forgotten_at_end

EXIT_INTERRUPTED = 130
USUAL_SIZE = ImageSize(2048, 2048)
"""Of the data set's images."""
MEMORY_SAYINGS: Final = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "insufficient memory",
    "out of memory",
    "can't start new thread",
    "bad_alloc",
)
"""What libraries say, in lower case, that have no exception of their own for it."""

DATA_SETS: Final = ("raw", "pseudo")
"""Arguments that may be a zip; a command may name others as its default `data_sets`."""
_UNPACKED: Final[dict[str, str]] = {}
"""Folder of this process -> the archive that it was unpacked from."""

tqdm.monitor_interval = 0
"""Else it starts a thread, which where memory is short never says that it could not."""

T = TypeVar("T")


def run_command(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command's body; report what went wrong in one clear line each and return the exit code.

    SIGTERM, by which a scheduler ends a job, does what an interrupt does. What the body claims is given back.
    """
    answer_interrupts_in_order()
    try:
        with given_back_at_end(), forgotten_at_end(), _ended_like_interrupted(), _unpacked_data_sets(arguments):
            return command(arguments)
    except YoloBonesError as error:
        for line in _as_given(str(error)).splitlines() or [type(error).__name__]:
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return MachineError.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if not is_want_of_memory(error):
            raise
        print("error: not enough memory for this; see what limits it, or give fewer --workers", file=sys.stderr)
        return MachineError.exit_code


@contextlib.contextmanager
def _unpacked_data_sets(arguments: argparse.Namespace) -> Iterator[None]:
    """Put a folder in the place of each zip that is given where a data set is wanted."""
    with contextlib.ExitStack() as stack:
        for name in getattr(arguments, "data_sets", DATA_SETS):
            given: Path | None = getattr(arguments, name, None)
            if given is not None and given.is_file():
                folder = stack.enter_context(unpacked(given, partial(_unpacking, arguments)))
                _UNPACKED[str(folder)] = str(given)
                setattr(arguments, name, folder)
        yield


def _unpacking(arguments: argparse.Namespace, members: Iterable[T], total: int) -> Iterable[T]:
    return progress(members, "unpacking", total, getattr(arguments, "quiet", False), unit="file")


def _as_given(text: str) -> str:
    """A message in which what was unpacked is called as the user called it."""
    for folder, given in _UNPACKED.items():
        text = text.replace(folder, given)
    return text


def is_want_of_memory(error: BaseException) -> bool:
    """Whether a library says that there was too little memory."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(saying in said for saying in MEMORY_SAYINGS)


@contextlib.contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(message: str, quiet: bool = False) -> None:
    """Log a line to stderr; stdout carries data only."""
    if not quiet:
        print(_as_given(message), file=sys.stderr)


def progress(
    items: Iterable[T], what: str, total: int | None = None, quiet: bool = False, unit: str = "image"
) -> Iterable[T]:
    """Show a progress bar on stderr while iterating."""
    bar: Iterable[T] = tqdm(items, desc=what, total=total, disable=quiet, file=sys.stderr, unit=unit, leave=False)
    return bar


def image_size_argument(text: str) -> ImageSize:
    """Read `HEIGHTxWIDTH`, or one number for a square."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 2048x1024, got {text!r}")
    try:
        return ImageSize(int(match[1]), int(match[2] or match[1]))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """`--size` and `--images`: what a CSV of run lengths does not tell."""
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--size", type=image_size_argument, help=f"HEIGHTxWIDTH of every image; {USUAL_SIZE} when not given"
    )
    sizes.add_argument("--images", type=Path, help="folder of the images, whose headers tell their sizes")


def size_source(arguments: argparse.Namespace) -> SizeOf:
    """How the arguments of `add_size_arguments` give an image's size; a parquet table knows it itself.

    Where nothing tells it, the usual size is taken and `arguments.size_was_assumed` is set.
    """
    if arguments.images is None:
        given: ImageSize | None = arguments.size

        def from_argument(rows: ImageRows) -> ImageSize:
            if given is None and rows.size is None:
                arguments.size_was_assumed = True
            return given or rows.size or USUAL_SIZE

        return from_argument
    by_name = {path.name: path for path in find_images(arguments.images)}

    def from_header(rows: ImageRows) -> ImageSize:
        if rows.image_name not in by_name:
            raise InputError(rows.place, "image_name", f"an image in {arguments.images}", rows.image_name)
        return read_image_size(by_name[rows.image_name])

    return from_header


def count_argument(text: str) -> int:
    """Read a whole number of at least 0."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def share_argument(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value
