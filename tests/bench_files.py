"""A vote of five CSVs, file to file: time against peers, and memory from 300 to 30,000 images."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests import bench_peers as peers
from yolo_bones.bones import BONES
from yolo_bones.ensemble_rle import main as ensemble

MODELS = 5
SHAPE = (2048, 2048)
ROUNDS = 3
USUAL_IMAGES = 6
"""The usual snippet is measured on so many images; its time grows with them."""


def write_models(folder: Path, hands: list[list[list[str]]], images: int) -> list[Path]:
    """Five CSVs of `images` images that repeat the given hands under names of their own."""
    paths = [folder / f"model{number}.csv" for number in range(MODELS)]
    for number, path in enumerate(paths):
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.write("image_name,class,rle\n")
            for image in range(images):
                hand = hands[image % len(hands)]
                stream.writelines(
                    f"image{image:06d}.png,{bone},{group[number]}\n" for bone, group in zip(BONES, hand, strict=True)
                )
    return paths


def vote_rows(paths: list[Path], out: Path, how: str, images: int | None = None) -> None:
    """What a user of the peers would write: rows of all files side by side (their order is the same)."""
    vote = {"usual snippet": peers.usual_vote, "best dense": peers.dense_vote, "rlemasklib": peers.rle_vote}[how]
    csv.field_size_limit(1 << 27)
    streams = [path.open(encoding="utf-8", newline="") for path in paths]
    readers = [csv.reader(stream) for stream in streams]
    with out.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(next(readers[0]))
        for reader in readers[1:]:
            next(reader)
        for count, rows in enumerate(zip(*readers, strict=True)):
            if images is not None and count == images * len(BONES):
                break
            image_name, bone, _ = rows[0]
            writer.writerow((image_name, bone, vote([[row[2] for row in rows]], SHAPE)[0]))
    for stream in streams:
        stream.close()


def our_vote(paths: list[Path], out: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert ensemble([*map(str, paths), "--out", str(out), "--quiet", "--overwrite"]) == 0


def cpu_seconds(call: object, *arguments: object) -> float:
    before = time.process_time()
    call(*arguments)  # type: ignore[operator]
    return time.process_time() - before


def peak_mb(how: str, paths: list[Path], out: Path) -> float:
    """Peak memory of a fresh process that votes."""
    command = [sys.executable, "-m", "tests.bench_files", how, str(out), *map(str, paths)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def bench_files(folder: Path, hands: list[list[list[str]]]) -> None:
    paths = write_models(folder, hands, 300)
    ours, theirs = folder / "ours.csv", folder / "theirs.csv"
    our_vote(paths, ours)
    vote_rows(paths, theirs, "rlemasklib")
    assert ours.read_bytes() == theirs.read_bytes()
    few = folder / "few.csv"
    times: dict[str, list[float]] = {"ours": [], "rlemasklib": [], "best dense": [], "usual snippet": []}
    order = ["ours", "rlemasklib"] * ROUNDS + ["best dense", "usual snippet"]
    random.Random(0).shuffle(order)
    for how in order:
        if how == "ours":
            times[how].append(cpu_seconds(our_vote, paths, ours))
        elif how == "rlemasklib":
            times[how].append(cpu_seconds(vote_rows, paths, theirs, how))
        else:
            taken = cpu_seconds(vote_rows, paths, few, how, USUAL_IMAGES)
            times[how].append(taken * 300 / USUAL_IMAGES)
            assert ours.read_bytes().startswith(few.read_bytes())
    median = {how: statistics.median(values) for how, values in times.items()}
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"\nvote of 5 CSVs of 8,700 rows, file to file ({size:.0f} MB of input; ours with agreement report)")
    for how, seconds in median.items():
        scaled = f" (measured on {USUAL_IMAGES} images, scaled)" if how in ("best dense", "usual snippet") else ""
        print(f"  {how:<16}{seconds:>8.2f} s   {seconds / median['ours']:>6.1f}x{scaled}")
    for how in ("ours", "rlemasklib"):
        print(f"  peak memory of a fresh process, {how}: {peak_mb(how, paths, ours):.0f} MB")
    small = [[[" ".join(text.split()[:40]) for text in group] for group in hand] for hand in hands]
    for images in (300, 30000):
        paths = write_models(folder, small, images)
        print(f"  peak memory, {images} images of small masks, ours: {peak_mb('ours', paths, ours):.0f} MB")
    shuffled = write_shuffled(paths[0], folder / "shuffled.csv")
    print(f"  the same, one CSV of five in random row order: {peak_mb('ours', [*paths[1:], shuffled], ours):.0f} MB")


def write_shuffled(path: Path, target: Path) -> Path:
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(0).shuffle(rows)
    target.write_text("".join([header, *rows]), encoding="utf-8")
    return target


def memory_peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    which, result, *inputs = sys.argv[1:]
    if which == "ours":
        our_vote([Path(path) for path in inputs], Path(result))
    else:
        vote_rows([Path(path) for path in inputs], Path(result), which)
    print(memory_peak_mb())
