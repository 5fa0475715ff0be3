"""`Candidates` of one look or several -> 29 overlapping channels as runs, at the image's own resolution. numpy and cv2.

The stairs, each in a module of its own: scores that respect anatomy (`joint_identity`); the best candidates of each
class averaged in coefficient space (`fused_bones`), which averages their logits; logits at native pixels inside the
bone's box, whatever the view (`logit_crops`); their mean over the looks (`look_fusion`); one threshold. Then, where the
settings say so, geometry on the masks (`flattened`, `tidying`). A pixel may carry any number of bones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.candidates import Candidates
from yolo_bones.flattened import MaskCrop, restore_covered
from yolo_bones.fused_bones import FusedBones, best_by_class, box_iou, fuse_by_class
from yolo_bones.joint_identity import identify
from yolo_bones.logit_crops import ABSENT, LogitCrop, logit_crops
from yolo_bones.look_fusion import clear_no, fuse_looks, look_weights
from yolo_bones.look_means import LookArea, union_of
from yolo_bones.merge_settings import MergeSettings
from yolo_bones.rle import RunLengthMasks, encode_crop, stack
from yolo_bones.tidying import tidy_mask

__all__ = [
    "FusedBones",
    "LogitCrop",
    "MergeSettings",
    "MergedBones",
    "box_iou",
    "fuse_by_class",
    "merge_candidates",
    "merge_views",
]

ADDED: Final = 2.0
"""How far above the threshold a pixel's logit counts that geometry gave to a bone."""


@dataclass(frozen=True, slots=True, eq=False)
class MergedBones:
    """The bones of one image.

    Attributes:
        channels: 29 masks in channel order; an absent bone is empty.
        confidence: (29,) float32, the best candidate's score for each class.
        logits: where they were asked for, top, left and (h, w) float32 logits of each bone's box; what lies above the
            threshold is the channel.
        counters: how often what was decided; what never was is left out.
    """

    channels: RunLengthMasks
    confidence: NDArray[np.float32]
    logits: tuple[LogitCrop, ...]
    counters: dict[str, int] = field(default_factory=dict)


def merge_candidates(
    candidates: Candidates, settings: MergeSettings | None = None, *, keep_logits: bool = False
) -> MergedBones:
    """Turn raw detections of one look into 29 channels of run lengths; `merge_views` with one look."""
    return merge_views([candidates], settings, keep_logits=keep_logits)


def merge_views(
    looks: Sequence[Candidates],
    settings: MergeSettings | None = None,
    *,
    spare: Candidates | None = None,
    frame: HandFrame | None = None,
    keep_logits: bool = False,
) -> MergedBones:
    """Turn raw detections of several looks at one image into 29 channels of run lengths at native resolution.

    Args:
        looks: candidates of one image, one or more views, before any suppression.
        settings: see `MergeSettings`.
        spare: one more look, which completes bones that all others cut and finds those that none of them is sure enough
            of; it has no say elsewhere, nor about where the hand lies.
        frame: where the hand lies, where that is known already.
        keep_logits: also hand over the logits of each box, for soft channels.

    Returns:
        Always 29 channels; a bone without candidates, or of too little confidence, is empty.

    Raises:
        ValueError: no look, or looks at images of different sizes.
    """
    settings = settings or MergeSettings()
    sizes = {look.view.image_size for look in (*looks, *([spare] if spare else []))}
    if not looks or len(sizes) != 1:
        raise ValueError(f"merge_views: expected looks at one image, got {len(looks)} at {len(sizes)}")
    size = sizes.pop()
    counters: Counter[str] = Counter()
    confidence = np.zeros(BONE_COUNT, dtype=np.float32)
    masks: list[MaskCrop] = []
    looks = identify(looks, settings, counters, frame)
    for class_id, (crop, sureness) in enumerate(_crops_of_looks(looks, spare, settings, counters)):
        confidence[class_id] = sureness
        masks.append(_thresholded(crop, class_id, settings))
    masks = _by_geometry(masks, settings, counters)
    channels = stack(size, [encode_crop(mask, top, left, size) for top, left, mask in masks])
    kept: list[LogitCrop] = []
    if keep_logits:
        kept = [crop for crop, _ in _crops_of_looks(looks, spare, settings, Counter(), whole_boxes=True)]
        kept = _settle(kept, masks, settings)
    return MergedBones(channels, confidence, tuple(kept), {name: n for name, n in sorted(counters.items()) if n})


