"""Which outline is which bone: the labels under which a hand is most like a hand.

Every outline is weighed as every bone, by place, size and direction, and every labelling by where neighbours lie of
each other. numpy only; the assignment is scipy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.bone_shapes import ARM_IDS, PLACE, features_both_ways, outline_moments
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS, DIGITS
from yolo_bones.hand_fit import fit_hand
from yolo_bones.hand_model import PAIRS, HandModel

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
"""(N,) class id of each outline, `NO_BONE` for one that is none."""

NO_BONE: Final = -1
MOST_OF_FEATURE: Final = 30.0
"""A squared deviation counts no more than this: an outline that is wrong in one way may be right in another."""
MOST_OF_PAIR: Final = 20.0
JOINTS: Final = np.array([(CLASS_IDS[a], CLASS_IDS[b]) for bones in DIGITS.values() for a, b in pairwise(bones)])
"""(14, 2) class ids: the bone beyond a joint of a digit, and the bone before it."""
JOINT_GAP: Final = 0.06
"""Between the ends of two bones that meet, in lengths of the third metacarpal; fingers that cross tell by it."""
MOST_OF_JOINT: Final = 60.0
FAR_FETCHED: Final = 60.0
"""An exchange is not tried where it makes the bones' own costs rise by more than this."""
UNTAKEN: Final = 60.0
"""Cost of an outline that is taken for no bone: less likely than any bone that it is somewhat like."""
ROUNDS: Final = 4
AT_EASE: Final = 12.0
"""Cost for each bone, neighbours included, below which labels that no exchange improves are not doubted further."""


@dataclass(frozen=True, slots=True, eq=False)
class WeighedOutlines:
    """Outlines of one image in one frame.

    Attributes:
        frame: of the hand.
        plain, arm: (N, 6) features as bones of the hand and as bones of the forearm.
        ends: (N, 2, 2) proximal and distal end of each.
        costs: (N, 29) of taking each outline for each bone.
    """

    frame: HandFrame
    plain: Values
    arm: Values
    ends: Values
    costs: Values

    def features(self, labels: Labels) -> Values:
        """(29, 6) features by bone, NaN for a bone that no outline is taken for."""
        found = np.full((BONE_COUNT, self.plain.shape[1]), np.nan)
        for row, label in enumerate(labels.tolist()):
            if label != NO_BONE:
                found[label] = (self.arm if label in ARM_IDS else self.plain)[row]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Labelling:
    """The best labels found for the outlines of an image.

    Attributes:
        given: labels as drawn; a bone's second outline is `NO_BONE`.
        labels: that fit best.
        weighed: the outlines in the frame of the best labels.
        cost, given_cost: of either, each in its own frame.
        model: of hands, that they were weighed with.
    """

    given: Labels
    labels: Labels
    weighed: WeighedOutlines
    cost: float
    given_cost: float
    model: HandModel

    def cost_of(self, labels: Labels) -> float:
        """What other labels would cost in the frame of the best ones."""
        return float(labelling_costs(labels[None], self.weighed, self.model)[0])


def weigh(outlines: Sequence[NDArray[np.generic]], frame: HandFrame, model: HandModel) -> WeighedOutlines:
    """Features of outlines in a frame, and what it costs to take each for each bone."""
    plain, arm, ends = features_both_ways(outlines, frame)
    by_bone = np.repeat(plain[:, None], BONE_COUNT, axis=1)
    by_bone[:, ARM_IDS] = arm[:, None]
    squares = ((by_bone - model.mean) / model.sd) ** 2
    return WeighedOutlines(frame, plain, arm, ends, np.minimum(squares, MOST_OF_FEATURE).sum(axis=-1))


def labelling_costs(candidates: Labels, weighed: WeighedOutlines, model: HandModel) -> Values:
    """(C,) cost of each of (C, N) labellings: of the bones themselves, and of where neighbours lie of each other."""
    count = len(candidates)
    rows = np.arange(candidates.shape[1])
    taken = candidates != NO_BONE
    own = np.where(taken, weighed.costs[rows, candidates], UNTAKEN).sum(axis=1)
    places = np.full((count, BONE_COUNT + 1, 2), np.nan)  # the last row takes what is no bone
    arm = np.isin(candidates, ARM_IDS)
    places[np.arange(count)[:, None], candidates] = np.where(
        arm[..., None], weighed.arm[:, PLACE], weighed.plain[:, PLACE]
    )
    places[:, BONE_COUNT] = np.nan
    apart = places[:, PAIRS[:, 0]] - places[:, PAIRS[:, 1]]
    squares = ((apart - model.pair_mean) / model.pair_sd) ** 2
    both_ends = np.full((count, BONE_COUNT + 1, 2, 2), np.nan)
    both_ends[np.arange(count)[:, None], candidates] = weighed.ends
    both_ends[:, BONE_COUNT] = np.nan
    gaps = both_ends[:, JOINTS[:, 1], 1] - both_ends[:, JOINTS[:, 0], 0]
    wide = (gaps**2).sum(axis=-1) / JOINT_GAP**2
    return np.asarray(
        own + _limited(squares, MOST_OF_PAIR).sum(axis=(1, 2)) + _limited(wide, MOST_OF_JOINT).sum(axis=1)
    )


def _limited(squares: Values, most: float) -> Values:
    """Squared deviations up to a limit, nothing where a bone is missing."""
    return np.where(np.isnan(squares), 0.0, np.minimum(squares, most))


