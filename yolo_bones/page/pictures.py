"""Radiographs as small JPEG pictures for a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

QUALITY: Final = 85
"""Of 100. At 85 a phantom of 2048 takes 0.3 MB, a tenth of its PNG; its levels are off by less than 1 (rms)."""


WINDOW_SHARES: Final = (0.02, 0.998)
"""Quantiles of grey that the automatic window reaches from and to: nearly all of a hand, not its brightest metal."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture.

    Attributes:
        content: of a JPEG file.
        width, height: in pixels.
        window: lowest and highest grey level that the page's automatic window shows.
    """

    content: bytes
    width: int
    height: int
    window: tuple[int, int]


def encode_picture(grey: NDArray[np.uint8], longest_px: int) -> Picture:
    """A radiograph as grey JPEG.

    Args:
        grey: (H, W) uint8.
        longest_px: longer side of the picture; a smaller image keeps its size.
    """
    height, width = grey.shape
    factor = longest_px / max(height, width)
    if factor < 1.0:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    done, encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not done:
        raise ValueError(f"expected a picture that can be encoded as JPEG, got {width}x{height}")
    return Picture(encoded.tobytes(), grey.shape[1], grey.shape[0], _window(grey))


def _window(grey: NDArray[np.uint8]) -> tuple[int, int]:
    """Levels at `WINDOW_SHARES`; a script may not read a picture that lies beside a page opened from disk."""
    below = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
    low, high = (int(np.searchsorted(below, share)) for share in WINDOW_SHARES)
    return low, high


def data_url(content: bytes, kind: str = "image/jpeg") -> str:
    """A file's content as an address that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
