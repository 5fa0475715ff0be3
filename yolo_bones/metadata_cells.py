"""Cells of a table of patients: what is written, what is meant, and what no person can have."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Final

NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
CONTROL: Final = re.compile(
    r"(?:_x005[Ff])?_x00[01][0-9A-Fa-f]_|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff]"
)
"""Control characters, also as workbooks write them: the data set's sheet holds `_x0008_` before some cells."""
DECIMAL_COMMA: Final = re.compile(r"[0-9]+,[0-9]{1,2}")
NO_VALUES: Final = frozenset(("nan", "na", "n/a", "#n/a", "none", "null", "-", "--", ".", "?", "없음", "미상", "모름"))
"""How people and programs write that they do not know."""
SEXES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("여", "여자", "여성", "f", "female", "w", "woman"), "female"),
    **dict.fromkeys(("남", "남자", "남성", "m", "male", "man"), "male"),
}

CONTROL_CHARACTERS: Final = "control_characters"
SPACES: Final = "spaces"
TRANSLATED: Final = "translated"
UNIT: Final = "unit"
NUMBER_WRITTEN_OTHERWISE: Final = "number_written_otherwise"
NO_VALUE: Final = "no_value"
IMPOSSIBLE: Final = "impossible"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a cell cannot be what it says.

    Attributes:
        expected: what could stand there.
        proposal: what was evidently meant, or None.
    """

    expected: str
    proposal: str | None = None


@dataclass(frozen=True, slots=True)
class CleanCell:
    """A cell as it goes into the CSV.

    Attributes:
        text: its value; empty where there is none or an impossible one.
        kinds: of change.
        fault: of an impossible value.
    """

    text: str
    kinds: tuple[str, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column of numbers.

    Attributes:
        unit: for people.
        units: ways to write it behind a number.
        possible: least and most that a person can have.
        usual: a slip of the decimal point is believed where it leads from the impossible to here.
        slips: factors that undo such a slip.
    """

    unit: str
    units: tuple[str, ...]
    possible: tuple[float, float]
    usual: tuple[float, float]
    slips: tuple[float, ...]

    @property
    def expected(self) -> str:
        """For messages."""
        low, high = map(number_text, self.possible)
        return f"a number from {low} to {high} {self.unit}"

    def is_possible(self, value: float) -> bool:
        """Whether a person can have it."""
        return self.possible[0] <= value <= self.possible[1]

    def slipped(self, value: float) -> float | None:
        """What was meant by an impossible value, where exactly one slip explains it."""
        meant = [round(value * slip, 6) for slip in self.slips]
        usual = [number for number in meant if self.usual[0] <= number <= self.usual[1]]
        return usual[0] if len(usual) == 1 else None


QUANTITIES: Final[Mapping[str, Quantity]] = {
    "age": Quantity("years", ("세", "살", "years", "year", "yrs", "yr", "y"), (0, 120), (1, 100), ()),
    "weight_kg": Quantity("kg", ("kg", "킬로그램", "킬로"), (2, 300), (20, 200), (0.1, 10.0)),
    # A hundred: metres where centimetres belong.
    "height_cm": Quantity("cm", ("cm", "센티미터", "센티"), (40, 250), (100, 210), (0.1, 10.0, 100.0)),
}
POSSIBLE_BODY_MASS_INDEX: Final = (7.0, 110.0)
"""kg/m2; beyond it weight and height cannot be one person's."""


LONGEST_WHOLE: Final = 1e15
"""Larger numbers are written with an exponent."""


def mend_cell(cell: str) -> str:
    """A text as it was meant; pandas writes `nan` for an empty one."""
    text = without_controls(cell).strip()
    return "" if text.lower() == "nan" else text


def without_controls(cell: str) -> str:
    """A text without control characters; a tab or a new line between words becomes a space."""
    return CONTROL.sub("", re.sub(r"[\t\r\n]+", " ", cell))


def number_text(number: float) -> str:
    """A number as people write it, without a needless `.0`."""
    whole = float(number).is_integer() and abs(number) < LONGEST_WHOLE
    return str(int(number)) if whole else repr(float(number))


