"""Labels of the mask loss: for each bone the cover of the pixels around its box, at the input's own resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle import ImageSize

CELL_PX: Final = 4
"""Input pixels of a prototype cell."""
FINE: Final = 4
"""Outlines are filled at so many times the input's resolution, then averaged."""
MARGIN_PX: Final = 2.0
LEAST_PX: Final = 12.0
"""A bone that covers less of the input, in pixels, or less than `LEAST_SHARE` of itself, is left out."""
LEAST_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class LabelRegion:
    """One bone in the network's input.

    Attributes:
        class_id: of the bone.
        box_xyxy: (4,) float32, input pixels, edges of what is visible.
        top, left: first prototype cells of the region.
        cover: (h, w) uint8, 0 to 255: how much of each input pixel the bone covers; whole cells.
    """

    class_id: int
    box_xyxy: NDArray[np.float32]
    top: int
    left: int
    cover: NDArray[np.uint8]


def draw_region(class_id: int, outline: NDArray[np.float64], size: ImageSize, margin: float) -> LabelRegion | None:
    """Rasterise one outline around its widened box.

    Args:
        class_id: of the bone.
        outline: (P, 2) float64 continuous input coordinates of the mask's edge.
        size: of the input, multiples of `CELL_PX`.
        margin: the box is widened by this part of its sides and by `MARGIN_PX`.

    Returns:
        None when (almost) nothing of the bone lies in the input.
    """
    whole = abs(float(cv2.contourArea(outline.astype(np.float32).reshape(-1, 1, 2))))
    limit = np.array([size.width, size.height], dtype=np.float64)
    low = np.clip(np.floor(outline.min(axis=0)), 0.0, limit).astype(int)
    high = np.clip(np.ceil(outline.max(axis=0)), 0.0, limit).astype(int)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    if right <= left or bottom <= top:
        return None
    fine = np.zeros(((bottom - top) * FINE, (right - left) * FINE), dtype=np.uint8)
    corners = np.floor((outline - low) * FINE).astype(np.int32)
    cv2.fillPoly(fine, [corners.reshape(-1, 1, 2)], 255)
    rows, columns = np.flatnonzero(fine.any(axis=1)), np.flatnonzero(fine.any(axis=0))
    visible = float(np.count_nonzero(fine)) / FINE**2
    if visible < LEAST_PX or visible < LEAST_SHARE * whole:
        return None
    box = np.array(
        [left + columns[0] / FINE, top + rows[0] / FINE, left + (columns[-1] + 1) / FINE, top + (rows[-1] + 1) / FINE]
    )
    cover = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    margins = margin * (box[2:] - box[:2]) + MARGIN_PX
    first = np.clip(np.floor((box[:2] - margins) / CELL_PX), 0, limit // CELL_PX).astype(int)
    last = np.clip(np.ceil((box[2:] + margins) / CELL_PX), 0, limit // CELL_PX).astype(int)
    width, height = ((last - first) * CELL_PX).tolist()
    region = np.zeros((height, width), dtype=np.uint8)
    # What lies outside the region is less than a fine pixel of the outline, or out of sight.
    row, column = top - int(first[1]) * CELL_PX, left - int(first[0]) * CELL_PX
    rows_kept = slice(max(-row, 0), max(-row, 0) + height - max(row, 0))
    columns_kept = slice(max(-column, 0), max(-column, 0) + width - max(column, 0))
    kept = cover.reshape(bottom - top, right - left)[rows_kept, columns_kept]
    region[max(row, 0) : max(row, 0) + kept.shape[0], max(column, 0) : max(column, 0) + kept.shape[1]] = kept
    return LabelRegion(class_id, box.astype(np.float32), int(first[1]), int(first[0]), region)
