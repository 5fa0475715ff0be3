"""Where the hand of an annotated image lies, and how its wrist is bent, from the drawn outlines alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from yolo_bones.annotations import AnnotatedImage
from yolo_bones.hand_fit import HandFit, fit_hand

LEAST_SUPPORT: Final = 0.4
"""Of a fit that is believed. Twice the real spread of shapes gives 0.46 to 0.98, labels drawn mirrored 0.37 to 0.62."""
LEAST_LEAD: Final = 0.1
"""By which it beats the best hand of the other side; right annotations lead by 0.2 and more."""
BENT_FROM_DEG: Final = 15.0
"""A wrist is bent where the hand leans more than this off the image's vertical, to either side."""

STRAIGHT: Final = "straight"
BENT: Final = "bent"
UNKNOWN: Final = "unknown"
WRISTS: Final = (STRAIGHT, BENT, UNKNOWN)


def outline_centroids(image: AnnotatedImage) -> dict[str, NDArray[np.float64]]:
    """Bone -> (2,) centroid of the area inside its outline, pixel centres at whole numbers."""
    return {annotation.bone: area_centroid(annotation.points) for annotation in image.annotations}


def area_centroid(points: NDArray[np.generic]) -> NDArray[np.float64]:
    """(2,) centroid of the area inside an outline (P, 2) that may cross itself."""
    centroid = shapely.make_valid(shapely.Polygon(points)).centroid
    return np.array([centroid.x, centroid.y])


def fit_annotated_hand(image: AnnotatedImage) -> HandFit | None:
    """The fit that prediction uses as well; None where too few bones are drawn or too few of them agree."""
    return believed_fit(outline_centroids(image))


def believed_fit(centroids_xy: Mapping[str, NDArray[np.float64]]) -> HandFit | None:
    """The fit of drawn bones, where it is well enough supported to be believed."""
    fit = fit_hand(centroids_xy)
    if fit is None or fit.support < LEAST_SUPPORT or fit.support - fit.other_side_support < LEAST_LEAD:
        return None
    return fit


def wrist_of_image(image: AnnotatedImage) -> str:
    """`straight` or `bent`; `unknown` where the hand cannot be fitted.

    The forearm comes from the image's lower edge in every radiograph, so the hand's lean off the vertical is the
    wrist's deviation, as good as it is known without the forearm's axis (radius and ulna are cut by that edge).
    """
    fit = fit_annotated_hand(image)
    if fit is None:
        return UNKNOWN
    return BENT if abs(fit.frame.tilt_deg) > BENT_FROM_DEG else STRAIGHT


def wrist_of_patient(wrists: Iterable[str]) -> str:
    """`bent` where either hand is; `unknown` where no hand could be fitted."""
    found = set(wrists)
    return BENT if BENT in found else STRAIGHT if STRAIGHT in found else UNKNOWN
