"""Whether runs mean what they should: told from the places of the bones and from the image under the masks' edges.

A bone is brighter than what lies beside it. Under masks that lie where they should, grey levels rise where runs begin
and fall where they end; under masks read in a wrong order they do not. The same edges, looked at a few pixels to the
left and right, tell by how much all masks lie beside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import BONES
from yolo_bones.rle import RunLengthMasks

MOST_OFFSET: Final = 6
OFFSETS: Final = np.arange(-MOST_OFFSET, MOST_OFFSET + 1)
"""Pixels to both sides of an edge that are looked at."""
FEWEST_BONES: Final = 10
"""Of one image, to tell how the hand lies and how large it is."""
MOST_LEAN_DEG: Final = 65.0
"""Of the third metacarpal against the vertical; bent wrists reach 48 degrees."""
MOST_MISFIT: Final = 0.25
"""Root mean square distance of centroids from their typical places, in the spread of these."""

_TYPICAL_PLACES: Final = np.array([TYPICAL[bone].thumbward + 1j * TYPICAL[bone].distalward for bone in BONES])
TYPICAL_AREAS: Final = np.array([TYPICAL[bone].length * np.mean(TYPICAL[bone].slice_widths) for bone in BONES])
"""(29,) in squared lengths of the third metacarpal."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the pixel numbers of runs are laid on an image.

    Attributes:
        kind: name of the mistake that makes this reading the right one.
        transposed: numbers go down the columns.
        flip_lines, flip_places: from the last line (row, or column when transposed), from a line's last pixel.
    """

    kind: str
    transposed: bool = False
    flip_lines: bool = False
    flip_places: bool = False

    def levels(self, grey: NDArray[np.uint8], lines: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Grey levels at places of lines; beyond a line's ends its last pixel counts."""
        count, length = grey.shape[::-1] if self.transposed else grey.shape
        places = np.clip(places, 0, length - 1)
        lines = count - 1 - lines if self.flip_lines else lines
        places = length - 1 - places if self.flip_places else places
        found = grey[places, lines] if self.transposed else grey[lines, places]
        return np.asarray(found, dtype=np.int64)


