"""What masks as runs cost, against named peers (see `bench_peers.py`), side by side: `make bench`.

All 29 masks of three synthetic hands at 2048 x 2048, five models made by moving their outlines; the same with noise and
with single pixels. One process, one thread, shuffled interleaved rounds, medians; outputs are asserted equal first.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests import bench_peers as peers
from tests.bench_files import bench_files
from yolo_bones.phantom.patients import draw_patient, row_texts
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.rle import (
    ImageSize,
    RunLengthMasks,
    coco_counts_to_masks,
    decode,
    encode,
    encode_enlarged_logits,
    masks_to_coco_counts,
    masks_to_row_texts,
    paired_intersection_areas,
    row_texts_to_masks,
    vote_by_table,
)

ROUNDS = 9
MODELS = 5
MAJORITY = np.bitwise_count(np.arange(1 << MODELS)) > MODELS // 2


@dataclass(frozen=True)
class Image:
    """One image's masks, in the forms the jobs begin with."""

    size: ImageSize
    planes: np.ndarray
    groups: list[list[str]]

    @property
    def shape(self) -> tuple[int, int]:
        return self.size.height, self.size.width


@dataclass(frozen=True)
class Job:
    """One thing to be done, by us and by others; all make the same of the same."""

    name: str
    ours: Callable[[], Any]
    others: dict[str, Callable[[], Any]]
    counts: list[str] | None = None


def texts_of(masks: RunLengthMasks) -> list[str]:
    return [text.decode() for text in masks_to_row_texts(masks)]


