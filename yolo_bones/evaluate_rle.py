"""Score one CSV of run lengths against another.

    python -m yolo_bones.evaluate_rle pred.csv truth.csv --json scores.json --images DIR
    python -m yolo_bones.evaluate_rle pred.csv truth.csv --by meta.csv:age --patients images.csv --per-image dice.csv

Rows are matched by (image, class), never by position. Prints the Dice table to stdout, and one of slices for each --by.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from yolo_bones.bones import BONES
from yolo_bones.claims import claim
from yolo_bones.command_line import add_size_arguments, progress, run_command, say, size_source
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, replacing, write_text
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.rle_table import RleTable, SizeOf, aligned_masks, open_rle_table
from yolo_bones.slices import MetadataColumn, cut, patients_needed, read_metadata_column
from yolo_bones.watched_files import refuse_changed, watch


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.evaluate_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV to score")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the truth")
    parser.add_argument("--json", type=Path, help="also write the scores here")
    parser.add_argument(
        "--by",
        type=column_argument,
        action="append",
        default=[],
        metavar="FILE.csv:COLUMN",
        help="also score slices by a column, joined by image_name, patient or ID; can be given several times",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="FILE", help="images.csv: columns image_name and patient, for --by"
    )
    parser.add_argument("--per-image", type=Path, metavar="FILE", help="write the Dice of every image and bone as CSV")
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --per-image")
    add_size_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return run_command(_evaluate, parser.parse_args(argv))


def _evaluate(arguments: argparse.Namespace) -> int:
    sources = [arguments.prediction, arguments.truth, arguments.patients, *(path for path, _ in arguments.by)]
    refuse_inputs([arguments.per_image, arguments.json], [*sources, arguments.images])
    claim(arguments.per_image, arguments.json)
    if arguments.per_image is not None:
        refuse_to_overwrite(arguments.per_image, arguments.overwrite)
    watch(sources)
    columns, patients = _read_metadata(arguments)
    prediction, truth = open_rle_table(arguments.prediction), open_rle_table(arguments.truth)
    scores = score_tables(prediction, truth, size_source(arguments), arguments.quiet)
    if patients is not None:
        patients = patients_of_images(arguments.patients, patients, scores.per_image)
    slicings = [cut(column, list(scores.per_image), patients) for column in columns]
    refuse_changed()
    counters = dict(prediction.counters + truth.counters)
    for name, count in counters.items():
        say(f"mended {count} x {name}", arguments.quiet)
    print("\n\n".join([scores.table(), *(slicing.table(scores, patients) for slicing in slicings)]))
    if arguments.per_image is not None:
        write_scores(arguments.per_image, scores)
    if arguments.json is not None:
        slices = {"slices": [slicing.as_record(scores, patients) for slicing in slicings]} if slicings else {}
        write_text(arguments.json, json.dumps({**scores.as_record(), "counters": counters, **slices}, indent=2) + "\n")
    return 0


def score_tables(prediction: RleTable, truth: RleTable, size_of: SizeOf, quiet: bool = True) -> DiceScores:
    """Dice of two tables that hold the same images.

    Raises:
        InputErrors: an image is only in one of them, or an RLE is not valid.
    """
    pairs = aligned_masks([prediction, truth], size_of)
    per_image = {rows.image_name: dice_per_channel(*masks) for rows, masks in progress(pairs, "scoring", quiet=quiet)}
    return DiceScores(per_image)


def write_scores(path: Path, scores: DiceScores) -> None:
    """Write `image_name,<29 bones>,mean`, a row an image, with all digits: reading a number gives the same float."""
    with replacing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image_name", *BONES, "mean"])
        for name, bones in scores.per_image.items():
            writer.writerow([name, *map(repr, bones.tolist()), repr(float(bones.mean()))])


def column_argument(text: str) -> tuple[Path, str]:
    """Read `FILE:COLUMN`, split at the last colon, since a path may hold one."""
    file, _, column = text.rpartition(":")
    if not file or not column:
        raise argparse.ArgumentTypeError(f"expected FILE.csv:COLUMN, got {text!r}")
    return Path(file), column


def _read_metadata(arguments: argparse.Namespace) -> tuple[list[MetadataColumn], dict[str, str] | None]:
    """Columns of all --by and patients, where given; all faults of all files at once."""
    faults: list[InputError] = []
    columns, patients = [], None
    for path, name in arguments.by:
        try:
            columns.append(read_metadata_column(path, name))
            if arguments.patients is None and columns[-1].key != "image_name":
                faults.append(patients_needed(columns[-1]))
        except InputError as error:
            faults.extend(getattr(error, "faults", [error]))
    try:
        patients = None if arguments.patients is None else read_patients(arguments.patients)
    except InputError as error:
        faults.extend(getattr(error, "faults", [error]))
    if faults:
        raise InputErrors(faults)
    return columns, patients


if __name__ == "__main__":
    sys.exit(main())
