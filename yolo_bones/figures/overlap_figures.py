"""Figures of bones that overlap: the matrix of all pairs, and pairs against those of real hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.figures.style import COLOURS, REAL_MARK, legend_below, new_figure, side_label, sides_of

PAIRS_SHOWN: Final = 40
APART: Final = 0.3
"""Distance between the dots of two sides of one pair, in rows."""
LEAST_IOU_SHOWN: Final = 1e-3


def draw_overlap_matrix(record: Mapping[str, Any]) -> Figure:
    """Share of images in which a pair overlaps above the diagonal, mean IoU where it does below it."""
    share, iou = matrices(record, "train")
    figure = new_figure(10.6, 9.8)
    axis = figure.subplots()
    above = axis.imshow(share * 100.0, cmap="Blues", vmin=0.0, vmax=100.0)
    below = axis.imshow(iou, cmap="YlOrRd", norm=LogNorm(LEAST_IOU_SHOWN, 0.5))
    axis.set_xticks(range(BONE_COUNT), BONES, rotation=90)
    axis.set_yticks(range(BONE_COUNT), BONES)
    axis.set_xticks(np.arange(BONE_COUNT) - 0.5, minor=True)
    axis.set_yticks(np.arange(BONE_COUNT) - 0.5, minor=True)
    axis.grid(visible=False)
    axis.grid(which="minor", linewidth=0.5)
    axis.tick_params(which="both", length=0)
    axis.plot([-0.5, BONE_COUNT - 0.5], [-0.5, BONE_COUNT - 0.5], color=REAL_MARK, linewidth=0.8)
    axis.set_title("Overlaps in the annotations: how often (above the diagonal), how much (below)")
    rare = [pair["bones"] for pair in record["overlaps"] if pair["reference"] is None and pair["train"]["images"]]
    places = np.array([[CLASS_IDS[bone] for bone in bones] for bones in rare]).reshape(-1, 2)
    axis.plot(
        places[:, 1], places[:, 0], "x", color="#c0392b", markersize=5, label="overlaps in fewer than 1 of 8 real hands"
    )
    bars = (
        (above, 0.54, "images in which the pair overlaps, %", "{x:g}"),
        (below, 0.04, "mean IoU where it does", "{x:g}"),
    )
    for drawn, low, label, numbers in bars:
        place = axis.inset_axes((1.03, low, 0.025, 0.42))
        figure.colorbar(drawn, cax=place, label=label, format=numbers, extend="neither" if drawn is above else "both")
    if rare:
        legend_below(figure, axis)
    return figure


def matrices(record: Mapping[str, Any], side: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(29, 29) shares above the diagonal and IoU below it, NaN where there is nothing to show."""
    share, iou = np.full((2, BONE_COUNT, BONE_COUNT), np.nan)
    for pair in record["overlaps"]:
        first, second = (CLASS_IDS[bone] for bone in pair["bones"])
        if pair[side]["images"]:
            share[first, second], iou[second, first] = pair[side]["share"], pair[side]["iou"]
    return share, iou


def draw_overlap_pairs(record: Mapping[str, Any]) -> Figure:
    """Pairs of bones against those of real hands: how often and how much they overlap."""
    pairs = sorted(record["overlaps"], key=_importance)[:PAIRS_SHOWN]
    figure = new_figure(12.0, 1.5 + 0.24 * max(len(pairs), 1))
    often, much = figure.subplots(1, 2, sharey=True)
    sides = sides_of(record)
    for axis, name, factor in ((often, "share", 100.0), (much, "iou", 1.0)):
        for side in [*sides, "reference"]:
            shown = [(row, pair[side][name]) for row, pair in enumerate(pairs) if (pair[side] or {}).get(name)]
            offset = 0.0 if side == "reference" else (sides.index(side) - (len(sides) - 1) / 2.0) * APART
            rows, values = [row + offset for row, _ in shown], [factor * value for _, value in shown]
            if side == "reference":
                axis.plot(values, rows, "|", color=REAL_MARK, markersize=11, markeredgewidth=2.2, label="real hands")
            else:
                axis.plot(values, rows, "o", color=COLOURS[side], markersize=4.5, label=side_label(record, side))
    often.set_yticks(range(len(pairs)), [" - ".join(pair["bones"]) for pair in pairs])
    often.set_ylim(len(pairs) - 0.4, -0.6)
    often.set_xlim(-3.0, 103.0)
    much.set_xscale("log")
    much.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    much.xaxis.set_major_formatter("{x:g}")
    often.set_title("How often a pair overlaps")
    often.set_xlabel("images, %")
    much.set_title("How much where it does")
    much.set_xlabel("mean IoU (logarithmic)")
    for axis in (often, much):
        axis.tick_params(axis="y", length=0)
    legend_below(figure, often)
    return figure


def _importance(pair: Mapping[str, Any]) -> tuple[float, list[int]]:
    """Pairs with the largest overlap, in this set or in real hands, come first."""
    figures = [pair[name] for name in ("train", "test", "reference") if pair.get(name)]
    most = max((one["share"] or 0.0) * (one["iou"] or 0.0) for one in figures)
    return -most, [CLASS_IDS[bone] for bone in pair["bones"]]
