"""A mask as one outline of pixel points, the way bones are drawn, that `polygons.fill_polygon` turns back into it.

The annotation format holds one polygon a bone. So a hole is reached by a slit, a way there and back that passes over
the mask's own pixels and costs none; parts that lie apart are joined by the shortest bridges, one pixel wide, whose
pixels are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import ImageSize, Mask, RunLengthMasks, decode_box

MOST_PIECES: Final = 1_000
"""Parts, and holes, of one bone; a mask of more is noise and would take long to join."""
MOST_OUTLINE_POINTS: Final = 30_000
"""Of one bone, so that a file of 29 stays below the 16 MB that readers take; a drawn one has 1,650 at most."""

Bridge = tuple[tuple[int, int], tuple[int, int]]
Chain = NDArray[np.int32]
"""(P, 2) points (x, y), each a neighbour of the one before or the same."""


class OutlineError(ValueError):
    """A mask that cannot be one outline."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskOutline:
    """An outline and what it tells otherwise than the mask.

    Attributes:
        points: (P, 2) int32 (x, y) in pixels, at least three different ones, not on one line.
        parts: of the mask, 8-connected.
        holes: that the outline leaves open.
        added_px: pixels of bridges between parts, and of what makes a dot or a line an area.
        lost_px: pixels of the mask that the outline does not fill.
    """

    points: IntegerPoints
    parts: int
    holes: int
    added_px: int
    lost_px: int


def outline_of_runs(mask: RunLengthMasks) -> MaskOutline:
    """`outline_of_mask` of a single mask that is held as runs; it must not be empty."""
    top, left, bottom, right = mask.boxes()[0].tolist()
    if bottom == top:
        raise ValueError("expected a mask with at least one pixel, got an empty one")
    return outline_of_mask(decode_box(mask, top, left, bottom - top, right - left)[0], top, left, mask.size)


def outline_of_mask(crop: Mask, top: int, left: int, size: ImageSize) -> MaskOutline:
    """The outline of a mask.

    Args:
        crop: (h, w) bool, not empty.
        top, left: place of the crop in the image.
        size: of the image, at least two pixels a side.

    Raises:
        OutlineError: more than `MOST_PIECES` parts or holes, or than `MOST_OUTLINE_POINTS` points.
        ValueError: the mask is empty.
    """
    if not crop.any():
        raise ValueError("expected a mask with at least one pixel, got an empty one")
    # A pixel of room on every side: a dot grows into it, and contours need not touch the array's edge.
    drawn = np.pad(crop, 1).astype(np.uint8)
    parts = _join_parts(drawn)
    _make_area(drawn, (top - 1, left - 1), size)
    chain, holes = _closed_chain(drawn)
    points = _corners(chain) + np.array([left - 1, top - 1], dtype=np.int32)
    if len(points) > MOST_OUTLINE_POINTS:
        raise OutlineError(f"an outline of at most {MOST_OUTLINE_POINTS} points|{len(points)}")
    filled = _filled(points, crop.shape, top, left, size)
    wanted = np.pad(crop, 1)
    return MaskOutline(points, parts, holes, int((filled & ~wanted).sum()), int((wanted & ~filled).sum()))


def _join_parts(drawn: NDArray[np.uint8]) -> int:
    """Draw the bridges of least length that make all parts one; returns how many parts there were."""
    count, labels = cv2.connectedComponents(drawn, connectivity=8)
    parts = count - 1
    if parts > MOST_PIECES:
        raise OutlineError(f"a mask of at most {MOST_PIECES} parts|{parts}")
    if parts < 2:
        return parts
    for (row_a, column_a), (row_b, column_b) in _shortest_bridges(drawn, np.asarray(labels, dtype=np.int32), parts):
        cv2.line(drawn, (column_a, row_a), (column_b, row_b), 1)
    return parts


