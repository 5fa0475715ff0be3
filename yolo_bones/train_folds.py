"""Cross-validate a training: one model for each fold of patients and each seed, then an ensemble of them all.

    python -m yolo_bones.train_folds RAW --out DIR --folds 5 --seeds 2 --test IMAGES imgsz=640 epochs=100

Arguments `key=value` go to `train_bones`. For each fold: convert, train, predict the images that it did not see; then
join these to DIR/out_of_fold/seed0.csv, score them, fit weights between the seeds, and let all models vote on the test
images (DIR/test/ensemble.csv). Writes DIR/summary.json and prints its table. Repeated, it goes on where it stopped.
Folds hold equal shares of bent wrists; --metadata meta.csv --stratify sex,age spreads these as well.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from converters._yolo_split import add_metadata_arguments, check_metadata_arguments
from yolo_bones import export_rle
from yolo_bones.claims import claim
from yolo_bones.command_line import count_argument, run_command, say
from yolo_bones.data_set import Pair, find_pairs, find_pseudo, find_root
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.fold_plan import FILE_KEYS, FoldModel, FoldPlan, SeedVote, read_training_arguments, training_settings
from yolo_bones.fold_run import FoldRun, make_data, make_truth, make_wrists, predict, train
from yolo_bones.fold_scores import ScoreRow, score_file, score_table, union_of
from yolo_bones.fold_votes import join_folds, vote_on_test, vote_out_of_fold
from yolo_bones.image_files import is_dicom_name
from yolo_bones.image_sources import find_images
from yolo_bones.manifest import build_manifest
from yolo_bones.metrics import DiceScores
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import ImageRows, SizeOf, open_rle_table
from yolo_bones.step_ledger import StepLedger, digest_of
from yolo_bones.step_runner import StepRunner, held_folder
from yolo_bones.strata import read_strata
from yolo_bones.weight_fitting import MOST_MODELS

OWN_OPTIONS: Final = ("source", "out", "weights", "soft", "format", "resume", "overwrite", "quiet")
"""Options of `export_rle` that the cross-validation gives itself."""
MOST_NAMED: Final = 5


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m yolo_bones.train_folds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("raw", type=Path, metavar="RAW", help="folder or .zip with DCM/ and outputs_json/")
    parser.add_argument("training", nargs="*", metavar="key=value", help="arguments of train_bones, for every model")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of everything that is made")
    parser.add_argument("--folds", type=count_argument, default=5, help="folds of patients (5)")
    parser.add_argument("--seeds", type=count_argument, default=1, help="trainings of each fold, seeds 0, 1, ... (1)")
    parser.add_argument("--seed", type=count_argument, default=0, help="of the deal of patients into folds (0)")
    add_metadata_arguments(parser)
    parser.add_argument("--pseudo", type=Path, metavar="RAW2", help="pseudo-labels that train in every fold as well")
    parser.add_argument("--test", type=Path, metavar="IMAGES", help="images that all models vote on")
    parser.add_argument("--test-truth", type=Path, metavar="CSV", help="their truth, to score that vote")
    parser.add_argument(
        "--vote", choices=("soft", "hard"), default="soft", help="average probabilities, or count masks"
    )
    parser.add_argument(
        "--export", default="", metavar="OPTIONS", help='of export_rle: --export="--closeup --workers 4"'
    )
    parser.add_argument("--overwrite", action="store_true", help="make anew what was made with other settings")
    parser.add_argument("--quiet", action="store_true", help="no progress; trainings write DIR/runs/*.log instead")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    # Intermixed: options may stand between RAW and the training's arguments.
    return run_command(_train_folds, build_parser().parse_intermixed_args(argv))


def _train_folds(arguments: argparse.Namespace) -> int:
    plan = _plan(arguments)
    root = find_root(arguments.raw)
    if plan.out.resolve().is_relative_to(root.resolve()):
        raise RefusedError(f"{plan.out}: lies inside the source data {root}, which is never changed")
    claim(plan.out)
    faults: list[InputError] = []
    pairs = tuple(find_pairs(root, faults))
    if faults:
        raise InputErrors(faults)
    dicom = next((pair.image for pair in pairs if is_dicom_name(pair.image)), None)
    if dicom is not None:
        expected = "PNG or JPEG: predictions are joined by names, and a training's images are PNG"
        raise InputError(dicom, "", expected, "DICOM (audit_points --fix copies a data set with PNG images)")
    _refuse_pseudo(root, find_pseudo(pairs))
    if plan.pseudo is not None:
        find_root(plan.pseudo)
    patients = len({pair.patient_id for pair in pairs})
    if plan.folds > patients:
        raise InputError("--folds", "", f"at most as many as there are patients ({patients})", plan.folds)
    if plan.metadata is not None:
        read_strata(plan.metadata, plan.stratify, {pair.patient_id for pair in pairs})
    with held_folder(plan.out) as held_file:
        sweep_temporaries(plan.out)  # of killed runs: what they started has ended, too
        runner = StepRunner(StepLedger(plan.out), plan.step_count(), arguments.overwrite, arguments.quiet)
        run = FoldRun(plan, runner, root, pairs, arguments.test, held_file)
        rows = _make_models(run)
        chosen = _vote_between_seeds(run, rows)
        if plan.tested:
            vote_on_test(run, chosen)
            rows += _score_test(run, arguments.test_truth)
    print(score_table(rows))
    write_text(plan.out / "summary.json", json.dumps(_summary(run, rows, chosen), indent=2) + "\n")
    say(f"{plan.out / 'summary.json'}: {len(plan.models)} models, {len(pairs)} images", arguments.quiet)
    return 0


def _plan(arguments: argparse.Namespace) -> FoldPlan:
    if arguments.folds < 2:
        raise InputError("--folds", "", "at least 2", arguments.folds)
    if not 1 <= arguments.seeds <= MOST_MODELS:
        raise InputError("--seeds", "", f"from 1 to {MOST_MODELS}", arguments.seeds)
    check_metadata_arguments(arguments.metadata, arguments.stratify, "--stratify")
    test = [] if arguments.test is None else find_images(arguments.test)
    if arguments.test_truth is not None:
        if not test:
            raise InputError("--test-truth", "", "--test IMAGES beside it", "none")
        known = set(open_rle_table(arguments.test_truth).names())
        faults = [
            InputError(arguments.test_truth, "image_name", path.name, "none") for path in test if path.name not in known
        ]
        if faults:
            raise InputErrors(faults)
    return FoldPlan(
        out=arguments.out,
        folds=arguments.folds,
        seeds=arguments.seeds,
        split_seed=arguments.seed,
        vote=arguments.vote,
        training=read_training_arguments(arguments.training),
        export=_export_options(arguments.export),
        tested=arguments.test is not None,
        metadata=arguments.metadata,
        stratify=arguments.stratify,
        pseudo=arguments.pseudo,
    )


def _refuse_pseudo(root: Path, found: Sequence[Pair]) -> None:
    """Raise `RefusedError` where images would validate that are pseudo-labelled."""
    if found:
        names = ", ".join(pair.image_name for pair in found[:MOST_NAMED])
        raise RefusedError(
            f"{root}: {len(found)} images are pseudo-labelled, and every image validates once: {names}; "
            "keep them in a data set of their own and give it as --pseudo"
        )


def _export_options(text: str) -> tuple[str, ...]:
    """Options of `export_rle`, found good before anything is trained."""
    try:
        options = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError("--export", "", "options as a shell reads them", text) from error
    own = ["--source", "images", "--out", "table.csv"]
    plain, given = (vars(export_rle.build_parser().parse_args([*own, *more])) for more in ((), options))
    for name in OWN_OPTIONS:
        if plain[name] != given[name]:
            raise InputError("--export", f"--{name}", "no such option: every model gets its own", text)
    return options


def _make_models(run: FoldRun) -> list[ScoreRow]:
    """Truth, data sets, trainings and predictions; a row for each model and each seed out of fold."""
    plan = run.plan
    make_truth(run)
    for fold in range(plan.folds):
        make_data(run, fold)
    make_wrists(run, [_report(plan, fold)["val"] for fold in range(plan.folds)])
    size_of, wrists = _size_of(run.sizes), run.wrist_table("wrist")
    of_models: dict[FoldModel, DiceScores] = {}
    for model in plan.models:
        train(run, model)
        for part in plan.parts:
            predict(run, model, part)
        of_models[model] = score_file(plan.predicted(model, "val"), plan.truth / "truth.csv", size_of)
        say(f"{model.label}: Dice {of_models[model].dice:.4f} out of fold", run.runner.quiet)
    rows = [ScoreRow(model.label, scores, wrists) for model, scores in of_models.items()]
    for seed in range(plan.seeds):
        join_folds(run, seed)
        scores = union_of(scores for model, scores in of_models.items() if model.seed == seed)
        rows.append(ScoreRow(f"seed {seed}, out of fold", scores, wrists))
    return rows


def _report(plan: FoldPlan, fold: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((plan.data(fold) / "report.json").read_text(encoding="utf-8"))
    return found


def _size_of(sizes: Mapping[str, ImageSize]) -> SizeOf:
    def known(rows: ImageRows) -> ImageSize:
        if rows.image_name not in sizes:
            raise InputError(rows.place, "image_name", "the name of an image", rows.image_name)
        return sizes[rows.image_name]

    return known


def _vote_between_seeds(run: FoldRun, rows: list[ScoreRow]) -> SeedVote:
    """Try the ways to vote on all images out of fold, a row for each; returns the best of the kind asked for."""
    plan = run.plan
    size_of, wrists = _size_of(run.sizes), run.wrist_table("wrist")
    found: dict[SeedVote, float] = {}
    for way in plan.seed_votes:
        vote_out_of_fold(run, way)
        scores = score_file(plan.voted(way), plan.truth / "truth.csv", size_of)
        rows.append(ScoreRow(f"seeds: {way.label}", scores, wrists))
        found[way] = scores.dice
    # Of equal ones the first: weights that gain nothing are not used.
    asked_for = sorted((way for way in found if way.vote == plan.vote), key=lambda way: way.weights)
    return max(asked_for, key=found.__getitem__, default=SeedVote(plan.vote, "equal"))


def _score_test(run: FoldRun, truth: Path | None) -> list[ScoreRow]:
    if truth is None:
        return []
    files = {f"test: {model.label}": run.plan.predicted(model, "test") for model in run.plan.models}
    files["test: all models"] = run.plan.test_vote
    size_of = _size_of(run.test_sizes)
    return [ScoreRow(name, score_file(path, truth, size_of), {}) for name, path in files.items()]


def _summary(run: FoldRun, rows: Sequence[ScoreRow], chosen: SeedVote) -> dict[str, Any]:
    """What was made and how good it is; no absolute paths, no dates."""
    plan = run.plan
    training = training_settings(plan.training)
    named = {key: Path(value).name if key in FILE_KEYS else value for key, value in training["arguments"].items()}
    settings = {
        "folds": plan.folds,
        "seeds": plan.seeds,
        "seed": plan.split_seed,
        **plan.strata_settings(),
        **({} if plan.pseudo is None else {"pseudo": True}),
        "vote": plan.vote,
        "training": {**training, "arguments": named},
        "export": list(plan.export),
    }
    wrists = Counter(run.wrist_table("wrist").values())
    counts = {"images": len(run.pairs), "test_images": len(run.test_sizes), "wrists": dict(sorted(wrists.items()))}
    note = _report(plan, 0)["split_note"]
    models = [
        {"fold": model.fold, "seed": model.seed, "weights_sha256": digest_of(plan.weights(model))}
        for model in plan.models
    ]
    return build_manifest(
        "train_folds",
        settings,
        counts,
        [note] if note else [],
        models=models,
        chosen={"vote": chosen.vote, "weights": chosen.weights},
        scores=[row.as_record() for row in rows],
    )


if __name__ == "__main__":
    sys.exit(main())
