"""Where the fit starts: the 29 bones drawn after the anatomy textbooks (Gray's Anatomy; Schuenke, Thieme Atlas).

Units of the third metacarpal. Long bones take the edges that the measured slice widths give, and the profiles of their
two ends from here; carpals are drawn whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, Polygon

from tests.atlas.outlines import across, measure_moments
from yolo_bones import reference
from yolo_bones.anatomy import SLICES, TYPICAL, direction_xy
from yolo_bones.bones import ARM_BONES, KINDS
from yolo_bones.phantom.shapes import RADII, STATIONS

Array = NDArray[np.float64]
Profile = tuple[float, float, float, float, float]

FOREARM_LENGTH: Final = 2.6
"""Longer than any image shows; the lower edge cuts it."""
FOREARM_WARP: Final = 1.6
"""Draws the stations towards the wrist; see `shapes.Tube`."""

# How far an end reaches distally, at five places from the little finger's side to the thumb's.
METACARPAL_BASE: Final[dict[str, Profile]] = {
    # The saddle on the trapezium, seen obliquely: nearly straight.
    "finger-3": (-0.01, 0.005, 0.01, 0.0, 0.01),
    # A notch for the trapezoid between a broad thumb-side lip and the longer one that reaches the capitate.
    "finger-7": (-0.02, 0.015, 0.03, 0.01, 0.0),
    # The styloid process points proximally on the thumb's side, between capitate and trapezoid.
    "finger-11": (0.02, 0.01, 0.005, -0.005, -0.03),
    # Small and square, on hamate and the capitate's corner.
    "finger-15": (0.01, 0.0, -0.005, 0.0, 0.01),
    # Slants along the hamate, the tubercle on the little finger's side drawn back.
    "finger-19": (0.03, 0.01, 0.0, -0.005, -0.015),
}
METACARPAL_HEAD: Final[Profile] = (-0.03, 0.0, 0.012, 0.0, -0.03)
"""A round head."""
DISTAL_BASE: Final[Profile] = (-0.005, 0.012, 0.006, 0.012, -0.005)
"""Two shallow hollows with a ridge between them."""
DISTAL_HEAD: Final[Profile] = (-0.02, 0.0, 0.004, 0.0, -0.02)
"""The rounded tuft."""
PROXIMAL_BASE: Final[Profile] = (-0.006, 0.01, 0.016, 0.01, -0.006)
"""One oval hollow for the metacarpal's head."""
MIDDLE_BASE: Final[Profile] = (-0.006, 0.012, 0.005, 0.012, -0.006)
"""Two hollows for the condyles of the proximal phalanx."""
CONDYLES: Final[Profile] = (-0.004, 0.012, -0.004, 0.012, -0.004)
"""A pulley: two condyles with a groove between them."""
FOREARM_BASE: Final[Profile] = (0.0, 0.0, 0.0, 0.0, 0.0)
FOREARM_HEAD: Final[dict[str, Profile]] = {
    # Slants towards the ulna; the styloid on the thumb's side reaches furthest.
    "Radius": (-0.075, -0.05, -0.02, 0.03, 0.075),
    # A flat head with the styloid on the little finger's side.
    "Ulna": (0.04, 0.0, 0.01, 0.005, -0.02),
}
RADIUS_END: Final = (0.20, 0.232, 0.232, 0.20)
"""Half-widths of the radius at its last four stations: the flare and the square end of its joint."""
ULNA_END: Final = 0.9
"""The edge of a forearm bone's last station against what the slices give."""

