"""Several looks at a bone -> one crop of logits in native pixels: which looks count, and how much. numpy."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import FusedBones
from yolo_bones.logit_crops import ABSENT, LogitCrop
from yolo_bones.look_means import LookArea, mean_by_votes, mean_where_all_look, union_of
from yolo_bones.merge_settings import MergeSettings

CLEARLY_NOT: Final = -6.0
"""Where a look's box does not reach it says no, this clearly; its logits are not trusted to say it any clearer."""
TOUCH_PX: Final = 3.0
"""A box that comes so near to the border of the input, in input pixels, touches it."""
WHOLE_CONFIDENCE: Final = 0.5
"""A look that sees a bone cut gives way to one that sees it whole with this part of its confidence or more."""
MORE_OF_IT: Final = 1.25
"""And to one that sees so many times as much of it, by the area of its box, though that one cuts it too."""
LITTLE: Final = 1e-4
"""Of the weight of a look that counts: of one that decides only where that one does not look."""
LATTICE_PX: Final = 4
"""Looks are compared on every fourth native pixel."""

LatticeMask = tuple[int, int, NDArray[np.bool_]]
"""First row and column, in steps of the lattice, and which of its points lie in a mask."""


def look_weights(
    looks: Sequence[Candidates],
    fused: Sequence[FusedBones],
    settings: MergeSettings,
    counters: Counter[str],
    *,
    has_spare: bool = False,
) -> NDArray[np.float64]:
    """(looks, 29) weights: confidence and fineness, each to its power; 0 where a look does not count at all.

    A look does not count where it has not seen a bone, nor where its crop cuts a bone that another look sees whole; it
    counts little where another look sees much more of the bone. No look counts for a bone that none is sure enough of.

    Args:
        looks: at one image.
        fused: the bones of each.
        settings: powers and least confidences.
        counters: looks that give way are counted here.
        has_spare: the last look is a spare one. It counts little for bones that the others cut, fully for those that
            none of them is sure enough of, and else not at all.
    """
    confidence = np.stack([one.confidence for one in fused]).astype(np.float64)
    seen = (confidence >= settings.least_seen) & (confidence.max(axis=0) >= settings.least_confidence)
    cut = np.stack([cut_by_crop(look, one) for look, one in zip(looks, fused, strict=True)])
    cut |= _reaches_beyond(looks, fused, confidence, seen & ~cut)
    counting = seen.copy()
    if has_spare:
        counting[-1] = False
        surer = np.where(cut, WHOLE_CONFIDENCE * confidence[-1], settings.least_confidence)
        counting &= ~(seen[-1] & (confidence < surer))
    gives_way = counting & cut & _another_sees_more(looks, fused, np.where(counting, confidence, 0.0), cut)
    counters["look_cuts_bone"] += int(gives_way.sum())
    whole = (counting & ~cut).any(axis=0)
    scales = np.array([look.view.scale for look in looks])[:, None]
    weights = confidence**settings.look_confidence * scales**settings.look_fineness
    weights = np.where(counting & ~gives_way, weights, 0.0)
    little = LITTLE * weights.max(axis=0)
    weights = np.where(gives_way & ~whole, little, weights)
    if has_spare:
        weights[-1] = np.where(seen[-1] & ~whole, np.where(little > 0.0, little, 1.0), 0.0)
    return weights


