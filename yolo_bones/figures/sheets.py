"""Contact sheets with a caption under each tile, odd bones outlined and shown close up."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.contact_sheet import lay_out
from yolo_bones.files import write_bytes
from yolo_bones.overlays import FILL, bone_colours
from yolo_bones.rle import RunLengthMasks, decode_box
from yolo_bones.truth_sources import TruthSource

Picture = NDArray[np.uint8]
Window = tuple[int, int, int]
"""Top, left and side of a square, in pixels of the image; it may reach over its edge."""

SIDE_PX: Final = 300
"""Longer side of a hand, and side of a close-up."""
WIDEST_PX: Final = 1900
SHIFT: Final = 4
"""Fractional bits of an outline's points."""
CAPTION_PX: Final = 36
HEADING_PX: Final = 34
LEVEL: Final = 24
"""Of the paper."""
CLOSE_UP: Final = 2.2
"""Side of a close-up, in longer sides of the bones' box."""
LEAST_CLOSE_UP: Final = 0.08
"""Side of a close-up, at least this share of the image's longer side."""


def write_sheet(path: Path, heading: str, tiles: Sequence[Mapping[str, Any]], sources: Iterable[TruthSource]) -> None:
    """Draw a sheet.

    Args:
        path: of the PNG.
        heading: above the tiles.
        tiles: `image`, `patient`, `bones`, `text` of each, see `exploration.sheet_lists`.
        sources: of the tiles' images, in their order; read one at a time.
    """
    drawn = [_tile(tile, source) for tile, source in zip(tiles, sources, strict=True)]
    sheet = lay_out(drawn, max(1, WIDEST_PX // drawn[0].shape[1]))
    top = np.full((HEADING_PX, sheet.shape[1], 3), LEVEL, dtype=np.uint8)
    _write(top, heading, (8, 8), 16, 255)
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([top, sheet])[:, :, ::-1].copy()).save(stream, format="PNG", optimize=False)
    write_bytes(path, stream.getvalue())


def _tile(tile: Mapping[str, Any], source: TruthSource) -> Picture:
    """One hand, beside it a close-up of what is odd, and the caption below."""
    grey, masks = source.pixels(), source.masks()
    height, width = grey.shape
    longest = max(height, width)
    whole = ((height - longest) // 2, (width - longest) // 2, longest)
    odd = set(tile["bones"])
    pictures = [_draw_window(grey, masks, whole, odd or set(BONES))]
    if odd:
        window = close_up_window(masks, tile["bones"])
        _frame_window(pictures[0], window, whole)
        pictures.append(_draw_window(grey, masks, window, odd))
    body = np.concatenate(pictures, axis=1)
    caption = np.full((CAPTION_PX, body.shape[1], 3), LEVEL, dtype=np.uint8)
    _write(caption, f"{tile['patient']}  {tile['image']}", (5, 3), 11, 235)
    _write(caption, tile["text"], (5, 18), 11, 170)
    return np.concatenate([body, caption])


def close_up_window(masks: RunLengthMasks, bones: Sequence[str]) -> Window:
    """A square around some bones, inside the image where it fits."""
    boxes = masks.boxes()[[CLASS_IDS[bone] for bone in bones]]
    boxes = boxes[boxes[:, 2] > boxes[:, 0]]
    (top, left), (bottom, right) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    least = LEAST_CLOSE_UP * max(masks.size.height, masks.size.width)
    side = round(max(CLOSE_UP * max(bottom - top, right - left), least))
    top = _moved_inside((top + bottom - side) // 2, side, masks.size.height)
    return top, _moved_inside((left + right - side) // 2, side, masks.size.width), side


def _moved_inside(start: int, length: int, whole: int) -> int:
    """Where a stretch begins that lies inside if it can, else around the middle."""
    return (whole - length) // 2 if length > whole else min(max(start, 0), whole - length)


def _draw_window(grey: NDArray[np.uint8], masks: RunLengthMasks, window: Window, shown: set[str]) -> Picture:
    """A square of the picture: bones to be shown tinted and outlined, all others outlined faintly."""
    canvas = cv2.cvtColor(_square(grey, window), cv2.COLOR_GRAY2BGR).astype(np.float32)
    traced = []
    for bone, mask, box, colour in zip(BONES, masks, masks.boxes().tolist(), bone_colours(), strict=True):
        if box[2] <= box[0]:
            continue
        outlines = _trace(mask, box, window)
        traced.append((bone in shown, colour, outlines))
        if bone in shown:
            cover = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint8)
            cv2.fillPoly(cover, outlines, 255, cv2.LINE_AA, SHIFT)
            share = FILL / 255.0 * cover.astype(np.float32)
            canvas += share[..., None] * (np.array(colour, dtype=np.float32) - canvas)
    drawn = np.rint(canvas).astype(np.uint8)
    for bright, colour, outlines in sorted(traced, key=lambda one: one[0]):
        line = colour if bright else tuple(channel // 2 + 40 for channel in colour)
        cv2.polylines(drawn, outlines, True, line, 1, cv2.LINE_AA, SHIFT)
    return drawn


def _trace(mask: RunLengthMasks, box: Sequence[int], window: Window) -> list[NDArray[np.int32]]:
    """Outlines of one mask in a tile's pixels, in units of 1 / 2^SHIFT."""
    top, left, bottom, right = box
    crop = decode_box(mask, top, left, bottom - top, right - left)[0].astype(np.uint8)
    found, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    moved_xy, factor = np.array([left - window[1], top - window[0]]), SIDE_PX / window[2]
    placed = [(outline.reshape(-1, 2) + moved_xy + 0.5) * factor - 0.5 for outline in found]
    return [np.rint(outline * (1 << SHIFT)).astype(np.int32).reshape(-1, 1, 2) for outline in placed]


def _square(grey: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """A square of a picture at the size of a tile, paper beyond the image."""
    top, left, side = window
    height, width = grey.shape
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    plane = np.full((side, side), LEVEL, dtype=np.uint8)
    plane[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = grey[rows, columns]
    way = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (SIDE_PX, SIDE_PX), interpolation=way), dtype=np.uint8)


def _frame_window(picture: Picture, window: Window, whole: Window) -> None:
    """Draw where a close-up lies onto the picture of the whole image."""
    factor = SIDE_PX / whole[2]
    top, left = (round((window[axis] - whole[axis]) * factor) for axis in (0, 1))
    side = round(window[2] * factor)
    cv2.rectangle(picture, (left, top), (left + side, top + side), (255, 255, 255), 1, cv2.LINE_AA)


def _write(picture: Picture, text: str, place_xy: tuple[int, int], size_px: int, level: int) -> None:
    """Write a line into a picture; what the font lacks becomes a box."""
    page = Image.fromarray(picture)
    ImageDraw.Draw(page).text(place_xy, text, fill=(level, level, level), font=_font(size_px))
    picture[:] = np.asarray(page)


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size_px)
