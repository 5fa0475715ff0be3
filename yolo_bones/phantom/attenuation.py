"""From millimetres of tissue to what the detector receives: Beer and Lambert at two energies, and scatter.

Two energies, 30 and 40 keV, stand for the spectrum of a hand exposure (50 to 55 kV, aluminium filter). Coefficients are
those of Hubbell and Seltzer's tables (NIST 5632) for ICRU-44 soft tissue (1.06 g/cm3) and cortical bone (1.92 g/cm3).
With two of them thick bone hardens the beam: each further millimetre costs less, which is most of the contrast's
saturation.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

MM_PER_UNIT: Final = 65.0
"""Length of a third metacarpal, the unit of every length in the phantom."""
ENERGY_SHARES: Final = (0.5, 0.5)
SOFT_PER_MM: Final = (0.0402, 0.0285)
BONE_PER_MM: Final = (0.2556, 0.1278)
BONE_EXCESS_PER_MM: Final = tuple(bone - soft for bone, soft in zip(BONE_PER_MM, SOFT_PER_MM, strict=True))
"""A bone takes the place of soft tissue, so it adds only the difference."""
LEAST_INTENSITY: Final = 0.0015
"""Below this the detector sees nothing but its own offset."""

BONE_EQUIVALENT: Final[dict[str, float]] = {
    "aluminium": 1.2,
    "titanium": 7.5,
    "steel": 22.0,
    "silver": 120.0,
    "gold": 160.0,
    "lead": 130.0,
}
"""Millimetres of cortical bone that weaken a 30 keV beam as one millimetre of the metal does."""


def transmitted(soft_mm: Plane, bone_mm: Plane) -> Plane:
    """Share of the beam that passes, without scatter.

    Args:
        soft_mm: (H, W) thickness of the body along each ray, bones included.
        bone_mm: (H, W) of that, thickness of solid bone (or of metal as bone); overwritten.

    Returns:
        (H, W) float32 in (0, 1].
    """
    first = _passed(soft_mm, bone_mm, 0)
    second = _passed(soft_mm, bone_mm, 1)
    return np.asarray(cv2.addWeighted(first, ENERGY_SHARES[0], second, ENERGY_SHARES[1], 0.0), dtype=np.float32)


def _passed(soft_mm: Plane, bone_mm: Plane, energy: int) -> Plane:
    weakening = cv2.addWeighted(soft_mm, -SOFT_PER_MM[energy], bone_mm, -BONE_EXCESS_PER_MM[energy], 0.0)
    return np.asarray(cv2.exp(weakening, dst=weakening), dtype=np.float32)


def add_scatter(intensity: Plane, share: float, reach_px: float) -> Plane:
    """Spread a share of the light over a wide neighbourhood.

    Args:
        intensity: (H, W).
        share: part of the light that is scattered.
        reach_px: standard deviation of its spread.
    """
    step = max(1, round(reach_px / 4.0))
    height, width = intensity.shape
    small = cv2.resize(intensity, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(0.3, reach_px / step), borderType=cv2.BORDER_REPLICATE)
    veil = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(intensity, 1.0 - share, veil, share, 0.0), dtype=np.float32)
