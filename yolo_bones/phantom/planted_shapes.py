"""Planted errors of the outline itself: something drawn along, drawn away, drawn twice, or of the wrong size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import THIRD_METACARPAL, THIRD_METACARPAL_LENGTH_2048_PX, measure_shape
from yolo_bones.bones import ARM_BONES, BONES, DIGITS, FINGER_BONES, HAND_BONES
from yolo_bones.phantom.annotators import DrawnBone, outward_normals, pixel_chain, with_count
from yolo_bones.phantom.framing import REFERENCE_SIZE
from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import ImageSize, Mask

Vector = NDArray[np.float64]
Planted = tuple[list[DrawnBone], dict[str, Any]]

RING_FINGERS: Final = ("finger-6", "finger-10", "finger-14", "finger-18")
"""Proximal phalanges, where rings are worn."""
WRIST_BONES: Final = ("Radius", "Ulna", "Scaphoid", "Triquetrum", "Lunate")
PISIFORM_ON_ULNA: Final = ("Pisiform", "Ulna")
MOST_SHARED: Final = 0.80
"""IoU with the right outline above which an outline has not left its bone."""


def put_ring(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Draw the band of a ring into a proximal phalanx: across the bone and the skin beside it, nearer to its base."""
    bone = _choose(drawn, RING_FINGERS, rng)
    pixels, unit = _pixels(bone.points, size), _unit_px(drawn, size)
    shape = measure_shape(pixels)
    metacarpal = next((bones[-1] for bones in DIGITS.values() if bone.label in bones), "")
    parent = next((other for other in drawn if other.label == metacarpal), None)
    along = shape.axis_xy
    if parent is not None and along @ (parent.points.mean(axis=0) - shape.centroid_xy) < 0.0:
        along = -along
    across = np.array([-along[1], along[0]])
    centre = shape.centroid_xy + rng.uniform(0.05, 0.2) * shape.length_px * along
    half_across = 0.42 * shape.width_px + rng.uniform(0.06, 0.10) * unit
    half_along = rng.uniform(0.025, 0.05) * unit
    corners = _rectangle(centre, across * half_across, along * half_along)
    return _drawn_along(drawn, bone, corners, size, {})


