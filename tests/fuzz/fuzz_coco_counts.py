"""Fuzz target: COCO's compressed counts. Input: three bytes for size and number of texts, then a text a line."""

from __future__ import annotations

import itertools
import random
import re
from typing import Final

import numpy as np
from harness import change_bytes, fuzz, instrumented

with instrumented(__name__):
    from yolo_bones.rle import (
        ImageSize,
        RunLengthMasks,
        coco_counts_to_masks,
        decode,
        masks_to_coco_counts,
    )

LARGE: Final = ((8192, 8191), (46340, 46340), (65535, 32768), (32768, 65535), (40000, 26843), (1, 65535), (65535, 1))
"""No side is longer than what a parquet table may hold: the time grows with the longer side."""
LONGEST: Final = 2048
LONGEST_IF_LARGE: Final = 64
"""A column of a large image may become a run a row."""


def read_header(data: bytes) -> tuple[ImageSize, int, bytes]:
    """(size, number of texts, the texts)."""
    first, second, third = data[:3].ljust(3, b"\0")
    if third >= 250:
        return ImageSize(*LARGE[first % len(LARGE)]), third % 5 + 1, data[3 : 3 + LONGEST_IF_LARGE]
    return ImageSize(first % 24 + 1, second % 24 + 1), third % 5 + 1, data[3:]


def plain_counts(text: bytes, size: ImageSize) -> list[int] | None:
    """Counts of a text as it writes them; None for a text that is not valid."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        number = characters = 0
        more = True
        while more:
            if place == len(text) or not 48 <= text[place] < 48 + 64 or characters == 7:
                return None
            bits = text[place] - 48
            number |= (bits & 31) << (5 * characters)
            more = bool(bits & 32)
            characters += 1
            place += 1
        if bits & 16:
            number -= 1 << (5 * characters)
        if len(counts) > 2:
            number += counts[-2]
        counts.append(number)
    if not counts or min(counts) < 0 or sum(counts) != size.pixels:
        return None
    return counts


def plain_text(counts: list[int]) -> bytes:
    """COCO's code of counts."""
    text = bytearray()
    for index, count in enumerate(counts):
        number = count - counts[index - 2] if index > 2 else count
        while True:
            bits = number & 31
            number >>= 5
            done = number == (-1 if bits & 16 else 0)
            text.append(48 + bits + (0 if done else 32))
            if done:
                break
    return bytes(text)


def without_zeros(counts: list[int]) -> list[int]:
    """The same mask with no count of 0 but the first."""
    found = [0]
    for index, count in enumerate(counts):
        if count and index % 2 != (len(found) - 1) % 2:
            found.append(count)
        elif count:
            found[-1] += count
    return found


def of_counts(header: bytes, *texts: list[int]) -> bytes:
    return header + b"\n".join(map(plain_text, texts))


SEEDS: Final = (
    of_counts(b"\x03\x04\x00", [20]),
    of_counts(b"\x03\x04\x01", [3, 4, 1, 5, 7], [0, 20]),
    of_counts(b"\x03\x04\x02", [3, 4, 0, 5, 8], [0, 0, 20, 0], [1] * 20),
    of_counts(b"\x00\x00\xfb", [67_100_672], [40_000_000, 27_100_671, 1]),
    of_counts(b"\x04\x00\xfa", [1, 1_000_000_000, 73_719_999]),
)


def check_fault(error: ValueError, first: int) -> None:
    said = re.fullmatch(r"counts (\d+): expected (.+), got (.+)", str(error), re.DOTALL)
    assert said, error
    assert int(said[1]) == first


def one_input(data: bytes) -> bool:
    """Raises on an escape; returns whether all texts were accepted."""
    size, count, rest = read_header(data)
    texts = rest.split(b"\n", count - 1)
    expected = [plain_counts(text, size) for text in texts]
    try:
        masks = coco_counts_to_masks(texts, size)
    except ValueError as error:
        check_fault(error, expected.index(None))
        return False
    assert len(masks) == len(texts)
    assert masks.size == size
    # The batch's own checks.
    RunLengthMasks(size, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())
    written = masks_to_coco_counts(masks)
    assert written == [plain_text(without_zeros(counts or [])) for counts in expected], (written, expected)
    assert coco_counts_to_masks(written, size).equals(masks)
    if size.pixels <= 576:
        for plane, counts in zip(decode(masks), expected, strict=True):
            assert counts is not None
            pixels = [index % 2 == 1 for index, count in enumerate(counts) for _ in range(count)]
            assert plane.T.reshape(-1).tolist() == pixels
    else:
        assert masks.areas().tolist() == [sum(counts[1::2]) for counts in expected if counts is not None]
        assert int(np.max(masks.offsets)) == len(masks.starts)
    return True


def random_counts(size: ImageSize, rng: random.Random) -> list[int]:
    """Counts that add up to the image, some of them 0."""
    inner = [rng.randint(0, size.pixels) for _ in range(rng.randint(0, 12))]
    if rng.random() < 0.3:
        inner += rng.choices((0, size.pixels, *inner), k=3)
    places = [0, *sorted(inner), size.pixels]
    return [last - first for first, last in itertools.pairwise(places)]


def lengthened(text: bytes, rng: random.Random) -> bytes:
    """The last number written with more characters than it needs."""
    if not text or not 48 <= text[-1] < 80:
        return text
    sign = b"O" if text[-1] - 48 & 16 else b"0"
    more = bytes((sign[0] + 32,)) * rng.randint(0, 6)
    return text[:-1] + bytes((text[-1] + 32,)) + more + sign


def changed(data: bytes, rng: random.Random) -> bytes:
    """A similar input: counts, a whole text, or single bytes differ."""
    size, count, rest = read_header(data)
    header, texts = data[:3].ljust(3, b"\0"), rest.split(b"\n", count - 1)
    which = rng.randrange(len(texts))
    kind = rng.randrange(7)
    if kind == 0:
        return change_bytes(data, rng)
    if kind == 1:
        header = rng.choice((rng.randbytes(3), bytes((rng.randrange(8), 0, rng.randrange(248, 256)))))
        size, count, _ = read_header(header)
        texts = [plain_text(random_counts(size, rng)) for _ in range(count)]
    elif kind == 2:
        texts[which] = plain_text(random_counts(size, rng))
    elif kind == 3:
        counts = plain_counts(texts[which], size) or random_counts(size, rng)
        one, other = rng.randrange(len(counts)), rng.randrange(len(counts))
        step = rng.choice((1, 1, counts[one], size.pixels, 2**31, 2**33))
        counts[one] -= step
        counts[other] += step if rng.random() < 0.9 else 0
        texts[which] = plain_text(counts)
    elif kind == 4:
        counts = plain_counts(texts[which], size) or random_counts(size, rng)
        place = rng.randrange(len(counts) + 1)
        counts[place:place] = [0] * rng.choice((1, 2, 2, 3))
        texts[which] = plain_text(counts)
    elif kind == 5:
        texts[which] = lengthened(texts[which], rng)
    else:
        rng.shuffle(texts)
        texts.append(rng.choice((b"", *texts)))
    return header + b"\n".join(texts)


if __name__ == "__main__":
    fuzz("coco_counts", one_input, SEEDS, changed, LONGEST)
