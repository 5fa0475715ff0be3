"""Hard votes of several models on runs: exact weights, the decision, who was outvoted how often.

A pixel is on where the models that have it hold MORE than the threshold's share of the weight. An exact tie is off:
with two equal models and a threshold of one half the vote is their intersection. Weights and threshold are taken as the
decimal fractions that were written, and compared as whole numbers: no rounding decides a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.rle import (
    MOST_TABLED_MODELS,
    Mask,
    RunLengthMasks,
    difference,
    interleave,
    intersection,
    intersection_areas,
    vote_by_table,
    vote_by_weight,
    vote_with_areas,
)

Areas = NDArray[np.int64]

MOST_COUNTED_MODELS: Final = 8
"""Up to so many models the areas of all sets are counted in the vote's own sweep; more are counted pair by pair."""
LARGEST_SUM: Final = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """Who votes on which bone with which weight.

    Attributes:
        weights: (29, N) int64, not negative; whole multiples of what was asked for.
        limits: (29,) int64; a pixel is on where the summed weight is more.
    """

    weights: NDArray[np.int64]
    limits: NDArray[np.int64]

    def __post_init__(self) -> None:
        bones, models = self.weights.shape
        if bones != BONE_COUNT or models < 1 or self.limits.shape != (BONE_COUNT,):
            raise ValueError(f"expected weights ({BONE_COUNT}, N) and limits, got {self.weights.shape}")
        if (self.weights < 0).any() or (self.limits < 0).any():
            raise ValueError("expected weights and limits of at least 0")
        self.weights.flags.writeable = False
        self.limits.flags.writeable = False

    @property
    def models(self) -> int:
        """N."""
        return int(self.weights.shape[1])

    def table(self) -> Mask:
        """(2^N,) or (29, 2^N) bool: the decision for each set of models, bit n standing for model n."""
        rows = []
        for weights, limit in zip(self.weights, self.limits, strict=True):
            sums = np.zeros(1, dtype=np.int64)
            for weight in weights:
                sums = np.concatenate([sums, sums + weight])
            rows.append(sums > limit)
        table = np.stack(rows)
        return table[0] if (table == table[0]).all() else table

    def sole_deciders(self) -> NDArray[np.int64]:
        """(29,) int64, the model that decides a bone alone, whatever the others say; -1 where there is none."""
        decides = (self.weights > self.limits[:, None]) & (
            self.weights.sum(axis=1, keepdims=True) - self.weights <= self.limits[:, None]
        )
        return np.where(decides.any(axis=1), decides.argmax(axis=1), -1)


def ballot_of(weights: Sequence[Sequence[Fraction]], threshold: Fraction) -> Ballot:
    """Exact whole-number weights.

    Args:
        weights: 29 rows of N weights, in channel order.
        threshold: share of the weight, from 0 (any model with weight) to below 1.

    Raises:
        ValueError: a negative weight, a bone without weight, a threshold outside [0, 1), or more digits than fit.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"expected a threshold from 0 to below 1, got {float(threshold)}")
    rows, limits = [], []
    for bone, row in zip(BONES, weights, strict=True):
        if any(weight < 0 for weight in row):
            raise ValueError(f"expected weights of at least 0 for {bone}, got {float(min(row))}")
        if not any(row):
            raise ValueError(f"expected at least one model with weight for {bone}, got none")
        whole = lcm(*(weight.denominator for weight in row)) * threshold.denominator
        scaled = [int(weight * whole) for weight in row]
        if sum(scaled) >= LARGEST_SUM:
            raise ValueError(f"expected weights of fewer digits for {bone}: their exact sum needs more than 53 bits")
        rows.append(scaled)
        limits.append(int(sum(scaled) * threshold))
    return Ballot(np.array(rows, dtype=np.int64), np.array(limits, dtype=np.int64))


@dataclass(slots=True, eq=False)
class Agreement:
    """How often each model was outvoted, summed over images.

    Attributes:
        models: their names.
        images: so many were voted on.
        disputed: (29,) pixels that some models have and others have not.
        extra: (29, N) disputed pixels that the model has and the vote has not.
        missed: (29, N) disputed pixels that the vote has and the model has not.
        differing: (29, N) images on which the vote is not the model's mask.
        against_all: (29,) pixels decided against all models: none in hard votes; averages of probabilities may do so.
    """

    models: tuple[str, ...]
    images: int = 0
    disputed: Areas = field(init=False)
    extra: Areas = field(init=False)
    missed: Areas = field(init=False)
    differing: Areas = field(init=False)
    against_all: Areas = field(init=False)

    def __post_init__(self) -> None:
        self.disputed = np.zeros(BONE_COUNT, dtype=np.int64)
        self.against_all = np.zeros(BONE_COUNT, dtype=np.int64)
        for name in ("extra", "missed", "differing"):
            setattr(self, name, np.zeros((BONE_COUNT, len(self.models)), dtype=np.int64))

    def add(self, disputed: Areas, extra: Areas, missed: Areas, against_all: Areas | None = None) -> None:
        """Count one image: (29,), twice (29, N) and (29,) pixels."""
        self.images += 1
        overruled = np.zeros(BONE_COUNT, dtype=np.int64) if against_all is None else against_all
        self.against_all += overruled
        self.disputed += disputed
        self.extra += extra
        self.missed += missed
        self.differing += (extra + missed + overruled[:, None]) > 0

    def outvoted(self) -> NDArray[np.float64]:
        """(29, N) share of a bone's disputed pixels that were decided against the model; 0 where none is disputed."""
        return np.asarray((self.extra + self.missed) / np.maximum(self.disputed, 1)[:, None])

    def followed(self) -> NDArray[np.int64]:
        """(29,) the one model whose masks the vote repeats although others differ; -1 where there is none."""
        same = self.differing == 0
        alone = (same.sum(axis=1) == 1) & (self.disputed > 0)
        return np.where(alone, same.argmax(axis=1), -1)

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        outvoted, followed = self.outvoted(), self.followed()
        return {
            "images": self.images,
            "bones": {
                bone: {
                    "disputed_px": int(self.disputed[index]),
                    "against_all_px": int(self.against_all[index]),
                    "outvoted": {name: round(float(share), 6) for name, share in zip(self.models, row, strict=True)},
                    "follows": self.models[followed[index]] if followed[index] >= 0 else None,
                }
                for index, (bone, row) in enumerate(zip(BONES, outvoted, strict=True))
            },
        }


