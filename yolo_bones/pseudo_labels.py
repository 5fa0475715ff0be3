"""Which predictions may teach another network: how sure and how undisputed each bone of an image is.

* Confidence of a bone, from 0 to 1, is what a file says of it: the Dice that `audit_rle` expects, the score of a COCO
  result, or the mean probability of a soft channel where it is above one half.
* Agreement of a bone, from 0 to 1, is its lowest Dice with the same bone of other tables: of other networks, seeds or
  looks at the same images.

An image teaches as a whole or not at all: a bone that is left out of it would teach that there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.coco_results import CocoReader
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.metrics import dice_per_channel
from yolo_bones.rle import RunLengthMasks
from yolo_bones.soft import SoftRows, SoftTable
from yolo_bones.strict_json import read_strict_json

ON_LEVEL: Final = 128
MISSING, UNSURE, DISPUTED = "missing bones", "unsure bones", "disputed bones"

OfBones = NDArray[np.float64]
"""(29,) in channel order; NaN where nothing is known."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What every bone of an image must reach; None asks for nothing."""

    confidence: float | None = None
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOutImage:
    """An image that may not teach, and why.

    Attributes:
        image_name: of the image.
        reasons: `missing bones`, `unsure bones`, `disputed bones` -> bone -> its figure; None where there is none.
    """

    image_name: str
    reasons: Mapping[str, Mapping[str, float | None]]

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {"image": self.image_name, "reasons": {reason: dict(bones) for reason, bones in self.reasons.items()}}


def judge_image(
    image_name: str, areas: NDArray[np.int64], confidence: OfBones, agreement: OfBones, least: Thresholds
) -> LeftOutImage | None:
    """Why an image may not teach; None where it may.

    Args:
        image_name: of the image.
        areas: (29,) pixels of each bone.
        confidence, agreement: of its bones.
        least: what they must reach; a figure that is not known reaches nothing.
    """
    reasons: dict[str, dict[str, float | None]] = {}
    missing = areas == 0
    if missing.any():
        reasons[MISSING] = {BONES[bone]: None for bone in np.flatnonzero(missing)}
    for reason, figures, threshold in ((UNSURE, confidence, least.confidence), (DISPUTED, agreement, least.agreement)):
        if threshold is None:
            continue
        failed = np.flatnonzero(~(figures >= threshold) & ~missing)
        if failed.size:
            reasons[reason] = {BONES[bone]: rounded(figures[bone]) for bone in failed}
    return LeftOutImage(image_name, reasons) if reasons else None


def rounded(figure: float) -> float | None:
    """For JSON; None for NaN."""
    return None if np.isnan(figure) else round(float(figure), 4)


def count_reasons(left_out: Iterable[LeftOutImage]) -> dict[str, int]:
    """How many images each reason kept out; one image may have several."""
    return dict(sorted(Counter(reason for image in left_out for reason in image.reasons).items()))


def lowest_agreement(masks: RunLengthMasks, others: Sequence[RunLengthMasks]) -> OfBones:
    """(29,) lowest Dice of each channel with the same one of other tables; NaN without any."""
    if not others:
        return np.full(BONE_COUNT, np.nan)
    return np.asarray(np.min([dice_per_channel(masks, other) for other in others], axis=0))


class Confidences:
    """Confidence of each bone of each image, from whichever kind of file.

    Args:
        path: JSON of `audit_rle --json`, COCO results of `export_rle --format coco`, or a folder of soft channels.

    Attributes:
        kind: what the figures are, for the report.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._soft = SoftTable(path) if path.is_dir() else None
        self._read: dict[str, OfBones] = {}
        if self._soft is not None:
            self.kind = "mean probability of the soft channel"
            return
        content = read_strict_json(path, Counter())
        if isinstance(content, list):
            self.kind = "score of the COCO result"
            self._read = _scores(str(path), content)
        elif isinstance(content, dict) and isinstance(content.get("images"), list):
            self.kind = "Dice that audit_rle expects"
            self._read = _expected_dice(path, content["images"])
        else:
            raise InputError(path, "", "what audit_rle --json writes, COCO results, or a folder of soft channels")

    def of_image(self, image_name: str) -> OfBones:
        """Of its 29 bones.

        Raises:
            InputError: the image is not there.
        """
        if self._soft is not None:
            rows = self._soft.find(image_name)
            if isinstance(rows, SoftRows):
                return mean_probabilities(rows)
        elif image_name in self._read:
            return self._read[image_name]
        raise InputError(self.path, "", f"the confidence of {image_name}", "none")


def mean_probabilities(rows: SoftRows) -> OfBones:
    """(29,) mean probability of each bone where it is above one half; NaN where it is nowhere."""
    means = np.full(BONE_COUNT, np.nan)
    for bone, (_, _, levels) in enumerate(rows.crops):
        on = levels[levels >= ON_LEVEL]
        if on.size:
            means[bone] = float(on.mean(dtype=np.float64)) / 255.0
    return means


def _scores(path: str, records: list[Any]) -> dict[str, OfBones]:
    """Image name -> highest score of each bone, of results that name their image."""
    reader = CocoReader(path)
    listed = list(reader.records(records, ""))
    images = reader.named_images(listed)
    found = {image.name: np.full(BONE_COUNT, np.nan) for image in images.images}
    if not reader.faults:
        for instance in reader.instances(listed, images, None, 0, True):
            of_image = found[instance.image_name]
            of_image[instance.class_id] = np.fmax(of_image[instance.class_id], instance.score)
    if reader.faults:
        raise InputErrors(reader.faults)
    return found


def _expected_dice(path: Path, records: list[Any]) -> dict[str, OfBones]:
    """Image name -> expected Dice of each bone."""
    found: dict[str, OfBones] = {}
    faults: list[InputError] = []
    for index, record in enumerate(records):
        place = f"images[{index}]"
        name, bones = (record.get("image"), record.get("bones")) if isinstance(record, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(bones, dict) or name in found:
            faults.append(InputError(path, place, "an image with its bones, as audit_rle --json writes them"))
            continue
        figures = [bones.get(bone) for bone in BONES]
        wrong = next((BONES[bone] for bone, figure in enumerate(figures) if type(figure) not in (int, float)), None)
        if wrong is not None:
            faults.append(InputError(path, f"{place}.bones.{wrong}", "a number", bones.get(wrong)))
            continue
        found[name] = np.array(figures, dtype=np.float64)
    if faults:
        raise InputErrors(faults)
    return found
