"""Point annotations in, validated at the door: JSON of one image -> `AnnotatedImage`.

The image file is the truth for the size; the JSON's `filename` and `metadata` are never used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from yolo_bones.annotation_json import MANY_POINTS, load_annotation_json, read_drawn
from yolo_bones.bone_parts import join_parts
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.mask_outlines import OutlineError
from yolo_bones.polygons import (
    IntegerPoints,
    fill_polygon,
    good_outlines,
    has_area,
    is_simple,
    mend_points,
    most_edges_of_row,
    on_one_line,
    trace_mask,
)
from yolo_bones.rle import ImageSize, Mask

MOST_PARTS: Final = 8
"""Outlines of one bone in one image."""
MOST_OF_ROW: Final = 400
"""Edges of a tangled outline in one row of pixels; `cv2.fillPoly` takes minutes where thousands cross each other."""
PSEUDO_LABEL: Final = "pseudo-label"
"""The file's `source` where no person drew or corrected what is in it; such an image may train, but proves nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One drawn bone.

    Attributes:
        bone: name as in `bones.BONES`.
        points: (P, 2) int32 (x, y) in pixels, at least three different ones, implicitly closed, read-only.
    """

    bone: str
    points: IntegerPoints

    def __post_init__(self) -> None:
        if self.bone not in CLASS_IDS:
            raise ValueError(f"expected one of the 29 bone names, got {self.bone!r}")
        if self.points.ndim != 2 or self.points.shape[1] != 2 or len(self.points) < 3:
            raise ValueError(f"expected points of shape (P >= 3, 2), got {self.points.shape}")
        self.points.flags.writeable = False

    @property
    def class_id(self) -> int:
        """Channel, 0 to 28."""
        return CLASS_IDS[self.bone]

    def fill(self, size: ImageSize) -> tuple[Mask, int, int]:
        """The truth mask inside its box: (crop, top, left); see `polygons.fill_polygon`."""
        return fill_polygon(self.points, size)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedImage:
    """All drawn bones of one image, in channel order, at most one of each.

    Attributes:
        image_id: the image file's name without suffix.
        patient_id: name of the patient's folder.
        size: of the image file.
        is_pseudo: whether a network drew them and no person looked, as the file's mark tells.
    """

    image_id: str
    patient_id: str
    size: ImageSize
    annotations: tuple[Annotation, ...]
    is_pseudo: bool = False

    @property
    def thumb_side(self) -> str:
        """`thumb-left` or `thumb-right` in the picture, from the drawn bones; empty when they do not tell."""
        by_bone = {annotation.bone: annotation.points for annotation in self.annotations}
        pairs = (("finger-7", "finger-19"), ("finger-3", "finger-15"), ("Trapezium", "Hamate"), ("Radius", "Ulna"))
        for thumbward, other in pairs:
            if thumbward in by_bone and other in by_bone:
                gap = float(by_bone[thumbward][:, 0].mean() - by_bone[other][:, 0].mean())
                return "thumb-left" if gap < 0 else "thumb-right"
        return ""


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was mended while reading; listed in the report and counted under `counter`."""

    file: str
    field: str
    counter: str
    count: int


@dataclass(slots=True)
class RepairLog:
    """Repairs in reading order."""

    repairs: list[Repair] = field(default_factory=list)

    def add(self, file: Path, place: str, counter: str, count: int = 1) -> None:
        """Note one kind of repair at one place."""
        self.repairs.append(Repair(str(file), place, counter, count))

    @property
    def counters(self) -> dict[str, int]:
        """Total of each kind, sorted by name."""
        total: Counter[str] = Counter()
        for repair in self.repairs:
            total[repair.counter] += repair.count
        return dict(sorted(total.items()))


@dataclass(frozen=True, slots=True, eq=False)
class DrawnOutline:
    """One annotation as it stands in the file, before several of one bone are made one.

    Attributes:
        index: in the file's list of annotations.
        bone: its label.
        points: (P, 2) int32 (x, y) in pixels, mended.
    """

    index: int
    bone: str
    points: IntegerPoints


def read_annotations(path: Path, patient_id: str, size: ImageSize) -> tuple[AnnotatedImage, RepairLog]:
    """Read the JSON of one image.

    Args:
        path: `<image stem>.json`.
        patient_id: name of the patient's folder.
        size: of the image file.

    Raises:
        InputErrors: every fault of the file, each with its field.
    """
    log = RepairLog()
    faults: list[InputError] = []
    drawn: dict[str, list[tuple[int, IntegerPoints]]] = {}
    record = _load(path, log)
    for outline in _read_outlines(path, record, size, log, faults):
        drawn.setdefault(outline.bone, []).append((outline.index, outline.points))
    annotations: list[Annotation] = []
    for bone in BONES:
        parts = drawn.get(bone, [])
        try:
            annotations.extend(Annotation(bone, points) for points in _one_part(path, bone, parts, size, log))
        except InputError as error:
            faults.append(error)
    if faults:
        raise InputErrors(faults)
    for bone in BONES:
        if bone not in drawn:
            log.add(path, bone, "missing_bones")
    return AnnotatedImage(path.stem, patient_id, size, tuple(annotations), is_pseudo_label(record)), log


