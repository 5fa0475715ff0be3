"""Findings about labels: exchanged, rotated, mirrored, doubled, missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import NEIGHBOURS
from yolo_bones.audit.findings import ERROR, NOTE, Correction, Finding, Number, rounded
from yolo_bones.audit.norms import DrawnImage, Norms
from yolo_bones.bone_shapes import LOG_AREA, PLACE
from yolo_bones.bones import BONES, CLASS_IDS, HAND_BONES
from yolo_bones.hand_labels import JOINTS, MIRRORED, MIRRORED_FINGERS, NO_BONE, Labelling, Labels
from yolo_bones.polygons import fill_polygon

UPPER_ROW: Final = frozenset(HAND_BONES[:4])
LOWER_ROW: Final = frozenset(HAND_BONES[4:])

LEAST_GAIN: Final = 50.0
"""By which a hand must become more like a hand (twice the logarithm of the likelihood) for labels to be wrong."""
LEAST_DOUBT: Final = 20.0
"""The same, for a note."""
USUAL_COST: Final = 2.0
"""Hands that fit worse than so many times the set's usual cost must gain more, in proportion."""
MOST_OWN_COST: Final = 70.0
"""Of an outline as the bone that is proposed: one that is like no bone proposes nothing."""
USUALLY_DRAWN: Final = 0.5
"""Share of the images of a set; a bone that is drawn less often is left out on purpose."""
LEAST_OF_WHOLE_HAND: Final = 14
"""Wrong labels from which on a hand counts as mislabelled as a whole."""
LEAST_MIRRORED_FINGERS: Final = 8
LEAST_MIRRORED: Final = 6
LEAST_OF_ROW: Final = 3
SAME_OUTLINE_IOU: Final = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class LabelVerdict:
    """What is said about an image's labels.

    Attributes:
        findings: errors and notes.
        labels: (N,) bone of each outline, errors mended, notes not.
        relabelled: indices of the outlines with another label than was drawn.
    """

    findings: tuple[Finding, ...]
    labels: Labels
    relabelled: frozenset[int]


def judge_labels(image: DrawnImage, labelling: Labelling, norms: Norms) -> LabelVerdict:
    """Compare the labels of an image with those under which it is most like a hand.

    Args:
        image: as drawn.
        labelling: the best labels of its outlines.
        norms: what is usual in the set.
    """
    labels = labelling.labels.copy()
    drawn = np.array([CLASS_IDS[bone] for bone in image.bones])
    weighed: list[tuple[list[int], float, str]] = []
    for group in changed_groups(drawn, labelling.given, labels):
        reverted = labels.copy()
        reverted[group] = labelling.given[group]
        gain = labelling.cost_of(reverted) - labelling.cost
        weighed.append((group, gain, _severity(group, gain, labelling, norms)))
    if sum(len(group) for group, _, severity in weighed if severity == ERROR) >= LEAST_OF_WHOLE_HAND:
        # Most labels of the hand are wrong, so the doubtful ones are as well.
        weighed = [(group, gain, ERROR) for group, gain, _ in weighed]
    for group, _, severity in weighed:
        if severity != ERROR:
            labels[group] = labelling.given[group]
    accepted = [one for one in weighed if one[2]]
    mapping = {
        image.bones[index]: BONES[labelling.labels[index]]
        for group, _, severity in accepted
        for index in group
        if severity == ERROR and labelling.labels[index] not in (NO_BONE, drawn[index])
    }
    findings = []
    for group, gain, severity in accepted:
        taken = [index for index in group if labelling.labels[index] not in (NO_BONE, drawn[index])]
        chosen = mapping if severity == ERROR else {image.bones[i]: BONES[labelling.labels[i]] for i in taken}
        kind = exchange_kind(chosen, frozenset(image.bones[index] for index in taken))
        findings += [_relabelling(image, labelling, index, gain, (kind, severity)) for index in taken]
    findings += _doubled(image, labels)
    findings += _missing(image, labels, norms)
    moved = frozenset(index for group, _, severity in accepted if severity == ERROR for index in group)
    return LabelVerdict(tuple(findings), labels, moved)


def changed_groups(drawn: Labels, given: Labels, best: Labels) -> list[list[int]]:
    """Outlines whose label changes, in groups that must change together.

    Each takes a label that another gives up, or meets another at a joint of a finger: where fingers cross, only their
    whole ends can be exchanged. Which of several outlines of one bone is the bone is no change of labels.
    """
    changed = [index for index in range(len(best)) if best[index] != drawn[index] and best[index] != NO_BONE]
    owner = {int(given[index]): index for index in range(len(given)) if given[index] != NO_BONE}
    taker = {int(best[index]): index for index in range(len(best)) if best[index] != NO_BONE}
    linked: dict[int, set[int]] = {index: set() for index in range(len(best))}
    for index in changed:
        others = [owner.get(int(best[index])), taker.get(int(drawn[index]))]
        for joint in JOINTS.tolist():
            if best[index] in joint:
                met = taker.get(joint[0] if best[index] == joint[1] else joint[1])
                others.append(met if met in changed else None)
        for other in others:
            if other is not None and best[other] != given[other]:
                linked[index].add(other)
                linked[other].add(index)
    return _connected(changed, linked)


def _connected(begun: Sequence[int], linked: Mapping[int, AbstractSet[int]]) -> list[list[int]]:
    groups: list[list[int]] = []
    seen: set[int] = set()
    for start in begun:
        group, waiting = [], [start]
        while waiting:
            index = waiting.pop()
            if index not in seen:
                seen.add(index)
                group.append(index)
                waiting += sorted(linked[index])
        if group:
            groups.append(sorted(group))
    return groups


