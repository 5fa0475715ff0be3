"""Annotations and run lengths as COCO records. Dictionaries only, no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from yolo_bones.annotations import PSEUDO_LABEL, AnnotatedImage
from yolo_bones.bones import BONES, GROUPS
from yolo_bones.mask_outlines import outline_of_runs
from yolo_bones.polygons import IntegerPoints
from yolo_bones.rle import RunLengthMasks, encode_crop, encode_polygons, masks_to_coco_counts

GROUP_OF: Final = {bone: group for group, bones in GROUPS.items() for bone in bones}


def categories() -> list[dict[str, Any]]:
    """COCO categories; ids are channels, 0 to 28."""
    return [{"id": class_id, "name": bone, "supercategory": GROUP_OF[bone]} for class_id, bone in enumerate(BONES)]


def image_record(image: AnnotatedImage, image_number: int, file_name: str) -> dict[str, Any]:
    """COCO image; `patient_id`, and `source` where its annotations are pseudo-labels, are kept as extra keys."""
    return {
        "id": image_number,
        "file_name": file_name,
        "height": image.size.height,
        "width": image.size.width,
        "patient_id": image.patient_id,
        **({"source": PSEUDO_LABEL} if image.is_pseudo else {}),
    }


def annotation_records(image: AnnotatedImage, image_number: int, first_id: int) -> list[dict[str, Any]]:
    """COCO annotations of one image; area and box are those of the truth mask.

    In COCO pixel p covers [p, p + 1), and a filled polygon includes the pixels under its border. So `segmentation` is
    the drawn outline moved by half a pixel and widened by half a pixel: pycocotools makes the truth mask of it. Where
    that is not so, since long slanted edges cover other pixels when they are drawn, it is the outline of the mask;
    where the mask has holes, which polygons of COCO cannot have, its compressed RLE. The drawn points themselves are
    kept in the extra key `points`.
    """
    records = []
    for offset, annotation in enumerate(image.annotations):
        crop, top, left = annotation.fill(image.size)
        rows, columns = np.flatnonzero(crop.any(axis=1)), np.flatnonzero(crop.any(axis=0))
        box = [
            left + int(columns[0]),
            top + int(rows[0]),
            int(columns[-1] - columns[0]) + 1,
            int(rows[-1] - rows[0]) + 1,
        ]
        records.append(
            {
                "id": first_id + offset,
                "image_id": image_number,
                "category_id": annotation.class_id,
                "segmentation": _segmentation(annotation.points, encode_crop(crop, top, left, image.size)),
                "points": annotation.points.tolist(),
                "area": int(crop.sum()),
                "bbox": box,
                "iscrowd": 0,
            }
        )
    return records


def _segmentation(points: IntegerPoints, mask: RunLengthMasks) -> Any:
    """What pycocotools makes just this mask of."""
    for outline in (points, outline_of_runs(mask).points):
        parts = _pixel_outlines(outline)
        made = encode_polygons([parts], mask.size)
        if made.equals(mask):
            return [part.reshape(-1).tolist() for part in parts]
    return {"size": [mask.size.height, mask.size.width], "counts": masks_to_coco_counts(mask)[0].decode("ascii")}


def _pixel_outlines(points: IntegerPoints) -> list[NDArray[np.float64]]:
    """Outer outlines of the area of all pixels that a polygon of pixel points fills."""
    widened = shapely.make_valid(Polygon(points + 0.5)).buffer(0.5, join_style="mitre")
    parts = [widened] if isinstance(widened, Polygon) else list(widened.geoms)
    return [np.round(np.asarray(part.exterior.coords)[:-1], 3) for part in parts]


def result_records(image_number: int | str, masks: RunLengthMasks, scores: Sequence[float]) -> Iterator[dict[str, Any]]:
    """COCO result of each bone that was found, its mask as COCO's compressed RLE."""
    size = [masks.size.height, masks.size.width]
    rows = zip(masks_to_coco_counts(masks), masks.areas(), scores, strict=True)
    for class_id, (counts, area, score) in enumerate(rows):
        if area:
            yield {
                "image_id": image_number,
                "category_id": class_id,
                "segmentation": {"size": size, "counts": counts.decode("ascii")},
                "score": round(float(score), 6),
            }
