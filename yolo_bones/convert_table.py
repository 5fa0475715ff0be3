"""Convert a table of run lengths: CSV <-> parquet, or soft channels -> either.

    python -m yolo_bones.convert_table a.csv a.parquet
    python -m yolo_bones.convert_table a.parquet a.csv

A CSV in canonical form (29 rows an image in channel order, runs that do not touch, plain line ends) comes back byte for
byte. Any other comes back in canonical form, with the same masks; `nan` for an empty mask is counted and said.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from yolo_bones.claims import claim
from yolo_bones.command_line import USUAL_SIZE, add_size_arguments, progress, run_command, say, size_source
from yolo_bones.files import refuse_inputs, refuse_to_overwrite
from yolo_bones.rle import RunLengthMasks
from yolo_bones.rle_table import SUFFIX, aligned_masks, open_rle_table, write_masks
from yolo_bones.watched_files import refuse_changed, watch


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.convert_table", description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, metavar="FROM", help="CSV, parquet or folder of soft channels")
    parser.add_argument("target", type=Path, metavar="TO", help="CSV or .parquet to write")
    add_size_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return run_command(_convert, parser.parse_args(argv))


def _convert(arguments: argparse.Namespace) -> int:
    target: Path = arguments.target
    refuse_inputs([target], [arguments.source, arguments.images])
    claim(target)
    refuse_to_overwrite(target, arguments.overwrite)
    watch([arguments.source])
    table = open_rle_table(arguments.source)

    def images() -> Iterator[tuple[str, RunLengthMasks]]:
        found = aligned_masks([table], size_source(arguments))
        for rows, masks in progress(found, "converting", quiet=arguments.quiet):
            yield rows.image_name, masks[0]
        refuse_changed()

    count = write_masks(target, images())
    if target.suffix.lower() == SUFFIX and getattr(arguments, "size_was_assumed", False):
        say(f"note: no --size or --images given: every image was taken as {USUAL_SIZE}", arguments.quiet)
    for name, mended in table.counters.items():
        say(f"mended {mended} x {name}", arguments.quiet)
    say(f"{target}: {count} images", arguments.quiet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
