"""Surfaces of bones: closed, oriented, seen as drawn; hands: alike on both sides, joints that hold."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from yolo_bones.bones import ARM_BONES, BONES, DIGITS, HAND_BONES
from yolo_bones.phantom.framing import draw_frame
from yolo_bones.phantom.growth import Patient, grow_patient, typical_stack, typical_tube
from yolo_bones.phantom.people import Person, draw_person
from yolo_bones.phantom.pose import draw_pose, turn_about_length, turn_in_plane, turn_to_palm
from yolo_bones.phantom.projection import cast_shadow
from yolo_bones.phantom.shapes import (
    ellipsoid,
    stack_outline,
    stack_surface,
    tube_outline,
    tube_surface,
)
from yolo_bones.phantom.skeleton import SESAMOID, pose_bones
from yolo_bones.phantom.surface import Surface
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import ImageSize

LONG = [bone for bone in BONES if bone not in HAND_BONES]
PERSON = Person("female", 35, 160.0, 55.0, 0.0)


def volume(surface: Surface) -> float:
    a, b, c = (surface.vertices[surface.triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def surface_of(bone: str, *, marrow: bool = False) -> Surface:
    if bone in HAND_BONES:
        return stack_surface(typical_stack(bone), marrow=marrow)
    return tube_surface(typical_tube(bone), marrow=marrow)


@pytest.mark.parametrize("bone", BONES)
def test_surfaces_are_closed_and_hold_their_marrow(bone: str) -> None:
    outer, marrow = surface_of(bone), surface_of(bone, marrow=True)
    edges = Counter()
    for a, b, c in outer.triangles.tolist():
        edges.update([(a, b), (b, c), (c, a)])
    assert set(edges.values()) == {1}, "an edge is used twice in the same direction"
    assert all((b, a) in edges for a, b in edges), "an edge has one side only"
    assert 0.0 < abs(volume(marrow)) < abs(volume(outer))


def test_volume_of_an_ellipsoid() -> None:
    half = np.array([0.5, 0.3, 0.2])
    assert abs(volume(ellipsoid(half))) == pytest.approx(4 / 3 * np.pi * half.prod(), rel=0.02)


@pytest.mark.parametrize("bone", ["finger-1", "finger-7", "finger-10", "Capitate", "Pisiform", "Scaphoid"])
def test_a_bone_is_seen_as_it_is_drawn(bone: str) -> None:
    """The silhouette along the palm's direction is the outline that the atlas was fitted with."""
    outline = stack_outline(typical_stack(bone)) if bone in HAND_BONES else tube_outline(typical_tube(bone))
    scale, shift = 300.0, np.array([60.0, 70.0])
    pixels = outline * scale + shift
    vertices = surface_of(bone).vertices
    size = ImageSize(400, 140)
    placed = Surface(np.column_stack([vertices[:, :2] * scale + shift, vertices[:, 2]]), surface_of(bone).triangles)
    shadow = cast_shadow(placed, size.height, size.width)
    assert shadow is not None
    drawn = np.zeros((size.height, size.width), bool)
    mask, top, left = fill_polygon(np.rint(pixels).astype(np.int32), size)
    drawn[top : top + mask.shape[0], left : left + mask.shape[1]] = mask > 0
    seen = np.zeros_like(drawn)
    seen[shadow.window] = shadow.covered
    # fillPoly paints the outline's own pixels too, and a stack's levels are sheared against each other.
    assert 2 * (seen & drawn).sum() / (seen.sum() + drawn.sum()) > 0.93


def test_the_hamates_hook_is_the_deepest_place_of_the_hamate() -> None:
    """A ray through hook and body is longer than one through the body beside it."""
    hamate = surface_of("Hamate")
    scaled = Surface(np.column_stack([hamate.vertices[:, :2] * 200 + 60, hamate.vertices[:, 2]]), hamate.triangles)
    shadow = cast_shadow(scaled, 120, 130)
    assert shadow is not None
    u, v, _, height = typical_stack("Hamate").hook
    row, column = round(60 + 200 * v) - shadow.top, round(60 + 200 * u) - shadow.left
    assert shadow.length[row, column] > float(np.median(shadow.length[shadow.covered])) + 0.6 * height


def test_turns() -> None:
    """Positive angles lean to the thumb (x), bend to the palm (z), bring the thumb's side to the palm."""
    up, thumb = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    assert turn_in_plane(90.0) @ up == pytest.approx(thumb)
    assert turn_to_palm(90.0) @ up == pytest.approx([0.0, 0.0, 1.0])
    assert turn_about_length(90.0) @ thumb == pytest.approx([0.0, 0.0, 1.0])


