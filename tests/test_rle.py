"""Runs against a plain dense oracle; pycocotools only as the oracle of COCO counts.

`make fuzz` runs the same properties with many more examples (YOLO_BONES_EXAMPLES).
"""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as oracle

from yolo_bones.rle import (
    ImageSize,
    RowTextError,
    RunLengthMasks,
    areas_by_set,
    coco_counts_to_masks,
    decode,
    decode_box,
    dice_matrix,
    difference,
    empty_masks,
    encode,
    encode_crop,
    encode_enlarged_logits,
    encode_logits,
    interleave,
    intersection,
    intersection_areas,
    iou_matrix,
    longest_row_text,
    masks_to_coco_counts,
    masks_to_row_texts,
    row_texts_to_masks,
    stack,
    transpose,
    union,
    vote_by_table,
    vote_by_weight,
)

settings.register_profile(
    "properties",
    max_examples=int(os.environ.get("YOLO_BONES_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROPERTIES = settings.get_profile("properties")

SIDES = st.integers(1, 19)


def dense(count: st.SearchStrategy[int], shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """(M, H, W) masks: free ones, blocks that reach the edges, all on, all off."""

    def of(masks: int) -> st.SearchStrategy[np.ndarray]:
        whole = (masks, *shape)
        free = arrays(np.bool_, whole)
        rows = arrays(np.bool_, (masks, shape[0], 1)).map(lambda part: np.broadcast_to(part, whole).copy())
        columns = arrays(np.bool_, (masks, 1, shape[1])).map(lambda part: np.broadcast_to(part, whole).copy())
        plain = st.booleans().map(lambda on: np.full(whole, on))
        return st.one_of(free, rows, columns, plain)

    return count.flatmap(of)


SHAPES = st.tuples(SIDES, SIDES)
BATCHES = SHAPES.flatmap(lambda shape: dense(st.integers(1, 4), shape))
PAIRS = st.tuples(SHAPES, st.integers(1, 3)).flatmap(
    lambda drawn: st.tuples(dense(st.just(drawn[1]), drawn[0]), dense(st.just(drawn[1]), drawn[0]))
)
OPINIONS = st.tuples(SHAPES, st.integers(1, 3), st.integers(1, 19)).flatmap(
    lambda drawn: st.lists(dense(st.just(drawn[1]), drawn[0]), min_size=drawn[2], max_size=drawn[2])
)


def usual_text(mask: np.ndarray) -> bytes:
    """The encoder that circulates with the data set."""
    pixels = np.concatenate([[0], mask.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(value) for value in runs).encode()


def assert_canonical(masks: RunLengthMasks) -> None:
    RunLengthMasks(masks.size, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())


def test_row_text_by_hand() -> None:
    mask = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    # Row-major, from 1: pixels 2-3, pixel 5, and 8-10, which goes on from the end of row 2 into row 3.
    assert masks_to_row_texts(encode(mask)) == [b"2 2 5 1 8 3"]
    assert masks_to_row_texts(encode(np.zeros((2, 3), dtype=bool))) == [b""]
    assert masks_to_row_texts(encode(np.ones((2, 3), dtype=bool))) == [b"1 6"]


@PROPERTIES
@given(BATCHES)
def test_dense_text_and_back_is_the_identity(planes: np.ndarray) -> None:
    size = ImageSize(*planes.shape[1:])
    masks = encode(planes)
    assert_canonical(masks)
    assert masks.equals(encode(planes.astype(np.uint8) * 255))
    assert masks.equals(encode(planes.astype(np.float32)))
    assert (decode(masks) == planes).all()
    texts = masks_to_row_texts(masks)
    assert texts == [usual_text(plane) for plane in planes]
    assert row_texts_to_masks(texts, size).equals(masks)
    assert masks.areas().tolist() == planes.sum(axis=(1, 2)).tolist()
    assert stack(size, list(masks)).equals(masks)
    assert masks[1:].equals(encode(planes[1:])) if len(planes) > 1 else len(masks[1:]) == 0


@PROPERTIES
@given(BATCHES)
def test_coco_counts_equal_the_oracle(planes: np.ndarray) -> None:
    size = ImageSize(*planes.shape[1:])
    masks = encode(planes)
    expected = [oracle.encode(np.asfortranarray(plane.astype(np.uint8)))["counts"] for plane in planes]
    assert masks_to_coco_counts(masks) == expected
    assert coco_counts_to_masks(expected, size).equals(masks)


@PROPERTIES
@given(BATCHES)
def test_transposition_equals_the_dense_one(planes: np.ndarray) -> None:
    masks = encode(planes)
    turned = transpose(masks)
    assert turned.equals(encode(planes.transpose(0, 2, 1)))
    assert transpose(turned).equals(masks)


@PROPERTIES
@given(BATCHES)
def test_boxes_equal_the_dense_ones(planes: np.ndarray) -> None:
    for plane, box in zip(planes, encode(planes).boxes().tolist(), strict=True):
        rows, columns = np.nonzero(plane)
        expected = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] if len(rows) else [0, 0, 0, 0]
        assert box == expected


@PROPERTIES
@given(PAIRS)
def test_algebra_equals_the_dense_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    runs_a, runs_b = encode(a), encode(b)
    assert union(runs_a, runs_b).equals(encode(a | b))
    assert intersection(runs_a, runs_b).equals(encode(a & b))
    assert difference(runs_a, runs_b).equals(encode(a & ~b))
    shared = (a & b).sum(axis=(1, 2))
    assert intersection_areas(runs_a, runs_b).tolist() == shared.tolist()
    assert intersection_areas(runs_b, runs_a).tolist() == shared.tolist()


@PROPERTIES
@given(PAIRS)
def test_matrices_equal_the_dense_ones(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    iou, dice = iou_matrix(encode(a), encode(b)), dice_matrix(encode(a), encode(b))
    for row, first in enumerate(a):
        for column, second in enumerate(b):
            shared, both, either = (first & second).sum(), first.sum() + second.sum(), (first | second).sum()
            assert iou[row, column] == (shared / either if either else 1.0)
            assert dice[row, column] == (2 * shared / both if both else 1.0)
    assert (dice == dice_matrix(encode(b), encode(a)).T).all()


@PROPERTIES
@given(OPINIONS, st.data())
def test_votes_equal_the_dense_ones(opinions: list[np.ndarray], data: st.DataObject) -> None:
    models, groups = len(opinions), len(opinions[0])
    masks = interleave([encode(planes) for planes in opinions])
    weights = np.array(data.draw(st.lists(st.integers(0, 9), min_size=groups * models, max_size=groups * models)))
    weights = weights.reshape(groups, models).astype(np.int64)
    limits = np.array(data.draw(st.lists(st.integers(0, 40), min_size=groups, max_size=groups)), dtype=np.int64)
    summed = sum(planes * weights[:, model, None, None] for model, planes in enumerate(opinions))
    expected = encode(summed > limits[:, None, None])
    found = vote_by_weight(masks, models, weights, limits)
    assert_canonical(found)
    assert found.equals(expected)
    order = data.draw(st.permutations(range(models)))
    shuffled = interleave([encode(opinions[model]) for model in order])
    assert vote_by_weight(shuffled, models, weights[:, list(order)], limits).equals(expected)
    if models <= 8:
        member = (np.arange(1 << models)[:, None] >> np.arange(models)) & 1
        table = member @ weights.T > limits
        assert vote_by_table(masks, models, np.ascontiguousarray(table.T)).equals(expected)
    ones, none = np.ones((groups, models), np.int64), np.zeros(groups, np.int64)
    assert vote_by_weight(masks, models, ones, none).equals(encode(np.any(opinions, axis=0)))
    assert vote_by_weight(masks, models, ones, none + models - 1).equals(encode(np.all(opinions, axis=0)))


@PROPERTIES
@given(OPINIONS)
def test_areas_by_set_equal_the_dense_ones(opinions: list[np.ndarray]) -> None:
    opinions = opinions[:5]
    found = areas_by_set(interleave([encode(planes) for planes in opinions]), len(opinions))
    code = sum(planes.astype(int) << model for model, planes in enumerate(opinions))
    for row, plane in zip(found, code, strict=True):
        expected = np.bincount(plane.reshape(-1), minlength=1 << len(opinions))
        expected[0] = 0
        assert row.tolist() == expected.tolist()


@PROPERTIES
@given(BATCHES, st.data())
def test_regions_and_crops(planes: np.ndarray, data: st.DataObject) -> None:
    height, width = planes.shape[1:]
    top, left = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    down, across = data.draw(st.integers(0, height - top)), data.draw(st.integers(0, width - left))
    masks = encode(planes)
    region = decode_box(masks, top, left, down, across)
    assert (region == planes[:, top : top + down, left : left + across]).all()
    kept = np.zeros_like(planes)
    kept[:, top : top + down, left : left + across] = region
    crops = stack(masks.size, [encode_crop(crop, top, left, masks.size) for crop in region])
    assert crops.equals(encode(kept))
    logits = np.where(region, 0.25, np.where(np.indices(region.shape)[2] % 2, np.nan, -3.0)).astype(np.float32)
    assert stack(masks.size, [encode_logits(crop, top, left, masks.size) for crop in logits]).equals(crops)


@pytest.mark.parametrize("shape", [(96, 144), (50, 70)])
def test_enlarged_logits_equal_resizing_the_whole(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(3)
    maps = generator.normal(-1.5, 1.0, (6, 24, 36)).astype(np.float32)
    maps = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.5) for plane in maps])
    maps[0, :4, :5] = 3.0
    maps[1, -2:, -3:] = 3.0
    maps[2] = -9.0
    wide = np.stack([cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_LINEAR) for plane in maps])
    assert encode_enlarged_logits(maps, ImageSize(*shape), -1.4).equals(encode(wide > -1.4))


def hands(seed: int, size: ImageSize, masks: int) -> np.ndarray:
    """Blobs of the size of bones, some at the edges, some that wrap from row to row."""
    generator = np.random.default_rng(seed)
    planes = np.zeros((masks, size.height, size.width), np.uint8)
    for plane in planes:
        centre = tuple(int(value) for value in generator.integers(0, (size.width, size.height)))
        axes = tuple(int(value) for value in generator.integers(20, 400, 2))
        cv2.ellipse(plane, centre, axes, float(generator.uniform(0, 180)), 0, 360, 1, -1)
    return planes.astype(bool)


def test_nine_models_at_3060() -> None:
    size = ImageSize(3060, 3060)
    models = [hands(seed, size, 3) for seed in range(9)]
    for planes in models:
        planes[2] |= hands(99, size, 1)[0]
    masks = interleave([encode(planes) for planes in models])
    votes = np.sum(models, axis=0)
    for least in (1, 5, 9):
        expected = encode(votes >= least)
        by_weight = vote_by_weight(masks, 9, np.full((3, 9), 7, np.int64), np.full(3, 7 * least - 1, np.int64))
        assert by_weight.equals(expected)
        table = np.bitwise_count(np.arange(512)) >= least
        assert vote_by_table(masks, 9, table).equals(expected)
        assert row_texts_to_masks(masks_to_row_texts(expected), size).equals(expected)
        counts = masks_to_coco_counts(expected)
        assert counts == [
            oracle.encode(np.asfortranarray(plane.astype(np.uint8)))["counts"] for plane in votes >= least
        ]
        assert coco_counts_to_masks(counts, size).equals(expected)


def test_sixty_four_megapixels() -> None:
    size = ImageSize(8192, 8191)
    last = size.pixels
    masks = row_texts_to_masks([b"1 %d" % last, b"%d 1" % last, b"", b"1 1 8192 16382 %d 2" % (last - 1)], size)
    assert masks.areas().tolist() == [last, 1, 0, 16385]
    assert row_texts_to_masks(masks_to_row_texts(masks), size).equals(masks)
    counts = masks_to_coco_counts(masks)
    decoded = [oracle.area({"size": [size.height, size.width], "counts": text}) for text in counts]
    assert decoded == [last, 1, 0, 16385]
    assert coco_counts_to_masks(counts, size).equals(masks)
    both = interleave([masks] * 20)
    assert vote_by_weight(both, 20, np.ones((4, 20), np.int64), np.full(4, 10, np.int64)).equals(masks)
    assert vote_by_table(interleave([masks] * 16), 16, np.arange(65536) > 255).equals(masks)


def test_batch_is_read_only_and_checked() -> None:
    size = ImageSize(3, 5)
    batch = encode(np.stack([np.zeros((3, 5), bool), np.eye(3, 5, dtype=bool), np.ones((3, 5), bool)]))
    assert batch.areas().tolist() == [0, 3, 15]
    assert np.diff(batch.offsets).tolist() == [0, 3, 1]
    assert batch[-1].areas().tolist() == [15]
    with pytest.raises(ValueError, match="read-only"):
        batch.starts[0] = 1
    with pytest.raises(ValueError, match="do not touch"):
        RunLengthMasks(size, np.array([0, 3], np.int32), np.array([3, 5], np.int32), np.array([0, 2]))
    with pytest.raises(ValueError, match="inside 3x5"):
        RunLengthMasks(size, np.array([14], np.int32), np.array([16], np.int32), np.array([0, 1]))
    with pytest.raises(ValueError, match="ascending offsets"):
        RunLengthMasks(size, np.array([1], np.int32), np.array([2], np.int32), np.array([0, 2]))
    with pytest.raises(IndexError, match="below 3"):
        batch[3]
    with pytest.raises(ValueError, match="of 3x5, got 5x3"):
        stack(size, [batch, empty_masks(ImageSize(5, 3))])
    with pytest.raises(ValueError, match="inside 3x5"):
        encode_crop(np.ones((2, 2), bool), 2, 0, size)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"1 2 3", "even count"),
        (b"17", "even count"),
        (b"0 5", "start 0"),
        (b"5 0", "length 0"),
        (b"-5 3", "whole numbers"),
        (b"+5 3", "whole numbers"),
        (b"1.0 5.0", "whole numbers"),
        (b"1e1 5", "whole numbers"),
        (b"1  5", "whole numbers"),
        (b" 1 5", "whole numbers"),
        (b"1 5 ", "whole numbers"),
        (b"1\t5", "whole numbers"),
        (b"1\x005 3", "whole numbers"),
        ("\u0661 5".encode(), "whole numbers"),
        (b"\xff 5", "whole numbers"),
        (b"1 " + b"9" * 30, "whole numbers"),
        (b"9 5 1 2", "unsorted"),
        (b"1 10 5 10", "overlapping"),
        (b"1 1 1 1", "overlapping"),
        (b"19 3", "ends at 21"),
        (b"21 1", "ends at 21"),
        (b"99999999 99999999", "ends at 199999997"),
        (b"1 1 " * 40 + b"1 1", "at most"),
    ],
)
def test_bad_row_text_says_what_is_wrong(text: bytes, says: str) -> None:
    size = ImageSize(4, 5)
    for texts, index in (([text], 0), ([b"", b"1 2", text, b"3 1"], 2)):
        with pytest.raises(RowTextError, match=says) as caught:
            row_texts_to_masks(texts, size)
        assert [fault[0] for fault in caught.value.faults] == [index]


