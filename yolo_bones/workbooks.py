"""Sheets of a workbook or a CSV file from a stranger: cells as they are stored, nothing evaluated, sizes limited."""

from __future__ import annotations

import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import InputError
from yolo_bones.image_table import read_table

MOST_FILE_BYTES: Final = 32_000_000
MOST_UNPACKED_BYTES: Final = 128_000_000
"""Of all parts of a workbook; the data set's takes 40,000."""
MOST_CELL_ELEMENTS: Final = 200_000
"""Of XML in a sheet, some ten thousand patients; openpyxl takes 8 microseconds for each."""
MOST_SETTING_ELEMENTS: Final = 20_000
"""Of XML in styles and other settings, which take several times as long."""
MOST_SHEETS: Final = 100
SHEET: Final = re.compile(rb"<(?:\w+:)?sheet\s")
PLACE: Final = re.compile(rb"<(?:\w+:)?(?:row|c)\s(?:[^<>]*?\s)?r=[\"']([A-Z]{0,3})([0-9]{1,9})[\"']")
"""Of a row, or of a cell."""
MOST_PARTS: Final = 1_000
MOST_ROWS: Final = 100_000
MOST_COLUMNS: Final = 256
LAST_ROW: Final = 1_048_576
"""Of any sheet; rows that are only formatted reach as far."""
MOST_TEXT: Final = 32_767
"""Characters in a cell of any workbook."""

OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Of a container that old workbooks and encrypted new ones are in."""
ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that is computed.

    Attributes:
        text: the formula.
        result: that the program which wrote the file stored, or None.
    """

    text: str
    result: Any


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row.

    Attributes:
        number: as a spreadsheet counts, or the line of a CSV file.
        cells: as many as the header has; text, numbers, truth values, dates, `Formula`, or None.
    """

    number: int
    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet from its first row that is not empty.

    Attributes:
        path: of the file.
        name: of the sheet; empty for a CSV file.
        header: the first row that is not empty.
        rows: those below that are not empty.
    """

    path: Path
    name: str
    header: tuple[Any, ...]
    rows: tuple[SheetRow, ...]


def read_sheets(path: Path) -> tuple[Sheet, ...]:
    """All sheets of an xlsx workbook that are not empty, or the one table of a CSV file.

    Raises:
        InputError: no such file, another or a broken format, encrypted, or larger than the limits.
    """
    start = _first_bytes(path)
    if start.startswith(OLE_MAGIC):
        encrypted = ENCRYPTED in path.read_bytes()
        got = "a workbook with a password" if encrypted else "an old .xls workbook or another OLE file"
        raise InputError(path, "", "an .xlsx workbook without a password, or a CSV file", got)
    if not start.startswith(b"PK"):
        table = read_table(path)
        below = tuple(SheetRow(row.line, _bounded(path, row.line, row.cells)) for row in table.rows)
        return (Sheet(path, "", _bounded(path, 1, table.header), below),)
    _check_parts(path)
    # Both as stored and as computed: a formula's result is only in the second.
    stored, computed = _read_workbook(path, data_only=False), _read_workbook(path, data_only=True)
    sheets = tuple(_joined(path, name, rows, computed[name]) for name, rows in stored.items() if rows)
    if not sheets:
        raise InputError(path, "", "a sheet with cells", "none")
    return sheets


def _joined(
    path: Path, name: str, stored: Mapping[int, tuple[Any, ...]], computed: Mapping[int, tuple[Any, ...]]
) -> Sheet:
    """A sheet whose rows all have the same length."""
    width = max(map(len, stored.values()))
    rows = [
        SheetRow(number, _with_results(cells, computed.get(number, ())) + (None,) * (width - len(cells)))
        for number, cells in stored.items()
    ]
    return Sheet(path, name, rows[0].cells, tuple(rows[1:]))


def _first_bytes(path: Path) -> bytes:
    try:
        kind = path.stat()
        size = kind.st_size
        if not stat.S_ISREG(kind.st_mode):
            got = "a folder" if stat.S_ISDIR(kind.st_mode) else "something that is not a plain file"
            raise InputError(path, "", "a workbook or a CSV file", got)
        if size > MOST_FILE_BYTES:
            raise InputError(path, "", f"at most {MOST_FILE_BYTES} bytes", size)
        with path.open("rb") as stream:
            return stream.read(len(OLE_MAGIC))
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error


