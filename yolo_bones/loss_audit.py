"""What a conversion loses: every label line rasterised back and compared with its annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.bones import BONES
from yolo_bones.polygons import IntegerPoints, fill_polygon
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


def _iou(annotation: Annotation, points: IntegerPoints, size: ImageSize) -> float:
    drawn, read_back = annotation.fill(size), fill_polygon(points, size)
    corners = [(top, left, top + crop.shape[0], left + crop.shape[1]) for crop, top, left in (drawn, read_back)]
    top, left = min(c[0] for c in corners), min(c[1] for c in corners)
    bottom, right = max(c[2] for c in corners), max(c[3] for c in corners)
    planes = np.zeros((2, bottom - top, right - left), dtype=np.bool_)
    for plane, (crop, row, column) in zip(planes, (drawn, read_back), strict=True):
        plane[row - top : row - top + crop.shape[0], column - left : column - left + crop.shape[1]] = crop
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
