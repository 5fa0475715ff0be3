"""What is odd about a submission that can be read: gathered image by image, judged over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.conventions import (
    COLUMN_MAJOR,
    READINGS,
    EdgeLevels,
    Reading,
    edge_levels,
    lies_like_a_hand,
    odd_areas,
    sideways_shift,
)
from yolo_bones.rle import RunLengthMasks

AREA_FACTOR: Final = 4.0
AREA_FACTOR_CUT: Final = 8.0
"""Of radius and ulna, which the image's edge cuts."""
LEAST_CONTRAST: Final = 2.0
"""Grey levels; less says nothing."""
CLEARER: Final = 1.5
"""Another reading must have so many times the contrast of the one written."""
ZERO_BASED_PX: Final = 0.6
"""Counting from 0 moves all masks by one pixel; what networks and annotators do stays below a half."""
FEWEST_WRAPPED: Final = 5
MOST_NAMED: Final = 3
"""Images named in a line; --json has all."""
ADVICE: Final = {
    "column_major": "the runs seem to go down the columns (COCO, MATLAB); the submission's go along the rows",
    "mirrored": "the masks seem to be mirrored left to right",
    "upside_down": "the masks seem to be mirrored top to bottom",
    "turned_180": "the masks seem to be turned by 180 degrees",
    "turned_left": "the masks seem to be those of an image turned by 90 degrees",
    "turned_right": "the masks seem to be those of an image turned by 90 degrees",
    "turned_and_mirrored": "the masks seem to be those of an image turned by 90 degrees and mirrored",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One odd thing: its kind, a sentence, and what else --json says of it."""

    kind: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "text": self.text, **self.details}


@dataclass(slots=True)
class SubmissionFindings:
    """Measures of all images so far."""

    images: int = 0
    empty: dict[str, list[str]] = field(default_factory=lambda: {bone: [] for bone in BONES})
    areas: list[tuple[str, str, int, float]] = field(default_factory=list)
    edges: list[EdgeLevels] = field(default_factory=list)
    like_a_hand: list[tuple[bool, bool]] = field(default_factory=list)

    def add(self, image_name: str, masks: RunLengthMasks, grey: NDArray[np.uint8]) -> None:
        """Measure the 29 channels of one image, (H, W) its grey levels."""
        self.images += 1
        for class_id in np.flatnonzero(np.diff(masks.offsets) == 0).tolist():
            self.empty[BONES[class_id]].append(image_name)
        for bone, pixels, expected in odd_areas(masks, AREA_FACTOR, AREA_FACTOR_CUT):
            self.areas.append((image_name, bone, pixels, expected))
        edges = edge_levels(masks, grey)
        if edges is not None:
            self.edges.append(edges)
        places = lies_like_a_hand(masks, transposed=False), lies_like_a_hand(masks, transposed=True)
        if places[0] is not None and places[1] is not None:
            self.like_a_hand.append((places[0], places[1]))

    def measures(self) -> dict[str, Any]:
        """What the conventions were judged by, for JSON."""
        contrasts, _ = self._edge_means()
        reading = self._reading()
        return {
            "contrast": dict(zip((one.kind for one in READINGS), contrasts.round(3).tolist(), strict=True)),
            "like_a_hand": {"as_written": self._share(0), "column_major": self._share(1)},
            "reading": reading.kind,
            "shift_px": round(self._shift(reading), 3),
        }

    def findings(self) -> list[Finding]:
        """All findings, those of the whole file first."""
        return [*self._convention_findings(), *self._empty_findings(), *self._area_findings()]

    def _edge_means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self.edges:
            return np.zeros(len(READINGS)), np.zeros((len(READINGS), 1))
        contrasts = np.mean([one.contrasts for one in self.edges], axis=0)
        return contrasts, np.mean([one.rises for one in self.edges], axis=0)

    def _share(self, which: int) -> float | None:
        """Share of images whose bones lie as in a hand, as written (0) or column by column (1)."""
        return float(np.mean([places[which] for places in self.like_a_hand])) if self.like_a_hand else None

    def _reading(self) -> Reading:
        """The reading that is right, as far as image and anatomy tell; the one written where they do not."""
        # Where bones are dark, all contrasts are negative.
        contrasts = np.abs(self._edge_means()[0])
        best = int(contrasts.argmax())
        if contrasts[best] >= LEAST_CONTRAST and contrasts[best] > CLEARER * contrasts[0]:
            return READINGS[best]
        written, turned = self._share(0), self._share(1)
        column_major = READINGS.index(COLUMN_MAJOR)
        if written is not None and turned is not None and written < 0.5 < turned:
            return COLUMN_MAJOR if contrasts[column_major] >= contrasts[0] else READINGS[0]
        return READINGS[0]

    def _shift(self, reading: Reading) -> float:
        contrasts, rises = self._edge_means()
        number = READINGS.index(reading)
        if abs(contrasts[number]) < LEAST_CONTRAST:
            return 0.0
        return sideways_shift(rises[number] * np.sign(contrasts[number]))

    def _convention_findings(self) -> Iterator[Finding]:
        measures, reading = self.measures(), self._reading()
        written, other = measures["contrast"]["as_written"], measures["contrast"][reading.kind]
        share = self._share(0)
        if reading.kind != "as_written":
            told = f"grey levels rise by {other:.1f} at the masks' edges then, by {written:.1f} as written"
            yield Finding(reading.kind, f"{ADVICE[reading.kind]}: {told}")
        elif share is not None and share < 0.5:
            shown = f"in {1 - share:.0%} of {len(self.like_a_hand)} images bones lie not as in a hand with fingers up"
            yield Finding("implausible_places", shown)
        shift = self._shift(reading)
        wrapped, begin = (int(count) for count in np.sum([(0, 0), *(one.wrapped for one in self.edges)], axis=0))
        wraps = reading.kind == "as_written" and wrapped >= FEWEST_WRAPPED and 10 * begin <= wrapped
        if shift >= ZERO_BASED_PX or (wraps and shift >= ZERO_BASED_PX / 2):
            lines = "down the columns" if reading.transposed else "to the right"
            told = f"the image's edges lie {shift:.2f} pixels further {lines}"
            told += f", {wrapped} runs begin in a row's last pixel" if wraps else ""
            yield Finding("zero_based", f"starts seem to be counted from 0, not from 1: {told}")
        elif shift <= -ZERO_BASED_PX:
            yield Finding("shifted", f"the masks lie {-shift:.2f} pixels beyond the image's edges")

    def _empty_findings(self) -> Iterator[Finding]:
        for bone, names in self.empty.items():
            if names:
                shown = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
                text = f"{bone}: no mask in {len(names)} of {self.images} images ({shown})"
                yield Finding("empty_masks", text, {"class": bone, "images": names})

    def _area_findings(self) -> Iterator[Finding]:
        for name, bone, pixels, expected in self.areas:
            text = f"{name}, {bone}: {pixels} pixels, about {expected:.0f} expected beside the other bones"
            yield Finding(
                "implausible_area", text, {"image_name": name, "class": bone, "pixels": pixels, "expected": expected}
            )
