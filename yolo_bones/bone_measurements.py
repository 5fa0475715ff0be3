"""What can be measured of one image's 29 masks: bones, joints and the wrist, in pixels or in millimetres.

Definitions, their sources and how exact they are: docs/measurements.md. numpy and cv2 only; 80 ms an image at 2048.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from yolo_bones.anatomy import THIRD_METACARPAL, Shape, find_hand_frame
from yolo_bones.bone_shapes import outline_moments
from yolo_bones.bones import ARM_BONES, BONES, DIGITS, HAND_BONES, KINDS
from yolo_bones.joint_spaces import JOINTS, JointSpace, measure_space
from yolo_bones.long_axes import (
    Extent,
    ShaftAxis,
    forearm_axis,
    greatest_diameter,
    greatest_width,
    least_diameter,
    length_along,
    mean_width,
    shaft_axis,
)
from yolo_bones.rle import RunLengthMasks, paired_intersection_areas, stack
from yolo_bones.sub_pixel_outlines import Outline, Values, trace_outlines
from yolo_bones.wrist_geometry import carpal_height, ulnar_deviation_deg, ulnar_variance

BONE_NAMES: Final = ("length", "width", "area")
"""Measured of every bone; of one of the digits also `mid_shaft_width`."""
MID_SHAFT: Final = "mid_shaft_width"
JOINT_NAMES: Final = ("joint_space_min", "joint_space_mean", "overlap_area")
HAND_UNITS: Final = {
    "carpal_height": "px",
    "carpal_height_ratio": "ratio",
    "revised_carpal_height_ratio": "ratio",
    "ulnar_deviation": "deg",
    "ulnar_variance": "px",
    "metacarpal_index": "ratio",
}
UNITS: Final = {
    **dict.fromkeys(("length", "width", MID_SHAFT, "joint_space_min", "joint_space_mean"), "px"),
    **dict.fromkeys(("area", "overlap_area"), "px2"),
    **HAND_UNITS,
}
MOST_COVERED: Final = 0.5
"""Part of the smaller bone that may overlap; with more there is no space between two contours to speak of."""
INDEX_BONES: Final = tuple(bones[-1] for digit, bones in DIGITS.items() if digit != "thumb")

MISSING: Final = "no mask"
SMALL: Final = "too few pixels"
PIECES: Final = "in pieces"
CUT: Final = "cut by the image's edge"
APART: Final = "the contours do not face each other"
COVERED: Final = "one bone covers the other"
BESIDE: Final = "the metacarpal's axis does not meet the radius"
SHORT_SHAFT: Final = "too little of the shaft in the image"
SIDE: Final = "the thumb's side is not known"

_Found = Extent | float | str
"""A value with its place, a value, or the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value.

    Attributes:
        name: of what is measured, such as `length` or `joint_space_min`.
        bone: as in `bones.BONES`; a joint's name, such as `MCP-2`, for a joint; empty where the whole hand is meant.
        value: never NaN.
        unit: px, px2, ratio or deg; after `in_millimetres` mm and mm2 for px and px2.
    """

    name: str
    bone: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Omission:
    """What could not be measured, named as in `Measurement`, and why."""

    name: str
    bone: str
    reason: str


@dataclass(slots=True)
class MeasuredHand:
    """All measures of one image, with the lines they were taken along.

    Attributes:
        measurements, omissions: in the order of bones, joints, hand; together always the same.
        axes: bone -> its long axis, for the bones that have one.
        extents: (name, bone) -> where a length or a width was taken.
        spaces: joint -> its space.
    """

    measurements: list[Measurement] = field(default_factory=list)
    omissions: list[Omission] = field(default_factory=list)
    axes: dict[str, ShaftAxis] = field(default_factory=dict)
    extents: dict[tuple[str, str], Extent] = field(default_factory=dict)
    spaces: dict[str, JointSpace] = field(default_factory=dict)

    def note(self, name: str, bone: str, found: _Found) -> None:
        """Take in a value, or the reason why there is none."""
        if isinstance(found, str):
            self.omissions.append(Omission(name, bone, found))
            return
        if isinstance(found, Extent):
            self.extents[name, bone] = found
        value = found.value if isinstance(found, Extent) else found
        self.measurements.append(Measurement(name, bone, float(value), UNITS[name]))

    def value(self, name: str, bone: str = "") -> float | None:
        """A value by its name."""
        return next((one.value for one in self.measurements if (one.name, one.bone) == (name, bone)), None)


def measure_image(masks: RunLengthMasks) -> tuple[Measurement, ...]:
    """Everything that can be measured of the 29 channels of one image, in pixels; what cannot be taken is absent."""
    return tuple(measure_hand_masks(masks).measurements)


def measure_hand_masks(masks: RunLengthMasks) -> MeasuredHand:
    """The same with what could not be measured and why, and the lines along which the rest was taken.

    Raises:
        ValueError: not 29 masks.
    """
    if len(masks) != len(BONES):
        raise ValueError(f"expected {len(BONES)} masks, got {len(masks)}")
    outlines = dict(zip(BONES, trace_outlines(masks), strict=True))
    whole = {bone: outline for bone, outline in outlines.items() if outline is not None and not outline.in_pieces}
    missing = {bone: SMALL if area else MISSING for bone, area in zip(BONES, masks.areas().tolist(), strict=True)}
    faults = {bone: missing[bone] if outlines[bone] is None else PIECES for bone in BONES if bone not in whole}
    hand = MeasuredHand()
    for bone in BONES:
        if bone in ARM_BONES:
            _measure_forearm_bone(hand, bone, whole, faults)
        else:
            _measure_bone(hand, bone, whole, faults)
    _measure_joints(hand, masks, whole, faults)
    _measure_wrist(hand, whole, faults)
    return hand


def in_millimetres(measurements: Sequence[Measurement], spacing_mm: float) -> tuple[Measurement, ...]:
    """The same with lengths in mm and areas in mm2; ratios and angles as they are.

    Args:
        measurements: in pixels.
        spacing_mm: side of a pixel in millimetres.
    """
    factors = {"px": (spacing_mm, "mm"), "px2": (spacing_mm**2, "mm2")}
    found = []
    for one in measurements:
        factor, unit = factors.get(one.unit, (1.0, one.unit))
        found.append(Measurement(one.name, one.bone, one.value * factor, unit))
    return tuple(found)


def _measure_bone(hand: MeasuredHand, bone: str, whole: Mapping[str, Outline], faults: Mapping[str, str]) -> None:
    is_long = KINDS[bone] != "carpal"
    names = (*BONE_NAMES[:2], MID_SHAFT, BONE_NAMES[2]) if is_long else BONE_NAMES
    fault = faults.get(bone) or (CUT if whole[bone].is_cut else "")
    if fault:
        for name in names:
            hand.note(name, bone, fault)
        return
    outline = whole[bone]
    if is_long:
        axis = hand.axes[bone] = shaft_axis(outline.points)
        hand.note("length", bone, length_along(outline.points, axis))
        hand.note("width", bone, greatest_width(outline.points, axis))
        hand.note(MID_SHAFT, bone, mean_width(outline.points, axis))
    else:
        hand.note("length", bone, greatest_diameter(outline.points))
        hand.note("width", bone, least_diameter(outline.points))
    hand.note("area", bone, float(outline.area_px))


def _measure_forearm_bone(
    hand: MeasuredHand, bone: str, whole: Mapping[str, Outline], faults: Mapping[str, str]
) -> None:
    """The image cuts the forearm: its bones have a width at the wrist, length and area only where they are whole."""
    fault = faults.get(bone, "")
    carpus = [whole[name].points.mean(axis=0) for name in HAND_BONES if name in whole]
    axis = None
    if not fault and carpus:
        axis = forearm_axis(whole[bone], np.mean(carpus, axis=0))
    if axis is not None:
        hand.axes[bone] = axis
    cut = fault or (CUT if whole[bone].is_cut else "")
    hand.note("length", bone, cut or (SHORT_SHAFT if axis is None else length_along(whole[bone].points, axis)))
    hand.note("width", bone, fault or (SHORT_SHAFT if axis is None else _wrist_width(whole[bone], axis)))
    hand.note("area", bone, cut or float(whole[bone].area_px))


def _wrist_width(outline: Outline, axis: ShaftAxis) -> Extent | str:
    """Greatest width of the half of a forearm bone that is nearer to the wrist."""
    along = axis.along(outline.points)
    middle = float(along.max() - 0.5 * np.ptp(along))
    if outline.is_cut and float(along[outline.on_edge].max()) > middle:
        return CUT
    return greatest_width(outline.points, axis, from_place=middle)


def _measure_joints(
    hand: MeasuredHand, masks: RunLengthMasks, whole: Mapping[str, Outline], faults: Mapping[str, str]
) -> None:
    order = [masks[BONES.index(bone)] for pair in JOINTS.values() for bone in pair]
    overlaps = paired_intersection_areas(stack(masks.size, order)).tolist()
    for (joint, pair), overlap in zip(JOINTS.items(), overlaps, strict=True):
        fault = next((f"{bone}: {faults[bone]}" for bone in pair if bone in faults), "")
        covered = not fault and overlap > MOST_COVERED * min(whole[bone].area_px for bone in pair)
        space = None if fault or covered else measure_space(whole[pair[0]], whole[pair[1]])
        if space is not None:
            hand.spaces[joint] = space
        none = fault or (COVERED if covered else APART)
        hand.note("joint_space_min", joint, none if space is None else space.least_px)
        hand.note("joint_space_mean", joint, none if space is None else space.mean_px)
        hand.note("overlap_area", joint, fault or float(overlap))


def _measure_wrist(hand: MeasuredHand, whole: Mapping[str, Outline], faults: Mapping[str, str]) -> None:
    def unless_missing(bones: Sequence[str], measure: Callable[..., _Found]) -> _Found:
        fault = next((f"{bone}: {faults[bone]}" for bone in bones if bone in faults), "")
        return fault or measure(hand, whole)

    height = unless_missing((THIRD_METACARPAL, "Capitate", "Radius"), _carpal_height)
    hand.note("carpal_height", "", height)
    for name, bone in (("carpal_height_ratio", THIRD_METACARPAL), ("revised_carpal_height_ratio", "Capitate")):
        length = hand.value("length", bone)
        ratio = height.value / length if isinstance(height, Extent) and length else f"{bone}: {CUT}"
        hand.note(name, "", height if isinstance(height, str) else ratio)
    hand.note("ulnar_deviation", "", unless_missing((THIRD_METACARPAL, "Capitate", "Radius"), _ulnar_deviation))
    hand.note("ulnar_variance", "", unless_missing(ARM_BONES, _ulnar_variance))
    hand.note("metacarpal_index", "", unless_missing(INDEX_BONES, _metacarpal_index))


def _third_axis(hand: MeasuredHand, whole: Mapping[str, Outline]) -> ShaftAxis | None:
    """The third metacarpal's axis, leading from the capitate to the fingertips."""
    axis = hand.axes.get(THIRD_METACARPAL)
    return None if axis is None else axis.turned(whole["Capitate"].points.mean(axis=0))


