"""What `ensemble_rle --fit-weights` does before it votes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.command_line import progress, size_source
from yolo_bones.errors import InputError
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.rle_table import RleTable, aligned_tables, open_rle_table
from yolo_bones.weight_fitting import MOST_MODELS, Fit, count_image, describe_fit, fit_weights


@dataclass(frozen=True, slots=True)
class FittedBallot:
    """Weights that were learnt.

    Attributes:
        weights: `default` and the bones that differ from it -> a whole number a model.
        note: how they were found, for people.
        record: the same for JSON.
    """

    weights: dict[str, list[int]]
    note: str
    record: dict[str, Any]


def fit_ballot(arguments: argparse.Namespace, tables: Sequence[RleTable], threshold: Fraction) -> FittedBallot:
    """Learn weights on the images of the truth; the tables may hold more.

    Raises:
        InputError: too many models, an image without patient, or a fault of a table.
    """
    if len(tables) > MOST_MODELS:
        raise InputError("--fit-weights", "", f"at most {MOST_MODELS} models", len(tables))
    if arguments.folds < 2:
        raise InputError("--folds", "", "at least 2", arguments.folds)
    patient_of = read_patients(arguments.patients)
    counts, names = [], []
    truth = open_rle_table(arguments.fit_weights)
    # Fresh readers: the vote reads its own from the top and counts its own repairs.
    readers = [open_rle_table(table.path) for table in tables]
    found = aligned_tables([truth, *readers], size_source(arguments), others_may_hold_more=True)
    for rows, (true_masks, *opinions) in progress(found, "fitting", quiet=arguments.quiet):
        counts.append(count_image(true_masks, opinions).astype(np.int32))
        names.append(rows[0].image_name)
    patients = list(patients_of_images(arguments.patients, patient_of, names).values())
    fit = fit_weights(np.stack(counts), patients, threshold, arguments.folds, arguments.seed)
    folds = min(arguments.folds, len(set(patients)))
    note = describe_fit(fit, len(patients), len(set(patients)), folds)
    return FittedBallot(_by_key(fit), note, _record(fit, len(patients), len(set(patients)), folds))


def _by_key(fit: Fit) -> dict[str, list[int]]:
    common = [bone for bone in range(BONE_COUNT) if fit.strategies[bone] != "bone"]
    weights = {"default": (fit.weights[common[0]] if common else np.ones_like(fit.weights[0])).tolist()}
    for bone, strategy in enumerate(fit.strategies):
        if strategy == "bone":
            weights[BONES[bone]] = fit.weights[bone].tolist()
    return weights


def _record(fit: Fit, images: int, patients: int, folds: int) -> dict[str, Any]:
    return {
        "images": images,
        "patients": patients,
        "folds": folds,
        "held_out_dice": {strategy: float(scores.mean()) for strategy, scores in fit.held_out.items()},
        "held_out_dice_chosen": float(fit.chosen.mean()),
        "bones": {
            bone: {
                "strategy": fit.strategies[index],
                "weights": fit.weights[index].tolist(),
                "held_out_dice": {name: float(scores[index]) for name, scores in fit.held_out.items()},
            }
            for index, bone in enumerate(BONES)
        },
    }
