"""Tables about all images of a page: facts from metadata, scores of slices, how two predictions compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from yolo_bones.bones import BONES, GROUPS
from yolo_bones.comparison import Comparison, compare_scores
from yolo_bones.metrics import DiceScores
from yolo_bones.page.hand_facts import HAND_FACTS, WRIST
from yolo_bones.page.report_inputs import ReportInputs
from yolo_bones.page.table_sources import AGAINST, PREDICTION, ScoredImage
from yolo_bones.slices import Slice, cut, entries_of_images, value_slices

ALL: Final = "all"
SAMPLES: Final = 10_000
"""Draws of patients, as of `compare_rle`; the seed is 0."""


def image_facts(inputs: ReportInputs, scored: Sequence[ScoredImage]) -> dict[str, dict[str, str]]:
    """Image name -> its facts: of the hand, then the cells of its metadata that are not empty."""
    names = [one.name for one in scored]
    facts = {one.name: dict(one.facts) for one in scored}
    for label, column in inputs.named_columns(HAND_FACTS).items():
        for name, entry in entries_of_images(column, names, inputs.patients).items():
            if column.cells[entry]:
                facts[name][label] = column.cells[entry]
    return facts


def slice_tables(inputs: ReportInputs, scored: Sequence[ScoredImage]) -> list[dict[str, Any]]:
    """Scores by wrist pose and by each column of metadata; nothing without a truth."""
    if not scored or not scored[0].dice:
        return []
    names = [one.name for one in scored]
    slicings = {WRIST: value_slices({one.name: one.facts[WRIST] for one in scored})}
    for label, column in inputs.named_columns(HAND_FACTS).items():
        slicings[label] = list(cut(column, names, inputs.patients).slices)
    return [{"by": label, "rows": _slice_rows(slices, inputs, scored)} for label, slices in slicings.items()]


def _slice_rows(slices: Sequence[Slice], inputs: ReportInputs, scored: Sequence[ScoredImage]) -> list[dict[str, Any]]:
    by_name = {one.name: one for one in scored}
    rows = []
    for part in slices:
        members = [by_name[name] for name in part.image_names]
        rows.append(
            {
                "value": part.label,
                "images": len(members),
                "patients": None if inputs.patients is None else len({one.patient for one in members}),
                "dice": {key: float(np.mean([one.dice[key] for one in members])) for key in members[0].dice},
            }
        )
    return rows


def compare_sets(inputs: ReportInputs, scored: Sequence[ScoredImage]) -> tuple[dict[str, Any] | None, list[str]]:
    """The comparison of `against` with the prediction, and what a reader must know of it.

    Without patients of all images there are differences alone; with too few of them there is no verdict.
    """
    if not scored or AGAINST not in scored[0].dice:
        return None, []
    a, b = (DiceScores({one.name: one.dice[key] for one in scored}) for key in (AGAINST, PREDICTION))
    tables = inputs.sources.tables
    labels = {"a": tables[AGAINST].path.name, "b": tables[PREDICTION].path.name}
    if inputs.patients is None:
        note = "patients are not known (--patients): no interval, no verdict"
        return {**labels, "rows": _plain_rows(a, b)}, [note]
    comparison = compare_scores(a, b, inputs.patients, SAMPLES, seed=0)
    return {**labels, "rows": _rows(comparison)}, comparison.notes


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """All, groups and bones; p of a bone is that after Holm's correction, as its verdict is."""
    record = comparison.as_record()
    overall = {**record["overall"], "verdict": comparison.overall_verdict}
    return [
        {
            "name": name,
            "difference": row["difference"],
            "low": row["low"],
            "high": row["high"],
            "p": row.get("p_holm", row["p"]),
            "verdict": row.get("verdict", ""),
        }
        for name, row in [(ALL, overall), *record["groups"].items(), *record["bones"].items()]
    ]


def _plain_rows(a: DiceScores, b: DiceScores) -> list[dict[str, Any]]:
    scores_a, scores_b = ({ALL: one.dice, **one.groups, **one.bones} for one in (a, b))
    unknown: Mapping[str, Any] = {"low": None, "high": None, "p": None, "verdict": ""}
    return [{"name": name, "difference": scores_b[name] - scores_a[name], **unknown} for name in (ALL, *GROUPS, *BONES)]
