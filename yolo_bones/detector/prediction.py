"""One image from grey levels to what is stored of it, and how long that took."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones import soft
from yolo_bones.candidates import Candidates
from yolo_bones.detector.look_settings import LookSettings
from yolo_bones.detector.looking import Looker, look
from yolo_bones.merger import MergedBones, MergeSettings
from yolo_bones.rle import masks_to_row_texts
from yolo_bones.views import View

Grey = NDArray[np.uint8]


class TimedLooker:
    """A looker that keeps the time of all its looks.

    Attributes:
        seconds: spent looking so far, drawing the views included.
    """

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.seconds = 0.0

    @property
    def stride(self) -> int:
        """See `Looker`."""
        return self.looker.stride

    def detect(self, grey: Grey, view: View) -> Candidates:
        """See `Looker`."""
        start = time.perf_counter()
        try:
            return self.looker.detect(grey, view)
        finally:
            self.seconds += time.perf_counter() - start


class Predictor:
    """A network with its settings.

    Args:
        looker: the network.
        looking, merging: how it looks, and what becomes of what it sees.
        soft_folder: where soft channels are written, if they are.
    """

    def __init__(
        self, looker: Looker, looking: LookSettings, merging: MergeSettings, soft_folder: Path | None = None
    ) -> None:
        self.looker = TimedLooker(looker)
        self.looking, self.merging, self.soft_folder = looking, merging, soft_folder
        self.times_ms: list[tuple[float, float]] = []

    def predict(self, grey: Grey, image_name: str) -> dict[str, Any]:
        """Predict one image.

        Args:
            grey: (H, W) uint8.
            image_name: of its soft channels.

        Returns:
            For JSON: size, row texts and scores of the 29 channels, and how often what was decided.
        """
        start, looked = time.perf_counter(), self.looker.seconds
        keep_logits = self.soft_folder is not None
        merged = look(self.looker, grey, self.looking, self.merging, keep_logits=keep_logits)
        if self.soft_folder is not None:
            self._write_soft(self.soft_folder, image_name, merged)
        part = _part(merged)
        in_looks = self.looker.seconds - looked
        self.times_ms.append((1e3 * in_looks, 1e3 * (time.perf_counter() - start - in_looks)))
        return part

    def summary(self) -> str:
        """Median times of the images so far."""
        looks_ms, rest_ms = np.median(self.times_ms, axis=0).tolist() if self.times_ms else (0.0, 0.0)
        return f"an image took {looks_ms:.0f} ms in the network and {rest_ms:.0f} ms after it (medians)"

    def _write_soft(self, folder: Path, image_name: str, merged: MergedBones) -> None:
        crops = [
            (top, left, soft.levels_of_logits(logits, self.merging.threshold_of(class_id)))
            for class_id, (top, left, logits) in enumerate(merged.logits)
        ]
        soft.write_crops(folder, image_name, merged.channels.size, crops)


def _part(merged: MergedBones) -> dict[str, Any]:
    channels = merged.channels
    return {
        "size": [channels.size.height, channels.size.width],
        "texts": [text.decode("ascii") for text in masks_to_row_texts(channels)],
        "scores": [round(float(score), 6) for score in merged.confidence],
        "counters": merged.counters,
    }
