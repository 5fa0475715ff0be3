"""Images that a person should look at first: the odd ones of a set, each with the number that makes it odd."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES, CLASS_IDS, GROUPS
from yolo_bones.exploration.collected import Collected
from yolo_bones.greys import REFERENCE_HEIGHT
from yolo_bones.reference import METACARPAL_LENGTH_PX, MULTI_LABEL_PX, OVERLAPS, shape_reference

Column = NDArray[np.float64]

MAD_TO_SD: Final = 1.4826
LEAST_LOG_SD: Final = 0.03
"""Of a bone's relative area; a set of one person's hands varies less, and every hair would be an outlier."""
ENOUGH_IMAGES: Final = 20
"""From which the set's own median and spread are taken; the built-in statistics below that."""
SELDOM: Final = 0.1
"""Share of images up to which a pair that real hands hardly ever overlap counts as odd here."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """One odd image.

    Attributes:
        index: of the image in its side.
        bones: that are odd; empty where the whole hand is.
        value: the number.
        text: the number in words.
    """

    index: int
    bones: tuple[str, ...]
    value: float
    text: str


def size_outliers(collected: Collected, largest: bool, group: str, count: int) -> list[Extreme]:
    """Bones of a group whose area, relative to the hand, lies farthest on one side of what it is in other hands.

    Args:
        collected: the set.
        largest: or else the smallest.
        group: of `bones.GROUPS`.
        count: how many at most.
    """
    sign = 1.0 if largest else -1.0
    found: list[Extreme] = []
    areas = collected.by_bone("relative_area")
    for bone in GROUPS[group]:
        column = areas[:, CLASS_IDS[bone]]
        centre, spread = _typical_log_area(bone, column)
        for index in np.flatnonzero(~np.isnan(column)).tolist():
            off = math.log(column[index]) - centre
            if sign * off > 0.0:
                text = f"{bone} {math.exp(off):.2f} x the usual area ({off / spread:+.1f} sd)"
                found.append(Extreme(index, (bone,), off / spread, text))
    return _first(found, sign, count)


def most_bent(collected: Collected, count: int) -> list[Extreme]:
    """Hands that lean farthest off the vertical."""
    tilts = collected.of_hand("tilt_deg")
    found = [
        Extreme(
            index,
            (),
            float(tilts[index]),
            f"leans {abs(tilts[index]):.0f} deg to the {'right' if tilts[index] >= 0.0 else 'left'}",
        )
        for index in np.flatnonzero(~np.isnan(tilts)).tolist()
    ]
    return sorted(found, key=lambda one: (-abs(one.value), one.index))[:count]


def most_overlap(collected: Collected, count: int) -> list[Extreme]:
    """Images with most pixels of two labels or more for the hand's size, and the pair that overlaps most unusually."""
    found = []
    for index, measures in enumerate(collected.images):
        if measures.hand is not None and measures.overlaps:
            unit_px = measures.hand.unit * REFERENCE_HEIGHT
            times = measures.multi_label_px / unit_px**2 / (MULTI_LABEL_PX / METACARPAL_LENGTH_PX[0] ** 2)
            excess = {(BONES[one], BONES[two]): iou for one, two, iou in measures.overlaps}
            pair = max(excess, key=lambda bones: excess[bones] - OVERLAPS.get(bones, (0.0, 0))[0])
            real = f"real {OVERLAPS[pair][0]:.3f}" if pair in OVERLAPS else "seldom in real hands"
            text = f"{times:.2f} x real overlap; {pair[0]} - {pair[1]} IoU {excess[pair]:.3f} ({real})"
            found.append(Extreme(index, pair, times, text))
    return _first(found, 1.0, count)


def odd_overlaps(collected: Collected, count: int) -> list[Extreme]:
    """Pairs that hardly ever overlap, in real hands and in this set, where they do; the largest IoU first."""
    found = []
    seldom = max(1.0, SELDOM * len(collected.images))
    pairs = collected.overlaps()
    for index, measures in enumerate(collected.images):
        for first, second, iou in measures.overlaps:
            bones = BONES[first], BONES[second]
            if bones not in OVERLAPS and len(pairs[first, second]) <= seldom:
                found.append(Extreme(index, bones, iou, f"{bones[0]} on {bones[1]}: IoU {iou:.3f}"))
    return _first(found, 1.0, count)


def incomplete(collected: Collected, count: int) -> list[Extreme]:
    """Images that lack bones, those that lack most first, and images in which no hand was found."""
    found = []
    for index, measures in enumerate(collected.images):
        missing = [bone for bone, area in zip(BONES, measures.outline_area_px, strict=True) if math.isnan(area)]
        if missing or measures.hand is None:
            named = ", ".join(missing) if len(missing) <= 3 else f"{len(missing)} bones"
            says = [f"without {named}"] if missing else []
            says += ["no hand found"] if measures.hand is None else []
            found.append(Extreme(index, (), float(len(missing)), "; ".join(says)))
    return sorted(found, key=lambda one: (collected.images[one.index].hand is not None, -one.value, one.index))[:count]


def _typical_log_area(bone: str, column: Column) -> tuple[float, float]:
    """Centre and spread of the logarithm of a bone's relative area."""
    known = np.log(column[~np.isnan(column)])
    if len(known) < ENOUGH_IMAGES:
        mean, sd = shape_reference()[bone]["area"]
        return math.log(mean), max((sd or 0.0) / mean, LEAST_LOG_SD)
    centre = float(np.median(known))
    return centre, max(MAD_TO_SD * float(np.median(np.abs(known - centre))), LEAST_LOG_SD)


def _first(found: list[Extreme], sign: float, count: int) -> list[Extreme]:
    """The farthest of each image, the farthest image first."""
    ordered = sorted(found, key=lambda one: (-sign * one.value, one.index, one.bones))
    kept: dict[int, Extreme] = {}
    for one in ordered:
        kept.setdefault(one.index, one)
    return list(kept.values())[:count]
