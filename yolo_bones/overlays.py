"""Pictures of masks over a radiograph, in which overlapping bones are both visible."""

from __future__ import annotations

import colorsys
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.rle import RunLengthMasks, decode

FILL: Final = 0.28
BGR = tuple[int, int, int]


def bone_colours() -> list[BGR]:
    """29 colours, neighbours in the channel order far apart in hue."""
    colours = []
    for class_id in range(BONE_COUNT):
        hue = (class_id * 0.381966) % 1.0
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75 if class_id % 2 else 0.95, 1.0)
        colours.append((round(255 * blue), round(255 * green), round(255 * red)))
    return colours


def draw_overlay(grey: NDArray[np.uint8], channels: RunLengthMasks, longest_px: int = 1024) -> NDArray[np.uint8]:
    """Tint each bone and draw its outline on top of all tints, so that an overlap shows both colours and both outlines.

    Args:
        grey: (H, W) uint8.
        channels: 29 masks of that size.
        longest_px: side of the picture; the native size when it is smaller.

    Returns:
        (h, w, 3) uint8 BGR.
    """
    if channels.size.height != grey.shape[0] or channels.size.width != grey.shape[1]:
        raise ValueError(f"expected masks of {grey.shape[0]}x{grey.shape[1]}, got {channels.size}")
    factor = min(1.0, longest_px / max(grey.shape))
    width, height = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    canvas = cv2.cvtColor(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    picture = canvas.astype(np.float32)
    outlines: list[tuple[BGR, list[NDArray[np.int32]]]] = []
    for index, colour in zip(range(len(channels)), bone_colours(), strict=True):
        if channels.offsets[index] == channels.offsets[index + 1]:
            continue
        cover = decode(channels[index])[0].astype(np.float32)
        share = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
        picture += (FILL * share)[..., None] * (np.array(colour, dtype=np.float32) - picture)
        found, _ = cv2.findContours((share >= 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outlines.append((colour, [np.asarray(outline, dtype=np.int32) for outline in found]))
    drawn = np.rint(picture).astype(np.uint8)
    for colour, contours in outlines:
        cv2.drawContours(drawn, contours, -1, colour, 1, cv2.LINE_AA)
    return drawn
