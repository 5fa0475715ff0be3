"""What an audit found, read from the JSON that `audit_points` or `audit_rle` wrote, by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolo_bones.audit.findings import Finding
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.page.record import PageFinding, Values
from yolo_bones.strict_json import read_strict_json

MOST_AUDIT_BYTES: Final = 200_000_000
MOST_SHOWN: Final = 60
"""Characters of a value in a message."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _FindingModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    image: str
    bone: str
    kind: str
    severity: Literal["error", "note"]
    evidence: dict[str, Annotated[float, Field(allow_inf_nan=False)] | int | str] = Field(default_factory=dict)
    proposal: str = ""


class _ImageModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    image: str
    score: Share | None = None
    bones: dict[str, Share] | None = None


class _AuditModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    findings: list[_FindingModel]
    images: list[_ImageModel] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class GivenAudit:
    """An audit's findings and, of predictions, what it expects.

    Attributes:
        findings: image -> findings, in the file's order.
        expected: image -> (29,) expected Dice, of images that it has scores of.
        images: all that it looked at.
    """

    findings: Mapping[str, Sequence[PageFinding]]
    expected: Mapping[str, Values]
    images: frozenset[str]


def read_audit(path: Path) -> GivenAudit:
    """Read the JSON of `audit_points` or `audit_rle`.

    Raises:
        InputErrors: no such JSON; every fault with its field.
    """
    content = read_strict_json(path, Counter(), MOST_AUDIT_BYTES)
    try:
        audit = _AuditModel.model_validate(content)
    except ValidationError as error:
        raise InputErrors([_fault(path, detail) for detail in error.errors()]) from error
    faults = [
        InputError(path, f"findings[{place}].bone", "one of the 29 bone names, or empty", one.bone)
        for place, one in enumerate(audit.findings)
        if one.bone and one.bone not in CLASS_IDS
    ]
    scored = {one.image: one.bones for one in audit.images if one.bones is not None}
    for place, one in enumerate(audit.images):
        if one.bones is not None and one.bones.keys() != set(BONES):
            faults.append(InputError(path, f"images[{place}].bones", "the 29 bones", f"{len(one.bones)} names"))
    if faults:
        raise InputErrors(faults)
    by_image: dict[str, list[PageFinding]] = {}
    for found in audit.findings:
        about = PageFinding(found.bone, found.kind, found.severity, found.evidence, found.proposal)
        by_image.setdefault(found.image, []).append(about)
    expected = {name: np.array([bones[bone] for bone in BONES]) for name, bones in scored.items()}
    return GivenAudit(by_image, expected, frozenset([*by_image, *(one.image for one in audit.images)]) - {""})


def page_findings(findings: Iterable[Finding]) -> list[PageFinding]:
    """Findings of an audit as a page shows them."""
    return [PageFinding(one.bone, one.kind, one.severity, one.evidence, one.proposal) for one in findings]


def joined(given: Iterable[PageFinding], found: Iterable[PageFinding]) -> list[PageFinding]:
    """Given findings, then those found anew; of two about one bone and of one kind the given one is kept."""
    kept = list(given)
    known = {(one.bone, one.kind) for one in kept}
    return kept + [one for one in found if (one.bone, one.kind) not in known]


def _fault(path: Path, detail: Any) -> InputError:
    """Say a validation error in the field's own words."""
    expected = {
        "missing": "a key that `audit_points --json` or `audit_rle --json` writes",
        "model_type": "an object",
        "list_type": "a list",
        "string_type": "a string",
        "dict_type": "an object",
    }.get(detail["type"], detail["msg"])
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"]).lstrip(".")
    got = "none" if detail["type"] == "missing" else repr(detail["input"])[:MOST_SHOWN]
    return InputError(path, field, expected, got)
