"""What a network hands over before any suppression or merging: pure types, no network needed to make one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.rle import ImageSize

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image was scaled and padded into the network's input.

    Pixels are squares: the centre of native pixel x lies at `(x + 0.5) * scale_x + pad_left` from the input's left
    edge.

    Attributes:
        image_size: of the native image.
        input_size: of the network's input.
        scale_x, scale_y: input pixels per native pixel.
        pad_left, pad_top: padding in input pixels.
    """

    image_size: ImageSize
    input_size: ImageSize
    scale_x: float
    scale_y: float
    pad_left: int
    pad_top: int

    def __post_init__(self) -> None:
        if self.scale_x <= 0.0 or self.scale_y <= 0.0 or self.pad_left < 0 or self.pad_top < 0:
            raise ValueError("expected positive scales and no negative padding")


def fit_letterbox(image_size: ImageSize, longest_px: int, stride: int) -> Letterbox:
    """Scale an image so that its longer side has `longest_px` pixels, padded evenly to multiples of `stride`."""
    longest_px = max(stride, -(-longest_px // stride) * stride)
    factor = longest_px / max(image_size.height, image_size.width)
    height = max(1, round(image_size.height * factor))
    width = max(1, round(image_size.width * factor))
    padded = ImageSize(-(-height // stride) * stride, -(-width // stride) * stride)
    return Letterbox(
        image_size=image_size,
        input_size=padded,
        scale_x=width / image_size.width,
        scale_y=height / image_size.height,
        pad_left=(padded.width - width) // 2,
        pad_top=(padded.height - height) // 2,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All raw detections of one image.

    Attributes:
        boxes_xyxy: (N, 4) float32, input pixels, edges (not centres of pixels).
        scores: (N, 29) float32 from 0 to 1.
        coefficients: (N, K) float32.
        prototypes: (K, h, w) float32; a candidate's mask logits are its coefficients times these.
        letterbox: from native pixels to input pixels.
    """

    boxes_xyxy: Plane
    scores: Plane
    coefficients: Plane
    prototypes: Plane
    letterbox: Letterbox

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
