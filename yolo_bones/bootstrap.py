"""Paired bootstrap by patient: how far a mean over images is to be trusted when images of a patient go together.

Patients are drawn with replacement, each with all images; the mean is over the images drawn. Intervals are percentile
intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
FEWEST_PATIENTS: Final = 6
"""With fewer, even all patients agreeing has a chance of more than 5 %."""
COUNTS_AT_ONCE: Final = 1 << 21
"""Numbers of draws held at a time, 16 MiB."""
TIE: Final = 1e-12
"""A resampled mean nearer to 0 is 0: only rounding, since differences of Dice are far larger."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapMeans:
    """Means of K columns with what the bootstrap says about them.

    Attributes:
        mean: (K,) over all images.
        low, high: (K,) ends of the 95 % interval; nan with one patient, who cannot be resampled.
        p: (K,) two-sided p of a mean of 0, uncorrected.
        smallest_p: that so many patients and samples can give.
        patients: that were resampled.
    """

    mean: Values
    low: Values
    high: Values
    p: Values
    smallest_p: float
    patients: int


def bootstrap_by_patient(values: Values, patients: Sequence[str], samples: int, seed: int) -> BootstrapMeans:
    """Mean, interval and p of each column.

    p counts resampled means on the other side of 0, plus one, and is never below `2 ** (1 - patients)`: the chance that
    as many patients all point the same way by luck, which resampling alone cannot see.

    Args:
        values: (N, K) float64, a row an image, such as differences of Dice.
        patients: N names, the patient of each row.
        samples: how many times patients are drawn.
        seed: of the draws; the same for all columns.
    """
    means = resampled_means(values, patients, samples, seed)
    count = len(set(patients))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0) if count > 1 else np.full((2, values.shape[1]), np.nan)
    below, above = (means <= TIE).sum(axis=0), (means >= -TIE).sum(axis=0)
    p = 2 * (1 + np.minimum(below, above)) / (samples + 1)
    smallest = max(2 / (samples + 1), 0.5 ** (count - 1))
    return BootstrapMeans(values.mean(axis=0), low, high, np.clip(p, smallest, 1.0), smallest, count)


def resampled_means(values: Values, patients: Sequence[str], samples: int, seed: int) -> Values:
    """(S, K) mean over the images of each draw of patients.

    Args:
        values: (N, K) float64, a row an image.
        patients: N names; their order does not matter.
        samples: S, at least 1.
        seed: of the draws.

    Raises:
        ValueError: no image, or another number of patients than of rows.
    """
    if values.ndim != 2 or len(values) == 0 or len(patients) != len(values) or samples < 1:
        raise ValueError(
            f"expected (N, K) values, N patients and samples, got {values.shape}, {len(patients)}, {samples}"
        )
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    count = len(names)
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, codes, values)
    images = np.bincount(codes, minlength=count)
    generator = np.random.default_rng(seed)
    chances = np.full(count, 1 / count)
    means = np.empty((samples, values.shape[1]))
    step = max(1, COUNTS_AT_ONCE // count)
    for start in range(0, samples, step):
        rows = slice(start, min(start + step, samples))
        draws = generator.multinomial(count, chances, size=rows.stop - rows.start)
        means[rows] = (draws @ sums) / (draws @ images)[:, None]
    return means


def holm(p: Values) -> Values:
    """(M,) p corrected for M tests at once by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
