"""Train YOLOv8-seg on overlapping bones: the arguments of `yolo segment train`, and what it cannot do.

    python -m yolo_bones.train_bones data=bones.yaml model=yolov8n-seg.yaml imgsz=640 epochs=100 canonical=0.6

Arguments are `key=value`, as `yolo` takes them; `cfg=FILE` reads them from YAML. Keys of our own (canonical, closeup,
restyle, mask_margin, ...) are explained in docs/accuracy.md. Writes PROJECT/NAME/weights/{best,last}.pt, which stock
`YOLO()` opens, recipe.yaml (all arguments, to be given as cfg=), results.csv and manifest.json.
Beside the weights lies a YAML file that tells export_rle how to look. `resume=PROJECT/NAME/weights/last.pt` goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from yolo_bones.bones import BONES
from yolo_bones.command_line import run_command, say
from yolo_bones.errors import InputError, MachineError
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.manifest import build_manifest
from yolo_bones.merger import MergeSettings
from yolo_bones.training_arguments import (
    COMMAND_LINE,
    FORCED,
    MANIFEST_FILE,
    RECIPE_FILE,
    TrainingArguments,
    arguments_of_interrupted_run,
    arguments_of_new_run,
    read_arguments,
    read_yaml,
    refuse_unknown,
)
from yolo_bones.training_progress import TrainingProgress
from yolo_bones.training_recipe import Recipe
from yolo_bones.training_sources import check_model, read_data_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m yolo_bones.train_bones",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("arguments", nargs="*", metavar="key=value", help="as for yolo segment train, and our own")
    return run_command(_train, parser.parse_args(argv))


def _train(arguments: argparse.Namespace) -> int:
    given, sources = read_arguments(arguments.arguments)
    resumed = given.pop("resume", None)
    made_with = arguments_of_interrupted_run(Path(resumed), given) if resumed else arguments_of_new_run(given)
    data = Path(str(made_with.overrides["data"]))
    if not data.is_file():
        raise InputError(data, "", "a data file, as bones.yaml is one", "a folder" if data.exists() else "nothing")
    if made_with.unused:
        say(f"{', '.join(made_with.unused)}: not used, photometric={made_with.recipe.photometric:g} changes the greys")

    read_yaml(data)  # a hostile one is settled before much is loaded

    # torch and ultralytics are loaded here and not above: --help and bad arguments answer at once.
    from yolo_bones.training.bone_trainer import STOCK_ARGUMENTS, ULTRALYTICS

    refuse_unknown(made_with.overrides, STOCK_ARGUMENTS, sources)
    check_model(str(made_with.overrides["model"]), ULTRALYTICS)
    _check_names(data, read_data_file(data)["names"])
    started_from = _checkpoints(made_with)
    trainer = _trainer(made_with, data)
    folder = Path(trainer.save_dir)
    _warn_of_data(Path(str(trainer.data["train"])))
    sweep_temporaries(folder)
    if not resumed:
        record = {**made_with.record, **made_with.recipe.as_record()}
        write_text(folder / RECIPE_FILE, yaml.safe_dump(record, sort_keys=True))
    say(f"{folder}: training")
    if not resumed:
        trainer.add_callback("on_train_start", _forget_earlier_run)
    trainer.add_callback("on_model_save", lambda saving: _write_settings(saving, made_with.recipe))
    _train_or_finish(trainer, bool(resumed))
    _write_settings(trainer, made_with.recipe)
    _write_manifest(trainer, made_with, started_from)
    print(trainer.best if trainer.best.exists() else trainer.last)
    return 0


def _check_names(data: Path, names: Mapping[int, str]) -> None:
    if dict(names) != dict(enumerate(BONES)):
        raise InputError(data, "names", "the 29 bones in channel order, as in bones.yaml", list(names.values()))


def _checkpoints(made_with: TrainingArguments) -> dict[str, str]:
    """Name -> SHA-256 of those that the run began with, of whatever classes. Each goes through the guarded door."""
    from yolo_bones.detector.weights import load_weights

    def named(values: Mapping[str, Any]) -> list[Path]:
        names = (values.get("model"), values.get("pretrained"))
        return [Path(name) for name in names if isinstance(name, str) and name.lower().endswith(".pt")]

    hashes = {path: load_weights(path, any_classes=True).sha256 for path in named(made_with.overrides)}
    pretrained = made_with.record.get("pretrained", True)
    began_with = named({"pretrained": pretrained} if isinstance(pretrained, str) else made_with.record)
    return {
        path.name: hashes.get(path) or load_weights(path, any_classes=True).sha256
        for path in began_with
        if pretrained and (path in hashes or path.is_file())
    }


def _trainer(made_with: TrainingArguments, data: Path) -> Any:
    """Ultralytics' own checks of arguments and data, then ours of the data.

    Raises:
        InputError: arguments or data that are not good.
        MachineError: no such device.
    """
    from yolo_bones.training.bone_trainer import BoneTrainer

    try:
        trainer = BoneTrainer({**made_with.overrides, **FORCED}, made_with.recipe)
    except (RuntimeError, TypeError, ValueError) as error:
        said = _first_line(error)
        if "device=" in said:
            raise MachineError(said) from error
        raise InputError(COMMAND_LINE, "", f"arguments and data that ultralytics takes ({said})") from error
    for subset in ("train", trainer.args.split):
        if not isinstance(trainer.data[subset], (str, Path)):
            raise InputError(data, subset, "one folder", trainer.data[subset])
    return trainer


def _train_or_finish(trainer: Any, resumed: bool) -> None:
    """Train; or, where a run was interrupted after its last epoch, do what is left.

    Raises:
        InputError: arguments that are not good.
        MachineError: too little memory, or the run diverged.
    """
    progress = TrainingProgress()
    progress.watch(trainer)
    try:
        trainer.train()
    except AssertionError as error:
        if not (resumed and "nothing to resume" in str(error)):
            raise
        trainer.finish()
    except (NotImplementedError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and error.filename is not None:
            raise
        raise InputError(COMMAND_LINE, "", f"arguments that ultralytics takes ({_first_line(error)})") from error
    except RuntimeError as error:
        if any(said in str(error) for said in ("out of memory", "NaN", "requires CUDA")):
            raise MachineError(f"training: {_first_line(error)}") from error
        raise
    finally:
        progress.close()


def _forget_earlier_run(trainer: Any) -> None:
    """What an earlier run of the same name left would be taken for this one's."""
    for name in ("best", "last"):
        (Path(trainer.wdir) / f"{name}.yaml").unlink(missing_ok=True)
    (Path(trainer.save_dir) / MANIFEST_FILE).unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _warn_of_data(images: Path) -> None:
    """Views are drawn and labels rasterised exactly here; a set made for the stock command has other borders."""
    report = images.parent.parent / "report.json"
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
        inset, canonical = content.get("inset_px", 0.0), content.get("canonical")
    except (OSError, ValueError, AttributeError):
        return
    if inset:
        say(f"warning: {report}: labels are inset by {inset} px for the stock command; convert without --inset-px")
    if canonical:
        say(f"warning: {report}: canonical views for the stock command; convert without --canonical for this one")


