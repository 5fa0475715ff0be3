"""Measures of many images as columns: a few kilobytes an image, no pixel is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotated_hand import BENT, BENT_FROM_DEG, STRAIGHT, UNKNOWN
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.exploration.image_measures import NOT_MEASURED, HandPlace, ImageMeasures
from yolo_bones.reference import OVERLAPS

Column = NDArray[np.float64]

CLEAR_IOU: Final = 0.02
"""Pairs of bones that overlap by more in real hands have a column of their own."""
CLEAR_PAIRS: Final = tuple(pair for pair, (iou, _) in OVERLAPS.items() if iou > CLEAR_IOU)
BY_BONE: Final = {
    "area_px": "outline_area_px",
    "relative_area": "area",
    "length": "length",
    "width": "width_of_bone",
    "points": "points",
}
"""Columns of one number a bone -> attribute of `ImageMeasures`."""


@dataclass(slots=True)
class Collected:
    """Images of one side in order.

    Attributes:
        images: measures of each.
    """

    images: list[ImageMeasures] = field(default_factory=list)

    @property
    def patients(self) -> int:
        """How many there are."""
        return len({measures.patient for measures in self.images})

    def by_bone(self, column: str) -> Column:
        """(images, 29) one of `BY_BONE`, NaN for a bone that is missing."""
        nothing = [NOT_MEASURED] * BONE_COUNT
        rows = [getattr(measures, BY_BONE[column]) or nothing for measures in self.images]
        return np.array(rows, dtype=np.float64).reshape(-1, BONE_COUNT)

    def of_hand(self, attribute: str) -> Column:
        """(images,) an attribute of `HandPlace`, NaN for an image whose hand was not found."""
        return np.array(
            [NOT_MEASURED if m.hand is None else float(getattr(m.hand, attribute)) for m in self.images], dtype=float
        )

    def grey(self, region: str) -> Column:
        """(images,) one of the grey levels."""
        return np.array([measures.greys[region] for measures in self.images], dtype=np.float64)

    def profiles(self) -> Column:
        """(images, 6, 11) levels across outlines."""
        return np.array([measures.profiles for measures in self.images], dtype=np.float64)

    def overlaps(self) -> dict[tuple[int, int], Column]:
        """Pair of class ids -> IoU of the images in which the two overlap."""
        found: dict[tuple[int, int], list[float]] = {}
        for measures in self.images:
            for first, second, iou in measures.overlaps:
                found.setdefault((first, second), []).append(iou)
        return {pair: np.array(found[pair]) for pair in sorted(found)}

    def repairs(self) -> dict[str, int]:
        """Total of each kind, sorted by name."""
        total: Counter[str] = Counter()
        for measures in self.images:
            total.update(measures.repairs)
        return dict(sorted(total.items()))


def wrist_of(hand: HandPlace | None) -> str:
    """`straight`, `bent` or `unknown`, by the limit that splits of patients use."""
    if hand is None:
        return UNKNOWN
    return BENT if abs(hand.tilt_deg) > BENT_FROM_DEG else STRAIGHT


def thumb_side_of(hand: HandPlace | None) -> str:
    """`left`, `right` or `unknown`: where in the image the thumb of a hand that points up is."""
    if hand is None:
        return UNKNOWN
    return "left" if hand.thumb_left else "right"


def image_row(measures: ImageMeasures) -> dict[str, Any]:
    """Every single number of one image by column name; None where there is none."""
    hand = measures.hand
    iou = {(BONES[first], BONES[second]): value for first, second, value in measures.overlaps}
    there = {bone for bone, area in zip(BONES, measures.outline_area_px, strict=True) if not np.isnan(area)}
    row: dict[str, Any] = {
        "image": measures.image,
        "patient": measures.patient,
        "height_px": measures.height,
        "width_px": measures.width,
        "bones": len(there),
        "thumb_left": None if hand is None else int(hand.thumb_left),
        **{
            name: None if hand is None else getattr(hand, name)
            for name in ("tilt_deg", "tilt_to_thumb_deg", "place_x", "place_y", "unit")
        },
        "abs_tilt_deg": None if hand is None else abs(hand.tilt_deg),
        "multi_label_px": measures.multi_label_px,
        "overlapping_pairs": len(measures.overlaps),
        **{f"grey {region}": level for region, level in measures.greys.items()},
        **{
            "iou " + " - ".join(pair): iou.get(pair, 0.0) if there.issuperset(pair) else NOT_MEASURED
            for pair in CLEAR_PAIRS
        },
    }
    for column, attribute in BY_BONE.items():
        values = getattr(measures, attribute) or [NOT_MEASURED] * BONE_COUNT
        row |= {f"{column} {bone}": value for bone, value in zip(BONES, values, strict=True)}
    return row


NO_MEASURES: Final = ("image", "patient")
NOT_COMPARED: Final = ("points",)
"""Columns by bone that predictions have none of."""


def comparable_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Name -> (images,) of every number that both sides have, NaN where it is unknown."""
    names = [
        name for name in (rows[0] if rows else {}) if name not in NO_MEASURES and name.split(" ")[0] not in NOT_COMPARED
    ]
    return {
        name: np.array([NOT_MEASURED if row[name] is None else float(row[name]) for row in rows], dtype=np.float64)
        for name in names
    }
