"""The steps of `train_folds` up to each model's predictions: convert, train, predict."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from converters import points_to_rle, points_to_yolo
from yolo_bones import export_rle
from yolo_bones.annotated_hand import wrist_of_image
from yolo_bones.annotations import read_annotations
from yolo_bones.command_line import progress
from yolo_bones.data_set import Pair, find_pairs, find_root
from yolo_bones.files import replacing, write_text
from yolo_bones.fold_plan import FoldModel, FoldPlan, data_yaml_text, export_device, training_settings
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.image_table import read_column
from yolo_bones.rle import ImageSize
from yolo_bones.step_ledger import digest_of, fingerprint_of
from yolo_bones.step_runner import Step, StepRunner, call_command, run_program
from yolo_bones.training_arguments import MANIFEST_FILE

WRIST_COLUMNS: Final = ("image_name", "patient", "fold", "wrist")
TRAIN_COMMAND: Final = (sys.executable, "-m", "yolo_bones.train_bones")


@dataclass(frozen=True, slots=True, eq=False)
class FoldRun:
    """A cross-validation at work.

    Attributes:
        plan: what is made, and where.
        runner: of its steps.
        root: folder with DCM and outputs_json.
        pairs: all annotated images, in order.
        test: folder of test images, when there is one.
        held_file: see `step_runner.run_program`.
    """

    plan: FoldPlan
    runner: StepRunner
    root: Path
    pairs: tuple[Pair, ...]
    test: Path | None
    held_file: int | None

    @property
    def quiet(self) -> list[str]:
        """For the commands that are called."""
        return ["--quiet"] if self.runner.quiet else []

    @property
    def sizes(self) -> dict[str, ImageSize]:
        """Of all annotated images."""
        columns = [read_column(self.plan.truth / "images.csv", side)[1] for side in ("height", "width")]
        return {name: ImageSize(int(height), int(columns[1][name])) for name, height in columns[0].items()}

    @property
    def test_sizes(self) -> dict[str, ImageSize]:
        """Of all test images."""
        return {} if self.test is None else {path.name: read_image_size(path) for path in find_images(self.test)}

    def wrist_table(self, column: str) -> Mapping[str, str]:
        """Image name -> a column of `wrists.csv`."""
        return read_column(self.plan.wrists, column)[1]

    def data_settings(self, fold: int | None = None) -> dict[str, Any]:
        """What tells one deal of the images from another."""
        files = [path for pair in self.pairs for path in (pair.image, pair.annotation)]
        deal = {"folds": self.plan.folds, "seed": self.plan.split_seed, **self.plan.strata_settings()}
        settings = {"input": fingerprint_of(files, self.root), **deal}
        return settings if fold is None else {**settings, "fold": fold, **self._pseudo_settings()}

    def _pseudo_settings(self) -> dict[str, Any]:
        """What tells one set of pseudo-labels from another; nothing without any."""
        if self.plan.pseudo is None:
            return {}
        root = find_root(self.plan.pseudo)
        pairs = find_pairs(root, [])
        return {"pseudo": fingerprint_of((path for pair in pairs for path in (pair.image, pair.annotation)), root)}


def make_truth(run: FoldRun) -> None:
    """Truth as run lengths."""
    folder = run.plan.truth
    settings = {"input": run.data_settings()["input"]}
    outputs = (folder / "truth.csv", folder / "images.csv")
    step = Step("truth", "truth", settings, outputs, kept=folder / "report.json")
    run.runner.run(step, partial(_convert, run, step.label, points_to_rle.main, folder, ()))


def make_data(run: FoldRun, fold: int) -> None:
    """The data set in which a fold validates."""
    plan, folder = run.plan, run.plan.data(fold)
    options = ["--folds", str(plan.folds), "--fold", str(fold), "--seed", str(plan.split_seed)]
    if plan.metadata is not None and plan.stratify:
        options += ["--metadata", str(plan.metadata), "--stratify", ",".join(plan.stratify)]
    if plan.pseudo is not None:
        options += ["--pseudo", str(plan.pseudo)]
    report = folder / "report.json"
    step = Step(f"fold{fold}/data", f"fold {fold}: data set", run.data_settings(fold), (report,), kept=report)
    run.runner.run(step, partial(_convert, run, step.label, points_to_yolo.main, folder, options))
    write_text(plan.data_yaml(fold), data_yaml_text())


def _convert(
    run: FoldRun,
    label: str,
    command: Callable[[Sequence[str]], int],
    folder: Path,
    options: Sequence[str],
    fresh: bool,
) -> None:
    replace = folder.exists() and (fresh or (folder / "report.json").exists())
    call_command(label, command, [run.root, folder, *options, *(["--overwrite"] if replace else []), *run.quiet])


def make_wrists(run: FoldRun, validated: Sequence[Sequence[str]]) -> None:
    """A table of every image's patient, fold and wrist, which `evaluate_rle --by` reads as well.

    Args:
        run: after `make_truth`.
        validated: for each fold the images that it validates with.
    """
    folds = {name: fold for fold, names in enumerate(validated) for name in names}

    def work(_: bool) -> None:
        sizes = run.sizes
        with replacing(run.plan.wrists) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(WRIST_COLUMNS)
            for pair in progress(run.pairs, "wrists", len(run.pairs), run.runner.quiet):
                name = pair.image_name
                image = read_annotations(pair.annotation, pair.patient_id, sizes[name])[0]
                writer.writerow([name, pair.patient_id, folds[name], wrist_of_image(image)])

    run.runner.run(Step("wrists", "wrists", run.data_settings(), (run.plan.wrists,)), work)


def train(run: FoldRun, model: FoldModel) -> None:
    """One training; an interrupted one goes on."""
    plan, folder = run.plan, run.plan.run(model)
    last = folder / "weights" / "last.pt"
    label = f"{model.label}: training"

    def work(fresh: bool) -> None:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        if is_trained(folder):
            return
        if last.is_file():
            arguments = [f"resume={last.resolve()}"]
        else:
            shutil.rmtree(folder, ignore_errors=True)
            arguments = plan.training_arguments(model)
        log = folder.with_name(f"{folder.name}.log") if run.runner.quiet else None
        run_program(label, [*TRAIN_COMMAND, *arguments], log, run.held_file)

    settings = {**training_settings(plan.training), "seed": model.seed, "data": run.data_settings(model.fold)}
    run.runner.run(Step(f"{model.name}/train", label, settings, (plan.weights(model),), kept=last), work)


def is_trained(folder: Path) -> bool:
    """Whether a training is over: its manifest is written last of all, after what tells how its weights look."""
    return (folder / MANIFEST_FILE).is_file()


def predict(run: FoldRun, model: FoldModel, part: str) -> None:
    """Run lengths, and soft channels where they are needed, of images that a model did not see.

    Args:
        run: after `train`.
        model: that predicts.
        part: `val` or `test`.
    """
    plan = run.plan
    table, soft = plan.predicted(model, part), plan.soft(model, part)
    source = plan.data(model.fold) / "images" / "val"
    images: Any = run.data_settings(model.fold)
    if part == "test" and run.test is not None:
        source = run.test
        images = fingerprint_of(find_images(source), source if source.is_dir() else source.parent)
    options = [*export_device(plan.training), *plan.export]
    label = f"{model.label}: {'test' if part == 'test' else 'out-of-fold'} predictions"

    def work(fresh: bool) -> None:
        again = fresh or run.runner.overwrite or table.exists()
        chosen: list[str | Path] = ["--source", source, "--weights", plan.weights(model), "--out", table]
        if soft is not None:
            chosen += ["--soft", soft]
        mode = "--overwrite" if again else "--resume"
        call_command(label, export_rle.main, [*chosen, *options, *run.quiet, mode])
        _free_accelerator()

    settings = {
        "weights": digest_of(plan.weights(model)),
        "beside": digest_of(plan.weights(model).with_suffix(".yaml")),
        "options": options,
        "soft": soft is not None,
        "images": images,
    }
    outputs = (table,) if soft is None else (table, soft)
    run.runner.run(Step(f"{model.name}/{part}", label, settings, outputs), work)


def _free_accelerator() -> None:
    """Give back what predicting in this process holds, before another process trains."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
