"""What covers parts of a picture: the collimator's border, white bands, lead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.attenuation import BONE_EQUIVALENT
from yolo_bones.phantom.chance import around, happens

Shutter = Literal["", "dark", "white"]
Plane = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

FONTS: Final = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
CAPITAL_PX: Final = 21.0
"""Height of a capital letter of these fonts at scale 1."""
SHADES: Final = {"dark": 3, "white": 250}
CLEARANCE_PX: Final = 12.0


@dataclass(frozen=True, slots=True)
class Film:
    """What covers the edges; lengths in pixels at 2048.

    Attributes:
        shutter: shade of the collimated border, "" for none.
        shutter_turn_deg: how far it is turned.
        shutter_room: of the room between hand and edge at the left, top and right, how much the border takes.
        white_left_px, white_top_px: width of white bands, as far as the hand leaves room.
    """

    shutter: Shutter
    shutter_turn_deg: float
    shutter_room: tuple[float, float, float]
    white_left_px: int
    white_top_px: int


@dataclass(frozen=True, slots=True)
class Marker:
    """Lead letters; lengths in pixels at 2048.

    Attributes:
        wrong_side: whether the letter is that of the other hand.
        small_text: what else stands below it.
        font: index into `FONTS`.
        height_px: of the letter.
        stroke: thickness of its lines, as a part of its height.
        turn_deg: how far it is turned.
        mirrored: whether it was laid down the wrong way round.
        framed: whether a circle surrounds it.
        lead_mm: thickness of the lead.
        places: tried in turn, parts of width and height, until one is clear of the hand.
    """

    wrong_side: bool
    small_text: str
    font: int
    height_px: float
    stroke: float
    turn_deg: float
    mirrored: bool
    framed: bool
    lead_mm: float
    places: tuple[tuple[float, float], ...]


def draw_film(rng: np.random.Generator, spread: float) -> Film:
    """Borders and bands of one picture."""
    has_shutter, has_bands = happens(rng, "shutter", spread), happens(rng, "white bands", spread)
    shade: Shutter = "dark" if rng.random() < 0.65 else "white"
    turn = float(rng.normal(0.0, 2.5) * spread) if rng.random() < 0.6 else 0.0
    room = rng.uniform(0.2, 0.9, 3) * (rng.random(3) < 0.75)
    left, top = (rng.random(2) < (0.7, 0.5)) * rng.integers(8, 120, 2)
    return Film(
        shutter=shade if has_shutter else "",
        shutter_turn_deg=turn,
        shutter_room=(float(room[0]), float(room[1]), float(room[2])),
        white_left_px=int(left) if has_bands else 0,
        white_top_px=int(top) if has_bands else 0,
    )


def draw_marker(rng: np.random.Generator, spread: float) -> Marker | None:
    """Letters of one picture, or None."""
    there = happens(rng, "marker", spread)
    letters = "".join(rng.choice(list("ABCDEHKMNPST"), 2))
    texts = ("", "", "", "PA", letters, f"{int(rng.integers(1, 13)):02d} {int(rng.integers(1, 29)):02d}")
    places = rng.uniform((0.06, 0.06), (0.94, 0.94), (24, 2))
    quarters, slight = 90.0 * int(rng.integers(0, 4)), float(rng.normal(0.0, 5.0)) * spread
    marker = Marker(
        wrong_side=bool(rng.random() < 0.03 * spread),
        small_text=str(rng.choice(texts)),
        font=int(rng.integers(0, len(FONTS))),
        height_px=around(rng, 75.0, 0.25, spread),
        stroke=around(rng, 0.15, 0.25, spread),
        turn_deg=slight + (quarters if rng.random() < 0.08 * spread else 0.0),
        mirrored=bool(rng.random() < 0.08 * spread),
        framed=bool(rng.random() < 0.15),
        lead_mm=around(rng, 0.10, 0.8, spread),
        places=tuple((float(x), float(y)) for x, y in places),
    )
    return marker if there else None


def lay_marker(bone_mm: Plane, marker: Marker, flesh: NDArray[np.bool_], thumb_left: bool, factor: float) -> None:
    """Add lead letters to what the beam must pass, where they are clear of the hand; else leave them out.

    Args:
        bone_mm: (H, W), changed in place.
        marker: the letters.
        flesh: (h, w) coarse mask of the body, stretched over the image.
        thumb_left: whether the thumb points left, as that of a right hand does with its palm on the detector.
        factor: pixels of this image to one at 2048.
    """
    stamp = _letters(marker, "R" if thumb_left != marker.wrong_side else "L", factor)
    height, width = bone_mm.shape
    rows, columns = flesh.shape
    for x, y in marker.places:
        top, left = round(y * height - stamp.shape[0] / 2), round(x * width - stamp.shape[1] / 2)
        bottom, right = top + stamp.shape[0], left + stamp.shape[1]
        if top < 0 or left < 0 or bottom > height or right > width:
            continue
        under = flesh[
            top * rows // height : -(-bottom * rows // height), left * columns // width : -(-right * columns // width)
        ]
        if not under.any():
            bone_mm[top:bottom, left:right] += stamp * np.float32(marker.lead_mm * BONE_EQUIVALENT["lead"])
            return


def _letters(marker: Marker, side_letter: str, factor: float) -> Plane:
    """The marker as a small plane from 0 to 1."""
    letter = max(6.0, marker.height_px * factor)
    side = round(4.2 * letter)
    stamp = np.zeros((side, side), np.uint8)
    middle = side / 2
    _write(stamp, side_letter, (middle, middle), letter, marker)
    if marker.small_text:
        _write(stamp, marker.small_text, (middle, middle + 0.95 * letter), 0.42 * letter, marker)
    if marker.framed:
        stroke = max(1, round(0.6 * marker.stroke * letter))
        cv2.circle(stamp, (round(middle), round(middle)), round(0.95 * letter), 255, stroke, cv2.LINE_AA)
    if marker.mirrored:
        stamp = np.ascontiguousarray(stamp[:, ::-1])
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), marker.turn_deg, 1.0)
    turned = cv2.warpAffine(stamp, turn, (side, side), flags=cv2.INTER_LINEAR)
    used = cv2.boundingRect(turned)
    left, top, width, height = used
    return turned[top : top + height, left : left + width].astype(np.float32) / np.float32(255.0)


def _write(stamp: NDArray[np.uint8], text: str, middle: tuple[float, float], height: float, marker: Marker) -> None:
    scale, stroke = height / CAPITAL_PX, max(1, round(marker.stroke * height))
    (wide, tall), _ = cv2.getTextSize(text, FONTS[marker.font], scale, stroke)
    place = (round(middle[0] - wide / 2), round(middle[1] + tall / 2))
    cv2.putText(stamp, text, place, FONTS[marker.font], scale, 255, stroke, cv2.LINE_AA)


def cover_edges(image: NDArray[np.uint8], film: Film, hand: Box, factor: float) -> None:
    """Lay the collimator's border and white bands over an image, in place, never over a bone.

    Args:
        image: (H, W) uint8.
        film: what there is.
        hand: box around all bones that must stay visible.
        factor: pixels of this image to one at 2048.
    """
    clearance = CLEARANCE_PX * factor
    left, top, _, _ = hand
    if film.shutter:
        _close_shutter(image, film, hand, clearance)
    band = round(min(film.white_left_px * factor, max(0.0, left - clearance)))
    image[:, :band] = SHADES["white"]
    band = round(min(film.white_top_px * factor, max(0.0, top - clearance)))
    image[:band] = SHADES["white"]


def _close_shutter(image: NDArray[np.uint8], film: Film, hand: Box, clearance: float) -> None:
    """Cover the outside of a turned rectangle that the box around the hand fits into; it is open at the bottom."""
    height, width = image.shape
    left, top, right, bottom = hand
    turn = np.deg2rad(film.shutter_turn_deg)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ axes.T
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ axes.T
    (low_x, low_y), (high_x, _) = corners.min(axis=0) - clearance, corners.max(axis=0) + clearance
    out_low, out_high = frame.min(axis=0), frame.max(axis=0)
    rooms = film.shutter_room
    low_x = out_low[0] + rooms[0] * max(0.0, low_x - out_low[0])
    low_y = out_low[1] + rooms[1] * max(0.0, low_y - out_low[1])
    high_x = out_high[0] - rooms[2] * max(0.0, out_high[0] - high_x)
    window = np.array([[low_x, low_y], [high_x, low_y], [high_x, 2 * out_high[1]], [low_x, 2 * out_high[1]]])
    seen = np.zeros_like(image)
    cv2.fillPoly(seen, [np.rint(window @ axes).astype(np.int32)], 255)
    image[seen == 0] = SHADES[film.shutter]
