"""What is explored of one image: its bones' sizes and overlaps, where the hand lies, points drawn, grey levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import Shape, measure_shape
from yolo_bones.annotated_hand import believed_fit
from yolo_bones.annotation_json import MOST_JSON_BYTES
from yolo_bones.annotations import AnnotatedImage, read_annotations
from yolo_bones.bones import BONES
from yolo_bones.errors import InputError
from yolo_bones.greys import REGIONS, measure_greys
from yolo_bones.hand_fit import HandFit
from yolo_bones.hand_measures import mask_to_pixels, measure_masks
from yolo_bones.image_files import read_grey
from yolo_bones.parallel import fault_texts
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.strict_json import read_strict_json
from yolo_bones.truth_sources import TruthSource, annotated_masks

NOT_MEASURED: Final = float("nan")


@dataclass(frozen=True, slots=True)
class HandPlace:
    """Where the hand lies, from whichever bones are there.

    Attributes:
        place_x, place_y: the capitate's place, as shares of the image's width and height.
        unit: the third metacarpal's length as a share of the image's height.
        tilt_deg: the third metacarpal against the vertical, positive when its tip leans to the image's right.
        thumb_left: whether the thumb is on the left of a hand that points up.
    """

    place_x: float
    place_y: float
    unit: float
    tilt_deg: float
    thumb_left: bool

    @property
    def tilt_to_thumb_deg(self) -> float:
        """The same tilt, positive when the hand leans to its thumb's side."""
        return -self.tilt_deg if self.thumb_left else self.tilt_deg


@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """Measures of one image. Lists are by bone in channel order, NaN for a bone that is missing.

    Attributes:
        image, patient: file name; name of the patient's folder.
        height, width: of the image.
        hand: None where too few bones agree on a hand.
        outline_area_px: area inside the line through the centres of the border pixels, at 2048 (as the real ones).
        area, length, width_of_bone: in units of the third metacarpal's length; NaN without a hand.
        overlaps: (bone, bone, IoU) of each pair that shares a pixel, by class id.
        multi_label_px: pixels with two labels or more, at 2048.
        points: points drawn; empty where nothing is drawn.
        greys: levels by region, see `greys.GreyMeasures.flat`, and `image` and `image_sd` of all pixels.
        profiles: (6, 11) level by region and distance to the outline, see `greys`.
        repairs: what was mended while reading, by name.
    """

    image: str
    patient: str
    height: int
    width: int
    hand: HandPlace | None
    outline_area_px: list[float]
    area: list[float]
    length: list[float]
    width_of_bone: list[float]
    overlaps: list[tuple[int, int, float]]
    multi_label_px: float
    points: list[float]
    greys: dict[str, float]
    profiles: list[list[float]]
    repairs: dict[str, int]

    def as_part(self) -> dict[str, Any]:
        """For a part file; `from_part` reads it."""
        return asdict(self)

    @staticmethod
    def from_part(part: Mapping[str, Any]) -> ImageMeasures:
        """What `as_part` wrote."""
        hand = None if part["hand"] is None else HandPlace(**part["hand"])
        overlaps = [(int(first), int(second), float(iou)) for first, second, iou in part["overlaps"]]
        return ImageMeasures(**{**part, "hand": hand, "overlaps": overlaps})


Measured = ImageMeasures | tuple[str, ...]
"""Measures, or the texts of an image's faults."""


def measure_source(source: TruthSource) -> Measured:
    """Measure one image; faults of its files come back as texts, so that all images' can be told together."""
    try:
        grey, image_repairs = read_grey(source.image)
        repairs = Counter(image_repairs)
        if source.annotation is None:
            return measure_image(source, grey, source.masks(), [], repairs)
        image, log = read_annotations(source.annotation, source.patient_id, source.size)
        repairs.update(log.counters)
        return measure_image(source, grey, annotated_masks(image), _points_drawn(source, image), repairs)
    except InputError as error:
        return fault_texts(error)


def measure_image(
    source: TruthSource,
    grey: NDArray[np.uint8],
    masks: RunLengthMasks,
    points: list[float],
    repairs: Mapping[str, int],
) -> ImageMeasures:
    """Measure pixels and 29 masks of one image.

    Args:
        source: its names and size.
        grey: (H, W) uint8.
        masks: its 29 channels.
        points: drawn, by bone; empty where nothing is drawn.
        repairs: what was mended so far.
    """
    pixels = {bone: mask_to_pixels(mask) for bone, mask in zip(BONES, masks, strict=True) if len(mask.starts)}
    shapes = {bone: measure_shape(found) for bone, found in pixels.items()}
    fit = believed_fit({bone: shape.centroid_xy for bone, shape in shapes.items()})
    area, length, width = _sizes(shapes, NOT_MEASURED if fit is None else fit.frame.unit_px)
    plain = measure_masks(masks)
    pairs = np.argwhere(np.triu(plain.iou) > 0.0).tolist()
    greys = measure_greys(grey, masks)
    return ImageMeasures(
        image=source.image.name,
        patient=source.patient_id,
        height=source.size.height,
        width=source.size.width,
        hand=None if fit is None else _place(fit, source.size),
        outline_area_px=np.where(plain.area_px > 0.0, plain.outline_area_px, NOT_MEASURED).tolist(),
        area=area,
        length=length,
        width_of_bone=width,
        overlaps=[(first, second, float(plain.iou[first, second])) for first, second in pairs],
        multi_label_px=plain.multi_label_px,
        points=points,
        greys=greys.flat() | {"image": float(grey.mean()), "image_sd": float(grey.std())},
        profiles=[greys.profiles["main"][row].tolist() for row in range(len(REGIONS))],
        repairs=dict(sorted(repairs.items())),
    )


def _sizes(shapes: Mapping[str, Shape], unit_px: float) -> list[list[float]]:
    """Area, length and width of each bone in units of the hand, NaN for a bone that is missing."""
    sizes = {
        bone: (shape.area_px / unit_px**2, shape.length_px / unit_px, shape.width_px / unit_px)
        for bone, shape in shapes.items()
    }
    missing = (NOT_MEASURED,) * 3
    found: list[list[float]] = np.array([sizes.get(bone, missing) for bone in BONES]).T.tolist()
    return found


def _place(fit: HandFit, size: ImageSize) -> HandPlace:
    x, y = fit.frame.origin_xy.tolist()
    return HandPlace(
        place_x=(x + 0.5) / size.width,
        place_y=(y + 0.5) / size.height,
        unit=fit.frame.unit_px / size.height,
        tilt_deg=fit.frame.tilt_deg,
        thumb_left=fit.frame.thumb_left,
    )


def _points_drawn(source: TruthSource, image: AnnotatedImage) -> list[float]:
    """Points of each bone as the file has them, before anything is mended; its parts together."""
    if source.annotation is None:
        raise ValueError("expected an annotation, got none")
    counts: Counter[str] = Counter()
    record = read_strict_json(source.annotation, Counter(), MOST_JSON_BYTES, nan_refused=False)
    for annotation in record["annotations"]:
        counts[annotation["label"]] += len(annotation["points"])
    there = {annotation.bone for annotation in image.annotations}
    return [float(counts[bone]) if bone in there else NOT_MEASURED for bone in BONES]
