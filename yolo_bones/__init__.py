"""Bone segmentation of hand radiographs with YOLOv8-seg: 29 overlapping bones, from points to run lengths."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("yolo-bones")
except PackageNotFoundError:
    __version__ = "0.3.0"

__all__ = ["__version__"]
