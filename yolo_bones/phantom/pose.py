"""How one hand lies on the detector: wrist, fingers, thumb, forearm and tilt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import DIGITS, HAND_BONES

BENT_DEVIATION_DEG: Final = (40.5, 5.0)
STRAIGHT_DEVIATION_DEG: Final = (0.5, 4.4)
"""Ulnar deviation of the wrist, mean and standard deviation: bent and straight wrists are two groups, not one."""
MEAN_DEVIATION_DEG: Final = 23.5
"""Mean ulnar deviation of the wrists that the atlas's places were measured on."""
FINGER_LEAN_DEG: Final = {"all": 5.4, "fan": 3.2, "own": 2.6, "joint": 2.6}
THUMB_LEAN_DEG: Final = (4.2, 6.5, 5.0)
"""Deviation at the thumb's three joints, from its base to its tip."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in degrees.

    Attributes:
        deviation: ulnar deviation of the wrist: the hand against the forearm.
        lean: per bone of a digit, rotation in the plane at its proximal joint, towards the thumb.
        flexion: per bone of a digit, rotation towards the palm at its proximal joint.
        twist: per digit, rotation about its own length.
        carpal: per carpal bone, rotation in the plane beyond what the wrist's deviation asks.
        roll, pitch: tilt of the whole hand out of the plane.
        forearm_rotation: pronation beyond the usual position; turns the ulna about the radius.
        forearm_tilt: direction of the forearm against the image's vertical.
    """

    deviation: float
    lean: dict[str, float]
    flexion: dict[str, float]
    twist: dict[str, float]
    carpal: dict[str, float]
    roll: float
    pitch: float
    forearm_rotation: float
    forearm_tilt: float


def draw_pose(rng: np.random.Generator, bent: bool, spread: float = 1.0) -> Pose:
    """Draw the pose of one hand; `bent` wrists deviate by about 40 degrees, others by about none."""
    mean, deviation = BENT_DEVIATION_DEG if bent else STRAIGHT_DEVIATION_DEG
    lean, flexion = _draw_digits(rng, spread)
    twist = {digit: spread * 3.0 * rng.standard_normal() for digit in DIGITS}
    twist["thumb"] *= 2.0
    carpal = {name: spread * rng.standard_normal() for name in HAND_BONES}
    tilts = spread * np.array([3.0, 2.5, 8.0, 1.6]) * rng.standard_normal(4)
    return Pose(
        deviation=float(np.clip(mean + spread * deviation * rng.standard_normal(), -15.0, 56.0)),
        lean=lean,
        flexion=flexion,
        twist=twist,
        carpal=carpal,
        roll=float(tilts[0]),
        pitch=float(tilts[1]),
        forearm_rotation=float(tilts[2]),
        forearm_tilt=float(tilts[3]),
    )


def _draw_digits(rng: np.random.Generator, spread: float) -> tuple[dict[str, float], dict[str, float]]:
    lean: dict[str, float] = {}
    flexion: dict[str, float] = {}
    common, fan = spread * rng.standard_normal(2) * (FINGER_LEAN_DEG["all"], FINGER_LEAN_DEG["fan"])
    fan_of = {"index": 1.0, "middle": 0.3, "ring": -0.4, "little": -1.2}
    bend_all = spread * 3.0 * rng.standard_normal()
    for digit, bones in DIGITS.items():
        chance = spread * rng.standard_normal((4, 2))
        for joint, name in enumerate(bones[::-1]):
            if digit == "thumb":
                lean[name] = THUMB_LEAN_DEG[joint] * chance[joint, 0]
                flexion[name] = (3.0, 6.0, 8.0)[joint] * chance[joint, 1]
            elif joint == 0:
                lean[name], flexion[name] = 0.6 * chance[0, 0], 0.8 * chance[0, 1]
            elif joint == 1:
                lean[name] = common + fan * fan_of[digit] + FINGER_LEAN_DEG["own"] * chance[1, 0]
                flexion[name] = bend_all + 5.0 * chance[1, 1]
            else:
                lean[name] = FINGER_LEAN_DEG["joint"] * chance[joint, 0]
                flexion[name] = bend_all + 5.0 * chance[joint, 1]
    return lean, flexion


def turn_in_plane(angle_deg: float) -> NDArray[np.float64]:
    """(3, 3) rotation that turns an axis at angle 0 to `angle_deg`, towards the thumb."""
    angle = np.deg2rad(angle_deg)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def turn_to_palm(angle_deg: float) -> NDArray[np.float64]:
    """(3, 3) rotation about the axis across the hand that brings fingertips towards the palm."""
    angle = np.deg2rad(angle_deg)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def turn_about_length(angle_deg: float) -> NDArray[np.float64]:
    """(3, 3) rotation about the hand's length that brings the thumb's side towards the palm."""
    angle = np.deg2rad(angle_deg)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
