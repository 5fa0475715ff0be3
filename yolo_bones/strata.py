"""Strata of patients: values of metadata, numbers cut at their quartiles, rare combinations joined to their nearest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.metadata_cells import NUMBER
from yolo_bones.patient_names import entries_of_patients
from yolo_bones.slices import NONE, MetadataColumn, read_metadata_column, value_slices

WRIST: Final = "wrist"
TOGETHER: Final = "together"
"""Of the report: all columns at once."""
MOST_STRATA: Final = 40
"""Of a column of text; with more it says who a patient is, not of what kind."""


@dataclass(frozen=True, slots=True)
class StratumColumn:
    """One column, cut into strata.

    Attributes:
        name: of the column.
        labels: patient -> stratum, for every patient; `(none)` where nothing is known.
        order: all labels in their order, `(none)` last.
        ordered: whether neighbours in that order are near to each other.
    """

    name: str
    labels: Mapping[str, str]
    order: tuple[str, ...]
    ordered: bool

    def gap(self, one: str, other: str) -> int:
        """How far two labels are from each other."""
        if one == other:
            return 0
        if not self.ordered or NONE in (one, other):
            return len(self.order)
        return abs(self.order.index(one) - self.order.index(other))


@dataclass(frozen=True, slots=True)
class JointStrata:
    """Combinations of several columns.

    Attributes:
        columns: the most important first; it is never mixed.
        labels: patient -> stratum.
        joined: strata that are made of several combinations.
    """

    columns: tuple[StratumColumn, ...]
    labels: Mapping[str, str]
    joined: tuple[str, ...]

    def shares(self, validates: Mapping[str, bool]) -> dict[str, Any]:
        """For the report: of each stratum the patients, and their share, in training and validation."""
        tables = {column.name: (column.order, column.labels) for column in self.columns}
        if len(self.columns) > 1:
            tables[TOGETHER] = (tuple(sorted(set(self.labels.values()))), self.labels)
        totals = Counter(validates.values())
        found: dict[str, Any] = {}
        for name, (order, labels) in tables.items():
            counts = Counter((labels[patient], held) for patient, held in validates.items())
            found[name] = {
                label: {
                    subset: {"patients": counts[label, held], "share": round(counts[label, held] / totals[held], 4)}
                    for subset, held in (("train", False), ("val", True))
                }
                for label in order
            }
        return found


def read_strata(path: Path, names: Sequence[str], patients: Collection[str]) -> tuple[StratumColumn, ...]:
    """Columns of a metadata table, for all patients of a data set.

    Args:
        path: CSV with a column `patient` or `ID`, such as `converters.metadata_to_csv` writes.
        names: of columns.
        patients: names of their folders.

    Raises:
        InputErrors: no such column, a table of images, or a table of other patients.
    """
    faults: list[InputError] = []
    found = []
    for name in names:
        try:
            found.append(_cut(read_metadata_column(path, name), patients))
        except InputError as error:
            faults.extend(getattr(error, "faults", [error]))
    if faults:
        # A broken table has the same faults for each of its columns.
        raise InputErrors(list({str(fault): fault for fault in faults}.values()))
    return tuple(found)


def _cut(column: MetadataColumn, patients: Collection[str]) -> StratumColumn:
    if column.key == "image_name":
        raise InputError(column.path, "", "a table of patients, with a column patient or ID", "one of images")
    entry_of = entries_of_patients(set(patients), column.cells.keys(), column.path, column.key)
    if not entry_of:
        raise InputError(column.path, column.key, "patients of the data set", "none of them")
    values = {patient: column.cells[entry] for patient, entry in sorted(entry_of.items()) if column.cells[entry]}
    parts = value_slices(values) if values else []
    labels = dict.fromkeys(patients, NONE) | {patient: part.label for part in parts for patient in part.image_names}
    if len(parts) > MOST_STRATA:
        raise InputError(column.path, column.name, f"numbers, or at most {MOST_STRATA} values", f"{len(parts)} values")
    order = (*(part.label for part in parts), *([NONE] if NONE in labels.values() else []))
    return StratumColumn(column.name, labels, order, all(NUMBER.fullmatch(value) for value in values.values()))


def join_strata(columns: Sequence[StratumColumn], least: int) -> JointStrata:
    """Combine columns; a combination of fewer than `least` patients joins the nearest one.

    Near are first those that differ in the last columns only, then those whose numbers are near. The first column is
    never mixed, so a stratum may stay rare.

    Args:
        columns: the most important first, of the same patients.
        least: patients of a stratum.
    """
    keys = {patient: tuple(column.labels[patient] for column in columns) for patient in columns[0].labels}
    places = {key: tuple(c.order.index(label) for c, label in zip(columns, key, strict=True)) for key in keys.values()}
    groups = [[key] for key in sorted(places, key=places.__getitem__)]
    sizes = Counter(keys.values())

    def count(group: Sequence[tuple[str, ...]]) -> int:
        return sum(sizes[key] for key in group)

    def distance(one: Sequence[tuple[str, ...]], other: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
        return min(
            tuple(c.gap(a, b) for c, a, b in zip(columns, first, second, strict=True))
            for first in one
            for second in other
        )

    while True:
        rare = [group for group in groups if count(group) < least and len(_peers(group, groups)) > 0]
        if not rare:
            break
        # Python's sorts are stable, so among equals the first in order is taken.
        group = min(rare, key=count)
        nearest = min(_peers(group, groups), key=lambda peer: (distance(group, peer), count(peer)))
        nearest.extend(group)
        groups.remove(group)
    label_of = {}
    for group in groups:
        label = " + ".join(", ".join(key) for key in sorted(group, key=places.__getitem__))
        label_of.update(dict.fromkeys(group, label))
    joined = [label_of[group[0]] for group in groups if len(group) > 1]
    return JointStrata(tuple(columns), {patient: label_of[key] for patient, key in keys.items()}, tuple(joined))


def _peers(group: list[tuple[str, ...]], groups: Sequence[list[tuple[str, ...]]]) -> list[list[tuple[str, ...]]]:
    return [other for other in groups if other is not group and other[0][0] == group[0][0]]
