"""Measures of the wrist that radiologists take: carpal height, deviation, ulnar variance. From outlines and axes.

Definitions and sources are told in docs/measurements.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from yolo_bones.long_axes import Extent, ShaftAxis
from yolo_bones.sub_pixel_outlines import Outline, Points, Values, closed

ULNAR_CORNER: Final = 0.2
"""Part of the radius's width at the wrist, from its ulnar border, in which its ulnar corner is looked for."""
ULNAR_DOME: Final = 0.5
"""Part of the ulna's width at the wrist, from its radial border, that holds its dome and not its styloid."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """Where a line enters and leaves an outline, as places along the line."""

    first: float
    last: float


def cross_outline(outline: Points, axis: ShaftAxis) -> Crossing | None:
    """First and last place at which an axis crosses an outline; None where it passes by."""
    line = closed(outline)
    beside, along = axis.beside(line), axis.along(line)
    before = np.flatnonzero((beside[:-1] >= 0.0) != (beside[1:] >= 0.0))
    if len(before) == 0:
        return None
    share = beside[before] / (beside[before] - beside[before + 1])
    places = along[before] + share * (along[before + 1] - along[before])
    return Crossing(float(places.min()), float(places.max()))


def carpal_height(metacarpal: Outline, axis: ShaftAxis, radius: Outline) -> Extent | None:
    """From the third metacarpal's base to the radius's articular surface along the metacarpal's axis (Youm).

    Args:
        metacarpal: the third.
        axis: of it, its direction leading to the fingertips.
        radius: the bone.

    Returns:
        None where the axis does not meet the radius.
    """
    base, joint = cross_outline(metacarpal.points, axis), cross_outline(radius.points, axis)
    if base is None or joint is None or joint.last >= base.last:
        return None
    return Extent(base.first - joint.last, np.stack([axis.at(joint.last), axis.at(base.first)]))


def ulnar_deviation_deg(metacarpal: Values, radius: Values, thumbward: Values) -> float:
    """Angle of the third metacarpal against the radius, positive when the hand leans to the ulna (radially: negative).

    Args:
        metacarpal, radius: (2,) unit vectors along the axes, both leading to the fingertips.
        thumbward: (2,) a vector to the thumb's side.
    """
    turn = float(radius[0] * metacarpal[1] - radius[1] * metacarpal[0])
    side = float(radius[0] * thumbward[1] - radius[1] * thumbward[0])
    angle = float(np.degrees(np.arctan2(turn, radius @ metacarpal)))
    return -angle if side > 0.0 else angle


def ulnar_variance(radius: Outline, axis: ShaftAxis, ulna: Outline) -> Extent | None:
    """How far the ulna reaches beyond the radius along the radius's axis (method of perpendiculars).

    Args:
        radius: the bone.
        axis: of it, its direction leading to the wrist.
        ulna: the bone.

    Returns:
        Positive when the ulna is the longer one; None where the two do not lie side by side.
    """
    ulnarward = axis.across
    if float((ulna.points.mean(axis=0) - radius.points.mean(axis=0)) @ ulnarward) < 0.0:
        ulnarward = -ulnarward
    corner = _distal_end(radius, axis, -ulnarward, ULNAR_CORNER)
    dome = _distal_end(ulna, axis, ulnarward, ULNAR_DOME)
    if corner is None or dome is None:
        return None
    low, high = (float(axis.along(end[None])[0]) for end in (corner, dome))
    foot = dome - (high - low) * axis.direction
    return Extent(high - low, np.stack([foot, dome]))


def _distal_end(bone: Outline, axis: ShaftAxis, inward: Values, part: float) -> Values | None:
    """The point that reaches farthest to the wrist in a part of the bone's end, counted from one border `inward`."""
    along, beside = axis.along(bone.points), bone.points @ inward
    top = float(along.max())
    end = along > top - 1.2 * _end_width(along, beside)
    if not end.any():
        return None
    low, high = float(beside[end].min()), float(beside[end].max())
    chosen = np.flatnonzero(end & (beside <= low + part * (high - low)))
    return np.asarray(bone.points[chosen[along[chosen].argmax()]])


def _end_width(along: Values, beside: Values) -> float:
    """Extent across the axis of a bone's distal third."""
    near = along > along.max() - np.ptp(along) / 3.0
    return float(np.ptp(beside[near]))
