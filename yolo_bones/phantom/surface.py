"""Closed triangle surfaces of bones: tubes whose width changes along an axis.

Bone coordinates: `u` across the axis (towards the thumb), `v` along it from proximal (0) to distal (length), `w`
towards the palm; the unit is the length of the third metacarpal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AROUND = 24
ALONG = 41
CAP = 0.05
"""Part of the length that each rounded end takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A closed, outward-oriented surface.

    Attributes:
        vertices: (V, 3) float64.
        triangles: (T, 3) int64 indices into `vertices`.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The measures a tube is built from, lengths in units of the third metacarpal.

    Attributes:
        length: extent along the axis.
        widths: (K,) full widths of K equal slices from proximal to distal.
        depth_ratio: palmar-dorsal thickness over width.
        bend: how far the middle of the axis is off the straight line, towards the thumb.
        sag: the same towards the back of the hand (phalanges and metacarpals are hollow on the palmar side).
        slant: how much further the distal end reaches on the thumb side, over the width.
        base_hollow, head_notch: depth of the hollow in the proximal and distal ends.
        ripple: (2, 3) amplitudes of the slow variations of the radius along and around.
        phase: (2, 3) their phases in radians.
    """

    length: float
    widths: NDArray[np.float64]
    depth_ratio: float
    bend: float
    sag: float
    slant: float
    base_hollow: float
    head_notch: float
    ripple: NDArray[np.float64]
    phase: NDArray[np.float64]


def tube(outline: Outline, shell: float = 0.0) -> Surface:
    """Build the surface of a bone, or of its marrow when `shell` > 0.

    Args:
        outline: the bone's measures.
        shell: thickness of cortex to leave out, in units of the third metacarpal; thinner towards the ends.

    Returns:
        A closed surface of `AROUND * (ALONG - 2) + 2` vertices.
    """
    t = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, ALONG))
    t = 0.5 * (t + np.linspace(0.0, 1.0, ALONG))
    theta = np.linspace(0.0, 2 * np.pi, AROUND, endpoint=False)
    half_width = 0.5 * _width_at(t, outline.widths)
    half_depth = half_width * outline.depth_ratio
    along = t * outline.length
    if shell > 0.0:
        wall = shell * (0.3 + 0.7 * np.sin(np.pi * t))
        half_width = np.maximum(half_width - wall, 0.05 * half_width)
        half_depth = np.maximum(half_depth - wall, 0.05 * half_depth)
        end = 0.35 * shell
        along = end + t * (outline.length - 2 * end)
    radius = np.ones((ALONG, AROUND))
    for k, (amplitude_along, amplitude_around) in enumerate(outline.ripple.T):
        radius += amplitude_along * np.sin((k + 1) * np.pi * t + outline.phase[0, k])[:, None]
        radius += amplitude_around * np.sin((k + 1) * theta + outline.phase[1, k] + 2.0 * t[:, None])
    across = radius * half_width[:, None] * np.cos(theta)
    towards_palm = radius * half_depth[:, None] * np.sin(theta)
    bow = 4.0 * t * (1.0 - t)
    u = across + outline.bend * bow[:, None]
    w = towards_palm - outline.sag * bow[:, None]
    v = np.repeat(along[:, None], AROUND, axis=1)
    v = v + _end_shapes(t, across, half_width, outline)
    rings = np.stack([u, v, w], axis=-1)
    poles = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)])
    vertices = np.concatenate([rings[1:-1].reshape(-1, 3), poles])
    return Surface(vertices=vertices, triangles=_TUBE_TRIANGLES)


def _width_at(t: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
    centres = (np.arange(len(widths)) + 0.5) / len(widths)
    inner = np.interp(t, centres, widths)
    proximal = np.sqrt(np.clip(1.0 - ((CAP - t) / CAP) ** 2, 0.0, 1.0))
    distal = np.sqrt(np.clip(1.0 - ((t - (1.0 - CAP)) / CAP) ** 2, 0.0, 1.0))
    return inner * np.where(t < CAP, proximal, 1.0) * np.where(t > 1.0 - CAP, distal, 1.0)


def _end_shapes(
    t: NDArray[np.float64], across: NDArray[np.float64], half_width: NDArray[np.float64], outline: Outline
) -> NDArray[np.float64]:
    """Shift along the axis that makes hollow bases, notched heads and slanted ends."""
    near_head = np.clip((t - 0.80) / 0.20, 0.0, 1.0) ** 2
    near_base = np.clip((0.20 - t) / 0.20, 0.0, 1.0) ** 2
    widest = max(float(half_width.max()), 1e-9)
    relative = np.clip(across / widest, -1.0, 1.0)
    middle = np.clip(1.0 - (2.0 * relative) ** 2, 0.0, 1.0)
    shift = -outline.head_notch * near_head[:, None] * middle
    shift += outline.base_hollow * near_base[:, None] * middle
    return shift + outline.slant * near_head[:, None] * across


def _tube_triangles() -> NDArray[np.int64]:
    rings = ALONG - 2
    triangles: list[tuple[int, int, int]] = []
    proximal, distal = rings * AROUND, rings * AROUND + 1
    for j in range(AROUND):
        k = (j + 1) % AROUND
        triangles.append((proximal, j, k))
        triangles.append((distal, (rings - 1) * AROUND + k, (rings - 1) * AROUND + j))
        for i in range(rings - 1):
            a, b = i * AROUND + j, i * AROUND + k
            c, d = a + AROUND, b + AROUND
            triangles.append((a, c, b))
            triangles.append((b, c, d))
    return np.array(triangles, dtype=np.int64)


_TUBE_TRIANGLES = _tube_triangles()
