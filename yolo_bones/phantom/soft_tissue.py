"""The flesh around the bones: fingers as round-ended limbs, webs, thenar and hypothenar, wrist and forearm.

Each part is a limb: a line with a half-width and a half-thickness at each of its points and an elliptic section, so
that the square of the half-thickness falls to zero at the skin and below outside. Parts merge by a smooth maximum of
these squares, which fills the clefts between them (webs); the square is smooth at the skin, so that a coarse grid gives
a sharp edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, DIGITS
from yolo_bones.phantom.attenuation import MM_PER_UNIT
from yolo_bones.phantom.framing import Frame
from yolo_bones.phantom.skeleton import PosedBone

Plane = NDArray[np.float32]
Vector = NDArray[np.float64]

FINGER_MARGIN: Final = (0.052, 0.034, 0.028)
"""Flesh beside distal, middle and proximal phalanges, in units of the third metacarpal."""
FINGER_FLATNESS: Final = (0.882, 0.923, 0.909)
"""Half-thickness over half-width there."""
TIP_INSET: Final = 0.045
PALM_HALF_WIDTH: Final = 0.223
PALM_HALF_THICKNESS: Final = (0.144, 0.193, 0.174)
"""At the metacarpals' heads, in their middle and at their bases."""
HYPOTHENAR: Final = (0.20, 0.20)
THENAR: Final = (0.21, 0.205)
FIRST_WEB: Final = (0.20, 0.12)
CARPUS: Final = (0.148, 0.248)
"""Half-width beside each end of the carpal arch, and half-thickness."""
WRIST_MARGIN: Final = 0.127
FOREARM_MARGIN: Final = 0.113
FOREARM_SHIFT: Final = 0.056
"""How far the forearm's flesh lies towards the thumb's side of the middle between its bones."""
FOREARM_HALF_THICKNESS: Final = (0.32, 0.31)
WEB_POINT: Final = 2
"""Point of the proximal phalanx's axis that the palm reaches."""
WEB_HALF_THICKNESS: Final = 0.10
MELT: Final = 0.003
"""How far neighbouring limbs melt into each other, as a square of half-thicknesses."""
GRID_PER_UNIT: Final = 56.0
SMOOTHING: Final = 0.03
"""Blur that rounds the creases where limbs meet, in units."""
UNEVENNESS: Final = 0.05
FAT: Final = 0.75
"""How much fat weakens the beam against muscle."""
SKIN: Final = 0.25
"""Share of the squared half-thickness around it that is skin and fat: a rim of 2 mm on a finger, 4 mm on a forearm."""
SKIN_REACH: Final = 0.12
LOWEST: Final = -8.0
"""Floor of the squares outside the skin, in units of `MELT`, so that the blur does not eat into the skin."""


@dataclass(frozen=True, slots=True, eq=False)
class Limb:
    """One part of the flesh: (P, 2) points in pixels, (P,) half-widths and half-thicknesses in units."""

    points: Vector
    half_width: Vector
    half_thickness: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Flesh:
    """The flesh of one hand on a coarse grid.

    Attributes:
        step: pixels per cell of the grid.
        square: (h, w) float32 square of the half-thickness in units, negative outside the skin.
        skin: (h, w) float32, how much of it belongs to skin and fat; 0 where there is none.
        width, height: of the image in pixels.
    """

    step: int
    square: Plane
    skin: Plane
    height: int
    width: int

    def thickness_mm(self) -> Plane:
        """(H, W) float32, thickness along each ray, fat counted for as much as it weakens the beam."""
        fat = np.float32(2.0 * MM_PER_UNIT * FAT)
        total = self._root(self.square)
        total *= fat
        muscle = self._root(self.square - self.skin)
        muscle *= np.float32(2.0 * MM_PER_UNIT) - fat
        total += muscle
        return total

    def _root(self, square: Plane) -> Plane:
        """(H, W) float32 root of a field on the grid, 0 where that is negative."""
        rows, columns = square.shape
        whole = cv2.resize(square, (columns * self.step, rows * self.step), interpolation=cv2.INTER_LINEAR)
        root = np.maximum(whole[: self.height, : self.width], np.float32(0.0))
        np.sqrt(root, out=root)
        return root


