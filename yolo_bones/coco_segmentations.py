"""The `segmentation` of COCO records -> runs: compressed RLE, uncompressed RLE, polygons. No files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from yolo_bones.errors import InputError
from yolo_bones.image_files import MOST_PIXELS
from yolo_bones.rle import (
    ImageSize,
    RunLengthMasks,
    coco_counts_to_masks,
    empty_masks,
    encode_polygons,
    stack,
    transpose,
)

FARTHEST: Final = 1 << 24
FEWEST_NUMBERS: Final = 6
"""Three points."""

Places = Sequence[tuple[str, Any]]
"""(place of the record in the file, its segmentation)."""


class SegmentationError(ValueError):
    """A segmentation that is none; `field` is the place inside it, such as `.size[0]`."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        self.field, self.expected, self.got = field, expected, "none" if got is None else got
        super().__init__(f"{field}: expected {expected}, got {got!r}")


def is_whole(value: Any) -> TypeGuard[int]:
    """A whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def checked_size(height: Any, width: Any) -> ImageSize:
    """Size of two JSON values.

    Raises:
        ValueError: not whole numbers of at least 1, or more than 64 megapixels.
    """
    if not (is_whole(height) and is_whole(width) and 0 < height <= MOST_PIXELS and 0 < width <= MOST_PIXELS):
        raise ValueError("whole numbers of at least 1")
    if height * width > MOST_PIXELS:
        raise ValueError(f"at most {MOST_PIXELS} pixels")
    return ImageSize(height, width)


def rle_size(segmentation: Any) -> ImageSize | None:
    """Size that an RLE carries; None for polygons.

    Raises:
        SegmentationError: no size where one should be.
    """
    if not isinstance(segmentation, dict):
        return None
    size = segmentation.get("size")
    if not (isinstance(size, list) and len(size) == 2):
        raise SegmentationError(".size", "[height, width]", size)
    try:
        return checked_size(*size)
    except ValueError as error:
        raise SegmentationError(".size", f"[height, width], {error}", size) from error


def read_segmentations(
    path: str, places: Places, size: ImageSize, faults: list[InputError], counters: Counter[str]
) -> RunLengthMasks:
    """Masks of one image's records, in order; an empty mask stands for one at fault.

    Args:
        path: file, for messages.
        places: the records.
        size: of the image.
        faults: what is wrong is added here.
        counters: polygons that reach over the image's edge are counted as `clipped_polygons`.
    """
    masks: list[RunLengthMasks] = []
    texts: list[bytes] = []
    asked: list[int] = []
    for index, (place, segmentation) in enumerate(places):
        mask = empty_masks(size)
        try:
            found = _checked(segmentation, size, counters)
            if isinstance(found, bytes):
                texts.append(found)
                asked.append(index)
            else:
                mask = found
        except SegmentationError as error:
            faults.append(InputError(path, f"{place}.segmentation{error.field}", error.expected, error.got))
        masks.append(mask)
    for index, read in zip(asked, _decompressed(texts, size), strict=True):
        if isinstance(read, RunLengthMasks):
            masks[index] = read
        else:
            faults.append(InputError(path, f"{places[index][0]}.segmentation.counts", *read))
    return stack(size, masks)


def _checked(segmentation: Any, size: ImageSize, counters: Counter[str]) -> RunLengthMasks | bytes:
    """The mask, or compressed counts, which are read all at once."""
    if isinstance(segmentation, list):
        return _polygons(segmentation, size, counters)
    own = rle_size(segmentation)
    if own is None:
        raise SegmentationError("", "an RLE {size, counts} or a list of polygons", segmentation)
    if own != size:
        wanted = f"[{size.height}, {size.width}], the image's height and width"
        raise SegmentationError(".size", wanted, [own.height, own.width])
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        return _uncompressed(counts, size)
    if not isinstance(counts, str):
        raise SegmentationError(".counts", "a text or a list of run lengths", counts)
    if not counts.isascii():
        raise SegmentationError(".counts", "COCO's compressed counts", "a character that is not ASCII")
    return counts.encode("ascii")


def _decompressed(texts: list[bytes], size: ImageSize) -> list[RunLengthMasks | tuple[str, str]]:
    """Each text's mask, or (expected, got)."""
    try:
        return list(coco_counts_to_masks(texts, size))
    except ValueError:
        found: list[RunLengthMasks | tuple[str, str]] = []
        for text in texts:
            try:
                found.append(coco_counts_to_masks([text], size))
            except ValueError as error:
                expected, _, got = str(error).partition("expected ")[2].partition(", got ")
                found.append((expected, got))
        return found


def _uncompressed(counts: list[Any], size: ImageSize) -> RunLengthMasks:
    """Column-major run lengths, off and on in turn."""
    for index, count in enumerate(counts):
        if not (is_whole(count) and 0 <= count <= size.pixels):
            raise SegmentationError(f".counts[{index}]", f"a whole number from 0 to {size.pixels}", count)
    if sum(counts) != size.pixels:
        raise SegmentationError(".counts", f"run lengths that add up to {size.pixels} pixels ({size})", sum(counts))
    places, times = np.unique(np.cumsum(np.array(counts, dtype=np.int64)), return_counts=True)
    # A run of no pixel flips at one place twice; the last count ends at the image's end whether on or off.
    ends_on = len(counts) % 2 == 0
    times[-1] -= 0 if ends_on else 1
    edges = places[times % 2 == 1].astype(np.int32)
    turned = ImageSize(size.width, size.height)
    return transpose(RunLengthMasks.from_edges(turned, edges, np.array([0, len(edges) // 2])))


def _polygons(parts: list[Any], size: ImageSize, counters: Counter[str]) -> RunLengthMasks:
    if not parts:
        raise SegmentationError("", "an RLE {size, counts} or a list of polygons", "an empty list")
    outlines = [_points(part, f"[{index}]") for index, part in enumerate(parts)]
    limit = np.array([size.width, size.height])
    counters["clipped_polygons"] += sum(bool(((part < 0) | (part > limit)).any()) for part in outlines)
    return encode_polygons([outlines], size)


def _points(part: Any, field: str) -> NDArray[np.float64]:
    """(P, 2) of a flat list x, y, x, y, ..."""
    if not isinstance(part, list):
        raise SegmentationError(field, "a flat list x, y, x, y, ...", part)
    if not set(map(type, part)) <= {int, float}:
        index = next(index for index, number in enumerate(part) if type(number) not in (int, float))
        raise SegmentationError(f"{field}[{index}]", "a number", part[index])
    if len(part) < FEWEST_NUMBERS or len(part) % 2:
        raise SegmentationError(field, "an even count of numbers, at least 6", f"{len(part)} numbers")
    for index, number in enumerate(part):
        if not (abs(number) <= FARTHEST and math.isfinite(number)):
            raise SegmentationError(f"{field}[{index}]", f"a coordinate of at most {FARTHEST}", number)
    return np.array(part, dtype=np.float64).reshape(-1, 2)
