"""What is wrong with a PNG or JPEG although Pillow reads it, for minutes or only in part; and which way up it is."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
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
MOST_PNG_BYTES: Final = 600_000_000
INFLATED_AT_ONCE: Final = 1_000_000
SCAN: Final = 0xDA
STANDALONE: Final = (0x01, *range(0xD0, 0xDA), 0xFF)
"""Markers of a JPEG that no length follows, and bytes that fill."""
BASELINE: Final = (0xC0, 0xC1)
RESTARTS: Final = 0xDD
"""Said by a JPEG whose scan has markers in it."""
FILLER: Final = bytes(range(32, 250, 7)) * 4
"""No JPEG ends by chance in a way that this changes nothing."""
CRITICAL_ORDERS: Final = ([b"IHDR", b"IDAT", b"IEND"], [b"IHDR", b"PLTE", b"IDAT", b"IEND"])
EXIF_ORIENTATION: Final = 274
XMP_ORIENTATION: Final = re.compile(rb'tiff:Orientation(?:=["\']|>)([0-9])')
CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of a pixel, by the colour type of a PNG."""
PASSES: Final = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
"""Of an interlaced PNG: first row and step, first column and step."""


@dataclass(frozen=True, slots=True)
class PngParts:
    """What a PNG is made of.

    Attributes:
        colours: of its palette; 0 where it has none.
        animated: whether it says that it has several frames, which other readers put together in their own ways.
    """

    colours: int
    animated: bool


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
    place, pixels = 2, 0
    for number, (marker, place) in enumerate(_segments(content), start=1):
        if number > MOST_SEGMENTS:
            raise InputError(path, "", f"a JPEG of at most {MOST_SEGMENTS} segments before its pixels", "more")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(content) >= place + 9:
            pixels = int.from_bytes(content[place + 5 : place + 7]) * int.from_bytes(content[place + 7 : place + 9])
    scans = content.count(bytes([0xFF, SCAN]), place)
    if scans > 1 and scans * pixels > MOST_SCANNED:
        raise InputError(path, "", f"a JPEG of at most {MOST_SCANNED // pixels} scans", scans)


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG and their places, up to that of its pixels."""
    marker, place = 0, 2
    while marker != SCAN and content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker = content[place + 1]
        yield marker, place
        filled = 1 if marker == 0xFF else 2
        place += filled if marker in STANDALONE else 2 + int.from_bytes(content[place + 2 : place + 4])


def is_cut_jpeg(content: bytes, levels: NDArray[Any]) -> bool:
    """Whether pixels are missing, which libjpeg fills with the last level and tells nobody.

    What is put behind the last pixel's bytes changes the picture only where bytes were missing.

    Args:
        content: a JPEG that can be read.
        levels: its pixels.
    """
    corner = levels[(len(levels) - 1) // 8 * 8 :, (levels.shape[1] - 1) // 8 * 8 :]
    places = dict(_segments(content))
    if corner.min() != corner.max() or SCAN not in places or places.keys().isdisjoint(BASELINE):
        return False
    stop = rb"\xff[^\0\xff\xd0-\xd7]" if RESTARTS in places else rb"\xff[^\0\xff]"
    end = re.compile(stop, re.DOTALL).search(content, places[SCAN] + 2)
    if end is None:
        return False
    filled = content[: end.start()] + FILLER + content[end.start() :]
    return _means(content) != _means(filled)


def _means(content: bytes) -> bytes:
    """Of each eight by eight pixels of a JPEG."""
    with JpegImageFile(io.BytesIO(content)) as image:
        image.draft("L", (image.width // 8, image.height // 8))
        return image.tobytes()


def check_structure(path: Path) -> PngParts:
    """A PNG that Pillow reads may be one that libpng, which trainings read with, does not, or not in the same way.

    Raises:
        InputError: its chunks are damaged, cut, or not in their order.
    """
    names: list[bytes] = []
    header, colours = b"", 0
    with path.open("rb") as stream:
        stream.seek(8)
        while b"IEND" not in names[-1:]:
            length, name = struct.unpack(">I4s", stream.read(8).ljust(8, b"\xff"))
            checksum, left = zlib.crc32(name), length
            while left and (part := stream.read(min(left, INFLATED_AT_ONCE))):
                checksum, left = zlib.crc32(part, checksum), left - len(part)
                header = header or part
            written = stream.read(4)
            if left or len(written) < 4:
                raise InputError(path, "", "a complete image", "a truncated one")
            if int.from_bytes(written) != checksum:
                raise InputError(path, "", "a PNG image", f"a damaged one (checksum of {name!r})")
            if stream.tell() > MOST_PNG_BYTES:
                raise InputError(path, "", f"a PNG of at most {MOST_PNG_BYTES} bytes", "more")
            if name == b"PLTE":
                colours = length // 3 if length % 3 == 0 else 0
            names.append(name)
    # Critical chunks, which every reader must know, begin with a capital letter.
    order = [name for name, _ in groupby(names) if not name[0] & 0x20]
    in_order = names[0] == b"IHDR" and names.count(b"IHDR") == 1 and names.count(b"PLTE") <= 1
    if not in_order or order not in CRITICAL_ORDERS or header[10:11] != b"\0":
        raise InputError(path, "", "the chunks of a PNG in their order", b" ".join(order).decode("ascii", "replace"))
    if header[9] == 3 and not colours:
        raise InputError(path, "PLTE", "a palette", "none" if b"PLTE" not in names else "a damaged one")
    return PngParts(colours if header[9] == 3 else 0, b"acTL" in names)


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
            tag, _, _, value = struct.unpack(f"{order}HHIH", tiff[entry : entry + 10])
            if tag == EXIF_ORIENTATION:
                # Some readers look at its first two bytes whatever kind of number it says it is.
                return int(value or struct.unpack(f"{order}I", tiff[entry + 8 : entry + 12])[0])
    xmp = info.get("xmp", info.get("XML:com.adobe.xmp", b""))
    found = XMP_ORIENTATION.search(xmp if isinstance(xmp, bytes) else str(xmp).encode())
    return int(found[1]) if found else 1
