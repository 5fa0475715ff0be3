"""What each step of looking and merging wins and costs, for one checkpoint: Dice and milliseconds, one change a row.

    python -m tests.sweep IMAGES TRUTH.csv [--weights weights/bones-n.pt] [--rows sizes,steps,...] [--images N]

(make sweep.) IMAGES is a folder of radiographs, TRUTH.csv their run lengths. One thread; medians of wall time. The
first row is what `export_rle` does with these weights; every other row changes what it names.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.ablation import is_bent
from yolo_bones.bones import BONES, GROUPS
from yolo_bones.detector.look_settings import TURNS, ZOOMS, LookSettings
from yolo_bones.detector.network import Detector
from yolo_bones.detector.prediction import Predictor
from yolo_bones.detector.stored_settings import read_settings
from yolo_bones.detector.weights import SHIPPED
from yolo_bones.image_files import read_grey
from yolo_bones.image_sources import find_images
from yolo_bones.look_options import add_look_arguments, resolve_settings
from yolo_bones.merger import MergeSettings
from yolo_bones.metrics import dice_per_channel
from yolo_bones.rle import ImageSize, row_texts_to_masks
from yolo_bones.rle_table import open_rle_table

import torch  # isort: skip

Change = tuple[str, dict[str, Any], dict[str, Any]]


def steps(look: LookSettings, merging: MergeSettings) -> list[Change]:
    """Each step taken away, or added."""
    return [
        ("canonical off: one plain look", {"canonical": False, "closeup": False}, {}),
        ("close-up " + ("off" if look.closeup else "on"), {"closeup": not look.closeup}, {}),
        ("first look " + ("left out" if look.keep_first else "kept"), {"keep_first": not look.keep_first}, {}),
        ("test-time flip", {"flips": True}, {}),
        ("test-time turns", {"turns": TURNS}, {}),
        ("test-time zooms", {"zooms": ZOOMS}, {}),
        (
            "place prior " + ("off" if merging.place_prior else "1"),
            {},
            {"place_prior": 0.0 if merging.place_prior else 1.0},
        ),
        ("tidying " + ("off" if merging.tidy else "on"), {}, {"tidy": not merging.tidy}),
        ("one threshold, 0", {}, {"logit_thresholds": None, "logit_threshold": 0.0}),
        ("looks weighted alike", {}, {"look_confidence": 0.0, "look_fineness": 0.0}),
        ("looks by confidence alone", {}, {"look_fineness": 0.0}),
        ("looks by fineness squared", {}, {"look_fineness": 2.0}),
    ]


def sizes(look: LookSettings, _: MergeSettings) -> list[Change]:
    found = []
    for px in (384, 448, 512, 640, 768, 1024):
        change = {"canonical_px": px} if look.canonical else {"longest_px": px}
        found.append((f"{px} input pixels", change, {}))
    return found


def candidates(*_: object) -> list[Change]:
    counts = [(f"{count} candidates a bone at most", {}, {"companions": count}) for count in (1, 2, 4, 8, 16)]
    floors = [
        (f"least confidence {floor:g}", {}, {"least_confidence": floor}) for floor in (0.001, 0.01, 0.05, 0.25, 0.5)
    ]
    margins = [(f"box margin {margin:g}", {}, {"box_margin": margin}) for margin in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)]
    return [*counts, *floors, *margins]


def closeups(look: LookSettings, _: MergeSettings) -> list[Change]:
    if not look.canonical:
        return []
    windows = [
        (f"close-up {height:g} metacarpals high", {"closeup": True, "closeup_height": height}, {})
        for height in (1.44, 1.8, 2.25)
    ]
    return [*windows, *((f"close-up of {px} px", {"closeup": True, "closeup_px": px}, {}) for px in (384, 512, 640))]


GROUPS_OF_ROWS = {"steps": steps, "sizes": sizes, "candidates": candidates, "closeups": closeups}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--rows", default=",".join(GROUPS_OF_ROWS))
    parser.add_argument("--images", type=int, default=10**6)
    add_look_arguments(parser)
    arguments = parser.parse_args()
    detector = Detector(arguments.weights)
    torch.set_num_threads(1)
    stored = read_settings(arguments.weights, detector.weights.sha256) if arguments.calibration else None
    look, merging = resolve_settings(arguments, detector.weights, stored)
    changes: list[Change] = [("as it is", {}, {})]
    for group in arguments.rows.split(","):
        changes += GROUPS_OF_ROWS[group](look, merging)
    images = load(arguments.source, arguments.truth, arguments.images)
    columns = ("change", "Dice", *GROUPS, "straight", "bent", "network ms", "rest ms")
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for what, look_change, merge_change in changes:
        predictor = Predictor(detector, replace(look, **look_change), replace(merging, **merge_change))
        print(f"| {what} | {row(predictor, images)} |", flush=True)
    return 0


def load(source: Path, truth: Path, most: int) -> list[tuple[str, Any, Any]]:
    """(name, grey, 29 channels) of each image."""
    rows = {one.image_name: one for one in open_rle_table(truth).images()}
    loaded = []
    for path in find_images(source)[:most]:
        grey, _ = read_grey(path)
        loaded.append((path.name, grey, rows[path.name].masks(ImageSize(*grey.shape))))
    return loaded


def row(predictor: Predictor, images: list[tuple[str, Any, Any]]) -> str:
    dice, bent, decisions = [], [], Counter[str]()
    for name, grey, masks in images:
        part = predictor.predict(grey, name)
        predicted = row_texts_to_masks([text.encode() for text in part["texts"]], masks.size)
        dice.append(dice_per_channel(predicted, masks))
        bent.append(is_bent(masks))
        decisions.update(part["counters"])
    values, leaning = np.array(dice), np.array(bent)
    means = [values.mean(), *(values[:, [BONES.index(b) for b in members]].mean() for members in GROUPS.values())]
    means += [
        values[~leaning].mean() if (~leaning).any() else np.nan,
        values[leaning].mean() if leaning.any() else np.nan,
    ]
    network, rest = (statistics.median(column) for column in zip(*predictor.times_ms, strict=True))
    print(f"{dict(+decisions)}", file=sys.stderr)
    return " | ".join([*(f"{mean:.4f}" for mean in means), f"{network:.0f}", f"{rest:.1f}"])


if __name__ == "__main__":
    sys.exit(main())
