"""What every command shares: error reporting, exit codes, versions, progress."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from yolo_bones.errors import InputError, MachineError, YoloBonesError
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import ImageRows, SizeOf

EXIT_INTERRUPTED = 130
USUAL_SIZE = ImageSize(2048, 2048)
"""Of the data set's images."""

T = TypeVar("T")


def run_command(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command's body; report what went wrong in one clear line each and return the exit code."""
    try:
        return command(arguments)
    except YoloBonesError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return MachineError.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def say(message: str, quiet: bool = False) -> None:
    """Log a line to stderr; stdout carries data only."""
    if not quiet:
        print(message, file=sys.stderr)


def progress(
    items: Iterable[T], what: str, total: int | None = None, quiet: bool = False, unit: str = "image"
) -> Iterable[T]:
    """Show a progress bar on stderr while iterating."""
    bar: Iterable[T] = tqdm(items, desc=what, total=total, disable=quiet, file=sys.stderr, unit=unit, leave=False)
    return bar


def image_size_argument(text: str) -> ImageSize:
    """Read `HEIGHTxWIDTH`, or one number for a square."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
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
