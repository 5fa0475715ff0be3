"""Where to cut the logits of each bone: the threshold of the highest mean Dice. Pure; one pass over the images.

Of every image only counts are kept: how many pixels inside the truth, and how many in all, lie above each threshold of
a grid. From these the Dice at each threshold is exact.

A bone's own best threshold is a noisy thing when few images are given. So its curve of mean Dice over N images is
averaged with its group's curve (finger, hand, arm), which counts as K further images, and the group's with that of all
bones in the same way:

    group'(t) = (N group(t) + K all(t)) / (N + K)        bone'(t) = (N bone(t) + K group'(t)) / (N + K)

and the threshold is where bone' is highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT, CLASS_IDS, GROUPS
from yolo_bones.merger import MergedBones, MergeSettings
from yolo_bones.metrics import dice_from_areas
from yolo_bones.rle import RunLengthMasks, decode_box

STEPS: Final = np.linspace(-3.0, 3.0, 49)
"""Thresholds tried: steps of one eighth, exact in float32 and in decimal."""
CONFIDENCES: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Least confidences tried."""
GROUP_IMAGES: Final = 4
"""K above; of 0 to 128 it did best for 2 to 12 phantom hands, by little."""
LEAST_GAIN: Final = 1e-4
"""In mean Dice; a change that pays less on the images it was chosen on is not made."""

