"""The texture of spongy bone: a net of fine struts, longer along the bone than across it."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

TILE_PX: Final = 512
TILE_UNIT_PX: Final = 450.0
"""Pixels of the tile in one unit, the length of the third metacarpal."""
SPACING_PX: Final = 8.5
"""Distance between neighbouring struts, 1.2 mm."""
STRETCH: Final = 2.6
PATCH_PX: Final = 34.0
WEIGHTS: Final = (1.0, 0.45, 0.5)
"""Of struts along the bone, cross struts, and slow patches of more and less bone."""


def draw_trabeculae(rng: np.random.Generator) -> Plane:
    """Draw a tile: (512, 512) float32 that repeats without a seam, struts along y; mean 0, standard deviation 1.

    White noise passed through a band around the struts' spacing, once stretched along the bone and once across it, and
    through a band of slow patches.
    """
    noise = rng.standard_normal((3, TILE_PX, TILE_PX), dtype=np.float32)
    spectra = np.fft.rfft2(noise) * _bands()
    planes = np.fft.irfft2(spectra, s=(TILE_PX, TILE_PX))
    total = np.zeros((TILE_PX, TILE_PX), np.float32)
    for weight, plane in zip(WEIGHTS, planes, strict=True):
        total += np.float32(weight / plane.std()) * plane
    total /= total.std()
    # Struts are rarer and stand out more than the gaps between them.
    total += 0.22 * total**2
    return np.asarray((total - total.mean()) / total.std(), dtype=np.float32)


@cache
def _bands() -> Plane:
    """(3, 512, 257) float32, how much of each frequency the three layers keep."""
    y = np.fft.fftfreq(TILE_PX)[:, None]
    x = np.fft.rfftfreq(TILE_PX)[None, :]
    layers = (
        (np.hypot(x, STRETCH * y), 1.0 / SPACING_PX, 0.45),
        (np.hypot(STRETCH * x, y), 1.0 / (1.3 * SPACING_PX), 0.45),
        (np.hypot(x, 1.5 * y), 1.0 / PATCH_PX, 0.6),
    )
    bands = []
    for frequency, centre, octaves in layers:
        ratio = np.maximum(frequency, 1e-6) / centre
        bands.append(np.exp(-0.5 * (np.log(ratio) / octaves) ** 2))
    return np.stack(bands).astype(np.float32)


def lay_along(
    tile: Plane, shape: tuple[int, int], direction_xy: NDArray[np.float64], offset_xy: tuple[float, float], zoom: float
) -> Plane:
    """Lay the tile over a crop, struts along a direction.

    Args:
        tile: of `draw_trabeculae`.
        shape: (height, width) of the crop.
        direction_xy: (2,) unit vector.
        offset_xy: pixel of the tile that falls on the crop's top left pixel.
        zoom: pixels of the image to one of the tile. Where the image is coarser than the struts they average out.

    Returns:
        (height, width) float32.
    """
    dx, dy = direction_xy
    # Crop pixel -> tile pixel: its x counts across the direction, its y along it.
    to_tile = np.array([[dy, -dx, 0.0], [dx, dy, 0.0]]) / zoom
    to_tile[:, 2] = offset_xy
    height, width = shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(tile, to_tile, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(laid * np.float32(min(1.0, (1.5 * zoom) ** 1.5)), dtype=np.float32)
