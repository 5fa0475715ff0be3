"""How far collected measures lie from the real ones, each in units of what is allowed: 1 is the limit, 2 twice that.

| part | what | allowed |
|---|---|---|
| shape | mean of a bone's measure | 10 % or half a standard deviation, the larger |
| shape | its spread | a factor of 1.5 (twice: 1.5 squared) |
| shape | median of a slice's width | 10 % |
| area | mean area in pixels | 15 % |
| overlap | IoU of a pair where it overlaps | a factor of 1.5 |
| overlap | share of images in which it does | 15 points |
| overlap | pixels with two labels or more | 20 % |
| grey | mean of a region | 10 levels |
| grey | profile across an outline | 12 levels at each distance |

Shape cells with a real spread below 0.001 and the angles of Trapezoid and Pisiform are left out, pairs that overlap in
fewer than 100 of 800 real images or with a mean IoU of at most 0.02 too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from yolo_bones import reference
from yolo_bones.bones import BONES
from yolo_bones.greys import DISTANCES_PX
from yolo_bones.hand_measures import Collected
from yolo_bones.phantom.summaries import (
    grey_figures,
    mean_multi_label,
    mean_profile,
    overlap_figures,
    shape_summary,
)

LEAST_SPREAD: Final = 0.001
ROUND_BONES: Final = ("Trapezoid", "Pisiform")
LEAST_IOU: Final = 0.02
LEAST_SHARE_INSIDE: Final = 0.95
ROUNDING: Final = 1e-9
MULTI_LABEL: Final = "two labels or more"


def is_inside(deviation: float) -> bool:
    """Whether a figure is as near as it should be, the limit included."""
    return deviation <= 1.0 + ROUNDING


def is_far(deviation: float) -> bool:
    """Whether a figure is off by more than twice what is allowed."""
    return deviation > 2.0 + ROUNDING


@dataclass(frozen=True, slots=True)
class Check:
    """One figure against the real one.

    Attributes:
        part: `shape`, `area`, `overlap` or `grey`.
        row, measure: the cell, such as (`Hamate`, `width`).
        quantity: what of the cell: `mean`, `spread`, `median`, `iou`, `frequency`.
        found, expected: the figures.
        deviation: distance of the two in units of what is allowed; infinite when there is nothing to compare.
    """

    part: str
    row: str
    measure: str
    quantity: str
    found: float
    expected: float
    deviation: float

    @property
    def inside(self) -> bool:
        """Whether the figure is as near as it should be."""
        return is_inside(self.deviation)

    @property
    def far(self) -> bool:
        """Whether it is off by more than twice what is allowed."""
        return is_far(self.deviation)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of one part. A cell is inside when all its figures are (mean and spread)."""

    part: str
    checks: tuple[Check, ...]

    @property
    def cells(self) -> dict[tuple[str, str], float]:
        """(row, measure) -> the worst deviation of its figures."""
        worst: dict[tuple[str, str], float] = {}
        for check in self.checks:
            key = (check.row, check.measure)
            worst[key] = max(worst.get(key, 0.0), check.deviation)
        return worst

    @property
    def share_inside(self) -> float:
        """Share of the cells that are inside; 1 when there is none."""
        worst = self.cells.values()
        return sum(map(is_inside, worst)) / len(worst) if worst else 1.0

    @property
    def passed(self) -> bool:
        """Shape: at least 95 % of the cells inside and none off by more than twice; the other parts: all inside."""
        if self.part == "shape":
            return self.share_inside >= LEAST_SHARE_INSIDE and not any(check.far for check in self.checks)
        return all(check.inside for check in self.checks)


def share_deviation(found: float, expected: float, share: float, spread: float = 0.0, of_spread: float = 0.5) -> float:
    """Distance of two figures in units of a share of the expected one, or of a part of its spread if that is more."""
    limit = max(share * abs(expected), of_spread * spread)
    return _known(abs(found - expected) / limit if limit else math.inf)


