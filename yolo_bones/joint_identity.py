"""Which candidate is which bone, by where bones lie in a hand. numpy only.

Only scores change here; what a candidate looks like stays as the network saw it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL, HandFrame
from yolo_bones.bones import ARM_BONES, BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import paired_box_iou
from yolo_bones.hand_finding import find_hand_in_looks
from yolo_bones.merge_settings import MergeSettings
from yolo_bones.shared_instances import SAME_PLACE_IOU, share_out

Real = NDArray[np.float64]

WIDENED: Final = 2.0
"""Places may vary so many times as much as in real hands: other anatomies, worse wrists."""
LEAST_SPREAD: Final = 0.08
"""And never less, in lengths of the third metacarpal: a box's centre is not the bone's centroid."""
SIZE_SPREAD: Final = 0.4
"""Of the logarithm of a box's diagonal over the typical bone's; the box of a bone that lies askew is larger."""
LEAST_FACTOR: Final = 1e-3
IMPOSSIBLE: Final = 4.0
"""Widened standard deviations. Right bones of synthetic hands that vary twice as much as real ones reach 2.6."""
UNSURE: Final = 0.3
"""A candidate with a higher score is believed wherever it lies."""
LEAST_SUPPORT: Final = 0.4
"""Of a hand that is trusted; where the bones agree less on where it lies, places tell nothing."""
LIKELY: Final = 0.003
"""Candidates with no score above this are dropped, but for the best of each class."""


def identify(
    looks: Sequence[Candidates], settings: MergeSettings, counters: Counter[str], frame: HandFrame | None = None
) -> Sequence[Candidates]:
    """The same looks with scores that respect anatomy, as far as the settings ask for it.

    With `tidy`, uncertain candidates at impossible places are refused. With `place_prior`, scores are weighed by place
    and size, and no two classes get one instance.

    Args:
        looks: candidates of one image.
        settings: see `MergeSettings`.
        counters: decisions are counted here.
        frame: of the hand; found in the looks when not given.
    """
    if settings.place_prior <= 0.0 and not settings.tidy:
        return looks
    if frame is None:
        fit = find_hand_in_looks(looks, settings)
        if fit is None or fit.support < LEAST_SUPPORT:
            counters["places_not_judged"] += 1
            return looks
        frame = fit.frame
    found = []
    for look in map(keep_likely, looks):
        distances, sizes = hand_distances(look, frame)
        if settings.tidy:
            look = refuse_impossible(look, distances, settings.least_confidence, counters)
        if settings.place_prior > 0.0:
            weighed = weigh_places(look, np.hypot(distances, sizes), settings.place_prior)
            counters["place_decided"] += _moved(look, weighed)
            look = share_out(weighed, counters)
        found.append(look)
    return found


def _moved(before: Candidates, after: Candidates) -> int:
    """How many classes have their best candidate in another place."""
    if len(before.scores) == 0:
        return 0
    boxes = [look.boxes_xyxy[look.scores.argmax(axis=0)] for look in (before, after)]
    return int((paired_box_iou(*boxes) < SAME_PLACE_IOU).sum())


def keep_likely(candidates: Candidates) -> Candidates:
    """Without the thousands of candidates that no class claims."""
    if len(candidates.scores) == 0:
        return candidates
    by_class = np.ascontiguousarray(candidates.scores.T)
    kept = by_class.max(axis=0) >= LIKELY
    kept[by_class.argmax(axis=1)] = True
    rows = np.flatnonzero(kept)
    return dataclasses.replace(
        candidates,
        boxes_xyxy=candidates.boxes_xyxy[rows],
        scores=candidates.scores[rows],
        coefficients=candidates.coefficients[rows],
    )


def hand_distances(candidates: Candidates, frame: HandFrame) -> tuple[Real, Real]:
    """How far each candidate is from each class's typical place, and from its size, in widened standard deviations.

    Returns:
        (N, 29) distances of places and (N, 29) differences of sizes, both at least 0. Radius and ulna, which turn with
        the wrist and are cut by the image's edge, are 0 away from anything.
    """
    boxes = candidates.boxes_xyxy.astype(np.float64)
    centres = candidates.view.to_image((boxes[:, :2] + boxes[:, 2:]) / 2.0) - 0.5
    misses = frame.to_hand(centres)[:, None, :] - _MEANS
    distances = np.sqrt(((misses / _SPREADS) ** 2).sum(axis=2))
    diagonals = np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / (candidates.view.scale * frame.unit_px)
    sizes = np.abs(np.log(np.maximum(diagonals, 1e-3)[:, None] / _DIAGONALS)) / SIZE_SPREAD
    free = [CLASS_IDS[bone] for bone in ARM_BONES]
    distances[:, free] = 0.0
    sizes[:, free] = 0.0
    return distances, sizes


_MEANS: Final[Real] = np.array([[TYPICAL[bone].thumbward, TYPICAL[bone].distalward] for bone in BONES])
_SPREADS: Final[Real] = np.hypot(
    WIDENED * np.array([[TYPICAL[bone].thumbward_sd, TYPICAL[bone].distalward_sd] for bone in BONES]), LEAST_SPREAD
)
_DIAGONALS: Final[Real] = np.array([np.hypot(TYPICAL[bone].length, TYPICAL[bone].width) for bone in BONES])


def weigh_places(candidates: Candidates, distances: Real, strength: float) -> Candidates:
    """Multiply every score by how likely the class's bone lies where the candidate does.

    A bone that lies oddly is no less certain to be there: each class's best candidate keeps its score.

    Args:
        candidates: of one look.
        distances: (N, 29), in standard deviations.
        strength: power of the factor, a normal density cut at LEAST_FACTOR.
    """
    if len(candidates.scores) == 0:
        return candidates
    factors = np.maximum(np.exp(-0.5 * strength * distances**2), LEAST_FACTOR).astype(np.float32)
    best = (candidates.scores * factors).argmax(axis=0)
    factors /= factors[best, np.arange(BONE_COUNT)]
    return dataclasses.replace(candidates, scores=candidates.scores * factors)


def refuse_impossible(
    candidates: Candidates, distances: Real, least_confidence: float, counters: Counter[str]
) -> Candidates:
    """Without scores of uncertain candidates where no hand has that bone; another candidate, or none, steps in."""
    impossible = (distances > IMPOSSIBLE) & (candidates.scores < UNSURE) & (candidates.scores > 0.0)
    if not impossible.any():
        return candidates
    scores = np.where(impossible, np.float32(0.0), candidates.scores)
    before, after = candidates.scores.max(axis=0), scores.max(axis=0)
    refused = (before >= least_confidence) & (scores[candidates.scores.argmax(axis=0), np.arange(BONE_COUNT)] == 0.0)
    counters["impossible_bone_rechosen"] += int((refused & (after >= least_confidence)).sum())
    counters["impossible_bone_emptied"] += int((refused & (after < least_confidence)).sum())
    return dataclasses.replace(candidates, scores=scores)
