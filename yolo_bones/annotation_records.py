"""An annotation file's content, in the data set's own format, for outlines that do not come from such a file."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yolo_bones.annotations import PSEUDO_LABEL
from yolo_bones.bones import CLASS_IDS
from yolo_bones.polygons import IntegerPoints
from yolo_bones.rle import ImageSize

ID_PREFIX: Final = "30-"


@dataclass(frozen=True, slots=True, eq=False)
class OutlinedBone:
    """One bone to be written.

    Attributes:
        bone: name as in `bones.BONES`.
        points: (P, 2) int32 (x, y) in pixels.
        attributes: what else is known of it; JSON values.
    """

    bone: str
    points: IntegerPoints
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Where annotations come from.

    Attributes:
        made_by: the program that writes the file.
        is_pseudo: whether no person drew or corrected them.
        made_with: of pseudo-labels, what they were taken from and under which thresholds; no paths.
    """

    made_by: str
    is_pseudo: bool = False
    made_with: Mapping[str, Any] = field(default_factory=dict)


def annotation_record(
    image_name: str, patient_id: str, size: ImageSize, bones: Sequence[OutlinedBone], source: RecordSource
) -> dict[str, Any]:
    """The file's content, bones in channel order; the same input gives the same ids.

    Args:
        image_name: base name with suffix.
        patient_id: name of the patient's folder.
        size: of the image.
        bones: at least one, each once.
        source: of the annotations.
    """
    ordered = sorted(bones, key=lambda one: CLASS_IDS[one.bone])
    return {
        **({"source": PSEUDO_LABEL} if source.is_pseudo else {}),
        "annotations": [
            {
                "id": f"{ID_PREFIX}{_stable_id(patient_id, image_name, one.bone)}",
                "type": "poly_seg",
                "attributes": dict(one.attributes),
                "points": one.points.tolist(),
                "label": one.bone,
            }
            for one in ordered
        ],
        "attributes": {"pseudo_label": dict(source.made_with)} if source.is_pseudo and source.made_with else {},
        "file_id": _stable_id(patient_id, image_name),
        "filename": image_name,
        "parent_path": f"/DCM/{patient_id}",
        "last_modifier_id": source.made_by,
        "metadata": {"height": size.height, "width": size.width},
        "last_workers": [source.made_by],
    }


def _stable_id(*parts: str) -> str:
    """A UUID that the names alone determine."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
