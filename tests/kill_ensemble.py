"""Kill a vote at random moments: the output is the old file or the new one, and a re-run completes it.

    python -m tests.kill_ensemble [--images 300] [--kills 100] [--seed 0]

`make faults` runs it on five CSVs of real size; a test runs it small.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from tests.bench_files import MODELS, write_models
from yolo_bones.bones import BONES
from yolo_bones.rle import encode, masks_to_row_texts


def hands(count: int) -> list[list[list[str]]]:
    """Texts of (image, bone, model): ellipses of the size of bones, each model's a little moved."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(count):
        groups = []
        for number in range(len(BONES)):
            centre = generator.integers(300, 1700, 2)
            planes = np.zeros((MODELS, 2048, 2048), np.uint8)
            for plane in planes:
                moved = tuple(int(place) for place in centre + generator.integers(-4, 5, 2))
                cv2.ellipse(plane, moved, (60, 140), 7.0 * number, 0, 360, 1, -1)
            groups.append([text.decode() for text in masks_to_row_texts(encode(planes))])
        found.append(groups)
    return found


def command(paths: list[Path], out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "yolo_bones.ensemble_rle",
        *map(str, paths),
        "--out",
        str(out),
        "--quiet",
        "--overwrite",
    ]


def kill_many(folder: Path, images: int, kills: int, seed: int) -> dict[str, int]:
    """Returns how often the old file, the new one, and a left-over temporary file were found."""
    paths = write_models(folder, hands(3), images)
    result = folder / "result"
    result.mkdir()
    out, report = result / "out.csv", result / "out.report.json"
    before = time.perf_counter()
    subprocess.run(command(paths, out), check=True, stdout=subprocess.DEVNULL)
    lasted = time.perf_counter() - before
    new, new_report = out.read_bytes(), report.read_bytes()
    old, old_report = paths[0].read_bytes(), b"{}\n"
    generator = random.Random(seed)
    counts = {"old": 0, "new": 0, "left_over": 0}
    for _ in range(kills):
        out.write_bytes(old)
        report.write_bytes(old_report)
        process = subprocess.Popen(command(paths, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0.0, 1.15 * lasted))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = out.read_bytes()
        assert left in (old, new), f"a torn file of {len(left)} bytes"
        assert report.read_bytes() in (old_report, new_report)
        counts["new" if left == new else "old"] += 1
        counts["left_over"] += any(".tmp-" in path.name for path in result.iterdir())
    subprocess.run(command(paths, out), check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == new
    assert report.read_bytes() == new_report
    assert sorted(path.name for path in result.iterdir()) == ["out.csv", "out.report.json"]
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_many(Path(folder), arguments.images, arguments.kills, arguments.seed)))


if __name__ == "__main__":
    main()
