"""Train YOLOv8-seg on overlapping bones: the arguments of `yolo segment train`, and what it cannot do.

    python -m yolo_bones.train_bones data=bones.yaml model=yolov8n-seg.yaml imgsz=640 epochs=100 canonical=0.6

Arguments are `key=value`, as `yolo` takes them; `cfg=FILE` reads them from YAML. Keys of our own (canonical, closeup,
restyle, mask_margin, ...) are explained in docs/accuracy.md. Writes PROJECT/NAME/weights/{best,last}.pt, which stock
`YOLO()` opens, recipe.yaml (all arguments, to be given as cfg=), results.csv and manifest.json.
Beside the weights lies a YAML file that tells export_rle how to look. `resume=PROJECT/NAME/weights/last.pt` goes on.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from tqdm import tqdm

from yolo_bones.command_line import run_command, say
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import write_text
from yolo_bones.manifest import build_manifest
from yolo_bones.merger import MergeSettings
from yolo_bones.training_recipe import KEYS, Recipe, recipe_from_values

RECIPE_FILE: Final = "recipe.yaml"
DEFAULTS: Final[dict[str, Any]] = {
    "model": "yolov8n-seg.yaml",
    "data": "bones.yaml",
    "imgsz": 640,
    "epochs": 100,
    "batch": 8,
    "nbs": 8,
    "optimizer": "AdamW",
    "lr0": 0.0015,
    "lrf": 0.02,
    "cos_lr": True,
    "warmup_epochs": 0.5,
    "warmup_bias_lr": 0.0,
    "cls": 1.0,
    "degrees": 20.0,
    "translate": 0.08,
    "scale": 0.3,
    "shear": 3.0,
    "fliplr": 0.5,
    "amp": False,
    "plots": False,
    "seed": 0,
}
"""Where they differ from the stock ones: an optimizer step every batch, AdamW at a rate for training from scratch."""
FORCED: Final[dict[str, Any]] = {
    "overlap_mask": False,
    "mask_ratio": 1,
    "close_mosaic": 0,
    "task": "segment",
    "mode": "train",
}
REFUSED: Final = ("mosaic", "mixup", "cutmix", "copy_paste", "multi_scale", "perspective", "distill_model")
"""Ours never cut, mix or repeat bones; these must be 0 when given."""
UNUSED: Final = ("hsv_h", "hsv_s", "hsv_v", "erasing", "auto_augment", "bgr")
"""`photometric` changes greys instead."""


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
    given = _parse(arguments.arguments)
    resumed = given.pop("resume", None)
    overrides, recipe = _resumed(Path(str(resumed)), given) if resumed else _new_run(given)

    # torch and ultralytics are loaded here and not above: --help and bad arguments answer at once.
    from yolo_bones.detector.weights import load_weights
    from yolo_bones.training.bone_trainer import STOCK_ARGUMENTS, BoneTrainer

    _refuse_unknown(overrides, STOCK_ARGUMENTS)
    checkpoints = (overrides.get("model"), overrides.get("pretrained"), overrides.get("resume"))
    started_from = {}
    for name in checkpoints:
        if isinstance(name, str) and name.endswith(".pt"):
            started_from[Path(name).name] = load_weights(Path(name)).sha256
    trainer = BoneTrainer({**overrides, **FORCED}, recipe)
    folder = Path(trainer.save_dir)
    record = {key: value for key, value in overrides.items() if key not in ("project", "name", "resume")}
    if not resumed:
        write_text(folder / RECIPE_FILE, yaml.safe_dump({**record, **recipe.as_record()}, sort_keys=True))
    for name in ("best", "last"):
        (folder / "weights" / f"{name}.yaml").unlink(missing_ok=True)
    _warn_of_inset(Path(str(trainer.data["train"])))
    say(f"{folder}: training")
    _Progress().watch(trainer)
    try:
        trainer.train()  # type: ignore[no-untyped-call]
    except AssertionError as error:
        if not (resumed and "nothing to resume" in str(error)):
            raise
        raise RefusedError(f"{resumed}: this run is finished, there is nothing to resume") from error
    _write_manifest(trainer, record, recipe, started_from)
    _write_settings(trainer, recipe)
    print(trainer.best if trainer.best.exists() else trainer.last)
    return 0


class _Progress:
    """A bar for each epoch and a line when it ends."""

    def __init__(self) -> None:
        self.bar: Any = None

    def watch(self, trainer: Any) -> None:
        """Follow a run."""
        trainer.add_callback("on_train_epoch_start", self._begin)
        trainer.add_callback("on_train_batch_end", self._step)
        trainer.add_callback("on_fit_epoch_end", self._end)

    def _begin(self, trainer: Any) -> None:
        what = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        self.bar = tqdm(total=len(trainer.train_loader), desc=what, file=sys.stderr, unit="step", leave=False)

    def _step(self, trainer: Any) -> None:
        self.bar.update()
        self.bar.set_postfix_str(_listed(trainer.tloss))

    def _end(self, trainer: Any) -> None:
        self.bar.close()
        what = f"epoch {trainer.epoch + 1}/{trainer.epochs}" if trainer.epoch < trainer.epochs else "best"
        say(f"{what}: {_listed(trainer.tloss or {})}; {_listed(trainer.metrics)}")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {float(value):.4f}" for key, value in values.items() if value)


def _parse(arguments: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs; values as YAML reads them."""
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not key.isidentifier():
            raise InputError("command line", "", "key=value", argument)
        if key in given:
            raise InputError("command line", key, "one value", "two")
        given[key] = _yaml("command line", key, text)
    cfg = given.pop("cfg", None)
    return {**_read_yaml(Path(str(cfg))), **given} if cfg else given


