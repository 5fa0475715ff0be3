"""Commands that turn one format into another: `python -m converters.<from>_to_<to> RAW OUT`.

The logic is in yolo_bones.
"""

import yolo_bones  # noqa: F401 first of all: it answers interrupts while libraries load
