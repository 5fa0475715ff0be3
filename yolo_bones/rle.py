"""Masks as runs, and their algebra.

A run is a half-open range [start, end) of pixels in row-major (C) order, counted from 0. Two texts exist outside:

* submission text: row-major, `start length start length ...`, starts counted from 1;
* COCO counts: column-major, run lengths alternating off and on, beginning with off; compressed into ASCII.

Every function that reads or writes one of them has the convention in its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Size of an image in pixels, height first."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"expected a positive height and width, got {self.height} x {self.width}")
        if self.pixels >= 2**31:
            raise ValueError(f"expected fewer than 2^31 pixels, got {self.height} x {self.width}")

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


@dataclass(frozen=True, slots=True, eq=False)
class RunLengthMasks:
    """A ragged batch of masks of one size.

    Attributes:
        size: of every mask.
        starts, ends: (R,) int32, the runs of all masks one after another; in each mask ascending, not touching.
        offsets: (M + 1,) int64; mask m owns the runs offsets[m] to offsets[m + 1].
    """

    size: ImageSize
    starts: Runs
    ends: Runs
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        starts, ends, offsets = self.starts, self.ends, self.offsets
        if not (starts.ndim == ends.ndim == offsets.ndim == 1 and len(starts) == len(ends) == offsets[-1]):
            raise ValueError("expected starts and ends of equal length, and offsets that end there")
        if len(starts):
            inner = np.ones(max(len(starts) - 1, 0), dtype=bool)
            seams = offsets[1:-1]
            inner[seams[(seams > 0) & (seams < len(starts))] - 1] = False
            in_order = bool((starts < ends).all() and (ends[:-1][inner] < starts[1:][inner]).all())
            if not in_order or int(starts.min()) < 0 or int(ends.max()) > self.size.pixels:
                raise ValueError(f"expected ascending runs that do not touch, inside {self.size}")
        for array in (starts, ends, offsets):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> RunLengthMasks:
        """One mask of the batch, as a batch of one that shares its runs."""
        starts, ends = self.runs(index)
        return RunLengthMasks(self.size, starts, ends, np.array([0, len(starts)], dtype=np.int64))

    def runs(self, index: int) -> tuple[Runs, Runs]:
        """Starts and ends of one mask."""
        if not 0 <= index < len(self):
            raise IndexError(f"expected a mask index below {len(self)}, got {index}")
        window = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.starts[window], self.ends[window]

    def areas(self) -> NDArray[np.int64]:
        """(M,) int64, pixels of each mask."""
        total = np.concatenate([[0], np.cumsum((self.ends - self.starts).astype(np.int64))])
        return np.asarray(total[self.offsets[1:]] - total[self.offsets[:-1]])


def stack_runs(size: ImageSize, masks: Sequence[tuple[Runs, Runs]]) -> RunLengthMasks:
    """Batch single masks given as (starts, ends)."""
    counts = [len(starts) for starts, _ in masks]
    empty = np.zeros(0, dtype=np.int32)
    starts = np.concatenate([empty, *(starts for starts, _ in masks)]).astype(np.int32, copy=False)
    ends = np.concatenate([empty, *(ends for _, ends in masks)]).astype(np.int32, copy=False)
    return RunLengthMasks(size, starts, ends, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def encode_crop(crop: Mask, top: int, left: int, size: ImageSize) -> tuple[Runs, Runs]:
    """Runs of a mask that is known inside one box only.

    Args:
        crop: (h, w) bool, the mask inside the box.
        top, left: place of the box; it must lie inside the image.
        size: of the whole image.

    Returns:
        (starts, ends) in the whole image's row-major order.
    """
    height, width = crop.shape
    if top < 0 or left < 0 or top + height > size.height or left + width > size.width:
        raise ValueError(f"expected a box inside {size}, got {height}x{width} at row {top}, column {left}")
    framed = np.zeros(height * (width + 1) + 1, dtype=np.bool_)
    framed[1:].reshape(height, width + 1)[:, :width] = crop
    # One column of off after each row: every run begins and ends inside its own row.
    change = np.flatnonzero(framed[1:] != framed[:-1])
    row, column = np.divmod(change, width + 1)
    position = (row + top) * size.width + (column + left)
    return _joined(position[0::2], position[1::2])


def encode(mask: Mask) -> tuple[Runs, Runs]:
    """Runs of a dense (H, W) mask; a run may go on from the end of one row into the next."""
    return encode_crop(mask, 0, 0, ImageSize(*mask.shape))


def _joined(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[Runs, Runs]:
    """Join runs that touch, as they do where a mask reaches both side edges of the image."""
    keep = np.ones(len(starts) + 1, dtype=bool)
    keep[1:-1] = starts[1:] != ends[:-1]
    return starts[keep[:-1]].astype(np.int32), ends[keep[1:]].astype(np.int32)


def decode(starts: Runs, ends: Runs, size: ImageSize) -> Mask:
    """Dense (H, W) bool mask of runs."""
    change = np.zeros(size.pixels + 1, dtype=np.int8)
    change[starts] = 1
    change[ends] -= 1
    mask = np.cumsum(change[:-1], dtype=np.int8).view(np.bool_)
    return mask.reshape(size.height, size.width)


def intersection_area(a: tuple[Runs, Runs], b: tuple[Runs, Runs]) -> int:
    """Pixels that two masks share, without decoding either."""
    (starts_a, ends_a), (starts_b, ends_b) = a, b
    if len(starts_a) == 0 or len(starts_b) == 0:
        return 0
    edges = np.concatenate([ends_b, starts_b])
    sign = np.repeat([1, -1], [len(ends_b), len(starts_b)])
    covered = _covered_before(edges, starts_a, ends_a)
    return int((covered * sign).sum())


def _covered_before(positions: Runs, starts: Runs, ends: Runs) -> NDArray[np.int64]:
    """How many pixels of the runs lie before each position."""
    before = np.concatenate([[0], np.cumsum((ends - starts).astype(np.int64))])
    index = np.searchsorted(starts, positions, side="left")
    previous = np.maximum(index - 1, 0)
    overhang = np.where(index > 0, np.maximum(ends[previous] - positions, 0), 0)
    return np.asarray(before[index] - overhang)


def runs_to_row_text(starts: Runs, ends: Runs) -> str:
    """Submission text: row-major, 1-based, `start length ...`; an empty mask is an empty text."""
    pairs = np.empty(2 * len(starts), dtype=np.int64)
    pairs[0::2] = starts.astype(np.int64) + 1
    pairs[1::2] = ends - starts
    return " ".join(map(str, pairs.tolist()))


def row_text_to_runs(text: str, size: ImageSize) -> tuple[Runs, Runs]:
    """Read submission text strictly.

    Raises:
        ValueError: what is expected and what is there, for a text that is not ascending pairs inside the image.
    """
    if text == "":
        empty = np.zeros(0, dtype=np.int32)
        return empty, empty
    numbers = _plain_integers(text)
    if len(numbers) % 2:
        raise ValueError(f"an even count of numbers, got {len(numbers)}")
    first, length = numbers[0::2], numbers[1::2]
    if int(first.min()) < 1:
        raise ValueError("starts counted from 1, got start 0")
    if int(length.min()) < 1:
        raise ValueError("run lengths of at least 1, got length 0")
    starts, ends = first - 1, first - 1 + length
    if int(ends.max()) > size.pixels:
        raise ValueError(f"runs inside {size} ({size.pixels} pixels), got one that ends at {int(ends.max())}")
    if (starts[1:] < starts[:-1]).any():
        raise ValueError("ascending starts, got unsorted runs")
    if (starts[1:] < ends[:-1]).any():
        raise ValueError("separate runs, got overlapping runs")
    return _joined(starts, ends)


def _plain_integers(text: str) -> NDArray[np.int64]:
    """Numbers of ASCII digits, one space between; anything else is a ValueError that shows the first bad word."""
    words = text.split(" ")
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) <= 10):
            raise ValueError(f"whole numbers separated by single spaces, got {word[:40]!r}")
    return np.array(words, dtype=np.int64)


def runs_to_coco_counts(starts: Runs, ends: Runs, size: ImageSize) -> str:
    """COCO's compressed counts (column-major, beginning with a run of off)."""
    columns = np.ascontiguousarray(decode(starts, ends, size).T)
    column_starts, column_ends = encode(columns)
    edges = np.empty(2 * len(column_starts), dtype=np.int64)
    edges[0::2], edges[1::2] = column_starts, column_ends
    counts = np.diff(edges, prepend=0)
    if len(edges) == 0 or edges[-1] < size.pixels:
        counts = np.append(counts, size.pixels - (edges[-1] if len(edges) else 0))
    return _compressed(counts.tolist())


