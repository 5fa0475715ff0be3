"""Two sets of scores of the same images: where the second is better, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS, GROUPS
from yolo_bones.bootstrap import CONFIDENCE, FEWEST_PATIENTS, BootstrapMeans, bootstrap_by_patient, holm
from yolo_bones.metrics import DiceScores

LEVEL: Final = 1 - CONFIDENCE
ALL: Final = f"all {BONE_COUNT}"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Dice of `a` and `b`; all differences are b - a.

    Attributes:
        a, b: scores of the same images, in order of name.
        differences: (N, 29) of each image and bone.
        means: of 29 bones, 3 groups and all, in this order.
        p_holm: (29,) p of the bones after Holm's correction.
        samples, seed: of the bootstrap.
    """

    a: DiceScores
    b: DiceScores
    differences: NDArray[np.float64]
    means: BootstrapMeans
    p_holm: NDArray[np.float64]
    samples: int
    seed: int

    @property
    def verdicts(self) -> dict[str, str]:
        """`better`, `worse` or empty for each bone, after the correction."""
        return {
            bone: _verdict(float(self.means.mean[place]), float(self.p_holm[place])) for place, bone in enumerate(BONES)
        }

    @property
    def overall_verdict(self) -> str:
        """`better`, `worse` or empty for all bones together; always empty with too few patients."""
        return _verdict(float(self.means.mean[-1]), float(self.means.p[-1]))

    @property
    def notes(self) -> list[str]:
        """What the reader must know before believing the intervals."""
        notes = []
        if self.means.patients < FEWEST_PATIENTS:
            few = f"{self.means.patients} patient{'s' if self.means.patients > 1 else ''}"
            notes.append(f"{few}, fewer than {FEWEST_PATIENTS}: intervals are not to be trusted")
        elif BONE_COUNT * self.means.smallest_p >= LEVEL:
            what = f"{self.means.patients} patients and {self.samples} samples can give no p below"
            notes.append(f"no bone can pass the correction: {what} {self.means.smallest_p:.2g}")
        return notes

    def verdict(self) -> str:
        """One line: overall, and the bones that differ after the correction."""
        mean, word = float(self.means.mean[-1]), self.overall_verdict
        said = f"b is {word} overall" if word else "no difference overall is shown"
        if self.means.patients < FEWEST_PATIENTS and mean != 0:
            said = "too few patients to say which is better overall"
        verdicts = self.verdicts
        lists = [
            f"{word} on: {', '.join(bone for bone in BONES if verdicts[bone] == word) or 'none'}"
            for word in ("better", "worse")
        ]
        return f"{said}: {mean:+.4f} (95 % CI {self._interval(-1)}), {', '.join(lists)}"

    def table(self) -> str:
        """All figures as text; notes and the verdict at the end."""
        lines = [
            f"{'bone':<12}{'a':>8}{'b':>8}{'b - a':>9}  {'95 % CI':<20}{'p':>8}{'Holm':>8}"
            f"{'better':>8}{'equal':>7}{'worse':>7}"
        ]
        for row in self._rows()[:BONE_COUNT]:
            counts = f"{row['p_holm']:>8.4f}{row['better']:>8}{row['equal']:>7}{row['worse']:>7}  {row['verdict']}"
            lines.append(self._figures(row) + counts.rstrip())
        lines.append("-" * len(lines[0]))
        lines.extend(self._figures(row) for row in self._rows()[BONE_COUNT:])
        lines.append(f"over {len(self.a.per_image)} images of {self.means.patients} patients, {self.samples} samples")
        lines += ["", f"{'bone':<12}{'largest gain':<40}largest loss"]
        for row in self._rows()[:BONE_COUNT]:
            lines.append(f"{row['name']:<12}{_shown(row['largest_gain']):<40}{_shown(row['largest_loss'])}")
        return "\n".join([*lines, "", *(f"note: {note}" for note in self.notes), self.verdict()])

    def as_record(self) -> dict[str, Any]:
        """For JSON; an interval that is not known is null."""
        rows = {row.pop("name"): row for row in self._rows()}
        return {
            "images": len(self.a.per_image),
            "patients": self.means.patients,
            "samples": self.samples,
            "seed": self.seed,
            "confidence": CONFIDENCE,
            "overall": rows[ALL],
            "groups": {group: rows[group] for group in GROUPS},
            "bones": {bone: rows[bone] for bone in BONES},
            "notes": self.notes,
            "verdict": self.verdict(),
        }

    def _rows(self) -> list[dict[str, Any]]:
        """A record a bone, a group and for all."""
        scores_a = {**self.a.bones, **self.a.groups, ALL: self.a.dice}
        scores_b = {**self.b.bones, **self.b.groups, ALL: self.b.dice}
        rows = []
        for place, name in enumerate(scores_a):
            low, high = float(self.means.low[place]), float(self.means.high[place])
            known = not math.isnan(low)
            row: dict[str, Any] = {
                "name": name,
                "a": scores_a[name],
                "b": scores_b[name],
                "difference": float(self.means.mean[place]),
                "low": low if known else None,
                "high": high if known else None,
                "p": float(self.means.p[place]),
            }
            rows.append(row | self._of_bone(name) if name in CLASS_IDS else row)
        return rows

    def _of_bone(self, bone: str) -> dict[str, Any]:
        differences = self.differences[:, CLASS_IDS[bone]]
        return {
            "p_holm": float(self.p_holm[CLASS_IDS[bone]]),
            "verdict": self.verdicts[bone],
            "better": int((differences > 0).sum()),
            "equal": int((differences == 0).sum()),
            "worse": int((differences < 0).sum()),
            "largest_gain": self._extreme(differences),
            "largest_loss": self._extreme(differences, sign=-1),
        }

    def _extreme(self, differences: NDArray[np.float64], sign: int = 1) -> dict[str, Any] | None:
        """The image with the largest difference of that sign; None when there is none."""
        place = int(np.argmax(sign * differences))
        if sign * differences[place] <= 0:
            return None
        return {"image_name": list(self.a.per_image)[place], "difference": float(differences[place])}

    def _interval(self, place: int) -> str:
        low, high = float(self.means.low[place]), float(self.means.high[place])
        return "unknown" if math.isnan(low) else f"{low:+.4f} to {high:+.4f}"

    def _figures(self, row: Mapping[str, Any]) -> str:
        place = [*BONES, *GROUPS, ALL].index(row["name"])
        scores = f"{row['name']:<12}{row['a']:>8.4f}{row['b']:>8.4f}{row['difference']:>+9.4f}"
        return f"{scores}  {self._interval(place):<20}{row['p']:>8.4f}"


