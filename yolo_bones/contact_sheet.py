"""Many radiographs on one picture: each plain, and below it with its bones tinted and outlined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.errors import InputError
from yolo_bones.files import write_bytes
from yolo_bones.overlays import draw_overlay
from yolo_bones.rle import RunLengthMasks

Picture = NDArray[np.uint8]

COLUMNS: Final = 8
GAP_PX: Final = 4
GAP_LEVEL: Final = 40
LARGEST_TILE_PX: Final = 320
"""Longer side of a radiograph on the sheet, as long as the file is small enough."""
SMALLEST_TILE_PX: Final = 64
MOST_BYTES: Final = 1_500_000
JPEG_QUALITY: Final = 88
SUFFIXES: Final = (".png", ".jpg", ".jpeg")


def check_sheet_name(path: Path) -> None:
    """Raise `InputError` for a name that is no PNG's or JPEG's."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError("--contact-sheet", "", f"a file name ending in {', '.join(SUFFIXES)}", path.name)


def draw_tile(grey: NDArray[np.uint8], masks: RunLengthMasks, longest_px: int = LARGEST_TILE_PX) -> Picture:
    """A radiograph above, the same with its bones below: (2h + gap, w, 3) uint8 BGR.

    Args:
        grey: (H, W) uint8.
        masks: its 29 channels.
        longest_px: longer side of each of the two.
    """
    outlined = draw_overlay(grey, masks, longest_px)
    size = (outlined.shape[1], outlined.shape[0])
    plain = cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    gap = np.full((GAP_PX, size[0], 3), GAP_LEVEL, dtype=np.uint8)
    return np.concatenate([plain.astype(np.uint8), gap, outlined])


def lay_out(tiles: Sequence[Picture], columns: int = COLUMNS) -> Picture:
    """Tiles in rows, each in the middle of a cell of the largest tile's size."""
    if not tiles:
        raise ValueError("expected at least one tile, got none")
    columns = min(columns, len(tiles))
    height, width = max(tile.shape[0] for tile in tiles), max(tile.shape[1] for tile in tiles)
    rows = -(-len(tiles) // columns)
    shape = (rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3)
    sheet = np.full(shape, GAP_LEVEL, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top = GAP_PX + row * (height + GAP_PX) + (height - tile.shape[0]) // 2
        left = GAP_PX + column * (width + GAP_PX) + (width - tile.shape[1]) // 2
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def write_contact_sheet(
    path: Path, hands: Sequence[tuple[NDArray[np.uint8], RunLengthMasks]], most_bytes: int = MOST_BYTES
) -> tuple[int, int]:
    """Draw hands onto one picture and write it, as large as fits into `most_bytes`.

    Args:
        path: ends in .png, .jpg or .jpeg.
        hands: (H, W) uint8 and 29 channels each; may be of different sizes.
        most_bytes: size of the file; exceeded only by sheets of the smallest tiles.

    Returns:
        (height, width) of the picture.
    """
    check_sheet_name(path)
    options = [] if path.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    longest_px = LARGEST_TILE_PX
    while True:
        sheet = lay_out([draw_tile(grey, masks, longest_px) for grey, masks in hands])
        done, encoded = cv2.imencode(path.suffix.lower(), sheet, options)
        if not done:
            raise InputError(path, "", "a picture that can be encoded")
        if len(encoded) <= most_bytes or longest_px == SMALLEST_TILE_PX:
            break
        # The file shrinks a little less than the picture's area.
        longest_px = max(SMALLEST_TILE_PX, int(0.97 * longest_px * math.sqrt(most_bytes / len(encoded))))
    write_bytes(path, encoded.tobytes())
    return sheet.shape[0], sheet.shape[1]
