"""What a smaller bone covers of a larger one, restored by geometry. numpy and cv2.

Weights trained with `overlap_mask=True` learnt masks in which every pixel belongs to the smallest bone there, so the
larger one comes with a bay. Where the two do overlap in real hands, the bay is bridged: straight from cape to cape
(the convex hull), and for the rounder carpals in an arc that goes on as the outline came. Nothing is restored but under
the smaller bone's own mask.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import CLASS_IDS
from yolo_bones.rle import Mask

MaskCrop = tuple[int, int, NDArray[np.uint8]]
"""Top, left and (h, w) uint8 mask, 0 or 1, of one bone's box in native pixels."""
Points = NDArray[np.float64]

COVERED_BY: Final[dict[str, tuple[str, ...]]] = {
    "Triquetrum": ("Pisiform",),
    "Trapezium": ("Trapezoid",),
    "Scaphoid": ("Trapezium", "Lunate"),
    "Hamate": ("Triquetrum",),
    "Capitate": ("Scaphoid", "Hamate", "Lunate", "Trapezoid"),
    "finger-18": ("finger-17",),
    "finger-2": ("finger-1",),
    "finger-6": ("finger-5",),
    "finger-14": ("finger-13",),
    "finger-10": ("finger-9",),
    "finger-15": ("Hamate", "Capitate", "finger-14"),
    "finger-19": ("Hamate", "finger-18"),
    "finger-3": ("Trapezium", "finger-2"),
    "finger-11": ("Capitate", "finger-15", "finger-10"),
    "finger-7": ("Trapezium",),
    "Radius": ("Lunate", "Scaphoid", "Ulna"),
}
"""Larger bone -> smaller bones that lie on it in more than 600 of 800 real hands, the smallest larger bone first.

Left out are pairs of nearly equal size (finger-15 and finger-19) and the hollow base of finger-7, where bridging lost.
"""
ROUND: Final = ("Triquetrum", "Trapezium", "Scaphoid")
PIECE: Final = 0.1
"""Components below this part of the largest one's area have no say in the outline."""
LEAST_GAP: Final = 0.08
"""Bays narrower than this are bridged straight; in square roots of the bone's area, as the next two."""
LEAST_SHORE: Final = 0.05
"""A shorter stretch of outline between two bays is none."""
SHORE: Final = 0.15
"""So much of the outline beside a bay tells its direction."""
BENDING: Final = 0.5
"""An arc sets out at this part of the angle between the outline and the chord,"""
MOST_BENDING: Final = math.radians(30.0)
"""and at no more than this."""


def restore_covered(crops: Sequence[MaskCrop], counters: Counter[str]) -> list[MaskCrop]:
    """Give larger bones back what smaller ones cover.

    Args:
        crops: of the 29 bones in channel order, no pixel in more than one of them.
        counters: restored bones are counted here.

    Returns:
        The same crops, larger bones with more pixels inside their own boxes.
    """
    restored = list(crops)
    for bone, smaller in COVERED_BY.items():
        top, left, mask = restored[CLASS_IDS[bone]]
        if not mask.any():
            continue
        cover = np.zeros(mask.shape, dtype=np.bool_)
        for other in smaller:
            _paste(cover, top, left, restored[CLASS_IDS[other]])
        regained = covered_part(mask, cover & (mask == 0), bone in ROUND)
        if regained.any():
            counters["covered_part_restored"] += 1
            restored[CLASS_IDS[bone]] = top, left, mask | regained.view(np.uint8)
    return restored


def _paste(cover: Mask, top: int, left: int, crop: MaskCrop) -> None:
    """Switch on what another crop has on."""
    other_top, other_left, mask = crop
    height, width = mask.shape
    row, column = max(top, other_top), max(left, other_left)
    last_row = max(row, min(top + cover.shape[0], other_top + height))
    last_column = max(column, min(left + cover.shape[1], other_left + width))
    cover[row - top : last_row - top, column - left : last_column - left] |= (
        mask[row - other_top : last_row - other_top, column - other_left : last_column - other_left] > 0
    )


