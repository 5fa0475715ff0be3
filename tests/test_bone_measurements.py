"""Measures of hand-drawn masks, against answers that were worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from yolo_bones.bone_measurements import (
    COVERED,
    CUT,
    HAND_UNITS,
    MISSING,
    PIECES,
    SMALL,
    UNITS,
    MeasuredHand,
    Measurement,
    in_millimetres,
    measure_hand_masks,
    measure_image,
)
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.joint_spaces import JOINTS
from yolo_bones.rle import encode

HEIGHT, WIDTH = 400, 320
Mask = NDArray[np.bool_]
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)


def block(top: int, left: int, height: int, width: int) -> Mask:
    """A mask of whole rows and columns."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def bar(x: float, y: float, length: float, width: float, tilt_deg: float = 0.0) -> Mask:
    """Pixels whose centre lies in an upright rectangle about (x, y), tilted to the image's right."""
    along, across = turned(x, y, tilt_deg)
    return (np.abs(along) < length / 2) & (np.abs(across) < width / 2)


def ellipse(x: float, y: float, length: float, width: float, tilt_deg: float) -> Mask:
    along, across = turned(x, y, tilt_deg)
    return (along / (length / 2)) ** 2 + (across / (width / 2)) ** 2 < 1.0


def turned(x: float, y: float, tilt_deg: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = np.deg2rad(tilt_deg)
    right, up = COLUMNS - x, y - ROWS
    return right * np.sin(angle) + up * np.cos(angle), right * np.cos(angle) - up * np.sin(angle)


def measure(masks: Mapping[str, Mask]) -> MeasuredHand:
    planes = np.zeros((len(BONES), HEIGHT, WIDTH), dtype=np.bool_)
    for bone, mask in masks.items():
        planes[CLASS_IDS[bone]] = mask
    return measure_hand_masks(encode(planes))


def reason(hand: MeasuredHand, name: str, bone: str = "") -> str:
    return next(one.reason for one in hand.omissions if (one.name, one.bone) == (name, bone))


def simple_hand(lean_deg: float = 0.0, mirrored: bool = False) -> dict[str, Mask]:
    """Third metacarpal 120 x 20, leaning about its base at (159.5, 179.5), capitate below it, radius and ulna upright.

    The radius begins at 219.5, so the distance to the metacarpal's base is 40 where nothing leans. The index finger's
    metacarpal lies on the image's left, which is the thumb's side; so the ulna is on the right.
    """
    lean = np.deg2rad(lean_deg)

    def place(along: float, across: float) -> tuple[float, float]:
        x = 159.5 + along * np.sin(lean) + across * np.cos(lean)
        return x, 179.5 - along * np.cos(lean) + across * np.sin(lean)

    masks = {
        "finger-11": bar(*place(60.0, 0.0), 120.0, 20.0, lean_deg),
        "finger-7": bar(*place(60.0, -35.0), 120.0, 20.0, lean_deg),
        "finger-15": bar(*place(50.0, 32.0), 100.0, 16.0, lean_deg),
        "finger-19": bar(*place(45.0, 60.0), 90.0, 16.0, lean_deg),
        "Capitate": ellipse(*place(-20.0, 0.0), 36.0, 24.0, lean_deg),
        "Radius": block(220, 130, 180, 60),
        "Ulna": block(214, 196, 186, 30),
    }
    return {bone: mask[:, ::-1] for bone, mask in masks.items()} if mirrored else masks


def test_pixels_have_extent() -> None:
    hand = measure({"finger-11": block(100, 3, 60, 3), "finger-7": block(50, 40, 80, 20)})
    assert hand.value("mid_shaft_width", "finger-11") == pytest.approx(3.0, abs=0.02)  # columns 3, 4 and 5
    assert hand.value("length", "finger-7") == pytest.approx(80.0, abs=0.02)
    assert hand.value("width", "finger-7") == pytest.approx(20.0, abs=0.1)
    assert hand.value("mid_shaft_width", "finger-7") == pytest.approx(20.0, abs=0.02)
    assert hand.value("area", "finger-7") == 1600.0


@pytest.mark.parametrize("tilt_deg", [5.0, 20.0, 45.0, 77.0, 90.0, 160.0])
def test_a_turned_bar_is_as_long_and_as_wide_as_an_upright_one(tilt_deg: float) -> None:
    hand = measure({"finger-6": bar(160.3, 199.6, 120.0, 24.0, tilt_deg)})
    # A flat end of many pixels is as long as its longest one.
    assert hand.value("length", "finger-6") == pytest.approx(120.0, abs=0.8)
    assert hand.value("mid_shaft_width", "finger-6") == pytest.approx(24.0, abs=0.3)
    axis = hand.axes["finger-6"].direction
    expected = np.array([np.sin(np.deg2rad(tilt_deg)), -np.cos(np.deg2rad(tilt_deg))])
    assert abs(float(axis @ expected)) > np.cos(np.deg2rad(0.5))


def test_the_axis_of_a_long_bone_is_its_shafts_not_that_of_a_lopsided_head() -> None:
    shaft, head = block(100, 100, 160, 20), block(80, 100, 30, 60)
    hand = measure({"finger-3": shaft | head})
    lean = np.degrees(np.arctan2(*np.abs(hand.axes["finger-3"].direction)))
    assert lean < 0.5
    assert hand.value("length", "finger-3") == pytest.approx(180.0, abs=0.3)
    assert hand.value("mid_shaft_width", "finger-3") == pytest.approx(20.0, abs=0.1)
    assert hand.value("width", "finger-3") == pytest.approx(60.0, abs=0.5)


@pytest.mark.parametrize("tilt_deg", [0.0, 33.0, 70.0])
def test_a_carpal_bone_has_its_greatest_and_least_diameter(tilt_deg: float) -> None:
    hand = measure({"Lunate": ellipse(150.3, 120.4, 60.0, 36.0, tilt_deg)})
    assert hand.value("length", "Lunate") == pytest.approx(60.0, abs=0.5)
    assert hand.value("width", "Lunate") == pytest.approx(36.0, abs=0.5)
    assert hand.value("area", "Lunate") == pytest.approx(np.pi * 30.0 * 18.0, rel=0.005)
    assert hand.value("mid_shaft_width", "Lunate") is None


def test_a_square_has_a_diagonal_and_a_side() -> None:
    hand = measure({"Trapezoid": block(30, 50, 40, 40)})
    assert hand.value("length", "Trapezoid") == pytest.approx(40.0 * np.sqrt(2.0), abs=2.0)  # corners are rounded
    assert hand.value("width", "Trapezoid") == pytest.approx(40.0, abs=0.05)


def test_two_bars_with_a_gap_have_a_joint_space_of_that_gap() -> None:
    hand = measure({"finger-7": block(200, 100, 100, 40), "finger-6": block(115, 100, 80, 40)})
    assert hand.value("joint_space_min", "MCP-2") == pytest.approx(5.0, abs=0.01)  # rows 195 to 199
    assert hand.value("joint_space_mean", "MCP-2") == pytest.approx(5.0, abs=0.1)
    assert hand.value("overlap_area", "MCP-2") == 0.0


def test_bars_that_touch_have_no_space_and_bars_that_overlap_a_negative_one() -> None:
    touching = measure({"finger-7": block(200, 100, 100, 40), "finger-6": block(120, 100, 80, 40)})
    assert touching.value("joint_space_mean", "MCP-2") == pytest.approx(0.0, abs=0.1)
    overlapping = measure({"finger-7": block(200, 100, 100, 40), "finger-6": block(124, 100, 80, 40)})
    assert overlapping.value("joint_space_min", "MCP-2") == pytest.approx(-4.0, abs=0.1)
    assert overlapping.value("joint_space_mean", "MCP-2") == pytest.approx(-4.0, abs=0.15)
    assert overlapping.value("overlap_area", "MCP-2") == 160.0  # four rows of 40


@pytest.mark.parametrize("tilt_deg", [12.0, 38.0, 110.0])
def test_a_gap_does_not_change_when_the_joint_is_turned(tilt_deg: float) -> None:
    angle = np.deg2rad(tilt_deg)
    step = np.array([np.sin(angle), -np.cos(angle)])
    first, second = np.array([160.0, 200.0]) - 43.0 * step, np.array([160.0, 200.0]) + 43.0 * step
    hand = measure({"finger-7": bar(*first, 80.0, 40.0, tilt_deg), "finger-6": bar(*second, 80.0, 40.0, tilt_deg)})
    assert hand.value("joint_space_mean", "MCP-2") == pytest.approx(6.0, abs=0.15)
    assert hand.value("joint_space_min", "MCP-2") == pytest.approx(6.0, abs=0.5)


def test_a_wedge_has_the_least_space_at_its_narrow_end() -> None:
    wedge = (ROWS < 190.0 - (COLUMNS - 100.0) / 8.0) & (ROWS >= 120.0) & (COLUMNS >= 100.0) & (COLUMNS < 140.0)
    hand = measure({"finger-7": block(200, 100, 100, 40), "finger-6": wedge})
    # Straight up from row 199.5 it is 9.5 to 14.5; at a right angle a little less (the cosine of 7 degrees).
    assert hand.value("joint_space_min", "MCP-2") == pytest.approx(9.5, abs=0.5)
    assert hand.value("joint_space_mean", "MCP-2") == pytest.approx(11.9, abs=0.2)


def test_bones_far_apart_or_side_by_side_make_no_joint() -> None:
    hand = measure({"finger-7": block(300, 100, 90, 30), "finger-6": block(20, 100, 90, 30)})
    assert hand.value("joint_space_min", "MCP-2") is None
    assert "face" in reason(hand, "joint_space_min", "MCP-2")


def test_bones_of_which_one_covers_the_other_have_an_overlap_but_no_space() -> None:
    hand = measure({"Trapezium": block(100, 100, 60, 40), "Trapezoid": block(110, 100, 40, 40)})
    assert reason(hand, "joint_space_min", "trapeziotrapezoidal") == COVERED
    assert hand.value("overlap_area", "trapeziotrapezoidal") == 1600.0


def test_only_the_place_where_a_space_is_least_counts() -> None:
    # The bones come near each other at the top, part, and run side by side again far below.
    left = block(50, 60, 60, 40) | block(110, 60, 200, 20) | block(310, 60, 60, 34)
    hand = measure({"Radius": left, "Ulna": block(50, 104, 320, 20)})
    assert hand.value("joint_space_mean", "distal-radioulnar") == pytest.approx(4.0, abs=0.1)


def test_nothing_is_measured_of_empty_masks_and_every_omission_has_its_reason() -> None:
    hand = measure({})
    assert hand.measurements == []
    assert {one.reason.split(": ")[-1] for one in hand.omissions} == {MISSING}
    assert len(hand.omissions) == 19 * 4 + 10 * 3 + 3 * len(JOINTS) + len(HAND_UNITS)


def test_a_mask_of_a_few_pixels_is_not_said_to_be_none() -> None:
    hand = measure({"finger-10": block(90, 60, 1, 1), "Lunate": block(200, 150, 2, 5)})
    assert reason(hand, "length", "finger-10") == SMALL
    assert reason(hand, "area", "Lunate") == SMALL
    assert reason(hand, "joint_space_min", "scapholunate") in (f"Scaphoid: {MISSING}", f"Lunate: {SMALL}")
    assert reason(hand, "length", "Capitate") == MISSING


def test_measures_and_omissions_are_together_always_the_same() -> None:
    everything = {(one.name, one.bone) for one in measure({}).omissions}
    hand = measure(simple_hand())
    found = [(one.name, one.bone) for one in (*hand.measurements, *hand.omissions)]
    assert len(found) == len(set(found))
    assert set(found) == everything
    assert all(np.isfinite(one.value) and UNITS[one.name] == one.unit for one in hand.measurements)


def test_a_bone_cut_by_the_images_edge_has_no_length() -> None:
    hand = measure({"finger-1": block(0, 50, 60, 20), "finger-4": block(1, 90, 60, 20)})
    assert hand.value("length", "finger-1") is None
    assert reason(hand, "area", "finger-1") == CUT
    assert hand.value("length", "finger-4") == pytest.approx(60.0, abs=0.1)


def test_a_bone_in_pieces_is_not_measured_but_a_speck_beside_it_does_not_matter() -> None:
    whole = block(50, 50, 80, 20)
    broken = measure({"finger-10": whole & ~block(85, 50, 5, 20)})
    assert reason(broken, "length", "finger-10") == PIECES
    specked = measure({"finger-10": whole | block(300, 300, 3, 3)})
    assert specked.value("length", "finger-10") == pytest.approx(80.0, abs=0.1)
    assert specked.value("area", "finger-10") == 1600.0


def test_carpal_height_is_measured_along_the_third_metacarpal() -> None:
    hand = measure(simple_hand())
    assert hand.value("carpal_height") == pytest.approx(40.0, abs=0.2)
    assert hand.value("carpal_height_ratio") == pytest.approx(40.0 / 120.0, abs=0.004)
    assert hand.value("revised_carpal_height_ratio") == pytest.approx(40.0 / 36.0, abs=0.03)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("lean_deg", [-15.0, 0.0, 25.0])
def test_deviation_is_positive_towards_the_ulna_on_either_hand(lean_deg: float, mirrored: bool) -> None:
    hand = measure(simple_hand(lean_deg, mirrored))
    # Not mirrored the ulna lies on the right, so a hand that leans to the right deviates to it.
    assert hand.value("ulnar_deviation") == pytest.approx(lean_deg, abs=0.3)
    if lean_deg:
        leaning = 40.0 / np.cos(np.deg2rad(lean_deg))
        assert hand.value("carpal_height") == pytest.approx(leaning, abs=0.6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_ulnar_variance_is_positive_where_the_ulna_is_the_longer_one(mirrored: bool) -> None:
    masks = simple_hand(mirrored=mirrored)
    assert measure(masks).value("ulnar_variance") == pytest.approx(6.0, abs=0.2)
    shorter = block(225, 196, 175, 30)
    masks["Ulna"] = shorter[:, ::-1] if mirrored else shorter
    assert measure(masks).value("ulnar_variance") == pytest.approx(-5.0, abs=0.2)


def test_the_styloid_is_not_the_ulnas_dome() -> None:
    masks = simple_hand()
    masks["Ulna"] = masks["Ulna"] | block(195, 213, 20, 13)
    assert measure(masks).value("ulnar_variance") == pytest.approx(6.0, abs=0.3)


def test_radius_and_ulna_have_a_width_at_the_wrist_but_no_length_where_the_image_cuts_them() -> None:
    masks = simple_hand()
    masks["Radius"] = masks["Radius"] | block(225, 120, 30, 80)
    hand = measure(masks)
    assert hand.value("width", "Radius") == pytest.approx(80.0, abs=0.5)
    assert hand.value("length", "Radius") is None
    assert reason(hand, "length", "Radius") == CUT
    assert hand.value("area", "Ulna") is None


def test_a_forearm_of_which_hardly_anything_is_seen_has_no_direction() -> None:
    masks = simple_hand()
    masks["Radius"] = block(330, 130, 70, 60)
    hand = measure(masks)
    assert hand.value("ulnar_deviation") is None
    assert "shaft" in reason(hand, "ulnar_deviation")


@pytest.mark.parametrize("bone", ["Radius", "Ulna"])
@pytest.mark.parametrize(
    "forearm",
    [block(0, 0, HEIGHT, WIDTH), block(0, 130, HEIGHT, 60), block(395, 3, 5, 90)],
    ids=["the whole image", "from edge to edge", "a strip along the edge"],
)
def test_a_forearm_whose_wrist_end_the_image_cuts_has_no_direction_and_no_value_that_is_no_number(
    bone: str, forearm: Mask
) -> None:
    hand = measure({**simple_hand(), bone: forearm})
    assert reason(hand, "length", bone) == CUT
    assert "shaft" in reason(hand, "width", bone)
    assert all(np.isfinite(one.value) for one in hand.measurements)


def test_the_metacarpal_index_is_lengths_over_widths_of_four_metacarpals() -> None:
    expected = (120.0 + 120.0 + 100.0 + 90.0) / (20.0 + 20.0 + 16.0 + 16.0)
    assert measure(simple_hand()).value("metacarpal_index") == pytest.approx(expected, abs=0.03)


def test_a_missing_bone_takes_its_ratios_with_it_and_says_so() -> None:
    masks = simple_hand()
    del masks["Capitate"]
    hand = measure(masks)
    assert hand.value("carpal_height") is None
    assert reason(hand, "carpal_height_ratio") == f"Capitate: {MISSING}"


def test_a_mirrored_image_gives_the_same_measures() -> None:
    plain, mirrored = measure(simple_hand(10.0)), measure(simple_hand(10.0, mirrored=True))
    assert len(plain.measurements) == len(mirrored.measurements)
    for one, other in zip(plain.measurements, mirrored.measurements, strict=True):
        assert (one.name, one.bone) == (other.name, other.bone)
        assert one.value == pytest.approx(other.value, abs=0.1)


def test_millimetres_are_lengths_by_spacing_and_areas_by_its_square() -> None:
    pixels = (
        Measurement("length", "finger-1", 100.0, "px"),
        Measurement("area", "finger-1", 50.0, "px2"),
        Measurement("carpal_height_ratio", "", 0.5, "ratio"),
        Measurement("ulnar_deviation", "", -3.0, "deg"),
    )
    told = in_millimetres(pixels, 0.2)
    assert [(one.value, one.unit) for one in told] == [
        (pytest.approx(20.0), "mm"),
        (pytest.approx(2.0), "mm2"),
        (0.5, "ratio"),
        (-3.0, "deg"),
    ]


def test_twenty_nine_masks_are_asked_for() -> None:
    with pytest.raises(ValueError, match="29 masks"):
        measure_image(encode(np.zeros((3, 10, 12), dtype=np.bool_)))
