"""What a measured population teaches: targets of the next fit, and how much each bone varies by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.atlas.population import mean_shared_areas
from tests.atlas.state import State, Variation
from tests.atlas.targets import UNIT_PX, BoneTarget, Pair, goal_area
from yolo_bones import reference
from yolo_bones.anatomy import THIRD_METACARPAL
from yolo_bones.bones import ARM_BONES, CLASS_IDS, HAND_BONES, KINDS
from yolo_bones.hand_measures import Collected
from yolo_bones.phantom.agreement import ROUND_BONES
from yolo_bones.phantom.summaries import shape_summary

Array = NDArray[np.float64]
Row = Mapping[str, tuple[float, float | None]]

GAIN: Final = 0.8
"""Part of a misfit that one round makes up for."""
PAIR_GAIN: Final = 0.6
SLICE_STEP: Final = (0.85, 1.18)
SLICE_LIMITS: Final = (0.6, 1.7)
PAIR_LIMITS: Final = (-0.0025, 0.006)
DEAD_ZONE: Final = {"Triquetrum": 0.4, "Hamate": 0.4, "other": 0.2}
"""Misfit of a place that is let be, in standard deviations between real hands: it keeps room for the overlaps."""
SPREAD_SHARE: Final = {"carpus": 0.80, "other": 0.92}
"""Part of the real spread that is aimed at. Carpals and metacarpal bases touch: less scatter keeps them in contact."""
LENGTH_LIMITS: Final = (0.0, 0.2)
WIDTH_LIMITS: Final = (0.01, 0.15)
PLACE_LIMITS: Final = (0.002, 0.05)
ANGLE_LIMITS: Final = (0.2, 14.0)
LEAST_ANGLE_START: Final = 0.3
PHALANX_PLACE: Final = 0.003
"""Phalanges hang on their joints and hardly move against them."""
METACARPAL_ANGLE: Final = 0.3
"""Of the third metacarpal: its measured angle is 0 by definition."""
FRAME_BONES: Final = ("Capitate", THIRD_METACARPAL)
"""The hand's frame hangs on these two."""


def updated(state: State, shapes: Collected, overlaps: Collected) -> State:
    """The state that the next fit starts from.

    Args:
        state: that the populations were grown from.
        shapes: a population with as many bent wrists as the real shapes' hands.
        overlaps: one with as many as the real overlaps' images.
    """
    found, real = shape_summary(shapes), reference.shape_reference()
    shared = mean_shared_areas(overlaps) / UNIT_PX**2
    return State(
        targets={bone: next_target(bone, old, found[bone], real[bone]) for bone, old in state.targets.items()},
        variation={bone: next_variation(bone, old, found[bone], real[bone]) for bone, old in state.variation.items()},
        pairs={pair: next_pair(pair, old, _of_pair(shared, pair)) for pair, old in state.pairs.items()},
        parameters=state.parameters,
        rounds=state.rounds + 1,
    )


def _of_pair(shared: Array, pair: Pair) -> float:
    first, second = (CLASS_IDS[bone] for bone in pair)
    return float(shared[first, second])


def next_pair(pair: Pair, extra: float, shared: float) -> float:
    """What two plain outlines should share beyond their goal, when phantoms were found to share `shared`."""
    return float(np.clip(extra - PAIR_GAIN * (shared - goal_area(pair)), *PAIR_LIMITS))


def next_target(bone: str, target: BoneTarget, found: Row, real: Row) -> BoneTarget:
    """Factors on slices and extents, shift and turn, moved towards what makes `found` as `real`."""

    def ratio(measure: str) -> float:
        return real[measure][0] / found[measure][0]

    slices = np.clip([ratio(measure) for measure in reference.SLICE_MEASURES], *SLICE_STEP) ** GAIN
    is_arm = bone in ARM_BONES
    turn_deg = 0.0
    if not is_arm and bone not in ROUND_BONES and bone != THIRD_METACARPAL:
        turn_deg = GAIN * (real["angle_deg"][0] - found["angle_deg"][0])
    shift = np.zeros(2)
    if not is_arm and bone not in FRAME_BONES:
        shift = GAIN * np.array([_beyond_dead_zone(bone, m, found, real) for m in ("thumbward", "distalward")])
    return BoneTarget(
        slices=np.clip(target.slices * slices, *SLICE_LIMITS),
        length=target.length if is_arm else target.length * ratio("length") ** GAIN,
        width=target.width * ratio("width") ** GAIN,
        shift=target.shift + shift,
        turn_deg=target.turn_deg + turn_deg,
    )


def _beyond_dead_zone(bone: str, measure: str, found: Row, real: Row) -> float:
    mean, spread = real[measure]
    off = mean - found[measure][0]
    return float(np.sign(off) * max(abs(off) - DEAD_ZONE.get(bone, DEAD_ZONE["other"]) * (spread or 0.0), 0.0))


def next_variation(bone: str, variation: Variation, found: Row, real: Row) -> Variation:
    """A bone's own deviations, so that with size, pose and what the hand shares the whole spread comes out right."""
    is_arm, is_metacarpal = bone in ARM_BONES, KINDS[bone] == "metacarpal"
    in_carpus = bone in HAND_BONES or is_metacarpal
    share = SPREAD_SHARE["carpus" if in_carpus else "other"]

    def next_deviation(old: float, measure: str, limits: tuple[float, float], *, relative: bool = False) -> float:
        wanted, got = (share * _spread(real[measure], relative)), _spread(found[measure], relative)
        square = max(old**2 + GAIN * (wanted**2 - got**2), (0.5 * old) ** 2)
        return float(np.clip(np.sqrt(square), *limits))

    length, width, thumbward, distalward, angle_deg = variation
    if not is_arm and bone != THIRD_METACARPAL:
        length = next_deviation(length, "length", LENGTH_LIMITS, relative=True)
    width = next_deviation(width, "width", WIDTH_LIMITS, relative=True)
    if in_carpus and bone != "Capitate":
        thumbward = next_deviation(thumbward, "thumbward", PLACE_LIMITS)
        distalward = next_deviation(distalward, "distalward", PLACE_LIMITS)
    elif not in_carpus and not is_arm:
        thumbward = distalward = PHALANX_PLACE
    if bone == THIRD_METACARPAL:
        angle_deg = METACARPAL_ANGLE
    elif not is_arm and bone not in ROUND_BONES:
        angle_deg = next_deviation(max(angle_deg, LEAST_ANGLE_START), "angle_deg", ANGLE_LIMITS)
    return Variation(length, width, thumbward, distalward, angle_deg)


def _spread(figures: tuple[float, float | None], relative: bool) -> float:
    mean, spread = figures
    assert spread is not None
    return spread / mean if relative else spread
