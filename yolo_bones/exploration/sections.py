"""Sections of `explore.json` by subject: each entry has the figures of every side, and those of real hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import TYPICAL
from yolo_bones.annotated_hand import WRISTS
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.exploration.collected import Collected, thumb_side_of, wrist_of
from yolo_bones.greys import DISTANCES_PX, REFERENCE_HEIGHT, REGIONS
from yolo_bones.reference import (
    ABS_TILT_PERCENTILES_DEG,
    CAPITATE_X_PX,
    CAPITATE_Y_PX,
    CLASS_AREA_PX,
    GREY_BONE_SD,
    GREY_NOISE,
    GREY_PROFILES,
    GREY_REGIONS,
    GREY_REGIONS_SD,
    METACARPAL_LENGTH_PX,
    MULTI_LABEL_PX,
    OVERLAP_IMAGES,
    OVERLAPS,
    shape_reference,
)

Sides = Mapping[str, Collected]
"""`train`, and `test` where there is one."""
Column = NDArray[np.float64]

PERCENTILES: Final = (5, 25, 50, 75, 95)


def figures_of(values: Column) -> dict[str, float | int | None]:
    """Count, mean, standard deviation, extremes and percentiles of the known values."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        names = ("mean", "sd", "min", *(f"p{percent}" for percent in PERCENTILES), "max")
        return {"count": 0, **dict.fromkeys(names)}
    percentiles = np.percentile(known, PERCENTILES).tolist()
    return {
        "count": int(known.size),
        "mean": float(known.mean()),
        "sd": float(known.std()),
        "min": float(known.min()),
        **{f"p{percent}": value for percent, value in zip(PERCENTILES, percentiles, strict=True)},
        "max": float(known.max()),
    }


def bone_sections(sides: Sides) -> dict[str, Any]:
    """Areas, lengths, widths and points of each bone."""
    shapes = shape_reference()
    references: dict[str, dict[str, tuple[float, float | None]]] = {
        "area_px": dict(CLASS_AREA_PX),
        "relative_area": {bone: shapes[bone]["area"] for bone in BONES},
        "length": {bone: (TYPICAL[bone].length, TYPICAL[bone].length_sd) for bone in BONES},
        "width": {bone: (TYPICAL[bone].width, TYPICAL[bone].width_sd) for bone in BONES},
        "points": {},
    }
    sections = {}
    names = {"area_px": "areas", "relative_area": "relative_areas", "length": "lengths", "width": "widths"}
    for column, reference in references.items():
        values = {side: found.by_bone(column) for side, found in sides.items()}
        sections[names.get(column, column)] = {
            bone: {
                **{side: figures_of(column_of[:, CLASS_IDS[bone]]) for side, column_of in values.items()},
                **({"reference": _reference(*reference[bone])} if bone in reference else {}),
            }
            for bone in BONES
        }
    return sections


def _reference(mean: float, sd: float | None) -> dict[str, float | None]:
    return {"mean": mean, "sd": sd}


def overlap_sections(sides: Sides) -> dict[str, Any]:
    """Pairs of bones, and pixels of two labels or more."""
    real = {(CLASS_IDS[first], CLASS_IDS[second]): figures for (first, second), figures in OVERLAPS.items()}
    found = {side: collected.overlaps() for side, collected in sides.items()}
    there = {side: ~np.isnan(collected.by_bone("area_px")) for side, collected in sides.items()}
    listed = []
    for first, second in sorted({*real, *(pair for pairs in found.values() for pair in pairs)}):
        entry: dict[str, Any] = {"bones": [BONES[first], BONES[second]]}
        for side, pairs in found.items():
            values = pairs.get((first, second), np.zeros(0))
            both = int((there[side][:, first] & there[side][:, second]).sum())
            share, iou = (len(values) / both if both else None), (float(values.mean()) if len(values) else None)
            entry[side] = {"images": len(values), "share": share, "iou": iou}
        if (first, second) in real:
            iou, images = real[first, second]
            entry["reference"] = {"images": images, "share": images / OVERLAP_IMAGES, "iou": iou}
        else:
            entry["reference"] = None
        listed.append(entry)
    multi = {side: np.array([m.multi_label_px for m in collected.images]) for side, collected in sides.items()}
    return {
        "overlaps": listed,
        "multi_label_px": {
            **{side: figures_of(values) for side, values in multi.items()},
            "reference": _reference(MULTI_LABEL_PX, None),
        },
    }


def hand_sections(sides: Sides) -> dict[str, Any]:
    """Where the hands lie, their wrists and sides, and the sizes of the images."""
    height = float(REFERENCE_HEIGHT)
    references: dict[str, Any] = {
        "place_x": _reference(*(value / height for value in CAPITATE_X_PX)),
        "place_y": _reference(*(value / height for value in CAPITATE_Y_PX)),
        "unit": _reference(*(value / height for value in METACARPAL_LENGTH_PX)),
        "abs_tilt_deg": {f"p{percent}": degrees for percent, degrees in ABS_TILT_PERCENTILES_DEG.items()},
    }
    columns = {side: _hand_columns(found) for side, found in sides.items()}
    names = next(iter(columns.values()))
    return {
        "hand": {
            name: {
                **{side: figures_of(values[name]) for side, values in columns.items()},
                **({"reference": references[name]} if name in references else {}),
            }
            for name in names
        },
        "wrists": {side: _counts([wrist_of(m.hand) for m in found.images], WRISTS) for side, found in sides.items()},
        "thumb_sides": {
            side: _counts([thumb_side_of(m.hand) for m in found.images], ("left", "right", "unknown"))
            for side, found in sides.items()
        },
        "image_sizes": {
            side: dict(sorted(Counter(f"{m.height}x{m.width}" for m in found.images).items()))
            for side, found in sides.items()
        },
    }


def _hand_columns(found: Collected) -> dict[str, Column]:
    columns = {name: found.of_hand(name) for name in ("tilt_deg", "tilt_to_thumb_deg")}
    columns["abs_tilt_deg"] = np.abs(columns["tilt_deg"])
    return columns | {name: found.of_hand(name) for name in ("place_x", "place_y", "unit")}


def _counts(values: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    return {name: values.count(name) for name in names}


def grey_sections(sides: Sides) -> dict[str, Any]:
    """Levels of regions and across outlines."""
    real: dict[str, tuple[float, float | None]] = {
        name: (GREY_REGIONS[name], GREY_REGIONS_SD[name]) for name in REGIONS
    }
    for name in ("bone", "soft", "background"):
        real[name] = GREY_REGIONS[name], GREY_REGIONS_SD[name]
    real |= {"bone_sd": (GREY_BONE_SD, None), "noise": GREY_NOISE}
    names = (*REGIONS, "bone", "soft", "background", "bone_sd", "noise", "image", "image_sd")
    profiles: dict[str, Any] = {"distances_px": list(DISTANCES_PX)}
    for row, region in enumerate(REGIONS):
        profiles[region] = {
            **{side: _mean_profile(found.profiles()[:, row]) for side, found in sides.items()},
            "reference": {"mean": list(GREY_PROFILES[region])},
        }
    return {
        "greys": {
            name: {
                **{side: figures_of(found.grey(name)) for side, found in sides.items()},
                **({"reference": _reference(*real[name])} if name in real else {}),
            }
            for name in names
        },
        "grey_profiles": profiles,
    }


def _mean_profile(levels: Column) -> dict[str, list[float | None]]:
    """Mean and standard deviation over images at each distance, None where no image has a level."""
    columns = [figures_of(column) for column in levels.T]
    return {name: [column[name] for column in columns] for name in ("mean", "sd")}
