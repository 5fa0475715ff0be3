"""`Candidates` -> 29 overlapping channels as runs, at the image's own resolution. numpy only.

The stairs: pick the best candidates of each class; average their coefficients (a mask's logits are linear in them, so
this averages the logits); enlarge the logits inside the bone's box only; threshold once, at native resolution. A pixel
may carry any number of bones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates, Plane
from yolo_bones.rle import RunLengthMasks, encode_logits, stack

LogitCrop = tuple[int, int, Plane]


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
        least_confidence: below it a bone counts as absent.
    """

    companions: int = 8
    companion_score: float = 0.5
    companion_iou: float = 0.6
    box_margin: float = 0.02
    box_margin_px: float = 0.0
    logit_threshold: float = 0.0
    least_confidence: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class MergedBones:
    """The bones of one image.

    Attributes:
        channels: 29 masks in channel order; an absent bone is empty.
        confidence: (29,) float32, the best candidate's score for each class.
        logits: where they were asked for, top, left and (h, w) float32 logits of each bone's box.
    """

    channels: RunLengthMasks
    confidence: NDArray[np.float32]
    logits: tuple[LogitCrop, ...]


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


def merge_candidates(
    candidates: Candidates, settings: MergeSettings | None = None, *, keep_logits: bool = False
) -> MergedBones:
    """Turn raw detections into 29 channels of run lengths at native resolution.

    Args:
        candidates: of one image, before any suppression.
        settings: see `MergeSettings`.
        keep_logits: also hand over the logits of each box, for soft channels.

    Returns:
        Always 29 channels; a bone without candidates, or of too little confidence, is empty.
    """
    settings = settings or MergeSettings()
    fused = fuse_by_class(candidates, settings)
    size = candidates.view.image_size
    channels, kept = [], []
    for top, left, logits in _logit_crops(candidates, fused, settings):
        channels.append(encode_logits(logits, top, left, size, settings.logit_threshold))
        if keep_logits:
            kept.append((top, left, logits))
    return MergedBones(stack(size, channels), fused.confidence, tuple(kept))


def _logit_crops(candidates: Candidates, fused: FusedBones, settings: MergeSettings) -> Iterator[LogitCrop]:
    """Logits of each class's box at native resolution; (0, 0) pixels for an absent bone."""
    view = candidates.view
    size, net = view.image_size, view.input_size
    (scale_x, _, pad_left), (_, scale_y, pad_top) = view.matrix
    _, row_cells, column_cells = candidates.prototypes.shape
    down = _align(size.height, scale_y, pad_top, net.height, row_cells)
    across = _align(size.width, scale_x, pad_left, net.width, column_cells)
    for class_id in range(BONE_COUNT):
        left, top, right, bottom = _widened(fused.boxes_xyxy[class_id], settings).tolist()
        rows = _native_range(top, bottom, scale_y, pad_top, size.height)
        columns = _native_range(left, right, scale_x, pad_left, size.width)
        if fused.confidence[class_id] < settings.least_confidence or len(rows) == 0 or len(columns) == 0:
            yield 0, 0, np.zeros((0, 0), dtype=np.float32)
            continue
        crop = _logits_in_box(candidates.prototypes, fused.coefficients[class_id], down, across, rows, columns)
        yield rows.start, columns.start, crop


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


def _native_range(low: float, high: float, scale: float, pad: float, limit: int) -> range:
    """Native pixels whose centre lies between two input coordinates."""
    first = max(math.ceil((low - pad) / scale - 0.5), 0)
    last = min(math.floor((high - pad) / scale - 0.5) + 1, limit)
    return range(first, max(first, last))


@dataclass(frozen=True, slots=True, eq=False)
class _Alignment:
    """For each native pixel along one side: the prototype cell at or before it, and four cells' shares in its value."""

    lower: NDArray[np.int64]
    shares: NDArray[np.float32]
    cells: int

    def weights(self, pixels: range) -> tuple[int, NDArray[np.float32]]:
        """(first, matrix): (P, C) float32 that enlarges the cells first to first + C to P pixels."""
        lower = self.lower[pixels.start : pixels.stop]
        first = max(int(lower[0]) - 1, 0)
        last = min(int(lower[-1]) + 2, self.cells - 1)
        count = last - first + 1
        matrix = np.zeros((len(pixels), count), dtype=np.float32)
        flat, row = matrix.reshape(-1), np.arange(0, matrix.size, count)
        for step, share in zip((-1, 0, 1, 2), self.shares, strict=True):
            # At the image's edge several steps meet in one cell; each is added on its own.
            flat[row + (np.clip(lower + step, first, last) - first)] += share[pixels.start : pixels.stop]
        return first, matrix


def _align(pixels: int, scale: float, pad: float, input_px: int, cells: int) -> _Alignment:
    """Where each native pixel's centre lies among the centres of the prototype cells.

    Both grids are made of squares: pixel p covers [p, p + 1) native pixels, cell c covers [c, c + 1) * input_px / cells
    input pixels. Cubic convolution (Keys 1981, a = -0.5, exact for quadratics): linear weights flatten the peaks of
    thin bones, which cost 0.003 Dice on synthetic hands at 512 input pixels. Beyond the outermost centres the edge cell
    goes on.
    """
    centres = (np.arange(pixels) + 0.5) * scale + pad
    place = np.clip(centres * (cells / input_px) - 0.5, 0.0, cells - 1.0)
    lower = np.floor(place).astype(np.int64)
    share = place - lower
    shares = np.stack([_cubic(np.abs(share - step)) for step in (-1, 0, 1, 2)])
    return _Alignment(lower, shares.astype(np.float32), cells)


def _cubic(distance: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at distances from 0 to 2 cells."""
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    return np.where(distance <= 1.0, near, far)


def _logits_in_box(
    prototypes: Plane, coefficients: Plane, down: _Alignment, across: _Alignment, rows: range, columns: range
) -> Plane:
    """Logits of one bone at the native pixels of its box."""
    first_row, vertical = down.weights(rows)
    first_column, horizontal = across.weights(columns)
    last_row, last_column = first_row + vertical.shape[1], first_column + horizontal.shape[1]
    cells = np.tensordot(coefficients, prototypes[:, first_row:last_row, first_column:last_column], axes=1)
    return np.asarray((vertical @ cells) @ horizontal.T, dtype=np.float32)
