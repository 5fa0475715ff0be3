"""The table of patients that comes with a data set: English columns, clean cells, a record of every change.

ID,age,sex,weight_kg,height_cm
1,54,female,55.6,157.2
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from yolo_bones.errors import InputError
from yolo_bones.metadata_cells import (
    IMPOSSIBLE,
    NO_VALUES,
    QUANTITIES,
    CleanCell,
    Fault,
    clean_number,
    clean_sex,
    clean_text,
    misfit,
    plain_text,
)
from yolo_bones.metadata_headings import (
    COLUMNS,
    ID,
    Heading,
    choose_sheet,
    column_letter,
    heading_text,
    read_headings,
    result_of,
)
from yolo_bones.patient_names import patient_number
from yolo_bones.workbooks import Formula, Sheet, SheetRow

FORMULA: Final = "formula_result"
NAMELESS: Final = "nameless_column"
WITHOUT_ID: Final = "row_without_id"
SAME_ID: Final = "row_joined_to_another"
CONTRADICTION: Final = "contradiction"


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that is not in the CSV as it was written.

    Attributes:
        row: as a spreadsheet counts, or the line of a CSV file.
        patient: its ID as written in the CSV; empty where there is none.
        column: in the CSV; the heading, or its letter, of a column that is not there.
        kinds: of change.
        written: what stood there.
        now: what stands there; None where the cell is not in the CSV.
        fault: of a value that cannot be.
    """

    row: int
    patient: str
    column: str
    kinds: tuple[str, ...]
    written: Any
    now: str | None
    fault: Fault | None = None

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        record = {"row": self.row, "ID": self.patient, "column": self.column, "kinds": list(self.kinds)}
        written = self.written if isinstance(self.written, (int, float, str, dict, list)) else plain_text(self.written)
        if isinstance(written, float) and not math.isfinite(written):
            written = plain_text(written)
        fault = {} if self.fault is None else {"expected": self.fault.expected, "proposal": self.fault.proposal}
        return {**record, "written": written, "now": self.now, **fault}