def factor_deviation(found: float, expected: float, factor: float = 1.5) -> float:
    """Distance of two positive figures in units of a factor; twice the distance is the factor squared."""
    if not (found > 0.0 and expected > 0.0):
        return math.inf
    return _known(abs(math.log(found / expected)) / math.log(factor))


def _known(deviation: float) -> float:
    return math.inf if math.isnan(deviation) else deviation


def shape_checks(collected: Collected) -> list[Check]:
    """Every bone's measures and slices against `reference.shape_reference`."""
    checks = []
    found = shape_summary(collected)
    for bone, row in reference.shape_reference().items():
        for measure, (expected, spread) in row.items():
            if measure == "angle_deg" and bone in ROUND_BONES:
                continue
            mean, sd = found[bone][measure]
            if spread is None or sd is None:
                deviation = share_deviation(mean, expected, 0.10)
                checks.append(Check("shape", bone, measure, "median", mean, expected, deviation))
            elif spread >= LEAST_SPREAD:
                deviation = share_deviation(mean, expected, 0.10, spread)
                checks.append(Check("shape", bone, measure, "mean", mean, expected, deviation))
                checks.append(Check("shape", bone, measure, "spread", sd, spread, factor_deviation(sd, spread)))
    return checks


def area_checks(collected: Collected, attribute: str = "area_px") -> list[Check]:
    """Mean areas against `reference.CLASS_AREA_PX`; `outline_area_px` measures as the reference does."""
    found = collected.gather(attribute).reshape(-1, len(BONES)).mean(axis=0)
    return [
        Check("area", bone, "area_px", "mean", float(mean), expected, share_deviation(float(mean), expected, 0.15))
        for mean, (bone, (expected, _)) in zip(found, reference.CLASS_AREA_PX.items(), strict=True)
    ]


def overlap_checks(collected: Collected) -> list[Check]:
    """Pairs that overlap clearly, and pixels with two labels or more, against `reference.OVERLAPS`."""
    checks = []
    for pair, (expected_iou, images) in reference.OVERLAPS.items():
        if expected_iou > LEAST_IOU:
            row, (iou, share) = " - ".join(pair), overlap_figures(collected, pair)
            expected_share = images / reference.OVERLAP_IMAGES
            checks.append(Check("overlap", row, "iou", "iou", iou, expected_iou, factor_deviation(iou, expected_iou)))
            off = _known(abs(share - expected_share) / 0.15)
            checks.append(Check("overlap", row, "frequency", "frequency", share, expected_share, off))
    multi = mean_multi_label(collected)
    off = share_deviation(multi, reference.MULTI_LABEL_PX, 0.20)
    checks.append(Check("overlap", MULTI_LABEL, "pixels", "mean", multi, reference.MULTI_LABEL_PX, off))
    return checks


def grey_checks(collected: Collected) -> list[Check]:
    """Levels of regions and profiles across outlines against `reference.GREY_REGIONS` and `GREY_PROFILES`."""
    if not collected.greys:
        return []
    figures, profile = grey_figures(collected), mean_profile(collected)
    checks = [
        Check("grey", region, "level", "mean", figures[region][0], level, _known(abs(figures[region][0] - level) / 10))
        for region, level in reference.GREY_REGIONS.items()
    ]
    for (region, levels), row in zip(reference.GREY_PROFILES.items(), profile, strict=True):
        for place, level, mean in zip(DISTANCES_PX, levels, row.tolist(), strict=True):
            off = _known(abs(mean - level) / 12)
            checks.append(Check("grey", region, f"{place:+d} px", "mean", mean, float(level), off))
    return checks


PARTS: Final[dict[str, Callable[[Collected], list[Check]]]] = {
    "shape": shape_checks,
    "area": area_checks,
    "overlap": overlap_checks,
    "grey": grey_checks,
}


def judge(collected: Collected, parts: Sequence[str] = tuple(PARTS)) -> list[Verdict]:
    """Check some parts of what was collected, in order of `PARTS`."""
    return [Verdict(part, tuple(PARTS[part](collected))) for part in PARTS if part in parts]
