"""How appearance is drawn: deviations that a spread scales, and rare things that it makes likelier."""

from __future__ import annotations

from typing import Final

import numpy as np

SHARES: Final[dict[str, float]] = {
    "marker": 0.55,
    "white bands": 0.12,
    "shutter": 0.05,
    "ring": 0.04,
    "nail art": 0.025,
    "implant": 0.025,
    "bangle": 0.012,
    "rescaled": 0.05,
}
"""Part of the images that hold each; what is below 0.1 is as many times likelier as the spread says."""


def around(rng: np.random.Generator, mean: float, deviation: float, spread: float) -> float:
    """A positive number near `mean`: log-normal, at most three deviations away.

    Args:
        rng: source of chance.
        mean: the typical value.
        deviation: standard deviation as a part of it.
        spread: factor on the deviation.
    """
    return float(mean * np.exp(spread * deviation * np.clip(rng.standard_normal(), -3.0, 3.0)))


def happens(rng: np.random.Generator, what: str, spread: float) -> bool:
    """Whether an image holds something of `SHARES`."""
    share = SHARES[what]
    return bool(rng.random() < (share if share >= 0.1 else min(0.5, share * spread)))
