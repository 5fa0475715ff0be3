"""Training images with their bones, read from a folder in YOLO's layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.annotated_hand import area_centroid, believed_fit
from yolo_bones.bones import BONES
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import read_grey
from yolo_bones.rle import ImageSize
from yolo_bones.yolo_labels import label_line_to_points

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBone:
    """One outline.

    Attributes:
        class_id: of the bone.
        points: (P, 2) float64 (x, y), pixel centres at whole numbers, as drawn.
        normals: (P, 2) outward unit vectors.
    """

    class_id: int
    points: Points
    normals: Points


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """A training image.

    Attributes:
        path: of the image.
        grey: (H, W) uint8.
        bones: its outlines, in the order of the label file.
        frame: of its hand, None where too few bones tell or agree.
    """

    path: Path
    grey: NDArray[np.uint8]
    bones: tuple[LabelledBone, ...]
    frame: HandFrame | None

    @property
    def size(self) -> ImageSize:
        """Of the image."""
        return ImageSize(*self.grey.shape)


def find_labelled(images: Path) -> list[tuple[Path, Path]]:
    """Images of a folder `.../images/<subset>` with their label files in `.../labels/<subset>`, sorted.

    Args:
        images: that folder, or a sampling list (.txt) whose lines are paths of such images from its own folder; an
            image on several lines is drawn as often.

    Raises:
        InputError: no such folder or list, no image.
        InputErrors: images without a label file.
    """
    listed = images.suffix == ".txt" and images.is_file()
    if not listed and not images.is_dir():
        raise InputError(images, "", "a folder of images", "nothing" if not images.exists() else "a file")
    lines = images.read_text(encoding="utf-8").splitlines() if listed else []
    found = sorted(images.parent / line for line in lines if line) if listed else sorted(images.iterdir())
    found = [path for path in found if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if not found:
        raise InputError(images, "", "at least one image", "none")
    strange = [path for path in found if path.parent.parent.name != "images"]
    if strange:
        raise InputError(images, "", "images in a folder images/<subset> beside labels/<subset>", strange[0].name)
    labels = {folder: folder.parent.parent / "labels" / folder.name for folder in {path.parent for path in found}}
    pairs = [(path, (labels[path.parent] / path.name).with_suffix(".txt")) for path in found]
    faults = [
        InputError(label, "", "a label file beside its image", "nothing") for _, label in pairs if not label.is_file()
    ]
    if faults:
        raise InputErrors(faults)
    return pairs


def read_labelled(image: Path, label: Path) -> LabelledImage:
    """Read one image and its outlines.

    Raises:
        InputError: an unreadable image or a bad label line.
    """
    grey, _ = read_grey(image)
    size = ImageSize(*grey.shape)
    bones = []
    for number, line in enumerate(label.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            class_id, points = label_line_to_points(line, size)
        except ValueError as error:
            raise InputError(f"{label}:{number}", "", str(error)) from error
        bones.append(LabelledBone(class_id, points, outward_normals(points)))
    fit = believed_fit({BONES[bone.class_id]: area_centroid(bone.points) for bone in bones})
    return LabelledImage(image, grey, tuple(bones), fit.frame if fit else None)


def outward_normals(points: Points) -> Points:
    """(P, 2) unit vectors that point out of a closed polygon, smoothed over neighbouring points."""
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    along = along + 0.5 * (np.roll(along, 1, axis=0) + np.roll(along, -1, axis=0))
    x, y = points[:, 0], points[:, 1]
    clockwise = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) > 0.0
    normals = np.column_stack([along[:, 1], -along[:, 0]]) * (1.0 if clockwise else -1.0)
    lengths = np.hypot(normals[:, 0], normals[:, 1])[:, None]
    return np.asarray(normals / np.where(lengths > 0.0, lengths, 1.0))
