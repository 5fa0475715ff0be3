"""What a page says of every image, read from its masks: size, wrist, side, and how far the hand leans."""

from __future__ import annotations

from typing import Final

from yolo_bones.annotated_hand import BENT, BENT_FROM_DEG, STRAIGHT, UNKNOWN, believed_fit
from yolo_bones.bones import BONES
from yolo_bones.hand_measures import mask_to_pixels
from yolo_bones.rle import RunLengthMasks

WRIST: Final = "wrist"
HAND_FACTS: Final = (WRIST, "side", "tilt", "size")
"""Names of facts that every page has."""


def hand_facts(masks: RunLengthMasks) -> dict[str, str]:
    """Name of a fact -> text: the size, the wrist by the limit of `images.csv`, the thumb's side, the tilt in degrees.

    Args:
        masks: 29 channels; where too few of them make a hand, wrist and side are `unknown` and there is no tilt.
    """
    fit = believed_fit(
        {bone: mask_to_pixels(mask).mean(axis=0) for bone, mask in zip(BONES, masks, strict=True) if len(mask.starts)}
    )
    size = f"{masks.size.width} x {masks.size.height}"
    if fit is None:
        return {WRIST: UNKNOWN, "side": UNKNOWN, "size": size}
    tilt = fit.frame.tilt_deg
    return {
        WRIST: BENT if abs(tilt) > BENT_FROM_DEG else STRAIGHT,
        "side": "thumb-left" if fit.frame.thumb_left else "thumb-right",
        "tilt": f"{tilt:+.1f}°",
        "size": size,
    }
