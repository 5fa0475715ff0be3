"""Length and widths of one bone from its outline: along the shaft's own axis, or as diameters where there is no shaft.

The axis of a long bone is the line through the middles of its shaft, as a person draws it: base and head, which are
not symmetrical, have no say in it. A carpal bone has no shaft, and the main axis of a round outline is chance; so its
length is its greatest diameter and its width its least one, in whatever direction they lie (Feret's diameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bone_shapes import outline_moments
from yolo_bones.sub_pixel_outlines import Outline, Points, Values, closed

SHAFT: Final = (0.3, 0.7)
"""Part of a long bone's length whose middles make its axis."""
SHAFT_BANDS: Final = 8
AXIS_ROUNDS: Final = 2
MIDDLE: Final = (0.4, 0.6)
"""Part of the length over which the width at mid-shaft is averaged."""
SLICES: Final = 20
"""Slices of the length of which the widest gives the greatest width."""
FOREARM_SHAFT_FROM: Final = 1.3
"""The forearm's shaft begins so many widths of its wrist end from that end."""
LEAST_FOREARM_SHAFT: Final = 0.5
"""In widths of its wrist end; of a shorter piece of shaft no direction is taken."""
LEAST_UNCUT_PX: Final = 1.0
"""Of a forearm bone beyond the image's edge; there is less where the edge cuts its wrist end as well."""

Segment = NDArray[np.float64]
"""(2, 2) both ends, (x, y)."""


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """Something measured from one point to another.

    Attributes:
        value: in pixels.
        segment: (2, 2) where it can be drawn.
    """

    value: float
    segment: Segment


@dataclass(frozen=True, slots=True, eq=False)
class ShaftAxis:
    """A line along a bone.

    Attributes:
        origin: (2,) a point of it.
        direction: (2,) unit vector.
    """

    origin: Values
    direction: Values

    @property
    def across(self) -> Values:
        """(2,) unit vector at a right angle."""
        return np.array([-self.direction[1], self.direction[0]])

    def along(self, points: Points) -> Values:
        """(P,) places along the axis."""
        return np.asarray((points - self.origin) @ self.direction)

    def beside(self, points: Points) -> Values:
        """(P,) distances from the axis, signed."""
        return np.asarray((points - self.origin) @ self.across)

    def at(self, along: float, beside: float = 0.0) -> Values:
        """(2,) a point given by its place along the axis and beside it."""
        return np.asarray(self.origin + along * self.direction + beside * self.across)

    def turned(self, away_from: Values) -> ShaftAxis:
        """The same line, its direction leading away from a point."""
        flip = float((self.origin - away_from) @ self.direction) < 0.0
        return ShaftAxis(self.origin, -self.direction) if flip else self


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """What lies between parallel cuts across an outline.

    Attributes:
        widths: (B,) mean widths.
        middles: (B,) mean places across.
        places: (B,) middle of each band along the axis.
    """

    widths: Values
    middles: Values
    places: Values


def cut_bands(outline: Points, axis: ShaftAxis, cuts: Values) -> Bands:
    """Mean width and middle of an outline between neighbouring cuts at a right angle to an axis.

    Args:
        outline: (P, 2) closed, points close together.
        axis: that the cuts stand on.
        cuts: (B + 1,) ascending places along it.
    """
    line = closed(outline)
    along, beside = axis.along(line), axis.beside(line)
    inside = np.minimum(np.maximum(along[:, None], cuts[:-1]), cuts[1:])
    step = inside[1:] - inside[:-1]
    here, after = beside[:-1], beside[1:]
    area = (0.5 * (here + after)) @ step
    first = ((here**2 + here * after + after**2) / 6.0) @ step
    # Both are negative where the line runs the other way round.
    middles = first / np.where(area == 0.0, 1.0, area)
    return Bands(np.abs(area) / (cuts[1:] - cuts[:-1]), middles, 0.5 * (cuts[:-1] + cuts[1:]))


def main_axis(outline: Points) -> ShaftAxis:
    """The main axis of the area inside an outline."""
    moments = outline_moments(outline)
    return ShaftAxis(moments.centroid, moments.main_axis)


def shaft_axis(outline: Points, part: tuple[float, float] = SHAFT) -> ShaftAxis:
    """The line through the middles of a long bone's shaft.

    Args:
        outline: (P, 2) of the whole bone.
        part: of its length that is shaft.
    """
    axis = main_axis(outline)
    for _ in range(AXIS_ROUNDS):
        along = axis.along(outline)
        low, high = float(along.min()), float(along.max())
        axis = _through_middles(outline, axis, low + part[0] * (high - low), low + part[1] * (high - low))
    return axis


