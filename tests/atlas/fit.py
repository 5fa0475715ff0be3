"""Gauss-Newton: change the drawings as little as possible so that they measure, and overlap, as the population does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.atlas.outlines import PolygonMeasures, overlap_or_gap
from tests.atlas.parameters import BASE, HEAD, OTHER_EDGE, RADIUS, THUMB_EDGE, BoneModel
from tests.atlas.placing import PlacedBone, place
from tests.atlas.targets import BoneTarget, Pair, area_tolerance, goal_area
from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import ARM_BONES
from yolo_bones.phantom.agreement import ROUND_BONES

Array = NDArray[np.float64]
Numbers = dict[str, Array]

ROUND_BONE_WEIGHT: Final = 0.5
"""Of the slices and extents of a bone whose main axis means little."""
DRAWING_WEIGHT: Final = 0.35
"""Of the distance from the drawing, in units of give."""
EDGE_BEND: Final = {"Radius": 0.9, "other": 0.5}
"""Weight of the second differences of what changed along an edge."""
FOREARM_BEND: Final = 1.5
"""Weight of the second differences of a forearm's edge itself."""
END_BEND: Final = 0.8
CARPAL_CHANGE_BEND: Final = 1.2
CARPAL_BEND: Final = 9.0
LARGEST_STEP: Final = 1e-3
FIRST_DAMPING: Final = 1.0
LEAST_DAMPING: Final = 0.01
TRIES: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is fitted to what.

    Attributes:
        models: the bones as drawn.
        targets: by bone.
        pairs: area that two plain outlines should share beyond `goal_area`; below zero they keep apart.
    """

    models: dict[str, BoneModel]
    targets: Mapping[str, BoneTarget]
    pairs: Mapping[Pair, float]

    def place_all(self, numbers: Numbers) -> dict[str, PlacedBone]:
        """Every bone in the hand."""
        return {bone: place(model, numbers[bone], self.targets[bone]) for bone, model in self.models.items()}

    def pair_goal(self, pair: Pair) -> tuple[float, float]:
        """Area that two plain outlines should share, and its tolerance."""
        area = goal_area(pair) + self.pairs[pair]
        return area, area_tolerance(pair, area)

    def cost(self, numbers: Numbers) -> float:
        """Sum of all squared residuals."""
        placed = self.place_all(numbers)
        total = sum(
            float((own_residuals(model, numbers[bone], placed[bone].measures, self.targets[bone]) ** 2).sum())
            for bone, model in self.models.items()
        )
        for pair in self.pairs:
            goal, tolerance = self.pair_goal(pair)
            found = overlap_or_gap(placed[pair[0]].region, placed[pair[1]].region)
            total += ((found - goal) / tolerance) ** 2
        return total


def own_residuals(model: BoneModel, numbers: Array, measures: PolygonMeasures, target: BoneTarget) -> Array:
    """What one bone does by itself: slices and extents against its target, distance from the drawing, roughness."""
    typical = TYPICAL[model.bone]
    widths = np.array(typical.slice_widths) * target.slices
    length, width = typical.length * target.length, typical.width * target.width
    weight = ROUND_BONE_WEIGHT if model.bone in ROUND_BONES else 1.0
    measured = np.concatenate(
        [
            (measures.slice_widths - widths) / (0.02 * widths + 0.002),
            [(measures.length - length) / (0.01 * length), (measures.width - width) / (0.02 * width)],
        ]
    )
    change = (numbers - model.start) / model.give
    roughness = _tube_roughness if model.is_tube else _carpal_roughness
    return np.concatenate([weight * measured, DRAWING_WEIGHT * change, *roughness(model.bone, numbers, change)])


def _tube_roughness(bone: str, numbers: Array, change: Array) -> list[Array]:
    bend = EDGE_BEND.get(bone, EDGE_BEND["other"])
    found = [np.diff(change[edge], 2) * bend for edge in (THUMB_EDGE, OTHER_EDGE)]
    found += [np.diff(change[end], 2) * END_BEND for end in (BASE, HEAD)]
    if bone in ARM_BONES:
        found += [np.diff(numbers[edge], 2) * FOREARM_BEND for edge in (THUMB_EDGE, OTHER_EDGE)]
    return found


def _carpal_roughness(_: str, numbers: Array, change: Array) -> list[Array]:
    def around(values: Array) -> Array:
        radii = values[RADIUS]
        return np.diff(np.concatenate([radii, radii[:2]]), 2)

    return [around(change) * CARPAL_CHANGE_BEND, around(numbers) * CARPAL_BEND]


def fit(problem: Problem, numbers: Numbers, steps: int, report: Callable[[int, float], None] | None = None) -> Numbers:
    """Damped Gauss-Newton steps; stops early when none lowers the cost.

    Args:
        problem: what is fitted.
        numbers: bone -> vector to start from.
        steps: most steps.
        report: told the number and the cost after each step.

    Returns:
        Bone -> vector, with no larger cost.
    """
    damping, best = FIRST_DAMPING, problem.cost(numbers)
    give = np.concatenate([model.give for model in problem.models.values()])
    for step in range(steps):
        curvature, slope = _linearise(problem, numbers)
        for _ in range(TRIES):
            change = np.linalg.solve(curvature + damping * np.eye(len(give)), -slope)
            tried = _moved(problem, numbers, np.clip(change, -1.0, 1.0) * give)
            cost = problem.cost(tried)
            if cost < best:
                break
            damping *= 4.0
        else:
            break
        numbers, best, damping = tried, cost, max(damping / 3.0, LEAST_DAMPING)
        if report is not None:
            report(step, best)
    return numbers


def _blocks(problem: Problem) -> dict[str, slice]:
    """Where each bone's vector lies among all."""
    found, end = {}, 0
    for bone, model in problem.models.items():
        found[bone] = slice(end, end + len(model.start))
        end += len(model.start)
    return found


