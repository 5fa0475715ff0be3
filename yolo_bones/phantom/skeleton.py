"""One patient's 29 bones as surfaces, and the pose of each hand.

Sizes, places and angles come from `anatomy.TYPICAL`; depths, arches and cortical walls are rounded from anatomy
textbooks, in units of the third metacarpal (about 65 mm). Hand coordinates: x thumbward, y distalward, z palmar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL, direction_xy
from yolo_bones.bones import ARM_BONES, BONES, DIGITS, HAND_BONES
from yolo_bones.phantom.surface import Outline, Surface, tube

Vector = NDArray[np.float64]

DEPTH_RATIO: Final[dict[str, float]] = {
    "Trapezium": 0.8, "Trapezoid": 1.1, "Capitate": 1.1, "Hamate": 1.0, "Scaphoid": 0.8,
    "Lunate": 1.1, "Triquetrum": 0.9, "Pisiform": 0.9, "Radius": 0.72, "Ulna": 0.85,
}  # fmt: skip
ARCH: Final[dict[str, float]] = {
    "Trapezium": 0.12, "Trapezoid": 0.02, "Capitate": 0.0, "Hamate": 0.04, "Scaphoid": 0.06,
    "Lunate": 0.0, "Triquetrum": 0.0, "Pisiform": 0.21, "Radius": 0.0, "Ulna": -0.03,
}  # fmt: skip
"""How far each bone lies towards the palm: the carpal arch, the pisiform in front of the triquetrum."""
PHALANX_DEPTH: Final = (0.60, 0.72, 0.80, 0.92)
WALL_OF_SHAFT: Final = 0.030
WALL_OF_CARPAL: Final = 0.009
FOREARM_LENGTH: Final = 2.6
PROXIMAL_ROW: Final = ("Scaphoid", "Lunate", "Triquetrum", "Pisiform")
MEAN_DEVIATION_DEG: Final = 23.0
"""Mean ulnar deviation of the wrists that `anatomy.TYPICAL` was measured on."""
ROW_SHARE: Final = 0.42
"""Part of the wrist's deviation that the proximal carpal row follows."""
WRIST_CENTRE: Final = np.array([-0.02, -0.09])


@dataclass(frozen=True, slots=True, eq=False)
class Bone:
    """One bone of one patient, not yet posed.

    Attributes:
        name: as in `bones.BONES`.
        outline: its measures.
        wall: thickness of its cortex.
        mineral: density against the typical bone, 1 is typical.
    """

    name: str
    outline: Outline
    wall: float
    mineral: float


@dataclass(frozen=True, slots=True, eq=False)
class PosedBone:
    """A bone in hand coordinates.

    Attributes:
        outer, marrow: surfaces; the space between them is cortex.
        axis: (12, 3) points along the bone's axis, for the soft tissue around it.
        girth: largest half-width.
        mineral: density against the typical bone.
    """

    name: str
    outer: Surface
    marrow: Surface
    axis: Vector
    girth: float
    mineral: float


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """Bones shared by both hands, and what else belongs to the person rather than to one exposure."""

    bones: dict[str, Bone]
    scale: float
    spread: float
    place_jitter: dict[str, Vector] = field(default_factory=dict)


def grow_patient(rng: np.random.Generator, spread: float = 1.0) -> Patient:
    """Draw one patient's bones.

    Args:
        rng: source of all chance.
        spread: factor on every standard deviation; 1 keeps to the measured population, 2 is wide.
    """
    scale = float(np.exp(spread * 0.062 * rng.standard_normal()))
    sturdy = spread * 0.045 * rng.standard_normal()
    mineral = float(np.exp(spread * 0.10 * rng.standard_normal()))
    bones = {name: _grow_bone(name, rng, spread, sturdy, mineral) for name in BONES}
    jitter = {name: 0.011 * spread * rng.standard_normal(2) for name in BONES}
    return Patient(bones=bones, scale=scale, spread=spread, place_jitter=jitter)


