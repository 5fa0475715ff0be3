"""Figures of grey levels: of regions, and across the outlines of bones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from yolo_bones.figures.style import COLOURS, REAL, REAL_MARK, legend_below, new_figure, side_label, sides_of
from yolo_bones.greys import REGIONS

NAMES: Final = {
    "distal": "distal phalanges",
    "middle_proximal": "middle and proximal phalanges",
    "metacarpal": "metacarpals",
    "carpal": "carpals",
    "radius": "Radius",
    "ulna": "Ulna",
    "bone": "all bone",
    "soft": "soft tissue beside bones",
    "background": "background, median",
    "bone_sd": "sd within all bone",
    "noise": "noise of the background",
    "image": "whole image",
    "image_sd": "sd of the whole image",
}
"""Of `greys`, for people."""
BAND: Final = 0.42


def draw_grey_regions(record: Mapping[str, Any]) -> Figure:
    """Levels of each region: mean and spread over images."""
    section = record["greys"]
    figure = new_figure(9.0, 1.4 + 0.3 * len(section))
    axis = figure.subplots()
    sides = sides_of(record)
    for row, figures in enumerate(section.values()):
        _real_mark(axis, row, figures.get("reference"), "real radiographs (13): mean and sd" if row == 0 else None)
        for number, side in enumerate(sides):
            if figures[side]["count"]:
                place = row + (number - (len(sides) - 1) / 2.0) * 0.34
                label = f"{side_label(record, side)}: mean and sd" if row == 0 else None
                mean, sd = figures[side]["mean"], figures[side]["sd"]
                axis.errorbar(
                    mean, place, xerr=sd, fmt="o", color=COLOURS[side], markersize=4.5, capsize=0, label=label
                )
    axis.set_yticks(range(len(section)), [NAMES[name] for name in section])
    axis.set_ylim(len(section) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.set_title("Grey levels by region")
    axis.set_xlabel("level, 0 to 255")
    legend_below(figure, axis)
    return figure


def draw_grey_profiles(record: Mapping[str, Any]) -> Figure:
    """Mean level across the outlines of each region's bones."""
    section = record["grey_profiles"]
    distances = section["distances_px"]
    figure = new_figure(12.0, 6.6)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for axis, region in zip(axes.flat, REGIONS, strict=True):
        axis.axvline(0.0, color=REAL_MARK, linewidth=0.8)
        levels = section[region]["reference"]["mean"]
        axis.plot(
            distances, levels, color=REAL_MARK, linestyle=(0, (4, 2)), linewidth=1.6, label="real radiographs (13)"
        )
        for side in sides_of(record):
            mean, sd = (_known(section[region][side][name]) for name in ("mean", "sd"))
            label = f"{side_label(record, side)}: mean and sd"
            axis.fill_between(distances, mean - sd, mean + sd, color=COLOURS[side], alpha=0.18, linewidth=0)
            axis.plot(distances, mean, "o-", color=COLOURS[side], markersize=3, linewidth=1.4, label=label)
        axis.set_title(NAMES[region])
    axes[1, 1].set_xlabel("pixels at 2048 from the outline, positive inside the bone")
    for axis in axes[:, 0]:
        axis.set_ylabel("level, 0 to 255")
    legend_below(figure, axes.flat[0])
    return figure


def _real_mark(axis: Axes, row: int, reference: Mapping[str, Any] | None, label: str | None) -> None:
    if reference is None:
        return
    mean, sd = reference["mean"], reference["sd"]
    if sd is not None:
        axis.barh(row, 2.0 * sd, 2.0 * BAND, left=mean - sd, color=REAL, alpha=0.55, linewidth=0, label=label)
    axis.plot([mean] * 2, [row - BAND, row + BAND], color=REAL_MARK, linewidth=1.2)


def _known(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])