def _moved(problem: Problem, numbers: Numbers, change: Array) -> Numbers:
    return {bone: numbers[bone] + change[block] for bone, block in _blocks(problem).items()}


def _linearise(problem: Problem, numbers: Numbers) -> tuple[Array, Array]:
    """Gauss and Newton's matrix (N, N) and half the cost's slope (N,), every number in units of its give."""
    blocks, pairs = _blocks(problem), list(problem.pairs)
    count = max(block.stop for block in blocks.values())
    curvature, slope = np.zeros((count, count)), np.zeros(count)
    placed = problem.place_all(numbers)
    shared = {pair: overlap_or_gap(placed[pair[0]].region, placed[pair[1]].region) for pair in pairs}
    pair_slopes = np.zeros((len(pairs), count))
    for bone, block in blocks.items():
        model = problem.models[bone]
        own, by_pair = _slopes_of_bone(problem, model, numbers[bone], placed, shared)
        own *= model.give
        curvature[block, block] = own.T @ own
        slope[block] = own.T @ own_residuals(model, numbers[bone], placed[bone].measures, problem.targets[bone])
        for pair, slopes in by_pair.items():
            pair_slopes[pairs.index(pair), block] = slopes * model.give
    goals, tolerances = np.array([problem.pair_goal(pair) for pair in pairs]).T
    pair_slopes /= tolerances[:, None]
    curvature += pair_slopes.T @ pair_slopes
    slope += pair_slopes.T @ ((np.array(list(shared.values())) - goals) / tolerances)
    return curvature, slope


def _slopes_of_bone(
    problem: Problem, model: BoneModel, numbers: Array, placed: Mapping[str, PlacedBone], shared: Mapping[Pair, float]
) -> tuple[Array, dict[Pair, Array]]:
    """Forward differences: (R, K) of the bone's own residuals, and pair -> (K,) of the area it shares."""
    target = problem.targets[model.bone]
    here = own_residuals(model, numbers, placed[model.bone].measures, target)
    others = {pair: pair[1] if pair[0] == model.bone else pair[0] for pair in shared if model.bone in pair}
    own, by_pair = np.zeros((len(here), len(numbers))), {pair: np.zeros(len(numbers)) for pair in others}
    for k in model.free:
        step = min(LARGEST_STEP, 0.05 * model.give[k])
        moved = numbers.copy()
        moved[k] += step
        there = place(model, moved, target)
        own[:, k] = (own_residuals(model, moved, there.measures, target) - here) / step
        for pair, other in others.items():
            by_pair[pair][k] = (overlap_or_gap(there.region, placed[other].region) - shared[pair]) / step
    return own, by_pair