def vote(ballot: Ballot, opinions: Sequence[RunLengthMasks], agreement: Agreement | None = None) -> RunLengthMasks:
    """Decide one image.

    Args:
        ballot: for N models.
        opinions: N batches of 29 channels, of one size.
        agreement: where to count who was outvoted.

    Returns:
        29 channels.
    """
    return Voter(ballot).decide(opinions, agreement)


class Voter:
    """A ballot made ready for many images."""

    def __init__(self, ballot: Ballot) -> None:
        self.ballot = ballot
        self._table = ballot.table() if ballot.models <= MOST_TABLED_MODELS else None
        self._members = np.arange(1 << min(ballot.models, MOST_COUNTED_MODELS))

    def decide(self, opinions: Sequence[RunLengthMasks], agreement: Agreement | None = None) -> RunLengthMasks:
        """See `vote`."""
        models = self.ballot.models
        if len(opinions) != models or any(len(masks) != BONE_COUNT for masks in opinions):
            raise ValueError(f"expected {models} batches of {BONE_COUNT} masks, got {[len(each) for each in opinions]}")
        together = interleave(opinions)
        if self._table is None:
            decided = vote_by_weight(together, models, self.ballot.weights, self.ballot.limits)
        elif agreement is None or models > MOST_COUNTED_MODELS:
            decided = vote_by_table(together, models, self._table)
        else:
            decided, areas = vote_with_areas(together, models, self._table)
            self._count_sets(areas, agreement)
            return decided
        if agreement is not None:
            count_pairs(opinions, decided, agreement)
        return decided

    def _count_sets(self, areas: Areas, agreement: Agreement) -> None:
        """Everything about agreement follows from how many pixels belong to each set of models."""
        assert self._table is not None
        table = np.broadcast_to(self._table, areas.shape)
        on, off = np.where(table, areas, 0), np.where(table, 0, areas)
        has = (self._members[:, None] >> np.arange(self.ballot.models)) & 1
        agreement.add(areas[:, 1:-1].sum(axis=1), off @ has, on @ (1 - has))


def count_pairs(opinions: Sequence[RunLengthMasks], decided: RunLengthMasks, agreement: Agreement) -> None:
    """Count one image's agreement, model by model, for any number of models."""
    together, models = interleave(opinions), len(opinions)
    ones, none = np.ones((BONE_COUNT, models), dtype=np.int64), np.zeros(BONE_COUNT, dtype=np.int64)
    either = vote_by_weight(together, models, ones, none)
    everyone = vote_by_weight(together, models, ones, none + (models - 1))
    disputed = difference(either, everyone)
    inside = intersection(decided, disputed)
    parts = [intersection(masks, disputed) for masks in opinions]
    areas = np.stack([masks.areas() for masks in parts], axis=1)
    shared = np.stack([intersection_areas(masks, inside) for masks in parts], axis=1)
    against_all = difference(decided, either).areas() + difference(everyone, decided).areas()
    agreement.add(disputed.areas(), areas - shared, inside.areas()[:, None] - shared, against_all)
