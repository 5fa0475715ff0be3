"""Where a hand lies, from the places of whichever of its bones were found: a similarity fitted to typical places.

Robust: a few bones that were mistaken for others, or not found, do not move it. numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL, HandFrame

FITTED: Final = tuple(bone for bone in TYPICAL if bone not in ("Radius", "Ulna"))
"""Bones with a place of their own; radius and ulna are cut by the image's edge and turn with the wrist."""
LEAST_BONES: Final = 4
LEAST_SPREAD: Final = 0.04
"""Bones are not trusted to lie closer to their typical place than this, in lengths of the third metacarpal."""
OUTLIER: Final = 3.0
"""Standard deviations beyond which a bone counts as mistaken."""
ROUNDS: Final = 8
SETTLED: Final = 1e-3
"""Refinement ends where a round changes direction and place by less than this, in units of the hand."""
LEAST_UNIT_PX: Final = 1e-6
"""A hand with a shorter third metacarpal is a point."""

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HandFit:
    """A fitted hand.

    Attributes:
        frame: where it lies.
        distances: bone -> how many standard deviations it lies from its typical place.
        support: weight of the bones that agree over the weight of all that were given, 0 to 1.
        other_side_support: the same for the best fit of a hand of the other side.
    """

    frame: HandFrame
    distances: dict[str, float]
    support: float
    other_side_support: float


def fit_hand(
    centroids_xy: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float] | None = None
) -> HandFit | None:
    """Fit side, place, direction and unit of a hand to the centroids of its bones.

    Every pair of bones proposes one hand of either side; the one that most bones agree with is refined by least squares
    with Tukey's weights.

    Args:
        centroids_xy: bone -> (2,) pixel coordinates, centres of pixels at whole numbers.
        weights: bone -> trust, such as a detector's confidence; 1 for all when not given.

    Returns:
        None when fewer than four bones with a typical place are given, or when all, or all that agree, lie in one
        point.
    """
    bones = [bone for bone in FITTED if bone in centroids_xy]
    if len(bones) < LEAST_BONES:
        return None
    found = np.array([complex(centroids_xy[bone][0], -centroids_xy[bone][1]) for bone in bones])
    trust = np.array([1.0 if weights is None else max(float(weights[bone]), 0.0) for bone in bones])
    spread = np.array([_spread(bone) for bone in bones])
    if np.ptp(found.real) + np.ptp(found.imag) < 1e-6 or trust.sum() <= 0.0:
        return None
    best: dict[bool, tuple[float, complex, complex, Real]] = {}
    for thumb_left in (False, True):
        side = -1.0 if thumb_left else 1.0
        typical = np.array([complex(side * TYPICAL[b].thumbward, TYPICAL[b].distalward) for b in bones])
        turn, shift = _refined(typical, found, trust, spread, *_proposed(typical, found, trust, spread))
        distances = np.abs(turn * typical + shift - found) / (max(abs(turn), 1e-9) * spread)
        best[thumb_left] = (_support(distances, trust), turn, shift, distances)
    thumb_left = best[True][0] > best[False][0]
    support, turn, shift, distances = best[thumb_left]
    if abs(turn) < LEAST_UNIT_PX:
        return None
    return HandFit(
        _frame(turn, shift, thumb_left),
        dict(zip(bones, map(float, distances), strict=True)),
        support,
        best[not thumb_left][0],
    )


def _spread(bone: str) -> float:
    typical = TYPICAL[bone]
    return float(np.hypot(np.hypot(typical.thumbward_sd, typical.distalward_sd) / np.sqrt(2.0), LEAST_SPREAD))


def _proposed(typical: Complex, found: Complex, trust: Real, spread: Real) -> tuple[complex, complex]:
    """The similarity through one pair of bones that most others agree with."""
    first, second = np.triu_indices(len(typical), k=1)
    apart = np.abs(typical[second] - typical[first])
    good = apart > 4.0 * (spread[first] + spread[second])
    if not good.any():
        good = apart >= np.quantile(apart, 0.75)
    first, second = first[good], second[good]
    turns = (found[second] - found[first]) / (typical[second] - typical[first])
    turns[np.abs(turns) < 1e-9] = 1e-9
    shifts = found[first] - turns * typical[first]
    missed = np.abs(turns[:, None] * typical + shifts[:, None] - found) / (np.abs(turns)[:, None] * spread)
    gain = (np.clip(1.0 - (missed / OUTLIER) ** 2, 0.0, None) * trust).sum(axis=1)
    chosen = int(gain.argmax())
    return complex(turns[chosen]), complex(shifts[chosen])


def _refined(
    typical: Complex, found: Complex, trust: Real, spread: Real, turn: complex, shift: complex
) -> tuple[complex, complex]:
    for _ in range(ROUNDS):
        distances = np.abs(turn * typical + shift - found) / (max(abs(turn), 1e-9) * spread)
        weights = trust * np.clip(1.0 - (distances / (1.5 * OUTLIER)) ** 2, 0.0, None) ** 2 / spread**2
        if (weights > 0.0).sum() < 2:
            break
        weights = weights / weights.sum()
        from_mean, to_mean = (weights * typical).sum(), (weights * found).sum()
        centred = typical - from_mean
        power = (weights * np.abs(centred) ** 2).sum()
        if power <= 0.0:
            break
        before = turn, shift
        turn = complex((weights * np.conj(centred) * (found - to_mean)).sum() / power)
        shift = complex(to_mean - turn * from_mean)
        if abs(turn - before[0]) + abs(shift - before[1]) < SETTLED * abs(turn):
            break
    return turn, shift


def _support(distances: Real, trust: Real) -> float:
    return float((trust * np.clip(1.0 - (distances / OUTLIER) ** 2, 0.0, None)).sum() / trust.sum())


def _frame(turn: complex, shift: complex, thumb_left: bool) -> HandFrame:
    unit = abs(turn)
    distalward = turn * 1j / unit
    thumbward = turn * (-1.0 if thumb_left else 1.0) / unit
    return HandFrame(
        origin_xy=np.array([shift.real, -shift.imag]),
        thumbward_xy=np.array([thumbward.real, -thumbward.imag]),
        distalward_xy=np.array([distalward.real, -distalward.imag]),
        unit_px=float(unit),
    )
