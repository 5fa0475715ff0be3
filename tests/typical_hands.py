"""Hands made of the built-in outlines at their usual places: quick, without a radiograph, each a little different."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.annotations import DrawnOutline
from yolo_bones.audit.norms import DrawnImage
from yolo_bones.bone_shapes import PLACE
from yolo_bones.bones import BONES
from yolo_bones.hand_model import built_in_hand
from yolo_bones.outline_model import built_in_outlines
from yolo_bones.rle import ImageSize

SIZE = ImageSize(1300, 1000)


def frame(thumb_left: bool = True, tilt_deg: float = 0.0, unit_px: float = 260.0) -> HandFrame:
    """A hand in the middle of the image; positive tilts lean the fingertips to the right."""
    tilt = np.deg2rad(tilt_deg)
    up = np.array([np.sin(tilt), -np.cos(tilt)])
    side = np.array([np.cos(tilt), np.sin(tilt)]) * (-1.0 if thumb_left else 1.0)
    return HandFrame(np.array([500.0, 870.0]), side, up, unit_px)


def outlines(where: HandFrame, rng: np.random.Generator, jitter: float = 0.004) -> dict[str, NDArray[np.int32]]:
    """Bone -> (96, 2) pixels: every bone a little moved, turned and scaled."""
    found = {}
    for class_id, model in enumerate(built_in_outlines()):
        angle = model.pose[0] + 0.03 * rng.standard_normal()
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shape = (model.points * np.exp(model.pose[1:] + 0.03 * rng.standard_normal())) @ turn.T
        place = built_in_hand().mean[class_id, PLACE] + jitter * rng.standard_normal(2)
        found[BONES[class_id]] = np.rint(where.to_image(shape + place)).astype(np.int32)
    return found


def image(drawn: dict[str, NDArray[np.int32]], name: str = "a.png", patient: str = "ID001") -> DrawnImage:
    """Outlines as an annotated image; the order in the file is not the channels'."""
    listed = sorted(drawn.items(), key=lambda one: one[0][::-1])
    return DrawnImage(
        name, patient, SIZE, tuple(DrawnOutline(i, bone, points) for i, (bone, points) in enumerate(listed))
    )


def hands(count: int, seed: int = 0) -> list[DrawnImage]:
    """Images of two hands a patient, the wrists of every third patient bent."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        patient, hand = divmod(number, 2)
        tilt = float(rng.normal(0.0, 3.0)) + (35.0 if patient % 3 == 2 else 0.0) * (1 - 2 * hand)
        where = frame(hand == 0, tilt, float(rng.uniform(240.0, 280.0)))
        found.append(image(outlines(where, rng), f"image{number}.png", f"ID{patient + 1:03d}"))
    return found
