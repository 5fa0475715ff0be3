"""A folder of annotated radiographs: which files belong together, checked as a whole before anything is written."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.annotations import AnnotatedImage, RepairLog, read_annotations
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.image_files import SUFFIXES, check_image_name, read_grey
from yolo_bones.rle import ImageSize
from yolo_bones.strict_json import read_strict_json

MOST_REPORT_BYTES: Final = 16_000_000
STRANGE_SUFFIXES: Final = (".bmp", ".dcm", ".dicom", ".gif", ".jp2", ".tif", ".tiff", ".webp")
"""Images that are not read: leaving them out silently would lose them."""


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
        """Counts, repairs, and `source` where a generator made the data; file names are relative to the root."""
        listed = [asdict(repair) for repair in self.repairs.repairs]
        for repair in listed:
            repair["file"] = Path(repair["file"]).relative_to(self.root).as_posix()
        source = read_source(self.root)
        return {
            "images": len(self.pairs),
            "patients": len(self.patients),
            **({} if source is None else {"source": source}),
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


def read_source(root: Path) -> dict[str, Any] | None:
    """What a generator of images says about the data set, for the report of whatever is made from it.

    Args:
        root: folder with `DCM` and `outputs_json`; the generator's report.json lies there or, for `train`, one above.

    Returns:
        Its settings and versions, without lists of single cells or images; None where no generator made the data.
    """
    for folder in (root, root.parent) if root.name == "train" else (root,):
        try:
            found = read_strict_json(folder / "report.json", Counter(), MOST_REPORT_BYTES)
        except InputError:
            continue
        if isinstance(found, dict) and isinstance(found.get("generator"), str):
            return {name: value for name, value in found.items() if not isinstance(value, list)}
    return None


def find_pairs(root: Path, faults: list[InputError]) -> list[Pair]:
    """Pair images and JSON files by patient folder and stem, in order of patient and file name.

    Args:
        root: folder with `DCM` and `outputs_json`.
        faults: gets a file without its other half, a name used twice, a file in the wrong place or of a wrong kind.

    Raises:
        RefusedError: a link that leaves the folder, a dangerous file name.
    """
    images = _files_by_key(root / "DCM", tuple(SUFFIXES), faults)
    annotations = _files_by_key(root / "outputs_json", (".json",), faults)
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
    paired = [Pair(key[0], images[key], annotations[key]) for key in images.keys() & annotations.keys()]
    return sorted(paired, key=lambda pair: (pair.patient_id, pair.image_name))


def _files_by_key(folder: Path, suffixes: tuple[str, ...], faults: list[InputError]) -> dict[tuple[str, str], Path]:
    """Files one level below `folder` by (patient, stem), names in composed Unicode form."""
    inside = folder.resolve()
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if not path.resolve().is_relative_to(inside):
            raise RefusedError(f"{path}: a link to a place outside the data set is refused")
        suffix = path.suffix.lower()
        if suffix not in suffixes:
            if suffix in STRANGE_SUFFIXES:
                faults.append(InputError(path, "", f"a file name ending in {', '.join(suffixes)}", path.suffix))
            continue
        check_image_name(path)
        check_image_name(path.parent)
        if path.parent.parent != folder:
            faults.append(InputError(path, "", f"a place in a patient's folder, {folder.name}/<patient>/{path.name}"))
            continue
        patient = unicodedata.normalize("NFC", path.parent.name)
        key = (patient, unicodedata.normalize("NFC", path.stem))
        if key in found:
            faults.append(InputError(path, "", "one file of that stem", f"a second beside {found[key].name}"))
        else:
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
    for pair in watch(find_pairs(root, faults)):
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
