"""Ultralytics, imported quietly: offline, nothing installed, no analytics, private settings, safe loading on.

Call `prepare()` before anything of ultralytics is imported; `detector.weights` does so itself.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from yolo_bones.errors import MachineError
from yolo_bones.files import private_folder

SWITCHES: Final = {
    "ULTRALYTICS_SAFE_LOAD": "1",
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "False",
}
WAITING: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Unless the user says otherwise torch's threads sleep while they wait for one another.

By default they spin: an image took 16.9 s on two cores that other programs kept busy, and 0.7 s when waiting so; on
idle ones 0.30 and 0.37 s.
"""


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
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    if "YOLO_CONFIG_DIR" not in os.environ:
        os.environ["YOLO_CONFIG_DIR"] = str(private_folder("yolo_bones-settings-"))
