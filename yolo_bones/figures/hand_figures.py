"""Figures of whole hands: how wrists are bent, where hands lie and how large they are, sizes of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from yolo_bones.annotated_hand import BENT_FROM_DEG
from yolo_bones.figures.style import (
    COLOURS,
    GRID,
    REAL,
    REAL_MARK,
    column_of,
    legend_below,
    new_figure,
    side_label,
    sides_of,
)

Column = NDArray[np.float64]

TILT_STEP_DEG: Final = 5.0
UNIT_BINS: Final = 24
SIZES_SHOWN: Final = 12
"""The commonest; the rest is in the record."""
PERCENTILES_OF_REAL: Final = "real hands of a test set, 58 % bent"


def draw_wrists(record: Mapping[str, Any]) -> Figure:
    """How far hands lean: to which side, and how many how far."""
    figure = new_figure(12.0, 4.6)
    lean, cumulative = figure.subplots(1, 2)
    edges = np.arange(-60.0, 60.0 + TILT_STEP_DEG, TILT_STEP_DEG)
    for side in sides_of(record):
        tilts = np.clip(column_of(record, side, "tilt_to_thumb_deg"), edges[0], edges[-1])
        _histogram(lean, tilts, edges, side, _bent_label(record, side))
        far = np.sort(np.abs(tilts))
        shares = 100.0 * np.arange(1, len(far) + 1) / max(len(far), 1)
        cumulative.step(far, shares, color=COLOURS[side], where="post")
    for limit in (-BENT_FROM_DEG, BENT_FROM_DEG):
        lean.axvline(limit, color=REAL_MARK, linewidth=1.0, linestyle=(0, (4, 3)))
    cumulative.axvline(BENT_FROM_DEG, color=REAL_MARK, linewidth=1.0, linestyle=(0, (4, 3)), label="bent from here")
    real = record["hand"]["abs_tilt_deg"]["reference"]
    percents = [int(name.removeprefix("p")) for name in real]
    cumulative.plot(
        list(real.values()), percents, "D", color=REAL, markeredgecolor=REAL_MARK, label=PERCENTILES_OF_REAL
    )
    lean.set_title("Lean of the third metacarpal")
    lean.set_xlabel("degrees off the vertical, positive to the thumb's side")
    lean.set_ylabel("hands, %")
    lean.set_xlim(-62.0, 62.0)
    cumulative.set_title("How many lean at most so far")
    cumulative.set_xlabel("degrees off the vertical, either side")
    cumulative.set_ylabel("hands, %")
    cumulative.set_xlim(0.0, 62.0)
    legend_below(figure, lean)
    cumulative.legend(loc="lower right")
    return figure


def draw_hands(record: Mapping[str, Any]) -> Figure:
    """Where hands lie, how large they are, on which side the thumb is, and the sizes of the images."""
    figure = new_figure(12.0, 8.0)
    axes = figure.subplots(2, 2, height_ratios=(2, 1))
    _places(axes[0, 0], record)
    _units(axes[0, 1], record)
    _shares(axes[1, 0], record, "thumb_sides", "Thumb's side in the picture")
    _shares(axes[1, 1], record, "image_sizes", "Sizes of the images (height x width)")
    legend_below(figure, axes[0, 0])
    return figure


def _bent_label(record: Mapping[str, Any], side: str) -> str:
    wrists = record["wrists"][side]
    known = wrists["straight"] + wrists["bent"]
    return f"{side_label(record, side)}: {100.0 * wrists['bent'] / known if known else 0.0:.0f} % bent"


def _histogram(axis: Axes, values: Column, edges: Column, side: str, label: str) -> None:
    counts, _ = np.histogram(values, edges)
    shares = 100.0 * counts / max(counts.sum(), 1)
    axis.stairs(shares, edges, color=COLOURS[side], fill=True, alpha=0.35)
    axis.stairs(shares, edges, color=COLOURS[side], linewidth=1.4, label=label)


def _places(axis: Axes, record: Mapping[str, Any]) -> None:
    x, y = (record["hand"][name]["reference"] for name in ("place_x", "place_y"))
    for times in (1.0, 2.0, 3.0):
        label = "real hands: 1, 2, 3 sd around the mean" if times == 1.0 else None
        width, height = 2.0 * times * x["sd"], 2.0 * times * y["sd"]
        axis.add_patch(Ellipse((x["mean"], y["mean"]), width, height, color=REAL, alpha=0.4, linewidth=0, label=label))
    for side in sides_of(record):
        label = side_label(record, side)
        xs, ys = (column_of(record, side, name) for name in ("place_x", "place_y"))
        axis.plot(xs, ys, "o", color=COLOURS[side], markersize=4, alpha=0.6, markeredgewidth=0, label=label)
    axis.invert_yaxis()
    axis.set_title("Where the capitate lies in the image")
    axis.set_xlabel("share of the width")
    axis.set_ylabel("share of the height, from the top")


def _units(axis: Axes, record: Mapping[str, Any]) -> None:
    real = record["hand"]["unit"]["reference"]
    columns = {side: column_of(record, side, "unit") for side in sides_of(record)}
    everything = np.concatenate([*columns.values(), [real["mean"] - 3.0 * real["sd"], real["mean"] + 3.0 * real["sd"]]])
    edges = np.linspace(everything.min(), everything.max(), UNIT_BINS + 1)
    axis.axvspan(real["mean"] - real["sd"], real["mean"] + real["sd"], color=REAL, alpha=0.4, linewidth=0)
    axis.axvline(real["mean"], color=REAL_MARK, linewidth=1.2)
    for side, values in columns.items():
        _histogram(axis, values, edges, side, side)
    axis.set_title("Size of the hand")
    axis.set_xlabel("third metacarpal's length, share of the image's height")
    axis.set_ylabel("hands, %")


def _shares(axis: Axes, record: Mapping[str, Any], section: str, title: str) -> None:
    """Bars of counts by name, side by side."""
    counts = record[section]
    total = Counter({name: 0 for side in counts for name in counts[side]})
    for side in counts:
        total.update(counts[side])
    common = {name for name, count in total.most_common(SIZES_SHOWN) if count}
    names = [name for name in total if name in common]
    sides = sides_of(record)
    thick = 0.7 / len(sides)
    for number, side in enumerate(sides):
        places = np.arange(len(names)) + (number - (len(sides) - 1) / 2.0) * thick
        values = [counts[side].get(name, 0) for name in names]
        shares = [100.0 * value / max(sum(counts[side].values()), 1) for value in values]
        bars = axis.barh(places, shares, 0.9 * thick, color=COLOURS[side], alpha=0.8)
        axis.bar_label(bars, [f"{value}" if value else "" for value in values], padding=3, fontsize=8)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(max(len(names), 2) - 0.4, -0.6)
    axis.set_xlim(0.0, 112.0)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.axvline(0.0, color=GRID)
    axis.set_title(title)
    axis.set_xlabel("images, %; numbers are images")
