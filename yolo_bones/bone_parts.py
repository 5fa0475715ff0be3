"""Several outlines of one bone made one, where they share pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yolo_bones.mask_outlines import outline_of_mask
from yolo_bones.polygons import IntegerPoints, box_of_points, fill_polygon, trace_mask
from yolo_bones.rle import ImageSize, Mask

Box = tuple[int, int, int, int]


def join_parts(parts: Sequence[IntegerPoints], size: ImageSize) -> tuple[IntegerPoints | None, int]:
    """The outline of all that the parts fill together, in whatever order they are; a hole between them is kept.

    Args:
        parts: at least two outlines.
        size: of the image.

    Returns:
        (outline, 0), or (None, place) of the first part that shares pixels neither with the first one nor with others
        that do.

    Raises:
        OutlineError: what they fill has more holes or points than an outline may have.
    """
    top, bottom, left, right = box_of_points(np.concatenate(parts), size)
    box = (top, left, bottom - top, right - left)
    whole = _plane(parts[0], box, size)
    waiting = [(place, _plane(points, box, size)) for place, points in enumerate(parts) if place > 0]
    while waiting:
        apart = []
        for place, plane in waiting:
            if (whole & plane).any():
                whole |= plane
            else:
                apart.append((place, plane))
        if len(apart) == len(waiting):
            return None, apart[0][0]
        waiting = apart
    border = trace_mask(whole, top, left)
    is_whole = len(border) > 2 and bool((_plane(border, box, size) == whole).all())
    return border if is_whole else outline_of_mask(whole, top, left, size).points, 0


def _plane(points: IntegerPoints, box: Box, size: ImageSize) -> Mask:
    """What an outline fills, in a box (top, left, height, width) around it."""
    top, left, height, width = box
    crop, crop_top, crop_left = fill_polygon(points, size)
    plane = np.zeros((height, width), dtype=np.bool_)
    rows, columns = crop_top - top, crop_left - left
    plane[rows : rows + crop.shape[0], columns : columns + crop.shape[1]] = crop
    return plane
