"""The spaces between neighbouring bones, from their outlines: distance of the contours that face each other.

A point of one bone's outline faces the other bone where its outward normal opposes that of the nearest point there; it
counts in full where they oppose squarely and not at all from 30 degrees on, so no threshold makes the mean jump. The
space at a point is its distance from the other bone, negative where it lies inside: bones that overlap on the image
have a space of minus the depth of the overlap. Points of both bones count alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import DIGITS
from yolo_bones.sub_pixel_outlines import Outline, Points, Values, closed

FACING_COSINE: Final = float(np.cos(np.deg2rad(30.0)))
REACH: Final = 1.5
"""Contours farther apart than this, in areas over perimeters of the narrower bone, do not make a joint: about 6 mm at
the knuckles and carpal bones, 3 mm at the fingertips."""
LEAST_WEIGHT: Final = 3.0
"""Contours that face each other over less than so many pixels have no space worth the name."""
_NUMBERS: Final = dict(zip(DIGITS, range(1, 6), strict=True))


def _digit_joints() -> dict[str, tuple[str, str]]:
    """Joint -> its proximal and its distal bone, over the digits."""
    found = {}
    for digit, bones in DIGITS.items():
        names = ("MCP", "IP") if digit == "thumb" else ("MCP", "PIP", "DIP")
        for name, distal, proximal in zip(names, bones[-2::-1], bones[:0:-1], strict=True):
            found[f"{name}-{_NUMBERS[digit]}"] = (proximal, distal)
    return found


JOINTS: Final[dict[str, tuple[str, str]]] = {
    **_digit_joints(),
    "CMC-1": ("Trapezium", "finger-3"),
    "CMC-2": ("Trapezoid", "finger-7"),
    "CMC-3": ("Capitate", "finger-11"),
    "CMC-4": ("Hamate", "finger-15"),
    "CMC-5": ("Hamate", "finger-19"),
    "scaphotrapezial": ("Scaphoid", "Trapezium"),
    "scaphotrapezoidal": ("Scaphoid", "Trapezoid"),
    "scaphocapitate": ("Scaphoid", "Capitate"),
    "capitolunate": ("Lunate", "Capitate"),
    "triquetrohamate": ("Triquetrum", "Hamate"),
    "scapholunate": ("Scaphoid", "Lunate"),
    "lunotriquetral": ("Lunate", "Triquetrum"),
    "trapeziotrapezoidal": ("Trapezium", "Trapezoid"),
    "capitotrapezoidal": ("Trapezoid", "Capitate"),
    "capitohamate": ("Capitate", "Hamate"),
    "radioscaphoid": ("Radius", "Scaphoid"),
    "radiolunate": ("Radius", "Lunate"),
    "distal-radioulnar": ("Radius", "Ulna"),
}
"""Joint -> the two bones that meet there, the proximal or radial one first."""


@dataclass(frozen=True, slots=True, eq=False)
class JointSpace:
    """The space of one joint.

    Attributes:
        least_px: the smallest distance; negative where the bones overlap.
        mean_px: over the contours that face each other.
        least_segment: (2, 2) where it is least.
        lines: (N, 2, 2) from each facing point to the other bone, both directions pooled.
        weights: (N,) how squarely each faces, 0 to 1, none 0.
    """

    least_px: float
    mean_px: float
    least_segment: NDArray[np.float64]
    lines: NDArray[np.float64]
    weights: Values


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """(P, 2) points of an outline, their outward normals and the directions along it."""

    points: Points
    normals: Points
    along: Points


def measure_space(first: Outline, second: Outline) -> JointSpace | None:
    """The space between two bones; None where they lie too far apart or nothing faces."""
    # The points of an outline are a pixel apart, so their number is its perimeter.
    reach = REACH * min(bone.area_px / len(bone.points) for bone in (first, second))
    near, far = _near(first, second, reach), _near(second, first, reach)
    if len(near.points) == 0 or len(far.points) == 0:
        return None
    halves = [_distances(near, far), _distances(far, near)]
    distances, weights, lines = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    facing = np.flatnonzero((weights > 0.0) & (distances <= reach))
    if float(weights[facing].sum()) < LEAST_WEIGHT:
        return None
    facing = facing[_together(lines[facing], distances[facing], reach)]
    distances, weights, lines = distances[facing], weights[facing], lines[facing]
    least = int(distances.argmin())
    mean = float((distances * weights).sum() / weights.sum())
    return JointSpace(float(distances[least]), mean, lines[least], lines, weights)


def _together(lines: NDArray[np.float64], distances: Values, reach: float) -> NDArray[np.bool_]:
    """The lines of the place where the space is least, not of another where the bones come near each other again."""
    middles, least = lines.mean(axis=1), int(distances.argmin())
    spread = middles - middles.mean(axis=0)
    along = spread @ np.linalg.eigh(spread.T @ spread)[1][:, 1]
    order = along.argsort()
    group = np.zeros(len(order), dtype=np.int64)
    group[order[1:]] = np.cumsum(np.diff(along[order]) > reach)
    return np.asarray(group == group[least])


def _near(outline: Outline, other: Outline, reach: float) -> _Stretch:
    """What of an outline lies inside the other one's box, widened by `reach`."""
    low, high = other.points.min(axis=0) - reach, other.points.max(axis=0) + reach
    inside = ((outline.points >= low) & (outline.points <= high)).all(axis=1) & ~outline.on_edge
    along = np.diff(closed(outline.points), axis=0)[inside]
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)[:, None]
    return _Stretch(outline.points[inside], outline.normals[inside], along)


def _distances(stretch: _Stretch, other: _Stretch) -> tuple[Values, Values, NDArray[np.float64]]:
    """Signed distance of each point from the other outline, how squarely the two face there, and the line between."""
    points, others = stretch.points, other.points
    # Half the squared distance less what is the same for all others; single precision is enough about a near centre.
    here, there = ((place - others.mean(axis=0)).astype(np.float32) for place in (points, others))
    nearest = (0.5 * (there**2).sum(axis=1) - here @ there.T).argmin(axis=1)
    feet, out, along = others[nearest], other.normals[nearest], other.along[nearest]
    # The nearest place of the line lies up to half a step beside the nearest of its points.
    beside = np.clip(((points - feet) * along).sum(axis=1), -0.5, 0.5)
    feet = feet + beside[:, None] * along
    apart = points - feet
    distances = np.hypot(apart[:, 0], apart[:, 1]) * np.where((apart * out).sum(axis=1) < 0.0, -1.0, 1.0)
    opposed = -(stretch.normals * out).sum(axis=1)
    weights = np.clip((opposed - FACING_COSINE) / (1.0 - FACING_COSINE), 0.0, 1.0)
    return distances, weights, np.stack([points, feet], axis=1)
