"""Where the hand lies, from a network's candidates alone: before any mask is made. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.box_lattice import lattice_of_boxes
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import FusedBones, best_by_class
from yolo_bones.hand_fit import HandFit, fit_hand
from yolo_bones.merge_settings import MergeSettings


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
    """Bone -> (2,) native pixels, centres of pixels at whole numbers: mean place in its box, weighted by probability.

    The probability is that of the cell around the place. A bone below the least confidence, or with a box outside the
    input, is left out.
    """
    net = candidates.view.input_size
    boxes = np.clip(fused.boxes_xyxy.astype(np.float64), 0.0, np.array([net.width, net.height] * 2))
    sides = boxes[:, 2:] - boxes[:, :2]
    chosen = np.flatnonzero((fused.confidence >= least_confidence) & (sides > 0.0).all(axis=1))
    if len(chosen) == 0:
        return {}
    places, logits = lattice_of_boxes(candidates, fused.coefficients[chosen], boxes[chosen])
    inside = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0).astype(np.float64)))
    weights = np.stack([inside.sum(axis=1), inside.sum(axis=2)], axis=-1)  # (B, places, 2), of columns and of rows
    means = (weights * places).sum(axis=1) / weights.sum(axis=1)
    return dict(zip([BONES[one] for one in chosen], candidates.view.to_image(means) - 0.5, strict=True))
