"""The two sides of an exploration: annotated images to train on, and images to test on with masks from somewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.data_set import find_pairs, find_root
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle_table import RleTable, open_rle_table
from yolo_bones.truth_sources import TruthSource

TRAIN: Final = "train"
TEST: Final = "test"
IMAGES_FOLDER: Final = "DCM"


@dataclass(frozen=True, slots=True)
class Listed:
    """One image before it is read.

    Attributes:
        image: the file.
        patient: name of its folder; the file's own name where images lie without folders.
        annotation: drawn on it, or None when a table holds its masks.
    """

    image: Path
    patient: str
    annotation: Path | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """All images of one side, in order of patient and name.

    Attributes:
        name: `train` or `test`.
        images: of the side.
        masks_from: for people: `annotations`, `truth`, `predictions`.
        table: of run lengths, or None when all images are annotated.
    """

    name: str
    images: tuple[Listed, ...]
    masks_from: str
    table: Path | None = None

    def read(self, chosen: Sequence[Listed], faults: list[InputError] | None = None) -> Iterator[TruthSource]:
        """Some of its images with their masks, in the order given.

        Args:
            chosen: of its images.
            faults: gets those of images that cannot be read, which are then left out; raised when not given.

        Raises:
            InputError: an image or rows of the table that cannot be read.
        """
        table = None if self.table is None else open_rle_table(self.table)
        for listed in chosen:
            try:
                yield _read(listed, table)
            except InputError as error:
                if faults is None:
                    raise
                faults.append(error)


def _read(listed: Listed, table: RleTable | None) -> TruthSource:
    size = read_image_size(listed.image)
    if table is None:
        return TruthSource(listed.image, listed.patient, size, annotation=listed.annotation)
    rows = table.find(listed.image.name)
    if rows is None:
        raise InputError(table.path, "image_name", f"rows for {listed.image.name}", "none")
    masks = rows.masks(size)
    return TruthSource(listed.image, listed.patient, size, runs=(masks.edges, masks.offsets))


def annotated_side(raw: Path, name: str = TRAIN) -> Side:
    """Images with drawn outlines, from the real layout.

    Raises:
        InputErrors: files without their other half, names used twice.
    """
    faults: list[InputError] = []
    pairs = find_pairs(find_root(raw), faults)
    if faults:
        raise InputErrors(faults)
    return Side(name, tuple(Listed(pair.image, pair.patient_id, pair.annotation) for pair in pairs), "annotations")


def image_side(folder: Path, table: Path, masks_from: str, name: str = TEST) -> Side:
    """All images of a folder, with masks of a table that need not be there yet.

    Raises:
        InputError: no image there.
    """
    images = (Listed(path, _patient(path, folder)) for path in find_images(folder))
    listed = sorted(images, key=lambda one: (one.patient, one.image.name))
    return Side(name, tuple(listed), masks_from, table)


def check_table(side: Side) -> int:
    """How many images of a side's table are not images of the side.

    Raises:
        InputErrors: images without rows, faults of the table.
    """
    if side.table is None:
        return 0
    known, names = set(open_rle_table(side.table).names()), [listed.image.name for listed in side.images]
    faults = [InputError(side.table, "image_name", f"rows for {name}", "none") for name in names if name not in known]
    if faults:
        raise InputErrors(faults)
    return len(known) - len(names)


def fingerprint_of(sides: Sequence[Side], made: Path) -> str:
    """SHA-256 over names, sizes and modification times of all files, to tell whether the input is the same.

    Args:
        sides: of the exploration.
        made: a table that the run writes itself, which counts as no input.
    """
    digest = hashlib.sha256()
    for side in sides:
        table = None if side.table == made else side.table
        digest.update(json.dumps([side.name, side.masks_from, *_state(table)]).encode())
        for listed in side.images:
            entry = [listed.patient, *_state(listed.image), *_state(listed.annotation)]
            digest.update(json.dumps(entry).encode())
    return digest.hexdigest()


def _state(path: Path | None) -> list[str | int]:
    if path is None:
        return []
    kind = path.stat()
    return [path.name, kind.st_size, kind.st_mtime_ns]


def table_beside(folder: Path) -> Path | None:
    """`<folder>_truth.csv` beside a folder of images, or beside the folder above its `DCM`."""
    folder = folder.resolve()
    for place in (folder, folder.parent) if folder.name == IMAGES_FOLDER else (folder,):
        table = place.with_name(f"{place.name}_truth.csv")
        if table.is_file():
            return table
    return None


def _patient(image: Path, folder: Path) -> str:
    """Of an image's place: hands that lie in the folder itself, or in `DCM`, are counted as patients of their own."""
    parent = image.parent
    return image.stem if parent in (folder, folder.parent) or parent.name == IMAGES_FOLDER else parent.name
