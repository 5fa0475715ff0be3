"""How the carpal bones lie: each at its place, the proximal row following the wrist, neighbours kept at their distance.

Hand coordinates as in `skeleton`. A bone that is larger than usual, or lies nearer to its neighbour than usual,
would cut into it; cartilage and ligaments do not let it, so the looser of two gives way by `GIVE` of what is amiss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import HAND_BONES
from yolo_bones.phantom.atlas import REST
from yolo_bones.phantom.growth import Patient, typical_stack
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG, Pose, turn_in_plane
from yolo_bones.phantom.shapes import RADII, Stack

Array = NDArray[np.float64]

DEPTH_OF_CARPAL: Final[dict[str, float]] = {
    "Trapezium": 0.10, "Trapezoid": 0.0, "Capitate": 0.0, "Hamate": 0.02, "Scaphoid": 0.05, "Lunate": 0.0,
    "Triquetrum": -0.01, "Pisiform": 0.18,
}  # fmt: skip
"""How far each centre lies towards the palm: the carpal arch, the pisiform in front of the triquetrum."""
ROW_SHARE: Final = {"Scaphoid": 0.42, "Lunate": 0.42, "Triquetrum": 0.30, "Pisiform": 0.30}
"""Part of the wrist's deviation that the proximal row follows, about the capitate's head."""
CAPITATE_HEAD: Final = np.array([-0.03, -0.11, 0.0])
SCAPHOID_STRETCH: Final = 0.0047
"""The scaphoid stands up in ulnar deviation: relative change of its projected length per degree."""
CARPAL_LEAN_DEG: Final = 2.5
NEIGHBOURS: Final = (("Hamate", "Triquetrum"), ("Trapezium", "Scaphoid"), ("Scaphoid", "Lunate"))
"""The first stays, the second gives way; in this order."""
GIVE: Final = 0.6
PISIFORM_FOLLOWS: Final = 0.7
"""Part of the triquetrum's deviation that the pisiform in front of it shares."""


@dataclass(frozen=True, slots=True, eq=False)
class CarpalPlace:
    """Where one carpal bone lies: hand = turn @ (stretch * bone) + shift, the stack's centre at the bone's origin."""

    turn: Array
    stretch: Array
    shift: Array


def place_carpals(patient: Patient, pose: Pose) -> dict[str, CarpalPlace]:
    """Place the eight bones of a patient's carpus."""
    from_mean = pose.deviation - MEAN_DEVIATION_DEG
    places, usual = {}, {}
    for name in HAND_BONES:
        bone = patient.bones[name]
        lean = bone.angle_jitter_deg + CARPAL_LEAN_DEG * pose.carpal[name]
        places[name] = _place(name, from_mean, bone.place_jitter, lean)
        usual[name] = _place(name, from_mean, np.zeros(2), 0.0)
    for still, loose in NEIGHBOURS:
        moved = _give_way(patient, places, usual, still, loose)
        if loose == "Triquetrum":
            jitter = patient.bones[loose].place_jitter
            follow = PISIFORM_FOLLOWS * (np.array([*jitter, 0.0]) + moved)
            places["Pisiform"] = _shifted(places["Pisiform"], follow)
        places[loose] = _shifted(places[loose], moved)
    return places


def _place(name: str, from_mean: float, jitter: Array, lean_deg: float) -> CarpalPlace:
    x, y, turn_deg, u, v = REST[name]
    follow = turn_in_plane(ROW_SHARE.get(name, 0.0) * from_mean)
    rest = np.array([x, y, DEPTH_OF_CARPAL[name]])
    place = CAPITATE_HEAD + follow @ (rest - CAPITATE_HEAD) + np.array([*jitter, 0.0])
    turn = follow @ turn_in_plane(turn_deg + lean_deg)
    stretch = np.ones(3)
    if name == "Scaphoid":
        stretch[1] = 1.0 + SCAPHOID_STRETCH * from_mean
    return CarpalPlace(turn, stretch, place - turn @ (stretch * np.array([u, v, 0.0])))


def _shifted(place: CarpalPlace, by: Array) -> CarpalPlace:
    return CarpalPlace(place.turn, place.stretch, place.shift + by)


def _give_way(
    patient: Patient, places: dict[str, CarpalPlace], usual: dict[str, CarpalPlace], still: str, loose: str
) -> Array:
    """(3,) shift of the loose bone that brings the gap between the outlines back towards the usual one."""
    grown = [patient.bones[name].shape for name in (still, loose)]
    assert isinstance(grown[0], Stack)
    assert isinstance(grown[1], Stack)
    gap, direction = _gap(places[still], grown[0], places[loose], grown[1])
    wanted, _ = _gap(usual[still], typical_stack(still), usual[loose], typical_stack(loose))
    return GIVE * (wanted - gap) * direction


def _gap(still: CarpalPlace, still_stack: Stack, loose: CarpalPlace, loose_stack: Stack) -> tuple[float, Array]:
    """Distance of two outlines along the line between their centres (negative: overlap), and that line's direction."""
    between = (loose.shift - still.shift) * np.array([1.0, 1.0, 0.0])
    distance = float(np.hypot(between[0], between[1]))
    direction = between / distance
    reach = _reach(still, still_stack, direction) + _reach(loose, loose_stack, -direction)
    return distance - reach, direction


def _reach(place: CarpalPlace, stack: Stack, direction: Array) -> float:
    """Distance of an outline from its centre in a direction of the hand."""
    u, v, _ = place.turn.T @ direction / place.stretch
    angle = np.mod(np.arctan2(v, u), 2.0 * np.pi)
    radius = np.interp(angle, np.linspace(0.0, 2.0 * np.pi, RADII + 1), np.append(stack.radii, stack.radii[0]))
    return float(radius / np.hypot(u, v))
