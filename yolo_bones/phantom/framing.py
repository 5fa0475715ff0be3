"""From hand coordinates to image pixels: side, tilt, scale and place of the hand in the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import THIRD_METACARPAL_LENGTH_2048_PX
from yolo_bones.bones import ARM_BONES
from yolo_bones.phantom.growth import Patient
from yolo_bones.phantom.pose import Pose, turn_in_plane
from yolo_bones.phantom.skeleton import PosedBone
from yolo_bones.phantom.surface import Surface

REFERENCE_SIZE = 2048
MARGIN_2048_PX = 25.0
CAPITATE_X_2048_PX: Final = (1005.0, 50.0)
CAPITATE_Y_2048_PX: Final = {"straight": (1415.0, 50.0), "bent": (1275.0, 50.0)}
"""Mean and standard deviation of the capitate's place; with a bent wrist more of the forearm is in the frame."""
BENT_FROM_DEG: Final = 20.0


@dataclass(frozen=True, slots=True)
class Frame:
    """How a hand is laid out in an image.

    Attributes:
        height, width: size of the image in pixels.
        unit_px: pixels per third metacarpal.
        thumb_left: whether the thumb points to the left edge.
        turn_deg: rotation of the hand; a bent wrist turns the hand while the forearm stays upright.
        origin_xy: pixel of the capitate's centroid.
    """

    height: int
    width: int
    unit_px: float
    thumb_left: bool
    turn_deg: float
    origin_xy: tuple[float, float]

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (N, 3) hand coordinates to (x, y, depth): pixels, pixels, units of the third metacarpal."""
        in_plane = points[:, :2] @ turn_in_plane(self.turn_deg)[:2, :2].T
        side = -1.0 if self.thumb_left else 1.0
        x = self.origin_xy[0] + side * self.unit_px * in_plane[:, 0]
        y = self.origin_xy[1] - self.unit_px * in_plane[:, 1]
        return np.column_stack([x, y, points[:, 2]])

    def surface_to_pixels(self, surface: Surface) -> Surface:
        """The same surface in image coordinates."""
        return Surface(self.to_pixels(surface.vertices), surface.triangles)


def draw_frame(
    rng: np.random.Generator,
    patient: Patient,
    pose: Pose,
    bones: list[PosedBone],
    size: tuple[int, int],
    thumb_left: bool,
) -> Frame:
    """Place a posed hand in an image of `size` (height, width) so that no finger or carpal bone is cut."""
    height, width = size
    factor = height / REFERENCE_SIZE
    unit_px = THIRD_METACARPAL_LENGTH_2048_PX[0] * patient.scale * factor
    turn = -(pose.deviation + pose.forearm_tilt)
    mean_y, deviation_y = CAPITATE_Y_2048_PX["bent" if pose.deviation > BENT_FROM_DEG else "straight"]
    chance = patient.spread * rng.standard_normal(2)
    x = (CAPITATE_X_2048_PX[0] - REFERENCE_SIZE / 2 + CAPITATE_X_2048_PX[1] * chance[0]) * factor + width / 2
    y = (mean_y + deviation_y * chance[1]) * factor
    frame = Frame(height, width, unit_px, thumb_left, float(turn), (float(x), float(y)))
    return _moved_inside(frame, bones, MARGIN_2048_PX * factor)


def _moved_inside(frame: Frame, bones: list[PosedBone], margin: float) -> Frame:
    points = np.concatenate([bone.outer.vertices for bone in bones if bone.name not in ARM_BONES])
    pixels = frame.to_pixels(points)[:, :2]
    low, high = pixels.min(axis=0) - margin, pixels.max(axis=0) + margin
    limit = np.array([frame.width, frame.height])
    extent = high - low
    shrink = float(min(1.0, (limit / extent).min()))
    origin = np.array(frame.origin_xy)
    low, high = origin + (low - origin) * shrink, origin + (high - origin) * shrink
    shift = np.maximum(-low, 0.0) - np.maximum(high - limit, 0.0)
    x, y = origin + shift
    unit_px = frame.unit_px * shrink
    return Frame(frame.height, frame.width, unit_px, frame.thumb_left, frame.turn_deg, (float(x), float(y)))