def moved(mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A mask whose outline another model drew: a few pixels off, smoothly."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.s_[max(rows[0] - 12, 0) : rows[-1] + 13, max(columns[0] - 12, 0) : columns[-1] + 13]
    crop = mask[box].astype(np.float32)
    noise = generator.standard_normal((crop.shape[0] // 24 + 2, crop.shape[1] // 24 + 2)).astype(np.float32)
    noise = cv2.resize(noise, crop.shape[::-1], interpolation=cv2.INTER_CUBIC)
    found = np.zeros_like(mask)
    found[box] = cv2.GaussianBlur(crop, (0, 0), 5) + 0.12 * noise > 0.5
    return found


def hands(count: int) -> list[Image]:
    """Synthetic hands; made once, for the bench only."""
    settings = PhantomSettings(count, 0, seed=77, height=2048, width=2048, bent=0.2)
    size = ImageSize(2048, 2048)
    generator = np.random.default_rng(0)
    found = []
    for number in range(1, count + 1):
        image = draw_patient(settings, number)[0]
        planes = decode(row_texts_to_masks([text.encode() for text in row_texts(image, size)], size))
        groups = [texts_of(encode(np.stack([moved(plane, generator) for _ in range(MODELS)]))) for plane in planes]
        found.append(Image(size, planes.astype(np.uint8), groups))
    return found


def noise(side: int, masks: int, density: float) -> Image:
    generator = np.random.default_rng(1)
    size = ImageSize(side, side)
    opinions = generator.random((masks, MODELS, side, side)) < density
    return Image(size, opinions[:, 0].astype(np.uint8), [texts_of(encode(group)) for group in opinions])


def single_pixels() -> Image:
    size = ImageSize(2048, 2048)
    planes = np.zeros((29, 2048, 2048), np.uint8)
    for number, plane in enumerate(planes):
        plane[70 * number + 3, 61 * number + 5] = 1
    texts = texts_of(encode(planes))
    return Image(size, planes, [[text] * MODELS for text in texts])


def our_vote(image: Image) -> Callable[[], list[str]]:
    opinions = [text.encode() for group in image.groups for text in group]
    return lambda: texts_of(vote_by_table(row_texts_to_masks(opinions, image.size), MODELS, MAJORITY))


def our_dice(image: Image) -> Callable[[], list[float]]:
    opinions = [text.encode() for group in image.groups for text in group[:2]]

    def dice() -> list[float]:
        masks = row_texts_to_masks(opinions, image.size)
        areas = masks.areas()
        both = areas[0::2] + areas[1::2]
        return ((2.0 * paired_intersection_areas(masks) + 1e-4) / (both + 1e-4)).tolist()

    return dice


def jobs_of(image: Image) -> list[Job]:
    size, shape, planes = image.size, image.shape, image.planes
    texts = [group[0] for group in image.groups]
    as_bytes = [text.encode() for text in texts]
    counts = masks_to_coco_counts(row_texts_to_masks(as_bytes, size))
    pairs = [group[:2] for group in image.groups]
    return [
        Job(
            "dense mask -> text",
            lambda: texts_of(encode(planes)),
            {
                "usual snippet": lambda: peers.usual_texts(planes),
                "best dense": lambda: peers.dense_texts(planes),
                "pycocotools": lambda: peers.coco_counts(planes),
                "pycocotools + cv2": lambda: peers.coco_counts_turned(planes),
                "rlemasklib": lambda: peers.rle_texts(planes),
            },
            [text.decode() for text in masks_to_coco_counts(encode(planes))],
        ),
        Job(
            "row text -> COCO",
            lambda: [text.decode() for text in masks_to_coco_counts(row_texts_to_masks(as_bytes, size))],
            {
                "usual snippet": lambda: peers.usual_to_coco(texts, shape),
                "pycocotools": lambda: peers.coco_to_coco(texts, shape),
                "rlemasklib": lambda: peers.rle_to_coco(texts, shape),
            },
        ),
        Job(
            "COCO -> row text",
            lambda: texts_of(coco_counts_to_masks(counts, size)),
            {
                "usual snippet": lambda: peers.usual_from_coco(counts, shape),
                "pycocotools": lambda: peers.coco_from_coco(counts, shape),
                "rlemasklib": lambda: peers.rle_from_coco(counts, shape),
            },
        ),
        Job(
            "vote of 5, text to text",
            our_vote(image),
            {
                "usual snippet": lambda: peers.usual_vote(image.groups, shape),
                "best dense": lambda: peers.dense_vote(image.groups, shape),
                "rlemasklib": lambda: peers.rle_vote(image.groups, shape),
            },
        ),
        Job(
            "Dice from two texts",
            our_dice(image),
            {
                "usual snippet": lambda: peers.usual_dice(pairs, shape),
                "best dense": lambda: peers.dense_dice(pairs, shape),
                "rlemasklib": lambda: peers.rle_dice(pairs, shape),
            },
        ),
    ]


def logit_job() -> Job:
    """29 logit maps of 512 x 512 -> 29 texts at 2048 x 2048."""
    generator = np.random.default_rng(2)
    size = ImageSize(2048, 2048)
    maps = np.full((29, 512, 512), -8.0, np.float32)
    for number, plane in enumerate(maps):
        centre = (60 + 14 * number, 80 + int(generator.integers(0, 340)))
        cv2.ellipse(plane, centre, (12, 34), float(generator.uniform(-20, 20)), 0, 360, 6.0, -1)
        plane[:] = cv2.GaussianBlur(plane, (0, 0), 3)

    def whole() -> list[str]:
        return [peers.dense_encode(cv2.resize(plane, (2048, 2048)) > 0) for plane in maps]

    return Job(
        "logits 512 -> text at 2048", lambda: texts_of(encode_enlarged_logits(maps, size)), {"best dense": whole}
    )


def check(job: Job) -> None:
    """All peers make what we make; pycocotools writes COCO counts instead of text."""
    ours = job.ours()
    for name, peer in job.others.items():
        as_counts = name.startswith("pycocotools") and job.name == "dense mask -> text"
        assert peer() == (job.counts if as_counts else ours), f"{job.name}: {name} makes something else"


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(jobs: list[Job], rounds: int) -> dict[tuple[str, str], float]:
    """Median CPU seconds of (job, peer), shuffled over all of them."""
    calls = {(job.name, name): call for job in jobs for name, call in {"ours": job.ours, **job.others}.items()}
    order = [key for key in calls for _ in range(rounds)]
    random.Random(0).shuffle(order)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for key in order:
        # Short calls are repeated: the clock's own noise should not decide.
        once = timed(calls[key])[1]
        again = 5 if once < 0.02 else 0
        times[key] += [once, *(timed(calls[key])[1] for _ in range(again))]
    return {key: statistics.median(values) for key, values in times.items()}


def show(title: str, jobs: list[Job], rounds: int) -> None:
    for job in jobs:
        check(job)
    found = measure(jobs, rounds)
    masks = {job.name: len(job.ours()) for job in jobs}
    print(f"\n{title}")
    print(f"{'job':<28}{'ours ms/mask':>14}   times faster than (ms/mask)")
    for job in jobs:
        ours = found[job.name, "ours"]
        ratios = "   ".join(
            f"{name} {found[job.name, name] / ours:.1f}x ({1000 * found[job.name, name] / masks[job.name]:.3f})"
            for name in job.others
        )
        print(f"{job.name:<28}{1000 * ours / masks[job.name]:>14.4f}   {ratios}")


def runs_a_mask(image: Image) -> float:
    return statistics.mean(len(text.split()) / 2 for group in image.groups for text in group)


def main() -> None:
    if peers.RLEMask is None:
        sys.exit("rlemasklib is not installed: use `make bench`")
    cv2.setNumThreads(1)
    several = hands(3)
    merged: dict[str, list[Job]] = {}
    for image in several:
        for job in jobs_of(image):
            merged.setdefault(job.name, []).append(job)
    # Dense masks of one hand: 29 planes are 122 MB already, more would time the memory and not the encoders.
    dense, *rest = merged.values()
    jobs = [dense[0], *(together(same) for same in rest)]
    show(
        f"3 hands at 2048 x 2048, 29 masks each, {runs_a_mask(several[0]):.0f} runs a mask",
        [*jobs, logit_job()],
        ROUNDS,
    )
    show("noise, 5 masks of 512 x 512, half of the pixels on", jobs_of(noise(512, 5, 0.5)), ROUNDS)
    show("29 masks of a single pixel, 2048 x 2048", jobs_of(single_pixels()), 5)
    with tempfile.TemporaryDirectory() as folder:
        bench_files(Path(folder), [image.groups for image in several])


def together(same: list[Job]) -> Job:
    """One job over several images: not one hot one."""

    def every(calls: list[Callable[[], Any]]) -> Callable[[], Any]:
        return lambda: [part for call in calls for part in call()]

    others = {name: every([job.others[name] for job in same]) for name in same[0].others}
    return Job(same[0].name, every([job.ours for job in same]), others)


if __name__ == "__main__":
    main()
