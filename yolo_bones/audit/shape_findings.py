"""Findings about outlines: drawn elsewhere, of the wrong size, with something else drawn in, run out of the bone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.audit.bone_checks import BoneCheck
from yolo_bones.audit.findings import ERROR, NOTE, Correction, Finding, Number, rounded
from yolo_bones.audit.norms import DrawnImage
from yolo_bones.bone_shapes import ARM_IDS, part_as_bone
from yolo_bones.bones import BONES, KINDS
from yolo_bones.outline_model import OutlineModel, outward_normals_of, own_direction

LEAST_PLACE_SD: Final = 9.0
LEAST_PLACE_OFF: Final = 0.15
"""Lengths of the third metacarpal; a bone is out of place where both are passed."""
MOST_JOINT_GAP: Final = 0.12
"""A bone that meets the next one of its digit so closely is in its place, however the finger is bent."""
LEAST_COVERED: Final = 0.3
"""Share of an outline inside another bone's, from which it is said to be drawn on that bone."""
LEAST_SIZE_SD: Final = 5.0
LEAST_SIZE_OFF: Final = 0.5
"""Of the logarithm of the area: a factor of 1.65."""
DEPARTURE_RANGE: Final = (6.0, 9.0)
AREA_RANGE: Final = (6.0, 8.0)
"""Limits of departures and of added area, in standard deviations: the lower ones where a set is uniform."""
OF_USUAL_EXTREME: Final = 3.0
"""A limit is so many times what one bone in a hundred of the set reaches."""
TRAIT: Final = 3.0
"""Where bones of the same kind, or of the other hand, depart by more, it is the hand's way, and limits rise with it."""
LEAST_REACH: Final = 0.03
"""An outline has run out of its bone, or into it, where it departs by so much, in lengths of the third metacarpal."""
LEAST_OUTSIDE: Final = 0.08
RINGED: Final = ("proximal", "middle")
"""Phalanges that rings are worn on; at the thumb's metacarpal two sesamoids look like one."""
LEAST_RING_REACH: Final = 0.06
LEAST_RING: Final = 0.08
"""How far a ring stands out at least, and its share of the bone's area: its form tells, whatever bones vary by."""
RING_HEIGHT: Final = 0.2
"""Of the band that a ring leaves, along the bone, in lengths of the third metacarpal."""
RING_BALANCE: Final = 0.3
"""The smaller of a ring's two sides over the larger, at least."""
OBJECT_CONTRAST: Final = 25.0
"""Grey levels by which what was drawn in is brighter than the bone, from which on it is an object and not flesh."""
LEAST_PIECE: Final = 1e-5
"""Area of a piece that counts, in squared lengths of the third metacarpal."""
MOST_TRIMMED: Final = 0.7
"""Share of the typical area, or logarithm of the size, beyond which an outline is not mended but drawn anew."""
TOLERATED: Final = 0.015
"""How far a trimmed outline may keep off the typical one, in lengths of the third metacarpal."""
SESAMOID_BONE: Final = "finger-3"
LEAST_SESAMOID_SD: Final = 4.0
MOST_SESAMOID: Final = (0.06, 0.11)
"""What a sesamoid stands out at most, and adds to the area."""
SESAMOID_KIND: Final = "sesamoid_differs"


@dataclass(frozen=True, slots=True)
class OutlineLimits:
    """From which on an outline is wrong, in standard deviations.

    Attributes:
        bulge, dent: of its largest departure outwards and inwards.
        outside: of the area that it has more.
    """

    bulge: float
    dent: float
    outside: float


def learn_limits(checks: Sequence[BoneCheck]) -> OutlineLimits:
    """Limits from what the bones of a set reach: lower where they are much alike."""

    def limit(values: Sequence[float], low: float, high: float) -> float:
        extreme = float(np.quantile(values, 0.99)) if values else high
        return min(max(OF_USUAL_EXTREME * extreme, low), high)

    return OutlineLimits(
        limit([check.bulge_sd for check in checks], *DEPARTURE_RANGE),
        limit([check.dent_sd for check in checks], *DEPARTURE_RANGE),
        limit([check.outside_sd for check in checks], *AREA_RANGE),
    )


