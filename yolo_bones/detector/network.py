"""One image through the network: letterbox, forward on all cores, `Candidates` out. No NMS, no thresholds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates, Letterbox, fit_letterbox
from yolo_bones.detector.weights import Weights, load_weights
from yolo_bones.errors import InputError, MachineError
from yolo_bones.rle import ImageSize

import torch  # isort: skip

PAD_LEVEL = 114 / 255
"""The grey that ultralytics pads with in training."""


class Detector:
    """A loaded network.

    Args:
        weights: checkpoint file; see `load_weights` for what is refused.
        longest_px: input pixels of an image's longer side; None takes the size it was trained at.
        device: torch device, such as `cpu` or `cuda:0`.

    Raises:
        InputError, RefusedError, MachineError: as `load_weights`; or an unknown device.
    """

    def __init__(self, weights: Path, longest_px: int | None = None, device: str = "cpu") -> None:
        self.weights: Weights = load_weights(weights)
        self.longest_px = longest_px or self.weights.training_size or 640
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
        try:
            self.device = torch.device(device)
            network: Any = self.weights.network
            self.network = network.fuse().to(self.device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            raise MachineError(f"--device {device}: {str(error).splitlines()[0]}") from error
        self.stride = int(self.network.stride.max())

    def detect(self, grey: NDArray[np.uint8]) -> Candidates:
        """Run one image.

        Args:
            grey: (H, W) uint8.
        """
        letterbox = fit_letterbox(ImageSize(*grey.shape), self.longest_px, self.stride)
        plane = torch.from_numpy(letterboxed(grey, letterbox)).to(self.device)
        batch = plane[None, None].expand(1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            (found, prototypes), *_ = self.network(batch)
        if prototypes.ndim != 4 or found.shape[1] != 4 + BONE_COUNT + prototypes.shape[1]:
            expected = f"4 + {BONE_COUNT} + {prototypes.shape[1]} outputs a candidate"
            raise InputError(self.weights.path, "model", expected, tuple(found.shape))
        if not (torch.isfinite(found).all() and torch.isfinite(prototypes).all()):
            raise InputError(self.weights.path, "", "weights that give finite output", "NaN or infinity (diverged?)")
        rows = np.ascontiguousarray(found[0].float().cpu().numpy().T)
        centre, extent = rows[:, :2], rows[:, 2:4]
        return Candidates(
            boxes_xyxy=np.concatenate([centre - extent / 2, centre + extent / 2], axis=1),
            scores=np.ascontiguousarray(rows[:, 4 : 4 + BONE_COUNT]),
            coefficients=np.ascontiguousarray(rows[:, 4 + BONE_COUNT :]),
            prototypes=np.ascontiguousarray(prototypes[0].float().cpu().numpy()),
            letterbox=letterbox,
        )


def letterboxed(grey: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.float32]:
    """Scale and pad an image; (h, w) float32 from 0 to 1."""
    net = letterbox.input_size
    width = round(letterbox.scale_x * grey.shape[1])
    height = round(letterbox.scale_y * grey.shape[0])
    method = cv2.INTER_AREA if height < grey.shape[0] else cv2.INTER_LINEAR
    scaled = cv2.resize(grey, (width, height), interpolation=method)
    plane = np.full((net.height, net.width), PAD_LEVEL, dtype=np.float32)
    rows = slice(letterbox.pad_top, letterbox.pad_top + height)
    columns = slice(letterbox.pad_left, letterbox.pad_left + width)
    plane[rows, columns] = scaled.astype(np.float32) / 255.0
    return plane
