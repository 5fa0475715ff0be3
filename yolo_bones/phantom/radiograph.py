"""From posed bones to the grey levels of a radiograph.

Thickness of flesh and of solid bone along each ray, the beam that passes, scatter, the detector, the console, the film,
and what happened to the file: each has its module, here they are called in the order of the physics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES
from yolo_bones.phantom.attenuation import add_scatter, transmitted
from yolo_bones.phantom.bone_density import Trabeculae, mineral_mm
from yolo_bones.phantom.detector import develop
from yolo_bones.phantom.exposure import Exposure
from yolo_bones.phantom.film import Box, cover_edges, lay_marker
from yolo_bones.phantom.foreign_bodies import fix_with_metal, paint_nails, put_on_ring
from yolo_bones.phantom.framing import REFERENCE_SIZE, Frame
from yolo_bones.phantom.projection import Shadow, cast_shadow
from yolo_bones.phantom.skeleton import PosedBone
from yolo_bones.phantom.soft_tissue import Flesh, build_flesh
from yolo_bones.phantom.trabeculae import draw_trabeculae
from yolo_bones.phantom.weathering import weather

Plane = NDArray[np.float32]

MOTTLE_CELLS: Final = 40
"""Cells a side of the slow variation of fat and muscle."""
SCATTER_REACH_UNITS: Final = 0.16


def render(
    bones: Sequence[PosedBone], frame: Frame, exposure: Exposure, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Shadow | None]]:
    """Expose posed bones.

    Args:
        bones: the 29 bones in channel order, then any more (sesamoids).
        frame: where they lie in the image.
        exposure: everything else.
        rng: of texture and noise; how much of it is used does not depend on the image's size.

    Returns:
        The image, (height, width) uint8, and each bone's shadow in the order of `bones` (None where nothing is in the
        frame).
    """
    factor = frame.height / REFERENCE_SIZE
    mottle = rng.standard_normal((MOTTLE_CELLS, MOTTLE_CELLS), dtype=np.float32)
    flesh = build_flesh(bones, frame, exposure.bulk, mottle)
    bone_mm, shadows = _bones_mm(bones, frame, exposure, rng)
    _add_foreign_bodies(bone_mm, bones, frame, exposure, flesh)
    grain = np.random.Generator(np.random.SFC64(int(rng.integers(0, 1 << 63))))
    light = transmitted(flesh.thickness_mm(), bone_mm)
    light = add_scatter(light, exposure.detector.scatter, SCATTER_REACH_UNITS * frame.unit_px)
    image = develop(light, exposure.detector, exposure.tone, factor, grain)
    cover_edges(image, exposure.film, _hand_box(bones, shadows, frame), factor)
    return weather(image, exposure.weathering), shadows


def _bones_mm(
    bones: Sequence[PosedBone], frame: Frame, exposure: Exposure, rng: np.random.Generator
) -> tuple[Plane, list[Shadow | None]]:
    """Thickness of solid bone along each ray, (H, W), and the bones' shadows."""
    bone_mm = np.zeros((frame.height, frame.width), np.float32)
    tile = draw_trabeculae(rng)
    offsets = rng.random((len(bones), 2))
    shadows: list[Shadow | None] = []
    for bone, offset in zip(bones, offsets, strict=True):
        outer = cast_shadow(frame.surface_to_pixels(bone.outer), frame.height, frame.width)
        shadows.append(outer)
        if outer is not None:
            marrow = cast_shadow(frame.surface_to_pixels(bone.marrow), frame.height, frame.width)
            texture = Trabeculae(tile, offset, exposure.struts)
            bone_mm[outer.window] += mineral_mm(bone, frame, (outer, marrow), exposure.ageing, texture)
    return bone_mm, shadows


def _add_foreign_bodies(
    bone_mm: Plane, bones: Sequence[PosedBone], frame: Frame, exposure: Exposure, flesh: Flesh
) -> None:
    by_name = {bone.name: bone for bone in bones}
    for ring in exposure.rings:
        put_on_ring(bone_mm, ring, by_name, frame)
    if exposure.nail_art is not None:
        paint_nails(bone_mm, exposure.nail_art, by_name, frame)
    for implant in exposure.implants:
        fix_with_metal(bone_mm, implant, by_name, frame)
    if exposure.marker is not None:
        lay_marker(bone_mm, exposure.marker, flesh.square > 0.0, frame.thumb_left, frame.height / REFERENCE_SIZE)


def _hand_box(bones: Sequence[PosedBone], shadows: Sequence[Shadow | None], frame: Frame) -> Box:
    """Box around all bones in the frame, down to the lower edge, where the forearm runs out."""
    boxes = [(s.left, s.top, s.left + s.covered.shape[1], s.top + s.covered.shape[0]) for s in shadows if s is not None]
    left, top, right, bottom = np.array(boxes, dtype=np.float64).reshape(-1, 4).T
    if any(bone.name in ARM_BONES for bone in bones):
        return float(left.min()), float(top.min()), float(right.max()), float(frame.height)
    return float(left.min()), float(top.min()), float(right.max()), float(bottom.max())
