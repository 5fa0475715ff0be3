"""Hold what is measured on masks against the phantom's own geometry, which no pixel has touched.

    python -m tests.measure_geometry OUT.json [--hands 40] [--seed 7401]

The true values come from the closed surfaces in their pose: their triangles are projected and united with shapely, and
lengths, widths, areas, joint spaces and the wrist's measures are taken on these polygons with code of its own, by the
definitions of docs/measurements.md. Prints a table: mean and worst error of each measure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, Polygon, box
from shapely.affinity import rotate

from yolo_bones.bone_measurements import INDEX_BONES, MeasuredHand, measure_hand_masks
from yolo_bones.bones import ARM_BONES, BONES, KINDS
from yolo_bones.files import write_text
from yolo_bones.joint_spaces import JOINTS
from yolo_bones.phantom.patients import PosedHand, pose_patient
from yolo_bones.phantom.projection import cast_shadow
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.phantom.truth import truth_outlines, truth_texts
from yolo_bones.rle import ImageSize, RunLengthMasks, row_texts_to_masks

SIZES = ((2048, 2048), (2048, 1664), (1024, 1024), (1024, 832))
THIRD = "finger-11"
STEP_PX = 0.5
Key = tuple[str, str]
POSE: Key = ("ulnar_deviation, as posed", "")
MAY_BE_NOTHING = ("joint_space", "overlap", "ulnar")
"""Measures of which a relative error means nothing."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A point and a unit vector."""

    point: Array
    along: Array

    @property
    def across(self) -> Array:
        return np.array([-self.along[1], self.along[0]])


# The phantom


def true_masks(hand: PosedHand) -> RunLengthMasks:
    """The 29 truth masks of a hand, as the radiograph's truth is made."""
    size = ImageSize(hand.frame.height, hand.frame.width)
    shadows = [cast_shadow(hand.frame.surface_to_pixels(bone.outer), size.height, size.width) for bone in hand.bones]
    texts = truth_texts(truth_outlines([bone.name for bone in hand.bones], shadows), size)
    return row_texts_to_masks([text.encode() for text in texts], size)


def sesamoids_joined(hand: PosedHand) -> set[int]:
    """Places in `hand.bones` of the sesamoids whose pixels touch the thumb's metacarpal's: the truth joins them."""
    size = hand.frame.height, hand.frame.width

    def covered(place: int) -> Array:
        shadow = cast_shadow(hand.frame.surface_to_pixels(hand.bones[place].outer), *size)
        return np.zeros((0, 2)) if shadow is None else np.argwhere(shadow.covered) + np.array([shadow.top, shadow.left])

    bone = covered(BONES.index("finger-3"))
    touching = set()
    for place in range(len(BONES), len(hand.bones)):
        sesamoid = covered(place)
        near = bone[(bone >= sesamoid.min(axis=0) - 1).all(axis=1) & (bone <= sesamoid.max(axis=0) + 1).all(axis=1)]
        if len(near) and (np.abs(near[:, None] - sesamoid[None]).max(axis=-1) <= 1).any():
            touching.add(place)
    return touching


def silhouettes(hand: PosedHand) -> dict[str, Polygon]:
    """The exact shadow of each bone inside the image; sesamoids that touch the thumb's metacarpal belong to it."""
    image = box(-0.5, -0.5, hand.frame.width - 0.5, hand.frame.height - 0.5)
    found: dict[str, Polygon] = {}
    touching = sesamoids_joined(hand)
    for place, bone in enumerate(hand.bones):
        surface = hand.frame.surface_to_pixels(bone.outer)
        corners = surface.vertices[surface.triangles][:, :, :2]
        ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        facing = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 1e-9
        shadow = shapely.union_all(shapely.polygons(corners[facing])).intersection(image)
        if bone.name in BONES:
            found[bone.name] = largest(shadow)
        elif place in touching:
            found["finger-3"] = largest(
                shapely.union_all([found["finger-3"], shadow, _bridge(found["finger-3"], shadow)])
            )
    return found


def _bridge(first: Any, second: Any) -> Any:
    return LineString(shapely.shortest_line(first, second).coords).buffer(0.5)


def largest(shape: Any) -> Polygon:
    parts = [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon)]
    return Polygon(max(parts, key=lambda part: part.area).exterior)


# True measures, on polygons


