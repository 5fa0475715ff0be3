"""What `coco_to_points` and `rle_to_points` share: whose image each is, and the folder that they write."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from yolo_bones.command_line import say
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import replacing, write_text
from yolo_bones.image_files import check_image_name, read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.image_table import read_patients
from yolo_bones.mask_outlines import MaskOutline, OutlineError, outline_of_runs, pieces
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.step_ledger import digest_of, fingerprint_of

PRODUCTS: Final = ("DCM", "outputs_json", "report.json")
MOST_OF_PATIENT: Final = 8
"""Images in one folder; a folder with more is no patient's."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """An image file, its patient and its size; the patient is empty where nothing tells it."""

    path: Path
    patient_id: str
    size: ImageSize


def add_points_arguments(parser: argparse.ArgumentParser) -> None:
    """Output, images and patients."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, a data set of its own")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="FILE",
        help="images.csv: columns image_name and patient; else the sub-folders of --images are the patients",
    )
    parser.add_argument("--copy", action="store_true", help="copy PNG images; without, they are hard-linked")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run made in OUT")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def find_places(folder: Path, table: Path | None) -> dict[str, ImagePlace]:
    """All images of a folder by name.

    Args:
        folder: searched recursively.
        table: of patients, or None.

    Raises:
        InputErrors: unreadable images, a patient that is no folder name, a folder of too many images.
    """
    paths = find_images(folder)
    known = {} if table is None else read_patients(table)
    faults: list[InputError] = []
    found: dict[str, ImagePlace] = {}
    held: dict[Path, int] = {}
    for path in paths:
        held[path.parent] = held.get(path.parent, 0) + 1
        by_folder = "" if path == folder or path.parent == folder else path.parent.name
        patient = by_folder if table is None else known.get(path.name, "")
        try:
            if patient:
                _check_patient(patient, table or path)
            found[path.name] = ImagePlace(path, patient, read_image_size(path))
        except InputError as error:
            faults.append(error)
    if table is None:
        for parent, count in held.items():
            if parent != folder and count > MOST_OF_PATIENT:
                expected = f"a patient's folder, of at most {MOST_OF_PATIENT} images (or --patients images.csv)"
                faults.append(InputError(parent, "", expected, f"{count} images"))
    if faults:
        raise InputErrors(faults)
    return found


def _check_patient(patient: str, source: Path) -> None:
    """A patient becomes a folder of OUT, so it must be no way out of it."""
    if patient.startswith(".") or patient in ("", "..") or set("/\\") & set(patient) or patient != patient.strip():
        raise InputError(source, "patient", "the name of a folder", patient)
    check_image_name(Path(patient))


def patient_faults(places: Mapping[str, ImagePlace], names: Iterable[str], table: Path | None) -> list[InputError]:
    """A fault for each of these images whose patient is not known."""
    expected = "the images in sub-folders, one a patient, or --patients images.csv"
    faults: list[InputError] = []
    for name in names:
        if not places[name].patient_id:
            place = places[name].path if table is None else table
            wanted = expected if table is None else f"a row for {name}"
            faults.append(InputError(place, "patient" if table is None else "image_name", wanted, "none"))
    return faults


def with_patients(
    places: Mapping[str, ImagePlace], told: Mapping[str, str], source: Path, faults: list[InputError]
) -> dict[str, ImagePlace]:
    """Fill in patients that neither a table nor a folder tells; a contradiction is a fault.

    Args:
        places: the images.
        told: image name -> patient, by the file that is converted.
        source: that file, for messages.
        faults: gets what is wrong.
    """
    found = dict(places)
    for name, patient in told.items():
        known = places[name].patient_id
        if known and known != patient:
            faults.append(InputError(source, "patient_id", f"{known}, whose image {name} is", patient))
        elif not known:
            try:
                _check_patient(patient, source)
            except InputError as error:
                faults.append(error)
            found[name] = replace(places[name], patient_id=patient)
    return found


def fingerprint_of_input(
    places: Mapping[str, ImagePlace], folder: Path, files: Iterable[Path | None]
) -> dict[str, Any]:
    """Tells whether the input of an interrupted run is still the same; no paths.

    Args:
        places: the images.
        folder: that they were found in, or the only one.
        files: whatever else is read; a folder counts by its names and sizes.
    """
    root = folder if folder.is_dir() else folder.parent
    read = [[path.name, digest_of(path)] for path in files if path is not None]
    return {"images": fingerprint_of((place.path for place in places.values()), root), "files": read}


def outline_bone(mask: RunLengthMasks, place: str, field: str) -> MaskOutline:
    """The outline of one bone.

    Raises:
        InputError: the mask cannot be one; names `place` and `field`.
    """
    try:
        return outline_of_runs(mask)
    except OutlineError as error:
        expected, got = str(error).split("|")
        raise InputError(place, field, expected, got) from error


def inexact_record(image_name: str, bone: str, outline: MaskOutline) -> dict[str, Any] | None:
    """What the report says of an outline that joins parts or goes round holes; None of all others."""
    found = dict(pieces(outline))
    return {"image": image_name, "bone": bone, **found} if found else None


def write_data_set(
    out: Path, places: Mapping[str, ImagePlace], records: Iterable[tuple[str, dict[str, Any]]], *, copy: bool
) -> int:
    """Write annotation files, and their images beside them; returns how many links were wanted and not possible.

    Args:
        out: gets `DCM` and `outputs_json`.
        places: of the images.
        records: image name and content of its annotation file.
        copy: never link.
    """
    not_linked = 0
    for name, record in records:
        place = places[name]
        not_linked += _place_image(place.path, out / "DCM" / place.patient_id / name, copy=copy)
        target = out / "outputs_json" / place.patient_id / f"{place.path.stem}.json"
        write_text(target, json.dumps(record, ensure_ascii=False) + "\n")
    return not_linked


def _place_image(source: Path, target: Path, *, copy: bool) -> bool:
    """Link a PNG, copy a JPEG, which ultralytics may rewrite in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    is_linked = not copy and source.suffix.lower() == ".png"
    if is_linked:
        target.unlink(missing_ok=True)
        try:
            os.link(source.resolve(), target)
            return False
        except OSError:
            pass
    with replacing(target, "wb") as stream, source.open("rb") as original:
        shutil.copyfileobj(original, stream)
    return is_linked


def say_inexact(listed: list[dict[str, Any]], report: Path, quiet: bool) -> None:
    """A line where outlines tell something else than the masks did."""
    added, lost = (sum(record.get(key, 0) for record in listed) for key in ("added_px", "lost_px"))
    if added or lost:
        parts = f"{added} pixels were added to join parts, {lost} lost"
        say(f"{parts}; {report} lists {len(listed)} bones with parts or holes", quiet)
