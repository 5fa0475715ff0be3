"""How `points_to_yolo` divides images into training and validation, and which sampling lists it writes."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones.annotated_hand import UNKNOWN
from yolo_bones.command_line import count_argument, progress, say
from yolo_bones.data_set import CheckedPair, DataSet
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import write_text
from yolo_bones.fold_plan import data_yaml_text
from yolo_bones.sampling import (
    BALANCED,
    UNDERSAMPLED,
    SampleList,
    SampleWish,
    joint_labels,
    read_wish,
    sample,
)
from yolo_bones.slices import NONE
from yolo_bones.splits import (
    LARGEST_SEED,
    Deal,
    Split,
    checked_folds,
    split_by_fold,
    split_by_lists,
    wrists_of_images,
)
from yolo_bones.strata import WRIST, read_strata

KINDS: Final = (UNDERSAMPLED, BALANCED)
LISTED: Final = SampleWish(("list",))
LIST_PRODUCTS: Final = tuple(name for kind in KINDS for name in (f"train_{kind}.txt", f"bones_{kind}.yaml"))


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Folds or lists, metadata, sampling."""
    parser.add_argument("--folds", type=count_argument, help="folds of patients (5)")
    parser.add_argument("--fold", type=count_argument, help="the fold that validates (0)")
    parser.add_argument("--seed", type=count_argument, help="of the deal of patients into folds, and of samples (0)")
    parser.add_argument("--train-list", type=Path, help="text file of training images instead of folds")
    parser.add_argument("--val-list", type=Path, help="text file of validation images; RAW/{train,val}.txt are found")
    add_metadata_arguments(parser)
    for option, what in (("undersample", "frequent images left out"), ("balance", "rare images repeated")):
        help_text = f"also write a list of training images, {what}: wrist, wrist,sex or wrist=bent:0.5"
        parser.add_argument(f"--{option}", type=wish_argument, metavar="WISH", help=help_text)


def add_metadata_arguments(parser: argparse.ArgumentParser) -> None:
    """`--metadata` and `--stratify`."""
    parser.add_argument(
        "--metadata", type=Path, metavar="CSV", help="table of patients, as converters.metadata_to_csv writes it"
    )
    parser.add_argument(
        "--stratify",
        type=columns_argument,
        default=(),
        metavar="COLUMNS",
        help="spread these columns of it evenly over the folds beside the wrist, such as sex,age",
    )


