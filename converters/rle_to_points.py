"""Turn a table of run lengths into point annotations: predictions to be corrected, or to learn from.

    python -m converters.rle_to_points pred.csv OUT --images DIR
    python -m converters.rle_to_points corrected.csv OUT --images DIR --corrected
    python -m converters.rle_to_points pred.csv OUT --images DIR --min-confidence 0.9 --confidence audit.json \\
        --min-agreement 0.9 --agree other.csv

OUT becomes a data set of its own: DCM with the images, outputs_json with the annotations, report.json. Each outline is
filled to exactly its mask; what cannot be is counted in pixels and listed in the report.

The files are marked as pseudo-labels, which train but never validate, unless --corrected says that a person looked.

confidence, from 0 to 1, of each bone, as --confidence FILE tells it: JSON of `audit_rle --json` (the Dice that it
expects), COCO results of `export_rle --format coco` (their scores), or a folder of soft channels of `export_rle
--soft` (mean probability where it is above one half). A CSV of run lengths tells none.
agreement, from 0 to 1, of each bone: the lowest Dice with that bone in the tables of --agree, which other networks,
seeds or looks made of the same images.
With one of the thresholds an image enters only where all its 29 bones are there and pass; report.json lists the others.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from converters._points_out import (
    PRODUCTS,
    ImagePlace,
    add_points_arguments,
    find_places,
    fingerprint_of_input,
    inexact_record,
    outline_bone,
    patient_faults,
    say_inexact,
    write_data_set,
)
from converters._shared import claim_early, finish, open_folder
from yolo_bones import __version__
from yolo_bones.annotation_records import OutlinedBone, RecordSource, annotation_record
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.command_line import progress, run_command, say, share_argument
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.pseudo_labels import (
    Confidences,
    LeftOutImage,
    OfBones,
    Thresholds,
    count_reasons,
    judge_image,
    lowest_agreement,
    rounded,
)
from yolo_bones.resumable import PartFolder
from yolo_bones.rle import RunLengthMasks
from yolo_bones.rle_table import ImageRows, RleTable, SizeOf, aligned_tables, open_rle_table
from yolo_bones.watched_files import watch as watch_files

EXIT_FINDINGS: Final = 1
MADE_BY: Final = "rle_to_points"
FACTS: Final = ("holes",)
"""Counters of nothing that was mended."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m converters.rle_to_points",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", type=Path, metavar="PRED", help="CSV or parquet of run lengths, or soft channels")
    add_points_arguments(parser)
    parser.add_argument("--corrected", action="store_true", help="a person looked at every mask: no pseudo-labels")
    parser.add_argument("--min-confidence", type=share_argument, metavar="C", help="of every bone of an image")
    parser.add_argument("--confidence", type=Path, metavar="FILE", help="that tells it, see above")
    parser.add_argument("--min-agreement", type=share_argument, metavar="A", help="of every bone of an image")
    parser.add_argument("--agree", type=Path, nargs="+", default=[], metavar="CSV", help="tables of other networks")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_convert, build_parser().parse_args(argv))


@dataclass(slots=True)
class _Done:
    """What became of the images, in the table's order."""

    written: list[str] = field(default_factory=list)
    left_out: list[LeftOutImage] = field(default_factory=list)
    inexact: list[dict[str, Any]] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)


def _convert(arguments: argparse.Namespace) -> int:
    least = _checked_thresholds(arguments)
    claim_early(arguments.out, arguments.images)
    read = [arguments.table, arguments.confidence, *arguments.agree, arguments.patients]
    watch_files(read)
    table = open_rle_table(arguments.table)
    places = find_places(arguments.images, arguments.patients)
    watch_files(place.path for place in places.values())
    faults = _image_faults(table, places, arguments)
    if faults:
        raise InputErrors(faults)
    source = _source(arguments, least)
    settings = {
        "converter": MADE_BY,
        "pseudo_label": source.is_pseudo,
        "made_with": dict(source.made_with),
        "copy": arguments.copy,
    }
    input_of = fingerprint_of_input(places, arguments.images, read)
    sources = [arguments.images, *(path for path in read if path is not None)]
    parts = open_folder(arguments, sources, PRODUCTS, {**settings, "input": input_of})
    done = _outline_all(arguments, table, places, (least, source), parts)
    records = ((name, parts.read(name)["record"]) for name in done.written)
    watched = progress(records, "writing", len(done.written), arguments.quiet)
    not_linked = write_data_set(parts.made, places, watched, copy=arguments.copy)
    if not_linked:
        say(f"{arguments.out}: {not_linked} images copied, links are not possible here", arguments.quiet)
    report = {**settings, "version": __version__, **_report(done, places)}
    return _finish(arguments, parts, report, done)


def _checked_thresholds(arguments: argparse.Namespace) -> Thresholds:
    """Thresholds that something can be held against."""
    least = Thresholds(arguments.min_confidence, arguments.min_agreement)
    if least.confidence is not None and arguments.confidence is None:
        raise InputError("--min-confidence", "", "--confidence FILE beside it: a table of runs tells none", "none")
    if least.agreement is not None and not arguments.agree:
        raise InputError("--min-agreement", "", "--agree CSV beside it: tables of other networks", "none")
    if arguments.corrected and (least.confidence is not None or least.agreement is not None):
        raise InputError("--corrected", "", "no thresholds: what a person looked at is no pseudo-label", "thresholds")
    same = [path for path in arguments.agree if path.resolve() == arguments.table.resolve()]
    if same:
        raise InputError("--agree", "", "tables of other networks", f"the table itself, {same[0]}")
    return least


