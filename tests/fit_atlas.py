"""Fit the outlines of `phantom/atlas.py` to the measured population; prints the module's numbers.

    PYTHONPATH=. python tests/fit_atlas.py [--targets FILE] > yolo_bones/phantom/atlas.json

Every bone starts from a drawing made after the anatomical textbooks (`DRAWN`) and is changed as little as possible so
that its ten slice widths, length and width are the population's, and so that neighbours overlap in projection as they
do in real hands. Gauss-Newton on plain polygons; `tests/calibrate_phantom.py` corrects what the third dimension and the
variation between patients add.
"""
