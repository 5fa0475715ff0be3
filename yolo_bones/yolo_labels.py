"""An annotation as a line of a YOLO segmentation label file, and back. Text only, no files.

A label line is `class_id x1 y1 x2 y2 ...` with coordinates relative to the image. A pixel is a square and the drawn
point its centre, so pixel p lies at (p + 0.5) / size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.polygons import inset_polygon
from yolo_bones.rle import ImageSize

DECIMALS = 9


def annotation_to_label_line(annotation: Annotation, size: ImageSize, inset_px: float = 0.0) -> str:
    """One label line.

    Args:
        annotation: the bone.
        size: of its image.
        inset_px: move the border inwards by so many image pixels first, against the half input pixel by which
            ultralytics rasterises labels too wide. A bone too thin for it keeps its border: see `bones_without_inset`.
    """
    points, _ = inset_polygon(annotation.points.astype(np.float64), inset_px)
    return outline_to_label_line(annotation.class_id, points + 0.5, size)


def outline_to_label_line(class_id: int, outline: NDArray[np.float64], size: ImageSize) -> str:
    """One label line of any outline.

    Args:
        class_id: of the bone.
        outline: (P, 2) float64 (x, y) in continuous coordinates, pixel p covering [p, p + 1), inside the image.
        size: of the image.
    """
    relative = outline / np.array([size.width, size.height], dtype=np.float64)
    # A point on the image's edge may miss it by a rounding error.
    numbers = " ".join(f"{value:.{DECIMALS}f}" for value in (np.clip(relative, 0.0, 1.0) + 0.0).reshape(-1))
    return f"{class_id} {numbers}"


def image_to_label_text(image: AnnotatedImage, inset_px: float = 0.0) -> str:
    """The whole label file of an image, bones in channel order."""
    lines = (annotation_to_label_line(annotation, image.size, inset_px) for annotation in image.annotations)
    return "".join(f"{line}\n" for line in lines)


def outlines_to_label_text(outlines: Mapping[str, NDArray[np.float64]], size: ImageSize) -> str:
    """The whole label file of outlines in continuous coordinates, bones in channel order."""
    lines = (outline_to_label_line(CLASS_IDS[bone], outlines[bone], size) for bone in BONES if bone in outlines)
    return "".join(f"{line}\n" for line in lines)


def label_text_to_outlines(text: str, size: ImageSize) -> dict[str, NDArray[np.float64]]:
    """Read a label file back as outlines in continuous coordinates."""
    found = (label_line_to_points(line, size) for line in text.splitlines())
    return {BONES[class_id]: points + 0.5 for class_id, points in found}


def bones_without_inset(image: AnnotatedImage, inset_px: float) -> list[str]:
    """Bones that an inset would make vanish or fall into parts."""
    return [
        annotation.bone
        for annotation in image.annotations
        if not inset_polygon(annotation.points.astype(np.float64), inset_px)[1]
    ]


def label_line_to_points(line: str, size: ImageSize) -> tuple[int, NDArray[np.float64]]:
    """Read a label line back.

    Returns:
        (class_id, points): points (P, 2) float64 (x, y) in pixels, pixel centres at integers.

    Raises:
        ValueError: not a class id and at least three points in the image.
    """
    class_text, *numbers = line.split()
    if not class_text.isdigit() or int(class_text) >= BONE_COUNT:
        raise ValueError(f"expected a class id from 0 to {BONE_COUNT - 1}, got {class_text!r}")
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(f"expected at least 3 pairs of numbers, got {len(numbers)} numbers")
    relative = np.array(numbers, dtype=np.float64).reshape(-1, 2)
    if not ((relative >= 0.0) & (relative <= 1.0)).all():
        raise ValueError("expected coordinates from 0 to 1")
    points = relative * np.array([size.width, size.height], dtype=np.float64) - 0.5
    return int(class_text), points
