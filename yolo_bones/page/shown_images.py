"""One image made ready for a page: its picture encoded, its masks packed, the hand measured. Sent to workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bone_measurements import in_millimetres, measure_image
from yolo_bones.errors import InputError
from yolo_bones.image_files import read_grey
from yolo_bones.page.hand_facts import WRIST, hand_facts
from yolo_bones.page.layers import pack_layers
from yolo_bones.page.pictures import Picture, encode_picture
from yolo_bones.page.record import PageFinding, PageImage, Values
from yolo_bones.parallel import fault_texts
from yolo_bones.rle import ImageSize, RunLengthMasks

Runs = tuple[NDArray[np.int32], NDArray[np.int64]]
"""(edges, offsets) of 29 channels, see `RunLengthMasks`."""


@dataclass(frozen=True, slots=True, eq=False)
class PageSource:
    """One image before it is made ready; small enough to be sent to another process.

    Attributes:
        name, patient, score, dice, expected, findings: see `record.PageImage`.
        image: the file, or None where none is at hand.
        size: of the image.
        layers: set -> runs; the first set is measured.
        facts: name -> text; what the masks tell of the hand is added where the wrist is not among them.
    """

    name: str
    patient: str
    image: Path | None
    size: ImageSize
    layers: Mapping[str, Runs]
    score: float | None = None
    dice: Mapping[str, Values] = field(default_factory=dict)
    expected: Values | None = None
    findings: Sequence[PageFinding] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShowSettings:
    """How images are made ready.

    Attributes:
        longest_px: longer side of a picture.
        spacing_mm: side of a pixel; None where measurements stay in pixels.
    """

    longest_px: int
    spacing_mm: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ShownImage:
    """One image made ready, and its picture; None where no file is at hand."""

    image: PageImage
    picture: Picture | None


def show_image(settings: ShowSettings, source: PageSource) -> ShownImage | tuple[str, ...]:
    """Make one image ready; the texts of its faults where its file cannot be read."""
    try:
        picture = None if source.image is None else encode_picture(read_grey(source.image)[0], settings.longest_px)
    except InputError as error:
        return fault_texts(error)
    masks = {key: RunLengthMasks.from_edges(source.size, *runs) for key, runs in source.layers.items()}
    first = next(iter(masks.values()))
    facts = source.facts if WRIST in source.facts else {**hand_facts(first), **source.facts}
    return ShownImage(
        PageImage(
            name=source.name,
            patient=source.patient,
            width=source.size.width,
            height=source.size.height,
            layers={key: pack_layers(one) for key, one in masks.items()},
            score=source.score,
            dice=source.dice,
            expected=source.expected,
            findings=source.findings,
            facts=facts,
            measurements=_measurements(first, settings.spacing_mm),
            window=None if picture is None else picture.window,
        ),
        picture,
    )


def _measurements(masks: RunLengthMasks, spacing_mm: float | None) -> list[dict[str, Any]]:
    """Measures of bones, joints and wrist; in millimetres where the spacing is known."""
    found = measure_image(masks)
    if spacing_mm is not None:
        found = in_millimetres(found, spacing_mm)
    return [{**asdict(one), "label": one.name.replace("_", " ")} for one in found]


def runs_of(masks: RunLengthMasks) -> Runs:
    """Masks for the way to another process."""
    return masks.edges, masks.offsets
