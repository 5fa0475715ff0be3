"""Whether an image is a negative: bones let less through than what lies around them, so they are brighter. numpy."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import CLASS_IDS, DIGITS
from yolo_bones.box_lattice import lattice_of_boxes
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import best_by_class

JUDGED: Final = tuple(CLASS_IDS[bone] for digit in DIGITS.values() for bone in digit[-2:])
"""Metacarpals and proximal phalanges: large, with more than bone around them."""
WIDENED: Final = 0.25
"""A box is widened by this part of its sides, so that more than bone lies in it."""
LEAST_PLACES: Final = 15
"""Of the 144 in a box, inside and outside of the bone."""
LEAST_CONFIDENCE: Final = 0.1
LEAST_BONES: Final = 4
DARK_SHARE: Final = 0.75
"""Of the bones judged. On 30 phantoms it was 0.1 at most, on their negatives 0.9 at least."""


def share_of_dark_bones(grey: NDArray[np.uint8], candidates: Candidates) -> tuple[float, int]:
    """How many of the bones found are darker, in the mean, than what lies around them.

    Args:
        grey: (H, W) uint8.
        candidates: of one look at it.

    Returns:
        The share, 0 to 1, and the number of bones that could be judged.
    """
    best, view = best_by_class(candidates), candidates.view
    net = view.input_size
    boxes = best.boxes_xyxy.astype(np.float64)
    margin = WIDENED * (boxes[:, 2:] - boxes[:, :2])
    boxes += np.concatenate([-margin, margin], axis=1)
    boxes = np.clip(boxes, 0.0, np.array([net.width, net.height] * 2))
    found = (best.confidence >= LEAST_CONFIDENCE) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    chosen = [bone for bone in JUDGED if found[bone]]
    if not chosen:
        return 0.0, 0
    places, logits = lattice_of_boxes(candidates, best.coefficients[chosen], boxes[chosen])
    x, y = np.broadcast_arrays(places[:, None, :, 0], places[:, :, None, 1])
    column, row = np.moveaxis(np.floor(view.to_image(np.stack([x, y], axis=-1))).astype(np.int64), -1, 0)
    height, width = grey.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    level = grey[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(np.float64)
    means, enough = [], np.ones(len(chosen), dtype=bool)
    for part in (inside & (logits > 0.0), inside & (logits <= 0.0)):
        count = part.sum(axis=(1, 2))
        enough &= count >= LEAST_PLACES
        means.append((level * part).sum(axis=(1, 2)) / np.maximum(count, 1))
    judged = int(enough.sum())
    return float((means[0] < means[1])[enough].sum()) / max(judged, 1), judged


def is_negative(grey: NDArray[np.uint8], candidates: Candidates) -> bool:
    """Whether most of the bones found, four at least, are darker than what lies around them."""
    share, judged = share_of_dark_bones(grey, candidates)
    return judged >= LEAST_BONES and share >= DARK_SHARE
