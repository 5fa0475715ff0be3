"""COCO's compressed counts <-> runs, without a dense mask.

The code: five bits a character, the lowest first, bit 6 says that more follow, characters from `0` on; counts from the
fourth on are written as differences to the count two before. Source: the COCO API's mask format.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, Offsets, RunLengthMasks, empty_masks
from yolo_bones.rle._sweep import join_touching
from yolo_bones.rle._transpose import transpose

FIRST_CHARACTER: Final = ord("0")
MOST_CHARACTERS: Final = 7
"""Of one number: 35 bits hold every count of an image with fewer than 2^31 pixels, and every difference of two."""
TABLED: Final = 1 << 14
"""Numbers from -TABLED to TABLED - 1 are looked up; they have at most three characters."""


def masks_to_coco_counts(masks: RunLengthMasks) -> list[bytes]:
    """COCO's compressed counts (column-major, beginning with a run of off) of each mask."""
    columns = transpose(masks)
    edges, offsets = columns.edges, 2 * columns.offsets
    groups = len(masks)
    if groups == 0:
        return []
    # Each mask's edges, then the image's end: the differences are the counts.
    places = np.full(len(edges) + groups, masks.size.pixels, dtype=np.int64)
    last = offsets[1:] + np.arange(groups)
    inner = np.ones(len(places), dtype=np.bool_)
    inner[last] = False
    places[inner] = edges
    first = offsets[:-1] + np.arange(groups)
    counts = np.diff(places, prepend=0)
    counts[first] = places[first]
    numbers = counts.copy()
    numbers[2:] -= counts[:-2]
    for step in range(3):
        early = first[first + step <= last] + step
        numbers[early] = counts[early]
    # A mask that is on up to the image's end has no last count of 0.
    records = _written(numbers)
    records[last[counts[last] == 0]] = 0
    records[last] |= np.uint64(ord("\n") << 56)
    return records.tobytes().translate(None, b"\0").split(b"\n")[:-1]


