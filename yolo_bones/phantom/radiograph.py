"""From path lengths to the grey levels of a radiograph.

Levels follow the measured ones of real hand radiographs: background 13, soft tissue 37 beside the fingers to 100 beside
the forearm, bone 83 (distal phalanges) to 157 (radius), a dark line of edge enhancement outside each outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, DIGITS, HAND_BONES
from yolo_bones.phantom.framing import REFERENCE_SIZE, Frame
from yolo_bones.phantom.projection import Shadow, cast_shadow
from yolo_bones.phantom.skeleton import PosedBone

Plane = NDArray[np.float32]

CORTEX_PER_UNIT: Final = 1080.0
MARROW_PER_UNIT: Final = 190.0
SOFT_PER_UNIT: Final = 150.0
"""Grey levels before saturation for one third metacarpal's length of material."""
SATURATION: Final = 330.0
FINGER_MARGIN: Final = 0.056
PALM_MARGIN: Final = 0.10
FOREARM_MARGIN: Final = 0.20
THICKNESS: Final = {"finger": 0.20, "metacarpal": 0.38, "carpal": 0.60, "forearm": 0.80}


@dataclass(frozen=True, slots=True)
class Exposure:
    """Everything about one exposure that is not anatomy; levels are 8-bit greys, lengths pixels at 2048."""

    gain: float
    soft: float
    gamma: float
    background: float
    slope_xy: tuple[float, float]
    blur_px: float
    enhancement: float
    noise: float
    texture: float
    white_left_px: int
    white_top_px: int
    marker: str
    marker_xy: tuple[float, float]
    ring_on: str


def draw_exposure(rng: np.random.Generator, spread: float = 1.0) -> Exposure:
    """Draw one exposure; `spread` scales every deviation from the typical one."""

    def around(mean: float, sd: float) -> float:
        return float(mean * np.exp(spread * sd * rng.standard_normal()))

    has_band, has_ring = rng.random() < 0.12, rng.random() < 0.05
    bands = (rng.random(2) < 0.6) * rng.integers(8, 120, 2) if has_band else (0, 0)
    fingers = [bones[-2] for digit, bones in DIGITS.items() if digit != "thumb"]
    return Exposure(
        gain=around(1.0, 0.10),
        soft=around(1.0, 0.16),
        gamma=around(1.0, 0.08),
        background=around(13.0, 0.22),
        slope_xy=(float(spread * 3.0 * rng.standard_normal()), float(spread * 3.0 * rng.standard_normal())),
        blur_px=around(1.7, 0.18),
        enhancement=around(0.55, 0.35),
        noise=around(2.2, 0.25),
        texture=around(0.16, 0.30),
        white_left_px=int(bands[0]),
        white_top_px=int(bands[1]),
        marker=str(rng.choice(["", "R", "L"])),
        marker_xy=(float(rng.uniform(0.03, 0.85)), float(rng.uniform(0.05, 0.95))),
        ring_on=str(rng.choice(fingers)) if has_ring else "",
    )


def render(
    bones: list[PosedBone], frame: Frame, exposure: Exposure, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Shadow | None]]:
    """Expose posed bones.

    Returns:
        The image, (height, width) uint8, and each bone's shadow in channel order (None where nothing is in the frame).
    """
    shape = (frame.height, frame.width)
    factor = frame.height / REFERENCE_SIZE
    grain = _grain(rng, shape, factor)
    level = _soft_tissue(bones, frame) * (SOFT_PER_UNIT * exposure.soft)
    shadows: list[Shadow | None] = []
    for bone in bones:
        outer = cast_shadow(frame.surface_to_pixels(bone.outer), *shape)
        shadows.append(outer)
        if outer is None:
            continue
        level[outer.window] += CORTEX_PER_UNIT * bone.mineral * outer.length
        marrow = cast_shadow(frame.surface_to_pixels(bone.marrow), *shape)
        if marrow is not None:
            spongy = MARROW_PER_UNIT * (1.0 + exposure.texture * grain[marrow.window])
            level[marrow.window] += (spongy - CORTEX_PER_UNIT) * bone.mineral * marrow.length
    if exposure.ring_on:
        _put_on_ring(level, next(bone for bone in bones if bone.name == exposure.ring_on), frame)
    level *= exposure.gain
    image = SATURATION * (1.0 - np.exp(-level / SATURATION))
    image = 255.0 * np.power(np.clip(image / 255.0, 0.0, 1.0), exposure.gamma)
    image = _through_detector(image.astype(np.float32), exposure, factor, rng)
    return _on_film(image, exposure, factor), shadows