def _yaml(source: str, key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(source, key, "a value that YAML reads", text) from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(path, "", "a readable YAML file", str(error).splitlines()[0]) from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(path, "", "a mapping of keys to values", type(values).__name__)
    return values


def _new_run(given: dict[str, Any]) -> tuple[dict[str, Any], Recipe]:
    recipe = recipe_from_values({key: value for key, value in given.items() if key in KEYS}, "command line")
    overrides = {**DEFAULTS, **{key: value for key, value in given.items() if key not in KEYS}}
    for key in REFUSED:
        if overrides.get(key):
            raise InputError("command line", key, "0: each image holds each bone once, whole", overrides[key])
    for key, value in FORCED.items():
        if key in given and given[key] != value:
            raise InputError("command line", key, value, given[key])
    unused = [key for key in UNUSED if given.get(key)]
    if unused:
        say(f"{', '.join(unused)}: not used, photometric={recipe.photometric:g} changes the greys")
    return overrides, recipe


def _resumed(last: Path, given: dict[str, Any]) -> tuple[dict[str, Any], Recipe]:
    """Arguments of an interrupted run, from the file beside it."""
    path = last.parent.parent / RECIPE_FILE
    if not last.is_file() or not path.is_file():
        raise InputError(last, "", f"last.pt of a run of train_bones, with {RECIPE_FILE} in its folder", "nothing")
    values = _read_yaml(path)
    changed = sorted(key for key, value in given.items() if key in values and values[key] != value and key != "threads")
    if changed:
        raise RefusedError(f"{last}: resume goes on with the run's own arguments; {', '.join(changed)} cannot change")
    values.update({key: value for key, value in given.items() if key == "threads"})
    recipe = recipe_from_values({key: value for key, value in values.items() if key in KEYS}, str(path))
    overrides = {key: value for key, value in {**values, **given}.items() if key not in KEYS}
    return {**overrides, "model": str(last), "resume": str(last)}, recipe


def _refuse_unknown(overrides: dict[str, Any], stock: dict[str, Any]) -> None:
    for key in overrides:
        if key not in stock:
            near = difflib.get_close_matches(key, [*stock, *KEYS], n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                "command line", key, f"an argument of yolo segment train or of train_bones{hint}", "neither"
            )


def _warn_of_inset(images: Path) -> None:
    """Labels are rasterised exactly here; an inset made for the stock command makes bones too small."""
    report = images.parent.parent / "report.json"
    try:
        inset = json.loads(report.read_text(encoding="utf-8")).get("inset_px", 0.0)
    except (OSError, ValueError, AttributeError):
        return
    if inset:
        say(f"warning: {report}: labels are inset by {inset} px for the stock command; convert without --inset-px")


def _write_settings(trainer: Any, recipe: Recipe) -> None:
    """Beside the weights: look as was trained, cut masks to boxes as wide as the loss trained them to be read."""
    from yolo_bones.detector.looking import FIRST_LOOK_PX, LookSettings
    from yolo_bones.detector.stored_settings import settings_path, settings_text
    from yolo_bones.training.bone_data import input_size
    from yolo_bones.training.native_dice import MARGIN

    longest_px = trainer.args.imgsz
    plain_px = input_size(longest_px, recipe).width
    look = LookSettings(
        longest_px=plain_px,
        canonical=recipe.canonical > 0.0,
        first_look_px=min(FIRST_LOOK_PX, plain_px),
        canonical_px=longest_px,
        closeup=recipe.canonical > 0.0 and recipe.closeup > 0.0,
        closeup_px=longest_px,
    )
    merging = MergeSettings(box_margin=min(MARGIN, recipe.mask_margin), place_prior=1.0, tidy=True)
    for weights in (trainer.best, trainer.last):
        if weights.exists():
            sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
            write_text(settings_path(weights), settings_text(sha256, look, merging))


def _write_manifest(trainer: Any, overrides: dict[str, Any], recipe: Recipe, started_from: dict[str, str]) -> None:
    folder = Path(trainer.save_dir)
    weights = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (trainer.best, trainer.last)
        if path.exists()
    }
    named = {
        key: Path(str(value)).name if key in ("data", "model", "pretrained") else value
        for key, value in overrides.items()
    }
    manifest = build_manifest(
        "train_bones",
        {"arguments": named, "recipe": recipe.as_record()},
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
    write_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
