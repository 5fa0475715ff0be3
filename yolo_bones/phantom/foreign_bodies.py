"""What is neither bone nor flesh: rings, bangles, decorated nails, wires, plates and screws.

Every shape adds the bone that weakens the beam as much as its metal does to the plane of bone thickness; none changes
the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, DIGITS
from yolo_bones.phantom.attenuation import BONE_EQUIVALENT, MM_PER_UNIT
from yolo_bones.phantom.bone_density import axis_in_pixels
from yolo_bones.phantom.chance import happens
from yolo_bones.phantom.framing import Frame
from yolo_bones.phantom.metalwork import add_band, add_disc, add_rod, add_strip
from yolo_bones.phantom.skeleton import PosedBone

Plane = NDArray[np.float32]
Vector = NDArray[np.float64]
Nails = Literal["film", "stones", "studs"]

SECOND_RING: Final = 0.25
NAIL_UNITS: Final = (0.17, 0.125)
"""Length and width of a nail plate."""
NAIL_FROM_TIP: Final = 0.055
RING_GAP: Final = 0.045
"""Flesh between a phalanx and the ring around it, less than beside it, as a ring sits tight."""
WIRE_LEAN_DEG: Final = 14.0
BANGLE_GAP: Final = 0.30


@dataclass(frozen=True, slots=True)
class Ring:
    """A hollow band around a bone, or around both bones of the forearm.

    Attributes:
        bone: that wears it; "Radius" for a bangle.
        metal: as in `attenuation.BONE_EQUIVALENT`.
        place: where along the bone, 0 proximal to 1 distal.
        band_mm, wall_mm: width along the finger and thickness of the metal.
        tilt_deg: how far the detector sees into it.
        stone_mm: size of a setting on its side, 0 for none.
    """

    bone: str
    metal: str
    place: float
    band_mm: float
    wall_mm: float
    tilt_deg: float
    stone_mm: float


@dataclass(frozen=True, slots=True)
class NailArt:
    """Decorated nails.

    Attributes:
        kind: a film of dense varnish, a dozen small stones, or one to three metal studs.
        bones: distal phalanges that wear it.
        spots: (along, across, size) of each spot, parts of the nail; the same on every nail.
    """

    kind: Nails
    bones: tuple[str, ...]
    spots: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Implant:
    """Metal in a bone.

    Attributes:
        kind: a wire through it, or a plate with screws on it.
        bone, metal: which.
        place: its middle along the bone, 0 to 1.
        turn: its direction, 0 to 1 across what is usual.
        thickness_mm: of the wire or the plate.
    """

    kind: Literal["wire", "plate"]
    bone: str
    metal: str
    place: float
    turn: float
    thickness_mm: float


def draw_rings(rng: np.random.Generator, spread: float) -> tuple[Ring, ...]:
    """Rings and bangles of one hand; mostly none, mostly on the ring finger."""
    has_ring, has_second = happens(rng, "ring", spread), rng.random() < SECOND_RING
    has_bangle = happens(rng, "bangle", spread)
    proximal = [bones[-2] for bones in DIGITS.values()]
    bones = rng.choice(proximal, 2, replace=False, p=(0.05, 0.15, 0.2, 0.5, 0.1))
    metals = rng.choice(["gold", "silver", "steel", "titanium", "aluminium"], 3, p=(0.4, 0.3, 0.15, 0.1, 0.05))
    numbers, stones = rng.uniform(0.0, 1.0, (3, 4)), rng.random(3) < 0.3
    tilts = rng.normal(0.0, 7.0, 3)
    rings = [
        Ring(
            bone="Radius" if k == 2 else str(bones[k]),
            metal=str(metals[k]),
            place=float((0.70 + 0.15 * place) if k == 2 else (0.25 + 0.35 * place)),
            band_mm=float(2.0 + 5.0 * band),
            wall_mm=float(1.0 + 1.2 * wall),
            tilt_deg=float(tilts[k]),
            stone_mm=float(2.0 + 5.0 * stone) if stones[k] and k < 2 else 0.0,
        )
        for k, (place, band, wall, stone) in enumerate(numbers)
    ]
    worn = (has_ring, has_ring and has_second, has_bangle)
    return tuple(ring for ring, there in zip(rings, worn, strict=True) if there)


def draw_nail_art(rng: np.random.Generator, spread: float) -> NailArt | None:
    """Decorated nails of one hand, or None."""
    there, on_all = happens(rng, "nail art", spread), rng.random() < 0.6
    kinds: tuple[Nails, ...] = ("film", "stones", "studs")
    kind, count = kinds[int(rng.integers(0, 3))], int(rng.integers(1, 4))
    on = rng.random(5) < (1.1 if on_all else 0.35)
    numbers = rng.uniform(0.0, 1.0, (14, 3))
    distal = [bones[0] for bones in DIGITS.values()]
    bones = tuple(bone for bone, wanted in zip(distal, on, strict=True) if wanted) or (distal[3],)
    used = {"film": 0, "stones": len(numbers), "studs": count}[kind]
    spots = tuple((float(a), float(b), float(c)) for a, b, c in numbers[:used])
    return NailArt(kind, bones, spots) if there else None


def draw_implants(rng: np.random.Generator, spread: float) -> tuple[Implant, ...]:
    """One to three wires through a bone, or one plate; mostly nothing."""
    there, count = happens(rng, "implant", spread), int(rng.integers(1, 4))
    long_bones = [bone for bones in DIGITS.values() for bone in bones[1:]] + ["Radius"] * 4
    bone, is_plate = str(rng.choice(long_bones)), rng.random() < 0.45
    metal = str(rng.choice(["steel", "titanium"]))
    places, turns = rng.uniform(0.3, 0.7, 3), rng.uniform(0.0, 1.0, 3)
    if not there:
        return ()
    if is_plate:
        return (Implant("plate", bone, metal, float(places[0]), float(turns[0]), 1.3),)
    thickness = float(0.9 + 0.9 * turns[2])
    return tuple(Implant("wire", bone, metal, float(places[k]), float(turns[k]), thickness) for k in range(count))


def put_on_ring(bone_mm: Plane, ring: Ring, bones: Mapping[str, PosedBone], frame: Frame) -> None:
    """Add a ring or a bangle to the plane of bone thickness, (H, W), in place."""
    bone = bones[ring.bone]
    ends, along = axis_in_pixels(bone, frame)
    centre = ends[0] + ring.place * (ends[1] - ends[0])
    radius = (bone.girth + RING_GAP) * frame.unit_px
    if ring.bone in ARM_BONES:
        other, _ = axis_in_pixels(bones[ARM_BONES[1]], frame)
        opposite = other[0] + ring.place * (other[1] - other[0])
        radius = 0.5 * float(np.linalg.norm(centre - opposite)) + BANGLE_GAP * frame.unit_px
        centre = 0.5 * (centre + opposite)
    px_per_mm = frame.unit_px / MM_PER_UNIT
    strength = BONE_EQUIVALENT[ring.metal]
    add_band(bone_mm, centre, along, (radius, ring.wall_mm * px_per_mm, ring.band_mm * px_per_mm), ring.tilt_deg,
             strength / px_per_mm)  # fmt: skip
    if ring.stone_mm:
        across = np.array([-along[1], along[0]])
        side = centre + across * 0.35 * radius
        add_disc(bone_mm, side, 0.5 * ring.stone_mm * px_per_mm, 0.6 * ring.stone_mm * strength)


def paint_nails(bone_mm: Plane, art: NailArt, bones: Mapping[str, PosedBone], frame: Frame) -> None:
    """Add nail art to the plane of bone thickness, (H, W), in place."""
    length, width = (size * frame.unit_px for size in NAIL_UNITS)
    for name in art.bones:
        ends, along = axis_in_pixels(bones[name], frame)
        across = np.array([-along[1], along[0]])
        wider = bones[name].girth / 0.075
        free_edge = ends[1] + NAIL_FROM_TIP * frame.unit_px * along
        if art.kind == "film":
            half = 0.5 * width * wider
            add_strip(bone_mm, free_edge - half * along, free_edge - (length - half) * along, half, 1.6)
        for place, aside, size in art.spots:
            spot = free_edge - (0.1 + 0.8 * place) * length * along + (aside - 0.5) * 0.9 * width * wider * across
            if art.kind == "stones":
                add_disc(bone_mm, spot, (0.010 + 0.008 * size) * frame.unit_px, 2.0 + 4.0 * size)
            else:
                add_disc(bone_mm, spot, (0.014 + 0.02 * size) * frame.unit_px, 0.6 * BONE_EQUIVALENT["steel"])


def fix_with_metal(bone_mm: Plane, implant: Implant, bones: Mapping[str, PosedBone], frame: Frame) -> None:
    """Add a wire or a plate with its screws to the plane of bone thickness, (H, W), in place."""
    bone = bones[implant.bone]
    ends, along = axis_in_pixels(bone, frame)
    length = float(np.linalg.norm(ends[1] - ends[0]))
    if implant.bone in ARM_BONES:
        # The shaft runs out of the picture: only its distal third is there to be mended.
        length = min(length, 1.0 * frame.unit_px)
        ends = np.stack([ends[1] - length * along, ends[1]])
    px_per_mm = frame.unit_px / MM_PER_UNIT
    strength = BONE_EQUIVALENT[implant.metal]
    middle = ends[0] + implant.place * (ends[1] - ends[0])
    if implant.kind == "wire":
        lean = np.deg2rad(WIRE_LEAN_DEG * (2.0 * implant.turn - 1.0))
        turned = np.array(
            [along[0] * np.cos(lean) - along[1] * np.sin(lean), along[0] * np.sin(lean) + along[1] * np.cos(lean)]
        )
        half = 0.45 * length / max(np.cos(lean), 0.5)
        radius = 0.5 * implant.thickness_mm * px_per_mm
        add_rod(bone_mm, middle - half * turned, middle + half * turned, radius, strength / px_per_mm)
        return
    half, breadth = 0.30 * length, min(0.55 * bone.girth, 0.055) * frame.unit_px
    middle = ends[0] + (0.4 + 0.2 * implant.place) * (ends[1] - ends[0])
    add_strip(bone_mm, middle - half * along, middle + half * along, breadth, implant.thickness_mm * strength)
    screws = max(4, round(2 * half / (0.085 * frame.unit_px)))
    for place in np.linspace(-0.92, 0.92, screws):
        depth = 1.6 * bone.girth * MM_PER_UNIT * strength
        add_disc(bone_mm, middle + place * half * along, 0.5 * breadth, depth)
