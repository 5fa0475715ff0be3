"""Settings that lie beside weights, `<stem>.yaml` beside `<stem>.pt`: how these weights look best, and where to cut.

    sha256: 9e4d...             # of the weights; the file serves no others
    look: {longest_px: 640}     # fields of LookSettings; what is left out is as trained
    merge: {box_margin: 0.02}   # fields of MergeSettings
    thresholds: {Pisiform: -0.25}   # logits; a bone that is left out takes merge.logit_threshold
    calibrated_on: {images: 24, patients: 12, note: phantoms, seed 1, dice_before: 0.94, dice_after: 0.95}

Pure: reads and writes the file, knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model

from yolo_bones.bones import BONES
from yolo_bones.detector.look_settings import LookSettings
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.merger import MergeSettings
from yolo_bones.strict_yaml import read_strict_yaml

MOST_THRESHOLD: Final = 30.0
SIGNED: Final = ("logit_threshold", "turns")
"""The only numbers that may be below 0."""
STRICT: Final = ConfigDict(extra="forbid", strict=True)

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class Calibration(BaseModel):
    """What thresholds were chosen on; no paths.

    Attributes:
        images, patients: how many.
        note: names of data set and seed, as the user gave them.
        dice_before, dice_after: mean over the same images, with the settings before and with these.
        dice_left_out: each patient scored with what was chosen on the others.
    """

    model_config = STRICT

    images: Count
    patients: Count
    note: Annotated[str, StringConstraints(max_length=1000)] = ""
    dice_before: Share
    dice_after: Share
    dice_left_out: Share | None = None


def _model_of(settings: type, left_out: tuple[str, ...] = ()) -> type[BaseModel]:
    """A strict model of the fields of a settings class, none of them required."""
    made: dict[str, Any] = {}
    hints = get_type_hints(settings)
    for one in fields(settings):
        if one.name in left_out:
            continue
        low = -1000.0 if one.name in SIGNED else 0.0
        number = Annotated[float, Field(ge=low, le=1000.0, allow_inf_nan=False)]
        kinds: dict[Any, Any] = {
            bool: bool,
            int: Annotated[int, Field(ge=1, le=8192)],
            float: number,
            tuple[float, ...]: Annotated[list[number], Field(max_length=16)],
        }
        made[one.name] = (kinds[hints[one.name]], one.default)
    model: type[BaseModel] = create_model(f"{settings.__name__}File", __config__=STRICT, **made)
    return model


_Look: Any = _model_of(LookSettings)
_Merge: Any = _model_of(MergeSettings, left_out=("logit_thresholds",))


class _File(BaseModel):
    model_config = STRICT

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    look: _Look = _Look()
    merge: _Merge = _Merge()
    thresholds: dict[str, Annotated[float, Field(ge=-MOST_THRESHOLD, le=MOST_THRESHOLD, allow_inf_nan=False)]] = {}
    calibrated_on: Calibration | None = None


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """What a file beside weights says.

    Attributes:
        sha256: of the weights that it was made for.
        look, merge: fields that it sets.
        thresholds: bone -> logit.
        calibrated_on: where the thresholds come from; None where they were not calibrated.
    """

    sha256: str
    look: Mapping[str, Any] = field(default_factory=dict)
    merge: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    calibrated_on: Calibration | None = None

    def look_settings(self, as_trained: LookSettings) -> LookSettings:
        """How to look; what the file leaves out is as trained."""
        return replace(as_trained, **self.look)

    def merge_settings(self, usual: MergeSettings) -> MergeSettings:
        """How to merge; what the file leaves out is as usual."""
        merging = replace(usual, **self.merge)
        if not self.thresholds:
            return merging
        thresholds = tuple(self.thresholds.get(bone, merging.logit_threshold) for bone in BONES)
        return replace(merging, logit_thresholds=thresholds)

    def text_for(self, sha256: str) -> str:
        """The file's text for a copy of the weights that differs in its bytes only; what was left out stays so."""
        content: dict[str, Any] = {"sha256": sha256, "look": dict(self.look), "merge": dict(self.merge)}
        if self.thresholds:
            content["thresholds"] = dict(self.thresholds)
        if self.calibrated_on is not None:
            content["calibrated_on"] = self.calibrated_on.model_dump()
        return _dumped(content)


def settings_path(weights: Path) -> Path:
    """Where the settings of a weights file lie."""
    return weights.with_suffix(".yaml")


def read_settings(weights: Path, sha256: str) -> StoredSettings | None:
    """The settings beside weights; None where there are none.

    Args:
        weights: the `.pt` file.
        sha256: of its bytes.

    Raises:
        InputErrors: not such a file; names each field.
        RefusedError: it was made for other weights.
    """
    path = settings_path(weights)
    if not path.is_file():
        return None
    stored = parse_settings(path)
    if stored.sha256 != sha256:
        raise RefusedError(
            f"{path}: was made for weights with sha256 {stored.sha256}, but {weights.name} has {sha256}; "
            "calibrate anew (calibrate_rle --overwrite), or give --no-calibration"
        )
    return stored


def parse_settings(path: Path) -> StoredSettings:
    """Read a file of settings, whatever weights it was made for.

    Raises:
        InputErrors: not such a file; names each field.
    """
    content = _load(path)
    try:
        found = _File.model_validate(content)
        look, merge = (part.model_dump(exclude_unset=True) for part in (found.look, found.merge))
        LookSettings(**look)
    except ValidationError as error:
        faults = [
            InputError(path, ".".join(map(str, fault["loc"])), fault["msg"].lower(), fault["input"])
            for fault in error.errors()
        ]
        raise InputErrors(faults) from error
    except ValueError as error:
        raise InputError(path, "look", str(error)) from error
    unknown = [bone for bone in found.thresholds if bone not in BONES]
    if unknown:
        raise InputError(path, f"thresholds.{unknown[0]}", "the name of a bone", unknown[0])
    return StoredSettings(found.sha256, look, merge, found.thresholds, found.calibrated_on)


def settings_text(
    sha256: str, look: LookSettings, merging: MergeSettings, calibrated_on: Calibration | None = None
) -> str:
    """The file's text; the same settings give the same bytes."""
    merge = asdict(merging)
    thresholds = merge.pop("logit_thresholds")
    content: dict[str, Any] = {
        "sha256": sha256,
        "look": {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(look).items()},
        "merge": merge,
    }
    if thresholds is not None:
        content["thresholds"] = dict(zip(BONES, thresholds, strict=True))
    if calibrated_on is not None:
        content["calibrated_on"] = calibrated_on.model_dump()
    return _dumped(content)


def _dumped(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _load(path: Path) -> dict[str, Any]:
    content = read_strict_yaml(path, "a YAML file of settings")
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(path, "", "keys sha256, look, merge, thresholds, calibrated_on", content)
    return content
