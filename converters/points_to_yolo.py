"""Turn point annotations into a data set that `yolo segment train data=bones.yaml` reads.

    python -m converters.points_to_yolo RAW OUT --folds 5 --fold 0 --seed 0

Writes OUT/{images,labels}/{train,val} and OUT/report.json. Whole patients stay together. Prints the loss audit to
stdout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from converters._shared import build_parser, finish, open_out, read_checked, show_progress
from yolo_bones import __version__
from yolo_bones.command_line import count_argument, run_command, say
from yolo_bones.data_set import CheckedPair, DataSet
from yolo_bones.errors import InputError
from yolo_bones.files import replacing, write_bytes, write_text
from yolo_bones.image_files import read_grey
from yolo_bones.loss_audit import audit_table, label_ious, summarise_ious
from yolo_bones.splits import Split, split_by_fold, split_by_lists
from yolo_bones.yolo_labels import bones_without_inset, image_to_label_text

PRODUCTS = ("images", "labels", "report.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser("points_to_yolo", __doc__.split("\n")[0])
    parser.add_argument("--folds", type=count_argument, help="folds of patients (5)")
    parser.add_argument("--fold", type=count_argument, help="the fold that validates (0)")
    parser.add_argument("--seed", type=count_argument, help="of the deal of patients into folds (0)")
    parser.add_argument("--train-list", type=Path, help="text file of training images instead of folds")
    parser.add_argument("--val-list", type=Path, help="text file of validation images; RAW/{train,val}.txt are found")
    parser.add_argument("--inset-px", type=float, default=0.0, help="move label borders inwards, in image pixels")
    return run_command(_convert, parser.parse_args(argv))


def _convert(arguments: argparse.Namespace) -> int:
    if not 0.0 <= arguments.inset_px <= 50.0:
        raise InputError("--inset-px", "", "pixels from 0 to 50", arguments.inset_px)
    data_set = read_checked(arguments.raw, arguments.quiet)
    split = _split(arguments, data_set)
    if split.note:
        say(split.note, arguments.quiet)
    settings: dict[str, Any] = {
        "converter": "points_to_yolo",
        "folds": split.folds,
        "fold": (arguments.fold or 0) if split.folds else None,
        "seed": (arguments.seed or 0) if split.folds else None,
        "lists": not split.folds,
        "inset_px": arguments.inset_px,
    }
    names = {"train": sorted(split.training), "val": sorted(split.validation)}
    parts = open_out(arguments, data_set, PRODUCTS, {**settings, **names})
    copied = 0
    without_inset: list[str] = []
    ious: list[dict[str, float]] = []
    for checked in show_progress(data_set, "converting", arguments.quiet):
        name = checked.pair.image_name
        if name not in split.training | split.validation:
            continue
        if not parts.has(name):
            subset = "val" if name in split.validation else "train"
            parts.write(name, _convert_one(checked, arguments.out, subset, arguments.inset_px))
        part = parts.read(name)
        copied += part["copied"]
        without_inset += [f"{name}: {bone}" for bone in part["without_inset"]]
        ious.append(part["ious"])
    if copied:
        say(f"{arguments.out}: {copied} images copied, links are not possible here", arguments.quiet)
    summary = summarise_ious(ious)
    print(audit_table(summary))
    report = {
        **settings,
        "version": __version__,
        **data_set.report(),
        "split_note": split.note,
        "train_images": len(split.training),
        "val_images": len(split.validation),
        "val": names["val"],
        "without_inset": without_inset,
        "loss_audit": summary,
    }
    return finish(arguments.out, parts, report, arguments.quiet)


def _split(arguments: argparse.Namespace, data_set: DataSet) -> Split:
    """Lists that the user names or keeps beside the data, else folds."""
    training, validation = arguments.train_list, arguments.val_list
    if training is None and validation is None:
        beside = [arguments.raw / name for name in ("train.txt", "val.txt")]
        training, validation = (path if path.is_file() else None for path in beside)
    if (training is None) != (validation is None):
        found = training or validation
        raise InputError(found, "", "a training and a validation list, or none", "only this one")
    folding = (arguments.folds, arguments.fold, arguments.seed)
    if training is None or validation is None:
        return split_by_fold(data_set, *(5 if folding[0] is None else folding[0], folding[1] or 0, folding[2] or 0))
    if any(option is not None for option in folding):
        raise InputError(training, "", "either lists or --folds, --fold and --seed", "both")
    say(f"split by {training} and {validation}", arguments.quiet)
    return split_by_lists(data_set, training, validation)


def _convert_one(checked: CheckedPair, out: Path, subset: str, inset_px: float) -> dict[str, Any]:
    """Write one image and its label file."""
    image = checked.read()
    name = checked.pair.image_name
    copied = _place_image(checked, out / "images" / subset / name)
    label = (out / "labels" / subset / name).with_suffix(".txt")
    write_text(label, image_to_label_text(image, inset_px))
    return {"copied": copied, "ious": label_ious(image), "without_inset": bones_without_inset(image, inset_px)}


def _place_image(checked: CheckedPair, target: Path) -> bool:
    """Link a good PNG; write a mended image anew; copy a JPEG, which ultralytics may rewrite in place.

    Returns:
        Whether a link was wanted and not possible.
    """
    source = checked.pair.image
    target.parent.mkdir(parents=True, exist_ok=True)
    if checked.image_repairs:
        pixels, _ = read_grey(source)
        done, encoded = cv2.imencode(target.suffix, pixels)
        if not done:
            raise InputError(source, "", "an image that can be written again")
        write_bytes(target, encoded.tobytes())
        return False
    if source.suffix.lower() == ".png":
        target.unlink(missing_ok=True)
        try:
            os.link(source.resolve(), target)
            return False
        except OSError:
            copied = True
    else:
        copied = False
    with replacing(target, "wb") as stream, source.open("rb") as original:
        shutil.copyfileobj(original, stream)
    return copied


if __name__ == "__main__":
    sys.exit(main())
