"""The mask loss that also trains beyond the box, at the labels' full resolution, on the region of each box only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from ultralytics.utils.loss import v8SegmentationLoss

from yolo_bones.logit_crops import Enlargement, enlargement
from yolo_bones.training.regions import CELL_PX
from yolo_bones.training_recipe import Recipe

Region = tuple[int, int, NDArray[np.uint8]]
"""First prototype row and column, and the (h, w) cover from 0 to 255, as `regions.LabelRegion` holds them."""


class BoneLoss(v8SegmentationLoss):
    """The stock loss of boxes and classes; for masks cross-entropy weighted towards borders, and Dice.

    It is set as the model's criterion when training starts and stripped when a checkpoint is written, so checkpoints
    stay plain ones. A batch carries `regions` (one `Region` a bone, in the order of `cls`) instead of `masks`.

    Args:
        model: the network in training.
        recipe: weights and margins.
    """

    hyp: Any

    def __init__(self, model: torch.nn.Module, recipe: Recipe) -> None:
        super().__init__(model)
        self.recipe = recipe

    def loss(self, preds: dict[str, Any], batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Losses of one batch, as the stock criterion returns them."""
        coefficients, prototypes = preds["mask_coefficient"].permute(0, 2, 1), preds["proto"]
        loss = torch.zeros(5, device=self.device)  # box, mask, class, dfl, semantic (unused by YOLOv8)
        (chosen, target, *_), found, _ = self.get_assigned_targets_and_loss(preds, batch)
        loss[0], loss[2], loss[3] = found[0], found[1], found[2]
        scores = preds["scores"].detach()
        loss[1] = self._mask_loss(chosen, target, coefficients, prototypes, scores, batch) * self.hyp.box
        return loss * len(prototypes), dict(zip(self.loss_names, loss.detach(), strict=False))

    def _mask_loss(
        self,
        chosen: torch.Tensor,
        target: torch.Tensor,
        coefficients: torch.Tensor,
        prototypes: torch.Tensor,
        scores: torch.Tensor,
        batch: dict[str, Any],
    ) -> torch.Tensor:
        """Mean over the candidates that were assigned to a bone."""
        regions: list[Region] = batch["regions"]
        owner = batch["batch_idx"].long().cpu().numpy()
        classes = batch["cls"].view(-1).long()
        total = (coefficients * 0.0).sum() + (prototypes * 0.0).sum()
        count = 0
        for image in range(len(prototypes)):
            offset = int(np.searchsorted(owner, image))
            anchors = torch.nonzero(chosen[image]).view(-1)
            bones = target[image, anchors]
            trust = scores[image, classes[offset + bones], anchors] if len(bones) else bones
            taken = [(bone, self._most_trusted(anchors, trust, bones == bone)) for bone in torch.unique(bones).tolist()]
            if not taken:
                continue
            cells = coefficients[image, torch.cat([mine for _, mine in taken])] @ prototypes[image].flatten(1)
            cells = cells.view(-1, *prototypes.shape[2:])
            # Split first: the gradient of a slice is as large as what it is cut from.
            for (bone, _), own in zip(taken, torch.split(cells, [len(mine) for _, mine in taken]), strict=True):
                region = regions[offset + bone]
                total = total + self._region_loss(_enlarged(own, region), region[2])
            count += len(cells)
        return total / max(count, 1)

    def _most_trusted(self, anchors: torch.Tensor, trust: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
        """The candidates of one bone whose mask is trained."""
        own = anchors[mine]
        return own[trust[mine].topk(self.recipe.positives).indices] if len(own) > self.recipe.positives else own

    def _region_loss(self, logits: torch.Tensor, cover: NDArray[np.uint8]) -> torch.Tensor:
        """Sum over candidates of (k, h, w) logits against one bone's cover."""
        label = torch.from_numpy(cover.astype(np.float32) / 255.0).to(logits)
        weight = torch.from_numpy(_border_weight(cover, self.recipe.boundary)).to(logits)
        entropy = F.binary_cross_entropy_with_logits(logits, label.expand_as(logits), reduction="none")
        loss = (entropy * weight).sum()
        if self.recipe.dice:
            mask = logits.sigmoid()
            shared = (mask * label).sum(dim=(1, 2))
            both = mask.sum(dim=(1, 2)) + label.sum()
            loss = loss + self.recipe.dice * (1.0 - (2.0 * shared + 1.0) / (both + 1.0)).sum()
        return loss


def _border_weight(cover: NDArray[np.uint8], boundary: float) -> NDArray[np.float32]:
    """(h, w) float32 weights that add up to 1: `1 + boundary` within two pixels of a bone's border, 1 elsewhere."""
    square = np.ones((5, 5), dtype=np.uint8)
    at_border = cv2.dilate(cover, square).astype(np.float32) - cv2.erode(cover, square)
    weight = 1.0 + boundary / 255.0 * at_border
    return np.asarray(weight / weight.sum(), dtype=np.float32)


def _enlarged(cells: torch.Tensor, region: Region) -> torch.Tensor:
    """(k, h, w) logits of a region at the input's resolution, by the cubic convolution that the merger uses too."""
    top, left, cover = region
    height, width = cover.shape
    rows, down = _enlarging(cells.shape[1]).part(range(top * CELL_PX, top * CELL_PX + height))
    columns, across = _enlarging(cells.shape[2]).part(range(left * CELL_PX, left * CELL_PX + width))
    return torch.from_numpy(down).to(cells) @ cells[:, rows, columns] @ torch.from_numpy(across).to(cells).T


@lru_cache(maxsize=64)
def _enlarging(cells: int) -> Enlargement:
    """From the cells of one side to its input pixels."""
    return enlargement(np.arange(0.5, cells * CELL_PX), cells * CELL_PX, cells)
