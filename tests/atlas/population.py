"""Populations of phantoms, measured as `phantom.statistics` measures radiographs, without making the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.atlas.write_atlas import AtlasTables, install, installed
from yolo_bones.bones import BONES
from yolo_bones.command_line import progress
from yolo_bones.hand_measures import Collected, HandMeasures, measure_hand
from yolo_bones.phantom.framing import draw_frame
from yolo_bones.phantom.growth import grow_patient
from yolo_bones.phantom.patients import HANDS
from yolo_bones.phantom.pose import draw_pose
from yolo_bones.phantom.projection import cast_shadow
from yolo_bones.phantom.settings import PhantomSettings, Stream, patient_name, person_of
from yolo_bones.phantom.skeleton import pose_bones
from yolo_bones.phantom.truth import truth_outlines
from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import ImageSize, RunLengthMasks, empty_masks, encode_crop, stack

SIZE_PX: Final = 1024
"""Height and width of the images; half the real ones', which is fine enough for widths of a few hundredths."""
BENT_OF_SHAPES: Final = 0.6
BENT_OF_OVERLAPS: Final = 0.1
"""Shares of bent wrists: the real shapes and the real overlaps were measured on different sets."""


def population(patients: int, seed: int, bent: float, size_px: int = SIZE_PX) -> PhantomSettings:
    """Settings of a population to measure."""
    return PhantomSettings(patients, 0, seed, size_px, size_px, bent)


def measure_population(
    settings: PhantomSettings, tables: AtlasTables, workers: int = 1, quiet: bool = False
) -> Collected:
    """Measures of both hands of every patient, grown from `tables`.

    Args:
        settings: of the population.
        tables: laid under the phantom, here or in the processes.
        workers: processes.
        quiet: no progress bar.
    """
    collected = Collected()
    found = _measured(settings, tables, workers)
    for number, hands in enumerate(progress(found, "patients", settings.total, quiet), start=1):
        for hand in hands:
            collected.add(patient_name(number), hand)
    return collected


def _measured(settings: PhantomSettings, tables: AtlasTables, workers: int) -> Iterator[list[HandMeasures | None]]:
    numbers = range(1, settings.total + 1)
    if workers <= 1:
        with installed(tables):
            yield from (measure_patient(settings, number) for number in numbers)
        return
    # Not forked: a copy of OpenCV's threads, once they run, waits for ever.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare, initargs=(tables,)) as pool:
        yield from pool.map(partial(measure_patient, settings), numbers, chunksize=2)


def _prepare(tables: AtlasTables) -> None:
    cv2.setNumThreads(1)
    install(tables)


def measure_patient(settings: PhantomSettings, number: int) -> list[HandMeasures | None]:
    """Measures of the two hands of patient `number` (from 1)."""
    size = ImageSize(settings.height, settings.width)
    return [measure_hand(_as_masks(draw_truth(settings, number, hand), size)) for hand in HANDS]


def draw_truth(settings: PhantomSettings, number: int, hand: int) -> dict[str, IntegerPoints]:
    """Bone -> (P, 2) outline of the truth mask, as `patients.draw_patient` has it."""
    grown = grow_patient(settings.chance(Stream.BONES, number), person_of(settings, number), settings.spread)[hand]
    bent = bool(settings.chance(Stream.WRIST, number).random() < settings.bent)
    pose = draw_pose(settings.chance(Stream.POSE, number, hand), bent, settings.spread)
    bones = pose_bones(grown, pose)
    size = (settings.height, settings.width)
    frame = draw_frame(settings.chance(Stream.FRAME, number, hand), grown, pose, bones, size, thumb_left=hand == 0)
    shadows = [cast_shadow(frame.surface_to_pixels(bone.outer), *size) for bone in bones]
    return truth_outlines([bone.name for bone in bones], shadows)


def _as_masks(outlines: dict[str, IntegerPoints], size: ImageSize) -> RunLengthMasks:
    """29 channels."""
    filled = (
        encode_crop(*fill_polygon(outlines[bone], size), size) if bone in outlines else empty_masks(size)
        for bone in BONES
    )
    return stack(size, list(filled))


def mean_shared_areas(collected: Collected) -> NDArray[np.float64]:
    """(29, 29) mean area of the pixels that two bones share, in pixels at 2048."""
    iou, area = collected.gather("iou"), collected.gather("area_px")
    return np.asarray((iou / (1.0 + iou) * (area[:, :, None] + area[:, None, :])).mean(axis=0))
