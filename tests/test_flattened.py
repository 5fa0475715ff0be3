"""What smaller bones cover of larger ones: drawn discs, and whole synthetic hands flattened by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS, HAND_BONES
from yolo_bones.flattened import COVERED_BY, MaskCrop, restore_covered
from yolo_bones.rle import ImageSize, RunLengthMasks, decode
from yolo_bones.rle_table import open_rle_table

SHAPE = (230, 310)


def ball(x: int, y: int, radius: int) -> np.ndarray:
    return cv2.circle(np.zeros(SHAPE, np.uint8), (x, y), radius, 1, cv2.FILLED) > 0


def crops_of(planes: dict[str, np.ndarray]) -> list[MaskCrop]:
    """29 crops, each three pixels wider than its bone."""
    found: list[MaskCrop] = []
    for bone in BONES:
        plane = planes.get(bone)
        if plane is None or not plane.any():
            found.append((0, 0, np.zeros((0, 0), np.uint8)))
            continue
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        top, left = max(int(rows[0]) - 3, 0), max(int(columns[0]) - 3, 0)
        found.append((top, left, plane[top : int(rows[-1]) + 4, left : int(columns[-1]) + 4].astype(np.uint8)))
    return found


def restored(planes: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    counters: Counter[str] = Counter()
    found = {}
    for bone, (top, left, mask) in zip(BONES, restore_covered(crops_of(planes), counters), strict=True):
        found[bone] = np.zeros(SHAPE, bool)
        found[bone][top : top + mask.shape[0], left : left + mask.shape[1]] = mask > 0
    return found, dict(counters)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("distance", [20, 45, 60])
def test_what_the_pisiform_covers_of_the_triquetrum_comes_back(distance: int) -> None:
    """Inside it, over its edge, and half beside it."""
    triquetrum, pisiform = ball(130, 110, 60), ball(130 + distance, 110, 35)
    seen = triquetrum & ~pisiform
    found, counters = restored({"Triquetrum": seen, "Pisiform": pisiform})
    assert dice(seen, triquetrum) < 0.93
    assert dice(found["Triquetrum"], triquetrum) > 0.98
    assert not (found["Triquetrum"] & ~seen & ~pisiform).any()
    assert (found["Triquetrum"][seen]).all()
    np.testing.assert_array_equal(found["Pisiform"], pisiform)
    assert counters == {"covered_part_restored": 1}


def test_a_bone_that_is_cut_in_two_is_joined() -> None:
    triquetrum, pisiform = ball(130, 110, 60), ball(130, 110, 62) & (np.abs(np.arange(SHAPE[1]) - 130) < 15)
    found, _ = restored({"Triquetrum": triquetrum & ~pisiform, "Pisiform": pisiform})
    assert dice(found["Triquetrum"], triquetrum) > 0.98


def test_straight_bridges_fall_short_of_arcs() -> None:
    """The finger bones' hull ends at the chord of what is covered; of the carpals' discs more comes back."""
    large, small = ball(130, 110, 60), ball(185, 110, 35)
    straight, _ = restored({"finger-2": large & ~small, "finger-1": small})
    arc, _ = restored({"Triquetrum": large & ~small, "Pisiform": small})
    before = dice(large & ~small, large)
    assert before + 0.02 < dice(straight["finger-2"], large) < dice(arc["Triquetrum"], large)


def test_neighbours_that_only_touch_stay_as_they_are() -> None:
    left, right = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    left[40:160, 50:120] = True
    right[60:130, 120:180] = True
    found, counters = restored({"Capitate": left, "Hamate": right})
    np.testing.assert_array_equal(found["Capitate"], left)
    assert counters == {}


def test_bones_that_do_not_lie_on_each_other_in_real_hands_stay_as_they_are() -> None:
    large, small = ball(130, 110, 60), ball(150, 110, 35)
    found, counters = restored({"Lunate": large & ~small, "finger-9": small})
    np.testing.assert_array_equal(found["Lunate"], large & ~small)
    assert counters == {}


def test_a_far_speck_does_not_stretch_the_outline() -> None:
    triquetrum, pisiform = ball(110, 110, 50), ball(150, 110, 30)
    seen = (triquetrum & ~pisiform) | ball(290, 110, 3)
    found, _ = restored({"Triquetrum": seen, "Pisiform": pisiform})
    assert not found["Triquetrum"][:, 170:280].any()


def test_absent_bones_are_passed() -> None:
    found, counters = restored({})
    assert not any(plane.any() for plane in found.values())
    assert counters == {}


def test_smaller_bones_come_before_the_larger_ones_that_they_cover() -> None:
    """So that what is restored of the one counts as cover of the next."""
    order = list(COVERED_BY)
    for bone, smaller in COVERED_BY.items():
        assert set(smaller) <= set(BONES)
        assert all(order.index(other) < order.index(bone) for other in smaller if other in order)


def flatten(truth: RunLengthMasks) -> tuple[np.ndarray, np.ndarray]:
    """(29, H, W) masks, whole and with every pixel given to the smallest bone alone."""
    whole = decode(truth)
    order = np.argsort(-truth.areas(), kind="stable")
    owner = np.full(whole.shape[1:], -1)
    for class_id in order:
        owner[whole[class_id]] = class_id
    return whole, owner == np.arange(BONE_COUNT)[:, None, None]


def test_flattened_synthetic_hands_win(tiny_hands: Path) -> None:
    """Less than half of what flattening lost is left, over the carpals less than two fifths; no bone loses 0.02."""
    size = ImageSize(320, 256)
    before, after = [], []
    for image in open_rle_table(tiny_hands / "train_truth.csv").images():
        whole, seen = flatten(image.masks(size))
        crops = [(0, 0, plane.astype(np.uint8)) for plane in seen]
        found = np.stack([mask > 0 for _, _, mask in restore_covered(crops, Counter())])
        before.append([dice(*pair) for pair in zip(seen, whole, strict=True)])
        after.append([dice(*pair) for pair in zip(found, whole, strict=True)])
    lost, left = 1.0 - np.array(before), 1.0 - np.array(after)
    carpals = [CLASS_IDS[bone] for bone in HAND_BONES]
    assert left.mean() < 0.5 * lost.mean()
    assert left[:, carpals].mean() < 0.4 * lost[:, carpals].mean()
    assert (left - lost).max() < 0.02
