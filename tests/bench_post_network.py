"""Post-network time of one 2048 x 2048 image: this merger against ultralytics' own post-processing, side by side.

    python tests/bench_post_network.py      (make bench)

One process, one core, shuffled interleaved rounds, medians of wall and CPU time. Both start from the same raw
output of the shipped network on one synthetic radiograph and end with 29 texts in submission format. The peer is what a
user of the stock package writes: non-maximum suppression, `process_mask_native` (what `retina_masks=True` calls), the
usual row-major encoder. The outputs differ by design, so both Dice are shown. Peak memory is what the call adds in a
fresh process.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates
from yolo_bones.detector.look_settings import LookSettings
from yolo_bones.detector.network import Detector
from yolo_bones.detector.prediction import Predictor
from yolo_bones.detector.stored_settings import read_settings
from yolo_bones.detector.weights import SHIPPED
from yolo_bones.merger import MergeSettings, merge_candidates
from yolo_bones.metrics import dice_per_channel
from yolo_bones.phantom.patients import draw_patient, row_texts
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.rle import ImageSize, masks_to_row_texts, row_texts_to_masks
from yolo_bones.views import fit_letterbox

import torch  # isort: skip
from ultralytics.utils import nms, ops  # isort: skip

SIZE = ImageSize(2048, 2048)
ROUNDS = 9


def ours(candidates: Candidates) -> list[str]:
    return [text.decode() for text in masks_to_row_texts(merge_candidates(candidates).channels)]


def usual_text(mask: np.ndarray) -> str:
    """The encoder that circulates with the data set."""
    pixels = np.concatenate([[0], mask.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(value) for value in runs)


def stock(candidates: Candidates) -> list[str]:
    boxes = torch.from_numpy(np.array(candidates.boxes_xyxy))
    rows = torch.cat(
        [
            (boxes[:, :2] + boxes[:, 2:]) / 2,
            boxes[:, 2:] - boxes[:, :2],
            torch.from_numpy(np.array(candidates.scores)),
            torch.from_numpy(np.array(candidates.coefficients)),
        ],
        dim=1,
    ).T[None]
    found = nms.non_max_suppression(rows, conf_thres=0.25, iou_thres=0.7, nc=BONE_COUNT)[0]
    net = candidates.view.input_size
    prototypes = torch.from_numpy(np.array(candidates.prototypes))
    native = ops.scale_boxes((net.height, net.width), found[:, :4].clone(), (SIZE.height, SIZE.width))
    masks = ops.process_mask_native(prototypes, found[:, 6:], native, (SIZE.height, SIZE.width))
    best: dict[int, int] = {}
    for index in range(len(found)):
        best.setdefault(int(found[index, 5]), index)
    dense = masks.cpu().numpy().astype(np.uint8)
    return [usual_text(dense[best[bone]]) if bone in best else "" for bone in range(BONE_COUNT)]


def dice(texts: list[str], truth: list[str]) -> float:
    batches = [row_texts_to_masks([text.encode() for text in rows], SIZE) for rows in (texts, truth)]
    return float(dice_per_channel(*batches).mean())


def timed(call: Callable[[Candidates], list[str]], candidates: Candidates) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call(candidates)
    return time.perf_counter() - wall, time.process_time() - cpu


CALLS = {"stock ultralytics": stock, "yolo_bones.merger": ours}


def main() -> None:
    if len(sys.argv) == 4:
        print(added_memory_mb(sys.argv[2], Path(sys.argv[3])))
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    image, detector, candidates = one_image()
    truth = row_texts(image, SIZE)
    calls = CALLS
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        call(candidates)
    order = [name for name in calls for _ in range(ROUNDS)]
    random.Random(0).shuffle(order)
    for name in order:
        times[name].append(timed(calls[name], candidates))
    print(f"29 bones at {SIZE}, network input {candidates.view.input_size}, {ROUNDS} rounds, 1 core, medians")
    print(f"{'':<22}{'wall ms':>9}{'CPU ms':>9}{'peak MB':>9}{'Dice':>8}")
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "candidates.npz"
        fields = ("boxes_xyxy", "scores", "coefficients", "prototypes")
        np.savez(stored, **{field: getattr(candidates, field) for field in fields})
        peaks = {name: peak_in_fresh_process(name, stored) for name in calls}
    for name, rows in times.items():
        wall, cpu = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
        medians[name] = wall
        print(f"{name:<22}{wall:>9.1f}{cpu:>9.1f}{peaks[name]:>9.0f}{dice(calls[name](candidates), truth):>8.4f}")
    print(f"ratio {medians['stock ultralytics'] / medians['yolo_bones.merger']:.0f}x")
    as_shipped(detector, image.pixels, truth)


def as_shipped(detector: Detector, grey: np.ndarray, truth: list[str]) -> None:
    """From grey levels to texts: what the looks of the network take, and everything after it."""
    stored = read_settings(SHIPPED, detector.weights.sha256)
    assert stored is not None
    look, merging = stored.look_settings(LookSettings()), stored.merge_settings(MergeSettings())
    ways = {
        "one plain look": replace(look, canonical=False, closeup=False),
        "without close-up": replace(look, closeup=False),
        "as shipped": look,
        "with --tta flip": replace(look, flips=True),
    }
    predictors = {name: Predictor(detector, way, merging) for name, way in ways.items()}
    texts = {name: predictor.predict(grey, "one.png")["texts"] for name, predictor in predictors.items()}
    order = [name for name in ways for _ in range(ROUNDS)]
    random.Random(1).shuffle(order)
    for predictor in predictors.values():
        predictor.times_ms.clear()
    for name in order:
        predictors[name].predict(grey, "one.png")
    print(f"{'shipped settings':<22}{'looks ms':>9}{'rest ms':>9}{'total':>9}{'Dice':>8}")
    for name, predictor in predictors.items():
        looks, rest = (statistics.median(column) for column in zip(*predictor.times_ms, strict=True))
        print(f"{name:<22}{looks:>9.0f}{rest:>9.1f}{(looks + rest) / looks:>8.2f}x{dice(texts[name], truth):>8.4f}")


def one_image() -> tuple:
    torch.set_num_threads(1)
    settings = PhantomSettings(1, 0, seed=77, height=2048, width=2048, bent=0.0)
    image = draw_patient(settings, 1)[0]
    detector = Detector(SHIPPED, 640)
    candidates = detector.detect(image.pixels)
    torch.set_num_threads(1)
    return image, detector, candidates


def peak_in_fresh_process(name: str, stored: Path) -> float:
    command = [sys.executable, __file__, "--peak", name, str(stored)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def added_memory_mb(name: str, stored: Path) -> float:
    """Memory that one call adds to a process that holds the candidates."""
    torch.set_num_threads(1)
    with np.load(stored) as arrays:
        candidates = Candidates(**dict(arrays), view=fit_letterbox(SIZE, arrays["prototypes"].shape[2] * 4, 32))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak of the imports
    before = memory_mb("VmRSS")
    CALLS[name](candidates)
    return memory_mb("VmHWM") - before


def memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


if __name__ == "__main__":
    main()