@dataclass(frozen=True, slots=True)
class PatientMetadata:
    """A clean table.

    Attributes:
        columns: the known ones in their order, then the others.
        rows: ID -> column -> text, in the order of the source.
        headings: of the source.
        changes: in the order of the source.
        source_rows: rows of the source below its header.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]
    headings: tuple[Heading, ...]
    changes: tuple[Change, ...]
    source_rows: int

    @property
    def findings(self) -> tuple[Change, ...]:
        """Changes that a person should look at."""
        return tuple(change for change in self.changes if change.fault is not None)

    @property
    def counts(self) -> dict[str, int]:
        """Kind of change -> number of cells (of rows, where rows are left out or joined)."""
        return dict(sorted(Counter(kind for change in self.changes for kind in change.kinds).items()))

    @property
    def empty_cells(self) -> dict[str, int]:
        """Column -> number of patients without a value."""
        return {name: sum(not cells[name] for cells in self.rows.values()) for name in self.columns if name != ID}


@dataclass(slots=True)
class _Cleaner:
    """Cleans row by row and keeps the record."""

    headings: tuple[Heading, ...]
    changes: list[Change] = field(default_factory=list)

    def clean(self, row: SheetRow) -> tuple[str, dict[str, str]]:
        """ID and cells; the ID is empty where the row has none that can be used."""
        place = next(place for place, heading in enumerate(self.headings) if heading.column == ID)
        patient = _clean_id(result_of(row.cells[place])).text
        cells: dict[str, str] = {}
        for heading, cell in zip(self.headings, row.cells, strict=True):
            if not heading.column:
                if cell is not None:
                    name = heading.written or heading.letter
                    self._note(row, patient, name, CleanCell("", (NAMELESS,)), cell, dropped=True)
                continue
            if heading.column == ID and not patient:
                # The whole row is noted.
                continue
            clean = _cleaner_of(heading.column)(result_of(cell))
            if isinstance(cell, Formula):
                clean = CleanCell(clean.text, (FORMULA, *clean.kinds), clean.fault or _without_result(cell))
            if clean.kinds or clean.fault:
                self._note(row, patient, heading.column, clean, cell)
            cells[heading.column] = clean.text
        self._check_build(row, patient, cells)
        return patient, cells

    def _check_build(self, row: SheetRow, patient: str, cells: dict[str, str]) -> None:
        for column, fault in misfit(cells.get("weight_kg", ""), cells.get("height_cm", "")).items():
            written, cells[column] = cells[column], ""
            self._note(row, patient, column, CleanCell("", (IMPOSSIBLE,), fault), written)

    def _note(
        self, row: SheetRow, patient: str, column: str, clean: CleanCell, cell: object, dropped: bool = False
    ) -> None:
        written = (cell.text if cell.result is None else cell.result) if isinstance(cell, Formula) else cell
        now = None if dropped else clean.text
        self.changes.append(Change(row.number, patient, column, clean.kinds, written, now, clean.fault))


def clean_sheet(sheets: Sequence[Sheet], name: str | None = None) -> tuple[Sheet, PatientMetadata]:
    """Clean the sheet that has patients.

    Args:
        sheets: of one file.
        name: of the sheet; not needed where only one has a column of IDs.

    Raises:
        InputError: no sheet or several with a column ID, two columns that mean the same, no rows.
    """
    sheet = choose_sheet(sheets, name)
    headings = read_headings(sheet)
    cleaner = _Cleaner(headings)
    by_patient: dict[str, list[tuple[SheetRow, dict[str, str]]]] = defaultdict(list)
    for row in sheet.rows:
        patient, cells = cleaner.clean(row)
        if patient:
            number = patient_number(patient)
            by_patient[patient if number is None else str(number)].append((row, cells))
        else:
            fault = Fault("an ID (a whole number or a name), to join the row to images")
            cleaner.changes.append(Change(row.number, "", ID, (WITHOUT_ID,), _plain_row(sheet, row), None, fault))
    rows = {}
    for members in by_patient.values():
        cells = _joined(members, cleaner.changes)
        rows[cells[ID]] = cells
    if not rows:
        raise InputError(sheet.path, sheet.name, "at least one row with an ID", "none")
    found = [heading.column for heading in headings if heading.column]
    columns = (*(column for column in COLUMNS if column in found), *(name for name in found if name not in COLUMNS))
    changes = tuple(sorted(cleaner.changes, key=lambda change: change.row))
    return sheet, PatientMetadata(columns, rows, headings, changes, len(sheet.rows))


def _cleaner_of(column: str) -> Callable[[object], CleanCell]:
    if column in QUANTITIES:
        return partial(clean_number, quantity=QUANTITIES[column])
    return {ID: _clean_id, "sex": clean_sex}.get(column, clean_text)


def _clean_id(cell: object) -> CleanCell:
    """An ID as it joins; 7.0 is 7."""
    clean = clean_text(cell)
    plain = unicodedata.normalize("NFKC", clean.text)
    number = patient_number(plain)
    text = clean.text if number is None else str(number) if plain.endswith(".0") else plain
    if not text or text.casefold() in NO_VALUES:
        return CleanCell("", clean.kinds)
    is_text = isinstance(cell, str) and re.fullmatch(r"[+-]?[0-9.]+", text) is None
    if number is None and not is_text:
        return CleanCell("", (*clean.kinds, IMPOSSIBLE), Fault("a whole number or a name"))
    return CleanCell(text, clean.kinds if text == clean.text else (*clean.kinds, "number_written_otherwise"))


def _without_result(cell: Formula) -> Fault | None:
    return None if cell.result is not None else Fault("a formula with a stored result; open and save the workbook")


def _plain_row(sheet: Sheet, row: SheetRow) -> dict[str, Any]:
    """A whole row for the record."""
    cells = zip(sheet.header, row.cells, strict=True)
    named = ((heading_text(heading) or column_letter(place), cell) for place, (heading, cell) in enumerate(cells))
    return {name: plain_text(result_of(cell)) for name, cell in named if cell is not None}


def _joined(members: Sequence[tuple[SheetRow, dict[str, str]]], changes: list[Change]) -> dict[str, str]:
    """One row of all rows of a patient: a cell that they contradict each other in is empty."""
    (first, joined), *others = members
    for row, cells in others:
        where = f"the row {first.number}"
        fault = Fault(f"one row for {joined[ID]}, as in {where}")
        changes.append(Change(row.number, cells[ID], ID, (SAME_ID,), dict(cells), None, fault))
    if not others:
        return joined
    result = {ID: joined[ID]}
    for column in joined:
        if column == ID:
            continue
        values = list(dict.fromkeys(cells[column] for _, cells in members if cells[column]))
        result[column] = values[0] if len(values) == 1 else ""
        if len(values) > 1:
            rows = ", ".join(str(row.number) for row, _ in members)
            fault = Fault(f"the same in the rows {rows}")
            changes.append(Change(first.number, joined[ID], column, (CONTRADICTION,), values, "", fault))
    return result


def iterate_lines(metadata: PatientMetadata, patient_of: Mapping[str, str] | None) -> Iterator[list[str]]:
    """Header and rows of the CSV.

    Args:
        metadata: the clean table.
        patient_of: ID -> name of the patient's folder, for a first column `patient`.
    """
    columns = [column for column in metadata.columns if patient_of is None or column != "patient"]
    yield [*([] if patient_of is None else ["patient"]), *columns]
    for patient, cells in metadata.rows.items():
        yield [*([] if patient_of is None else [patient_of[patient]]), *(cells[column] for column in columns)]
