"""Shapes of bones as closed triangle surfaces: tubes along an axis, and outlines stacked from back to palm.

Bone coordinates: `u` across the bone (towards the thumb), `v` along its axis (towards the fingertips), `w` towards the
palm; the unit is the length of the third metacarpal. Seen from the palm or the back (along `w`), a tube shows its two
edges and end profiles, a stack its outline: so the numbers in `atlas` are what a radiograph of the bone shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.surface import Surface

Array = NDArray[np.float64]

AROUND: Final = 28
ALONG: Final = 45
LEVELS: Final = 17
CAP: Final = 0.05
"""Part of a tube's length that each rounded end takes."""
STATIONS: Final = np.array([0.0, 0.045, 0.12, 0.22, 0.33, 0.44, 0.56, 0.67, 0.78, 0.88, 0.955, 1.0])
"""Where along a tube its two edges are given."""
END_STATIONS: Final = np.linspace(-1.0, 1.0, 5)
"""Where across a tube's end its profile is given, -1 on the little finger's side, 1 on the thumb's."""
RADII: Final = 24
"""Directions in which a stack's outline is given, counter-clockwise from `u` to `v`."""
OUTLINE_POINTS: Final = 48


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A long bone: base, waisted shaft and head, lengths in units of the third metacarpal.

    Attributes:
        length: from the base to the head, end profiles not counted.
        warp: 1 spreads stations evenly, more draws them towards the head (the image shows the forearm's end only).
        thumb_edge, other_edge: (12,) distance of each edge from the axis at `STATIONS`.
        base, head: (5,) how far the end reaches distally at `END_STATIONS` (hollows, condyles, styloids).
        depth: (3,) palmar-dorsal thickness over width at base, shaft and head.
        sag: how far the shaft's middle lies towards the back of the hand.
        wall: thickness of the cortex in the middle of the shaft.
    """

    length: float
    warp: float
    thumb_edge: Array
    other_edge: Array
    base: Array
    head: Array
    depth: Array
    sag: float
    wall: float


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A short bone: one outline, scaled and shifted from level to level through its depth.

    Attributes:
        radii: (24,) distance of the outline from the centre.
        depth: palmar-dorsal thickness.
        squareness: 2 for an ellipsoid, more for flatter front and back faces.
        shear: (2,) shift of the palmar face against the dorsal one, along (u, v).
        hollow_deg, hollow: direction and relative depth of a facet that is hollow from back to front (the crescent of
            the lunate, the saddle of the trapezium).
        hook: (u, v, radius, height) of a process on the palmar face (the hook of the hamate); height 0 for none.
        wall: thickness of the cortex.
    """

    radii: Array
    depth: float
    squareness: float
    shear: Array
    hollow_deg: float
    hollow: float
    hook: Array
    wall: float


def tube_outline(tube: Tube) -> Array:
    """(N, 2) polygon (u, v): the tube's silhouette along `w`, counter-clockwise."""
    u, v = _tube_edges(tube)
    return np.concatenate([np.column_stack([u[:, 0], v[:, 0]]), np.column_stack([u[::-1, 1], v[::-1, 1]])[1:-1]])


def stack_outline(stack: Stack) -> Array:
    """(N, 2) polygon (u, v): the largest level of the stack, counter-clockwise."""
    angle = _outline_angles()
    radius = _periodic_basis() @ stack.radii
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def tube_surface(tube: Tube, *, marrow: bool = False) -> Surface:
    """The bone's surface, or the one inside its cortex."""
    t = _ring_places()
    shell = tube.wall * (0.25 + 0.75 * np.sin(np.pi * t)) if marrow else np.zeros_like(t)
    theta = np.linspace(0.0, 2 * np.pi, AROUND, endpoint=False)
    thumb, other = _half_widths(tube, shell)
    mean = 0.5 * (thumb + other)
    across = np.where(np.cos(theta) >= 0.0, thumb[:, None], other[:, None]) * np.cos(theta)
    flatness = np.interp(t, [0.0, 0.14, 0.32, 0.68, 0.86, 1.0], tube.depth[[0, 0, 1, 1, 2, 2]])
    w = (mean * flatness)[:, None] * np.sin(theta) - tube.sag * (4.0 * t * (1.0 - t))[:, None]
    v = _along(tube, t, across, float(shell.max()))
    rings = np.stack([across, v, w], axis=-1)
    poles = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)])
    return Surface(np.concatenate([rings[1:-1].reshape(-1, 3), poles]), _ring_triangles(ALONG - 2, AROUND))


