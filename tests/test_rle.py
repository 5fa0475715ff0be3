"""Runs against dense masks; pycocotools only as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as oracle

from yolo_bones.rle import (
    ImageSize,
    RunLengthMasks,
    coco_counts_to_runs,
    decode,
    encode,
    encode_crop,
    intersection_area,
    row_text_to_runs,
    runs_to_coco_counts,
    runs_to_row_text,
    stack_runs,
)

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=17))
PAIRS = array_shapes(min_dims=2, max_dims=2, max_side=13).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


def test_row_text_by_hand() -> None:
    mask = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    # Row-major, from 1: pixels 2-3, pixel 5, and 8-10, which goes on from the end of row 2 into row 3.
    assert runs_to_row_text(*encode(mask)) == "2 2 5 1 8 3"
    assert runs_to_row_text(*encode(np.zeros((2, 3), dtype=bool))) == ""
    assert runs_to_row_text(*encode(np.ones((2, 3), dtype=bool))) == "1 6"


@given(MASKS)
def test_mask_to_text_to_mask(mask: np.ndarray) -> None:
    size = ImageSize(*mask.shape)
    text = runs_to_row_text(*encode(mask))
    assert (decode(*row_text_to_runs(text, size), size) == mask).all()


@given(MASKS)
def test_runs_are_canonical(mask: np.ndarray) -> None:
    starts, ends = encode(mask)
    assert (starts < ends).all()
    assert (ends[:-1] < starts[1:]).all()
    assert int((ends - starts).sum()) == mask.sum()


@given(MASKS)
def test_coco_counts_equal_the_oracle(mask: np.ndarray) -> None:
    size = ImageSize(*mask.shape)
    expected = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode("ascii")
    runs = encode(mask)
    assert runs_to_coco_counts(*runs, size) == expected
    back = coco_counts_to_runs(expected, size)
    assert all((a == b).all() for a, b in zip(back, runs, strict=True))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_coco_counts_of_large_masks(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = np.repeat(np.repeat(generator.random((7, 5)) < 0.4, 61, axis=0), 83, axis=1)
    size = ImageSize(*mask.shape)
    expected = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode("ascii")
    assert runs_to_coco_counts(*encode(mask), size) == expected
    assert (decode(*coco_counts_to_runs(expected, size), size) == mask).all()


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_crop_lands_in_its_place(mask: np.ndarray, top: int, left: int, below: int, right: int) -> None:
    whole = np.pad(mask, ((top, below), (left, right)))
    found = encode_crop(mask, top, left, ImageSize(*whole.shape))
    assert all((a == b).all() for a, b in zip(found, encode(whole), strict=True))


@given(PAIRS)
def test_intersection_equals_the_dense_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    assert intersection_area(encode(a), encode(b)) == int((a & b).sum())
    assert intersection_area(encode(b), encode(a)) == int((a & b).sum())


def test_batch_is_read_only_and_checked() -> None:
    size = ImageSize(3, 5)
    masks = [np.zeros((3, 5), bool), np.eye(3, 5, dtype=bool), np.ones((3, 5), bool)]
    batch = stack_runs(size, [encode(mask) for mask in masks])
    assert batch.areas().tolist() == [0, 3, 15]
    assert [len(batch.runs(index)[0]) for index in range(3)] == [0, 3, 1]
    assert batch[1].areas().tolist() == [3]
    with pytest.raises(ValueError, match="read-only"):
        batch.starts[0] = 1
    with pytest.raises(ValueError, match="do not touch"):
        RunLengthMasks(size, np.array([0, 3], np.int32), np.array([3, 5], np.int32), np.array([0, 2]))
    with pytest.raises(ValueError, match="inside 3x5"):
        RunLengthMasks(size, np.array([14], np.int32), np.array([16], np.int32), np.array([0, 1]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3", "even count"),
        ("17", "even count"),
        ("0 5", "start 0"),
        ("5 0", "length 0"),
        ("-5 3", "whole numbers"),
        ("1.0 5.0", "whole numbers"),
        ("1  5", "whole numbers"),
        ("1 5 ", "whole numbers"),
        ("\u0661 5", "whole numbers"),
        ("1 " + "9" * 30, "whole numbers"),
        ("9 5 1 2", "unsorted"),
        ("1 10 5 10", "overlapping"),
        ("19 3", "ends at 21"),
    ],
)
def test_bad_row_text_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        row_text_to_runs(text, ImageSize(4, 5))


def test_touching_runs_are_joined() -> None:
    starts, ends = row_text_to_runs("1 2 3 2 9 1", ImageSize(4, 5))
    assert runs_to_row_text(starts, ends) == "1 4 9 1"


@pytest.mark.parametrize("counts", ["", "~", "0", "P", "oooooooooooo", "52"])
def test_bad_coco_counts_are_a_value_error(counts: str) -> None:
    with pytest.raises(ValueError, match=r"counts|number"):
        coco_counts_to_runs(counts, ImageSize(4, 5))
