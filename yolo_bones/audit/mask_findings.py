"""Findings about predicted masks: missing, in pieces, taken for another bone, implausible in place, size or outline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from yolo_bones.audit.findings import ERROR, NOTE, Finding, Number, rounded
from yolo_bones.audit.mask_checks import CheckedImage, MaskCheck
from yolo_bones.audit.mask_scores import ImageScore, departures, shared_masks
from yolo_bones.bones import BONES

ERROR_BELOW: Final = 0.65
"""Expected Dice of a bone below which it is an error even where no single departure is large."""
NOTE_BELOW: Final = 0.8
MOST_TOLD: Final = 2
"""Findings about one bone, the foremost ones."""


@dataclass(frozen=True, slots=True)
class Limit:
    """From which size on a departure of `mask_scores.departures` is told of."""

    kind: str
    note: float
    error: float


LIMITS: Final[Mapping[str, Limit]] = {
    "outside": Limit("implausible_outline", 0.10, 0.16),
    "lacking": Limit("implausible_outline", 0.08, 0.12),
    "astray": Limit("in_pieces", 0.02, 0.05),
    "holes": Limit("holes", 0.02, 0.08),
    "place": Limit("implausible_place", 0.15, 0.33),
    "joint": Limit("implausible_place", 0.15, 0.60),
    "overlap": Limit("implausible_overlap", 0.10, 0.30),
    "size": Limit("implausible_size", 0.30, 0.45),
    "other_size": Limit("unlike_other_hand", 0.40, 0.50),
    "other_outline": Limit("unlike_other_hand", 0.15, 0.30),
}
"""Chosen on the predictions that the costs were fitted to: a limit for errors is reached by at most two of 5,000 bones
with Dice above 0.9, one for notes by at most thirteen."""
PROPOSALS: Final = {
    "implausible_outline": "look whether the mask follows the bone",
    "in_pieces": "keep the part that is the bone",
    "holes": "fill the holes, or look what was left out",
    "implausible_place": "look whether it is this bone at all",
    "implausible_overlap": "look which of the two bones the shared pixels show",
    "implausible_size": "look whether the mask covers the bone, and only it",
    "unlike_other_hand": "compare it with the other hand",
}


def judge_masks(image: CheckedImage, score: ImageScore) -> list[Finding]:
    """All findings about one image; about a bone that is missing, or another one, only that.

    Args:
        image: checked.
        score: what its departures are expected to cost.
    """
    findings = list(image.label_findings)
    if not image.has_hand:
        found = sum(not check.is_missing for check in image.checks)
        proposal = "look at it: what was found makes no hand"
        findings.append(Finding(image.name, image.patient, "", "no_hand", ERROR, {"bones_found": found}, proposal))
    shared = shared_masks(image)
    for check in image.checks:
        if check.is_missing:
            findings.append(_missing(check, image))
        elif check.taken_for != check.class_id:
            continue  # told among the labels
        elif check.class_id in shared:
            findings.append(_shared(check, image, shared[check.class_id]))
        else:
            findings += _departed(check, image, score)
    return findings


def _missing(check: MaskCheck, image: CheckedImage) -> Finding:
    bone = BONES[check.class_id]
    return Finding(image.name, image.patient, bone, "missing_bone", ERROR, {"parts": check.parts}, "draw it")


def _shared(check: MaskCheck, image: CheckedImage, other: int) -> Finding:
    bone, right = BONES[check.class_id], BONES[other]
    evidence: dict[str, Number] = {
        "same_mask_as": right,
        "iou": rounded(image.iou[check.class_id, other]),
    }
    if np.isfinite(check.strangeness):
        evidence["strangeness"] = rounded(check.strangeness, 1)
        evidence["strangeness_of_other"] = rounded(image.checks[other].strangeness, 1)
    proposal = f"keep the mask as {right}, draw {bone}"
    return Finding(image.name, image.patient, bone, "one_mask_for_two", ERROR, evidence, proposal)


def _departed(check: MaskCheck, image: CheckedImage, score: ImageScore) -> list[Finding]:
    """What passes its limit, foremost first; where only the sum is much, what comes nearest to its limit."""
    expected = float(score.bones[check.class_id])
    reached: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for name, size in departures(check).items():
        limit = LIMITS[name]
        reached[limit.kind] = max(reached.get(limit.kind, 0.0), size / limit.error)
        if size >= limit.note:
            is_error = size >= limit.error or kinds.get(limit.kind) == ERROR
            kinds[limit.kind] = ERROR if is_error else NOTE
    if image.has_hand and not kinds.keys() & {"in_pieces", "holes"} and expected < NOTE_BELOW:
        foremost = max(reached, key=lambda kind: reached[kind])
        if ERROR not in kinds.values():
            kinds[foremost] = ERROR if expected < ERROR_BELOW else NOTE
    bone = BONES[check.class_id]
    return [
        Finding(image.name, image.patient, bone, kind, kinds[kind], _evidence(check, kind, expected), PROPOSALS[kind])
        for kind in sorted(kinds, key=lambda kind: -reached[kind])[:MOST_TOLD]
    ]


def _evidence(check: MaskCheck, kind: str, expected: float) -> dict[str, Number]:
    found: dict[str, Number] = {"expected_dice": rounded(expected)}
    shape = check.shape
    if kind == "in_pieces":
        return found | {"parts": check.parts, "share_astray": rounded(check.astray)}
    if kind == "holes":
        return found | {"holes_over_area": rounded(check.holes)}
    if kind == "implausible_overlap":
        return found | {"overlaps_with": BONES[check.overlaps_with], "iou_beyond_usual": rounded(check.overlap)}
    if kind == "unlike_other_hand":
        return found | {
            "area_over_other_or_under": rounded(np.exp(check.other_size)),
            "area_between_outlines": rounded(check.other_outline),
        }
    if shape is None:
        return found
    if kind == "implausible_place":
        found |= {"off_its_place": rounded(shape.place_off), "off_its_place_sd": rounded(shape.place_off_sd, 1)}
        return found | ({"gap_at_joint": rounded(shape.joint_gap)} if np.isfinite(shape.joint_gap) else {})
    if kind == "implausible_size":
        return found | {
            "area_over_usual": rounded(np.exp(shape.size_off)),
            "size_off_sd": rounded(shape.size_off_sd, 1),
        }
    return found | {
        "beyond_the_bone": rounded(shape.fit.reach),
        "short_of_it": rounded(shape.fit.dent),
        "area_added": rounded(shape.fit.outside),
        "area_lacking": rounded(shape.fit.lacking),
    }
