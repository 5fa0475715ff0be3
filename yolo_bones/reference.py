"""Statistics of real hand radiographs, aggregates only: what phantoms and data sets are set against.

Shape: 288 hands, 58 % of them with a bent wrist; the rest of that table is `anatomy.TYPICAL`. Areas and overlaps: 800
annotated images of 2048 x 2048, 10 % with a bent wrist. Grey levels: 13 radiographs.
"""

from __future__ import annotations

from typing import Final

from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import BONES

MeanSd = tuple[float, float]

SHAPE_MEASURES: Final = ("area", "length", "width", "thumbward", "distalward", "angle_deg")
SLICE_MEASURES: Final = tuple(f"w{index}" for index in range(10))

CLASS_AREA_PX: Final[dict[str, MeanSd]] = {
    "finger-1": (7925.7, 1667.2),
    "finger-2": (16264.4, 2378.0),
    "finger-3": (26665.6, 3845.0),
    "finger-4": (4950.3, 805.0),
    "finger-5": (9686.3, 1316.9),
    "finger-6": (21350.6, 2708.8),
    "finger-7": (35310.5, 4631.6),
    "finger-8": (5743.5, 957.5),
    "finger-9": (12344.4, 1717.9),
    "finger-10": (23813.2, 3166.6),
    "finger-11": (32277.8, 4273.6),
    "finger-12": (5667.9, 987.6),
    "finger-13": (10897.0, 1573.4),
    "finger-14": (20139.7, 2750.3),
    "finger-15": (24068.1, 3322.0),
    "finger-16": (3895.3, 711.8),
    "finger-17": (6298.8, 1122.7),
    "finger-18": (14122.1, 1978.1),
    "finger-19": (24435.0, 3327.3),
    "Trapezium": (9463.2, 1662.1),
    "Trapezoid": (5820.0, 1316.5),
    "Capitate": (15577.6, 2607.6),
    "Hamate": (11305.6, 1949.5),
    "Scaphoid": (10557.1, 2276.3),
    "Lunate": (8352.4, 1666.3),
    "Triquetrum": (7216.9, 1290.5),
    "Pisiform": (4327.9, 1077.2),
    "Radius": (75127.6, 10163.3),
    "Ulna": (39455.5, 6848.3),
}
"""Mean and standard deviation over 800 images. Half pixels in them tell that they are areas of the drawn polygons,
along the centres of the border pixels; the filled mask, border included, is larger by half the outline's length."""

OVERLAP_IMAGES: Final = 800
OVERLAPS: Final[dict[tuple[str, str], tuple[float, int]]] = {
    ("Triquetrum", "Pisiform"): (0.44833, 799),
    ("Trapezium", "Trapezoid"): (0.18849, 800),
    ("Capitate", "Scaphoid"): (0.06384, 798),
    ("Capitate", "Hamate"): (0.05715, 799),
    ("Capitate", "Lunate"): (0.05481, 795),
    ("finger-19", "Hamate"): (0.04386, 798),
    ("Trapezium", "Scaphoid"): (0.03148, 762),
    ("Hamate", "Triquetrum"): (0.02613, 711),
    ("Trapezoid", "Capitate"): (0.02606, 766),
    ("Scaphoid", "Lunate"): (0.02497, 715),
    ("finger-15", "finger-19"): (0.02128, 800),
    ("Lunate", "Pisiform"): (0.01951, 109),
    ("Lunate", "Radius"): (0.01771, 799),
    ("Scaphoid", "Radius"): (0.01733, 796),
    ("finger-7", "Trapezium"): (0.01676, 797),
    ("Hamate", "Pisiform"): (0.01393, 253),
    ("finger-15", "Hamate"): (0.01312, 727),
    ("finger-7", "Trapezoid"): (0.01291, 740),
    ("finger-1", "finger-2"): (0.01262, 682),
    ("finger-11", "finger-15"): (0.01205, 791),
    ("finger-11", "Capitate"): (0.0107, 724),
    ("finger-3", "Trapezium"): (0.01065, 787),
    ("finger-17", "finger-18"): (0.0101, 706),
    ("finger-15", "Capitate"): (0.00947, 713),
    ("Lunate", "Triquetrum"): (0.00936, 347),
    ("Hamate", "Lunate"): (0.00836, 216),
    ("finger-7", "finger-11"): (0.00814, 770),
    ("finger-5", "finger-6"): (0.00809, 654),
    ("finger-13", "finger-14"): (0.00703, 685),
    ("finger-9", "finger-10"): (0.00674, 697),
    ("Trapezoid", "Scaphoid"): (0.00664, 213),
    ("finger-2", "finger-3"): (0.00655, 724),
    ("finger-16", "finger-17"): (0.00569, 589),
    ("Capitate", "Triquetrum"): (0.00566, 125),
    ("finger-4", "finger-5"): (0.00443, 487),
    ("finger-12", "finger-13"): (0.00406, 580),
    ("finger-18", "finger-19"): (0.00385, 648),
    ("finger-8", "finger-9"): (0.00342, 515),
    ("finger-10", "finger-11"): (0.00316, 686),
    ("finger-6", "finger-7"): (0.00312, 685),
    ("Radius", "Ulna"): (0.00305, 715),
    ("finger-3", "finger-7"): (0.00294, 122),
    ("finger-14", "finger-15"): (0.0029, 630),
    ("finger-7", "Capitate"): (0.00233, 439),
}
"""Pair -> mean IoU where the two overlap, and in how many of the 800 images they do; pairs of at least 100 images."""
MULTI_LABEL_PX: Final = 19_700.0
"""Pixels with two labels or more, mean of an image of 2048 x 2048."""

