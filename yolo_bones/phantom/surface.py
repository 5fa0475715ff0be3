"""Closed triangle surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A closed, outward-oriented surface.

    Attributes:
        vertices: (V, 3) float64.
        triangles: (T, 3) int64 indices into `vertices`.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