Grid = NDArray[np.float32]
Dice = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageCounts:
    """What is kept of one image, for T thresholds.

    Attributes:
        shared: (29, T) int64, pixels inside the truth above each threshold.
        predicted: (29, T) int64, pixels above each threshold.
        truth: (29,) int64, pixels of the truth.
        confidence: (29,) float32.
    """

    shared: NDArray[np.int64]
    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Dice of N images and the 29 bones at each threshold of a grid.

    Attributes:
        grid: (T,) float32 thresholds, ascending.
        found: (N, 29, T) Dice of what lies above each threshold.
        absent: (N, 29) Dice of an empty mask.
        confidence: (N, 29) float32.
    """

    grid: Grid
    found: Dice
    absent: Dice
    confidence: NDArray[np.float32]

    def of(self, images: NDArray[np.bool_]) -> Curves:
        """Some of the images; (N,) bool."""
        return Curves(self.grid, self.found[images], self.absent[images], self.confidence[images])


@dataclass(frozen=True, slots=True)
class Cut:
    """How logits become masks.

    Attributes:
        thresholds: 29 logits.
        least_confidence: below it a bone is empty.
    """

    thresholds: tuple[float, ...]
    least_confidence: float


def cut_of(merging: MergeSettings) -> Cut:
    """The cut that a merger makes."""
    return Cut(tuple(merging.threshold_of(class_id) for class_id in range(BONE_COUNT)), merging.least_confidence)


def grid_with(present: Cut) -> Grid:
    """The thresholds tried, and those in force."""
    return np.unique(np.concatenate([STEPS, present.thresholds]).astype(np.float32))


def count_image(merged: MergedBones, truth: RunLengthMasks, grid: Grid) -> ImageCounts:
    """Count one image.

    Args:
        merged: with the logits of each box kept, no bone left out for its confidence.
        truth: 29 channels of the same size.
        grid: (T,) float32, ascending.
    """
    if len(merged.logits) != BONE_COUNT or merged.channels.size != truth.size or len(truth) != BONE_COUNT:
        raise ValueError(f"expected logits and truth of {BONE_COUNT} bones of one size")
    shared, predicted = np.zeros((2, BONE_COUNT, len(grid)), dtype=np.int64)
    for class_id, (top, left, logits) in enumerate(merged.logits):
        if logits.size == 0:
            continue
        inside = decode_box(truth[class_id], top, left, *logits.shape)[0]
        # Number of thresholds that lie below a logit.
        passed = np.searchsorted(grid, logits.reshape(-1), side="left")
        for counts, places in ((predicted, passed), (shared, passed[inside.reshape(-1)])):
            histogram = np.bincount(places, minlength=len(grid) + 1)
            counts[class_id] = histogram[::-1].cumsum()[::-1][1:]
    return ImageCounts(shared, predicted, truth.areas(), merged.confidence)


def curves_of(counts: Sequence[ImageCounts], grid: Grid) -> Curves:
    """Exact Dice of each image and bone at each threshold.

    Args:
        counts: of at least one image, for this grid.
        grid: (T,) float32.
    """
    if not counts:
        raise ValueError("expected at least one image")
    truth = np.stack([one.truth for one in counts])
    shared, predicted = np.stack([one.shared for one in counts]), np.stack([one.predicted for one in counts])
    return Curves(
        grid,
        dice_from_areas(shared, predicted, truth[:, :, None]),
        dice_from_areas(np.zeros_like(truth), np.zeros_like(truth), truth),
        np.stack([one.confidence for one in counts]),
    )


def dice_of(curves: Curves, cut: Cut) -> Dice:
    """(N, 29) Dice of a cut; its thresholds must be on the grid."""
    columns = np.searchsorted(curves.grid, np.array(cut.thresholds, dtype=np.float32))
    if not np.array_equal(
        curves.grid[np.minimum(columns, len(curves.grid) - 1)], np.array(cut.thresholds, dtype=np.float32)
    ):
        raise ValueError("expected thresholds of the grid")
    found = np.take_along_axis(curves.found, columns[None, :, None], axis=2)[:, :, 0]
    return np.where(curves.confidence >= np.float32(cut.least_confidence), found, curves.absent)


def choose_cut(curves: Curves, present: Cut, group_images: float = GROUP_IMAGES) -> Cut:
    """The cut of the highest mean Dice, thresholds averaged with their group's; see the module.

    Args:
        curves: of the images to choose on.
        present: the cut in force; its least confidence stays unless another one pays.
        group_images: K of the module.
    """
    thresholds = _chosen_thresholds(curves, group_images)
    chosen = Cut(thresholds, present.least_confidence)
    best = dice_of(curves, chosen).mean() + LEAST_GAIN
    for confidence in CONFIDENCES:
        other = Cut(thresholds, confidence)
        score = dice_of(curves, other).mean()
        if score > best:
            chosen, best = other, score
    return chosen


def _chosen_thresholds(curves: Curves, group_images: float) -> tuple[float, ...]:
    present = (curves.absent < 0.5)[:, :, None]
    sums, images = (curves.found * present).sum(axis=0), present.sum(axis=0).astype(np.float64)
    everything = sums.sum(axis=0) / max(images.sum(), 1.0)
    chosen = np.zeros(BONE_COUNT)
    for members in GROUPS.values():
        rows = [CLASS_IDS[bone] for bone in members]
        known = images[rows].sum()
        group = sums[rows].sum(axis=0) / max(known, 1.0)
        many = known / len(rows)
        group = (many * group + group_images * everything) / max(many + group_images, 1e-9)
        shrunken = (sums[rows] + group_images * group) / np.maximum(images[rows] + group_images, 1e-9)
        chosen[rows] = curves.grid[shrunken.argmax(axis=1)]
    return tuple(map(float, chosen))


def left_out_dice(curves: Curves, patients: Sequence[str], present: Cut, group_images: float = GROUP_IMAGES) -> Dice:
    """(N, 29) Dice of each image with the cut that is chosen without its patient's images.

    Args:
        curves: of all images.
        patients: of each image, at least two different ones.
        present: the cut in force.
        group_images: K of the module.
    """
    names = np.array(patients)
    if len(names) != len(curves.found) or len(set(patients)) < 2:
        raise ValueError("expected a patient for each image, and at least two patients")
    dice = np.zeros(curves.absent.shape)
    for patient in sorted(set(patients)):
        own = names == patient
        dice[own] = dice_of(curves.of(own), choose_cut(curves.of(~own), present, group_images))
    return dice