def _another_sees_more(
    looks: Sequence[Candidates],
    fused: Sequence[FusedBones],
    confidence: NDArray[np.float64],
    cut: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """(looks, 29) whether another look, sure enough, sees the bone whole or much more of it."""
    more = np.zeros(cut.shape, dtype=bool)
    areas = np.stack([_box_areas(one) / look.view.scale**2 for look, one in zip(looks, fused, strict=True)])
    for other in range(len(looks)):
        sure = (confidence[other] > 0.0) & (confidence[other] >= WHOLE_CONFIDENCE * confidence)
        better = ~cut[other] | (areas[other] >= MORE_OF_IT * areas)
        better[other] = False
        more |= sure & better
    return more


def _box_areas(fused: FusedBones) -> NDArray[np.float64]:
    sides = fused.boxes_xyxy[:, 2:].astype(np.float64) - fused.boxes_xyxy[:, :2]
    return np.asarray(np.maximum(sides, 0.0).prod(axis=1))


def cut_by_crop(look: Candidates, fused: FusedBones) -> NDArray[np.bool_]:
    """(29,) whether a bone's box touches the border of the input where the image goes on beyond it."""
    view, boxes = look.view, fused.boxes_xyxy.astype(np.float64)
    net, size = view.input_size, view.image_size
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2.0
    cut = np.zeros(len(boxes), dtype=bool)
    for axis, side in ((0, net.width), (1, net.height)):
        for border, distance in ((0.0, boxes[:, axis]), (float(side), side - boxes[:, axis + 2])):
            on_border = middles.copy()
            on_border[:, axis] = border
            x, y = view.to_image(on_border).T
            room = TOUCH_PX / view.scale
            goes_on = (x > room) & (x < size.width - room) & (y > room) & (y < size.height - room)
            cut |= (distance < TOUCH_PX) & goes_on
    return cut


def _reaches_beyond(
    looks: Sequence[Candidates],
    fused: Sequence[FusedBones],
    confidence: NDArray[np.float64],
    whole: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """(looks, 29) whether another look, about as sure, sees the bone reach beyond a look's input.

    A close-up may end a bone just before its border; a box does not tell then.
    """
    beyond = np.zeros(whole.shape, dtype=bool)
    for other, (look, one) in enumerate(zip(looks, fused, strict=True)):
        sides = look.view.to_image(_middles_of_sides(one.boxes_xyxy.astype(np.float64)))
        for index, narrow in enumerate(looks):
            if index == other:
                continue
            net = narrow.view.input_size
            room = TOUCH_PX * max(1.0, narrow.view.scale / look.view.scale)
            x, y = np.moveaxis(narrow.view.to_input(sides), -1, 0)
            outside = (x < -room) | (x > net.width + room) | (y < -room) | (y > net.height + room)
            sure = whole[other] & (confidence[other] >= WHOLE_CONFIDENCE * confidence[index])
            beyond[index] |= outside.any(axis=1) & sure
    return beyond


def _middles_of_sides(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(29, 4, 2) middles of a box's left, right, upper and lower side."""
    left, top, right, bottom = boxes_xyxy.T
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    return np.stack([np.stack(pair, axis=-1) for pair in ((left, y), (right, y), (x, top), (x, bottom))], axis=1)


def fuse_looks(
    crops: Sequence[LogitCrop],
    areas: Sequence[LookArea],
    weights: NDArray[np.float64],
    threshold: float,
    settings: MergeSettings,
    counters: Counter[str],
) -> tuple[LogitCrop, NDArray[np.bool_]]:
    """Weighted mean of the logits of those looks that agree about a bone's place.

    Args:
        crops: of one bone, one a look; they are overwritten.
        areas: of the looks.
        weights: (looks,), 0 where a look does not count.
        threshold: the logit above which a pixel belongs to the bone.
        settings: how well looks must agree.
        counters: left-out looks are counted here.

    Returns:
        The mean over the union of the crops (a single look's crop as it is), and which looks it is made of.
    """
    used = (weights > 0.0) & np.array([crop[2].size > 0 for crop in crops])
    if used.sum() < 2:
        return next((crop for crop, use in zip(crops, used, strict=True) if use), ABSENT), used
    chosen = np.flatnonzero(used).tolist()
    union = union_of([crops[one] for one in chosen])
    all_look = all(areas[one].shows(union) for one in chosen)
    masks = [_on_lattice(crops[one], threshold) for one in chosen]
    seen_areas = None if all_look else [areas[one] for one in chosen]
    used[chosen] = _agreeing(masks, seen_areas, weights[used], settings)
    counters["look_disagrees"] += int((weights > 0.0).sum() - used.sum())
    chosen = np.flatnonzero(used).tolist()
    agreed, floor = [crops[one] for one in chosen], clear_no(threshold)
    if len(chosen) == 1:
        return agreed[0], used
    if all_look:
        return mean_where_all_look(agreed, weights[used], floor), used
    return mean_by_votes(agreed, [areas[one] for one in chosen], weights[used], floor), used


def clear_no(threshold: float) -> float:
    """A logit that is clearly below a threshold."""
    return CLEARLY_NOT + min(threshold, 0.0)


def _agreeing(
    masks: Sequence[LatticeMask],
    areas: Sequence[LookArea] | None,
    weights: NDArray[np.float64],
    settings: MergeSettings,
) -> NDArray[np.bool_]:
    """Which looks agree with the one that the weightiest others agree with most.

    Args:
        masks: what each look sees.
        areas: of the looks; two are compared where both look. None where every look shows all masks.
        weights: of the looks.
        settings: how well they must agree.
    """
    overlaps = np.ones((len(masks), len(masks)))
    for one, other in itertools.combinations(range(len(masks)), 2):
        first, second = masks[one], masks[other]
        if areas is not None:
            first, second = _seen_in(areas[other], first), _seen_in(areas[one], second)
        overlaps[one, other] = overlaps[other, one] = _mask_iou(first, second)
    best = int((overlaps @ weights).argmax())
    return np.asarray(overlaps[best] >= settings.look_iou)


def _on_lattice(crop: LogitCrop, threshold: float) -> LatticeMask:
    top, left, logits = crop
    first_row, first_column = -(-top // LATTICE_PX), -(-left // LATTICE_PX)
    sampled = logits[first_row * LATTICE_PX - top :: LATTICE_PX, first_column * LATTICE_PX - left :: LATTICE_PX]
    return first_row, first_column, sampled > threshold


def _seen_in(area: LookArea, mask: LatticeMask) -> LatticeMask:
    """A mask without what lies outside of where another look looks."""
    first_row, first_column, sampled = mask
    rows, columns = (
        (start + np.arange(n)) * LATTICE_PX + 0.5 for start, n in zip(mask[:2], sampled.shape, strict=True)
    )
    return first_row, first_column, sampled & area.contains(np.stack(np.meshgrid(columns, rows), axis=-1))


def _mask_iou(first: LatticeMask, second: LatticeMask) -> float:
    """1 for two empty ones: looks at different parts of a bone do not contradict each other."""
    (top_a, left_a, a), (top_b, left_b, b) = first, second
    top, left = max(top_a, top_b), max(left_a, left_b)
    bottom = max(top, min(top_a + a.shape[0], top_b + b.shape[0]))
    right = max(left, min(left_a + a.shape[1], left_b + b.shape[1]))
    part_a, part_b = (
        mask[top - row : bottom - row, left - column : right - column]
        for row, column, mask in ((top_a, left_a, a), (top_b, left_b, b))
    )
    shared = int(np.count_nonzero(part_a & part_b)) if part_a.size else 0
    either = int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - shared
    return shared / either if either else 1.0