def upright(shape: Polygon, line: Line) -> Polygon:
    """A shape turned and moved so that the line is the x axis."""
    moved = shapely.transform(shape, lambda points: points - line.point)
    angle = float(np.degrees(np.arctan2(line.along[1], line.along[0])))
    return rotate(moved, -angle, origin=(0.0, 0.0))


def slabs(shape: Polygon, cuts: Array) -> list[tuple[float, float, float]]:
    """(place, mean width, middle) of each slab of an upright shape."""
    _, low, _, high = shape.bounds
    parts = [shape.intersection(box(a, low, b, high)) for a, b in pairwise(cuts)]
    return [
        (0.5 * (a + b), part.area / (b - a), part.centroid.y)
        for part, (a, b) in zip(parts, pairwise(cuts), strict=True)
    ]


def midline(shape: Polygon, start: Line, span: Any) -> Line:
    """The line through the middles of the shaft; `span` tells where that is on the upright shape."""
    line = start
    for _ in range(4):
        turned = upright(shape, line)
        places, _, middles = np.array(slabs(turned, np.linspace(*span(turned), 9))).T
        slope, offset = np.polyfit(places, middles, 1)
        along = line.along + slope * line.across
        line = Line(line.point + offset * line.across, along / np.hypot(*along))
    return line


def digit_span(shape: Polygon) -> tuple[float, float]:
    low, _, high, _ = shape.bounds
    return low + 0.3 * (high - low), low + 0.7 * (high - low)


def greatest_slab(shape: Polygon, low: float) -> float:
    return max(width for _, width, _ in slabs(shape, np.linspace(low, shape.bounds[2], 21)))


def true_long_bone(shape: Polygon, line: Line) -> dict[str, float]:
    turned = upright(shape, line)
    low, _, high, _ = turned.bounds
    middle = slabs(turned, low + (high - low) * np.array([0.4, 0.6]))
    return {
        "length": high - low,
        "width": greatest_slab(turned, low),
        "mid_shaft_width": middle[0][1],
        "area": shape.area,
    }


