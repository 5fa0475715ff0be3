"""A mask's outline as a smooth closed line in pixels, for whoever measures to less than a pixel. numpy and cv2 only.

Pixels have extent: a mask of columns 3 to 5 reaches from 2.5 to 5.5, so it is 3 px wide. The line runs through the
middle of each side between a pixel of the mask and one outside it, which cuts the stairs of an oblique border in half,
and is smoothed a little along itself, which takes most of what is left of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle import RunLengthMasks, decode_box

Points = NDArray[np.float64]
Values = NDArray[np.float64]

SMOOTHING_PX: Final = 1.0
"""Standard deviation of the smoothing along the outline: an end of 10 px radius shrinks by a twentieth of a pixel."""
SMOOTHING_OF_SMALL: Final = 0.05
"""The same against the square root of the area, for masks so small that they would suffer."""
NORMAL_SMOOTHING: Final = 3.0
"""Directions are taken from a line smoothed so much more."""
LEAST_AREA_PX: Final = 12
"""A mask smaller than this has no shape."""
MOST_ASTRAY: Final = 0.05
"""Part of a mask's pixels that may lie apart from its largest part: specks; with more the bone is in pieces."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Outer outline of a mask's largest part.

    Attributes:
        points: (P, 2) (x, y) in pixels, about one pixel apart, in order; pixel centres are whole numbers.
        normals: (P, 2) unit vectors that point out of the mask.
        area_px: pixels of the part, holes not counted.
        astray: part of the mask's pixels that lie elsewhere, 0 to 1.
        on_edge: (P,) bool, where the outline runs along the image's edge, which cuts the bone there.
    """

    points: Points
    normals: Points
    area_px: int
    astray: float
    on_edge: NDArray[np.bool_]

    @property
    def is_cut(self) -> bool:
        """Whether the image's edge cuts the bone, as far as one can tell."""
        return bool(self.on_edge.any())

    @property
    def in_pieces(self) -> bool:
        """Whether the largest part is too little of the mask to stand for the bone."""
        return self.astray > MOST_ASTRAY


def trace_outlines(masks: RunLengthMasks) -> list[Outline | None]:
    """Outline of each mask; None for one that is empty or too small to have a shape."""
    found: list[Outline | None] = []
    areas = masks.areas().tolist()
    for index, (top, left, bottom, right) in enumerate(masks.boxes().tolist()):
        if areas[index] < LEAST_AREA_PX:
            found.append(None)
            continue
        crop = decode_box(masks[index], top, left, bottom - top, right - left)[0].view(np.uint8)
        border, area = _largest_part(crop, areas[index])
        if area < LEAST_AREA_PX:
            found.append(None)
            continue
        border = even_steps(border + np.array([left, top]))
        edges = np.array([masks.size.width, masks.size.height]) - 0.5
        on_edge = np.asarray(((border <= -0.25) | (border >= edges - 0.25)).any(axis=1))
        sigma = min(SMOOTHING_PX, SMOOTHING_OF_SMALL * float(np.sqrt(area)))
        points = smooth_closed(border, sigma)
        normals = outward_normals(smooth_closed(points, NORMAL_SMOOTHING * sigma))
        found.append(Outline(points, normals, area, 1.0 - area / areas[index], on_edge))
    return found


def _largest_part(crop: NDArray[np.uint8], total: int) -> tuple[Points, int]:
    """Border and pixels of the largest part of a mask of `total` pixels."""
    borders = _borders(crop)
    if len(borders) == 1:
        return borders[0], total
    _, labels, stats, _ = cv2.connectedComponentsWithStats(crop, connectivity=8)
    part = int(stats[1:, cv2.CC_STAT_AREA].argmax()) + 1
    return _borders((labels == part).astype(np.uint8))[0], int(stats[part, cv2.CC_STAT_AREA])


def _borders(crop: NDArray[np.uint8]) -> list[Points]:
    """The middles (x, y) of the sides that part a mask's pixels from the rest, in order round each of its parts."""
    height, width = crop.shape
    # Twice as fine: a pixel's centre, the middles of its sides and its corners are points of one lattice.
    lattice = np.zeros((2 * height + 3, 2 * width + 3), dtype=np.uint8)
    lattice[2:-1:2, 2:-1:2] = crop
    lattice = np.asarray(cv2.dilate(lattice, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    found, _ = cv2.findContours(lattice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    chains = [np.asarray(chain).reshape(-1, 2) for chain in found]
    return [np.asarray((chain[chain.sum(axis=1) % 2 == 1] - 2) / 2.0, dtype=np.float64) for chain in chains]


def even_steps(points: Points, step_px: float = 1.0) -> Points:
    """(P, 2) points about `step_px` apart along a closed line."""
    line = closed(points)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    count = max(8, round(along[-1] / step_px))
    places = np.linspace(0.0, along[-1], count, endpoint=False)
    return np.stack([np.interp(places, along, line[:, axis]) for axis in (0, 1)], axis=1)


def smooth_closed(points: Points, sigma: float) -> Points:
    """(P, 2) a closed line of even steps, each point a mean of its surroundings, Gaussian, `sigma` in steps."""
    reach = min(int(np.ceil(3.0 * sigma)), (len(points) - 1) // 2)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-9)) ** 2)
    weights /= weights.sum()
    wrapped = np.concatenate([points[len(points) - reach :], points, points[:reach]])
    return np.stack([np.convolve(wrapped[:, axis], weights, "valid") for axis in (0, 1)], axis=1)


def outward_normals(points: Points) -> Points:
    """(P, 2) unit vectors out of a closed line, whichever way round it runs."""
    round_about = np.concatenate([points[-1:], points, points[:1]])
    along = round_about[2:] - round_about[:-2]
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)[:, None]
    turn = 1.0 if signed_area(points) > 0.0 else -1.0
    return np.asarray(turn * np.stack([along[:, 1], -along[:, 0]], axis=1))


def signed_area(points: Points) -> float:
    """Area inside a closed line, its sign telling which way round it runs."""
    x, y = closed(points - points[0]).T
    return 0.5 * float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


def closed(points: Points) -> Points:
    """(P + 1, 2) a closed line with its first point repeated at its end."""
    return np.concatenate([points, points[:1]])