def build_flesh(bones: Sequence[PosedBone], frame: Frame, bulk: float, mottle: Plane) -> Flesh:
    """Put flesh around posed bones.

    Args:
        bones: the 29 bones and any more.
        frame: the image they are laid out in.
        bulk: how much flesh against the typical hand.
        mottle: (h, w) slow random field, mean 0 and standard deviation 1, of fat and muscle; stretched over the image.
    """
    step = max(1, round(frame.unit_px / GRID_PER_UNIT))
    rows, columns = -(-frame.height // step), -(-frame.width // step)
    places = {bone.name: frame.to_pixels(bone.axis)[:, :2] for bone in bones}
    girths = {bone.name: bone.girth for bone in bones}
    total = np.full((rows, columns), -1e9, dtype=np.float64)
    for limb in _limbs(places, girths, frame.unit_px, bulk):
        _melt_in(total, limb, step, frame.unit_px)
    square = (MELT * np.maximum(total, LOWEST)).astype(np.float32)
    smooth = cv2.GaussianBlur(square, (0, 0), SMOOTHING * frame.unit_px / step, borderType=cv2.BORDER_REPLICATE)
    uneven = cv2.resize(mottle, (columns, rows), interpolation=cv2.INTER_CUBIC)
    square = np.asarray(smooth * (1.0 + np.float32(UNEVENNESS) * uneven), dtype=np.float32)
    skin = cv2.GaussianBlur(np.maximum(square, np.float32(0.0)), (0, 0), SKIN_REACH * frame.unit_px / step)
    return Flesh(step, square, np.asarray(np.float32(SKIN) * skin, dtype=np.float32), frame.height, frame.width)


def _limbs(places: Mapping[str, Vector], girths: Mapping[str, float], unit_px: float, bulk: float) -> list[Limb]:
    limbs = [_finger(places, girths, bones, unit_px, bulk) for bones in DIGITS.values()]
    limbs += [_ray(places, bones, bulk) for digit, bones in DIGITS.items() if digit != "thumb"]
    thumb, index = places[DIGITS["thumb"][-1]], places[DIGITS["index"][-1]]
    little, radius, ulna = places[DIGITS["little"][-1]], places[ARM_BONES[0]], places[ARM_BONES[1]]
    styloid = 0.75 * radius[11] + 0.25 * thumb[0]
    thenar = np.stack([thumb[9], thumb[4], thumb[0], styloid])
    limbs.append(Limb(thenar, np.array([0.75, 0.95, 0.85, 0.75]) * THENAR[0] * bulk, _same(THENAR[1] * bulk, 4)))
    hypothenar = np.stack([little[8], little[3], 0.5 * (little[0] + ulna[11]), ulna[11]])
    wide = np.array([0.8, 1.0, 0.85, 0.75]) * HYPOTHENAR[0] * bulk
    limbs.append(Limb(hypothenar, wide, _same(HYPOTHENAR[1] * bulk, 4)))
    web = np.stack([0.5 * (thumb[9] + thumb[5]), 0.5 * (index[7] + index[3])])
    limbs.append(Limb(web, _same(FIRST_WEB[0] * bulk, 2), _same(FIRST_WEB[1] * bulk, 2)))
    return [*limbs, _carpus(places, unit_px, bulk), _forearm(places, girths, unit_px, bulk)]


def _ray(places: Mapping[str, Vector], bones: Sequence[str], bulk: float) -> Limb:
    """The palm along one metacarpal, from its base to the web at the foot of the finger."""
    metacarpal, proximal = places[bones[-1]], places[bones[-2]]
    points = np.stack([proximal[WEB_POINT], metacarpal[11], metacarpal[9], metacarpal[5], metacarpal[1]])
    head, middle, base = PALM_HALF_THICKNESS
    half_thickness = np.array([WEB_HALF_THICKNESS, head, head, middle, base]) * bulk
    return Limb(points, np.array([0.62, 0.72, 0.85, 1.0, 1.0]) * PALM_HALF_WIDTH * bulk, half_thickness)


def _finger(
    places: Mapping[str, Vector], girths: Mapping[str, float], bones: Sequence[str], unit_px: float, bulk: float
) -> Limb:
    points, widths, flat = [], [], []
    phalanges = bones[:-1]
    for order, name in enumerate(phalanges):
        kind = 0 if order == 0 else 2 if order == len(phalanges) - 1 else 1
        axis = places[name]
        tip = axis[11] - TIP_INSET * unit_px * _unit(axis[11] - axis[0]) if order == 0 else axis[10]
        radius = girths[name] + FINGER_MARGIN[kind] * bulk
        points += [tip, axis[5], axis[0]]
        widths += [radius * (0.86 if order == 0 else 1.0), radius * (0.98 if order == 0 else 0.95), radius]
        flat += [FINGER_FLATNESS[kind]] * 3
    metacarpal = places[bones[-1]]
    points.append(metacarpal[9])
    widths.append(widths[-1] * 1.05)
    flat.append(flat[-1])
    half_width = np.array(widths)
    return Limb(np.stack(points), half_width, half_width * np.array(flat))


def _carpus(places: Mapping[str, Vector], unit_px: float, bulk: float) -> Limb:
    """From the middle of the metacarpals' bases to the forearm's head, as wide as the carpal arch."""
    index, little = places[DIGITS["index"][-1]][0], places[DIGITS["little"][-1]][0]
    radius, ulna = places[ARM_BONES[0]][11], places[ARM_BONES[1]][11]
    points = np.stack([0.5 * (index + little), 0.5 * (radius + ulna)])
    spans = np.array([np.linalg.norm(index - little), np.linalg.norm(radius - ulna)]) / (2 * unit_px)
    margin, half_thickness = CARPUS
    return Limb(points, spans + margin * bulk, _same(half_thickness * bulk, 2))


def _forearm(places: Mapping[str, Vector], girths: Mapping[str, float], unit_px: float, bulk: float) -> Limb:
    radius, ulna = (places[name][[11, 7, 3, 0]] for name in ARM_BONES)
    spans = np.linalg.norm(radius - ulna, axis=1) / (2 * unit_px)
    shaft = 0.5 * sum(girths[name] for name in ARM_BONES)
    margin = np.array([WRIST_MARGIN, 0.5 * (WRIST_MARGIN + FOREARM_MARGIN), FOREARM_MARGIN, FOREARM_MARGIN])
    wrist, elbow = FOREARM_HALF_THICKNESS
    half_thickness = np.array([wrist, 0.5 * (wrist + elbow), elbow, elbow]) * bulk
    middle = 0.5 * (radius + ulna) + FOREARM_SHIFT / np.maximum(2 * spans[:, None], 0.1) * (radius - ulna)
    return Limb(middle, spans + 0.8 * shaft + margin * bulk, half_thickness)


def _melt_in(total: Vector, limb: Limb, step: int, unit_px: float) -> None:
    """Add one limb to the smooth maximum, in the cells around it; `total` is in units of `MELT`."""
    reach = 1.6 * float(limb.half_width.max()) * unit_px
    low = np.floor((limb.points.min(axis=0) - reach) / step).astype(int)
    high = np.ceil((limb.points.max(axis=0) + reach) / step).astype(int)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, [total.shape[1], total.shape[0]])
    if right <= left or bottom <= top:
        return
    x = ((np.arange(left, right) + 0.5) * step - 0.5) / unit_px
    y = (((np.arange(top, bottom) + 0.5) * step - 0.5) / unit_px)[:, None]
    points = limb.points / unit_px
    best = np.full((bottom - top, right - left), -1e9)
    for k in range(len(points) - 1):
        start, along = points[k], points[k + 1] - points[k]
        squared = max(float(along @ along), 1e-12)
        t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / squared, 0.0, 1.0)
        distance = (x - start[0] - t * along[0]) ** 2 + (y - start[1] - t * along[1]) ** 2
        width = limb.half_width[k] + t * (limb.half_width[k + 1] - limb.half_width[k])
        thick = limb.half_thickness[k] + t * (limb.half_thickness[k + 1] - limb.half_thickness[k])
        best = np.maximum(best, thick**2 * (1.0 - distance / width**2))
    window = total[top:bottom, left:right]
    np.logaddexp(window, best / MELT, out=window)


def _unit(vector: Vector) -> Vector:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _same(value: float, count: int) -> Vector:
    return np.full(count, value)
