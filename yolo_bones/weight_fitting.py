"""Weights of an ensemble learnt from truth, cross-validated by patient.

For every image and bone only the areas of the sets of models matter (`areas_by_set`, the truth as one more model): the
Dice of any weights follows from them without touching a mask again. So all weightings of small whole numbers are tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.metrics import EPSILON
from yolo_bones.rle import RunLengthMasks, areas_by_set, interleave
from yolo_bones.splits import fold_of_patients

MOST_MODELS: Final = 8
MOST_WEIGHTINGS: Final = 7000
LARGEST_WEIGHT: Final = 9
IMAGES_AT_ONCE: Final = 64
LEAST_PATIENTS: Final = 4
"""With fewer patients nothing can be held out in a meaningful way: equal weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Weightings:
    """Distinct decisions that whole-number weights can make.

    Attributes:
        weights: (K, N) int64; row 0 is equal weights, simpler ones come first.
        tables: (K, 2^N) float64, 1 where a set of models is on.
    """

    weights: NDArray[np.int64]
    tables: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was learnt.

    Attributes:
        weights: (29, N) int64.
        strategies: for each bone `equal`, `global` or `bone`: where its weights come from.
        held_out: strategy -> (29,) mean Dice on patients that were not fitted on.
        chosen: (29,) the same for the strategies chosen.
    """

    weights: NDArray[np.int64]
    strategies: tuple[str, ...]
    held_out: dict[str, NDArray[np.float64]]
    chosen: NDArray[np.float64]


def weightings(models: int, threshold: Fraction) -> Weightings:
    """All decisions of weights from 0 to the largest whole number that keeps their number bearable.

    Raises:
        ValueError: more than 8 models.
    """
    if not 1 <= models <= MOST_MODELS:
        raise ValueError(f"expected 1 to {MOST_MODELS} models, got {models}")
    largest = max([most for most in range(1, LARGEST_WEIGHT + 1) if (most + 1) ** models <= MOST_WEIGHTINGS], default=1)
    rows = np.array([row for row in product(range(largest + 1), repeat=models) if any(row)], dtype=np.int64)
    # Equal weights first, then small sums, then even ones: of equal decisions the simplest stays.
    order = np.lexsort((rows.max(axis=1) - rows.min(axis=1), rows.sum(axis=1), (rows != 1).any(axis=1)))
    rows = rows[order]
    member = (np.arange(1 << models)[:, None] >> np.arange(models)) & 1
    tables = (member @ rows.T).T * threshold.denominator > threshold.numerator * rows.sum(axis=1, keepdims=True)
    _, first = np.unique(tables, axis=0, return_index=True)
    first.sort()
    return Weightings(rows[first], tables[first].astype(np.float64))


def count_image(truth: RunLengthMasks, opinions: Sequence[RunLengthMasks]) -> NDArray[np.int64]:
    """(29, 2, 2^N) int64, pixels outside and inside the truth that belong to each set of models."""
    areas = areas_by_set(interleave([*opinions, truth]), len(opinions) + 1)
    return areas.reshape(BONE_COUNT, 2, 1 << len(opinions))


def fit_weights(counts: NDArray[np.int64], patients: Sequence[str], threshold: Fraction, folds: int, seed: int) -> Fit:
    """Learn weights; a bone gets its own, and all bones common ones, only where held-out patients gain by it.

    Args:
        counts: (I, 29, 2, 2^N), see `count_image`.
        patients: (I,) of each image.
        threshold: of the vote.
        folds: for cross-validation; fewer where there are fewer patients.
        seed: deals patients into folds.
    """
    models = int(counts.shape[-1]).bit_length() - 1
    tried = weightings(models, threshold)
    names = sorted(set(patients))
    number = np.array([names.index(patient) for patient in patients])
    used = min(folds, len(names))
    equal = np.zeros(BONE_COUNT, dtype=np.int64)
    if len(names) < LEAST_PATIENTS or used < 2:
        means = _dice_of(counts, tried.tables, equal).mean(axis=0)
        return Fit(tried.weights[equal], ("equal",) * BONE_COUNT, {"equal": means}, means)
    dealt = fold_of_patients(names, used, seed)
    fold = np.array([dealt[patient] for patient in patients])
    sums = _dice_sums(counts, tried.tables, fold, used)
    held_out = {"equal": _dice_of(counts, tried.tables, equal)}
    for strategy in ("global", "bone"):
        held_out[strategy] = np.empty(held_out["equal"].shape)
        for held in range(used):
            chosen = _best(sums.sum(axis=0) - sums[held], strategy)
            held_out[strategy][fold == held] = _dice_of(counts[fold == held], tried.tables, chosen)
    common = "global" if _gains(held_out["global"].mean(1), held_out["equal"].mean(1), number) else "equal"
    strategies = tuple(
        "bone" if _gains(held_out["bone"][:, bone], held_out[common][:, bone], number) else common
        for bone in range(BONE_COUNT)
    )
    final = {"equal": equal, **{strategy: _best(sums.sum(axis=0), strategy) for strategy in ("global", "bone")}}
    rows = np.array([final[strategy][bone] for bone, strategy in enumerate(strategies)])
    means_of = {strategy: scores.mean(axis=0) for strategy, scores in held_out.items()}
    chosen_means = np.array([means_of[strategy][bone] for bone, strategy in enumerate(strategies)])
    return Fit(tried.weights[rows], strategies, means_of, chosen_means)


def _dice(areas: NDArray[np.float64], tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """(I, K) Dice of one bone's areas (I, 2, 2^N) for each of K decisions."""
    predicted = areas.sum(axis=1) @ tables.T
    shared = areas[:, 1] @ tables.T
    truth = areas[:, 1].sum(axis=-1, keepdims=True)
    return np.asarray((2.0 * shared + EPSILON) / (predicted + truth + EPSILON))


