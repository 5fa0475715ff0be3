"""Figures of how far the test side shifts from the training side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from yolo_bones.figures.style import COLOURS, REAL, REAL_MARK, column_of, legend_below, new_figure, side_label

MEASURES_SHOWN: Final = 35
DISTRIBUTIONS_SHOWN: Final = 9
BINS: Final = 20


def draw_shift(record: Mapping[str, Any]) -> Figure:
    """The measures that shift farthest: the statistic, and the standardised difference of the means."""
    shift = record["shift"]
    measures = shift["measures"][:MEASURES_SHOWN]
    rows = list(range(len(measures)))
    figure = new_figure(12.0, 1.6 + 0.24 * max(len(measures), 1))
    statistic, difference = figure.subplots(1, 2, sharey=True)
    statistic.axvspan(
        0.0,
        shift["chance_ks"],
        color=REAL,
        alpha=0.4,
        linewidth=0,
        label="below this lie 95 % of measures that do not differ",
    )
    for row, measure in zip(rows, measures, strict=True):
        colour = COLOURS["test"] if measure["ks"] > shift["chance_ks"] else REAL_MARK
        statistic.plot([0.0, measure["ks"]], [row] * 2, color=colour, linewidth=1.4)
        statistic.plot(measure["ks"], row, "o", color=colour, markersize=5)
        if measure["standardised"] is not None:
            difference.plot([0.0, measure["standardised"]], [row] * 2, color=colour, linewidth=1.4)
            difference.plot(measure["standardised"], row, "o", color=colour, markersize=5)
    statistic.set_yticks(rows, [measure["measure"] for measure in measures])
    statistic.set_ylim(len(measures) - 0.4, -0.6)
    statistic.set_xlim(0.0, 1.02)
    statistic.set_title("Test against train: largest gap of the distributions")
    statistic.set_xlabel("Kolmogorov-Smirnov statistic")
    difference.axvline(0.0, color=REAL_MARK, linewidth=0.8)
    difference.set_title("Difference of the means")
    difference.set_xlabel("test less train, in standard deviations")
    for axis in (statistic, difference):
        axis.grid(visible=False, axis="y")
        axis.tick_params(axis="y", length=0)
    legend_below(figure, statistic)
    return figure


def draw_shift_distributions(record: Mapping[str, Any]) -> Figure:
    """Both sides' distributions of the measures that shift farthest."""
    measures = record["shift"]["measures"][:DISTRIBUTIONS_SHOWN]
    figure = new_figure(12.0, 9.0)
    axes = figure.subplots(3, 3)
    for axis in axes.flat[len(measures) :]:
        axis.set_axis_off()
    for axis, measure in zip(axes.flat, measures, strict=False):
        columns = {side: column_of(record, side, measure["measure"]) for side in ("train", "test")}
        edges = np.histogram_bin_edges(np.concatenate(list(columns.values())), BINS)
        for side, values in columns.items():
            counts, _ = np.histogram(values, edges)
            shares = 100.0 * counts / max(counts.sum(), 1)
            axis.stairs(shares, edges, color=COLOURS[side], fill=True, alpha=0.3)
            axis.stairs(shares, edges, color=COLOURS[side], linewidth=1.4, label=side_label(record, side))
        axis.set_title(f"{measure['measure']}   KS {measure['ks']:.2f}", fontsize=9)
        axis.set_ylabel("images, %")
    if measures:
        legend_below(figure, axes.flat[0])
    return figure