def test_longest_row_text_is_enough() -> None:
    for size in (ImageSize(1, 1), ImageSize(3, 5), ImageSize(40, 25)):
        noise = np.arange(size.pixels).reshape(size.height, size.width) % 2 == 0
        (text,) = masks_to_row_texts(encode(noise))
        assert len(text) <= longest_row_text(size)


def test_touching_runs_are_joined() -> None:
    masks = row_texts_to_masks([b"1 2 3 2 9 1", b"", b"5 1 6 1 7 14"], ImageSize(4, 5))
    assert_canonical(masks)
    assert masks_to_row_texts(masks) == [b"1 4 9 1", b"", b"5 16"]


@pytest.mark.parametrize("counts", [b"", b"~", b"0", b"P", b"o" * 12, b"52", b"\xff", b"`o~~~~~~~~~~o", b"000d0N"])
def test_bad_coco_counts_are_a_value_error(counts: bytes) -> None:
    with pytest.raises(ValueError, match=r"counts 1: expected"):
        coco_counts_to_masks([b"d0", counts], ImageSize(4, 5))


def test_zero_counts_inside_are_dropped() -> None:
    # 3 off, 4 on, 0 off, 5 on, 8 off: pycocotools writes such counts when it merges.
    counts = oracle.frPyObjects({"size": [4, 5], "counts": [3, 4, 0, 5, 8]}, 4, 5)["counts"]
    masks = coco_counts_to_masks([counts], ImageSize(4, 5))
    assert_canonical(masks)
    assert decode(masks)[0].T.reshape(-1).tolist() == [False] * 3 + [True] * 9 + [False] * 8
