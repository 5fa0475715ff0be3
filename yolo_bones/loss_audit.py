"""What a conversion loses: every label line rasterised back and compared with its annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.bones import BONES
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import ImageSize
from yolo_bones.yolo_labels import image_to_label_text, label_line_to_points


def label_ious(image: AnnotatedImage) -> dict[str, float]:
    """IoU of each bone's annotation and its label line (before any inset), both filled at native resolution."""
    lines = image_to_label_text(image).splitlines()
    ious: dict[str, float] = {}
    for annotation, line in zip(image.annotations, lines, strict=True):
        class_id, points = label_line_to_points(line, image.size)
        ious[BONES[class_id]] = _iou(annotation, np.rint(points).astype(np.int32), image.size)
    return ious


def _iou(annotation: Annotation, points: np.ndarray[Any, np.dtype[np.int32]], size: ImageSize) -> float:
    planes = []
    for crop, top, left in (annotation.fill(size), fill_polygon(points, size)):
        plane = np.zeros((size.height, size.width), dtype=np.bool_)
        plane[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        planes.append(plane)
    union = int((planes[0] | planes[1]).sum())
    return int((planes[0] & planes[1]).sum()) / union if union else 1.0


def summarise_ious(ious: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Per bone that occurs: mean and minimum IoU, and how many."""
    table: dict[str, dict[str, float]] = {}
    for bone in BONES:
        values = [image[bone] for image in ious if bone in image]
        if values:
            mean, least = round(float(np.mean(values)), 6), round(min(values), 6)
            table[bone] = {"images": len(values), "mean_iou": mean, "min_iou": least}
    return table


def audit_table(summary: Mapping[str, Mapping[str, float]]) -> str:
    """The summary as text, a line a bone."""
    lines = [f"{'bone':<12}{'images':>7}{'mean IoU':>10}{'min IoU':>10}"]
    for bone, row in summary.items():
        lines.append(f"{bone:<12}{row['images']:>7.0f}{row['mean_iou']:>10.5f}{row['min_iou']:>10.5f}")
    return "\n".join(lines)
