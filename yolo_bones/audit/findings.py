"""What an audit found: one entry a bone, with its evidence in numbers and the correction it proposes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yolo_bones.bones import CLASS_IDS

ERROR: Final = "error"
NOTE: Final = "note"

Number = float | int | str


@dataclass(frozen=True, slots=True)
class Correction:
    """What would mend an annotation file.

    Attributes:
        action: `relabel`, `remove`, `redraw` (remove and draw anew), `replace` (with `points`), `leave_out` (the image)
            or `draw` (what is missing; nothing that a program could do).
        index: of the annotation in its file; None where the whole image is meant or nothing is there.
        label: the new label of `relabel`.
        points: the new outline of `replace`, (x, y) in pixels.
    """

    action: str
    index: int | None = None
    label: str = ""
    points: tuple[tuple[int, int], ...] = ()

    def as_record(self) -> dict[str, Any]:
        """For JSON, without what is empty."""
        record: dict[str, Any] = {"action": self.action}
        if self.index is not None:
            record["annotation"] = self.index
        if self.label:
            record["label"] = self.label
        if self.points:
            record["points"] = [list(point) for point in self.points]
        return record


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is or may be wrong.

    Attributes:
        image: base name of the image file; empty where a whole set is meant.
        patient: name of its folder.
        bone: as labelled; empty where the image is meant.
        kind: what sort of fault.
        severity: `error` or `note`.
        evidence: name -> number, or the name of another bone or image.
        proposal: what to do, for people.
        correction: the same for `--fix`; None where only a person can tell.
    """

    image: str
    patient: str
    bone: str
    kind: str
    severity: str
    evidence: Mapping[str, Number] = field(default_factory=dict)
    proposal: str = ""
    correction: Correction | None = None

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "image": self.image,
            "patient": self.patient,
            "bone": self.bone,
            "kind": self.kind,
            "severity": self.severity,
            "evidence": dict(self.evidence),
            "proposal": self.proposal,
            "correction": None if self.correction is None else self.correction.as_record(),
        }

    def as_line(self) -> str:
        """For people: `patient/image bone: severity kind (evidence): proposal`."""
        place = "/".join(part for part in (self.patient, self.image) if part) or "the data set"
        named = f" {self.bone}" if self.bone else ""
        evidence = ", ".join(f"{name} {_shown(value)}" for name, value in self.evidence.items())
        said = f" ({evidence})" if evidence else ""
        return f"{place}{named}: {self.severity} {self.kind}{said}: {self.proposal}"


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By patient, image, errors before notes, and channel."""
    return sorted(
        findings,
        key=lambda one: (one.patient, one.image, one.severity != ERROR, CLASS_IDS.get(one.bone, -1), one.kind),
    )


def count_kinds(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """Severity -> kind -> how often, in order of name."""
    counted = {
        severity: Counter(one.kind for one in findings if one.severity == severity) for severity in (ERROR, NOTE)
    }
    return {severity: dict(sorted(kinds.items())) for severity, kinds in counted.items()}


def rounded(value: float, digits: int = 3) -> float:
    """A number for evidence: as many digits as mean something."""
    return round(float(value), digits)


def _shown(value: Number) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
