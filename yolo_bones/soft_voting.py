"""Ensembles of probabilities, mixed with hard masks, inside each bone's box only.

Levels (v stands for v / 255) and weights are whole numbers, so an average of probabilities is decided exactly; a hard
mask counts as probabilities 0 and 1. An average of logits is decided on logits rounded to 2^-20, which are summed
exactly: the order of the models does not matter. As in hard votes, an exact tie is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.rle import ImageSize, RunLengthMasks, decode_box, empty_masks, encode_crop, stack
from yolo_bones.soft import SoftRows
from yolo_bones.voting import Ballot

Space = Literal["prob", "logit"]
Opinion = RunLengthMasks | SoftRows
Box = tuple[int, int, int, int]

FULL: Final = 255
LOGIT_UNITS: Final = 1 << 20
LARGEST_PRODUCT: Final = 2**62


class SoftVoter:
    """Averages for many images.

    Args:
        ballot: exact weights; its limits are not used.
        threshold: of the averaged probability.
        space: what is averaged, probabilities or their logits.

    Raises:
        ValueError: weights of so many digits that sums could overflow; a threshold beyond the outermost logits.
    """

    def __init__(self, ballot: Ballot, threshold: Fraction, space: Space) -> None:
        half_level = 0.5 / FULL
        if space == "logit" and not half_level < threshold < 1 - half_level:
            raise ValueError(f"expected a threshold from 0.002 to 0.998 for logits, got {float(threshold)}")
        self.weights = ballot.weights
        self.values = _values(space)
        limit = _logit_units(float(threshold)) if space == "logit" else None
        # On where sum(weight * value) > limit * sum(weight), in whole numbers.
        self.numerator = limit if limit is not None else threshold.numerator * FULL
        self.denominator = 1 if limit is not None else threshold.denominator
        largest = int(np.abs(self.values).max()) * self.denominator + abs(self.numerator)
        if int(self.weights.sum(axis=1).max()) * largest >= LARGEST_PRODUCT:
            raise ValueError("expected weights of fewer digits: their exact sums need more than 62 bits")

    def decide(self, opinions: Sequence[Opinion], size: ImageSize) -> RunLengthMasks:
        """29 channels from N opinions: 29 masks, or levels inside boxes."""
        boxes = [opinion.boxes() if isinstance(opinion, RunLengthMasks) else None for opinion in opinions]
        found = []
        for bone in range(BONE_COUNT):
            parts = []
            for opinion, hard in zip(opinions, boxes, strict=True):
                if isinstance(opinion, RunLengthMasks):
                    assert hard is not None
                    top, left, bottom, right = hard[bone].tolist()
                    parts.append((top, left, bottom - top, right - left))
                else:
                    top, left, levels = opinion.crops[bone]
                    parts.append((top, left, *levels.shape))
            box = _around(parts)
            if box is None:
                found.append(empty_masks(size))
                continue
            above = self._above(bone, opinions, box)
            found.append(encode_crop(above, box[0], box[1], size))
        return stack(size, found)

    def _above(self, bone: int, opinions: Sequence[Opinion], box: Box) -> NDArray[np.bool_]:
        top, left, height, width = box
        weights = self.weights[bone].tolist()
        outside = int(self.values[0])
        total = np.full((height, width), outside * sum(weights), dtype=np.int64)
        for opinion, weight in zip(opinions, weights, strict=True):
            if weight == 0:
                continue
            # What lies outside a model's own box was counted above as probability 0.
            gain = (self.values - outside) * weight
            if isinstance(opinion, RunLengthMasks):
                total += decode_box(opinion[bone], top, left, height, width)[0] * gain[FULL]
                continue
            row, column, levels = opinion.crops[bone]
            part = total[row - top : row - top + levels.shape[0], column - left : column - left + levels.shape[1]]
            part += gain.take(levels)
        return np.asarray(total * self.denominator > self.numerator * sum(weights))


def _around(parts: Sequence[Box]) -> Box | None:
    """The box around all boxes that are not empty."""
    filled = [part for part in parts if part[2] and part[3]]
    if not filled:
        return None
    top, left = min(part[0] for part in filled), min(part[1] for part in filled)
    bottom, right = max(part[0] + part[2] for part in filled), max(part[1] + part[3] for part in filled)
    return top, left, bottom - top, right - left


def _values(space: Space) -> NDArray[np.int64]:
    """(256,) what each level counts: itself, or its logit in units of 2^-20."""
    levels = np.arange(FULL + 1)
    if space == "prob":
        return levels.astype(np.int64)
    return np.array([_logit_units(level / FULL) for level in levels.tolist()], dtype=np.int64)


def _logit_units(probability: float) -> int:
    """A logit in units of 2^-20; probabilities 0 and 1 are taken half a level inside."""
    inside = min(max(probability, 0.5 / FULL), 1.0 - 0.5 / FULL)
    return round(float(np.log(inside / (1.0 - inside))) * LOGIT_UNITS)
