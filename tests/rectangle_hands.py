"""Hands of 29 rectangles: every measure of them is known without measuring."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import BONES
from yolo_bones.polygons import trace_mask
from yolo_bones.rle import ImageSize, RunLengthMasks, encode, masks_to_row_texts
from yolo_bones.rle_table import write_rle_table

SIZE = ImageSize(560, 500)
ORIGIN_XY = (250.0, 280.0)
UNIT_PX = 90.0


def rectangle(
    centre_xy: Iterable[float], along_xy: Iterable[float], length: float, width: float, size: ImageSize = SIZE
) -> NDArray[np.bool_]:
    """(H, W) pixels whose centre lies in a turned rectangle, borders excluded on one side."""
    along = np.array(list(along_xy), dtype=np.float64)
    along /= np.hypot(*along)
    rows, columns = np.mgrid[: size.height, : size.width]
    x, y = list(centre_xy)
    forward = (columns - x) * along[0] + (rows - y) * along[1]
    sideways = (rows - y) * along[0] - (columns - x) * along[1]
    return np.asarray((np.abs(forward) < length / 2) & (np.abs(sideways) < width / 2))


def hand_axes(tilt_deg: float, thumb_left: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors (thumbward, distalward) in the image for a hand whose fingertips lean to the right by `tilt_deg`."""
    tilt = np.deg2rad(tilt_deg)
    distalward = np.array([np.sin(tilt), -np.cos(tilt)])
    rightward = np.array([np.cos(tilt), np.sin(tilt)])
    return -rightward if thumb_left else rightward, distalward


def hand_planes(tilt_deg: float = 0.0, thumb_left: bool = True, unit_px: float = UNIT_PX) -> NDArray[np.bool_]:
    """(29, H, W): each bone a rectangle of its typical length, width, place and angle."""
    thumbward, distalward = hand_axes(tilt_deg, thumb_left)
    planes = []
    for bone in BONES:
        typical, angle = TYPICAL[bone], np.deg2rad(TYPICAL[bone].angle_deg)
        centre = np.array(ORIGIN_XY) + unit_px * (typical.thumbward * thumbward + typical.distalward * distalward)
        along = np.sin(angle) * thumbward + np.cos(angle) * distalward
        planes.append(rectangle(centre, along, typical.length * unit_px, typical.width * unit_px))
    return np.array(planes)


def hand_masks(tilt_deg: float = 0.0, thumb_left: bool = True, unit_px: float = UNIT_PX) -> RunLengthMasks:
    """The same as 29 channels."""
    return encode(hand_planes(tilt_deg, thumb_left, unit_px))


def write_hands(
    folder: Path, hands: dict[str, NDArray[np.bool_]], split: str = "train", with_runs: bool = True
) -> None:
    """Write image name -> planes in the real layout, one patient a hand; bones are grey 100 on 20."""
    texts = []
    for number, (name, planes) in enumerate(hands.items(), start=1):
        patient = f"ID{number:03d}"
        pixels = np.where(planes.any(axis=0), 100, 20).astype(np.uint8)
        image = folder / split / "DCM" / patient / name
        drawn = folder / split / "outputs_json" / patient / f"{image.stem}.json"
        for path in (image, drawn):
            path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(image), pixels)
        outlines = [
            {"label": bone, "points": trace_mask(plane, 0, 0).tolist()}
            for bone, plane in zip(BONES, planes, strict=True)
            if plane.any()
        ]
        drawn.write_text(json.dumps({"annotations": outlines}), encoding="utf-8")
        texts.append((name, [text.decode("ascii") for text in masks_to_row_texts(encode(planes))]))
    if with_runs:
        write_rle_table(folder / f"{split}_truth.csv", texts)
