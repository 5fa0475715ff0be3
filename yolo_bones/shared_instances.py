"""Two classes, one instance: which of them gets it, by the best of all combinations of what each could take. numpy.

Overlap alone is no proof: the pisiform lies on the triquetrum in most hands, and an assignment that forbade that lost
Dice. Every other pair of bones shares far less than what is taken for one instance here.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import box_iou, paired_box_iou

SAME_INSTANCE_IOU: Final = 0.6
"""Masks of two classes that overlap by more show one instance."""
LEAST_BOX_IOU: Final = 0.3
"""Boxes that overlap by less are not looked at."""
SAME_PLACE_IOU: Final = 0.5
"""Boxes of one class that overlap by more show one instance."""
MAY_COINCIDE: Final = frozenset({"Triquetrum", "Pisiform"})
"""Mean IoU 0.448 in real hands: two bones in one place."""
LEAST_SCORE: Final = 0.01
"""A candidate below this is no alternative for a bone."""
ALTERNATIVES: Final = 3
MOST_COMBINATIONS: Final = 2187
"""Seven bones in one tangle with three alternatives each; a larger tangle is left as it is."""


def share_out(candidates: Candidates, counters: Counter[str]) -> Candidates:
    """Where the best candidates of two classes show one instance, give it to one of them.

    Every class in conflict chooses among its few best instances; of all combinations with the fewest conflicts the one
    with the highest product of scores is taken. A bone without an alternative keeps what it has.
    """
    if len(candidates.boxes_xyxy) == 0:
        return candidates
    instances = _Instances(candidates)
    best = candidates.scores.argmax(axis=0).tolist()
    first, second = np.triu_indices(BONE_COUNT, k=1)
    boxes = candidates.boxes_xyxy[best]
    close = np.flatnonzero(paired_box_iou(boxes[first], boxes[second]) > LEAST_BOX_IOU)
    conflicts = [
        (a, b)
        for a, b in zip(first[close].tolist(), second[close].tolist(), strict=True)
        if instances.found(a, best[a]) and instances.found(b, best[b]) and instances.clash((a, best[a]), (b, best[b]))
    ]
    if not conflicts:
        return candidates
    counters["instance_claimed_twice"] += len(conflicts)
    scores = candidates.scores.copy()
    for group in _groups(conflicts):
        for class_id, index in _best_combination(instances, group, best):
            if index != best[class_id]:
                near = box_iou(candidates.boxes_xyxy[index], candidates.boxes_xyxy) >= SAME_PLACE_IOU
                scores[~near, class_id] = 0.0
                counters["instance_given_up"] += 1
    return dataclasses.replace(candidates, scores=scores)


class _Instances:
    """What a class may choose among, and whether two choices are one bone twice. A choice is (class, candidate)."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        _, rows, columns = candidates.prototypes.shape
        net = candidates.view.input_size
        self._cell = np.array([net.width / columns, net.height / rows] * 2)
        self._known: dict[tuple[int, int], bool] = {}

    def found(self, class_id: int, index: int) -> bool:
        """Whether a choice is more than nothing."""
        return bool(self.candidates.scores[index, class_id] >= LEAST_SCORE)

    def options(self, class_id: int, best: int) -> list[tuple[int, int]]:
        """Best candidates of a class at different places, the best one first."""
        scores, boxes = self.candidates.scores[:, class_id], self.candidates.boxes_xyxy
        order = np.flatnonzero(scores >= LEAST_SCORE)
        order = order[np.argsort(-scores[order], kind="stable")]
        found: list[tuple[int, int]] = []
        while len(order) and len(found) < ALTERNATIVES:
            found.append((class_id, int(order[0])))
            order = order[box_iou(boxes[order[0]], boxes[order]) < SAME_PLACE_IOU]
        return found or [(class_id, best)]

    def clash(self, first: tuple[int, int], second: tuple[int, int]) -> bool:
        """Whether two classes would lie on one instance."""
        if {BONES[first[0]], BONES[second[0]]} == MAY_COINCIDE:
            return False
        pair = (min(first[1], second[1]), max(first[1], second[1]))
        if pair not in self._known:
            self._known[pair] = self._mask_iou(*pair) > SAME_INSTANCE_IOU
        return self._known[pair]

    def _mask_iou(self, first: int, second: int) -> float:
        """IoU of two candidates' masks on the prototypes' cells."""
        boxes = self.candidates.boxes_xyxy[[first, second]]
        if first == second or float(box_iou(boxes[0], boxes[1:])[0]) <= LEAST_BOX_IOU:
            return float(first == second)
        edges = np.maximum(np.rint(boxes / self._cell).astype(np.int64), 0)
        left, top = edges[:, :2].min(axis=0).tolist()
        right, bottom = edges[:, 2:].max(axis=0).tolist()
        region = self.candidates.prototypes[:, top:bottom, left:right]
        masks: NDArray[np.bool_] = np.tensordot(self.candidates.coefficients[[first, second]], region, axes=1) > 0.0
        for mask, (x_low, y_low, x_high, y_high) in zip(masks, edges.tolist(), strict=True):
            inside = np.zeros_like(mask)
            inside[y_low - top : y_high - top, x_low - left : x_high - left] = True
            mask &= inside
        return float((masks[0] & masks[1]).sum() / max(int((masks[0] | masks[1]).sum()), 1))


def _groups(conflicts: list[tuple[int, int]]) -> list[list[int]]:
    """Classes that hang together by conflicts."""
    groups: list[set[int]] = []
    for pair in conflicts:
        touched = [group for group in groups if not group.isdisjoint(pair)]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return [sorted(group) for group in groups]


def _best_combination(instances: _Instances, group: list[int], best: list[int]) -> tuple[tuple[int, int], ...]:
    """Choices of all classes concerned: fewest conflicts, then the highest product of scores."""
    options: dict[int, list[tuple[int, int]]] = {}
    joining = group
    while joining:
        options |= {class_id: instances.options(class_id, best[class_id]) for class_id in joining}
        if math.prod(map(len, options.values())) > MOST_COMBINATIONS:
            return ()
        joining = _who_else(instances, options, best)
    scores = instances.candidates.scores

    def cost(combination: tuple[tuple[int, int], ...]) -> tuple[int, float]:
        clashes = sum(itertools.starmap(instances.clash, itertools.combinations(combination, 2)))
        return clashes, -sum(math.log(max(float(scores[index, class_id]), 1e-9)) for class_id, index in combination)

    return min(itertools.product(*options.values()), key=cost)


def _who_else(instances: _Instances, options: dict[int, list[tuple[int, int]]], best: list[int]) -> list[int]:
    """Classes whose own best instance might be taken from them: they have their say too."""
    alternatives = [choice for choices in options.values() for choice in choices[1:]]
    return [
        other
        for other in range(BONE_COUNT)
        if other not in options
        and instances.found(other, best[other])
        and any(instances.clash(choice, (other, best[other])) for choice in alternatives)
    ]
