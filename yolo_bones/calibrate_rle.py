"""Choose each bone's logit threshold on validation images, and write it beside the weights.

    python -m yolo_bones.calibrate_rle --source IMAGES --truth truth.csv --weights best.pt --note "fold 0"

Looks at the images as `export_rle` with the same options would, and writes `best.yaml` beside `best.pt`: how to look,
how to merge, and the thresholds; `export_rle` picks it up. Prints Dice before and after for each bone, and what the
change is worth on patients that it was not chosen on. Where that is nothing, the thresholds stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONES, CLASS_IDS, GROUPS
from yolo_bones.calibration import (
    CONFIDENCES,
    LEAST_GAIN,
    Curves,
    Cut,
    choose_cut,
    count_image,
    curves_of,
    cut_of,
    dice_of,
    grid_with,
    left_out_dice,
)
from yolo_bones.claims import claim
from yolo_bones.command_line import progress, run_command, say
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import refuse_to_overwrite, write_text
from yolo_bones.image_files import read_grey, read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.look_options import add_look_arguments, resolve_settings, warnings_of
from yolo_bones.merger import MergeSettings
from yolo_bones.rle import RunLengthMasks
from yolo_bones.rle_table import open_rle_table
from yolo_bones.watched_files import refuse_changed, watch

if TYPE_CHECKING:
    from yolo_bones.detector.look_settings import LookSettings
    from yolo_bones.detector.network import Detector
    from yolo_bones.detector.stored_settings import StoredSettings

Dice = NDArray[np.float64]
MOST_NOTE: Final = 1000
"""Characters of a note that `detector.stored_settings.Calibration` takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the calibration found.

    Attributes:
        present, chosen: the cut before and after.
        before, after, left_out: (N, 29) Dice; the last one None where there is one patient only.
    """

    present: Cut
    chosen: Cut
    before: Dice
    after: Dice
    left_out: Dice | None

    @property
    def pays(self) -> bool:
        """Whether it is better on patients that it was not chosen on."""
        return self.left_out is None or float((self.left_out - self.before).mean()) > LEAST_GAIN


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.calibrate_rle", description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="validation images, searched recursively")
    parser.add_argument("--truth", type=Path, required=True, help="CSV of the truth, of just these images")
    parser.add_argument("--weights", type=Path, required=True, help="YOLOv8-seg checkpoint")
    parser.add_argument("--patients", type=Path, metavar="FILE", help="images.csv: columns image_name and patient")
    parser.add_argument(
        "--note", type=_note_argument, default="", help="names of data set and seed, kept in the file; no paths"
    )
    parser.add_argument("--device", default="cpu", help="torch device: cpu, cuda:0, ...")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier file beside the weights")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_look_arguments(parser)
    return run_command(_calibrate, parser.parse_args(argv))


def _note_argument(text: str) -> str:
    """Read a note that the file of settings takes, before anything is measured."""
    if len(text) > MOST_NOTE:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_NOTE} characters, got {len(text)}")
    return text


def _calibrate(arguments: argparse.Namespace) -> int:
    from yolo_bones.detector.network import Detector
    from yolo_bones.detector.stored_settings import Calibration, settings_path, settings_text

    target = settings_path(arguments.weights)
    claim(target)
    refuse_to_overwrite(target, arguments.overwrite)
    images = find_images(arguments.source)
    watch([arguments.truth, arguments.patients, *images])
    truth = _read_truth(arguments.truth, images)
    patients = _patients(arguments, images)
    detector = Detector(arguments.weights, device=arguments.device)
    looking, merging = resolve_settings(arguments, detector.weights, _earlier(arguments, detector))
    warnings_of(arguments, detector.weights, looking, merging, say)
    present = cut_of(merging)
    curves = _measure(arguments, detector, (looking, merging), images, truth)
    refuse_changed()
    outcome = _outcome(curves, patients, present)
    print(_table(outcome))
    cut = outcome.chosen if outcome.pays else present
    if outcome.pays:
        merging = replace(merging, logit_thresholds=cut.thresholds, least_confidence=cut.least_confidence)
    else:
        say("the gain is nothing on patients left out: thresholds stay as they are")
    calibrated_on = Calibration(
        images=len(images),
        patients=len(set(patients)),
        note=arguments.note,
        dice_before=_mean(outcome.before),
        dice_after=_mean(outcome.after if outcome.pays else outcome.before),
        dice_left_out=None if outcome.left_out is None else _mean(outcome.left_out),
    )
    write_text(target, settings_text(detector.weights.sha256, looking, merging, calibrated_on))
    say(f"{target}: written", arguments.quiet)
    return 0


def _read_truth(path: Path, images: list[Path]) -> dict[str, RunLengthMasks]:
    """The 29 channels of each image.

    Raises:
        InputErrors: an image without rows, rows without an image, an RLE that is not valid.
    """
    table = open_rle_table(path)
    listed, names = set(table.names()), {image.name for image in images}
    faults = [InputError(image, "", f"its rows in {path}", "none") for image in images if image.name not in listed] + [
        InputError(path, "image_name", "an image of --source", name) for name in sorted(listed - names)
    ]
    truth: dict[str, RunLengthMasks] = {}
    for image in [] if faults else images:
        try:
            size = read_image_size(image)
            rows = table.find(image.name)
            if rows is not None:
                truth[image.name] = rows.masks(size)
        except InputError as error:
            faults.extend(getattr(error, "faults", [error]))
    if faults:
        raise InputErrors(faults)
    return truth


def _patients(arguments: argparse.Namespace, images: list[Path]) -> list[str]:
    """Patient of each image: as a table says, else the image's folder, else each image its own."""
    if arguments.patients is not None:
        table = read_patients(arguments.patients)
        found = patients_of_images(arguments.patients, table, {image.name: None for image in images})
        return [found[image.name] for image in images]
    folders = {image.parent for image in images}
    if len(folders) > 1:
        return [str(image.parent) for image in images]
    if len(images) > 1:
        say("warning: all images lie in one folder; without --patients each counts as a patient of its own")
    return [image.name for image in images]


