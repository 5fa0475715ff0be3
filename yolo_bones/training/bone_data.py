"""Batches for training: views of all kinds side by side, drawn anew from the run's seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from yolo_bones.image_files import read_image_size
from yolo_bones.rle import ImageSize
from yolo_bones.training.draws import LookKind, PlainChanges, Sample, draw_sample
from yolo_bones.training.labelled import LabelledImage, find_labelled, read_labelled
from yolo_bones.training_recipe import Recipe
from yolo_bones.views import CANONICAL, input_size_of_window

STRIDE = 32


@dataclass(frozen=True, slots=True)
class Draw:
    """What one sample is drawn from."""

    index: int
    kind: LookKind
    epoch: int
    position: int


class BoneDataset(Dataset[tuple[Sample, Path]]):
    """Images of a folder in YOLO's layout, drawn in random views.

    Args:
        images: folder `.../images/train`.
        longest_px: `imgsz`.
        recipe, plain: how samples are drawn.
        seed: of all chance.
        keep: hold decoded images in memory.
    """

    def __init__(
        self, images: Path, longest_px: int, recipe: Recipe, plain: PlainChanges, *, seed: int, keep: bool
    ) -> None:
        self.pairs = find_labelled(images)
        self.recipe, self.plain, self.seed, self.keep = recipe, plain, seed, keep
        self.size = input_size(longest_px, recipe)
        self.labels: list[dict[str, Any]] = []
        """What ultralytics asks data sets for; nothing here needs it."""
        self._kept: dict[int, LabelledImage] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def image(self, index: int) -> LabelledImage:
        """One image with its outlines."""
        if index in self._kept:
            return self._kept[index]
        image = read_labelled(*self.pairs[index])
        if self.keep:
            self._kept[index] = image
        return image

    def plain_px(self) -> int:
        """Input pixels of the longer side of a whole image: the median over all of these, in whole strides."""
        sizes = [read_image_size(image) for image, _ in self.pairs]
        longest = [max(s.height, s.width) * min(self.size.height / s.height, self.size.width / s.width) for s in sizes]
        return max(STRIDE, round(float(np.median(longest)) / STRIDE) * STRIDE)

    def __getitem__(self, draw: Draw) -> tuple[Sample, Path]:
        chance = np.random.default_rng([self.seed, draw.epoch, draw.position])
        image = self.image(draw.index)
        sample = draw_sample(image, draw.kind, self.size, self.recipe, self.plain, chance)
        return sample, image.path


class KindSampler(Sampler[Draw]):
    """A shuffled pass over the images, each seen in a view of some kind.

    Kinds are mixed within a batch. With batches of one kind each the Dice of close-ups swung between 0.83 and 0.91 over
    six epochs, since mixed between 0.89 and 0.93: batch normalisation learns the statistics of whatever shares a batch.

    Args:
        count: number of images.
        batch: batch size.
        recipe: shares of the kinds, images an epoch.
        seed: of all chance.
    """

    def __init__(self, count: int, batch: int, recipe: Recipe, seed: int) -> None:
        self.count, self.batch, self.recipe, self.seed = count, batch, recipe, seed
        self.epoch = 0

    def __len__(self) -> int:
        wanted = self.recipe.epoch_images or self.count
        return max(self.batch, wanted // self.batch * self.batch)

    def __iter__(self) -> Iterator[Draw]:
        chance = np.random.default_rng([self.seed, self.epoch])
        passes = -(-len(self) // self.count)
        order = np.concatenate([chance.permutation(self.count) for _ in range(passes)])[: len(self)]
        shares = (1.0 - self.recipe.canonical - self.recipe.closeup, self.recipe.canonical, self.recipe.closeup)
        # Kinds are dealt evenly, then shuffled: every epoch holds them in their shares.
        bounds = np.cumsum(shares) * len(self)
        kinds = np.searchsorted(bounds[:-1], np.arange(len(self)) + float(chance.random()), side="right")
        chance.shuffle(kinds)
        for position, (index, kind) in enumerate(zip(order.tolist(), kinds.tolist(), strict=True)):
            yield Draw(index, LookKind(kind), self.epoch, position)


def input_size(longest_px: int, recipe: Recipe) -> ImageSize:
    """Of all samples: a square as the stock command has it, or what a canonical view and a close-up fill."""
    if recipe.canonical or recipe.closeup:
        return input_size_of_window(CANONICAL, longest_px, STRIDE)
    return ImageSize(longest_px, longest_px)


def collate(samples: list[tuple[Sample, Path]]) -> dict[str, Any]:
    """A batch as ultralytics' trainer and the stock part of the loss expect it, `regions` in place of `masks`."""
    height, width = samples[0][0].grey.shape
    scale = np.array([width, height, width, height], dtype=np.float32)
    boxes, classes, owners, regions = [], [], [], []
    for owner, (sample, _) in enumerate(samples):
        for region in sample.regions:
            left, top, right, bottom = region.box_xyxy / scale
            boxes.append([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
            classes.append([float(region.class_id)])
            owners.append(float(owner))
            regions.append((region.top, region.left, region.cover))
    greys = torch.from_numpy(np.stack([sample.grey for sample, _ in samples]))
    return {
        "img": greys[:, None].expand(-1, 3, -1, -1),
        "bboxes": torch.tensor(np.array(boxes, dtype=np.float32).reshape(-1, 4)),
        "cls": torch.tensor(np.array(classes, dtype=np.float32).reshape(-1, 1)),
        "batch_idx": torch.tensor(np.array(owners, dtype=np.float32)),
        "regions": regions,
        "im_file": [str(path) for _, path in samples],
    }


def build_loader(dataset: BoneDataset, batch: int, workers: int) -> DataLoader[Any]:
    """Batches of a data set; with workers each holds its own images, until the run ends."""
    sampler = KindSampler(len(dataset), batch, dataset.recipe, dataset.seed)
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
        multiprocessing_context="spawn" if workers else None,
    )


def _one_thread(_: int) -> None:
    """Workers share the cores among themselves."""
    cv2.setNumThreads(1)