@dataclass(frozen=True, slots=True, eq=False)
class ShapeContext:
    """What judging one image's shapes needs.

    Attributes:
        image: as drawn.
        frame: of its hand.
        checks: of all its bones.
        outlines: the 29 typical outlines.
        limits: on outlines, for the whole set.
        grey: reads the image's (H, W) grey levels, where they can be read.
        others: checks of the patient's other images.
        relabelled: indices of outlines whose labels are wrong; their findings are about the right label.
    """

    image: DrawnImage
    frame: HandFrame
    checks: Sequence[BoneCheck]
    outlines: Sequence[OutlineModel]
    limits: OutlineLimits
    grey: Callable[[], NDArray[np.uint8]] | None
    others: Sequence[BoneCheck]
    relabelled: frozenset[int]


def judge_shapes(context: ShapeContext) -> list[Finding]:
    """At most one finding for each bone: the place before the outline before the size."""
    findings = []
    for check in context.checks:
        for judge in (_judge_place, _judge_outline, _judge_size):
            found = judge(check, context)
            if found is not None:
                findings.append(found)
                break
    return findings


def _judge_place(check: BoneCheck, context: ShapeContext) -> Finding | None:
    if check.place_off_sd < LEAST_PLACE_SD or check.place_off < LEAST_PLACE_OFF or check.joint_gap < MOST_JOINT_GAP:
        return None
    evidence: dict[str, Number] = {
        "off_its_place": rounded(check.place_off),
        "off_its_place_sd": rounded(check.place_off_sd, 1),
    }
    own, best, on = shapely.make_valid(shapely.Polygon(check.points)), 0.0, ""
    for other in context.checks:
        if other is not check:
            covered = own.intersection(shapely.make_valid(shapely.Polygon(other.points))).area / max(own.area, 1e-9)
            if covered > best:
                best, on = covered, BONES[other.class_id]
    kind = "implausible_place"
    if best >= LEAST_COVERED:
        kind, evidence = "drawn_on_another_bone", evidence | {"drawn_on": on, "share_on_it": rounded(best)}
    return _finding(check, context, (kind, ERROR), evidence, "draw it anew where it is", "redraw")


def _judge_size(check: BoneCheck, context: ShapeContext) -> Finding | None:
    if check.is_cut or check.size_off_sd < LEAST_SIZE_SD or abs(check.size_off) < LEAST_SIZE_OFF:
        return None
    evidence: dict[str, Number] = {
        "area_over_usual": rounded(np.exp(check.size_off)),
        "size_off_sd": rounded(check.size_off_sd, 1),
    }
    return _finding(check, context, ("implausible_size", NOTE), evidence, "look whether it follows the bone")


