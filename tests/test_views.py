"""Views: there and back, the canonical view of a hand, and what the network is shown."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones.anatomy import TYPICAL, HandFrame
from yolo_bones.hand_fit import FITTED, fit_hand
from yolo_bones.rle import ImageSize
from yolo_bones.views import (
    CANONICAL,
    CARPUS,
    PAD_LEVEL,
    View,
    draw_view,
    fit_letterbox,
    hand_view,
    input_size_of_window,
    turned,
)

SIZE = ImageSize(height=700, width=500)


def frame_of(thumb_left: bool, tilt_deg: float, unit_px: float = 120.0) -> HandFrame:
    tilt = np.deg2rad(tilt_deg)
    distalward = np.array([np.sin(tilt), -np.cos(tilt)])
    thumbward = np.array([-np.cos(tilt), -np.sin(tilt)]) * (1.0 if thumb_left else -1.0)
    return HandFrame(np.array([240.0, 380.0]), thumbward, distalward, unit_px)


def places(frame: HandFrame) -> dict[str, np.ndarray]:
    return {
        bone: frame.origin_xy
        + frame.unit_px
        * (TYPICAL[bone].thumbward * frame.thumbward_xy + TYPICAL[bone].distalward * frame.distalward_xy)
        for bone in FITTED
    }


@pytest.mark.parametrize("thumb_left", [True, False])
@pytest.mark.parametrize("tilt_deg", [0.0, 37.0, -140.0])
def test_a_typical_hand_is_found_exactly(thumb_left: bool, tilt_deg: float) -> None:
    frame = frame_of(thumb_left, tilt_deg)
    fit = fit_hand(places(frame))
    assert fit is not None
    assert fit.frame.thumb_left is thumb_left
    np.testing.assert_allclose(fit.frame.origin_xy, frame.origin_xy, atol=1e-6)
    np.testing.assert_allclose(fit.frame.distalward_xy, frame.distalward_xy, atol=1e-9)
    np.testing.assert_allclose(fit.frame.thumbward_xy, frame.thumbward_xy, atol=1e-9)
    assert fit.frame.unit_px == pytest.approx(frame.unit_px)
    assert fit.support > 0.999 > 0.6 > fit.other_side_support


def test_mistaken_and_missing_bones_do_not_move_the_hand() -> None:
    frame = frame_of(True, 20.0)
    centroids = places(frame)
    for one, other in (("finger-3", "finger-19"), ("Trapezium", "Hamate"), ("finger-4", "finger-16")):
        centroids[one], centroids[other] = centroids[other], centroids[one]
    for bone in ("finger-11", "Capitate", "finger-8"):
        del centroids[bone]
    fit = fit_hand(centroids)
    assert fit is not None
    assert fit.frame.thumb_left
    assert np.hypot(*(fit.frame.origin_xy - frame.origin_xy)) < 0.03 * frame.unit_px
    assert fit.distances["finger-3"] > 3.0 > fit.distances["finger-7"]


def test_too_little_to_fit() -> None:
    centroids = places(frame_of(True, 0.0))
    assert fit_hand({bone: centroids[bone] for bone in FITTED[:3]}) is None
    assert fit_hand(dict.fromkeys(FITTED, np.array([5.0, 5.0]))) is None
    assert fit_hand(centroids, dict.fromkeys(FITTED, 0.0)) is None


@pytest.mark.parametrize("count", [5, 6, 27])
def test_bones_that_all_lie_in_one_point_but_for_one_that_does_not_count_are_no_hand(count: int) -> None:
    bones = FITTED[:count]
    centroids = {bone: np.array([5.0, 5.0]) for bone in bones}
    centroids[bones[0]] = np.array([5.5, 5.0])
    assert fit_hand(centroids, {bone: float(bone != bones[0]) for bone in bones}) is None


@pytest.mark.parametrize("thumb_left", [True, False])
def test_the_canonical_view_puts_each_bone_where_it_belongs(thumb_left: bool) -> None:
    frame = frame_of(thumb_left, -25.0)
    size = input_size_of_window(CANONICAL, 512, 32)
    assert size == ImageSize(512, 384)
    view = hand_view(SIZE, frame, CANONICAL, size)
    scale = 512 / CANONICAL.height
    for bone, point in places(frame).items():
        x, y = view.to_input(point + 0.5)
        assert x == pytest.approx(192 - scale * (TYPICAL[bone].thumbward - CANONICAL.centre_thumbward))
        assert y == pytest.approx(256 - scale * (TYPICAL[bone].distalward - CANONICAL.centre_distalward))
    assert view.scale == pytest.approx(scale / frame.unit_px)


def test_every_carpal_lies_in_the_window_of_the_carpus() -> None:
    frame = frame_of(False, 10.0)
    view = hand_view(SIZE, frame, CARPUS, ImageSize(256, 192))
    for bone in ("Trapezium", "Trapezoid", "Capitate", "Hamate", "Scaphoid", "Lunate", "Triquetrum", "Pisiform"):
        x, y = view.to_input(places(frame)[bone] + 0.5)
        assert 30 < x < 162
        assert 40 < y < 216


def test_there_and_back() -> None:
    view = turned(
        hand_view(SIZE, frame_of(True, 33.0), CANONICAL, ImageSize(256, 192)), mirror=True, turn_deg=7.0, zoom=1.1
    )
    points = np.array([[0.0, 0.0], [499.0, 20.5], [250.0, 699.0]])
    np.testing.assert_allclose(view.to_image(view.to_input(points)), points, atol=1e-9)
    assert not view.is_upright
    assert fit_letterbox(SIZE, 320, 32).is_upright


def test_turning_keeps_the_middle() -> None:
    view = turned(fit_letterbox(SIZE, 320, 32), turn_deg=90.0)
    middle = np.array([view.input_size.width, view.input_size.height]) / 2.0
    before = fit_letterbox(SIZE, 320, 32).to_image(middle)
    np.testing.assert_allclose(view.to_input(before), middle, atol=1e-9)
    right_of_it = view.to_input(before + np.array([10.0, 0.0])) - middle
    assert right_of_it[0] == pytest.approx(0.0, abs=1e-9)
    assert right_of_it[1] > 0.0


@pytest.mark.parametrize("mirror", [False, True])
def test_what_is_drawn_lies_where_the_view_says(mirror: bool) -> None:
    """The centroid of a bright disc, drawn through a turned view, within 0.05 input pixels."""
    y, x = np.mgrid[: SIZE.height, : SIZE.width]
    grey = np.where(np.hypot(x - 211.0, y - 402.0) < 40.0, 250, 10).astype(np.uint8)
    view = turned(fit_letterbox(SIZE, 320, 32), mirror=mirror, turn_deg=-21.0, zoom=0.9)
    drawn = draw_view(grey, view).astype(np.float64)
    bright = np.where(drawn > 160, drawn - 10.0, 0.0)  # the padding overshoots to 121
    rows, columns = np.mgrid[: view.input_size.height, : view.input_size.width]
    found = np.array([(bright * columns).sum(), (bright * rows).sum()]) / bright.sum() + 0.5
    np.testing.assert_allclose(found, view.to_input(np.array([211.5, 402.5])), atol=0.05)
    assert drawn[0, 0] == PAD_LEVEL


def test_a_view_of_another_image_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an image of"):
        draw_view(np.zeros((20, 30), np.uint8), fit_letterbox(SIZE, 320, 32))
    with pytest.raises(ValueError, match="inverted"):
        View(SIZE, SIZE, np.zeros((2, 3)))
