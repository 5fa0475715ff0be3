"""What happens to a picture's file before it reaches a data set: lossy compression, once or several times."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.chance import happens

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Weathering:
    """Attributes: qualities of the JPEG files, in order; a change of scale that was undone, 1 for none."""

    qualities: tuple[int, ...]
    rescale: float


def draw_weathering(rng: np.random.Generator, spread: float) -> Weathering:
    """None to three compressions of quality 72 to 98; from 60 in a wide set."""
    times = int(rng.choice(4, p=(0.40, 0.35, 0.17, 0.08)))
    qualities = rng.integers(60 if spread > 1.0 else 72, 99, 3)[:times]
    factor = 1.0 + 0.03 * float(rng.uniform(-1.0, 1.0))
    return Weathering(tuple(int(quality) for quality in qualities), factor if happens(rng, "rescaled", spread) else 1.0)


def weather(image: Image, weathering: Weathering) -> Image:
    """Compress and rescale an image; nothing in it moves.

    The rescaled picture keeps both borders, so the way back ends where it began even where its size was rounded.

    Args:
        image: (H, W) uint8.
        weathering: what happens to it.
    """
    height, width = image.shape
    if weathering.rescale != 1.0:
        size = (max(8, round(width * weathering.rescale)), max(8, round(height * weathering.rescale)))
        there = cv2.resize(image, size, interpolation=cv2.INTER_AREA if weathering.rescale < 1.0 else cv2.INTER_CUBIC)
        image = np.asarray(cv2.resize(there, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    for quality in weathering.qualities:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise ValueError(f"expected an image of {width}x{height} to be encodable as JPEG")
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return image
