"""Make synthetic hand radiographs with exact truth, in the real data set's layout.

    python -m yolo_bones.make_phantoms OUT --patients 20 --test 4 --seed 1 --size 2048

Writes OUT/train/{DCM,outputs_json}, OUT/train_truth.csv, with --test also OUT/test/DCM and OUT/test_truth.csv,
OUT/meta_data.xlsx, with --plant-errors OUT/planted_errors.json, and OUT/report.json. The truth is exact; annotations
fill to the same pixels, or with --annotator-noise to what a person would draw. An interrupted run goes on where it
stopped; the result is the same to the byte for any number of workers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from yolo_bones import __version__
from yolo_bones.claims import claim
from yolo_bones.command_line import count_argument, image_size_argument, progress, run_command, say, share_argument
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import TEMPORARY_MARK, remove_folder, sweep_temporaries, write_text
from yolo_bones.parallel import work_in_order
from yolo_bones.phantom.metadata_table import row_count, write_metadata_table
from yolo_bones.phantom.patients import image_names, write_patient
from yolo_bones.phantom.planted_errors import plan_errors
from yolo_bones.phantom.settings import SPREADS, PhantomSettings, patient_name
from yolo_bones.resumable import PartFolder
from yolo_bones.rle_table import write_rle_table

LEAST_HEIGHT: Final = 128
"""Below, the smallest bones have no area that a polygon of whole points could hold."""
LEAST_WIDTH_OF_HEIGHT: Final = 0.4
"""In narrower images a hand that fits is so small that its forearm ends inside the frame."""
MOST_PATIENTS: Final = 100_000
USUAL_NOISE_PX: Final = 0.6
"""Gives polygons whose Dice against the exact truth is 0.985 to 0.995 for the bones of the fingers."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.make_phantoms", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new, empty or an interrupted run's")
    parser.add_argument("--patients", type=count_argument, default=10, help="annotated patients, two images each")
    parser.add_argument("--test", type=count_argument, default=0, help="further patients without annotations")
    parser.add_argument("--seed", type=count_argument, default=0, help="of all chance")
    parser.add_argument("--size", type=image_size_argument, default="2048", help="HEIGHTxWIDTH or one number")
    parser.add_argument("--bent", type=share_argument, default=0.1, help="share of patients with a bent wrist")
    parser.add_argument(
        "--domain", choices=tuple(SPREADS), default="default", help="wide: twice the real population's variation"
    )
    parser.add_argument(
        "--annotator-noise",
        type=float,
        nargs="?",
        const=USUAL_NOISE_PX,
        default=0.0,
        metavar="PX",
        help="how far drawn outlines stray from the bone, standard deviation in pixels of an image 2048 high"
        f" ({USUAL_NOISE_PX} when no number is given); truth stays exact",
    )
    parser.add_argument(
        "--plant-errors", type=count_argument, default=0, metavar="N", help="annotated images with one label error each"
    )
    parser.add_argument(
        "--dirty-metadata", action="store_true", help="the real metadata's dirt, in the table and in the annotations"
    )
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_make, build_parser().parse_args(argv))