def improve(labels: Labels, weighed: WeighedOutlines, model: HandModel) -> tuple[Labels, float]:
    """Exchange two labels, or give an outline a label that is free, as long as the cost falls."""
    labels = labels.copy()
    cost = float(labelling_costs(labels[None], weighed, model)[0])
    while True:
        candidates = _changes(labels, weighed)
        if len(candidates) == 0:
            return labels, cost
        costs = labelling_costs(candidates, weighed, model)
        best = int(costs.argmin())
        if costs[best] >= cost - 1e-6:
            return labels, cost
        labels, cost = candidates[best], float(costs[best])


def label_outlines(outlines: Sequence[NDArray[np.generic]], drawn: Sequence[str], model: HandModel) -> Labelling | None:
    """Find the labels under which outlines are most like a hand.

    Args:
        outlines: N of (P, 2), pixels (x, y).
        drawn: bone of each, as labelled; may be repeated.
        model: of hands.

    Returns:
        None where no hand can be fitted, whatever the labels.
    """
    given = first_labels(drawn)
    centroids = [outline_moments(outline).centroid for outline in outlines]
    frame = _frame_of(centroids, given)
    if frame is None:
        return None
    weighed = weigh(outlines, frame, model)
    given_cost = float(labelling_costs(given[None], weighed, model)[0])
    labels, cost = improve(given, weighed, model)
    found = [(cost, labels, weighed)]
    if cost > AT_EASE * len(outlines) or cost < given_cost - 1e-6:
        found += _other_beginnings(outlines, centroids, given, model)
    cost, labels, weighed = min(found, key=lambda one: one[0])
    return Labelling(given, labels, weighed, cost, given_cost, model)


def first_labels(drawn: Sequence[str]) -> Labels:
    """(N,) class ids; a label that an earlier outline has is `NO_BONE`."""
    ids = [CLASS_IDS[bone] for bone in drawn]
    return np.array([label if label not in ids[:place] else NO_BONE for place, label in enumerate(ids)], dtype=np.int64)


def _changes(labels: Labels, weighed: WeighedOutlines) -> Labels:
    """(C, N) labellings one step away that are not far-fetched."""
    count = len(labels)
    costs = np.column_stack([weighed.costs, np.full(count, UNTAKEN)])  # the last column: no bone
    own = costs[np.arange(count), labels]
    first, second = np.triu_indices(count, k=1)
    rise = costs[first, labels[second]] + costs[second, labels[first]] - own[first] - own[second]
    tried = (labels[first] != labels[second]) & (rise <= FAR_FETCHED)
    first, second = first[tried], second[tried]
    exchanged = np.repeat(labels[None], len(first), axis=0)
    rows = np.arange(len(first))
    exchanged[rows, first], exchanged[rows, second] = labels[second], labels[first]
    free = np.setdiff1d(np.arange(BONE_COUNT), labels)
    outline, place = np.nonzero(costs[:, free] - own[:, None] <= FAR_FETCHED)
    moved = np.repeat(labels[None], len(outline), axis=0)
    moved[np.arange(len(outline)), outline] = free[place]
    return np.concatenate([exchanged, moved])


def _other_beginnings(
    outlines: Sequence[NDArray[np.generic]], centroids: Sequence[Values], given: Labels, model: HandModel
) -> list[tuple[float, Labels, WeighedOutlines]]:
    """Labels found from other frames: those of mirrored labels, and each of them turned over."""
    found = []
    for start in (given, _mirrored(given, MIRRORED_FINGERS), _mirrored(given, MIRRORED)):
        begun = _frame_of(centroids, start)
        for frame in () if begun is None else (begun, _turned_over(begun)):
            weighed, labels = _assigned(outlines, centroids, frame, model)
            labels, cost = improve(labels, weighed, model)
            found.append((cost, labels, weighed))
    return found


def _assigned(
    outlines: Sequence[NDArray[np.generic]], centroids: Sequence[Values], frame: HandFrame, model: HandModel
) -> tuple[WeighedOutlines, Labels]:
    """Assign labels by the bones' own costs and fit the frame again, until nothing changes."""
    # Here and not above: it takes a third of a second to import.
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    before = np.empty(0, dtype=np.int64)
    for _ in range(ROUNDS):
        weighed = weigh(outlines, frame, model)
        labels = np.full(len(outlines), NO_BONE, dtype=np.int64)
        rows, columns = linear_sum_assignment(weighed.costs)
        labels[rows] = columns
        if np.array_equal(labels, before):
            break
        before = labels
        frame = _frame_of(centroids, labels) or frame
    return weigh(outlines, frame, model), labels


def _frame_of(centroids: Sequence[Values], labels: Labels) -> HandFrame | None:
    places = {BONES[label]: centroid for label, centroid in zip(labels, centroids, strict=True) if label != NO_BONE}
    fit = fit_hand(places)
    return None if fit is None else fit.frame


def _turned_over(frame: HandFrame) -> HandFrame:
    """The same place and direction, the thumb on the other side."""
    return HandFrame(frame.origin_xy, -frame.thumbward_xy, frame.distalward_xy, frame.unit_px)


def _mirrored(labels: Labels, pairs: Sequence[tuple[str, str]]) -> Labels:
    other = np.arange(-1, BONE_COUNT)
    for first, second in pairs:
        other[CLASS_IDS[first] + 1], other[CLASS_IDS[second] + 1] = CLASS_IDS[second], CLASS_IDS[first]
    return other[labels + 1]


MIRRORED_FINGERS: Final = tuple(
    pair
    for pair in (("index", "little"), ("middle", "ring"))
    for pair in zip(DIGITS[pair[0]], DIGITS[pair[1]], strict=True)
)
"""Bones that stand for each other in a hand of the other side."""
MIRRORED: Final = (
    *MIRRORED_FINGERS,
    ("finger-1", "finger-3"),
    ("Trapezium", "Hamate"),
    ("Trapezoid", "Capitate"),
    ("Scaphoid", "Triquetrum"),
    ("Radius", "Ulna"),
)
