"""What the masks of one prediction are like by themselves: outlines, parts, holes, overlaps. numpy and cv2 only.

All is measured at the door, image by image, so that no mask has to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotations import DrawnOutline
from yolo_bones.audit.norms import DrawnImage
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.polygons import trace_mask
from yolo_bones.rle import Mask, RunLengthMasks, decode_box, iou_matrix

Values = NDArray[np.float64]

LEAST_PART: Final = 0.01
"""Share of a bone's pixels from which on a part of its mask is told of; smaller ones are specks."""
LEAST_POINTS: Final = 3
"""Of an outline; a mask of a pixel or a line has fewer and counts as missing."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictedImage:
    """The 29 channels of one image, as far as an audit remembers them.

    Attributes:
        drawn: outlines of the largest part of each mask; an outline's `index` is its class id.
        areas: (29,) pixels of each mask.
        parts: (29,) parts of notable share.
        astray: (29,) share of a mask's pixels that are not in its largest part.
        holes: (29,) pixels of all holes over the mask's, 0 for an empty mask.
        iou: (29, 29) intersection over union of any two masks, 0 on the diagonal and for empty ones.
    """

    drawn: DrawnImage
    areas: NDArray[np.int64]
    parts: NDArray[np.int64]
    astray: Values
    holes: Values
    iou: Values


def see_masks(masks: RunLengthMasks, name: str, patient: str) -> PredictedImage:
    """Measure the masks of one image.

    Args:
        masks: 29 channels.
        name, patient: of the image.
    """
    outlines = []
    parts, astray, holes = np.zeros(BONE_COUNT, dtype=np.int64), np.zeros(BONE_COUNT), np.zeros(BONE_COUNT)
    for class_id, (top, left, bottom, right) in enumerate(masks.boxes().tolist()):
        if bottom == top:
            continue
        crop = decode_box(masks[class_id], top, left, bottom - top, right - left)[0]
        parts[class_id], astray[class_id], holes[class_id] = _parts_and_holes(crop)
        points = trace_mask(crop, top, left)
        if len(points) >= LEAST_POINTS:
            outlines.append(DrawnOutline(class_id, BONES[class_id], points))
    areas = masks.areas()
    iou = iou_matrix(masks, masks)
    iou[areas == 0] = 0.0
    np.fill_diagonal(iou, 0.0)
    return PredictedImage(DrawnImage(name, patient, masks.size, tuple(outlines)), areas, parts, astray, holes, iou)


def _parts_and_holes(crop: Mask) -> tuple[int, float, float]:
    """Notable parts of a mask, the share of it outside of the largest one, and its holes over its pixels."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(crop.view(np.uint8), connectivity=8)
    shares = stats[1:count, cv2.CC_STAT_AREA] / max(1, int(crop.sum()))
    framed = np.pad(~crop, 1, constant_values=True).view(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(framed, connectivity=4)
    around = stats[1:count, cv2.CC_STAT_AREA]  # the first component in reading order is the outside
    holes = float(around[1:].sum()) / max(1, int(crop.sum()))
    return int((shares >= LEAST_PART).sum()), float(1.0 - shares.max(initial=0.0)), holes
