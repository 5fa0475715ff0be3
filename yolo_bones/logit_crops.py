"""Logits of bones at the image's own pixels, whatever the view: prototypes enlarged inside one box. numpy and cv2.

Both grids are made of squares: pixel p covers [p, p + 1) native pixels, cell c covers [c, c + 1) * input_px / cells
input pixels. Between the centres of cells: cubic convolution (Keys 1981, a = -0.5, exact for quadratics). Linear
weights flatten the peaks of thin bones, which cost 0.003 Dice on synthetic hands at 512 input pixels. Beyond the
outermost centres the edge cell goes on.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.candidates import Candidates, Plane
from yolo_bones.fused_bones import FusedBones, widened
from yolo_bones.merge_settings import MergeSettings
from yolo_bones.rle import ImageSize
from yolo_bones.views import View, between_centres

LogitCrop = tuple[int, int, Plane]
"""Top, left and (h, w) float32 logits of one bone's box in native pixels."""

OUTSIDE: Final = -80.0
"""Logit of pixels outside a turned box."""
FINE_STEP_PX: Final = 1.5
"""Turned logits are enlarged exactly to points so many native pixels apart, then read bilinearly.

Half of it changes Dice by less than 0.0001."""
MOST_FINE_STEPS: Final = 8

NEARLY_UPRIGHT: Final = 0.2
"""Tangent of the turn up to which a bone's own box is good enough to tell where its crop ends."""

ABSENT: Final[LogitCrop] = (0, 0, np.zeros((0, 0), dtype=np.float32))


def logit_crops(
    candidates: Candidates,
    fused: FusedBones,
    wanted: NDArray[np.bool_],
    settings: MergeSettings,
    floors: NDArray[np.float64] | None = None,
) -> Iterator[LogitCrop]:
    """Logits of each class's widened box at native resolution; (0, 0) pixels for a bone that is not wanted.

    Args:
        candidates: of one look at the image.
        fused: one box and one set of coefficients a class, of this look.
        wanted: (29,) bool.
        settings: how far the boxes are widened.
        floors: (29,) logits; a crop may leave out what lies no higher. None to leave out nothing.
    """
    if not wanted.any():
        return itertools.repeat(ABSENT, len(wanted))
    view, prototypes = candidates.view, candidates.prototypes
    (across, skew_x, _), (skew_y, down, _) = view.matrix
    if skew_x != 0.0 or skew_y != 0.0:
        return _turned_crops(prototypes, view, fused, wanted, settings, floors)
    for axis, scale in enumerate((across, down)):
        if scale < 0.0:
            prototypes, view, fused = _flipped(prototypes, view, fused, axis)
    return _upright_crops(prototypes, view, fused, wanted, settings)


def _flipped(prototypes: Plane, view: View, fused: FusedBones, axis: int) -> tuple[Plane, View, FusedBones]:
    """The same look with the input's columns (axis 0) or rows (axis 1) in opposite order."""
    side = (view.input_size.width, view.input_size.height)[axis]
    matrix, boxes = view.matrix.copy(), fused.boxes_xyxy.copy()
    matrix[axis] *= -1.0
    matrix[axis, 2] += side
    boxes[:, [axis, axis + 2]] = side - boxes[:, [axis + 2, axis]]
    return (
        np.flip(prototypes, axis=2 - axis),
        View(view.image_size, view.input_size, matrix),
        FusedBones(boxes, fused.coefficients, fused.confidence),
    )


def _upright_crops(
    prototypes: Plane, view: View, fused: FusedBones, wanted: NDArray[np.bool_], settings: MergeSettings
) -> Iterator[LogitCrop]:
    """Rows stay rows and columns columns: two products of small matrices a bone."""
    size, net = view.image_size, view.input_size
    (scale_x, _, pad_left), (_, scale_y, pad_top) = view.matrix
    _, row_cells, column_cells = prototypes.shape
    down = enlargement((np.arange(size.height) + 0.5) * scale_y + pad_top, net.height, row_cells)
    across = enlargement((np.arange(size.width) + 0.5) * scale_x + pad_left, net.width, column_cells)
    for class_id, box in enumerate(_cut_boxes(fused, net, settings).tolist()):
        left, top, right, bottom = box
        rows = _native_range(top, bottom, scale_y, pad_top, size.height)
        columns = _native_range(left, right, scale_x, pad_left, size.width)
        if not wanted[class_id] or len(rows) == 0 or len(columns) == 0:
            yield ABSENT
            continue
        coefficients = fused.coefficients[class_id]
        yield rows.start, columns.start, _enlarged(prototypes, coefficients, down, across, rows, columns)