def covered_part(mask: NDArray[np.uint8], cover: Mask, is_round: bool) -> Mask:
    """Pixels of a cover that belong to the bone below.

    Args:
        mask: (h, w) uint8, what is seen of the bone.
        cover: (h, w) bool, what lies on it.
        is_round: bridge wide bays in arcs.
    """
    nothing: Mask = np.zeros(mask.shape, dtype=np.bool_)
    if not cover.any():
        return nothing
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    pieces = [contour for contour, area in zip(contours, areas, strict=True) if area >= PIECE * max(areas)]
    hull = np.zeros(mask.shape, dtype=np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(pieces)), 1)
    regained = cover & (hull > 0)
    if is_round:
        regained |= cover & _arcs(mask | regained.view(np.uint8), cover & ~regained)
    return np.asarray(regained)


def _arcs(mask: NDArray[np.uint8], cover: Mask) -> Mask:
    """What lies between the chords of wide bays and arcs over them."""
    found = np.zeros(mask.shape, dtype=np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour: NDArray[Any] = max(contours, key=cv2.contourArea)
    outline = contour[:, 0].astype(np.float64)
    side = math.sqrt(float(np.count_nonzero(mask)))
    shore = max(round(SHORE * side), 5)
    beside = cv2.dilate(cover.view(np.uint8), np.ones((3, 3), np.uint8))[contour[:, 0, 1], contour[:, 0, 0]] > 0
    outwards = math.copysign(1.0, cv2.contourArea(contour.astype(np.float32), oriented=True))
    for first, count in _stretches(beside, LEAST_SHORE * side):
        if count < LEAST_GAP * side or len(outline) - count < 2 * shore:
            continue
        before = outline[np.arange(first - shore, first)]
        after = outline[np.arange(first + count, first + count + shore) % len(outline)]
        if np.hypot(*(after[0] - before[-1])) >= LEAST_GAP * side:
            cv2.fillPoly(found, [np.rint(_arc(before, after, outwards)).astype(np.int32)], 1)
    return found > 0


def _stretches(flags: Mask, least_between: float) -> list[tuple[int, int]]:
    """(first, count) of the stretches of True on a closed line; shorter stretches of False between them are passed."""
    if flags.all() or not flags.any():
        return []
    origin = int(np.flatnonzero(~flags & np.roll(flags, -1))[0])
    steps = np.diff(np.concatenate([[0], np.roll(flags, -origin).astype(np.int8), [0]]))
    firsts, lasts = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    apart = firsts[1:] - lasts[:-1] >= least_between
    firsts, lasts = firsts[np.concatenate([[True], apart])], lasts[np.concatenate([apart, [True]])]
    return [
        ((first + origin) % len(flags), last - first)
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]


def _arc(before: Points, after: Points, outwards: float) -> Points:
    """A cubic curve from the end of one shore to the start of the other, bent as the shores lead towards it."""
    start, end = before[-1], after[0]
    width = float(np.hypot(*(end - start)))
    chord = (end - start) / width
    normal = outwards * np.array([chord[1], -chord[0]])
    angles = []
    for shore, sign in ((before, 1.0), (after, -1.0)):
        heading = _heading(shore)
        bend = BENDING * sign * math.atan2(float(heading @ normal), float(heading @ chord))
        angles.append(min(max(bend, 0.0), MOST_BENDING))
    # Handles of this length make a circle's arc where both angles are one.
    near, far = (width / (3.0 * math.cos(angle / 2.0) ** 2) for angle in angles)
    leaving = start + near * (math.cos(angles[0]) * chord + math.sin(angles[0]) * normal)
    arriving = end - far * (math.cos(angles[1]) * chord - math.sin(angles[1]) * normal)
    t = np.linspace(0.0, 1.0, 24)[:, None]
    return np.asarray(
        (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * leaving + 3 * (1 - t) * t**2 * arriving + t**3 * end
    )


def _heading(points_xy: Points) -> Points:
    """Unit vector along a stretch of outline, from its first point to its last."""
    centred = points_xy - points_xy.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, 1]
    return np.asarray(axis * math.copysign(1.0, float(axis @ (points_xy[-1] - points_xy[0]))))
