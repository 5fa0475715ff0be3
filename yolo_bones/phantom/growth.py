"""One patient's bones: the atlas's mean shapes varied by size, sex, age, proportion and shape modes.

What the atlas cannot know because a radiograph does not show it, depths, arches and cortical walls, is rounded from
anatomy textbooks (Gray's Anatomy; Schuenke, Thieme Atlas of Anatomy; Berger and Weiss, Hand Surgery, on the carpals;
Barnett and Nordin 1960 on the cortex of the metacarpals), in units of the third metacarpal, which is about 65 mm long
(64.6 mm in Buryanov and Kotiuk, Int J Morphol 28:755, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, BONES, HAND_BONES, KINDS
from yolo_bones.phantom.atlas import REST, STACK_RADII, TUBES, VARIATION
from yolo_bones.phantom.people import Person
from yolo_bones.phantom.shapes import RADII, STATIONS, Stack, Tube

Array = NDArray[np.float64]

SIZE_OF_SEX: Final = {"female": -0.040, "male": 0.040}
"""Logarithm of the mean size of a hand against all hands (Garrett 1971: men's hands are 8 % longer)."""
SIZE_WITH_STATURE: Final = 0.026
SIZE_ALONE: Final = 0.034
CARPAL_FIELD: Final = 0.06
"""Standard deviation of the stretch and shear that all carpal bones and metacarpal bases of a hand share."""
BASE_PLACE: Final = {
    "finger-3": (0.42, 0.0), "finger-7": (0.22, 0.10), "finger-11": (0.03, 0.17), "finger-15": (-0.13, 0.17),
    "finger-19": (-0.27, 0.11),
}  # fmt: skip
"""Where the metacarpals rest on the carpus."""
HAND_SHARE: Final = 0.3
"""Deviation of one hand from its owner's mean, against the deviation between owners."""

TUBE_DEPTH: Final[dict[str, tuple[float, float, float]]] = {
    "distal": (0.57, 0.62, 0.45), "middle": (0.72, 0.72, 0.66), "proximal": (0.74, 0.76, 0.70),
    "metacarpal": (0.95, 0.98, 0.92), "radius": (0.80, 0.72, 0.55), "ulna": (0.95, 0.90, 0.90),
}  # fmt: skip
SAG: Final = {"distal": 0.005, "middle": 0.015, "proximal": 0.03, "metacarpal": 0.035, "radius": 0.0, "ulna": 0.0}
"""How far the shaft lies back: phalanges and metacarpals are hollow on the palmar side."""
WALL: Final = {
    "distal": 0.013, "middle": 0.021, "proximal": 0.026, "metacarpal": 0.030, "radius": 0.046, "ulna": 0.044,
    "carpal": 0.009,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CarpalRelief:
    """What makes one carpal bone that bone, beyond its outline; see `shapes.Stack`."""

    depth: float
    squareness: float
    shear: tuple[float, float] = (0.0, 0.0)
    hollow_deg: float = 0.0
    hollow: float = 0.0
    hook: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


CARPAL_RELIEF: Final[dict[str, CarpalRelief]] = {
    # Saddle for the thumb's metacarpal on the distal thumb side, ridge on the palm.
    "Trapezium": CarpalRelief(0.22, 2.1, (-0.03, 0.02), 40.0, 0.12),
    # Wedge: broad on the back, narrow towards the palm.
    "Trapezoid": CarpalRelief(0.25, 2.2, (0.02, 0.01)),
    # Head in the hollow of lunate and scaphoid, body broad on the back.
    "Capitate": CarpalRelief(0.29, 2.1, (0.0, 0.02), 180.0, 0.05),
    # Wedge with the hook on its palmar face, near the ulnar distal corner.
    "Hamate": CarpalRelief(0.22, 2.1, (0.0, 0.0), hook=(-0.02, 0.055, 0.042, 0.15)),
    # Tubercle: the distal pole comes forward, so the palmar levels lie further along the axis; waist in the outline.
    "Scaphoid": CarpalRelief(0.20, 2.0, (-0.02, 0.05), 180.0, 0.06),
    # Crescent: hollow for the head of the capitate, horns in front and behind, the front one larger.
    "Lunate": CarpalRelief(0.27, 2.0, (0.0, 0.02), 180.0, 0.20),
    "Triquetrum": CarpalRelief(0.19, 2.0, (0.0, 0.02)),
    # A pea.
    "Pisiform": CarpalRelief(0.16, 2.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class GrownBone:
    """One bone of one patient, not yet posed.

    Attributes:
        name: as in `bones.BONES`.
        shape: its measures.
        mineral: density against the typical bone, 1 is typical.
        place_jitter: (2,) deviation of its place (thumbward, distalward).
        angle_jitter_deg: deviation of its direction.
    """

    name: str
    shape: Tube | Stack
    mineral: float
    place_jitter: Array
    angle_jitter_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """Bones of one hand, and what belongs to the person rather than to one exposure.

    Attributes:
        person: whose hand it is.
        bones: name -> bone.
        scale: size of the hand against the mean of all.
        spread: factor on every deviation, also for pose and framing.
        sesamoids: places and half axes (u, v, half u, half v) of the thumb's two, in the first metacarpal's own
            coordinates from its head.
    """

    person: Person
    bones: dict[str, GrownBone]
    scale: float
    spread: float
    sesamoids: Array


def grow_patient(person_rng: np.random.Generator, person: Person, spread: float = 1.0) -> tuple[Patient, Patient]:
    """Draw the two hands of one patient, alike but not the same.

    Args:
        person_rng: source of all chance.
        person: sex and stature set the size, age the density and the osteophytes.
        spread: factor on every standard deviation; 1 keeps to the measured population, 2 is wide.
    """
    size = SIZE_OF_SEX[person.sex] + SIZE_WITH_STATURE * person.stature_score
    size += spread * SIZE_ALONE * float(person_rng.standard_normal())
    genes = _draw_genes(person_rng)
    hands = []
    for _ in range(2):
        own = _draw_genes(person_rng)
        mixed = {name: (genes[name] + HAND_SHARE * own[name]) / np.hypot(1.0, HAND_SHARE) for name in genes}
        scale = float(np.exp(size + 0.006 * person_rng.standard_normal()))
        hands.append(_grow_hand(person, mixed, scale, spread))
    return hands[0], hands[1]


GENES: Final = 48


def _draw_genes(rng: np.random.Generator) -> dict[str, Array]:
    """Standard normal numbers that a hand is made from, the same count for each bone."""
    return {name: rng.standard_normal(GENES) for name in ("hand", *BONES)}


def _grow_hand(person: Person, genes: dict[str, Array], scale: float, spread: float) -> Patient:
    common = genes["hand"]
    sturdy = 0.058 * spread * common[0] + (0.012 if person.sex == "male" else -0.012)
    mineral = _mineral_of(person, spread * common[1])
    field = spread * CARPAL_FIELD * common[8:12].reshape(2, 2)
    build = _Build(person.age_years, sturdy, mineral, field, spread)
    bones = {name: _grow_bone(name, genes[name], build) for name in BONES}
    # The sesamoids: palmar of the head, the ulnar one showing beside it in the usual view of the thumb.
    places = np.array([[-0.128, -0.075, 0.036, 0.046], [0.035, -0.080, 0.034, 0.045]])
    places[:, :2] += spread * 0.014 * common[2:6].reshape(2, 2)
    places[:, 2:] *= np.exp(spread * 0.12 * common[6:8])[:, None]
    return Patient(person, bones, scale, spread, places)


def _mineral_of(person: Person, chance: float) -> float:
    """Density against the typical bone: lost from forty on, faster by women after the menopause."""
    lost = 0.004 * max(0, person.age_years - 40)
    if person.sex == "female":
        lost += 0.006 * max(0, min(person.age_years, 70) - 50)
    young = 0.010 * max(0, 19 - person.age_years)
    return float(np.exp(0.08 * chance) * (1.0 - lost - young))


@dataclass(frozen=True, slots=True, eq=False)
class _Build:
    """What all bones of a hand share."""

    age_years: int
    sturdy: float
    mineral: float
    field: Array
    spread: float


def _grow_bone(name: str, genes: Array, build: _Build) -> GrownBone:
    spread = build.spread
    length_sd, width_sd, thumbward_sd, distalward_sd, angle_sd = VARIATION[name]
    long = float(np.exp(spread * length_sd * genes[0]))
    share = 0.8 if name in HAND_BONES else 1.0
    wide = float(np.exp(share * build.sturdy + spread * width_sd * genes[1]))
    shape: Tube | Stack
    if name in HAND_BONES:
        shape = _vary_stack(name, genes[5:], spread, long, wide)
    else:
        shape = _with_osteophytes(name, _vary_tube(name, genes[5:], spread, long, wide), build.age_years, genes[36:46])
    jitter = spread * np.array([thumbward_sd, distalward_sd]) * genes[2:4]
    if KINDS[name] in ("carpal", "metacarpal"):
        jitter += build.field @ np.array(BASE_PLACE.get(name, REST[name][:2]))
    mineral = build.mineral * float(np.exp(0.04 * spread * genes[46]))
    return GrownBone(name, shape, mineral, jitter, spread * angle_sd * float(genes[4]))


def typical_tube(name: str) -> Tube:
    """The atlas's mean shape of a long bone."""
    kind, numbers = KINDS[name], TUBES[name]
    edges, ends = np.array(numbers[2:26]).reshape(2, 12), np.array(numbers[26:]).reshape(2, 5)
    depth = np.array(TUBE_DEPTH[kind])
    return Tube(numbers[0], numbers[1], edges[0], edges[1], ends[0], ends[1], depth, SAG[kind], WALL[kind])


def typical_stack(name: str) -> Stack:
    """The atlas's mean shape of a carpal bone."""
    relief = CARPAL_RELIEF[name]
    return Stack(
        radii=np.array(STACK_RADII[name]),
        depth=relief.depth,
        squareness=relief.squareness,
        shear=np.array(relief.shear),
        hollow_deg=relief.hollow_deg,
        hollow=relief.hollow,
        hook=np.array(relief.hook),
        wall=WALL["carpal"],
    )


def _vary_tube(name: str, genes: Array, spread: float, long: float, wide: float) -> Tube:
    """Edges vary by slow waves of their own, ends by their profiles."""
    typical = typical_tube(name)
    x = 2.0 * STATIONS - 1.0
    waves = np.stack([x, 1.5 * x**2 - 0.5, 2.5 * x**3 - 1.5 * x, np.sin(2.5 * np.pi * x)])
    sizes = np.array([0.020, 0.022, 0.018, 0.014])
    thumb, other = (np.exp(spread * (sizes * part) @ waves) for part in (genes[:4], genes[4:8]))
    ends = spread * 0.003 * genes[8:18].reshape(2, 5)
    return replace(
        typical,
        length=typical.length * long,
        thumb_edge=typical.thumb_edge * wide * thumb,
        other_edge=typical.other_edge * wide * other,
        base=typical.base + ends[0],
        head=typical.head + ends[1],
        depth=typical.depth * float(np.exp(0.06 * spread * genes[18])),
        sag=typical.sag * (1.0 + 0.2 * spread * float(genes[19])),
        wall=typical.wall * float(np.exp(0.12 * spread * genes[20])),
    )


def _with_osteophytes(name: str, tube: Tube, age_years: int, genes: Array) -> Tube:
    """Spurs at the margins of finger joints and of the thumb's base, likelier and larger with age."""
    if name in ARM_BONES or (KINDS[name] == "metacarpal" and name != "finger-3"):
        return tube
    size = 0.0009 * max(0, age_years - 45) * np.clip(genes[:4] - 0.3, 0.0, 1.5)
    thumb, other = tube.thumb_edge.copy(), tube.other_edge.copy()
    thumb[1] += size[0]
    other[1] += size[1]
    if KINDS[name] != "distal":
        thumb[-2] += size[2]
        other[-2] += size[3]
    return replace(tube, thumb_edge=thumb, other_edge=other)


def _vary_stack(name: str, genes: Array, spread: float, long: float, wide: float) -> Stack:
    """Outlines vary along and across the axis and by waves of two to five lobes."""
    typical = typical_stack(name)
    angle = np.linspace(0.0, 2 * np.pi, RADII, endpoint=False)
    stretch = np.hypot(wide * np.cos(angle), long * np.sin(angle))
    lobes = np.zeros(RADII)
    for k in range(2, 6):
        size = 0.028 / (k - 0.5)
        lobes += size * (genes[2 * k - 4] * np.cos(k * angle) + genes[2 * k - 3] * np.sin(k * angle))
    return replace(
        typical,
        radii=typical.radii * stretch * np.exp(spread * lobes),
        depth=typical.depth * wide * float(np.exp(0.05 * spread * genes[18])),
        hook=typical.hook * np.array([1.0, 1.0, 1.0, np.exp(0.12 * spread * genes[19])]),
        wall=typical.wall * float(np.exp(0.12 * spread * genes[20])),
    )
