"""What calibration has learnt so far, as JSON: targets of the fit, variation between patients, the fitted numbers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.atlas.parameters import parameter_count
from tests.atlas.targets import BoneTarget, Pair
from yolo_bones import reference
from yolo_bones.anatomy import SLICES, THIRD_METACARPAL, TYPICAL
from yolo_bones.bones import ARM_BONES, BONES, HAND_BONES
from yolo_bones.errors import InputError
from yolo_bones.files import write_text
from yolo_bones.strict_json import read_strict_json

Array = NDArray[np.float64]

FORMAT: Final = "yolo_bones atlas calibration 1"
PAIR_MARK: Final = " - "


class Variation(NamedTuple):
    """Standard deviations of one bone between patients, as `atlas.VARIATION` has them.

    Length and width are of the logarithm, places in units of the third metacarpal.
    """

    length: float
    width: float
    thumbward: float
    distalward: float
    angle_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that one round hands to the next.

    Attributes:
        targets, variation: by bone.
        pairs: what the area that two plain outlines share should have beyond `goal_area`, for each of
            `reference.OVERLAPS`.
        parameters: bone -> the fitted numbers, see `parameters`; empty before the first fit.
        rounds: how many rounds of measuring and fitting are in it.
    """

    targets: dict[str, BoneTarget]
    variation: dict[str, Variation]
    pairs: dict[Pair, float]
    parameters: dict[str, Array]
    rounds: int = 0


def first_state() -> State:
    """Nothing learnt: the population's own figures, and a guess at how much of the spread is each bone's own."""
    targets = {bone: BoneTarget() for bone in BONES}
    return State(targets, {bone: _first_variation(bone) for bone in BONES}, dict.fromkeys(reference.OVERLAPS, 0.0), {})


def _first_variation(bone: str) -> Variation:
    typical = TYPICAL[bone]
    length, width = 0.7 * typical.length_sd / typical.length, 0.5 * typical.width_sd / typical.width
    place = 0.0 if bone == "Capitate" else 0.010
    if bone == THIRD_METACARPAL:
        length = 0.0
    if bone in ARM_BONES:
        length = 0.02
    return Variation(length, width, place, place, 2.0 if bone in HAND_BONES else 0.5)


def write_state(path: Path, state: State) -> None:
    """Write the state as JSON, or leave the old file."""
    bones = {}
    for bone in BONES:
        target = state.targets[bone]
        bones[bone] = {
            "slices": target.slices.tolist(),
            "length": target.length,
            "width": target.width,
            "shift": target.shift.tolist(),
            "turn_deg": target.turn_deg,
            "variation": list(state.variation[bone]),
            "parameters": state.parameters[bone].tolist() if state.parameters else [],
        }
    pairs = {PAIR_MARK.join(pair): area for pair, area in state.pairs.items()}
    record = {"format": FORMAT, "rounds": state.rounds, "pairs": pairs, "bones": bones}
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def read_state(path: Path) -> State:
    """The state that `write_state` wrote.

    Raises:
        InputError: not such a file; names the field.
    """
    record = read_strict_json(path, Counter())
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(path, "format", FORMAT, record.get("format") if isinstance(record, dict) else record)
    whole = _Fields(path, "", record)
    rows, pairs = {bone: whole.inner("bones").inner(bone) for bone in BONES}, whole.inner("pairs")
    fitted = {bone: row.numbers("parameters", (0, parameter_count(bone))) for bone, row in rows.items()}
    return State(
        targets={bone: _read_target(row) for bone, row in rows.items()},
        variation={bone: Variation(*row.numbers("variation", (5,)).tolist()) for bone, row in rows.items()},
        pairs={pair: pairs.number(PAIR_MARK.join(pair)) for pair in reference.OVERLAPS},
        parameters=fitted if all(len(numbers) for numbers in fitted.values()) else {},
        rounds=int(whole.number("rounds")),
    )


def _read_target(row: _Fields) -> BoneTarget:
    return BoneTarget(
        slices=row.numbers("slices", (SLICES,)),
        length=row.number("length"),
        width=row.number("width"),
        shift=row.numbers("shift", (2,)),
        turn_deg=row.number("turn_deg"),
    )


class _Fields:
    """The numbers of one JSON object, each error with the field's name."""

    def __init__(self, path: Path, place: str, record: Any) -> None:
        if not isinstance(record, dict):
            raise InputError(path, place, "an object", record)
        self._path, self._place, self._record = path, place, record

    def inner(self, name: str) -> _Fields:
        return _Fields(self._path, self._field(name), self._record.get(name))

    def number(self, name: str) -> float:
        value: Any = self._record.get(name)
        if not _is_number(value):
            raise InputError(self._path, self._field(name), "a number", value)
        return float(value)

    def numbers(self, name: str, counts: tuple[int, ...]) -> Array:
        value: Any = self._record.get(name)
        if not (isinstance(value, list) and len(value) in counts and all(map(_is_number, value))):
            expected = " or ".join(map(str, counts))
            raise InputError(self._path, self._field(name), f"a list of {expected} numbers", value)
        return np.array(value, dtype=np.float64)

    def _field(self, name: str) -> str:
        return f"{self._place}.{name}".lstrip(".")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
