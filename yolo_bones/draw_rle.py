"""Draw a CSV of run lengths over its images; overlapping bones are both visible.

    python -m yolo_bones.draw_rle pred.csv --images DIR --out overlays

Writes one PNG an image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2

from yolo_bones.claims import claim
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.errors import InputError
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, sweep_temporaries, write_bytes
from yolo_bones.image_files import read_grey
from yolo_bones.image_sources import find_images
from yolo_bones.overlays import draw_overlay
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import open_rle_table
from yolo_bones.watched_files import refuse_changed, watch


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.draw_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="CSV", help="run lengths to draw")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images, searched recursively")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--longest", type=count_argument, default=1024, help="pixels of a picture's longer side")
    parser.add_argument("--limit", type=count_argument, help="draw only the first so many images")
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return run_command(_draw, parser.parse_args(argv))


def _draw(arguments: argparse.Namespace) -> int:
    if arguments.longest < 32:
        raise InputError("--longest", "", "at least 32 pixels", arguments.longest)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise InputError(arguments.out, "", "a folder", "a file")
    claim(arguments.out)
    sweep_temporaries(arguments.out, deep=False)
    watch([arguments.prediction])
    table = open_rle_table(arguments.prediction)
    by_name = {path.name: path for path in find_images(arguments.images)}
    names = table.names()[: arguments.limit]
    watch(by_name[name] for name in names if name in by_name)
    for name in names:
        if name not in by_name:
            raise InputError(table.path, "image_name", f"in {arguments.images}", name)
        refuse_to_overwrite(_target(arguments.out, name), arguments.overwrite)
    refuse_inputs([_target(arguments.out, name) for name in names], [arguments.prediction, *by_name.values()])
    for rows in progress(islice(table.images(), len(names)), "drawing", len(names), arguments.quiet):
        name = rows.image_name
        grey, _ = read_grey(by_name[name])
        picture = draw_overlay(grey, rows.masks(ImageSize(*grey.shape)), arguments.longest)
        done, encoded = cv2.imencode(".png", picture)
        if not done:
            raise InputError(by_name[name], "", "an image that can be drawn as PNG")
        write_bytes(_target(arguments.out, name), encoded.tobytes())
    refuse_changed()
    say(f"{arguments.out}: {len(names)} pictures", arguments.quiet)
    return 0


def _target(out: Path, image_name: str) -> Path:
    return out / (image_name if image_name.endswith(".png") else f"{image_name}.png")


if __name__ == "__main__":
    sys.exit(main())
