"""Side of a pixel in millimetres: one for all images, or a column of a metadata table. Read strictly, never guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.patient_names import entries_of_patients
from yolo_bones.slices import patients_needed, read_metadata_column

MOST_MM: Final = 5.0
"""A pixel larger than this shows no bones; detectors for hands have 0.05 to 0.2 mm."""
PARTED: Final = re.compile(r"\s*[\\x,;/ ]\s*")
"""What parts the two numbers of a spacing, rows first, as DICOM and others write it."""
DECIMAL_COMMA: Final = re.compile(r"[0-9]+,[0-9]+")
"""As much of the world writes 1.1: not two numbers."""
EXPECTED: Final = f"millimetres a pixel, above 0 and below {MOST_MM:g}"
SQUARE: Final = "one number, or two that are equal: pixels that are not square cannot be measured"


def parse_spacing(text: str) -> float:
    """Millimetres from a cell or an argument: `0.15`, or the same number twice, `0.15\\0.15`.

    Raises:
        ValueError: it is no plausible spacing, or the pixels are not square; the message tells what is expected.
    """
    if DECIMAL_COMMA.fullmatch(text.strip()):
        raise ValueError(f"{EXPECTED}, with a decimal point")
    try:
        numbers = [float(part) for part in PARTED.split(text.strip())]
    except ValueError:
        raise ValueError(EXPECTED) from None
    if len(numbers) > 2 or not all(math.isfinite(number) and 0.0 < number < MOST_MM for number in numbers):
        raise ValueError(EXPECTED)
    if len(set(numbers)) > 1:
        raise ValueError(SQUARE)
    return numbers[0]


@dataclass(frozen=True, slots=True)
class SpacingColumn:
    """A column of a table that holds each image's spacing.

    Attributes:
        path, name: of the table and the column.
    """

    path: Path
    name: str


Spacing = float | SpacingColumn | None
"""Of all images, by a table, or not known."""


def spacing_argument_value(text: str) -> float | SpacingColumn:
    """Read `0.15` or `FILE.csv:COLUMN`, split at the last colon, since a path may hold one.

    Raises:
        ValueError: it is neither.
    """
    file, _, column = text.rpartition(":")
    if file and column:
        return SpacingColumn(Path(file), column)
    return parse_spacing(text)


def spacings_of_images(
    spacing: Spacing, image_names: Iterable[str], patients: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Spacing of each image whose spacing is known; an empty cell and a missing row are unknown.

    Args:
        spacing: as given.
        image_names: all images.
        patients: image name -> patient; only needed where the table is joined by patient.

    Raises:
        InputErrors: all cells that hold no plausible spacing.
        InputError: the table is joined by patient and patients are not given.
    """
    names = list(image_names)
    if spacing is None:
        return {}
    if isinstance(spacing, float):
        return dict.fromkeys(names, spacing)
    column = read_metadata_column(spacing.path, spacing.name)
    if column.key == "image_name":
        entries = {name: name for name in names if name in column.cells}
    elif patients is None:
        raise patients_needed(column)
    else:
        known = {patients[name] for name in names}
        of_patient = entries_of_patients(known, column.cells.keys(), column.path, column.key)
        entries = {name: of_patient[patients[name]] for name in names if patients[name] in of_patient}
    values: dict[str, float] = {}
    faults = []
    for entry in dict.fromkeys(entries.values()):
        try:
            if column.cells[entry]:
                values[entry] = parse_spacing(column.cells[entry])
        except ValueError as error:
            faults.append(InputError(spacing.path, f"{entry}: {spacing.name}", str(error), column.cells[entry]))
    if faults:
        raise InputErrors(faults)
    return {name: values[entry] for name, entry in entries.items() if entry in values}
