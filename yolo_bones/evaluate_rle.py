"""Score one CSV of run lengths against another.

    python -m yolo_bones.evaluate_rle pred.csv truth.csv --json scores.json --images DIR

Rows are matched by (image, class), never by position. Prints the Dice table to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from yolo_bones.command_line import image_size_argument, progress, run_command, say
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import write_text
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import RleTable, read_rle_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.evaluate_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV to score")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the truth")
    parser.add_argument("--json", type=Path, help="also write the scores here")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--size", type=image_size_argument, default="2048x2048", help="HEIGHTxWIDTH of every image")
    sizes.add_argument("--images", type=Path, help="folder of the images, whose headers tell their sizes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return run_command(_evaluate, parser.parse_args(argv))


def _evaluate(arguments: argparse.Namespace) -> int:
    prediction, truth = read_rle_table(arguments.prediction), read_rle_table(arguments.truth)
    scores = score_tables(prediction, truth, _size_of(arguments), arguments.quiet)
    counters = dict(Counter(prediction.counters) + Counter(truth.counters))
    for name, count in counters.items():
        say(f"mended {count} x {name}", arguments.quiet)
    print(scores.table())
    if arguments.json is not None:
        write_text(arguments.json, json.dumps({**scores.as_record(), "counters": counters}, indent=2) + "\n")
    return 0


def _size_of(arguments: argparse.Namespace) -> Callable[[str], ImageSize]:
    if arguments.images is None:
        size: ImageSize = arguments.size
        return lambda _: size
    by_name = {path.name: path for path in find_images(arguments.images)}

    def size_of(image_name: str) -> ImageSize:
        if image_name not in by_name:
            raise InputError(arguments.images, "", f"an image {image_name}", "none of that name")
        return read_image_size(by_name[image_name])

    return size_of


def score_tables(
    prediction: RleTable, truth: RleTable, size_of: Callable[[str], ImageSize], quiet: bool = True
) -> DiceScores:
    """Dice of two tables that hold the same images.

    Raises:
        InputErrors: an image is only in one of them, or an RLE is not valid.
    """
    faults: list[InputError] = []
    for image_name in sorted(prediction.texts.keys() - truth.texts.keys()):
        place = f"{prediction.path}:{prediction.lines[image_name][0]}"
        faults.append(InputError(place, "image_name", f"an image of {truth.path.name}", image_name))
    for image_name in sorted(truth.texts.keys() - prediction.texts.keys()):
        faults.append(InputError(prediction.path, "", f"rows for {image_name} of {truth.path.name}", "none"))
    if not truth.texts:
        faults.append(InputError(truth.path, "", "at least one image", "none"))
    if faults:
        raise InputErrors(faults)
    per_image = {}
    for image_name in progress(sorted(truth.texts), "scoring", len(truth.texts), quiet):
        size = size_of(image_name)
        masks = []
        for table in (prediction, truth):
            try:
                masks.append(table.masks(image_name, size))
            except InputErrors as error:
                faults.extend(error.faults)
        if len(masks) == 2:
            per_image[image_name] = dice_per_channel(*masks)
    if faults:
        raise InputErrors(faults)
    return DiceScores(per_image)


if __name__ == "__main__":
    sys.exit(main())
