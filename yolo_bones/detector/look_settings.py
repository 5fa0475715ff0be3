"""How an image is looked at: which looks, at which sizes, and when a hand counts as found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from yolo_bones.views import CARPUS, HandWindow

FIRST_LOOK_PX: Final = 320
"""Enough to find a hand: from 256 to 640 input pixels the frame is off by 0.01 to 0.02 metacarpals and 1 degree."""
TURNS: Final = (-10.0, 10.0)
ZOOMS: Final = (0.85, 1.15)
"""What `--tta` turns (degrees) and zooms by."""
SEARCH_TURNS: Final = (180.0, 90.0, -90.0)
"""How the image is turned, in degrees, where no hand stands out in it as it is."""


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How an image is looked at. Sizes are input pixels of the longer side.

    Attributes:
        longest_px: of the plain look at the whole image.
        canonical: find the hand, then look at it in its canonical view instead.
        first_look_px: of the look that finds the hand for the canonical one.
        negatives: greys are inverted where the look that finds the hand shows bones darker than what lies around.
        keep_first: merge that look too.
        canonical_px: of the canonical look.
        closeup: look at the carpus again.
        closeup_px: of that look.
        closeup_height: of its window, in lengths of the third metacarpal. No carpal pixel of 36 phantom hands lay
            outside from 1.44 on (0.1 % did at 1.26, 2 % at 1.08); 1.8 leaves a border of 0.17 all around.
        flips: add a mirrored twin of each view.
        turns: add each view turned by these degrees.
        zooms: add each view enlarged by these factors.
        least_support: a fit of the hand with less support counts as no hand (0.60 was the least of those hands, 0.27
            the most of a hand of the other side).
        side_doubt: both sides are looked at where the other side has this part of the fit's support.
        turn_doubt: the hand is searched in the image turned by quarters where the confidences of the canonical look's
            bones add up to less than this part of 29 (0.80 at least of 8 phantom hands, 0.55 at most where the hand lay
            upside down and was taken for one that does not).
        positive_gain: inverted greys stay so where the bones' confidences then add up to so many times as much
            (1.22 times at least on 30 phantoms; hands before white air reached 1.13).
        moved: the canonical look is repeated where its own fit moves a corner of the window by more, in lengths of the
            third metacarpal.
    """

    longest_px: int = 640
    canonical: bool = False
    first_look_px: int = FIRST_LOOK_PX
    negatives: bool = True
    keep_first: bool = False
    canonical_px: int = 640
    closeup: bool = False
    closeup_px: int = 640
    closeup_height: float = CARPUS.height
    flips: bool = False
    turns: tuple[float, ...] = ()
    zooms: tuple[float, ...] = ()
    least_support: float = 0.4
    side_doubt: float = 0.7
    turn_doubt: float = 0.65
    positive_gain: float = 1.15
    moved: float = 0.3

    def __post_init__(self) -> None:
        for name in ("longest_px", "first_look_px", "canonical_px", "closeup_px"):
            if not 32 <= getattr(self, name) <= 8192:
                raise ValueError(f"{name}: expected input pixels from 32 to 8192, got {getattr(self, name)}")
        if self.closeup_height <= 0.0 or any(zoom <= 0.0 for zoom in self.zooms):
            raise ValueError("expected a closeup_height and zooms above 0")
        object.__setattr__(self, "turns", tuple(map(float, self.turns)))
        object.__setattr__(self, "zooms", tuple(map(float, self.zooms)))

    @property
    def closeup_window(self) -> HandWindow:
        """The close-up's window: the carpus's, enlarged about its centre."""
        share = self.closeup_height / CARPUS.height
        return replace(CARPUS, width=CARPUS.width * share, height=CARPUS.height * share)