def compare_scores(a: DiceScores, b: DiceScores, patients: Mapping[str, str], samples: int, seed: int) -> Comparison:
    """Compare scores of the same images.

    Args:
        a, b: scores, in any order of images; the order does not change the outcome.
        patients: image name -> patient, for every image.
        samples, seed: of the bootstrap.

    Raises:
        ValueError: not the same images.
    """
    if a.per_image.keys() != b.per_image.keys():
        raise ValueError("expected scores of the same images")
    a, b = (DiceScores(dict(sorted(scores.per_image.items()))) for scores in (a, b))
    differences = np.stack([b.per_image[name] - scores for name, scores in a.per_image.items()])
    groups = [differences[:, _places(members)].mean(axis=1) for members in GROUPS.values()]
    columns = np.column_stack([differences, *groups, differences.mean(axis=1)])
    means = bootstrap_by_patient(columns, [patients[name] for name in a.per_image], samples, seed)
    return Comparison(a, b, differences, means, holm(means.p[:BONE_COUNT]), samples, seed)


def _places(bones: Sequence[str]) -> list[int]:
    return [CLASS_IDS[bone] for bone in bones]


def _verdict(mean: float, p: float) -> str:
    if p >= LEVEL or mean == 0:
        return ""
    return "better" if mean > 0 else "worse"


def _shown(extreme: Mapping[str, Any] | None) -> str:
    return "-" if extreme is None else f"{extreme['difference']:+.4f} {extreme['image_name']}"