METACARPAL_LENGTH_PX: Final[MeanSd] = (450.75, 27.94)
ABS_TILT_PERCENTILES_DEG: Final = {5: 0.81, 25: 3.83, 50: 34.81, 75: 41.35, 95: 47.47, 100: 54.29}
CAPITATE_X_PX: Final[MeanSd] = (1005.0, 52.0)
CAPITATE_Y_PX: Final[MeanSd] = (1333.5, 84.8)
"""The hand's size, tilt and place in 288 images of 2048 x 2048, 58 % with a bent wrist."""

GREY_REGIONS: Final[dict[str, float]] = {
    "bone": 124.6,
    "distal": 82.9,
    "middle_proximal": 104.1,
    "metacarpal": 122.0,
    "carpal": 140.6,
    "radius": 157.3,
    "ulna": 157.0,
    "soft": 36.7,
    "background": 13.2,
}
GREY_REGIONS_SD: Final[dict[str, float]] = {
    "bone": 8.1,
    "distal": 7.0,
    "middle_proximal": 7.0,
    "metacarpal": 9.0,
    "carpal": 10.0,
    "radius": 10.0,
    "ulna": 10.0,
    "soft": 5.9,
    "background": 3.3,
}
"""Between images."""
GREY_BONE_SD: Final = 33.8
"""Of all bone pixels within an image."""
GREY_NOISE: Final[MeanSd] = (0.9, 0.3)
# fmt: off
GREY_PROFILES: Final[dict[str, tuple[float, ...]]] = {
    "distal": (12, 19, 33, 40, 39, 42, 69, 87, 87, 85, 89),
    "middle_proximal": (9, 16, 29, 33, 31, 37, 78, 108, 114, 106, 102),
    "metacarpal": (46, 54, 61, 61, 55, 58, 97, 126, 135, 125, 117),
    "carpal": (66, 77, 83, 87, 86, 88, 120, 135, 140, 143, 145),
    "radius": (82, 91, 100, 100, 96, 90, 120, 149, 165, 167, 163),
    "ulna": (70, 83, 93, 96, 90, 84, 115, 154, 173, 166, 155),
}
# fmt: on
"""Mean level across the outlines, by region, at `greys.DISTANCES_PX`."""


def shape_reference() -> dict[str, dict[str, tuple[float, float | None]]]:
    """Bone -> measure -> mean and standard deviation; of the slice widths a median and no deviation."""
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for bone in BONES:
        typical = TYPICAL[bone]
        row: dict[str, tuple[float, float | None]] = {"area": (TYPICAL[bone].area, TYPICAL[bone].area_sd)}
        for measure in SHAPE_MEASURES[1:]:
            row[measure] = (getattr(typical, measure), getattr(typical, f"{measure}_sd"))
        row |= {name: (width, None) for name, width in zip(SLICE_MEASURES, typical.slice_widths, strict=True)}
        found[bone] = row
    return found
