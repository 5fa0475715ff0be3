"""Turn point annotations into the truth as a submission CSV.

    python -m converters.points_to_rle RAW OUT

Writes OUT/truth.csv (row-major, 1-based RLE, 29 rows an image), OUT/images.csv (image_name, patient, side, height,
width, wrist; side is where the thumb points in the picture, `thumb-left` or `thumb-right`; wrist is `straight`, `bent`
or `unknown`) and OUT/report.json.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence

from converters._pseudo import refuse_as_truth
from converters._shared import build_parser, finish, open_out, read_checked, show_progress
from yolo_bones import __version__
from yolo_bones.annotated_hand import wrist_of_image
from yolo_bones.annotations import AnnotatedImage
from yolo_bones.bones import BONE_COUNT
from yolo_bones.command_line import run_command
from yolo_bones.files import replacing
from yolo_bones.rle import empty_masks, encode_crop, masks_to_row_texts, stack
from yolo_bones.rle_table import write_rle_table

PRODUCTS = ("truth.csv", "images.csv", "report.json")
IMAGE_COLUMNS = ("image_name", "patient", "side", "height", "width", "wrist")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser("points_to_rle", __doc__.split("\n")[0])
    parser.add_argument(
        "--allow-pseudo", action="store_true", help="write pseudo-labelled images too, which are no truth"
    )
    return run_command(_convert, parser.parse_args(argv))


def _convert(arguments: argparse.Namespace) -> int:
    data_set = read_checked(arguments.raw, arguments.quiet, arguments.out)
    refuse_as_truth(data_set, arguments.allow_pseudo)
    settings = {"converter": "points_to_rle"}
    parts = open_out(arguments, data_set, PRODUCTS, {**settings, "columns": IMAGE_COLUMNS})
    for checked in show_progress(data_set, "converting", arguments.quiet):
        name = checked.pair.image_name
        if not parts.has(name):
            image = checked.read()
            row = [name, image.patient_id, image.thumb_side, image.size.height, image.size.width, wrist_of_image(image)]
            parts.write(name, {"row": row, "texts": _row_texts(image)})

    def images() -> Iterator[tuple[str, list[str]]]:
        for checked in data_set.pairs:
            yield checked.pair.image_name, parts.read(checked.pair.image_name)["texts"]

    write_rle_table(parts.made / "truth.csv", images())
    with replacing(parts.made / "images.csv") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(IMAGE_COLUMNS)
        for checked in data_set.pairs:
            writer.writerow(parts.read(checked.pair.image_name)["row"])
    report = {**settings, "version": __version__, **data_set.report(), "rows": BONE_COUNT * len(data_set.pairs)}
    return finish(arguments.out, parts, report, arguments.quiet)


def _row_texts(image: AnnotatedImage) -> list[str]:
    """Truth masks in channel order as submission text; empty where no bone was drawn."""
    masks = [empty_masks(image.size)] * BONE_COUNT
    for annotation in image.annotations:
        masks[annotation.class_id] = encode_crop(*annotation.fill(image.size), image.size)
    return [text.decode("ascii") for text in masks_to_row_texts(stack(image.size, masks))]


if __name__ == "__main__":
    sys.exit(main())
