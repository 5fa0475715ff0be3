"""Measure a set of radiographs with truth and set it against the statistics of real hands.

    python -m yolo_bones.phantom.statistics DIR --workers 2 --json figures.json
    python -m yolo_bones.phantom.statistics DIR --only shape --strict
    python -m yolo_bones.phantom.statistics DIR --contact-sheet sheet.png --count 16

DIR is a folder of `make_phantoms` or one in the real layout. Exact runs are measured where they are, else the drawn
polygons. The real shapes are of a set in which 58 % of wrists are bent (`make_phantoms --bent 0.6`), the real areas,
overlaps and grey levels of one with 10 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from yolo_bones.claims import claim
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.contact_sheet import check_sheet_name, write_contact_sheet
from yolo_bones.errors import InputError
from yolo_bones.files import write_text
from yolo_bones.greys import READINGS, GreyMeasures, measure_greys
from yolo_bones.hand_measures import Collected, HandMeasures, measure_hand
from yolo_bones.parallel import work_in_order
from yolo_bones.phantom.agreement import PARTS, judge
from yolo_bones.phantom.statistics_record import as_record
from yolo_bones.phantom.statistics_tables import tables
from yolo_bones.truth_sources import SPLITS, TruthSource, list_images, read_truth
from yolo_bones.watched_files import refuse_changed, watch

EXIT_FINDINGS: Final = 1
Measured = tuple[str, HandMeasures | None, GreyMeasures | None]


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    name, about = "python -m yolo_bones.phantom.statistics", __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of radiographs with truth")
    parser.set_defaults(data_sets=("folder",))
    parser.add_argument("--split", choices=SPLITS, default="train", help="which images of the folder")
    parser.add_argument("--drawn", action="store_true", help="measure the drawn polygons even where exact runs are")
    parser.add_argument("--only", choices=tuple(PARTS), nargs="+", default=tuple(PARTS), help="parts to measure")
    parser.add_argument("--variants", action="store_true", help="also print the other readings of the grey profiles")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a rule of the chosen parts fails")
    parser.add_argument("--limit", type=count_argument, help="measure only the first so many images")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number here")
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE", help="draw a picture of some images, and stop")
    parser.add_argument("--count", type=count_argument, default=16, help="images on the contact sheet")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_measure, build_parser().parse_args(argv))


def _measure(arguments: argparse.Namespace) -> int:
    if arguments.contact_sheet is not None:
        return _draw(arguments)
    claim(arguments.json)
    collected, readings = _collect(arguments), READINGS if arguments.variants else READINGS[:1]
    if not collected.hands:
        raise InputError(arguments.folder, "", "at least one hand with a capitate and a third metacarpal", "none")
    refuse_changed()
    verdicts = judge(collected, arguments.only)
    say(f"{len(collected.hands)} hands measured", arguments.quiet)
    if collected.without_frame:
        say(f"{len(collected.without_frame)} hands without a frame, left out: {', '.join(collected.without_frame)}")
    shown = tables(collected, verdicts, readings)
    print("\n\n".join(table.as_markdown() if arguments.markdown else table.as_text() for table in shown))
    if arguments.json is not None:
        record = as_record(collected, verdicts, readings)
        write_text(arguments.json, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return EXIT_FINDINGS if arguments.strict and not all(verdict.passed for verdict in verdicts) else 0


def _collect(arguments: argparse.Namespace) -> Collected:
    names = list_images(arguments.folder, arguments.split, arguments.drawn)[: arguments.limit]
    sources = islice(_read(arguments), len(names))
    readings: tuple[str, ...] = ()
    if "grey" in arguments.only:
        readings = READINGS if arguments.variants else READINGS[:1]
    collected = Collected()
    measured = measure_sources(sources, readings, arguments.workers)
    for name, hand, greys in progress(measured, "measuring", len(names), arguments.quiet):
        collected.add(name, hand, greys)
    return collected


def _read(arguments: argparse.Namespace) -> Iterator[TruthSource]:
    for source in read_truth(arguments.folder, arguments.split, arguments.drawn):
        watch([source.image, source.annotation])
        yield source


def measure_sources(sources: Iterable[TruthSource], readings: Sequence[str], workers: int = 1) -> Iterator[Measured]:
    """Measure images in order; only a few are held at a time.

    Args:
        sources: of the images.
        readings: of the grey profiles, some of `greys.READINGS`; none leaves the pixels unread.
        workers: processes.
    """
    return work_in_order(partial(measure_source, readings=readings), sources, workers)


def measure_source(source: TruthSource, readings: Sequence[str]) -> Measured:
    """Measures of one image: its name, its hand (None without a frame) and, with readings, its grey levels."""
    masks = source.masks()
    greys = measure_greys(source.pixels(), masks, readings) if readings else None
    return source.image.name, measure_hand(masks), greys


def _draw(arguments: argparse.Namespace) -> int:
    check_sheet_name(arguments.contact_sheet)
    claim(arguments.contact_sheet)
    names = list_images(arguments.folder, arguments.split, arguments.drawn)
    count = min(arguments.count, len(names))
    if count == 0:
        raise InputError("--count", "", "at least one image to draw", f"{arguments.count} of {len(names)}")
    chosen = set(np.linspace(0, len(names) - 1, count).round().astype(int).tolist())
    found: list[Any] = []
    for index, source in enumerate(progress(_read(arguments), "reading", len(names), arguments.quiet)):
        if index in chosen:
            found.append((source.pixels(), source.masks()))
    refuse_changed()
    height, width = write_contact_sheet(arguments.contact_sheet, found)
    say(f"{arguments.contact_sheet}: {len(found)} images on {width} x {height} pixels", arguments.quiet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
