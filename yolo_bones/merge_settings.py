"""How candidates become bones: every choice of the merger in one place, each step to be switched on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from yolo_bones.bones import BONE_COUNT

LEAST_SEEN: Final = 0.01
"""A look that is less sure of a bone has not seen it, however little confidence a bone needs in the end."""


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """How candidates become bones.

    Attributes:
        companions: at most so many candidates of a class are averaged.
        companion_score: a companion's score must reach this part of the best one's.
        companion_iou: and its box must overlap the best one's by so much.
        box_margin: the box is widened by this part of its sides before the mask is cut to it. The stock mask loss
            trains nothing beyond the box, so more does harm with checkpoints of the stock command.
        box_margin_px: and by so many input pixels.
        logit_threshold: a pixel belongs to a bone where its logit is above this.
        logit_thresholds: 29 of them, one a bone, in place of `logit_threshold`.
        least_confidence: below it a bone counts as absent, when all looks are merged; which looks count, and where the
            hand lies, does not depend on it.
        look_confidence: power of a look's confidence for a bone in its weight among several looks.
        look_fineness: power of a look's input pixels per image pixel in that weight.
        look_iou: a look whose mask overlaps that of the look most others agree with by less is left out.
        place_prior: how much a candidate's place and size in the hand count against its score, 1 as much as real hands
            vary, widened; also gives an instance that two classes claim to one of them. 0 switches it off.
        tidy: remove stray components and threads, fill small holes, refuse uncertain bones at impossible places.
        repair_flattened: restore what a smaller bone covers of a larger one; for weights trained with
            overlap_mask=True.
    """

    companions: int = 8
    companion_score: float = 0.5
    companion_iou: float = 0.6
    box_margin: float = 0.02
    box_margin_px: float = 0.0
    logit_threshold: float = 0.0
    logit_thresholds: tuple[float, ...] | None = None
    least_confidence: float = 0.01
    look_confidence: float = 1.0
    look_fineness: float = 1.0
    look_iou: float = 0.3
    place_prior: float = 0.0
    tidy: bool = False
    repair_flattened: bool = False

    def __post_init__(self) -> None:
        if self.logit_thresholds is not None:
            object.__setattr__(self, "logit_thresholds", tuple(map(float, self.logit_thresholds)))
            if len(self.logit_thresholds) != BONE_COUNT:
                raise ValueError(f"expected {BONE_COUNT} logit_thresholds, got {len(self.logit_thresholds)}")

    @property
    def least_seen(self) -> float:
        """Below this confidence a look has not seen a bone."""
        return min(self.least_confidence, LEAST_SEEN)

    def threshold_of(self, class_id: int) -> float:
        """The logit above which a pixel belongs to a bone."""
        return self.logit_threshold if self.logit_thresholds is None else self.logit_thresholds[class_id]
