"""What `phantom.statistics` writes as JSON: every figure and every check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from yolo_bones.bones import BONES
from yolo_bones.greys import REGIONS
from yolo_bones.hand_measures import Collected
from yolo_bones.phantom.agreement import Verdict
from yolo_bones.phantom.summaries import (
    grey_figures,
    mean_multi_label,
    mean_profile,
    near_wrap,
    overlap_figures,
    place_figures,
    shape_summary,
    tilt_percentiles,
)


def as_record(collected: Collected, verdicts: Sequence[Verdict], readings: Sequence[str]) -> dict[str, Any]:
    """Every number, for JSON; what is unknown is None."""
    record: dict[str, Any] = {
        "hands": len(collected.hands),
        "without_frame": collected.without_frame,
        "shape": shape_summary(collected),
        "near_wrap": near_wrap(collected),
        "place": {name: (values.mean(), values.std()) for name, (values, _) in place_figures(collected).items()},
        "abs_tilt_percentiles_deg": {str(percent): deg for percent, deg in tilt_percentiles(collected).items()},
        "area_px": _by_bone(collected, "area_px"),
        "outline_area_px": _by_bone(collected, "outline_area_px"),
        "multi_label_px": mean_multi_label(collected),
        "overlap": _overlaps(collected),
        "verdicts": {
            verdict.part: {
                "passed": verdict.passed,
                "share_inside": verdict.share_inside,
                "checks": [asdict(check) for check in verdict.checks],
            }
            for verdict in verdicts
        },
    }
    if collected.greys:
        record["grey"] = grey_figures(collected)
        record["profiles"] = {
            reading: dict(zip(REGIONS, mean_profile(collected, reading).tolist(), strict=True)) for reading in readings
        }
    cleaned: dict[str, Any] = _plain(record)
    return cleaned


def _overlaps(collected: Collected) -> dict[str, dict[str, float]]:
    found = {}
    for pair in combinations(BONES, 2):
        iou, share = overlap_figures(collected, pair)
        if share > 0.0:
            found[" - ".join(pair)] = {"iou": iou, "share": share}
    return found


def _by_bone(collected: Collected, attribute: str) -> dict[str, tuple[float, float]]:
    values = collected.gather(attribute)
    return {bone: (column.mean(), column.std()) for bone, column in zip(BONES, values.T, strict=True)}


def _plain(value: Any) -> Any:
    """Plain JSON types; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