AS_WRITTEN: Final = Reading("as_written")
COLUMN_MAJOR: Final = Reading("column_major", transposed=True)
READINGS: Final = (
    AS_WRITTEN,
    COLUMN_MAJOR,
    Reading("mirrored", flip_places=True),
    Reading("upside_down", flip_lines=True),
    Reading("turned_180", flip_lines=True, flip_places=True),
    Reading("turned_left", transposed=True, flip_lines=True),
    Reading("turned_right", transposed=True, flip_places=True),
    Reading("turned_and_mirrored", transposed=True, flip_lines=True, flip_places=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class EdgeLevels:
    """What lies under the edges of all masks of one image.

    Attributes:
        contrasts: (8,) mean rise of grey levels from outside to inside, for each of `READINGS`.
        rises: (8, 13) the rise from one pixel to the next at each of `OFFSETS` from the edges.
        wrapped: runs that begin in the last pixel of a row and go on in the next, and runs that begin in the first.
    """

    contrasts: NDArray[np.float64]
    rises: NDArray[np.float64]
    wrapped: tuple[int, int]


def edge_levels(masks: RunLengthMasks, grey: NDArray[np.uint8]) -> EdgeLevels | None:
    """Look under the edges; None when there is no run.

    Args:
        masks: of one image, read row by row as they are written.
        grey: (H, W), the image.
    """
    if len(masks.starts) == 0:
        return None
    reach = max(1, min(grey.shape) // 256)
    contrasts, rises = np.zeros(len(READINGS)), np.zeros((len(READINGS), len(OFFSETS)))
    for number, reading in enumerate(READINGS):
        length = grey.shape[0] if reading.transposed else grey.shape[1]
        firsts, lasts = _inner(masks.starts, length, 0), _inner(masks.ends - 1, length, length - 1)
        for (lines, places), sign in ((firsts, 1), (lasts, -1)):
            if len(lines) == 0:
                continue
            inside = reading.levels(grey, lines, places + sign * reach)
            outside = reading.levels(grey, lines, places - sign * (reach + 1))
            contrasts[number] += (inside - outside).mean() / 2
            # An edge lies between two pixels: at offset 0 between the run's end pixel and the one beyond it.
            row = np.stack(
                [reading.levels(grey, lines, places + step) for step in range(-MOST_OFFSET - 1, MOST_OFFSET + 2)]
            )
            steps = np.diff(row, axis=0).mean(axis=1)
            rises[number] += steps[:-1] / 2 if sign > 0 else -steps[1:] / 2
    width = grey.shape[1]
    columns = masks.starts % width
    wraps = (columns == width - 1) & (masks.ends - masks.starts > 1)
    return EdgeLevels(contrasts, rises, (int(wraps.sum()), int((columns == 0).sum())))


def _inner(numbers: NDArray[np.int32], length: int, border: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(lines, places) of pixel numbers; those at the image's own border are left out."""
    lines, places = np.divmod(numbers.astype(np.int64), length)
    kept = places != border
    return lines[kept], places[kept]


def sideways_shift(rises: NDArray[np.float64]) -> float:
    """Pixels by which the image's edges lie beyond (after) those of the masks, along the lines.

    Args:
        rises: (13,) mean rise at each of `OFFSETS`; begins and ends of runs count alike, so masks drawn too wide or
            too narrow make 0.
    """
    weights = np.maximum(rises - rises.max() / 3, 0.0)
    return float((weights * OFFSETS).sum() / weights.sum()) if weights.sum() > 0 else 0.0


def lies_like_a_hand(masks: RunLengthMasks, transposed: bool) -> bool | None:
    """Whether centroids lie as in a hand whose fingers point up; None where fewer than ten bones are there.

    The typical places are fitted by turning, scaling, moving and, for the other hand, mirroring.
    """
    found = np.flatnonzero(np.diff(masks.offsets))
    if len(found) < FEWEST_BONES:
        return None
    measured, typical = _centroids(masks, transposed)[found], _TYPICAL_PLACES[found]
    measured, typical = measured - measured.mean(), typical - typical.mean()
    spread = float((np.abs(typical) ** 2).sum())
    best = (np.inf, 0.0)
    for own, sign in ((typical, 1), (typical.conj(), -1)):
        factor = (own.conj() * measured).sum() / spread
        misfit = float(np.sqrt((np.abs(measured - factor * own) ** 2).sum() / spread))
        best = min(best, (misfit / max(abs(factor), 1e-9), float(np.degrees(np.angle(sign * factor)))))
    return bool(best[0] <= MOST_MISFIT and abs(best[1]) <= MOST_LEAN_DEG)


def _centroids(masks: RunLengthMasks, transposed: bool) -> NDArray[np.complex128]:
    """(M,) x - iy of each mask's pixels; the middle of a run stands for it."""
    length = masks.size.height if transposed else masks.size.width
    lines, places = np.divmod((masks.starts.astype(np.int64) + masks.ends - 1) // 2, length)
    points = lines - 1j * places if transposed else places - 1j * lines
    weights = (masks.ends - masks.starts).astype(np.float64)
    sums = np.zeros(len(points) + 1, dtype=np.complex128)
    np.cumsum(points * weights, out=sums[1:])
    return np.asarray((sums[masks.offsets[1:]] - sums[masks.offsets[:-1]]) / np.maximum(masks.areas(), 1))


def odd_areas(masks: RunLengthMasks, factor: float, factor_cut: float) -> list[tuple[str, int, float]]:
    """Bones far larger or smaller than the others of the image lead to expect: (bone, pixels, expected pixels).

    Args:
        masks: 29 channels.
        factor: what is too much or too little.
        factor_cut: the same for radius and ulna, which the image's edge cuts anywhere.
    """
    areas = masks.areas()
    found = np.flatnonzero(areas)
    if len(found) < FEWEST_BONES:
        return []
    ratios = areas[found] / TYPICAL_AREAS[found]
    unit = float(np.median(ratios))
    odd = []
    for class_id, ratio in zip(found.tolist(), (ratios / unit).tolist(), strict=True):
        limit = factor_cut if BONES[class_id] in ("Radius", "Ulna") else factor
        if not 1 / limit <= ratio <= limit:
            odd.append((BONES[class_id], int(areas[class_id]), unit * float(TYPICAL_AREAS[class_id])))
    return odd
