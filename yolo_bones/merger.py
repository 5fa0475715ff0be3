"""`Candidates` -> 29 overlapping channels as runs, at the image's own resolution. numpy only.

The stairs: pick the best candidates of each class; average their coefficients (a mask's logits are linear in them, so
this averages the logits); enlarge the logits inside the bone's box only; threshold once, at native resolution. A pixel
may carry any number of bones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates, Letterbox, Plane
from yolo_bones.rle import RunLengthMasks, Runs, encode_crop, stack_runs

NOTHING: Final[Runs] = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """How candidates become bones.

    Attributes:
        companions: at most so many candidates of a class are averaged.
        companion_score: a companion's score must reach this part of the best one's.
        companion_iou: and its box must overlap the best one's by so much.
        box_margin: the box is widened by this part of its sides before the mask is cut to it.
        box_margin_px: and by so many input pixels.
        least_confidence: below it a bone counts as absent.
    """

    companions: int = 8
    companion_score: float = 0.5
    companion_iou: float = 0.6
    box_margin: float = 0.03
    box_margin_px: float = 1.0
    least_confidence: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class MergedBones:
    """The bones of one image.

    Attributes:
        channels: 29 masks in channel order; an absent bone is empty.
        confidence: (29,) float32, the best candidate's score for each class.
    """

    channels: RunLengthMasks
    confidence: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FusedBones:
    """One box and one set of coefficients a class.

    Attributes:
        boxes_xyxy: (29, 4) float32, input pixels.
        coefficients: (29, K) float32.
        confidence: (29,) float32.
    """

    boxes_xyxy: Plane
    coefficients: Plane
    confidence: NDArray[np.float32]


def merge_candidates(candidates: Candidates, settings: MergeSettings | None = None) -> MergedBones:
    """Turn raw detections into 29 channels of run lengths at native resolution.

    Args:
        candidates: of one image, before any suppression.
        settings: see `MergeSettings`.

    Returns:
        Always 29 channels; a bone without candidates, or of too little confidence, is empty.
    """
    settings = settings or MergeSettings()
    fused = fuse_by_class(candidates, settings)
    size = candidates.letterbox.image_size
    channels = []
    for class_id in range(BONE_COUNT):
        if fused.confidence[class_id] < settings.least_confidence:
            channels.append((NOTHING, NOTHING))
            continue
        box = _widened(fused.boxes_xyxy[class_id], settings)
        logits = candidates.prototypes, fused.coefficients[class_id]
        channels.append(_channel(*logits, box, candidates.letterbox))
    return MergedBones(stack_runs(size, channels), fused.confidence)


def fuse_by_class(candidates: Candidates, settings: MergeSettings) -> FusedBones:
    """Average the best candidates of each class, weighted by their scores."""
    count = len(candidates.boxes_xyxy)
    boxes = np.zeros((BONE_COUNT, 4), dtype=np.float32)
    coefficients = np.zeros((BONE_COUNT, len(candidates.prototypes)), dtype=np.float32)
    confidence = np.zeros(BONE_COUNT, dtype=np.float32)
    if count == 0:
        return FusedBones(boxes, coefficients, confidence)
    for class_id, scores in enumerate(np.ascontiguousarray(candidates.scores.T)):
        best = int(scores.argmax())
        chosen = np.flatnonzero(scores >= max(settings.companion_score * float(scores[best]), 1e-9))
        if chosen.size > settings.companions:
            chosen = chosen[np.argsort(-scores[chosen], kind="stable")[: settings.companions]]
        near = box_iou(candidates.boxes_xyxy[best], candidates.boxes_xyxy[chosen]) >= settings.companion_iou
        chosen = chosen[near] if near.any() else np.array([best])
        weights = scores[chosen] / max(float(scores[chosen].sum()), 1e-9)
        boxes[class_id] = weights @ candidates.boxes_xyxy[chosen]
        coefficients[class_id] = weights @ candidates.coefficients[chosen]
        confidence[class_id] = scores[best]
    return FusedBones(boxes, coefficients, confidence)


def box_iou(box_xyxy: Plane, boxes_xyxy: Plane) -> NDArray[np.float32]:
    """IoU of one box with each of (N, 4) boxes."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    own = np.clip(box_xyxy[2:] - box_xyxy[:2], 0.0, None).prod()
    areas = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0, None).prod(axis=1)
    return np.asarray(shared / np.maximum(own + areas - shared, 1e-9), dtype=np.float32)


def _widened(box_xyxy: Plane, settings: MergeSettings) -> Plane:
    sides = np.clip(box_xyxy[2:] - box_xyxy[:2], 0.0, None)
    margin = settings.box_margin * sides + settings.box_margin_px
    return np.concatenate([box_xyxy[:2] - margin, box_xyxy[2:] + margin]).astype(np.float32)


def _channel(prototypes: Plane, coefficients: Plane, box_xyxy: Plane, letterbox: Letterbox) -> tuple[Runs, Runs]:
    """Runs of one bone: logits enlarged inside its box, thresholded at native resolution."""
    size, net = letterbox.image_size, letterbox.input_size
    left, right = _native_range(box_xyxy[0], box_xyxy[2], letterbox.scale_x, letterbox.pad_left, size.width)
    top, bottom = _native_range(box_xyxy[1], box_xyxy[3], letterbox.scale_y, letterbox.pad_top, size.height)
    if left >= right or top >= bottom:
        return NOTHING, NOTHING
    _, rows, columns = prototypes.shape
    first_row, down = _interpolation(
        np.arange(top, bottom), letterbox.scale_y, letterbox.pad_top, net.height / rows, rows
    )
    first_column, across = _interpolation(
        np.arange(left, right), letterbox.scale_x, letterbox.pad_left, net.width / columns, columns
    )
    window = prototypes[:, first_row : first_row + down.shape[1], first_column : first_column + across.shape[1]]
    logits = np.tensordot(coefficients, window, axes=1)
    return encode_crop((down @ logits) @ across.T > 0.0, top, left, size)


def _native_range(low: float, high: float, scale: float, pad: int, limit: int) -> tuple[int, int]:
    """Native pixels whose centre lies between two input coordinates."""
    first = int(np.ceil((low - pad) / scale - 0.5))
    last = int(np.floor((high - pad) / scale - 0.5))
    return max(first, 0), min(last + 1, limit)


def _interpolation(
    pixels: NDArray[np.int64], scale: float, pad: int, cell: float, cells: int
) -> tuple[int, NDArray[np.float32]]:
    """Weights that enlarge a row of prototype cells to native pixels, exactly aligned.

    Both grids are made of squares: pixel p covers [p, p + 1) native pixels, cell c covers [c, c + 1) * `cell` input
    pixels.
    Bilinear; beyond the outermost centres the edge cell goes on.

    Returns:
        (first, weights): (P, C) float32 weights for the cells first to first + C.
    """
    place = np.clip(((pixels + 0.5) * scale + pad) / cell - 0.5, 0.0, cells - 1.0)
    lower = np.minimum(np.floor(place).astype(np.int64), cells - 1)
    upper = np.minimum(lower + 1, cells - 1)
    first, last = int(lower[0]), int(upper[-1])
    weights = np.zeros((len(pixels), last - first + 1), dtype=np.float32)
    index = np.arange(len(pixels))
    weights[index, upper - first] = place - lower
    weights[index, lower - first] += 1.0 - (place - lower)
    return first, weights
