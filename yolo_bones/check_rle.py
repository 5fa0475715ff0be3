"""Check a submission against its images: faults, and what looks like a mistaken convention.

    python -m yolo_bones.check_rle pred.csv --images DIR

Faults (missing rows, unknown names, RLE outside the image, ...) end with exit code 2. Findings are printed a line each
as `file: kind: ...`: rows in another order, bones without a mask, areas far from a bone's, masks written column by
column or counted from 0, mirrored or turned masks. Findings end with 0, or 1 with --strict.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from yolo_bones import __version__
from yolo_bones.claims import claim
from yolo_bones.command_line import progress, run_command, say
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import refuse_inputs, write_text
from yolo_bones.image_files import read_grey, read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import open_rle_table
from yolo_bones.submission_findings import Finding, SubmissionFindings
from yolo_bones.submission_rows import audit_rows
from yolo_bones.watched_files import refuse_changed, watch

EXIT_FINDINGS = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.check_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV or parquet of run lengths")
    parser.add_argument("--images", type=Path, required=True, help="folder of exactly its images, searched recursively")
    parser.add_argument("--json", type=Path, help="also write the findings here")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when there are findings")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return run_command(_check, parser.parse_args(argv))


def _check(arguments: argparse.Namespace) -> int:
    paths = {path.name: path for path in find_images(arguments.images)}
    refuse_inputs([arguments.json], [arguments.prediction, *paths.values()])
    claim(arguments.json)
    watch([arguments.prediction])
    audit = audit_rows(arguments.prediction, _sizes(paths))
    if audit.faults:
        raise InputErrors(audit.faults)
    gathered = SubmissionFindings()
    table = open_rle_table(arguments.prediction)
    faults: list[InputError] = []
    for rows in progress(table.images(), "checking", len(paths), arguments.quiet):
        try:
            grey, _ = read_grey(paths[rows.image_name])
        except InputError as error:
            faults.append(error)
            continue
        gathered.add(rows.image_name, rows.masks(ImageSize(*grey.shape)), grey)
    if faults:
        raise InputErrors(faults)
    refuse_changed()
    findings = gathered.findings()
    if audit.out_of_order is not None:
        place, expected, got = audit.out_of_order
        findings.insert(0, Finding("row_order", f"at {place} the row of {expected} is expected, got {got}"))
    for finding in findings:
        print(f"{arguments.prediction}: {finding.kind}: {finding.text}")
    if arguments.json is not None:
        record = {
            "version": __version__,
            "images": len(paths),
            "findings": [finding.as_record() for finding in findings],
            "counters": dict(table.counters),
            "measures": gathered.measures(),
        }
        write_text(arguments.json, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    for name, count in table.counters.items():
        say(f"mended {count} x {name}", arguments.quiet)
    say(f"{arguments.prediction}: {len(paths)} images, {len(findings)} findings", arguments.quiet)
    return EXIT_FINDINGS if findings and arguments.strict else 0


def _sizes(paths: dict[str, Path]) -> dict[str, ImageSize]:
    """Size of every image, from its header."""
    sizes: dict[str, ImageSize] = {}
    faults: list[InputError] = []
    for name, path in paths.items():
        try:
            sizes[name] = read_image_size(path)
        except InputError as error:
            faults.append(error)
    if faults:
        raise InputErrors(faults)
    return sizes


if __name__ == "__main__":
    sys.exit(main())
