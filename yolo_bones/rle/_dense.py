"""Dense masks and logits -> runs, and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, Mask, RunLengthMasks, Runs, stack

BLOCK_BYTES = 16384
"""So many pixels at a time are looked at to find where a mask begins and ends."""


def encode(masks: NDArray[Any]) -> RunLengthMasks:
    """Runs of dense masks.

    Args:
        masks: (H, W) or (M, H, W), bool or any number; what is not 0 is on.
    """
    planes = masks[None] if masks.ndim == 2 else masks
    if planes.ndim != 3:
        raise ValueError(f"expected masks (H, W) or (M, H, W), got {masks.shape}")
    size = ImageSize(*planes.shape[1:])
    return _batch(size, [_plane_edges(plane, size) for plane in planes])


def _batch(size: ImageSize, edges: list[Runs]) -> RunLengthMasks:
    offsets = np.zeros(len(edges) + 1, dtype=np.int64)
    np.cumsum([len(one) // 2 for one in edges], out=offsets[1:])
    return RunLengthMasks.from_edges(size, np.concatenate([np.zeros(0, np.int32), *edges]), offsets)


def _plane_edges(plane: NDArray[Any], size: ImageSize) -> Runs:
    if plane.dtype.itemsize != 1:
        plane = plane != 0
    flat = np.ascontiguousarray(plane).reshape(-1).view(np.uint8)
    top, bottom = _row_range(flat, size.width)
    band = flat.reshape(size.height, size.width)[top:bottom]
    left, right = _column_range(band)
    crop = band[:, left:right]
    return _crop_edges(crop.view(np.bool_) if plane.dtype == np.bool_ else crop, top, left, size)


def _row_range(flat: NDArray[np.uint8], width: int) -> tuple[int, int]:
    """Rows that hold all pixels that are on; a little more than needed, found in one pass over the pixels."""
    blocks = len(flat) // BLOCK_BYTES
    filled = np.zeros(blocks + 1, dtype=bool)
    # numpy leaves a row of bools at its first True, and passes zeros at the speed of memory.
    filled[:blocks] = flat[: blocks * BLOCK_BYTES].view(np.bool_).reshape(blocks, BLOCK_BYTES).any(axis=1)
    filled[blocks] = flat[blocks * BLOCK_BYTES :].any()
    places = np.flatnonzero(filled)
    if len(places) == 0:
        return 0, 0
    first, last = int(places[0]) * BLOCK_BYTES, min((int(places[-1]) + 1) * BLOCK_BYTES, len(flat))
    return first // width, -(-last // width)


def _column_range(band: NDArray[np.uint8]) -> tuple[int, int]:
    """Columns that hold all pixels of a band of whole rows that are on."""
    step = 8 if band.shape[1] % 8 == 0 else 1
    wide = band.view(np.uint64) if step == 8 else band
    places = np.flatnonzero(np.bitwise_or.reduce(wide, axis=0))
    return (int(places[0]) * step, (int(places[-1]) + 1) * step) if len(places) else (0, 0)


def encode_crop(crop: NDArray[Any], top: int, left: int, size: ImageSize) -> RunLengthMasks:
    """Runs of one mask that is known inside a box only.

    Args:
        crop: (h, w) bool or uint8, the mask inside the box; what is not 0 is on.
        top, left: place of the box; it must lie inside the image.
        size: of the whole image.
    """
    height, width = crop.shape
    if top < 0 or left < 0 or top + height > size.height or left + width > size.width:
        raise ValueError(f"expected a box inside {size}, got {height}x{width} at row {top}, column {left}")
    return _batch(size, [_crop_edges(crop, top, left, size)])


def _crop_edges(crop: NDArray[Any], top: int, left: int, size: ImageSize) -> Runs:
    height, width = crop.shape
    # One column of off after each row: every run begins and ends inside its own row.
    framed = np.zeros(height * (width + 1) + 1, dtype=np.bool_)
    inside = framed[1:].reshape(height, width + 1)[:, :width]
    if crop.dtype == np.bool_:
        inside[:] = crop
    else:
        np.not_equal(crop, 0, out=inside)
    edges = np.flatnonzero(framed[1:] != framed[:-1])
    # Each row of the frame has width + 1 places, each row of the image size.width.
    edges += (edges // (width + 1)) * (size.width - width - 1)
    edges += top * size.width + left
    touching = edges[1:-1:2] == edges[2::2]
    if touching.any():
        # Runs go on from row to row where the mask reaches both side edges of the image.
        keep = np.ones(len(edges), dtype=bool)
        keep[1:-1:2] = keep[2::2] = ~touching
        edges = edges[keep]
    return edges.astype(np.int32)


def encode_logits(
    logits: NDArray[np.floating[Any]], top: int, left: int, size: ImageSize, threshold: float = 0.0
) -> RunLengthMasks:
    """Runs of the pixels of one box whose logit lies above a threshold; NaN is off.

    Args:
        logits: (h, w) floating, at the image's own resolution.
        top, left: place of the box; it must lie inside the image.
        size: of the whole image.
        threshold: 0 is a probability of one half.
    """
    return encode_crop(np.asarray(logits > threshold), top, left, size)


def encode_enlarged_logits(logits: NDArray[np.float32], size: ImageSize, threshold: float = 0.0) -> RunLengthMasks:
    """Runs of whole-image logit maps of lower resolution, enlarged bilinearly to the image.

    Only the box where a map lies above the threshold is enlarged. Where height and width are whole multiples of the
    map's, the result is that of `cv2.resize` on the whole map; else the enlargement covers the whole map.

    Args:
        logits: (M, h, w) float32.
        size: of the image.
        threshold: 0 is a probability of one half.
    """
    _, rows, columns = logits.shape
    down, across = size.height // rows, size.width // columns
    whole = (down * rows, across * columns) == (size.height, size.width) and down > 0 and across > 0
    found = []
    for plane in logits:
        above = plane > threshold
        if not above.any():
            found.append(encode_crop(above[:0, :0], 0, 0, size))
            continue
        if not whole:
            enlarged = cv2.resize(plane, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
            found.append(encode(enlarged > threshold))
            continue
        in_rows, in_columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        # A pixel's value depends on the cells next to it; one more cell keeps the crop's edge out of reach.
        top, bottom = max(int(in_rows[0]) - 2, 0), min(int(in_rows[-1]) + 3, rows)
        left, right = max(int(in_columns[0]) - 2, 0), min(int(in_columns[-1]) + 3, columns)
        crop = plane[top:bottom, left:right]
        enlarged = cv2.resize(crop, (crop.shape[1] * across, crop.shape[0] * down), interpolation=cv2.INTER_LINEAR)
        found.append(encode_logits(enlarged, top * down, left * across, size, threshold))
    return stack(size, found)


def decode(masks: RunLengthMasks) -> Mask:
    """Dense (M, H, W) bool masks."""
    size = masks.size
    flat = np.zeros((len(masks), size.pixels), dtype=np.bool_)
    edges, offsets = masks.edges.tolist(), masks.offsets.tolist()
    for plane, first, last in zip(flat, offsets[:-1], offsets[1:], strict=True):
        for index in range(2 * first, 2 * last, 2):
            plane[edges[index] : edges[index + 1]] = True
    return flat.reshape(len(masks), size.height, size.width)


def decode_box(masks: RunLengthMasks, top: int, left: int, height: int, width: int) -> Mask:
    """Dense (M, height, width) bool masks of one region; it must lie inside the image."""
    size = masks.size
    if min(top, left, height, width) < 0 or top + height > size.height or left + width > size.width:
        raise ValueError(f"expected a box inside {size}, got {height}x{width} at row {top}, column {left}")
    found = np.zeros((len(masks), height, width), dtype=np.bool_)
    band = np.zeros(height * size.width, dtype=np.bool_)
    for index, crop in enumerate(found):
        first, last = masks.offsets[index], masks.offsets[index + 1]
        low = np.clip(masks.starts[first:last] - top * size.width, 0, len(band))
        high = np.clip(masks.ends[first:last] - top * size.width, 0, len(band))
        inside = low < high
        band[:] = False
        for start, end in zip(low[inside].tolist(), high[inside].tolist(), strict=True):
            band[start:end] = True
        crop[:] = band.reshape(height, size.width)[:, left : left + width]
    return found
