"""Turn point annotations into one COCO file.

    python -m converters.points_to_coco RAW OUT

Writes OUT/annotations.json (category ids are channels 0 to 28) and OUT/report.json. pycocotools makes the truth mask of
each `segmentation`; the drawn points are kept as `points`, so that converters.coco_to_points brings them back as they
were. Images that are pseudo-labelled carry `source`: `pseudo-label`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from converters._shared import build_parser, finish, open_out, read_checked, show_progress
from yolo_bones import __version__
from yolo_bones.coco import annotation_records, categories, image_record
from yolo_bones.command_line import run_command, say
from yolo_bones.files import write_text

PRODUCTS = ("annotations.json", "report.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser("points_to_coco", __doc__.split("\n")[0])
    return run_command(_convert, parser.parse_args(argv))


def _convert(arguments: argparse.Namespace) -> int:
    data_set = read_checked(arguments.raw, arguments.quiet, arguments.out)
    settings = {"converter": "points_to_coco"}
    parts = open_out(arguments, data_set, PRODUCTS, settings)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, checked in enumerate(show_progress(data_set, "converting", arguments.quiet), start=1):
        name = checked.pair.image_name
        if not parts.has(name):
            image = checked.read()
            part = {"image": image_record(image, number, name), "annotations": annotation_records(image, number, 0)}
            parts.write(name, part)
        part = parts.read(name)
        images.append(part["image"])
        for record in part["annotations"]:
            annotations.append({**record, "id": len(annotations) + 1})
    content = {
        "info": {"description": "29 bones of hand radiographs", "version": __version__},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories(),
    }
    write_text(parts.made / "annotations.json", json.dumps(content) + "\n")
    as_runs = sum(isinstance(record["segmentation"], dict) for record in annotations)
    counts = {"annotations": len(annotations), "annotations_with_holes_as_rle": as_runs}
    report = {**settings, "version": __version__, **data_set.report(), **counts}
    if data_set.pseudo:
        say(f"{len(data_set.pseudo)} images are pseudo-labelled, and marked so in the file", arguments.quiet)
    return finish(arguments.out, parts, report, arguments.quiet)


if __name__ == "__main__":
    sys.exit(main())
