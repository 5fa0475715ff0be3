"""Names of patients, and which of two sets of names mean the same patient: 1 in a table is the folder ID001."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError

PATIENT_NUMBER: Final = re.compile(r"(?:ID)?([0-9]{1,18})(?:\.0)?", re.IGNORECASE)


def patient_number(name: str) -> int | None:
    """Number in a patient's name, such as 1 in `ID001`, `1` and `1.0`; None where it is no such name."""
    match = PATIENT_NUMBER.fullmatch(name)
    return None if match is None else int(match[1])


def folder_name(number: int) -> str:
    """A patient's folder as the data set writes it."""
    return f"ID{number:03d}"


def entries_of_patients(patients: Set[str], entries: Set[str], path: Path, key: str) -> dict[str, str]:
    """Patient -> entry of a table; the same text, or else the same number.

    Args:
        patients: names of folders.
        entries: names in a table's key column.
        path, key: of the table, for messages.

    Raises:
        InputError: two names of one number, so that it is not certain which one is meant.
    """
    matched = {patient: patient for patient in patients if patient in entries}
    others = _by_number(patients - matched.keys(), path, key)
    numbers = {patient_number(patient): patient for patient in matched}
    for entry in sorted(entries - matched.keys()):
        number = patient_number(entry)
        if number is not None and number in numbers:
            raise InputError(path, key, f"one name of patient {number}", f"{numbers[number]} and {entry}")
    unused = {entry for entry in entries - matched.keys() if patient_number(entry) in others}
    entry_of = _by_number(unused, path, key)
    return matched | {patient: entry_of[number] for number, patient in others.items() if number in entry_of}


@dataclass(frozen=True, slots=True)
class PatientJoin:
    """Rows of a table and folders of patients.

    Attributes:
        folder_of: every entry of the table -> name of its patient's folder, as it would be where there is none.
        without_images: entries without a folder.
        without_rows: folders without an entry.
    """

    folder_of: Mapping[str, str]
    without_images: tuple[str, ...]
    without_rows: tuple[str, ...]


def join_folders(entries: Iterable[str], folders: Set[str], path: Path, key: str) -> PatientJoin:
    """Join rows to folders; arguments and errors as for `entries_of_patients`."""
    listed = list(entries)
    matched = entries_of_patients(folders, set(listed), path, key)
    found = {entry: folder for folder, entry in matched.items()}
    usual = all(folder == folder_name(patient_number(folder) or 0) for folder in folders)

    def name_of(entry: str) -> str:
        number = patient_number(entry)
        return found.get(entry) or (folder_name(number) if usual and number is not None else entry)

    missing = tuple(entry for entry in listed if entry not in found)
    return PatientJoin({entry: name_of(entry) for entry in listed}, missing, tuple(sorted(folders - matched.keys())))


def _by_number(names: Set[str], path: Path, key: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for name in sorted(names):
        number = patient_number(name)
        if number is not None and found.setdefault(number, name) != name:
            raise InputError(path, key, f"one name of patient {number}", f"{found[number]} and {name}")
    return found
