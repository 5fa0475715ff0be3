"""What `train_bones` adds to the arguments of `yolo segment train`: which views are drawn, how, and the mask loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from yolo_bones.errors import InputError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Keys of our own, given as `key=value` beside the stock ones.

    Attributes:
        canonical: share of samples that show the hand in its canonical view (found from the labels).
        closeup: share of samples that show the carpus only, two and a half times as large.
        canonical_turn: the canonical view is turned by up to so many degrees, as a first look may err.
        canonical_shift: and moved by up to this part of the input's sides.
        canonical_scale: and scaled by up to this part.
        restyle: share of images drawn anew from their outlines by a second, random renderer.
        elastic: strength of smooth deformations; 1 moves points by about one hundredth of the input's height.
        photometric: strength of changes to the greys.
        mask_margin: the mask loss covers each box widened by this part of its sides, and 2 input pixels.
        boundary: how much more a pixel at a bone's border weighs than one elsewhere.
        dice: weight of the Dice term beside binary cross-entropy.
        positives: at most so many candidates of a bone train its mask, the most confident ones.
        averaging: weights that are validated and saved are averages over about this part of a run's steps; 0 leaves
            that to ultralytics, whose average in a run of a few thousand steps covers hardly more than the last few.
        epoch_images: images drawn an epoch; 0 draws each once.
        threads: torch threads on the CPU; 0 takes all cores.
    """

    canonical: float = 0.0
    closeup: float = 0.0
    canonical_turn: float = 12.0
    canonical_shift: float = 0.05
    canonical_scale: float = 0.15
    restyle: float = 0.0
    elastic: float = 0.0
    photometric: float = 1.0
    mask_margin: float = 0.25
    boundary: float = 3.0
    dice: float = 1.0
    positives: int = 4
    averaging: float = 0.05
    epoch_images: int = 0
    threads: int = 0

    def as_record(self) -> dict[str, Any]:
        """For YAML and manifests."""
        return asdict(self)


KEYS: Final = frozenset(field.name for field in fields(Recipe))
_SHARES: Final = ("canonical", "closeup", "restyle", "averaging")
_COUNTS: Final = ("positives", "epoch_images", "threads")


def recipe_from_values(values: dict[str, Any], source: str) -> Recipe:
    """Check values of our own keys.

    Args:
        values: key -> value, keys of `KEYS` only.
        source: file or command line that errors name.

    Raises:
        InputError: not a number, or out of range.
    """
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(source, key, "a number", value)
        if key in _SHARES and not 0.0 <= value <= 1.0:
            raise InputError(source, key, "a share from 0 to 1", value)
        if key in _COUNTS and (not isinstance(value, int) or value < (key == "positives")):
            raise InputError(source, key, f"a whole number of at least {int(key == 'positives')}", value)
        if not 0.0 <= value <= 1e6:
            raise InputError(source, key, "a number of at least 0", value)
        checked[key] = value if key in _COUNTS else float(value)
    recipe = Recipe(**checked)
    if recipe.canonical + recipe.closeup > 1.0:
        raise InputError(source, "closeup", "canonical and closeup to be at most 1 together", recipe.closeup)
    return recipe
