"""Validation by what counts: Dice of merged channels at the images' own resolution, not mAP of flattened masks."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from yolo_bones.bones import BONE_COUNT, GROUPS
from yolo_bones.detector.forward import look_through
from yolo_bones.detector.weights import load_weights
from yolo_bones.errors import MachineError
from yolo_bones.merger import MergeSettings, merge_candidates
from yolo_bones.metrics import DiceScores, dice_per_channel
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import RunLengthMasks, empty_masks, encode_crop, stack
from yolo_bones.training.bone_data import BoneDataset, input_size
from yolo_bones.training.labelled import LabelledImage
from yolo_bones.training_recipe import Recipe
from yolo_bones.views import CANONICAL, CARPUS, View, fit_letterbox, hand_view

import torch  # isort: skip

MARGIN: Final = 0.1
"""Of the boxes that masks are cut to; the mask loss trains more."""
CARPALS: Final = "hand"


class NativeDice:
    """In place of ultralytics' validator.

    Args:
        dataset: of the validation images.
        longest_px: `imgsz`.
        recipe: canonical views are validated where they are trained, found from the labels.
    """

    def __init__(self, dataset: BoneDataset, longest_px: int, recipe: Recipe) -> None:
        self.dataset, self.longest_px, self.recipe = dataset, longest_px, recipe
        self.args = SimpleNamespace(plots=False, compile=False)
        self.metrics = SimpleNamespace(keys=self._keys())
        self.dataloader: Any = None

    def _keys(self) -> list[str]:
        keys = ["dice/all", *(f"dice/{group}" for group in GROUPS)]
        return [*keys, "dice/closeup_hand"] if self.recipe.closeup else keys

    def __call__(self, trainer: Any = None, model: Any = None) -> dict[str, float]:
        """Dice of a trainer's averaged weights, or of a checkpoint; `fitness` is the mean over all bones."""
        if trainer is not None:
            network, device = deepcopy(trainer.ema.ema).float().eval(), trainer.device
        else:
            network, device = load_weights(Path(model)).network, torch.device("cpu")
        whole: dict[str, Any] = {}
        close: dict[str, Any] = {}
        for index in range(len(self.dataset)):
            image = self.dataset.image(index)
            truth = truth_of(image)
            whole[image.path.name] = self._dice(network, device, image, self._whole_view(image), truth)
            if self.recipe.closeup and image.frame is not None:
                size = input_size(self.longest_px, self.recipe)
                view = hand_view(image.size, image.frame, CARPUS, size)
                close[image.path.name] = self._dice(network, device, image, view, truth)
        scores = DiceScores(whole)
        metrics = {"dice/all": scores.dice, **{f"dice/{group}": value for group, value in scores.groups.items()}}
        if self.recipe.closeup:
            metrics["dice/closeup_hand"] = DiceScores(close).groups[CARPALS] if close else 0.0
        return {**metrics, "fitness": scores.dice}

    def _whole_view(self, image: LabelledImage) -> View:
        if self.recipe.canonical and image.frame is not None:
            size = input_size(self.longest_px, self.recipe)
            return hand_view(image.size, image.frame, CANONICAL, size)
        return fit_letterbox(image.size, self.longest_px, 32)

    @staticmethod
    def _dice(
        network: Any, device: torch.device, image: LabelledImage, view: View, truth: RunLengthMasks
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        try:
            candidates = look_through(network, image.grey, view, device)
        except ArithmeticError as error:
            raise MachineError(f"training diverged: {error}; the checkpoint of the epoch before is kept") from error
        merged = merge_candidates(candidates, MergeSettings(box_margin=MARGIN))
        return dice_per_channel(merged.channels, truth)


def truth_of(image: LabelledImage) -> RunLengthMasks:
    """The 29 channels that an image's outlines fill, at its own resolution."""
    channels: list[RunLengthMasks] = [empty_masks(image.size, 1) for _ in range(BONE_COUNT)]
    for bone in image.bones:
        crop, top, left = fill_polygon(np.rint(bone.points).astype(np.int32), image.size)
        channels[bone.class_id] = encode_crop(crop, top, left, image.size)
    return stack(image.size, channels)
