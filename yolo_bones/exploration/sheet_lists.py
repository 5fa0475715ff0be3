"""Which images go onto which contact sheet, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from yolo_bones.bones import GROUPS
from yolo_bones.exploration.collected import Collected, wrist_of
from yolo_bones.exploration.extremes import (
    Extreme,
    incomplete,
    most_bent,
    most_overlap,
    odd_overlaps,
    size_outliers,
)

OF_EACH_GROUP: Final = 3
"""Tiles of the smallest, and as many of the largest, bones of each group."""
TILES: Final = 8
"""Of a sheet of extremes."""
TEST_SHEET: Final = "sheet_test"
SHEETS: Final[dict[str, str]] = {
    "sheet_sample": "A sample of the whole set",
    TEST_SHEET: "A sample of the test side",
    "sheet_smallest": "Smallest bones of each group, relative to the hand",
    "sheet_largest": "Largest bones of each group, relative to the hand",
    "sheet_bent": "Hands that lean most",
    "sheet_overlap": "Most pixels of two labels or more",
    "sheet_odd_overlaps": "Overlaps of bones that hardly ever overlap",
    "sheet_incomplete": "Bones missing, or no hand found",
}
"""Sheet -> its heading."""


def list_sheets(sides: Mapping[str, Collected], sample: int) -> dict[str, list[dict[str, Any]]]:
    """Sheet -> its tiles in order; sheets of which there is nothing to show are left out.

    Args:
        sides: `train`, and `test` where there is one.
        sample: tiles of a sample.
    """
    train = sides["train"]
    extremes: dict[str, Callable[[], list[Extreme]]] = {
        "sheet_sample": lambda: _sample(train, sample),
        TEST_SHEET: lambda: _sample(sides["test"], sample) if "test" in sides else [],
        "sheet_smallest": lambda: _of_groups(train, largest=False),
        "sheet_largest": lambda: _of_groups(train, largest=True),
        "sheet_bent": lambda: most_bent(train, TILES),
        "sheet_overlap": lambda: most_overlap(train, TILES),
        "sheet_odd_overlaps": lambda: odd_overlaps(train, TILES),
        "sheet_incomplete": lambda: incomplete(train, TILES),
    }
    listed = {
        name: [_tile(sides["test"] if name == TEST_SHEET else train, one) for one in extremes[name]()]
        for name in SHEETS
    }
    return {name: tiles for name, tiles in listed.items() if tiles}


def _of_groups(collected: Collected, largest: bool) -> list[Extreme]:
    return [one for group in GROUPS for one in size_outliers(collected, largest, group, OF_EACH_GROUP)]


def _sample(collected: Collected, count: int) -> list[Extreme]:
    """Images spread evenly over the order of patient and name."""
    total = len(collected.images)
    chosen = sorted(set(np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()))
    return [Extreme(index, (), float(index), f"wrist {wrist_of(collected.images[index].hand)}") for index in chosen]


def _tile(collected: Collected, one: Extreme) -> dict[str, Any]:
    measures = collected.images[one.index]
    return {
        "image": measures.image,
        "patient": measures.patient,
        "bones": list(one.bones),
        "value": one.value,
        "text": one.text,
    }