def stack_surface(stack: Stack, *, marrow: bool = False) -> Surface:
    """The bone's surface, or the one inside its cortex."""
    shell = stack.wall if marrow else 0.0
    outline = stack_outline(stack)
    radius = np.hypot(outline[:, 0], outline[:, 1])
    level = -np.cos(np.linspace(0.0, np.pi, LEVELS))
    power = stack.squareness
    scale = np.clip(1.0 - np.abs(level) ** power, 0.0, 1.0) ** (1.0 / power)
    relief = _facet(stack, level)
    rings = outline[None] * (scale[:, None] * relief)[:, :, None]
    rings *= np.clip(1.0 - shell / radius, 0.1, 1.0)[None, :, None]
    half = max(0.5 * stack.depth - shell, 0.1 * stack.depth)
    w = np.broadcast_to((level * half)[:, None], rings.shape[:2]).copy()
    rings = rings + 0.5 * level[:, None, None] * stack.shear
    rings, w = _with_hook(stack, rings, w, level, shell)
    points = np.concatenate([rings, w[:, :, None]], axis=-1)
    inner = points[1:-1]
    poles = np.stack([points[0].mean(axis=0), points[-1].mean(axis=0)])
    return Surface(np.concatenate([inner.reshape(-1, 3), poles]), _ring_triangles(LEVELS - 2, OUTLINE_POINTS))


def ellipsoid(half_axes: Array) -> Surface:
    """A small bone without features (sesamoids): (3,) half axes along u, v, w."""
    circle = Stack(np.ones(RADII), 2.0, 2.0, np.zeros(2), 0.0, 0.0, np.zeros(4), 0.0)
    surface = stack_surface(circle)
    return Surface(surface.vertices * half_axes, surface.triangles)


def _ring_places() -> Array:
    even = np.linspace(0.0, 1.0, ALONG)
    return 0.5 * (even + 0.5 - 0.5 * np.cos(np.pi * even))


def _half_widths(tube: Tube, shell: Array) -> tuple[Array, Array]:
    t = _ring_places()
    ends = np.clip((CAP - t) / CAP, 0.0, 1.0) + np.clip((t - (1.0 - CAP)) / CAP, 0.0, 1.0)
    cap = np.clip(1.0 - ends**2.5, 0.0, 1.0) ** 0.4
    thumb, other = (
        np.maximum(_station_basis() @ edge - shell, 0.04 * edge.max()) * cap
        for edge in (tube.thumb_edge, tube.other_edge)
    )
    return thumb, other


def _tube_edges(tube: Tube) -> tuple[Array, Array]:
    t = _ring_places()
    thumb, other = _half_widths(tube, np.zeros_like(t))
    across = np.stack([thumb, -other], axis=1)
    return across, _along(tube, t, across, 0.0)


def _along(tube: Tube, t: Array, across: Array, shell: float) -> Array:
    """(rings, N) place along the axis, end profiles included."""
    end = 0.4 * shell
    along = end + (1.0 - (1.0 - t) ** tube.warp) * (tube.length - 2.0 * end)
    fade_base = np.clip(1.0 - t / 0.22, 0.0, 1.0) ** 1.5
    fade_head = np.clip(1.0 - (1.0 - t) / 0.22, 0.0, 1.0) ** 1.5
    result = np.repeat(along[:, None], across.shape[1], axis=1)
    for fade, profile, place in ((fade_base, tube.base, slice(0, 4)), (fade_head, tube.head, slice(8, 12))):
        widest = max(float(tube.thumb_edge[place].max()), float(tube.other_edge[place].max()))
        relative = np.clip(across / widest, -1.0, 1.0)
        result += fade[:, None] * (_quartic(relative) @ profile)
    return result


def _quartic(x: Array) -> Array:
    """(..., 5) Lagrange basis on `END_STATIONS`."""
    columns = []
    for k in range(5):
        others = np.delete(END_STATIONS, k)
        columns.append(np.prod([(x - o) / (END_STATIONS[k] - o) for o in others], axis=0))
    return np.stack(columns, axis=-1)