def _write_settings(trainer: Any, recipe: Recipe) -> None:
    """Beside the weights: look as was trained, cut masks to boxes as wide as the loss trained them to be read."""
    from yolo_bones.detector.look_settings import FIRST_LOOK_PX, LookSettings
    from yolo_bones.detector.stored_settings import settings_path, settings_text
    from yolo_bones.training.native_dice import MARGIN

    longest_px, plain_px = trainer.args.imgsz, trainer.test_loader.dataset.plain_px()
    look = LookSettings(
        longest_px=plain_px,
        canonical=recipe.canonical > 0.0,
        first_look_px=min(FIRST_LOOK_PX, plain_px),
        canonical_px=longest_px,
        closeup=recipe.canonical > 0.0 and recipe.closeup > 0.0,
        closeup_px=longest_px,
    )
    # Places help where a network must tell by itself which finger is which; beside a canonical view they win nothing.
    place_prior = 0.0 if look.canonical else 1.0
    merging = MergeSettings(box_margin=min(MARGIN, recipe.mask_margin), place_prior=place_prior, tidy=True)
    for weights in (trainer.best, trainer.last):
        if weights.exists():
            sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
            write_text(settings_path(weights), settings_text(sha256, look, merging))


def _write_manifest(trainer: Any, made_with: TrainingArguments, started_from: dict[str, str]) -> None:
    """Last of all: a run that has it is over."""
    folder = Path(trainer.save_dir)
    weights = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (trainer.best, trainer.last)
        if path.exists()
    }
    named = {
        key: Path(str(value)).name if key in ("data", "model", "pretrained") else value
        for key, value in made_with.record.items()
    }
    manifest = build_manifest(
        "train_bones",
        {"arguments": named, "recipe": made_with.recipe.as_record()},
        {
            "training_images": len(trainer.train_loader.dataset),
            "validation_images": len(trainer.test_loader.dataset),
            "epochs": trainer.epoch + 1,
            "skipped_steps": trainer.skipped_steps,
        },
        [],
        started_from=started_from,
        weights=weights,
        dice={key: round(float(value), 5) for key, value in trainer.metrics.items()},
    )
    write_text(folder / MANIFEST_FILE, json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
