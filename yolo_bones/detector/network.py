"""One image through the network: letterbox, forward on all cores, `Candidates` out. No NMS, no thresholds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates
from yolo_bones.detector.weights import Weights, load_weights
from yolo_bones.errors import InputError, MachineError
from yolo_bones.rle import ImageSize
from yolo_bones.views import View, draw_view, fit_letterbox

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
        plane = torch.from_numpy(draw_view(grey, view).astype(np.float32) / 255.0).to(self.device)
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
            view=view,
        )
