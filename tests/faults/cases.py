"""The commands that write, as data: how each is called, how once more after a kill, and small inputs for all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

IN = "IN"
"""Stands for the folder of inputs in arguments."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to call a command.

    Attributes:
        name: of the case.
        module: of the command.
        arguments: of a run; paths without IN are outputs, in the working folder.
        again: added when it is called again after a kill.
        earlier: of the run that made what is there before; empty where nothing can be replaced.
        overwrite: added when there is something before.
        code: exit code of a whole run.
        needs_torch: whether it is run beside others that do.
        processes: whether it starts any, which the boundaries do not see.
        kills: at least, in `make faults`.
        takes_workers: whether it has --workers.
        may_be_gone: names that a kill may leave without a file, since an old one would tell something wrong.
        copied: inputs that lie in the working folder, since the command writes beside them.
        prints: whether it prints more than it writes.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    overwrite: tuple[str, ...] = ("--overwrite",)
    code: int = 0
    needs_torch: bool = False
    processes: bool = False
    kills: int = 100
    takes_workers: bool = False
    may_be_gone: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    prints: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the first case of its command."""
        return next(case for case in CASES if case.module == self.module) is self

    def lay_out(self, folder: Path, inputs: Path) -> None:
        """Make a working folder, with what has to lie in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.copied:
            shutil.copyfile(inputs / name, folder / name)


