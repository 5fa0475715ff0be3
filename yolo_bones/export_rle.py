"""Predict the 29 bones of radiographs and write them as run lengths.

    python -m yolo_bones.export_rle --source DIR --out pred.csv

A folder is searched recursively. Writes the submission CSV (row-major, 1-based RLE, 29 rows an image, sorted by
folder, name and channel), or COCO results, and a manifest beside it. An interrupted run goes on with --resume.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.claims import claim
from yolo_bones.coco import result_records
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.files import refuse_to_overwrite, sweep_beside, sweep_temporaries, write_text
from yolo_bones.image_files import read_grey, read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.look_options import add_look_arguments, resolve_settings, warnings_of
from yolo_bones.manifest import build_manifest
from yolo_bones.resumable import PartFolder
from yolo_bones.rle import ImageSize, row_texts_to_masks
from yolo_bones.rle_table import SOFT_SUFFIX, write_rle_table
from yolo_bones.watched_files import refuse_changed, watch

if TYPE_CHECKING:
    from yolo_bones.detector.prediction import Predictor

GreyImage = tuple[NDArray[np.uint8], tuple[str, ...]]


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.export_rle", description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="an image, or a folder searched recursively")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write; COCO results lie beside it as .json")
    parser.add_argument("--weights", type=Path, help="YOLOv8-seg checkpoint; the shipped one when not given")
    parser.add_argument("--device", default="cpu", help="torch device: cpu, cuda:0, ...")
    parser.add_argument("--soft", type=Path, metavar="DIR", help="also write soft channels here, for ensembles")
    parser.add_argument("--format", choices=("csv", "coco", "both"), default="csv", help="what to write")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result")
    parser.add_argument("--workers", type=count_argument, default=2, help="threads that read images ahead")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_look_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_export, build_parser().parse_args(argv))


def _export(arguments: argparse.Namespace) -> int:
    outputs = _outputs(arguments)
    claim(*outputs.values(), arguments.soft)
    sweep_beside(_parts_folder(arguments.out))
    unfinished = _parts_folder(arguments.out).exists()
    _check_soft(arguments, unfinished)
    for target in outputs.values():
        refuse_to_overwrite(target, arguments.overwrite or (arguments.resume and unfinished))
    images = find_images(arguments.source)
    watch(images)
    _check_headers(images)

    # torch and ultralytics are loaded here and not above: --help and bad arguments answer at once.
    from yolo_bones.detector.network import Detector
    from yolo_bones.detector.prediction import Predictor
    from yolo_bones.detector.stored_settings import read_settings
    from yolo_bones.detector.weights import SHIPPED

    detector = Detector(arguments.weights or SHIPPED, device=arguments.device)
    weights = detector.weights
    stored = read_settings(weights.path, weights.sha256) if arguments.calibration else None
    looking, merging = resolve_settings(arguments, weights, stored)
    settings = {
        "look": asdict(looking),
        "device": arguments.device,
        "weights_sha256": weights.sha256,
        "merge": asdict(merging),
        "soft": arguments.soft is not None,
    }
    warnings = warnings_of(arguments, weights, looking, merging, say)
    parts = _open_parts(arguments, settings)
    counters = _predict_all(arguments, Predictor(detector, looking, merging, arguments.soft), images, parts)
    refuse_changed()
    if arguments.soft is not None:
        _remove_others(arguments.soft, {f"{path.name}{SOFT_SUFFIX}" for path in images})
    counts = _write_outputs(outputs, images, parts)
    manifest = build_manifest(
        "export_rle",
        {**settings, "weights": weights.path.name, "format": arguments.format},
        {"images": len(images), **counts},
        warnings,
        counters=counters,
    )
    write_text(outputs["manifest"], json.dumps(manifest, indent=2) + "\n")
    parts.remove()
    say(f"{arguments.out}: {len(images)} images, {counts['absent_bones']} bones not found", arguments.quiet)
    return 0


def _outputs(arguments: argparse.Namespace) -> dict[str, Path]:
    out: Path = arguments.out
    if out.is_dir():
        raise InputError(out, "", "a file name to write", "a folder")
    outputs = {"manifest": out.with_name(f"{out.stem}.manifest.json")}
    if arguments.format in ("csv", "both"):
        outputs["csv"] = out
    if arguments.format in ("coco", "both"):
        outputs["coco"] = out.with_suffix(".json")
    if len(set(outputs.values())) < len(outputs):
        raise InputError("--out", "", "a name ending in .csv", out.name)
    return outputs


def _check_soft(arguments: argparse.Namespace, unfinished: bool) -> None:
    """The folder of soft channels holds one run's files and nothing else."""
    folder: Path | None = arguments.soft
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(folder, "", "a folder", "a file")
    sweep_temporaries(folder)
    others = sorted(path.name for path in folder.iterdir() if path.suffix != SOFT_SUFFIX)
    if others:
        raise RefusedError(f"{folder}: holds {others[0]}, which is no soft channel; give a folder of its own")
    if any(folder.iterdir()) and not (arguments.overwrite or (arguments.resume and unfinished)):
        raise RefusedError(f"{folder}: holds soft channels already; give --overwrite to replace them")


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Soft channels of an earlier run's images, once all of this one's are there."""
    for path in sorted(folder.iterdir()):
        if path.name not in kept and path.suffix == SOFT_SUFFIX:
            path.unlink()


def _parts_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.parts")


def _check_headers(images: list[Path]) -> None:
    """Find every unreadable image before the network starts."""
    faults: list[InputError] = []
    for path in images:
        try:
            read_image_size(path)
        except InputError as error:
            faults.append(error)
    if faults:
        raise InputErrors(faults)


def _open_parts(arguments: argparse.Namespace, settings: dict[str, Any]) -> PartFolder:
    """Finished images of an interrupted run; another run's are refused."""
    out: Path = arguments.out
    folder = _parts_folder(out)
    if folder.exists() and not (arguments.resume or arguments.overwrite):
        raise RefusedError(f"{out}: an interrupted run lies here; give --resume to go on or --overwrite to start anew")
    return PartFolder(folder, {**settings, "source": str(arguments.source)}, fresh=arguments.overwrite)


