"""Radiographs with their truth, from a folder in the real layout or one of `make_phantoms`.

Exact runs (`train_truth.csv`, `test_truth.csv`) are taken where they are, else the drawn polygons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotations import AnnotatedImage, read_annotations
from yolo_bones.bones import BONES
from yolo_bones.data_set import find_pairs, find_root
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import read_grey, read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle import ImageSize, RunLengthMasks, empty_masks, encode_crop, stack
from yolo_bones.rle_table import open_rle_table

SPLITS: Final = ("train", "test")


@dataclass(frozen=True, slots=True, eq=False)
class TruthSource:
    """Where one image and its truth are; small enough to be sent to another process.

    Attributes:
        image: the file.
        patient_id: name of its folder.
        size: of the image.
        annotation: JSON of drawn polygons, or None when `runs` are given.
        runs: (edges, offsets) of the 29 channels, see `RunLengthMasks`.
    """

    image: Path
    patient_id: str
    size: ImageSize
    annotation: Path | None = None
    runs: tuple[NDArray[np.int32], NDArray[np.int64]] | None = None

    def masks(self) -> RunLengthMasks:
        """The 29 channels.

        Raises:
            InputErrors: faults of the annotation.
        """
        if self.runs is not None:
            return RunLengthMasks.from_edges(self.size, *self.runs)
        if self.annotation is None:
            raise ValueError("expected runs or an annotation, got neither")
        return annotated_masks(read_annotations(self.annotation, self.patient_id, self.size)[0])

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W) grey levels."""
        return read_grey(self.image)[0]


def annotated_masks(image: AnnotatedImage) -> RunLengthMasks:
    """29 channels of drawn polygons, filled; a bone that is not drawn is empty."""
    drawn = {annotation.bone: annotation for annotation in image.annotations}
    size = image.size
    masks = [encode_crop(*drawn[bone].fill(size), size) if bone in drawn else empty_masks(size) for bone in BONES]
    return stack(size, masks)


def list_images(folder: Path, split: str = "train", drawn: bool = False) -> list[str]:
    """Names of the images that `read_truth` will give, in its order; see there."""
    table = _table_of(folder, split, drawn)
    if table is not None:
        return open_rle_table(table).names()
    faults: list[InputError] = []
    names = [pair.image_name for pair in find_pairs(_drawn_root(folder, split), faults)]
    if faults:
        raise InputErrors(faults)
    return names


def read_truth(folder: Path, split: str = "train", drawn: bool = False) -> Iterator[TruthSource]:
    """Every image of one split with its truth, one at a time.

    Args:
        folder: holds `<split>/DCM` or `DCM`, with `outputs_json` beside it or `<split>_truth.csv`.
        split: `train` or `test`.
        drawn: take the drawn polygons even where exact runs are there.

    Raises:
        InputError: no truth there, or an image that a table names is missing.
        InputErrors: files that do not belong together.
    """
    table = _table_of(folder, split, drawn)
    if table is not None:
        yield from _read_table(folder, split, table)
        return
    faults: list[InputError] = []
    pairs = find_pairs(_drawn_root(folder, split), faults)
    if faults:
        raise InputErrors(faults)
    for pair in pairs:
        yield TruthSource(pair.image, pair.patient_id, read_image_size(pair.image), annotation=pair.annotation)


def _table_of(folder: Path, split: str, drawn: bool) -> Path | None:
    table = folder / f"{split}_truth.csv"
    return table if table.is_file() and not drawn else None


def _drawn_root(folder: Path, split: str) -> Path:
    if split == "train":
        return find_root(folder)
    inner = folder / split
    if not (inner / "outputs_json").is_dir():
        raise InputError(folder, "", f"{split}_truth.csv or {split}/outputs_json", "neither")
    return find_root(inner)


def _read_table(folder: Path, split: str, table: Path) -> Iterator[TruthSource]:
    images = next((place for place in (folder / split / "DCM", folder / "DCM") if place.is_dir()), None)
    if images is None:
        raise InputError(folder, "", f"{split}/DCM beside {table.name}", "none")
    by_name = {path.name: path for path in find_images(images)}
    for rows in open_rle_table(table).images():
        path = by_name.get(rows.image_name)
        if path is None:
            raise InputError(rows.place, "image_name", f"an image in {images}", rows.image_name)
        size = read_image_size(path)
        masks = rows.masks(size)
        yield TruthSource(path, path.parent.name, size, runs=(masks.edges, masks.offsets))
