"""Means of a bone's logits over looks, pixel by pixel: a look has no vote where it does not look. numpy, cv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

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
PLACES_ALONG_A_SIDE: Final = np.linspace(0.02, 0.98, 9)

Rectangle = tuple[int, int, int, int]
"""Top, left, bottom, right in native pixels; the latter two are excluded."""


class LookArea:
    """Where a look looks, and how near to its border it is to be trusted.

    Args:
        view: of the look.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        net = view.input_size
        self._net = np.array([net.width, net.height], dtype=np.float64)
        goes_on = self._image_goes_on()
        trusted = np.where(goes_on, RIM_PX, 0.0)
        self._trusted = np.concatenate([trusted[:2], self._net - trusted[2:]])
        # Where the image ends at a border or before it, what lies beyond is nothing that could be missed.
        loose = np.where(goes_on, RIM_PX, -RIM_PX)
        self._loose = np.concatenate([loose[:2], self._net - loose[2:]])

    def _image_goes_on(self) -> NDArray[np.bool_]:
        """(4,) whether the image goes on somewhere beyond the left, upper, right, lower side of the input."""
        along = PLACES_ALONG_A_SIDE
        none, all_ = np.zeros_like(along), np.ones_like(along)
        sides = np.stack(
            [np.stack(pair, axis=-1) for pair in ((none, along), (along, none), (all_, along), (along, all_))]
        )
        x, y = np.moveaxis(self.view.to_image(sides * self._net), -1, 0)
        size, room = self.view.image_size, 1.0 / self.view.scale
        inside = (x > room) & (x < size.width - room) & (y > room) & (y < size.height - room)
        return np.asarray(inside.any(axis=1))

    def shows(self, rectangle: Rectangle) -> bool:
        """Whether the look is to be trusted with all of a rectangle."""
        top, left, bottom, right = rectangle
        corners = self.view.to_input(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))
        low, high = corners.min(axis=0), corners.max(axis=0)
        return bool((low >= self._loose[:2]).all() and (high <= self._loose[2:]).all())

    def contains(self, points_xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(...) whether points (..., 2) of the image lie inside the input."""
        places = self.view.to_input(points_xy)
        return np.asarray(((places > 0.0) & (places < self._net)).all(axis=-1))

    def votes(self, rectangle: Rectangle) -> NDArray[np.float32]:
        """1 for the pixels of a rectangle that the look shows, next to nothing for those of its rim, 0 elsewhere."""
        top, left, bottom, right = rectangle
        votes = np.zeros((bottom - top, right - left), dtype=np.float32)
        for (low_x, low_y, high_x, high_y), weight in (((0.0, 0.0, *self._net), RIM_WEIGHT), (self._trusted, 1.0)):
            corners = np.array([(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)])
            # cv2 counts from the centres of pixels.
            polygon = (self.view.to_image(corners) - (left + 0.5, top + 0.5)) * 2**SUBPIXEL_BITS
            cv2.fillConvexPoly(votes, np.rint(polygon).astype(np.int32), weight, cv2.LINE_8, SUBPIXEL_BITS)
        return votes


def union_of(crops: Sequence[tuple[int, int, NDArray[Any]]]) -> Rectangle:
    """The rectangle around all crops."""
    return (
        min(top for top, _, _ in crops),
        min(left for _, left, _ in crops),
        max(top + logits.shape[0] for top, _, logits in crops),
        max(left + logits.shape[1] for _, left, logits in crops),
    )


def mean_where_all_look(crops: Sequence[LogitCrop], weights: NDArray[np.float64], floor: float) -> LogitCrop:
    """Weighted mean over the union of the crops, all of which every look shows.

    A look counts `floor` where its crop does not reach, and where its logit is below.

    Args:
        crops: one or more of one bone; they are overwritten.
        weights: of the looks, above 0.
        floor: a logit that clearly says no.
    """
    union = union_of(crops)
    top, left, bottom, right = union
    mean = np.full((bottom - top, right - left), floor, dtype=np.float32)
    for crop, weight in zip(crops, weights / weights.sum(), strict=True):
        above = _above(crop, floor)
        above *= np.float32(weight)
        mean[_inside(crop, union)] += above
    return top, left, mean


def mean_by_votes(
    crops: Sequence[LogitCrop], areas: Sequence[LookArea], weights: NDArray[np.float64], floor: float
) -> LogitCrop:
    """The same where some look does not show all of the union: it has no vote there, and hardly any at its rim.

    Args:
        crops: two or more of one bone; they are overwritten.
        areas: of the looks that they come from.
        weights: of the looks, above 0.
        floor: a logit that clearly says no; also that of pixels where no look has a vote.
    """
    union = union_of(crops)
    total = np.zeros((union[2] - union[0], union[3] - union[1]), dtype=np.float32)
    mean = np.zeros_like(total)
    for crop, area, weight in zip(crops, areas, weights / weights.max(), strict=True):
        votes = area.votes(union)
        votes *= np.float32(weight)
        total += votes
        inside = _inside(crop, union)
        mean[inside] += votes[inside] * _above(crop, floor)
    np.divide(mean, total, out=mean, where=total > 0.0)
    mean += np.float32(floor)
    return union[0], union[1], mean


def _above(crop: LogitCrop, floor: float) -> NDArray[np.float32]:
    """By how much the logits lie above the floor, 0 at least; in place."""
    logits = crop[2]
    np.maximum(logits, np.float32(floor), out=logits)
    logits -= np.float32(floor)
    return logits


def _inside(crop: LogitCrop, union: Rectangle) -> tuple[slice, slice]:
    """Where a crop lies in the union."""
    top, left = crop[0] - union[0], crop[1] - union[1]
    return slice(top, top + crop[2].shape[0]), slice(left, left + crop[2].shape[1])
