"""The table of patients as the real data set has it, as xlsx, with its dirt where that is wanted.

A sex that reads `_x0008_여` in the real table is written as just these characters. In xlsx `_x0008_` would mean a
backspace, so the writer escapes it to `_x005F_x0008_`; openpyxl and pandas (which show a backspace as `_x0008_` too)
and readers that understand the escape all give `_x0008_여` back.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xlsxwriter

from yolo_bones.files import write_bytes
from yolo_bones.phantom.people import Sex
from yolo_bones.phantom.settings import PhantomSettings, Stream, person_of

SHEET: Final = "Sheet1"
COLUMNS: Final = ("ID", "나이", "성별", "체중(몸무게)", "키(신장)", "")
"""Number, age, sex, weight in kg, height in cm; the last one has no name and is to be dropped."""
ID, AGE, SEX, WEIGHT, HEIGHT, NAMELESS = range(len(COLUMNS))
SEXES: Final[dict[Sex, str]] = {"female": "여", "male": "남"}
UNITS: Final = "나이: 세, 체중: kg, 키: cm"
"""Stands in the nameless column beside the first patient, because a column without any cell does not exist in xlsx."""
ROWS_WITHOUT_IMAGES: Final = 6 / 544
"""The real table has 550 rows for 544 patients."""
NOTES: Final = ("재촬영", "반지 착용", "확인 필요")
FIRST_ROW: Final = 2
"""Row of the first patient, as a spreadsheet counts."""
CREATED: Final = datetime(2022, 8, 1)
"""Fixed, so that the same table has the same bytes."""

Cell = int | float | str | None


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    cells: list[Cell]
    dirt: dict[str, Any] = field(default_factory=dict)


def write_metadata_table(target: Path, settings: PhantomSettings) -> list[dict[str, Any]]:
    """Write the table of all patients, a row each and some rows without images.

    Returns:
        The dirty cells in order: row as a spreadsheet counts, ID, column, kind of dirt, what is written, what is true.
    """
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    book.set_properties({"created": CREATED})
    sheet = book.add_worksheet(SHEET)
    sheet.write_row(0, 0, COLUMNS[:NAMELESS])
    dirty_cells = []
    for place, row in enumerate(_rows(settings)):
        for column, cell in enumerate(row.cells):
            if cell is not None:
                sheet.write(place + 1, column, cell)
        if row.dirt:
            dirty_cells.append({"row": place + FIRST_ROW, "ID": row.number, **row.dirt})
    book.close()
    write_bytes(target, stream.getvalue())
    return dirty_cells


def row_count(settings: PhantomSettings) -> int:
    """Rows of the table, more than there are patients with images."""
    return settings.total + max(1, round(settings.total * ROWS_WITHOUT_IMAGES))


def _rows(settings: PhantomSettings) -> Iterator[_Row]:
    dirt = _plan_dirt(settings) if settings.dirty_metadata else {}
    for number in range(1, row_count(settings) + 1):
        person = person_of(settings, number)
        cells: list[Cell] = [number, person.age_years, SEXES[person.sex], person.weight_kg, person.height_cm]
        cells.append(UNITS if number == 1 else None)
        row = _Row(number, cells)
        if number in dirt:
            _soil(row, dirt[number], settings.chance(Stream.TABLE, number))
        yield row


def _plan_dirt(settings: PhantomSettings) -> dict[int, str]:
    """Number of a row -> its one kind of dirt; every kind occurs where there are rows enough."""
    rows = row_count(settings)
    further = [kind for kind, (share, _, _) in DIRT.items() for _ in range(round(share * rows) - 1)]
    chosen = settings.chance(Stream.TABLE, 0).permutation(np.arange(2, rows + 1))
    return {int(number): kind for number, kind in zip(chosen, [*DIRT, *further], strict=False)}


def _soil(row: _Row, kind: str, rng: np.random.Generator) -> None:
    _, columns, change = DIRT[kind]
    column = columns[int(rng.integers(len(columns)))]
    true = row.cells[column]
    written = change(true, rng)
    row.cells[column] = written
    row.dirt.update(column=COLUMNS[column], kind=kind, written=written, true=true)


def _note(_: Cell, rng: np.random.Generator) -> Cell:
    return NOTES[int(rng.integers(len(NOTES)))]


def _number(cell: Cell) -> float:
    if not isinstance(cell, (int, float)):
        raise TypeError(f"expected a number, got {cell!r}")
    return float(cell)


DIRT: Final[dict[str, tuple[float, tuple[int, ...], Callable[[Cell, np.random.Generator], Cell]]]] = {
    "backspace": (0.03, (SEX,), lambda cell, _: f"_x0008_{cell}"),
    "leading_space": (0.01, (SEX,), lambda cell, _: f" {cell}"),
    "height_tenth": (0.002, (HEIGHT,), lambda cell, _: round(_number(cell) / 10, 1)),
    "weight_tenfold": (0.002, (WEIGHT,), lambda cell, _: round(_number(cell) * 10, 1)),
    "missing": (0.01, (AGE, SEX, WEIGHT, HEIGHT), lambda _cell, _rng: None),
    "note": (0.005, (NAMELESS,), _note),
}
"""Kind -> (part of the rows, columns it may be in, what becomes of the cell)."""