def exchange_kind(mapping: Mapping[str, str], group: frozenset[str]) -> str:
    """What sort of exchange it is.

    Args:
        mapping: drawn label -> proposed label, of the whole image.
        group: drawn labels of the bones in question.
    """
    both_ways = {*MIRRORED, *((b, a) for a, b in MIRRORED)}
    fingers = {*MIRRORED_FINGERS, *((b, a) for a, b in MIRRORED_FINGERS)}
    if sum(pair in fingers for pair in mapping.items()) >= LEAST_MIRRORED_FINGERS:
        return "mirrored_hand"
    if sum(pair in both_ways - fingers for pair in mapping.items()) >= LEAST_MIRRORED:
        return "mirrored_labels"
    for row, name in ((LOWER_ROW, "rotated_lower_row"), (UPPER_ROW, "rotated_upper_row")):
        if group <= row and sum(bone in row for bone in mapping) >= LEAST_OF_ROW:
            return name
    if group == {"Trapezium", "Trapezoid"}:
        return "exchanged_trapezium_trapezoid"
    if len(group) == 2 and (tuple(sorted(group, key=BONES.index)) in _NEIGHBOURS):
        return "exchanged_neighbours"
    return "wrong_label" if len(group) == 1 else "exchanged_labels"


_NEIGHBOURS: Final = frozenset(tuple(sorted(pair, key=BONES.index)) for pair in NEIGHBOURS)


def outline_iou(first: NDArray[np.int32], second: NDArray[np.int32], image: DrawnImage) -> float:
    """Intersection over union of two filled outlines."""
    (crop, top, left), (other, other_top, other_left) = (fill_polygon(p, image.size) for p in (first, second))
    low = max(top, other_top), max(left, other_left)
    high = (
        min(top + crop.shape[0], other_top + other.shape[0]),
        min(left + crop.shape[1], other_left + other.shape[1]),
    )
    shared = 0
    if low[0] < high[0] and low[1] < high[1]:
        a = crop[low[0] - top : high[0] - top, low[1] - left : high[1] - left]
        b = other[low[0] - other_top : high[0] - other_top, low[1] - other_left : high[1] - other_left]
        shared = int((a & b).sum())
    return shared / max(1, int(crop.sum()) + int(other.sum()) - shared)


def _severity(group: Sequence[int], gain: float, labelling: Labelling, norms: Norms) -> str:
    """`error`, `note`, or nothing."""
    gain /= max(1.0, labelling.cost / (USUAL_COST * norms.usual_cost))
    costs = labelling.weighed.costs
    taken = [index for index in group if labelling.labels[index] != NO_BONE]
    strange = sum(costs[index, labelling.labels[index]] > MOST_OWN_COST for index in taken)
    if strange > len(taken) // 3:
        return ""
    return ERROR if gain >= LEAST_GAIN else NOTE if gain >= LEAST_DOUBT else ""


def _relabelling(image: DrawnImage, labelling: Labelling, index: int, gain: float, verdict: tuple[str, str]) -> Finding:
    drawn, label = image.bones[index], BONES[labelling.labels[index]]
    evidence: dict[str, Number] = {"gain": rounded(gain, 1)}
    for name, bone in (("drawn", drawn), ("proposed", label)):
        evidence |= _off(labelling, index, CLASS_IDS[bone], name)
    kind, severity = verdict
    proposal = f"label it {label}" if severity == ERROR else f"look whether it is {label}"
    outline = image.outlines[index]
    return Finding(
        image.name,
        image.patient,
        drawn,
        kind,
        severity,
        evidence,
        proposal,
        Correction("relabel", outline.index, label),
    )


def _off(labelling: Labelling, index: int, label: int, name: str) -> dict[str, Number]:
    """How far an outline is from the place and the size of a bone."""
    taken = np.full(len(labelling.labels), NO_BONE)
    taken[index] = label
    features = labelling.weighed.features(taken)[label]
    off = (features - labelling.model.mean[label]) / labelling.model.sd[label]
    return {
        f"place_off_sd_as_{name}": rounded(float(np.hypot(*off[PLACE])), 1),
        f"size_off_sd_as_{name}": rounded(float(off[LOG_AREA]), 1),
    }


def _doubled(image: DrawnImage, labels: Labels) -> list[Finding]:
    findings = []
    for index, label in enumerate(labels.tolist()):
        if label != NO_BONE:
            continue
        bone, outline = image.bones[index], image.outlines[index]
        kept = next((other for other in range(len(labels)) if labels[other] == CLASS_IDS[bone]), None)
        evidence: dict[str, Number] = {"times_drawn": image.bones.count(bone)}
        same = False
        if kept is not None:
            iou = outline_iou(outline.points, image.outlines[kept].points, image)
            evidence["iou"], same = rounded(iou), iou >= SAME_OUTLINE_IOU
        proposal = "drop the copy" if same else "keep the outline that follows the bone, drop the other"
        findings.append(
            Finding(
                image.name,
                image.patient,
                bone,
                "doubled_bone",
                NOTE if same else ERROR,
                evidence,
                proposal,
                Correction("remove", outline.index),
            )
        )
    return findings


def _missing(image: DrawnImage, labels: Labels, norms: Norms) -> list[Finding]:
    findings = []
    for class_id in sorted(set(range(len(BONES))) - set(labels.tolist())):
        share = float(norms.drawn[class_id])
        usual = share >= USUALLY_DRAWN
        findings.append(
            Finding(
                image.name,
                image.patient,
                BONES[class_id],
                "missing_bone",
                ERROR if usual else NOTE,
                {"share_of_images_with_it": rounded(share)},
                "draw it" if usual else "nothing, if it is left out on purpose",
                Correction("draw"),
            )
        )
    return findings
