"""Say where one CSV of run lengths is better than another, patient by patient.

    python -m yolo_bones.compare_rle a.csv b.csv truth.csv --patients images.csv --images DIR

Differences are b - a. Intervals and p come from a bootstrap that draws whole patients; a bone is called better or worse
only after Holm's correction over the 29 bones. images.csv is what `converters.points_to_rle` writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from yolo_bones.claims import claim
from yolo_bones.command_line import add_size_arguments, count_argument, progress, run_command, say, size_source
from yolo_bones.comparison import compare_scores
from yolo_bones.files import refuse_inputs, write_text
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.rle_table import RleTable, SizeOf, aligned_masks, open_rle_table
from yolo_bones.watched_files import refuse_changed, watch

FEWEST_SAMPLES: Final = 100
MOST_SAMPLES: Final = 200_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.compare_rle", description=__doc__.split("\n")[0])
    parser.add_argument("a", type=Path, metavar="A", help="CSV to compare with")
    parser.add_argument("b", type=Path, metavar="B", help="CSV that may be better")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the truth")
    parser.add_argument(
        "--patients", type=Path, required=True, metavar="FILE", help="images.csv: columns image_name and patient"
    )
    parser.add_argument("--samples", type=_samples, default=10_000, metavar="N", help="draws of patients; 10000")
    parser.add_argument("--seed", type=count_argument, default=0, help="of the draws; 0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures here")
    add_size_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return run_command(_compare, parser.parse_args(argv))


def _compare(arguments: argparse.Namespace) -> int:
    sources = [arguments.a, arguments.b, arguments.truth, arguments.patients]
    refuse_inputs([arguments.json], [*sources, arguments.images])
    claim(arguments.json)
    watch([arguments.a, arguments.b, arguments.truth])
    patients = read_patients(arguments.patients)
    tables = [open_rle_table(path) for path in (arguments.a, arguments.b, arguments.truth)]
    a, b = score_pair(tables, size_source(arguments), arguments.quiet)
    refuse_changed()
    known = patients_of_images(arguments.patients, patients, a.per_image)
    comparison = compare_scores(a, b, known, arguments.samples, arguments.seed)
    counters = dict(sum((table.counters for table in tables[1:]), tables[0].counters))
    for name, count in counters.items():
        say(f"mended {count} x {name}", arguments.quiet)
    print(f"a: {arguments.a}\nb: {arguments.b}\n\n{comparison.table()}")
    if arguments.json is not None:
        files = {"a": str(arguments.a), "b": str(arguments.b), "truth": str(arguments.truth)}
        record = {**files, **comparison.as_record(), "counters": counters}
        write_text(arguments.json, json.dumps(record, indent=2, allow_nan=False) + "\n")
    return 0


def score_pair(tables: Sequence[RleTable], size_of: SizeOf, quiet: bool = True) -> tuple[DiceScores, DiceScores]:
    """Dice of two tables with the truth, the third, in one pass.

    Raises:
        InputErrors: an image is not in all of them, or an RLE is not valid.
    """
    a, b = {}, {}
    for rows, (masks_a, masks_b, truth) in progress(aligned_masks(tables, size_of), "scoring", quiet=quiet):
        a[rows.image_name] = dice_per_channel(masks_a, truth)
        b[rows.image_name] = dice_per_channel(masks_b, truth)
    return DiceScores(a), DiceScores(b)


def _samples(text: str) -> int:
    value = count_argument(text)
    if not FEWEST_SAMPLES <= value <= MOST_SAMPLES:
        raise argparse.ArgumentTypeError(f"expected {FEWEST_SAMPLES} to {MOST_SAMPLES} samples, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
