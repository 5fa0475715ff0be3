"""The numbers that the fit moves, one vector a bone, and the outline that they stand for.

| bone | vector |
|---|---|
| long | log length, log thumb edge (12), log other edge (12), base (5), head (5), shift (2) |
| carpal | log radii (24), shift (2) |

The shift is (thumbward, distalward), in the pose that overlaps are fitted in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.atlas.drawings import FOREARM_WARP, draw_radii, draw_tube
from tests.atlas.outlines import cut_below
from yolo_bones.anatomy import THIRD_METACARPAL, TYPICAL
from yolo_bones.bones import ARM_BONES, BONES, HAND_BONES
from yolo_bones.phantom.carpus import ROW_SHARE
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG
from yolo_bones.phantom.shapes import RADII, STATIONS, Stack, Tube, stack_outline, tube_outline

Array = NDArray[np.float64]

LENGTH: Final = 0
THUMB_EDGE: Final = slice(1, 1 + len(STATIONS))
OTHER_EDGE: Final = slice(THUMB_EDGE.stop, THUMB_EDGE.stop + len(STATIONS))
BASE: Final = slice(OTHER_EDGE.stop, OTHER_EDGE.stop + 5)
HEAD: Final = slice(BASE.stop, BASE.stop + 5)
RADIUS: Final = slice(0, RADII)
SHIFT: Final = slice(-2, None)

FIXED: Final = 1e-6
"""Give of a number that does not move: the forearm's length, which no image shows, and the place of the two bones that
carry the hand's frame."""
LENGTH_GIVE: Final = 0.05
EDGE_GIVE: Final = {"Radius": 0.085, "other": 0.10}
END_GIVE: Final = 0.012
RADIUS_GIVE: Final = 0.16
SHIFT_GIVE: Final = {"Capitate": FIXED, THIRD_METACARPAL: FIXED, "Triquetrum": 0.012, "Hamate": 0.012, "other": 0.006}


@dataclass(frozen=True, slots=True, eq=False)
class BoneModel:
    """One bone as the fit sees it.

    Attributes:
        bone: as in `bones.BONES`.
        start: (K,) its drawing.
        give: (K,) how far each number may be from the drawing, as a standard deviation.
    """

    bone: str
    start: Array
    give: Array

    @property
    def is_tube(self) -> bool:
        """Whether it is a long bone."""
        return self.bone not in HAND_BONES

    @property
    def free(self) -> list[int]:
        """The numbers that move."""
        return np.flatnonzero(self.give > 10 * FIXED).tolist()


def parameter_count(bone: str) -> int:
    """Length of a bone's vector."""
    return (RADIUS.stop if bone in HAND_BONES else HEAD.stop) + 2


def drawn_models() -> dict[str, BoneModel]:
    """The 29 bones as drawn."""
    return {bone: _carpal_model(bone) if bone in HAND_BONES else _tube_model(bone) for bone in BONES}


def _tube_model(bone: str) -> BoneModel:
    drawn = draw_tube(bone)
    edge = np.log(drawn.edge)
    start = np.concatenate([[np.log(drawn.length)], edge, edge, drawn.base, drawn.head, np.zeros(2)])
    give = np.full(len(start), EDGE_GIVE.get(bone, EDGE_GIVE["other"]))
    give[LENGTH] = FIXED if bone in ARM_BONES else LENGTH_GIVE
    give[BASE] = give[HEAD] = END_GIVE
    give[SHIFT] = SHIFT_GIVE.get(bone, SHIFT_GIVE["other"])
    return BoneModel(bone, start, give)


def _carpal_model(bone: str) -> BoneModel:
    straight_deg = TYPICAL[bone].angle_deg - ROW_SHARE.get(bone, 0.0) * MEAN_DEVIATION_DEG
    start = np.concatenate([np.log(draw_radii(bone, straight_deg)), np.zeros(2)])
    give = np.full(len(start), RADIUS_GIVE)
    give[SHIFT] = SHIFT_GIVE.get(bone, SHIFT_GIVE["other"])
    return BoneModel(bone, start, give)


def outline_of(model: BoneModel, numbers: Array, seen: float = 1.0) -> Array:
    """(N, 2) outline (u, v) of a bone; of a forearm bone what images show.

    Args:
        model: the bone.
        numbers: (K,) its vector.
        seen: length of a forearm bone in the image, against the typical one.
    """
    if not model.is_tube:
        nothing = (1.0, 2.0, np.zeros(2), 0.0, 0.0, np.zeros(4), 0.0)
        return stack_outline(Stack(np.exp(numbers[RADIUS]), *nothing))
    is_arm = model.bone in ARM_BONES
    outline = tube_outline(
        Tube(
            length=float(np.exp(numbers[LENGTH])),
            warp=warp_of(model.bone),
            thumb_edge=np.exp(numbers[THUMB_EDGE]),
            other_edge=np.exp(numbers[OTHER_EDGE]),
            base=numbers[BASE],
            head=numbers[HEAD],
            depth=np.ones(3),
            sag=0.0,
            wall=0.0,
        )
    )
    return cut_below(outline, TYPICAL[model.bone].length * seen) if is_arm else outline


def warp_of(bone: str) -> float:
    """`shapes.Tube.warp` of a long bone."""
    return FOREARM_WARP if bone in ARM_BONES else 1.0
