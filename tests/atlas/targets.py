"""What the outlines are fitted to: the population's figures times what calibration has learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones import reference
from yolo_bones.anatomy import SLICES

Array = NDArray[np.float64]
Pair = tuple[str, str]

UNIT_PX: Final = 447.5
"""Length of the third metacarpal in the 800 images of 2048 x 2048 that areas and overlaps were measured on."""
GOAL_SHARE: Final[dict[Pair, float]] = {("Hamate", "Triquetrum"): 1.05, ("Trapezium", "Scaphoid"): 1.00}
USUAL_GOAL_SHARE: Final = 0.93
"""Part of the real shared area that phantoms should have. A little less than all, since they also overlap where real
hands hardly do; a little more for the two pairs that are apart in some hands, so that they meet often enough."""
CLEAR_IOU: Final = 0.0205
"""Pairs with a larger IoU are held more tightly: the agreement with real hands looks at those above 0.02."""


@dataclass(frozen=True, slots=True, eq=False)
class BoneTarget:
    """What the plain outline of a bone is fitted to, against the measured population's figures.

    The third dimension, tilts and variation change what a population of phantoms shows against the plain outline;
    these factors make up for it.

    Attributes:
        slices: (10,) factors on the slice widths.
        length, width: factors on the extents.
        shift: (2,) added to the place (thumbward, distalward).
        turn_deg: added to the direction.
    """

    slices: Array = field(default_factory=lambda: np.ones(SLICES))
    length: float = 1.0
    width: float = 1.0
    shift: Array = field(default_factory=lambda: np.zeros(2))
    turn_deg: float = 0.0


def goal_area(pair: Pair) -> float:
    """Mean area that a pair of phantom bones should share, in units of the third metacarpal squared."""
    iou, images = reference.OVERLAPS[pair]
    both_px = sum(reference.CLASS_AREA_PX[bone][0] for bone in pair)
    real = iou / (1.0 + iou) * both_px / UNIT_PX**2 * images / reference.OVERLAP_IMAGES
    return GOAL_SHARE.get(pair, USUAL_GOAL_SHARE) * real


def area_tolerance(pair: Pair, area: float) -> float:
    """How far the area that a pair shares may be from `area`, as a standard deviation of the fit."""
    held_tightly = reference.OVERLAPS[pair][0] > CLEAR_IOU
    return 0.05 * abs(area) + 0.0001 if held_tightly else 0.12 * abs(area) + 0.0002
