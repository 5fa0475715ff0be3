"""The manifest beside an output: what it was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from yolo_bones import __version__


def versions() -> dict[str, str]:
    """Versions of this package and of what its results depend on."""
    found = {"yolo_bones": __version__, "python": platform.python_version()}
    for package in ("ultralytics", "torch", "numpy", "opencv-python"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def build_manifest(
    command: str, settings: dict[str, Any], counts: dict[str, Any], warnings: list[str], **more: Any
) -> dict[str, Any]:
    """One manifest; no dates and no absolute paths, so that the same input gives the same bytes."""
    return {
        "command": command,
        "versions": versions(),
        "settings": settings,
        "counts": counts,
        "warnings": warnings,
        **more,
    }
