"""What the outline of each bone looks like, and where a drawn one departs from it. numpy and cv2 only.

A typical outline is laid onto a drawn one, moved, turned and scaled along both axes, robustly: what departs in one
stretch does not move the rest. Built in, and learnt from any set; lengths in units of the third metacarpal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.bone_shapes import ARM_IDS, Points, Values, outline_moments, part_as_bone
from yolo_bones.bones import BONE_COUNT, FINGER_BONES
from yolo_bones.hand_model import blend

OUTLINE_POINTS: Final = 96
BUILT_IN_FILE: Final = "typical_outlines.npz"
LONG_IDS: Final = (*range(len(FINGER_BONES)), *ARM_IDS)
"""Bones with an axis of their own; the carpals, nearly round, are laid along the hand's."""
CELLS: Final = 72
"""Grid cells along the side of a square of the bone's area."""
MOST_CELLS: Final = 640
MARGIN_CELLS: Final = 20
LEAST_POINT_SD: Final = 0.004
LEAST_POSE_SD: Final = 0.03
POSE_FACTOR: Final = 1.5
"""On the deviation of how outlines are turned and scaled: a guide, not a wall."""
TUKEY: Final = 4.685
LOOSENED: Final = (8.0, 4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Factors on the deviation beyond which a point counts nothing, step by step."""
INDEPENDENT: Final = 0.15
"""Share of an outline's points that tell something of their own."""
LARGEST_STEP: Final = 0.2
SETTLED: Final = 2e-4
WELL_LAID: Final = 0.6
"""Cost of a laid outline, 0.2 to 0.4 as a rule, from which on other beginnings are tried."""
SWUNG: Final = 0.5
"""Radians to either side."""
SHARE_OFFSET: Final = 0.004
"""Added to a share of the area before its logarithm is taken."""
LEARNING_ROUNDS: Final = 3
MODES: Final = 4
"""Ways of varying that are learnt from one set."""
LEAST_FOR_MODES: Final = 40
"""Outlines; of fewer only the built-in ways of varying are used."""
MOST_DEPARTURE_SD: Final = 3.0
"""Larger departures are cut to this before ways of varying are learnt: they may be errors."""
PLACE_AND_POSE: Final = 5

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class OutlineModel:
    """Of one bone.

    Attributes:
        class_id: of the bone.
        points: (96, 2) typical outline around its centroid; the y axis is the bone's own, of a carpal the hand's.
        point_sd: (96,) how far drawn outlines lie from it, along its normals.
        modes: (M, 96) ways in which it varies: how far each point moves along its normal, for one standard deviation.
        pose, pose_sd: (3,) angle against the hand's axis in radians, logarithms of the scales across and along.
        shares, share_sd: (2,) logarithms of the area that a drawn outline has outside of the typical one, and lacks.
    """

    class_id: int
    points: Points
    point_sd: Values
    modes: Values
    pose: Values
    pose_sd: Values
    shares: Values
    share_sd: Values


@dataclass(frozen=True, slots=True, eq=False)
class OutlineFit:
    """A typical outline laid onto a drawn one, in the hand's frame.

    Attributes:
        points: (96, 2) the typical outline where it was laid.
        departures: (96,) how far the drawn outline lies outside of each point (negative: inside).
        pose: (3,) see `OutlineModel`.
        coefficients: (M,) of the model's modes.
        reach, dent: how far the drawn outline goes beyond the typical one at most, and stays behind.
        outside, lacking: areas that the drawn outline has more and less, shares of the typical one's area.
    """

    points: Points
    departures: Values
    pose: Values
    coefficients: Values
    reach: float
    dent: float
    outside: float
    lacking: float

    @property
    def log_shares(self) -> Values:
        """(2,) of `outside` and `lacking`, as the model holds them."""
        return np.log(np.array([self.outside, self.lacking]) + SHARE_OFFSET)


class DistanceField:
    """Signed distance to an outline, positive inside, on a grid as fine as the bone needs."""

    def __init__(self, outline: Points) -> None:
        extent = float(np.ptp(outline, axis=0).max())
        self.cell = max(np.sqrt(outline_moments(outline).area) / CELLS, extent / MOST_CELLS, 1e-6)
        self.origin = np.floor(outline.min(axis=0) / self.cell) - MARGIN_CELLS
        width, height = (np.ceil(outline.max(axis=0) / self.cell) + MARGIN_CELLS - self.origin + 1).astype(int)
        self.shape = int(height), int(width)
        self.inside = self.fill(outline)
        self.distance = self.signed_distance(self.inside)

    def fill(self, outline: Points) -> NDArray[np.uint8]:
        """Another outline on the same grid, 1 inside."""
        plane = np.zeros(self.shape, dtype=np.uint8)
        corners = np.rint((outline / self.cell - self.origin) * 16.0).astype(np.int32)
        cv2.fillPoly(plane, [corners.reshape(-1, 1, 2)], 1, shift=4)
        return plane

    def signed_distance(self, plane: NDArray[np.uint8]) -> Field:
        """Distance of each cell's centre to the outline, which runs through the outermost filled cells' centres."""
        within, without = (cv2.distanceTransform(side, cv2.DIST_L2, 5) for side in (plane, 1 - plane))
        signed = np.where(plane > 0, within - 1.0, -without)
        return np.asarray(signed * self.cell, dtype=np.float32)

    def at(self, points: Points) -> Values:
        """Signed distance at (P, 2) points."""
        x, y = (points / self.cell - self.origin).astype(np.float32).T
        read = cv2.remap(self.distance, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(read[0], dtype=np.float64)


def fit_outline(points: Points, model: OutlineModel) -> OutlineFit:
    """Lay the typical outline onto a drawn one.

    Args:
        points: (P, 2) outline in the hand's frame; of a forearm bone all of it.
        model: of the bone.
    """
    part = part_as_bone(points, model.class_id)
    field = DistanceField(part)
    normals = outward_normals_of(model.points)
    angles = _first_angles(points, part, model)
    found = [_settled(_first_pose(part, model, angles[0]), model, normals, field)]
    if found[0][1] > WELL_LAID:
        found += [_settled(_first_pose(part, model, angle), model, normals, field) for angle in angles[1:]]
    pose, _ = min(found, key=lambda one: one[1])
    laid, _ = _laid(pose, model, normals)
    plane = field.fill(laid)
    area = max(1, int(plane.sum()))
    beyond = -field.signed_distance(plane)
    return OutlineFit(
        points=laid,
        departures=field.at(laid),
        pose=pose[2:PLACE_AND_POSE],
        coefficients=pose[PLACE_AND_POSE:],
        reach=max(0.0, float((beyond * field.inside).max())),
        dent=max(0.0, float((-field.distance * plane).max())),
        outside=float((field.inside > plane).sum()) / area,
        lacking=float((plane > field.inside).sum()) / area,
    )


def learn_outline(outlines: Sequence[Points], prior: OutlineModel, rounds: int = LEARNING_ROUNDS) -> OutlineModel:
    """Learn a bone's outline from drawn ones, in the hand's frame; a small set is blended with the prior.

    Args:
        outlines: of the bone, a part of them may be wrong.
        prior: what was known before.
        rounds: of fitting and learning; ways of varying are learnt in all but the first and the last.
    """
    model = prior
    for turn in range(rounds if outlines else 0):
        fits = [fit_outline(points, model) for points in outlines]
        departures = np.array([fit.departures for fit in fits])
        normals = outward_normals_of(model.points)
        # What the prior knew, seen from the outline as it is by now.
        before = ((prior.points - model.points) * normals).sum(axis=1)
        shift, point_sd = blend(departures, before, prior.point_sd)
        modes = model.modes
        if 0 < turn < rounds - 1 and len(outlines) >= LEAST_FOR_MODES:
            modes = np.concatenate([model.modes, _principal_modes(departures - shift, point_sd)])
        pose, pose_sd = blend(np.array([fit.pose for fit in fits]), prior.pose, prior.pose_sd / POSE_FACTOR)
        shares, share_sd = blend(np.array([fit.log_shares for fit in fits]), prior.shares, prior.share_sd)
        model = OutlineModel(
            class_id=model.class_id,
            points=model.points + normals * shift[:, None],
            point_sd=np.hypot(point_sd, LEAST_POINT_SD),
            modes=modes,
            pose=pose,
            pose_sd=POSE_FACTOR * np.hypot(pose_sd, LEAST_POSE_SD),
            shares=shares,
            share_sd=share_sd,
        )
    return model


def _principal_modes(departures: Values, point_sd: Values) -> Values:
    """(4, 96) main ways in which departures vary, each as large as one standard deviation."""
    limit = MOST_DEPARTURE_SD * point_sd
    cut = np.clip(departures, -limit, limit)
    _, sizes, directions = np.linalg.svd(cut - cut.mean(axis=0), full_matrices=False)
    return np.asarray(directions[:MODES] * sizes[:MODES, None] / np.sqrt(len(cut)))


@lru_cache(maxsize=1)
def built_in_outlines() -> tuple[OutlineModel, ...]:
    """The 29 outlines that come with the package; made by `tests/make_typical_outlines.py`."""
    with files("yolo_bones").joinpath(BUILT_IN_FILE).open("rb") as stream, np.load(stream, allow_pickle=False) as table:
        arrays = {name: table[name].astype(np.float64) for name in table.files}
    return tuple(
        OutlineModel(
            class_id=class_id,
            points=arrays["points"][class_id],
            point_sd=arrays["point_sd"][class_id],
            modes=arrays["modes"][class_id],
            pose=arrays["pose"][class_id],
            pose_sd=arrays["pose_sd"][class_id],
            shares=arrays["shares"][class_id],
            share_sd=arrays["share_sd"][class_id],
        )
        for class_id in range(BONE_COUNT)
    )


def own_direction(points: Points, class_id: int) -> Values:
    """(2,) the bone's own axis, from proximal to distal; of a carpal the hand's."""
    if class_id not in LONG_IDS:
        return np.array([0.0, 1.0])
    axis = outline_moments(points).main_axis
    return -axis if axis[1] < 0.0 else axis


def outward_normals_of(points: Points) -> Points:
    """(P, 2) unit vectors out of a closed outline."""
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    normals = np.column_stack([along[:, 1], -along[:, 0]])
    x, y = points.T
    turn = -1.0 if float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) < 0.0 else 1.0
    return np.asarray(turn * normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def _first_angles(points: Points, part: Points, model: OutlineModel) -> list[float]:
    """Angles to begin from: of the whole outline's axis, the usual one, of the part's axis, and to either side."""
    whole, own = (own_direction(one, model.class_id) for one in (points, part))
    first, second = (float(np.arctan2(*axis)) for axis in (whole, own))
    return [first, float(model.pose[0]), second, first - SWUNG, first + SWUNG]


def _first_pose(part: Points, model: OutlineModel, angle: float) -> Values:
    """(5 + M,) place, angle, logarithms of the scales, modes: from the drawn area."""
    moments = outline_moments(part)
    scale = 0.5 * np.log(moments.area / outline_moments(model.points).area)
    return np.concatenate([moments.centroid, [angle, scale, scale], np.zeros(len(model.modes))])


def _settled(pose: Values, model: OutlineModel, normals: Points, field: DistanceField) -> tuple[Values, float]:
    """A pose refined as far as it goes, and what is left: Tukey's cost of the points and of the pose."""
    for loosened in LOOSENED:
        step = _step(pose, model, normals, field, loosened)
        pose = pose + step
        if loosened == 1.0 and float(np.abs(step[:PLACE_AND_POSE]).max()) < SETTLED:
            break
    laid, _ = _laid(pose, model, normals)
    relative = np.clip(np.abs(field.at(laid)) / (TUKEY * model.point_sd), 0.0, 1.0)
    cost = TUKEY**2 / 3.0 * (1.0 - (1.0 - relative**2) ** 3).mean()
    odd = (((pose[2:PLACE_AND_POSE] - model.pose) / model.pose_sd) ** 2).sum() + (pose[PLACE_AND_POSE:] ** 2).sum()
    return pose, float(cost + odd / (INDEPENDENT * len(laid)))


def _laid(pose: Values, model: OutlineModel, normals: Points) -> tuple[Points, Values]:
    """The typical outline under a pose, and the rotation: (96, 2) and (2, 2)."""
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    turn = np.array([[cosine, sine], [-sine, cosine]])
    varied = model.points + normals * (pose[PLACE_AND_POSE:] @ model.modes)[:, None]
    return (varied * np.exp(pose[3:PLACE_AND_POSE])) @ turn.T + pose[:2], turn


def _step(pose: Values, model: OutlineModel, normals: Points, field: DistanceField, loosened: float) -> Values:
    """(5 + M,) one step of Gauss and Newton with Tukey's weights, held by how such bones usually are."""
    laid, turn = _laid(pose, model, normals)
    scales = np.exp(pose[3:PLACE_AND_POSE])
    departures = field.at(laid)
    outward = (normals / scales) @ turn.T
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    from_centre = laid - pose[:2]
    turned = np.column_stack([from_centre[:, 1], -from_centre[:, 0]])
    along_axes = from_centre @ turn
    slopes = np.column_stack(
        [
            outward,
            (turned * outward).sum(axis=1),
            *((np.outer(along_axes[:, axis], turn[:, axis]) * outward).sum(axis=1) for axis in (0, 1)),
            *(model.modes * (((normals * scales) @ turn.T) * outward).sum(axis=1)),
        ]
    )
    limit = TUKEY * loosened * model.point_sd
    weights = INDEPENDENT * np.clip(1.0 - (departures / limit) ** 2, 0.0, None) ** 2 / model.point_sd**2
    held = np.concatenate([[1e-6, 1e-6], 1.0 / model.pose_sd**2, np.ones(len(model.modes))])
    wanted = np.concatenate([pose[:2], model.pose, np.zeros(len(model.modes))])
    weighed = slopes * weights[:, None]
    step = np.linalg.solve(weighed.T @ slopes + np.diag(held), weighed.T @ departures + held * (wanted - pose))
    limits = np.concatenate([np.full(PLACE_AND_POSE, LARGEST_STEP), np.full(len(model.modes), 2.0)])
    return np.asarray(np.clip(step, -limits, limits))