def _facet(stack: Stack, level: Array) -> Array:
    """(levels, points) radial factor of a facet that is hollow from back to front."""
    angle = _outline_angles() - np.deg2rad(stack.hollow_deg)
    near = np.exp(-0.5 * ((np.mod(angle + np.pi, 2 * np.pi) - np.pi) / 0.55) ** 2)
    # The rims in front and behind make the silhouette, the middle levels draw back.
    middle = np.clip(1.0 - (level / 0.75) ** 2, 0.0, 1.0)
    rims = stack.hollow * 0.6 * np.exp(-(((np.abs(level) - 0.75) / 0.25) ** 2))
    return np.asarray(1.0 + near[None, :] * (rims - stack.hollow * middle)[:, None])


def _with_hook(stack: Stack, rings: Array, w: Array, level: Array, shell: float) -> tuple[Array, Array]:
    """Draw the last levels of the palmar face together into a process."""
    u, v, radius, height = stack.hook
    if height <= 0.0:
        return rings, w
    angle = _outline_angles()
    circle = np.column_stack([0.7 * np.cos(angle), 1.3 * np.sin(angle)]) * max(radius - shell, 0.3 * radius)
    ring = circle + np.array([u, v])
    face = w[:, 0].copy()
    first = int(np.searchsorted(level, 0.80))
    part = np.linspace(0.0, 1.0, len(level) - first)
    top = max(height - shell, 0.5 * height)
    for place, grown in zip(range(first, len(level)), part, strict=True):
        narrow = np.sqrt(max(0.0, 1.0 - grown**4))
        rings[place] = ring.mean(axis=0) + (ring - ring.mean(axis=0)) * narrow
        w[place] = face[first] + top * grown
    return rings, w


@cache
def _station_basis() -> Array:
    return _natural_spline(STATIONS, _ring_places())


@cache
def _outline_angles() -> Array:
    return np.linspace(0.0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)


@cache
def _periodic_basis() -> Array:
    """(48, 24) smooth periodic interpolation of the radii, by their Fourier series."""
    values = np.eye(RADII)
    spectrum = np.fft.rfft(values, axis=0)
    spectrum[-1] *= 0.5
    padded = np.zeros((OUTLINE_POINTS // 2 + 1, RADII), dtype=complex)
    padded[: len(spectrum)] = spectrum
    return np.fft.irfft(padded, OUTLINE_POINTS, axis=0) * (OUTLINE_POINTS / RADII)


def _natural_spline(knots: Array, places: Array) -> Array:
    """(len(places), len(knots)) matrix that maps values at knots to the natural cubic spline's at places."""
    count, step = len(knots), np.diff(knots)
    system, right = np.eye(count), np.zeros((count, count))
    for i in range(1, count - 1):
        system[i, i - 1 : i + 2] = step[i - 1], 2.0 * (step[i - 1] + step[i]), step[i]
        right[i, i - 1 : i + 2] = 6.0 / step[i - 1], -6.0 / step[i - 1] - 6.0 / step[i], 6.0 / step[i]
    second = np.linalg.solve(system, right)
    cell = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, count - 2)
    b = (places - knots[cell]) / step[cell]
    a = 1.0 - b
    values = np.eye(count)
    curve = ((a**3 - a)[:, None] * second[cell] + (b**3 - b)[:, None] * second[cell + 1]) * (step[cell] ** 2)[:, None]
    return np.asarray(a[:, None] * values[cell] + b[:, None] * values[cell + 1] + curve / 6.0)


@cache
def _ring_triangles(rings: int, around: int) -> NDArray[np.int64]:
    """Triangles between `rings` rings of `around` points and the two poles that follow them."""
    near, far = rings * around, rings * around + 1
    j = np.arange(around)
    k = (j + 1) % around
    caps = [np.stack([np.full(around, near), j, k], axis=1)]
    last = (rings - 1) * around
    caps.append(np.stack([np.full(around, far), last + k, last + j], axis=1))
    start = (np.arange(rings - 1) * around)[:, None]
    a, b = (start + j).ravel(), (start + k).ravel()
    c, d = a + around, b + around
    return np.concatenate([*caps, np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]).astype(np.int64)
