"""How far each bone of a prediction is from what is usual: against its neighbours, other bones and the other hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.audit.bone_checks import BoneCheck, check_bones
from yolo_bones.audit.findings import Finding
from yolo_bones.audit.label_findings import judge_labels
from yolo_bones.audit.mask_shapes import PredictedImage
from yolo_bones.audit.norms import Norms
from yolo_bones.bone_shapes import outline_moments
from yolo_bones.bones import BONE_COUNT, CLASS_IDS
from yolo_bones.hand_labels import Labelling
from yolo_bones.reference import OVERLAPS

Values = NDArray[np.float64]

OVERLAP_ALLOWANCE: Final = (1.5, 0.05)
"""Masks may overlap by so many times the usual IoU of the two bones, and so much more."""
MISSING_KIND: Final = "missing_bone"
"""Of bones without an outline, which `mask_findings` tells of; corrections are for files of points."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskCheck:
    """One bone of one image.

    Attributes:
        class_id: the channel.
        shape: its largest part against what is usual; None for an empty mask, or where no hand was found.
        is_missing: whether the mask is empty, or so small that it has no outline.
        taken_for: class id of the bone that it shows, where that is certainly another one; else its own.
        strangeness: how little its place, size and direction are like this bone's: of two masks that contradict each
            other the stranger one is wrong.
        overlap: IoU with a less strange bone, beyond what is usual between the two; the largest.
        overlaps_with: class id of that bone, -1 for none.
        parts: of notable size.
        astray, holes: shares of the mask's pixels outside of its largest part, and of holes in it.
        other_size: absolute difference of the logarithm of the area to the patient's other hand; 0 where that is
            unknown or less usual than this one.
        other_outline: area between its outline and that of the other hand, share of its own; 0 likewise.
        has_other: whether the patient's other hand was there to be compared.
    """

    class_id: int
    shape: BoneCheck | None
    is_missing: bool
    taken_for: int
    strangeness: float = np.inf
    overlap: float = 0.0
    overlaps_with: int = -1
    parts: int = 0
    astray: float = 0.0
    holes: float = 0.0
    other_size: float = 0.0
    other_outline: float = 0.0
    has_other: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CheckedImage:
    """One image against what is usual.

    Attributes:
        name, patient: of the image.
        checks: 29, in channel order.
        label_findings: about its labels.
        has_hand: whether its masks make a hand at all.
        iou: (29, 29) of any two masks.
    """

    name: str
    patient: str
    checks: tuple[MaskCheck, ...]
    label_findings: tuple[Finding, ...]
    has_hand: bool
    iou: Values


def check_image(image: PredictedImage, labelling: Labelling | None, norms: Norms) -> CheckedImage:
    """Check all masks of an image, without its patient's other hand.

    Args:
        image: its masks' measures.
        labelling: the best labels of their outlines; None where they make no hand.
        norms: what is usual.
    """
    has_outline = {outline.index for outline in image.drawn.outlines}
    checks = [
        MaskCheck(
            class_id=class_id,
            shape=None,
            is_missing=class_id not in has_outline,
            taken_for=class_id,
            parts=int(image.parts[class_id]),
            astray=float(image.astray[class_id]),
            holes=float(image.holes[class_id]),
        )
        for class_id in range(BONE_COUNT)
    ]
    name, patient = image.drawn.name, image.drawn.patient
    if labelling is None:
        return CheckedImage(name, patient, tuple(checks), (), False, image.iou)
    verdict = judge_labels(image.drawn, labelling, norms)
    for shape in check_bones(image.drawn, verdict.labels, labelling.weighed, norms):
        class_id = image.drawn.outlines[shape.index].index
        own_cost = float(labelling.weighed.costs[shape.index, class_id])
        checks[class_id] = replace(
            checks[class_id],
            shape=shape,
            taken_for=shape.class_id,
            strangeness=own_cost + shape.place_off_sd**2 if shape.class_id == class_id else np.inf,
        )
    checks = _with_overlaps(checks, image.iou)
    about_labels = tuple(replace(one, correction=None) for one in verdict.findings if one.kind != MISSING_KIND)
    return CheckedImage(name, patient, tuple(checks), about_labels, True, image.iou)


def _with_overlaps(checks: Sequence[MaskCheck], iou: Values) -> list[MaskCheck]:
    """The same checks; of two masks that overlap too much the stranger one is told."""
    excess = np.clip(iou - usual_overlaps(), 0.0, None)
    strangeness = np.array([check.strangeness for check in checks])
    excess[strangeness[:, None] < strangeness[None]] = 0.0
    others = excess.argmax(axis=1).tolist()
    return [
        replace(check, overlap=float(excess[check.class_id, other]), overlaps_with=other)
        if excess[check.class_id, other] > 0.0
        else check
        for check, other in zip(checks, others, strict=True)
    ]


@lru_cache(maxsize=1)
def usual_overlaps() -> Values:
    """(29, 29) IoU up to which two bones may overlap, from real hands; the diagonal is out of reach."""
    factor, more = OVERLAP_ALLOWANCE
    usual = np.zeros((BONE_COUNT, BONE_COUNT))
    for (first, second), (iou, _) in OVERLAPS.items():
        usual[CLASS_IDS[first], CLASS_IDS[second]] = usual[CLASS_IDS[second], CLASS_IDS[first]] = iou
    usual = factor * usual + more
    np.fill_diagonal(usual, 1.0)
    return usual


def compare_hands(images: Sequence[CheckedImage]) -> list[CheckedImage]:
    """The same images, each bone compared with the same one in the patient's other images.

    Both hands are measured in frames of their own, so that left and right are alike. Bones taken for another one are
    not compared.
    """
    by_patient: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        if image.patient:
            by_patient[image.patient].append(index)
    compared = list(images)
    for own in by_patient.values():
        for index in own:
            others = [images[other] for other in own if other != index]
            checks = tuple(_compared(check, others) for check in images[index].checks)
            compared[index] = replace(images[index], checks=checks)
    return compared


def _compared(check: MaskCheck, others: Sequence[CheckedImage]) -> MaskCheck:
    alike = [other.checks[check.class_id] for other in others]
    shapes = [other.shape for other in alike if other.shape is not None and other.taken_for == check.class_id]
    shape = check.shape
    if shape is None or check.taken_for != check.class_id or not shapes or shape.is_cut:
        return check
    size = float(np.median([other.size_off for other in shapes]))
    departures = np.median([other.fit.departures for other in shapes], axis=0)
    own = shape.fit.departures
    border = float(np.linalg.norm(np.roll(shape.fit.points, -1, axis=0) - shape.fit.points, axis=1).sum())
    between = float(np.abs(own - departures).mean()) * border / outline_moments(shape.fit.points).area
    return replace(
        check,
        other_size=abs(shape.size_off - size) if abs(shape.size_off) >= abs(size) else 0.0,
        other_outline=between if np.abs(own).mean() >= np.abs(departures).mean() else 0.0,
        has_other=True,
    )
