"""STAPLE (Warfield, Zou and Wells 2004): models' masks weighed by their estimated sensitivity and specificity.

SimpleITK does it, on each bone's crop; it is an optional extra: `pip install yolo-bones[staple]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from yolo_bones.bones import BONE_COUNT
from yolo_bones.errors import MachineError
from yolo_bones.rle import RunLengthMasks, decode_box, empty_masks, encode_crop, stack

MARGIN_PX: Final = 16
"""Background around all masks of a bone that STAPLE sees; how much there is of it enters its prior."""


def load_simpleitk() -> Any:
    """The library, with one thread: the same input gives the same bytes.

    Raises:
        MachineError: it is not installed.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise MachineError("--method staple needs SimpleITK: pip install 'yolo-bones[staple]'") from error
    library: Any = SimpleITK
    library.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return library


def staple(opinions: Sequence[RunLengthMasks], simpleitk: Any, threshold: float = 0.5) -> RunLengthMasks:
    """Decide one image's 29 channels.

    Args:
        opinions: N batches of 29 masks, of one size.
        simpleitk: see `load_simpleitk`.
        threshold: a pixel is on where STAPLE's probability is more.
    """
    size = opinions[0].size
    found = []
    for bone in range(BONE_COUNT):
        masks = [batch[bone] for batch in opinions]
        boxes = np.concatenate([mask.boxes() for mask in masks if mask.areas()[0]] or [np.zeros((0, 4), np.int64)])
        if len(boxes) == 0:
            found.append(empty_masks(size))
            continue
        if all(mask.equals(masks[0]) for mask in masks):
            found.append(masks[0])
            continue
        top, left = (max(int(edge) - MARGIN_PX, 0) for edge in boxes[:, :2].min(axis=0))
        bottom, right = boxes[:, 2:].max(axis=0).tolist()
        bottom, right = min(bottom + MARGIN_PX, size.height), min(right + MARGIN_PX, size.width)
        planes = [decode_box(mask, top, left, bottom - top, right - left)[0].astype(np.uint8) for mask in masks]
        images = [simpleitk.GetImageFromArray(plane) for plane in planes]
        probability = simpleitk.GetArrayFromImage(simpleitk.STAPLE(images, 1.0))
        found.append(encode_crop(probability > threshold, top, left, size))
    return stack(size, found)