def put_object(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Draw an object at the wrist, a button or a buckle over the bone's edge, into a bone of the wrist."""
    bone = _choose(drawn, WRIST_BONES, rng)
    unit = _unit_px(drawn, size)
    wrist = np.mean([other.points.mean(axis=0) for other in drawn if other.label in HAND_BONES] or [[0.0, 0.0]], axis=0)
    distance = np.linalg.norm(bone.points - wrist, axis=1)
    near = np.flatnonzero(distance <= np.quantile(distance, 0.3))
    centre = bone.points[near[int(rng.integers(len(near)))]].astype(np.float64)
    angle = rng.uniform(0.0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    half_along, half_across = rng.uniform(0.10, 0.18) * unit, rng.uniform(0.06, 0.12) * unit
    if rng.random() < 0.5:
        turn = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)[:, None]
        border = centre + np.cos(turn) * along * half_along + np.sin(turn) * across * half_across
        return _drawn_along(drawn, bone, border, size, {"object": "round"})
    corners = _rectangle(centre, along * half_along, across * half_across)
    return _drawn_along(drawn, bone, corners, size, {"object": "square"})


def draw_on_another(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Move a bone's outline onto another bone; every second time the pisiform onto the ulna."""
    if rng.random() < 0.5 and {bone.label for bone in drawn}.issuperset(PISIFORM_ON_ULNA):
        moved, target = (next(bone for bone in drawn if bone.label == label) for label in PISIFORM_ON_ULNA)
    else:
        moved = _choose(drawn, [bone for bone in BONES if bone not in ARM_BONES], rng)
        unit = _unit_px(drawn, size)
        centre = moved.points.mean(axis=0)
        others = [bone for bone in drawn if bone is not moved]
        far = [bone for bone in others if np.linalg.norm(bone.points.mean(axis=0) - centre) > 0.35 * unit] or others
        target = far[int(rng.integers(len(far)))]
    shift = _centroid(target.points, size) - _centroid(moved.points, size)
    points = _inside(moved.points + shift, size)
    return _replaced(drawn, moved, points), {"bones": [moved.label], "drawn_on": target.label}


def draw_twice(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Draw a bone a second time, a little beside the first."""
    bone = drawn[int(rng.integers(len(drawn)))]
    angle, far = rng.uniform(0.0, 2.0 * np.pi), max(1.5, rng.uniform(0.01, 0.03) * _unit_px(drawn, size))
    shift = far * np.array([np.cos(angle), np.sin(angle)])
    again = DrawnBone(bone.label, _inside(bone.points + shift, size))
    if np.array_equal(again.points, bone.points):  # pushed back at the image's edge
        again = DrawnBone(bone.label, _inside(bone.points - shift, size))
    moved = (again.points - bone.points).mean(axis=0)
    place = int(rng.integers(len(drawn) + 1))
    return [*drawn[:place], again, *drawn[place:]], {"bones": [bone.label], "shift_px": _rounded(moved)}


def leave_bone(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Let a stretch of the outline run out into the soft tissue: the first of eight tries that shows, or the worst."""
    bone = _choose(drawn, (*FINGER_BONES, *HAND_BONES), rng)
    before = _plane([bone.points], size)
    chain = pixel_chain(before)
    width = max(measure_shape(_pixels(bone.points, size)).width_px, 0.15 * _unit_px(drawn, size))
    tries = []
    for _ in range(8):
        length = max(4, round(rng.uniform(0.25, 0.40) * len(chain)))
        bump = np.zeros(len(chain))
        bump[:length] = rng.uniform(0.35, 1.0) * width * np.sin(np.pi * np.arange(length) / length) ** 2
        bump = np.roll(bump, int(rng.integers(len(chain))))
        plane = _plane([_inside(chain + bump[:, None] * outward_normals(chain), size, shift=False)], size)
        tries.append((_iou(plane, before), plane))
        if tries[-1][0] < MOST_SHARED:
            break
    iou, plane = min(tries, key=lambda one: one[0])
    points = with_count(pixel_chain(plane), len(bone.points), exact=False)
    return _replaced(drawn, bone, points), {"bones": [bone.label], "iou_with_right_outline": round(iou, 3)}


def resize_bone(drawn: list[DrawnBone], size: ImageSize, rng: np.random.Generator) -> Planted:
    """Draw a bone at about half or twice its size."""
    bone = _choose(drawn, (*FINGER_BONES, *HAND_BONES), rng)
    factor = rng.uniform(0.45, 0.62) if rng.random() < 0.5 else rng.uniform(1.6, 2.1)
    centre = _centroid(bone.points, size)
    points = _inside(centre + factor * (bone.points - centre), size, shift=False)
    return _replaced(drawn, bone, points), {
        "bones": [bone.label],
        "factor": round(np.sqrt(_area(points) / _area(bone.points)), 3),
    }


SHAPE_ERRORS: Final[dict[str, Callable[[list[DrawnBone], ImageSize, np.random.Generator], Planted]]] = {
    "ring_in_bone": put_ring,
    "object_in_bone": put_object,
    "drawn_on_another_bone": draw_on_another,
    "doubled_bone": draw_twice,
    "outline_left_bone": leave_bone,
    "implausible_size": resize_bone,
}


def _choose(drawn: list[DrawnBone], wanted: Sequence[str], rng: np.random.Generator) -> DrawnBone:
    """One of the wanted bones, or of all where none of them was drawn; in channel order, whatever the file's."""
    found = [bone for bone in drawn if bone.label in wanted] or drawn
    return sorted(found, key=lambda bone: BONES.index(bone.label))[int(rng.integers(len(found)))]


def _unit_px(drawn: list[DrawnBone], size: ImageSize) -> float:
    """Length of the third metacarpal in pixels, or what it usually is in an image of that size."""
    for bone in drawn:
        if bone.label == THIRD_METACARPAL:
            return float(max(cv2.minAreaRect(bone.points)[1]))
    return THIRD_METACARPAL_LENGTH_2048_PX[0] * size.height / REFERENCE_SIZE


def _drawn_along(
    drawn: list[DrawnBone], bone: DrawnBone, border: Vector, size: ImageSize, details: dict[str, Any]
) -> Planted:
    """Join an object to a bone that it overlaps."""
    added = _inside(border, size, shift=False)
    before, after = _plane([bone.points], size), _plane([bone.points, added], size)
    points = with_count(pixel_chain(after), round(1.15 * len(bone.points)), exact=False)
    share = float(after.sum() - before.sum()) / float(before.sum())
    return _replaced(drawn, bone, points), {"bones": [bone.label], "added_share": round(share, 3), **details}


def _replaced(drawn: list[DrawnBone], bone: DrawnBone, points: IntegerPoints) -> list[DrawnBone]:
    return [DrawnBone(bone.label, points) if other is bone else other for other in drawn]


def _plane(outlines: list[IntegerPoints], size: ImageSize) -> Mask:
    """(H, W) bool, the union of filled outlines."""
    plane = np.zeros((size.height, size.width), np.bool_)
    for points in outlines:
        crop, top, left = fill_polygon(points, size)
        plane[top : top + crop.shape[0], left : left + crop.shape[1]] |= crop
    return plane


def _iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())


def _pixels(points: IntegerPoints, size: ImageSize) -> Vector:
    """(N, 2) centres (x, y) of the pixels that an outline fills."""
    crop, top, left = fill_polygon(points, size)
    rows, columns = np.nonzero(crop)
    return np.column_stack([columns + left, rows + top]).astype(np.float64)


def _centroid(points: IntegerPoints, size: ImageSize) -> Vector:
    return np.asarray(_pixels(points, size).mean(axis=0))


def _inside(points: Vector, size: ImageSize, shift: bool = True) -> IntegerPoints:
    """Whole pixels inside the image: a whole outline is moved in where `shift` says so, what still hangs out is cut."""
    limit = np.array([size.width - 1, size.height - 1], dtype=np.float64)
    if shift:
        points = points + np.maximum(-points.min(axis=0), 0.0) - np.maximum(points.max(axis=0) - limit, 0.0)
    return np.clip(np.rint(points), 0.0, limit).astype(np.int32)


def _area(points: Vector | IntegerPoints) -> float:
    return max(float(cv2.contourArea(np.asarray(points, dtype=np.float32))), 1.0)


def _rectangle(centre: Vector, first: Vector, second: Vector) -> Vector:
    return np.array(
        [centre - first - second, centre + first - second, centre + first + second, centre - first + second]
    )


def _rounded(vector: Vector) -> list[float]:
    return [round(float(value), 1) for value in vector]
