"""Several outlines of one bone made one."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from yolo_bones.bone_parts import join_parts
from yolo_bones.polygons import IntegerPoints, fill_polygon
from yolo_bones.rle import ImageSize

SIZE = ImageSize(90, 120)


def box(left: int, right: int, top: int = 20, bottom: int = 30) -> IntegerPoints:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.int32)


def filled(points: IntegerPoints) -> np.ndarray:
    plane = np.zeros((SIZE.height, SIZE.width), dtype=bool)
    crop, top, left = fill_polygon(points, SIZE)
    plane[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return plane


def test_parts_are_joined_in_any_order_to_exactly_what_they_fill() -> None:
    bar = box(55, 65, 20, 70)
    clasp = np.array([[20, 20], [60, 20], [60, 30], [30, 30], [30, 60], [60, 60], [60, 70], [20, 70]], dtype=np.int32)
    for parts in ([box(20, 30), box(50, 60), box(25, 55)], [clasp, bar], [box(20, 60, 20, 60), box(30, 40, 30, 40)]):
        wanted = np.logical_or.reduce([filled(part) for part in parts])
        for order in permutations(parts):
            outline, _ = join_parts(order, SIZE)
            assert outline is not None
            assert (filled(outline) == wanted).all()
    assert not filled(join_parts([clasp, bar], SIZE)[0])[45, 45], "the hole between them is kept"


def test_the_first_part_that_lies_apart_is_told() -> None:
    assert join_parts([box(20, 30), box(28, 40), box(60, 70), box(80, 90)], SIZE) == (None, 2)
    assert join_parts([box(20, 30), box(31, 40)], SIZE) == (None, 1), "side by side they share no pixel"
