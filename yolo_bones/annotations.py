"""Point annotations in, validated at the door: JSON of one image -> `AnnotatedImage`.

The image file is the truth for the size; the JSON's `filename` and `metadata` are never used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.polygons import IntegerPoints, fill_polygon, is_simple, mend_points, trace_mask
from yolo_bones.rle import ImageSize, Mask
from yolo_bones.strict_json import read_strict_json

MOST_JSON_BYTES: Final = 16_000_000
MOST_POINTS: Final = 100_000
MOST_ANNOTATIONS: Final = 10_000

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _AnnotationModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    label: str
    points: Annotated[list[Point], Field(max_length=MOST_POINTS)]


class _FileModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    annotations: Annotated[list[Any], Field(min_length=1, max_length=MOST_ANNOTATIONS)]


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
    """

    image_id: str
    patient_id: str
    size: ImageSize
    annotations: tuple[Annotation, ...]

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
    for outline in _read_outlines(path, size, log, faults):
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
    return AnnotatedImage(path.stem, patient_id, size, tuple(annotations)), log


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
    found = _read_outlines(path, size, log, faults)
    if faults:
        raise InputErrors(faults)
    return found, log


def _read_outlines(path: Path, size: ImageSize, log: RepairLog, faults: list[InputError]) -> list[DrawnOutline]:
    """Every annotation that is one, mended; what is none is added to `faults`."""
    record = _load_json(path, log)
    try:
        listed = _FileModel.model_validate(record).annotations
    except ValidationError as error:
        raise InputErrors(_faults(path, record, error, ())) from error
    found = []
    for index, item in enumerate(listed):
        place = f"annotations[{index}]"
        try:
            model = _AnnotationModel.model_validate(item)
        except ValidationError as error:
            faults.extend(_faults(path, record, error, ("annotations", index)))
            continue
        if model.label not in CLASS_IDS:
            faults.append(InputError(path, f"{place}.label", _label_wanted(model.label), model.label))
            continue
        try:
            found.append(DrawnOutline(index, model.label, _clean_points(path, place, model.points, size, log)))
        except ValueError as error:
            where, wanted, got = str(error).split("|")
            faults.append(InputError(path, f"{place}.{where}", wanted, got))
    return found


def _load_json(path: Path, log: RepairLog) -> Any:
    counters: Counter[str] = Counter()
    content = read_strict_json(path, counters, MOST_JSON_BYTES, nan_refused=False)
    for name in counters:
        log.add(path, "", name)
    return content


def _faults(path: Path, record: Any, error: ValidationError, within: tuple[str | int, ...]) -> list[InputError]:
    """One fault a field; `within` is where in the record the validated part lies."""
    found = (_fault(path, record, (*within, *detail["loc"]), detail) for detail in error.errors())
    return list({fault.field: fault for fault in found}.values())


def _fault(path: Path, record: Any, place: tuple[str | int, ...], detail: Any) -> InputError:
    """Say a validation error in the field's own words."""
    kind: str = detail["type"]
    if kind == "missing":
        return InputError(path, _field(place[:-1]), f"a key {place[-1]!r}", "none")
    if len(place) >= 4 and place[2] == "points":
        point = _value_at(record, place[:4])
        shown = f'"{point}"' if isinstance(point, str) else json.dumps(point, default=repr)
        return InputError(path, _field(place[:4]), "two numbers", shown)
    expected = {
        "model_type": "an object",
        "list_type": "a list",
        "string_type": "a string",
        "too_long": f"at most {MOST_POINTS if 'points' in place else MOST_ANNOTATIONS} of them",
        "too_short": "at least one annotation",
    }.get(kind, detail["msg"])
    got = detail["input"]
    shown = str(len(got)) if isinstance(got, list) else json.dumps(got, default=repr)
    return InputError(path, _field(place), expected, shown)


def _field(place: Iterable[str | int]) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _value_at(record: Any, place: Iterable[str | int]) -> Any:
    for step in place:
        record = record[step]
    return record


def _label_wanted(label: str) -> str:
    near = next((bone for bone in BONES if bone.lower() == label.strip().lower()), None)
    return f"the bone name {near!r}" if near else "one of the 29 bone names"


def _clean_points(path: Path, place: str, drawn: list[list[float]], size: ImageSize, log: RepairLog) -> IntegerPoints:
    """Mended points of one annotation; ValueError `field|expected|got` when they make no outline."""
    if len(drawn) < 3:
        raise ValueError(f"points|at least 3 points|{len(drawn)}")
    points, repairs = mend_points(np.array(drawn, dtype=np.float64), size)
    for counter, count in repairs.items():
        log.add(path, f"{place}.points", counter, count)
    if np.linalg.matrix_rank(points - points[0]) < 2:
        raise ValueError("points|an outline with an area|points on one line")
    if not is_simple(points):
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
    """One outline for a bone that was drawn once or, overlapping, several times."""
    if len(parts) < 2:
        return [points for _, points in parts]
    first_index, first = parts[0]
    merged = first
    for index, points in parts[1:]:
        place = f"annotations[{index}]"
        if points.shape == first.shape and (points == first).all():
            log.add(path, place, "duplicate_annotations")
            continue
        plane = np.zeros((size.height, size.width), dtype=np.bool_)
        shared = np.zeros_like(plane)
        for target, outline in ((plane, merged), (shared, points)):
            crop, top, left = fill_polygon(outline, size)
            target[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        if not (plane & shared).any():
            expected = f"one {bone}, drawn at annotations[{first_index}]"
            raise InputError(path, f"{place}.label", expected, f"a second {bone} elsewhere")
        log.add(path, place, "merged_parts")
        merged = trace_mask(plane | shared, 0, 0)
    return [merged]
