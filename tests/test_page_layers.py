"""Packed runs of a page: round trips, streams computed by hand, broken texts. Never square."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.rectangle_hands import hand_masks
from yolo_bones.page.layers import pack_layers, unpack_layers
from yolo_bones.rle import ImageSize, RunLengthMasks, empty_masks, encode

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 11))


def masks_of(size: ImageSize, *runs: list[tuple[int, int]]) -> RunLengthMasks:
    """Masks from (start, length) of each run."""
    starts = np.array([start for mask in runs for start, _ in mask], dtype=np.int32)
    lengths = np.array([length for mask in runs for _, length in mask], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, runs)], dtype=np.int64)
    return RunLengthMasks(size, starts, starts + lengths, offsets)


def stream_of(text: str) -> list[int]:
    return list(zlib.decompress(base64.b64decode(text), wbits=-15))


def text_of(*stream: int) -> str:
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(bytes(stream)) + packer.flush()).decode()


@given(SIZES.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_what_was_packed_comes_back_exactly(planes: np.ndarray) -> None:
    masks = encode(planes)
    assert unpack_layers(pack_layers(masks), masks.size, len(masks)).equals(masks)


@given(st.lists(st.integers(0, 2**31 - 3), max_size=6), st.lists(st.integers(1, 2**31), max_size=6))
def test_starts_and_lengths_of_any_size_come_back(starts: list[int], lengths: list[int]) -> None:
    """One run a mask, in an image of as many pixels as there may be."""
    size = ImageSize(1, 2**31 - 1)
    runs = [[(start, min(length, size.pixels - start))] for start, length in zip(starts, lengths, strict=False)]
    masks = masks_of(size, *runs)
    assert unpack_layers(pack_layers(masks), size, len(runs)).equals(masks)


def test_the_stream_is_the_one_of_the_contract() -> None:
    """3 x 4: a run below another, 1 longer; an empty mask; one pixel; a run that begins 1 to the left, 1 shorter."""
    masks = masks_of(ImageSize(3, 4), [(1, 2), (5, 3)], [], [(0, 1)], [(1, 2), (4, 1)])
    counts, starts, lengths = [2, 0, 1, 2], [1, 0, 0, 1, 1], [2, 2, 1, 2, 1]
    assert stream_of(pack_layers(masks)) == counts + starts + lengths


def test_numbers_above_127_take_more_bytes_lowest_first() -> None:
    masks = masks_of(ImageSize(20, 40), [(300, 200)])
    assert stream_of(pack_layers(masks)) == [1, 0xAC, 0x02, 0xC8, 0x01]


def test_a_real_hand_takes_few_bytes() -> None:
    masks = hand_masks(tilt_deg=20.0)
    text = pack_layers(masks)
    assert unpack_layers(text, masks.size).equals(masks)
    assert len(text) < len(masks.starts)


def test_no_masks_and_empty_masks_are_kept() -> None:
    size = ImageSize(5, 3)
    for count in (0, 1, 29):
        masks = empty_masks(size, count)
        assert unpack_layers(pack_layers(masks), size, count).equals(masks)


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        base64.b64encode(b"\xff\xff\xff").decode(),
        pack_layers(hand_masks())[:400],
        text_of(1, 0x80),
        text_of(1, 0, 1, 0),
        text_of(1, 0),
        text_of(*[0xFF] * 6, 0),
        text_of(2, 0, 0, 1, 1),
        text_of(1, 59, 2),
        text_of(),
    ],
    ids=[
        "letters",
        "no deflate stream",
        "cut",
        "a number cut",
        "a number too many",
        "a number too few",
        "a number too long",
        "runs that overlap",
        "a run beyond the image",
        "nothing",
    ],
)
def test_a_broken_text_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected"):
        unpack_layers(text, ImageSize(6, 10), 1)