def _grow_bone(name: str, rng: np.random.Generator, spread: float, sturdy: float, mineral: float) -> Bone:
    typical = TYPICAL[name]
    is_carpal, is_arm = name in HAND_BONES, name in ARM_BONES
    # The extents of a tilted, bent outline exceed the tube's own: drawn slightly shorter to come out right.
    length = typical.length * (1.0 + spread * 0.8 * typical.length_sd / typical.length * rng.standard_normal())
    widths = np.array(typical.slice_widths)
    thick = np.exp(sturdy + spread * 0.7 * typical.width_sd / typical.width * rng.standard_normal())
    widths = widths * thick * np.exp(spread * 0.02 * rng.standard_normal(widths.shape))
    if is_arm:
        # `slice_widths` holds the part inside the frame: the shaft goes on towards the elbow with its last width.
        inside = np.linspace(0.05, 0.95, 10) * typical.length
        length = FOREARM_LENGTH * float(np.exp(0.02 * spread * rng.standard_normal()))
        centres = np.linspace(0.0, 1.0, 41)[:-1] * length + 0.0125 * length
        widths = np.interp(centres - (length - typical.length), inside, widths)
        if name == "Radius":
            # The last slice is narrow because the joint surface is slanted, not because the bone tapers.
            widths[centres > length - 0.15 * typical.length] = 0.95 * widths.max()
    phalanx = name.startswith("finger-")
    depth = PHALANX_DEPTH[_place_in_digit(name)] if phalanx else DEPTH_RATIO[name]
    ripple_size = 0.030 if is_carpal else 0.012
    outline = Outline(
        length=length,
        widths=widths,
        depth_ratio=depth * float(np.exp(0.06 * spread * rng.standard_normal())),
        bend=length * (0.012 if phalanx else 0.02) * spread * float(rng.standard_normal()),
        sag=length * (0.04 if phalanx else 0.0),
        slant=_slant(name) + 0.05 * spread * float(rng.standard_normal()),
        base_hollow=0.018 if phalanx else 0.0,
        head_notch=0.025 if phalanx and _place_in_digit(name) in (1, 2) else 0.0,
        ripple=ripple_size * spread * rng.standard_normal((2, 3)) / np.array([1.0, 1.5, 2.0]),
        phase=rng.uniform(0.0, 2 * np.pi, (2, 3)),
    )
    wall = WALL_OF_CARPAL if is_carpal else WALL_OF_SHAFT * (1.7 if is_arm else 1.0)
    if phalanx:
        wall *= (0.50, 0.72, 0.95, 0.95)[_place_in_digit(name)]
    wall *= float(np.exp(0.12 * spread * rng.standard_normal()))
    return Bone(name, outline, wall, mineral * float(np.exp(0.04 * spread * rng.standard_normal())))


def _place_in_digit(name: str) -> int:
    """0 distal, 1 middle, 2 proximal, 3 metacarpal."""
    digit = next(bones for bones in DIGITS.values() if name in bones)
    order = digit.index(name)
    return order if len(digit) == 4 or order == 0 else order + 1


