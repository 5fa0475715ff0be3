"""How people draw outlines: how densely, in what order, how far from the bone's edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.framing import REFERENCE_SIZE
from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import ImageSize, Mask

FEWEST_POINTS: Final = 40
MOST_POINTS: Final = 1700
SPACING_SD: Final = 0.3
"""Deviation of the logarithm of a bone's spacing from its annotator's."""
SHARE_OF_CHAINS: Final = 1 / 60
"""Part of the bones that are followed pixel by pixel, whoever draws."""
LEAST_CHAIN_WITH_REPEATS: Final = 400
SHARE_OF_REPEATS: Final = 0.05
"""Part of a long pixel chain's points that occur twice running (79 of 1,650 in the one that is known)."""
TREMOR: Final = ((0.75, 9.0), (0.60, 35.0))
"""(weight, width of the smoothing kernel in pixels at 2048) of an outline's deviation from the edge."""
BIAS: Final = 0.25
"""Weight of drawing a whole bone too wide or too narrow; the squares of the three weights sum to one."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """One of the people who drew.

    Attributes:
        name: as in the annotation file.
        spacing_px: typical distance of the points along an outline, in pixels at 2048.
    """

    name: str
    spacing_px: float


ANNOTATORS: Final = (
    Annotator("annotator-1", 1.2),
    Annotator("annotator-2", 1.6),
    Annotator("annotator-3", 2.0),
    Annotator("annotator-4", 2.6),
    Annotator("annotator-5", 3.5),
    Annotator("annotator-6", 9.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnBone:
    """One annotation.

    Attributes:
        label: a bone's name, the right one or not.
        points: (P, 2) int32 (x, y) in pixels, implicitly closed.
    """

    label: str
    points: IntegerPoints


def draw_bones(
    outlines: dict[str, IntegerPoints], size: ImageSize, noise: float, rng: np.random.Generator
) -> tuple[Annotator, list[DrawnBone]]:
    """Draw all bones of one image.

    Args:
        outlines: bone -> (P, 2) outline that fills to the exact mask.
        size: of the image.
        noise: standard deviation of a drawn outline's distance from the edge, in pixels at 2048; with 0 every polygon
            fills to the exact mask.
        rng: source of chance.

    Returns:
        Who drew, and the annotations in the order in which they were drawn.
    """
    annotator = ANNOTATORS[int(rng.integers(len(ANNOTATORS)))]
    order = rng.permutation(len(outlines))
    # A generator for each bone: what is drawn of one does not depend on the length of another's outline.
    drawn = [
        DrawnBone(bone, draw_outline(outline, size, annotator, noise, own))
        for (bone, outline), own in zip(outlines.items(), rng.spawn(len(outlines)), strict=True)
    ]
    return annotator, [drawn[place] for place in order]


def draw_outline(
    outline: IntegerPoints, size: ImageSize, annotator: Annotator, noise: float, rng: np.random.Generator
) -> IntegerPoints:
    """Draw one bone: see `draw_bones`."""
    factor = size.height / REFERENCE_SIZE
    spacing = max(1.0, annotator.spacing_px * factor * float(np.exp(SPACING_SD * rng.standard_normal())))
    follows = bool(rng.random() < SHARE_OF_CHAINS)
    chain = pixel_chain(*fill_polygon(outline, size))
    if noise > 0.0:
        chain = _strayed(chain, size, noise * factor, rng)
    if follows:
        return _with_repeats(chain, rng)
    return with_count(chain, round(len(chain) / spacing), exact=noise == 0.0)


def pixel_chain(crop: Mask, top: int = 0, left: int = 0) -> IntegerPoints:
    """Every border pixel of a mask's largest part in order: (P, 2) int32 (x, y), neighbours touching."""
    found, _ = cv2.findContours(
        crop.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(int(left), int(top))
    )
    largest = max(found, key=lambda chain: (cv2.contourArea(chain), len(chain)))
    return np.asarray(largest, dtype=np.int32).reshape(-1, 2)


