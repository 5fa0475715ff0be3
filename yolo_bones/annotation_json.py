"""The JSON of one image as a stranger wrote it: how much of it is read, its shape, and what is said of its faults."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.strict_json import collector_paused, read_strict_json

MOST_JSON_BYTES: Final = 16_000_000
MOST_POINTS: Final = 100_000
MOST_POINTS_OF_FILE: Final = 600_000
MOST_ANNOTATIONS: Final = 10_000
MOST_OBJECTS: Final = 200_000
MANY_POINTS: Final = 5_000
MOST_FAULTS: Final = 5_000
"""After which no more are looked for in a file."""
MOST_SHOWN: Final = 8
MOST_TEXT_SHOWN: Final = 80

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]


class DrawnModel(BaseModel):
    """One annotation; coordinates are not looked at yet."""

    model_config = ConfigDict(strict=True, extra="ignore")

    label: str
    points: Annotated[list[Point], Field(max_length=MOST_POINTS)]


class _LongDrawnModel(DrawnModel):
    """Of a hundred thousand faulty points the first is told."""

    points: Annotated[list[Point], Field(max_length=MOST_POINTS, fail_fast=True)]


class _FileModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    annotations: Annotated[list[Any], Field(min_length=1, max_length=MOST_ANNOTATIONS)]


def load_annotation_json(path: Path, counters: Counter[str]) -> Any:
    """A file's content; a NaN is let in, to be found at its place.

    Args:
        path: of the file.
        counters: gets what is mended.

    Raises:
        InputError: no JSON, or more than any annotation is.
    """
    return read_strict_json(path, counters, MOST_JSON_BYTES, nan_refused=False, most_objects=MOST_OBJECTS)


def read_drawn(path: Path, record: Any, faults: list[InputError]) -> dict[int, DrawnModel]:
    """Place in the file's list -> annotation, of those that are one of a bone.

    Args:
        path: for messages.
        record: the file's content.
        faults: gets those of single annotations.

    Raises:
        InputErrors: no list of annotations, or too many points to look at.
    """
    try:
        listed = _FileModel.model_validate(record).annotations
    except ValidationError as error:
        raise InputErrors(_faults(path, record, error, ())) from error
    _check_point_counts(path, listed)
    drawn: dict[int, DrawnModel] = {}
    with collector_paused():
        for index, item in enumerate(listed):
            if len(faults) > MOST_FAULTS:
                break
            try:
                model = (_LongDrawnModel if _point_count(item) > MANY_POINTS else DrawnModel).model_validate(item)
            except ValidationError as error:
                faults.extend(_faults(path, record, error, ("annotations", index)))
                continue
            if model.label in CLASS_IDS:
                drawn[index] = model
            else:
                place = f"annotations[{index}].label"
                faults.append(InputError(path, place, _label_wanted(model.label), _label_shown(model.label)))
    return drawn


def _check_point_counts(path: Path, listed: list[Any]) -> None:
    """Before millions of points are looked at one by one."""
    counts = [_point_count(item) for item in listed]
    if sum(counts) <= MOST_POINTS_OF_FILE:
        return
    long = [(index, count) for index, count in enumerate(counts) if count > MOST_POINTS]
    faults = [
        InputError(path, f"annotations[{index}].points", f"at most {MOST_POINTS} of them", count)
        for index, count in long
    ]
    raise InputErrors(
        faults or [InputError(path, "annotations", f"at most {MOST_POINTS_OF_FILE} points in all", sum(counts))]
    )


def _point_count(item: Any) -> int:
    points = item.get("points") if isinstance(item, dict) else None
    return len(points) if isinstance(points, list) else 0


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
        return InputError(path, _field(place[:4]), "two numbers", _shown(_value_at(record, place[:4])))
    expected = {
        "model_type": "an object",
        "list_type": "a list",
        "string_type": "a string",
        "too_long": f"at most {MOST_POINTS if 'points' in place else MOST_ANNOTATIONS} of them",
        "too_short": "at least one annotation",
    }.get(kind, detail["msg"])
    got = detail["input"]
    is_count = kind in ("too_long", "too_short")
    return InputError(path, _field(place), expected, str(len(got)) if is_count else _shown(got))


def _shown(value: Any) -> str:
    """A value for a message; of a large one only what it begins with."""
    if isinstance(value, dict) or (isinstance(value, list) and len(value) > MOST_SHOWN):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return json.dumps(value[:MOST_TEXT_SHOWN] if isinstance(value, str) else value, ensure_ascii=False)


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
    alike = unicodedata.normalize("NFKC", label).strip().casefold()
    near = next((bone for bone in BONES if bone.casefold() == alike), None)
    return f"the bone name {near!r}" if near else "one of the 29 bone names"


def _label_shown(label: str) -> str:
    """In quotes; a letter of another script that looks like a Latin one is told by its number."""
    label = label[:MOST_TEXT_SHOWN]
    return ascii(label) if any(letter.isascii() and letter.isalpha() for letter in label) else repr(label)
