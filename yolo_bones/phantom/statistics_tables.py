"""What `phantom.statistics` prints: tables of found and real figures, as plain text or Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_bones import reference
from yolo_bones.bones import BONES
from yolo_bones.greys import DISTANCES_PX, REGIONS
from yolo_bones.hand_measures import Collected
from yolo_bones.phantom.agreement import Verdict, area_checks, factor_deviation, is_far, is_inside
from yolo_bones.phantom.summaries import (
    grey_figures,
    mean_profile,
    near_wrap,
    overlap_figures,
    place_figures,
    shape_summary,
    tilt_percentiles,
)

FACTOR_3 = factor_deviation(3.0, 1.0)
OUTSIDE_MARK, FAR_MARK = " !", " !!"
DIGITS: dict[str, int] = {"angle_deg": 1}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; `notes` are lines below it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def as_text(self) -> str:
        """Aligned columns, the first to the left."""
        lines = [list(self.header), *map(list, self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        shown = [
            "  ".join(
                [
                    line[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
                ]
            )
            for line in lines
        ]
        return "\n".join([self.title, *(line.rstrip() for line in shown), *self.notes])

    def as_markdown(self) -> str:
        """A pipe table under a heading of the second level."""
        lines = [self.header, ["---", *("---:" for _ in self.header[1:])], *self.rows]
        piped = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([f"## {self.title}", "", *piped, *(part for note in self.notes for part in ("", note))])


def tables(collected: Collected, verdicts: Sequence[Verdict], readings: Sequence[str]) -> list[Table]:
    """All tables of the parts that were judged."""
    found = [_verdict_table(collected, verdicts)]
    for verdict in verdicts:
        if verdict.part == "shape":
            found += [*_shape_tables(collected, verdict), _place_table(collected)]
        elif verdict.part == "area":
            found.append(_area_table(collected, verdict))
        elif verdict.part == "overlap":
            found.append(_overlap_table(collected, verdict))
        elif collected.greys:
            found += _grey_tables(collected, verdict, readings)
    return [*found, *(_outside_table(verdict) for verdict in verdicts if not all(c.inside for c in verdict.checks))]


def _verdict_table(collected: Collected, verdicts: Sequence[Verdict]) -> Table:
    rows, notes = [], []
    for verdict in verdicts:
        worst = verdict.cells.values()
        counts = [len(worst), sum(map(is_inside, worst)), sum(map(is_far, worst))]
        share = f"{100 * verdict.share_inside:.1f} %"
        rows.append([verdict.part, *map(str, counts), share, "yes" if verdict.passed else "no"])
        wide = sum(check.quantity == "spread" and check.deviation > FACTOR_3 for check in verdict.checks)
        if verdict.part == "shape":
            notes.append(f"Twice a factor of 1.5 is 2.25; {wide} spreads are off by more than a factor of 3.")
    header = ["part", "cells", "inside", "beyond twice what is allowed", "share inside", "passed"]
    return Table(f"{len(collected.hands)} hands against the real ones", header, rows, notes)


def _shape_tables(collected: Collected, verdict: Verdict) -> list[Table]:
    found, real, worst = shape_summary(collected), reference.shape_reference(), verdict.cells

    def cell(bone: str, measure: str) -> str:
        digits = DIGITS.get(measure, 3)
        pairs = (found[bone][measure], real[bone][measure])
        texts = [f"{mean:.{digits}f}" if sd is None else f"{mean:.{digits}f}±{sd:.{digits}f}" for mean, sd in pairs]
        return f"{texts[0]} ({texts[1]}){_mark(worst.get((bone, measure), 0.0))}"

    wraps = [f"{bone} {100 * share:.0f} %" for bone, share in near_wrap(collected).items()]
    notes = [f"angles within 10 degrees of +-90, where they wrap: {', '.join(wraps)}"] if wraps else []
    parts = (("Shape", reference.SHAPE_MEASURES), ("Slice widths", reference.SLICE_MEASURES))
    return [
        Table(
            f"{title}, in third metacarpals: found (real); ! outside, !! by more than twice what is allowed",
            ["bone", *measures],
            [[bone, *(cell(bone, measure) for measure in measures)] for bone in BONES],
            notes if title == "Shape" else (),
        )
        for title, measures in parts
    ]


def _mark(deviation: float) -> str:
    return "" if is_inside(deviation) else FAR_MARK if is_far(deviation) else OUTSIDE_MARK


def _mean_sd(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.1f}±{values.std():.1f}"


def _place_table(collected: Collected) -> Table:
    rows = [
        [name, _mean_sd(values), f"{mean:.1f}±{sd:.1f}"]
        for name, (values, (mean, sd)) in place_figures(collected).items()
    ]
    for percent, degrees in tilt_percentiles(collected).items():
        rows.append([f"|tilt| p{percent}, deg", f"{degrees:.1f}", f"{reference.ABS_TILT_PERCENTILES_DEG[percent]:.1f}"])
    left = collected.gather("thumb_left").mean()
    rows.append(["thumb on the left, share", f"{left:.2f}", "0.50"])
    note = "Real: 288 hands, 58 % with a bent wrist. Nothing is required of these."
    return Table("Size, place and tilt", ["figure", "found", "real"], rows, [note])


def _area_table(collected: Collected, verdict: Verdict) -> Table:
    outlines = area_checks(collected, "outline_area_px")
    rows = []
    for check, outline in zip(verdict.checks, outlines, strict=True):
        ratios = [f"{one.found / one.expected:.3f}{_mark(one.deviation)}" for one in (check, outline)]
        rows.append([check.row, f"{check.found:.0f}", f"{outline.found:.0f}", f"{check.expected:.0f}", *ratios])
    header = ["bone", "pixels", "outline", "real outline", "pixels / real", "outline / real"]
    note = (
        "The real areas are of drawn polygons, along the centres of the border pixels: `outline` is the like measure."
    )
    return Table("Areas in pixels at 2048", header, rows, [note])


def _overlap_table(collected: Collected, verdict: Verdict) -> Table:
    rows = []
    worst = verdict.cells
    for pair, (real_iou, images) in reference.OVERLAPS.items():
        name, (iou, share) = " - ".join(pair), overlap_figures(collected, pair)
        marks = [_mark(worst.get((name, measure), 0.0)) for measure in ("iou", "frequency")]
        real_share = images / reference.OVERLAP_IMAGES
        rows.append([name, f"{iou:.4f}{marks[0]}", f"{real_iou:.4f}", f"{share:.3f}{marks[1]}", f"{real_share:.3f}"])
    multi = verdict.checks[-1]
    note = f"Pixels with two labels or more: {multi.found:.0f}, real {multi.expected:.0f}{_mark(multi.deviation)}."
    header = ["pair", "IoU", "real IoU", "share of images", "real share"]
    return Table("Overlaps (rules for pairs above 0.02)", header, rows, [note])


def _grey_tables(collected: Collected, verdict: Verdict, readings: Sequence[str]) -> list[Table]:
    figures, worst = grey_figures(collected), verdict.cells
    real = {
        **{name: (level, reference.GREY_REGIONS_SD[name]) for name, level in reference.GREY_REGIONS.items()},
        "bone_sd": (reference.GREY_BONE_SD, math.nan),
        "noise": reference.GREY_NOISE,
        "noise_fine": (math.nan, math.nan),
    }
    rows = [
        [
            name,
            *("" if math.isnan(value) else f"{value:.1f}" for value in (*figures[name], level, sd)),
            _mark(worst.get((name, "level"), 0.0)).strip(),
        ]
        for name, (level, sd) in real.items()
    ]
    header = ["region", "found", "sd between images", "real", "real sd", ""]
    found = [Table("Grey levels", header, rows)]
    for reading in readings:
        lines = []
        for region, levels in zip(REGIONS, mean_profile(collected, reading).tolist(), strict=True):
            marks = [
                _mark(worst.get((region, f"{place:+d} px"), 0.0)) if reading == "main" else "" for place in DISTANCES_PX
            ]
            lines.append([region, *(f"{level:.0f}{mark}" for level, mark in zip(levels, marks, strict=True))])
            lines.append(["  real", *(f"{level:.0f}" for level in reference.GREY_PROFILES[region])])
        header = ["across the outline, px", *map(str, DISTANCES_PX)]
        found.append(Table(f"Grey profiles, reading `{reading}`", header, lines))
    return found


def _outside_table(verdict: Verdict) -> Table:
    rows = [
        [
            check.row,
            check.measure,
            check.quantity,
            f"{check.found:.4g}",
            f"{check.expected:.4g}",
            f"{check.found / check.expected:.2f}" if check.expected else "",
            f"{check.deviation:.2f}",
        ]
        for check in sorted(verdict.checks, key=lambda check: -check.deviation)
        if not check.inside
    ]
    header = ["row", "measure", "quantity", "found", "real", "ratio", "of what is allowed"]
    return Table(f"Outside what is allowed: {verdict.part}", header, rows)
