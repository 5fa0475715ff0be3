"""What a network hands over before any suppression or merging: pure types, no network needed to make one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.views import View

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All raw detections of one image.

    Attributes:
        boxes_xyxy: (N, 4) float32, input pixels, edges (not centres of pixels).
        scores: (N, 29) float32 from 0 to 1.
        coefficients: (N, K) float32.
        prototypes: (K, h, w) float32; a candidate's mask logits are its coefficients times these.
        view: from native pixels to input pixels.
    """

    boxes_xyxy: Plane
    scores: Plane
    coefficients: Plane
    prototypes: Plane
    view: View

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        if self.boxes_xyxy.shape != (count, 4) or self.scores.shape != (count, BONE_COUNT):
            raise ValueError(
                f"expected boxes (N, 4) and scores (N, {BONE_COUNT}), "
                f"got {self.boxes_xyxy.shape} and {self.scores.shape}"
            )
        if self.prototypes.ndim != 3 or self.coefficients.shape != (count, len(self.prototypes)):
            raise ValueError(
                "expected coefficients (N, K) and prototypes (K, h, w), "
                f"got {self.coefficients.shape} and {self.prototypes.shape}"
            )
        for array in (self.boxes_xyxy, self.scores, self.coefficients, self.prototypes):
            array.flags.writeable = False
