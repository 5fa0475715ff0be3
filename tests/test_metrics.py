"""Tiny masks with Dice computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.metrics import EPSILON, DiceScores, dice_per_channel
from yolo_bones.rle import encode

EMPTY = np.zeros((3, 4), bool)
TOP = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
LEFT = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], bool)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(dice_per_channel(encode(a), encode(b))[0])


def test_by_hand() -> None:
    # |A| = 4, |B| = 3, they share the corner: 2 / 7.
    assert dice(TOP, LEFT) == pytest.approx((2 * 1 + EPSILON) / (4 + 3 + EPSILON))
    assert dice(TOP, LEFT) == dice(LEFT, TOP)
    assert dice(TOP, TOP) == 1.0


def test_empty_truth_and_empty_prediction() -> None:
    assert dice(EMPTY, EMPTY) == 1.0
    assert dice(EMPTY, TOP) == pytest.approx(EPSILON / (4 + EPSILON))
    assert dice(TOP, EMPTY) == pytest.approx(EPSILON / (4 + EPSILON))


def test_mean_over_images_then_over_bones() -> None:
    first, second = np.ones(BONE_COUNT), np.ones(BONE_COUNT)
    first[BONES.index("Pisiform")], second[BONES.index("Pisiform")] = 0.2, 0.6
    scores = DiceScores({"a.png": first, "b.png": second})
    assert scores.bones["Pisiform"] == pytest.approx(0.4)
    assert scores.groups["hand"] == pytest.approx((7 + 0.4) / 8)
    assert scores.groups["finger"] == scores.groups["arm"] == 1.0
    assert scores.dice == pytest.approx((28 + 0.4) / 29)
    assert "Pisiform      0.4000  0.2000" in scores.table()


def test_batches_must_fit() -> None:
    with pytest.raises(ValueError, match="batches of one size"):
        dice_per_channel(encode(TOP), encode(TOP.T))