def _shortest_bridges(drawn: NDArray[np.uint8], labels: NDArray[np.int32], parts: int) -> Iterator[Bridge]:
    """Ends of the bridges of a minimum spanning tree between parts, as (row, column) of the mask's pixels."""
    # Here and not above: it takes a third of a second to import, and most masks are of one part.
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import minimum_spanning_tree  # type: ignore[import-untyped]

    # Of every pixel the nearest one of the mask; where those of two neighbours differ in part, a bridge may lie.
    _, nearest = cv2.distanceTransformWithLabels(1 - drawn, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros((int(nearest.max()) + 1, 2), dtype=np.int64)
    rows, columns = np.nonzero(drawn)
    places[nearest[rows, columns]] = np.column_stack([rows, columns])
    below = np.column_stack([nearest[:-1].ravel(), nearest[1:].ravel()])
    beside = np.column_stack([nearest[:, :-1].ravel(), nearest[:, 1:].ravel()])
    pairs = np.unique(np.concatenate([below, beside]), axis=0)
    joins = np.sort(labels[places[pairs, 0], places[pairs, 1]], axis=1)
    pairs, joins = pairs[joins[:, 0] != joins[:, 1]], joins[joins[:, 0] != joins[:, 1]]
    lengths = np.abs(places[pairs[:, 0]] - places[pairs[:, 1]]).max(axis=1)
    by_length = np.argsort(lengths, kind="stable")
    joins, first = np.unique(joins[by_length], axis=0, return_index=True)
    kept = by_length[first]
    graph = coo_array((lengths[kept], (joins[:, 0], joins[:, 1])), shape=(parts + 1, parts + 1))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    chosen = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    for join, pair in zip(joins.tolist(), pairs[kept], strict=True):
        if tuple(join) in chosen:
            (row, column), (other_row, other_column) = places[pair].tolist()
            yield (row, column), (other_row, other_column)


def _make_area(drawn: NDArray[np.uint8], corner: tuple[int, int], size: ImageSize) -> None:
    """Widen a dot or a straight line by the pixels beside it; an outline needs three points that are not on one."""
    points = np.argwhere(drawn)
    if np.linalg.matrix_rank(points - points[0]) == 2:
        return
    row, column = points[0].tolist()
    inside_row = 1 if row + corner[0] + 1 < size.height else -1
    inside_column = 1 if column + corner[1] + 1 < size.width else -1
    drawn[row, column + inside_column] = 1
    drawn[row + inside_row, column] = 1


def _closed_chain(drawn: NDArray[np.uint8]) -> tuple[Chain, int]:
    """The outer contour with all holes threaded into it, and how many these are.

    Args:
        drawn: (h, w) one 8-connected part, a pixel off the edges.
    """
    contours, tree = cv2.findContours(drawn, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    loops = [np.asarray(contour, dtype=np.int32).reshape(-1, 2) for contour in contours]
    is_hole = tree[0, :, 3] >= 0
    holes = [loop for loop, hole in zip(loops, is_hole, strict=True) if hole]
    if len(holes) > MOST_PIECES:
        raise OutlineError(f"a mask of at most {MOST_PIECES} holes|{len(holes)}")
    (chain,) = (loop for loop, hole in zip(loops, is_hole, strict=True) if not hole)
    # From the topmost: what lies above a hole is then in the chain already, the outside or another hole.
    for hole in sorted(holes, key=lambda loop: tuple(loop[np.lexsort(loop.T)][0].tolist()[::-1])):
        chain = _threaded(chain, hole, drawn)
    return chain, len(holes)


def _threaded(chain: Chain, hole: Chain, drawn: NDArray[np.uint8]) -> Chain:
    """The chain with a way up from a hole's top pixel, around the hole and back; all over the mask's own pixels."""
    start = int(np.lexsort((hole[:, 0], hole[:, 1]))[0])
    x, y = hole[start].tolist()
    above = int(np.flatnonzero(drawn[:y, x] == 0)[-1]) + 1
    way = np.column_stack([np.full(y - above + 1, x), np.arange(above, y + 1)]).astype(np.int32)
    place = int(np.flatnonzero((chain == way[0]).all(axis=1))[0])
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([chain[: place + 1], way, around, way[::-1], chain[place + 1 :]])


def _corners(chain: Chain) -> IntegerPoints:
    """A closed chain without repeats and without the points inside its straight stretches."""
    moves = np.roll(chain, -1, axis=0) - chain
    chain, moves = chain[moves.any(axis=1)], moves[moves.any(axis=1)]
    turns = (moves != np.roll(moves, 1, axis=0)).any(axis=1)
    return np.ascontiguousarray(chain[turns], dtype=np.int32)


def _filled(points: IntegerPoints, shape: tuple[int, ...], top: int, left: int, size: ImageSize) -> Mask:
    """What an outline fills, in the mask's box with a pixel of room."""
    inner, inner_top, inner_left = fill_polygon(points, size)
    plane = np.zeros((shape[0] + 2, shape[1] + 2), dtype=np.bool_)
    row, column = inner_top - top + 1, inner_left - left + 1
    plane[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return plane


def pieces(outline: MaskOutline) -> Iterator[tuple[str, int]]:
    """Counters of what a reader of the report should know of an outline; only those that are not 0."""
    found = {
        "joined_parts": outline.parts - 1,
        "holes": outline.holes,
        "added_px": outline.added_px,
        "lost_px": outline.lost_px,
    }
    return ((name, count) for name, count in found.items() if count)
