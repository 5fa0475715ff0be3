"""Figures with a row a bone: areas, shapes, points drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from yolo_bones.bones import BONES, CLASS_IDS, GROUPS
from yolo_bones.figures.style import COLOURS, GRID, INK, REAL, REAL_MARK, legend_below, new_figure, side_label, sides_of

Section = Mapping[str, Mapping[str, Any]]
Row = tuple[float, Mapping[str, Any], float]
"""Place on the axis, figures, and the unit that they are divided by."""

APART: Final = 0.19
"""Half the distance between the rows of two sides of one bone."""
BAND: Final = 0.42
RATIOS_SHOWN: Final = (0.4, 2.0)
"""To real hands; what lies beyond is marked at the edge."""
ROW_IN: Final = 0.27


def draw_areas(record: Mapping[str, Any]) -> Figure:
    """Areas at 2048, and relative to the hand, as multiples of real hands' means."""
    figure = new_figure(12.0, 1.3 + ROW_IN * len(BONES))
    absolute, relative = figure.subplots(1, 2, sharey=True)
    draw_rows(absolute, record, record["areas"], relative=True)
    draw_rows(relative, record, record["relative_areas"], relative=True)
    absolute.set_title("Area in pixels at 2048")
    relative.set_title("Area for the hand's size")
    for axis, section in ((absolute, record["areas"]), (relative, record["relative_areas"])):
        axis.set_xlabel("times the mean of real hands")
        _write_means(axis, section)
    legend_below(figure, absolute)
    return figure


def draw_shapes(record: Mapping[str, Any]) -> Figure:
    """Length and width of each bone in units of the third metacarpal, as multiples of real hands' means."""
    figure = new_figure(12.0, 1.3 + ROW_IN * len(BONES))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, section, what in zip(axes, ("lengths", "widths"), ("Length", "Width"), strict=True):
        draw_rows(axis, record, record[section], relative=True)
        axis.set_title(f"{what} in third metacarpals")
        axis.set_xlabel("times the mean of real hands")
        _write_means(axis, record[section])
    legend_below(figure, axes[0])
    return figure


def draw_points(record: Mapping[str, Any]) -> Figure:
    """Points of each annotation."""
    figure = new_figure(8.0, 1.3 + ROW_IN * len(BONES))
    axis = figure.subplots()
    draw_rows(axis, record, record["points"], relative=False)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_title("Points drawn per annotation")
    axis.set_xlabel("points (logarithmic)")
    _write_means(axis, record["points"])
    legend_below(figure, axis)
    return figure


def draw_rows(axis: Axes, record: Mapping[str, Any], section: Section, *, relative: bool) -> None:
    """A row a bone: the middle half as a bar, 5 to 95 % as a line, the median as a dot; real hands as a grey band.

    Args:
        axis: to draw on.
        record: of the exploration.
        section: bone -> figures of each side.
        relative: divide by the mean of real hands.
    """
    known = [bone for bone in BONES if relative and section[bone].get("reference")]
    unit = {bone: float(section[bone]["reference"]["mean"]) if bone in known else 1.0 for bone in BONES}
    if known:
        _draw_real(axis, section, known)
        axis.set_xlim(*RATIOS_SHOWN)
    sides = [side for side in sides_of(record) if any(section[bone].get(side, {}).get("count") for bone in BONES)]
    for number, side in enumerate(sides):
        offset = (number - (len(sides) - 1) / 2.0) * 2.0 * APART
        there = [bone for bone in BONES if section[bone][side]["count"]]
        rows = [(CLASS_IDS[bone] + offset, section[bone][side], unit[bone]) for bone in there]
        _draw_side(axis, rows, COLOURS[side], f"{side_label(record, side)}: median, quartiles, 5 to 95 %")
        if known:
            _mark_beyond(axis, rows, COLOURS[side])
    axis.set_yticks(range(len(BONES)), BONES)
    axis.set_ylim(len(BONES) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")
    edges = np.cumsum([len(bones) for bones in GROUPS.values()])[:-1] - 0.5
    axis.hlines(edges, 0.0, 1.0, color=GRID, linewidth=1.6, transform=axis.get_yaxis_transform())


def _draw_real(axis: Axes, section: Section, bones: Sequence[str]) -> None:
    """A band of one standard deviation around the mean of real hands, which is 1."""
    with_sd = [bone for bone in bones if section[bone]["reference"]["sd"] is not None]
    sds = np.array([section[bone]["reference"]["sd"] / section[bone]["reference"]["mean"] for bone in with_sd])
    rows = [CLASS_IDS[bone] for bone in with_sd]
    axis.barh(
        rows,
        2.0 * sds,
        2.0 * BAND,
        left=1.0 - sds,
        color=REAL,
        alpha=0.55,
        linewidth=0,
        label="real hands, mean and sd",
    )
    middles = np.array([CLASS_IDS[bone] for bone in bones])
    axis.vlines(np.ones(len(bones)), middles - BAND, middles + BAND, color=REAL_MARK, linewidth=1.2)


def _draw_side(axis: Axes, rows: Sequence[Row], colour: str, label: str) -> None:
    places = [place for place, _, _ in rows]
    value = {
        name: [figures[name] / unit for _, figures, unit in rows]
        for name in ("min", "p5", "p25", "p50", "p75", "p95", "max")
    }
    axis.hlines(places, value["p5"], value["p95"], color=colour, linewidth=1.1)
    axis.hlines(places, value["p25"], value["p75"], color=colour, linewidth=4.2, label=label)
    axis.plot(value["p50"], places, "o", color="white", markeredgecolor=colour, markersize=4.2)
    # What lies farthest is what a person wants to see, however seldom it is.
    axis.plot(value["min"] + value["max"], places * 2, "|", color=colour, markersize=4.5)


def _mark_beyond(axis: Axes, rows: Sequence[Row], colour: str) -> None:
    """An arrow head and the number at the figure's edge where the farthest value lies beyond it."""
    for place, figures, unit in rows:
        for name, edge, sign in (("min", RATIOS_SHOWN[0], 1), ("max", RATIOS_SHOWN[1], -1)):
            ratio = figures[name] / unit
            if sign * (ratio - edge) < 0.0:
                axis.plot(edge, place, "<" if sign > 0 else ">", color=colour, markersize=4.5, clip_on=False, zorder=3)
                axis.annotate(
                    f"{ratio:.1f}", (edge, place), (7 * sign, 0), textcoords="offset points", va="center",
                    ha="left" if sign > 0 else "right", fontsize=7, color=colour,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )  # fmt: skip


def _write_means(axis: Axes, section: Section) -> None:
    """The mean of the training side at the right of each row."""
    for row, bone in enumerate(BONES):
        mean = section[bone]["train"]["mean"]
        text = "none" if mean is None else f"{mean:,.0f}" if mean >= 10 else f"{mean:.3f}"
        axis.annotate(
            text, (1.0, row), (5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=7.5, color=INK,
        )  # fmt: skip
    axis.annotate(
        "mean", (1.0, 1.0), (5, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7.5, color=REAL_MARK
    )
