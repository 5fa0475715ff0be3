"""How far the measures of one set of images lie from those of another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

KS_QUANTILE: Final = 1.358
"""Of Kolmogorov's distribution: 95 % of two samples of one population lie below this times sqrt(1/n + 1/m)."""
LEAST_IMAGES: Final = 2


@dataclass(frozen=True, slots=True)
class Shift:
    """One measure on both sides.

    Attributes:
        measure: name of the column.
        train, test: (count, mean, standard deviation) of the known values.
        standardised: difference of the means, test less train, in units of the root of the mean variance; None where
            neither side varies.
        ks: statistic of Kolmogorov and Smirnov, the largest gap between the two cumulative distributions, 0 to 1.
    """

    measure: str
    train: tuple[int, float, float]
    test: tuple[int, float, float]
    standardised: float | None
    ks: float


def compare(train: Mapping[str, Column], test: Mapping[str, Column]) -> list[Shift]:
    """Every measure with at least two known values on both sides, the farthest shifted first.

    Sorted by the statistic, then by the standardised difference, then by name.
    """
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # half a second to import

    found = []
    for name in train:
        here, there = _known(train[name]), _known(test[name])
        if min(len(here), len(there)) < LEAST_IMAGES:
            continue
        statistic = float(ks_2samp(here, there, method="asymp").statistic)
        found.append(Shift(name, _moments(here), _moments(there), _standardised(here, there), statistic))
    return sorted(found, key=lambda shift: (-shift.ks, -abs(shift.standardised or 0.0), shift.measure))


def chance_ks(train: int, test: int) -> float:
    """What the statistic stays below in 95 of 100 measures that do not differ, for so many patients on each side."""
    return min(1.0, KS_QUANTILE * math.sqrt(1.0 / train + 1.0 / test)) if train and test else 1.0


def _known(values: Column) -> Column:
    return values[~np.isnan(values)]


def _moments(values: Column) -> tuple[int, float, float]:
    return len(values), float(values.mean()), float(values.std())


def _standardised(here: Column, there: Column) -> float | None:
    spread = math.sqrt((float(here.var()) + float(there.var())) / 2.0)
    return float(there.mean() - here.mean()) / spread if spread > 0.0 else None