def _carpal_height(hand: MeasuredHand, whole: Mapping[str, Outline]) -> _Found:
    axis = _third_axis(hand, whole)
    if axis is None:
        return f"{THIRD_METACARPAL}: {CUT}"
    return carpal_height(whole[THIRD_METACARPAL], axis, whole["Radius"]) or BESIDE


def _ulnar_deviation(hand: MeasuredHand, whole: Mapping[str, Outline]) -> _Found:
    metacarpal, radius, thumbward = _third_axis(hand, whole), hand.axes.get("Radius"), _thumbward(whole)
    if metacarpal is None:
        return f"{THIRD_METACARPAL}: {CUT}"
    if radius is None:
        return SHORT_SHAFT
    return SIDE if thumbward is None else ulnar_deviation_deg(metacarpal.direction, radius.direction, thumbward)


def _ulnar_variance(hand: MeasuredHand, whole: Mapping[str, Outline]) -> _Found:
    radius = hand.axes.get("Radius")
    return SHORT_SHAFT if radius is None else ulnar_variance(whole["Radius"], radius, whole["Ulna"]) or APART


def _metacarpal_index(hand: MeasuredHand, _: Mapping[str, Outline]) -> _Found:
    lengths = [hand.value("length", bone) for bone in INDEX_BONES]
    widths = [hand.value(MID_SHAFT, bone) for bone in INDEX_BONES]
    if None in lengths or None in widths:
        return f"{INDEX_BONES[lengths.index(None)]}: {CUT}"
    return sum(filter(None, lengths)) / sum(filter(None, widths))


def _thumbward(whole: Mapping[str, Outline]) -> Values | None:
    """(2,) the direction to the thumb's side, from the hand's frame."""
    shapes = {}
    for bone, outline in whole.items():
        moments = outline_moments(outline.points)
        extent = float(np.ptp((outline.points - moments.centroid) @ moments.main_axis))
        shapes[bone] = Shape(moments.centroid, moments.main_axis, extent, 1.0, outline.area_px)
    frame = find_hand_frame(shapes)
    return None if frame is None else frame.thumbward_xy