def columns_argument(text: str) -> tuple[str, ...]:
    """Read different columns with commas between them; the wrist is always looked at and may be named."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected different columns such as sex,age, got {text!r}")
    return tuple(name for name in names if name != WRIST)


def wish_argument(text: str) -> SampleWish:
    """Read what a sampling list should be."""
    try:
        return read_wish(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def check_metadata_arguments(metadata: Path | None, columns: Sequence[str], what: str) -> None:
    """Raise `InputError` where columns are wanted of no table, or no column of a table."""
    if columns and metadata is None:
        meant = [name for name in columns if difflib.get_close_matches(name, [WRIST])]
        got = f"none (is {WRIST} meant by {meant[0]}?)" if meant else "none"
        raise InputError("--metadata", "", f"a table with {', '.join(columns)}", got)
    if metadata is not None and not columns:
        raise InputError("--metadata", "", f"{what} with columns of it", "none")


def choose_split(arguments: argparse.Namespace, data_set: DataSet, added: frozenset[str] = frozenset()) -> Split:
    """Lists that the user names or keeps beside the data, else folds, of drawn images alone.

    Args:
        arguments: of `add_split_arguments`.
        data_set: all images.
        added: names of those that train although no list names them.
    """
    lists = _checked_lists(arguments)
    _refuse_only_pseudo(data_set, lists is not None)
    if lists is None:
        return split_by_fold(data_set.drawn, _deal(arguments), _watch(arguments, data_set.drawn))
    say(f"split by {lists[0]} and {lists[1]}", arguments.quiet)
    return split_by_lists(data_set, *lists, added)


def _refuse_only_pseudo(data_set: DataSet, has_lists: bool) -> None:
    """Say what is missing where nothing could validate."""
    if not has_lists and data_set.pseudo and not data_set.drawn.pairs:
        expected = "annotations that a person drew or corrected, to validate on"
        found = f"{len(data_set.pseudo)} pseudo-labelled images only (rle_to_points --corrected where a person looked)"
        raise InputError(data_set.root, "source", expected, found)


def check_split(arguments: argparse.Namespace, data_set: DataSet, added: frozenset[str] = frozenset()) -> None:
    """Raise what `choose_split` would, without dealing patients by their wrists; see there."""
    lists = _checked_lists(arguments)
    _refuse_only_pseudo(data_set, lists is not None)
    if lists is not None:
        split_by_lists(data_set, *lists, added)
    else:
        checked_folds(data_set.drawn, _deal(arguments))
    columns = [name for name in _metadata_columns(arguments) if name != WRIST]
    if arguments.metadata is not None:
        read_strata(arguments.metadata, columns, data_set.drawn.patients)


def _checked_lists(arguments: argparse.Namespace) -> tuple[Path, Path] | None:
    """Training and validation list, where they are given or lie beside the data."""
    check_metadata_arguments(arguments.metadata, _metadata_columns(arguments), "--stratify, --undersample or --balance")
    training, validation = arguments.train_list, arguments.val_list
    if training is None and validation is None:
        training, validation = (_list_beside(arguments.raw, name) for name in ("train.txt", "val.txt"))
    if (training is None) != (validation is None):
        found = training or validation
        raise InputError(found, "", "a training and a validation list, or none", "only this one")
    if training is None or validation is None:
        return None
    own = [arguments.folds, arguments.fold, arguments.stratify or None]
    if any(option is not None for option in own) or (arguments.seed is not None and not _wishes(arguments)):
        raise InputError(training, "", "either lists or --folds, --fold, --seed and --stratify", "both")
    return training, validation


def _list_beside(raw: Path, name: str) -> Path | None:
    """A list of images in the folder itself; what has its name and is none is not passed over."""
    path = raw / name
    if not os.path.lexists(path):
        return None
    if not path.resolve().is_relative_to(raw.resolve()):
        raise RefusedError(f"{path}: a link to a place outside the data set is refused")
    if not path.is_file():
        raise InputError(path, "", "a text file", "a folder, a pipe or a link to nothing")
    return path


def _deal(arguments: argparse.Namespace) -> Deal:
    folds = 5 if arguments.folds is None else arguments.folds
    table = arguments.metadata if arguments.stratify else None
    return Deal(folds, arguments.fold or 0, arguments.seed or 0, table, arguments.stratify)


def choose_samples(arguments: argparse.Namespace, data_set: DataSet, split: Split) -> list[SampleList]:
    """The sampling lists that are wanted, of all training images.

    Raises:
        InputErrors: faulty metadata, no image with a wanted value.
    """
    wishes = _wishes(arguments)
    listed = _listed_samples(arguments, split)
    if not wishes:
        return listed
    seed = arguments.seed or 0
    if seed > LARGEST_SEED:
        raise InputError("--seed", "", f"at most {LARGEST_SEED}", seed)
    names = {name for wish in wishes.values() for name in wish.columns}
    patients = {c.pair.image_name: c.pair.patient_id for c in data_set.pairs if c.pair.image_name in split.training}
    labels: dict[str, dict[str, str | None]] = {}
    if names - {WRIST}:
        for column in read_strata(arguments.metadata, sorted(names - {WRIST}), data_set.patients):
            known = {name: column.labels[patient] for name, patient in patients.items()}
            labels[column.name] = {name: None if label == NONE else label for name, label in known.items()}
    if WRIST in names:
        wrists = split.image_wrists or wrists_of_images(data_set, _watch(arguments, data_set))
        labels[WRIST] = {name: None if wrists[name] == UNKNOWN else wrists[name] for name in patients}
    return listed + [
        sample(kind, wish, joint_labels([labels[column] for column in wish.columns], sorted(patients)), seed)
        for kind, wish in wishes.items()
    ]


def _listed_samples(arguments: argparse.Namespace, split: Split) -> list[SampleList]:
    """A training list that repeats images, as a sampling list of this data set."""
    if not split.repeats:
        return []
    if arguments.balance is not None:
        raise InputError("--balance", "", "a training list without repeated images", "one with them")
    names = sorted(name for name in split.training for _ in range(split.repeats.get(name, 1)))
    note = f"{len(split.repeats)} images are repeated as in the training list"
    return [SampleList(BALANCED, LISTED, tuple(names), {}, (note,))]


def write_samples(out: Path, samples: Sequence[SampleList], files: Mapping[str, str], quiet: bool) -> dict[str, Any]:
    """Write each list and a data file that trains on it; returns what the report says of them.

    Args:
        out: the data set.
        samples: of training images.
        files: image name -> its file below `out`; others are left out.
        quiet: say nothing.
    """
    records = {}
    for chosen in samples:
        lines = [f"./{files[name]}\n" for name in chosen.names if name in files]
        path = out / f"train_{chosen.kind}.txt"
        write_text(path, "".join(lines))
        write_text(out / f"bones_{chosen.kind}.yaml", data_yaml_text(path.name, "images/val"))
        records[chosen.kind] = {**chosen.as_record(), "lines": len(lines), "images": len(set(lines))}
        counts = ", ".join(f"{label} {images} -> {lines}" for label, (images, lines) in chosen.strata.items())
        say(f"{path}: {len(lines)} lines of {len(set(lines))} images{f' ({counts})' if counts else ''}", quiet)
        for note in chosen.notes:
            say(note, quiet)
    return records


def say_shares(split: Split, quiet: bool) -> None:
    """A line for each column that patients were dealt by."""
    shares: Mapping[str, Any] = split.strata.get("shares", {})
    for name in split.strata.get("columns", ()):
        parts = (
            f"{label} {held['train']['share']:.0%} / {held['val']['share']:.0%}" for label, held in shares[name].items()
        )
        say(f"{name}, patients of train / val: {', '.join(parts)}", quiet)


def _wishes(arguments: argparse.Namespace) -> dict[str, SampleWish]:
    given = {UNDERSAMPLED: arguments.undersample, BALANCED: arguments.balance}
    return {kind: wish for kind, wish in given.items() if wish is not None}


def _metadata_columns(arguments: argparse.Namespace) -> list[str]:
    """All columns that are wanted of the table."""
    named = [name for wish in _wishes(arguments).values() for name in wish.columns if name != WRIST]
    return list(dict.fromkeys([*arguments.stratify, *named]))


def _watch(
    arguments: argparse.Namespace, data_set: DataSet
) -> Callable[[Iterable[CheckedPair]], Iterable[CheckedPair]]:
    return lambda pairs: progress(pairs, "wrists", len(data_set.pairs), arguments.quiet)