def _earlier(arguments: argparse.Namespace, detector: Detector) -> StoredSettings | None:
    """The file that is about to be replaced, where it was made for these weights."""
    from yolo_bones.detector.stored_settings import parse_settings, settings_path

    path = settings_path(arguments.weights)
    if not arguments.calibration or not path.is_file():
        return None
    stored = parse_settings(path)
    if stored.sha256 == detector.weights.sha256:
        return stored
    say(f"warning: {path.name} was made for other weights; nothing of it is used")
    return None


def _measure(
    arguments: argparse.Namespace,
    detector: Detector,
    settings: tuple[LookSettings, MergeSettings],
    images: list[Path],
    truth: dict[str, RunLengthMasks],
) -> Curves:
    """Look at every image once, keep counts only.

    Raises:
        InputErrors: all images that cannot be decoded.
    """
    from yolo_bones.detector.looking import gather_looks

    looking, merging = settings
    # Logits before bones are dropped for their confidence, tidied or repaired: those steps come after the cut.
    least = min(merging.least_confidence, CONFIDENCES[0])
    raw = replace(merging, least_confidence=least, tidy=False, repair_flattened=False)
    grid = grid_with(cut_of(merging))
    counts, faults = [], []
    for path in progress(images, "calibrating", quiet=arguments.quiet):
        try:
            grey, _ = read_grey(path)
        except InputError as error:
            faults.append(error)
            continue
        looks = gather_looks(detector, grey, looking, merging)
        counts.append(count_image(looks.merged(raw, keep_logits=True), truth[path.name], grid))
    if faults:
        raise InputErrors(faults)
    return curves_of(counts, grid)


def _outcome(curves: Curves, patients: list[str], present: Cut) -> Outcome:
    chosen = choose_cut(curves, present)
    left_out = left_out_dice(curves, patients, present) if len(set(patients)) > 1 else None
    return Outcome(present, chosen, dice_of(curves, present), dice_of(curves, chosen), left_out)


def _table(outcome: Outcome) -> str:
    """A line a bone, groups and the mean below."""
    columns: list[Any] = [outcome.before, outcome.after]
    heads = ["before", "after"]
    if outcome.left_out is not None:
        columns, heads = [*columns, outcome.left_out], [*heads, "left out"]
    lines = [f"{'bone':<12}{'threshold':>20}" + "".join(f"{head:>10}" for head in heads)]

    def line(name: str, cut: str, rows: list[int]) -> str:
        return f"{name:<12}{cut:>20}" + "".join(f"{dice[:, rows].mean():>10.4f}" for dice in columns)

    for class_id, bone in enumerate(BONES):
        cut = f"{outcome.present.thresholds[class_id]:.3f} -> {outcome.chosen.thresholds[class_id]:.3f}"
        lines.append(line(bone, cut, [class_id]))
    lines.append("-" * len(lines[0]))
    lines += [line(group, "", [CLASS_IDS[bone] for bone in members]) for group, members in GROUPS.items()]
    lines.append(line(f"all {len(BONES)}", "", list(range(len(BONES)))))
    lines.append(f"least confidence {outcome.present.least_confidence:g} -> {outcome.chosen.least_confidence:g}")
    lines.append("before, after: Dice on these images; left out: chosen without the image's patient")
    return "\n".join(lines)


def _mean(dice: Dice) -> float:
    return round(float(dice.mean()), 6)


if __name__ == "__main__":
    sys.exit(main())
