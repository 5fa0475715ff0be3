"""A ragged batch of masks: the type that everything after the network works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int32]
Mask = NDArray[np.bool_]
Offsets = NDArray[np.int64]


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
        edges: (2R,) int32, start and end of each run in turn; `starts` and `ends` are views of it.
    """

    size: ImageSize
    starts: Runs
    ends: Runs
    offsets: Offsets
    edges: Runs = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts, ends, offsets = self.starts, self.ends, self.offsets
        if not (starts.ndim == ends.ndim == offsets.ndim == 1 and len(starts) == len(ends)):
            raise ValueError("expected starts and ends of equal length")
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(starts) or (offsets[1:] < offsets[:-1]).any():
            raise ValueError(f"expected ascending offsets from 0 to {len(starts)}")
        if len(starts):
            inner = np.ones(max(len(starts) - 1, 0), dtype=bool)
            seams = offsets[1:-1]
            inner[seams[(seams > 0) & (seams < len(starts))] - 1] = False
            in_order = bool((starts < ends).all() and (ends[:-1][inner] < starts[1:][inner]).all())
            if not in_order or int(starts.min()) < 0 or int(ends.max()) > self.size.pixels:
                raise ValueError(f"expected ascending runs that do not touch, inside {self.size}")
        edges = np.empty(2 * len(starts), dtype=np.int32)
        edges[0::2], edges[1::2] = starts, ends
        _fill(self, self.size, edges, offsets.astype(np.int64, copy=False))

    @staticmethod
    def from_edges(size: ImageSize, edges: Runs, offsets: Offsets) -> RunLengthMasks:
        """A batch of runs that are known to be canonical; nothing is checked or copied."""
        masks = object.__new__(RunLengthMasks)
        _fill(masks, size, edges, offsets)
        return masks

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[RunLengthMasks]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int | slice) -> RunLengthMasks:
        """One mask, or a slice of step 1, as a batch that shares the runs."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"expected a slice of step 1, got {step}")
        else:
            first = index + len(self) if index < 0 else index
            last = first + 1
            if not 0 <= first < len(self):
                raise IndexError(f"expected a mask index below {len(self)}, got {index}")
        offsets = self.offsets[first : max(first, last) + 1]
        edges = self.edges[2 * int(offsets[0]) : 2 * int(offsets[-1])]
        return RunLengthMasks.from_edges(self.size, edges, offsets - offsets[0])

    def equals(self, other: RunLengthMasks) -> bool:
        """Whether both hold the same masks."""
        return (
            self.size == other.size
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.edges, other.edges)
        )

    def areas(self) -> NDArray[np.int64]:
        """(M,) int64, pixels of each mask."""
        total = np.zeros(len(self.starts) + 1, dtype=np.int64)
        np.cumsum(self.ends - self.starts, out=total[1:])
        return np.asarray(total[self.offsets[1:]] - total[self.offsets[:-1]])

    def boxes(self) -> NDArray[np.int64]:
        """(M, 4) int64: top, left, bottom, right of each mask, the last two one past; zeros for an empty mask."""
        found = np.zeros((len(self), 4), dtype=np.int64)
        filled = np.flatnonzero(np.diff(self.offsets))
        if len(filled) == 0:
            return found
        width = self.size.width
        first, last = self.offsets[filled], self.offsets[filled + 1] - 1
        top, left = np.divmod(self.starts, width)
        bottom, right = np.divmod(self.ends - 1, width)
        wraps = top != bottom
        left[wraps], right[wraps] = 0, width - 1
        found[filled, 0], found[filled, 2] = top[first], bottom[last] + 1
        found[filled, 1] = np.minimum.reduceat(left, first)
        found[filled, 3] = np.maximum.reduceat(right, first) + 1
        return found


def _fill(masks: RunLengthMasks, size: ImageSize, edges: Runs, offsets: Offsets) -> None:
    edges.flags.writeable = False
    offsets.flags.writeable = False
    for name, value in (
        ("size", size),
        ("starts", edges[0::2]),
        ("ends", edges[1::2]),
        ("offsets", offsets),
        ("edges", edges),
    ):
        object.__setattr__(masks, name, value)


def empty_masks(size: ImageSize, count: int = 1) -> RunLengthMasks:
    """A batch of masks without a pixel."""
    return RunLengthMasks.from_edges(size, np.zeros(0, np.int32), np.zeros(count + 1, np.int64))


def stack(size: ImageSize, batches: Sequence[RunLengthMasks]) -> RunLengthMasks:
    """All masks of several batches in one batch.

    Raises:
        ValueError: a batch of another size.
    """
    for batch in batches:
        if batch.size != size:
            raise ValueError(f"expected masks of {size}, got {batch.size}")
    if not batches:
        return empty_masks(size, 0)
    counts = np.concatenate([np.diff(batch.offsets) for batch in batches])
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return RunLengthMasks.from_edges(size, np.concatenate([batch.edges for batch in batches]), offsets)


def interleave(batches: Sequence[RunLengthMasks]) -> RunLengthMasks:
    """First masks of all batches, then second masks of all, and so on: what votes and sweeps take.

    Args:
        batches: N of M masks each, of one size.

    Returns:
        M * N masks; mask m * N + n is mask m of batch n.
    """
    if not batches:
        raise ValueError("expected at least one batch")
    size, count = batches[0].size, len(batches[0])
    for batch in batches:
        if batch.size != size or len(batch) != count:
            raise ValueError(f"expected batches of {count} masks of {size}, got {len(batch)} of {batch.size}")
    cuts = [(2 * batch.offsets).tolist() for batch in batches]
    pieces = [
        batch.edges[cut[index] : cut[index + 1]]
        for index in range(count)
        for batch, cut in zip(batches, cuts, strict=True)
    ]
    runs = np.stack([np.diff(batch.offsets) for batch in batches], axis=1)
    offsets = np.zeros(runs.size + 1, dtype=np.int64)
    np.cumsum(runs.reshape(-1), out=offsets[1:])
    edges = np.concatenate(pieces) if pieces else np.zeros(0, np.int32)
    return RunLengthMasks.from_edges(size, edges, offsets)
