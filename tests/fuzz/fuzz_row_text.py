"""Fuzz target: row texts. Input: three bytes for size and number of texts, then the texts, a line each."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
from harness import change_bytes, fuzz, instrumented

with instrumented(__name__):
    from yolo_bones.rle import (
        ImageSize,
        RowTextError,
        RunLengthMasks,
        decode,
        masks_to_row_texts,
        row_texts_to_masks,
    )

LARGE: Final = ((8192, 8191), (9999, 10000), (1, 99_999_999), (46340, 46340), (100, 101), (99, 101), (1000, 1001))
DIGITS: Final = b"0123456789"
LONGEST: Final = 4096
SEEDS: Final = (
    b"\x03\x04\x001 5 8 2 12 1",
    b"\x03\x04\x041 2\n\n3 4 7 5\n20 1\n1 20",
    b"\x13\x13\x0200000001 7 12 00000003\n400 1\n1 1 2 1 3 1",
    b"\x00\x00\xfb1 67090000 67090673 9999\n9999 10000 67000000 99999",
    b"\x02\x00\xfc99999999 1\n1 50000000 50000001 49999999\n1 1",
)


def read_header(data: bytes) -> tuple[ImageSize, int, bytes]:
    """(size, number of texts, the texts)."""
    first, second, third = data[:3].ljust(3, b"\0")
    size = LARGE[first % len(LARGE)] if third >= 250 else (first % 24 + 1, second % 24 + 1)
    return ImageSize(*size), third % 5 + 1, data[3:]


def plain_runs(text: bytes, size: ImageSize) -> list[list[int]] | None:
    """[start, end] from 0 of each run, joined where they touch; None for a text that is not valid."""
    if text and size.pixels >= 10**8:
        return None
    most_runs, digits = (size.pixels + 1) // 2, len(str(size.pixels))
    if len(text) > most_runs * (digits + 1 + digits + 1):
        return None
    words = text.split(b" ") if text else []
    if len(words) % 2 or not all(1 <= len(word) <= 8 and all(byte in DIGITS for byte in word) for word in words):
        return None
    numbers = [int(word) for word in words]
    runs: list[list[int]] = []
    last = 0
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        if start < 1 or length < 1 or start - 1 < last or start - 1 + length > size.pixels:
            return None
        if runs and runs[-1][1] == start - 1:
            runs[-1][1] += length
        else:
            runs.append([start - 1, start - 1 + length])
        last = start - 1 + length
    return runs


def plain_pixels(runs: list[list[int]], size: ImageSize) -> list[bool]:
    pixels = [False] * size.pixels
    for start, end in runs:
        for pixel in range(start, end):
            pixels[pixel] = True
    return pixels


def check_faults(error: RowTextError, expected: list[int]) -> None:
    assert [index for index, _, _ in error.faults] == expected, error
    assert error.faults
    assert all(said and got for _, said, got in error.faults), error.faults


def one_input(data: bytes) -> bool:
    """Raises on an escape; returns whether all texts were accepted."""
    size, count, rest = read_header(data)
    texts = rest.split(b"\n", count - 1)
    expected = [plain_runs(text, size) for text in texts]
    try:
        masks = row_texts_to_masks(texts, size)
    except RowTextError as error:
        check_faults(error, [index for index, runs in enumerate(expected) if runs is None])
        return False
    assert len(masks) == len(texts)
    assert masks.size == size
    # The batch's own checks.
    RunLengthMasks(size, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())
    for mask, runs in zip(masks, expected, strict=True):
        assert runs is not None
        assert np.stack([mask.starts, mask.ends], axis=1).tolist() == runs
    if size.pixels <= 576:
        dense = decode(masks)
        assert [plane.reshape(-1).tolist() for plane in dense] == [plain_pixels(runs or [], size) for runs in expected]
    assert row_texts_to_masks(masks_to_row_texts(masks), size).equals(masks)
    return True


def random_text(size: ImageSize, rng: random.Random) -> bytes:
    """A valid text; some runs touch, some numbers have leading zeros."""
    most = min(size.pixels, 10**8 - 1)
    places = sorted(rng.sample(range(most + 1), min(2 * rng.randint(0, 9), (most + 1) // 2 * 2)))
    words = []
    for start, end in zip(places[0::2], places[1::2], strict=True):
        cut = rng.randint(start + 1, end)
        for first, last in ((start, cut), (cut, end)) if start + 1 < cut < end else ((start, end),):
            words += [first + 1, last - first]
    form = rng.choice(("{}", "{}", "{}", "{:08}", "{:05}", "{:02}"))
    return " ".join(form.format(word) for word in words).encode()


def changed(data: bytes, rng: random.Random) -> bytes:
    """A similar input: numbers, separators, a whole text, or single bytes differ."""
    size, count, rest = read_header(data)
    header, texts = data[:3].ljust(3, b"\0"), rest.split(b"\n", count - 1)
    which = rng.randrange(len(texts))
    words = texts[which].split(b" ")
    word = rng.randrange(len(words))
    kind = rng.randrange(7)
    if kind == 0:
        return change_bytes(data, rng)
    if kind == 1:
        header = rng.choice((rng.randbytes(3), bytes((rng.randrange(8), 0, rng.randrange(248, 256)))))
        size, count, _ = read_header(header)
        texts = [random_text(size, rng) for _ in range(count)]
    elif kind == 2:
        texts[which] = random_text(size, rng)
    elif kind == 3:
        number = int(words[word]) if words[word].isdigit() and len(words[word]) < 20 else 0
        edge = rng.choice((0, 1, 9999, 10000, size.pixels, size.pixels + 1, 10**8 - 1, 10**8, 2**31, 2**32, 2**64))
        words[word] = str(rng.choice((number + 1, max(number - 1, 0), edge, number * 10))).encode()
        texts[which] = b" ".join(words)
    elif kind == 4:
        words[word] = b"0" * rng.randint(1, 8) + words[word]
        texts[which] = b" ".join(words)
    elif kind == 5:
        words.insert(word, rng.choice((b"", b"1", b"0", b"\t", b"+1", b"1_0", b"-1", b"1.0", b"\xd9\xa1", words[word])))
        texts[which] = b" ".join(words)
    else:
        rng.shuffle(texts)
        texts.append(rng.choice((b"", *texts)))
    return header + b"\n".join(texts)


if __name__ == "__main__":
    fuzz("row_text", one_input, SEEDS, changed, LONGEST)
