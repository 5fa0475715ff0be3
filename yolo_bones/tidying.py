"""Stray parts and holes of one bone's mask. numpy and cv2.

Every annotation is one filled polygon, so a true mask has one component and no hole. A carpal is compact besides: what
hangs on it by a thread is no part of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import HAND_BONES

Contour = NDArray[Any]
Crop = NDArray[np.uint8]

LARGE: Final = 0.1
"""Components of this part of the largest one's area may be the rest of the bone, seen in two pieces."""
NEAR: Final = 0.15
"""Where they lie so near, in square roots of its area."""
SESAMOID_BONE: Final = "finger-3"
"""The thumb's metacarpal includes its sesamoid where that touches it."""
SESAMOID_AREA: Final = (0.004, 0.06)
"""Of the metacarpal's area."""
TOUCHING: Final = 0.02
"""A sesamoid as near as this touches, in square roots of the metacarpal's area: 3 pixels at 2048."""
MOST_POINTS: Final = 400
SMALL_HOLE: Final = 0.005
"""Holes up to this part of the area are filled; larger ones mostly lie between a bone and a stray part of its mask."""
THREAD_CELL: Final = 0.04
"""Carpals are looked at on a lattice of this part of the square root of their area."""
THREAD_CELLS: Final = 2
"""What is thinner than twice as many cells, and reaches out by more than one, is cut off."""


def tidy_mask(mask: Crop, bone: str, counters: Counter[str]) -> Crop:
    """Keep a bone's largest component and what may belong to it, fill small holes, cut off a carpal's threads.

    Args:
        mask: (h, w) uint8, 0 or 1, the bone inside its box.
        bone: its name.
        counters: what was done is counted here.

    Returns:
        The same array when nothing was to be done, else a new one.
    """
    if bone in HAND_BONES:
        mask = _without_threads(mask, counters)
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if len(contours) < 2:
        return mask
    parents = tree[0, :, 3]
    outer = np.flatnonzero(parents < 0).tolist()
    areas = np.array([_area(contours[index]) for index in outer])
    kept = [outer[place] for place in _kept([contours[index] for index in outer], areas, bone)]
    if len(kept) < len(outer):
        counters["component_removed"] += len(outer) - len(kept)
        body = np.zeros_like(mask)
        for index in kept:
            cv2.drawContours(body, contours, index, 1, cv2.FILLED)
        mask = mask & body
    for index, parent in enumerate(parents.tolist()):
        # A hole's contour runs over the pixels around it.
        if parent in kept and cv2.contourArea(contours[index]) <= SMALL_HOLE * areas.max():
            mask = mask.copy()
            cv2.drawContours(mask, contours, index, 1, cv2.FILLED)
            counters["hole_filled"] += 1
    return mask


def _without_threads(mask: Crop, counters: Counter[str]) -> Crop:
    """Without what is joined to the largest part by less than some width, or reaches out from it as thinly."""
    step = max(1, round(THREAD_CELL * float(np.sqrt(cv2.countNonZero(mask)))))
    reach = THREAD_CELLS + 1
    left, top, width, height = cv2.boundingRect(mask)
    tight = mask[top : top + height, left : left + width]
    sampled = tight[step // 2 :: step, step // 2 :: step]
    cells = np.zeros((sampled.shape[0] + 2 * reach, sampled.shape[1] + 2 * reach), dtype=np.uint8)
    cells[reach:-reach, reach:-reach] = sampled
    core = cv2.erode(cells, _disc(THREAD_CELLS), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contours, _ = cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return mask
    largest = np.zeros_like(cells)
    cv2.drawContours(largest, contours, max(range(len(contours)), key=lambda one: _area(contours[one])), 1, cv2.FILLED)
    body = cv2.dilate(largest, _disc(reach))
    if not (cells > body).any():
        return mask
    rows, columns = (np.arange(side) // step + reach for side in tight.shape)
    counters["thread_cut"] += 1
    mask = mask.copy()
    mask[top : top + height, left : left + width] &= body[
        np.minimum(rows, body.shape[0] - 1)[:, None], np.minimum(columns, body.shape[1] - 1)
    ]
    return mask


def _disc(radius: int) -> Crop:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def _area(contour: Contour) -> float:
    """Pixels inside an outer border, the border included."""
    return float(cv2.contourArea(contour)) + len(contour) / 2.0 + 1.0


def _kept(components: list[Contour], areas: NDArray[np.float64], bone: str) -> list[int]:
    """Which components belong to the bone, by their outer borders."""
    main = int(areas.argmax())
    side = float(np.sqrt(areas[main]))
    kept = [main]
    for index, area in enumerate((areas / areas[main]).tolist()):
        limit = NEAR if area >= LARGE else 0.0
        if bone == SESAMOID_BONE and SESAMOID_AREA[0] <= area <= SESAMOID_AREA[1]:
            limit = TOUCHING
        if index != main and limit > 0.0 and _gap_px(components[main], components[index]) <= max(limit * side, 2.0):
            kept.append(index)
    return kept


def _gap_px(first: Contour, second: Contour) -> float:
    """Least distance between the border pixels of two components; of long borders not every pixel is looked at."""
    a, b = (contour[:: max(1, len(contour) // MOST_POINTS), 0].astype(np.float32) for contour in (first, second))
    return float(np.hypot(a[:, None, 0] - b[:, 0], a[:, None, 1] - b[:, 1]).min())
