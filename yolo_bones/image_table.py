"""Small tables about images or patients: CSV with a header, UTF-8, one row a key, read strictly.

`images.csv` of `converters.points_to_rle` is one; a metadata sheet saved as CSV is another.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.errors import MOST_FAULTS, InputError, InputErrors

KEY_COLUMNS: Final = ("image_name", "patient", "ID")
"""Columns that can join a table to images; the first that a table has is used."""
BYTE_ORDER_MARK: Final = "\ufeff"
OTHER_SIGNS: Final = {";": "semicolons", "\t": "tabs", "|": "upright strokes"}
"""That other programs put between cells."""
MOST_COLUMNS: Final = 1_000
MOST_ROWS: Final = 300_000
MOST_BYTES: Final = 1 << 27
ZIP_MAGIC: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row and the line of the file that it begins on."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table, as it is written."""

    path: Path
    header: Sequence[str]
    rows: Sequence[TableRow]

    def column(self, name: str) -> int:
        """Place of a column."""
        if self.header.count(name) != 1:
            expected = f"one column {name}"
            raise InputError(f"{self.path}:1", name, expected, f"the columns {','.join(self.header)}")
        return self.header.index(name)


def read_patients(path: Path) -> dict[str, str]:
    """Patient of each image, from the columns `image_name` and `patient`.

    Raises:
        InputErrors: a column or a cell is missing, an image is there twice, a row is no CSV row or not UTF-8.
    """
    return _read_keyed(read_table(path), "image_name", "patient", empty_allowed=False)


def read_column(path: Path, column: str) -> tuple[str, dict[str, str]]:
    """One column of a table, as it is written.

    Returns:
        The column that joins it (the first of `KEY_COLUMNS` that is there), and key -> cell; a cell may be empty.

    Raises:
        InputErrors: there is no such column or no key, a key is empty or there twice, a row is no CSV row or not UTF-8.
    """
    table = read_table(path)
    key = next((name for name in KEY_COLUMNS if name in table.header), None)
    if key is None:
        expected = f"a column {' or '.join(KEY_COLUMNS)}"
        raise InputError(f"{path}:1", "", expected, f"the columns {','.join(table.header)}")
    return key, _read_keyed(table, key, column, empty_allowed=True)


def patients_of_images(path: Path, patients: dict[str, str], image_names: Iterable[str]) -> dict[str, str]:
    """Patients of just these images, in their order.

    Args:
        path: where `patients` was read, for messages.
        patients: image name -> patient.
        image_names: that must all be known.

    Raises:
        InputErrors: images that are not in `patients`.
    """
    names = list(image_names)
    faults = [InputError(path, "image_name", f"a row for {name}", "none") for name in names if name not in patients]
    if faults:
        raise InputErrors(faults)
    return {name: patients[name] for name in names}


def _read_keyed(table: Table, key: str, column: str, *, empty_allowed: bool) -> dict[str, str]:
    key_place, place = table.column(key), table.column(column)
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    faults = []
    for row in table.rows:
        where, name, cell = f"{table.path}:{row.line}", row.cells[key_place], row.cells[place]
        if not name or name != name.strip():
            faults.append(InputError(where, key, "a name without spaces around it", name))
        elif name in lines:
            faults.append(InputError(where, key, f"one row for {name}", f"a duplicate of line {lines[name]}"))
        elif not empty_allowed and (not cell or cell != cell.strip()):
            faults.append(InputError(where, column, "a name without spaces around it", cell))
        else:
            values[name] = cell
        lines.setdefault(name, row.line)
    if not table.rows:
        faults.append(InputError(table.path, "", "at least one row below the header", "none"))
    if faults:
        raise InputErrors(faults)
    return values


def read_table(path: Path) -> Table:
    """All rows, each with as many cells as the header; blank lines are skipped.

    Raises:
        InputErrors: there is no header, a row is no CSV row, has more or fewer cells, or is not UTF-8.
    """
    text = _opened(path)
    is_text = _is_text(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    rows: list[TableRow] = []
    faults: list[InputError] = []
    line = 1
    try:
        for cells in reader:
            where, line = TableRow(line, cells), reader.line_num + 1
            if not cells:
                continue
            if header is None and len(cells) > MOST_COLUMNS:
                raise InputError(f"{path}:{where.line}", "", f"at most {MOST_COLUMNS} columns", len(cells))
            if len(rows) >= MOST_ROWS or len(faults) >= MOST_FAULTS:
                expected = f"at most {MOST_ROWS} rows, and fewer than {MOST_FAULTS} that are ragged"
                raise InputError(f"{path}:{where.line}", "", expected, "more")
            if not is_text:
                _check_readable(path, header or cells, where)
            if header is None:
                header = cells
            elif len(cells) != len(header):
                faults.append(InputError(f"{path}:{where.line}", "", f"{len(header)} fields", len(cells)))
            else:
                rows.append(where)
    except csv.Error as error:
        raise InputError(f"{path}:{line}", "", "a well-formed CSV row", str(error)) from error
    if header is None:
        raise InputError(f"{path}:1", "", "a header", "none")
    parted = next((sign for sign in OTHER_SIGNS if len(header) == 1 and sign in header[0]), None)
    if parted is not None:
        expected = "a CSV file with commas between its cells (save it so, or replace them)"
        raise InputError(f"{path}:1", "", expected, OTHER_SIGNS[parted])
    if faults:
        raise InputErrors(faults)
    return Table(path, header, rows)


def _is_text(text: str) -> bool:
    """Whether it was UTF-8 as a whole, so that no cell need be looked at."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _opened(path: Path) -> str:
    """A file's text; bytes that are not UTF-8 become lone surrogates."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "", "a CSV file", "a folder" if path.is_dir() else "a pipe or device")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(path, "", f"at most {MOST_BYTES} bytes", size)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error
    if content.startswith(ZIP_MAGIC):
        raise InputError(path, "", "a CSV file (of a workbook converters.metadata_to_csv makes one)", "a zip file")
    text = content.decode("utf-8", "surrogateescape").removeprefix(BYTE_ORDER_MARK)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}:{line}", "", "UTF-8 text", "a zero byte (is it UTF-16, or no text at all?)")
    return text


def _check_readable(path: Path, header: Sequence[str], row: TableRow) -> None:
    for place, cell in enumerate(row.cells):
        if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
            # One such cell means another encoding, so the first is enough.
            column = header[place] if place < len(header) and header is not row.cells else f"column {place + 1}"
            raise InputError(f"{path}:{row.line}", column, "UTF-8 text", cell)
