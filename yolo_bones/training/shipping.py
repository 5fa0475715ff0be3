"""A trained checkpoint, stripped to what prediction and fine-tuning need: no paths, no dates, half precision."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from yolo_bones.detector.weights import Weights, load_weights
from yolo_bones.files import machine_errors, temporary_folder, write_bytes

import torch  # isort: skip
from ultralytics import __version__ as ultralytics_version  # isort: skip

KEPT_ARGUMENTS: Final = (
    "task", "imgsz", "overlap_mask", "mask_ratio", "optimizer", "lr0", "lrf", "cos_lr", "batch", "nbs", "epochs", "cls",
    "mosaic", "degrees", "translate", "scale", "shear", "fliplr", "hsv_v", "seed",
)  # fmt: skip


def ship_checkpoint(source: Path, target: Path) -> Weights:
    """Write a stripped copy that stock `YOLO()` and safe loading open.

    Args:
        source: `best.pt` or `last.pt` of a training run; it goes through the guarded door.
        target: file to write.

    Returns:
        The shipped weights, loaded back.
    """
    weights = load_weights(source)
    network: Any = weights.network
    arguments = {key: weights.arguments[key] for key in KEPT_ARGUMENTS if key in weights.arguments}
    for leftover in ("pt_path", "criterion"):
        if hasattr(network, leftover):
            setattr(network, leftover, None)
    network.args = arguments
    network.half().eval()
    for parameter in network.parameters():
        parameter.requires_grad = False
    checkpoint = {
        "epoch": -1,
        "model": network,
        "ema": None,
        "optimizer": None,
        "train_args": arguments,
        "version": ultralytics_version,
        "license": "AGPL-3.0",
    }
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    # Tried where no hash of an earlier file lies beside it.
    with temporary_folder(target) as folder:
        place = folder / target.name
        write_bytes(place, buffer.getvalue())
        shipped = load_weights(place)
        with machine_errors(target):
            place.replace(target)
    return replace(shipped, path=target)
