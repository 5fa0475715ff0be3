"""Score one CSV of run lengths against another.

    python -m yolo_bones.evaluate_rle pred.csv truth.csv --json scores.json --images DIR

Rows are matched by (image, class), never by position. Prints the Dice table to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from yolo_bones.command_line import add_size_arguments, progress, run_command, say, size_source
from yolo_bones.files import write_text
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.rle_table import RleTable, SizeOf, aligned_masks, open_rle_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.evaluate_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV to score")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the truth")
    parser.add_argument("--json", type=Path, help="also write the scores here")
    add_size_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return run_command(_evaluate, parser.parse_args(argv))


def _evaluate(arguments: argparse.Namespace) -> int:
    prediction, truth = open_rle_table(arguments.prediction), open_rle_table(arguments.truth)
    scores = score_tables(prediction, truth, size_source(arguments), arguments.quiet)
    counters = dict(prediction.counters + truth.counters)
    for name, count in counters.items():
        say(f"mended {count} x {name}", arguments.quiet)
    print(scores.table())
    if arguments.json is not None:
        write_text(arguments.json, json.dumps({**scores.as_record(), "counters": counters}, indent=2) + "\n")
    return 0


def score_tables(prediction: RleTable, truth: RleTable, size_of: SizeOf, quiet: bool = True) -> DiceScores:
    """Dice of two tables that hold the same images.

    Raises:
        InputErrors: an image is only in one of them, or an RLE is not valid.
    """
    pairs = aligned_masks([prediction, truth], size_of)
    per_image = {rows.image_name: dice_per_channel(*masks) for rows, masks in progress(pairs, "scoring", quiet=quiet)}
    return DiceScores(per_image)


if __name__ == "__main__":
    sys.exit(main())
