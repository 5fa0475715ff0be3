"""A bone's logits on a coarse lattice over a box: enough to tell where it lies and how bright it is. numpy."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.candidates import Candidates, Plane

PLACES_A_SIDE: Final = 12
_SHARES: Final[NDArray[np.float64]] = (np.arange(PLACES_A_SIDE) + 0.5) / PLACES_A_SIDE


def lattice_of_boxes(
    candidates: Candidates, coefficients: Plane, boxes_xyxy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Plane]:
    """Places spread evenly over boxes, and a bone's logit in the prototype cell around each.

    Args:
        candidates: of one look at the image.
        coefficients: (B, K) float32, one bone's for each box.
        boxes_xyxy: (B, 4) input pixels, inside the input.

    Returns:
        (B, 12, 2) x of the lattice's columns and y of its rows, in input pixels; (B, 12, 12) logits, row by row.
    """
    net = candidates.view.input_size
    count, rows, columns = candidates.prototypes.shape
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    places = boxes_xyxy[:, None, :2] + sides[:, None, :] * _SHARES[:, None]
    cells = np.minimum(places * (columns / net.width, rows / net.height), (columns - 1, rows - 1)).astype(np.int64)
    flat = cells[:, :, None, 1] * columns + cells[:, None, :, 0]
    sampled = candidates.prototypes.reshape(count, -1)[:, flat.reshape(len(flat), -1)]
    return places, np.einsum("bk,kbp->bp", coefficients, sampled).reshape(flat.shape)
