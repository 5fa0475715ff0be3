"""Commands that turn one format into another: `python -m converters.<from>_to_<to> RAW OUT`.

The logic is in yolo_bones.
"""
