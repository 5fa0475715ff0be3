"""Measures of shapes whose measures are known without measuring."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rectangle_hands import ORIGIN_XY, SIZE, UNIT_PX, hand_axes, hand_planes, rectangle
from yolo_bones.anatomy import (
    TYPICAL,
    HandFrame,
    Shape,
    direction_xy,
    find_hand_frame,
    measure_bone,
    measure_shape,
)
from yolo_bones.bones import BONES

UPRIGHT = HandFrame(np.array([0.0, 0.0]), np.array([-1.0, 0.0]), np.array([0.0, -1.0]), 100.0)
"""Thumb on the left, fingertips up, 100 pixels a unit."""


def pixels_of(plane: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(plane)
    return np.stack([columns, rows], axis=1).astype(np.float64)


def shapes_of(planes: np.ndarray) -> dict[str, Shape]:
    return {bone: measure_shape(pixels_of(plane)) for bone, plane in zip(BONES, planes, strict=True) if plane.any()}


def test_one_pixel() -> None:
    shape = measure_shape(np.array([[7.0, 3.0]]))
    assert shape.centroid_xy.tolist() == [7.0, 3.0]
    assert (shape.length_px, shape.width_px, shape.area_px) == (1.0, 1.0, 1)


def test_no_pixel() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        measure_shape(np.zeros((0, 2)))


@pytest.mark.parametrize(("height", "width", "axis"), [(40, 11, (0.0, 1.0)), (11, 40, (1.0, 0.0))])
def test_straight_rectangle(height: int, width: int, axis: tuple[float, float]) -> None:
    plane = np.zeros((70, 90), dtype=bool)
    plane[5 : 5 + height, 20 : 20 + width] = True
    shape = measure_shape(pixels_of(plane))
    assert shape.area_px == height * width
    assert shape.centroid_xy == pytest.approx([20 + (width - 1) / 2, 5 + (height - 1) / 2])
    assert abs(float(shape.axis_xy @ axis)) == pytest.approx(1.0)
    assert (shape.length_px, shape.width_px) == pytest.approx((40.0, 11.0))


def test_rectangle_turned_by_three_to_four() -> None:
    shape = measure_shape(pixels_of(rectangle((250.2, 280.7), (3.0, 4.0), 200.0, 60.0)))
    assert shape.area_px == pytest.approx(12000, rel=0.005)
    assert shape.centroid_xy == pytest.approx([250.2, 280.7], abs=0.1)
    assert abs(float(shape.axis_xy @ (0.6, 0.8))) == pytest.approx(1.0, abs=1e-5)
    assert (shape.length_px, shape.width_px) == pytest.approx((200.0, 60.0), abs=1.5)


def test_a_triangle_slice_by_slice() -> None:
    # Base 200 at the bottom (proximal), tip 300 above; slice i is 200 - 20 i - 10 wide in its middle.
    rows, columns = np.mgrid[:400, :300]
    from_tip = rows - 50 + 0.5
    plane = (from_tip > 0) & (from_tip < 300) & (np.abs(columns - 150) < from_tip / 3)
    measure = measure_bone(pixels_of(plane), UPRIGHT)
    assert measure.area == pytest.approx(3.0, abs=0.01)
    assert measure.length == pytest.approx(3.0, abs=0.01)
    assert measure.width == pytest.approx(2.0, abs=0.02)
    assert measure.angle_deg == pytest.approx(0.0, abs=0.01)
    assert measure.slice_widths == pytest.approx([1.9 - 0.2 * i for i in range(10)], abs=0.015)
    # The centroid is 200 below the tip: at x 150, y 249.5.
    assert (measure.thumbward, measure.distalward) == pytest.approx((-1.5, -2.495), abs=0.005)


@pytest.mark.parametrize(
    ("lean_xy", "angle"), [((-3, -4), 36.87), ((3, -4), -36.87), ((4, -3), -53.13), ((-1, 0), 90.0)]
)
def test_angle_leans_to_the_thumb(lean_xy: tuple[float, float], angle: float) -> None:
    """Of an upright hand with its thumb on the left; either end of the axis gives the same."""
    for sign in (1, -1):
        along = (sign * lean_xy[0], sign * lean_xy[1])
        found = measure_bone(pixels_of(rectangle((250.0, 280.0), along, 121.0, 31.0)), UPRIGHT).angle_deg
        assert found == pytest.approx(angle, abs=0.05)


def test_slices_cover_the_area() -> None:
    plane = rectangle((200.0, 200.0), (1.0, 2.0), 150.0, 40.0) | rectangle((230.0, 260.0), (1.0, 2.0), 60.0, 90.0)
    measure = measure_bone(pixels_of(plane), UPRIGHT)
    assert sum(measure.slice_widths) * measure.length / 10 == pytest.approx(measure.area)


def test_to_hand() -> None:
    frame = HandFrame(np.array([100.0, 200.0]), np.array([0.6, 0.8]), np.array([0.8, -0.6]), 50.0)
    points = np.array([[100.0, 200.0], [130.0, 240.0], [180.0, 140.0]])
    assert frame.to_hand(points) == pytest.approx(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    assert frame.tilt_deg == pytest.approx(53.13, abs=0.01)
    assert not frame.thumb_left


@pytest.mark.parametrize("thumb_left", [True, False])
@pytest.mark.parametrize("tilt_deg", [-48.0, 0.0, 20.0, 165.0])
def test_frame_of_a_hand_of_rectangles(tilt_deg: float, thumb_left: bool) -> None:
    frame = find_hand_frame(shapes_of(hand_planes(tilt_deg, thumb_left)))
    assert frame is not None
    thumbward, distalward = hand_axes(tilt_deg, thumb_left)
    assert frame.origin_xy == pytest.approx(ORIGIN_XY, abs=0.5)
    assert frame.distalward_xy == pytest.approx(distalward, abs=0.01)
    assert frame.thumbward_xy == pytest.approx(thumbward, abs=0.01)
    assert frame.unit_px == pytest.approx(UNIT_PX, abs=1.2)
    assert frame.tilt_deg == pytest.approx(tilt_deg, abs=0.6)
    assert frame.thumb_left == thumb_left


@pytest.mark.parametrize(("tilt_deg", "thumb_left"), [(0.0, True), (0.0, False), (-35.0, True), (35.0, False)])
def test_bones_of_a_hand_of_rectangles(tilt_deg: float, thumb_left: bool) -> None:
    planes = hand_planes(tilt_deg, thumb_left)
    frame = find_hand_frame(shapes_of(planes))
    assert frame is not None
    for bone, plane in zip(BONES, planes, strict=True):
        typical, measure = TYPICAL[bone], measure_bone(pixels_of(plane), frame)
        place = (measure.thumbward, measure.distalward)
        assert place == pytest.approx((typical.thumbward, typical.distalward), abs=0.025), bone
        assert measure.area == pytest.approx(typical.length * typical.width, rel=0.08), bone
        if typical.length > 1.4 * typical.width:
            assert (measure.length, measure.width) == pytest.approx((typical.length, typical.width), abs=0.03), bone
            assert measure.angle_deg == pytest.approx(typical.angle_deg, abs=2.0), bone


def test_both_hands_and_any_tilt_measure_alike() -> None:
    rows = []
    for tilt_deg, thumb_left in ((0.0, True), (0.0, False), (30.0, False)):
        planes = hand_planes(tilt_deg, thumb_left)
        frame = find_hand_frame(shapes_of(planes))
        assert frame is not None
        measure = measure_bone(pixels_of(planes[BONES.index("finger-2")]), frame)
        rows.append([measure.thumbward, measure.distalward, measure.length, np.deg2rad(measure.angle_deg)])
    assert rows[1] == pytest.approx(rows[0], abs=0.02)
    assert rows[2] == pytest.approx(rows[0], abs=0.02)


def test_no_frame_without_what_tells_it() -> None:
    shapes = shapes_of(hand_planes())
    for bone in ("Capitate", "finger-11"):
        assert find_hand_frame({name: shape for name, shape in shapes.items() if name != bone}) is None
    assert find_hand_frame({name: shapes[name] for name in ("Capitate", "finger-11")}) is None
    assert find_hand_frame({}) is None


def test_a_mislabelled_bone_does_not_turn_the_hand_over() -> None:
    shapes = shapes_of(hand_planes())
    shapes["Trapezium"], shapes["Hamate"] = shapes["Hamate"], shapes["Trapezium"]
    frame = find_hand_frame(shapes)
    assert frame is not None
    assert frame.thumb_left


def test_typical_measures_hold_together() -> None:
    assert tuple(TYPICAL) == BONES
    for bone, typical in TYPICAL.items():
        assert len(typical.slice_widths) == 10, bone
        assert max(typical.slice_widths) <= typical.width, bone
        assert 0.3 < typical.centroid_fraction < 0.7, bone
        assert np.hypot(*direction_xy(typical.angle_deg)) == pytest.approx(1.0)
    assert direction_xy(90.0) == pytest.approx([1.0, 0.0])
    assert SIZE.height != SIZE.width
