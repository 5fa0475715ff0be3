"""Pseudo-labelled images in the converters: they train, they never validate, and they are no truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from converters._shared import read_checked
from yolo_bones.annotations import PSEUDO_LABEL
from yolo_bones.data_set import DataSet
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.splits import Split, wrists_of_images

MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabels:
    """What serves beside the drawn images of a data set.

    Attributes:
        added: a second data set, all of it pseudo-labelled, or None.
        left_out: images whose patient validates; they do not train either.
        images: of those that train.
        patients: of those that train.
    """

    added: DataSet | None
    left_out: tuple[str, ...] = ()
    images: int = 0
    patients: int = 0

    def settings(self) -> dict[str, Any]:
        """What the report says; nothing where there are none."""
        if self.added is None and not (self.images or self.left_out):
            return {}
        counts = {"train_images": self.images, "train_patients": self.patients}
        record: dict[str, Any] = {**counts, "left_out": list(self.left_out)}
        if self.added is not None:
            record["added"] = self.added.report()
        return {"pseudo": record}


def read_added(folder: Path | None, data_set: DataSet, quiet: bool) -> DataSet | None:
    """The data set of `--pseudo`.

    Args:
        folder: of it, or None.
        data_set: that it is added to.
        quiet: no progress bar.

    Raises:
        InputErrors: an image that is no pseudo-label, or that the other data set has as well.
    """
    if folder is None:
        return None
    added = read_checked(folder, quiet)
    own = {checked.pair.image_name: checked.pair.image for checked in data_set.pairs}
    faults: list[InputError] = []
    for checked in added.pairs:
        pair = checked.pair
        if not checked.is_pseudo:
            faults.append(InputError(pair.annotation, "source", f"{PSEUDO_LABEL!r} (drawn images belong into RAW)"))
        if pair.image_name in own:
            expected = "a base name that no image of RAW has"
            faults.append(InputError(pair.image, "", expected, f"the name of {own[pair.image_name]}"))
    if faults:
        raise InputErrors(faults)
    return added


def joined(data_set: DataSet, added: DataSet | None) -> DataSet:
    """The images of both; what was mended stays with each."""
    if added is None:
        return data_set
    pairs = sorted((*data_set.pairs, *added.pairs), key=lambda one: (one.pair.patient_id, one.pair.image_name))
    return replace(data_set, pairs=tuple(pairs))


def with_pseudo(split: Split, everything: DataSet, added: DataSet | None) -> tuple[Split, PseudoLabels]:
    """Let pseudo-labelled images train, except those of patients who validate.

    Args:
        split: of the drawn images, or by lists.
        everything: see `joined`.
        added: the data set of `--pseudo`.

    Raises:
        RefusedError: a list lets one of them validate.
    """
    pseudo = everything.pseudo
    names = {checked.pair.image_name for checked in pseudo}
    refuse_validation(split, names)
    validating = {c.pair.patient_id for c in everything.pairs if c.pair.image_name in split.validation}
    is_added = set() if added is None else {checked.pair.image_name for checked in added.pairs}
    # Lists say which images of RAW serve; where there are none, all of them do.
    wanted = [c for c in pseudo if split.folds or c.pair.image_name in split.training | is_added]
    training = [checked for checked in wanted if checked.pair.patient_id not in validating]
    left_out = tuple(checked.pair.image_name for checked in wanted if checked.pair.patient_id in validating)
    chosen = frozenset(checked.pair.image_name for checked in training)
    wrists = _wrists(split.image_wrists, replace(everything, pairs=tuple(training)))
    patients = len({checked.pair.patient_id for checked in training})
    found = replace(split, training=split.training | chosen, image_wrists=wrists)
    return found, PseudoLabels(added, left_out, len(chosen), patients)


def _wrists(known: Mapping[str, str], more: DataSet) -> Mapping[str, str]:
    return {**known, **wrists_of_images(more)} if known and more.pairs else known


def refuse_validation(split: Split, names: Iterable[str]) -> None:
    """Raise `RefusedError` where a list lets a pseudo-labelled image validate."""
    wrong = sorted(split.validation & set(names))
    if wrong:
        raise RefusedError(
            f"{named(wrong)}: pseudo-labelled, and never validates; a score against it would be the teacher's own"
        )


def refuse_as_truth(data_set: DataSet, allowed: bool) -> None:
    """Raise `RefusedError` where pseudo-labels would become the truth that predictions are scored against."""
    if data_set.pseudo and not allowed:
        names = [checked.pair.image_name for checked in data_set.pseudo]
        raise RefusedError(
            f"{data_set.root}: {len(names)} pseudo-labelled images are no truth to score against: {named(names)}; "
            "give --allow-pseudo to write them all the same"
        )


def named(names: list[str]) -> str:
    """The first few names."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def pseudo_note(labels: PseudoLabels) -> str:
    """A line for people, or nothing."""
    if not (labels.images or labels.left_out):
        return ""
    told = f"{labels.images} pseudo-labelled images of {labels.patients} patients train"
    if labels.left_out:
        told += f", {len(labels.left_out)} are left out: their patients validate"
    return told
