"""How the measures of two sets of masks agree: bias, scatter and what only one of them has, over many images.

Limits of agreement as Bland and Altman draw them: 95 % of differences lie within bias plus or minus 1.96 standard
deviations, if they are normal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from yolo_bones.bone_measurements import Measurement
from yolo_bones.bones import KINDS

Key = tuple[str, str, str]
"""Measurement, group of bones or joints, unit."""
LIMITS: Final = 1.96


def group_of(bone: str) -> str:
    """What sort of bone or joint a measurement is of: a kind of `bones.KINDS`, MCP, PIP, ..., wrist joint, or hand."""
    if bone in KINDS:
        return KINDS[bone]
    if not bone:
        return "hand"
    head, _, number = bone.rpartition("-")
    return head if number.isdigit() else "wrist joint"


@dataclass(slots=True)
class _Pairs:
    values: list[float] = field(default_factory=list)
    references: list[float] = field(default_factory=list)
    missed: int = 0
    extra: int = 0


@dataclass(slots=True)
class Agreement:
    """Differences of one set's measures from another's, gathered image by image; memory grows with the measures."""

    pairs: dict[Key, _Pairs] = field(default_factory=lambda: defaultdict(_Pairs))
    images: int = 0

    def add(self, measured: Iterable[Measurement], reference: Iterable[Measurement]) -> None:
        """Take in one image, measured on both sets of masks in one unit."""
        self.images += 1
        mine, other = ({(one.name, one.bone, one.unit): one.value for one in side} for side in (measured, reference))
        for key in dict.fromkeys([*other, *mine]):
            name, bone, unit = key
            group = self.pairs[name, group_of(bone), unit]
            if key not in mine:
                group.missed += 1
            elif key not in other:
                group.extra += 1
            else:
                group.values.append(mine[key])
                group.references.append(other[key])

    def records(self) -> list[dict[str, Any]]:
        """A row a measurement and group, for JSON; figures are None where nothing could be compared."""
        return [
            {
                "measurement": name,
                "of": group,
                "unit": unit,
                "pairs": len(pairs.values),
                **_figures(pairs.values, pairs.references),
                "missed": pairs.missed,
                "extra": pairs.extra,
            }
            for (name, group, unit), pairs in self.pairs.items()
        ]

    def table(self) -> str:
        """The same as text."""
        head = ("mean", "bias", "sd", "low", "high", "worst")
        lines = [
            f"{'measurement':<28}{'of':<13}{'unit':<7}{'n':>6}"
            + "".join(f"{name:>10}" for name in head)
            + f"{'missed':>8}{'extra':>7}"
        ]
        for row in self.records():
            names = ("reference_mean", "bias", "sd", "limit_low", "limit_high", "worst")
            figures = "".join(f"{'-':>10}" if row[name] is None else f"{row[name]:>10.3f}" for name in names)
            place = f"{row['measurement']:<28}{row['of']:<13}{row['unit']:<7}{row['pairs']:>6}"
            lines.append(f"{place}{figures}{row['missed']:>8}{row['extra']:>7}")
        return "\n".join(lines)


def _figures(values: Sequence[float], references: Sequence[float]) -> dict[str, float | None]:
    names = ("reference_mean", "bias", "sd", "limit_low", "limit_high", "worst")
    if not values:
        return dict.fromkeys(names)
    difference = np.subtract(values, references)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    worst = float(difference[np.abs(difference).argmax()])
    found = (float(np.mean(references)), bias, sd, bias - LIMITS * sd, bias + LIMITS * sd, worst)
    return {name: round(value, 4) for name, value in zip(names, found, strict=True)}