def _image_faults(table: RleTable, places: dict[str, ImagePlace], arguments: argparse.Namespace) -> list[InputError]:
    """Images of the table that are not in the folder, or whose patient is not known."""
    names = table.names()
    faults = [
        InputError(table.path, "image_name", f"an image in {arguments.images}", name)
        for name in names
        if name not in places
    ]
    return faults + patient_faults(places, (name for name in names if name in places), arguments.patients)


def _source(arguments: argparse.Namespace, least: Thresholds) -> RecordSource:
    made_with = {
        "table": arguments.table.name,
        **({} if least.confidence is None else {"min_confidence": least.confidence}),
        **({} if arguments.confidence is None else {"confidence": arguments.confidence.name}),
        **({} if least.agreement is None else {"min_agreement": least.agreement}),
        **({"agree": [path.name for path in arguments.agree]} if arguments.agree else {}),
    }
    return RecordSource(MADE_BY, not arguments.corrected, {} if arguments.corrected else made_with)


def _size_of(places: dict[str, ImagePlace], images: Path) -> SizeOf:
    def from_header(rows: ImageRows) -> Any:
        if rows.image_name not in places:
            raise InputError(rows.place, "image_name", f"an image in {images}", rows.image_name)
        return places[rows.image_name].size

    return from_header


def _outline_all(
    arguments: argparse.Namespace,
    table: RleTable,
    places: dict[str, ImagePlace],
    how: tuple[Thresholds, RecordSource],
    parts: PartFolder,
) -> _Done:
    """Judge and outline every image; what an earlier run finished is only read. All faults at once."""
    least, source = how
    confidences = None if arguments.confidence is None else Confidences(arguments.confidence)
    tables = [table, *(open_rle_table(path) for path in arguments.agree)]
    done = _Done()
    faults: list[InputError] = []
    aligned = aligned_tables(tables, _size_of(places, arguments.images), others_may_hold_more=True)
    for rows, masks in progress(aligned, "outlining", quiet=arguments.quiet):
        name = rows[0].image_name
        try:
            if not parts.has(name):
                figures = np.full(BONE_COUNT, np.nan) if confidences is None else confidences.of_image(name)
                judged = (figures, lowest_agreement(masks[0], masks[1:]))
                parts.write(name, _part(name, places[name], masks[0], judged, least, source))
        except InputError as error:
            faults.extend(getattr(error, "faults", [error]))
            continue
        _note(name, parts.read(name), done)
    done.counters.update(table.counters)
    if faults:
        # What was made of a faulty file is not gone on with.
        parts.remove()
        raise InputErrors(faults)
    return done


def _part(
    name: str,
    place: ImagePlace,
    masks: RunLengthMasks,
    judged: tuple[OfBones, OfBones],
    least: Thresholds,
    source: RecordSource,
) -> dict[str, Any]:
    """What becomes of one image, as JSON."""
    areas = masks.areas()
    asked = least.confidence is not None or least.agreement is not None
    reasons = judge_image(name, areas, *judged, least) if asked or not areas.any() else None
    if reasons is not None:
        return {"left_out": reasons.as_record()["reasons"]}
    bones, inexact = [], []
    for bone in np.flatnonzero(areas).tolist():
        outline = outline_bone(masks[bone], name, BONES[bone])
        figures = {key: rounded(of[bone]) for key, of in zip(("confidence", "agreement"), judged, strict=True)}
        known = {key: figure for key, figure in figures.items() if figure is not None}
        bones.append(OutlinedBone(BONES[bone], outline.points, known))
        inexact.append(inexact_record(name, BONES[bone], outline))
    record = annotation_record(name, place.patient_id, place.size, bones, source)
    missing = BONE_COUNT - len(bones)
    return {"record": record, "inexact": [one for one in inexact if one is not None], "missing": missing}


def _note(name: str, part: dict[str, Any], done: _Done) -> None:
    if "left_out" in part:
        done.left_out.append(LeftOutImage(name, part["left_out"]))
        return
    done.written.append(name)
    done.inexact += part["inexact"]
    done.counters["missing_bones"] += part["missing"]
    for record in part["inexact"]:
        done.counters.update({key: count for key, count in record.items() if isinstance(count, int)})


def _report(done: _Done, places: dict[str, ImagePlace]) -> dict[str, Any]:
    named = {*done.written, *(image.image_name for image in done.left_out)}
    return {
        "images": len(done.written),
        "counters": {key: count for key, count in sorted(done.counters.items()) if count and key not in FACTS},
        **{key: done.counters[key] for key in FACTS},
        "images_without_rows": sorted(places.keys() - named),
        "left_out_images": len(done.left_out),
        "left_out_reasons": count_reasons(done.left_out),
        "left_out": [image.as_record() for image in done.left_out],
        "inexact": done.inexact,
    }


def _finish(arguments: argparse.Namespace, parts: PartFolder, report: dict[str, Any], done: _Done) -> int:
    quiet: bool = arguments.quiet
    place = arguments.out / "report.json"
    finish(arguments.out, parts, report, quiet)
    say_inexact(done.inexact, place, quiet)
    for line in _lines(report, place):
        say(line, quiet)
    kind = "pseudo-labelled images" if report["pseudo_label"] else "images"
    say(f"{arguments.out}: {len(done.written)} {kind}", quiet)
    if not done.written:
        say(f"no image could be written; {place} says why", False)
        return EXIT_FINDINGS
    return 0


def _lines(report: dict[str, Any], place: Path) -> Iterator[str]:
    """What was left out, for people."""
    if report["left_out_images"]:
        reasons = ", ".join(f"{reason} in {count}" for reason, count in report["left_out_reasons"].items())
        yield f"{report['left_out_images']} images left out: {reasons} (listed in {place})"
    if report["images_without_rows"]:
        yield f"{len(report['images_without_rows'])} images of the folder have no rows in the table"


if __name__ == "__main__":
    sys.exit(main())
