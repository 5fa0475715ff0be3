"""The masks of a corrected COCO file: drawn points that still tell them, and parts of one bone made one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotation_json import MOST_POINTS
from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import RunLengthMasks, decode_box, encode_crop, union

MOST_OF_BONE: Final = 100
"""Annotations of one bone in one image; more are no parts of it."""


def kept_points(listed: Any, mask: RunLengthMasks) -> IntegerPoints | None:
    """Drawn points that `points_to_coco` kept; None where they are not the outline of this mask, which was edited."""
    try:
        points = np.asarray(listed)
    except ValueError:
        return None
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or points.dtype.kind != "i":
        return None
    if len(points) > MOST_POINTS or np.linalg.matrix_rank(points - points[0]) < 2:
        return None
    if (points < 0).any() or (points >= [mask.size.width, mask.size.height]).any():
        return None
    drawn: IntegerPoints = points.astype(np.int32)
    return drawn if encode_crop(*fill_polygon(drawn, mask.size), mask.size).equals(mask) else None


def united(masks: Sequence[RunLengthMasks]) -> tuple[RunLengthMasks, bool]:
    """The union of several annotations of one bone, and whether each touches another so that all are one.

    Args:
        masks: at least one, none empty.
    """
    whole = masks[0]
    for mask in masks[1:]:
        whole = union(whole, mask)
    if len(masks) == 1:
        return whole, True
    boxes = np.array([mask.boxes()[0] for mask in masks])
    top, left = np.maximum(boxes[:, :2].min(axis=0) - 1, 0).tolist()
    bottom, right = np.minimum(boxes[:, 2:].max(axis=0) + 1, [whole.size.height, whole.size.width]).tolist()
    plane, *waiting = (decode_box(mask, top, left, bottom - top, right - left)[0] for mask in masks)
    while waiting:
        apart = []
        for other in waiting:
            if (plane & _grown(other)).any():
                plane = plane | other
            else:
                apart.append(other)
        if len(apart) == len(waiting):
            return whole, False
        waiting = apart
    return whole, True


def _grown(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask and its neighbours."""
    return cv2.dilate(plane.view(np.uint8), np.ones((3, 3), dtype=np.uint8)).view(np.bool_)
