"""Outlines in the hand: where a bone's plain outline lies in a wrist that deviates, as `skeleton` poses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from tests.atlas.outlines import PolygonMeasures, as_region, measure_polygon, turned
from tests.atlas.parameters import SHIFT, BoneModel, outline_of
from tests.atlas.targets import BoneTarget
from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import ARM_BONES
from yolo_bones.phantom.agreement import ROUND_BONES
from yolo_bones.phantom.carpus import CAPITATE_HEAD, ROW_SHARE, SCAPHOID_STRETCH
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG
from yolo_bones.phantom.skeleton import WRIST_CENTRE

Array = NDArray[np.float64]

OVERLAP_DEVIATION_DEG: Final = 3.0
"""About the usual wrist of the images that overlaps were measured on, of which 10 % are bent."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedBone:
    """A bone's outline: measured by itself, and its region in the hand (thumbward, distalward)."""

    measures: PolygonMeasures
    region: shapely.Geometry


def row_share(bone: str) -> float:
    """Part of the wrist's deviation that a bone follows, seen from the metacarpals."""
    return 1.0 if bone in ARM_BONES else ROW_SHARE.get(bone, 0.0)


def typical_place(bone: str, deviation: float) -> tuple[Array, float]:
    """(2,) place and direction in degrees of the population's bone, in a wrist that deviates by `deviation` degrees."""
    typical = TYPICAL[bone]
    follows = row_share(bone) * (deviation - MEAN_DEVIATION_DEG)
    centre = (WRIST_CENTRE if bone in ARM_BONES else CAPITATE_HEAD)[:2]
    place = centre + turned(np.array([typical.thumbward, typical.distalward]) - centre, follows)
    return place, typical.angle_deg + follows


def own_angle(bone: str, measures: PolygonMeasures) -> float:
    """Direction of a bone's outline in its own coordinates; the nearly round carpals lie as they are drawn."""
    return 0.0 if bone in ROUND_BONES else measures.angle_deg


def place(model: BoneModel, numbers: Array, target: BoneTarget, deviation: float = OVERLAP_DEVIATION_DEG) -> PlacedBone:
    """Measure a bone's outline and lay it into the hand.

    Args:
        model: the bone.
        numbers: (K,) its vector.
        target: where it should lie, and how much of a forearm bone is seen.
        deviation: of the wrist, in degrees.
    """
    outline = outline_of(model, numbers, target.length)
    measures = measure_polygon(outline)
    where, angle_deg = typical_place(model.bone, deviation)
    own_deg = own_angle(model.bone, measures)
    centred = outline - measures.centroid
    if model.bone == "Scaphoid":
        stretch = 1.0 + SCAPHOID_STRETCH * (deviation - MEAN_DEVIATION_DEG)
        centred = turned(turned(centred, -own_deg) * np.array([1.0, stretch]), own_deg)
    laid = turned(centred, angle_deg + target.turn_deg - own_deg)
    return PlacedBone(measures, as_region(where + target.shift + numbers[SHIFT] + laid))