def _soft_tissue(bones: list[PosedBone], frame: Frame) -> Plane:
    """Thickness of soft tissue along each ray, in units of the third metacarpal, rounded off towards its edge."""
    step = max(1, round(frame.height / 512))
    height, width = -(-frame.height // step), -(-frame.width // step)
    unit = frame.unit_px / step
    mask = np.zeros((height, width), np.uint8)
    thickness = np.zeros((height, width), np.float32)
    palm: list[NDArray[np.float32]] = []
    forearm: list[NDArray[np.float32]] = []
    for bone in bones:
        points = (frame.to_pixels(bone.axis)[:, :2] / step).astype(np.float32)
        if bone.name in ARM_BONES:
            forearm.append(points)
        elif bone.name in HAND_BONES or _is_metacarpal(bone.name):
            palm.append(points)
        else:
            radius = max(1, round((FINGER_MARGIN + 0.85 * bone.girth) * unit))
            line = np.round(points).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(mask, [line], False, 255, 2 * radius, cv2.LINE_AA)
    _fill_hull(mask, np.concatenate(palm), PALM_MARGIN * unit)
    _fill_hull(mask, np.concatenate(forearm), FOREARM_MARGIN * unit)
    for bone in bones:
        points = np.round(frame.to_pixels(bone.axis)[:, :2] / step).astype(np.int32)
        region = "forearm" if bone.name in ARM_BONES else "carpal" if bone.name in HAND_BONES else "finger"
        region = "metacarpal" if _is_metacarpal(bone.name) else region
        width_px = max(1, round(2 * (bone.girth + 0.15) * unit))
        plane = np.zeros_like(mask)
        cv2.polylines(plane, [points.reshape(-1, 1, 2)], False, 255, width_px)
        thickness = np.maximum(thickness, np.where(plane > 0, THICKNESS[region], 0.0).astype(np.float32))
    thickness = cv2.GaussianBlur(thickness, (0, 0), 0.14 * unit) + 0.02
    smooth = cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), 0.03 * unit) > 0.5
    padded = cv2.copyMakeBorder(smooth.astype(np.uint8), 0, 60, 0, 0, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[:height] / unit
    rounded = np.sqrt(1.0 - (1.0 - np.clip(depth / np.maximum(0.45 * thickness, 0.05), 0.0, 1.0)) ** 2)
    small = (thickness * rounded).astype(np.float32)
    whole = cv2.resize(small, (width * step, height * step), interpolation=cv2.INTER_LINEAR)
    return np.array(whole[: frame.height, : frame.width], dtype=np.float32)


def _is_metacarpal(name: str) -> bool:
    return any(name == bones[-1] for bones in DIGITS.values())


def _fill_hull(mask: NDArray[np.uint8], points: NDArray[np.float32], margin_px: float) -> None:
    hull = np.round(cv2.convexHull(points)).astype(np.int32)
    cv2.fillPoly(mask, [hull], 255)
    cv2.polylines(mask, [hull], True, 255, max(1, round(2 * margin_px)))


def _grain(rng: np.random.Generator, shape: tuple[int, int], factor: float) -> Plane:
    """Trabecular texture: noise of two grain sizes, mean 0, standard deviation near 1."""
    total = np.zeros(shape, np.float32)
    for grain_px, weight in ((4.0, 0.7), (11.0, 0.7)):
        cell = max(1.0, grain_px * factor)
        rows, columns = int(shape[0] / cell) + 2, int(shape[1] / cell) + 2
        coarse = rng.standard_normal((rows, columns), dtype=np.float32)
        total += weight * cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return total


def _put_on_ring(level: Plane, bone: PosedBone, frame: Frame) -> None:
    points = frame.to_pixels(bone.axis)[:, :2]
    centre, along = points[5], points[7] - points[3]
    across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    half = (bone.girth + 0.07) * frame.unit_px
    ends = np.round(np.stack([centre - half * across, centre + half * across])).astype(np.int32)
    plane = np.zeros(level.shape, np.uint8)
    cv2.line(plane, ends[0].tolist(), ends[1].tolist(), 255, max(2, round(0.05 * frame.unit_px)))
    level[plane > 0] += 900.0


def _through_detector(image: Plane, exposure: Exposure, factor: float, rng: np.random.Generator) -> Plane:
    """Background, blur, edge enhancement and noise."""
    height, width = image.shape
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    image = image + exposure.background + exposure.slope_xy[0] * across + exposure.slope_xy[1] * down
    blurred = cv2.GaussianBlur(image, (0, 0), max(0.4, exposure.blur_px * factor))
    wide = cv2.GaussianBlur(blurred, (0, 0), max(0.8, 7.0 * factor))
    enhanced = blurred + exposure.enhancement * (blurred - wide)
    noise = rng.standard_normal((height, width), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6) * 2.0
    amount = exposure.noise * np.sqrt(0.35 + enhanced.clip(0.0) / 120.0)
    return np.asarray(enhanced + amount * noise, dtype=np.float32)


def _on_film(image: Plane, exposure: Exposure, factor: float) -> NDArray[np.uint8]:
    """Markers, white bands and 8-bit levels."""
    height, width = image.shape
    film = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if exposure.marker:
        place = (round(exposure.marker_xy[0] * width), round(exposure.marker_xy[1] * height))
        stroke = max(1, round(9 * factor))
        cv2.putText(film, exposure.marker, place, cv2.FONT_HERSHEY_SIMPLEX, 4.0 * factor, 235, stroke, cv2.LINE_AA)
    film[:, : round(exposure.white_left_px * factor)] = 250
    film[: round(exposure.white_top_px * factor)] = 250
    return film
