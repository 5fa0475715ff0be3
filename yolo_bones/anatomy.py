"""The anatomy every room shares: the hand's own frame, the measures of a bone in it, and their typical values.

The frame: origin in the capitate's centroid, `distalward` along the third metacarpal (finger-11), `thumbward` across it,
the same for both hands; the unit is the third metacarpal's length. Angles are against the third metacarpal, in degrees,
positive when the bone's tip leans towards the thumb. Scale-free, numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import DIGITS, HAND_BONES


@dataclass(frozen=True, slots=True)
class BoneMeasures:
    """Mean and standard deviation of one bone's measures over many hands.

    Attributes:
        length, width: extents along and across the bone's own main axis.
        thumbward, distalward: place of the centroid.
        angle_deg: the main axis against the third metacarpal.
        slice_widths: median width of ten equal slices along the axis, from proximal to distal.
        area: of the mask, in squared units.
    """

    length: float
    length_sd: float
    width: float
    width_sd: float
    thumbward: float
    thumbward_sd: float
    distalward: float
    distalward_sd: float
    angle_deg: float
    angle_deg_sd: float
    slice_widths: tuple[float, ...]
    area: float
    area_sd: float

    @property
    def centroid_fraction(self) -> float:
        """Where along the axis, from 0 (proximal) to 1 (distal), the centroid of the outline lies."""
        widths = np.asarray(self.slice_widths)
        centres = (np.arange(len(widths)) + 0.5) / len(widths)
        return float((widths * centres).sum() / widths.sum())


THIRD_METACARPAL: Final = "finger-11"
THIRD_METACARPAL_LENGTH_2048_PX: Final = (450.8, 27.9)
"""Mean and standard deviation in images of 2048 x 2048 pixels."""

# 288 hands of the real data set, 58 % with a bent wrist; aggregates only. Radius and ulna are cut by the image's edge.
# fmt: off
TYPICAL: Final[dict[str, BoneMeasures]] = {
    "finger-1": BoneMeasures(0.3456, 0.0184, 0.1890, 0.0148, 1.2597, 0.1141, 0.9865, 0.1081, 43.10, 9.94, (0.132, 0.177, 0.148, 0.117, 0.102, 0.094, 0.104, 0.109, 0.101, 0.063), 0.0399, 0.0048),
    "finger-2": BoneMeasures(0.5092, 0.0212, 0.2385, 0.0150, 1.0209, 0.0746, 0.6737, 0.0785, 37.62, 9.04, (0.168, 0.226, 0.189, 0.159, 0.141, 0.130, 0.132, 0.155, 0.180, 0.123), 0.0822, 0.0075),
    "finger-3": BoneMeasures(0.7164, 0.0236, 0.2965, 0.0198, 0.6705, 0.0397, 0.2351, 0.0490, 43.51, 5.37, (0.168, 0.224, 0.194, 0.159, 0.152, 0.154, 0.164, 0.197, 0.268, 0.184), 0.1343, 0.0104),
    "finger-4": BoneMeasures(0.2659, 0.0151, 0.1510, 0.0095, 0.5353, 0.1477, 2.2254, 0.0572, 2.19, 7.83, (0.111, 0.141, 0.111, 0.089, 0.077, 0.079, 0.096, 0.101, 0.090, 0.057), 0.0255, 0.0026),
    "finger-5": BoneMeasures(0.3623, 0.0174, 0.1949, 0.0107, 0.5109, 0.1106, 1.9208, 0.0467, 5.50, 7.42, (0.143, 0.187, 0.161, 0.135, 0.120, 0.114, 0.119, 0.135, 0.143, 0.115), 0.0498, 0.0043),
    "finger-6": BoneMeasures(0.6520, 0.0234, 0.2525, 0.0139, 0.4460, 0.0537, 1.4229, 0.0304, 7.11, 7.10, (0.211, 0.230, 0.179, 0.151, 0.142, 0.141, 0.144, 0.151, 0.170, 0.141), 0.1086, 0.0085),
    "finger-7": BoneMeasures(1.0602, 0.0182, 0.2855, 0.0162, 0.3140, 0.0216, 0.6100, 0.0215, 10.65, 1.32, (0.198, 0.229, 0.152, 0.126, 0.126, 0.136, 0.148, 0.171, 0.221, 0.160), 0.1775, 0.0116),
    "finger-8": BoneMeasures(0.2843, 0.0151, 0.1629, 0.0104, -0.0609, 0.1733, 2.3954, 0.0514, -9.59, 8.50, (0.114, 0.155, 0.121, 0.096, 0.083, 0.083, 0.102, 0.110, 0.099, 0.064), 0.0295, 0.0031),
    "finger-9": BoneMeasures(0.4320, 0.0193, 0.2064, 0.0113, -0.0168, 0.1269, 2.0470, 0.0379, -5.67, 7.83, (0.160, 0.196, 0.169, 0.147, 0.129, 0.119, 0.121, 0.141, 0.153, 0.121), 0.0631, 0.0054),
    "finger-10": BoneMeasures(0.7258, 0.0244, 0.2446, 0.0134, 0.0247, 0.0560, 1.4809, 0.0197, -4.01, 7.23, (0.207, 0.221, 0.173, 0.149, 0.142, 0.144, 0.150, 0.153, 0.177, 0.155), 0.1217, 0.0088),
    "finger-11": BoneMeasures(1.0000, 0.0000, 0.2427, 0.0133, 0.0372, 0.0172, 0.6660, 0.0139, 0.00, 0.00, (0.166, 0.203, 0.152, 0.122, 0.121, 0.131, 0.146, 0.177, 0.227, 0.165), 0.1614, 0.0092),
    "finger-12": BoneMeasures(0.2916, 0.0158, 0.1565, 0.0103, -0.5425, 0.1592, 2.1873, 0.0612, -10.98, 8.21, (0.108, 0.148, 0.116, 0.088, 0.077, 0.077, 0.096, 0.105, 0.097, 0.062), 0.0288, 0.0030),
    "finger-13": BoneMeasures(0.4100, 0.0187, 0.1916, 0.0104, -0.4610, 0.1148, 1.8564, 0.0466, -14.86, 7.82, (0.148, 0.180, 0.155, 0.136, 0.120, 0.111, 0.112, 0.131, 0.146, 0.115), 0.0557, 0.0048),
    "finger-14": BoneMeasures(0.6741, 0.0229, 0.2250, 0.0126, -0.3292, 0.0529, 1.3412, 0.0269, -12.73, 6.82, (0.196, 0.199, 0.154, 0.134, 0.129, 0.131, 0.134, 0.140, 0.164, 0.137), 0.1024, 0.0078),
    "finger-15": BoneMeasures(0.8905, 0.0146, 0.2116, 0.0127, -0.1942, 0.0164, 0.6071, 0.0169, -8.28, 1.07, (0.143, 0.184, 0.135, 0.100, 0.099, 0.107, 0.118, 0.141, 0.186, 0.143), 0.1213, 0.0086),
    "finger-16": BoneMeasures(0.2623, 0.0157, 0.1303, 0.0096, -0.9862, 0.1250, 1.6548, 0.0888, -26.29, 9.30, (0.088, 0.123, 0.096, 0.070, 0.059, 0.058, 0.069, 0.076, 0.073, 0.048), 0.0201, 0.0023),
    "finger-17": BoneMeasures(0.2836, 0.0283, 0.1588, 0.0098, -0.8588, 0.0933, 1.4345, 0.0667, -31.70, 8.90, (0.110, 0.152, 0.136, 0.116, 0.103, 0.094, 0.097, 0.117, 0.126, 0.099), 0.0327, 0.0038),
    "finger-18": BoneMeasures(0.5306, 0.0197, 0.2148, 0.0112, -0.6514, 0.0505, 1.0886, 0.0368, -29.26, 7.69, (0.174, 0.197, 0.152, 0.125, 0.115, 0.111, 0.109, 0.117, 0.139, 0.110), 0.0717, 0.0059),
    "finger-19": BoneMeasures(0.8212, 0.0189, 0.2255, 0.0131, -0.4038, 0.0231, 0.4906, 0.0201, -17.78, 1.98, (0.166, 0.205, 0.164, 0.131, 0.122, 0.119, 0.122, 0.142, 0.183, 0.129), 0.1223, 0.0088),
    "Trapezium": BoneMeasures(0.2988, 0.0243, 0.2540, 0.0175, 0.2942, 0.0239, -0.0088, 0.0240, 13.72, 12.34, (0.087, 0.182, 0.228, 0.240, 0.229, 0.200, 0.158, 0.141, 0.120, 0.070), 0.0499, 0.0062),
    "Trapezoid": BoneMeasures(0.2193, 0.0158, 0.1887, 0.0179, 0.2008, 0.0130, 0.0519, 0.0150, -39.22, 55.82, (0.073, 0.128, 0.152, 0.165, 0.170, 0.172, 0.168, 0.155, 0.129, 0.073), 0.0307, 0.0044),
    "Capitate": BoneMeasures(0.4113, 0.0250, 0.2593, 0.0172, 0.0000, 0.0000, 0.0000, 0.0000, -5.29, 4.65, (0.121, 0.203, 0.224, 0.222, 0.219, 0.219, 0.224, 0.214, 0.184, 0.095), 0.0793, 0.0089),
    "Hamate": BoneMeasures(0.3479, 0.0238, 0.2485, 0.0149, -0.1890, 0.0124, 0.0571, 0.0148, -28.64, 5.37, (0.056, 0.105, 0.137, 0.157, 0.178, 0.206, 0.225, 0.226, 0.194, 0.105), 0.0557, 0.0063),
    "Scaphoid": BoneMeasures(0.3416, 0.0397, 0.2297, 0.0192, 0.1237, 0.0212, -0.1971, 0.0301, 50.16, 10.12, (0.069, 0.129, 0.166, 0.185, 0.192, 0.190, 0.192, 0.201, 0.203, 0.136), 0.0572, 0.0082),
    "Lunate": BoneMeasures(0.2924, 0.0265, 0.2052, 0.0180, -0.1088, 0.0267, -0.2322, 0.0241, 68.28, 10.35, (0.065, 0.117, 0.148, 0.170, 0.184, 0.191, 0.187, 0.163, 0.123, 0.062), 0.0419, 0.0056),
    "Triquetrum": BoneMeasures(0.2567, 0.0206, 0.1828, 0.0126, -0.2770, 0.0238, -0.0929, 0.0369, -28.71, 14.24, (0.096, 0.160, 0.172, 0.169, 0.160, 0.151, 0.148, 0.146, 0.130, 0.078), 0.0364, 0.0046),
    "Pisiform": BoneMeasures(0.1908, 0.0183, 0.1559, 0.0142, -0.3131, 0.0449, -0.1068, 0.0524, 37.41, 33.26, (0.062, 0.107, 0.129, 0.142, 0.147, 0.147, 0.141, 0.129, 0.105, 0.061), 0.0226, 0.0039),
    "Radius": BoneMeasures(1.4124, 0.2143, 0.5002, 0.0282, -0.2088, 0.2745, -0.7570, 0.0650, 25.29, 19.36, (0.209, 0.219, 0.227, 0.239, 0.255, 0.279, 0.329, 0.419, 0.464, 0.233), 0.4054, 0.0564),
    "Ulna": BoneMeasures(1.2356, 0.2164, 0.2859, 0.0231, -0.6207, 0.2726, -0.7165, 0.1345, 25.80, 19.33, (0.170, 0.172, 0.170, 0.167, 0.163, 0.159, 0.160, 0.180, 0.242, 0.193), 0.2205, 0.0404),
}
# fmt: on

_LONG_FINGERS: Final = tuple(bones for digit, bones in DIGITS.items() if digit != "thumb")
NEIGHBOURS: Final[tuple[tuple[str, str], ...]] = (
    *(pair for bones in DIGITS.values() for pair in pairwise(bones)),
    *(pair for left, right in pairwise(_LONG_FINGERS) for pair in zip(left, right, strict=True)),
    ("finger-3", "finger-7"),
    ("finger-3", "Trapezium"),
    ("finger-7", "Trapezoid"),
    ("finger-11", "Capitate"),
    ("finger-15", "Hamate"),
    ("finger-19", "Hamate"),
    *combinations(HAND_BONES, 2),
    ("Radius", "Scaphoid"),
    ("Radius", "Lunate"),
    ("Ulna", "Lunate"),
    ("Ulna", "Triquetrum"),
    ("Radius", "Ulna"),
)
"""Bones whose places tell of each other: one after the other on a digit, side by side on two fingers, across the joints
of the thumb, the palm and the wrist, and any two carpals."""


def direction_xy(angle_deg: float) -> NDArray[np.float64]:
    """Unit vector (thumbward, distalward) of a bone's axis at an angle against the third metacarpal."""
    angle = np.deg2rad(angle_deg)
    return np.array([np.sin(angle), np.cos(angle)])