# The hand's own directions: x to the thumb, y to the fingertips, the wrist straight.
# fmt: off
CARPALS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    # The largest: square body against the second to fourth metacarpals, a waist, and the round head proximally.
    "Capitate": (
        (0.10, 0.20), (0.125, 0.15), (0.118, 0.08), (0.10, 0.02), (0.095, -0.05), (0.10, -0.11), (0.075, -0.17),
        (0.02, -0.205), (-0.05, -0.20), (-0.095, -0.15), (-0.115, -0.08), (-0.115, 0.0), (-0.125, 0.08), (-0.12, 0.15),
        (-0.09, 0.19), (0.0, 0.205),
    ),
    # A wedge: base against the fourth and fifth metacarpals, apex at the lunate, straight side on the capitate.
    "Hamate": (
        (0.045, -0.19), (0.075, -0.10), (0.09, 0.0), (0.10, 0.10), (0.085, 0.14), (0.0, 0.135), (-0.09, 0.125),
        (-0.145, 0.09), (-0.13, 0.03), (-0.08, -0.03), (-0.035, -0.10), (0.0, -0.17),
    ),
    # A boat: proximal pole on the radius, a waist, distal pole with the tubercle under trapezium and trapezoid.
    "Scaphoid": (
        (-0.13, -0.15), (-0.07, -0.17), (0.0, -0.135), (0.07, -0.07), (0.13, 0.0), (0.155, 0.07), (0.13, 0.14),
        (0.06, 0.16), (0.0, 0.12), (-0.045, 0.055), (-0.09, 0.01), (-0.145, -0.05), (-0.155, -0.11),
    ),
    # A crescent: convex on the radius, hollow under the capitate's head.
    "Lunate": (
        (-0.135, -0.06), (-0.07, -0.115), (0.02, -0.125), (0.10, -0.085), (0.135, -0.02), (0.12, 0.07), (0.09, 0.125),
        (0.04, 0.085), (-0.02, 0.05), (-0.08, 0.04), (-0.13, 0.03), (-0.15, -0.02),
    ),
    # A pyramid that leans to the little finger's side, its base at the lunate.
    "Triquetrum": (
        (0.06, -0.13), (0.09, -0.06), (0.075, 0.02), (0.03, 0.09), (-0.02, 0.135), (-0.07, 0.125), (-0.10, 0.06),
        (-0.10, -0.02), (-0.06, -0.08), (0.0, -0.125),
    ),
    # A pea, a little longer than wide.
    "Pisiform": (
        (0.02, -0.095), (0.065, -0.05), (0.085, 0.02), (0.06, 0.08), (0.01, 0.095), (-0.05, 0.06), (-0.08, 0.0),
        (-0.06, -0.06), (-0.02, -0.09),
    ),
    # Four-sided, with the saddle for the thumb's metacarpal hollow on the distal thumb side.
    "Trapezium": (
        (-0.06, -0.145), (0.03, -0.14), (0.11, -0.09), (0.15, -0.01), (0.12, 0.06), (0.05, 0.09), (0.01, 0.14),
        (-0.05, 0.155), (-0.085, 0.10), (-0.10, 0.02), (-0.12, -0.05), (-0.11, -0.11),
    ),
    # A small wedge in the notch of the second metacarpal.
    "Trapezoid": (
        (0.0, -0.11), (0.06, -0.09), (0.09, -0.02), (0.09, 0.06), (0.04, 0.11), (-0.03, 0.105), (-0.085, 0.06),
        (-0.095, -0.01), (-0.07, -0.07),
    ),
}
# fmt: on


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTube:
    """A long bone as drawn, both edges alike: length, (12,) half-widths at `shapes.STATIONS`, (5,) end profiles."""

    length: float
    edge: Array
    base: Array
    head: Array


def draw_tube(bone: str) -> DrawnTube:
    """A long bone with the measured slice widths and the ends of its kind."""
    widths, length = np.array(TYPICAL[bone].slice_widths), TYPICAL[bone].length
    centres = (np.arange(SLICES) + 0.5) / SLICES
    base, head = (np.array(profile) for profile in end_profiles(bone))
    if bone not in ARM_BONES:
        return DrawnTube(length, np.interp(STATIONS, centres, widths) / 2, base, head)
    from_head = (1.0 - STATIONS) ** FOREARM_WARP * FOREARM_LENGTH
    edge = np.interp(from_head, (1.0 - centres[::-1]) * length, widths[::-1]) / 2
    edge[-1] *= ULNA_END
    if bone == "Radius":
        edge[-4:] = RADIUS_END
    return DrawnTube(FOREARM_LENGTH, edge, base, head)


def end_profiles(bone: str) -> tuple[Profile, Profile]:
    """Base and head of a long bone."""
    kind = KINDS[bone]
    if kind == "distal":
        return DISTAL_BASE, DISTAL_HEAD
    if kind == "middle":
        return MIDDLE_BASE, CONDYLES
    if kind == "proximal":
        return PROXIMAL_BASE, CONDYLES
    if kind == "metacarpal":
        return METACARPAL_BASE[bone], METACARPAL_HEAD
    return FOREARM_BASE, FOREARM_HEAD[bone]


def draw_radii(bone: str, angle_deg: float) -> Array:
    """(24,) radii of a carpal as drawn, from its centroid, scaled to the measured area.

    Args:
        bone: the carpal.
        angle_deg: about where its main axis points in a straight wrist; of the two ends of the axis the nearer one is
            taken as the bone's tip.
    """
    points = np.array(CARPALS[bone])
    moments = measure_moments(points)
    axis = moments.axis if moments.axis @ direction_xy(angle_deg) >= 0 else -moments.axis
    radii = _radii_about_centroid(np.column_stack([points @ across(axis), points @ axis]))
    area = reference.shape_reference()[bone]["area"][0]
    return np.asarray(radii * np.sqrt(area / moments.area))


def _radii_about_centroid(points: Array) -> Array:
    """(24,) lengths of rays from the centroid inside a polygon, their logarithms smoothed over neighbours."""
    outline = Polygon(points)
    centre = np.array(outline.centroid.coords[0])
    angles = 2.0 * np.pi * np.arange(RADII) / RADII
    tips = centre + 3.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    rays = np.log([LineString([Point(centre), Point(tip)]).intersection(outline).length for tip in tips])
    return np.exp(np.convolve(np.concatenate([rays[-1:], rays, rays[:1]]), [0.2, 0.6, 0.2], "valid"))
