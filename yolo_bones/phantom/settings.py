"""What a set of phantoms is made from, and the independent streams of chance that it is drawn with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final, Literal

import numpy as np

from yolo_bones.phantom.people import Person, draw_person

GENERATOR: Final = "yolo_bones.phantom"
GENERATOR_VERSION: Final = 2
Domain = Literal["default", "wide"]
SPREADS: Final[dict[Domain, float]] = {"default": 1.0, "wide": 2.0}
"""Factor on every deviation from the typical hand and exposure; 1 keeps to the real population's."""


class Stream(IntEnum):
    """What chance is drawn for; streams never touch each other, so no option changes what another one draws."""

    PERSON = 1
    BONES = 2
    WRIST = 3
    NAMES = 4
    POSE = 5
    FRAME = 6
    EXPOSURE = 7
    IMAGE = 8
    ANNOTATOR = 9
    RECORD = 10
    PLANT_PLAN = 11
    PLANT = 12
    TABLE = 13


@dataclass(frozen=True, slots=True)
class PhantomSettings:
    """The same settings give the same bytes.

    Attributes:
        patients, test_patients: how many; two images each.
        seed: of all chance.
        height, width: of each image in pixels.
        bent: share of patients with a bent wrist.
        domain: "default" keeps to the real population, "wide" doubles its spread.
        annotator_noise: how far drawn outlines stray from the bone, standard deviation in pixels at 2048; 0 is exact.
        plant_errors: number of annotated images with one planted label error each.
        dirty_metadata: whether the metadata table and the annotation files carry the real set's dirt.
    """

    patients: int
    test_patients: int
    seed: int
    height: int
    width: int
    bent: float
    domain: Domain = "default"
    annotator_noise: float = 0.0
    plant_errors: int = 0
    dirty_metadata: bool = False

    @property
    def spread(self) -> float:
        """Factor on every deviation from the typical."""
        return SPREADS[self.domain]

    @property
    def total(self) -> int:
        """Annotated and test patients together; numbers run from 1, the annotated ones first."""
        return self.patients + self.test_patients

    def chance(self, stream: Stream, number: int, *more: int) -> np.random.Generator:
        """The source of chance for one matter of patient `number` (0 for the whole set).

        Args:
            stream: the matter; each is always asked for with as many further numbers.
            number: of the patient.
            more: such as the hand, 0 or 1.
        """
        return np.random.default_rng([self.seed, number, int(stream), *more])

    def as_record(self) -> dict[str, Any]:
        """For reports, manifests and whoever trains on the phantoms."""
        return {"generator": GENERATOR, "generator_version": GENERATOR_VERSION, **asdict(self)}


def patient_name(number: int) -> str:
    """Name of a patient's folder."""
    return f"ID{number:03d}"


def person_of(settings: PhantomSettings, number: int) -> Person:
    """Who patient `number` is, for the radiographs and for the metadata table."""
    return draw_person(settings.chance(Stream.PERSON, number), settings.spread)
