"""Bone segmentation of hand radiographs with YOLOv8-seg: 29 overlapping bones, from points to run lengths."""

from yolo_bones.startup import answer_interrupts_at_once

__version__ = "0.7.0"

__all__ = ["__version__"]

answer_interrupts_at_once()
