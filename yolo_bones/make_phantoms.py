"""Make synthetic hand radiographs with exact truth, in the real data set's layout.

    python -m yolo_bones.make_phantoms OUT --patients 20 --test 4 --seed 1 --size 2048

Writes OUT/train/{DCM,outputs_json}, OUT/train_truth.csv, with --test also OUT/test/DCM and OUT/test_truth.csv, and
OUT/report.json. An interrupted run goes on where it stopped; the result is the same to the byte for any number of
workers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import cv2

from yolo_bones.command_line import count_argument, image_size_argument, progress, run_command, say, share_argument
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.phantom.patients import PhantomSettings, write_patient
from yolo_bones.resumable import PartFolder
from yolo_bones.rle_table import write_rle_table


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.make_phantoms", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new, empty or an interrupted run's")
    parser.add_argument("--patients", type=count_argument, default=10, help="annotated patients, two images each")
    parser.add_argument("--test", type=count_argument, default=0, help="further patients without annotations")
    parser.add_argument("--seed", type=count_argument, default=0, help="of all chance")
    parser.add_argument("--size", type=image_size_argument, default="2048", help="HEIGHTxWIDTH or one number")
    parser.add_argument("--bent", type=share_argument, default=0.1, help="share of patients with a bent wrist")
    parser.add_argument("--spread", type=float, default=1.0, help="factor on all variation; 1 is the real population's")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_make, build_parser().parse_args(argv))


def _make(arguments: argparse.Namespace) -> int:
    size = arguments.size
    if min(size.height, size.width) < 64:
        raise InputError("--size", "", "images of at least 64 pixels a side", str(size))
    if not 0.0 <= arguments.spread <= 4.0:
        raise InputError("--spread", "", "a number from 0 to 4", arguments.spread)
    settings = PhantomSettings(
        patients=arguments.patients,
        test_patients=arguments.test,
        seed=arguments.seed,
        height=size.height,
        width=size.width,
        bent=arguments.bent,
        spread=arguments.spread,
    )
    out: Path = arguments.out
    parts = _open_parts(out, settings)
    if parts is None:
        say(f"{out}: holds exactly these phantoms already", arguments.quiet)
        return 0
    sweep_temporaries(out)
    numbers = range(1, settings.patients + settings.test_patients + 1)
    todo = [number for number in numbers if not parts.has(_key(number))]
    jobs = _run_jobs(settings, out, parts, todo, max(1, arguments.workers))
    for _ in progress(jobs, "phantoms", len(todo), arguments.quiet):
        pass
    _write_truth(out / "train_truth.csv", parts, numbers[: settings.patients])
    if settings.test_patients:
        _write_truth(out / "test_truth.csv", parts, numbers[settings.patients :])
    write_text(out / "report.json", json.dumps(settings.as_record(), indent=2, sort_keys=True) + "\n")
    parts.remove()
    images = 2 * len(numbers)
    say(
        f"{out}: {images} images of {len(numbers)} patients, {settings.test_patients} of them for test", arguments.quiet
    )
    return 0


def _open_parts(out: Path, settings: PhantomSettings) -> PartFolder | None:
    """Patients done so far, or None when `out` is finished; refuses a folder that holds anything else."""
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    report, parts = out / "report.json", out / ".parts"
    if report.exists():
        try:
            found = json.loads(report.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != settings.as_record():
            raise RefusedError(f"{out}: holds phantoms of other settings; give another folder or remove it")
        return None
    if not parts.exists() and out.exists() and any(out.iterdir()):
        raise RefusedError(f"{out}: is not empty and holds no unfinished run; give another folder")
    return PartFolder(parts, settings.as_record())


def _key(number: int) -> str:
    return f"{number:06d}"


def _run_jobs(settings: PhantomSettings, out: Path, parts: PartFolder, todo: list[int], workers: int) -> Iterator[int]:
    if workers == 1:
        yield from (_write_one(settings, out, parts, number) for number in todo)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_write_one, repeat(settings), repeat(out), repeat(parts), todo)


def _write_one(settings: PhantomSettings, out: Path, parts: PartFolder, number: int) -> int:
    """Write one patient; the part, written last, marks it as done."""
    cv2.setNumThreads(1)
    annotated = number <= settings.patients
    parts.write(_key(number), write_patient(settings, number, out / ("train" if annotated else "test"), annotated))
    return number


def _write_truth(target: Path, parts: PartFolder, numbers: Sequence[int]) -> None:
    def images() -> Iterator[tuple[str, list[str]]]:
        for number in numbers:
            yield from sorted(parts.read(_key(number)).items())

    write_rle_table(target, images())


if __name__ == "__main__":
    sys.exit(main())
