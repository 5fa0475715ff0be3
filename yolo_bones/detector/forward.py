"""A network run on one view of an image: `Candidates` out. No NMS, no thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates
from yolo_bones.detector.environment import prepare
from yolo_bones.views import View, draw_view

prepare()

import torch  # noqa: E402


def look_through(network: Any, grey: NDArray[np.uint8], view: View, device: torch.device) -> Candidates:
    """Show a network one view.

    Args:
        network: YOLOv8-seg in evaluation mode, on the device.
        grey: (H, W) uint8, the native image.
        view: its input's sides are multiples of the network's stride.
        device: torch device.

    Raises:
        ValueError: the network's outputs are not those of 29 bones.
        ArithmeticError: they hold NaN or infinity.
    """
    plane = torch.from_numpy(draw_view(grey, view).astype(np.float32) / 255.0).to(device)
    batch = plane[None, None].expand(1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        (found, prototypes), *_ = network(batch)
    if prototypes.ndim != 4 or found.shape[1] != 4 + BONE_COUNT + prototypes.shape[1]:
        expected = f"4 + {BONE_COUNT} + {prototypes.shape[1]} outputs a candidate"
        raise ValueError(f"expected {expected}, got {tuple(found.shape)}")
    if not (torch.isfinite(found).all() and torch.isfinite(prototypes).all()):
        raise ArithmeticError("the network's output holds NaN or infinity")
    rows = np.ascontiguousarray(found[0].float().cpu().numpy().T)
    centre, extent = rows[:, :2], rows[:, 2:4]
    return Candidates(
        boxes_xyxy=np.concatenate([centre - extent / 2, centre + extent / 2], axis=1),
        scores=np.ascontiguousarray(rows[:, 4 : 4 + BONE_COUNT]),
        coefficients=np.ascontiguousarray(rows[:, 4 + BONE_COUNT :]),
        prototypes=np.ascontiguousarray(prototypes[0].float().cpu().numpy()),
        view=view,
    )
