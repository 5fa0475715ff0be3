"""Faults planted in predicted masks, by rule: each changes the planes in place and tells which bones it spoilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import NEIGHBOURS
from yolo_bones.bones import ARM_BONES, BONES, CLASS_IDS, HAND_BONES
from yolo_bones.hand_labels import MIRRORED_FINGERS

Planes = NDArray[np.bool_]
"""(29, H, W)."""
Bones = tuple[str, ...]
Fault = Callable[[Planes, np.random.Generator], Bones]

PAIRS: Final = tuple(pair for pair in NEIGHBOURS if not {*pair} & {*ARM_BONES})
SHIFT: Final = 0.8
"""Of a misplaced bone, in square roots of its area."""
SHRUNK: Final = 0.6
"""Share of its area that is left of an eroded bone, or by which a dilated one is divided."""


def remove(planes: Planes, rng: np.random.Generator) -> Bones:
    bone = _any_bone(planes, rng)
    planes[CLASS_IDS[bone]] = False
    return (bone,)


def exchange(planes: Planes, rng: np.random.Generator) -> Bones:
    first, second = _any_pair(planes, rng)
    return _exchange(planes, [(first, second)])


def exchange_digits(planes: Planes, rng: np.random.Generator) -> Bones:
    digits = [
        ("finger-8", "finger-12"),
        ("finger-9", "finger-13"),
        ("finger-10", "finger-14"),
        ("finger-11", "finger-15"),
    ]
    del rng
    return _exchange(planes, digits)


def mirror(planes: Planes, rng: np.random.Generator) -> Bones:
    del rng
    return _exchange(planes, MIRRORED_FINGERS)


def rotate_row(planes: Planes, rng: np.random.Generator) -> Bones:
    row = HAND_BONES[:4] if rng.random() < 0.5 else HAND_BONES[4:]
    ids = [CLASS_IDS[bone] for bone in row]
    planes[ids] = planes[ids[1:] + ids[:1]]
    return tuple(row)


def copy_neighbour(planes: Planes, rng: np.random.Generator) -> Bones:
    first, second = _any_pair(planes, rng)
    planes[CLASS_IDS[first]] = planes[CLASS_IDS[second]]
    return first, second


def swallow_neighbour(planes: Planes, rng: np.random.Generator) -> Bones:
    first, second = _any_pair(planes, rng)
    planes[CLASS_IDS[first]] |= planes[CLASS_IDS[second]]
    return first, second


def misplace(planes: Planes, rng: np.random.Generator) -> Bones:
    bone = _any_bone(planes, rng)
    plane = planes[CLASS_IDS[bone]]
    angle, far = rng.uniform(0.0, 2.0 * np.pi), SHIFT * np.sqrt(plane.sum())
    planes[CLASS_IDS[bone]] = _shifted(plane, far * np.cos(angle), far * np.sin(angle))
    return (bone,)


def add_part(planes: Planes, rng: np.random.Generator) -> Bones:
    """A blob of a third of the bone's area, twice its size away."""
    bone = _any_bone(planes, rng)
    plane = planes[CLASS_IDS[bone]]
    side = np.sqrt(plane.sum())
    rows, columns = np.nonzero(plane)
    towards = np.array([plane.shape[1] / 2 - columns.mean(), plane.shape[0] / 2 - rows.mean()])
    x, y = np.array([columns.mean(), rows.mean()]) + 2.5 * side * towards / max(1.0, float(np.hypot(*towards)))
    blob = np.zeros(plane.shape, dtype=np.uint8)
    cv2.circle(blob, (round(x), round(y)), max(2, round(0.33 * side)), 1, cv2.FILLED)
    plane |= blob.view(np.bool_)
    return (bone,)


