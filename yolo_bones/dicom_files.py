"""DICOM radiographs: the levels of one grey frame, and nothing that names a patient.

Only the tags in `WANTED` are ever looked at. What pydicom says of a damaged file may quote its tags, so it is not
passed on. Windows (VOI) are not applied: levels are taken as from a 16-bit PNG of the stored pixels.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

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
    at, length = _find_pixels(path, stream)
    return DicomHeader(
        size=ImageSize(height, width),
        bits_allocated=allocated,
        bits_stored=stored,
        signed=_whole(path, tags, "PixelRepresentation", 0, 0) == 1,
        inverted=(tags.get("PhotometricInterpretation") == "MONOCHROME1") != (_slope(path, tags) < 0.0),
        has_table="ModalityLUTSequence" in tags,
        syntax=syntax,
        pixels_at=at,
        pixels_length=length,
    )


def read_dicom_levels(path: Path, header: DicomHeader) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(H, W) levels as stored, from 0; what is signed is moved up by the least power of two that makes it so.

    Raises:
        InputError: fewer or more pixels than Rows and Columns say, or damaged ones.
    """
    levels = _plain_levels(path, header) if header.syntax in PLAIN else _unpacked_levels(path, header)
    if header.bits_allocated == 8:
        return np.ascontiguousarray(levels.view(np.uint8))
    levels = levels.astype(np.uint16, copy=False)
    if header.bits_stored < 16:
        # What other programs keep in the bits above is none of the picture's.
        levels = levels & np.uint16((1 << header.bits_stored) - 1)
    if header.signed:
        middle = 1 << (header.bits_stored - 1)
        # Two's complement with its sign bit turned round counts from the lowest level on.
        levels = levels ^ np.uint16(middle)
        lowest = int(levels.min()) - middle
        levels = levels - np.uint16(middle - (1 << (-lowest - 1).bit_length() if lowest < 0 else 0))
    return np.ascontiguousarray(levels)


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
    """Of a tag; `DAMAGED` where what is written is not what the tag holds."""
    try:
        return tags[name].value if name != "ModalityLUTSequence" else None
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
                specific_tags=[Tag(name) for name in WANTED],
            )
            return {name: _value(tags, name) for name in WANTED if name in tags}, syntax, stream
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


def _slope(path: Path, tags: dict[str, Any]) -> float:
    try:
        slope = float(tags.get("RescaleSlope", 1.0))
    except Exception as error:
        raise InputError(path, "RescaleSlope", "a number", "something else") from error
    if not (np.isfinite(slope) and slope != 0.0):
        raise InputError(path, "RescaleSlope", "a number that is not 0", slope)
    return slope


def _code(value: object) -> str:
    """A code that DICOM knows; anything else may be a name and is not shown."""
    return str(value) if value in CODES else DAMAGED


def _plain_levels(path: Path, header: DicomHeader) -> NDArray[Any]:
    height, width = header.size.height, header.size.width
    expected = height * width * header.bits_allocated // 8
    there = min(header.pixels_length, path.stat().st_size - header.pixels_at)
    # An odd number of bytes is filled up by one.
    if header.pixels_length == UNDEFINED or there < expected or header.pixels_length > expected + expected % 2:
        got = "pixels in parts" if header.pixels_length == UNDEFINED else min(there, header.pixels_length)
        if there >= expected:
            got = header.pixels_length
        said = f"Rows {height} x Columns {width} of {header.bits_allocated} bits"
        raise InputError(path, "PixelData", f"{expected} bytes for {said}", got)
    if header.syntax == BIG_ENDIAN and header.bits_allocated == 8:
        raise InputError(path, "TransferSyntaxUID", "little-endian bytes", "big-endian ones")
    kind = "u1" if header.bits_allocated == 8 else ">u2" if header.syntax == BIG_ENDIAN else "<u2"
    levels = np.fromfile(path, dtype=kind, count=height * width, offset=header.pixels_at)
    return levels.reshape(height, width)


def _unpacked_levels(path: Path, header: DicomHeader) -> NDArray[Any]:
    from pydicom.encaps import get_frame

    height, width = header.size.height, header.size.width
    most = 2 * height * width * header.bits_allocated // 8 + 1_000_000
    with path.open("rb") as file:
        file.seek(header.pixels_at)
        content = file.read(most + 1)
    if header.pixels_length != UNDEFINED or len(content) > most:
        raise InputError(path, "PixelData", f"one compressed image of at most {most} bytes", "something else")
    try:
        frame = get_frame(content, 0, number_of_frames=1)
        if header.syntax == RUN_LENGTHS:
            return _unpack_run_lengths(frame, header)
        return _unpack_jpeg(path, frame, header)
    except InputError:
        raise
    except Exception as error:
        said = f"Rows {height} x Columns {width} compressed pixels"
        raise InputError(path, "PixelData", said, f"damaged ones ({type(error).__name__})") from error


def _unpack_run_lengths(frame: bytes, header: DicomHeader) -> NDArray[Any]:
    """Each byte of the pixels, the highest first, is a segment of its own."""
    count, *starts = struct.unpack("<16L", frame[:64])
    if count != header.bits_allocated // 8:
        raise ValueError("another number of segments")
    height, width = header.size.height, header.size.width
    levels = np.zeros((height, width), dtype=np.uint16)
    for start, end in zip(starts[:count], [*starts[1:count], len(frame)], strict=True):
        # As one long row: runs may go on in the next.
        plane = Image.frombytes("L", (height * width, 1), frame[start:end], "packbits", "L")
        levels = (levels << np.uint16(8)) | np.asarray(plane, dtype=np.uint8).reshape(height, width)
    return levels.astype(np.uint8) if header.bits_allocated == 8 else levels


def _unpack_jpeg(path: Path, frame: bytes, header: DicomHeader) -> NDArray[Any]:
    # Not Image.open: ultralytics replaces it by one that installs packages when it cannot read a file.
    opened: Image.Image = (JpegImageFile if header.syntax in JPEG else Jpeg2KImageFile)(io.BytesIO(frame))
    with opened as image:
        if image.size != (header.size.width, header.size.height):
            said = f"Rows {header.size.height} x Columns {header.size.width}"
            raise InputError(path, "PixelData", f"a picture of {said}", f"{image.size[1]} x {image.size[0]}")
        if image.mode not in ("L", "I;16"):
            raise InputError(path, "PixelData", "grey levels", f"mode {image.mode}")
        levels = np.asarray(image)
    if header.bits_allocated == 8 and levels.dtype != np.uint8:
        raise InputError(path, "BitsAllocated", "16, as in the compressed picture", 8)
    return levels
