"""Soft channels: probabilities inside each bone's box, one small file an image, for ensembles of any networks.

    from yolo_bones import soft
    soft.write(folder, "image1661392103627.png", probabilities)     # (29, H, W), 0 to 1, the image's own resolution

The format is three arrays in numpy's own zip; without this package it is written so:

    boxes, pixels = np.zeros((29, 4), np.int32), []
    for bone, plane in enumerate(probabilities):
        levels = np.ceil(255 * plane - 0.5).astype(np.uint8)
        rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
        if len(rows):
            top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
            boxes[bone] = top, left, bottom - top, right - left
            pixels.append(levels[top:bottom, left:right].ravel())
    size = np.array(probabilities.shape[1:], np.int32)
    levels = np.concatenate([np.zeros(0, np.uint8), *pixels])
    np.savez_compressed(folder / f"{image_name}.npz", size=size, boxes=boxes, levels=levels)

Level v is the probability v / 255; outside its box a bone's probability is 0. A folder of such files is read wherever a
table of run lengths is: as masks of what lies above one half (level 128), or by `ensemble_rle` as probabilities.
"""

from yolo_bones.rle_table._soft import (
    SoftCrop,
    SoftRows,
    SoftTable,
    levels_of_logits,
    levels_of_probabilities,
)
from yolo_bones.rle_table._soft import read_soft as read
from yolo_bones.rle_table._soft import write_soft as write
from yolo_bones.rle_table._soft import write_soft_crops as write_crops

__all__ = [
    "SoftCrop",
    "SoftRows",
    "SoftTable",
    "levels_of_logits",
    "levels_of_probabilities",
    "read",
    "write",
    "write_crops",
]
