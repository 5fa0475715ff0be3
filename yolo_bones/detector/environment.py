"""Ultralytics, imported quietly: offline, nothing installed, no analytics, private settings, safe loading on.

Call `prepare()` before anything of ultralytics is imported; `detector.weights` does so itself.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import Final

from yolo_bones.errors import MachineError

SWITCHES: Final = {
    "ULTRALYTICS_SAFE_LOAD": "1",
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "False",
}


def prepare() -> None:
    """Set the switches that ultralytics reads while it is imported.

    Raises:
        MachineError: ultralytics was imported before, with safe loading off.
    """
    if "ultralytics" in sys.modules:
        utils = sys.modules.get("ultralytics.utils")
        if utils is not None and not getattr(utils, "SAFE_LOAD", False):
            raise MachineError("ultralytics was imported with safe loading off; import yolo_bones.detector first")
        return
    os.environ.update(SWITCHES)
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="yolo_bones-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = folder