def _judge_outline(check: BoneCheck, context: ShapeContext) -> Finding | None:
    fit = check.fit
    limits = _limits_for(check, context)
    bulges = check.bulge_sd >= limits.bulge and fit.reach >= LEAST_REACH
    dents = check.dent_sd >= limits.dent and fit.dent >= LEAST_REACH
    more = check.outside_sd >= limits.outside and fit.outside >= LEAST_OUTSIDE
    if BONES[check.class_id] == SESAMOID_BONE:
        note = _judge_sesamoid(check, context)
        if note is not None:
            return note
    rings = fit.reach >= LEAST_RING_REACH and fit.outside >= LEAST_RING and departure_kind(check) == "ring_in_bone"
    if not (bulges or dents or more or rings):
        return None
    evidence: dict[str, Number] = {
        "beyond_the_bone": rounded(fit.reach),
        "beyond_the_bone_sd": rounded(check.bulge_sd, 1),
        "short_of_it": rounded(fit.dent),
        "short_of_it_sd": rounded(check.dent_sd, 1),
        "area_added": rounded(fit.outside),
        "area_lacking": rounded(fit.lacking),
    }
    kind = departure_kind(check)
    if context.grey is not None and kind != "ring_in_bone":
        levels = grey_levels(check, context, context.grey())
        if levels is not None:
            evidence |= {"grey_of_what_is_added": rounded(levels[0], 1), "grey_of_the_bone": rounded(levels[1], 1)}
            kind = "object_in_bone" if levels[0] - levels[1] >= OBJECT_CONTRAST else kind
    trimmed = trimmed_outline(check, context.frame)
    if max(fit.outside, fit.lacking, abs(check.size_off)) > MOST_TRIMMED:
        return _finding(check, context, ("outline_left_bone", ERROR), evidence, "draw it anew", "redraw")
    if trimmed is None:
        return _finding(check, context, (kind, ERROR), evidence, "draw it anew", "redraw")
    return _finding(check, context, (kind, ERROR), evidence, "cut it back to the bone", "replace", trimmed)


def _limits_for(check: BoneCheck, context: ShapeContext) -> OutlineLimits:
    """The set's limits, raised by what the bone's like do in the same hand and the bone itself in the other."""
    bone = BONES[check.class_id]
    alike = [other for other in context.checks if other is not check and KINDS[BONES[other.class_id]] == KINDS[bone]]
    if KINDS[bone] == "carpal":
        alike = []
    alike += [other for other in context.others if other.class_id == check.class_id]

    def raised(name: str, limit: float) -> float:
        return limit * max([1.0, *(float(getattr(other, name)) / TRAIT for other in alike)])

    return OutlineLimits(
        raised("bulge_sd", context.limits.bulge),
        raised("dent_sd", context.limits.dent),
        raised("outside_sd", context.limits.outside),
    )


def departure_kind(check: BoneCheck) -> str:
    """`ring_in_bone` for a band that stands out on both sides of a finger's bone, else `outline_left_bone`."""
    excess, laid = _excess(check)
    axis = own_direction(check.fit.points, check.class_id)
    ring = KINDS[BONES[check.class_id]] in RINGED and _is_ring(excess, np.asarray(laid.centroid.coords[0]), axis)
    return "ring_in_bone" if ring else "outline_left_bone"


