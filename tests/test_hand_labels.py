"""Which outline is which bone, on hands made of typical outlines."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.typical_hands import frame, outlines
from yolo_bones.anatomy import NEIGHBOURS, TYPICAL
from yolo_bones.bone_shapes import (
    ARM_REACH,
    PLACE,
    clip_to_half_plane,
    ends,
    outline_moments,
    shape_features,
    wrist_angle_deg,
    wrist_end,
)
from yolo_bones.bones import BONES, CLASS_IDS, DIGITS
from yolo_bones.hand_labels import MIRRORED, NO_BONE, first_labels, label_outlines
from yolo_bones.hand_model import BUILT_IN_HANDS, blend, built_in_hand, learn_hand, robust_moments

BOX = np.array([[1.0, 2.0], [5.0, 2.0], [5.0, 4.0], [1.0, 4.0]])
"""4 wide, 2 high."""


@pytest.mark.parametrize("points", [BOX, BOX[::-1], np.repeat(BOX, 3, axis=0), np.roll(BOX, 1, axis=0)])
def test_moments_of_a_rectangle_are_those_of_its_area(points: np.ndarray) -> None:
    moments = outline_moments(points)
    assert moments.area == pytest.approx(8.0)
    assert moments.centroid == pytest.approx([3.0, 3.0])
    assert moments.covariance == pytest.approx(np.diag([16 / 12, 4 / 12]))
    assert np.abs(moments.main_axis) == pytest.approx([1.0, 0.0])


def test_an_outline_without_area_has_moments() -> None:
    assert outline_moments(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).area > 0.0


def test_a_clipped_rectangle_keeps_its_part() -> None:
    part = clip_to_half_plane(BOX, np.array([1.0, 0.0]), 4.0)
    assert outline_moments(part).area == pytest.approx(2.0)
    assert outline_moments(part).centroid == pytest.approx([4.5, 3.0])


def test_features_of_a_leaning_rectangle() -> None:
    angle = np.deg2rad(30.0)
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    corners = np.array([[-1, -3], [1, -3], [1, 3], [-1, 3]]) * 0.1
    features = shape_features(corners @ np.stack([across, along]) + [0.4, 0.2])
    drawn_out = (9 - 1) / (9 + 1)
    expected = [0.4, 0.2, np.log(0.12), np.log(3.0), drawn_out * np.cos(2 * angle), drawn_out * np.sin(2 * angle)]
    assert features == pytest.approx(expected)


def test_the_proximal_end_is_the_nearer_one() -> None:
    box = np.array([[-0.1, 1.0], [0.1, 1.0], [0.1, 2.0], [-0.1, 2.0]])
    assert ends(box) == pytest.approx(np.array([[0.0, 1.0], [0.0, 2.0]]))


def test_a_forearm_bone_ends_where_it_is_no_longer_looked_at() -> None:
    long = np.array([[-0.2, -2.5], [0.2, -2.5], [0.2, -0.3], [-0.2, -0.3]])
    part = wrist_end(long)
    assert part[:, 1].max() == pytest.approx(-0.3)
    assert part[:, 1].min() == pytest.approx(-0.3 - ARM_REACH)
    short = np.array([[-0.2, -0.8], [0.2, -0.8], [0.2, -0.3], [-0.2, -0.3]])
    assert wrist_end(short) is short


def test_the_wrist_angle_is_the_hand_against_the_forearm() -> None:
    bone = np.array([[-0.1, -2.0], [0.1, -2.0], [0.1, -0.3], [-0.1, -0.3]])
    assert wrist_angle_deg([bone, bone + np.array([0.4, 0.0])]) == pytest.approx(0.0)
    turn = np.deg2rad(20.0)
    leant = bone @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert wrist_angle_deg([leant]) == pytest.approx(-20.0)
    assert wrist_angle_deg([]) is None


def test_robust_moments_are_not_moved_by_a_few() -> None:
    values = np.array([[1.0], [2.0], [3.0], [4.0], [500.0], [np.nan]])
    median, spread, count = robust_moments(values)
    assert (median[0], count[0]) == (3.0, 5)
    assert spread[0] == pytest.approx(1.4826)
    assert [one[0] for one in robust_moments(np.full((2, 1), np.nan))] == [0.0, 0.0, 0]


def test_what_a_tenth_does_counts_as_usual_where_tails_are_asked_for() -> None:
    values = np.concatenate([np.linspace(-0.1, 0.1, 90), np.full(10, 3.0)])[:, None]
    _, straight, _ = robust_moments(values)
    _, bent, _ = robust_moments(values, tails=True)
    assert straight[0] < 0.1
    assert bent[0] == pytest.approx(3.0 / 2.17, rel=0.02)
    values[91:] = 0.0
    _, few, _ = robust_moments(values, tails=True)
    assert few[0] < 0.1


def test_a_small_set_is_blended_with_what_is_built_in() -> None:
    mean, sd = blend(np.full((BUILT_IN_HANDS, 1), 3.0), np.array([1.0]), np.array([2.0]))
    assert mean[0] == 2.0
    assert sd[0] == pytest.approx(np.sqrt(0.5 * 4.0 + 0.25 * 4.0))


def test_the_built_in_hand_is_the_typical_one() -> None:
    model = built_in_hand()
    for bone in ("finger-6", "Lunate"):
        typical = TYPICAL[bone]
        assert model.mean[CLASS_IDS[bone], PLACE].tolist() == [typical.thumbward, typical.distalward]
        assert np.exp(model.mean[CLASS_IDS[bone], 2]) == pytest.approx(typical.area)
    radius, ulna = model.mean[CLASS_IDS["Radius"]], model.mean[CLASS_IDS["Ulna"]]
    assert radius[0] > ulna[0]
    assert radius[2] > ulna[2]
    assert learn_hand(np.empty((0, 29, 6))) is model


def test_a_bone_out_of_place_does_not_move_where_others_belong() -> None:
    model = built_in_hand()
    places = model.mean[:, PLACE].copy()
    before, _ = model.expected_places(places)
    assert before == pytest.approx(places)
    places[CLASS_IDS["finger-9"]] += 1.0
    places[CLASS_IDS["Capitate"]] = np.nan
    after, _ = model.expected_places(places)
    assert np.abs(after - before).max() < 0.02


@pytest.mark.parametrize("thumb_left", [True, False])
@pytest.mark.parametrize("tilt_deg", [0.0, -40.0])
def test_right_labels_are_left_alone(thumb_left: bool, tilt_deg: float) -> None:
    drawn = outlines(frame(thumb_left, tilt_deg), np.random.default_rng(1))
    found = label_outlines(list(drawn.values()), list(drawn), built_in_hand())
    assert found is not None
    assert [BONES[label] for label in found.labels] == list(drawn)
    assert found.cost == found.given_cost
    assert found.weighed.frame.thumb_left == thumb_left


@pytest.mark.parametrize("number", range(0, len(NEIGHBOURS), 3))
def test_exchanged_neighbours_are_put_right(number: int) -> None:
    first, second = NEIGHBOURS[number]
    drawn = outlines(frame(number % 2 == 0, 20.0), np.random.default_rng(number))
    labels = [second if bone == first else first if bone == second else bone for bone in drawn]
    found = label_outlines(list(drawn.values()), labels, built_in_hand())
    assert found is not None
    assert [BONES[label] for label in found.labels] == list(drawn)
    assert found.given_cost > found.cost + 50.0


def test_a_hand_labelled_as_the_other_is_put_right() -> None:
    drawn = outlines(frame(True, 10.0), np.random.default_rng(3))
    other = {a: b for pair in MIRRORED for a, b in itertools.permutations(pair)}
    found = label_outlines(list(drawn.values()), [other.get(bone, bone) for bone in drawn], built_in_hand())
    assert found is not None
    assert [BONES[label] for label in found.labels] == list(drawn)
    assert found.weighed.frame.thumb_left


def test_fingers_that_cross_keep_their_labels() -> None:
    drawn = outlines(frame(), np.random.default_rng(4))
    *ring, metacarpal = DIGITS["ring"]
    knuckle = drawn[metacarpal][drawn[metacarpal][:, 1].argmin()]
    turn = np.deg2rad(28.0)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for bone in ring:
        drawn[bone] = np.rint((drawn[bone] - knuckle) @ matrix.T + knuckle).astype(np.int32)
    assert drawn["finger-12"][:, 0].mean() > drawn["finger-16"][:, 0].mean() - 30.0
    found = label_outlines(list(drawn.values()), list(drawn), built_in_hand())
    assert found is not None
    assert [BONES[label] for label in found.labels] == list(drawn)


def test_of_two_outlines_of_a_bone_one_is_kept_and_a_free_label_is_taken() -> None:
    assert first_labels(["Ulna", "Radius", "Ulna"]).tolist() == [28, 27, NO_BONE]
    drawn = outlines(frame(), np.random.default_rng(5))
    labels = ["finger-9" if bone == "finger-13" else bone for bone in drawn]
    found = label_outlines(list(drawn.values()), labels, built_in_hand())
    assert found is not None
    assert [BONES[label] for label in found.labels] == list(drawn)


def test_three_bones_are_no_hand() -> None:
    drawn = dict(itertools.islice(outlines(frame(), np.random.default_rng(6)).items(), 3))
    assert label_outlines(list(drawn.values()), list(drawn), built_in_hand()) is None