RAW = f"{IN}/raw"
FEW = f"{IN}/few"
"""Of one patient, for commands that learn how hands look before they look at any."""
FEW_MASKS = (f"{IN}/few/train_truth.csv", "--images", f"{IN}/few/train/DCM")
IMAGES = f"{IN}/images"
SIZE = ("--size", "96x80")
MODELS = (f"{IN}/a.csv", f"{IN}/b.csv", f"{IN}/c.parquet")
LOOK = ("--imgsz", "160", "--no-canonical", "--no-closeup", "--tta", "none", "--no-calibration")
EXPORT = ("--source", IMAGES, "--out", "pred.csv", "--soft", "soft", "--format", "both", *LOOK)
CALIBRATE = ("--source", IMAGES, "--truth", f"{IN}/truth.csv", "--weights", "bones-n.pt", *LOOK[:-1])
CASES = (
    Case(
        "points_to_yolo",
        "converters.points_to_yolo",
        (RAW, "out", "--balance", "wrist"),
        earlier=(RAW, "out", "--fold", "1", "--undersample", "wrist", "--inset-px", "0.5"),
    ),
    Case(
        "points_to_yolo_canonical",
        "converters.points_to_yolo",
        (RAW, "out", "--canonical-px", "160"),
        earlier=(RAW, "out"),
        kills=50,
    ),
    Case("points_to_coco", "converters.points_to_coco", (RAW, "out"), earlier=(f"{IN}/others", "out")),
    Case("points_to_rle", "converters.points_to_rle", (RAW, "out"), earlier=(f"{IN}/others", "out")),
    Case(
        "export_rle",
        "yolo_bones.export_rle",
        EXPORT,
        again=("--resume",),
        earlier=(*EXPORT, "--conf", "0.9"),
        needs_torch=True,
        takes_workers=True,
    ),
    Case(
        "ensemble_rle",
        "yolo_bones.ensemble_rle",
        (*MODELS, "--out", "vote.csv", *SIZE),
        earlier=(*MODELS, "--out", "vote.csv", *SIZE, "--weights", "5,1,1"),
    ),
    Case(
        "ensemble_fit",
        "yolo_bones.ensemble_rle",
        (
            *(f"{IN}/a.csv", f"{IN}/b.csv", "--out", "vote.parquet", *SIZE, "--fit-weights", f"{IN}/d.csv"),
            *("--patients", f"{IN}/table.csv", "--folds", "2"),
        ),
        earlier=(*MODELS, "--out", "vote.parquet", *SIZE),
        kills=50,
    ),
    Case(
        "convert_table",
        "yolo_bones.convert_table",
        (f"{IN}/a.csv", "table.parquet", *SIZE),
        earlier=(f"{IN}/b.csv", "table.parquet", *SIZE),
    ),
    Case(
        "convert_back",
        "yolo_bones.convert_table",
        (f"{IN}/c.parquet", "table.csv"),
        earlier=(f"{IN}/b.csv", "table.csv", *SIZE),
        kills=50,
    ),
    Case(
        "make_phantoms",
        "yolo_bones.make_phantoms",
        ("out", "--patients", "2", "--test", "1", "--size", "160x128", "--seed", "3", "--plant-errors", "1"),
        overwrite=(),
        takes_workers=True,
    ),
    Case(
        "make_phantoms_workers",
        "yolo_bones.make_phantoms",
        ("out", "--patients", "3", "--size", "256x208", "--seed", "3", "--workers", "2"),
        overwrite=(),
        processes=True,
        kills=25,
        takes_workers=True,
    ),
    Case(
        "explore_points",
        "yolo_bones.explore_points",
        (FEW, "--out", "out"),
        earlier=(f"{IN}/others", "--out", "out"),
        takes_workers=True,
    ),
    Case(
        "audit_points",
        "yolo_bones.audit_points",
        (f"{IN}/few-planted", "--fix", "out", "--json", "audit.json"),
        earlier=(FEW, "--fix", "out", "--json", "audit.json"),
        takes_workers=True,
    ),
    Case(
        "coco_to_rle",
        "converters.coco_to_rle",
        (f"{IN}/coco.json", "out.csv"),
        earlier=(f"{IN}/others.json", "out.csv"),
    ),
    Case(
        "metadata_to_csv",
        "converters.metadata_to_csv",
        (f"{IN}/planted/meta_data.xlsx", "out.csv", "--images", f"{IN}/planted"),
        earlier=(f"{IN}/planted/meta_data.xlsx", "out.csv"),
    ),
    Case(
        "draw_rle",
        "yolo_bones.draw_rle",
        (f"{IN}/truth.csv", "--images", IMAGES, "--out", "out", "--longest", "96"),
        earlier=(f"{IN}/truth.csv", "--images", IMAGES, "--out", "out", "--longest", "64"),
    ),
    Case(
        "evaluate_rle",
        "yolo_bones.evaluate_rle",
        (f"{IN}/a.csv", f"{IN}/b.csv", *SIZE, "--json", "scores.json", "--per-image", "scores.csv"),
        earlier=(f"{IN}/a.csv", f"{IN}/d.csv", *SIZE, "--json", "scores.json", "--per-image", "scores.csv"),
    ),
    Case(
        "audit_rle",
        "yolo_bones.audit_rle",
        (*FEW_MASKS, "--json", "audit.json", "--per-image", "ranks.csv"),
        earlier=(FEW_MASKS[0], "--size", "160x128", "--json", "audit.json", "--per-image", "ranks.csv"),
        takes_workers=True,
    ),
    Case(
        "ship_weights",
        "yolo_bones.ship_weights",
        (f"{IN}/bones-n.pt", "shipped.pt"),
        earlier=(f"{IN}/other/bones-n.pt", "shipped.pt"),
        needs_torch=True,
        kills=50,
    ),
    Case(
        "report_rle",
        "yolo_bones.report_rle",
        (*FEW_MASKS, "--html", "page.html", "--embed-mb", "0"),
        earlier=(*FEW_MASKS, "--html", "page.html", "--truth", FEW_MASKS[0]),
        takes_workers=True,
        may_be_gone=("page.html",),
    ),
    Case(
        "measure_rle",
        "yolo_bones.measure_rle",
        (f"{IN}/truth.csv", "--images", IMAGES, "--csv", "bones.csv", "--json", "bones.json", "--draw", "lines"),
        earlier=(
            *(f"{IN}/truth.csv", "--images", IMAGES, "--spacing", "0.9"),
            *("--csv", "bones.csv", "--json", "bones.json", "--draw", "lines"),
        ),
        takes_workers=True,
    ),
    Case(
        "coco_to_points",
        "converters.coco_to_points",
        (f"{IN}/coco.json", "out", "--images", IMAGES),
        earlier=(f"{IN}/coco.json", "out", "--images", IMAGES, "--corrected", "--copy"),
    ),
    Case(
        "rle_to_points",
        "converters.rle_to_points",
        (f"{IN}/truth.csv", "out", "--images", IMAGES),
        earlier=(f"{IN}/truth.csv", "out", "--images", IMAGES, "--corrected"),
    ),
    Case(
        "compare_rle",
        "yolo_bones.compare_rle",
        (
            *(f"{IN}/a.csv", f"{IN}/b.csv", f"{IN}/d.csv", "--patients", f"{IN}/table.csv", *SIZE),
            *("--samples", "200", "--json", "comparison.json"),
        ),
        overwrite=(),
        kills=25,
        prints=True,
    ),
    Case(
        "calibrate_rle",
        "yolo_bones.calibrate_rle",
        ("--source", IMAGES, "--truth", f"{IN}/truth.csv", "--weights", "bones-n.pt", *LOOK[:-1]),
        earlier=(
            "--source",
            IMAGES,
            "--truth",
            f"{IN}/truth.csv",
            "--weights",
            "bones-n.pt",
            *LOOK[:-1],
            "--note",
            "a",
        ),
        needs_torch=True,
        kills=25,
        copied=("bones-n.pt",),
    ),
    Case(
        "phantom_statistics",
        "yolo_bones.phantom.statistics",
        (RAW, "--only", "shape", "--json", "statistics.json"),
        overwrite=(),
        kills=25,
        takes_workers=True,
        prints=True,
    ),
    Case(
        "check_rle",
        "yolo_bones.check_rle",
        (f"{IN}/truth.csv", "--images", IMAGES, "--json", "check.json"),
        overwrite=(),
        kills=25,
    ),
)
BY_NAME = {case.name: case for case in CASES}


