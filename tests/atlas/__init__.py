"""Development tool: fits `yolo_bones/phantom/atlas.py` to the statistics of real hands; see `calibrate`."""