def clean_text(cell: object) -> CleanCell:
    """A cell of any column without control characters and spaces around it."""
    if cell is None:
        return CleanCell("")
    if not isinstance(cell, str):
        return CleanCell(plain_text(cell))
    visible = without_controls(cell)
    text = visible.strip()
    changes = ((CONTROL_CHARACTERS, visible != cell), (SPACES, text != visible))
    return CleanCell(text, tuple(kind for kind, changed in changes if changed))


def plain_text(cell: object) -> str:
    """What a cell shows."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, (int, float)):
        return number_text(cell) if math.isfinite(cell) else str(cell)
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)


def clean_sex(cell: object) -> CleanCell:
    """`female` or `male`."""
    plain = clean_text(cell)
    word = unicodedata.normalize("NFKC", plain.text).strip().casefold()
    if not word or word in NO_VALUES:
        return _no_value(plain)
    if word not in SEXES:
        return CleanCell("", (*plain.kinds, IMPOSSIBLE), Fault("female or male (여 or 남)"))
    return _renamed(plain, SEXES[word], TRANSLATED)


def clean_number(cell: object, quantity: Quantity) -> CleanCell:
    """A number of a quantity, in its unit."""
    plain = clean_text(cell)
    word = unicodedata.normalize("NFKC", plain.text).strip().casefold()
    if not word or word in NO_VALUES:
        return _no_value(plain)
    digits = _without_unit(word, quantity)
    kinds = (*plain.kinds, UNIT) if digits != word else plain.kinds
    if NUMBER.fullmatch(digits) is None:
        meant = float(digits.replace(",", ".")) if DECIMAL_COMMA.fullmatch(digits) else None
        proposal = number_text(meant) if meant is not None and quantity.is_possible(meant) else None
        return CleanCell("", (*kinds, IMPOSSIBLE), Fault(quantity.expected, proposal))
    value = float(digits)
    if not quantity.is_possible(value):
        slipped = quantity.slipped(value)
        proposal = None if slipped is None else number_text(slipped)
        return CleanCell("", (*kinds, IMPOSSIBLE), Fault(quantity.expected, proposal))
    return _renamed(CleanCell(digits, kinds), number_text(value), NUMBER_WRITTEN_OTHERWISE)


def misfit(weight_kg: str, height_cm: str) -> dict[str, Fault]:
    """Column -> fault of a weight and a height that cannot be one person's.

    Both are at fault where it is not evident which one is wrong.

    Args:
        weight_kg, height_cm: possible each by itself, or empty.
    """
    if not weight_kg or not height_cm:
        return {}
    weight, height = float(weight_kg), float(height_cm)
    if _fits(weight, height):
        return {}
    faults = {
        "weight_kg": Fault(f"a weight that {height_cm} cm of height can have"),
        "height_cm": Fault(f"a height that {weight_kg} kg of weight can have"),
    }
    lighter, taller = QUANTITIES["weight_kg"].slipped(weight), QUANTITIES["height_cm"].slipped(height)
    meant = {
        "weight_kg": lighter if lighter is not None and _fits(lighter, height) else None,
        "height_cm": taller if taller is not None and _fits(weight, taller) else None,
    }
    evident = {column: value for column, value in meant.items() if value is not None}
    if len(evident) != 1:
        return faults
    (column, value), *_ = evident.items()
    return {column: Fault(faults[column].expected, number_text(value))}


def _fits(weight_kg: float, height_cm: float) -> bool:
    low, high = POSSIBLE_BODY_MASS_INDEX
    return low <= weight_kg / (height_cm / 100.0) ** 2 <= high


def _without_unit(word: str, quantity: Quantity) -> str:
    for unit in quantity.units:
        if word.endswith(unit):
            return word.removesuffix(unit).strip()
    return word


def _no_value(plain: CleanCell) -> CleanCell:
    """Empty; a word that says so is a change."""
    return CleanCell("", (*plain.kinds, NO_VALUE) if plain.text else plain.kinds)


def _renamed(plain: CleanCell, text: str, kind: str) -> CleanCell:
    return CleanCell(text, plain.kinds if text == plain.text else (*plain.kinds, kind))
