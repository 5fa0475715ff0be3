"""Figures of many hands together, as the published statistics give them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones import reference
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.hand_measures import MEASURES, Collected, trimmed

NEAR_WRAP_DEG: Final = 80.0


def shape_summary(collected: Collected) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Bone -> measure -> mean and spread as `reference.shape_reference` has them; NaN for a bone never seen."""
    values = collected.gather("bones").reshape(-1, len(BONES), len(MEASURES))
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for class_id, bone in enumerate(BONES):
        row: dict[str, tuple[float, float | None]] = {}
        for column, measure in enumerate(MEASURES):
            cell = values[:, class_id, column]
            kept = trimmed(cell)
            if measure in reference.SLICE_MEASURES:
                row[measure] = (_of(np.median, cell[~np.isnan(cell)]), None)
            else:
                row[measure] = (_of(np.mean, kept), _of(np.std, kept))
        found[bone] = row
    return found


def near_wrap(collected: Collected) -> dict[str, float]:
    """Bone -> share of its angles within 10 degrees of +-90, where they wrap; bones of more than 1 % only."""
    angles = collected.gather("bones").reshape(-1, len(BONES), len(MEASURES))[:, :, MEASURES.index("angle_deg")]
    shares = (np.abs(angles) > NEAR_WRAP_DEG).mean(axis=0) if len(angles) else np.zeros(len(BONES))
    return {bone: float(share) for bone, share in zip(BONES, shares, strict=True) if share > 0.01}


def overlap_figures(collected: Collected, pair: tuple[str, str]) -> tuple[float, float]:
    """Mean IoU of a pair where it overlaps, and the share of images in which it does."""
    first, second = (CLASS_IDS[bone] for bone in pair)
    iou = collected.gather("iou").reshape(-1, len(BONES), len(BONES))[:, first, second]
    touching = iou[iou > 0.0]
    return _of(np.mean, touching), _of(np.mean, (iou > 0.0).astype(np.float64))


def mean_multi_label(collected: Collected) -> float:
    """Pixels of an image with two labels or more, mean of all images."""
    return _of(np.mean, collected.gather("multi_label_px"))


def place_figures(collected: Collected) -> dict[str, tuple[NDArray[np.float64], reference.MeanSd]]:
    """Name -> values of all hands, and the real mean and standard deviation; pixels at 2048."""
    x, y = collected.gather("origin_px").T
    return {
        "third metacarpal px": (collected.gather("unit_px"), reference.METACARPAL_LENGTH_PX),
        "capitate x px": (x, reference.CAPITATE_X_PX),
        "capitate y px": (y, reference.CAPITATE_Y_PX),
    }


def tilt_percentiles(collected: Collected) -> dict[int, float]:
    """Percentile -> degrees of the third metacarpal against the vertical, either way."""
    tilts = np.abs(collected.gather("tilt_deg"))
    return {percent: float(np.percentile(tilts, percent)) for percent in reference.ABS_TILT_PERCENTILES_DEG}


def mean_profile(collected: Collected, reading: str = "main") -> NDArray[np.float64]:
    """(6, 11) mean over images of a profile, NaN where no image has a value."""
    profiles = np.array([greys.profiles[reading] for greys in collected.greys])
    known = ~np.isnan(profiles)
    return np.asarray(
        np.where(known, profiles, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    )


def grey_figures(collected: Collected) -> dict[str, tuple[float, float]]:
    """Name of `GreyMeasures.flat` -> mean and standard deviation over images."""
    rows = [greys.flat() for greys in collected.greys]
    found = {}
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows])
        known = values[~np.isnan(values)]
        found[name] = (_of(np.mean, known), _of(np.std, known))
    return found


def _of(figure: Callable[[NDArray[np.float64]], np.floating], values: NDArray[np.float64]) -> float:
    return float(figure(values)) if values.size else math.nan
