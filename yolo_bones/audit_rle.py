"""Find what is implausible in a prediction, and rank its images by the Dice to be expected, without any truth.

    python -m yolo_bones.audit_rle pred.csv --images DIR --json audit.json --per-image ranks.csv [--strict]
    python -m yolo_bones.audit_rle pred.csv --images DIR --html audit.html

Finds bones missing, in pieces, exchanged, two classes with one mask, and masks that are implausible against their
neighbours, real bones or the patient's other hand. What is usual is learnt from the prediction itself, robustly, and
blended with statistics of real hands. Prints a line an image, the one that a person should look at first on top; --html
writes a page to look at them, with their findings.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from yolo_bones import __version__
from yolo_bones.audit.findings import ERROR, Finding, count_kinds, in_order
from yolo_bones.audit.mask_checks import CheckedImage, check_image, compare_hands
from yolo_bones.audit.mask_findings import judge_masks
from yolo_bones.audit.mask_scores import ImageScore, score_image
from yolo_bones.audit.mask_shapes import PredictedImage, see_masks
from yolo_bones.audit.norms import Norms, learn_norms
from yolo_bones.bones import BONES
from yolo_bones.claims import claim
from yolo_bones.command_line import (
    USUAL_SIZE,
    add_size_arguments,
    count_argument,
    progress,
    run_command,
    say,
    size_source,
)
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, replacing, write_text
from yolo_bones.hand_labels import Labelling
from yolo_bones.image_sources import find_images, patients_of_folders
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.page.given_findings import page_findings
from yolo_bones.page.page_files import check_page_place
from yolo_bones.page.record import EXPECTED_DICE, REPORT, LayerSet, PageHead
from yolo_bones.page.table_sources import PREDICTION, JudgedImage, TableSources
from yolo_bones.page_options import add_page_arguments, images_fact, make_page, page_options, shown_first
from yolo_bones.parallel import work_in_order
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import RleTable, SizeOf, open_rle_table
from yolo_bones.watched_files import refuse_changed, watch

T = TypeVar("T")

EXIT_FINDINGS: Final = 1
MOST_NAMED: Final = 6
"""Errors in an image's line; --json has all."""
COLUMNS: Final = ("rank", "image_name", "patient", "score", "errors", "notes", "worst_bone", "worst_bone_score")


def check_predictions(images: Sequence[PredictedImage], workers: int = 1, quiet: bool = True) -> list[CheckedImage]:
    """Hold all images against what is usual among them.

    Args:
        images: of one prediction.
        workers: processes.
        quiet: no progress bar.
    """
    drawn = [image.drawn for image in images]

    def watch(items: Iterable[T], what: str, total: int) -> Iterable[T]:
        return progress(items, what, total, quiet)

    norms, labellings = learn_norms(drawn, workers=workers, watch=watch)
    pairs = list(zip(images, labellings, strict=True))
    checked = work_in_order(partial(_check, norms), pairs, workers, named=_name)
    return compare_hands(list(watch(checked, "auditing", len(images))))


def _name(pair: tuple[PredictedImage, Labelling | None]) -> str:
    return pair[0].drawn.name


def _check(norms: Norms, pair: tuple[PredictedImage, Labelling | None]) -> CheckedImage:
    return check_image(*pair, norms)


@dataclass(frozen=True, slots=True, eq=False)
class AuditedImage:
    """One image with everything that is said about it.

    Attributes:
        name, patient: of the image.
        score: Dice to be expected.
        findings: in order.
    """

    name: str
    patient: str
    score: ImageScore
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.severity == ERROR for finding in self.findings)

    def as_record(self, rank: int) -> dict[str, Any]:
        """For JSON."""
        expected = {bone: round(float(dice), 4) for bone, dice in zip(BONES, self.score.bones, strict=True)}
        return {
            "image": self.name,
            "patient": self.patient,
            "rank": rank,
            "score": round(self.score.score, 4),
            "errors": self.errors,
            "notes": len(self.findings) - self.errors,
            "bones": expected,
        }

    def as_line(self, rank: int) -> str:
        """For people: rank, score, image, and what was found, errors first."""
        told = [f"{one.bone} {one.kind}".strip() for one in self.findings if one.severity == ERROR]
        more, notes = len(told) - MOST_NAMED, len(self.findings) - len(told)
        told = told[:MOST_NAMED]
        if more > 0:
            told.append(f"{more} more error{'s' if more > 1 else ''}")
        if notes:
            told.append(f"{notes} note{'s' if notes > 1 else ''}")
        name = "/".join(part for part in (self.patient, self.name) if part)
        return f"{rank:>5}  {self.score.score:.4f}  {name}" + (f"  {', '.join(told)}" if told else "")


def audit_predictions(images: Sequence[PredictedImage], workers: int = 1, quiet: bool = True) -> list[AuditedImage]:
    """Findings and scores of all images, the worst first.

    Args:
        images: of one prediction.
        workers: processes.
        quiet: no progress bar.
    """
    audited = []
    for image in check_predictions(images, workers, quiet):
        score = score_image(image)
        audited.append(AuditedImage(image.name, image.patient, score, tuple(in_order(judge_masks(image, score)))))
    return sorted(audited, key=lambda one: (one.score.score, one.patient, one.name))


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.audit_rle", description=about)
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV or parquet of run lengths")
    add_size_arguments(parser)
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="FILE",
        help="images.csv: columns image_name and patient; else the sub-folders of --images are the patients",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write findings and scores here")
    parser.add_argument("--per-image", type=Path, metavar="FILE", help="write the ranking as CSV")
    add_page_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --per-image, and an earlier page")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when there is an error")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_audit, build_parser().parse_args(argv))


