"""A patient's bones in a pose, in hand coordinates (generator 2).

Hand coordinates: x thumbward, y distalward, z palmar; origin near the capitate's centroid, unit the third metacarpal.
The atlas gives every bone's place and direction in the mean pose; digits hang together by their joints, the proximal
carpal row follows the wrist's deviation in part, radius and ulna keep the forearm's direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, BONES, DIGITS, HAND_BONES
from yolo_bones.phantom.atlas import REST
from yolo_bones.phantom.carpus import CarpalPlace, place_carpals
from yolo_bones.phantom.growth import GrownBone, Patient, typical_tube
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG, Pose, turn_about_length, turn_in_plane, turn_to_palm
from yolo_bones.phantom.shapes import Stack, Tube, ellipsoid, stack_surface, tube_surface
from yolo_bones.phantom.surface import Surface

Array = NDArray[np.float64]

DEPTH_OF_ARM: Final = {"Radius": 0.0, "Ulna": -0.04}
BASE_DEPTH: Final = {"thumb": 0.14, "index": 0.02, "middle": 0.0, "ring": 0.01, "little": 0.03}
WRIST_CENTRE: Final = np.array([-0.02, -0.09, 0.0])
HEAD_CENTRE: Final = 0.9
"""Where along a bone its distal joint turns."""
AXIS_POINTS: Final = 12
THUMB_METACARPAL: Final = "finger-3"
SESAMOID: Final = "sesamoid"
SESAMOID_DEPTH: Final = 0.11


@dataclass(frozen=True, slots=True, eq=False)
class PosedBone:
    """A bone in hand coordinates.

    Attributes:
        name: as in `bones.BONES`, or `SESAMOID`.
        outer, marrow: surfaces; the space between them is cortex.
        axis: (12, 3) points along the bone's axis, from proximal to distal.
        girth: largest half-width.
        mineral: density against the typical bone.
    """

    name: str
    outer: Surface
    marrow: Surface
    axis: Array
    girth: float
    mineral: float


@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """Where a mean bone lies: a point of it (u, v), where that is in the hand, and how the bone is turned."""

    centre: Array
    place: Array
    turn_deg: float

    def to_hand(self, point_uv: Array) -> Array:
        """(3,) hand coordinates of a point (u, v) of the mean bone."""
        turned = turn_in_plane(self.turn_deg) @ np.array([*(point_uv - self.centre), 0.0])
        return np.asarray(self.place + turned, dtype=np.float64)


def pose_bones(patient: Patient, pose: Pose) -> list[PosedBone]:
    """Place a patient's bones: the 29 in channel order, then the thumb's sesamoids."""
    carpus = place_carpals(patient, pose)
    posed = {name: _pose_carpal(patient.bones[name], carpus[name]) for name in HAND_BONES}
    extra: list[PosedBone] = []
    for digit in DIGITS:
        for bone in _pose_digit(patient, pose, digit):
            if bone.name == SESAMOID:
                extra.append(bone)
            else:
                posed[bone.name] = bone
    for name in ARM_BONES:
        posed[name] = _pose_forearm(patient, pose, name)
    tilt = turn_to_palm(pose.pitch) @ turn_about_length(pose.roll)
    return [_moved(bone, tilt, np.zeros(3)) for bone in [*(posed[name] for name in BONES), *extra]]


def _rest(name: str) -> _Rest:
    x, y, turn_deg, u, v = REST[name]
    if name in ARM_BONES:
        depth = DEPTH_OF_ARM[name]
    else:
        depth = BASE_DEPTH[next(digit for digit, bones in DIGITS.items() if name in bones)]
    return _Rest(np.array([u, v]), np.array([x, y, depth]), turn_deg)


def _pose_carpal(bone: GrownBone, place: CarpalPlace) -> PosedBone:
    assert isinstance(bone.shape, Stack)
    reach = float(bone.shape.radii.max())
    axis = np.linspace([0.0, -0.9 * reach, 0.0], [0.0, 0.9 * reach, 0.0], AXIS_POINTS)
    outer, marrow = stack_surface(bone.shape), stack_surface(bone.shape, marrow=True)
    still = PosedBone(bone.name, outer, marrow, axis, float(np.median(bone.shape.radii)), bone.mineral)
    return _moved(still, place.turn * place.stretch, place.shift)


def _pose_digit(patient: Patient, pose: Pose, digit: str) -> list[PosedBone]:
    """Metacarpal first; each bone hangs on the head of the one before it, at the mean pose's distance."""
    posed: list[PosedBone] = []
    delta = turn_about_length(pose.twist[digit])
    base, pivot_at_rest = np.zeros(3), np.zeros(3)
    for order, name in enumerate(DIGITS[digit][::-1]):
        bone, rest = patient.bones[name], _rest(name)
        tube, typical = bone.shape, typical_tube(name)
        assert isinstance(tube, Tube)
        jitter = np.array([*bone.place_jitter, 0.0])
        if name == THUMB_METACARPAL:
            jitter[:2] = 0.3 * jitter[:2] + patient.bones["Trapezium"].place_jitter * 1.2
        if order == 0:
            base = rest.to_hand(np.zeros(2)) + jitter
        lean = turn_in_plane(pose.lean[name] + bone.angle_jitter_deg)
        along = turn_in_plane(rest.turn_deg)
        bend = along @ turn_to_palm(pose.flexion[name]) @ along.T
        delta = delta @ lean @ bend
        if order > 0:
            base = base + delta @ (rest.to_hand(np.zeros(2)) - pivot_at_rest + jitter)
        turn = delta @ along
        posed.append(_moved(_still_tube(bone, tube), turn, base))
        if name == THUMB_METACARPAL:
            posed.extend(_sesamoids(patient, bone, tube, turn, base))
        grown = tube.length / typical.length
        pivot_at_rest = rest.to_hand(np.array([0.0, HEAD_CENTRE * typical.length]))
        base = base + turn @ np.array([0.0, HEAD_CENTRE * typical.length * grown, 0.0])
    return posed


