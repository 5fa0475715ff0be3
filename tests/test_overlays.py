"""Where two bones overlap, both tints and both outlines show."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones.overlays import FILL, bone_colours, draw_overlay
from yolo_bones.rle import ImageSize, empty_masks, encode

SIZE = ImageSize(60, 90)


def test_two_overlapping_squares() -> None:
    planes = np.zeros((29, 60, 90), bool)
    planes[25, 10:40, 10:50] = True
    planes[26, 20:50, 30:80] = True
    grey = np.full((60, 90), 100, np.uint8)
    drawn = draw_overlay(grey, encode(np.stack(planes)))
    first, second = (np.array(bone_colours()[index], float) for index in (25, 26))
    below = 100 + FILL * (first - 100)
    assert drawn[30, 40] == pytest.approx(below + FILL * (second - below), abs=1)
    assert drawn[15, 15] == pytest.approx(below, abs=1)
    assert drawn[55, 5].tolist() == [100, 100, 100]
    # The right border of the first square lies inside the second and is still drawn in its own colour.
    assert drawn[30, 49] == pytest.approx(first, abs=30)
    assert np.abs(drawn[30, 49] - drawn[30, 45].astype(float)).max() > 60


def test_colours_are_all_different() -> None:
    assert len(set(bone_colours())) == 29


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected masks of 90x60"):
        draw_overlay(np.zeros((90, 60), np.uint8), empty_masks(SIZE, 29))
