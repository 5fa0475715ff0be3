"""Label errors planted on purpose, one an image, of every kind that the real data set is known for.

Written from the list of known errors, before any audit that looks for them. Only the annotation file changes: the image
and the exact truth stay. The one exception is an image under two patients: the second patient gets a copy of the files
under another name, with the same truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np

from yolo_bones.bones import ARM_BONES, BONES, DIGITS
from yolo_bones.errors import InputError
from yolo_bones.phantom.annotators import DrawnBone
from yolo_bones.phantom.planted_shapes import SHAPE_ERRORS
from yolo_bones.phantom.settings import PhantomSettings, Stream
from yolo_bones.rle import ImageSize

SAME_IMAGE: Final = "same_image_under_two_patients"

LOWER_ROW: Final = ("Scaphoid", "Lunate", "Triquetrum", "Pisiform")
UPPER_ROW: Final = ("Trapezium", "Trapezoid", "Capitate", "Hamate")

# The row of DATASET.md about ID058, as it stands there.
MIRRORED_LABELS: Final = {
    "finger-1": "finger-3", "finger-3": "finger-1", "Trapezium": "Hamate", "Hamate": "Trapezium",
    "Trapezoid": "Capitate", "Capitate": "Trapezoid", "Radius": "Ulna", "Ulna": "Radius",
    "Pisiform": "Scaphoid", "Scaphoid": "Triquetrum", "Triquetrum": "Lunate", "Lunate": "Pisiform",
}  # fmt: skip
CARPAL_NEIGHBOURS: Final = (
    ("Trapezoid", "Capitate"), ("Capitate", "Hamate"), ("Scaphoid", "Lunate"), ("Lunate", "Triquetrum"),
    ("Triquetrum", "Pisiform"), ("Scaphoid", "Trapezium"), ("Scaphoid", "Capitate"), ("Lunate", "Capitate"),
    ("Triquetrum", "Hamate"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedError:
    """Which image gets which error.

    Attributes:
        number: of the patient.
        hand: 0 or 1, the earlier or the later image.
        kind: one of `KINDS`.
        copied_to: number of the patient that also gets the image, or 0.
    """

    number: int
    hand: int
    kind: str
    copied_to: int = 0


@lru_cache(maxsize=8)
def plan_errors(settings: PhantomSettings) -> tuple[PlannedError, ...]:
    """Choose the images, each for one error; kinds follow one another, so `len(KINDS)` errors hold every kind.

    Raises:
        InputError: more errors than annotated images, or no second patient for an image under two.
    """
    wanted, images = settings.plant_errors, 2 * settings.patients
    if wanted > images:
        raise InputError("--plant-errors", "", f"at most {images}, the number of annotated images", wanted)
    rng = settings.chance(Stream.PLANT_PLAN, 0)
    chosen = rng.permutation(images)[:wanted].tolist()
    planned = []
    for place, image in enumerate(chosen):
        number, hand = image // 2 + 1, image % 2
        kind = KINDS[place % len(KINDS)]
        copied_to = 0
        if kind == SAME_IMAGE:
            if settings.patients < 2:
                raise InputError("--patients", "", f"at least 2 for an error of kind {kind}", settings.patients)
            copied_to = (number - 1 + int(rng.integers(1, settings.patients))) % settings.patients + 1
        planned.append(PlannedError(number, hand, kind, copied_to))
    return tuple(sorted(planned, key=lambda error: (error.number, error.hand)))


def plant(
    kind: str, drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator
) -> tuple[list[DrawnBone], dict[str, Any]]:
    """Plant one error into the annotations of an image.

    Args:
        kind: one of `KINDS`.
        drawn: the annotations as they should be.
        size: of the image.
        rng: source of chance.

    Returns:
        The annotations with the error, and what was done: `bones`, the labels at fault, and details of the kind.
    """
    if kind == SAME_IMAGE:
        return drawn, {"bones": []}
    if kind in SHAPE_ERRORS:
        return SHAPE_ERRORS[kind](drawn, size, rng)
    if kind == "missing_bone":
        return _without_one(drawn, rng)
    labels = {bone.label for bone in drawn}
    mapping = {old: new for old, new in _relabelling(kind, labels, rng).items() if old in labels}
    changed = [DrawnBone(mapping.get(bone.label, bone.label), bone.points) for bone in drawn]
    return changed, {"bones": [bone for bone in BONES if bone in mapping], "drawn_label": mapping}


def _relabelling(kind: str, labels: set[str], rng: np.random.Generator) -> dict[str, str]:
    """Right label -> label that is written instead."""
    if kind == "mirrored_labels":
        return MIRRORED_LABELS
    if kind == "mirrored_hand":
        return MIRRORED_LABELS | _mirrored_fingers()
    if kind == "rotated_lower_row":
        return _rotated(LOWER_ROW, rng)
    if kind == "rotated_upper_row":
        return _rotated(UPPER_ROW, rng)
    pairs: Sequence[tuple[str, str]] = (("Trapezium", "Trapezoid"),)
    if kind == "exchanged_neighbours":
        pairs = [pair for pair in _neighbours() if labels.issuperset(pair)]
    first, second = pairs[int(rng.integers(len(pairs)))]
    return {first: second, second: first}


def _mirrored_fingers() -> dict[str, str]:
    """Index and little, middle and ring finger exchanged bone by bone."""
    pairs = (("index", "little"), ("middle", "ring"))
    there = {a: b for first, second in pairs for a, b in zip(DIGITS[first], DIGITS[second], strict=True)}
    return there | {b: a for a, b in there.items()}


def _rotated(row: tuple[str, ...], rng: np.random.Generator) -> dict[str, str]:
    step = int(rng.integers(1, len(row)))
    return {bone: row[(place + step) % len(row)] for place, bone in enumerate(row)}


def _neighbours() -> list[tuple[str, str]]:
    """Bones that follow one another on a digit, that lie side by side on two, and that touch in the wrist."""
    along = [pair for bones in DIGITS.values() for pair in pairwise(bones)]
    fingers = [bones for digit, bones in DIGITS.items() if digit != "thumb"]
    beside = [pair for left, right in pairwise(fingers) for pair in zip(left, right, strict=True)]
    arm = (ARM_BONES[0], ARM_BONES[1])
    return [*along, *beside, *CARPAL_NEIGHBOURS, arm]


def _without_one(drawn: list[DrawnBone], rng: np.random.Generator) -> tuple[list[DrawnBone], dict[str, Any]]:
    lost = drawn[int(rng.integers(len(drawn)))].label
    return [bone for bone in drawn if bone.label != lost], {"bones": [lost]}


KINDS: Final = (
    "mirrored_labels",
    "exchanged_neighbours",
    "rotated_lower_row",
    "ring_in_bone",
    "drawn_on_another_bone",
    "object_in_bone",
    "exchanged_trapezium_trapezoid",
    "missing_bone",
    "doubled_bone",
    "outline_left_bone",
    "implausible_size",
    SAME_IMAGE,
    "mirrored_hand",
    "rotated_upper_row",
)
"""In the order in which they are planted."""
