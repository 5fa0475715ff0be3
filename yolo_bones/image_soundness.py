"""What is wrong with a PNG or JPEG although Pillow reads it, for minutes or only in part; and which way up it is."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from yolo_bones.errors import InputError

MOST_CHUNKS: Final = 50_000
"""Of a PNG: each costs the reader time, an empty one as well."""
MOST_CHUNKS_BEFORE: Final = 1_000
"""Its pixels."""
MOST_SEGMENTS: Final = 1_000
"""Of a JPEG before its pixels."""
MOST_SCANNED: Final = 400_000_000
"""Pixels of a JPEG, counted anew in each of its scans."""
MOST_JPEG_BYTES: Final = 256_000_000
INFLATED_AT_ONCE: Final = 1_000_000
SCAN: Final = 0xDA
STANDALONE: Final = (0x01, *range(0xD0, 0xDA), 0xFF)
"""Markers of a JPEG that no length follows, and bytes that fill."""
EXIF_ORIENTATION: Final = 274
XMP_ORIENTATION: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of a pixel, by the colour type of a PNG."""
PASSES: Final = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
"""Of an interlaced PNG: first row and step, first column and step."""


def check_chunks(path: Path, stream: BinaryIO) -> None:
    """A PNG of millions of empty chunks would be read for minutes.

    Raises:
        InputError: there are too many.
    """
    stream.seek(8)
    number, pixels_seen = 0, False
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        pixels_seen |= name == b"IDAT"
        number += 1
        if number > (MOST_CHUNKS if pixels_seen else MOST_CHUNKS_BEFORE):
            most = f"{MOST_CHUNKS} chunks, {MOST_CHUNKS_BEFORE} of them before its pixels"
            raise InputError(path, "", f"a PNG of at most {most}", "more")
        stream.seek(length + 4, 1)


def check_segments(path: Path, stream: BinaryIO) -> None:
    """A JPEG of millions of segments, or of hundreds of scans, would be read for minutes.

    Raises:
        InputError: there are too many.
    """
    content = stream.read(MOST_JPEG_BYTES + 1)
    if len(content) > MOST_JPEG_BYTES:
        raise InputError(path, "", f"a JPEG of at most {MOST_JPEG_BYTES} bytes", "more")
    place, pixels, segments = 2, 0, 0
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker = content[place + 1]
        segments += 1
        if segments > MOST_SEGMENTS:
            raise InputError(path, "", f"a JPEG of at most {MOST_SEGMENTS} segments before its pixels", "more")
        if marker in STANDALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(content) >= place + 9:
            pixels = int.from_bytes(content[place + 5 : place + 7]) * int.from_bytes(content[place + 7 : place + 9])
        if marker == SCAN:
            break
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    scans = content.count(bytes([0xFF, SCAN]), place)
    if scans > 1 and scans * pixels > MOST_SCANNED:
        raise InputError(path, "", f"a JPEG of at most {MOST_SCANNED // pixels} scans", scans)


def check_complete(path: Path, image: Image.Image) -> None:
    """Pillow leaves rows black, and says nothing, where a PNG's pixels end early but orderly.

    Raises:
        InputError: they do.
    """
    if not isinstance(image, PngImageFile):
        return
    interlaced = bool(image.info.get("interlace"))
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if not interlaced and last.any():
        return
    with path.open("rb") as stream:
        stream.seek(16)
        width, height, bits, kind = struct.unpack(">IIBB", stream.read(10))
        stream.seek(8)
        inflate, there = zlib.decompressobj(), 0
        wanted = sum(
            len(range(top, height, down)) * (1 + (len(range(left, width, right)) * bits * CHANNELS[kind] + 7) // 8)
            for top, down, left, right in (PASSES if interlaced else ((0, 1, 0, 1),))
            if left < width
        )
        while there < wanted and len(head := stream.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            part = stream.read(length) if name == b"IDAT" else b""
            while part and there < wanted and not inflate.eof:
                there += len(inflate.decompress(part, INFLATED_AT_ONCE))
                part = inflate.unconsumed_tail
            stream.seek(4 if name == b"IDAT" else length + 4, 1)
    if there < wanted:
        raise InputError(path, "", "a complete image", f"a truncated one ({there} of {wanted} bytes)")


def orientation_of(info: dict[Any, Any]) -> int:
    """As EXIF or XMP says; 1 where neither does, or what is there is damaged: it is not applied either way.

    Not Pillow's own reading, which prints warnings about damage, and says nothing of a value of another type.
    """
    exif = info.get("exif", b"")
    tiff = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is not None and len(tiff) >= 8:
        (start,) = struct.unpack(f"{order}I", tiff[4:8])
        count = int.from_bytes(tiff[start : start + 2], "little" if order == "<" else "big")
        for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
            tag, kind, _, value = struct.unpack(f"{order}HHIH", tiff[entry : entry + 10])
            if (tag, kind) == (EXIF_ORIENTATION, 3):
                return int(value)
    xmp = info.get("xmp", info.get("XML:com.adobe.xmp", b""))
    found = XMP_ORIENTATION.search(xmp if isinstance(xmp, bytes) else str(xmp).encode())
    return int(found[1]) if found else 1
