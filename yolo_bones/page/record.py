"""What a page is made from: one plain record, whose shape (format 1) the page's script knows.

| key | what |
|---|---|
| `format`, `generator`, `title`, `kind` | 1; package and version; heading; `report`, `audit` or `exploration` |
| `about` | pairs of texts for the head of the page |
| `bones`, `groups` | 29 names in channel order; `key`, `label` and class ids of seven groups that share no bone |
| `score` | what an image's score is: `label` and `about`, or null |
| `sets` | sets of 29 layers: `key`, `label`, `role` (`prediction`, `truth`, `against`, `annotation`, `proposal`) |
| `images` | in page order, see `PageImage` |
| `slices` | `by`, and `rows` with `value`, `images`, `patients` and `dice` by set |
| `comparison` | null, or labels `a` and `b`, `rows` with `name`, `difference` (b - a), `low`, `high`, `p`, `verdict` |
| `figures` | `title`, `about`, `picture`, `width`, `height` |
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones import __version__
from yolo_bones.bones import ARM_BONES, BONE_COUNT, BONES, CLASS_IDS, DIGITS, HAND_BONES

FORMAT: Final = 1
REPORT: Final = "report"
AUDIT: Final = "audit"
EXPLORATION: Final = "exploration"
GROUPS: Final[dict[str, tuple[str, ...]]] = {**DIGITS, "carpals": HAND_BONES, "forearm": ARM_BONES}
"""Key -> bones; every bone is in exactly one of them."""
DIGITS_KEPT: Final = 6
"""Decimals of every number; more would only make the page longer."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerSet:
    """A set of 29 layers that images have.

    Attributes:
        key: by which images name it.
        label: for people.
        role: `prediction`, `truth`, `against`, `annotation` or `proposal`.
    """

    key: str
    label: str
    role: str


@dataclass(frozen=True, slots=True)
class Score:
    """What the score of an image is: a short label, and a sentence."""

    label: str
    about: str


EXPECTED_DICE: Final = Score(
    "expected Dice", f"mean over {BONE_COUNT} bones as the result audit expects it, without any truth"
)


@dataclass(frozen=True, slots=True)
class PageFinding:
    """One thing that is or may be wrong in an image; attributes as of `audit.findings.Finding`."""

    bone: str
    kind: str
    severity: str
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
    proposal: str = ""


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure about the whole set.

    Attributes:
        title, about: heading, and one sentence.
        picture: address of the picture, relative to the page or with its content.
        width, height: in pixels.
    """

    title: str
    about: str
    picture: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class PageImage:
    """One image of a page, all but its picture.

    Attributes:
        name, patient: file name; name of its folder, or empty.
        width, height: that the layers count in.
        layers: set -> packed runs, see `layers`.
        score: by which the page is sorted; None where there is none.
        dice: set -> (29,) Dice against the truth.
        expected: (29,) Dice to be expected, where that was estimated.
        findings: about this image.
        facts: name -> text.
        measurements: `name`, `bone`, `label`, `value`, `unit` of each.
        window: lowest and highest grey level that the automatic window shows; None without a picture.
    """

    name: str
    patient: str
    width: int
    height: int
    layers: Mapping[str, str]
    score: float | None = None
    dice: Mapping[str, Values] = field(default_factory=dict)
    expected: Values | None = None
    findings: Sequence[PageFinding] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    measurements: Sequence[Mapping[str, Any]] = ()
    window: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PictureLink:
    """Address of a picture, relative to the page or with its content, and its size in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class PageHead:
    """What a page says beside its images; attributes as in the record.

    Attributes:
        title, kind, about, score, sets: see the module's text.
        slices, comparison: from `summaries`.
        figures: about the whole set.
    """

    title: str
    kind: str
    about: Sequence[tuple[str, str]]
    sets: Sequence[LayerSet]
    score: Score | None = None
    slices: Sequence[Mapping[str, Any]] = ()
    comparison: Mapping[str, Any] | None = None
    figures: Sequence[PageFigure] = ()


def page_record(head: PageHead, images: Sequence[PageImage], pictures: Sequence[PictureLink | None]) -> dict[str, Any]:
    """The whole record in plain JSON types.

    Args:
        head: of the page.
        images: in page order.
        pictures: of the images; None where there is none.
    """
    record = {
        "format": FORMAT,
        "generator": f"yolo_bones {__version__}",
        "title": head.title,
        "kind": head.kind,
        "about": head.about,
        "bones": BONES,
        "groups": [
            {"key": key, "label": key.capitalize(), "bones": [CLASS_IDS[bone] for bone in bones]}
            for key, bones in GROUPS.items()
        ],
        "score": None if head.score is None else asdict(head.score),
        "sets": [asdict(one) for one in head.sets],
        "images": [_image_record(*pair) for pair in zip(images, pictures, strict=True)],
        "slices": head.slices,
        "comparison": head.comparison,
        "figures": [asdict(one) for one in head.figures],
    }
    plain_record: dict[str, Any] = plain(record)
    return plain_record


def _image_record(image: PageImage, picture: PictureLink | None) -> dict[str, Any]:
    return {
        "name": image.name,
        "patient": image.patient,
        "width": image.width,
        "height": image.height,
        "picture": None if picture is None else picture.address,
        "picture_width": 0 if picture is None else picture.width,
        "picture_height": 0 if picture is None else picture.height,
        "score": image.score,
        "dice": image.dice,
        "expected": image.expected,
        "layers": image.layers,
        "findings": [asdict(one) for one in image.findings],
        "facts": image.facts,
        "measurements": image.measurements,
        "window": image.window,
    }


def plain(value: Any) -> Any:
    """The same in plain JSON types: arrays as lists, numbers with six decimals, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS_KEPT) if math.isfinite(value) else None
    return value


def record_text(record: Mapping[str, Any]) -> str:
    """A record as JSON in one line."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
