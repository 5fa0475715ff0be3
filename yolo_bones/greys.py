"""Grey levels of a radiograph by region, and across the outlines of its bones.

Lengths are pixels of an image 2048 high and grow with the image. The distance to an outline is what a distance
transform gives: the outermost pixels of a mask lie 1 inside, the pixels next to them 1 outside. Nothing is measured in
a band along the image's border or in white bands there: a forearm that runs out has no outline where it is cut.

How overlapping and neighbouring bones are to be treated is not published, so a profile has several readings:

| reading | outside | inside |
|---|---|---|
| `main` | pixels of no bone | all pixels of the bone |
| `any_outside` | all pixels outside this bone, of others too | all pixels of the bone |
| `alone_inside` | pixels of no bone | pixels of no other bone |
| `half_pixel` | as `main`, distances from the line between the outermost pixel and the next one | |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import ARM_BONES, BONES, DIGITS, HAND_BONES
from yolo_bones.rle import Mask, RunLengthMasks, decode_box

Crop = tuple[int, int, Mask]
"""Top, left and (h, w) bool mask of one bone inside its box."""
Plane = NDArray[np.uint8]
Profile = NDArray[np.float64]

REGIONS: Final[dict[str, tuple[str, ...]]] = {
    "distal": tuple(bones[0] for bones in DIGITS.values()),
    "middle_proximal": tuple(bone for bones in DIGITS.values() for bone in bones[1:-1]),
    "metacarpal": tuple(bones[-1] for bones in DIGITS.values()),
    "carpal": HAND_BONES,
    "radius": ARM_BONES[:1],
    "ulna": ARM_BONES[1:],
}
"""Bones whose pixels are measured together; also the rows of a profile."""

DISTANCES_PX: Final = (-40, -30, -20, -12, -6, -2, 2, 6, 12, 20, 30)
"""Places across an outline, negative outside; the columns of a profile."""
READINGS: Final = ("main", "any_outside", "alone_inside", "half_pixel")

REFERENCE_HEIGHT: Final = 2048
BESIDE_PX: Final = (8.0, 40.0)
FAR_PX: Final = 200.0
BORDER_PX: Final = 42.0
"""Wider than the farthest distance, so that no sample is measured from an outline that lies on the border."""
HALF_BAND_PX: Final = 1.0
WHITE_LEVEL: Final = 200.0
REDUCED_PX: Final = 900
LEAST_SAMPLES: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class GreyMeasures:
    """Levels (0 to 255) of one radiograph; NaN where there is nothing to measure.

    Attributes:
        regions: mean of the pixels of all bones (`bone`), of each of `REGIONS`, and beside the bones (`soft`).
        bone_sd: standard deviation of all bone pixels within the image.
        background: median far from the hand.
        noise: median absolute difference of the background to a 5 px median, the image reduced to 900 px in 8 bits.
        noise_fine: the same before rounding to 8 bits.
        profiles: reading -> (6, 11) mean level by region and distance, rows as `REGIONS`, columns as `DISTANCES_PX`.
    """

    regions: dict[str, float]
    bone_sd: float
    background: float
    noise: float
    noise_fine: float
    profiles: dict[str, Profile]

    def flat(self) -> dict[str, float]:
        """All single numbers, without the profiles."""
        rest = {name: getattr(self, name) for name in ("bone_sd", "background", "noise", "noise_fine")}
        return self.regions | rest


def masks_to_crops(masks: RunLengthMasks) -> dict[str, Crop]:
    """Bone -> its mask inside its box; empty masks are left out.

    Args:
        masks: 29 channels.
    """
    crops: dict[str, Crop] = {}
    for bone, mask, box in zip(BONES, masks, masks.boxes().tolist(), strict=True):
        top, left, bottom, right = box
        if bottom > top:
            crops[bone] = (top, left, decode_box(mask, top, left, bottom - top, right - left)[0])
    return crops


def measure_greys(
    image: Plane, masks: RunLengthMasks | Mapping[str, Crop], readings: Sequence[str] = ("main",)
) -> GreyMeasures:
    """Measure one radiograph.

    Args:
        image: (H, W) uint8.
        masks: its 29 channels, or bone -> crop.
        readings: of the profile, some of `READINGS`.

    Raises:
        ValueError: masks of another size, or an unknown reading.
    """
    if isinstance(masks, RunLengthMasks) and (masks.size.height, masks.size.width) != image.shape:
        raise ValueError(f"expected masks of {image.shape[0]}x{image.shape[1]}, got {masks.size}")
    if unknown := set(readings) - set(READINGS):
        raise ValueError(f"expected readings among {', '.join(READINGS)}, got {', '.join(sorted(unknown))}")
    crops = masks_to_crops(masks) if isinstance(masks, RunLengthMasks) else masks
    scale = image.shape[0] / REFERENCE_HEIGHT
    count = count_bones(crops, (image.shape[0], image.shape[1]))
    usable = usable_window(image, scale)
    levels, bones, far, beside = image[usable], count[usable] > 0, *_surroundings(count, usable, scale)
    regions = {"bone": _mean(levels[bones])}
    for region, names in REGIONS.items():
        regions[region] = _mean(_levels_of(image, {bone: crops[bone] for bone in names if bone in crops}, usable))
    regions["soft"] = _mean(levels[beside])
    noise, noise_fine = _noise(levels, far)
    return GreyMeasures(
        regions=regions,
        bone_sd=float(levels[bones].std()) if bones.any() else float("nan"),
        background=float(np.median(levels[far])) if far.any() else float("nan"),
        noise=noise,
        noise_fine=noise_fine,
        profiles=_profiles(image, crops, count, usable, readings),
    )


def count_bones(crops: Mapping[str, Crop], shape: tuple[int, int]) -> Plane:
    """(H, W) uint8, to how many bones each pixel belongs."""
    count = np.zeros(shape, dtype=np.uint8)
    for top, left, mask in crops.values():
        count[top : top + mask.shape[0], left : left + mask.shape[1]] += mask
    return count


def usable_window(image: Plane, scale: float) -> tuple[slice, slice]:
    """Rows and columns of an image without a band along its border and without white bands there."""
    edges, bright = [], image >= WHITE_LEVEL
    for axis in (1, 0):
        white = bright.mean(axis=axis) > 0.5
        least = round(BORDER_PX * scale)
        length = len(white)
        first, last = (_leading(white), length - _leading(white[::-1])) if not white.all() else (0, length)
        low, high = min(first + least, length // 2), max(last - least, length // 2 + 1)
        edges.append(slice(low, high))
    return edges[0], edges[1]


def _leading(flags: NDArray[np.bool_]) -> int:
    return int(np.argmin(flags)) if flags[0] else 0


def _mean(levels: Plane) -> float:
    return float(levels.mean()) if levels.size else float("nan")


def _levels_of(image: Plane, crops: Mapping[str, Crop], usable: tuple[slice, slice]) -> Plane:
    """Levels of the pixels of any of some bones, each pixel once."""
    together = count_bones(crops, (image.shape[0], image.shape[1]))[usable]
    return np.asarray(image[usable][together > 0])


def _surroundings(count: Plane, usable: tuple[slice, slice], scale: float) -> tuple[Mask, Mask]:
    """Where in the usable window the background is (far from every bone), and the soft tissue beside the bones."""
    if not count.any():
        nowhere = np.zeros(count[usable].shape, dtype=np.bool_)
        return ~nowhere, nowhere
    distance = cv2.distanceTransform((count == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[usable]
    near, beyond = BESIDE_PX
    return distance > FAR_PX * scale, (distance >= near * scale) & (distance <= beyond * scale)


def _noise(levels: Plane, far: Mask) -> tuple[float, float]:
    """Noise of the background in a reduced picture, rounded to 8 bits and not."""
    factor = min(1.0, REDUCED_PX / levels.shape[0])
    size = (max(1, round(levels.shape[1] * factor)), max(1, round(levels.shape[0] * factor)))
    fine = cv2.resize(levels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    there = cv2.resize(far.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    if not there.any():
        return float("nan"), float("nan")
    rounded = np.rint(fine).astype(np.uint8)
    coarse = np.abs(rounded.astype(np.int16) - cv2.medianBlur(rounded, 5))
    return float(np.median(coarse[there])), float(np.median(np.abs(fine - cv2.medianBlur(fine, 5))[there]))


def _profiles(
    image: Plane, crops: Mapping[str, Crop], count: Plane, usable: tuple[slice, slice], readings: Sequence[str]
) -> dict[str, Profile]:
    """Mean level by region and distance to the bone's own outline, all pixels of a region's bones together.

    Returns:
        Reading -> (6, 11), NaN where fewer than 20 pixels were found.
    """
    scale = image.shape[0] / REFERENCE_HEIGHT
    shape = (len(REGIONS), len(DISTANCES_PX))
    sums = {reading: np.zeros(shape) for reading in readings}
    numbers = {reading: np.zeros(shape, dtype=np.int64) for reading in readings}
    for row, names in enumerate(REGIONS.values()):
        for bone in names:
            if bone in crops:
                samples = _samples_near_outline(image, crops[bone], count, usable, scale)
                for reading in readings:
                    total, number = _sum_by_distance(*samples, reading, scale)
                    sums[reading][row] += total
                    numbers[reading][row] += number
    return {
        reading: np.where(numbers[reading] >= LEAST_SAMPLES, sums[reading] / np.maximum(numbers[reading], 1), np.nan)
        for reading in readings
    }


def _samples_near_outline(
    image: Plane, crop: Crop, count: Plane, usable: tuple[slice, slice], scale: float
) -> tuple[NDArray[np.float32], Plane, Plane]:
    """Signed distance (inside positive, pixels), level and number of bones of each usable pixel near an outline."""
    top, left, mask = crop
    reach = max(BORDER_PX * scale, 2.0)
    pad = int(np.ceil(reach)) + 1
    inside = np.pad(mask, pad).astype(np.uint8)
    inner, outer = (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in (inside, 1 - inside))
    distance = np.subtract(inner, outer, dtype=np.float32)
    rows, columns = usable
    low, high = max(top - pad, rows.start), min(top - pad + inside.shape[0], rows.stop)
    begin, end = max(left - pad, columns.start), min(left - pad + inside.shape[1], columns.stop)
    if high <= low or end <= begin:
        nothing = np.zeros(0, dtype=np.uint8)
        return np.zeros(0, dtype=np.float32), nothing, nothing
    own = distance[low - top + pad : high - top + pad, begin - left + pad : end - left + pad]
    near = np.abs(own) <= reach
    window = (slice(low, high), slice(begin, end))
    return own[near], image[window][near], count[window][near]


def _sum_by_distance(
    distance: NDArray[np.float32], levels: Plane, bones: Plane, reading: str, scale: float
) -> tuple[Profile, NDArray[np.int64]]:
    """Sum of levels and number of pixels at each of `DISTANCES_PX`."""
    kept = np.ones(len(distance), dtype=np.bool_)
    if reading != "any_outside":
        kept &= (distance > 0.0) | (bones == 0)
    if reading == "alone_inside":
        kept &= (distance < 0.0) | (bones == 1)
    shift = np.float32(0.5 if reading == "half_pixel" else 0.0)
    distance, levels = distance[kept], levels[kept]
    from_outline = distance - shift * np.sign(distance)
    half = max(HALF_BAND_PX * scale, 0.5)
    sums, numbers = np.zeros(len(DISTANCES_PX)), np.zeros(len(DISTANCES_PX), dtype=np.int64)
    for column, place in enumerate(DISTANCES_PX):
        there = np.abs(from_outline - place * scale) <= half
        sums[column] = levels[there].sum(dtype=np.float64)
        numbers[column] = np.count_nonzero(there)
    return sums, numbers
