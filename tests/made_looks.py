"""Looks without a network: logits known everywhere in the image, seen through any view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from yolo_bones.bones import BONE_COUNT, CLASS_IDS
from yolo_bones.candidates import Candidates
from yolo_bones.views import View

STRIDE = 4
Field = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Logit at continuous image coordinates x and y (pixel p covers [p, p + 1))."""


@dataclass(frozen=True)
class Seen:
    """One bone: its logits, some points (N, 2) on its outline in image coordinates, its score."""

    field: Field
    outline_xy: np.ndarray
    score: float = 0.9


def disc(centre_xy: tuple[float, float], radius: float, score: float = 0.9) -> Seen:
    """Logits fall by one a pixel and are 0 on a circle."""
    angles = np.linspace(0.0, 2.0 * np.pi, 720)
    outline = np.array(centre_xy) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Seen(lambda x, y: radius - np.hypot(x - centre_xy[0], y - centre_xy[1]), outline, score)


def plateau(left: float, top: float, right: float, bottom: float, logit: float, score: float = 0.9) -> Seen:
    """One logit everywhere; the box is what is given."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return Seen(lambda x, y: np.full(np.broadcast(x, y).shape, logit), corners, score)


def look(view: View, bones: Mapping[str, Seen]) -> Candidates:
    """One candidate a bone; the box is that of the outline in the view, cut to the input."""
    net = view.input_size
    rows, columns = np.mgrid[: net.height // STRIDE, : net.width // STRIDE]
    places = view.to_image((np.stack([columns, rows], axis=-1) + 0.5) * STRIDE)
    prototypes, boxes = [], []
    scores = np.zeros((len(bones), BONE_COUNT), np.float32)
    for index, (bone, one) in enumerate(bones.items()):
        prototypes.append(one.field(places[..., 0], places[..., 1]))
        outline = np.clip(view.to_input(one.outline_xy), 0.0, [net.width, net.height])
        boxes.append([*outline.min(axis=0), *outline.max(axis=0)])
        scores[index, CLASS_IDS[bone]] = one.score
    return Candidates(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=scores,
        coefficients=np.eye(len(bones), dtype=np.float32),
        prototypes=np.array(prototypes, np.float32),
        view=view,
    )