SLICES: Final = 10
"""Equal slices along a bone's axis in which its width is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Moments of a set of pixels, the image's own axes and pixels as unit.

    Attributes:
        centroid_xy: (2,) mean of the pixel centres.
        axis_xy: (2,) unit vector of the main axis (largest second moment); its sign carries no meaning.
        length_px, width_px: extents along and across the main axis, one pixel for a single pixel.
        area_px: number of pixels.
    """

    centroid_xy: NDArray[np.float64]
    axis_xy: NDArray[np.float64]
    length_px: float
    width_px: float
    area_px: int


@dataclass(frozen=True, slots=True, eq=False)
class HandFrame:
    """Where a hand lies in its image: origin, directions and unit of every measure here.

    Attributes:
        origin_xy: (2,) the capitate's centroid in pixels.
        thumbward_xy, distalward_xy: (2,) unit vectors; distalward is the third metacarpal's main axis, thumbward stands
            at a right angle to it and points to the thumb on either hand.
        unit_px: the third metacarpal's length in pixels.
    """

    origin_xy: NDArray[np.float64]
    thumbward_xy: NDArray[np.float64]
    distalward_xy: NDArray[np.float64]
    unit_px: float

    def to_hand(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) pixels (x, y) to (..., 2) hand coordinates (thumbward, distalward)."""
        moved = np.asarray(points_xy, dtype=np.float64) - self.origin_xy
        return np.stack([moved @ self.thumbward_xy, moved @ self.distalward_xy], axis=-1) / self.unit_px

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) hand coordinates (thumbward, distalward) to (..., 2) pixels (x, y)."""
        axes = np.stack([self.thumbward_xy, self.distalward_xy])
        return np.asarray(points, dtype=np.float64) * self.unit_px @ axes + self.origin_xy

    @property
    def thumb_left(self) -> bool:
        """Whether the thumb's side of a hand that points up is the image's left."""
        x, y = self.distalward_xy
        return float(self.thumbward_xy @ np.array([-y, x])) < 0.0

    @property
    def tilt_deg(self) -> float:
        """The third metacarpal against the image's vertical, positive when its tip leans to the image's right."""
        return float(np.degrees(np.arctan2(self.distalward_xy[0], -self.distalward_xy[1])))


