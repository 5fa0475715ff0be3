"""One training sample: an image seen in a random view, bent smoothly, its greys changed, and its bones' regions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle import ImageSize
from yolo_bones.training.grey_changes import change_greys
from yolo_bones.training.labelled import LabelledImage
from yolo_bones.training.regions import FINE, LabelRegion, draw_region
from yolo_bones.training.restyle import restyled
from yolo_bones.training_recipe import Recipe
from yolo_bones.views import CANONICAL, CARPUS, PAD_LEVEL, HandWindow, View, draw_view, fit_letterbox, hand_view, turned

NODES: Final = (7, 6)
"""Rows and columns of the grid of random displacements."""
ELASTIC_SHARE: Final = 0.012
"""Displacement of the nodes at strength 1, as part of the input's height."""


class LookKind(IntEnum):
    """What a sample shows."""

    PLAIN = 0
    CANONICAL = 1
    CLOSEUP = 2


@dataclass(frozen=True, slots=True)
class PlainChanges:
    """Stock arguments that a plain view is drawn with, in ultralytics' meaning."""

    degrees: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    fliplr: float = 0.0
    flipud: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the network is shown, and what it is to say.

    Attributes:
        grey: (h, w) uint8.
        regions: of the visible bones.
    """

    grey: NDArray[np.uint8]
    regions: tuple[LabelRegion, ...]


def draw_sample(
    image: LabelledImage,
    kind: LookKind,
    size: ImageSize,
    recipe: Recipe,
    plain: PlainChanges,
    chance: np.random.Generator,
) -> Sample:
    """Draw one sample.

    Args:
        image: with its outlines.
        kind: a canonical view or close-up of a hand without a frame falls back to a plain view.
        size: of the input.
        recipe, plain: how much is changed.
        chance: the source of chance.
    """
    view = random_view(image, kind, size, recipe, plain, chance)
    bend = _random_bend(size, chance, recipe.elastic)
    grown = 0.5 - 0.5 / (FINE * view.scale)
    grown_points = [bone.points + (grown * bone.normals + 0.5) for bone in image.bones]
    ends = np.cumsum([0, *map(len, grown_points)])
    seen = _bent_points(view.to_input(np.concatenate(grown_points)), bend) if grown_points else np.zeros((0, 2))
    outlines = [
        (bone.class_id, seen[start:end]) for bone, start, end in zip(image.bones, ends[:-1], ends[1:], strict=True)
    ]
    if chance.random() < recipe.restyle:
        outlines, grey = restyled(outlines, size, chance)
    else:
        grey = _bent_image(draw_view(image.grey, view), bend)
    drawn = [draw_region(class_id, outline, size, recipe.mask_margin) for class_id, outline in outlines]
    regions = tuple(region for region in drawn if region is not None)
    return Sample(change_greys(grey, chance, recipe.photometric), regions)


def random_view(
    image: LabelledImage,
    kind: LookKind,
    size: ImageSize,
    recipe: Recipe,
    plain: PlainChanges,
    chance: np.random.Generator,
) -> View:
    """A view of the wanted kind, missed as a first look would miss it."""
    if kind is LookKind.PLAIN or image.frame is None:
        return _random_plain(image, size, plain, chance)
    window = CANONICAL if kind is LookKind.CANONICAL else _moved(CARPUS, chance)
    view = hand_view(image.size, image.frame, window, size)
    turn = chance.uniform(-1.0, 1.0) * recipe.canonical_turn
    zoom = float(np.exp(chance.uniform(-1.0, 1.0) * np.log1p(recipe.canonical_scale)))
    shift = chance.uniform(-1.0, 1.0, 2) * recipe.canonical_shift * np.array([size.width, size.height])
    return _shifted(turned(view, turn_deg=turn, zoom=zoom), shift)


def _moved(window: HandWindow, chance: np.random.Generator) -> HandWindow:
    """A close-up a little larger or smaller; it must hold what another window holds."""
    factor = float(chance.uniform(0.9, 1.25))
    return HandWindow(window.centre_thumbward, window.centre_distalward, window.width * factor, window.height * factor)


def _random_plain(image: LabelledImage, size: ImageSize, plain: PlainChanges, chance: np.random.Generator) -> View:
    fitted = fit_letterbox(image.size, max(size.height, size.width), 1)
    shrink = min(1.0, size.height / fitted.input_size.height, size.width / fitted.input_size.width)
    scale = fitted.matrix[0, 0] * shrink
    middle = np.array([size.width, size.height]) / 2.0
    own = np.array([image.size.width, image.size.height]) / 2.0
    matrix = np.column_stack([np.eye(2) * scale, middle - scale * own])
    skew = np.tan(np.deg2rad(chance.uniform(-1.0, 1.0, 2) * plain.shear))
    bent = np.array([[1.0, skew[0]], [skew[1], 1.0]])
    if chance.random() < plain.flipud:
        bent = bent @ np.diag([1.0, -1.0])
    matrix = np.column_stack([bent @ matrix[:, :2], bent @ (matrix[:, 2] - middle) + middle])
    view = turned(
        View(image.size, size, matrix),
        mirror=bool(chance.random() < plain.fliplr),
        turn_deg=float(chance.uniform(-1.0, 1.0) * plain.degrees),
        zoom=float(1.0 + chance.uniform(-1.0, 1.0) * min(plain.scale, 0.9)),
    )
    return _shifted(view, chance.uniform(-1.0, 1.0, 2) * plain.translate * np.array([size.width, size.height]))


def _shifted(view: View, shift: NDArray[np.float64]) -> View:
    matrix = view.matrix.copy()
    matrix[:, 2] += shift
    return View(view.image_size, view.input_size, matrix)


def _random_bend(size: ImageSize, chance: np.random.Generator, strength: float) -> NDArray[np.float32] | None:
    """(h, w, 2) float32 displacements from a bent image's pixels to where they come from; None for none."""
    if strength <= 0.0:
        return None
    spread = ELASTIC_SHARE * strength * size.height * chance.uniform(0.0, 1.0)
    nodes = chance.normal(0.0, spread, (*NODES, 2)).astype(np.float32)
    return np.asarray(cv2.resize(nodes, (size.width, size.height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _bent_image(grey: NDArray[np.uint8], bend: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    if bend is None:
        return grey
    columns, rows = np.meshgrid(np.arange(grey.shape[1], dtype=np.float32), np.arange(grey.shape[0], dtype=np.float32))
    bent = cv2.remap(
        grey, columns + bend[..., 0], rows + bend[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
        borderValue=PAD_LEVEL,
    )  # fmt: skip
    return np.asarray(bent, dtype=np.uint8)


def _bent_points(points: NDArray[np.float64], bend: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """Where points of the straight image lie in the bent one: q with q + bend(q) = p, by iteration."""
    if bend is None:
        return points
    height, width = bend.shape[:2]
    moved = points
    for _ in range(4):
        place = np.clip(moved - 0.5, 0.0, [width - 1.001, height - 1.001])
        corner = place.astype(np.int64)
        (fx, fy), (x, y) = (place - corner).T, corner.T
        below = bend[y, x] * (1 - fx)[:, None] + bend[y, x + 1] * fx[:, None]
        above = bend[y + 1, x] * (1 - fx)[:, None] + bend[y + 1, x + 1] * fx[:, None]
        moved = points - (below * (1 - fy)[:, None] + above * fy[:, None])
    return np.asarray(moved, dtype=np.float64)
