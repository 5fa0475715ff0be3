"""Means of a bone's logits over looks, pixel by pixel: a look has no vote where it does not look. numpy, cv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.logit_crops import LogitCrop
from yolo_bones.views import View

RIM_PX: Final = 4.0
"""One cell of a look's prototypes, in input pixels: so near to its border a look knows little."""
RIM_WEIGHT: Final = 1e-6
"""Of its weight, there."""
SUBPIXEL_BITS: Final = 4

Rectangle = tuple[int, int, int, int]
"""Top, left, bottom, right in native pixels; the latter two are excluded."""


def mean_crop(
    crops: Sequence[LogitCrop], views: Sequence[View], weights: NDArray[np.float64], floor: float
) -> LogitCrop:
    """Weighted mean over the union of the crops.

    A look counts `floor` where it looks but its crop does not reach, and where its logit is below; it has no vote where
    it does not look, and hardly any at the rim of its input. A pixel where no look has a vote gets `floor`.

    Args:
        crops: two or more of one bone; they are overwritten.
        views: of the looks that they come from.
        weights: of the looks, above 0.
        floor: a logit that clearly says no.
    """
    union = _union(crops)
    if all(shows(view, union) for view in views):
        return _mean_where_all_look(crops, union, weights, floor)
    top, left, bottom, right = union
    total = np.zeros((bottom - top, right - left), dtype=np.float32)
    mean = np.zeros_like(total)
    for crop, view, weight in zip(crops, views, weights / weights.max(), strict=True):
        votes = _votes(view, union) * np.float32(weight)
        total += votes
        inside = _inside(crop, union)
        mean[inside] += votes[inside] * _above(crop, floor)
    np.divide(mean, total, out=mean, where=total > 0.0)
    mean += np.float32(floor)
    return top, left, mean


def _mean_where_all_look(
    crops: Sequence[LogitCrop], union: Rectangle, weights: NDArray[np.float64], floor: float
) -> LogitCrop:
    top, left, bottom, right = union
    mean = np.full((bottom - top, right - left), floor, dtype=np.float32)
    for crop, weight in zip(crops, weights / weights.sum(), strict=True):
        above = _above(crop, floor)
        above *= np.float32(weight)
        mean[_inside(crop, union)] += above
    return top, left, mean


def _above(crop: LogitCrop, floor: float) -> NDArray[np.float32]:
    """By how much the logits lie above the floor, 0 at least; in place."""
    logits = crop[2]
    np.maximum(logits, np.float32(floor), out=logits)
    logits -= np.float32(floor)
    return logits


def _union(crops: Sequence[LogitCrop]) -> Rectangle:
    return (
        min(top for top, _, _ in crops),
        min(left for _, left, _ in crops),
        max(top + logits.shape[0] for top, _, logits in crops),
        max(left + logits.shape[1] for _, left, logits in crops),
    )


def _inside(crop: LogitCrop, union: Rectangle) -> tuple[slice, slice]:
    """Where a crop lies in the union."""
    top, left = crop[0] - union[0], crop[1] - union[1]
    return slice(top, top + crop[2].shape[0]), slice(left, left + crop[2].shape[1])


def shows(view: View, union: Rectangle) -> bool:
    """Whether all of a rectangle lies inside what a look shows, its rim left out where the image goes on beyond it."""
    top, left, bottom, right = union
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)
    x, y = view.to_input(corners).T
    rim = _rims(view)
    net = view.input_size
    return bool(
        x.min() >= rim[0] and y.min() >= rim[1] and x.max() <= net.width - rim[2] and y.max() <= net.height - rim[3]
    )


def _votes(view: View, union: Rectangle) -> NDArray[np.float32]:
    """1 for pixels that a look shows, next to nothing for those of its rim, 0 elsewhere."""
    votes = np.zeros((union[2] - union[0], union[3] - union[1]), dtype=np.float32)
    net = view.input_size
    for (left, top, right, bottom), weight in (((0.0, 0.0, 0.0, 0.0), RIM_WEIGHT), (_rims(view), 1.0)):
        corners = np.array(
            [
                (left, top),
                (net.width - right, top),
                (net.width - right, net.height - bottom),
                (left, net.height - bottom),
            ]
        )
        # cv2 counts from the centres of pixels.
        polygon = view.to_image(corners) - (union[1] + 0.5, union[0] + 0.5)
        cv2.fillConvexPoly(
            votes, np.rint(polygon * 2**SUBPIXEL_BITS).astype(np.int32), weight, cv2.LINE_8, SUBPIXEL_BITS
        )
    return votes


def _rims(view: View) -> tuple[float, float, float, float]:
    """Widths of the rim on the left, at the top, on the right, at the bottom; below 0 where the image ends there.

    What lies beyond the image is grey in the input, so no bone is cut there.
    """
    net, size = view.input_size, view.image_size
    middles = np.array(
        [
            (0.0, net.height / 2),
            (net.width / 2, 0.0),
            (float(net.width), net.height / 2),
            (net.width / 2, float(net.height)),
        ]
    )
    x, y = view.to_image(middles).T
    room = 1.0 / view.scale
    goes_on = (x > room) & (x < size.width - room) & (y > room) & (y < size.height - room)
    left, top, right, bottom = np.where(goes_on, RIM_PX, -RIM_PX).tolist()
    return left, top, right, bottom