@dataclass(frozen=True, slots=True)
class BoneMeasure:
    """One bone of one hand, lengths in units of the third metacarpal, as `BoneMeasures` holds their statistics."""

    area: float
    length: float
    width: float
    thumbward: float
    distalward: float
    angle_deg: float
    slice_widths: tuple[float, ...]


def measure_shape(pixels_xy: NDArray[np.float64]) -> Shape:
    """Centroid, main axis and extents of a mask.

    Args:
        pixels_xy: (N, 2) centres of the mask's pixels, x before y, N >= 1.

    Raises:
        ValueError: if there is no pixel.
    """
    if len(pixels_xy) == 0:
        raise ValueError("measure_shape: expected at least one pixel, got none")
    centroid = pixels_xy.mean(axis=0)
    centred = pixels_xy - centroid
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axis = vectors[:, 1]
    along, across = centred @ axis, centred @ np.array([-axis[1], axis[0]])
    return Shape(centroid, axis, float(np.ptp(along)) + 1.0, float(np.ptp(across)) + 1.0, len(pixels_xy))


def find_hand_frame(shapes: Mapping[str, Shape]) -> HandFrame | None:
    """The frame of a hand from its bones' shapes.

    The thumb's side is where index and thumb lie against ring and little finger (mean sign over all bones found).

    Args:
        shapes: bone -> shape.

    Returns:
        None when the capitate, the third metacarpal or every bone that tells the side is missing.
    """
    if "Capitate" not in shapes or THIRD_METACARPAL not in shapes:
        return None
    origin, metacarpal = shapes["Capitate"].centroid_xy, shapes[THIRD_METACARPAL]
    distalward = metacarpal.axis_xy
    if distalward @ (metacarpal.centroid_xy - origin) < 0:
        distalward = -distalward
    across = np.array([-distalward[1], distalward[0]])
    votes = 0.0
    for bone, typical in TYPICAL.items():
        if bone in shapes and abs(typical.thumbward) > 2.5 * typical.thumbward_sd:
            votes += np.sign(typical.thumbward) * np.sign(across @ (shapes[bone].centroid_xy - origin))
    if votes == 0.0:
        return None
    return HandFrame(origin, across * np.sign(votes), distalward, metacarpal.length_px)


