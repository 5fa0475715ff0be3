"""Bone segmentation of hand radiographs with YOLOv8-seg: 29 overlapping bones, from points to run lengths."""

__version__ = "0.5.0"

__all__ = ["__version__"]