def _check_parts(path: Path) -> None:
    """Refuse a zip that is broken, no xlsx, or a bomb; what a part unpacks to cannot exceed what it declares."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_list(path, archive.infolist())
            for part in archive.infolist():
                if part.filename.lower().endswith((".xml", ".rels")):
                    _check_elements(path, part.filename, archive.read(part))
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise InputError(path, "", "a whole .xlsx workbook", f"a broken zip file ({error})") from error


def _check_elements(path: Path, name: str, content: bytes) -> None:
    """Refuse what openpyxl would read for minutes, and rows and cells that it would drop: those out of order."""
    is_sheet = b"sheetData" in content
    is_text = is_sheet or name.endswith("sharedStrings.xml")
    most = MOST_CELL_ELEMENTS if is_text else MOST_SETTING_ELEMENTS
    elements = content.count(b"<") - content.count(b"</")
    if elements > most:
        raise InputError(path, name, f"at most {most} elements (save the sheet of patients as CSV)", elements)
    sheets = len(SHEET.findall(content)) if name.endswith("workbook.xml") else 0
    if sheets > MOST_SHEETS:
        raise InputError(path, name, f"at most {MOST_SHEETS} sheets", sheets)
    last = (0, 0, b"")
    for found in PLACE.finditer(content) if is_sheet else ():
        letters, number = found.groups()
        place = (int(number), len(letters), letters)
        if place <= last:
            shown = (letters + number).decode() if letters else f"row {number.decode()}"
            raise InputError(path, name, "rows and cells in their order, each once", f"{shown} again or too late")
        last = place


def _check_list(path: Path, parts: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED_BYTES:
        raise InputError(path, "", f"a workbook that unpacks to at most {MOST_UNPACKED_BYTES} bytes", unpacked)
    if len(parts) > MOST_PARTS:
        raise InputError(path, "", f"a workbook of at most {MOST_PARTS} parts", len(parts))
    names = {part.filename for part in parts}
    if "xl/workbook.bin" in names:
        raise InputError(path, "", "an .xlsx workbook", "a binary one (.xlsb)")
    if "[Content_Types].xml" not in names:
        raise InputError(path, "", "an .xlsx workbook", "another zip file")


def _read_workbook(path: Path, *, data_only: bool) -> dict[str, dict[int, tuple[Any, ...]]]:
    """Sheet -> row number -> cells, of rows that are not empty."""
    # Here and not above: it takes a tenth of a second to import, and only this needs it.
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    try:
        # An open file and not its name: where openpyxl fails it would not close it.
        with warnings.catch_warnings(), path.open("rb") as stream:
            # It warns of drawings, styles and rules that it does not read.
            warnings.simplefilter("ignore")
            book = load_workbook(stream, read_only=True, data_only=data_only, keep_links=False)
            try:
                return {sheet.title: dict(_rows(path, sheet)) for sheet in book.worksheets}
            finally:
                book.close()
    except InputError:
        raise
    except Exception as error:
        # A stranger's file can make a parser of XML raise almost anything; openpyxl wraps some of it in hints.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        got = f"{type(cause).__name__}: {cause}"
        raise InputError(path, "", "a workbook that openpyxl can read", got) from error


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    # What a sheet says of its own size is often wrong.
    sheet.reset_dimensions()
    kept = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > LAST_ROW:
            raise InputError(path, sheet.title, f"at most {LAST_ROW} rows", "more")
        if all(cell is None or cell == "" for cell in row):
            continue
        kept += 1
        if kept > MOST_ROWS:
            raise InputError(path, sheet.title, f"at most {MOST_ROWS} rows with cells", "more")
        last = max(place for place, cell in enumerate(row) if cell not in (None, ""))
        yield number, _bounded(path, number, row[: last + 1])


def _bounded(path: Path, number: int, cells: Sequence[Any]) -> tuple[Any, ...]:
    """A row within the limits; an empty text is no cell."""
    if len(cells) > MOST_COLUMNS:
        raise InputError(path, f"row {number}", f"at most {MOST_COLUMNS} columns", len(cells))
    longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
    if longest > MOST_TEXT:
        raise InputError(path, f"row {number}", f"at most {MOST_TEXT} characters in a cell", longest)
    return tuple(None if cell == "" else cell for cell in cells)


def _with_results(written: tuple[Any, ...], computed: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cells as written, formulas with their results; texts that only look like formulas are their own result."""
    results = computed + (None,) * (len(written) - len(computed))
    pairs = zip(written, results[: len(written)], strict=True)
    return tuple(
        Formula(_formula_text(cell), result) if _is_formula(cell) and cell != result else cell for cell, result in pairs
    )


def _is_formula(cell: Any) -> bool:
    # Formulas of arrays and tables are objects of openpyxl.
    return (isinstance(cell, str) and cell.startswith("=")) or hasattr(cell, "ref")


def _formula_text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(getattr(cell, "text", None) or "=...")
