"""Weights of an ensemble as a YAML file.

    threshold: 0.5              # optional; the command line's otherwise
    models: [a.csv, b.csv]      # optional; the inputs must not be the same ones in another order
    weights:
      default: [1, 2]           # for every bone that is not named
      hand: [1, 1]              # a group: finger, hand, arm
      Pisiform: [0, 1]          # a bone; more precise than its group

Weights are decimal fractions and are taken exactly as written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from yolo_bones.bones import BONES, GROUPS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.strict_yaml import StrictNodes, read_strict_yaml

GROUP_OF: Final = {bone: group for group, bones in GROUPS.items() for bone in bones}
KEYS: Final = ("default", *GROUPS, *BONES)

Weights = dict[str, tuple[Fraction, ...]]
"""Key of the file -> a weight a model."""


class _File(BaseModel):
    """The file's top level; numbers are texts, so that 0.1 stays 1/10."""

    model_config = ConfigDict(extra="forbid", strict=True)

    threshold: str | None = None
    models: list[str] | None = None
    weights: dict[str, list[str]]


class _TextLoader(StrictNodes, yaml.BaseLoader):
    """Scalars stay the texts they are."""


def read_ballot_file(path: Path, models: Sequence[str]) -> tuple[Weights, Fraction | None, list[str] | None]:
    """Weights for each key of the file, its threshold, and the models it was made for where they are others.

    Args:
        path: YAML file.
        models: names of the inputs, in order.

    Raises:
        InputError: not the shape above, another number of weights, or the same models in another order; names file and
            key.
    """
    content = _parsed(path)
    others = None if content.models in (None, list(models)) else content.models
    if others is not None and (len(others) != len(models) or sorted(others) == sorted(models)):
        raise InputError(path, "models", f"the inputs {', '.join(models)}", ", ".join(others))
    weights: Weights = {}
    for key, texts in content.weights.items():
        if key not in KEYS:
            raise InputError(path, f"weights.{key}", "default, finger, hand, arm or a bone's name", key)
        if len(texts) != len(models):
            raise InputError(path, f"weights.{key}", f"{len(models)} weights, one a model", len(texts))
        weights[key] = tuple(read_fraction(text, path, f"weights.{key}[{index}]") for index, text in enumerate(texts))
    missing = [bone for bone in BONES if not {"default", GROUP_OF[bone], bone} & weights.keys()]
    if missing:
        raise InputError(path, "weights", "weights for every bone (a key default serves all)", f"none for {missing[0]}")
    threshold = None if content.threshold is None else read_fraction(content.threshold, path, "threshold")
    return weights, threshold, others


def _parsed(path: Path) -> _File:
    content = read_strict_yaml(path, "a YAML file of weights", _TextLoader)
    if not isinstance(content, dict):
        raise InputError(path, "", "keys weights, models, threshold", content)
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        faults = [
            InputError(path, ".".join(map(str, fault["loc"])), fault["msg"].lower(), fault["input"])
            for fault in error.errors()
        ]
        raise InputErrors(faults) from error


def read_fraction(text: str, source: str | Path, field: str) -> Fraction:
    """A plain decimal number such as 2 or 0.25, of at most 18 digits, exactly.

    Raises:
        InputError: anything else, a sign and an exponent included.
    """
    whole, point, part = text.strip().partition(".")
    digits = whole + part
    short = len(digits.lstrip("0")) <= 18 and len(part) <= 18
    if not (digits.isascii() and digits.isdigit() and short and (part or not point)):
        raise InputError(source, field, "a decimal number of at least 0 and at most 18 digits", text)
    return Fraction(int(digits), 10 ** len(part))


def weights_by_bone(weights: Mapping[str, Sequence[Fraction]]) -> list[Sequence[Fraction]]:
    """29 rows in channel order: a bone's own weights, else its group's, else the default's."""
    return [weights.get(bone) or weights.get(GROUP_OF[bone]) or weights["default"] for bone in BONES]


def written_ballot(weights: Mapping[str, Sequence[int]], models: Sequence[str], threshold: Fraction, note: str) -> str:
    """The YAML text of whole-number weights, with a comment above."""
    content = {"models": list(models), "weights": {key: list(row) for key, row in weights.items()}}
    comment = "".join(f"# {line}\n" for line in note.splitlines())
    # Not as a float: YAML would write 0.00001 as 1.0e-05, which is read as no plain decimal.
    exact = format(Decimal(threshold.numerator) / Decimal(threshold.denominator), "f")
    return f"{comment}threshold: {exact}\n" + str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
