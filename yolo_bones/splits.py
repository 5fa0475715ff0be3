"""Training and validation, whole patients at a time, bent wrists spread evenly."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yolo_bones.annotated_hand import BENT, STRAIGHT, UNKNOWN, wrist_of_image, wrist_of_patient
from yolo_bones.data_set import CheckedPair, DataSet
from yolo_bones.errors import InputError, InputErrors

LARGEST_SEED: Final = 2**32 - 1
"""That numpy's legacy generator, which scikit-learn shuffles with, takes."""

Watch = Callable[[Iterable[CheckedPair]], Iterable[CheckedPair]]


@dataclass(frozen=True, slots=True)
class Split:
    """Which images serve for what.

    Attributes:
        validation: base names; all other images of the split train.
        training: base names.
        folds: number of folds really used; 0 when lists were given.
        note: what the user should know about it, or empty.
        wrists: `train` and `val` -> patients by wrist; empty when lists were given.
    """

    training: frozenset[str]
    validation: frozenset[str]
    folds: int
    note: str
    wrists: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def fold_of_patients(patients: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """Deal patients into folds of equal size, by a hash, so that the order of files does not matter."""

    def ticket(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    return {patient: place % folds for place, patient in enumerate(sorted(patients, key=ticket))}


def stratified_folds(wrists: Mapping[str, Sequence[str]], folds: int, seed: int) -> tuple[dict[str, int], str]:
    """Deal patients into folds that are alike in size and in their share of bent wrists.

    scikit-learn's `StratifiedGroupKFold` over images: a group is a patient, a class the patient's wrist. The order of
    patients and images does not matter.

    Args:
        wrists: patient -> wrist of each of the patient's images; at least as many patients as folds.
        folds: at least two.
        seed: of the shuffle.

    Returns:
        Patient -> fold, and what the user should know, or nothing. Where bent (or straight) wrists are fewer than the
        folds they are spread as far as they go; where both are, wrists are not looked at.
    """
    # Here and not above: it takes a second to import.
    from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]

    wrist_of = {patient: wrist_of_patient(wrists[patient]) for patient in sorted(wrists)}
    counts = Counter(wrist_of.values())
    notes = []
    if counts[UNKNOWN]:
        notes.append(f"{counts[UNKNOWN]} patients whose hands cannot be fitted are dealt as if straight")
    bent = {patient: int(wrist == BENT) for patient, wrist in wrist_of.items()}
    fewer, more = sorted([sum(bent.values()), len(bent) - sum(bent.values())])
    which = BENT if sum(bent.values()) == fewer else STRAIGHT
    if more < folds:
        notes.append(f"{more} patients with either wrist are fewer than {folds} folds: folds are not stratified")
        bent = dict.fromkeys(bent, 0)
    elif 0 < fewer < folds:
        notes.append(f"{fewer} patients with a {which} wrist are fewer than {folds} folds: not every fold holds one")
    groups = [patient for patient in bent for _ in wrists[patient]]
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    dealt = {}
    with warnings.catch_warnings():
        # It warns of few members in a class, which the note says better.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, members) in enumerate(splitter.split(groups, [bent[patient] for patient in groups], groups)):
            dealt.update({groups[member]: fold for member in members})
    return {patient: dealt[patient] for patient in bent}, "; ".join(notes)


def split_by_fold(data_set: DataSet, folds: int, fold: int, seed: int, watch: Watch = lambda pairs: pairs) -> Split:
    """Fold `fold` validates, the others train.

    Args:
        data_set: with at least two patients.
        folds: of patients; fewer where there are fewer patients.
        fold: from 0.
        seed: of the deal.
        watch: wraps the iteration over the images' annotations, for a progress bar.

    Raises:
        InputError: fewer than two patients or folds, no such fold, or a seed that is too large.
    """
    patients = data_set.patients
    if len(patients) < 2:
        raise InputError(data_set.root, "", "at least 2 patients, to keep training and validation apart", len(patients))
    if folds < 2:
        raise InputError("--folds", "", "at least 2", folds)
    if seed > LARGEST_SEED:
        raise InputError("--seed", "", f"at most {LARGEST_SEED}", seed)
    used = min(folds, len(patients))
    notes = [f"{len(patients)} patients are fewer than {folds} folds: {used} folds"] if used < folds else []
    if not 0 <= fold < used:
        raise InputError("--fold", "", f"a fold from 0 to {used - 1}", fold)
    wrists: dict[str, list[str]] = {patient: [] for patient in patients}
    for checked in watch(data_set.pairs):
        wrists[checked.pair.patient_id].append(wrist_of_image(checked.read()))
    dealt, note = stratified_folds(wrists, used, seed)
    names = {c.pair.image_name: dealt[c.pair.patient_id] == fold for c in data_set.pairs}
    validation = frozenset(name for name, validates in names.items() if validates)
    held = {}
    for subset, validates in (("train", False), ("val", True)):
        members = (patient for patient in patients if (dealt[patient] == fold) == validates)
        held[subset] = dict(sorted(Counter(wrist_of_patient(wrists[patient]) for patient in members).items()))
    return Split(frozenset(names) - validation, validation, used, "; ".join([*notes, *filter(None, [note])]), held)


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
