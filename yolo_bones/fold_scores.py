"""Scores of a cross-validation: of models, of seeds out of fold and of ensembles, straight and bent wrists apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.annotated_hand import WRISTS
from yolo_bones.bones import GROUPS
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.rle_table import SizeOf, aligned_tables, open_rle_table

SHOWN_WRISTS: Final = WRISTS[:2]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRow:
    """One line of the table.

    Attributes:
        name: of what was scored.
        scores: of its images.
        wrists: image name -> wrist, where known.
    """

    name: str
    scores: DiceScores
    wrists: Mapping[str, str]

    def by_wrist(self) -> dict[str, DiceScores]:
        """Scores of the images with each wrist that occurs."""
        found = {}
        for wrist in WRISTS:
            members = {name: dice for name, dice in self.scores.per_image.items() if self.wrists.get(name) == wrist}
            if members:
                found[wrist] = DiceScores(members)
        return found

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        wrists = {
            wrist: {"images": len(scores.per_image), "dice": scores.dice, "groups": scores.groups}
            for wrist, scores in self.by_wrist().items()
        }
        return {"name": self.name, **self.scores.as_record(), "wrists": wrists}


def score_file(prediction: Path, truth: Path, size_of: SizeOf) -> DiceScores:
    """Dice of the images in a table against a truth that may hold more.

    Raises:
        InputErrors: an image that the truth has not, or an RLE that is not valid.
    """
    found = aligned_tables([open_rle_table(prediction), open_rle_table(truth)], size_of, others_may_hold_more=True)
    return DiceScores({rows[0].image_name: dice_per_channel(*masks) for rows, masks in found})


def union_of(scores: Iterable[DiceScores]) -> DiceScores:
    """Scores of disjoint sets of images as those of all of them."""
    return DiceScores({name: dice for part in scores for name, dice in part.per_image.items()})


def score_table(rows: Sequence[ScoreRow]) -> str:
    """The rows as text: images, Dice over all bones, each group, straight and bent wrists."""
    width = max(len("model"), *(len(row.name) for row in rows)) + 2
    names = ("all 29", *GROUPS, *SHOWN_WRISTS)
    lines = [f"{'model':<{width}}{'images':>7}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        by_wrist = row.by_wrist()
        figures = [row.scores.dice, *row.scores.groups.values()]
        cells = [f"{figure:.4f}" for figure in figures]
        cells += [f"{by_wrist[wrist].dice:.4f}" if wrist in by_wrist else "-" for wrist in SHOWN_WRISTS]
        lines.append(f"{row.name:<{width}}{len(row.scores.per_image):>7}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)
