"""The pixels of DICOM radiographs: levels of one grey frame.

Windows (VOI) are not applied: levels are taken as from a 16-bit PNG of the stored pixels.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from yolo_bones.dicom_files import BIG_ENDIAN, JPEG, PLAIN, RUN_LENGTHS, UNDEFINED, DicomHeader
from yolo_bones.errors import InputError
from yolo_bones.image_soundness import check_segments, is_cut_jpeg

SIZ: Final = b"\xff\x4f\xff\x51"


def read_dicom_levels(path: Path, header: DicomHeader) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], bool]:
    """(H, W) levels as stored, from 0; what is signed is moved up by the least power of two that makes it so.

    Returns:
        The levels, and whether padding was made as dark as the darkest pixel.

    Raises:
        InputError: fewer or more pixels than Rows and Columns say, or damaged ones.
    """
    levels = _plain_levels(path, header) if header.syntax in PLAIN else _unpacked_levels(path, header)
    padding = None if header.padding is None else levels == header.padding
    if header.bits_allocated == 16 or header.signed:
        levels = levels.astype(np.uint16, copy=False)
    if header.bits_stored < header.bits_allocated:
        _check_bits_above(path, header, levels)
        levels = levels & np.uint16((1 << header.bits_stored) - 1)
    middle = 1 << (header.bits_stored - 1)
    if header.signed:
        # Two's complement with its sign bit turned round counts from the lowest level on.
        levels = levels ^ np.uint16(middle)
    levels, is_darkened = _darkened(levels, padding, header.inverted)
    if header.signed:
        lowest = int(levels.min()) - middle
        levels = levels - np.uint16(middle - (1 << (-lowest - 1).bit_length() if lowest < 0 else 0))
    return np.ascontiguousarray(levels), is_darkened


def _darkened(levels: NDArray[Any], padding: NDArray[np.bool_] | None, inverted: bool) -> tuple[NDArray[Any], bool]:
    """Padding stands for no pixel: as a level it would be a bright frame, or make all others dark."""
    if padding is None or not padding.any() or padding.all():
        return levels, False
    others = levels[~padding]
    darkest = others.max() if inverted else others.min()
    if levels[padding].max() == levels[padding].min() == darkest:
        return levels, False
    return np.where(padding, darkest, levels), True


def _check_bits_above(path: Path, header: DicomHeader, levels: NDArray[np.uint16]) -> None:
    """Levels of more bits than are stored would be cut off; what lies above may be an overlay, or a sign."""
    as_said = levels.view(np.int16) if header.signed else levels
    least, most = int(as_said.min()), int(as_said.max())
    if not header.has_overlay and (most >> header.bits_stored or least < -(1 << (header.bits_stored - 1))):
        got = f"levels from {least} to {most}"
        raise InputError(path, "BitsStored", f"levels of {header.bits_stored} bits, or an overlay above them", got)


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
    from pydicom.encaps import get_frame, parse_basic_offsets

    height, width = header.size.height, header.size.width
    most = 2 * height * width * header.bits_allocated // 8 + 1_000_000
    with path.open("rb") as file:
        file.seek(header.pixels_at)
        content = file.read(most + 1)
    if header.pixels_length != UNDEFINED or len(content) > most:
        raise InputError(path, "PixelData", f"one compressed image of at most {most} bytes", "something else")
    try:
        frames = len(parse_basic_offsets(content))
        if frames > 1:
            raise InputError(path, "PixelData", "a single image", f"{frames} of them")
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


def _precision(frame: bytes) -> int:
    """Bits of a level of a JPEG 2000 codestream in one channel, as its first segment (SIZ) says."""
    start = frame.index(SIZ)
    return (frame[start + 42] & 0x7F) + 1


def _unpack_jpeg(path: Path, frame: bytes, header: DicomHeader) -> NDArray[Any]:
    if header.syntax in JPEG:
        check_segments(path, io.BytesIO(frame))
    # Not Image.open: ultralytics replaces it by one that installs packages when it cannot read a file.
    opened: Image.Image = (JpegImageFile if header.syntax in JPEG else Jpeg2KImageFile)(io.BytesIO(frame))
    with opened as image:
        if image.size != (header.size.width, header.size.height):
            said = f"Rows {header.size.height} x Columns {header.size.width}"
            raise InputError(path, "PixelData", f"a picture of {said}", f"{image.size[1]} x {image.size[0]}")
        if image.mode not in ("L", "I;16"):
            raise InputError(path, "PixelData", "grey levels", f"mode {image.mode}")
        levels = np.asarray(image)
        if levels.dtype != np.uint8:
            # Pillow moves what has fewer bits up to 16.
            levels = levels >> np.uint16(16 - _precision(frame))
        elif header.syntax in JPEG and is_cut_jpeg(frame, levels):
            raise InputError(path, "PixelData", "a complete picture", "a truncated one that was closed")
    if header.bits_allocated == 8 and levels.dtype != np.uint8:
        raise InputError(path, "BitsAllocated", "16, as in the compressed picture", 8)
    return levels