def _written(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Each number as characters in the low bytes of a word, NUL above."""
    inside = numbers + TABLED
    records = _code_table().take(inside, mode="clip")
    large = np.flatnonzero(inside.view(np.uint64) >= 2 * TABLED)  # negative ones too
    if len(large):
        records[large] = _coded(numbers[large])
    return records


def _coded(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    records = np.zeros(len(numbers), dtype=np.uint64)
    rest, more = numbers.copy(), np.ones(len(numbers), dtype=np.bool_)
    for place in range(MOST_CHARACTERS):
        bits = rest & 0x1F
        rest >>= 5
        further = np.where(bits & 0x10, rest != -1, rest != 0)
        character = np.where(more, (bits | np.where(further, 0x20, 0)) + FIRST_CHARACTER, 0)
        records |= character.astype(np.uint64) << np.uint64(8 * place)
        more &= further
    return records


@cache
def _code_table() -> NDArray[np.uint64]:
    return _coded(np.arange(-TABLED, TABLED, dtype=np.int64))


class _CountsFault(ValueError):
    """What is expected, and what is there."""


def coco_counts_to_masks(texts: Sequence[bytes], size: ImageSize) -> RunLengthMasks:
    """Read COCO's compressed counts strictly; runs of length 0, which some writers leave inside, are dropped.

    Args:
        texts: M compressed counts, ASCII.
        size: of every mask.

    Raises:
        ValueError: another character, a cut or endless number, a negative count, or counts that do not add up to the
            image; says which of the texts.
    """
    if not texts:
        return empty_masks(size, 0)
    try:
        columns = _read_columns(texts, size)
    except _CountsFault:
        for index, text in enumerate(texts):
            try:
                _read_columns([text], size)
            except _CountsFault as fault:
                raise ValueError(f"counts {index}: expected {fault}") from fault
        raise
    return transpose(columns)


def _read_columns(texts: Sequence[bytes], size: ImageSize) -> RunLengthMasks:
    """Column-major runs, as row-major runs of the transposed image."""
    numbers, cuts = _read_numbers(texts)
    counts = _undone_differences(numbers, cuts)
    # Bounded before they are added up, so that no sum overflows.
    if len(counts) and (int(counts.min()) < 0 or int(counts.max()) > size.pixels):
        raise _CountsFault(f"counts from 0 to {size.pixels}, got {int(counts.min())} to {int(counts.max())}")
    total = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=total[1:])
    sums = total[cuts[1:]] - total[cuts[:-1]]
    if (sums != size.pixels).any():
        wrong = int(sums[np.flatnonzero(sums != size.pixels)[0]])
        raise _CountsFault(f"counts that add up to {size.pixels} pixels ({size}), got {wrong}")
    places = total[1:] - np.repeat(total[cuts[:-1]], np.diff(cuts))
    # An odd number of counts ends with a run of off, whose end is no edge.
    kept = np.ones(len(counts), dtype=np.bool_)
    kept[cuts[1:][np.diff(cuts) % 2 == 1] - 1] = False
    offsets = np.zeros(len(cuts), dtype=np.int64)
    np.cumsum(np.diff(cuts) // 2, out=offsets[1:])
    edges = places[kept].astype(np.int32)
    turned = ImageSize(size.width, size.height)
    inner = counts[1:].copy()
    inner[cuts[1:-1] - 1] = 1
    if (inner == 0).any():
        return join_touching(turned, edges, offsets)
    return RunLengthMasks.from_edges(turned, edges, offsets)


def _read_numbers(texts: Sequence[bytes]) -> tuple[NDArray[np.int64], Offsets]:
    """All numbers of all texts, and where each text's begin (M + 1)."""
    codes = np.frombuffer(b"".join(texts), dtype=np.uint8) - np.uint8(FIRST_CHARACTER)
    if len(codes) and int(codes.max()) > 0x3F:
        raise _CountsFault("COCO's compressed counts, got another character")
    ends = np.flatnonzero(codes < 0x20)
    borders = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=borders[1:])
    cuts = np.searchsorted(ends, borders)
    # Every text that is not empty ends with the end of a number.
    closed = ends[cuts[1:] - 1] == borders[1:] - 1 if len(ends) else np.zeros(len(texts), dtype=np.bool_)
    if (np.diff(borders) == 0).any() or not closed.all():
        raise _CountsFault("COCO's compressed counts, got a text cut inside a number")
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    characters = ends - starts + 1
    longest = int(characters.max())
    if longest > MOST_CHARACTERS:
        raise _CountsFault("COCO's compressed counts, got a number that never ends")
    last = codes.take(ends).astype(np.int64)
    last -= (last & 0x10) << 1  # the sign
    numbers = last
    for place in range(2, longest + 1):
        longer = np.flatnonzero(characters >= place)
        lower = codes.take(ends[longer] - (place - 1)) & 0x1F
        numbers[longer] = (numbers[longer] << 5) | lower
    return numbers, cuts


def _undone_differences(numbers: NDArray[np.int64], cuts: Offsets) -> NDArray[np.int64]:
    """Counts from the fourth on are differences to the count two before: two running sums, one a parity."""
    counts = numbers.copy()
    # After its first number each text is laid out in pairs, so that each parity is a column of its own.
    later = np.ones(len(numbers), dtype=np.bool_)
    later[cuts[:-1]] = False
    inner = np.flatnonzero(later)
    lengths = np.diff(cuts) - 1
    pairs = np.zeros(len(cuts), dtype=np.int64)
    np.cumsum((lengths + 1) // 2, out=pairs[1:])
    place = np.arange(len(inner))
    if (lengths & 1).any():
        place += np.repeat(np.cumsum(lengths & 1) - (lengths & 1), lengths)
    laid_out = np.zeros(2 * int(pairs[-1]), dtype=np.int64)
    laid_out[place] = numbers[inner]
    for column in (laid_out[0::2], laid_out[1::2]):
        sums = np.zeros(len(column) + 1, dtype=np.int64)
        np.cumsum(column, out=sums[1:])
        column[:] = sums[1:] - np.repeat(sums[pairs[:-1]], np.diff(pairs))
    counts[inner] = laid_out[place]
    return counts
