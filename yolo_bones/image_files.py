"""Radiograph files: their size from the header, their pixels as 8-bit grey, and what had to be mended.

PNG and JPEG by Pillow, DICOM by `dicom_files`.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from yolo_bones import dicom_files
from yolo_bones.dicom_files import DicomHeader, read_dicom_header, read_dicom_levels
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.image_soundness import check_chunks, check_complete, check_segments, orientation_of
from yolo_bones.rle import ImageSize

DICOM: Final = "DICOM"
SUFFIXES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".dcm": DICOM}
KINDS: Final[dict[str, tuple[bytes, Callable[[Path], Image.Image]]]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (b"\xff\xd8\xff", JpegImageFile),
}
MOST_PIXELS: Final = 64_000_000
LEAST_SIDE: Final = 16
ROWS_AT_ONCE: Final = 256
FORMULA_STARTS: Final = ("=", "+", "-", "@")


def check_image_name(path: Path) -> None:
    """Refuse file names that break a CSV or run as a formula in a spreadsheet."""
    name = path.name
    if any(ord(character) < 32 or character in ',"\x7f' for character in name):
        raise RefusedError(f"{str(path)!r}: a file name with control characters, commas or quotes is refused")
    if name.startswith(FORMULA_STARTS):
        raise RefusedError(f"{path}: a file name that a spreadsheet runs as a formula ({name[:20]}) is refused")


def is_dicom_name(path: Path) -> bool:
    """Whether a file's name says that it is DICOM; such an image goes nowhere but as its pixels."""
    return SUFFIXES.get(path.suffix.lower()) == DICOM


def read_image_size(path: Path) -> ImageSize:
    """Size of an image in pixels, from its header only.

    Raises:
        InputError: not a readable PNG, JPEG or DICOM image of 8 or 16 bits with at most 64 megapixels.
    """
    if _checked_kind(path) == DICOM:
        return _dicom_header(path).size
    with _opened(path) as image:
        return _checked_size(path, image)


def read_grey(path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Pixels of an image as (H, W) uint8 grey, and the names of what was mended.

    An EXIF orientation is not applied: annotations were drawn on the stored pixels.

    Raises:
        InputError: as `read_image_size`, or the pixels cannot be decoded.
    """
    if _checked_kind(path) == DICOM:
        return _read_dicom(path)
    with _opened(path) as image:
        _checked_size(path, image)
        try:
            image.load()
            check_complete(path, image)
            repairs = tuple(_repairs(image))
            if image.mode.startswith("I"):
                return rescale_levels(np.asarray(image)), repairs
            pixels = np.asarray(image, dtype=np.uint8) if image.mode == "L" else _without_colour(image)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            # A stranger's file can make a parser raise almost anything.
            raise InputError(path, "", "a complete image", f"a truncated or damaged one ({error})") from error
    return np.ascontiguousarray(pixels), repairs


def grey_png(grey: NDArray[np.uint8]) -> bytes:
    """Pixels as a PNG file that holds nothing else."""
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


def _without_colour(image: Image.Image) -> NDArray[np.uint8]:
    """Levels as Pillow has them, of whatever transparency hides as well."""
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    # In strips: a copy in colour takes four bytes a pixel.
    for top in range(0, image.height, ROWS_AT_ONCE):
        strip = image.crop((0, top, image.width, min(top + ROWS_AT_ONCE, image.height)))
        opaque = strip.convert("RGB") if strip.mode in ("RGBA", "LA", "PA") else strip
        grey[top : top + ROWS_AT_ONCE] = np.asarray(opaque.convert("L"))
    return grey


def rescale_levels(deep: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16-bit levels to 8 bits; the range is the smallest power of two that holds the brightest pixel."""
    brightest = max(int(deep.max(initial=0)), 255)
    full = (1 << brightest.bit_length()) - 1
    table = np.rint(np.arange(full + 1) * 255.0 / full).astype(np.uint8)
    grey = np.empty(deep.shape, dtype=np.uint8)
    # In strips: indices take eight bytes a pixel.
    for top in range(0, len(deep), ROWS_AT_ONCE):
        grey[top : top + ROWS_AT_ONCE] = table[deep[top : top + ROWS_AT_ONCE]]
    return grey


def _dicom_header(path: Path) -> DicomHeader:
    header = read_dicom_header(path, MOST_PIXELS)
    if min(header.size.height, header.size.width) < LEAST_SIDE:
        raise InputError(path, "Rows, Columns", f"at least {LEAST_SIDE} pixels a side", str(header.size))
    return header


def _read_dicom(path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The picture that a 16-bit PNG of the stored pixels would give, inverted where high levels are dark."""
    header = _dicom_header(path)
    levels = read_dicom_levels(path, header)
    grey = levels.view(np.uint8) if levels.dtype == np.uint8 else rescale_levels(levels)
    told = {
        "rescaled_16bit": header.bits_stored > 8,
        "inverted": header.inverted,
        "lut_ignored": header.has_table,
    }
    return 255 - grey if header.inverted else grey, tuple(name for name, is_so in told.items() if is_so)


def _checked_kind(path: Path) -> str:
    """PNG, JPEG or DICOM, as a file's name and its first bytes both say."""
    try:
        kind = path.stat()
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
        if found is None and dicom_files.is_dicom(path):
            found = DICOM
    except OSError as error:
        raise InputError(path, "", "a readable image file", error.strerror) from error
    if found != expected:
        raise InputError(path, "", f"a {expected} image as its name says", f"a {found} image" if found else "none")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A PNG or JPEG, its header read."""
    kind = SUFFIXES[path.suffix.lower()]
    with path.open("rb") as stream:
        check_chunks(path, stream) if kind == "PNG" else check_segments(path, stream)
    try:
        # Not Image.open: ultralytics replaces it by one that installs packages when it cannot read a file.
        image = KINDS[kind][1](path)
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(path, "", f"a {kind} image", f"a damaged one ({error})") from error
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
    if orientation_of(image.info) not in (0, 1):
        yield "exif_ignored"