def _pose_forearm(patient: Patient, pose: Pose, name: str) -> PosedBone:
    """Radius and ulna turn about the wrist's centre; the ulna also about the radius."""
    bone, rest = patient.bones[name], _rest(name)
    assert isinstance(bone.shape, Tube)
    upright = turn_in_plane(rest.turn_deg)
    place, turn = rest.place + np.array([*bone.place_jitter, 0.0]), upright @ turn_in_plane(bone.angle_jitter_deg)
    if name == "Ulna":
        about = upright @ turn_about_length(-pose.forearm_rotation) @ upright.T
        radius = _rest("Radius").place
        place, turn = radius + about @ (place - radius), about @ turn
    wrist = turn_in_plane(pose.deviation - MEAN_DEVIATION_DEG)
    turn, place = wrist @ turn, WRIST_CENTRE + wrist @ (place - WRIST_CENTRE)
    typical = typical_tube(name)
    # Longer forearms reach further towards the elbow, not into the wrist.
    centre = np.array([*rest.centre, 0.0]) + np.array([0.0, bone.shape.length - typical.length, 0.0])
    return _moved(_still_tube(bone, bone.shape), turn, place - turn @ centre)


def _still_tube(bone: GrownBone, tube: Tube) -> PosedBone:
    t = np.linspace(0.0, 1.0, AXIS_POINTS)
    axis = np.column_stack([np.zeros_like(t), t * tube.length, -tube.sag * 4.0 * t * (1.0 - t)])
    girth = 0.5 * float((tube.thumb_edge + tube.other_edge).max())
    return PosedBone(bone.name, tube_surface(tube), tube_surface(tube, marrow=True), axis, girth, bone.mineral)


def _sesamoids(patient: Patient, bone: GrownBone, tube: Tube, turn: Array, base: Array) -> list[PosedBone]:
    found = []
    for u, v, half_u, half_v in patient.sesamoids:
        half = np.array([half_u, half_v, 0.8 * half_u])
        core = ellipsoid(np.maximum(half - 0.008, 0.3 * half))
        axis = np.linspace([0.0, -half_v, 0.0], [0.0, half_v, 0.0], AXIS_POINTS)
        still = PosedBone(SESAMOID, ellipsoid(half), core, axis, half_u, bone.mineral)
        found.append(_moved(still, turn, base + turn @ np.array([u, tube.length + v, SESAMOID_DEPTH])))
    return found


def _moved(bone: PosedBone, turn: Array, shift: Array) -> PosedBone:
    def moved(points: Array) -> Array:
        return points @ turn.T + shift

    outer = Surface(moved(bone.outer.vertices), bone.outer.triangles)
    marrow = Surface(moved(bone.marrow.vertices), bone.marrow.triangles)
    return PosedBone(bone.name, outer, marrow, moved(bone.axis), bone.girth, bone.mineral)
