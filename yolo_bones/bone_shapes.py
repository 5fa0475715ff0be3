"""Size, direction and place of a bone from its outline alone, in the hand's frame. numpy only.

Everything is exact for the polygon's area, whatever the density of its points, and scale-free once the points are in
the hand's frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.bones import ARM_BONES, CLASS_IDS

Points = NDArray[np.float64]
Values = NDArray[np.float64]

FEATURES: Final = ("thumbward", "distalward", "log_area", "log_aspect", "upright", "lean")
"""Place of the centroid; logarithm of the area; logarithm of the main axis over the other; direction of the main axis
as the vector of its doubled angle, the longer the more the shape is drawn out, so that a round one has none."""
PLACE: Final = slice(0, 2)
LOG_AREA: Final = 2

ARM_IDS: Final = tuple(CLASS_IDS[bone] for bone in ARM_BONES)
ARM_REACH: Final = 0.7
"""Radius and ulna are looked at as far as this from their wrist's end, in lengths of the third metacarpal: where the
image cuts them means nothing."""
LEAST_AREA: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class OutlineMoments:
    """Of the area inside an outline.

    Attributes:
        area: in squared units of the points; tiny but not zero for an outline without area.
        centroid: (2,) in the points' axes.
        covariance: (2, 2) of the area.
    """

    area: float
    centroid: Values
    covariance: Values

    @property
    def main_axis(self) -> Values:
        """(2,) unit vector; its sign carries no meaning."""
        return np.asarray(np.linalg.eigh(self.covariance)[1][:, 1])


def outline_moments(points: NDArray[np.generic]) -> OutlineMoments:
    """Moments of a polygon by Green's theorem.

    Args:
        points: (P, 2), implicitly closed, in either direction of turn.
    """
    corners = np.asarray(points, dtype=np.float64)
    origin = corners.mean(axis=0)
    x, y = (corners - origin).T
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    cross = x * y_next - x_next * y
    area = cross.sum() / 2.0
    if abs(area) < LEAST_AREA:
        return OutlineMoments(LEAST_AREA, origin, LEAST_AREA * np.eye(2))
    centre = np.array([((x + x_next) * cross).sum(), ((y + y_next) * cross).sum()]) / (6.0 * area)
    squares = [((a * a + a * b + b * b) * cross).sum() / (12.0 * area) for a, b in ((x, x_next), (y, y_next))]
    mixed = ((x * y_next + 2.0 * x * y + 2.0 * x_next * y_next + x_next * y) * cross).sum() / (24.0 * area)
    second = np.array([[squares[0], mixed], [mixed, squares[1]]])
    return OutlineMoments(abs(float(area)), origin + centre, second - np.outer(centre, centre))


def clip_to_half_plane(points: Points, normal: Values, least: float) -> Points:
    """The part of a polygon where `points @ normal >= least`; parts that it falls into stay joined along the cut."""
    height = points @ normal - least
    after, next_height = np.roll(points, -1, axis=0), np.roll(height, -1)
    crosses = (height >= 0.0) != (next_height >= 0.0)
    share = np.where(crosses, height / np.where(crosses, height - next_height, 1.0), 0.0)
    both = np.stack([points, points + share[:, None] * (after - points)], axis=1)
    kept = np.stack([height >= 0.0, crosses], axis=1)
    return np.asarray(both[kept])


def wrist_end(points: Points) -> Points:
    """The part of a forearm bone that is looked at: at most `ARM_REACH` from its end at the hand.

    Args:
        points: (P, 2) outline in the hand's frame.
    """
    moments = outline_moments(points)
    axis = moments.main_axis
    if moments.centroid @ axis > 0.0:  # the hand's origin lies beyond the end at the wrist
        axis = -axis
    along = points @ axis
    if float(np.ptp(along)) <= ARM_REACH:
        return points
    return clip_to_half_plane(points, axis, float(along.max()) - ARM_REACH)


def shape_features(points: Points) -> Values:
    """(6,) `FEATURES` of an outline in the hand's frame."""
    moments = outline_moments(points)
    small, large = np.maximum(np.linalg.eigvalsh(moments.covariance), LEAST_AREA)
    (across, mixed), (_, along) = moments.covariance
    spread = across + along
    aspect = 0.5 * np.log(large / small)
    direction = (along - across) / spread, 2.0 * mixed / spread
    return np.array([*moments.centroid, np.log(moments.area), aspect, *direction])


def ends(points: Points) -> Values:
    """(2, 2) proximal and distal end of a drawn-out shape in the hand's frame: the nearer to its origin first.

    The ends of the rod that has the outline's moments.
    """
    moments = outline_moments(points)
    spread, axes = np.linalg.eigh(moments.covariance)
    reach = np.sqrt(3.0 * max(float(spread[1]), LEAST_AREA)) * axes[:, 1]
    both = np.stack([moments.centroid - reach, moments.centroid + reach])
    return np.asarray(both[np.argsort(np.hypot(*both.T), kind="stable")])


def wrist_angle_deg(forearm: Sequence[Points]) -> float | None:
    """The third metacarpal against the forearm, positive when the hand leans to the thumb's side (radially).

    Args:
        forearm: outlines of radius and ulna, or of one of them, in the hand's frame.

    Returns:
        Degrees, or None where neither is there. The image's edge, which cuts them, tilts their axes by a few degrees.
    """
    axes = [outline_moments(points).main_axis for points in forearm]
    if not axes:
        return None
    lean, rise = np.sum([axis if axis[1] >= 0.0 else -axis for axis in axes], axis=0)
    return float(-np.degrees(np.arctan2(lean, rise)))


def part_as_bone(points: Points, class_id: int) -> Points:
    """The part of an outline in the hand's frame that is looked at when it is taken for a bone."""
    return wrist_end(points) if class_id in ARM_IDS else points


def features_both_ways(outlines: Sequence[NDArray[np.generic]], frame: HandFrame) -> tuple[Values, Values, Values]:
    """Features of outlines as bones of the hand and as bones of the forearm, and their ends.

    Args:
        outlines: N of (P, 2), pixels (x, y).
        frame: of the hand.

    Returns:
        Two of (N, 6), and (N, 2, 2) proximal and distal ends.
    """
    plain = np.empty((len(outlines), len(FEATURES)))
    arm, both_ends = np.empty_like(plain), np.empty((len(outlines), 2, 2))
    for row, outline in enumerate(outlines):
        points = frame.to_hand(np.asarray(outline, dtype=np.float64))
        plain[row], both_ends[row] = shape_features(points), ends(points)
        end = wrist_end(points) if float(np.ptp(points, axis=0).max()) > 0.5 * ARM_REACH else points
        arm[row] = plain[row] if end is points else shape_features(end)
    return plain, arm, both_ends
