"""An annotated image carried into its hand's canonical view: outlines as exact points, cut where they leave the view.

Outlines here are (P, 2) float64 in continuous coordinates of the view: pixel p covers [p, p + 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.polygons import inset_polygon
from yolo_bones.rle import ImageSize
from yolo_bones.views import CANONICAL, View, between_centres, hand_view, input_size_of_window

STRIDE: Final = 32
LEAST_LONGEST_PX: Final = 64
MOST_LONGEST_PX: Final = 8192
LEAST_AREA_PX: Final = 1.0
"""A bone of which less lies in the view is left out."""
FINE: Final = 4
"""Masks are compared at so many times the view's resolution."""

Outline = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CarriedBones:
    """The bones of an image in a view.

    Attributes:
        outlines: bone -> outline inside the view, channel order.
        clipped: bones of which a part lies outside the view.
        split: of these, bones that the view cuts into several parts; the largest is kept.
        outside: bones of which nothing lies in the view.
        without_inset: bones that an inset would make vanish or fall into parts; they keep their border.
    """

    outlines: dict[str, Outline]
    clipped: tuple[str, ...]
    split: tuple[str, ...]
    outside: tuple[str, ...]
    without_inset: tuple[str, ...]


def canonical_view(image_size: ImageSize, frame: HandFrame, longest_px: int | None = None) -> View | None:
    """The whole hand, thumb left and fingers up.

    Args:
        image_size: of the native image.
        frame: of its hand.
        longest_px: of the view, a multiple of 32; None takes the least that has a pixel for every native one.

    Returns:
        None where that would be more than 8192 pixels: no hand is so large.
    """
    if longest_px is not None:
        return hand_view(image_size, frame, CANONICAL, input_size_of_window(CANONICAL, longest_px, STRIDE))
    enough = frame.unit_px * max(CANONICAL.width, CANONICAL.height)
    if enough > MOST_LONGEST_PX:
        return None
    longest_px = max(LEAST_LONGEST_PX, int(np.ceil(enough / STRIDE)) * STRIDE)
    while True:
        view = hand_view(image_size, frame, CANONICAL, input_size_of_window(CANONICAL, longest_px, STRIDE))
        if view.scale >= 1.0:
            return view
        # The shorter side was rounded down.
        longest_px += STRIDE


def carry_bones(image: AnnotatedImage, view: View, inset_px: float = 0.0) -> CarriedBones:
    """Carry all outlines of an image into a view.

    Args:
        image: of the view's image size.
        view: to carry into.
        inset_px: move borders inwards by so many pixels of the view; edges cut by the view stay where it ends.
    """
    outlines: dict[str, Outline] = {}
    found: dict[str, list[str]] = {"clipped": [], "split": [], "outside": [], "without_inset": []}
    for annotation in image.annotations:
        bone = annotation.bone
        outline, done = inset_polygon(view.to_input(annotation.points.astype(np.float64) + 0.5), inset_px)
        if not done:
            found["without_inset"].append(bone)
        limit = np.array([view.input_size.width, view.input_size.height], dtype=np.float64)
        if ((outline >= 0.0) & (outline <= limit)).all():
            outlines[bone] = outline
            continue
        parts = clip_outline(outline, view.input_size)
        if not parts:
            found["outside"].append(bone)
            continue
        outlines[bone] = parts[0]
        found["clipped"].append(bone)
        if len(parts) > 1:
            found["split"].append(bone)
    return CarriedBones(outlines, **{name: tuple(bones) for name, bones in found.items()})


def clip_outline(outline: Outline, size: ImageSize) -> list[Outline]:
    """The parts of an outline inside a view, largest first; parts of less than a pixel are none."""
    inside = shapely.make_valid(shapely.Polygon(outline)).intersection(shapely.box(0, 0, size.width, size.height))
    parts = [part for part in getattr(inside, "geoms", [inside]) if part.geom_type == "Polygon"]
    parts = sorted((part for part in parts if part.area >= LEAST_AREA_PX), key=lambda part: -part.area)
    return [np.asarray(part.exterior.coords, dtype=np.float64)[:-1] for part in parts]


def carried_ious(image: AnnotatedImage, view: View, outlines: dict[str, Outline]) -> dict[str, float]:
    """IoU of each bone's drawn mask, carried into the view as pixels, and its outline filled there.

    The mask goes the way the grey image goes, the outline the way of the label: a mistake in either shows. What is left
    between them is the staircase of pixels: 0.99 for hands of 1024 pixels.

    Args:
        image: of the view's image size.
        view: that the outlines were carried into.
        outlines: bone -> outline as its label line gives it back.
    """
    drawn = {annotation.bone: annotation for annotation in image.annotations}
    return {bone: _iou(drawn[bone], view, outline) for bone, outline in outlines.items()}


def _iou(annotation: Annotation, view: View, outline: Outline) -> float:
    """Both at `FINE` times the view's resolution, inside the view."""
    crop, top, left = annotation.fill(view.image_size)
    height, width = crop.shape
    corners = np.array([[left, top], [left + width, top], [left, top + height], [left + width, top + height]])
    both = np.concatenate([view.to_input(corners.astype(np.float64)), outline])
    low = np.clip(np.floor(both.min(axis=0) - view.scale), 0, None)
    high = np.minimum(np.ceil(both.max(axis=0) + view.scale), [view.input_size.width, view.input_size.height])
    columns, rows = np.maximum((high - low).astype(int) * FINE, 1).tolist()
    to_fine = FINE * view.matrix
    to_fine[:, 2] += to_fine[:, :2] @ np.array([left, top]) - FINE * low
    drawn = cv2.warpAffine(
        crop.view(np.uint8), between_centres(to_fine), (columns, rows), flags=cv2.INTER_NEAREST
    ).astype(np.bool_)
    # A drawn outline runs through the centres of native pixels that it fills, as cv2 fills those of the fine plane.
    gap = 0.5 * view.scale - 0.5 / FINE
    wide = shapely.make_valid(shapely.Polygon(outline)).buffer(gap, join_style="mitre")
    filled = np.zeros((rows, columns), dtype=np.uint8)
    for part in getattr(wide, "geoms", [wide]):
        if not part.is_empty:
            ring = np.rint((np.asarray(part.exterior.coords) - low) * FINE - 0.5).astype(np.int32)
            cv2.fillPoly(filled, [ring.reshape(-1, 1, 2)], 1)
    union = int((drawn | filled.view(np.bool_)).sum())
    return int((drawn & filled.view(np.bool_)).sum()) / union if union else 1.0
