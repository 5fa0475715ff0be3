"""Training and validation, whole patients at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolo_bones.data_set import DataSet
from yolo_bones.errors import InputError, InputErrors


@dataclass(frozen=True, slots=True)
class Split:
    """Which images serve for what.

    Attributes:
        validation: base names; all other images of the split train.
        training: base names.
        folds: number of folds really used; 0 when lists were given.
        note: what the user should know about it, or empty.
    """

    training: frozenset[str]
    validation: frozenset[str]
    folds: int
    note: str


def fold_of_patients(patients: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """Deal patients into folds of equal size, by a hash, so that the order of files does not matter."""

    def ticket(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    return {patient: place % folds for place, patient in enumerate(sorted(patients, key=ticket))}


def split_by_fold(data_set: DataSet, folds: int, fold: int, seed: int) -> Split:
    """Fold `fold` validates, the others train.

    Raises:
        InputError: fewer than two patients or folds, or no such fold.
    """
    patients = data_set.patients
    if len(patients) < 2:
        raise InputError(data_set.root, "", "at least 2 patients, to keep training and validation apart", len(patients))
    if folds < 2:
        raise InputError("--folds", "", "at least 2", folds)
    used = min(folds, len(patients))
    note = f"{len(patients)} patients are fewer than {folds} folds: {used} folds" if used < folds else ""
    if not 0 <= fold < used:
        raise InputError("--fold", "", f"a fold from 0 to {used - 1}", fold)
    dealt = fold_of_patients(patients, used, seed)
    names = {c.pair.image_name: dealt[c.pair.patient_id] == fold for c in data_set.pairs}
    validation = frozenset(name for name, validates in names.items() if validates)
    return Split(frozenset(names) - validation, validation, used, note)


def split_by_lists(data_set: DataSet, training: Path, validation: Path) -> Split:
    """Split as two text files say: one image a line, its base name or `patient/name`.

    Raises:
        InputErrors: an unknown image, an image left out or listed twice, a patient in both lists.
    """
    by_name = {checked.pair.image_name: checked.pair.patient_id for checked in data_set.pairs}
    faults: list[InputError] = []
    chosen: dict[Path, dict[str, int]] = {}
    for path in (training, validation):
        chosen[path] = _listed(path, by_name, faults)
    patients = {path: {by_name[name] for name in names} for path, names in chosen.items()}
    for patient in sorted(patients[training] & patients[validation]):
        faults.append(InputError(validation, "", f"no patient of {training.name}", f"{patient}, who is in both"))
    listed = chosen[training].keys() | chosen[validation].keys()
    for path, names in chosen.items():
        if not names:
            faults.append(InputError(path, "", "at least one image", "none"))
    left_out = sorted(by_name.keys() - listed)
    if faults:
        raise InputErrors(faults)
    note = f"{len(left_out)} images are in neither list and left out: {', '.join(left_out[:5])}" if left_out else ""
    return Split(frozenset(chosen[training]), frozenset(chosen[validation]), 0, note)


def _listed(path: Path, by_name: dict[str, str], faults: list[InputError]) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        faults.append(InputError(path, "", "a readable UTF-8 text file", str(error)))
        return {}
    names: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if not entry:
            continue
        folder, _, name = entry.replace("\\", "/").rpartition("/")
        patient = folder.rpartition("/")[2]
        if name not in by_name or patient not in ("", by_name[name]):
            faults.append(InputError(path, f"line {number}", "an image of the data set", entry))
        elif name in names:
            faults.append(InputError(path, f"line {number}", "each image once", f"{name} as in line {names[name]}"))
        else:
            names[name] = number
    return names