def _dice_of(counts: NDArray[np.int64], tables: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """(I, 29) Dice of one decision a bone."""
    columns = [
        _dice(counts[:, bone].astype(np.float64), tables[chosen[bone]][None])[:, 0] for bone in range(BONE_COUNT)
    ]
    return np.stack(columns, axis=1)


def _dice_sums(
    counts: NDArray[np.int64], tables: NDArray[np.float64], fold: NDArray[np.int64], folds: int
) -> NDArray[np.float64]:
    """(F, 29, K) Dice of every decision, summed over the images of each fold."""
    member = (fold == np.arange(folds)[:, None]).astype(np.float64)
    sums = np.zeros((folds, BONE_COUNT, len(tables)))
    for bone in range(BONE_COUNT):
        for first in range(0, len(counts), IMAGES_AT_ONCE):
            part = slice(first, first + IMAGES_AT_ONCE)
            sums[:, bone] += member[:, part] @ _dice(counts[part, bone].astype(np.float64), tables)
    return sums


def _best(sums: NDArray[np.float64], strategy: str) -> NDArray[np.int64]:
    """(29,) the decision with the highest summed Dice, for all bones together or each; of equal ones the simplest."""
    if strategy == "global":
        sums = np.broadcast_to(sums.sum(axis=0), sums.shape)
    # What is equal but for the last digits is equal.
    highest = sums.max(axis=1, keepdims=True)
    return np.asarray((sums >= highest * (1.0 - 1e-9)).argmax(axis=1))


def _gains(new: NDArray[np.float64], old: NDArray[np.float64], patients: NDArray[np.int64]) -> bool:
    """Whether held-out patients gain by more than one standard error of the mean gain."""
    gain = np.bincount(patients, weights=new - old) / np.bincount(patients)
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return bool(gain.mean() > max(error, 1e-7))


def describe_fit(fit: Fit, images: int, patients: int, folds: int) -> str:
    """A few lines for the weights file and the log."""
    if set(fit.held_out) == {"equal"}:
        return (
            f"{patients} patients, fewer than {LEAST_PATIENTS}: nothing could be held out, so all weights are equal\n"
            f"  Dice on these {images} images {fit.held_out['equal'].mean():.4f}"
        )
    lines = [f"fitted on {images} images of {patients} patients; Dice on held-out patients ({folds} folds):"]
    lines += [f"  {strategy} weights {scores.mean():.4f}" for strategy, scores in fit.held_out.items()]
    lines.append(f"  chosen {fit.chosen.mean():.4f} (bone by bone the best of these, so a little too good)")
    common = "common weights" if "global" in fit.strategies else "equal weights"
    own = [bone for bone, strategy in zip(BONES, fit.strategies, strict=True) if strategy == "bone"]
    lines.append(f"bones with weights of their own: {', '.join(own) or 'none (no gain on held-out patients)'}")
    lines.append(f"all other bones: {common}")
    return "\n".join(lines)