def hands(seed: int, person: Person = PERSON) -> tuple[Patient, Patient]:
    return grow_patient(np.random.default_rng(seed), person)


def test_the_two_hands_of_a_patient_are_alike_but_not_the_same() -> None:
    first, second, other = [], [], []
    for seed in range(40):
        one, two = hands(seed)
        first.append([one.bones[bone].shape.thumb_edge.max() for bone in LONG])  # type: ignore[union-attr]
        second.append([two.bones[bone].shape.thumb_edge.max() for bone in LONG])  # type: ignore[union-attr]
    first, second = np.log(first), np.log(second)
    other = np.roll(second, 1, axis=0)
    within, between = np.std(first - second), np.std(first - other)
    assert 0.0 < within < 0.6 * between


def test_men_have_larger_hands_and_the_old_less_mineral() -> None:
    tall, short = Person("male", 30, 180.0, 80.0, 1.0), Person("female", 30, 155.0, 50.0, -1.0)
    old = Person("female", 80, 155.0, 50.0, -1.0)
    for seed in range(5):
        assert hands(seed, tall)[0].scale > hands(seed, short)[0].scale
        assert hands(seed, old)[0].bones["Lunate"].mineral < 0.8 * hands(seed, short)[0].bones["Lunate"].mineral


def test_people_follow_their_seed_and_their_build() -> None:
    people = [draw_person(np.random.default_rng([3, number])) for number in range(400)]
    assert people[7] == draw_person(np.random.default_rng([3, 7]))
    heights = {sex: np.mean([p.height_cm for p in people if p.sex == sex]) for sex in ("female", "male")}
    assert heights["female"] == pytest.approx(160.0, abs=1.5)
    assert heights["male"] == pytest.approx(173.5, abs=1.5)
    assert all(13 <= p.age_years <= 90 and p.weight_kg > 30 for p in people)
    assert 0.01 < np.mean([p.age_years < 19 for p in people]) < 0.08


@pytest.mark.parametrize("bent", [False, True])
def test_joints_hold_in_any_pose(bent: bool) -> None:
    """The ends of neighbouring axes stay within 0.075 of a third metacarpal (40 poses: 0.008 to 0.069)."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        patient = hands(seed)[0]
        posed = {bone.name: bone for bone in pose_bones(patient, draw_pose(rng, bent)) if bone.name != SESAMOID}
        assert tuple(posed) == BONES
        for digit in DIGITS.values():
            for child, parent in itertools.pairwise(digit):
                gap = np.linalg.norm(posed[child].axis[0, :2] - posed[parent].axis[-1, :2])
                assert gap < 0.075, (child, parent, gap)


def test_the_forearm_stays_upright_when_the_hand_turns() -> None:
    rng = np.random.default_rng(5)
    patient = hands(1)[0]
    for bent, low, high in ((True, 25.0, 60.0), (False, -15.0, 15.0)):
        pose = draw_pose(rng, bent)
        bones = pose_bones(patient, pose)
        frame = draw_frame(rng, patient, pose, bones, (1100, 900), thumb_left=True)
        tilts = {}
        for bone in bones:
            if bone.name in (*ARM_BONES, "finger-11"):
                x, y = np.diff(frame.to_pixels(bone.axis)[[0, -1], :2], axis=0)[0]
                tilts[bone.name] = float(np.degrees(np.arctan2(x, -y)))
        assert abs(tilts["Radius"]) < 12.0
        assert low <= tilts["finger-11"] <= high
        points = np.concatenate([frame.to_pixels(b.outer.vertices) for b in bones if b.name not in ARM_BONES])
        assert (points[:, :2] >= 0).all()
        assert (points[:, :2] <= [900, 1100]).all()


def test_a_wide_spread_doubles_the_deviation_of_size_and_pose() -> None:
    lengths, leans = {}, {}
    for spread in (1.0, 2.0):
        grown = [grow_patient(np.random.default_rng(seed), PERSON, spread)[0] for seed in range(150)]
        lengths[spread] = np.std([np.log(patient.bones["finger-6"].shape.length) for patient in grown])  # type: ignore[union-attr]
        poses = [draw_pose(np.random.default_rng(seed), False, spread) for seed in range(150)]
        leans[spread] = np.std([pose.lean["finger-10"] for pose in poses])
    assert lengths[2.0] == pytest.approx(2.0 * lengths[1.0], rel=0.01)
    assert leans[2.0] == pytest.approx(2.0 * leans[1.0], rel=0.01)
