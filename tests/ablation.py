"""What each change to the stock recipe wins: trainings of equal data, budget and size, one change a row.

    python -m tests.ablation [--out .cache/ablation] [--images 6400] [--imgsz 320] [--rows stock,inset,...] [--jobs 2]

(make ablation.) Synthetic hands only: seed 60501 to train (640 px), seed 60502 to test (2048 px, half of them bent).
Resumable: finished trainings and scores are kept in the folder. Each training runs on one thread. Prints the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import ROOT
from yolo_bones.annotated_hand import BENT_FROM_DEG
from yolo_bones.bones import BONES, GROUPS
from yolo_bones.export_rle import main as export
from yolo_bones.files import write_text
from yolo_bones.hand_fit import fit_hand
from yolo_bones.image_files import read_grey
from yolo_bones.image_sources import find_images
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.metrics import dice_per_channel
from yolo_bones.rle import ImageSize, encode, masks_to_row_texts
from yolo_bones.rle_table import open_rle_table, write_rle_table

SIZE = ImageSize(2048, 2048)
STOCK = ["model=yolov8n-seg.yaml"]
OWN_OPTIMIZER = ["optimizer=AdamW", "lr0=0.0015", "lrf=0.02", "cos_lr=True", "nbs=8", "warmup_epochs=0.5", "cls=1.0"]
OWN_DRAWS = ["mosaic=0.0", "degrees=20", "scale=0.3", "shear=3", "translate=0.08", "hsv_h=0", "hsv_s=0", "hsv_v=0.4"]


@dataclass(frozen=True)
class Row:
    """One training: `tool` is yolo or train_bones, `inset` in input pixels, `modes` how its weights are run."""

    name: str
    what: str
    tool: str
    arguments: tuple[str, ...]
    inset: float
    modes: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)


PLAIN_MODES = ("stock", "merger")
ROWS = (
    Row("stock", "`yolo segment train`, its defaults", "yolo", (), 0.0, (*PLAIN_MODES, "repaired"), (0, 1)),
    Row(
        "settings", "+ AdamW at 0.0015, a step a batch, no mosaic, rotation", "yolo",
        (*OWN_OPTIMIZER, *OWN_DRAWS), 0.0, (*PLAIN_MODES, "repaired"),
    ),
    Row(
        "overlap", "+ overlap_mask=False", "yolo",
        (*OWN_OPTIMIZER, *OWN_DRAWS, "overlap_mask=False"), 0.0, PLAIN_MODES,
    ),
    Row(
        "inset", "+ label inset 0.5 px, label ratio 2", "yolo",
        (*OWN_OPTIMIZER, *OWN_DRAWS, "overlap_mask=False", "mask_ratio=2"), 0.5, PLAIN_MODES,
    ),
    Row("loss", "+ our mask loss (train_bones)", "train_bones", ("averaging=0",), 0.0, (*PLAIN_MODES, "prior", "tta")),
    Row("average", "+ weights averaged over 5 % of the steps", "train_bones", (), 0.0, PLAIN_MODES),
    Row(
        "canonical", "+ canonical views (0.7 of samples)", "train_bones", ("canonical=0.7",), 0.0,
        ("merger", "canonical", "canonical_prior"),
    ),
    Row(
        "final", "+ close-ups (canonical 0.55, close-up 0.25)", "train_bones", ("canonical=0.55", "closeup=0.25"), 0.0,
        ("merger", "canonical", "closeup", "closeup_tidy", "closeup_prior", "closeup_both", "closeup_tta"), (0, 1),
    ),
)  # fmt: skip

EXPORTS: dict[str, tuple[str, ...]] = {
    "merger": ("--no-canonical", "--no-closeup", "--no-repair-flattened"),
    "repaired": ("--no-canonical", "--no-closeup", "--repair-flattened"),
    "prior": ("--no-canonical", "--no-closeup", "--place-prior", "1"),
    "tta": ("--no-canonical", "--no-closeup", "--tta", "flip"),
    "canonical": ("--canonical", "--no-closeup"),
    "canonical_prior": ("--canonical", "--no-closeup", "--place-prior", "1"),
    "closeup": ("--canonical", "--closeup"),
    "closeup_both": ("--canonical", "--closeup", "--place-prior", "1", "--tidy"),
    "closeup_tta": ("--canonical", "--closeup", "--tta", "flip"),
    "closeup_prior": ("--canonical", "--closeup", "--place-prior", "1"),
    "closeup_tidy": ("--canonical", "--closeup", "--tidy"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "ablation")
    parser.add_argument("--images", type=int, default=6400, help="budget: images seen by each training")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--patients", type=int, default=80)
    parser.add_argument("--test", type=int, default=12, help="test patients, two images each")
    parser.add_argument("--rows", help="only these, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, one thread each")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    wanted = set((arguments.rows or ",".join(row.name for row in ROWS)).split(","))
    rows = [row for row in ROWS if row.name in wanted]
    refuse_other_settings(out, arguments)
    prepare(out, arguments)
    jobs = [(row, seed) for row in rows for seed in row.seeds]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for _ in pool.map(lambda job: train(out, arguments, *job), jobs):
            pass
    for row, seed in jobs:
        for mode in row.modes:
            score(out, arguments, row, seed, mode)
    print(table(out, rows))
    return 0


def refuse_other_settings(out: Path, arguments: argparse.Namespace) -> None:
    """What is kept in the folder is of one budget, size and set; a row of another would not be comparable."""
    settings = {name: getattr(arguments, name) for name in ("images", "imgsz", "patients", "test")}
    path = out / "settings.json"
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if earlier != settings:
            raise SystemExit(f"{out}: holds trainings with {earlier}, not {settings}; give another --out")
    write_text(path, json.dumps(settings) + "\n")


def once(path: Path, make: Callable[[], Any]) -> None:
    """Run what makes a file or folder unless it is there."""
    if not path.exists():
        result = make()
        if result:
            raise SystemExit(f"{path}: exit code {result}")


def prepare(out: Path, arguments: argparse.Namespace) -> None:
    out.mkdir(parents=True, exist_ok=True)
    train_set = [
        "--patients",
        str(arguments.patients),
        "--seed",
        "60501",
        "--size",
        "640",
        "--bent",
        "0.5",
        "--workers",
        "2",
    ]
    once(out / "train" / "report.json", lambda: make_phantoms([str(out / "train"), *train_set, "--quiet"]))
    test_set = ["--patients", "1", "--test", str(arguments.test), "--seed", "60502", "--bent", "0.5", "--workers", "2"]
    once(out / "test" / "report.json", lambda: make_phantoms([str(out / "test"), *test_set, "--quiet"]))
    for inset in sorted({row.inset for row in ROWS}):
        folder = out / f"bones{inset:g}"
        inset_px = inset * 640 / arguments.imgsz
        options = ["--folds", "20", "--inset-px", str(inset_px), "--quiet"]
        once(folder / "report.json", lambda f=folder, o=options: points_to_yolo([str(out / "train"), str(f), *o]))
        text = (ROOT / "bones.yaml").read_text(encoding="utf-8").replace("datasets/bones", str(folder))
        (folder / "bones.yaml").write_text(text, encoding="utf-8")


def train(out: Path, arguments: argparse.Namespace, row: Row, seed: int) -> None:
    """One training in a process of its own, on one thread."""
    folder = out / "runs" / f"{row.name}-{seed}"
    if (folder / "seconds.txt").exists():
        return
    data = out / f"bones{row.inset:g}"
    count = len(list((data / "images" / "train").iterdir()))
    common = [
        f"data={data / 'bones.yaml'}", f"imgsz={arguments.imgsz}", f"epochs={max(1, round(arguments.images / count))}",
        "batch=8", "device=cpu", "val=False", "plots=False", f"seed={seed}", f"project={out / 'runs'}",
        f"name={row.name}-{seed}", "exist_ok=True", "cache=ram", "amp=False",
    ]  # fmt: skip
    if row.tool == "yolo":
        command = [str(Path(sys.executable).parent / "yolo"), "segment", "train", *STOCK, *row.arguments, *common]
    else:
        command = [sys.executable, "-m", "yolo_bones.train_bones", *row.arguments, *common, "threads=1"]
    settings = {
        "ULTRALYTICS_SAFE_LOAD": "1", "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "False",
        "YOLO_CONFIG_DIR": str(ROOT / ".cache" / "ultralytics"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    started = time.monotonic()
    print(f"training {row.name}, seed {seed}", file=sys.stderr)
    with (out / f"{row.name}-{seed}.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=log, check=False)
    if done.returncode:
        raise SystemExit(f"{row.name}-{seed}: exit code {done.returncode}, see {log.name}")
    (folder / "seconds.txt").write_text(f"{time.monotonic() - started:.0f}\n", encoding="utf-8")


def score(out: Path, arguments: argparse.Namespace, row: Row, seed: int, mode: str) -> None:
    """Dice of one checkpoint, run in one way, over the test images."""
    target = out / "scores" / f"{row.name}-{seed}-{mode}.json"
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    weights = out / "runs" / f"{row.name}-{seed}" / "weights" / "last.pt"
    csv = target.with_suffix(".csv")
    images = out / "test" / "test" / "DCM"
    started = time.monotonic()
    if mode == "stock":
        write_rle_table(csv, stock_predictions(weights, images, arguments.imgsz))
    else:
        write_settings(weights, 0.1 if row.tool == "train_bones" else 0.02)
        options = ["--imgsz", str(arguments.imgsz), "--overwrite", "--quiet", *EXPORTS[mode]]
        code = export(["--source", str(images), "--out", str(csv), "--weights", str(weights), *options])
        if code:
            raise SystemExit(f"{target}: export ended with {code}")
    seconds = time.monotonic() - started
    truth = {rows.image_name: rows.masks(SIZE) for rows in open_rle_table(out / "test" / "test_truth.csv").images()}
    dice, bent = [], []
    for rows in open_rle_table(csv).images():
        dice.append(dice_per_channel(rows.masks(SIZE), truth[rows.image_name]))
        bent.append(is_bent(truth[rows.image_name]))
    values, leaning = np.array(dice), np.array(bent)
    carpals = [BONES.index(bone) for bone in GROUPS["hand"]]
    record = {
        "dice": float(values.mean()),
        "carpal": float(values[:, carpals].mean()),
        "straight": float(values[~leaning].mean()),
        "bent": float(values[leaning].mean()),
        "ms": 1000.0 * seconds / len(values),
        "bones": dict(zip(BONES, values.mean(axis=0).round(4).tolist(), strict=True)),
    }
    target.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def write_settings(weights: Path, box_margin: float) -> None:
    """Nothing but the margin that the loss allows; all else is on the command line."""
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.with_suffix(".yaml").write_text(
        f"sha256: {sha256}\nmerge: {{box_margin: {box_margin}}}\n", encoding="utf-8"
    )


def is_bent(truth: Any) -> bool:
    """Whether the hand leans more than 15 degrees off the vertical."""
    boxes = truth.boxes().astype(float)
    middles = {bone: np.array([box[1] + box[3], box[0] + box[2]]) / 2.0 for bone, box in zip(BONES, boxes, strict=True)}
    fit = fit_hand(middles)
    assert fit is not None
    return abs(fit.frame.tilt_deg) > BENT_FROM_DEG


def stock_predictions(weights: Path, images: Path, longest_px: int) -> Any:
    """What the stock package's users get: `predict(retina_masks=True)`, then one bone a pixel, smaller ones on top."""
    from yolo_bones.detector.environment import prepare

    prepare()
    from ultralytics import YOLO

    model = YOLO(str(weights))
    for path in find_images(images):
        grey, _ = read_grey(path)
        found = model.predict(
            np.repeat(grey[..., None], 3, axis=2), imgsz=longest_px, retina_masks=True, verbose=False
        )[0]
        label = np.zeros(grey.shape, dtype=np.uint8)
        if found.masks is not None:
            masks = found.masks.data.numpy().astype(bool)
            classes, trust = found.boxes.cls.int().tolist(), found.boxes.conf.tolist()
            best = {
                bone: max((i for i, c in enumerate(classes) if c == bone), key=trust.__getitem__)
                for bone in set(classes)
            }
            for bone in sorted(best, key=lambda b: -int(masks[best[b]].sum())):
                label[masks[best[bone]]] = bone + 1
        channels = np.stack([label == bone + 1 for bone in range(len(BONES))])
        yield path.name, [text.decode() for text in masks_to_row_texts(encode(channels))]


def table(out: Path, rows: list[Row]) -> str:
    lines = [
        "| training | run | Dice | carpal | straight | bent | 1 - Dice | carpal | ms an image |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for mode in row.modes:
            files = [out / "scores" / f"{row.name}-{seed}-{mode}.json" for seed in row.seeds]
            scores = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()]
            if not scores:
                continue
            mean = {
                key: float(np.mean([s[key] for s in scores])) for key in ("dice", "carpal", "straight", "bent", "ms")
            }
            what = row.what + (f" ({len(scores)} seeds)" if len(scores) > 1 else "")
            shown = [mean["dice"], mean["carpal"], mean["straight"], mean["bent"], 1 - mean["dice"], 1 - mean["carpal"]]
            figures = " | ".join(f"{value:.4f}" for value in shown)
            lines.append(f"| {what} | {mode} | {figures} | {mean['ms']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
