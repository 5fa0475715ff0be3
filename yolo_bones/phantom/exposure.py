"""What one exposure is, apart from the shape of the bones, and its drawing.

All chance but the grain of the noise is drawn before anything is rendered, so that a set can tell what its images hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from yolo_bones.bones import ARM_BONES
from yolo_bones.phantom.ageing import Ageing, age_bones, has_open_plates
from yolo_bones.phantom.chance import around
from yolo_bones.phantom.detector import Detector, Tone, draw_detector, draw_tone
from yolo_bones.phantom.film import Film, Marker, draw_film, draw_marker
from yolo_bones.phantom.foreign_bodies import (
    Implant,
    NailArt,
    Ring,
    draw_implants,
    draw_nail_art,
    draw_rings,
)
from yolo_bones.phantom.people import Person
from yolo_bones.phantom.weathering import Weathering, draw_weathering

TYPICAL_BODY_MASS_INDEX: Final = 23.2
"""Of the adults of `people.py`."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Everything about one exposure that is not the bones' shape.

    Attributes:
        bulk: flesh against the typical hand.
        struts: contrast of the trabeculae against the typical one.
        ageing: density and growth plates.
        detector, tone: from light to levels.
        film: borders and bands.
        weathering: what happened to the file.
        marker, rings, nail_art, implants: what lies in the picture.
    """

    bulk: float
    struts: float
    ageing: Ageing
    detector: Detector
    tone: Tone
    film: Film
    weathering: Weathering
    marker: Marker | None
    rings: tuple[Ring, ...]
    nail_art: NailArt | None
    implants: tuple[Implant, ...]

    @property
    def holds(self) -> tuple[str, ...]:
        """What this picture holds besides a hand, in alphabetical order."""
        found = {
            "bangle": any(ring.bone in ARM_BONES for ring in self.rings),
            "growth plates": has_open_plates(self.ageing),
            "marker": self.marker is not None,
            "nail art": self.nail_art is not None,
            "plate": any(implant.kind == "plate" for implant in self.implants),
            "ring": any(ring.bone not in ARM_BONES for ring in self.rings),
            "shutter": bool(self.film.shutter),
            "white bands": bool(self.film.white_left_px or self.film.white_top_px),
            "wire": any(implant.kind == "wire" for implant in self.implants),
        }
        return tuple(sorted(name for name, there in found.items() if there))


def draw_exposure(rng: np.random.Generator, person: Person, spread: float = 1.0) -> Exposure:
    """Draw one exposure of a person.

    Args:
        rng: source of all chance.
        person: weight decides the flesh, age and sex the density and the growth plates.
        spread: scales every deviation from the typical exposure, and how often there is what is rare.
    """
    index = person.weight_kg / (person.height_cm / 100.0) ** 2
    return Exposure(
        bulk=float((index / TYPICAL_BODY_MASS_INDEX) ** 0.5) * around(rng, 1.0, 0.04, spread),
        struts=around(rng, 1.0, 0.25, spread),
        ageing=age_bones(person, spread),
        detector=draw_detector(rng, spread),
        tone=draw_tone(rng, spread),
        film=draw_film(rng, spread),
        weathering=draw_weathering(rng, spread),
        marker=draw_marker(rng, spread),
        rings=draw_rings(rng, spread),
        nail_art=draw_nail_art(rng, spread),
        implants=draw_implants(rng, spread),
    )
