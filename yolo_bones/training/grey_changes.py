"""Random changes to the greys of a training image: exposure, contrast, sharpness, noise, uneven light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def change_greys(grey: NDArray[np.uint8], chance: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Change an image's greys as other machines, settings and archives would.

    Args:
        grey: (h, w) uint8.
        chance: the source of chance.
        strength: 0 changes nothing, 1 is usual.
    """
    if strength <= 0.0:
        return grey
    plane = grey.astype(np.float32) / 255.0
    if chance.random() < 0.15 * strength:
        plane = _sharpened_locally(grey, chance)
    if chance.random() < 0.3 * strength:
        plane = _bent_curve(plane, chance)
    plane = np.power(np.clip(plane, 0.0, 1.0), np.exp(chance.normal(0.0, 0.3 * strength)))
    plane = plane * np.exp(chance.normal(0.0, 0.2 * strength)) + chance.normal(0.0, 0.04 * strength)
    if chance.random() < 0.4 * strength:
        plane = plane * _uneven(plane.shape, chance, 0.3 * strength)
    plane = _focus(plane, chance, strength)
    if chance.random() < 0.5 * strength:
        plane = plane + _noise(plane.shape, chance)
    if chance.random() < 0.08 * strength:
        plane = 1.0 - plane
    return np.asarray(np.clip(plane * 255.0, 0.0, 255.0) + 0.5).astype(np.uint8)


def _sharpened_locally(grey: NDArray[np.uint8], chance: np.random.Generator) -> Plane:
    """Contrast made equal in tiles, as many archives store hands."""
    equaliser = cv2.createCLAHE(clipLimit=float(chance.uniform(1.0, 4.0)), tileGridSize=(6, 6))
    return np.asarray(equaliser.apply(grey), dtype=np.float32) / 255.0


def _bent_curve(plane: Plane, chance: np.random.Generator) -> Plane:
    """A random rising curve of greys."""
    knots = np.concatenate([[0.0], np.cumsum(chance.gamma(1.5, 1.0, 7) + 0.1)])
    bent = np.interp(plane, np.linspace(0.0, 1.0, len(knots)), knots / knots[-1])
    return np.asarray(0.4 * plane + 0.6 * bent, dtype=np.float32)


def _uneven(shape: tuple[int, ...], chance: np.random.Generator, spread: float) -> Plane:
    """A smooth field around 1."""
    coarse = chance.normal(0.0, spread, (4, 4)).astype(np.float32)
    field = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.exp(np.asarray(field, dtype=np.float32))


def _focus(plane: Plane, chance: np.random.Generator, strength: float) -> Plane:
    """Blurred, or with edges overdrawn, or stored at a lower resolution."""
    kind = chance.random()
    if kind < 0.2 * strength:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), float(chance.uniform(0.4, 1.6))), dtype=np.float32)
    if kind < 0.4 * strength:
        soft = cv2.GaussianBlur(plane, (0, 0), float(chance.uniform(1.0, 4.0)))
        return np.asarray(plane + chance.uniform(0.2, 1.2) * (plane - soft), dtype=np.float32)
    if kind < 0.5 * strength:
        factor = float(chance.uniform(0.45, 0.9))
        small = cv2.resize(plane, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return plane


def _noise(shape: tuple[int, ...], chance: np.random.Generator) -> Plane:
    noise = chance.standard_normal(shape, dtype=np.float32)
    if chance.random() < 0.5:
        width = float(chance.uniform(0.5, 1.2))
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), width), dtype=np.float32) * (2.0 * width)
    return np.asarray(noise * np.float32(chance.uniform(0.005, 0.05)), dtype=np.float32)