def coco_counts_to_runs(counts: str, size: ImageSize) -> tuple[Runs, Runs]:
    """Read COCO's compressed counts into row-major runs.

    Raises:
        ValueError: the counts are cut, negative or do not add up to the image.
    """
    lengths = np.array(_decompressed(counts), dtype=np.int64)
    if (lengths < 0).any() or int(lengths.sum()) != size.pixels:
        raise ValueError(f"counts that add up to {size.pixels} pixels, got {int(lengths.sum())}")
    edges = np.cumsum(lengths)
    flat = np.zeros(size.pixels + 1, dtype=np.int8)
    np.add.at(flat, edges[: len(edges) - len(edges) % 2 : 2], 1)
    np.add.at(flat, edges[1::2], -1)
    columns = np.cumsum(flat[:-1], dtype=np.int8).view(np.bool_).reshape(size.width, size.height)
    return encode(np.ascontiguousarray(columns.T))


def _compressed(counts: Iterable[int]) -> str:
    """COCO's variable-length code: five bits a character, counts from the third on as differences to two before."""
    characters: list[str] = []
    history: list[int] = []
    for count in counts:
        value = count - history[-2] if len(history) > 2 else count
        history.append(count)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            characters.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(characters)


def _decompressed(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"COCO's compressed counts, got character {character!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if shift > 40:
            raise ValueError("COCO's compressed counts, got a number that never ends")
        if not bits & 0x20:
            if bits & 0x10:
                value |= -1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("COCO's compressed counts, got a text cut inside a number")
    return counts
