"""What `explore_points` writes as `explore.json`: every number, and the only thing that the figures are drawn from.

Each side (`train`, and `test` where there is one) is a key of its own inside every entry, beside `reference`, the
built-in statistics of real hands, where there are any. Figures of many images are `count`, `mean`, `sd`, `min`, `p5`,
`p25`, `p50`, `p75`, `p95`, `max` of the known values; all but the count are null where nothing is known.

| key | what |
|---|---|
| `version` | of this package |
| `sides` | of each side: `images`, `patients`, where its masks are from, `without_hand` (images), `missing_bones` (bone -> images), `repairs` (what was mended) |
| `areas` | bone -> area in pixels of an image 2048 high, inside the drawn line |
| `relative_areas`, `lengths`, `widths` | bone -> in units of the third metacarpal's length (areas: its square) |
| `points` | bone -> points drawn |
| `overlaps` | of each pair that overlaps anywhere: `bones`, and of each side `images`, `share` of the images that have both bones, mean `iou` where the two overlap |
| `multi_label_px` | pixels with two labels or more, at 2048 |
| `hand` | `tilt_deg` (to the image's right), `tilt_to_thumb_deg`, `abs_tilt_deg`, `place_x`, `place_y` (of the capitate, shares of the image), `unit` (third metacarpal, share of the height) |
| `wrists`, `thumb_sides`, `image_sizes` | counts; a wrist is bent where the hand leans more than 15 degrees |
| `greys` | region -> level, 0 to 255: as in `greys`, `image` is all pixels |
| `grey_profiles` | `distances_px`, and region -> mean and sd over images at each distance from the outline |
| `shift` | null without a test side; else `chance_ks` and `measures`, the farthest shifted first: of both sides `count`, `mean`, `sd`; `standardised` difference (test less train), `ks` |
| `sheets` | contact sheet -> its tiles in order: `image`, `patient`, `bones`, `value`, `text` |
| `per_image` | side -> `columns` and `rows`, every number of every image |
"""  # noqa: E501  a table, a row a line

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from yolo_bones import __version__
from yolo_bones.bones import BONES
from yolo_bones.exploration.collected import Collected, comparable_columns, image_row
from yolo_bones.exploration.sections import Sides, bone_sections, grey_sections, hand_sections, overlap_sections
from yolo_bones.exploration.shift import chance_ks, compare

DIGITS_KEPT: Final = 6
"""Significant digits of every number; more would differ between machines."""


def explored(sides: Sides, masks_from: Mapping[str, str]) -> dict[str, Any]:
    """Everything but the sheets.

    Args:
        sides: `train`, and `test` where there is one.
        masks_from: side -> where its masks are from.
    """
    rows = {side: [image_row(measures) for measures in found.images] for side, found in sides.items()}
    return {
        "version": __version__,
        "sides": {side: _about(found, masks_from[side]) for side, found in sides.items()},
        **bone_sections(sides),
        **overlap_sections(sides),
        **hand_sections(sides),
        **grey_sections(sides),
        "shift": _shift(sides, rows),
        "per_image": {
            side: {"columns": list(found[0]) if found else [], "rows": [list(row.values()) for row in found]}
            for side, found in rows.items()
        },
    }


def as_text(record: Mapping[str, Any]) -> str:
    """A shortened record as JSON; of `per_image` a row a line."""
    plain = dict(record)
    per_image = plain.pop("per_image")
    parts = []
    for side, table in per_image.items():
        rows = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in table["rows"])
        columns = json.dumps(table["columns"], ensure_ascii=False)
        parts.append(f'  {json.dumps(side)}: {{\n   "columns": {columns},\n   "rows": [\n{rows}\n   ]\n  }}')
    head = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    return head[: head.rindex("\n}")] + ',\n "per_image": {\n' + ",\n".join(parts) + "\n }\n}\n"


def _about(found: Collected, masks_from: str) -> dict[str, Any]:
    missing = np.isnan(found.by_bone("area_px")).sum(axis=0)
    return {
        "images": len(found.images),
        "patients": found.patients,
        "masks_from": masks_from,
        "without_hand": [measures.image for measures in found.images if measures.hand is None],
        "missing_bones": {bone: int(count) for bone, count in zip(BONES, missing, strict=True) if count},
        "repairs": found.repairs(),
    }


def _shift(sides: Sides, rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any] | None:
    if "test" not in sides:
        return None
    shifts = compare(*(comparable_columns(rows[side]) for side in ("train", "test")))
    moments = ("count", "mean", "sd")
    measures = []
    for shift in shifts:
        entry = asdict(shift)
        for side in ("train", "test"):
            entry[side] = dict(zip(moments, entry[side], strict=True))
        measures.append(entry)
    return {"chance_ks": chance_ks(sides["train"].patients, sides["test"].patients), "measures": measures}


def shortened(value: Any) -> Any:
    """The same in plain JSON types: six significant digits, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{DIGITS_KEPT}g}") if math.isfinite(value) else None
    return value