def _slant(name: str) -> float:
    return {"Radius": 0.45, "Ulna": -0.12}.get(name, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """How one hand lies on the detector.

    Attributes:
        deviation_deg: ulnar deviation of the wrist: the hand against the forearm.
        lean_deg: per bone, rotation in the plane against the typical angle.
        flexion_deg: per phalanx, rotation about the axis across the bone.
        roll_deg, pitch_deg: tilt of the whole hand out of the plane.
    """

    deviation_deg: float
    lean_deg: dict[str, float]
    flexion_deg: dict[str, float]
    roll_deg: float
    pitch_deg: float


def draw_pose(rng: np.random.Generator, bent: bool, spread: float = 1.0) -> Pose:
    """Draw the pose of one hand; `bent` wrists deviate by about 41 degrees, others by about 2."""
    deviation = 41.0 + 4.5 * spread * rng.standard_normal() if bent else 2.5 + 3.0 * spread * rng.standard_normal()
    lean: dict[str, float] = {}
    flexion: dict[str, float] = {}
    common, fan = 5.0 * spread * rng.standard_normal(), 4.0 * spread * rng.standard_normal()
    fan_of = {"thumb": 0.0, "index": 1.0, "middle": 0.3, "ring": -0.4, "little": -1.1}
    for digit, bones in DIGITS.items():
        metacarpal, phalanges = bones[-1], bones[-2::-1]
        thumb = digit == "thumb"
        lean[metacarpal] = spread * rng.standard_normal() * (5.0 if thumb else 0.8)
        turn = lean[metacarpal] if thumb else common + fan * fan_of[digit]
        turn += spread * rng.standard_normal() * (6.0 if thumb else 2.5)
        bend = spread * 7.0 * rng.standard_normal()
        for joint, name in enumerate(phalanges):
            if joint > 0:
                turn += spread * rng.standard_normal() * 2.5
                bend += spread * 6.0 * rng.standard_normal()
            lean[name], flexion[name] = turn, bend
    for name in HAND_BONES:
        lean[name] = spread * 2.5 * rng.standard_normal()
    tilts = 3.5 * spread * rng.standard_normal(2)
    return Pose(float(np.clip(deviation, -12.0, 58.0)), lean, flexion, float(tilts[0]), float(tilts[1]))


def pose_bones(patient: Patient, pose: Pose) -> list[PosedBone]:
    """Place a patient's bones in hand coordinates, in channel order."""
    posed = {name: _place_carpal(patient, pose, name) for name in HAND_BONES}
    for bones in DIGITS.values():
        posed.update(_place_digit(patient, pose, bones))
    for name in ARM_BONES:
        posed[name] = _place_forearm(patient, pose, name)
    tilt = _tilt(pose)
    return [_turn_in_depth(posed[name], tilt) for name in BONES]


def _place_carpal(patient: Patient, pose: Pose, name: str) -> PosedBone:
    typical = TYPICAL[name]
    centre = np.array([typical.thumbward, typical.distalward]) + patient.place_jitter[name]
    angle = typical.angle_deg + pose.lean_deg[name]
    if name in PROXIMAL_ROW:
        turn = ROW_SHARE * (pose.deviation_deg - MEAN_DEVIATION_DEG)
        centre = WRIST_CENTRE + rotate(centre - WRIST_CENTRE, turn)
        angle += turn
    bone = patient.bones[name]
    base = centre - direction_xy(angle) * bone.outline.length * typical.centroid_fraction
    return _posed(bone, base, ARCH[name], angle, 0.0)


def _place_digit(patient: Patient, pose: Pose, bones: tuple[str, ...]) -> dict[str, PosedBone]:
    """Place a digit's bones from the metacarpal outwards, each turning about its parent's head."""
    posed: dict[str, PosedBone] = {}
    name = bones[-1]
    angle = TYPICAL[name].angle_deg + pose.lean_deg[name]
    base = _typical_end(name, 0.0) + patient.place_jitter[name]
    depth = ARCH["Trapezium"] if name == "finger-3" else 0.0
    posed[name] = _posed(patient.bones[name], base, depth, angle, 0.0)
    for child in bones[-2::-1]:
        parent, outline = name, patient.bones[name].outline
        typical_head = 0.4 * TYPICAL[parent].slice_widths[-2]
        typical_joint = _typical_end(parent, 1.0) - direction_xy(TYPICAL[parent].angle_deg) * typical_head
        length = outline.length * float(np.cos(np.deg2rad(pose.flexion_deg.get(parent, 0.0))))
        growth = length / TYPICAL[parent].length
        joint = base + direction_xy(angle) * (length - typical_head * growth)
        offset = _typical_end(child, 0.0) - typical_joint
        depth -= outline.length * float(np.sin(np.deg2rad(pose.flexion_deg.get(parent, 0.0))))
        base = joint + rotate(offset, pose.lean_deg[child]) * growth
        angle = TYPICAL[child].angle_deg + pose.lean_deg[child]
        posed[child] = _posed(patient.bones[child], base, depth, angle, pose.flexion_deg[child])
        name = child
    return posed


def _place_forearm(patient: Patient, pose: Pose, name: str) -> PosedBone:
    """Radius and ulna hang on the wrist and keep their own direction when the hand deviates."""
    upright = {"Radius": (np.array([0.055, -0.255]), 1.0), "Ulna": (np.array([-0.345, -0.315]), -1.0)}
    head, splay = upright[name]
    bone = patient.bones[name]
    base = head + patient.place_jitter[name] - direction_xy(splay) * bone.outline.length
    base = WRIST_CENTRE + rotate(base - WRIST_CENTRE, pose.deviation_deg)
    return _posed(bone, base, ARCH[name], pose.deviation_deg + splay, 0.0)


def _typical_end(name: str, fraction: float) -> Vector:
    """Typical place (thumbward, distalward) of a point on a bone's axis, 0 proximal to 1 distal."""
    typical = TYPICAL[name]
    centre = np.array([typical.thumbward, typical.distalward])
    return centre + direction_xy(typical.angle_deg) * typical.length * (fraction - typical.centroid_fraction)


def rotate(vector_xy: Vector, angle_deg: float) -> Vector:
    """Turn (..., 2) vectors so that an axis at angle 0 comes to lie at `angle_deg`, towards the thumb."""
    angle = np.deg2rad(angle_deg)
    x, y = vector_xy[..., 0], vector_xy[..., 1]
    return np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)], axis=-1)


def _posed(bone: Bone, base_xy: Vector, depth: float, angle_deg: float, flexion_deg: float) -> PosedBone:
    outline = bone.outline
    t = np.linspace(0.0, 1.0, 12)
    axis = np.stack([np.zeros(12), t * outline.length, np.zeros(12)], axis=-1)
    outer, marrow = tube(outline), tube(outline, bone.wall)

    def place(vertices: Vector) -> Vector:
        bend = np.deg2rad(flexion_deg)
        v = vertices[:, 1] * np.cos(bend) + vertices[:, 2] * np.sin(bend)
        w = vertices[:, 2] * np.cos(bend) - vertices[:, 1] * np.sin(bend)
        in_plane = rotate(np.stack([vertices[:, 0], v], axis=-1), angle_deg) + base_xy
        return np.column_stack([in_plane, w + depth])

    return PosedBone(
        name=bone.name,
        outer=Surface(place(outer.vertices), outer.triangles),
        marrow=Surface(place(marrow.vertices), marrow.triangles),
        axis=place(axis),
        girth=0.5 * float(outline.widths.max()),
        mineral=bone.mineral,
    )


def _tilt(pose: Pose) -> Vector:
    roll, pitch = np.deg2rad(pose.roll_deg), np.deg2rad(pose.pitch_deg)
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return np.asarray(about_x @ about_y, dtype=np.float64)


def _turn_in_depth(bone: PosedBone, turn: Vector) -> PosedBone:
    def turned(vertices: Vector) -> Vector:
        return vertices @ turn.T

    outer = Surface(turned(bone.outer.vertices), bone.outer.triangles)
    marrow = Surface(turned(bone.marrow.vertices), bone.marrow.triangles)
    return PosedBone(bone.name, outer, marrow, turned(bone.axis), bone.girth, bone.mineral)
