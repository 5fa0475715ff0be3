"""COCO polygons -> runs by scanline, without a dense mask.

COCO's continuous coordinates: pixel p covers [p, p + 1), so row r is scanned at y = r + 0.5. A row's crossings with all
edges of one outline, sorted, enclose in pairs what is inside (even-odd). A pixel is on when its centre lies inside; a
centre on the outline itself belongs to the side to its right or below, so outlines that share an edge share no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, RunLengthMasks, Runs, stack
from yolo_bones.rle._sweep import join_touching

MOST_CROSSINGS: Final = 1 << 21
"""At a time, so that an outline that goes to and fro over the whole image needs no more memory than another."""
FARTHEST: Final = float(1 << 24)
"""Coordinates beyond this are refused: crossings keep 28 binary places up to here."""

Edges = NDArray[np.float64]


def encode_polygons(masks: Sequence[Sequence[NDArray[Any]]], size: ImageSize) -> RunLengthMasks:
    """Runs of masks that are drawn as polygons; what lies outside the image is cut off.

    Args:
        masks: M masks, each of any number of parts, whose union it is; a part is (P, 2) (x, y) in COCO's continuous
            coordinates, implicitly closed, and may cross itself (even-odd). Fewer than three points fill nothing.
        size: of every mask.

    Raises:
        ValueError: a part of another shape, or a coordinate that is not finite or beyond 2^24.
    """
    return stack(size, [_united([_part_edges(part, size) for part in parts], size) for parts in masks])


def _part_edges(part: NDArray[Any], size: ImageSize) -> Runs:
    """(2R,) edges of one part, canonical."""
    points = np.asarray(part, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected points of shape (P, 2), got {points.shape}")
    # Written so that NaN fails too.
    if not (np.abs(points) <= FARTHEST).all():
        raise ValueError(f"expected finite coordinates of at most {FARTHEST:.0f}")
    lines, first, last = _downward(points, size)
    bands = [_band_edges(lines, first, last, band, size) for band in _bands(first, last, size)]
    edges = np.concatenate([np.zeros(0, np.int32), *bands])
    joined: Runs = join_touching(size, edges, np.array([0, len(edges) // 2])).edges
    return joined


def _downward(points: Edges, size: ImageSize) -> tuple[Edges, NDArray[np.int64], NDArray[np.int64]]:
    """Edges (E, 4) x, y, x, y, upper end first, that cross a row of the image, and the rows [first, last) they cross.

    An edge drawn upwards is turned, so that two outlines along one edge compute the same crossings.
    """
    ends = np.concatenate([points, np.roll(points, -1, axis=0)], axis=1)
    upward = ends[:, 1] > ends[:, 3]
    ends[upward] = ends[upward][:, [2, 3, 0, 1]]
    first = np.clip(np.ceil(ends[:, 1] - 0.5), 0, size.height).astype(np.int64)
    last = np.clip(np.ceil(ends[:, 3] - 0.5), 0, size.height).astype(np.int64)
    crossing = first < last
    return ends[crossing], first[crossing], last[crossing]


def _bands(first: NDArray[np.int64], last: NDArray[np.int64], size: ImageSize) -> Iterator[tuple[int, int]]:
    """Row ranges with at most `MOST_CROSSINGS` crossings each, or of one row."""
    if len(first) == 0:
        return
    steps = np.bincount(first, minlength=size.height + 1) - np.bincount(last, minlength=size.height + 1)
    total = np.cumsum(np.cumsum(steps[:-1]))
    top, bottom = int(first.min()), int(last.max())
    while top < bottom:
        before = int(total[top - 1]) if top else 0
        end = int(np.searchsorted(total, before + MOST_CROSSINGS, side="right"))
        end = min(max(end, top + 1), bottom)
        yield top, end
        top = end


def _band_edges(
    lines: Edges, first: NDArray[np.int64], last: NDArray[np.int64], band: tuple[int, int], size: ImageSize
) -> Runs:
    """Edges of the runs in rows [top, bottom); equal ones are left in, each pair cancels."""
    low, high = np.maximum(first, band[0]), np.minimum(last, band[1])
    inside = np.flatnonzero(low < high)
    counts = (high - low)[inside]
    of = np.repeat(inside, counts)
    rows = np.arange(len(of)) + np.repeat(low[inside] - (np.cumsum(counts) - counts), counts)
    x0, y0, x1, y1 = lines[of].T
    x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    # The first pixel whose centre is not left of the crossing.
    columns = np.clip(np.ceil(x - 0.5), 0, size.width).astype(np.int64)
    # Column `width` of a row and column 0 of the next are one place and must not trade partners: one place more a row.
    keys = rows * (size.width + 1) + columns
    keys.sort()
    edges: Runs = (keys - keys // (size.width + 1)).astype(np.int32)
    return edges


def _united(parts: list[Runs], size: ImageSize) -> RunLengthMasks:
    """One mask of all runs of several canonical edge lists."""
    if len(parts) == 1:
        return RunLengthMasks.from_edges(size, parts[0], np.array([0, len(parts[0]) // 2]))
    edges = np.concatenate([np.zeros(0, np.int32), *parts])
    order = np.argsort(edges[0::2], kind="stable")
    starts, ends = edges[0::2][order], np.maximum.accumulate(edges[1::2][order])
    # A run goes on while the next one starts no later than all before have ended.
    fresh = np.ones(len(starts) + 1, dtype=np.bool_)
    fresh[1:-1] = starts[1:] > ends[:-1]
    kept = np.flatnonzero(fresh)
    united = np.empty(2 * (len(kept) - 1), dtype=np.int32)
    united[0::2], united[1::2] = starts[kept[:-1]], ends[kept[1:] - 1]
    return RunLengthMasks.from_edges(size, united, np.array([0, len(united) // 2]))