def true_carpal(shape: Polygon) -> dict[str, float]:
    hull = np.asarray(shape.convex_hull.exterior.coords)
    angles = np.deg2rad(np.arange(0.0, 180.0, 0.05))
    extents = np.ptp(hull @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
    return {"length": float(extents.max()), "width": float(extents.min()), "area": shape.area}


def normals(shape: Polygon, places: Array, chord: float = 3.0) -> Array:
    """Outward unit vectors at places along a polygon, from a chord of the border."""
    ring = shape.exterior
    ends = [
        shapely.get_coordinates(shapely.line_interpolate_point(ring, (places + d) % ring.length))
        for d in (-chord, chord)
    ]
    along = ends[1] - ends[0]
    along /= np.hypot(*along.T)[:, None]
    return np.column_stack([along[:, 1], -along[:, 0]]) * (1.0 if ring.is_ccw else -1.0)


def one_way(first: Polygon, second: Polygon, reach: float) -> tuple[Array, Array, Array]:
    """Signed distances, weights and middles of the points of one border against the other polygon."""
    ring = first.exterior
    places = np.arange(0.0, ring.length, STEP_PX)
    points = shapely.line_interpolate_point(ring, places)
    distance = shapely.distance(points, second.exterior)
    inside = shapely.contains_properly(second, points)
    near = np.flatnonzero((distance <= reach) | inside)
    points, places, distance = points[near], places[near], np.where(inside, -distance, distance)[near]
    feet = shapely.line_locate_point(second.exterior, points)
    opposed = -(normals(first, places) * normals(second, feet)).sum(axis=1)
    limit = np.cos(np.deg2rad(30.0))
    weights = np.clip((opposed - limit) / (1.0 - limit), 0.0, 1.0)
    ends = shapely.get_coordinates(shapely.line_interpolate_point(second.exterior, feet))
    return distance, weights, 0.5 * (shapely.get_coordinates(points) + ends)


def true_space(first: Polygon, second: Polygon, reach: float) -> tuple[float, float] | None:
    """Least and mean space."""
    halves = [one_way(first, second, reach), one_way(second, first, reach)]
    distance, weights, middles = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    facing = weights > 0.0
    if weights[facing].sum() * STEP_PX < 3.0:
        return None
    distance, weights, middles = distance[facing], weights[facing], middles[facing]
    spread = middles - middles.mean(axis=0)
    along = spread @ np.linalg.svd(spread, full_matrices=False)[2][0]
    order = np.argsort(along)
    breaks = np.flatnonzero(np.diff(along[order]) > reach)
    group = np.searchsorted(breaks, np.arange(len(order)), side="left")
    least = int(distance.argmin())
    kept = order[group == group[np.flatnonzero(order == least)[0]]]
    minimum = first.distance(second) or float(distance[kept].min())
    return minimum, float(np.average(distance[kept], weights=weights[kept]))


def crossing(shape: Polygon, line: Line) -> tuple[float, float] | None:
    """First and last place along a line inside a shape."""
    long = LineString([line.point - 1e4 * line.along, line.point + 1e4 * line.along])
    cut = shapely.get_coordinates(shape.exterior.intersection(long))
    if len(cut) == 0:
        return None
    along = (cut - line.point) @ line.along
    return float(along.min()), float(along.max())


def forearm_span(image_end: float) -> Any:
    def span(shape: Polygon) -> tuple[float, float]:
        wide = greatest_slab(shape, image_end)
        return image_end, shape.bounds[2] - 1.3 * wide

    return span


def true_variance(radius: Polygon, ulna: Polygon, line: Line) -> float:
    """Ulnar variance: the ulna's dome against the radius's ulnar corner, along the radius's axis."""
    shapes = [upright(radius, line), upright(ulna, line)]
    if shapes[1].centroid.y < shapes[0].centroid.y:
        shapes = [shapely.transform(shape, lambda points: points * [1.0, -1.0]) for shape in shapes]
    tops = []
    for shape, part, from_low in zip(shapes, (0.2, 0.5), (False, True), strict=True):
        points = np.asarray(shape.exterior.segmentize(0.5).coords)
        high, reach = points[:, 0].max(), np.ptp(points[:, 0])
        wide = np.ptp(points[points[:, 0] > high - reach / 3.0, 1])
        end = points[points[:, 0] > high - 1.2 * wide]
        low, extent = end[:, 1].min(), np.ptp(end[:, 1])
        kept = end[:, 1] <= low + part * extent if from_low else end[:, 1] >= low + (1.0 - part) * extent
        tops.append(float(end[kept, 0].max()))
    return tops[1] - tops[0]


def true_measures(hand: PosedHand, shapes: dict[str, Polygon]) -> dict[Key, float]:
    """Every measure of a hand, from its geometry and its `silhouettes`."""
    axes = {bone.name: hand.frame.to_pixels(bone.axis)[:, :2] for bone in hand.bones}
    found: dict[Key, float] = {}
    lines: dict[str, Line] = {}
    for bone in BONES:
        start = axes[bone][-1] - axes[bone][0]
        start = Line(np.asarray(shapes[bone].centroid.coords[0]), start / np.hypot(*start))
        if bone in ARM_BONES:
            lines[bone], wide = true_forearm(shapes[bone], start, hand)
            found["width", bone] = wide
        elif KINDS[bone] == "carpal":
            found.update({(name, bone): value for name, value in true_carpal(shapes[bone]).items()})
        else:
            lines[bone] = midline(shapes[bone], start, digit_span)
            found.update({(name, bone): value for name, value in true_long_bone(shapes[bone], lines[bone]).items()})
    for joint, (first, second) in JOINTS.items():
        pair = shapes[first], shapes[second]
        space = true_space(*pair, 1.5 * min(shape.area / shape.exterior.simplify(0.5).length for shape in pair))
        if space is not None:
            found["joint_space_min", joint], found["joint_space_mean", joint] = space
        found["overlap_area", joint] = pair[0].intersection(pair[1]).area
    found.update({(name, ""): value for name, value in true_wrist(shapes, lines, found).items()})
    # What was asked of the pose: the angle as it would be if no bone leant in its joint, nor its shaft in its shape.
    found[POSE] = hand.pose.deviation
    side = 1.0 if hand.frame.thumb_left else -1.0
    found["ulnar_deviation", ""] = side * signed_angle(lines["Radius"].along, lines[THIRD].along)
    return found


def true_forearm(shape: Polygon, start: Line, hand: PosedHand) -> tuple[Line, float]:
    """Axis and width at the wrist of radius or ulna, of which only what the image shows counts."""
    edge = [point for point in np.asarray(shape.exterior.coords) if point[1] >= hand.frame.height - 0.51]
    line = start
    for _ in range(3):
        cut = max(float((point - line.point) @ line.along) for point in edge)
        line = midline(shape, line, forearm_span(cut))
    turned = upright(shape, line)
    low, _, high, _ = turned.bounds
    return line, greatest_slab(turned, 0.5 * (low + high))


def true_wrist(shapes: dict[str, Polygon], lines: dict[str, Line], found: dict[Key, float]) -> dict[str, float]:
    values: dict[str, float] = {}
    base, joint = crossing(shapes[THIRD], lines[THIRD]), crossing(shapes["Radius"], lines[THIRD])
    if base is not None and joint is not None:
        height = base[0] - joint[1]
        values["carpal_height"] = height
        values["carpal_height_ratio"] = height / found["length", THIRD]
        values["revised_carpal_height_ratio"] = height / found["length", "Capitate"]
    values["ulnar_variance"] = true_variance(shapes["Radius"], shapes["Ulna"], lines["Radius"])
    lengths = sum(found["length", bone] for bone in INDEX_BONES)
    values["metacarpal_index"] = lengths / sum(found["mid_shaft_width", bone] for bone in INDEX_BONES)
    return values


def signed_angle(first: Array, second: Array) -> float:
    """Degrees from the first direction to the second, clockwise as seen on the image (y down)."""
    return float(np.degrees(np.arctan2(first[0] * second[1] - first[1] * second[0], first @ second)))


# The table


def group_of(key: Key) -> str:
    name, bone = key
    if bone in BONES:
        kind = KINDS[bone]
        return f"{name}, {kind if kind in ('carpal', 'radius', 'ulna') else 'digit'} bones"
    if bone:
        return f"{name}, {'digit' if '-' in bone and bone[-1].isdigit() and 'CMC' not in bone else 'wrist'} joints"
    return name


def compare(hands: int, seed: int) -> list[dict[str, Any]]:
    """Error of every measure of every hand."""
    rows: list[dict[str, Any]] = []
    for index in range(hands // 2):
        height, width = SIZES[index % len(SIZES)]
        settings = PhantomSettings(hands, 0, seed, height, width, 0.5)
        for side, hand in enumerate(pose_patient(settings, index + 1)):
            measured, true = measure_hand_masks(true_masks(hand)), true_measures(hand, silhouettes(hand))
            rows += errors_of(measured, true, f"{index + 1}-{side}", height)
    return rows


def errors_of(measured: MeasuredHand, true: dict[Key, float], hand: str, height: int) -> list[dict[str, Any]]:
    got = {(one.name, one.bone): one.value for one in measured.measurements}
    if ("ulnar_deviation", "") in got:
        got[POSE] = got["ulnar_deviation", ""]
    return [
        {"hand": hand, "height": height, "name": key[0], "bone": key[1], "true": true.get(key), "got": got.get(key)}
        for key in dict.fromkeys([*true, *got])
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Bias, mean and worst error of each group of measures, and in per cent where a value cannot be near nothing."""
    groups: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    lost: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows:
        group = group_of((row["name"], row["bone"])), row["height"]
        if row["got"] is None or row["true"] is None:
            lost[group] += 1
        else:
            groups[group].append((row["got"] - row["true"], row["true"]))
    names = ("bias", "mean", "worst", "mean %", "worst %", "only one")
    lines = [f"{'measure':<32}{'height':>7}{'n':>6}" + "".join(f"{name:>9}" for name in names)]
    for (group, height), pairs in sorted(groups.items()):
        error, true = np.array(pairs).T
        figures = [f"{error.mean():.3f}", f"{np.abs(error).mean():.3f}", f"{np.abs(error).max():.3f}", "-", "-"]
        if not group.startswith(MAY_BE_NOTHING):
            share = 100.0 * np.abs(error / true)
            figures[3:] = [f"{share.mean():.2f}", f"{share.max():.2f}"]
        told = "".join(f"{figure:>9}" for figure in (*figures, lost[group, height]))
        lines.append(f"{group:<32}{height:>7}{len(error):>6}{told}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure_geometry", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--hands", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7401)
    arguments = parser.parse_args(argv)
    rows = compare(arguments.hands, arguments.seed)
    write_text(arguments.out, json.dumps(rows) + "\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
