"""Make yolo_bones/typical_outlines.npz from synthetic hands, which agree with the statistics of real ones.

    python -m tests.make_typical_outlines [--patients 100] [--seed 60606] [--out FILE]

Not a test: it is run when the phantom or the model of an outline changes.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tests.conftest import ROOT
from yolo_bones.bone_shapes import Points, outline_moments, part_as_bone
from yolo_bones.bones import BONES
from yolo_bones.command_line import progress
from yolo_bones.files import write_bytes
from yolo_bones.hand_fit import fit_hand
from yolo_bones.outline_model import (
    BUILT_IN_FILE,
    OUTLINE_POINTS,
    DistanceField,
    OutlineModel,
    learn_outline,
    own_direction,
)
from yolo_bones.phantom.patients import draw_patient
from yolo_bones.phantom.settings import PhantomSettings

GRID = 96
REACH = 1.8
ENLARGED = 8


def mean_outline(parts: Sequence[Points], class_id: int) -> Points:
    """(96, 2) the zero line of the median distance field of outlines of equal area, in their typical size."""
    places = ((np.arange(GRID) + 0.5) / GRID * 2.0 - 1.0) * REACH
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    fields, sizes = [], []
    for part in parts:
        moments, (lean, rise) = outline_moments(part), own_direction(part, class_id)
        size = float(np.sqrt(moments.area))
        own = (part - moments.centroid) @ np.array([[rise, lean], [-lean, rise]]) / size
        fields.append(DistanceField(own).at(grid).reshape(GRID, GRID))
        sizes.append(size)
    median = cv2.resize(np.median(fields, axis=0), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    found, _ = cv2.findContours((median > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    border = max(found, key=cv2.contourArea).reshape(-1, 2).astype(np.float64)
    outline = ((border + 0.5) / (GRID * ENLARGED) * 2.0 - 1.0) * REACH * float(np.median(sizes))
    return evenly_spaced(outline)


def evenly_spaced(outline: Points) -> Points:
    """(96, 2) points at equal distances along a closed outline."""
    closed = np.concatenate([outline, outline[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.arange(OUTLINE_POINTS) / OUTLINE_POINTS * along[-1]
    return np.column_stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)])


def hands(patients: int, seed: int) -> list[list[Points]]:
    """Outlines of every hand by bone, in the hand's frame."""
    settings = PhantomSettings(patients, 0, seed, 2048, 2048, bent=0.58, domain="wide")
    found: list[list[Points]] = [[] for _ in BONES]
    for number in progress(range(1, patients + 1), "hands", patients):
        for image in draw_patient(settings, number):
            outlines = {bone: points.astype(np.float64) for bone, points in image.outlines.items()}
            fit = fit_hand({bone: outline_moments(points).centroid for bone, points in outlines.items()})
            assert fit is not None
            for class_id, bone in enumerate(BONES):
                found[class_id].append(fit.frame.to_hand(outlines[bone]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=60606)
    parser.add_argument("--out", type=Path, default=ROOT / "yolo_bones" / BUILT_IN_FILE)
    arguments = parser.parse_args()
    learnt = []
    for class_id, outlines in enumerate(hands(arguments.patients, arguments.seed)):
        points = mean_outline([part_as_bone(outline, class_id) for outline in outlines], class_id)
        no_modes = np.empty((0, OUTLINE_POINTS))
        wide = np.full(OUTLINE_POINTS, 0.012), no_modes, np.zeros(3), np.array([0.3, 0.2, 0.2])
        first = OutlineModel(class_id, points, *wide, np.full(2, -3.5), np.ones(2))
        learnt.append(learn_outline(outlines, first, rounds=3))
    names = ("points", "point_sd", "modes", "pose", "pose_sd", "shares", "share_sd")
    table = {name: np.array([getattr(model, name) for model in learnt], dtype=np.float32) for name in names}
    stream = io.BytesIO()
    np.savez_compressed(stream, **table)
    write_bytes(arguments.out, stream.getvalue())


if __name__ == "__main__":
    main()