def _audit(arguments: argparse.Namespace) -> int:
    quiet: bool = arguments.quiet
    sources = [arguments.prediction, arguments.patients]
    files = find_images(arguments.images) if arguments.images is not None else []
    refuse_inputs([arguments.json, arguments.per_image, arguments.html], [*sources, *files])
    if arguments.html is not None:
        if arguments.images is None:
            raise InputError("--html", "", "--images DIR with the images to be shown", "no --images")
        check_page_place(arguments.html, [*sources, *files], overwrite=arguments.overwrite, images=arguments.images)
    claim(arguments.per_image, arguments.json)
    if arguments.per_image is not None:
        refuse_to_overwrite(arguments.per_image, arguments.overwrite)
    watch(sources)
    table = open_rle_table(arguments.prediction)
    patients = _patients(arguments, table)
    images = list(_read(table, size_source(arguments), patients, quiet))
    if not images:
        raise InputError(arguments.prediction, "", "at least one image", "none")
    refuse_changed()
    for name, count in table.counters.items():
        say(f"mended {count} x {name}", quiet)
    if getattr(arguments, "size_was_assumed", False):
        say(f"sizes are not known: {USUAL_SIZE} is assumed (--size, or --images)")
    if not patients:
        say("no patients are known: no hand is compared with the other one (--patients, or --images)", quiet)
    audited = audit_predictions(images, max(1, arguments.workers), quiet)
    for rank, image in enumerate(audited, start=1):
        print(image.as_line(rank))
    findings = in_order(finding for image in audited for finding in image.findings)
    errors = sum(finding.severity == ERROR for finding in findings)
    if arguments.per_image is not None:
        write_ranks(arguments.per_image, audited)
    if arguments.json is not None:
        record = {**as_record(audited, findings), "counters": dict(table.counters)}
        write_text(arguments.json, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    if arguments.html is not None:
        _write_page(arguments, table, audited, {image.drawn.name: image.drawn.size for image in images})
    with_errors = sum(image.errors > 0 for image in audited)
    notes = len(findings) - errors
    say(f"{len(audited)} images: {errors} errors in {with_errors} images, {notes} notes", quiet)
    return EXIT_FINDINGS if errors and arguments.strict else 0


def _write_page(
    arguments: argparse.Namespace, table: RleTable, audited: Sequence[AuditedImage], sizes: Mapping[str, ImageSize]
) -> None:
    """The page to look at, in the order of the ranking."""
    files = {path.name: path for path in find_images(arguments.images)}
    sources = TableSources({PREDICTION: table}, files, {one.name: one.patient for one in audited})
    shown = shown_first(audited, arguments.worst)
    score = float(np.mean([one.score.score for one in audited]))
    about = [images_fact(len(shown), len(audited), "lowest score"), ("expected Dice", f"{score:.4f}")]
    sets = [LayerSet(PREDICTION, table.path.name, PREDICTION)]
    head = PageHead(table.path.name, REPORT, about, sets, EXPECTED_DICE)
    judged = (
        JudgedImage(
            one.name, one.patient, sizes[one.name], one.score.score, one.score.bones, page_findings(one.findings)
        )
        for one in shown
    )
    make_page(page_options(arguments), head, sources.shown(judged), len(shown))


def as_record(audited: Sequence[AuditedImage], findings: Sequence[Finding]) -> dict[str, Any]:
    """For JSON, in the shape of `audit_points`, and the ranking of the images."""
    return {
        "version": __version__,
        "images_checked": len(audited),
        "images_with_errors": sum(image.errors > 0 for image in audited),
        "expected_dice": round(sum(image.score.score for image in audited) / len(audited), 4),
        "counts": count_kinds(findings),
        "findings": [finding.as_record() for finding in findings],
        "images": [image.as_record(rank) for rank, image in enumerate(audited, start=1)],
    }


def write_ranks(path: Path, audited: Sequence[AuditedImage]) -> None:
    """Write the ranking, a row an image."""
    with replacing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for rank, image in enumerate(audited, start=1):
            worst = int(image.score.bones.argmin())
            notes = len(image.findings) - image.errors
            scores = f"{image.score.score:.4f}", image.errors, notes
            worst_score = f"{image.score.bones[worst]:.4f}"
            writer.writerow([rank, image.name, image.patient, *scores, BONES[worst], worst_score])


def _read(table: RleTable, size_of: SizeOf, patients: dict[str, str], quiet: bool) -> Iterable[PredictedImage]:
    """Measures of all images; all faults of the table at once."""
    faults: list[InputError] = []
    for rows in progress(table.images(), "reading", quiet=quiet):
        try:
            yield see_masks(rows.masks(size_of(rows)), rows.image_name, patients.get(rows.image_name, ""))
        except InputError as error:
            faults.extend(getattr(error, "faults", [error]))
    if faults:
        raise InputErrors(faults)


def _patients(arguments: argparse.Namespace, table: RleTable) -> dict[str, str]:
    """Image -> patient, where that is known."""
    if arguments.patients is not None:
        known = read_patients(arguments.patients)
        return patients_of_images(arguments.patients, known, table.names())
    if arguments.images is None:
        return {}
    return patients_of_folders(arguments.images, find_images(arguments.images))


if __name__ == "__main__":
    sys.exit(main())
