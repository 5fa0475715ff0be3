"""A radiograph with the lines its measures were taken along, for a person to judge whether they lie right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import THIRD_METACARPAL
from yolo_bones.bone_measurements import MID_SHAFT, MeasuredHand
from yolo_bones.overlays import BGR, bone_colours
from yolo_bones.rle import RunLengthMasks
from yolo_bones.sub_pixel_outlines import Points, trace_outlines

LENGTH: Final[BGR] = (255, 220, 120)
WIDTH: Final[BGR] = (120, 230, 120)
GAP: Final[BGR] = (80, 220, 255)
OVERLAP: Final[BGR] = (110, 110, 255)
WRIST: Final[BGR] = (255, 120, 255)
SUB_PIXEL_BITS: Final = 4
FACING_SHOWN: Final = 4
"""Every so many of the lines across a joint are drawn."""
FOREARM_DRAWN: Final = 0.9
"""Length of the radius's axis on the picture, in lengths of the third metacarpal."""


def draw_measures(
    grey: NDArray[np.uint8], masks: RunLengthMasks, hand: MeasuredHand, longest_px: int = 1600
) -> NDArray[np.uint8]:
    """Draw outlines, lengths, widths, joint spaces and the wrist's lines.

    Args:
        grey: (H, W) uint8.
        masks: its 29 channels.
        hand: what was measured of them.
        longest_px: longer side of the picture, smaller or larger than the image.

    Returns:
        (h, w, 3) uint8 BGR: lengths light blue, widths green, joint spaces yellow where the bones are apart and red
        where they overlap, the wrist's lines pink.
    """
    factor = longest_px / max(grey.shape)
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.cvtColor(cv2.resize(grey, size, interpolation=how), cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    scale = np.array([size[0] / grey.shape[1], size[1] / grey.shape[0]])

    def line(points: Points, colour: BGR, *, thick: int = 1, is_closed: bool = False) -> None:
        fixed = np.rint(((points + 0.5) * scale - 0.5) * (1 << SUB_PIXEL_BITS)).astype(np.int32)
        cv2.polylines(picture, [fixed.reshape(-1, 1, 2)], is_closed, colour, thick, cv2.LINE_AA, SUB_PIXEL_BITS)

    for outline, colour in zip(trace_outlines(masks), bone_colours(), strict=True):
        if outline is not None:
            dim = (int(0.75 * colour[0]), int(0.75 * colour[1]), int(0.75 * colour[2]))
            line(outline.points, dim, is_closed=True)
    for space in hand.spaces.values():
        for segment in space.lines[::FACING_SHOWN]:
            line(segment, GAP if space.mean_px > 0.0 else OVERLAP)
        line(space.least_segment, GAP if space.least_px > 0.0 else OVERLAP, thick=3)
    for (name, bone), extent in hand.extents.items():
        if bone:
            line(extent.segment, LENGTH if name == "length" else WIDTH, thick=2 if name == MID_SHAFT else 1)
    _draw_wrist(hand, line)
    return picture


def _draw_wrist(hand: MeasuredHand, line: Callable[..., None]) -> None:
    for name in ("carpal_height", "ulnar_variance"):
        if (name, "") in hand.extents:
            line(hand.extents[name, ""].segment, WRIST, thick=2)
    unit = hand.value("length", THIRD_METACARPAL)
    if "Radius" in hand.axes and ("width", "Radius") in hand.extents and unit is not None:
        axis = hand.axes["Radius"]
        end = float(axis.along(hand.extents["width", "Radius"].segment).mean())
        line(np.stack([axis.at(end - FOREARM_DRAWN * unit), axis.at(end)]), WRIST)