def with_count(chain: IntegerPoints, count: int, exact: bool) -> IntegerPoints:
    """Thin a pixel chain to about `count` points, between `FEWEST_POINTS` and `MOST_POINTS` where it has as many.

    Args:
        chain: (P, 2) of `pixel_chain`.
        count: wanted.
        exact: keep every corner, so that the polygon fills to the same pixels, as long as `MOST_POINTS` allow it; else
            the points that matter least for the shape go first.
    """
    most = min(len(chain), MOST_POINTS)
    count = int(np.clip(count, min(FEWEST_POINTS, most), most))
    steps = np.roll(chain, -1, axis=0) - chain
    corner = (steps != np.roll(steps, 1, axis=0)).any(axis=1)
    corners = int(corner.sum())
    if (corners > count and not exact) or corners > most:
        return _simplified(chain, count if not exact else most)
    straight = np.flatnonzero(~corner)
    added = min(max(0, count - corners), len(straight))
    corner[straight[np.linspace(0, len(straight) - 1, added).astype(int)]] = True
    return np.asarray(chain[corner])


def _simplified(chain: IntegerPoints, count: int) -> IntegerPoints:
    """The Douglas-Peucker outline with the most points that are at most `count`."""
    low, high = 0.25, float(np.ptp(chain, axis=0).max()) + 1.0
    best = chain[:: -(-len(chain) // count)]
    for _ in range(12):
        middle = float(np.sqrt(low * high))
        points = np.asarray(cv2.approxPolyDP(chain, middle, True), dtype=np.int32).reshape(-1, 2)
        if len(points) > count:
            low = middle
        else:
            high = middle
            if len(points) >= 3:
                best = points
    return best if len(best) >= min(count, FEWEST_POINTS) else _topped_up(chain, best)


def _topped_up(chain: IntegerPoints, points: IntegerPoints) -> IntegerPoints:
    """`points` of a chain, with others evenly from between them, so that there are `FEWEST_POINTS`."""
    kept = (chain[:, None] == points).all(axis=2).any(axis=1)
    others = np.flatnonzero(~kept)
    missing = FEWEST_POINTS - int(kept.sum())
    if missing > 0:
        kept[others[np.linspace(0, len(others) - 1, missing).astype(int)]] = True
    return np.asarray(chain[kept])


def _with_repeats(chain: IntegerPoints, rng: np.random.Generator) -> IntegerPoints:
    """A long chain as it is left by a hand that rests now and then: some points twice running."""
    if len(chain) < LEAST_CHAIN_WITH_REPEATS:
        return with_count(chain, len(chain), exact=True)
    repeats = round(SHARE_OF_REPEATS * min(len(chain), MOST_POINTS))
    if len(chain) + repeats > MOST_POINTS:
        chain = with_count(chain, MOST_POINTS, exact=True)
        repeats = min(repeats, MOST_POINTS - len(chain))
    places = np.sort(rng.choice(len(chain), repeats, replace=False))
    return np.insert(chain, places, chain[places], axis=0)


def _strayed(chain: IntegerPoints, size: ImageSize, noise_px: float, rng: np.random.Generator) -> IntegerPoints:
    """Move a chain in and out by a smooth random amount; what lies on the frame's edge stays there."""
    shifts = noise_px * _smooth_noise(len(chain), size.height / REFERENCE_SIZE, rng)
    moved = np.rint(chain + shifts[:, None] * outward_normals(chain)).astype(np.int64)
    limit = np.array([size.width - 1, size.height - 1])
    on_edge = (chain == 0) | (chain == limit)
    inside = np.clip(np.where(on_edge, chain, moved), 0, limit)
    crop, top, left = fill_polygon(inside.astype(np.int32), size)
    strayed = pixel_chain(crop, top, left)
    return strayed if len(strayed) >= 8 else chain


def _smooth_noise(count: int, factor: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of standard deviation 1 along a closed chain of `count` pixels, correlated as `TREMOR` says."""
    frequencies = np.fft.rfftfreq(count)
    whole = np.fft.fftfreq(count)
    total = np.full(count, BIAS * rng.standard_normal())
    for weight, width_px in TREMOR:
        reach = 2.0 * np.pi * width_px * factor
        damped = np.fft.rfft(rng.standard_normal(count)) * np.exp(-0.5 * (reach * frequencies) ** 2)
        deviation = np.sqrt(np.mean(np.exp(-((reach * whole) ** 2))))
        total += weight * np.fft.irfft(damped, count) / deviation
    return total


def outward_normals(chain: IntegerPoints) -> NDArray[np.float64]:
    """(P, 2) unit vectors that point out of a closed pixel chain, from its direction over seven pixels."""
    x, y = chain[:, 0].astype(np.float64), chain[:, 1].astype(np.float64)
    along = np.roll(chain, -3, axis=0) - np.roll(chain, 3, axis=0)
    turn = np.sign(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) or 1.0)
    normals = turn * np.column_stack([along[:, 1], -along[:, 0]]).astype(np.float64)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9))
