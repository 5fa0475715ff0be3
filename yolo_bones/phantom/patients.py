"""Synthetic patients as the real data set stores them: two PNG files each, point JSON, truth as run lengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.files import write_bytes, write_text
from yolo_bones.phantom.annotation_files import annotation_record, stamp
from yolo_bones.phantom.annotators import draw_bones
from yolo_bones.phantom.exposure import draw_exposure
from yolo_bones.phantom.framing import Frame, draw_frame
from yolo_bones.phantom.growth import Patient, grow_patient
from yolo_bones.phantom.planted_errors import PlannedError, plan_errors, plant
from yolo_bones.phantom.pose import Pose, draw_pose
from yolo_bones.phantom.radiograph import render
from yolo_bones.phantom.settings import PhantomSettings, Stream, patient_name, person_of
from yolo_bones.phantom.skeleton import PosedBone, pose_bones
from yolo_bones.phantom.truth import truth_outlines, truth_texts
from yolo_bones.polygons import IntegerPoints
from yolo_bones.rle import ImageSize

FIRST_EXPOSURE_MS: Final = 1_660_000_000_000
SHARE_WITH_SIDE_IN_NAME: Final = 0.04
SIDES: Final = ("_R", "_L")
"""What a few file names say: the earlier image shows the right hand, whose thumb is on the left."""
HANDS: Final = (0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class PhantomImage:
    """One synthetic radiograph with its truth.

    Attributes:
        name: file name without suffix.
        pixels: (H, W) uint8.
        outlines: bone -> (P, 2) int32 points whose filled polygon is the exact mask.
    """

    name: str
    pixels: NDArray[np.uint8]
    outlines: dict[str, IntegerPoints]

    @property
    def size(self) -> ImageSize:
        """Of the pixels."""
        return ImageSize(*self.pixels.shape)


@dataclass(frozen=True, slots=True, eq=False)
class PosedHand:
    """One hand as closed surfaces, from which its radiograph and its truth are made.

    Attributes:
        patient: whose hand it is.
        pose: of the hand.
        bones: the 29 in channel order, then the thumb's sesamoids, in hand coordinates.
        frame: maps them to pixels.
    """

    patient: Patient
    pose: Pose
    bones: list[PosedBone]
    frame: Frame


@dataclass(frozen=True, slots=True)
class WrittenPatient:
    """What is remembered of a patient whose files are written.

    Attributes:
        truth: image file name -> the 29 truth masks as submission text.
        planted: what was done to the annotations on purpose.
    """

    truth: dict[str, list[str]]
    planted: list[dict[str, Any]]


def draw_patient(settings: PhantomSettings, number: int, hands: Sequence[int] = HANDS) -> list[PhantomImage]:
    """The hands of patient `number` (from 1), 0 the earlier and 1 the later; the earlier has its thumb on the left."""
    names = image_names(settings, number)
    posed = pose_patient(settings, number, hands)
    return [_draw_hand(settings, one, number, hand, names[hand]) for hand, one in zip(hands, posed, strict=True)]


def pose_patient(settings: PhantomSettings, number: int, hands: Sequence[int] = HANDS) -> list[PosedHand]:
    """The same hands before they are exposed: closed surfaces in a pose, and how they are laid out in the image."""
    person = person_of(settings, number)
    grown = grow_patient(settings.chance(Stream.BONES, number), person, settings.spread)
    return [_pose_hand(settings, grown[hand], number, hand) for hand in hands]


def _pose_hand(settings: PhantomSettings, patient: Patient, number: int, hand: int) -> PosedHand:
    bent = bool(settings.chance(Stream.WRIST, number).random() < settings.bent)
    pose = draw_pose(settings.chance(Stream.POSE, number, hand), bent, settings.spread)
    bones = pose_bones(patient, pose)
    size = (settings.height, settings.width)
    frame = draw_frame(settings.chance(Stream.FRAME, number, hand), patient, pose, bones, size, thumb_left=hand == 0)
    return PosedHand(patient, pose, bones, frame)


def _draw_hand(settings: PhantomSettings, posed: PosedHand, number: int, hand: int, name: str) -> PhantomImage:
    exposure = draw_exposure(settings.chance(Stream.EXPOSURE, number, hand), posed.patient.person, settings.spread)
    pixels, shadows = render(posed.bones, posed.frame, exposure, settings.chance(Stream.IMAGE, number, hand))
    return PhantomImage(name, pixels, truth_outlines([bone.name for bone in posed.bones], shadows))


def image_names(settings: PhantomSettings, number: int) -> tuple[str, ...]:
    """File names without suffix of patient `number`: two images, and what a copy of another patient's would be called.

    `image<13-digit milliseconds>` in order of time; a few patients' first two carry a side.
    """
    rng = settings.chance(Stream.NAMES, number)
    first_ms = FIRST_EXPOSURE_MS + number * 10_000_000 + int(rng.integers(0, 5_000_000))
    gap_ms = int(rng.integers(20_000, 60_000))
    sides = (*SIDES, "") if rng.random() < SHARE_WITH_SIDE_IN_NAME else ("", "", "")
    return tuple(f"image{first_ms + order * gap_ms}{side}" for order, side in enumerate(sides))


def row_texts(image: PhantomImage, size: ImageSize) -> list[str]:
    """The 29 truth masks of an image as submission text, in channel order."""
    return truth_texts(image.outlines, size)


def write_patient(settings: PhantomSettings, number: int, split: Path, annotated: bool) -> WrittenPatient:
    """Write one patient's files below `split` (`train` or `test`)."""
    planned = plan_errors(settings) if annotated else ()
    own = {error.hand: error for error in planned if error.number == number}
    written = WrittenPatient({}, [])
    for hand, image in zip(HANDS, draw_patient(settings, number), strict=True):
        _write_image(split, number, image, written.truth)
        if annotated:
            record, done = _annotate(settings, (number, hand), image, own.get(hand))
            _write_annotation(split, number, image.name, record)
            written.planted.extend(done)
    copied = [error for error in planned if error.copied_to == number]
    for order, error in enumerate(copied):
        _write_copy(settings, split, error, copy_name(settings, number, order), written.truth)
    return written


