"""Make a page to look at from a CSV of run lengths: images worst first, with layers, scores and findings.

    python -m yolo_bones.report_rle pred.csv --images DIR --truth truth.csv --html report.html
    python -m yolo_bones.report_rle pred.csv --images DIR --audit audit.json --spacing 0.1 --html report.html

With --truth the images are sorted by Dice, cut into slices by wrist pose and each --by, and --against is compared with
the prediction by a paired bootstrap. Without it the Dice to be expected is estimated and findings are told, as by
`audit_rle`; --audit takes those that an earlier audit of annotations or predictions wrote. The page is one HTML file
that needs no network; pictures that do not fit into --embed-mb lie in a folder beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from yolo_bones.audit_rle import audit_predictions
from yolo_bones.bones import BONE_COUNT
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.evaluate_rle import column_argument
from yolo_bones.image_sources import find_images
from yolo_bones.page.given_findings import joined, page_findings
from yolo_bones.page.page_files import check_page_place
from yolo_bones.page.record import EXPECTED_DICE, REPORT, LayerSet, PageFinding, PageHead, Score, Values
from yolo_bones.page.report_inputs import ReportInputs, ReportPaths, read_report_inputs
from yolo_bones.page.summaries import compare_sets, image_facts, slice_tables
from yolo_bones.page.table_sources import PREDICTION, JudgedImage, ScoredImage, TabledImage, score_tabled
from yolo_bones.page_options import add_page_arguments, images_fact, make_page, page_options, shown_first
from yolo_bones.parallel import work_in_order
from yolo_bones.pixel_spacing import parse_spacing
from yolo_bones.watched_files import watch


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.report_rle", description=__doc__.split("\n")[0])
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV or parquet of run lengths")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="its images, searched recursively")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="CSV of the truth of the same images")
    parser.add_argument("--against", type=Path, metavar="FILE", help="another prediction of the same images")
    parser.add_argument("--audit", type=Path, metavar="FILE", help="findings: JSON of audit_points or audit_rle")
    parser.add_argument(
        "--by",
        type=column_argument,
        action="append",
        default=[],
        metavar="FILE.csv:COLUMN",
        help="a column to tell and to cut slices by; joined by image_name, patient or ID; can be given several times",
    )
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="FILE",
        help="images.csv: columns image_name and patient; else the sub-folders of --images are the patients",
    )
    parser.add_argument("--spacing", type=_millimetres, metavar="MM", help="side of a pixel, for measurements in mm")
    add_page_arguments(parser, required=True)
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier page")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_report, build_parser().parse_args(argv))


def _report(arguments: argparse.Namespace) -> int:
    quiet, workers = arguments.quiet, max(1, arguments.workers)
    paths = _paths(arguments)
    images = find_images(arguments.images)
    files = [*paths.files, *images]
    check_page_place(arguments.html, files, overwrite=arguments.overwrite, images=paths.images)
    watch(files)
    inputs = read_report_inputs(paths)
    sources = inputs.sources
    scores = work_in_order(score_tabled, sources.images(), workers, named=_name)
    scored = list(progress(scores, "scoring", len(images), quiet))
    mended = dict(sum((table.counters for table in sources.tables.values()), Counter()))
    for name, count in mended.items():
        say(f"mended {count} x {name}", quiet)
    judged = _judged(inputs, scored, workers, quiet)
    shown = shown_first(judged, arguments.worst)
    comparison, notes = compare_sets(inputs, scored)
    about = [
        images_fact(len(shown), len(scored), "lowest score"),
        *_about(arguments, inputs, judged),
        *((f"mended {name}", str(count)) for name, count in mended.items()),
        *(("note", note) for note in notes),
    ]
    head = PageHead(
        title=paths.prediction.name,
        kind=REPORT,
        about=about,
        sets=[LayerSet(key, path.name, key) for key, path in paths.tables.items()],
        score=_score_label(paths),
        slices=slice_tables(inputs, scored),
        comparison=comparison,
    )
    make_page(page_options(arguments, arguments.spacing), head, sources.shown(shown), len(shown))
    return 0


def _name(image: TabledImage) -> str:
    return image.name


def _paths(arguments: argparse.Namespace) -> ReportPaths:
    return ReportPaths(
        prediction=arguments.prediction,
        images=arguments.images,
        truth=arguments.truth,
        against=arguments.against,
        audit=arguments.audit,
        patients=arguments.patients,
        by=arguments.by,
    )


def _judged(inputs: ReportInputs, scored: Sequence[ScoredImage], workers: int, quiet: bool) -> list[JudgedImage]:
    """What is said of each image, the worst first; the result audit looks where nothing else gives all scores."""
    audit = inputs.audit
    given = {} if audit is None else audit.findings
    expected: Mapping[str, Values] = {} if audit is None else audit.expected
    found: dict[str, list[PageFinding]] = {}
    has_truth = bool(scored and scored[0].dice)
    if not has_truth and not expected.keys() >= {one.name for one in scored}:
        audited = audit_predictions([one.predicted for one in scored if one.predicted is not None], workers, quiet)
        expected = {one.name: one.score.bones for one in audited}
        found = {one.name: page_findings(one.findings) for one in audited}
    facts = image_facts(inputs, scored)
    judged = [
        JudgedImage(
            name=one.name,
            patient=one.patient,
            size=one.size,
            score=float((one.dice[PREDICTION] if has_truth else expected[one.name]).mean()),
            expected=expected.get(one.name),
            findings=joined(given.get(one.name, ()), found.get(one.name, ())),
            dice=one.dice,
            facts=facts[one.name],
        )
        for one in scored
    ]
    return sorted(judged, key=lambda one: (one.score, one.patient, one.name))


def _score_label(paths: ReportPaths) -> Score:
    if paths.truth is not None:
        return Score("Dice", f"mean over {BONE_COUNT} bones against {paths.truth.name}")
    return EXPECTED_DICE


def _about(
    arguments: argparse.Namespace, inputs: ReportInputs, judged: Sequence[JudgedImage]
) -> Iterator[tuple[str, str]]:
    """Facts for the head of the page."""
    if inputs.patients is not None:
        yield "patients", str(len({one.patient for one in judged}))
    for key in judged[0].dice:
        yield f"Dice of {inputs.sources.tables[key].path.name}", f"{np.mean([one.dice[key] for one in judged]):.4f}"
    if not judged[0].dice:
        yield "expected Dice", f"{np.mean([one.score for one in judged]):.4f}"
    if arguments.audit is not None and inputs.audit is not None:
        yield "findings of", arguments.audit.name
        if elsewhere := len(inputs.audit.images - inputs.sources.files.keys()):
            yield "images of the audit that are not here", str(elsewhere)
    if arguments.spacing is not None:
        yield "side of a pixel", f"{arguments.spacing:g} mm"


def _millimetres(text: str) -> float:
    """Read a length in millimetres, as `measure_rle` does."""
    try:
        return parse_spacing(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}, got {text!r}") from None


if __name__ == "__main__":
    sys.exit(main())
