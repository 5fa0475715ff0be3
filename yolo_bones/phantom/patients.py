"""Synthetic patients as the real data set stores them: two PNG files each, point JSON, truth as run lengths."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.files import write_bytes, write_text
from yolo_bones.phantom.framing import draw_frame
from yolo_bones.phantom.projection import Shadow
from yolo_bones.phantom.radiograph import draw_exposure, render
from yolo_bones.phantom.skeleton import Patient, draw_pose, grow_patient, pose_bones
from yolo_bones.polygons import IntegerPoints, fill_polygon, trace_mask
from yolo_bones.rle import ImageSize, empty_masks, encode_crop, masks_to_row_texts, stack

GENERATOR_VERSION: Final = 1
FIRST_EXPOSURE_MS: Final = 1_660_000_000_000


@dataclass(frozen=True, slots=True)
class PhantomSettings:
    """What a set of phantoms is made from; the same settings give the same bytes.

    Attributes:
        patients, test_patients: how many; two images each.
        seed: of all chance.
        height, width: of each image in pixels.
        bent: share of patients with a bent wrist.
        spread: factor on every deviation from the typical hand and exposure.
    """

    patients: int
    test_patients: int
    seed: int
    height: int
    width: int
    bent: float
    spread: float

    def as_record(self) -> dict[str, Any]:
        """For reports and manifests."""
        return {"generator": "yolo_bones.phantom", "generator_version": GENERATOR_VERSION, **asdict(self)}


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


def draw_patient(settings: PhantomSettings, number: int) -> list[PhantomImage]:
    """Both hands of patient `number` (from 1); the earlier file shows the thumb on the left."""
    rng = np.random.default_rng([settings.seed, number])
    patient = grow_patient(rng, settings.spread)
    bent = bool(rng.random() < settings.bent)
    first_ms = FIRST_EXPOSURE_MS + number * 10_000_000 + int(rng.integers(0, 5_000_000))
    gap_ms = int(rng.integers(20_000, 60_000))
    return [
        _draw_hand(settings, patient, rng, bent, thumb_left, f"image{first_ms + order * gap_ms}")
        for order, thumb_left in enumerate((True, False))
    ]


def _draw_hand(
    settings: PhantomSettings, patient: Patient, rng: np.random.Generator, bent: bool, thumb_left: bool, name: str
) -> PhantomImage:
    pose = draw_pose(rng, bent, settings.spread)
    bones = pose_bones(patient, pose)
    frame = draw_frame(rng, patient, pose, bones, (settings.height, settings.width), thumb_left)
    pixels, shadows = render(bones, frame, draw_exposure(rng, settings.spread), rng)
    outlines = {bone: _outline(shadow) for bone, shadow in zip(BONES, shadows, strict=True) if shadow is not None}
    return PhantomImage(name, pixels, outlines)


def _outline(shadow: Shadow) -> IntegerPoints:
    return trace_mask(shadow.covered, shadow.top, shadow.left)


def row_texts(image: PhantomImage, size: ImageSize) -> list[str]:
    """The 29 truth masks of an image as submission text, in channel order."""
    masks = []
    for bone in BONES:
        points = image.outlines.get(bone)
        masks.append(empty_masks(size) if points is None else encode_crop(*fill_polygon(points, size), size))
    return [text.decode("ascii") for text in masks_to_row_texts(stack(size, masks))]


def write_patient(settings: PhantomSettings, number: int, split: Path, annotated: bool) -> dict[str, list[str]]:
    """Write one patient's files below `split` (`train` or `test`) and return image name -> truth texts."""
    patient_id = f"ID{number:03d}"
    size = ImageSize(settings.height, settings.width)
    truth: dict[str, list[str]] = {}
    for image in draw_patient(settings, number):
        file_name = f"{image.name}.png"
        done, png = cv2.imencode(".png", cv2.cvtColor(image.pixels, cv2.COLOR_GRAY2BGR))
        if not done:
            raise ValueError(f"expected {file_name} to be encodable as PNG")
        write_bytes(split / "DCM" / patient_id / file_name, png.tobytes())
        if annotated:
            text = json.dumps(_annotation_record(image, size, patient_id, file_name))
            write_text(split / "outputs_json" / patient_id / f"{image.name}.json", text)
        truth[file_name] = row_texts(image, size)
    return truth


def _annotation_record(image: PhantomImage, size: ImageSize, patient_id: str, file_name: str) -> dict[str, Any]:
    annotations = [
        {
            "id": f"{patient_id}-{image.name}-{bone}",
            "type": "poly_seg",
            "attributes": {},
            "points": points.tolist(),
            "label": bone,
        }
        for bone, points in image.outlines.items()
    ]
    return {
        "annotations": annotations,
        "attributes": {},
        "file_id": image.name,
        "filename": file_name,
        "parent_path": f"/{patient_id}",
        "last_modifier_id": "phantom",
        "metadata": {"height": size.height, "width": size.width},
        "last_workers": [],
    }
