"""How much mineral a ray meets in one bone: cortex, spongy core, growth plate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import KINDS
from yolo_bones.phantom.ageing import Ageing, GrowthPlate, growth_plate
from yolo_bones.phantom.attenuation import MM_PER_UNIT
from yolo_bones.phantom.framing import Frame
from yolo_bones.phantom.projection import Shadow
from yolo_bones.phantom.skeleton import PosedBone
from yolo_bones.phantom.trabeculae import TILE_PX, TILE_UNIT_PX, lay_along

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tissue:
    """What a kind of bone is made of; densities as parts of solid cortical bone.

    Attributes:
        cortex: of the wall (pores take the rest).
        ends: of the spongy core near the ends, and of all of a carpal's core.
        shaft: of the core in the middle of the shaft, mostly marrow fat, which weakens less than flesh.
    """

    cortex: float
    ends: float
    shaft: float


@dataclass(frozen=True, slots=True, eq=False)
class Trabeculae:
    """Texture tile and where on it a bone begins.

    Attributes:
        tile: of `draw_trabeculae`.
        offset: (2,) in [0, 1), part of the tile.
        strength: factor on the struts' contrast.
    """

    tile: Plane
    offset: NDArray[np.float64]
    strength: float


TISSUES: Final[dict[str, Tissue]] = {
    "distal": Tissue(1.08, 0.470, 0.215),
    "middle": Tissue(1.00, 0.425, 0.185),
    "proximal": Tissue(1.05, 0.448, 0.184),
    "metacarpal": Tissue(0.78, 0.288, 0.164),
    "carpal": Tissue(0.25, 0.262, 0.262),
    "radius": Tissue(0.60, 0.252, 0.147),
    "ulna": Tissue(0.82, 0.310, 0.145),
    "sesamoid": Tissue(0.85, 0.30, 0.30),
}
"""Set so that the grey levels of `reference.py` come out; see tests/calibrate_greys.py.

The shell of a carpal is thinner than the wall between its two surfaces, so its density there is low.
"""
SPONGY_ENDS: Final = 2.1
"""Length of the spongy ends of a long bone, in widths of the bone."""
STRUTS: Final = 0.17
"""Deviation of the core's density due to its struts, where it is spongy throughout."""
STRUTS_IN_SHAFT: Final = 0.09
PLATE_UNITS: Final = 0.020
"""Thickness of an open growth plate."""


def tissue_kind(bone: str) -> str:
    """Key of `TISSUES` for the name of a posed bone."""
    return KINDS.get(bone, "sesamoid")


def mineral_mm(
    bone: PosedBone, frame: Frame, shadows: tuple[Shadow, Shadow | None], ageing: Ageing, trabeculae: Trabeculae
) -> Plane:
    """Thickness of solid bone along each ray, in the outer shadow's window.

    Args:
        bone: the posed bone.
        frame: the image.
        shadows: of its outer surface and of its marrow.
        ageing: of the person.
        trabeculae: texture of this hand, and where this bone takes it from.

    Returns:
        (h, w) float32, the size of the outer shadow.
    """
    outer, marrow = shadows
    tissue = TISSUES[tissue_kind(bone.name)]
    cortex = np.float32(tissue.cortex * ageing.cortex)
    solid = np.asarray(cortex * outer.length, dtype=np.float32)
    if marrow is not None:
        core = _core_density(bone, frame, marrow, tissue, trabeculae)
        core *= np.float32(ageing.core)
        core -= cortex
        core *= marrow.length
        rows, columns = marrow.window
        solid[
            rows.start - outer.top : rows.stop - outer.top, columns.start - outer.left : columns.stop - outer.left
        ] += core
    plate = growth_plate(ageing, bone.name)
    if plate is not None:
        solid *= _plate_factor(bone, frame, outer, plate)
    solid *= np.float32(bone.mineral * MM_PER_UNIT)
    return solid


def _core_density(bone: PosedBone, frame: Frame, marrow: Shadow, tissue: Tissue, trabeculae: Trabeculae) -> Plane:
    """(h, w) density of the core in the marrow's window."""
    place, direction = axis_in_pixels(bone, frame)
    offset = trabeculae.offset * TILE_PX
    zoom = frame.unit_px / TILE_UNIT_PX
    struts = lay_along(trabeculae.tile, marrow.covered.shape, direction, (offset[0], offset[1]), zoom)
    if tissue.ends == tissue.shaft:
        return np.asarray(tissue.ends * (1.0 + STRUTS * trabeculae.strength * struts), dtype=np.float32)
    along = along_bone(marrow, place[0], direction) / np.float32(frame.unit_px)
    length = float(np.linalg.norm(place[1] - place[0])) / frame.unit_px
    to_end = np.minimum(along, np.float32(length) - along)
    reach = np.float32(SPONGY_ENDS * 2.0 * bone.girth)
    sponginess = np.clip(1.0 - to_end / reach, 0.0, 1.0, dtype=np.float32)
    sponginess *= sponginess * (3.0 - 2.0 * sponginess)
    contrast = np.float32(STRUTS_IN_SHAFT) + np.float32(STRUTS - STRUTS_IN_SHAFT) * sponginess
    struts *= contrast * np.float32(trabeculae.strength)
    struts += 1.0
    struts *= np.float32(tissue.shaft) + np.float32(tissue.ends - tissue.shaft) * sponginess
    return struts


def axis_in_pixels(bone: PosedBone, frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of a bone's axis, (2, 2) pixels from proximal to distal, and the unit vector (2,) between them."""
    ends = frame.to_pixels(bone.axis[[0, -1]])[:, :2]
    along = ends[1] - ends[0]
    length = float(np.linalg.norm(along))
    return ends, along / length if length > 0.0 else np.array([0.0, -1.0])


def along_bone(shadow: Shadow, origin_xy: NDArray[np.float64], direction: NDArray[np.float64]) -> Plane:
    """(h, w) float32: how far along a direction the pixels of a shadow's window lie from a point, in pixels."""
    height, width = shadow.covered.shape
    x = ((np.arange(width) + shadow.left - origin_xy[0]) * direction[0]).astype(np.float32)
    y = ((np.arange(height) + shadow.top - origin_xy[1]) * direction[1]).astype(np.float32)
    return np.asarray(x[None, :] + y[:, None], dtype=np.float32)


def _plate_factor(bone: PosedBone, frame: Frame, outer: Shadow, plate: GrowthPlate) -> Plane:
    """(h, w) factor: dark band of an open plate between two dense lines, or the dense line it leaves."""
    place, direction = axis_in_pixels(bone, frame)
    unit = np.float32(frame.unit_px)
    if plate.at_base:
        along = along_bone(outer, place[0], direction) / unit
    else:
        along = along_bone(outer, place[1], -direction) / unit
    across = along_bone(outer, place[0], np.array([-direction[1], direction[0]])) / unit
    along += np.float32(0.10) * across * across / np.float32(bone.girth) - np.float32(plate.from_end)
    along += np.float32(0.006) * np.sin(across * np.float32(2.6 / bone.girth))
    half = np.float32(0.5 * PLATE_UNITS * (0.5 + 0.5 * plate.openness))
    band = np.exp(-((along / half) ** 4))
    rims = np.exp(-(((np.abs(along) - 1.8 * half) / (0.8 * half)) ** 2))
    scar = np.exp(-((along / np.float32(0.008)) ** 2))
    factor = 1.0 - 0.72 * plate.openness * band + 0.15 * plate.openness * rims + 0.22 * plate.scar * scar
    return np.asarray(factor, dtype=np.float32)
