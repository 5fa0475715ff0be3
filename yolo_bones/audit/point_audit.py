"""The audit of a set of annotations: what is usual is learnt from all of it, then each image is held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.audit.bone_checks import BoneCheck, check_bones
from yolo_bones.audit.findings import ERROR, Finding
from yolo_bones.audit.label_findings import LabelVerdict, judge_labels
from yolo_bones.audit.norms import DrawnImage, Norms, Watch, learn_norms, unwatched
from yolo_bones.audit.shape_findings import ShapeContext, judge_shapes, learn_limits
from yolo_bones.bone_shapes import ARM_IDS, wrist_angle_deg
from yolo_bones.hand_labels import Labelling
from yolo_bones.image_files import read_grey
from yolo_bones.parallel import work_in_order

SIDES: Final = {True: "thumb-left", False: "thumb-right"}


@dataclass(frozen=True, slots=True, eq=False)
class CheckedImage:
    """One image, its hand's frame, what is said about its labels, and how far its bones are from what is usual."""

    image: DrawnImage
    frame: HandFrame
    verdict: LabelVerdict
    checks: Sequence[BoneCheck]


@dataclass(frozen=True, slots=True, eq=False)
class PointAudit:
    """What an audit says about single images.

    Attributes:
        findings: image by image.
        norms: what is usual in the set.
        sides: `thumb-left` or `thumb-right` of each image, empty where no hand could be fitted.
        wrist_angles_deg: of each image, see `bone_shapes.wrist_angle_deg`; None where it is not known.
    """

    findings: tuple[Finding, ...]
    norms: Norms
    sides: tuple[str, ...]
    wrist_angles_deg: tuple[float | None, ...]


def audit_images(
    drawn: Sequence[DrawnImage], files: Sequence[Path] = (), *, workers: int = 1, watch: Watch = unwatched
) -> PointAudit:
    """All findings about single images.

    Args:
        drawn: annotations of each image.
        files: the images themselves, in the same order; without them nothing is said about grey levels.
        workers: processes.
        watch: for a progress bar.

    """
    norms, labellings = learn_norms(drawn, workers, watch)
    return judge_images(drawn, labellings, norms, files, workers=workers, watch=watch)


def judge_images(
    drawn: Sequence[DrawnImage],
    labellings: Sequence[Labelling | None],
    norms: Norms,
    files: Sequence[Path] = (),
    *,
    workers: int = 1,
    watch: Watch = unwatched,
) -> PointAudit:
    """Hold images against what is usual; arguments as for `audit_images`, and what `learn_norms` gives."""
    checked = work_in_order(partial(check_image, norms=norms), zip(drawn, labellings, strict=True), workers)
    judged = list(watch(checked, "auditing", len(drawn)))
    limits = learn_limits([check for one in judged if one is not None for check in one.checks])
    of_patient: dict[str, list[CheckedImage]] = defaultdict(list)
    for one in judged:
        if one is not None:
            of_patient[one.image.patient].append(one)
    findings: list[Finding] = []
    for index, one in enumerate(judged):
        if one is None:
            findings.append(_no_hand(drawn[index]))
            continue
        others = [check for other in of_patient[one.image.patient] if other is not one for check in other.checks]
        grey = partial(_grey_levels, files[index]) if files else None
        moved = one.verdict.relabelled
        context = ShapeContext(one.image, one.frame, one.checks, norms.outlines, limits, grey, others, moved)
        findings += [*one.verdict.findings, *judge_shapes(context)]
    sides = ["" if one is None else SIDES[one.frame.thumb_left] for one in judged]
    angles = [None if one is None else _wrist_angle(one) for one in judged]
    return PointAudit(tuple(findings), norms, tuple(sides), tuple(angles))


def _wrist_angle(one: CheckedImage) -> float | None:
    return wrist_angle_deg([check.points for check in one.checks if check.class_id in ARM_IDS])


def check_image(drawn: tuple[DrawnImage, Labelling | None], norms: Norms) -> CheckedImage | None:
    """Judge the labels of an image and check its bones under the right ones; None where no hand could be fitted."""
    image, labelling = drawn
    if labelling is None:
        return None
    verdict = judge_labels(image, labelling, norms)
    checks = check_bones(image, verdict.labels, labelling.weighed, norms)
    return CheckedImage(image, labelling.weighed.frame, verdict, checks)


def _grey_levels(file: Path) -> NDArray[np.uint8]:
    return read_grey(file)[0]


def _no_hand(image: DrawnImage) -> Finding:
    evidence = {"outlines": len(image.outlines), "different_labels": len(set(image.bones))}
    proposal = "look at it: these outlines make no hand"
    return Finding(image.name, image.patient, "", "no_hand", ERROR, evidence, proposal)