def measure_bone(pixels_xy: NDArray[np.float64], frame: HandFrame, shape: Shape | None = None) -> BoneMeasure:
    """A bone's area, extents, place, direction and ten slice widths in the hand's frame.

    Args:
        pixels_xy: (N, 2) centres of the mask's pixels.
        frame: of the same image.
        shape: of the same pixels, when it is known already.

    Returns:
        The measures; `angle_deg` lies in (-90, 90], the slices run from proximal to distal, each slice's width is its
        area over its length.
    """
    shape = measure_shape(pixels_xy) if shape is None else shape
    axis = shape.axis_xy
    lean, rise = float(axis @ frame.thumbward_xy), float(axis @ frame.distalward_xy)
    if rise < 0.0 or (rise == 0.0 and lean < 0.0):
        axis, lean, rise = -axis, -lean, -rise
    along = (pixels_xy - shape.centroid_xy) @ axis
    low, thickness = along.min() - 0.5, shape.length_px / SLICES
    slices = np.minimum(((along - low) / thickness).astype(np.int64), SLICES - 1)
    widths = np.bincount(slices, minlength=SLICES) / (thickness * frame.unit_px)
    thumbward, distalward = frame.to_hand(shape.centroid_xy)
    return BoneMeasure(
        area=shape.area_px / frame.unit_px**2,
        length=shape.length_px / frame.unit_px,
        width=shape.width_px / frame.unit_px,
        thumbward=float(thumbward),
        distalward=float(distalward),
        angle_deg=float(np.degrees(np.arctan2(lean, rise))),
        slice_widths=tuple(float(width) for width in widths),
    )