def forearm_axis(outline: Outline, wrist: Values) -> ShaftAxis | None:
    """The line through the middles of the shaft of radius or ulna, its direction leading to the wrist.

    Args:
        outline: of the bone, which the image may cut.
        wrist: (2,) a point of the carpus.

    Returns:
        None where too little of the shaft is in the image.
    """
    axis = main_axis(outline.points).turned(outline.points.mean(axis=0) * 2.0 - wrist)
    for _ in range(AXIS_ROUNDS):
        along = axis.along(outline.points)
        low, end = _uncut_from(outline, along), float(along.max())
        if end - low < LEAST_UNCUT_PX:
            return None
        wide = greatest_width(outline.points, axis, from_place=low).value
        high = end - FOREARM_SHAFT_FROM * wide
        if high - low < LEAST_FOREARM_SHAFT * wide:
            return None
        axis = _through_middles(outline.points, axis, low, high)
    return axis


def _uncut_from(outline: Outline, along: Values) -> float:
    """Where along the axis the bone begins to be whole across."""
    return float(along[outline.on_edge].max() if outline.is_cut else along.min())


def _through_middles(outline: Points, axis: ShaftAxis, low: float, high: float) -> ShaftAxis:
    bands = cut_bands(outline, axis, np.linspace(low, high, SHAFT_BANDS + 1))
    centre, offset = float(bands.places.mean()), float(bands.middles.mean())
    from_centre = bands.places - centre
    slope = float(from_centre @ bands.middles / (from_centre @ from_centre))
    direction = axis.direction + slope * axis.across
    return ShaftAxis(axis.at(centre, offset), direction / np.hypot(*direction))


def length_along(outline: Points, axis: ShaftAxis) -> Extent:
    """From one end of a bone to the other along an axis."""
    along = axis.along(outline)
    low, high = float(along.min()), float(along.max())
    return Extent(high - low, np.stack([axis.at(low), axis.at(high)]))


def mean_width(outline: Points, axis: ShaftAxis, part: tuple[float, float] = MIDDLE) -> Extent:
    """Mean width at a right angle to an axis over a part of the length."""
    along = axis.along(outline)
    low, reach = float(along.min()), float(np.ptp(along))
    return _widest(cut_bands(outline, axis, low + reach * np.array(part)), axis)


def greatest_width(outline: Points, axis: ShaftAxis, from_place: float = -np.inf) -> Extent:
    """Width at a right angle to an axis of the widest of the slices beyond a place along the axis."""
    along = axis.along(outline)
    low, high = max(float(along.min()), from_place), float(along.max())
    return _widest(cut_bands(outline, axis, np.linspace(low, high, SLICES + 1)), axis)


def _widest(bands: Bands, axis: ShaftAxis) -> Extent:
    index = int(bands.widths.argmax())
    width, middle, place = (float(values[index]) for values in (bands.widths, bands.middles, bands.places))
    ends = np.stack([axis.at(place, middle - 0.5 * width), axis.at(place, middle + 0.5 * width)])
    return Extent(width, ends)


def greatest_diameter(outline: Points) -> Extent:
    """Between the two points of an outline that are farthest apart."""
    hull = _hull(outline)
    apart = np.hypot(*(hull[:, None] - hull[None]).transpose(2, 0, 1))
    pair = np.unravel_index(int(apart.argmax()), apart.shape)
    return Extent(float(apart[pair]), hull[list(pair)])


def least_diameter(outline: Points) -> Extent:
    """Between the two nearest parallel lines that hold an outline between them."""
    hull = _hull(outline)
    sides = np.diff(closed(hull), axis=0)
    sides /= np.maximum(np.hypot(sides[:, 0], sides[:, 1]), 1e-12)[:, None]
    across = np.stack([-sides[:, 1], sides[:, 0]], axis=1)
    places = hull @ across.T
    best = int(np.ptp(places, axis=0).argmin())
    far = hull[int(np.abs(places[:, best] - places[best, best]).argmax())]
    foot = far - across[best] * ((far - hull[best]) @ across[best])
    return Extent(float(np.ptp(places[:, best])), np.stack([foot, far]))


def _hull(outline: Points) -> Points:
    found = cv2.convexHull(outline.astype(np.float32)).reshape(-1, 2)
    return np.asarray(found, dtype=np.float64)
