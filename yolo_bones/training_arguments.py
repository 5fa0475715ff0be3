"""Arguments of `train_bones`: `key=value` pairs, files of them, and those of an interrupted run.

Checked as far as that needs no network library: what ultralytics would ignore here, or fall over, is refused by name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from yolo_bones.errors import InputError, RefusedError
from yolo_bones.strict_yaml import read_strict_yaml
from yolo_bones.training_recipe import KEYS, Recipe, recipe_from_values

COMMAND_LINE: Final = "command line"
RECIPE_FILE: Final = "recipe.yaml"
MANIFEST_FILE: Final = "manifest.json"
"""Written last of all: a run that has it is over."""
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
FIXED: Final[dict[str, tuple[tuple[Any, ...], str]]] = {
    "plots": ((False,), "False: results.csv holds the figures"),
    "amp": ((False, "fp32", "bf16"), "False or bf16: steps are not scaled for half precision"),
    "fraction": ((1,), "1: epoch_images says how many images an epoch draws"),
    "rect": ((False,), "False: all inputs have one size"),
    "single_cls": ((False,), "False: every bone is a class"),
    "classes": ((None,), "no choice: all 29 bones are trained"),
    "cls_pw": ((0,), "0: classes are as frequent as bones, all alike"),
    "augmentations": ((None,), "none: photometric and elastic say how images are changed"),
}
"""Stock arguments with the values that they may have here."""
UNUSED: Final = ("hsv_h", "hsv_s", "hsv_v", "erasing", "auto_augment", "bgr")
"""`photometric` changes greys instead."""
LEAST: Final = {"imgsz": 32, "batch": 1, "epochs": 1}
"""Whole numbers of at least this."""
TEXTS: Final = ("cfg", "data", "model", "name", "project", "resume")
RESUMABLE: Final = ("threads", "device", "workers", "cache")
"""What may change when a run goes on: where it is computed, not what."""
OF_OLDER_RUNS: Final = {"averaging": 0.0}
"""What runs did before these keys were there."""
EXPONENT: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""Numbers that YAML takes for text unless they have a point and a sign."""


@dataclass(frozen=True, slots=True)
class TrainingArguments:
    """What a run is made with.

    Attributes:
        overrides: arguments of `yolo segment train`.
        recipe: our own.
        record: of the run, for its manifest; when it goes on, still what it began with.
        unused: arguments given that do nothing here.
    """

    overrides: dict[str, Any]
    recipe: Recipe
    record: dict[str, Any]
    unused: tuple[str, ...] = ()


def read_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read `key=value` pairs; values as YAML reads them, and numbers such as 1e-3.

    Returns:
        (given, sources): key -> value, what `cfg=FILE` says included, and key -> where it stands.

    Raises:
        InputError: no such pair, a key given twice, an unreadable file, or a value that cannot be.
    """
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(COMMAND_LINE, "", "key=value", argument)
        if key in given:
            raise InputError(COMMAND_LINE, key, "one value", "two")
        given[key] = text if key in TEXTS else _value(key, text)
    _check(given, COMMAND_LINE)
    sources = dict.fromkeys(given, COMMAND_LINE)
    cfg = given.pop("cfg", None)
    if not cfg:
        return given, sources
    of_file = {key: _number(value) for key, value in read_yaml(Path(cfg)).items()}
    _check(of_file, cfg)
    return {**of_file, **given}, {**dict.fromkeys(of_file, cfg), **sources}


def _value(key: str, text: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return _number(yaml.safe_load(text))
    except (yaml.YAMLError, ArithmeticError, RecursionError, TypeError, ValueError) as error:
        raise InputError(COMMAND_LINE, key, "a value that YAML reads", text) from error


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of keys and values.

    Raises:
        InputError: there is none.
    """
    values = read_strict_yaml(path)
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(path, "", "a mapping of keys to values", type(values).__name__)
    return values


def _check(values: Mapping[str, Any], source: str) -> None:
    """Refuse values that cannot be, or that would do nothing."""
    recipe_from_values({key: value for key, value in values.items() if key in KEYS}, source)
    for key, value in values.items():
        if key in REFUSED and value:
            raise InputError(source, key, "0: each image holds each bone once, whole", value)
        if key in FORCED and value != FORCED[key]:
            raise InputError(source, key, FORCED[key], value)
        if key in FIXED and value not in FIXED[key][0]:
            raise InputError(source, key, FIXED[key][1], value)
        if key in LEAST and (isinstance(value, bool) or not isinstance(value, int) or value < LEAST[key]):
            raise InputError(source, key, f"a whole number of at least {LEAST[key]}", value)


def arguments_of_new_run(given: Mapping[str, Any]) -> TrainingArguments:
    """What a run begins with."""
    recipe = recipe_from_values({key: value for key, value in given.items() if key in KEYS}, COMMAND_LINE)
    overrides = {**DEFAULTS, **{key: value for key, value in given.items() if key not in KEYS}}
    record = {key: value for key, value in overrides.items() if key not in ("project", "name")}
    return TrainingArguments(overrides, recipe, record, tuple(key for key in UNUSED if given.get(key)))


def arguments_of_interrupted_run(last: Path, given: Mapping[str, Any]) -> TrainingArguments:
    """What a run goes on with, from the file beside it.

    Args:
        last: its `last.pt`.
        given: what else is given, of `RESUMABLE`.

    Raises:
        InputError: no run of `train_bones` lies there.
        RefusedError: it is over, or would go on otherwise than it began.
    """
    folder = last.parent.parent
    path = folder / RECIPE_FILE
    if not last.is_file() or not path.is_file():
        raise InputError(last, "", f"last.pt of a run of train_bones, with {RECIPE_FILE} in its folder", "nothing")
    if (folder / MANIFEST_FILE).is_file():
        raise RefusedError(f"{last}: this run is finished, there is nothing to resume")
    values = {**OF_OLDER_RUNS, **read_yaml(path)}
    changed = sorted(
        key for key, value in given.items() if key not in RESUMABLE and (key not in values or values[key] != value)
    )
    if changed:
        raise RefusedError(f"{last}: resume goes on with the run's own arguments; {', '.join(changed)} cannot change")
    values |= given
    recipe = recipe_from_values({key: value for key, value in values.items() if key in KEYS}, str(path))
    record = {key: value for key, value in values.items() if key not in KEYS}
    return TrainingArguments({**record, "model": str(last), "resume": str(last)}, recipe, record)


def refuse_unknown(overrides: Mapping[str, Any], stock: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Refuse keys that neither ultralytics nor the recipe knows.

    Raises:
        InputError: names the key, where it stands, and the nearest one that is known.
    """
    for key in overrides:
        if key not in stock:
            near = difflib.get_close_matches(key, [*stock, *KEYS], n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            expected = f"an argument of yolo segment train or of train_bones{hint}"
            raise InputError(sources.get(key, COMMAND_LINE), key, expected, "neither")