def _predict_all(
    arguments: argparse.Namespace, predictor: Predictor, images: list[Path], parts: PartFolder
) -> dict[str, int]:
    """Predict what is not done yet; returns how often what was mended and decided.

    Raises:
        InputErrors: all images that could not be decoded, after the others were predicted.
    """
    todo = [path for path in images if not _is_done(path, parts, arguments.soft)]
    faults: list[InputError] = []
    loaded = _read_ahead(todo, max(1, arguments.workers))
    for path, result in progress(loaded, "predicting", len(todo), arguments.quiet):
        if isinstance(result, InputError):
            faults.append(result)
            continue
        grey, repairs = result
        part = predictor.predict(grey, path.name)
        counters = Counter(repairs) + Counter(part["counters"])
        parts.write(path.name, {**part, "counters": counters, "file": _state(path)})
    if faults:
        raise InputErrors(faults)
    if todo:
        say(predictor.summary(), arguments.quiet)
    total: Counter[str] = Counter()
    for path in images:
        total.update(parts.read(path.name)["counters"])
    return dict(sorted(total.items()))


def _is_done(path: Path, parts: PartFolder, soft_folder: Path | None) -> bool:
    if not parts.has(path.name) or parts.read(path.name)["file"] != _state(path):
        return False
    return soft_folder is None or (soft_folder / f"{path.name}{SOFT_SUFFIX}").exists()


def _state(path: Path) -> list[int]:
    """Tells whether an image is still the one that was predicted."""
    kind = path.stat()
    return [kind.st_size, kind.st_mtime_ns]


def _read_ahead(images: list[Path], workers: int) -> Iterator[tuple[Path, GreyImage | InputError]]:
    """Decode images in threads, at most `workers` ahead of the network."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(_read_or_fault, path) for path in images[:workers]]
        for index, path in enumerate(images):
            result = waiting.pop(0).result()
            if index + workers < len(images):
                waiting.append(pool.submit(_read_or_fault, images[index + workers]))
            yield path, result


def _read_or_fault(path: Path) -> GreyImage | InputError:
    try:
        return read_grey(path)
    except InputError as error:
        return error


def _write_outputs(outputs: dict[str, Path], images: list[Path], parts: PartFolder) -> dict[str, int]:
    def texts() -> Iterator[tuple[str, list[str]]]:
        for path in images:
            yield path.name, parts.read(path.name)["texts"]

    if "csv" in outputs:
        write_rle_table(outputs["csv"], texts())
    if "coco" in outputs:
        write_text(outputs["coco"], json.dumps(list(_coco_results(images, parts))) + "\n")
    return {"absent_bones": sum(not text for _, image in texts() for text in image)}


def _coco_results(images: list[Path], parts: PartFolder) -> Iterator[dict[str, Any]]:
    """COCO results; images count from 1 in the order of the CSV, `file_name` tells which is which."""
    for number, path in enumerate(images, start=1):
        part = parts.read(path.name)
        masks = row_texts_to_masks([text.encode("ascii") for text in part["texts"]], ImageSize(*part["size"]))
        for record in result_records(number, masks, part["scores"]):
            yield {**record, "file_name": path.name}


if __name__ == "__main__":
    sys.exit(main())
