"""Vote on the results of several models, on runs, without decoding a mask.

    python -m yolo_bones.ensemble_rle a.csv b.csv c.parquet --out final.csv --weights 1,2,2

Inputs are CSVs, parquet tables, or folders of soft channels (`export_rle --soft`); rows are matched by (image, class).
A pixel is on where the models that have it hold MORE than the threshold's share of the weight; an exact tie is off.
With soft channels probabilities (or logits) are averaged and a hard table counts as 0 and 1. Prints how often each
model was outvoted, bone by bone; the same is written beside OUT as `.report.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from yolo_bones.ballot_files import Weights, read_ballot_file, read_fraction, weights_by_bone, written_ballot
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
from yolo_bones.ensemble_fit import fit_ballot
from yolo_bones.errors import InputError
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, write_text
from yolo_bones.manifest import build_manifest
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.rle_table import SUFFIX, ImageRows, RleTable, aligned_tables, open_rle_table, write_masks
from yolo_bones.soft import SoftRows, SoftTable
from yolo_bones.soft_voting import SoftVoter
from yolo_bones.staple import load_simpleitk, staple
from yolo_bones.voting import Agreement, Ballot, Voter, ballot_of, count_pairs
from yolo_bones.watched_files import refuse_changed, watch

Decide = Callable[[tuple[ImageRows, ...], list[RunLengthMasks], Agreement], RunLengthMasks]


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.ensemble_rle", description=__doc__.split("\n")[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="CSV, parquet or folder of soft channels")
    parser.add_argument("--out", type=Path, required=True, help="CSV or .parquet to write")
    parser.add_argument("--threshold", help="share of the weight that a pixel must exceed; 0.5 when not given")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--weights", metavar="1,2,2", help="one decimal number a model; equal when not given")
    given.add_argument("--class-weights", type=Path, metavar="YAML", help="weights for bones and groups")
    given.add_argument("--fit-weights", type=Path, metavar="TRUTH", help="learn weights from this truth")
    parser.add_argument("--patients", type=Path, metavar="CSV", help="image_name,patient of the truth's images")
    parser.add_argument("--folds", type=count_argument, default=5, help="patient folds that weights are validated on")
    parser.add_argument("--seed", type=count_argument, default=0, help="deals patients into folds")
    parser.add_argument("--method", choices=("vote", "staple"), default="vote", help="staple needs SimpleITK")
    parser.add_argument("--space", choices=("prob", "logit"), default="prob", help="what soft channels are averaged as")
    add_size_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_ensemble, build_parser().parse_args(argv))


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Who votes how, and what is to be said about it."""

    ballot: Ballot
    threshold: Fraction
    weights: Weights
    fit: dict[str, Any] | None
    weights_text: str | None
    notes: tuple[str, ...] = ()


def _ensemble(arguments: argparse.Namespace) -> int:
    outputs = _outputs(arguments)
    tables = [open_rle_table(path) for path in arguments.models]
    names = _model_names(arguments.models)
    _check_options(arguments, tables)
    plan = _plan(arguments, tables, names)
    agreement = Agreement(names)
    decide = _decision(arguments, tables, plan)
    # Rows of a hard table are in submission order; those of a folder only in the order of names.
    order = sorted(range(len(tables)), key=lambda number: isinstance(tables[number], SoftTable))
    back = [order.index(number) for number in range(len(tables))]

    def images() -> Iterator[tuple[str, RunLengthMasks]]:
        found = aligned_tables([tables[number] for number in order], size_source(arguments))
        for rows, masks in progress(found, "voting", quiet=arguments.quiet):
            decided = decide(tuple(rows[place] for place in back), [masks[place] for place in back], agreement)
            yield rows[0].image_name, decided
        refuse_changed()

    count = write_masks(arguments.out, images())
    counters = {name: dict(table.counters) for name, table in zip(names, tables, strict=True) if table.counters}
    report = build_manifest(
        "ensemble_rle",
        _settings(arguments, names, plan),
        {"images": count},
        [*plan.notes, *_size_notes(arguments), *_sole_deciders(names, tables, arguments.method, plan.ballot)],
        counters=counters,
        fit=plan.fit,
        agreement=agreement.as_record(),
    )
    write_text(outputs["report"], json.dumps(report, indent=2) + "\n")
    if plan.weights_text is not None:
        write_text(outputs["weights"], plan.weights_text)
    print(agreement_table(agreement))
    for warning in report["warnings"]:
        say(f"note: {warning}", arguments.quiet)
    say(f"{arguments.out}: {count} images of {len(tables)} models", arguments.quiet)
    return 0