def is_pseudo_label(record: Any) -> bool:
    """Whether a file's content carries the mark of pseudo-labels."""
    return isinstance(record, dict) and record.get("source") == PSEUDO_LABEL


def read_outlines(path: Path, size: ImageSize) -> tuple[list[DrawnOutline], RepairLog]:
    """Read every annotation of one image as it is, for whoever asks which of them are wrong.

    A bone may be there several times or not at all.

    Args:
        path: `<image stem>.json`.
        size: of the image file.

    Raises:
        InputErrors: every fault of the file, each with its field.
    """
    log = RepairLog()
    faults: list[InputError] = []
    found = _read_outlines(path, _load(path, log), size, log, faults)
    if faults:
        raise InputErrors(faults)
    return found, log


def _read_outlines(
    path: Path, record: Any, size: ImageSize, log: RepairLog, faults: list[InputError]
) -> list[DrawnOutline]:
    """Every annotation of a file's content that is one, mended; what is none is added to `faults`."""
    drawn = read_drawn(path, record, faults)
    good = good_outlines([model.points for model in drawn.values()], size, MANY_POINTS)
    found = []
    for (index, model), points in zip(drawn.items(), good, strict=True):
        place = f"annotations[{index}]"
        try:
            clean = _clean_points(path, place, model.points, size, log) if points is None else points
            found.append(DrawnOutline(index, model.label, clean))
        except ValueError as error:
            where, wanted, got = str(error).split("|")
            faults.append(InputError(path, f"{place}.{where}", wanted, got))
    return found


def _load(path: Path, log: RepairLog) -> Any:
    counters: Counter[str] = Counter()
    content = load_annotation_json(path, counters)
    for name in counters:
        log.add(path, "", name)
    return content


def _clean_points(path: Path, place: str, drawn: list[list[float]], size: ImageSize, log: RepairLog) -> IntegerPoints:
    """Mended points of one annotation; ValueError `field|expected|got` when they make no outline."""
    if len(drawn) < 3:
        raise ValueError(f"points|at least 3 points|{len(drawn)}")
    points, repairs = mend_points(np.array(drawn, dtype=np.float64), size)
    for counter, count in repairs.items():
        log.add(path, f"{place}.points", counter, count)
    if on_one_line(points):
        raise ValueError("points|an outline with an area|points on one line")
    tangled = most_edges_of_row(points) > MOST_OF_ROW
    if (tangled and len(points) > MANY_POINTS) or not is_simple(points):
        if tangled:
            raise ValueError(f"points|an outline with at most {MOST_OF_ROW} edges in a row of pixels|more")
        if not has_area(points, size):
            raise ValueError("points|an outline with an area|lines there and back")
        log.add(path, f"{place}.points", "self_intersections")
        return _without_crossings(points, size)
    return points


def _without_crossings(points: IntegerPoints, size: ImageSize) -> IntegerPoints:
    """The outer border of what a crossing outline fills, where it fills the same pixels; else the outline as drawn."""
    crop, top, left = fill_polygon(points, size)
    border = trace_mask(crop, top, left)
    if len(border) < 3:
        return points
    again, top_again, left_again = fill_polygon(border, size)
    same = (top, left) == (top_again, left_again) and crop.shape == again.shape and bool((crop == again).all())
    return border if same else points


def _one_part(
    path: Path, bone: str, parts: list[tuple[int, IntegerPoints]], size: ImageSize, log: RepairLog
) -> list[IntegerPoints]:
    """One outline for a bone that was drawn once or, overlapping, several times; in any order."""
    if len(parts) < 2:
        return [points for _, points in parts]
    first_index, first = parts[0]
    if len(parts) > MOST_PARTS:
        expected = f"at most {MOST_PARTS} outlines of {bone}"
        raise InputError(path, f"annotations[{parts[MOST_PARTS][0]}].label", expected, len(parts))
    others: list[tuple[int, IntegerPoints]] = []
    for index, points in parts[1:]:
        if points.shape == first.shape and (points == first).all():
            log.add(path, f"annotations[{index}]", "duplicate_annotations")
        else:
            others.append((index, points))
    if not others:
        return [first]
    try:
        joined, apart = join_parts([first, *(points for _, points in others)], size)
    except OutlineError as error:
        expected, got = str(error).split("|")
        raise InputError(path, f"annotations[{first_index}].points", expected, got) from error
    if joined is None:
        expected = f"one {bone}, drawn at annotations[{first_index}]"
        got = f"a second {bone} elsewhere (audit_points tells which is wrong)"
        raise InputError(path, f"annotations[{others[apart - 1][0]}].label", expected, got)
    for index, _ in others:
        log.add(path, f"annotations[{index}]", "merged_parts")
    return [joined]
