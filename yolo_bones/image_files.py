"""Radiograph files: their size from the header, their pixels as 8-bit grey, and what had to be mended."""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from yolo_bones.errors import InputError, RefusedError
from yolo_bones.rle import ImageSize

SUFFIXES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
KINDS: Final[dict[str, tuple[bytes, Callable[[Path], Image.Image]]]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (b"\xff\xd8\xff", JpegImageFile),
}
MOST_PIXELS: Final = 64_000_000
LEAST_SIDE: Final = 16
EXIF_ORIENTATION: Final = 274
FORMULA_STARTS: Final = ("=", "+", "-", "@")


def check_image_name(path: Path) -> None:
    """Refuse file names that break a CSV or run as a formula in a spreadsheet."""
    name = path.name
    if any(ord(character) < 32 or character in ',"\x7f' for character in name):
        raise RefusedError(f"{str(path)!r}: a file name with control characters, commas or quotes is refused")
    if name.startswith(FORMULA_STARTS):
        raise RefusedError(f"{path}: a file name that a spreadsheet runs as a formula ({name[:20]}) is refused")


def read_image_size(path: Path) -> ImageSize:
    """Size of an image in pixels, from its header only.

    Raises:
        InputError: not a readable PNG or JPEG of 8 or 16 bits with at most 64 megapixels.
    """
    with _opened(path) as image:
        return _checked_size(path, image)


def read_grey(path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Pixels of an image as (H, W) uint8 grey, and the names of what was mended.

    An EXIF orientation is not applied: annotations were drawn on the stored pixels.

    Raises:
        InputError: as `read_image_size`, or the pixels cannot be decoded.
    """
    with _opened(path) as image:
        _checked_size(path, image)
        try:
            image.load()
            repairs = tuple(_repairs(image))
            if image.mode.startswith("I"):
                return _rescaled(np.asarray(image)), repairs
            colours = image.convert("RGB") if image.mode in ("RGBA", "LA", "PA") else image
            pixels = np.asarray(colours if colours.mode == "L" else colours.convert("L"), dtype=np.uint8)
        except (OSError, ValueError, SyntaxError, struct.error) as error:
            raise InputError(path, "", "a complete image", f"a truncated or damaged one ({error})") from error
    return np.ascontiguousarray(pixels), repairs


def _rescaled(deep: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16-bit levels to 8 bits; the range is the smallest power of two that holds the brightest pixel."""
    brightest = max(int(deep.max(initial=0)), 255)
    full = (1 << brightest.bit_length()) - 1
    return np.asarray(np.rint(deep.astype(np.float64) * 255.0 / full), dtype=np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        kind = path.stat()
    except OSError as error:
        raise InputError(path, "", "a readable image file", error.strerror) from error
    if not stat.S_ISREG(kind.st_mode):
        raise InputError(path, "", "an image file", "something that is not a plain file")
    if kind.st_size == 0:
        raise InputError(path, "", "an image", "an empty file")
    expected = SUFFIXES.get(path.suffix.lower())
    if expected is None:
        raise InputError(path, "", f"a file name ending in {', '.join(SUFFIXES)}", path.suffix)
    with path.open("rb") as stream:
        start = stream.read(8)
    found = next((kind for kind, (magic, _) in KINDS.items() if start.startswith(magic)), None)
    if found != expected:
        raise InputError(path, "", f"a {expected} image as its name says", f"a {found} image" if found else "none")
    try:
        # Not Image.open: ultralytics replaces it by one that installs packages when it cannot read a file.
        image = KINDS[found][1](path)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise InputError(path, "", f"a {expected} image", f"a damaged one ({error})") from error
    with image:
        yield image


def _checked_size(path: Path, image: Image.Image) -> ImageSize:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise InputError(path, "size", f"at most {MOST_PIXELS} pixels", f"{width}x{height}")
    if min(width, height) < LEAST_SIDE:
        raise InputError(path, "size", f"at least {LEAST_SIDE} pixels a side", f"{width}x{height}")
    if image.mode == "1":
        raise InputError(path, "", "grey levels of 8 or 16 bits", "a 1-bit image")
    if image.mode not in ("L", "LA", "PA", "RGB", "RGBA", "P") and not image.mode.startswith("I"):
        raise InputError(path, "", "a grey or RGB image", f"mode {image.mode}")
    return ImageSize(height, width)


def _repairs(image: Image.Image) -> Iterator[str]:
    if image.mode.startswith("I"):
        yield "rescaled_16bit"
    if image.mode in ("RGBA", "LA", "PA"):
        yield "alpha_dropped"
    if image.getexif().get(EXIF_ORIENTATION, 1) not in (0, 1):
        yield "exif_ignored"