def _outputs(arguments: argparse.Namespace) -> dict[str, Path]:
    out: Path = arguments.out
    if out.is_dir():
        raise InputError(out, "", "a file name to write", "a folder")
    outputs = {"out": out, "report": out.with_name(f"{out.stem}.report.json")}
    if arguments.fit_weights is not None:
        outputs["weights"] = out.with_name(f"{out.stem}.weights.yaml")
    sources = [*arguments.models, arguments.fit_weights, arguments.patients, arguments.class_weights]
    refuse_inputs(outputs.values(), [*sources, arguments.images])
    claim(*outputs.values())
    for target in outputs.values():
        refuse_to_overwrite(target, arguments.overwrite)
    watch(sources)
    return outputs


def _model_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Base names; the whole path as given where two are alike, numbered where even that is."""
    names = [path.name for path in paths]
    whole = [str(path) if names.count(path.name) > 1 else path.name for path in paths]
    return tuple(
        f"{name} ({whole[: place + 1].count(name)})" if whole.count(name) > 1 else name
        for place, name in enumerate(whole)
    )


def _check_options(arguments: argparse.Namespace, tables: Sequence[RleTable]) -> None:
    soft = any(isinstance(table, SoftTable) for table in tables)
    if arguments.fit_weights is not None:
        if arguments.patients is None:
            raise InputError("--fit-weights", "", "--patients images.csv beside it, to validate by patient", "none")
        if soft:
            raise InputError("--fit-weights", "", "hard tables (CSV, parquet)", "a folder of soft channels")
    elif arguments.patients is not None:
        raise InputError("--patients", "", "--fit-weights beside it", "none")
    if arguments.method == "staple":
        if soft or arguments.weights or arguments.class_weights or arguments.fit_weights or arguments.threshold:
            raise InputError("--method", "", "hard tables and no weights or threshold for staple", "others")
        if len(tables) < 2:
            raise InputError("--method", "", "at least 2 models for staple", len(tables))


def _plan(arguments: argparse.Namespace, tables: Sequence[RleTable], names: tuple[str, ...]) -> _Plan:
    threshold = None if arguments.threshold is None else read_fraction(arguments.threshold, "--threshold", "")
    fit = text = None
    notes: tuple[str, ...] = ()
    half = Fraction(1, 2)
    if arguments.class_weights is not None:
        weights, written, others = read_ballot_file(arguments.class_weights, names)
        threshold = written if threshold is None else threshold
        if others is not None:
            known = ", ".join(others)
            notes = (f"{arguments.class_weights.name} was made for {known}; its weights were taken in the order given",)
    elif arguments.fit_weights is not None:
        fitted = fit_ballot(arguments, tables, threshold or half)
        weights = {key: tuple(map(Fraction, row)) for key, row in fitted.weights.items()}
        text = written_ballot(fitted.weights, names, threshold or half, fitted.note)
        fit = fitted.record
        say(fitted.note, arguments.quiet)
    else:
        weights = {"default": _weights_argument(arguments.weights, len(tables))}
    threshold = half if threshold is None else threshold
    source = arguments.class_weights or ("--weights" if arguments.weights else "--threshold")
    try:
        return _Plan(ballot_of(weights_by_bone(weights), threshold), threshold, weights, fit, text, notes)
    except ValueError as error:
        expected, _, got = str(error).removeprefix("expected ").partition(", got ")
        raise InputError(source, "", expected, got or None) from error


def _weights_argument(text: str | None, models: int) -> tuple[Fraction, ...]:
    if text is None:
        return (Fraction(1),) * models
    parts = text.split(",")
    if len(parts) != models:
        raise InputError("--weights", "", f"{models} numbers, one a model", len(parts))
    return tuple(read_fraction(part, "--weights", f"number {number}") for number, part in enumerate(parts, start=1))


def _decision(arguments: argparse.Namespace, tables: Sequence[RleTable], plan: _Plan) -> Decide:
    """How one image is decided."""
    if arguments.method == "staple":
        simpleitk = load_simpleitk()

        def by_staple(_: tuple[ImageRows, ...], masks: list[RunLengthMasks], agreement: Agreement) -> RunLengthMasks:
            decided = staple(masks, simpleitk)
            count_pairs(masks, decided, agreement)
            return decided

        return by_staple
    if not any(isinstance(table, SoftTable) for table in tables):
        voter = Voter(plan.ballot)
        return lambda _, masks, agreement: voter.decide(masks, agreement)
    try:
        soft_voter = SoftVoter(plan.ballot, plan.threshold, arguments.space)
    except ValueError as error:
        expected, _, got = str(error).removeprefix("expected ").partition(", got ")
        raise InputError("--threshold" if got else "--weights", "", expected, got or None) from error

    def by_average(rows: tuple[ImageRows, ...], masks: list[RunLengthMasks], agreement: Agreement) -> RunLengthMasks:
        size: ImageSize = masks[0].size
        opinions = [row if isinstance(row, SoftRows) else mask for row, mask in zip(rows, masks, strict=True)]
        decided = soft_voter.decide(opinions, size)
        count_pairs(masks, decided, agreement)
        return decided

    return by_average


def _settings(arguments: argparse.Namespace, names: tuple[str, ...], plan: _Plan) -> dict[str, Any]:
    settings: dict[str, Any] = {"models": list(names), "method": arguments.method}
    if arguments.method == "vote":
        settings["threshold"] = str(plan.threshold)
        settings["space"] = arguments.space
        settings["weights"] = {key: [str(weight) for weight in row] for key, row in plan.weights.items()}
    return settings


def _size_notes(arguments: argparse.Namespace) -> list[str]:
    """What a guessed size changes: the other scan order of parquet, and the crops that STAPLE sees."""
    matters = arguments.out.suffix.lower() == SUFFIX or arguments.method == "staple"
    if not matters or not getattr(arguments, "size_was_assumed", False):
        return []
    return [f"no --size or --images given: every image was taken as {USUAL_SIZE}"]


def _sole_deciders(names: tuple[str, ...], tables: Sequence[RleTable], method: str, ballot: Ballot) -> list[str]:
    """Votes that are none: one model decides whatever the others say. In averages every weight counts."""
    if method != "vote" or len(names) < 2 or any(isinstance(table, SoftTable) for table in tables):
        return []
    deciders = ballot.sole_deciders()
    found = []
    for number, name in enumerate(names):
        bones = [bone for bone, decider in zip(BONES, deciders, strict=True) if decider == number]
        if bones:
            which = "every bone" if len(bones) == len(BONES) else ", ".join(bones)
            found.append(f"{name} alone decides {which}: its weight exceeds the threshold without any other")
    return found


def agreement_table(agreement: Agreement) -> str:
    """A line a bone: disputed pixels an image, and the share of them that was decided against each model."""
    outvoted, followed = agreement.outvoted(), agreement.followed()
    widths = [max(len(name), 8) + 2 for name in agreement.models]
    heads = "".join(name.rjust(width) for name, width in zip(agreement.models, widths, strict=True))
    lines = [
        "share of the disputed pixels that was decided against each model",
        f"{'bone':<12}{'disputed':>10}{heads}",
    ]
    for index, bone in enumerate(BONES):
        per_image = agreement.disputed[index] / max(agreement.images, 1)
        shares = "".join(f"{share:.1%}".rjust(width) for share, width in zip(outvoted[index], widths, strict=True))
        note = f"   follows {agreement.models[followed[index]]}" if followed[index] >= 0 else ""
        if agreement.against_all[index]:
            note += f"   {agreement.against_all[index] / max(agreement.images, 1):.0f} more against all"
        lines.append(f"{bone:<12}{per_image:>10.0f}{shares}{note}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
