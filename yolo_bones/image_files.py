"""Radiograph files: their size from the header, their pixels as 8-bit grey, and what had to be mended.

PNG and JPEG by Pillow, DICOM by `dicom_files`.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from yolo_bones import dicom_files
from yolo_bones.dicom_files import DicomHeader, read_dicom_header
from yolo_bones.dicom_pixels import read_dicom_levels
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.image_soundness import (
    PngParts,
    check_chunks,
    check_complete,
    check_segments,
    check_structure,
    is_cut_jpeg,
    orientation_of,
)
from yolo_bones.rle import ImageSize

DICOM: Final = "DICOM"
SUFFIXES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".dcm": DICOM}
STRANGE_SUFFIXES: Final = (
    *(".avif", ".bmp", ".dicom", ".gif", ".heic", ".heif", ".ima", ".j2k", ".jfif", ".jp2", ".jpe", ".jxl"),
    *(".pgm", ".tif", ".tiff", ".webp"),
)
"""Of images that are not read: leaving them out silently would lose them."""
KINDS: Final[dict[str, tuple[bytes, Callable[[Path], ImageFile]]]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (b"\xff\xd8\xff", JpegImageFile),
}
MOST_PIXELS: Final = 64_000_000
LEAST_SIDE: Final = 16
MOST_DEEP_PIXELS: Final = 17_000_000
"""Of a PNG in colour of 16 bits, which is read three times."""
ROWS_AT_ONCE: Final = 256
GREY_WEIGHTS: Final = (19595, 38470, 7471)
"""Of red, green and blue, in 65,536ths, as Pillow has them."""
DEEP_COLOUR: Final = {
    "RGB;16B": (("RGB;16B", (0, 1, 2)), ("RGB;16L", (0, 1, 2))),
    "RGBA;16B": (("RGBA;16B", (0, 1, 2)), ("RGBA;16L", (0, 1, 2))),
    "LA;16B": (("RGBA", (0, 0, 0)), ("RGBA", (1, 1, 1))),
}
"""How Pillow calls the bytes of a pixel -> how it is told to read, and where then are, the upper and the lower ones."""
FORMULA_STARTS: Final = ("=", "+", "-", "@")
MOST_NAME_BYTES: Final = 230
"""Of an image's file; that of a file in the making is longer, and file systems take 255."""
UNSAFE_IN_NAMES: Final = re.compile(r'[,"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
"""Commas, quotes, what ends a line or turns its direction, and bytes that are no UTF-8."""


def check_image_name(path: Path) -> None:
    """Refuse file names that break a CSV or run as a formula in a spreadsheet.

    Raises:
        InputError: it is so long that what is made of it has no name.
        RefusedError: it is not safe.
    """
    name = path.name
    if UNSAFE_IN_NAMES.search(name):
        raise RefusedError(
            f"{str(path)!r}: a file name with control characters, commas, quotes or bytes that are no text is refused"
        )
    if len(name.encode()) > MOST_NAME_BYTES:
        raise InputError(path, "", f"a file name of at most {MOST_NAME_BYTES} bytes", len(name.encode()))
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
        size = _checked_size(path, image)
        parts = check_structure(path) if isinstance(image, PngImageFile) else PngParts(0, animated=False)
        if 0 < parts.colours <= 2:
            raise InputError(path, "", "grey levels of 8 or 16 bits", "a 1-bit image of two colours")
        try:
            is_deep = image.mode.startswith("I") or image.tile[0].args in DEEP_COLOUR
            if is_deep and not image.mode.startswith("I"):
                pixels = rescale_levels(_deep_levels(path, size))
            image.load()
            check_complete(path, image)
            repairs = tuple(_repairs(image, parts, is_deep))
            # What it would hide is shown; Pillow warns of it otherwise.
            image.info.pop("transparency", None)
            if parts.colours and int(np.asarray(image).max()) >= parts.colours:
                raise InputError(path, "PLTE", f"pixels of its {parts.colours} colours", int(np.asarray(image).max()))
            if image.mode.startswith("I"):
                pixels = rescale_levels(np.asarray(image))
            elif not is_deep:
                pixels = np.asarray(image, dtype=np.uint8) if image.mode == "L" else _without_colour(image)
            if isinstance(image, JpegImageFile) and is_cut_jpeg(path.read_bytes(), pixels):
                raise InputError(path, "", "a complete image", "a truncated one that was closed")
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


def _deep_levels(path: Path, size: ImageSize) -> NDArray[np.uint16]:
    """Grey levels of a PNG in colour of 16 bits, of which Pillow takes the upper eight alone: it reads them twice."""
    if size.height * size.width > MOST_DEEP_PIXELS:
        raise InputError(path, "size", f"at most {MOST_DEEP_PIXELS} pixels of 16 bits in colour", str(size))
    levels = np.zeros((size.height, size.width), dtype=np.uint16)
    for half in (0, 1):
        with _opened(path) as image:
            raw_mode, channels = DEEP_COLOUR[str(image.tile[0].args)][half]
            image.tile = [image.tile[0]._replace(args=raw_mode)]
            image.load()
            for top in range(0, size.height, ROWS_AT_ONCE):
                strip = np.asarray(image.crop((0, top, size.width, min(top + ROWS_AT_ONCE, size.height))))
                weighted = [strip[..., c] * np.uint32(w) for c, w in zip(channels, GREY_WEIGHTS, strict=True)]
                grey = (weighted[0] + weighted[1] + weighted[2]) >> np.uint32(16 if half else 8)
                levels[top : top + ROWS_AT_ONCE] += grey.astype(np.uint16)
    return levels


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
    levels, is_darkened = read_dicom_levels(path, header)
    grey = levels.view(np.uint8) if levels.dtype == np.uint8 else rescale_levels(levels)
    told = {
        "rescaled_16bit": header.bits_stored > 8,
        "inverted": header.inverted,
        "lut_ignored": header.has_table,
        "overlay_dropped": header.has_overlay,
        "padding_darkened": is_darkened,
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
def _opened(path: Path) -> Iterator[ImageFile]:
    """A PNG or JPEG, its header read."""
    kind = SUFFIXES[path.suffix.lower()]
    with path.open("rb") as stream:
        check_chunks(path, stream) if kind == "PNG" else check_segments(path, stream)
    warnings.filterwarnings("ignore", module=r"PIL\b")
    try:
        # Not Image.open: ultralytics replaces it by one that installs packages when it cannot read a file.
        image = KINDS[kind][1](path)
    except MemoryError:
        raise
    except Exception as error:
        got = "a truncated one" if isinstance(error, (struct.error, EOFError)) else f"a damaged one ({error})"
        raise InputError(path, "", f"a {kind} image", got) from error
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


def _repairs(image: Image.Image, parts: PngParts, is_deep: bool) -> Iterator[str]:
    if is_deep:
        yield "rescaled_16bit"
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        yield "alpha_dropped"
    if parts.animated:
        yield "frames_dropped"
    if orientation_of(image.info) not in (0, 1):
        yield "exif_ignored"
