"""Find label errors in point annotations, by anatomy alone.

    python -m yolo_bones.audit_points RAW --json audit.json [--html audit.html] [--strict] [--fix OUT]

Finds exchanged, rotated and mirrored labels, bones missing, doubled, drawn elsewhere or of an implausible size, objects
drawn into a bone, outlines that left theirs, the same image twice and, with --folds, a patient in two folds. What is
usual is learnt from RAW itself, robustly, and blended with statistics of real hands where RAW is small. Prints a line
for each finding. --html writes a page to look at: images with findings first, as they are drawn and, where --fix would
change something, as it would write them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from yolo_bones import __version__
from yolo_bones.annotations import Repair, RepairLog, read_outlines
from yolo_bones.audit.corrections import COPY_REPORT, corrections_by_image, is_unfinished, write_corrected
from yolo_bones.audit.findings import ERROR, count_kinds, in_order
from yolo_bones.audit.norms import DrawnImage
from yolo_bones.audit.point_audit import audit_images
from yolo_bones.audit.set_findings import (
    SeenImage,
    find_blank,
    find_copies,
    find_shared_patients,
    find_strange_sides,
    see_image,
)
from yolo_bones.claims import claim
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.data_set import Pair, find_pairs, find_root
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.files import TEMPORARY_MARK, refuse_inputs, write_text
from yolo_bones.image_files import read_grey
from yolo_bones.image_sources import find_images
from yolo_bones.page.annotation_sources import AUDIT_SETS, AuditedAnnotation, annotation_sources, worst_first
from yolo_bones.page.page_files import check_page_place
from yolo_bones.page.record import AUDIT, PageHead
from yolo_bones.page_options import add_page_arguments, images_fact, make_page, page_options, shown_first
from yolo_bones.parallel import ToldFault, fault_texts, work_in_order
from yolo_bones.rle import ImageSize
from yolo_bones.watched_files import refuse_changed
from yolo_bones.watched_files import watch as watch_files

EXIT_FINDINGS: Final = 1
T = TypeVar("T")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.audit_points", description=about)
    parser.add_argument("raw", type=Path, metavar="RAW", help="folder or .zip with DCM/ and outputs_json/")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings here")
    parser.add_argument(
        "--folds",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLD",
        help="folds to look at: of each, a folder of images or a text file with an image a line",
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 when there is an error")
    parser.add_argument(
        "--fix", type=Path, metavar="OUT", help="write a corrected copy of the data set here; RAW stays as it is"
    )
    add_page_arguments(parser)
    parser.add_argument("--html-findings-only", action="store_true", help="leave images without findings off the page")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier copy in OUT, and an earlier page")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_audit, build_parser().parse_args(argv))


def _audit(arguments: argparse.Namespace) -> int:
    quiet: bool = arguments.quiet
    workers = max(1, arguments.workers)
    root = find_root(arguments.raw)
    faults: list[InputError] = []
    pairs = find_pairs(root, faults)
    sources = [*arguments.folds, *(path for pair in pairs for path in (pair.image, pair.annotation))]
    refuse_inputs([arguments.json, arguments.html], sources)
    if arguments.html is not None:
        check_page_place(arguments.html, sources, overwrite=arguments.overwrite, images=root)
    claim(arguments.json)
    watch_files(path for pair in pairs for path in (pair.image, pair.annotation))
    if arguments.fix is not None:
        _check_out(arguments.fix, root, arguments.overwrite)
        for target in (arguments.json, arguments.html):
            if target is not None and target.resolve().is_relative_to(arguments.fix.resolve()):
                raise RefusedError(f"{target}: lies in the copy {arguments.fix}; write it beside it")
    read = list(progress(work_in_order(read_pair, pairs, workers, _name), "reading", len(pairs), quiet))
    faults += [ToldFault(text) for one in read for text in one.faults]
    folds = _read_folds(arguments.folds, pairs, faults)
    if faults:
        raise InputErrors(faults)
    drawn = [one.drawn for one in read if one.drawn is not None]
    seen = [one.seen for one in read if one.seen is not None]
    log = RepairLog([repair for one in read for repair in one.repairs])

    def watch(items: Iterable[T], what: str, total: int) -> Iterable[T]:
        return progress(items, what, total, quiet, unit="bone" if what == "outlines" else "image")

    audit = audit_images(drawn, [pair.image for pair in pairs], workers=workers, watch=watch)
    seen = [replace(one, side=side) for one, side in zip(seen, audit.sides, strict=True)]
    patients = {pair.image_name: pair.patient_id for pair in pairs}
    refuse_changed()
    findings = in_order(
        [
            *audit.findings,
            *find_blank(seen),
            *find_copies(seen),
            *find_strange_sides(seen),
            *find_shared_patients(folds, patients),
        ]
    )
    for finding in findings:
        print(finding.as_line())
    errors = sum(finding.severity == ERROR for finding in findings)
    record: dict[str, Any] = {
        "version": __version__,
        "images_checked": len(pairs),
        "images_learnt_from": audit.norms.images,
        "images_with_errors": len({(one.patient, one.image) for one in findings if one.severity == ERROR}),
        "counts": count_kinds(findings),
        "repairs": log.counters,
        "findings": [finding.as_record() for finding in findings],
        "images": [
            {"image": one.name, "patient": one.patient, "side": side, "wrist_angle_deg": angle and round(angle, 1)}
            for one, side, angle in zip(drawn, audit.sides, audit.wrist_angles_deg, strict=True)
        ],
    }
    if arguments.fix is not None:
        record["fixed"] = write_corrected(
            progress(pairs, "copying", len(pairs), quiet), corrections_by_image(findings), arguments.fix
        )
        for action, count in record["fixed"].items():
            say(f"{arguments.fix}: {action} {count} x", quiet)
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    if arguments.html is not None:
        _write_page(arguments, worst_first(drawn, [pair.image for pair in pairs], findings))
    notes = len(findings) - errors
    say(f"{len(pairs)} images: {errors} errors in {record['images_with_errors']} images, {notes} notes", quiet)
    return EXIT_FINDINGS if errors and arguments.strict else 0


def _write_page(arguments: argparse.Namespace, audited: Sequence[AuditedAnnotation]) -> None:
    """The page to look at, images with findings first."""
    chosen = [one for one in audited if one.findings] if arguments.html_findings_only else audited
    shown = shown_first(chosen, arguments.worst)
    findings = [finding for one in audited for finding in one.findings]
    kinds = {
        severity: ", ".join(f"{count} x {kind}" for kind, count in counted.items())
        for severity, counted in count_kinds(findings).items()
    }
    about = [
        images_fact(len(shown), len(audited), "most errors"),
        ("images with errors", str(sum(one.errors > 0 for one in audited))),
        *((f"{severity}s", said or "none") for severity, said in kinds.items()),
    ]
    head = PageHead(arguments.raw.resolve().name, AUDIT, about, AUDIT_SETS)
    make_page(page_options(arguments), head, annotation_sources(shown), len(shown))


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """One pair as it was read: its annotations, the image to find it again by, what was mended, or what is wrong."""

    drawn: DrawnImage | None
    seen: SeenImage | None
    repairs: tuple[Repair, ...]
    faults: tuple[str, ...]


def _name(pair: Pair) -> str:
    return pair.image_name


def read_pair(pair: Pair) -> ReadImage:
    """Read one image and its annotations."""
    try:
        grey, _ = read_grey(pair.image)
        size = ImageSize(*grey.shape)
        outlines, log = read_outlines(pair.annotation, size)
    except InputError as error:
        return ReadImage(None, None, (), fault_texts(error))
    drawn = DrawnImage(pair.image_name, pair.patient_id, size, tuple(outlines))
    return ReadImage(drawn, see_image(pair.image_name, pair.patient_id, grey), tuple(log.repairs), ())


def _read_folds(places: Sequence[Path], pairs: Sequence[Pair], faults: list[InputError]) -> dict[str, list[str]]:
    """Name of each fold -> its images that are in the data set."""
    known = {pair.image_name for pair in pairs}
    folds: dict[str, list[str]] = {}
    seen: set[Path] = set()
    for place in places:
        if place.resolve() in seen:
            faults.append(InputError("--folds", "", "each fold once", str(place)))
            continue
        seen.add(place.resolve())
        try:
            named = _fold_names(place)
        except InputError as error:
            faults.append(error)
            continue
        if not named:
            faults.append(InputError(place, "", "at least one image", "none"))
        for where, name in named.items():
            if name not in known:
                faults.append(InputError(place, where, "an image of the data set", name))
        folds[str(place)] = [name for name in dict.fromkeys(named.values()) if name in known]
    return folds


def _fold_names(place: Path) -> dict[str, str]:
    """Where a fold names an image -> its base name: files of a folder, or lines of a list."""
    if place.is_dir():
        return {path.name: path.name for path in find_images(place)}
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(place, "", "a folder of images or a text file", error.strerror) from error
    except UnicodeDecodeError as error:
        raise InputError(place, "", "UTF-8 text", "other bytes") from error
    names = ((number, line.strip().replace("\\", "/").rpartition("/")[2]) for number, line in enumerate(lines, start=1))
    return {f"line {number}": name for number, name in names if name}


def _check_out(out: Path, root: Path, overwrite: bool) -> None:
    """Refuse a place that overlaps the source or holds something else."""
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    source, target = root.resolve(), out.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise RefusedError(f"{out}: overlaps the source data {root}, which is never changed")
    claim(out)
    present = [path for path in out.iterdir() if TEMPORARY_MARK not in path.name] if out.exists() else []
    if not present or is_unfinished(out):
        return
    if not overwrite:
        raise RefusedError(f"{out}: is not empty; give --overwrite to replace an earlier copy")
    if not (out / COPY_REPORT).is_file():
        raise RefusedError(f"{out}: holds something that is no earlier copy (it has no {COPY_REPORT})")


if __name__ == "__main__":
    sys.exit(main())
