"""DICOM radiographs: what is known before the pixels are read, and nothing that names a patient.

Only the tags in `WANTED` are ever looked at. What pydicom says of a damaged file may quote its tags, so it is not
passed on. `dicom_pixels` reads the levels.
"""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import InputError
from yolo_bones.rle import ImageSize

MAGIC: Final = b"DICM"
MAGIC_AT: Final = 128
MOST_HEADER_BYTES: Final = 2_000_000
"""Before the pixels."""
UNDEFINED: Final = 0xFFFFFFFF
FIRST_PIXEL_TAG: Final = 0x7FE00008
PIXEL_DATA: Final = 0x7FE00010

IMPLICIT: Final = "1.2.840.10008.1.2"
DAMAGED: Final = "something else"
PLAIN: Final = (IMPLICIT, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
BIG_ENDIAN: Final = PLAIN[2]
RUN_LENGTHS: Final = "1.2.840.10008.1.2.5"
JPEG: Final = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
JPEG_2000: Final = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
READABLE: Final = "an uncompressed image, or RLE, 8-bit JPEG or JPEG 2000"

CODES: Final = ("YES", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")

OVERLAY_POSITIONS: Final = tuple(range(0x60000102, 0x60200102, 0x20000))
"""OverlayBitPosition of each of the sixteen overlays; 0 where it does not lie in the pixels' bits."""
WANTED: Final = (
    "BurnedInAnnotation",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "ModalityLUTSequence",
    "PresentationLUTShape",
    "PixelPaddingValue",
)


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What is known of the pixels before they are read.

    Attributes:
        size: of the image.
        bits_allocated: of a pixel in the file, 8 or 16.
        bits_stored: of them that hold its level.
        signed: whether levels may be below 0.
        inverted: whether high levels are dark.
        has_table: whether a table of levels (Modality LUT) is not applied.
        has_overlay: whether an overlay is said to lie in the bits above those stored.
        padding: level that stands for no pixel, its bits as they are stored; None where there is none.
        syntax: UID of how the pixels are written.
        pixels_at: where in the file their value begins.
        pixels_length: its bytes; `UNDEFINED` where it is written in parts.
    """

    size: ImageSize
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    has_table: bool
    has_overlay: bool
    padding: int | None
    syntax: str
    pixels_at: int
    pixels_length: int


def read_dicom_header(path: Path, most_pixels: int) -> DicomHeader:
    """All that is known before the pixels are read; nothing is allocated by what the file says of itself.

    Args:
        path: of a file with DICOM's magic bytes.
        most_pixels: that an image may have.

    Raises:
        InputError: damaged, not one frame of grey levels, too large, written in a way that cannot be read, or with a
            patient's name burned into the picture.
    """
    tags, syntax, stream = _read_tags(path)
    burned_in = str(tags.get("BurnedInAnnotation") or "NO").strip().upper()
    if burned_in != "NO":
        raise InputError(
            path, "BurnedInAnnotation", "NO: what is written in the pixels cannot be left out", _code(burned_in)
        )
    _check_grey(path, tags)
    height, width = _whole(path, tags, "Rows", 1), _whole(path, tags, "Columns", 1)
    if height * width > most_pixels:
        raise InputError(path, "Rows, Columns", f"at most {most_pixels} pixels", f"{height} x {width}")
    allocated, stored = _whole(path, tags, "BitsAllocated", 1), _whole(path, tags, "BitsStored", 1)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        expected = "8 to 16 bits in 8 or 16"
        raise InputError(path, "BitsStored, BitsAllocated", expected, f"{stored} in {allocated}")
    if _whole(path, tags, "HighBit", 0, stored - 1) != stored - 1:
        raise InputError(path, "HighBit", f"{stored - 1}, one less than BitsStored", tags.get("HighBit"))
    signed = _whole(path, tags, "PixelRepresentation", 0, 0)
    if signed > 1 or (signed and syntax in (*JPEG, *JPEG_2000)):
        expected = "0 in JPEG and JPEG 2000" if signed == 1 else "0 or 1"
        raise InputError(path, "PixelRepresentation", expected, signed)
    at, length = _find_pixels(path, stream)
    return DicomHeader(
        size=ImageSize(height, width),
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed == 1,
        inverted=(tags.get("PhotometricInterpretation") == "MONOCHROME1") != (_slope(path, tags) < 0.0),
        has_table="ModalityLUTSequence" in tags,
        has_overlay="OverlayBitPosition" in tags,
        padding=_padding(path, tags, allocated),
        syntax=syntax,
        pixels_at=at,
        pixels_length=length,
    )


def read_spacing_mm(path: Path) -> tuple[float, float] | None:
    """Millimetres from one pixel to the next, down and across; None where the file does not say, or is no DICOM.

    PixelSpacing, else ImagerPixelSpacing, which is true at the detector: a hand that lies on it is shown at its size.

    Raises:
        InputError: a damaged file, or a spacing that cannot be.
    """
    if not is_dicom(path):
        return None
    tags, _, _ = _read_tags(path)
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            written = tags.get(name)
            found = [] if written is None else [float(value) for value in written]
        except Exception as error:
            raise InputError(path, name, "two numbers of millimetres", "something else") from error
        if not found:
            continue
        if len(found) != 2 or not all(0.001 <= value <= 10.0 for value in found):
            raise InputError(path, name, "two numbers of millimetres from 0.001 to 10", found)
        return found[0], found[1]
    return None


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's magic bytes."""
    with path.open("rb") as stream:
        return stream.read(MAGIC_AT + len(MAGIC)).endswith(MAGIC) and stream.tell() == MAGIC_AT + len(MAGIC)


def _value(tags: Any, name: str) -> Any:
    """Of a tag; None where it is empty, `DAMAGED` where what is written is not what the tag holds."""
    try:
        return tags[name].value if name != "ModalityLUTSequence" else name
    except Exception:
        return DAMAGED


def _read_tags(path: Path) -> tuple[dict[str, Any], str, io.BytesIO]:
    """The wanted tags, the UID of how pixels are written, and the header's bytes at the place of the pixels."""
    # Here and not above: only DICOM needs it, and it takes a quarter of a second to import.
    import pydicom
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    # Its warnings quote values of tags.
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    logging.getLogger("pydicom").disabled = True
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with path.open("rb") as file:
        content = file.read(MOST_HEADER_BYTES)
    stream = io.BytesIO(content)
    stream.seek(MAGIC_AT + len(MAGIC))
    try:
        meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
        syntax = str(meta.get("TransferSyntaxUID", ""))
        if syntax in (*PLAIN, RUN_LENGTHS, *JPEG, *JPEG_2000):
            tags = read_dataset(
                stream,
                syntax == IMPLICIT,
                syntax != BIG_ENDIAN,
                stop_when=lambda tag, _vr, _length: tag >= FIRST_PIXEL_TAG,
                specific_tags=[*(Tag(name) for name in WANTED), *(Tag(tag) for tag in OVERLAY_POSITIONS)],
            )
            found = {name: _value(tags, name) for name in WANTED if name in tags}
            if any(Tag(tag) in tags and tags[tag].value for tag in OVERLAY_POSITIONS):
                found["OverlayBitPosition"] = True
            return {name: value for name, value in found.items() if value is not None}, syntax, stream
    except Exception as error:
        # A stranger's file can make a parser raise almost anything.
        raise InputError(path, "", "a DICOM image", f"a damaged one ({type(error).__name__})") from error
    raise InputError(path, "TransferSyntaxUID", READABLE, pydicom.uid.UID(syntax).name if syntax else "none")


def _find_pixels(path: Path, stream: io.BytesIO) -> tuple[int, int]:
    """Where the value of PixelData begins in the file, and its length."""
    head = stream.read(12)
    at = stream.tell()
    if len(head) < 12 and path.stat().st_size > MOST_HEADER_BYTES:
        raise InputError(path, "PixelData", f"within the first {MOST_HEADER_BYTES} bytes", "none")
    for order in ("<", ">"):
        if len(head) == 12 and struct.unpack(f"{order}HH", head[:4]) == (PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF):
            explicit = head[4:6] in (b"OB", b"OW", b"UN")
            (length,) = struct.unpack(f"{order}I", head[8:12] if explicit else head[4:8])
            return (at, length) if explicit else (at - 4, length)
    raise InputError(path, "PixelData", "pixels of 8 or 16 bits", "none")


def _check_grey(path: Path, tags: dict[str, Any]) -> None:
    if _whole(path, tags, "SamplesPerPixel", 1, 1) != 1:
        raise InputError(path, "SamplesPerPixel", "1, grey levels", tags.get("SamplesPerPixel"))
    if tags.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        expected = "MONOCHROME1 or MONOCHROME2"
        raise InputError(path, "PhotometricInterpretation", expected, _code(tags.get("PhotometricInterpretation")))
    if _whole(path, tags, "NumberOfFrames", 1, 1) != 1:
        raise InputError(path, "NumberOfFrames", "1, a single image", str(tags.get("NumberOfFrames")))
    if tags.get("PresentationLUTShape") == "INVERSE" and tags.get("PhotometricInterpretation") == "MONOCHROME2":
        raise InputError(path, "PresentationLUTShape", "IDENTITY beside MONOCHROME2", "INVERSE")


def _whole(path: Path, tags: dict[str, Any], name: str, least: int, default: int | None = None) -> int:
    try:
        value = tags.get(name, default)
        if value is None and name not in tags:
            raise InputError(path, name, "a whole number", "none")
        number = int(str(value))
    except InputError:
        raise
    except Exception as error:
        raise InputError(path, name, "a whole number", "something else") from error
    if number < least:
        raise InputError(path, name, f"at least {least}", number)
    return number


def _padding(path: Path, tags: dict[str, Any], bits: int) -> int | None:
    if "PixelPaddingValue" not in tags:
        return None
    value = _whole(path, tags, "PixelPaddingValue", -(1 << (bits - 1)))
    if value >> bits > 0:
        raise InputError(path, "PixelPaddingValue", f"a level of {bits} bits", value)
    return value & ((1 << bits) - 1)


def _slope(path: Path, tags: dict[str, Any]) -> float:
    try:
        slope = float(tags.get("RescaleSlope", 1.0))
    except Exception as error:
        raise InputError(path, "RescaleSlope", "a number", "something else") from error
    if not (math.isfinite(slope) and slope != 0.0):
        raise InputError(path, "RescaleSlope", "a number that is not 0", slope)
    return slope


def _code(value: object) -> str:
    """A code that DICOM knows; anything else may be a name and is not shown."""
    return str(value) if value in CODES else DAMAGED
