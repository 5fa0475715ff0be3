"""From shadows to truth: one exact mask for each of the 29 bones, held as the outline that fills to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.phantom.projection import Shadow
from yolo_bones.polygons import IntegerPoints, fill_polygon, trace_mask
from yolo_bones.rle import ImageSize, Mask, empty_masks, encode_crop, masks_to_row_texts, stack

SESAMOIDS_OF: Final = "finger-3"
"""The bone that the thumb's sesamoids are drawn with, where they touch it."""


def truth_outlines(names: Sequence[str], shadows: Sequence[Shadow | None]) -> dict[str, IntegerPoints]:
    """Outline of each bone's truth mask.

    A mask is what fills the outer border of the shadow's largest part, as a person's polygon would. A shadow whose name
    is none of the 29 bones is a sesamoid: it joins the thumb's metacarpal where it touches or overlaps it, and is left
    out where it stands apart.

    Args:
        names: of the posed bones, sesamoids among them.
        shadows: of the same bones; None where nothing is in the frame.

    Returns:
        Bone -> (P, 2) int32 (x, y), in channel order, without bones outside the frame.
    """
    cast = [(name, shadow) for name, shadow in zip(names, shadows, strict=True) if shadow is not None]
    extras = [shadow for name, shadow in cast if name not in CLASS_IDS]
    by_bone = {name: shadow for name, shadow in cast if name in CLASS_IDS}
    return {bone: _outline(by_bone[bone], extras if bone == SESAMOIDS_OF else []) for bone in BONES if bone in by_bone}


def _outline(shadow: Shadow, extras: list[Shadow]) -> IntegerPoints:
    if not extras:
        return trace_mask(shadow.covered, shadow.top, shadow.left)
    windows = [part.window for part in (shadow, *extras)]
    top, left = (min(window[axis].start for window in windows) for axis in (0, 1))
    bottom, right = (max(window[axis].stop for window in windows) for axis in (0, 1))

    def plane(part: Shadow) -> Mask:
        filled = np.zeros((bottom - top, right - left), np.bool_)
        rows, columns = part.window
        filled[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = part.covered
        return filled

    joined = plane(shadow)
    around = cv2.dilate(joined.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for extra in extras:
        sesamoid = plane(extra)
        if (sesamoid & around).any():
            joined |= sesamoid
    return trace_mask(joined, top, left)


def truth_texts(outlines: dict[str, IntegerPoints], size: ImageSize) -> list[str]:
    """The 29 truth masks of an image as submission text, in channel order."""
    masks = []
    for bone in BONES:
        points = outlines.get(bone)
        masks.append(empty_masks(size) if points is None else encode_crop(*fill_polygon(points, size), size))
    return [text.decode("ascii") for text in masks_to_row_texts(stack(size, masks))]
