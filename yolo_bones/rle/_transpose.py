"""Row-major runs <-> column-major runs without a dense mask.

Between two neighbouring rows exactly those columns flip that the one row's runs cover and the other's do not. The edges
of both rows, sorted, with equal ones cancelled, enclose them in pairs. Each flipping column is one edge of the other
scan order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, Offsets, RunLengthMasks, Runs

Keys = NDArray[Any]
"""int32 where all fit, else int64."""


def transpose(masks: RunLengthMasks) -> RunLengthMasks:
    """Each mask mirrored at its main diagonal: pixel (row, column) becomes (column, row).

    The row-major runs of the result are the column-major runs of the argument.
    """
    height, width = masks.size.height, masks.size.width
    size, groups = ImageSize(width, height), len(masks)
    lines, places = height + 1, width + 1
    edges, rows, offsets = _split_at_row_ends(masks)
    # Keys number the places (mask, line, column), line r lying above row r and line H below the last row.
    kind: Any = np.int32 if (groups + 1) * lines * places < 2**31 else np.int64
    keys: Keys = edges.astype(kind)
    # Column c of row r has edge r * width + c; a line has one place more than a row, a mask one line more.
    extra: Keys = rows.astype(kind)
    extra += np.repeat(np.arange(groups, dtype=kind) * kind(lines * places), np.diff(offsets))
    keys[0::2] += extra
    keys[1::2] += extra
    both = np.concatenate([keys, keys + kind(places)])
    both.sort(kind="stable")
    both = _without_pairs(both)
    left, length = both[0::2], both[1::2] - both[0::2]
    line, column = np.divmod(left, kind(places))
    mask, line = np.divmod(line, kind(lines))
    # The same column one further is H further in column-major order. One place more for each mask keeps the end of
    # one mask apart from the start of the next.
    stride = size.pixels + 1
    wide: Any = np.int32 if groups * stride < 2**31 else np.int64
    # All in one type: terms may wrap around, and only if all do in the same way is the sum a place again.
    position: Keys = np.asarray(mask, wide) * wide(stride) + np.asarray(column, wide) * wide(height)
    position += np.asarray(line, wide)
    position -= (np.cumsum(length, dtype=np.int64) - length).astype(wide) * wide(height)
    flips: Keys = np.repeat(position, length)
    flips += np.arange(len(flips), dtype=wide) * wide(height)
    flips.sort()
    flips = _without_pairs(flips)
    counts = np.searchsorted(flips, np.arange(groups + 1, dtype=np.int64) * stride)
    flips -= np.repeat(np.arange(groups, dtype=wide) * wide(stride), np.diff(counts))
    return RunLengthMasks.from_edges(size, flips.astype(np.int32, copy=False), counts // 2)


def _split_at_row_ends(masks: RunLengthMasks) -> tuple[Runs, Runs, Offsets]:
    """Edges, row and offsets of runs that each lie in one row."""
    width = np.int32(masks.size.width)
    first = masks.starts // width
    # A run stays in its row when it ends no later than the row does.
    within = masks.ends <= (first + np.int32(1)) * width if masks.size.pixels + int(width) < 2**31 else False
    if np.all(within):
        return masks.edges, first, masks.offsets
    spans = (masks.ends - 1) // width - first + 1
    before = np.zeros(len(spans) + 1, dtype=np.int64)
    np.cumsum(spans, out=before[1:])
    of = np.repeat(np.arange(len(spans)), spans)
    rows = (first[of] + (np.arange(before[-1]) - before[of])).astype(np.int64)
    edges = np.empty(2 * len(of), dtype=np.int32)
    edges[0::2] = np.maximum(masks.starts[of], rows * width)
    edges[1::2] = np.minimum(masks.ends[of], (rows + 1) * width)
    return edges, rows.astype(np.int32), before[masks.offsets]


def _without_pairs(keys: Keys) -> Keys:
    """Sorted keys, none of which occurs more than twice, without those that occur twice."""
    single = np.ones(len(keys) + 1, dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=single[1:-1])
    # Faster than indexing by a mask that is half on.
    return keys.take(np.flatnonzero(single[1:] & single[:-1]))
