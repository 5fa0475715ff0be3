"""From light to grey levels: detector noise and blur, the console's enhancement, the tone curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.phantom.attenuation import LEAST_INTENSITY
from yolo_bones.phantom.chance import around

Plane = NDArray[np.float32]

KNEE: Final = 195.0
BRIGHTEST: Final = 252.0
"""Above the knee the tone curve bends towards the brightest level, which lead and metal come close to."""
STEPS_PER_UNIT: Final = 2000.0
LOWEST: Final = -1.0
STEPS: Final = 1 << 14
GRAIN: Final = 0.6
"""Part of the noise's variance, at full light, that is the screen's own."""
LEAST_BLUR_PX: Final = 0.35
GLOW_REACH: Final = 0.035
"""How far the bright bands at the image's edges reach, as a part of its size."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Blur, noise and scatter, and the enhancement that the console applies; lengths in pixels at 2048.

    Attributes:
        blur_px: standard deviation of the detector's blur.
        noise: deviation of the intensity at full light, in an image 2048 high.
        scatter: share of the light that is scattered.
        edge, edge_px: strength and reach of the edge enhancement.
        coarse, coarse_px: the same of the flattening of large areas.
    """

    blur_px: float
    noise: float
    scatter: float
    edge: float
    edge_px: float
    coarse: float
    coarse_px: float


@dataclass(frozen=True, slots=True)
class Tone:
    """From attenuation to 8-bit levels.

    Attributes:
        black: level where nothing attenuates.
        gain: levels a unit of attenuation, before the power.
        gamma: power of the curve, 1 is a straight line; above 1 the dark end is flatter. `black` stays where it is.
        slope_xy: rise of the background across the image, in levels.
        edge_glow: levels added at the left, right, top and bottom edge.
    """

    black: float
    gain: float
    gamma: float
    slope_xy: tuple[float, float]
    edge_glow: tuple[float, float, float, float]


TYPICAL_DETECTOR: Final = Detector(
    blur_px=1.53, noise=0.012, scatter=0.14, edge=0.78, edge_px=7.43, coarse=0.40, coarse_px=70.0
)
TYPICAL_TONE: Final = Tone(black=13.0, gain=79.2, gamma=1.0, slope_xy=(0.0, 0.0), edge_glow=(0.0, 0.0, 0.0, 0.0))


def draw_detector(rng: np.random.Generator, spread: float) -> Detector:
    """One detector and its console's settings."""
    typical = TYPICAL_DETECTOR
    return Detector(
        blur_px=around(rng, typical.blur_px, 0.15, spread),
        noise=around(rng, typical.noise, 0.22, spread),
        scatter=around(rng, typical.scatter, 0.25, spread),
        edge=around(rng, typical.edge, 0.25, spread),
        edge_px=around(rng, typical.edge_px, 0.15, spread),
        coarse=around(rng, typical.coarse, 0.20, spread),
        coarse_px=around(rng, typical.coarse_px, 0.15, spread),
    )


def draw_tone(rng: np.random.Generator, spread: float) -> Tone:
    """One tone curve and one background."""
    slope = spread * 1.5 * rng.standard_normal(2)
    glow = (rng.random(4) < 0.25) * rng.uniform(2.0, 9.0, 4) * min(spread, 2.0)
    return Tone(
        black=around(rng, TYPICAL_TONE.black, 0.20, spread),
        gain=around(rng, TYPICAL_TONE.gain, 0.022, spread),
        gamma=around(rng, TYPICAL_TONE.gamma, 0.04, spread),
        slope_xy=(float(slope[0]), float(slope[1])),
        edge_glow=(float(glow[0]), float(glow[1]), float(glow[2]), float(glow[3])),
    )


