"""Simple solids added to a plane of thickness: bands seen from the side, rods, strips and discs; edges anti-aliased."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Vector = NDArray[np.float64]


def add_band(
    plane: Plane, centre: Vector, along: Vector, size_px: tuple[float, float, float], tilt_deg: float, per_px: float
) -> None:
    """Add a hollow cylinder whose axis lies nearly in the image.

    Args:
        plane: (H, W), changed in place.
        centre: (2,) pixel.
        along: (2,) unit vector of its axis.
        size_px: inner radius, wall, and width along the axis.
        tilt_deg: of the axis out of the image; front and back of the band move apart.
        per_px: what a pixel of wall adds.
    """
    inner, wall, width = size_px
    outer = inner + wall
    found = _patch(plane, centre, centre, outer + width)
    if found is None:
        return
    window, x, y = found
    s, u = x * along[0] + y * along[1], y * along[0] - x * along[1]
    half_outer = np.sqrt(np.maximum(outer**2 - u**2, 0.0))
    half_inner = np.sqrt(np.maximum(inner**2 - u**2, 0.0))
    shift = 0.5 * (half_outer + half_inner) * np.sin(np.deg2rad(tilt_deg))
    for side in (-1.0, 1.0):
        inside = np.clip(0.5 + 0.5 * width - np.abs(s - side * shift), 0.0, 1.0)
        window += (per_px * (half_outer - half_inner) * inside).astype(np.float32)


def add_rod(plane: Plane, start: Vector, end: Vector, radius: float, per_px: float) -> None:
    """Add a round rod with round ends between two pixels; `per_px` is what a pixel of its depth adds."""
    found = _patch(plane, start, end, radius + 2.0)
    if found is None:
        return
    window, x, y = found
    distance = _distance(x, y, end - start)
    # Inside by less than a pixel the chord is not resolved: take its mean over the pixel from the softened edge.
    chord = 2.0 * np.sqrt(np.maximum(radius**2 - np.minimum(distance, radius) ** 2, 0.1 * radius))
    window += (per_px * chord * np.clip(0.5 + radius - distance, 0.0, 1.0)).astype(np.float32)


def add_strip(plane: Plane, start: Vector, end: Vector, half_width: float, amount: float) -> None:
    """Add a flat strip with round ends between two pixels, `amount` everywhere."""
    found = _patch(plane, start, end, half_width + 2.0)
    if found is None:
        return
    window, x, y = found
    distance = _distance(x, y, end - start)
    window += (amount * np.clip(0.5 + half_width - distance, 0.0, 1.0)).astype(np.float32)


def add_disc(plane: Plane, centre: Vector, radius: float, amount: float) -> None:
    """Add a disc, `amount` everywhere."""
    add_strip(plane, centre, centre, radius, amount)


def _patch(plane: Plane, first: Vector, second: Vector, reach: float) -> tuple[Plane, Vector, Vector] | None:
    """The window of a plane around two pixels, and its x and y against the first; None outside the plane."""
    low = np.floor(np.minimum(first, second) - reach).astype(int)
    high = np.ceil(np.maximum(first, second) + reach).astype(int) + 1
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, [plane.shape[1], plane.shape[0]])
    if right <= left or bottom <= top:
        return None
    x = np.arange(left, right)[None, :] - first[0]
    y = np.arange(top, bottom)[:, None] - first[1]
    return plane[top:bottom, left:right], x, y


def _distance(x: Vector, y: Vector, line: Vector) -> Vector:
    """Distance of pixels to the stretch from (0, 0) to `line`."""
    t = np.clip((x * line[0] + y * line[1]) / max(float(line @ line), 1e-12), 0.0, 1.0)
    return np.asarray(np.hypot(x - t * line[0], y - t * line[1]), dtype=np.float64)
