"""How far each bone of an image is from what is usual: its place, its size, its outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.audit.norms import DrawnImage, Norms
from yolo_bones.bone_shapes import LOG_AREA, PLACE, Points
from yolo_bones.hand_labels import JOINTS, NO_BONE, Labels, WeighedOutlines
from yolo_bones.outline_model import OutlineFit, OutlineModel, fit_outline
from yolo_bones.rle import ImageSize

Values = NDArray[np.float64]

SMOOTHED_POINTS: Final = 3
"""Neighbouring points of an outline whose departures are averaged: one point alone is a slip of the pen."""
EDGE_PX: Final = 1.5
"""An outline with points as near to the image's edge may be cut there."""


@dataclass(frozen=True, slots=True, eq=False)
class BoneCheck:
    """One bone against what is usual; deviations in standard deviations, lengths in third metacarpals.

    Attributes:
        class_id: of the bone that the outline is taken for.
        index: of the outline within the image's outlines.
        points: (P, 2) the outline in the hand's frame.
        place_off, place_off_sd: how far it lies from where its neighbours say.
        joint_gap: the least distance between its ends and those of the bones next on its digit, infinite without any.
        size_off, size_off_sd: logarithm of its area over the usual one.
        fit: the typical outline laid onto it.
        bulge_sd, dent_sd: the outline's largest departures outwards and inwards.
        outside_sd, lacking_sd: the area that it has more and less than the typical one.
        is_cut: whether it touches the image's edge.
    """

    class_id: int
    index: int
    points: Points
    place_off: float
    place_off_sd: float
    joint_gap: float
    size_off: float
    size_off_sd: float
    fit: OutlineFit
    bulge_sd: float
    dent_sd: float
    outside_sd: float
    lacking_sd: float
    is_cut: bool


def check_bones(image: DrawnImage, labels: Labels, weighed: WeighedOutlines, norms: Norms) -> list[BoneCheck]:
    """Check every outline that is taken for a bone.

    Args:
        image: with its outlines.
        labels: (N,) bone of each outline.
        weighed: the outlines in the hand's frame.
        norms: what is usual.
    """
    features = weighed.features(labels)
    expected, _ = norms.hand.expected_places(features[:, PLACE])
    checks = []
    for index, (outline, label) in enumerate(zip(image.outlines, labels.tolist(), strict=True)):
        if label == NO_BONE:
            continue
        off = features[label, PLACE] - expected[label]
        size_off = float(features[label, LOG_AREA] - norms.hand.mean[label, LOG_AREA])
        points = weighed.frame.to_hand(outline.points.astype(np.float64))
        fit = fit_outline(points, norms.outlines[label])
        bulge, dent = departures_sd(fit, norms.outlines[label])
        outside, lacking = (fit.log_shares - norms.outlines[label].shares) / norms.outlines[label].share_sd
        checks.append(
            BoneCheck(
                class_id=label,
                index=index,
                points=points,
                place_off=float(np.hypot(*off)),
                place_off_sd=float(np.hypot(*(off / norms.place_sd[label]))),
                joint_gap=joint_gap(index, labels, weighed),
                size_off=size_off,
                size_off_sd=abs(size_off) / float(norms.hand.sd[label, LOG_AREA]),
                fit=fit,
                bulge_sd=bulge,
                dent_sd=dent,
                outside_sd=float(outside),
                lacking_sd=float(lacking),
                is_cut=touches_edge(outline.points, image.size),
            )
        )
    return checks


def joint_gap(index: int, labels: Labels, weighed: WeighedOutlines) -> float:
    """Least distance between the ends of a digit's bone and those of the bones before and beyond it."""
    at = {int(label): place for place, label in enumerate(labels) if label != NO_BONE}
    gaps = [np.inf]
    for beyond, before in JOINTS.tolist():
        if labels[index] in (beyond, before) and beyond in at and before in at:
            gaps.append(float(np.hypot(*(weighed.ends[at[before], 1] - weighed.ends[at[beyond], 0]))))
    return min(gaps)


def departures_sd(fit: OutlineFit, model: OutlineModel) -> tuple[float, float]:
    """Largest departure outwards and inwards, smoothed over neighbouring points, in standard deviations."""
    relative = fit.departures / model.point_sd
    smoothed = np.mean([np.roll(relative, shift) for shift in range(SMOOTHED_POINTS)], axis=0)
    return float(smoothed.max()), float(-smoothed.min())


def touches_edge(points: NDArray[np.int32], size: ImageSize) -> bool:
    """Whether an outline reaches the edge of the image, where the image may cut the bone."""
    limit = np.array([size.width - 1, size.height - 1])
    return bool(((points < EDGE_PX) | (points > limit - EDGE_PX)).any())
