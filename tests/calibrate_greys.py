"""Grey levels of phantoms against those of real radiographs; `--fit` proposes the constants that bring them together.

    python -m tests.calibrate_greys --hands 24            the table at 2048
    python -m tests.calibrate_greys --hands 12 --fit 3    three rounds at 1024, then the constants to paste

The fit is Gauss and Newton's with each constant pulled towards what anatomy and physics make likely (`prior`), so that
only what the levels tell moves: densities in `bone_density.TISSUES`, thicknesses in `soft_tissue`, the typical detector
and tone. Few hands are not the population: with 9 of them the mean levels are off by 3.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.greys import DISTANCES_PX, REGIONS, GreyMeasures, measure_greys
from yolo_bones.phantom import bone_density, detector, radiograph, soft_tissue
from yolo_bones.phantom.exposure import draw_exposure
from yolo_bones.phantom.framing import Frame, draw_frame
from yolo_bones.phantom.growth import grow_patient
from yolo_bones.phantom.people import draw_person
from yolo_bones.phantom.pose import draw_pose
from yolo_bones.phantom.skeleton import pose_bones
from yolo_bones.reference import GREY_BONE_SD, GREY_NOISE, GREY_PROFILES, GREY_REGIONS, GREY_REGIONS_SD

WANTED = {**GREY_REGIONS, "bone_sd": GREY_BONE_SD, "noise_fine": GREY_NOISE[0]}
WANTED_SD = {**GREY_REGIONS_SD, "noise_fine": GREY_NOISE[1]}
WANTED_PROFILE = np.array([GREY_PROFILES[region] for region in REGIONS], dtype=np.float64)
FITTED_REGIONS = ("bone", "distal", "middle_proximal", "metacarpal", "carpal", "radius", "ulna", "soft")
REGION_WEIGHT = 2.0

Array = NDArray[np.float64]


@dataclasses.dataclass
class Knob:
    """One constant: how to read and write it, what is likely and how far from it the truth may be, and its limits."""

    name: str
    read: Callable[[], float]
    write: Callable[[float], None]
    prior: float
    give: float
    low: float
    high: float


def tuple_knob(module: Any, name: str, index: int, prior: float, give: float, low: float, high: float) -> Knob:
    def read() -> float:
        return float(getattr(module, name)[index])

    def write(value: float) -> None:
        values = list(getattr(module, name))
        values[index] = value
        setattr(module, name, tuple(values))

    return Knob(f"{name}[{index}]", read, write, prior, give, low, high)


def number_knob(module: Any, name: str, prior: float, give: float, low: float, high: float) -> Knob:
    return Knob(name, lambda: float(getattr(module, name)), lambda v: setattr(module, name, v), prior, give, low, high)


def field_knob(holder: Any, name: str, field: str, prior: float, give: float, low: float, high: float) -> Knob:
    """A field of a frozen record kept as an attribute of a module or as an entry of a dict."""
    is_dict = isinstance(holder, dict)

    def record() -> Any:
        return holder[name] if is_dict else getattr(holder, name)

    def write(value: float) -> None:
        changed = dataclasses.replace(record(), **{field: value})
        if is_dict:
            holder[name] = changed
        else:
            setattr(holder, name, changed)

    return Knob(f"{name}.{field}", lambda: float(getattr(record(), field)), write, prior, give, low, high)


def carpal_core_knob() -> Knob:
    """A carpal has no shaft: both densities of its core are one constant."""
    tissues = bone_density.TISSUES

    def write(value: float) -> None:
        tissues["carpal"] = dataclasses.replace(tissues["carpal"], ends=value, shaft=value)

    return Knob("carpal.ends", lambda: tissues["carpal"].ends, write, 0.30, 0.04, 0.12, 0.6)


def all_knobs() -> list[Knob]:
    soft, tissues = soft_tissue, bone_density.TISSUES
    margins, flatness, palm = (0.050, 0.035, 0.032), (0.80, 0.90, 0.90), (0.15, 0.18, 0.19)
    knobs = [tuple_knob(soft, "FINGER_MARGIN", k, margins[k], 0.005, 0.02, 0.08) for k in range(3)]
    knobs += [tuple_knob(soft, "FINGER_FLATNESS", k, flatness[k], 0.05, 0.65, 1.0) for k in range(3)]
    knobs += [tuple_knob(soft, "PALM_HALF_THICKNESS", k, palm[k], 0.02, 0.10, 0.28) for k in range(3)]
    knobs += [number_knob(soft, "PALM_HALF_WIDTH", 0.22, 0.015, 0.13, 0.26)]
    knobs += [tuple_knob(soft, "CARPUS", 0, 0.15, 0.02, 0.08, 0.28)]
    knobs += [tuple_knob(soft, "CARPUS", 1, 0.26, 0.02, 0.18, 0.38)]
    knobs += [number_knob(soft, "WRIST_MARGIN", 0.11, 0.02, 0.03, 0.2)]
    knobs += [number_knob(soft, "FOREARM_MARGIN", 0.12, 0.02, 0.04, 0.26)]
    knobs += [number_knob(soft, "FOREARM_SHIFT", 0.03, 0.02, -0.1, 0.1)]
    knobs += [tuple_knob(soft, "FOREARM_HALF_THICKNESS", k, 0.29, 0.02, 0.2, 0.42) for k in range(2)]
    for kind in tissues:
        if kind == "sesamoid":
            continue
        knobs.append(field_knob(tissues, kind, "cortex", 0.45 if kind == "carpal" else 0.93, 0.06, 0.3, 1.05))
        if kind == "carpal":
            knobs.append(carpal_core_knob())
            continue
        knobs.append(field_knob(tissues, kind, "ends", 0.45 if kind == "distal" else 0.38, 0.05, 0.12, 0.6))
        knobs.append(field_knob(tissues, kind, "shaft", 0.18, 0.04, 0.03, 0.4))
    knobs += [
        field_knob(detector, "TYPICAL_DETECTOR", "edge", 0.75, 0.12, 0.2, 1.3),
        field_knob(detector, "TYPICAL_DETECTOR", "edge_px", 8.0, 1.0, 4.0, 14.0),
        field_knob(detector, "TYPICAL_DETECTOR", "blur_px", 1.5, 0.15, 1.1, 2.6),
        field_knob(detector, "TYPICAL_DETECTOR", "coarse", 0.45, 0.08, 0.0, 0.8),
        field_knob(detector, "TYPICAL_TONE", "gain", 80.0, 6.0, 55.0, 130.0),
        field_knob(detector, "TYPICAL_TONE", "gamma", 1.08, 0.05, 1.0, 1.6),
    ]
    return knobs


@dataclasses.dataclass
class Hand:
    """A posed hand with its frame and its shadows, which no constant here changes."""

    seed: int
    person: Any
    bones: list[Any]
    frame: Frame
    cache: dict[int, Any]


def make_hand(seed: int, size: int) -> Hand:
    rng = np.random.default_rng([seed, 77])
    person = draw_person(rng)
    patient = grow_patient(rng, person)[seed % 2]
    pose = draw_pose(rng, bool(rng.random() < 0.1))
    bones = pose_bones(patient, pose)
    frame = draw_frame(rng, patient, pose, bones, (size, size), bool(seed % 2))
    return Hand(seed, person, bones, frame, {})


def expose(hand: Hand) -> tuple[GreyMeasures, float, float, float]:
    """Measures, mean and deviation of the picture as parts of 255, CPU-seconds."""
    rng = np.random.default_rng([hand.seed, 78])
    exposure = draw_exposure(rng, hand.person)
    started = time.process_time()
    image, shadows = radiograph.render(hand.bones, hand.frame, exposure, rng)
    took = time.process_time() - started
    crops = {b: (s.top, s.left, s.covered) for b, s in zip(BONES, shadows, strict=False) if s is not None}
    return measure_greys(image, crops), float(image.mean()) / 255, float(image.std()) / 255, took


def cached(hand: Hand, cast: Callable[..., Any]) -> Callable[..., Any]:
    """`cast_shadow` that remembers, by order of the calls."""
    calls = iter(range(10_000))

    def remember(surface: Any, height: int, width: int) -> Any:
        number = next(calls)
        if number not in hand.cache:
            hand.cache[number] = cast(surface, height, width)
        return hand.cache[number]

    return remember


def residuals(hands: list[Hand]) -> Array:
    cast = radiograph.cast_shadow
    flats, profiles = [], []
    for hand in hands:
        radiograph.cast_shadow = cached(hand, cast)  # type: ignore[assignment]
        try:
            measures, *_ = expose(hand)
        finally:
            radiograph.cast_shadow = cast
        flats.append([measures.regions[name] for name in FITTED_REGIONS])
        profiles.append(measures.profiles["main"])
    regions = np.nanmean(flats, axis=0) - [WANTED[name] for name in FITTED_REGIONS]
    profile = np.nanmean(profiles, axis=0) - WANTED_PROFILE
    profile[0, -1] = 0.0  # hardly any distal phalanx is 60 pixels wide
    weights = np.array([REGION_WEIGHT] * 7 + [0.5])
    return np.concatenate([regions * weights, profile.ravel()])


def best_values(knobs: list[Knob], slopes: Array, start: Array) -> Array:
    """Values of least misfit within the limits; a constant that would pass a limit stays there and the rest adapt.

    Every constant counts in units of its `give`; one level of misfit weighs like a third of a give.
    """
    values = np.array([knob.read() for knob in knobs])
    give, prior = (np.array([getattr(knob, name) for knob in knobs]) for name in ("give", "prior"))
    low = (np.maximum(values - 3 * give, [knob.low for knob in knobs]) - values) / give
    high = (np.minimum(values + 3 * give, [knob.high for knob in knobs]) - values) / give
    step, free = np.zeros(len(knobs)), np.ones(len(knobs), dtype=bool)
    while free.any():
        pull = -slopes.T @ (start + slopes[:, ~free] @ step[~free]) - 9.0 * (values - prior) / give
        normal = slopes[:, free].T @ slopes[:, free] + 9.0 * np.eye(int(free.sum()))
        step[free] = np.linalg.solve(normal, pull[free])
        beyond = free & ((step < low) | (step > high))
        step = np.clip(step, low, high)
        if not beyond.any():
            break
        free &= ~beyond
    return values + step * give


def fit(hands: list[Hand], rounds: int) -> None:
    knobs = all_knobs()
    for number in range(rounds):
        start = residuals(hands)
        print(f"round {number}: rms {np.sqrt((start**2).mean()):.2f}, worst {np.abs(start).max():.1f}", flush=True)
        columns = []
        for knob in knobs:
            value = knob.read()
            knob.write(value + 0.5 * knob.give)
            columns.append((residuals(hands) - start) / 0.5)
            knob.write(value)
        slopes = np.stack(columns, axis=1)
        for knob, value in zip(knobs, best_values(knobs, slopes, start), strict=True):
            knob.write(float(value))
    for knob in knobs:
        print(f"{knob.name} = {knob.read():.4g}")


def table(hands: list[Hand]) -> None:
    exposed = [expose(hand) for hand in hands]
    print(f"CPU-seconds {np.mean([e[3] for e in exposed]):.2f}; mean {np.mean([e[1] for e in exposed]):.3f} (0.12), "
          f"sd {np.mean([e[2] for e in exposed]):.3f} (0.17) of 1")  # fmt: skip
    flats = [e[0].flat() for e in exposed]
    for name, wanted in WANTED.items():
        values = np.array([flat[name] for flat in flats])
        mean, sd = np.nanmean(values), np.nanstd(values)
        print(
            f"{name:16} {mean:6.1f} wanted {wanted:6.1f}  {mean - wanted:+5.1f}"
            f"   sd {sd:4.1f} wanted {WANTED_SD.get(name)}"
        )
    profile = np.nanmean([e[0].profiles["main"] for e in exposed], axis=0)
    print(" " * 16 + "".join(f"{d:5d}" for d in DISTANCES_PX))
    for row, region in enumerate(REGIONS):
        print(f"{region:16}" + "".join(f"{level:5.0f}" for level in profile[row]))
        print(" " * 16 + "".join(f"{level:+5.0f}" for level in profile[row] - WANTED_PROFILE[row]))
    off = np.abs(profile - WANTED_PROFILE)
    print(f"profile: worst {np.nanmax(off):.1f}, mean {np.nanmean(off):.1f}, beyond 12: {int((off > 12).sum())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hands", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="seed of the first hand; others than were fitted to: 500")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--fit", type=int, default=0, metavar="ROUNDS")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    seeds = range(arguments.first, arguments.first + arguments.hands)
    if arguments.fit:
        fit([make_hand(seed, arguments.size or 1024) for seed in seeds], arguments.fit)
    table([make_hand(seed, arguments.size or 2048) for seed in seeds])


if __name__ == "__main__":
    main()