def make_inputs(folder: Path) -> None:
    """Phantoms, tables of random masks, COCO results, weights; nothing is square."""
    from converters.points_to_coco import main as points_to_coco
    from converters.points_to_rle import main as points_to_rle
    from yolo_bones.make_phantoms import main as make_phantoms

    common = ("--size", "160x128", "--quiet")
    done = [
        make_phantoms([f"{folder}/made", "--patients", "3", "--seed", "11", "--bent", "0.5", *common]),
        make_phantoms([f"{folder}/others", "--patients", "2", "--seed", "12", *common]),
        make_phantoms([f"{folder}/few", "--patients", "1", "--seed", "14", *common]),
        make_phantoms([f"{folder}/few-planted", "--patients", "2", "--seed", "15", "--plant-errors", "2", *common]),
        make_phantoms(
            [f"{folder}/planted", "--patients", "4", "--seed", "13", "--plant-errors", "2", "--dirty-metadata", *common]
        ),
    ]
    shutil.copytree(folder / "made" / "train", folder / "raw")
    shutil.copytree(folder / "raw" / "DCM", folder / "images")
    shutil.copyfile(folder / "made" / "train_truth.csv", folder / "truth.csv")
    done += [points_to_coco([f"{folder}/raw", f"{folder}/coco", "--quiet"])]
    done += [points_to_coco([f"{folder}/others", f"{folder}/others-coco", "--quiet"])]
    shutil.copyfile(folder / "others-coco" / "annotations.json", folder / "others.json")
    done += [points_to_rle([f"{folder}/raw", f"{folder}/rle", "--quiet"])]
    shutil.copyfile(folder / "coco" / "annotations.json", folder / "coco.json")
    for number, name in enumerate(("a.csv", "b.csv", "c.parquet", "d.csv")):
        write_random_table(folder / name, number)
    rows = "".join(f"image{number}.png,ID{number:03d}\n" for number in range(IMAGES_OF_TABLES))
    (folder / "table.csv").write_text(f"image_name,patient\n{rows}", encoding="utf-8")
    assert not any(done), done
    write_weights(folder)


IMAGES_OF_TABLES = 12


def write_random_table(path: Path, seed: int) -> None:
    """Masks of one or several blobs, now and then empty."""
    from yolo_bones.bones import BONE_COUNT
    from yolo_bones.rle import encode
    from yolo_bones.rle_table import write_masks

    generator = np.random.default_rng(seed)

    def masks() -> np.ndarray:
        planes = np.zeros((BONE_COUNT, 96, 80), np.uint8)
        for plane in planes[seed % 2 :]:
            for _ in range(int(generator.integers(1, 4))):
                centre = tuple(int(place) for place in generator.integers(10, 70, 2))
                cv2.ellipse(plane, centre, (4, 9), float(generator.integers(0, 180)), 0, 360, 1, -1)
        return planes

    write_masks(path, ((f"image{number}.png", encode(masks())) for number in range(IMAGES_OF_TABLES)))


def write_weights(folder: Path) -> None:
    """The shipped weights, with settings beside them, and once more without."""
    shipped = Path(__file__).resolve().parents[2] / "weights"
    for name in ("bones-n.pt", "bones-n.yaml"):
        shutil.copyfile(shipped / name, folder / name)
    (folder / "other").mkdir()
    shutil.copyfile(shipped / "bones-n.pt", folder / "other" / "bones-n.pt")


def inputs_in(folder: Path) -> Path:
    """Inputs made once in a folder, and whole; anew when this file has changed."""
    target = folder / "inputs"
    told = target / "complete.json"
    now = json.dumps(hashlib.sha256(Path(__file__).read_bytes()).hexdigest())
    if not told.exists() or told.read_text(encoding="utf-8") != now:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        make_inputs(target)
        told.write_text(now, encoding="utf-8")
    return target


def with_inputs(arguments: Sequence[str], inputs: Path) -> list[str]:
    return [
        f"{inputs}{argument.removeprefix(IN)}" if argument.startswith(f"{IN}/") else argument for argument in arguments
    ]
