"""A second, random renderer: a hand drawn anew from its outlines alone, each bone a little moved.

What it draws is no radiograph, on purpose: bones as smooth humps with or without a bright rim, added where they
overlap, in soft tissue without detail. A network that also learns from such images relies on outlines and places rather
than on one renderer's texture, and meets anatomies that the other renderer does not draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle import ImageSize

Outline = tuple[int, NDArray[np.float64]]
Plane = NDArray[np.float32]

MOST_SHIFT: Final = 0.008
"""Spread of a bone's own displacement, as part of the input's height."""


@dataclass(frozen=True, slots=True)
class _Style:
    """One image's rendering.

    Attributes:
        tissue, bone: attenuation of soft tissue and of a bone's middle.
        rim: brightness of a bone's rim against its middle.
        rim_px: its width.
        hump: 0 flat to 1 round.
        grain: strength of the texture inside bones.
        floor: grey of the background.
        gain: from attenuation to grey.
    """

    tissue: float
    bone: float
    rim: float
    rim_px: float
    hump: float
    grain: float
    floor: float
    gain: float


def restyled(
    outlines: Sequence[Outline], size: ImageSize, chance: np.random.Generator
) -> tuple[list[Outline], NDArray[np.uint8]]:
    """Draw a hand anew.

    Args:
        outlines: (class_id, (P, 2) input coordinates) of each bone.
        size: of the input.
        chance: the source of chance.

    Returns:
        (outlines, grey): the outlines as drawn, and the (h, w) uint8 image.
    """
    moved = [(class_id, _jostled(points, size, chance)) for class_id, points in outlines]
    style = _Style(
        tissue=float(chance.uniform(0.05, 0.6)),
        bone=float(chance.uniform(0.25, 1.1)),
        rim=float(chance.uniform(0.0, 1.3)),
        rim_px=float(chance.uniform(0.8, 0.8 + 0.011 * size.height)),
        hump=float(chance.uniform(0.2, 1.0)),
        grain=float(chance.uniform(0.0, 0.25)),
        floor=float(chance.uniform(0.0, 0.12)),
        gain=float(chance.uniform(0.5, 1.3)),
    )
    attenuation = _tissue([points for _, points in moved], size, style, chance)
    for _, points in moved:
        _add_bone(attenuation, points, style, chance)
    grey = style.floor + (1.0 - style.floor) * (1.0 - np.exp(-style.gain * attenuation))
    return moved, np.asarray(np.clip(grey * 255.0, 0.0, 255.0) + 0.5).astype(np.uint8)


def _jostled(points: NDArray[np.float64], size: ImageSize, chance: np.random.Generator) -> NDArray[np.float64]:
    """A bone moved, turned and stretched a little about its own middle."""
    extent = float(np.ptp(points, axis=0).max())
    middle = points.mean(axis=0)
    angle = chance.normal(0.0, np.deg2rad(4.0))
    stretch = np.exp(chance.normal(0.0, 0.05, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = chance.normal(0.0, min(MOST_SHIFT * size.height, 0.06 * extent), 2)
    return np.asarray((points - middle) @ (turn * stretch).T + middle + shift)


def _tissue(outlines: list[NDArray[np.float64]], size: ImageSize, style: _Style, chance: np.random.Generator) -> Plane:
    """Soft tissue around all bones, thickest in the middle."""
    bones = np.zeros((size.height, size.width), dtype=np.uint8)
    for points in outlines:
        cv2.fillPoly(bones, [np.floor(points).astype(np.int32).reshape(-1, 1, 2)], 1)
    reach = float(chance.uniform(0.015, 0.04)) * size.height
    away = cv2.distanceTransform(1 - bones, cv2.DIST_L2, 3)
    inside = (away < reach).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    thick = np.sqrt(np.clip(depth / (0.08 * size.height), 0.0, 1.0))
    soft = cv2.GaussianBlur(np.asarray(thick, dtype=np.float32), (0, 0), 0.004 * size.height + 0.3)
    return np.asarray(style.tissue * soft, dtype=np.float32)


def _add_bone(attenuation: Plane, points: NDArray[np.float64], style: _Style, chance: np.random.Generator) -> None:
    """Add one bone's hump, rim and grain to the attenuation, in place."""
    height, width = attenuation.shape
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - 2, 0, [width, height])
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + 2, 0, [width, height])
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    own_gain = float(np.exp(chance.normal(0.0, 0.2)))
    if right - left < 3 or bottom - top < 3:
        return
    fine = np.zeros(((bottom - top) * 2, (right - left) * 2), dtype=np.uint8)
    cv2.fillPoly(fine, [np.floor((points - low) * 2.0).astype(np.int32).reshape(-1, 1, 2)], 255)
    padded = cv2.copyMakeBorder(fine, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] / 2.0
    deepest = float(depth.max())
    if deepest <= 0.0:
        return
    hump = 1.0 - style.hump * (1.0 - np.clip(depth / deepest, 0.0, 1.0)) ** 2
    rim = style.rim * np.exp(-(((depth - style.rim_px / 2.0) / style.rim_px) ** 2))
    profile = np.where(fine > 0, hump + rim, 0.0).astype(np.float32)
    cover = np.asarray(
        cv2.resize(profile, (right - left, bottom - top), interpolation=cv2.INTER_AREA), dtype=np.float32
    )
    if style.grain > 0.02:
        grain = cv2.GaussianBlur(chance.standard_normal(cover.shape, dtype=np.float32), (0, 0), 1.0)
        cover = cover * (1.0 + 2.0 * style.grain * np.asarray(grain, dtype=np.float32))
    attenuation[top:bottom, left:right] += np.float32(style.bone * own_gain) * cover
