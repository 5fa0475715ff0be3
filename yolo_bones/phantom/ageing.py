"""What a person's age does to the look of bones: growth plates in the young, loss of density in the old.

Ages of closure are those of the atlas of Greulich and Pyle (1959), rounded to half a year; loss of cortical and
trabecular density follows Riggs et al. (J Bone Miner Res 2004, peripheral CT of the forearm), straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from yolo_bones.bones import DIGITS, KINDS
from yolo_bones.phantom.people import Person, Sex

CLOSURE_YEARS: Final[dict[str, dict[Sex, float]]] = {
    "distal": {"female": 13.5, "male": 15.5},
    "phalanx": {"female": 14.5, "male": 16.5},
    "metacarpal": {"female": 14.5, "male": 16.5},
    "ulna": {"female": 16.0, "male": 17.5},
    "radius": {"female": 16.5, "male": 18.0},
}
CLOSING_YEARS: Final = 1.6
"""How long a plate takes from open to closed; closure lies in the middle."""
SCAR_YEARS: Final = 2.5
PLATE_FROM_END: Final = {"distal": 0.045, "phalanx": 0.062, "metacarpal": 0.135, "ulna": 0.085, "radius": 0.125}
"""Height of the epiphysis in units of the third metacarpal; 0.09 at the base of the thumb's metacarpal."""
THUMB_PLATE_FROM_END: Final = 0.09


@dataclass(frozen=True, slots=True)
class Ageing:
    """Density and maturity of one person's bones.

    Attributes:
        cortex, core: density of cortical and of trabecular bone against a person of 30.
        skeletal_years: age that the growth plates tell; runs ahead of or behind the calendar.
        sex: decides when plates close.
    """

    cortex: float
    core: float
    skeletal_years: float
    sex: Sex


@dataclass(frozen=True, slots=True)
class GrowthPlate:
    """Where one bone's growth plate lies and how far it has closed.

    Attributes:
        at_base: at the proximal end; else at the distal one.
        from_end: distance to that end in units of the third metacarpal.
        openness: 1 open, 0 closed.
        scar: 1 for the dense line just after closure, fading to 0.
    """

    at_base: bool
    from_end: float
    openness: float
    scar: float


def age_bones(person: Person, spread: float = 1.0) -> Ageing:
    """How cortex and core age apart, and how far ahead of the calendar the skeleton is.

    Chance follows from the person's own figures, so that it is the same for both hands.
    The mineral of a whole bone falls with age in `growth.py`; here cortex and core share the loss unevenly: the core
    loses from thirty on, the cortex becomes porous from fifty on.
    """
    age = person.age_years
    female = person.sex == "female"
    cortex_loss = (0.004 if female else 0.002) * max(0, age - 50)
    core_loss = 0.003 * max(0, age - 30) + (0.003 if female else 0.0) * max(0, age - 50)
    figures = [person.age_years, round(10 * person.height_cm), round(10 * person.weight_kg)]
    cortex_chance, core_chance, lead = np.random.default_rng(figures).standard_normal(3)
    return Ageing(
        cortex=max(0.7, 1.0 - cortex_loss) * float(np.exp(0.03 * spread * cortex_chance)),
        core=max(0.5, 1.0 - core_loss) * float(np.exp(0.09 * spread * core_chance)),
        skeletal_years=age + 0.8 * spread * float(lead),
        sex=person.sex,
    )


def growth_plate(ageing: Ageing, bone: str) -> GrowthPlate | None:
    """The growth plate of a bone; None for a carpal, a sesamoid, and once even its scar has gone."""
    kind = _plate_kind(bone)
    if kind is None:
        return None
    since_start = ageing.skeletal_years - (CLOSURE_YEARS[kind][ageing.sex] - 0.5 * CLOSING_YEARS)
    openness = float(np.clip(1.0 - since_start / CLOSING_YEARS, 0.0, 1.0))
    scar = float(np.clip(1.0 - (since_start - CLOSING_YEARS) / SCAR_YEARS, 0.0, 1.0)) * (1.0 - openness)
    if openness == 0.0 and scar == 0.0:
        return None
    thumb_metacarpal = bone == DIGITS["thumb"][-1]
    at_base = thumb_metacarpal or kind in ("distal", "phalanx")
    return GrowthPlate(at_base, THUMB_PLATE_FROM_END if thumb_metacarpal else PLATE_FROM_END[kind], openness, scar)


def has_open_plates(ageing: Ageing) -> bool:
    """Whether any growth plate is still open or closing."""
    return ageing.skeletal_years < max(by_sex[ageing.sex] for by_sex in CLOSURE_YEARS.values()) + 0.5 * CLOSING_YEARS


def _plate_kind(bone: str) -> str | None:
    kind = KINDS.get(bone, "carpal")
    return None if kind == "carpal" else "phalanx" if kind in ("middle", "proximal") else kind
