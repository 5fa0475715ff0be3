"""Row text (row-major, 1-based, `start length ...`) <-> runs, a batch of texts at a time.

Reading: every digit is looked at as a vector element. The two digits that end at a byte give a number below 100, four
give one below 10000; a token of up to eight digits is two of those, gathered where the token ends. Writing: numbers
are looked up four digits at a time in tables of ASCII words padded with NUL, and the NULs are deleted at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, Offsets, RunLengthMasks, Runs, empty_masks
from yolo_bones.rle._sweep import join_touching

PADDING: Final = b"        "
MOST_DIGITS: Final = 8
TOO_MANY_PIXELS: Final = 10**MOST_DIGITS
"""Runs of such an image may take more digits; images of this project have fewer pixels."""
SPACE: Final = np.uint8((ord(" ") - ord("0")) % 256)
NEWLINE_FOR_SPACE: Final = np.uint64((ord(" ") ^ ord("\n")) << 56)


class RowTextError(ValueError):
    """Texts that are no valid row text.

    Attributes:
        faults: (index of the text, what is expected, what is there), one for each text at fault.
    """

    def __init__(self, faults: Sequence[tuple[int, str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"text {index}: {expected}, got {got}" for index, expected, got in self.faults))


def longest_row_text(size: ImageSize) -> int:
    """No valid row text of an image of this size has more characters."""
    digits = len(str(size.pixels))
    return -(-size.pixels // 2) * (2 * digits + 2)


def row_texts_to_masks(texts: Sequence[bytes], size: ImageSize) -> RunLengthMasks:
    """Read row texts strictly; runs that touch are joined.

    Args:
        texts: M row texts, ASCII; an empty text is an empty mask.
        size: of every mask.

    Raises:
        RowTextError: texts that are not pairs of plain numbers, ascending, apart, inside the image.
    """
    if not any(texts):
        return empty_masks(size, len(texts))
    longest = longest_row_text(size) if size.pixels < TOO_MANY_PIXELS else 0
    numbers = None if max(map(len, texts)) > longest else _plain_numbers(texts)
    if numbers is None:
        raise RowTextError(_faults(texts, size))
    values, counts = numbers
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    if (counts & 1).any() or int(values.min()) < 1:
        raise RowTextError(_faults(texts, size))
    values[0::2] -= 1
    values[1::2] += values[0::2]
    offsets >>= 1
    gaps = values[2::2] - values[1:-1:2]
    seams = offsets[1:-1]
    seams = seams[(seams > 0) & (seams < offsets[-1])] - 1
    gaps[seams] = 1
    lowest_gap = int(gaps.min()) if len(gaps) else 1
    # Sums stay below 2 * 10^8: no overflow.
    if int(values.max()) > size.pixels or lowest_gap < 0:
        raise RowTextError(_faults(texts, size))
    if lowest_gap == 0:
        return join_touching(size, values, offsets)
    return RunLengthMasks.from_edges(size, values, offsets)


def _plain_numbers(texts: Sequence[bytes]) -> tuple[Runs, Offsets] | None:
    """(values, numbers in each text); None when anything but single-spaced numbers of 1 to 8 ASCII digits is there."""
    filled = [text for text in texts if text]
    joined = b"".join((PADDING, b" ".join(filled), b" "))
    digits = np.frombuffer(joined, dtype=np.uint8) - np.uint8(ord("0"))
    gap = digits > 9
    ends = np.flatnonzero(gap)[len(PADDING) :]
    if np.count_nonzero(digits == SPACE) != len(ends) + len(PADDING):
        return None
    lengths = np.empty_like(ends)
    lengths[0] = ends[0] - len(PADDING)
    np.subtract(ends[1:], ends[:-1], out=lengths[1:])
    lengths[1:] -= 1
    if int(lengths.min()) < 1 or int(lengths.max()) > MOST_DIGITS:
        return None
    four = _four_digit_numbers(digits, gap)
    cuts = np.cumsum([len(text) + 1 for text in filled]) + (len(PADDING) - 1)
    counts = np.zeros(len(texts), dtype=np.int64)
    counts[[bool(text) for text in texts]] = np.diff(np.searchsorted(ends, cuts, side="right"), prepend=0)
    ends -= 1
    values = four.take(ends).astype(np.int32)
    ends -= 4
    # Run lengths rarely have more than four digits, starts mostly have.
    for parity in (0, 1):
        digits_here = np.ascontiguousarray(lengths[parity::2])
        if len(digits_here) and int(digits_here.max()) > 4:
            upper = four.take(ends[parity::2]).astype(np.int32)
            upper *= 10000
            upper[digits_here <= 4] = 0
            values[parity::2] += upper
    return values, counts


def _four_digit_numbers(digits: NDArray[np.uint8], gap: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """For each byte the number that the last four digits up to it make, digits before the last gap not counted."""
    np.bitwise_and(digits, gap.view(np.uint8) - np.uint8(1), out=digits)
    two = np.zeros_like(digits)
    np.multiply(digits[:-1], np.uint8(10), out=two[1:])
    two[1:] += digits[1:]
    # The two digits before count only where no gap lies between.
    apart = gap[1:-1] | gap[:-2]
    four = two.astype(np.uint16)
    upper = two[:-2] & (apart.view(np.uint8) - np.uint8(1))
    four[2:] += np.multiply(upper, np.uint16(100), dtype=np.uint16)
    return four


def _faults(texts: Sequence[bytes], size: ImageSize) -> list[tuple[int, str, str]]:
    """What is wrong with each text, found slowly and one text at a time."""
    found = []
    for index, text in enumerate(texts):
        fault = _fault(text, size)
        if fault is not None:
            found.append((index, *fault))
    return found


def _fault(text: bytes, size: ImageSize) -> tuple[str, str] | None:
    if text == b"":
        return None
    if size.pixels >= TOO_MANY_PIXELS:
        return f"an image of fewer than {TOO_MANY_PIXELS} pixels", str(size)
    longest = longest_row_text(size)
    if len(text) > longest:
        return f"at most {longest} characters for {size}", str(len(text))
    count = first = last_first = end = 0
    for count, word in enumerate(_words(text), start=1):
        if not (word.isdigit() and len(word) <= MOST_DIGITS):
            return "whole numbers separated by single spaces", repr(_shown(word))
        number = int(word)
        if count % 2:
            first, last_first = number, first
            if first < 1:
                return "starts counted from 1", "start 0"
            if first < last_first:
                return "ascending starts", "unsorted runs"
            if first <= end:
                return "separate runs", "overlapping runs"
            continue
        if number < 1:
            return "run lengths of at least 1", "length 0"
        end = first + number - 1
        if end > size.pixels:
            return f"runs inside {size} ({size.pixels} pixels)", f"one that ends at {end}"
    return ("an even count of numbers", str(count)) if count % 2 else None


def _words(text: bytes) -> Iterator[bytes]:
    """What lies between single spaces, one word at a time."""
    first = 0
    while (last := text.find(b" ", first)) >= 0:
        yield text[first:last]
        first = last + 1
    yield text[first:]


def _shown(word: bytes) -> str:
    return word[:40].decode("utf-8", errors="replace")


def masks_to_row_texts(masks: RunLengthMasks) -> list[bytes]:
    """Row text of each mask; an empty mask is an empty text.

    Raises:
        ValueError: masks of 10^8 pixels or more, not all of them empty.
    """
    texts = [b""] * len(masks)
    filled = np.flatnonzero(np.diff(masks.offsets))
    if len(filled) == 0:
        return texts
    if masks.size.pixels >= TOO_MANY_PIXELS:
        raise ValueError(f"expected masks of fewer than {TOO_MANY_PIXELS} pixels, got {masks.size}")
    edges = masks.edges.view(np.uint32)
    starts, lengths = edges[0::2] + np.uint32(1), edges[1::2] - edges[0::2]
    last = masks.offsets[filled + 1] - 1
    records = _short_records(starts, lengths) if int(lengths.max()) < 10000 else _long_records(starts, lengths)
    # The space that ends the last run of a mask becomes a line end.
    records.view(np.uint64).reshape(len(starts), -1)[last, -1] ^= NEWLINE_FOR_SPACE
    lines = records.tobytes().translate(None, b"\0").split(b"\n")
    for index, line in zip(filled.tolist(), lines, strict=False):
        texts[index] = line
    return texts


def _short_records(starts: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> NDArray[Any]:
    """16 bytes a run: eight digits of start, then space, up to four digits of length, and a space as the last byte."""
    records = np.empty((len(starts), 4), dtype=np.uint32)
    _write_digits(starts, records, 0)
    records.view(np.uint64)[:, 1] = _digit_tables()[2].take(lengths)
    return records


def _long_records(starts: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> NDArray[Any]:
    """32 bytes a run, for runs of 10000 pixels or more: start, space, length, space."""
    records = np.zeros((len(starts), 8), dtype=np.uint32)
    _write_digits(starts, records, 0)
    records[:, 2] = ord(" ")
    _write_digits(lengths, records, 4)
    records[:, 7] = ord(" ") << 24
    return records


def _write_digits(numbers: NDArray[np.uint32], records: NDArray[np.uint32], column: int) -> None:
    """Eight ASCII digits into two columns; NUL instead of leading zeros."""
    leading, padded, _ = _digit_tables()
    upper = numbers // np.uint32(10000)
    lower = numbers - upper * np.uint32(10000)
    # The table's second half is without leading zeros: for numbers below 10000.
    lower += (upper == 0) * np.uint32(10000)
    records[:, column] = leading.take(upper)
    records[:, column + 1] = padded.take(lower)


@cache
def _digit_tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint64]]:
    """ASCII words: upper four digits; lower four digits with and without leading zeros; a length between spaces."""
    plain = [b"%d" % number for number in range(10000)]
    leading = np.array([b"", *plain[1:]], dtype="S4").view("<u4")
    padded = np.array([b"%04d" % number for number in range(10000)] + plain, dtype="S4").view("<u4")
    between = np.array([(b" " + word).ljust(7, b"\0") + b" " for word in plain], dtype="S8").view("<u8")
    return leading, padded, between
