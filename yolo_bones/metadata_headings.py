"""Which sheet holds patients, and what its columns are called in English."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from yolo_bones.errors import InputError
from yolo_bones.metadata_cells import mend_cell, plain_text
from yolo_bones.workbooks import Formula, Sheet

ID: Final = "ID"
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    ID: ("id", "환자id", "환자번호", "patientid"),
    "age": ("age", "나이", "연령", "만나이", "나이세", "ageyears"),
    "sex": ("sex", "성별", "gender"),
    "weight_kg": ("weight", "weightkg", "체중몸무게", "체중", "몸무게", "체중kg", "몸무게kg", "체중몸무게kg"),
    "height_cm": ("height", "heightcm", "키신장", "키", "신장", "키cm", "신장cm", "키신장cm"),
}
"""Column -> headings that mean it, letters and digits only. Age is in years."""
PANDAS_NAMELESS: Final = re.compile(r"Unnamed: \d+")


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of the source.

    Attributes:
        letter: as a spreadsheet names it.
        written: its heading; empty where it has none.
        column: its name in the CSV; empty where it is dropped.
    """

    letter: str
    written: str
    column: str

    @property
    def what(self) -> str:
        """`named` in English, `kept` as it is, or `dropped`."""
        return "dropped" if not self.column else "named" if self.column in COLUMNS else "kept"


def choose_sheet(sheets: Sequence[Sheet], name: str | None) -> Sheet:
    """The sheet of this name, or the one that has a column of IDs.

    Raises:
        InputError: no such sheet, none with IDs, or several.
    """
    path, names = sheets[0].path, ", ".join(sheet.name for sheet in sheets)
    if name is not None:
        chosen = [sheet for sheet in sheets if sheet.name == name]
        if not chosen:
            raise InputError(path, "", f"a sheet {name} with cells", f"the sheets {names}")
        return chosen[0]
    chosen = [sheet for sheet in sheets if any(_is_id(cell) for cell in sheet.header)]
    if not chosen:
        headings = "; ".join(",".join(map(heading_text, sheet.header)) for sheet in sheets)
        raise InputError(path, "", "a column ID in the first row that is not empty", f"the columns {headings}")
    if len(chosen) > 1:
        several = ", ".join(sheet.name for sheet in chosen)
        raise InputError(path, "", "one sheet with a column ID, or --sheet NAME", f"the sheets {several}")
    return chosen[0]


def _is_id(heading: object) -> bool:
    return _known(heading) == ID or _letters(heading) == "patient"


def read_headings(sheet: Sheet) -> tuple[Heading, ...]:
    """What becomes of each column.

    Raises:
        InputError: no column of IDs, one of images, or two that mean the same.
    """
    known = [_known(cell) for cell in sheet.header]
    texts = [heading_text(cell) for cell in sheet.header]
    if ID not in known:
        # Only where there is no other: our own CSV has both.
        known = [ID if _letters(cell) == "patient" else name for cell, name in zip(sheet.header, known, strict=True)]
    headings = [
        Heading(column_letter(place), text, name or text)
        for place, (text, name) in enumerate(zip(texts, known, strict=True))
    ]
    if ID not in known:
        raise InputError(sheet.path, sheet.name, "a column ID", f"the columns {','.join(texts)}")
    if "image_name" in texts:
        raise InputError(sheet.path, "image_name", "a table of patients", "one of images")
    for name, count in Counter(heading.column for heading in headings if heading.column).items():
        if count > 1:
            same = " and ".join(f"{h.letter} ({h.written})" for h in headings if h.column == name)
            raise InputError(sheet.path, sheet.name, f"one column {name}", f"the columns {same}")
    return tuple(headings)


def heading_text(heading: object) -> str:
    """A heading as it was meant; empty where there is none."""
    text = mend_cell(plain_text(result_of(heading))) if heading is not None else ""
    return "" if PANDAS_NAMELESS.fullmatch(text) else text


def _letters(heading: object) -> str:
    folded = unicodedata.normalize("NFKC", heading_text(heading)).casefold()
    return "".join(character for character in folded if character.isalnum())


def _known(heading: object) -> str | None:
    letters = _letters(heading)
    return next((column for column, headings in COLUMNS.items() if letters in headings), None)


def result_of(cell: object) -> object:
    """A cell; of a formula its stored result."""
    return cell.result if isinstance(cell, Formula) else cell


def column_letter(place: int) -> str:
    """Of a column, counted from 0: A ... Z, AA ..."""
    head, last = divmod(place, 26)
    return (column_letter(head - 1) if head else "") + chr(ord("A") + last)