def cut_in_two(planes: Planes, rng: np.random.Generator) -> Bones:
    """A gap across the middle, a sixth of the bone's height."""
    bone = _any_bone(planes, rng)
    rows = np.flatnonzero(planes[CLASS_IDS[bone]].any(axis=1))
    middle, half = rows.mean(), max(1.0, len(rows) / 12)
    planes[CLASS_IDS[bone], int(middle - half) : int(middle + half) + 1] = False
    return (bone,)


def pierce(planes: Planes, rng: np.random.Generator) -> Bones:
    """A hole of a fifth of its area around the bone's innermost pixel."""
    bone = _any_bone(planes, rng)
    plane = planes[CLASS_IDS[bone]].astype(np.uint8)
    depth = cv2.distanceTransform(plane, cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    radius = min(np.sqrt(0.2 * plane.sum() / np.pi), 0.8 * float(depth.max()))
    cv2.circle(plane, (int(x), int(y)), int(radius), 0, cv2.FILLED)
    planes[CLASS_IDS[bone]] = plane.view(np.bool_)
    return (bone,)


def erode(planes: Planes, rng: np.random.Generator) -> Bones:
    bone = _any_bone(planes, rng)
    plane = planes[CLASS_IDS[bone]]
    depth = cv2.distanceTransform(plane.astype(np.uint8), cv2.DIST_L2, 5)
    planes[CLASS_IDS[bone]] = depth > np.quantile(depth[plane], 1.0 - SHRUNK)
    return (bone,)


def dilate(planes: Planes, rng: np.random.Generator) -> Bones:
    bone = _any_bone(planes, rng)
    plane = planes[CLASS_IDS[bone]]
    away = cv2.distanceTransform((~plane).astype(np.uint8), cv2.DIST_L2, 5)
    nearest = np.sort(away, axis=None)[min(plane.size - 1, int(plane.sum() / SHRUNK))]
    planes[CLASS_IDS[bone]] = away <= nearest
    return (bone,)


def cut_off(planes: Planes, rng: np.random.Generator) -> Bones:
    """The upper four tenths of a bone are gone."""
    bone = _any_bone(planes, rng)
    rows = np.flatnonzero(planes[CLASS_IDS[bone]].any(axis=1))
    planes[CLASS_IDS[bone], : int(rows[0] + 0.4 * len(rows))] = False
    return (bone,)


FAULTS: Final[Mapping[str, Fault]] = {
    "missing": remove,
    "exchanged_neighbours": exchange,
    "exchanged_digits": exchange_digits,
    "mirrored_fingers": mirror,
    "rotated_carpal_row": rotate_row,
    "one_mask_for_two": copy_neighbour,
    "neighbour_swallowed": swallow_neighbour,
    "misplaced": misplace,
    "stray_part": add_part,
    "cut_in_two": cut_in_two,
    "hole": pierce,
    "eroded": erode,
    "dilated": dilate,
    "cut_off": cut_off,
}


def _any_bone(planes: Planes, rng: np.random.Generator) -> str:
    there = [bone for bone in BONES if bone not in ARM_BONES and planes[CLASS_IDS[bone]].any()]
    return there[int(rng.integers(len(there)))]


def _any_pair(planes: Planes, rng: np.random.Generator) -> tuple[str, str]:
    there = [pair for pair in PAIRS if all(planes[CLASS_IDS[bone]].any() for bone in pair)]
    return there[int(rng.integers(len(there)))]


def _exchange(planes: Planes, pairs: Sequence[tuple[str, str]]) -> Bones:
    for first, second in pairs:
        ids = [CLASS_IDS[first], CLASS_IDS[second]]
        planes[ids] = planes[ids[::-1]]
    return tuple(bone for pair in pairs for bone in pair)


def _shifted(plane: NDArray[np.bool_], x: float, y: float) -> NDArray[np.bool_]:
    matrix = np.array([[1.0, 0.0, round(x)], [0.0, 1.0, round(y)]])
    moved = cv2.warpAffine(plane.astype(np.uint8), matrix, plane.shape[::-1], flags=cv2.INTER_NEAREST)
    return np.asarray(moved.view(np.bool_))
