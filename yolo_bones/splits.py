"""Training and validation, whole patients at a time, bent wrists spread evenly."""

from __future__ import annotations

import hashlib
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from yolo_bones.annotated_hand import BENT, STRAIGHT, UNKNOWN, wrist_of_image, wrist_of_patient
from yolo_bones.data_set import CheckedPair, DataSet
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.strata import WRIST, JointStrata, StratumColumn, join_strata, read_strata

LARGEST_SEED: Final = 2**32 - 1
"""That numpy's legacy generator, which scikit-learn shuffles with, takes."""

MOST_LIST_BYTES: Final = 64_000_000
MOST_FAULTS: Final = 1_000
"""Of a list, after which no more are looked for."""
SAMPLED_FOLDERS: Final = ("./images/train", "images/train")
"""Of the images in a sampling list."""

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
        strata: what metadata was looked at, and the share of each stratum in `train` and `val`; empty without.
        image_wrists: image name -> wrist; empty when lists were given.
        repeats: training image -> how often it is listed, where that is more than once.
    """

    training: frozenset[str]
    validation: frozenset[str]
    folds: int
    note: str
    wrists: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    strata: Mapping[str, Any] = field(default_factory=dict)
    image_wrists: Mapping[str, str] = field(default_factory=dict)
    repeats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deal:
    """How patients are dealt into folds.

    Attributes:
        folds: fewer are used where there are fewer patients.
        fold: that validates, from 0.
        seed: of the shuffle.
        metadata: table that is looked at beside the wrist, or None.
        stratify: its columns, the most important first.
    """

    folds: int
    fold: int
    seed: int
    metadata: Path | None = None
    stratify: tuple[str, ...] = ()


def fold_of_patients(patients: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """Deal patients into folds of equal size, by a hash, so that the order of files does not matter."""

    def ticket(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    return {patient: place % folds for place, patient in enumerate(sorted(patients, key=ticket))}


def stratified_folds(
    wrists: Mapping[str, Sequence[str]], folds: int, seed: int, strata: Mapping[str, str] | None = None
) -> tuple[dict[str, int], str]:
    """Deal patients into folds that are alike in size and in their share of bent wrists, or of each stratum.

    scikit-learn's `StratifiedGroupKFold` over images: a group is a patient, a class the patient's wrist. The order of
    patients and images does not matter.

    Args:
        wrists: patient -> wrist of each of the patient's images; at least as many patients as folds.
        folds: at least two.
        seed: of the shuffle.
        strata: patient -> stratum, a class of its own; only their wrists where not given.

    Returns:
        Patient -> fold, and what the user should know, or nothing. Where bent (or straight) wrists are fewer than the
        folds they are spread as far as they go; where both are, strata are not looked at.
    """
    # Here and not above: it takes a second to import.
    from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]

    wrist_of = {patient: wrist_of_patient(wrists[patient]) for patient in sorted(wrists)}
    counts = Counter(wrist_of.values())
    notes = []
    if counts[UNKNOWN]:
        notes.append(f"{counts[UNKNOWN]} patients whose hands cannot be fitted are dealt as if straight")
    classes = {patient: int(wrist == BENT) for patient, wrist in wrist_of.items()}
    fewer, more = sorted([sum(classes.values()), len(classes) - sum(classes.values())])
    which = BENT if sum(classes.values()) == fewer else STRAIGHT
    if 0 < fewer < folds <= more:
        notes.append(f"{fewer} patients with a {which} wrist are fewer than {folds} folds: not every fold holds one")
    if more < folds:
        notes.append(f"{more} patients with either wrist are fewer than {folds} folds: folds are not stratified")
        classes = dict.fromkeys(classes, 0)
    elif strata is not None:
        numbers = {stratum: number for number, stratum in enumerate(sorted(set(strata.values())))}
        classes = {patient: numbers[strata[patient]] for patient in classes}
    groups = [patient for patient in classes for _ in wrists[patient]]
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    dealt = {}
    with warnings.catch_warnings():
        # It warns of few members in a class, which the note says better.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, members) in enumerate(splitter.split(groups, [classes[patient] for patient in groups], groups)):
            dealt.update({groups[member]: fold for member in members})
    return {patient: dealt[patient] for patient in classes}, "; ".join(notes)


def split_by_fold(data_set: DataSet, deal: Deal, watch: Watch = lambda pairs: pairs) -> Split:
    """One fold validates, the others train.

    Args:
        data_set: with at least two patients.
        deal: of patients into folds.
        watch: wraps the iteration over the images' annotations, for a progress bar.

    Raises:
        InputError: fewer than two patients or folds, no such fold, a seed that is too large, or faulty metadata.
    """
    patients = data_set.patients
    used = checked_folds(data_set, deal)
    notes = [f"{len(patients)} patients are fewer than {deal.folds} folds: {used} folds"] if used < deal.folds else []
    columns = () if deal.metadata is None else read_strata(deal.metadata, deal.stratify, patients)
    wrists = wrists_of_images(data_set, watch)
    by_patient: dict[str, list[str]] = {patient: [] for patient in patients}
    for checked in data_set.pairs:
        by_patient[checked.pair.patient_id].append(wrists[checked.pair.image_name])
    joint = join_strata([wrist_column(by_patient), *columns], used) if columns else None
    if joint is not None and joint.joined:
        notes.append(f"strata of fewer than {used} patients are joined to their nearest: {len(joint.joined)} joined")
    dealt, note = stratified_folds(by_patient, used, deal.seed, None if joint is None else joint.labels)
    validates = {patient: dealt[patient] == deal.fold for patient in patients}
    validation = frozenset(c.pair.image_name for c in data_set.pairs if validates[c.pair.patient_id])
    held = {}
    for subset, is_validation in (("train", False), ("val", True)):
        members = (patient for patient in patients if validates[patient] == is_validation)
        held[subset] = dict(sorted(Counter(wrist_of_patient(by_patient[patient]) for patient in members).items()))
    training = frozenset(checked.pair.image_name for checked in data_set.pairs) - validation
    strata = {} if joint is None else _strata_record(deal, joint, validates)
    return Split(training, validation, used, "; ".join([*notes, *filter(None, [note])]), held, strata, wrists)


def checked_folds(data_set: DataSet, deal: Deal) -> int:
    """How many folds are used.

    Raises:
        InputError: fewer than two patients or folds, no such fold, or a seed that is too large.
    """
    patients = len(data_set.patients)
    if patients < 2:
        raise InputError(data_set.root, "", "at least 2 patients, to keep training and validation apart", patients)
    if deal.folds < 2:
        raise InputError("--folds", "", "at least 2", deal.folds)
    if deal.seed > LARGEST_SEED:
        raise InputError("--seed", "", f"at most {LARGEST_SEED}", deal.seed)
    used = min(deal.folds, patients)
    if not 0 <= deal.fold < used:
        raise InputError("--fold", "", f"a fold from 0 to {used - 1}", deal.fold)
    return used


def wrists_of_images(data_set: DataSet, watch: Watch = lambda pairs: pairs) -> dict[str, str]:
    """Image name -> wrist.

    Args:
        data_set: annotated.
        watch: wraps the iteration over the images' annotations, for a progress bar.
    """
    return {checked.pair.image_name: wrist_of_image(checked.read()) for checked in watch(data_set.pairs)}


def wrist_column(wrists: Mapping[str, Sequence[str]]) -> StratumColumn:
    """Patients by wrist; those whose hands cannot be fitted count as straight.

    Args:
        wrists: patient -> wrist of each of the patient's images.
    """
    bent = {patient: wrist_of_patient(of_images) == BENT for patient, of_images in wrists.items()}
    return StratumColumn(
        WRIST, {p: BENT if is_bent else STRAIGHT for p, is_bent in bent.items()}, (STRAIGHT, BENT), True
    )


def _strata_record(deal: Deal, joint: JointStrata, validates: Mapping[str, bool]) -> dict[str, Any]:
    """For the report; no paths."""
    return {
        "metadata": "" if deal.metadata is None else deal.metadata.name,
        "columns": [column.name for column in joint.columns],
        "joined": list(joint.joined),
        "shares": joint.shares(validates),
    }


def split_by_lists(
    data_set: DataSet, training: Path, validation: Path, unlisted: frozenset[str] = frozenset()
) -> Split:
    """Split as two text files say: one image a line, its base name or `patient/name`.

    A sampling list, whose lines begin with `./images/train/`, serves as well; it alone may repeat an image.

    Args:
        data_set: the images that lists may name.
        training, validation: the lists.
        unlisted: images that no list need name; the note does not count them as left out.

    Raises:
        InputErrors: an unknown image, an image left out or listed twice, a patient in both lists.
    """
    by_name = {checked.pair.image_name: checked.pair.patient_id for checked in data_set.pairs}
    faults: list[InputError] = []
    chosen: dict[Path, Counter[str]] = {}
    for path in (training, validation):
        chosen[path] = _listed(path, by_name, faults)
    patients = {path: {by_name[name] for name in names} for path, names in chosen.items()}
    for patient in sorted(patients[training] & patients[validation]):
        faults.append(InputError(validation, "", f"no patient of {training.name}", f"{patient}, who is in both"))
    listed = chosen[training].keys() | chosen[validation].keys()
    faulty = {fault.file for fault in faults}
    for path, names in chosen.items():
        if not names and str(path) not in faulty:
            faults.append(InputError(path, "", "at least one image", "none"))
    if max(chosen[validation].values(), default=1) > 1:
        faults.append(InputError(validation, "", "each image once", f"{chosen[validation].most_common(1)[0][0]} again"))
    left_out = sorted(by_name.keys() - listed - unlisted)
    if faults:
        raise InputErrors(faults)
    note = f"{len(left_out)} images are in neither list and left out: {', '.join(left_out[:5])}" if left_out else ""
    repeats = {name: times for name, times in sorted(chosen[training].items()) if times > 1}
    return Split(frozenset(chosen[training]), frozenset(chosen[validation]), 0, note, repeats=repeats)


def _listed(path: Path, by_name: Mapping[str, str], faults: list[InputError]) -> Counter[str]:
    """Image name -> how often a list names it."""
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > MOST_LIST_BYTES:
            found = kind.st_size if stat.S_ISREG(kind.st_mode) else "a folder or something else that is no plain file"
            faults.append(InputError(path, "", f"a text file of at most {MOST_LIST_BYTES} bytes", found))
            return Counter()
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        got = error.strerror if isinstance(error, OSError) else "other bytes"
        faults.append(InputError(path, "", "a readable text file in UTF-8", got))
        return Counter()
    at_most = len(faults) + MOST_FAULTS
    first: dict[str, int] = {}
    times: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if not entry:
            continue
        if len(faults) > at_most:
            break
        folder, _, name = entry.replace("\\", "/").rpartition("/")
        sampled = folder in SAMPLED_FOLDERS
        patient = "" if sampled else folder.rpartition("/")[2]
        if name not in by_name or patient not in ("", by_name[name]):
            faults.append(InputError(path, f"line {number}", "an image of the data set", entry))
        elif name in first and not sampled:
            faults.append(InputError(path, f"line {number}", "each image once", f"{name} as in line {first[name]}"))
        else:
            first.setdefault(name, number)
            times[name] += 1
    return times
