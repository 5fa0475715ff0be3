"""Who a phantom is: sex, age and build, which its bones, its soft tissue and the metadata table all follow.

Stature and weight: mean and deviation of Korean adults (Size Korea survey, rounded), because the real patients are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Sex = Literal["female", "male"]

STATURE_CM: Final[dict[Sex, tuple[float, float]]] = {"female": (160.0, 5.4), "male": (173.5, 5.9)}
BODY_MASS_INDEX: Final[dict[Sex, tuple[float, float]]] = {"female": (22.0, 3.0), "male": (24.3, 3.2)}
SHARE_OF_YOUNG: Final = 0.04
"""Part of the patients between 13 and 18, whose growth plates are open or closing."""


@dataclass(frozen=True, slots=True)
class Person:
    """One patient.

    Attributes:
        sex: "female" or "male".
        age_years: 13 to 90.
        height_cm, weight_kg: stature and body weight.
        stature_score: stature against the mean of the sex, in standard deviations; hands follow it.
    """

    sex: Sex
    age_years: int
    height_cm: float
    weight_kg: float
    stature_score: float


def draw_person(rng: np.random.Generator, spread: float = 1.0) -> Person:
    """Draw a patient; `spread` scales deviations of the build, and with 2 the share of the young and the old."""
    sex: Sex = "female" if rng.random() < 0.5 else "male"
    if rng.random() < SHARE_OF_YOUNG * spread:
        age = int(rng.integers(13, 19))
    else:
        age = int(np.clip(19 + rng.gamma(2.2, 9.0 * spread), 19, 90))
    score = float(np.clip(rng.standard_normal(), -2.6, 2.6))
    mean, deviation = STATURE_CM[sex]
    height = mean + spread * deviation * score
    index_mean, index_deviation = BODY_MASS_INDEX[sex]
    index = max(16.0, index_mean + spread * index_deviation * float(rng.standard_normal()))
    return Person(sex, age, round(height, 1), round(index * (height / 100) ** 2, 1), spread * score)
