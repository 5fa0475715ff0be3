"""Masks of one image as a short text inside a page: every run, exactly.

The text is base64 of a raw deflate stream (zlib, no header) of unsigned LEB128 numbers: the run count of each mask;
then of all masks in order the starts of the runs; then their lengths. The first start and length of a mask are written
as they are, each later start as `zigzag(start - previous start - width)`, each later length as
`zigzag(length - previous length)`: an outline changes little from row to row. `zigzag(v)` is 2v, or -2v - 1 below 0.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.rle import ImageSize, RunLengthMasks

RAW_DEFLATE: Final = -15
LEVEL: Final = 9
NUMBER_BITS: Final = 7
MOST_BYTES: Final = 5
"""Of one number: 35 bits, more than any pixel's index doubled."""

Numbers = NDArray[np.int64]


def pack_layers(masks: RunLengthMasks) -> str:
    """The runs of any number of masks as ASCII text."""
    counts = np.diff(masks.offsets)
    starts = masks.starts.astype(np.int64)
    lengths = masks.ends.astype(np.int64) - starts
    first = masks.offsets[:-1][counts > 0]
    numbers = [counts, _differences(starts, first, masks.size.width), _differences(lengths, first, 0)]
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_DEFLATE)
    stream = packer.compress(_numbers_to_bytes(np.concatenate(numbers))) + packer.flush()
    return base64.b64encode(stream).decode("ascii")


def unpack_layers(text: str, size: ImageSize, count: int = BONE_COUNT) -> RunLengthMasks:
    """The masks that `pack_layers` wrote.

    Args:
        text: of one set of one image.
        size: that its runs count in.
        count: of masks.

    Raises:
        ValueError: no such text, cut, or of other masks.
    """
    try:
        unpacker = zlib.decompressobj(RAW_DEFLATE)
        stream = unpacker.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"expected base64 of a deflate stream, got {error}") from error
    numbers = _bytes_to_numbers(stream) if unpacker.eof else np.zeros(0, dtype=np.int64)
    offsets = np.zeros(count + 1, dtype=np.int64)
    if len(numbers) >= count:
        np.cumsum(numbers[:count], out=offsets[1:])
    runs = int(offsets[-1])
    if len(numbers) != count + 2 * runs:
        raise ValueError(f"expected {count} counts and two numbers a run, got {len(numbers)} numbers")
    first = offsets[:-1][np.diff(offsets) > 0]
    starts = _sums(numbers[count : count + runs], first, size.width)
    lengths = _sums(numbers[count + runs :], first, 0)
    return RunLengthMasks(size, starts.astype(np.int32), (starts + lengths).astype(np.int32), offsets)


def _differences(values: Numbers, first: Numbers, expected: int) -> Numbers:
    """Zigzag of what each value differs from its predecessor's more than `expected`; the first of a mask as it is."""
    steps = np.diff(values, prepend=0) - expected
    zigzag = np.where(steps >= 0, 2 * steps, -2 * steps - 1)
    zigzag[first] = values[first]
    return zigzag


def _sums(zigzag: Numbers, first: Numbers, expected: int) -> Numbers:
    """The values of such differences."""
    steps = (zigzag >> 1) ^ -(zigzag & 1)
    steps += expected
    steps[first] = zigzag[first]
    total = np.cumsum(steps)
    # Each mask begins anew: what all masks before it have summed up to is taken away.
    before = total[first] - steps[first]
    return np.asarray(total - np.repeat(before, np.diff(first, append=len(total))))


def _numbers_to_bytes(numbers: Numbers) -> bytes:
    """LEB128 of numbers of at least 0: seven bits a byte, lowest first, all but a number's last with the top bit."""
    shifts = NUMBER_BITS * np.arange(MOST_BYTES)
    parts = numbers[:, None] >> shifts
    is_there = parts > 0
    is_there[:, 0] = True
    goes_on = np.zeros_like(is_there)
    goes_on[:, :-1] = is_there[:, 1:]
    return ((parts & 0x7F) | (goes_on << NUMBER_BITS)).astype(np.uint8)[is_there].tobytes()


def _bytes_to_numbers(stream: bytes) -> Numbers:
    """The numbers of an LEB128 stream.

    Raises:
        ValueError: the last one is cut, or one is longer than five bytes.
    """
    parts = np.frombuffer(stream, dtype=np.uint8)
    last = np.flatnonzero(parts < 1 << NUMBER_BITS)
    if len(parts) == 0:
        return np.zeros(0, dtype=np.int64)
    if len(last) == 0 or last[-1] != len(parts) - 1:
        raise ValueError("expected whole numbers, got a cut one")
    first = np.concatenate([[0], last[:-1] + 1])
    sizes = last - first + 1
    if sizes.max() > MOST_BYTES:
        raise ValueError(f"expected numbers of at most {MOST_BYTES} bytes, got one of {sizes.max()}")
    places = np.arange(len(parts)) - np.repeat(first, sizes)
    values = (parts.astype(np.int64) & 0x7F) << (NUMBER_BITS * places)
    return np.asarray(np.add.reduceat(values, first))
