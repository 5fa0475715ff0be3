"""Measures of the phantom's exact masks against its closed surfaces, which no pixel has touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from shapely import Polygon

from tests.measure_geometry import (
    POSE,
    Key,
    errors_of,
    sesamoids_joined,
    silhouettes,
    table,
    true_masks,
    true_measures,
)
from yolo_bones.bone_measurements import measure_hand_masks
from yolo_bones.bones import BONES
from yolo_bones.phantom.patients import PosedHand, draw_patient, pose_patient
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.phantom.truth import truth_texts
from yolo_bones.rle import ImageSize, RunLengthMasks, decode, encode, masks_to_row_texts

SETTINGS = PhantomSettings(2, 0, 7501, 1024, 832, 0.5)


@dataclass
class Checked:
    """A hand, its exact shadows and its measures from them."""

    hand: PosedHand
    shapes: dict[str, Polygon]
    true: dict[Key, float]


@pytest.fixture(scope="module")
def checked() -> list[Checked]:
    hands = [pose_patient(SETTINGS, number, [hand])[0] for number, hand in ((1, 0), (2, 1))]
    found = []
    for hand in hands:
        shapes = silhouettes(hand)
        found.append(Checked(hand, shapes, true_measures(hand, shapes)))
    return found


@pytest.fixture(scope="module")
def rows(checked: list[Checked]) -> list[dict[str, Any]]:
    return compare_all(checked, [true_masks(one.hand) for one in checked])


def compare_all(checked: list[Checked], masks: list[RunLengthMasks]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, (one, channels) in enumerate(zip(checked, masks, strict=True)):
        found += errors_of(measure_hand_masks(channels), one.true, str(number), SETTINGS.height)
    return found


def errors(rows: list[dict[str, Any]], *names: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(row["got"] - row["true"], row["true"]) for row in rows if row["name"] in names]
    error, true = np.array(pairs).T
    return error, true


def test_the_posed_hand_is_the_hand_that_is_drawn() -> None:
    settings = PhantomSettings(1, 0, 7502, 320, 256, 1.0)
    image, hand = draw_patient(settings, 1, [1])[0], pose_patient(settings, 1, [1])[0]
    drawn = truth_texts(image.outlines, ImageSize(320, 256))
    assert drawn == [text.decode() for text in masks_to_row_texts(true_masks(hand))]


def test_lengths_widths_and_areas_are_right_to_two_per_cent(rows: list[dict[str, Any]]) -> None:
    error, true = errors(rows, "length", "width", "mid_shaft_width", "area")
    share = np.abs(error / true)
    assert len(share) == 2 * (19 * 4 + 8 * 3 + 2)
    assert share.mean() < 0.004
    assert share.max() < 0.025  # a third of a pixel on the narrowest shaft


def test_carpal_heights_and_ratios_are_right_to_two_per_cent(rows: list[dict[str, Any]]) -> None:
    names = "carpal_height", "carpal_height_ratio", "revised_carpal_height_ratio", "metacarpal_index"
    error, true = errors(rows, *names)
    assert len(error) == 8
    assert np.abs(error / true).max() < 0.02


def test_the_wrists_angle_is_right_to_half_a_degree_and_near_what_was_posed(rows: list[dict[str, Any]]) -> None:
    assert np.abs(errors(rows, "ulnar_deviation")[0]).max() < 0.5
    posed = {row["true"] for row in rows if row["name"] == POSE[0]}
    assert max(posed) - min(posed) > 20.0  # one wrist is bent, one is not
    assert np.abs(errors(rows, POSE[0])[0]).max() < 4.0


def test_joint_spaces_are_right_to_a_fraction_of_a_pixel(rows: list[dict[str, Any]]) -> None:
    both = [row for row in rows if row["got"] is not None and row["true"] is not None]
    for name in ("joint_space_min", "joint_space_mean"):
        error, _ = errors(both, name)
        assert len(error) > 50
        assert np.abs(error).mean() < 0.25
        assert abs(error.mean()) < 0.1
    assert np.abs(errors(rows, "ulnar_variance")[0]).max() < 1.0


def test_masks_that_are_a_pixel_too_fat_would_be_noticed(checked: list[Checked]) -> None:
    """The limits above are worth something."""
    masks = []
    for one in checked:
        planes = decode(true_masks(one.hand)).view(np.uint8)
        masks.append(encode(np.stack([cv2.dilate(plane, np.ones((3, 3), np.uint8)) for plane in planes])))
    error, true = errors(compare_all(checked, masks), "mid_shaft_width")
    assert 2.0 < error.mean() < 2.0 * 2.0**0.5  # upright shafts and oblique ones
    assert (error / true).min() > 0.02


def test_every_bone_has_a_silhouette_in_the_image(checked: list[Checked]) -> None:
    for one in checked:
        assert set(one.shapes) == set(BONES)
        assert all(shape.bounds[3] <= SETTINGS.height - 0.5 for shape in one.shapes.values())
        assert sesamoids_joined(one.hand) <= set(range(len(BONES), len(one.hand.bones)))


def test_the_table_keeps_what_only_one_side_has_apart() -> None:
    told = table(
        [
            {"hand": "1", "height": 1024, "name": "length", "bone": "Lunate", "true": 50.0, "got": 51.0},
            {"hand": "2", "height": 1024, "name": "length", "bone": "Lunate", "true": 50.0, "got": None},
        ]
    )
    expected = ["length,", "carpal", "bones", "1024", "1", "1.000", "1.000", "1.000", "2.00", "2.00", "1"]
    assert told.splitlines()[1].split() == expected
