"""The steps of `train_folds` after the predictions: join folds, vote between seeds, vote on the test images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from yolo_bones import ensemble_rle
from yolo_bones.ballot_files import read_ballot_file, written_ballot
from yolo_bones.errors import InputError
from yolo_bones.files import write_text
from yolo_bones.fold_plan import FoldModel, FoldPlan, SeedVote
from yolo_bones.fold_run import FoldRun
from yolo_bones.rle import RunLengthMasks
from yolo_bones.rle_table import SOFT_SUFFIX, open_rle_table, write_masks
from yolo_bones.step_ledger import digest_of
from yolo_bones.step_runner import Step, call_command


def join_folds(run: FoldRun, seed: int) -> None:
    """One table, and one folder of soft channels, of all images, each from the model that did not see it."""
    plan = run.plan
    models = [FoldModel(fold, seed) for fold in range(plan.folds)]
    target, soft = plan.joined(seed), plan.joined_soft(seed)
    tables = [plan.predicted(model, "val") for model in models]
    folders = [folder for model in models if (folder := plan.soft(model, "val")) is not None]

    def work(_: bool) -> None:
        write_masks(target, _joined(run, tables))
        shutil.rmtree(soft, ignore_errors=True)
        for folder in folders:
            for path in sorted(folder.glob(f"*{SOFT_SUFFIX}")):
                _link(path, soft / path.name)

    outputs = (target, soft) if folders else (target,)
    settings = {"inputs": [digest_of(path) for path in (*tables, *folders)]}
    run.runner.run(Step(f"seed{seed}/join", f"seed {seed}: out-of-fold predictions joined", settings, outputs), work)


def _joined(run: FoldRun, tables: Sequence[Path]) -> Iterator[tuple[str, RunLengthMasks]]:
    opened = [open_rle_table(path) for path in tables]
    sizes, folds = run.sizes, run.wrist_table("fold")
    for pair in run.pairs:
        name = pair.image_name
        table = opened[int(folds[name])]
        rows = table.find(name)
        if rows is None:
            raise InputError(table.path, "image_name", f"an out-of-fold prediction of {name}", "none")
        yield name, rows.masks(sizes[name])


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def vote_out_of_fold(run: FoldRun, way: SeedVote) -> None:
    """One way to vote between seeds, on all images out of fold; a fitting one writes the weights that it finds."""
    plan = run.plan
    models = [plan.joined(seed) if way.vote == "hard" else plan.joined_soft(seed) for seed in range(plan.seeds)]
    options: list[str | Path] = ["--images", run.root / "DCM"]
    read, outputs = list(models), [plan.voted(way)]
    if way.fits:
        truth, patients = plan.truth / "truth.csv", plan.truth / "images.csv"
        options += ["--fit-weights", truth, "--patients", patients]
        options += ["--folds", str(plan.folds), "--seed", str(plan.split_seed)]
        read += [truth, patients]
        outputs.append(plan.fitted_weights)
    elif way.weights == "fitted":
        options += ["--class-weights", plan.fitted_weights]
        read.append(plan.fitted_weights)
    settings = {"inputs": [digest_of(path) for path in read]}
    step = Step(f"seeds/{way.name}", f"seeds: {way.label}", settings, tuple(outputs))
    run.runner.run(step, lambda _: _vote(run, step, models, options))


def vote_on_test(run: FoldRun, chosen: SeedVote) -> None:
    """Every fold and seed votes; weights fitted to seeds serve each of a seed's folds."""
    plan = run.plan
    models = [plan.soft(model, "test") or plan.predicted(model, "test") for model in plan.models]
    options: list[str | Path] = [] if run.test is None else ["--images", run.test]
    text = _weights_of_models(plan, [path.name for path in models]) if chosen.weights == "fitted" else None
    weights = plan.test_vote.with_name("models.weights.yaml")

    def work(_: bool) -> None:
        if text is not None:
            write_text(weights, text)
        _vote(run, step, models, options if text is None else [*options, "--class-weights", weights])

    settings = {"inputs": [digest_of(path) for path in models], "weights": text}
    step = Step("test/vote", f"test images: {chosen.label}, {len(models)} models", settings, (plan.test_vote,))
    run.runner.run(step, work)


def _weights_of_models(plan: FoldPlan, names: Sequence[str]) -> str:
    fitted, threshold, _ = read_ballot_file(plan.fitted_weights, [f"seed {seed}" for seed in range(plan.seeds)])
    rows = {key: [int(row[model.seed]) for model in plan.models] for key, row in fitted.items()}
    note = f"each fold's models with the weights that {plan.fitted_weights.name} gives their seeds"
    return written_ballot(rows, names, Fraction(1, 2) if threshold is None else threshold, note)


def _vote(run: FoldRun, step: Step, models: Sequence[Path], options: Sequence[str | Path]) -> None:
    arguments = [*models, "--out", step.outputs[0], *options, "--overwrite", *run.quiet]
    call_command(step.label, ensemble_rle.main, arguments)
