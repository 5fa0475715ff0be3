"""A folder of annotated radiographs: which files belong together, checked as a whole before anything is written."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from yolo_bones.annotation_json import load_annotation_json
from yolo_bones.annotations import AnnotatedImage, RepairLog, is_pseudo_label, read_annotations
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.image_files import STRANGE_SUFFIXES, SUFFIXES, check_image_name, read_grey
from yolo_bones.rle import ImageSize
from yolo_bones.strict_json import read_strict_json

MOST_REPORT_BYTES: Final = 16_000_000
MOST_DEEP: Final = 32
"""Folders in folders."""


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
        is_pseudo: whether its annotations are marked as pseudo-labels.
    """

    pair: Pair
    size: ImageSize
    image_repairs: tuple[str, ...]
    is_pseudo: bool = False

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

    @property
    def pseudo(self) -> tuple[CheckedPair, ...]:
        """Those that are pseudo-labelled."""
        return tuple(checked for checked in self.pairs if checked.is_pseudo)

    @property
    def drawn(self) -> DataSet:
        """The same without pseudo-labelled images."""
        return replace(self, pairs=tuple(checked for checked in self.pairs if not checked.is_pseudo))

    def report(self) -> dict[str, Any]:
        """Counts, repairs, and `source` where a generator made the data; file names are relative to the root."""
        listed = [asdict(repair) for repair in self.repairs.repairs]
        for repair in listed:
            repair["file"] = Path(repair["file"]).relative_to(self.root).as_posix()
        source = read_source(self.root)
        return {
            "images": len(self.pairs),
            "patients": len(self.patients),
            **({"pseudo_labelled_images": len(self.pseudo)} if self.pseudo else {}),
            **({} if source is None else {"source": source}),
            "counters": self.repairs.counters,
            "repairs": listed,
        }


def find_root(raw: Path) -> Path:
    """The folder with `DCM` and `outputs_json`: `raw` itself or its `train`."""
    if not raw.is_dir():
        raise InputError(raw, "", "a folder with DCM/ and outputs_json/", "a file" if raw.exists() else "nothing there")
    places = (raw, raw / "train")
    found = [place for place in places if (place / "DCM").is_dir() and (place / "outputs_json").is_dir()]
    if len(found) == 1:
        return found[0]
    raise InputError(raw, "", "DCM/ and outputs_json/, here or in train/", "both" if found else "a folder without them")


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
            got = f"the name of {first.parent.name}/{first.name}"
            faults.append(InputError(images[key], "", "a base name that no other image has", got))
    if not images and not faults:
        faults.append(InputError(root / "DCM", "", "at least one image in a patient's folder", "none"))
    paired = [Pair(key[0], images[key], annotations[key]) for key in images.keys() & annotations.keys()]
    return sorted(paired, key=lambda pair: (pair.patient_id, pair.image_name))


def find_pseudo(pairs: Iterable[Pair]) -> list[Pair]:
    """Those whose annotation file is marked as a pseudo-label; a file that cannot be read is none."""
    found = []
    for pair in pairs:
        try:
            record = load_annotation_json(pair.annotation, Counter())
        except InputError:
            continue  # said where the file is read for its outlines
        if is_pseudo_label(record):
            found.append(pair)
    return found


def _files_by_key(folder: Path, suffixes: tuple[str, ...], faults: list[InputError]) -> dict[tuple[str, str], Path]:
    """Files one level below `folder` by (patient, stem), names in composed Unicode form."""
    found: dict[tuple[str, str], Path] = {}
    for place, name in _walk(folder, folder.resolve()):
        stem, dot, ending = name.rpartition(".")
        suffix, path = f"{dot}{ending}".lower(), place / name
        if suffix not in suffixes:
            if suffix in STRANGE_SUFFIXES:
                faults.append(InputError(path, "", f"a file name ending in {', '.join(suffixes)}", suffix))
            elif path.is_symlink() and not path.is_file():
                # A patient's folder, perhaps: what lies in it would be lost.
                faults.append(InputError(path, "", "a folder", f"a link to {'one' if path.is_dir() else 'nothing'}"))
            continue
        check_image_name(path)
        check_image_name(place)
        if place.parent != folder:
            faults.append(InputError(path, "", f"a place in a patient's folder, {folder.name}/<patient>/{name}"))
            continue
        # Interned: the same patient and stem come from the images and from their annotations.
        patient = sys.intern(unicodedata.normalize("NFC", place.name))
        key = (patient, sys.intern(unicodedata.normalize("NFC", stem)))
        if key in found:
            faults.append(InputError(path, "", "one file of that stem", f"a second beside {found[key].name}"))
        else:
            found[key] = path
    return found


def _walk(folder: Path, inside: Path, deep: int = 0) -> Iterator[tuple[Path, str]]:
    """(folder, name) of everything below a folder that is no folder itself, in order of names; hidden names left out.

    Raises:
        InputError: too many folders in one another.
        RefusedError: a link that leads out of `inside`.
    """
    if deep > MOST_DEEP:
        raise InputError(folder, "", f"at most {MOST_DEEP} folders in one another", "more")
    with os.scandir(folder) as entries:
        listed = sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)
    for name, is_folder, is_link in listed:
        if name.startswith("."):
            continue
        path = folder / name
        if is_link and not _target(path).is_relative_to(inside):
            raise RefusedError(f"{path}: a link to a place outside the data set is refused")
        if is_folder:
            yield from _walk(path, inside, deep + 1)
        else:
            yield folder, name


def _target(link: Path) -> Path:
    try:
        return link.resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(link, "", "a file", "a link that leads to itself") from error


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
            annotated, repairs = read_annotations(pair.annotation, pair.patient_id, size)
        except InputErrors as error:
            faults.extend(error.faults)
            continue
        except InputError as error:
            faults.append(error)
            continue
        for counter in image_repairs:
            log.add(pair.image, "", counter)
        log.repairs.extend(repairs.repairs)
        checked.append(CheckedPair(pair, size, image_repairs, annotated.is_pseudo))
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
