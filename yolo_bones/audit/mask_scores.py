"""Which Dice a prediction probably reaches, told without any truth: what ranks the images that a person looks at.

A bone's expected Dice is 1 less a sum of losses, each the size of a departure times what it cost where the truth was
known; an image's is the mean over its 29 bones. It is made to rank: how right its own level is depends on how alike
the images are to those that the costs were measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.audit.mask_checks import CheckedImage, MaskCheck
from yolo_bones.bones import BONES

COSTS: Final[Mapping[str, float]] = {
    "outside": 0.7,
    "lacking": 0.8,
    "astray": 0.5,
    "holes": 0.5,
    "place": 0.4,
    "joint": 0.2,
    "overlap": 0.4,
    "size": 0.1,
    "other_size": 0.1,
    "other_outline": 0.1,
}
"""Dice that a departure of 1 costs. Least squares, no cost below 0, over the bones of 180 predictions of 60 phantoms of
seeds 81001 and 81002 and of 270 with a planted fault (`tests/rank_audit.py --fit`), rounded; then those that share a
cause (outline, size, other hand) were evened out, at no loss of rank correlation there. A share a of stray pixels costs
a / (2 - a) and holes of h of the area h / (2 + h): a half of each. Planted shifts give the cost of a place."""
MISSING_COSTS: Final = 1.0
WRONG_LABEL_COSTS: Final = 0.95
"""Bones certainly taken for another one had Dice 0.03 there."""
SHARED_MASK_COSTS: Final = 0.95
"""The stranger one of two classes with one mask had 0.05."""
NO_HAND_COSTS: Final = 0.5
"""Of a mask in an image whose masks make no hand: nothing tells, so it stands in the middle."""
PLACE_RANGE_SD: Final = (4.0, 12.0)
"""Off its place from nothing to the full cost: one good bone in a hundred reaches 3.8."""
JOINT_RANGE: Final = (0.12, 0.42)
"""The same for the least gap at a finger bone's joints, in third metacarpals; one good bone in 1,000 reaches it."""
SIZE_FROM: Final = 0.3
"""Logarithm of the area against the usual one; smaller differences are people's own."""
MOST_DEPARTURE: Final = 1.0

SAME_MASK_IOU: Final = 0.6
"""Masks of two classes that overlap by more show one bone, as in `shared_instances`."""
SAME_MASK_IOU_COINCIDING: Final = 0.95
COINCIDING: Final = frozenset({"Triquetrum", "Pisiform"})
"""Bones that lie in one place: their right masks reach an IoU of 0.8 and more."""


def departures(check: MaskCheck) -> dict[str, float]:
    """Name of a cost -> size of the departure that it is for, 0 where all is as usual."""
    shape = check.shape
    found = {"astray": check.astray, "holes": min(check.holes, MOST_DEPARTURE)}
    if shape is None:
        return found
    return found | {
        "outside": min(shape.fit.outside, MOST_DEPARTURE),
        "lacking": min(shape.fit.lacking, MOST_DEPARTURE),
        "place": _within(shape.place_off_sd, *PLACE_RANGE_SD),
        "joint": _within(shape.joint_gap, *JOINT_RANGE) if np.isfinite(shape.joint_gap) else 0.0,
        "overlap": check.overlap,
        "size": min(max(0.0, abs(shape.size_off) - SIZE_FROM), MOST_DEPARTURE),
        "other_size": min(check.other_size, MOST_DEPARTURE),
        "other_outline": min(check.other_outline, MOST_DEPARTURE),
    }


def _within(value: float, low: float, high: float) -> float:
    """0 up to the lower limit, 1 from the upper one on."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


@dataclass(frozen=True, slots=True, eq=False)
class ImageScore:
    """What is expected of one image.

    Attributes:
        bones: (29,) expected Dice.
        losses: of each bone, name of a cost -> what it takes away; before the sum is held to what is left.
    """

    bones: NDArray[np.float64]
    losses: tuple[Mapping[str, float], ...]

    @property
    def score(self) -> float:
        """Expected Dice of the image."""
        return float(self.bones.mean())


def score_image(image: CheckedImage) -> ImageScore:
    """Expected Dice of each bone, and of the image."""
    shared = shared_masks(image)
    losses = tuple(_losses(check, image, check.class_id in shared) for check in image.checks)
    bones = 1.0 - np.array([min(1.0, sum(found.values())) for found in losses])
    return ImageScore(bones, losses)


def _losses(check: MaskCheck, image: CheckedImage, is_shared: bool) -> dict[str, float]:
    if check.is_missing:
        return {"missing": MISSING_COSTS}
    if is_shared:
        return {"shared_mask": SHARED_MASK_COSTS}
    if not image.has_hand:
        return {"no_hand": NO_HAND_COSTS}
    if check.taken_for != check.class_id:
        return {"wrong_label": WRONG_LABEL_COSTS}
    return {name: COSTS[name] * size for name, size in departures(check).items() if size > 0.0}


def shared_masks(image: CheckedImage) -> dict[int, int]:
    """Class id of each bone that has another one's mask -> that other one.

    Of two classes with one mask the one that is further from its neighbours, or else of another size, is wrong.
    """
    found: dict[int, int] = {}
    for first, second in np.argwhere(np.triu(image.iou) >= SAME_MASK_IOU).tolist():
        coinciding = {BONES[first], BONES[second]} == COINCIDING
        if not coinciding or image.iou[first, second] >= SAME_MASK_IOU_COINCIDING:
            is_first = image.checks[first].strangeness >= image.checks[second].strangeness
            wrong, right = (first, second) if is_first else (second, first)
            found[wrong] = right
    return found
