"""Findings between images: the same image twice, a side that is not what is said, a patient in two folds."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.audit.findings import ERROR, NOTE, Correction, Finding, Number, rounded
from yolo_bones.rle import ImageSize

THUMBNAIL_PX: Final = 48
MOST_DIFFERENT: Final = 0.6
"""Mean difference of two thumbnails in grey levels: the same picture written anew differs by less."""
LEAST_CONTRAST: Final = 4.0
"""Standard deviation of a thumbnail in grey levels; a picture of nothing is like any other, and no copy of it."""
SIDE_IN_NAME: Final = re.compile(r"_([RL])(?:[_.]|$)")
BLANK: Final = 0.5
"""The same; below, there is no picture at all."""
USUAL_SIDES: Final = 0.9
"""Share of the patients with two images that have one of each side, from which on that is the rule."""
SIDE_OF_NAME: Final = {"R": "thumb-left", "L": "thumb-right"}
"""Of radiographs taken from the back of the hand, as these are."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenImage:
    """What is remembered of an image to find it again, and of its hand.

    Attributes:
        name, patient: of the file.
        size: in pixels.
        digest: of the grey levels.
        thumbnail: (48, 48) grey levels.
        side: `thumb-left`, `thumb-right`, or empty.
    """

    name: str
    patient: str
    size: ImageSize
    digest: str
    thumbnail: NDArray[np.float32]
    side: str = ""


def see_image(name: str, patient: str, grey: NDArray[np.uint8]) -> SeenImage:
    """Make an image recognisable.

    Args:
        name, patient: of the file.
        grey: (H, W) grey levels.
    """
    size = ImageSize(*grey.shape)
    digest = hashlib.sha256(f"{size}".encode() + grey.tobytes()).hexdigest()
    thumbnail = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return SeenImage(name, patient, size, digest, thumbnail.astype(np.float32))


def find_copies(images: Sequence[SeenImage]) -> list[Finding]:
    """Images that are the same, pixel by pixel, or written anew, or turned over."""
    findings = []
    for first, second, difference, turned in _same_pairs(images):
        for one, other in ((images[first], images[second]), (images[second], images[first])):
            kind = "same_image_under_two_patients" if one.patient != other.patient else "same_image_twice"
            evidence: dict[str, Number] = {
                "same_as": f"{other.patient}/{other.name}",
                "mean_difference": rounded(difference),
            }
            if turned:
                evidence["turned_over"] = 1
            later = one is images[second]
            proposal = f"find out whose it is; {'leave this one out' if later else 'leave the other one out'} till then"
            correction = Correction("leave_out") if later else None
            findings.append(Finding(one.name, one.patient, "", kind, ERROR, evidence, proposal, correction))
    return findings


def find_blank(images: Sequence[SeenImage]) -> list[Finding]:
    """Images that show nothing."""
    return [
        Finding(
            image.name,
            image.patient,
            "",
            "blank_image",
            ERROR,
            {"grey_sd": rounded(float(image.thumbnail.std()))},
            "look whether the file is damaged",
        )
        for image in images
        if float(image.thumbnail.std()) < BLANK
    ]


def find_strange_sides(images: Sequence[SeenImage]) -> list[Finding]:
    """Notes on images whose side is not what their name says, and on patients with two images of one side."""
    findings = []
    for image in images:
        said = SIDE_IN_NAME.search(image.name)
        if said and image.side and SIDE_OF_NAME[said[1]] != image.side:
            evidence: dict[str, Number] = {"name_says": SIDE_OF_NAME[said[1]], "hand_shows": image.side}
            proposal = "look whether the image is turned over or the name wrong"
            findings.append(Finding(image.name, image.patient, "", "wrong_side", NOTE, evidence, proposal))
    by_patient: dict[str, list[SeenImage]] = defaultdict(list)
    for image in images:
        by_patient[image.patient].append(image)
    pairs = [own for own in by_patient.values() if len(own) == 2 and all(image.side for image in own)]
    alike = [own for own in pairs if own[0].side == own[1].side]
    if not pairs or 1.0 - len(alike) / len(pairs) < USUAL_SIDES:
        return findings
    for own in alike:
        for image, other in ((own[0], own[1]), (own[1], own[0])):
            evidence = {
                "hand_shows": image.side,
                "other_image": other.name,
                "patients_with_both": len(pairs) - len(alike),
            }
            proposal = "look whether one of the patient's two images is turned over, or another patient's"
            findings.append(Finding(image.name, image.patient, "", "wrong_side", NOTE, evidence, proposal))
    return findings


def find_shared_patients(folds: Mapping[str, Sequence[str]], patients: Mapping[str, str]) -> list[Finding]:
    """Patients with images in two folds.

    Args:
        folds: name of a fold -> its images.
        patients: image -> patient.
    """
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for fold, names in folds.items():
        for name in names:
            places[patients[name]][fold].append(name)
    findings = []
    for patient, by_fold in sorted(places.items()):
        if len(by_fold) < 2:
            continue
        for fold, names in by_fold.items():
            others = ", ".join(sorted(other for other in by_fold if other != fold))
            evidence: dict[str, Number] = {"fold": fold, "also_in": others}
            proposal = "keep all images of a patient in one fold"
            findings += [
                Finding(name, patient, "", "patient_in_two_folds", ERROR, evidence, proposal) for name in names
            ]
    return findings


def _same_pairs(images: Sequence[SeenImage]) -> list[tuple[int, int, float, bool]]:
    """(first, second, mean difference of thumbnails, whether turned over) of all pairs that are one picture."""
    if len(images) < 2:
        return []
    flat = np.array([image.thumbnail for image in images])
    turned = flat[:, :, ::-1].reshape(len(flat), -1)
    flat = flat.reshape(len(flat), -1)
    plain = flat.std(axis=1) < LEAST_CONTRAST
    found = []
    for second in range(1, len(images)):
        alike = np.array([images[first].digest == images[second].digest for first in range(second)])
        for candidates, is_turned in ((flat, False), (turned, True)):
            different = np.abs(candidates[:second] - flat[second]).mean(axis=1)
            same = ~alike & ~plain[second] & (different <= MOST_DIFFERENT)
            same = same if is_turned else same | (alike & ~plain[second])
            found += [(int(first), second, float(different[first]), is_turned) for first in np.flatnonzero(same)]
    return found
