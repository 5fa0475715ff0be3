"""points -> label text -> mask, exactly, and what an inset does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yolo_bones.annotations import Annotation
from yolo_bones.polygons import fill_polygon, inset_polygon, trace_mask
from yolo_bones.rle import ImageSize
from yolo_bones.yolo_labels import (
    annotation_to_label_line,
    label_line_to_points,
    label_text_to_outlines,
    outline_to_label_line,
    outlines_to_label_text,
)

SIZE = ImageSize(97, 61)


@st.composite
def outlines(draw: st.DrawFn) -> np.ndarray:
    """Star-shaped outlines of whole pixels inside a 97 x 61 image."""
    count = draw(st.integers(3, 30))
    radii = draw(st.lists(st.floats(2, 28), min_size=count, max_size=count))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack([30 + np.array(radii) * np.cos(angles), 45 + np.array(radii) * np.sin(angles)], axis=1)
    points = np.rint(points).astype(np.int32)
    assume(len(np.unique(points, axis=0)) >= 3)
    return points


def dense(points: np.ndarray, size: ImageSize = SIZE) -> np.ndarray:
    plane = np.zeros((size.height, size.width), np.uint8)
    cv2.fillPoly(plane, [points.reshape(-1, 1, 2)], 1)
    return plane.astype(bool)


def outside_of(mask: np.ndarray) -> np.ndarray:
    """Background that reaches the image's edge."""
    framed = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, parts = cv2.connectedComponents(framed, connectivity=4)
    return (parts == parts[0, 0])[1:-1, 1:-1]


@given(outlines())
def test_points_to_label_text_to_mask(points: np.ndarray) -> None:
    annotation = Annotation("Capitate", points)
    class_id, back = label_line_to_points(annotation_to_label_line(annotation, SIZE), SIZE)
    assert class_id == 21
    assert np.abs(back - points).max() < 1e-6
    assert (dense(np.rint(back).astype(np.int32)) == dense(points)).all()


@given(outlines())
def test_fill_inside_its_box_equals_fill_in_the_whole_image(points: np.ndarray) -> None:
    crop, top, left = fill_polygon(points, SIZE)
    whole = np.zeros((97, 61), bool)
    whole[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    assert (whole == dense(points)).all()


@given(outlines())
def test_tracing_a_filled_outline_gives_the_same_mask(points: np.ndarray) -> None:
    mask = dense(points)
    # A narrow inlet that the painted border closes leaves a hole, which tracing fills.
    without_holes = mask | ~outside_of(mask)
    parts, _ = cv2.connectedComponents(without_holes.astype(np.uint8), connectivity=8)
    assume(parts == 2)
    assert (dense(trace_mask(*fill_polygon(points, SIZE))) == without_holes).all()


def test_label_line_by_hand() -> None:
    triangle = Annotation("finger-2", np.array([[0, 0], [9, 0], [0, 19]], np.int32))
    line = annotation_to_label_line(triangle, ImageSize(height=20, width=10))
    # The centre of the first pixel lies half a pixel from the corner: 0.5 / 10 and 0.5 / 20.
    assert line == "1 0.050000000 0.025000000 0.950000000 0.025000000 0.050000000 0.975000000"


def test_outlines_are_not_rounded_and_lie_in_channel_order() -> None:
    """Continuous coordinates: the image's corner is 0, 0, and nothing is added to it."""
    outlines = {
        "Ulna": np.array([[0.0, 0.0], [61.0, 0.25], [30.123456, 97.0]]),
        "finger-1": np.full((3, 2), 12.3456789),
    }
    text = outlines_to_label_text(outlines, SIZE)
    assert [line.split()[0] for line in text.splitlines()] == ["0", "28"]
    assert text.splitlines()[1].split()[1:5] == ["0.000000000", "0.000000000", "1.000000000", "0.002577320"]
    back = label_text_to_outlines(text, SIZE)
    assert list(back) == ["finger-1", "Ulna"]
    for bone, outline in back.items():
        assert np.abs(outline - outlines[bone]).max() < 1e-7


def test_a_rounding_error_beyond_the_edge_stays_a_good_label() -> None:
    line = outline_to_label_line(4, np.array([[-1e-13, 5.0], [61.0 + 1e-12, 5.0], [30.0, 97.0 + 1e-12]]), SIZE)
    assert line == "4 0.000000000 0.051546392 1.000000000 0.051546392 0.491803279 1.000000000"
    label_line_to_points(line, SIZE)


def test_inset_moves_the_border_by_so_many_pixels() -> None:
    square = np.array([[10, 20], [50, 20], [50, 80], [10, 80]], np.float64)
    inner, done = inset_polygon(square, 1.5)
    assert done
    assert inner.min(axis=0).tolist() == [11.5, 21.5]
    assert inner.max(axis=0).tolist() == [48.5, 78.5]
    thin = np.array([[10, 20], [11, 20], [11, 80], [10, 80]], np.float64)
    assert (inset_polygon(thin, 1.5)[0] == thin).all()
    hourglass = np.array([[0, 0], [60, 0], [31, 50], [60, 100], [0, 100], [29, 50]], np.float64)
    kept, done = inset_polygon(hourglass, 1.5)
    assert not done
    assert (kept == hourglass).all()


@pytest.mark.parametrize("line", ["29 0 0 1 0 1 1", "x 0 0 1 0 1 1", "3 0 0 1 0 1", "3 0 0 1 0", "3 0 0 1 0 1 1.2"])
def test_bad_label_lines(line: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        label_line_to_points(line, SIZE)
