"""Polygons of integer pixel points: rasterising, checking, mending, insetting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from yolo_bones.rle import ImageSize, Mask

Points = NDArray[np.float64]
IntegerPoints = NDArray[np.int32]


def box_of_points(points: NDArray[np.generic], size: ImageSize) -> tuple[int, int, int, int]:
    """Rows and columns [top, bottom) x [left, right) that hold every pixel a polygon can fill."""
    low = np.floor(points.min(axis=0)).astype(int)
    high = np.ceil(points.max(axis=0)).astype(int) + 1
    left, top = np.clip(low, 0, [size.width - 1, size.height - 1])
    right, bottom = np.clip(high, 1, [size.width, size.height])
    return int(top), int(bottom), int(left), int(right)


def fill_polygon(points: IntegerPoints, size: ImageSize) -> tuple[Mask, int, int]:
    """Rasterise a polygon as the data set's truth does: filled, its border pixels included (`cv2.fillPoly`).

    Args:
        points: (P, 2) int32 (x, y) in pixels, implicitly closed.
        size: of the image.

    Returns:
        (crop, top, left): a bool mask of the polygon's box, and the box's place.
    """
    top, bottom, left, right = box_of_points(points, size)
    crop = np.zeros((bottom - top, right - left), dtype=np.uint8)
    cv2.fillPoly(crop, [points.reshape(-1, 1, 2)], 1, offset=(-left, -top))
    return crop.view(np.bool_), top, left


def mend_points(points: Points, size: ImageSize) -> tuple[IntegerPoints, Counter[str]]:
    """Bring drawn points into a clean closed outline; each repair is counted by name.

    Points up to one pixel outside the image are moved to its edge (`clipped_points`), fractions rounded
    (`rounded_points`), repeats and a closing point dropped (`duplicate_points`, `closing_point`). The outline may still
    cross itself: see `is_simple`.

    Raises:
        ValueError: a point lies further outside, or fewer than three different points remain.
    """
    repairs: Counter[str] = Counter()
    limit = np.array([size.width - 1, size.height - 1], dtype=np.float64)
    outside = np.flatnonzero(((points < -1.0) | (points > limit + 1.0)).any(axis=1))
    if outside.size:
        x, y = points[outside[0]]
        more = f" and {outside.size - 1} more points outside" if outside.size > 1 else ""
        raise ValueError(f"points[{outside[0]}]|a point inside the {size} image|({x:g}, {y:g}){more}")
    repairs["clipped_points"] += int(((points < 0.0) | (points > limit)).any(axis=1).sum())
    points = np.clip(points, 0.0, limit)
    whole = np.floor(points + 0.5)
    repairs["rounded_points"] += int((whole != points).any(axis=1).sum())
    whole = np.minimum(whole, limit).astype(np.int32)
    repeated = np.zeros(len(whole), dtype=bool)
    repeated[1:] = (whole[1:] == whole[:-1]).all(axis=1)
    repairs["duplicate_points"] += int(repeated.sum())
    whole = whole[~repeated]
    if len(whole) > 1 and (whole[0] == whole[-1]).all():
        repairs["closing_point"] += 1
        whole = whole[:-1]
    once = _drawn_once(whole)
    repairs["duplicate_points"] += len(whole) - len(once)
    whole = once
    different = len(np.unique(whole[:, 1].astype(np.int64) * (size.width + 1) + whole[:, 0]))
    if different < 3:
        raise ValueError(f"points|at least 3 different points|{different}")
    return whole, +repairs


def _drawn_once(points: IntegerPoints) -> IntegerPoints:
    """An outline that goes round several times on the same points, once: filled, each second round would undo one."""
    again = np.flatnonzero((points[1:] == points[:1]).all(axis=1))
    length = int(again[0]) + 1 if again.size else len(points)
    is_repeated = len(points) % max(length, 1) == 0 and (points[length:] == points[:-length]).all()
    return points[:length] if is_repeated else points


def good_outlines(
    drawn: Sequence[Sequence[Sequence[float]]], size: ImageSize, most_points: int
) -> list[IntegerPoints | None]:
    """Outlines with which `mend_points` would find nothing to mend; None in the place of each other one.

    All at once: numpy's fixed cost per call would be most of the time for the 29 small outlines of an image.

    Args:
        drawn: (x, y) of each point of each outline, finite.
        size: of the image.
        most_points: outlines of more are not looked at.
    """
    good: list[IntegerPoints | None] = [None] * len(drawn)
    chosen = [place for place, outline in enumerate(drawn) if 3 <= len(outline) <= most_points]
    if not chosen:
        return good
    counts = np.array([len(drawn[place]) for place in chosen])
    starts = np.cumsum(counts) - counts
    numbers = chain.from_iterable(chain.from_iterable(drawn[place] for place in chosen))
    points = np.fromiter(numbers, dtype=np.float64, count=2 * int(counts.sum())).reshape(-1, 2)
    limit = np.array([size.width - 1, size.height - 1], dtype=np.float64)
    # From the last point of an outline to its first as well: it may not be closed by hand.
    following = np.empty_like(points)
    following[:-1] = points[1:]
    following[starts + counts - 1] = points[starts]
    strange = (points < 0.0) | (points > limit) | (points != np.floor(points))
    same = points == following
    bad = strange[:, 0] | strange[:, 1] | (same[:, 0] & same[:, 1])
    sound = ~np.logical_or.reduceat(bad, starts)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(chosen)), counts))
    sound &= shapely.is_valid(shapely.polygons(rings))
    for place, start, count, is_sound in zip(chosen, starts, counts, sound, strict=True):
        if is_sound:
            good[place] = points[start : start + count].astype(np.int32)
    return good


def on_one_line(points: IntegerPoints) -> bool:
    """Whether all points lie on one straight line."""
    away = points.astype(np.int64) - points[0]
    farthest = away[np.abs(away).max(axis=1).argmax()]
    return not (away[:, 0] * farthest[1] != away[:, 1] * farthest[0]).any()


def most_edges_of_row(points: IntegerPoints) -> int:
    """The most edges of an outline that any one row of pixels meets."""
    following = np.roll(points[:, 1], -1)
    low, high = np.minimum(points[:, 1], following), np.maximum(points[:, 1], following)
    top = int(low.min())
    rows = int(high.max()) - top + 2
    begun = np.bincount(low - top, minlength=rows) - np.bincount(high - top + 1, minlength=rows)
    return int(np.cumsum(begun).max())


def has_area(points: IntegerPoints, size: ImageSize) -> bool:
    """Whether an outline encloses anything, be it less than a pixel; one that only goes there and back does not."""
    crop, top, left = fill_polygon(points, size)
    border = np.zeros(crop.shape, dtype=np.uint8)
    cv2.polylines(border, [points.reshape(-1, 1, 2) - np.array([left, top], dtype=np.int32)], True, 1)
    return bool((crop & (border == 0)).any()) or shapely.make_valid(Polygon(points)).area > 0.0


def is_simple(points: IntegerPoints) -> bool:
    """Whether the outline neither crosses nor touches itself."""
    return bool(Polygon(points).is_valid)


def trace_mask(crop: Mask, top: int, left: int) -> IntegerPoints:
    """Outer outline of the largest part of a mask, as pixel points that `fill_polygon` turns back into it.

    Args:
        crop: (h, w) bool, not empty.
        top, left: place of the crop in the image.

    Returns:
        (P, 2) int32 (x, y); holes are filled.
    """
    image = crop.astype(np.uint8)
    found, _ = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
    if not found:
        raise ValueError("expected a mask with at least one pixel, got an empty one")
    largest = max(found, key=lambda outline: (cv2.contourArea(outline), len(outline)))
    return np.asarray(largest, dtype=np.int32).reshape(-1, 2)


def inset_polygon(points_xy: Points, inset_px: float) -> tuple[Points, bool]:
    """Move a polygon's border inwards by `inset_px` pixels.

    Returns:
        (points, done): the polygon as it was, and False, where it would vanish or fall into parts.
    """
    if inset_px == 0.0:
        return points_xy, True
    inner = shapely.make_valid(Polygon(points_xy)).buffer(-inset_px, join_style="mitre")
    if not isinstance(inner, Polygon) or inner.is_empty or inner.interiors or inner.area < 1.0:
        return points_xy, False
    return np.asarray(inner.exterior.coords, dtype=np.float64)[:-1], True
