"""A folder of annotated radiographs: which files belong together, checked as a whole before anything is written."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_bones.annotations import AnnotatedImage, RepairLog, read_annotations
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.image_files import SUFFIXES, check_image_name, read_grey
from yolo_bones.rle import ImageSize


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and the JSON drawn on it."""

    patient_id: str
    image: Path
    annotation: Path

    @property
    def image_name(self) -> str:
        """Base name with suffix, as in the submission CSV."""
        return self.image.name


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """A pair that was read and found good.

    Attributes:
        size: of the image.
        image_repairs: what reading the pixels mends; such an image is written anew instead of linked.
    """

    pair: Pair
    size: ImageSize
    image_repairs: tuple[str, ...]

    def read(self) -> AnnotatedImage:
        """Its annotations."""
        image, _ = read_annotations(self.pair.annotation, self.pair.patient_id, self.size)
        return image


@dataclass(frozen=True, slots=True)
class DataSet:
    """All pairs of a data set in order of patient and name, and what was mended on the way."""

    root: Path
    pairs: tuple[CheckedPair, ...]
    repairs: RepairLog

    @property
    def patients(self) -> tuple[str, ...]:
        """Patient ids in order."""
        return tuple(sorted({checked.pair.patient_id for checked in self.pairs}))

    def report(self) -> dict[str, Any]:
        """Counts and repairs; file names are relative to the root."""
        listed = [asdict(repair) for repair in self.repairs.repairs]
        for repair in listed:
            repair["file"] = Path(repair["file"]).relative_to(self.root).as_posix()
        return {
            "images": len(self.pairs),
            "patients": len(self.patients),
            "counters": self.repairs.counters,
            "repairs": listed,
        }


def find_root(raw: Path) -> Path:
    """The folder with `DCM` and `outputs_json`: `raw` itself or its `train`."""
    if not raw.is_dir():
        raise InputError(raw, "", "a folder with DCM/ and outputs_json/", "a file" if raw.exists() else "nothing there")
    for candidate in (raw, raw / "train"):
        if (candidate / "DCM").is_dir() and (candidate / "outputs_json").is_dir():
            return candidate
    raise InputError(raw, "", "DCM/ and outputs_json/, here or in train/", "a folder without them")


def find_pairs(root: Path) -> list[Pair]:
    """Pair images and JSON files by patient folder and stem.

    Raises:
        InputErrors: a file without its other half, a name used twice.
        RefusedError: a link that leaves the folder, a dangerous file name.
    """
    images = _files_by_key(root / "DCM", tuple(SUFFIXES))
    annotations = _files_by_key(root / "outputs_json", (".json",))
    faults: list[InputError] = []
    for key in sorted(images.keys() - annotations.keys()):
        faults.append(InputError(images[key], "", f"its annotation outputs_json/{key[0]}/{key[1]}.json", "none"))
    for key in sorted(annotations.keys() - images.keys()):
        faults.append(InputError(annotations[key], "", f"its image DCM/{key[0]}/{key[1]}.png", "none"))
    seen: dict[str, Path] = {}
    for key in sorted(images):
        first = seen.setdefault(key[1], images[key])
        if first != images[key]:
            faults.append(InputError(images[key], "", "a base name that no other image has", f"the name of {first}"))
    if not images and not faults:
        faults.append(InputError(root / "DCM", "", "at least one image in a patient's folder", "none"))
    if faults:
        raise InputErrors(faults)
    return [Pair(key[0], images[key], annotations[key]) for key in sorted(images)]


def _files_by_key(folder: Path, suffixes: tuple[str, ...]) -> dict[tuple[str, str], Path]:
    """Files one level below `folder` by (patient, stem), names in composed Unicode form."""
    inside = folder.resolve()
    found: dict[tuple[str, str], Path] = {}
    for patient in sorted(folder.iterdir()):
        if not patient.is_dir():
            continue
        for path in sorted(patient.iterdir()):
            if path.suffix.lower() not in suffixes:
                continue
            check_image_name(path)
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise RefusedError(f"{path}: a link to a file outside the data set is refused")
            key = (unicodedata.normalize("NFC", patient.name), unicodedata.normalize("NFC", path.stem))
            if key in found:
                raise InputErrors([InputError(path, "", "one file of that stem", f"a second beside {found[key].name}")])
            found[key] = path
    return found


def check_data_set(raw: Path, watch: Callable[[Iterable[Pair]], Iterable[Pair]] = lambda pairs: pairs) -> DataSet:
    """Read every file of a data set and report all faults at once.

    Args:
        raw: a folder with `DCM/` and `outputs_json/`, or the `train/` folder's parent.
        watch: wraps the iteration, for a progress bar.

    Raises:
        InputErrors: all faults, in order of patient and name.
    """
    root = find_root(raw)
    log = RepairLog()
    faults: list[InputError] = []
    checked: list[CheckedPair] = []
    for pair in watch(find_pairs(root)):
        try:
            pixels, image_repairs = read_grey(pair.image)
            size = ImageSize(*pixels.shape)
            _, repairs = read_annotations(pair.annotation, pair.patient_id, size)
        except InputErrors as error:
            faults.extend(error.faults)
            continue
        except InputError as error:
            faults.append(error)
            continue
        for counter in image_repairs:
            log.add(pair.image, "", counter)
        log.repairs.extend(repairs.repairs)
        checked.append(CheckedPair(pair, size, image_repairs))
    if faults:
        raise InputErrors(faults)
    return DataSet(root, tuple(checked), log)


def fingerprint(data_set: DataSet) -> str:
    """SHA-256 over names, sizes and modification times of all files, to tell whether a data set is the same."""
    digest = hashlib.sha256()
    for checked in data_set.pairs:
        for path in (checked.pair.image, checked.pair.annotation):
            kind = path.stat()
            entry = [path.relative_to(data_set.root).as_posix(), kind.st_size, kind.st_mtime_ns]
            digest.update(json.dumps(entry).encode())
    return digest.hexdigest()