def copy_name(settings: PhantomSettings, number: int, order: int) -> str:
    """Name of the `order`-th image that patient `number` gets of another patient, later than its own."""
    third = image_names(settings, number)[-1]
    return f"image{int(third.removeprefix('image')) + 1000 * order}"


def _write_image(split: Path, number: int, image: PhantomImage, truth: dict[str, list[str]]) -> None:
    file_name = f"{image.name}.png"
    done, png = cv2.imencode(".png", cv2.cvtColor(image.pixels, cv2.COLOR_GRAY2BGR))
    if not done:
        raise ValueError(f"expected {file_name} to be encodable as PNG")
    write_bytes(split / "DCM" / patient_name(number) / file_name, png.tobytes())
    truth[file_name] = truth_texts(image.outlines, image.size)


def _write_annotation(split: Path, number: int, name: str, record: dict[str, Any]) -> None:
    write_text(split / "outputs_json" / patient_name(number) / f"{name}.json", json.dumps(record))


def _write_copy(
    settings: PhantomSettings, split: Path, error: PlannedError, name: str, truth: dict[str, list[str]]
) -> None:
    """Give patient `error.copied_to` an image of another patient, with the annotations that were drawn on it."""
    image = draw_patient(settings, error.number, (error.hand,))[0]
    copy = PhantomImage(name, image.pixels, image.outlines)
    _write_image(split, error.copied_to, copy, truth)
    record, _ = _annotate(settings, (error.number, error.hand), copy, None, patient=error.copied_to)
    _write_annotation(split, error.copied_to, name, record)


def _annotate(
    settings: PhantomSettings,
    source: tuple[int, int],
    image: PhantomImage,
    error: PlannedError | None,
    patient: int = 0,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The annotation file of one image, and what was planted into it.

    Args:
        settings: of the set.
        source: number of the patient whose hand it is, and which of its hands.
        image: with the name it is stored under.
        error: planned for it.
        patient: number of the patient it is stored under, where that is another one.
    """
    place = patient_name(patient or source[0]), f"{image.name}.png"
    rng = settings.chance(Stream.ANNOTATOR, *source)
    annotator, drawn = draw_bones(image.outlines, image.size, settings.annotator_noise, rng)
    planted: list[dict[str, Any]] = []
    if error is not None:
        drawn, details = plant(error.kind, drawn, image.size, settings.chance(Stream.PLANT, *source))
        if error.copied_to:
            details["copy"] = _place_of_copy(settings, error)
        planted.append({"image": place[1], "patient": place[0], "kind": error.kind, **details})
    record = annotation_record(drawn, annotator, place, image.size)
    stamp(record, settings.dirty_metadata, settings.chance(Stream.RECORD, *source, patient))
    return record, planted


def _place_of_copy(settings: PhantomSettings, error: PlannedError) -> dict[str, str]:
    same_target = [other for other in plan_errors(settings) if other.copied_to == error.copied_to]
    name = copy_name(settings, error.copied_to, same_target.index(error))
    return {"image": f"{name}.png", "patient": patient_name(error.copied_to)}