def _turned_crops(
    prototypes: Plane,
    view: View,
    fused: FusedBones,
    wanted: NDArray[np.bool_],
    settings: MergeSettings,
    floors: NDArray[np.float64] | None,
) -> Iterator[LogitCrop]:
    """Exact values on a grid finer than the cells are warped bilinearly.

    The grid ends where the widened box ends, to the nearest step; what lies beyond is cut by the warp's own border.
    """
    step_px, down, across = _fine_grid(prototypes, view)
    grid = np.rint(_cut_boxes(fused, view.input_size, settings) / np.tile(step_px, 2)).astype(np.int64)
    ranges = _native_ranges(grid * np.tile(step_px, 2), view)
    to_grid = between_centres(view.matrix) / step_px[:, None]
    to_native = view.to_image_matrix
    to_native[:, :2] *= step_px
    for class_id, (first_column, first_row, last_column, last_row) in enumerate(grid.tolist()):
        rows, columns = ranges[class_id]
        empty = first_column >= last_column or first_row >= last_row or len(rows) == 0 or len(columns) == 0
        if not wanted[class_id] or empty:
            yield ABSENT
            continue
        places = range(first_row, last_row + 1), range(first_column, last_column + 1)
        fine = _enlarged(prototypes, fused.coefficients[class_id], down, across, *places)
        if floors is not None:
            rows, columns = _without_empty(fine > floors[class_id], first_row, first_column, to_native, rows, columns)
        warp = to_grid.copy()
        warp[:, 2] += to_grid[:, :2] @ (columns.start, rows.start) + 0.5 / step_px - (first_column, first_row)
        crop = cv2.warpAffine(
            fine,
            warp,
            (len(columns), len(rows)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=OUTSIDE,
        )
        yield rows.start, columns.start, np.asarray(crop, dtype=np.float32)


def _without_empty(
    above: NDArray[np.bool_],
    first_row: int,
    first_column: int,
    to_native: NDArray[np.float64],
    rows: range,
    columns: range,
) -> tuple[range, range]:
    """Rows and columns of native pixels without those where nothing between the points of the grid can be above.

    Args:
        above: (h, w) whether a point of the grid is above the floor.
        first_row, first_column: of these points in the whole grid.
        to_native: (2, 3) from columns and rows of the whole grid to native pixels.
        rows, columns: of native pixels around all of the grid's points; they are not widened, and stay as they are
            where nothing is above.
    """
    steep = np.abs(to_native[:, :2])
    if steep.min() < NEARLY_UPRIGHT * steep.max():
        column, row, width, height = cv2.boundingRect(above.view(np.uint8))
        occupied = np.array([row, row + height - 1] if height else [], dtype=np.int64)
        left, right = np.array([[column - 1] * 2, [column + width] * 2])
    else:
        occupied = np.flatnonzero(above.any(axis=1))
        lines = above[occupied]
        left = lines.argmax(axis=1) - 1
        right = above.shape[1] - lines[:, ::-1].argmax(axis=1)
    if len(occupied) == 0:
        return rows, columns
    found = []
    for pixels, (per_column, per_row, start) in zip((rows, columns), to_native[::-1].tolist(), strict=True):
        near, far = (left, right) if per_column > 0.0 else (right, left)
        by_row = per_row * occupied
        start += per_column * first_column + per_row * first_row
        least = float((per_column * near + by_row).min()) + start - abs(per_row)
        most = float((per_column * far + by_row).max()) + start + abs(per_row)
        # One pixel is left at least, where all that is above lies beyond the image.
        first = min(max(pixels.start, math.floor(least)), pixels.stop - 1)
        found.append(range(first, max(first + 1, min(pixels.stop, math.ceil(most)))))
    return found[0], found[1]


def _fine_grid(prototypes: Plane, view: View) -> tuple[NDArray[np.float64], Enlargement, Enlargement]:
    """Points from edge to edge of the input: their distances (x, y) in input pixels, and the rows and columns."""
    net = view.input_size
    _, row_cells, column_cells = prototypes.shape
    cell_px = np.array([net.width / column_cells, net.height / row_cells])
    fineness = np.clip(np.ceil(cell_px / view.scale / FINE_STEP_PX), 1, MOST_FINE_STEPS).astype(np.int64)
    step_px = cell_px / fineness
    across, down = (
        _grid_along(side, cells, parts)
        for side, cells, parts in zip(
            (net.width, net.height), (column_cells, row_cells), fineness.tolist(), strict=True
        )
    )
    return step_px, down, across


@functools.lru_cache(maxsize=16)
def _grid_along(input_px: int, cells: int, parts: int) -> Enlargement:
    """Places from edge to edge of one side, so many a cell. Images of one size and settings share a few of them."""
    places = np.linspace(0.0, input_px, cells * parts + 1)
    return enlargement(places, input_px, cells)


def _cut_boxes(fused: FusedBones, net: ImageSize, settings: MergeSettings) -> Plane:
    """(29, 4) boxes to which masks are cut; nothing is known beyond what the network saw."""
    limits = np.array([net.width, net.height] * 2, dtype=np.float32)
    return np.clip(widened(fused.boxes_xyxy, settings), np.float32(0.0), limits)


def _native_ranges(boxes_xyxy: NDArray[Any], view: View) -> list[tuple[range, range]]:
    """Rows and columns of the native pixels whose centres may lie in each of (N, 4) boxes of the input."""
    corners = view.to_image(boxes_xyxy[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64))
    size = view.image_size
    return [
        (_native_range(low_y, high_y, 1.0, 0.0, size.height), _native_range(low_x, high_x, 1.0, 0.0, size.width))
        for (low_x, low_y), (high_x, high_y) in zip(
            corners.min(axis=1).tolist(), corners.max(axis=1).tolist(), strict=True
        )
    ]


def _native_range(low: float, high: float, scale: float, pad: float, limit: int) -> range:
    """Native pixels whose centre lies between two input coordinates."""
    first = max(math.ceil((low - pad) / scale - 0.5), 0)
    last = min(math.floor((high - pad) / scale - 0.5) + 1, limit)
    return range(first, max(first, last))


@dataclass(frozen=True, slots=True, eq=False)
class Enlargement:
    """Values at places along one side, from those of the prototype cells.

    Attributes:
        lower: (P,) the cell at or before each place.
        shares: (P, cells) each cell's share in a place's value; four cells next to each other.
    """

    lower: NDArray[np.int64]
    shares: NDArray[np.float32]

    def part(self, places: range) -> tuple[slice, NDArray[np.float32]]:
        """The cells that matter to some places, and their shares."""
        first = max(int(self.lower[places.start]) - 1, 0)
        last = min(int(self.lower[places.stop - 1]) + 2, self.shares.shape[1] - 1)
        cells = slice(first, last + 1)
        return cells, self.shares[places.start : places.stop, cells]


def enlargement(places: NDArray[np.float64], input_px: int, cells: int) -> Enlargement:
    """For ascending places in input pixels; the mask loss enlarges with it too."""
    place = np.clip(places * (cells / input_px) - 0.5, 0.0, cells - 1.0)
    lower = np.floor(place).astype(np.int64)
    steps = np.array([[-1], [0], [1], [2]])
    shares = np.zeros((len(places), cells), dtype=np.float32)
    flat, row = shares.reshape(-1), np.arange(0, shares.size, cells)
    for step, share in zip(steps, _cubic(np.abs(place - lower - steps)).astype(np.float32), strict=True):
        # At the input's edge several steps meet in one cell; each is added on its own.
        flat[row + np.clip(lower + step, 0, cells - 1)] += share
    return Enlargement(lower, shares)


def _cubic(distance: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at distances from 0 to 2 cells."""
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    return np.where(distance <= 1.0, near, far)


def _enlarged(
    prototypes: Plane, coefficients: Plane, down: Enlargement, across: Enlargement, rows: range, columns: range
) -> Plane:
    """Logits of one bone at rows and columns of places."""
    row_cells, vertical = down.part(rows)
    column_cells, horizontal = across.part(columns)
    region = prototypes[:, row_cells, column_cells]
    cells = (coefficients @ region.reshape(len(region), -1)).reshape(region.shape[1:])
    return np.asarray((vertical @ cells) @ horizontal.T, dtype=np.float32)
