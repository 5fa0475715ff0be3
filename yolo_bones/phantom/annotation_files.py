"""The annotation file of one phantom, field by field as in the real data set."""

from __future__ import annotations

import uuid
from typing import Any, Final

import numpy as np

from yolo_bones.phantom.annotators import Annotator, DrawnBone
from yolo_bones.rle import ImageSize

SHARE_OF_WRONG_SUFFIXES: Final = 0.25
SHARE_OF_WRONG_SIZES: Final = 0.25
WRONG_SIZE: Final = {"height": 3060, "width": 3060}
"""What some real files say although the image is another size."""


def annotation_record(
    drawn: list[DrawnBone], annotator: Annotator, place: tuple[str, str], size: ImageSize
) -> dict[str, Any]:
    """The file's content, ids left empty.

    Args:
        drawn: annotations in the order of the file.
        annotator: who drew them.
        place: the patient's name and the image's file name.
        size: of the image.
    """
    patient_id, file_name = place
    annotations = [
        {"id": "", "type": "poly_seg", "attributes": {}, "points": bone.points.tolist(), "label": bone.label}
        for bone in drawn
    ]
    return {
        "annotations": annotations,
        "attributes": {},
        "file_id": "",
        "filename": file_name,
        "parent_path": f"/DCM/{patient_id}",
        "last_modifier_id": annotator.name,
        "metadata": {"height": size.height, "width": size.width},
        "last_workers": [annotator.name],
    }


def stamp(record: dict[str, Any], dirty: bool, rng: np.random.Generator) -> None:
    """Give a record its ids and, when `dirty`, now and then a wrong file name or a wrong size."""
    ids, dirt = rng.spawn(2)
    record["file_id"] = _random_uuid(ids)
    for annotation in record["annotations"]:
        annotation["id"] = f"30-{_random_uuid(ids)}"
    if not dirty:
        return
    if dirt.random() < SHARE_OF_WRONG_SUFFIXES:
        record["filename"] = record["filename"].removesuffix(".png") + ".jpg"
    if dirt.random() < SHARE_OF_WRONG_SIZES:
        record["metadata"] = dict(WRONG_SIZE)


def _random_uuid(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))
