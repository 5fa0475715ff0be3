"""Typical outlines laid onto drawn ones."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones.bone_shapes import Points, outline_moments
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.outline_model import (
    OUTLINE_POINTS,
    DistanceField,
    OutlineModel,
    built_in_outlines,
    fit_outline,
    learn_outline,
    outward_normals_of,
)

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def model_of(bone: str) -> OutlineModel:
    return built_in_outlines()[CLASS_IDS[bone]]


def posed(points: Points, angle: float, scales: tuple[float, float], place: tuple[float, float]) -> Points:
    """Points scaled across and along, leant towards the thumb, and moved."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray((points * scales) @ turn.T + place)


def test_the_distance_to_an_outline_is_positive_inside() -> None:
    field = DistanceField(SQUARE)
    wanted = np.array([1.0, 0.5, 0.0, -0.2])
    assert field.at(np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.0, 1.2]])) == pytest.approx(wanted, abs=0.03)


def test_a_needle_does_not_fill_the_memory() -> None:
    field = DistanceField(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 1e-5], [0.0, 1e-5]]))
    assert field.shape[0] * field.shape[1] < 1_000_000


def test_normals_point_outwards_whatever_the_turn() -> None:
    circle = np.column_stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)])
    assert outward_normals_of(circle) == pytest.approx(circle)
    assert outward_normals_of(circle[::-1]) == pytest.approx(circle[::-1])


def test_there_is_an_outline_of_every_bone() -> None:
    for class_id, model in enumerate(built_in_outlines()):
        assert model.class_id == class_id
        assert model.points.shape == (OUTLINE_POINTS, 2)
        assert np.abs(outline_moments(model.points).centroid).max() < 0.02
        assert (model.point_sd > 0.0).all()
        assert (model.pose_sd > 0.0).all()


@pytest.mark.parametrize("bone", ["finger-6", "finger-16", "Scaphoid", "Radius"])
def test_a_pose_is_found_again(bone: str) -> None:
    model = model_of(bone)
    angle = float(model.pose[0]) + 0.1
    drawn = posed(model.points, angle, (1.05, 0.97), (0.4, 0.3 if bone != "Radius" else -0.6))
    fit = fit_outline(drawn, model)
    assert np.abs(fit.departures).max() < 0.01
    assert max(fit.outside, fit.lacking) < 0.05
    assert np.hypot(*(fit.points - drawn).T).max() < 0.03


def test_what_stands_out_does_not_move_the_rest() -> None:
    model = model_of("finger-10")
    drawn = posed(model.points, 0.0, (1.0, 1.0), (0.0, 1.5))
    middle = np.abs(model.points[:, 1]) < 0.06
    bulged = drawn + outward_normals_of(model.points) * np.where(middle & (model.points[:, 0] > 0), 0.1, 0.0)[:, None]
    fit = fit_outline(bulged, model)
    there = middle & (model.points[:, 0] > 0)
    assert fit.departures[there].max() > 0.03
    assert np.abs(fit.departures[~middle]).max() < 0.02
    assert fit.reach == pytest.approx(0.1, abs=0.03)
    assert fit.outside > 10 * fit.lacking


def test_learning_follows_the_set_and_not_its_errors() -> None:
    prior = model_of("finger-13")
    rng = np.random.default_rng(0)
    wider = prior.points + 0.01 * outward_normals_of(prior.points)
    drawn = [posed(wider, 0.02 * rng.standard_normal(), (1.0, 1.0), (0.0, 1.8)) for _ in range(45)]
    for number in range(4):
        drawn[number][10:20] += 0.15 * outward_normals_of(wider)[10:20]
    learnt = learn_outline(drawn, prior)
    assert len(learnt.modes) > len(prior.modes)
    fits = [fit_outline(one, learnt) for one in drawn]
    assert max(np.abs(fit.departures).max() for fit in fits[4:]) < 0.01
    assert min(fit.reach for fit in fits[:4]) > 0.08


def test_nothing_to_learn_from_leaves_what_is_built_in() -> None:
    prior = model_of("Lunate")
    assert learn_outline([], prior) is prior


def test_the_built_in_outlines_lie_in_the_order_of_the_channels() -> None:
    areas = {bone: outline_moments(model.points).area for bone, model in zip(BONES, built_in_outlines(), strict=True)}
    assert areas["finger-11"] > areas["finger-10"] > areas["finger-9"] > areas["finger-8"]
    assert areas["Capitate"] > areas["Trapezoid"] > areas["Pisiform"]
    assert areas["Radius"] > areas["Ulna"]
