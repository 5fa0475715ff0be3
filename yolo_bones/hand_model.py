"""What hands look like: place, size and direction of each bone, and where neighbours lie of each other.

Built in from the statistics of real hands, and learnt robustly from any set of hands, so that a few wrong labels in it
move nothing; a small set is blended with what is built in. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import NEIGHBOURS, TYPICAL, BoneMeasures, direction_xy
from yolo_bones.bone_shapes import ARM_IDS, ARM_REACH, FEATURES, PLACE
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS

Values = NDArray[np.float64]

BUILT_IN_HANDS: Final = 20
"""What is built in counts as much as so many hands of a set that is learnt from."""
LEAST_SD: Final = np.array([0.01, 0.01, 0.06, 0.03, 0.036, 0.036])
"""Of each feature: no set is trusted to vary less."""
BUILT_IN_SD: Final = np.array([0.03, 0.03, 0.12, 0.06, 0.06, 0.06])
"""Added to the built-in deviations: a fitted frame is not the frame that they were measured in."""
ARM_PLACE_SD: Final = (0.15, 0.10)
"""Of the wrist's ends of radius and ulna, which turn with the wrist."""
LEAST_PAIR_SD: Final = 0.01
MOST_PAIR_SD: Final = 0.15
PAIRS: Final = np.array([(CLASS_IDS[a], CLASS_IDS[b]) for a, b in NEIGHBOURS])
"""(pairs, 2) class ids of neighbours."""
MOST_OF_OTHERS: Final = 0.8
"""Weight of one bone's word on a place, of the weight of all others together."""
MAD_TO_SD: Final = 1.4826
TAIL: Final = 0.97
TAIL_SD: Final = 2.17
"""Standard deviations that so large a part of normal values stays within."""


@dataclass(frozen=True, slots=True, eq=False)
class HandModel:
    """Robust mean and deviation of what is measured of a hand in its own frame.

    Attributes:
        mean, sd: (29, 6) of `bone_shapes.FEATURES`; radius and ulna as `bone_shapes.wrist_end` leaves them.
        pair_mean, pair_sd: (pairs, 2) place of the first of each of `PAIRS` less the place of the second.
        hands: that it was learnt from; 0 for what is built in.
    """

    mean: Values
    sd: Values
    pair_mean: Values
    pair_sd: Values
    hands: int = 0

    def expected_places(self, places: Values) -> tuple[Values, Values]:
        """Where each bone should lie, as its neighbours say, and the frame as one voice among them.

        Args:
            places: (29, 2), NaN for a bone that is missing.

        Returns:
            (29, 2) weighted medians, which one bone that is out of place does not move, and (29, 2) their standard
            deviations if the voices were independent.
        """
        expected, spread = np.empty((BONE_COUNT, 2)), np.empty((BONE_COUNT, 2))
        for bone in range(BONE_COUNT):
            first, second = PAIRS[:, 0] == bone, PAIRS[:, 1] == bone
            voices = np.concatenate(
                [
                    self.mean[bone, PLACE][None],
                    places[PAIRS[first, 1]] + self.pair_mean[first],
                    places[PAIRS[second, 0]] - self.pair_mean[second],
                ]
            )
            sd = np.concatenate([self.sd[bone, PLACE][None], self.pair_sd[first], self.pair_sd[second]])
            heard = ~np.isnan(voices).any(axis=1)
            weights = _limited(1.0 / sd[heard] ** 2)
            expected[bone] = [_weighted_median(voices[heard, axis], weights[:, axis]) for axis in (0, 1)]
            spread[bone] = 1.0 / np.sqrt(weights.sum(axis=0))
        return expected, spread


@lru_cache(maxsize=1)
def built_in_hand() -> HandModel:
    """The model of real hands, from `anatomy.TYPICAL`; neighbours as if their places were independent."""
    mean, sd = np.empty((BONE_COUNT, len(FEATURES))), np.empty((BONE_COUNT, len(FEATURES)))
    for class_id, bone in enumerate(BONES):
        mean[class_id], sd[class_id] = _typical_features(TYPICAL[bone], class_id in ARM_IDS)
    first, second = PAIRS.T
    apart = mean[first, PLACE] - mean[second, PLACE]
    pair_sd = np.minimum(np.hypot(sd[first, PLACE], sd[second, PLACE]), MOST_PAIR_SD)
    return HandModel(mean, sd, apart, pair_sd)


