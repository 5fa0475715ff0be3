"""Dice on runs, as the data set defines it: `(2 |A and B| + eps) / (|A| + |B| + eps)`, both empty gives 1.

Mean over images for each class, then over classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS, GROUPS
from yolo_bones.rle import RunLengthMasks, intersection_areas

EPSILON: Final = 1e-4

Areas = NDArray[np.int64]


def dice_from_areas(shared: Areas, area_a: Areas, area_b: Areas) -> NDArray[np.float64]:
    """Dice of pairs of masks from their areas in pixels, all of one shape."""
    return np.asarray((2.0 * shared + EPSILON) / (area_a + area_b + EPSILON))


def dice_per_channel(a: RunLengthMasks, b: RunLengthMasks) -> NDArray[np.float64]:
    """(M,) Dice of each mask of one batch with its partner in the other."""
    if a.size != b.size or len(a) != len(b):
        raise ValueError(f"expected batches of one size, got {len(a)} of {a.size} and {len(b)} of {b.size}")
    return dice_from_areas(intersection_areas(a, b), a.areas(), b.areas())


@dataclass(frozen=True, slots=True, eq=False)
class DiceScores:
    """Scores of a set of images.

    Attributes:
        per_image: image name -> (29,) Dice in channel order.
    """

    per_image: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        if not self.per_image:
            raise ValueError("expected at least one image")

    @property
    def bones(self) -> dict[str, float]:
        """Mean over images of each bone."""
        means = np.mean(list(self.per_image.values()), axis=0)
        return dict(zip(BONES, means.tolist(), strict=True))

    @property
    def groups(self) -> dict[str, float]:
        """Mean over the bones of each group."""
        bones = self.bones
        return {group: float(np.mean([bones[bone] for bone in members])) for group, members in GROUPS.items()}

    @property
    def dice(self) -> float:
        """Mean over images, then over the 29 bones."""
        return float(np.mean(list(self.bones.values())))

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {"dice": self.dice, "groups": self.groups, "bones": self.bones, "images": len(self.per_image)}

    def table(self) -> str:
        """The scores as text, a line a bone, groups and the mean below."""
        per_image = np.stack(list(self.per_image.values()))
        lines = [f"{'bone':<12}{'Dice':>8}{'lowest':>8}"]
        for bone, score in self.bones.items():
            lines.append(f"{bone:<12}{score:>8.4f}{per_image[:, CLASS_IDS[bone]].min():>8.4f}")
        lines.append("-" * 28)
        lines.extend(f"{group:<12}{score:>8.4f}" for group, score in self.groups.items())
        lines.append(f"{'all ' + str(BONE_COUNT):<12}{self.dice:>8.4f}   over {len(self.per_image)} images")
        return "\n".join(lines)
