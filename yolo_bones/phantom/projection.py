"""Path lengths through closed surfaces along parallel rays, exact at every pixel centre.

A ray enters a closed surface through front faces and leaves it through back faces, so the sum of the depths of the back
faces less that of the front faces is the length inside, whatever the shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.surface import Surface


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """One surface as seen by the detector, inside the smallest box that holds it.

    Attributes:
        top, left: the box's place in the image, in pixels.
        length: (h, w) float32, path length in the unit of the surface's depth.
        covered: (h, w) bool, the pixels whose centre lies in the silhouette.
    """

    top: int
    left: int
    length: NDArray[np.float32]
    covered: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """The box as a pair of slices (rows, columns) of the image."""
        height, width = self.covered.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def cast_shadow(surface: Surface, height: int, width: int) -> Shadow | None:
    """Project a closed surface onto the image plane.

    Args:
        surface: vertices as (x, y, depth); x and y in pixels, pixel centres at integers.
        height, width: size of the image in pixels.

    Returns:
        The shadow, or None when no pixel centre of the image is covered.
    """
    corners = surface.vertices[surface.triangles]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    twice_area = (second[:, 0] - first[:, 0]) * (third[:, 1] - first[:, 1])
    twice_area -= (second[:, 1] - first[:, 1]) * (third[:, 0] - first[:, 0])
    low = np.maximum(np.ceil(corners[:, :, :2].min(axis=1)), 0.0).astype(np.int64)
    high = np.floor(corners[:, :, :2].max(axis=1)).astype(np.int64)
    high = np.minimum(high, np.array([width - 1, height - 1]))
    extent = high - low + 1
    kept = np.flatnonzero((twice_area != 0.0) & (extent > 0).all(axis=1))
    if kept.size == 0:
        return None
    low, extent = low[kept], extent[kept]
    left, top = low.min(axis=0)
    right, bottom = high[kept].max(axis=0)
    box_width, box_height = int(right - left + 1), int(bottom - top + 1)

    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(kept)), counts)
    local = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(local, extent[owner, 0])
    x = (column + low[owner, 0]).astype(np.float64)
    y = (row + low[owner, 1]).astype(np.float64)

    orientation = np.sign(twice_area[kept])
    inside = np.ones(len(owner), dtype=bool)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        value, strict = _edge_side(surface, kept, start, end, orientation, owner, x, y)
        inside &= (value > 0.0) | ((value == 0.0) & ~strict)
    owner, x, y = owner[inside], x[inside], y[inside]

    slope_x, slope_y, offset = _depth_plane(first[kept], second[kept], third[kept], twice_area[kept])
    depth = slope_x[owner] * x + slope_y[owner] * y + offset[owner]
    index = ((y - top) * box_width + (x - left)).astype(np.int64)
    shape = (box_height, box_width)
    cells = box_height * box_width
    length = np.bincount(index, weights=depth * orientation[owner], minlength=cells).reshape(shape)
    covered = np.bincount(index, minlength=cells).reshape(shape) > 0
    if not covered.any():
        return None
    return Shadow(int(top), int(left), np.abs(length).astype(np.float32), covered)


def _edge_side(
    surface: Surface,
    kept: NDArray[np.int64],
    start: int,
    end: int,
    orientation: NDArray[np.float64],
    owner: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """On which side of an edge the pixels lie, computed from the same end for both triangles that share it.

    So a pixel centre exactly on an edge belongs to one of them and never to both or none.
    """
    a = surface.triangles[kept, start]
    b = surface.triangles[kept, end]
    sign = np.where(a < b, 1.0, -1.0)
    p = surface.vertices[np.minimum(a, b)]
    q = surface.vertices[np.maximum(a, b)]
    normal_x, normal_y = -(q[:, 1] - p[:, 1]), q[:, 0] - p[:, 0]
    constant = -(normal_x * p[:, 0] + normal_y * p[:, 1])
    towards = sign * orientation
    value = normal_x[owner] * x + normal_y[owner] * y + constant[owner]
    return value * towards[owner], (towards < 0.0)[owner]


def _depth_plane(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], twice_area: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of depth = slope_x * x + slope_y * y + offset over each triangle."""
    ab, ac = b - a, c - a
    slope_x = (ab[:, 2] * ac[:, 1] - ac[:, 2] * ab[:, 1]) / twice_area
    slope_y = (ac[:, 2] * ab[:, 0] - ab[:, 2] * ac[:, 0]) / twice_area
    return slope_x, slope_y, a[:, 2] - slope_x * a[:, 0] - slope_y * a[:, 1]