def learn_hand(features: Values, prior: HandModel | None = None, *, tails: bool = False) -> HandModel:
    """Learn from hands.

    Args:
        features: (hands, 29, 6) as `bone_shapes.shape_features`, NaN for a bone that is missing.
        prior: what a small set is blended with; what is built in when not given.
        tails: see `robust_moments`.
    """
    prior = built_in_hand() if prior is None else prior
    if len(features) == 0:
        return prior
    places = features[:, :, PLACE]
    apart = places[:, PAIRS[:, 0]] - places[:, PAIRS[:, 1]]
    mean, sd = blend(features, prior.mean, prior.sd, tails=tails)
    pair_mean, pair_sd = blend(apart, prior.pair_mean, prior.pair_sd, tails=tails)
    return HandModel(
        mean, np.hypot(sd, LEAST_SD), pair_mean, np.hypot(pair_sd, LEAST_PAIR_SD), prior.hands + len(features)
    )


def blend(values: Values, prior_mean: Values, prior_sd: Values, *, tails: bool = False) -> tuple[Values, Values]:
    """Median and deviation of a set, mixed with what was known before by how many values there are.

    Args:
        values: (n, ...), NaN where nothing was measured.
        prior_mean, prior_sd: (...) known before; they count as `BUILT_IN_HANDS` values.
        tails: see `robust_moments`.

    Returns:
        (...) mean and standard deviation, the latter with what the two disagree.
    """
    median, spread, count = robust_moments(values, tails=tails)
    share = count / (count + BUILT_IN_HANDS)
    median, spread = np.where(count > 0, median, prior_mean), np.where(count > 0, spread, 0.0)
    mean = share * median + (1.0 - share) * prior_mean
    variance = share * spread**2 + (1.0 - share) * prior_sd**2 + share * (1.0 - share) * (median - prior_mean) ** 2
    return mean, np.sqrt(variance)


def robust_moments(values: Values, *, tails: bool = False) -> tuple[Values, Values, NDArray[np.int64]]:
    """Median, standard deviation from the median absolute deviation, and number, over the first axis without NaN.

    Where there is no value, median and deviation are 0.

    Args:
        values: (n, ...), NaN where nothing was measured.
        tails: let what up to a tenth of the values do count as usual: bent wrists, where most are straight. A thirtieth
            may still be wrong.
    """
    count = (~np.isnan(values)).sum(axis=0)
    known = np.where(count > 0, values, 0.0)
    median = np.nanmedian(known, axis=0)
    off = np.abs(known - median)
    spread = MAD_TO_SD * np.nanmedian(off, axis=0)
    if tails:
        spread = np.maximum(spread, np.nanquantile(off, TAIL, axis=0) / TAIL_SD)
    return median, spread, count


def _typical_features(typical: BoneMeasures, is_arm: bool) -> tuple[Values, Values]:
    """Mean and deviation of the features of a shape with the typical slices along a straight axis."""
    widths = np.array(typical.slice_widths)
    thickness, direction = typical.length / len(widths), direction_xy(typical.angle_deg)
    place, place_sd = np.array([typical.thumbward, typical.distalward]), (typical.thumbward_sd, typical.distalward_sd)
    area = typical.area
    if is_arm:
        tip = place + (1.0 - typical.centroid_fraction) * typical.length * direction
        widths = widths[-max(1, round(ARM_REACH / thickness)) :]
        area = float(widths.sum() * thickness)
        place, place_sd = tip - 0.5 * ARM_REACH * direction, ARM_PLACE_SD
    heights = (np.arange(len(widths)) + 0.5) * thickness
    weight = widths / widths.sum()
    along = float((weight * heights**2).sum() - (weight * heights).sum() ** 2)
    across = float((weight * widths**2).sum() / 12.0)
    large, small = max(along, across), min(along, across)
    drawn_out = (large - small) / (large + small)
    cosine, sine = (float(part(2.0 * np.deg2rad(typical.angle_deg))) for part in (np.cos, np.sin))
    turn_sd = drawn_out * min(2.0 * np.deg2rad(typical.angle_deg_sd), 1.2)
    aspect_sd = 0.7 * np.hypot(typical.length_sd / typical.length, typical.width_sd / typical.width)
    mean = np.array([*place, np.log(area), 0.5 * np.log(large / small), drawn_out * cosine, drawn_out * sine])
    sd = np.array(
        [
            *place_sd,
            typical.area_sd / typical.area,
            aspect_sd,
            turn_sd * abs(sine) + 0.05,
            turn_sd * abs(cosine) + 0.05,
        ]
    )
    return mean, np.hypot(sd, BUILT_IN_SD)


def _limited(weights: Values) -> Values:
    """(voices, 2) weights in which no voice outweighs the others: the bone next to it may be the one out of place."""
    others = weights.sum(axis=0) - weights
    return np.where(others > 0.0, np.minimum(weights, MOST_OF_OTHERS * others), weights)


def _weighted_median(values: Values, weights: Values) -> float:
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    return float(values[order[int(np.searchsorted(passed, 0.5 * passed[-1]))]])