def _thresholded(crop: LogitCrop, class_id: int, settings: MergeSettings) -> MaskCrop:
    top, left, logits = crop
    return top, left, (logits > settings.threshold_of(class_id)).view(np.uint8)


def _crops_of_looks(
    looks: Sequence[Candidates],
    spare: Candidates | None,
    settings: MergeSettings,
    counters: Counter[str],
    *,
    whole_boxes: bool = False,
) -> Iterator[tuple[LogitCrop, float]]:
    """Each bone's logits, mean over the looks that count, and the confidence of the surest of these looks.

    The crops may end where all lies so low that it decides nothing, but for `whole_boxes`, and where covered parts
    are to be restored there.
    """
    fused = [fuse_by_class(look, settings) for look in looks]
    if spare is not None:  # seldom needed for more than a bone or two
        looks, fused = [*looks, spare], [*fused, best_by_class(spare)]
    weights = look_weights(looks, fused, settings, counters, has_spare=spare is not None)
    confidence = np.stack([one.confidence for one in fused])
    areas = [LookArea(look.view) for look in looks]
    floors = None if whole_boxes or settings.repair_flattened else _floors(weights, settings)
    crops = [
        logit_crops(look, one, row > 0.0, settings, floors)
        for look, one, row in zip(looks, fused, weights, strict=True)
    ]
    for class_id, of_looks in enumerate(zip(*crops, strict=True)):
        threshold = settings.threshold_of(class_id)
        crop, used = fuse_looks(of_looks, areas, weights[:, class_id], threshold, settings, counters)
        counters["spare_look_used"] += int(spare is not None and used[-1])
        sureness = float(confidence[used if used.any() else slice(None), class_id].max())
        yield (crop if sureness >= settings.least_confidence else ABSENT), sureness


def _floors(weights: NDArray[np.float64], settings: MergeSettings) -> NDArray[np.float64]:
    """(29,) logits up to which it does not matter how low they are: the threshold where one look decides alone."""
    thresholds = [settings.threshold_of(class_id) for class_id in range(BONE_COUNT)]
    alone = (weights > 0.0).sum(axis=0) < 2
    return np.where(alone, thresholds, [clear_no(threshold) for threshold in thresholds])


def _by_geometry(masks: list[MaskCrop], settings: MergeSettings, counters: Counter[str]) -> list[MaskCrop]:
    """The masks after what geometry has to say, as far as it is asked."""
    if settings.repair_flattened:
        masks = restore_covered(masks, counters)
    if settings.tidy:
        masks = [
            (top, left, tidy_mask(mask, bone, counters) if mask.any() else mask)
            for bone, (top, left, mask) in zip(BONES, masks, strict=True)
        ]
    return masks


def _settle(kept: list[LogitCrop], masks: list[MaskCrop], settings: MergeSettings) -> list[LogitCrop]:
    """Crops whose logits say what the masks say; they reach as far as these do."""
    settled: list[LogitCrop] = []
    for class_id, (crop, mask) in enumerate(zip(kept, masks, strict=True)):
        threshold = settings.threshold_of(class_id)
        known = [one for one in (crop, mask) if one[2].size]
        top, left, bottom, right = union_of(known or [ABSENT])
        logits = np.full((bottom - top, right - left), clear_no(threshold), dtype=np.float32)
        says = np.zeros(logits.shape, dtype=np.bool_)
        for plane, (first_row, first_column, inside) in ((logits, crop), (says, mask)):
            rows, columns = inside.shape
            if inside.size:
                plane[first_row - top :, first_column - left :][:rows, :columns] = inside
        above = logits > threshold
        logits[above & ~says] = clear_no(threshold)
        logits[says & ~above] = threshold + ADDED
        settled.append((top, left, logits))
    return settled
