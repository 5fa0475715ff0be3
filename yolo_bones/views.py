"""Views of an image: the affine maps by which a network looks at it, and the canonical view of a hand. numpy, cv2.

Coordinates are continuous: pixel p covers [p, p + 1), in the image and in the network's input alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.rle import ImageSize

PAD_LEVEL: Final = 114
"""The grey that ultralytics pads with in training."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How an image is brought into a network's input.

    Attributes:
        image_size: of the native image.
        input_size: of the network's input.
        matrix: (2, 3) float64, maps image coordinates (x, y, 1) to input coordinates.
    """

    image_size: ImageSize
    input_size: ImageSize
    matrix: Matrix

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
            raise ValueError("expected a (2, 3) matrix that can be inverted")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @property
    def is_upright(self) -> bool:
        """Whether rows stay rows and columns columns, unmirrored: only scaled and moved."""
        (across, skew_x, _), (skew_y, down, _) = self.matrix
        return bool(skew_x == 0.0 and skew_y == 0.0 and across > 0.0 and down > 0.0)

    @property
    def scale(self) -> float:
        """Input pixels per image pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    @property
    def to_image_matrix(self) -> Matrix:
        """(2, 3) float64, the inverse map."""
        inverse = np.linalg.inv(self.matrix[:, :2])
        return np.column_stack([inverse, -inverse @ self.matrix[:, 2]])

    def to_input(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) image coordinates to (..., 2) input coordinates."""
        return np.asarray(points_xy @ self.matrix[:, :2].T + self.matrix[:, 2])

    def to_image(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) input coordinates to (..., 2) image coordinates."""
        back = self.to_image_matrix
        return np.asarray(points_xy @ back[:, :2].T + back[:, 2])


@dataclass(frozen=True, slots=True)
class HandWindow:
    """A rectangle in the hand's own frame, in lengths of the third metacarpal; the thumb's side becomes the left."""

    centre_thumbward: float
    centre_distalward: float
    width: float
    height: float


CANONICAL: Final = HandWindow(centre_thumbward=0.1, centre_distalward=0.5, width=3.375, height=4.5)
"""The whole hand with its stump of forearm: mean places and two and a half standard deviations of real hands."""
CARPUS: Final = HandWindow(centre_thumbward=0.02, centre_distalward=-0.02, width=1.35, height=1.8)
"""The eight carpals with what they touch."""


def fit_letterbox(image_size: ImageSize, longest_px: int, stride: int) -> View:
    """Scale an image so that its longer side has `longest_px` pixels, padded evenly to multiples of `stride`."""
    longest_px = max(stride, -(-longest_px // stride) * stride)
    factor = longest_px / max(image_size.height, image_size.width)
    height = max(1, round(image_size.height * factor))
    width = max(1, round(image_size.width * factor))
    padded = ImageSize(-(-height // stride) * stride, -(-width // stride) * stride)
    return View(
        image_size,
        padded,
        np.array(
            [
                [width / image_size.width, 0.0, (padded.width - width) // 2],
                [0.0, height / image_size.height, (padded.height - height) // 2],
            ]
        ),
    )


def input_size_of_window(window: HandWindow, longest_px: int, stride: int) -> ImageSize:
    """Input pixels of a window: its longer side `longest_px`, both sides multiples of `stride`."""
    longest = max(window.width, window.height)
    height, width = (
        max(stride, round(longest_px * side / longest / stride) * stride) for side in (window.height, window.width)
    )
    return ImageSize(height, width)


def hand_view(image_size: ImageSize, frame: HandFrame, window: HandWindow, input_size: ImageSize) -> View:
    """The view in which a window of the hand fills the input: thumb left, fingers up, one scale for both axes."""
    scale = min(input_size.width / window.width, input_size.height / window.height)
    left = -frame.thumbward_xy / frame.unit_px
    down = -frame.distalward_xy / frame.unit_px
    linear = scale * np.stack([left, down])
    centre = (
        frame.origin_xy
        + 0.5
        + frame.unit_px
        * (window.centre_thumbward * frame.thumbward_xy + window.centre_distalward * frame.distalward_xy)
    )
    middle = np.array([input_size.width, input_size.height]) / 2.0
    return View(image_size, input_size, np.column_stack([linear, middle - linear @ centre]))


def turned(view: View, *, mirror: bool = False, turn_deg: float = 0.0, zoom: float = 1.0) -> View:
    """The same view mirrored left to right, turned (clockwise on the screen) and enlarged about its centre."""
    angle = math.radians(turn_deg)
    change = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirror:
        change = change @ np.diag([-1.0, 1.0])
    middle = np.array([view.input_size.width, view.input_size.height]) / 2.0
    shift = middle - change @ middle
    matrix = np.column_stack([change @ view.matrix[:, :2], change @ view.matrix[:, 2] + shift])
    return View(view.image_size, view.input_size, matrix)


def draw_view(grey: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """What the network sees: (h, w) uint8 of the input's size, padded with `PAD_LEVEL`.

    Shrinking averages over areas first, so nothing finer than an input pixel aliases.

    Args:
        grey: (H, W) uint8, of the view's image size.
    """
    if ImageSize(*grey.shape) != view.image_size:
        raise ValueError(f"draw_view: expected an image of {view.image_size}, got {ImageSize(*grey.shape)}")
    net = view.input_size
    if view.is_upright:
        width, height = (
            round(view.matrix[axis, axis] * side) for axis, side in ((0, grey.shape[1]), (1, grey.shape[0]))
        )
        left, top = view.matrix[:, 2]
        inside = left >= 0 and top >= 0 and left + width <= net.width and top + height <= net.height
        if inside and left == int(left) and top == int(top):
            method = cv2.INTER_AREA if height < grey.shape[0] else cv2.INTER_LINEAR
            plane = np.full((net.height, net.width), PAD_LEVEL, dtype=np.uint8)
            scaled = cv2.resize(grey, (width, height), interpolation=method)
            plane[int(top) : int(top) + height, int(left) : int(left) + width] = scaled
            return plane
    matrix = view.matrix
    if view.scale < 1.0:
        height, width = (max(1, round(view.scale * side)) for side in grey.shape)
        back = np.diag([grey.shape[1] / width, grey.shape[0] / height])
        grey = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        matrix = np.column_stack([matrix[:, :2] @ back, matrix[:, 2]])
    drawn = cv2.warpAffine(
        grey,
        between_centres(matrix),
        (net.width, net.height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=PAD_LEVEL,
    )
    return np.asarray(drawn, dtype=np.uint8)


def between_centres(matrix: Matrix) -> Matrix:
    """A map of continuous coordinates as cv2 wants it, with pixel centres at whole numbers."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return moved