def develop(
    intensity: Plane, detector: Detector, tone: Tone, factor: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn light into an image.

    Args:
        intensity: (H, W) share of the beam that arrives, scatter included; overwritten.
        detector: blur, noise and enhancement.
        tone: the curve.
        factor: pixels of this image to one at 2048.
        rng: of the noise alone, as it gives a number for each pixel.
    """
    noise = rng.standard_normal(intensity.shape, dtype=np.float32)
    noise *= np.float32(_before_blur(detector, factor))
    # Quanta (as the root of the light) and the grain of the screen (as the light itself) in about equal parts.
    amount = intensity * np.float32(GRAIN)
    amount += np.float32(1.0 - GRAIN)
    amount *= intensity
    noise *= np.sqrt(amount, out=amount)
    intensity += noise
    light = np.asarray(
        cv2.GaussianBlur(intensity, (0, 0), max(LEAST_BLUR_PX, detector.blur_px * factor)), dtype=np.float32
    )
    np.maximum(light, np.float32(LEAST_INTENSITY), out=light)
    attenuation = np.asarray(cv2.log(light, dst=noise), dtype=np.float32)
    np.negative(attenuation, out=attenuation)
    _add_background(attenuation, tone)
    return _apply_tone(_enhance(attenuation, detector, factor), tone)


def _before_blur(detector: Detector, factor: float) -> float:
    """Deviation that white noise must have to come out of the blur as `detector.noise`.

    A Gaussian blur of s pixels leaves 1 / (2 sqrt(pi) s) of it. A pixel of a smaller image averages over several.
    """
    blur = max(LEAST_BLUR_PX, detector.blur_px * factor)
    averaged = detector.noise / np.sqrt(1.0 + 1.0 / (4.0 * np.pi * (detector.blur_px * factor) ** 2))
    return float(averaged * max(1.0, 2.0 * np.sqrt(np.pi) * blur))


def _add_background(attenuation: Plane, tone: Tone) -> None:
    """Uneven light: a slope across the image and brighter bands along some edges."""
    height, width = attenuation.shape
    left, right, top, bottom = tone.edge_glow
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    across = tone.slope_xy[0] * (x - 0.5) + left * np.exp(-x / GLOW_REACH) + right * np.exp((x - 1.0) / GLOW_REACH)
    down = tone.slope_xy[1] * (y - 0.5) + top * np.exp(-y / GLOW_REACH) + bottom * np.exp((y - 1.0) / GLOW_REACH)
    attenuation += (across / tone.gain).astype(np.float32)[None, :]
    attenuation += (down / tone.gain).astype(np.float32)[:, None]


def _enhance(attenuation: Plane, detector: Detector, factor: float) -> Plane:
    """Unsharp masking at two reaches; both blurred planes are made on a coarser grid."""
    height, width = attenuation.shape
    step = max(1, round(detector.edge_px * factor / 2.5))
    small = cv2.resize(attenuation, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    edge = cv2.GaussianBlur(small, (0, 0), max(0.3, detector.edge_px * factor / step))
    coarser = max(1, round(detector.coarse_px * factor / step / 3.0))
    rows, columns = small.shape
    tiny = cv2.resize(small, (-(-columns // coarser), -(-rows // coarser)), interpolation=cv2.INTER_AREA)
    tiny = cv2.GaussianBlur(tiny, (0, 0), max(0.3, detector.coarse_px * factor / step / coarser))
    coarse = cv2.resize(tiny, (columns, rows), interpolation=cv2.INTER_LINEAR)
    blurred = cv2.addWeighted(edge, detector.edge, coarse, detector.coarse, 0.0)
    blurred = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        cv2.addWeighted(attenuation, 1.0 + detector.edge + detector.coarse, blurred, -1.0, 0.0, dst=blurred),
        dtype=np.float32,
    )


def _apply_tone(attenuation: Plane, tone: Tone) -> NDArray[np.uint8]:
    attenuation *= np.float32(STEPS_PER_UNIT)
    attenuation -= np.float32(LOWEST * STEPS_PER_UNIT)
    np.clip(attenuation, 0.0, STEPS - 1.0, out=attenuation)
    return np.asarray(tone_table(tone)[attenuation.astype(np.uint16)], dtype=np.uint8)


def tone_table(tone: Tone) -> NDArray[np.uint8]:
    """(16384,) uint8 levels of attenuations from -1 upwards in steps of 1/2000."""
    foot = 255.0 * (tone.black / 255.0) ** (1.0 / tone.gamma)
    level = foot + tone.gain * (np.arange(STEPS) / STEPS_PER_UNIT + LOWEST)
    level = 255.0 * np.power(np.maximum(level, 0.0) / 255.0, tone.gamma)
    room = BRIGHTEST - KNEE
    above = np.maximum(level - KNEE, 0.0)
    level = np.minimum(level, KNEE) + room * np.tanh(above / room)
    return np.asarray(np.rint(level), dtype=np.uint8)
