"""A mask and its outline tell the same pixels: holes by slits over the mask, parts by counted bridges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from yolo_bones.annotations import Annotation
from yolo_bones.mask_outlines import MOST_PIECES, MaskOutline, OutlineError, outline_of_mask, outline_of_runs, pieces
from yolo_bones.polygons import fill_polygon, mend_points
from yolo_bones.rle import ImageSize, encode

SIZE = ImageSize(11, 17)


def drawn(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows])


def plane_of(points: np.ndarray, size: ImageSize) -> np.ndarray:
    plane = np.zeros((size.height, size.width), dtype=bool)
    crop, top, left = fill_polygon(points, size)
    plane[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return plane


def outlined(mask: np.ndarray, top: int = 1, left: int = 2) -> tuple[MaskOutline, np.ndarray, np.ndarray]:
    """The outline of a mask at a place, what it fills, and the mask in the image."""
    plane = np.zeros((SIZE.height, SIZE.width), dtype=bool)
    plane[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    outline = outline_of_mask(mask, top, left, SIZE)
    return outline, plane_of(outline.points, SIZE), plane


def test_a_rectangle_has_its_four_corners() -> None:
    outline, filled, plane = outlined(np.ones((3, 5), dtype=bool))
    assert sorted(outline.points.tolist()) == [[2, 1], [2, 3], [6, 1], [6, 3]]
    assert (filled == plane).all()
    assert dict(pieces(outline)) == {}


def test_a_hole_stays_open_and_costs_no_pixel() -> None:
    ring = drawn("#####", "#...#", "#.#.#", "#...#", "#####")
    ring[2, 2] = False
    outline, filled, plane = outlined(ring)
    assert (filled == plane).all()
    assert (outline.parts, outline.holes, outline.added_px, outline.lost_px) == (1, 1, 0, 0)


def test_holes_above_each_other_and_side_by_side_stay_open() -> None:
    mask = drawn("#########", "##..#.#.#", "#########", "#.##.####", "#..######", "#########", "####.#.##", "#########")
    outline, filled, plane = outlined(mask)
    assert (filled == plane).all()
    # Two holes that touch by a corner are two.
    assert outline.holes == 7
    assert outline.added_px == 0


def test_parts_are_joined_by_the_shortest_bridges() -> None:
    mask = drawn("##...##", "##...##", ".......", "##.....", "##.....")
    outline, filled, plane = outlined(mask)
    # Three pixels to the right-hand part, one down to the lower one; never the diagonal.
    assert (outline.parts, outline.added_px, outline.lost_px) == (3, 4, 0)
    assert (filled & plane == plane).all()
    assert (filled & ~plane).sum() == 4
    assert dict(pieces(outline)) == {"joined_parts": 2, "added_px": 4}


def test_parts_that_touch_by_a_corner_are_one() -> None:
    outline, filled, plane = outlined(drawn("##..", "##..", "..##", "..##"))
    assert (filled == plane).all()
    assert outline.parts == 1


@pytest.mark.parametrize("mask", [drawn("#"), drawn("####"), drawn("#", "#", "#"), drawn("#..", ".#.", "..#")])
@pytest.mark.parametrize("corner", ["low", "high"])
def test_a_dot_or_a_line_becomes_an_area_inside_the_image(mask: np.ndarray, corner: str) -> None:
    top, left = (0, 0) if corner == "low" else (SIZE.height - mask.shape[0], SIZE.width - mask.shape[1])
    outline, filled, plane = outlined(mask, top, left)
    assert (filled & plane == plane).all()
    assert outline.added_px == (filled & ~plane).sum()
    assert 1 <= outline.added_px <= 2
    Annotation("Radius", outline.points)
    assert np.linalg.matrix_rank(outline.points - outline.points[0]) == 2


@given(arrays(np.bool_, st.tuples(st.integers(1, 10), st.integers(1, 15)), elements=st.booleans()), st.data())
@settings(deadline=None, max_examples=300)
def test_any_mask_comes_back_but_for_counted_pixels(mask: np.ndarray, data: st.DataObject) -> None:
    if not mask.any():
        with pytest.raises(ValueError, match="at least one pixel"):
            outline_of_mask(mask, 0, 0, SIZE)
        return
    top = data.draw(st.integers(0, SIZE.height - mask.shape[0]))
    left = data.draw(st.integers(0, SIZE.width - mask.shape[1]))
    outline, filled, plane = outlined(mask, top, left)
    assert outline.lost_px == 0
    assert (filled & plane == plane).all()
    assert outline.added_px == (filled & ~plane).sum()
    rank = np.linalg.matrix_rank(np.argwhere(mask) - np.argwhere(mask)[0])
    if outline.parts == 1 and rank == 2:
        assert outline.added_px == 0
    # Readers find nothing to mend: no repeats, no closing point, nothing outside.
    mended, repairs = mend_points(outline.points.astype(np.float64), SIZE)
    assert not repairs
    assert (mended == outline.points).all()


def test_runs_are_outlined_where_they_lie() -> None:
    plane = np.zeros((SIZE.height, SIZE.width), dtype=bool)
    plane[4:9, 16] = plane[8:11, 10:17] = True
    assert (plane_of(outline_of_runs(encode(plane)).points, SIZE) == plane).all()
    with pytest.raises(ValueError, match="at least one pixel"):
        outline_of_runs(encode(np.zeros_like(plane)))


def test_noise_is_refused() -> None:
    noise = np.zeros((90, 2 * MOST_PIECES // 30 + 2), dtype=bool)
    noise[::2, ::2] = True
    with pytest.raises(OutlineError, match="parts"):
        outline_of_mask(noise, 0, 0, ImageSize(100, 200))
    sieve = np.ones((93, noise.shape[1] + 1), dtype=bool)
    sieve[1:91, 1:] &= ~noise
    sieve[:, -1] = True
    with pytest.raises(OutlineError, match="holes"):
        outline_of_mask(sieve, 0, 0, ImageSize(100, 200))
