"""Exact measures of polygons, as `anatomy` measures masks, and overlaps of two polygons.

Polygons are (N, 2) float64, closed implicitly, in either direction, one loop. Angles are those of `anatomy`: against
the second coordinate (distalward), positive towards the first (thumbward).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from yolo_bones.anatomy import SLICES

Array = NDArray[np.float64]

LINES_PER_SLICE: Final = 6
CLEAR_OVERLAP: Final = 1e-5
GAP_SLOPE: Final = 0.05
"""Units of area that one unit of distance between two polygons counts for, so that the fit knows where to go."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Area, (2,) centroid and (2,) unit vector of the main axis, whose sign means nothing."""

    area: float
    centroid: Array
    axis: Array


@dataclass(frozen=True, slots=True, eq=False)
class PolygonMeasures:
    """A polygon measured along its own main axis.

    Attributes:
        area, centroid: of the polygon.
        axis: (2,) unit vector of the main axis, in the half that points distalward.
        length, width: extents along and across it.
        slice_widths: (10,) mean widths of equal slices along it, from proximal to distal.
    """

    area: float
    centroid: Array
    axis: Array
    length: float
    width: float
    slice_widths: Array

    @property
    def angle_deg(self) -> float:
        """Direction of the axis."""
        return float(np.degrees(np.arctan2(self.axis[0], self.axis[1])))


def measure_moments(points: Array) -> Moments:
    """Moments of a polygon up to the second, by its edges."""
    x, y = points.T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    cross = x * y2 - x2 * y
    area = cross.sum() / 2.0
    cx, cy = ((x + x2) * cross).sum() / (6.0 * area), ((y + y2) * cross).sum() / (6.0 * area)
    xx = ((x * x + x * x2 + x2 * x2) * cross).sum() / 12.0 - area * cx * cx
    yy = ((y * y + y * y2 + y2 * y2) * cross).sum() / 12.0 - area * cy * cy
    xy = ((x * y2 + 2.0 * x * y + 2.0 * x2 * y2 + x2 * y) * cross).sum() / 24.0 - area * cx * cy
    turning = np.sign(area)
    _, vectors = np.linalg.eigh(turning * np.array([[xx, xy], [xy, yy]]))
    return Moments(float(abs(area)), np.array([cx, cy]), vectors[:, 1])


def measure_polygon(points: Array) -> PolygonMeasures:
    """Measures of a polygon along its own main axis."""
    moments = measure_moments(points)
    axis = moments.axis if moments.axis[1] >= 0 else -moments.axis
    centred = points - moments.centroid
    along, aside = centred @ axis, centred @ across(axis)
    length = float(np.ptp(along))
    count = SLICES * LINES_PER_SLICE
    lines = along.min() + (np.arange(count) + 0.5) / count * length
    widths = _widths_at(lines, along, aside).reshape(SLICES, LINES_PER_SLICE).mean(axis=1)
    return PolygonMeasures(moments.area, moments.centroid, axis, length, float(np.ptp(aside)), widths)


def _widths_at(lines: Array, along: Array, aside: Array) -> Array:
    """(K,) lengths inside the polygon of lines across it: places where edges cross them, signed by direction."""
    along_next, aside_next = np.roll(along, -1), np.roll(aside, -1)
    low, high = np.minimum(along, along_next), np.maximum(along, along_next)
    crossed = (lines[:, None] >= low) & (lines[:, None] < high)
    rise = np.where(along_next == along, 1.0, along_next - along)
    places = aside + (lines[:, None] - along) / rise * (aside_next - aside)
    return np.asarray(np.abs(np.where(crossed, places * np.sign(rise), 0.0).sum(axis=1)))


def across(axis: Array) -> Array:
    """(2,) the direction at a right angle, to the thumb's side of an axis that points distalward."""
    return np.array([axis[1], -axis[0]])


def turned(points: Array, angle_deg: float) -> Array:
    """(..., 2) points turned about the origin; a positive angle turns fingertips towards the thumb."""
    angle = np.deg2rad(angle_deg)
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)], axis=-1)


def cut_below(points: Array, length: float) -> Array:
    """What is left of a long bone's outline at most `length` below its highest point."""
    top, reach = float(points[:, 1].max()), float(np.abs(points[:, 0]).max()) + 1.0
    box = shapely.box(-reach, top - length, reach, top + 1.0)
    return np.array(Polygon(points).intersection(box).exterior.coords)[:-1]


def as_region(points: Array) -> shapely.Geometry:
    """The polygon for `overlap_or_gap`, mended where it crosses itself."""
    region = Polygon(points)
    return region if region.is_valid else region.buffer(0)


def overlap_or_gap(first: shapely.Geometry, second: shapely.Geometry) -> float:
    """Area that two regions share; where there is none, a little below zero the further they are apart."""
    shared = float(first.intersection(second).area)
    return shared if shared > CLEAR_OVERLAP else shared - GAP_SLOPE * float(first.distance(second))