def _make(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    plan_errors(settings)
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    claim(out)
    parts = _open_parts(out, settings)
    if parts is None:
        say(f"{out}: holds exactly these phantoms already", arguments.quiet)
        return 0
    numbers = range(1, settings.total + 1)
    todo = [number for number in numbers if not _is_done(out, settings, parts, number)]
    work = partial(_write_one, settings, out, parts)
    jobs = work_in_order(work, todo, arguments.workers, named=patient_name)
    for _ in progress(jobs, "phantoms", len(todo), arguments.quiet, unit="patient"):
        pass
    _write_truth(out / "train_truth.csv", parts, numbers[: settings.patients])
    if settings.test_patients:
        _write_truth(out / "test_truth.csv", parts, numbers[settings.patients :])
    report = {**settings.as_record(), **_write_tables(out, settings, parts)}
    write_text(out / "report.json", _json(report))
    parts.remove()
    images = 2 * settings.total
    say(
        f"{out}: {images} images of {settings.total} patients, {settings.test_patients} of them for test",
        arguments.quiet,
    )
    return 0


def _settings(arguments: argparse.Namespace) -> PhantomSettings:
    size = arguments.size
    if size.height < LEAST_HEIGHT or size.width < LEAST_WIDTH_OF_HEIGHT * size.height:
        expected = f"a height of at least {LEAST_HEIGHT} and a width of at least {LEAST_WIDTH_OF_HEIGHT} of it"
        raise InputError("--size", "", expected, str(size))
    if not 0.0 <= arguments.annotator_noise <= 20.0:
        raise InputError("--annotator-noise", "", "pixels from 0 to 20", arguments.annotator_noise)
    if arguments.patients + arguments.test > MOST_PATIENTS:
        raise InputError("--patients", "", f"at most {MOST_PATIENTS}, those of --test included", arguments.patients)
    return PhantomSettings(
        patients=arguments.patients,
        test_patients=arguments.test,
        seed=arguments.seed,
        height=size.height,
        width=size.width,
        bent=arguments.bent,
        domain=arguments.domain,
        annotator_noise=arguments.annotator_noise,
        plant_errors=arguments.plant_errors,
        dirty_metadata=arguments.dirty_metadata,
    )


def _write_tables(out: Path, settings: PhantomSettings, parts: PartFolder) -> dict[str, Any]:
    """Write what is about the whole set, and return what the report says beyond the settings."""
    dirty_cells = write_metadata_table(out / "meta_data.xlsx", settings)
    planted = [
        error for number in _in_order(range(1, settings.patients + 1)) for error in parts.read(_key(number))["planted"]
    ]
    if settings.plant_errors:
        write_text(out / "planted_errors.json", _json(planted))
    kinds = Counter(str(error["kind"]) for error in planted)
    return {
        "version": __version__,
        "metadata_rows": row_count(settings),
        "dirty_cells": dirty_cells,
        "planted_kinds": dict(kinds),
    }


def _json(content: object) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _open_parts(out: Path, settings: PhantomSettings) -> PartFolder | None:
    """Patients done so far, or None when `out` is finished; refuses a folder that holds anything else."""
    report, parts = out / "report.json", out / ".parts"
    if report.exists() or parts.exists():
        sweep_temporaries(out)
    if report.exists():
        try:
            found = json.loads(report.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        wanted = settings.as_record()
        if not isinstance(found, dict) or {name: found.get(name) for name in wanted} != wanted:
            raise RefusedError(f"{out}: holds phantoms of other settings; give another folder or remove it")
        _refuse_if_damaged(out, settings)
        remove_folder(parts)
        return None
    others = [path for path in out.iterdir() if TEMPORARY_MARK not in path.name] if out.exists() else []
    if others and not parts.exists():
        raise RefusedError(f"{out}: is not empty and holds no unfinished run; give another folder")
    return PartFolder(parts, settings.as_record(), way_out="repeat that command, give another folder or remove it")


def _refuse_if_damaged(out: Path, settings: PhantomSettings) -> None:
    """A finished set that lost files is not made whole by stealth."""
    wanted = [out / "meta_data.xlsx", out / "train_truth.csv"]
    wanted += [out / "test_truth.csv"] if settings.test_patients else []
    wanted += [out / "planted_errors.json"] if settings.plant_errors else []
    wanted += [path for number in range(1, settings.total + 1) for path in _files_of(out, settings, number)]
    missing = [path for path in wanted if not path.exists()]
    if missing:
        what = f"{len(missing)} files of this finished set are missing, first {missing[0]}"
        raise RefusedError(f"{out}: {what}; remove the folder and repeat")


def _files_of(out: Path, settings: PhantomSettings, number: int) -> list[Path]:
    """The images of a patient, copies that errors plant not counted, and their annotations."""
    annotated = number <= settings.patients
    split, patient = out / ("train" if annotated else "test"), patient_name(number)
    files = []
    for name in image_names(settings, number)[:2]:
        files.append(split / "DCM" / patient / f"{name}.png")
        if annotated:
            files.append(split / "outputs_json" / patient / f"{name}.json")
    return files


def _is_done(out: Path, settings: PhantomSettings, parts: PartFolder, number: int) -> bool:
    return parts.has(_key(number)) and all(path.exists() for path in _files_of(out, settings, number))


def _key(number: int) -> str:
    return f"{number:06d}"


def _write_one(settings: PhantomSettings, out: Path, parts: PartFolder, number: int) -> int:
    """Write one patient; the part, written last, marks it as done."""
    cv2.setNumThreads(1)
    annotated = number <= settings.patients
    written = write_patient(settings, number, out / ("train" if annotated else "test"), annotated)
    parts.write(_key(number), asdict(written))
    return number


def _in_order(numbers: Sequence[int]) -> list[int]:
    """Numbers of patients as their folders are sorted: ID1000 comes before ID999."""
    return sorted(numbers, key=patient_name)


def _write_truth(target: Path, parts: PartFolder, numbers: Sequence[int]) -> None:
    def images() -> Iterator[tuple[str, list[str]]]:
        for number in _in_order(numbers):
            yield from sorted(parts.read(_key(number))["truth"].items())

    write_rle_table(target, images())


if __name__ == "__main__":
    sys.exit(main())
