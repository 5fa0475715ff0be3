"""One image through the network: letterbox, forward on all cores, `Candidates` out. No NMS, no thresholds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.candidates import Candidates
from yolo_bones.detector.forward import look_through
from yolo_bones.detector.weights import Weights, load_weights
from yolo_bones.errors import InputError, MachineError
from yolo_bones.rle import ImageSize
from yolo_bones.views import View, fit_letterbox

import torch  # isort: skip


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
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
        try:
            self.device = torch.device(device)
            network: Any = self.weights.network
            self.network = network.fuse().to(self.device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            raise MachineError(f"--device {device}: {str(error).splitlines()[0]}") from error
        self.stride = int(self.network.stride.max())

    def detect(self, grey: NDArray[np.uint8], view: View | None = None) -> Candidates:
        """Run one image.

        Args:
            grey: (H, W) uint8.
            view: how to look at it; the whole image, letterboxed, when not given. Its input's sides must be multiples
                of `stride`.
        """
        view = view or fit_letterbox(ImageSize(*grey.shape), self.longest_px, self.stride)
        try:
            return look_through(self.network, grey, view, self.device)
        except ValueError as error:
            raise InputError(self.weights.path, "model", "a network for 29 bones", str(error)) from error
        except ArithmeticError as error:
            expected = "weights that give finite output"
            raise InputError(self.weights.path, "", expected, "NaN or infinity (diverged?)") from error
