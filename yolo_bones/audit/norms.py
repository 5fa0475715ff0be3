"""What is usual in a data set: the hand and the outlines learnt from it, blended with what is built in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotations import DrawnOutline
from yolo_bones.bone_shapes import PLACE, Points, outline_moments
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.hand_fit import fit_hand
from yolo_bones.hand_labels import NO_BONE, Labelling, first_labels, label_outlines, weigh
from yolo_bones.hand_model import BUILT_IN_HANDS, HandModel, built_in_hand, learn_hand, robust_moments
from yolo_bones.outline_model import OutlineModel, built_in_outlines, learn_outline
from yolo_bones.parallel import work_in_order
from yolo_bones.rle import ImageSize

Values = NDArray[np.float64]
T = TypeVar("T")

MOST_LEARNT_FROM: Final = 160
"""Hands that outlines are learnt from, evenly out of all."""
LEAST_USUAL_COST: Final = 100.0
LEAST_PLACE_SD: Final = 0.012
"""Of a bone's place against its neighbours, in lengths of the third metacarpal."""


class Watch(Protocol):
    """Shows how far a step has come: wraps an iteration."""

    def __call__(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        """The same items."""


def unwatched(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """Shows nothing."""
    del what, total
    return items


@dataclass(frozen=True, slots=True, eq=False)
class DrawnImage:
    """All annotations of one image as they stand.

    Attributes:
        name: of the image file.
        patient: name of its folder.
        size: of the image.
        outlines: in the file's order; a bone may be there several times or not at all.
    """

    name: str
    patient: str
    size: ImageSize
    outlines: tuple[DrawnOutline, ...]

    @property
    def points(self) -> list[NDArray[np.int32]]:
        """Points of every outline."""
        return [outline.points for outline in self.outlines]

    @property
    def bones(self) -> list[str]:
        """Label of every outline."""
        return [outline.bone for outline in self.outlines]


@dataclass(frozen=True, slots=True, eq=False)
class Norms:
    """What an image is held against.

    Attributes:
        hand: places, sizes, directions, neighbours.
        outlines: 29 typical outlines.
        place_sd: (29, 2) of a bone's place against where its neighbours say it is.
        images: that it was learnt from.
        drawn: (29,) share of the images that have each bone.
        usual_cost: median cost of the best labels, see `hand_labels`.
    """

    hand: HandModel
    outlines: tuple[OutlineModel, ...]
    place_sd: Values
    images: int
    drawn: Values
    usual_cost: float


def drawn_features(image: DrawnImage, model: HandModel) -> Values | None:
    """(29, 6) features of an image's bones as they are labelled; None where no hand can be fitted."""
    labels = first_labels(image.bones)
    places = {
        bone: outline_moments(points).centroid
        for bone, points, label in zip(image.bones, image.points, labels, strict=True)
        if label != NO_BONE
    }
    fit = fit_hand(places)
    return None if fit is None else weigh(image.points, fit.frame, model).features(labels)


def learn_norms(
    images: Sequence[DrawnImage], workers: int = 1, watch: Watch = unwatched
) -> tuple[Norms, list[Labelling | None]]:
    """Learn what is usual, and find the best labels of every image on the way.

    Args:
        images: of the data set; a part of them may be wrong.
        workers: processes.
        watch: for a progress bar.

    Returns:
        The norms, and a labelling of each image, None where no hand can be fitted.
    """
    known = [found for image in images if (found := drawn_features(image, built_in_hand())) is not None]
    first = learn_hand(_stacked(known))
    labellings = list(watch(work_in_order(partial(_label, model=first), images, workers), "labels", len(images)))
    fitted = [one for one in labellings if one is not None]
    features = [one.weighed.features(one.labels) for one in fitted]
    hand = learn_hand(_stacked(features), tails=True)
    norms = Norms(
        hand=hand,
        outlines=_learn_outlines(images, labellings, workers, watch),
        place_sd=_learn_place_sd(hand, features),
        images=len(features),
        drawn=np.mean([[bone in image.bones for bone in BONES] for image in images], axis=0),
        usual_cost=max(LEAST_USUAL_COST, float(np.median([one.cost for one in fitted])) if fitted else 0.0),
    )
    return norms, labellings


def _label(image: DrawnImage, model: HandModel) -> Labelling | None:
    return label_outlines(image.points, image.bones, model)


def _stacked(features: Sequence[Values]) -> Values:
    return np.array(features) if features else np.empty((0, BONE_COUNT, 6))


def _learn_place_sd(hand: HandModel, features: Sequence[Values]) -> Values:
    """Deviations of bones from where neighbours say they are; built in: as if neighbours were independent."""
    expected = [hand.expected_places(found[:, PLACE]) for found in features]
    if not expected:
        _, spread = hand.expected_places(hand.mean[:, PLACE])
        return np.hypot(spread, LEAST_PLACE_SD)
    off = np.array([found[:, PLACE] - wanted for found, (wanted, _) in zip(features, expected, strict=True)])
    _, spread, count = robust_moments(off, tails=True)
    usual = np.median([sd for _, sd in expected], axis=0)
    share = count / (count + BUILT_IN_HANDS)
    return np.asarray(np.sqrt(share * spread**2 + (1.0 - share) * usual**2 + LEAST_PLACE_SD**2))


def _learn_outlines(
    images: Sequence[DrawnImage], labellings: Sequence[Labelling | None], workers: int, watch: Watch
) -> tuple[OutlineModel, ...]:
    fitted = [(image, one) for image, one in zip(images, labellings, strict=True) if one is not None]
    if len(fitted) > MOST_LEARNT_FROM:
        chosen = np.linspace(0, len(fitted) - 1, MOST_LEARNT_FROM).round().astype(int).tolist()
        fitted = [fitted[index] for index in chosen]
    parts: list[list[Points]] = [[] for _ in BONES]
    for image, one in fitted:
        for points, label in zip(image.points, one.labels.tolist(), strict=True):
            if label != NO_BONE:
                parts[label].append(one.weighed.frame.to_hand(points.astype(np.float64)))
    learnt = work_in_order(_learn_one, list(zip(parts, built_in_outlines(), strict=True)), workers)
    return tuple(watch(learnt, "outlines", BONE_COUNT))


def _learn_one(bone: tuple[list[Points], OutlineModel]) -> OutlineModel:
    return learn_outline(*bone)