def grey_levels(check: BoneCheck, context: ShapeContext, grey: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Mean grey level of what an outline has more than the typical one, and of the bone; None where it has nothing."""
    excess, laid = _excess(check)
    planes = []
    for shapes in (excess, _pieces(laid)):
        plane = np.zeros(grey.shape, dtype=np.uint8)
        for shape in shapes:
            corners = np.rint(context.frame.to_image(np.asarray(shape.exterior.coords))).astype(np.int32)
            cv2.fillPoly(plane, [corners.reshape(-1, 1, 2)], 1)
        planes.append(plane.view(np.bool_))
    added, bone = planes[0] & ~planes[1], planes[1]
    if not added.any() or not bone.any():
        return None
    return float(grey[added].mean()), float(grey[bone].mean())


def _excess(check: BoneCheck) -> tuple[list[shapely.Polygon], shapely.Geometry]:
    """Pieces of an outline that stand out of the typical one, and the typical one."""
    part = shapely.make_valid(shapely.Polygon(part_as_bone(check.points, check.class_id)))
    laid = shapely.make_valid(shapely.Polygon(check.fit.points))
    pieces = _pieces(part.difference(laid.buffer(TOLERATED)))
    return [piece for piece in pieces if piece.area > LEAST_PIECE], laid


def _is_ring(excess: Sequence[shapely.Polygon], centre: NDArray[np.float64], axis: NDArray[np.float64]) -> bool:
    """Whether what stands out does so on both sides of the bone, in one band across it."""
    if not excess:
        return False
    across = np.array([axis[1], -axis[0]])
    sides = {True: 0.0, False: 0.0}
    heights = []
    for piece in excess:
        place = np.asarray(piece.centroid.coords[0]) - centre
        sides[bool(place @ across > 0.0)] += piece.area
        heights += list((np.asarray(piece.exterior.coords) - centre) @ axis)
    return min(sides.values()) >= RING_BALANCE * max(sides.values()) and float(np.ptp(heights)) <= RING_HEIGHT


def trimmed_outline(check: BoneCheck, frame: HandFrame) -> tuple[tuple[int, int], ...] | None:
    """The drawn outline without what stands out of the typical one and with what it lacks, in pixels.

    Returns:
        None where nothing in one piece remains.
    """
    whole = shapely.make_valid(shapely.Polygon(check.points))
    part = shapely.make_valid(shapely.Polygon(part_as_bone(check.points, check.class_id)))
    laid = shapely.make_valid(shapely.Polygon(check.fit.points))
    mended = part.intersection(laid.buffer(TOLERATED)).union(laid.buffer(-TOLERATED))
    if check.class_id in ARM_IDS:
        mended = mended.union(whole.difference(part))
    pieces = _pieces(shapely.make_valid(mended))
    if not pieces:
        return None
    border = np.asarray(max(pieces, key=lambda piece: piece.area).exterior.coords)[:-1]
    points = np.rint(frame.to_image(border)).astype(int)
    kept = np.ones(len(points), dtype=bool)
    kept[1:] = (points[1:] != points[:-1]).any(axis=1)
    listed = tuple((int(x), int(y)) for x, y in points[kept])
    return listed if len(set(listed)) >= 3 else None


def _judge_sesamoid(check: BoneCheck, context: ShapeContext) -> Finding | None:
    """A note where all that departs lies where the thumb's sesamoid is: it is drawn with the bone, or it is not."""
    model = context.outlines[check.class_id]
    where = sesamoid_points(model)
    relative = check.fit.departures / model.point_sd
    largest = int(np.abs(relative).argmax())
    size, area = MOST_SESAMOID
    if not where[largest] or abs(relative[largest]) < LEAST_SESAMOID_SD:
        return None
    if max(check.fit.reach, check.fit.dent) > size or check.fit.outside > area:
        return None
    added = relative[largest] > 0.0
    evidence: dict[str, Number] = {
        "departure": rounded(check.fit.departures[largest]),
        "departure_sd": rounded(relative[largest], 1),
    }
    said = (
        "the sesamoid is drawn with it, elsewhere it is not"
        if added
        else "the sesamoid is not drawn with it, elsewhere it is"
    )
    return _finding(check, context, (SESAMOID_KIND, NOTE), evidence, said)


def sesamoid_points(model: OutlineModel) -> NDArray[np.bool_]:
    """(96,) which points of the thumb's metacarpal its ulnar sesamoid shows beside: the head, away from the thumb."""
    points, normals = model.points, outward_normals_of(model.points)
    low, high = points[:, 1].min(), points[:, 1].max()
    return np.asarray((points[:, 1] > low + 0.6 * (high - low)) & (normals[:, 0] < 0.3))


def _finding(
    check: BoneCheck,
    context: ShapeContext,
    verdict: tuple[str, str],
    evidence: dict[str, Number],
    proposal: str,
    action: str = "",
    points: tuple[tuple[int, int], ...] = (),
) -> Finding:
    outline, bone = context.image.outlines[check.index], BONES[check.class_id]
    if check.index in context.relabelled:
        evidence = evidence | {"rightly_labelled": bone}
    correction = Correction(action, outline.index, points=points) if action else None
    return Finding(context.image.name, context.image.patient, outline.bone, *verdict, evidence, proposal, correction)


def _pieces(shape: shapely.Geometry) -> list[shapely.Polygon]:
    parts = shapely.get_parts(shape) if hasattr(shape, "geoms") else [shape]
    return [part for part in parts if isinstance(part, shapely.Polygon) and not part.is_empty]
