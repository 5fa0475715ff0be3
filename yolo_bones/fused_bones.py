"""One box and one set of mask coefficients a class, averaged over its best candidates. numpy only.

A mask's logits are linear in its coefficients, so averaging coefficients averages logits.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates, Plane
from yolo_bones.merge_settings import MergeSettings


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


def fuse_by_class(candidates: Candidates, settings: MergeSettings) -> FusedBones:
    """Average the best candidates of each class, weighted by their scores."""
    count = len(candidates.boxes_xyxy)
    boxes = np.zeros((BONE_COUNT, 4), dtype=np.float32)
    coefficients = np.zeros((BONE_COUNT, len(candidates.prototypes)), dtype=np.float32)
    confidence = np.zeros(BONE_COUNT, dtype=np.float32)
    if count == 0:
        return FusedBones(boxes, coefficients, confidence)
    by_class = np.ascontiguousarray(candidates.scores.T)
    best = by_class.argmax(axis=1)
    highest = by_class[np.arange(BONE_COUNT), best]
    # The least score is formed in double precision and rounded, so that one candidate always reaches its own.
    least = np.maximum(settings.companion_score * highest.astype(np.float64), 1e-9).astype(np.float32)
    classes, chosen = np.divmod(np.flatnonzero(by_class >= least[:, None]), count)
    near = paired_box_iou(candidates.boxes_xyxy[best[classes]], candidates.boxes_xyxy[chosen]) >= settings.companion_iou
    ends = np.searchsorted(classes, np.arange(BONE_COUNT + 1))
    for class_id, (first, last) in enumerate(itertools.pairwise(ends.tolist())):
        companions, close = chosen[first:last], near[first:last]
        scores = by_class[class_id, companions]
        if last - first > settings.companions:
            order = np.argsort(-scores, kind="stable")[: settings.companions]
            companions, close, scores = companions[order], close[order], scores[order]
        companions, scores = companions[close], scores[close]
        if len(companions) == 0:
            companions, scores = best[class_id : class_id + 1], highest[class_id : class_id + 1]
        weights = scores / max(float(scores.sum()), 1e-9)
        boxes[class_id] = weights @ candidates.boxes_xyxy[companions]
        coefficients[class_id] = weights @ candidates.coefficients[companions]
        confidence[class_id] = highest[class_id]
    return FusedBones(boxes, coefficients, confidence)


def best_by_class(candidates: Candidates) -> FusedBones:
    """The best candidate of each class alone: quicker, good enough to find a hand by."""
    if len(candidates.boxes_xyxy) == 0:
        return fuse_by_class(candidates, MergeSettings())
    best = candidates.scores.argmax(axis=0)
    highest = candidates.scores[best, np.arange(BONE_COUNT)]
    return FusedBones(candidates.boxes_xyxy[best], candidates.coefficients[best], highest)


def box_iou(box_xyxy: Plane, boxes_xyxy: Plane) -> NDArray[np.float32]:
    """IoU of one box with each of (N, 4) boxes."""
    return paired_box_iou(box_xyxy[None], boxes_xyxy)


def paired_box_iou(first_xyxy: Plane, second_xyxy: Plane) -> NDArray[np.float32]:
    """IoU of each of (N, 4) boxes with its partner."""
    low = np.maximum(first_xyxy[:, :2], second_xyxy[:, :2])
    high = np.minimum(first_xyxy[:, 2:], second_xyxy[:, 2:])
    shared, first, second = (
        np.clip(sides[:, 0], 0.0, None) * np.clip(sides[:, 1], 0.0, None)
        for sides in (high - low, first_xyxy[:, 2:] - first_xyxy[:, :2], second_xyxy[:, 2:] - second_xyxy[:, :2])
    )
    return np.asarray(shared / np.maximum(first + second - shared, 1e-9), dtype=np.float32)


def widened(boxes_xyxy: Plane, settings: MergeSettings) -> Plane:
    """(N, 4) boxes to which masks are cut."""
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0, None)
    margin = settings.box_margin * sides + settings.box_margin_px
    return np.concatenate([boxes_xyxy[:, :2] - margin, boxes_xyxy[:, 2:] + margin], axis=1).astype(np.float32)
