"""What is measured of one hand's masks, and the collection of many hands' measures. Runs in, numbers out; no files.

Lengths and places of bones are in units of the third metacarpal (see `anatomy`), whatever the image's size; areas and
lengths in pixels are scaled to an image 2048 high.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame, Shape, find_hand_frame, measure_bone, measure_shape
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.greys import REFERENCE_HEIGHT, GreyMeasures
from yolo_bones.reference import SHAPE_MEASURES, SLICE_MEASURES
from yolo_bones.rle import RunLengthMasks, decode_box, paired_intersection_areas, stack, vote_by_weight

Values = NDArray[np.float64]

MEASURES: Final = SHAPE_MEASURES + SLICE_MEASURES
TRIMMED_PERCENTILES: Final = (1.0, 99.0)


@dataclass(frozen=True, slots=True, eq=False)
class MaskMeasures:
    """What is measured of 29 masks without knowing where the hand is; attributes as of `HandMeasures`."""

    area_px: Values
    outline_area_px: Values
    iou: Values
    multi_label_px: float


@dataclass(frozen=True, slots=True, eq=False)
class HandMeasures:
    """Measures of one hand.

    Attributes:
        bones: (29, 16) by bone and `MEASURES`, NaN for a bone that is missing.
        area_px: (29,) pixels of each mask, at 2048.
        outline_area_px: (29,) area inside the line through the centres of the border pixels, at 2048.
        iou: (29, 29) of each pair, symmetric, 0 on the diagonal.
        multi_label_px: pixels with two labels or more, at 2048.
        unit_px: length of the third metacarpal, at 2048.
        tilt_deg: its axis against the vertical, positive when its tip leans to the image's right.
        origin_px: (x, y) of the capitate's centroid, at 2048.
        thumb_left: whether the thumb is on the left of a hand that points up.
    """

    bones: Values
    area_px: Values
    outline_area_px: Values
    iou: Values
    multi_label_px: float
    unit_px: float
    tilt_deg: float
    origin_px: tuple[float, float]
    thumb_left: bool


def mask_to_pixels(mask: RunLengthMasks) -> Values:
    """(N, 2) centres (x, y) of one mask's pixels."""
    lengths = (mask.ends - mask.starts).astype(np.int64)
    before = np.cumsum(lengths) - lengths
    indices = np.arange(lengths.sum()) + np.repeat(mask.starts - before, lengths)
    rows, columns = np.divmod(indices, mask.size.width)
    return np.stack([columns, rows], axis=1).astype(np.float64)


def measure_masks(masks: RunLengthMasks) -> MaskMeasures:
    """Areas and overlaps of the 29 channels of one image; a bone that is missing has an area of 0."""
    scale = REFERENCE_HEIGHT / masks.size.height
    return MaskMeasures(
        area_px=masks.areas().astype(np.float64) * scale**2,
        outline_area_px=_outline_areas(masks) * scale**2,
        iou=pairwise_iou(masks),
        multi_label_px=float(count_multi_label(masks)) * scale**2,
    )


def measure_hand(masks: RunLengthMasks) -> HandMeasures | None:
    """Measure the 29 channels of one image.

    Returns:
        None when the hand's frame cannot be found (no capitate, no third metacarpal, or nothing that tells the side).
    """
    if len(masks) != BONE_COUNT:
        raise ValueError(f"expected {BONE_COUNT} masks, got {len(masks)}")
    pixels = {bone: mask_to_pixels(mask) for bone, mask in zip(BONES, masks, strict=True) if len(mask.starts)}
    shapes = {bone: measure_shape(found) for bone, found in pixels.items()}
    frame = find_hand_frame(shapes)
    if frame is None:
        return None
    scale = REFERENCE_HEIGHT / masks.size.height
    x, y = frame.origin_xy * scale
    plain = measure_masks(masks)
    return HandMeasures(
        bones=_measure_bones(pixels, shapes, frame),
        area_px=plain.area_px,
        outline_area_px=plain.outline_area_px,
        iou=plain.iou,
        multi_label_px=plain.multi_label_px,
        unit_px=frame.unit_px * scale,
        tilt_deg=frame.tilt_deg,
        origin_px=(float(x), float(y)),
        thumb_left=frame.thumb_left,
    )


def _measure_bones(pixels: dict[str, Values], shapes: dict[str, Shape], frame: HandFrame) -> Values:
    found = np.full((BONE_COUNT, len(MEASURES)), np.nan)
    for bone, places in pixels.items():
        measure = measure_bone(places, frame, shapes[bone])
        singles = [getattr(measure, name) for name in SHAPE_MEASURES]
        found[CLASS_IDS[bone]] = [*singles, *measure.slice_widths]
    return found


def _outline_areas(masks: RunLengthMasks) -> Values:
    """(29,) areas inside the outer outline of each mask's largest part, as of a polygon drawn on the border pixels."""
    areas = np.zeros(len(masks))
    for index, (top, left, bottom, right) in enumerate(masks.boxes().tolist()):
        if bottom > top:
            crop = decode_box(masks[index], top, left, bottom - top, right - left)[0]
            found, _ = cv2.findContours(crop.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            areas[index] = max(cv2.contourArea(outline) for outline in found)
    return areas


def pairwise_iou(masks: RunLengthMasks) -> Values:
    """(M, M) intersection over union of each pair of masks of one image, symmetric, 0 on the diagonal."""
    boxes = masks.boxes()
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    rows, columns = np.nonzero(np.triu((low < high).all(axis=-1), 1))
    iou = np.zeros((len(masks), len(masks)))
    if len(rows):
        pairs = stack(
            masks.size, [masks[index] for pair in np.stack([rows, columns], axis=1).tolist() for index in pair]
        )
        shared = paired_intersection_areas(pairs)
        areas = masks.areas()
        iou[rows, columns] = shared / (areas[rows] + areas[columns] - shared)
    return iou + iou.T


def count_multi_label(masks: RunLengthMasks) -> int:
    """Pixels that two masks or more of one image share."""
    weights, limits = np.ones((1, len(masks)), dtype=np.int64), np.ones(1, dtype=np.int64)
    return int(vote_by_weight(masks, len(masks), weights, limits).areas()[0])


def trimmed(values: Values) -> Values:
    """Values without NaN and without those beyond the 1st and 99th percentile."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return known
    low, high = np.percentile(known, TRIMMED_PERCENTILES)
    return np.asarray(known[(known >= low) & (known <= high)])


@dataclass(slots=True)
class Collected:
    """Measures of many hands; masks and pixels are not kept (8 kB an image).

    Attributes:
        hands: of the images whose frame was found.
        greys: of the images whose levels were measured.
        without_frame: names of the images whose frame was not found.
    """

    hands: list[HandMeasures] = field(default_factory=list)
    greys: list[GreyMeasures] = field(default_factory=list)
    without_frame: list[str] = field(default_factory=list)

    def add(self, name: str, hand: HandMeasures | None, greys: GreyMeasures | None = None) -> None:
        """Take in one image's measures."""
        if hand is None:
            self.without_frame.append(name)
        else:
            self.hands.append(hand)
        if greys is not None:
            self.greys.append(greys)

    def gather(self, attribute: str) -> NDArray[Any]:
        """(hands, ...) one attribute of all hands."""
        return np.array([getattr(hand, attribute) for hand in self.hands])
