"""Masks as runs, and their algebra. Pure numpy; every function works on a whole batch of masks at once.

A run is a half-open range [start, end) of pixels in row-major (C) order, counted from 0. Two texts exist outside:

* row text, the submission's: row-major, `start length start length ...`, starts counted from 1;
* COCO counts: column-major, run lengths alternating off and on, beginning with off; compressed into ASCII.

Every function that reads or writes one of them has the convention in its name. A dense mask is made only where a caller
asks for one (`decode`, `decode_box`).
"""

from yolo_bones.rle._batch import ImageSize, Mask, RunLengthMasks, Runs, empty_masks, interleave, stack
from yolo_bones.rle._coco import coco_counts_to_masks, masks_to_coco_counts
from yolo_bones.rle._dense import decode, decode_box, encode, encode_crop, encode_enlarged_logits, encode_logits
from yolo_bones.rle._polygons import encode_polygons
from yolo_bones.rle._sweep import (
    MOST_TABLED_MODELS,
    areas_by_set,
    dice_matrix,
    difference,
    intersection,
    intersection_areas,
    iou_matrix,
    paired_intersection_areas,
    union,
    vote_by_table,
    vote_by_weight,
    vote_with_areas,
)
from yolo_bones.rle._text import RowTextError, longest_row_text, masks_to_row_texts, row_texts_to_masks
from yolo_bones.rle._transpose import transpose

__all__ = [
    "MOST_TABLED_MODELS",
    "ImageSize",
    "Mask",
    "RowTextError",
    "RunLengthMasks",
    "Runs",
    "areas_by_set",
    "coco_counts_to_masks",
    "decode",
    "decode_box",
    "dice_matrix",
    "difference",
    "empty_masks",
    "encode",
    "encode_crop",
    "encode_enlarged_logits",
    "encode_logits",
    "encode_polygons",
    "interleave",
    "intersection",
    "intersection_areas",
    "iou_matrix",
    "longest_row_text",
    "masks_to_coco_counts",
    "masks_to_row_texts",
    "paired_intersection_areas",
    "row_texts_to_masks",
    "stack",
    "transpose",
    "union",
    "vote_by_table",
    "vote_by_weight",
    "vote_with_areas",
]
