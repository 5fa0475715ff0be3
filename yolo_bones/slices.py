"""Scores of parts of the images, cut by a column of a metadata table: by sex, by quartiles of age."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from yolo_bones.bones import GROUPS
from yolo_bones.errors import InputError
from yolo_bones.image_table import read_column
from yolo_bones.metadata_cells import NUMBER, mend_cell, number_text
from yolo_bones.metrics import DiceScores
from yolo_bones.patient_names import entries_of_patients

NONE: Final = "(none)"
"""Label of the images without an entry."""
MOST_VALUES: Final = 8
"""A column of numbers with more distinct ones is cut into quartiles."""


@dataclass(frozen=True, slots=True)
class MetadataColumn:
    """One column of a metadata table.

    Attributes:
        path, name: of the table and the column.
        key: the column that joins it to images: `image_name`, `patient` or `ID`.
        cells: key -> cell, mended; empty where nothing is known.
        mended: how many cells were written with control characters or spaces around them, or as `nan`.
    """

    path: Path
    name: str
    key: str
    cells: Mapping[str, str]
    mended: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Images with one value, or with values from one quartile."""

    label: str
    image_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slicing:
    """All images, cut by a column.

    Attributes:
        column: that cut them.
        slices: in order of value, `(none)` last; none is empty.
        without_entry: images in `(none)`.
        unused_keys: entries that belong to no image.
    """

    column: MetadataColumn
    slices: tuple[Slice, ...]
    without_entry: int
    unused_keys: int

    def as_record(self, scores: DiceScores, patients: Mapping[str, str] | None) -> dict[str, Any]:
        """For JSON.

        Args:
            scores: of all images.
            patients: image name -> patient, where known.
        """
        return {
            "file": str(self.column.path),
            "column": self.column.name,
            "key": self.column.key,
            "images_without_entry": self.without_entry,
            "entries_without_image": self.unused_keys,
            "cells_mended": self.column.mended,
            "slices": [_slice_record(part, scores, patients) for part in self.slices],
        }

    def table(self, scores: DiceScores, patients: Mapping[str, str] | None) -> str:
        """The scores as text, a line a slice; arguments as for `as_record`."""
        said = f"{self.without_entry} images without an entry, {self.unused_keys} entries without an image"
        mended = f", {self.column.mended} cells mended" if self.column.mended else ""
        title = f"{self.column.name} of {self.column.path.name}, by {self.column.key} ({said}{mended})"
        records = [_slice_record(part, scores, patients) for part in self.slices]
        width = max(10, *(_width(str(record["label"])) for record in records))
        names = "".join(f"{name:>8}" for name in ("Dice", *GROUPS))
        lines = [title, f"{'slice':<{width}}{'images':>8}{'patients':>10}{names}  lowest bone"]
        for record in records:
            label = record["label"] + " " * (width - _width(record["label"]))
            known = "-" if record["patients"] is None else record["patients"]
            figures = "".join(f"{score:>8.4f}" for score in (record["dice"], *record["groups"].values()))
            lowest = f"{record['lowest_bone']} {record['bones'][record['lowest_bone']]:.4f}"
            lines.append(f"{label}{record['images']:>8}{known:>10}{figures}  {lowest}")
        return "\n".join(lines)


def read_metadata_column(path: Path, name: str) -> MetadataColumn:
    """Read a column and mend its cells.

    Raises:
        InputErrors: see `image_table.read_column`.
    """
    key, cells = read_column(path, name)
    clean = {entry: mend_cell(cell) for entry, cell in cells.items()}
    return MetadataColumn(path, name, key, clean, sum(clean[entry] != cell for entry, cell in cells.items()))


def cut(column: MetadataColumn, image_names: Sequence[str], patients: Mapping[str, str] | None) -> Slicing:
    """Cut images by a column.

    Numbers with more than eight distinct values among these images are cut at the quartiles over images; a value on a
    cut belongs below it, so equal values stay together. Anything else is cut by value.

    Args:
        column: of metadata.
        image_names: all images.
        patients: image name -> patient for all images; only needed where the column is joined by patient.

    Raises:
        InputError: the column is joined by patient and patients are not given, or an entry's patient is not certain.
    """
    entries = entries_of_images(column, image_names, patients)
    values = {name: column.cells[entry] for name, entry in entries.items() if column.cells[entry]}
    missing = tuple(name for name in image_names if name not in values)
    slices = [*value_slices(values), *([Slice(NONE, missing)] if missing else [])]
    return Slicing(column, tuple(slices), len(missing), len(column.cells.keys() - set(entries.values())))


def entries_of_images(
    column: MetadataColumn, image_names: Sequence[str], patients: Mapping[str, str] | None
) -> dict[str, str]:
    """Image name -> the key of its entry in a column, of the images that have one.

    Arguments and faults as of `cut`.
    """
    if column.key == "image_name":
        return {name: name for name in image_names if name in column.cells}
    if patients is None:
        raise patients_needed(column)
    known = {patients[name] for name in image_names}
    of_patient = entries_of_patients(known, column.cells.keys(), column.path, column.key)
    return {name: of_patient[patients[name]] for name in image_names if patients[name] in of_patient}


def patients_needed(column: MetadataColumn) -> InputError:
    """The fault of a column joined by patient when patients are not given."""
    expected = f"an images.csv, because {column.path} is joined by {column.key}"
    return InputError("--patients", "", expected, "none")


def value_slices(values: Mapping[str, str]) -> list[Slice]:
    """Cut images, or whatever has a value, as `cut` says.

    Args:
        values: name -> cell, none empty.
    """
    numbers = {name: float(text) for name, text in values.items() if NUMBER.fullmatch(text)}
    images: dict[Any, list[str]] = defaultdict(list)
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers.values())):
        for name, text in values.items():
            images[text].append(name)
        return [Slice(text, tuple(images[text])) for text in sorted(images)]
    distinct = sorted(set(numbers.values()))
    if len(distinct) <= MOST_VALUES:
        parts = [[number] for number in distinct]
    else:
        cuts = np.quantile(list(numbers.values()), [0.25, 0.5, 0.75])
        quartiles = np.searchsorted(cuts, distinct, side="left")
        parts = [[number for number, q in zip(distinct, quartiles, strict=True) if q == part] for part in range(4)]
    place = {number: index for index, part in enumerate(parts) for number in part}
    for name, number in numbers.items():
        images[place[number]].append(name)
    return [Slice(_range_label(part), tuple(images[index])) for index, part in enumerate(parts) if part]


def _range_label(numbers: Sequence[float]) -> str:
    low, high = number_text(numbers[0]), number_text(numbers[-1])
    if low == high:
        return low
    return f"{low}-{high}" if numbers[0] >= 0 else f"{low} to {high}"


def _slice_record(part: Slice, scores: DiceScores, patients: Mapping[str, str] | None) -> dict[str, Any]:
    of_slice = DiceScores({name: scores.per_image[name] for name in part.image_names})
    bones = of_slice.bones
    return {
        "label": part.label,
        **of_slice.as_record(),
        "patients": None if patients is None else len({patients[name] for name in part.image_names}),
        "lowest_bone": min(bones, key=bones.__getitem__),
    }


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
