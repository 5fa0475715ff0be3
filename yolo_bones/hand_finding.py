"""Where the hand lies, from a network's candidates alone: before any mask is made. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import FusedBones, best_by_class
from yolo_bones.hand_fit import HandFit, fit_hand
from yolo_bones.merge_settings import MergeSettings

CELLS_A_SIDE: Final = 12
"""A bone's centroid is taken over so many prototype cells along each side of its box, or up to twice as many."""


def find_hand(candidates: Candidates, settings: MergeSettings | None = None) -> HandFit | None:
    """Fit the hand's frame to the centroids of what was found of each bone, weighted by confidence.

    Args:
        candidates: of one look at the image.
        settings: see `MergeSettings`; below `least_seen` a bone is not used.

    Returns:
        The fit in native pixels; None when too few bones were found.
    """
    return find_hand_in_looks([candidates], settings)


def find_hand_in_looks(looks: Sequence[Candidates], settings: MergeSettings | None = None) -> HandFit | None:
    """The same from several looks at one image: each bone's centroid is that of the look that is surest of it."""
    settings = settings or MergeSettings()
    centroids: dict[str, NDArray[np.float64]] = {}
    weights: dict[str, float] = {}
    for look in looks:
        fused = best_by_class(look)
        for bone, centroid in bone_centroids(look, fused, settings.least_seen).items():
            confidence = float(fused.confidence[BONES.index(bone)])
            if confidence > weights.get(bone, 0.0):
                centroids[bone], weights[bone] = centroid, confidence
    return fit_hand(centroids, weights)


def bone_centroids(
    candidates: Candidates, fused: FusedBones, least_confidence: float
) -> dict[str, NDArray[np.float64]]:
    """Bone -> (2,) native pixels, centres of pixels at whole numbers: mean place of its cells, weighted by probability.

    A bone below the least confidence, or with a box outside the input, is left out.
    """
    net = candidates.view.input_size
    count, rows, columns = candidates.prototypes.shape
    cell_x, cell_y = net.width / columns, net.height / rows
    edges = np.rint(fused.boxes_xyxy / np.array([cell_x, cell_y] * 2)).astype(np.int64)
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2] + 1)
    edges = np.clip(edges, 0, np.array([columns, rows] * 2))
    found: dict[str, tuple[float, float]] = {}
    for class_id, (left, top, right, bottom) in enumerate(edges.tolist()):
        if fused.confidence[class_id] < least_confidence or left >= right or top >= bottom:
            continue
        down, across = (max(1, (last - first) // CELLS_A_SIDE) for first, last in ((top, bottom), (left, right)))
        region = candidates.prototypes[:, top:bottom:down, left:right:across]
        logits = (fused.coefficients[class_id] @ region.reshape(count, -1)).reshape(region.shape[1:])
        inside = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
        by_column = inside.sum(axis=0)
        total = float(by_column.sum())
        x = float(by_column @ np.arange(left, right, across)) / total + 0.5
        y = float(inside.sum(axis=1) @ np.arange(top, bottom, down)) / total + 0.5
        found[BONES[class_id]] = x * cell_x, y * cell_y
    if not found:
        return {}
    return dict(zip(found, candidates.view.to_image(np.array(list(found.values()))) - 0.5, strict=True))
