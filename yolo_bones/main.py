"""`yolo-bones <verb>`: every command under one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

VERBS: Final = {
    "audit-points": ("yolo_bones.audit_points", "label errors in point annotations, by anatomy"),
    "audit-rle": ("yolo_bones.audit_rle", "what is implausible in a prediction, worst images first"),
    "calibrate": ("yolo_bones.calibrate_rle", "logit thresholds of each bone, chosen on validation images"),
    "check": ("yolo_bones.check_rle", "faults and mistaken conventions of a submission"),
    "coco-to-points": ("converters.coco_to_points", "a COCO file corrected in CVAT or Label Studio -> annotations"),
    "coco-to-rle": ("converters.coco_to_rle", "COCO results of any detector -> run lengths"),
    "compare": ("yolo_bones.compare_rle", "where one CSV is better than another, and how sure that is"),
    "convert-table": ("yolo_bones.convert_table", "run lengths as CSV <-> parquet"),
    "convert-to-coco": ("converters.points_to_coco", "point annotations -> a COCO file"),
    "convert-to-rle": ("converters.points_to_rle", "point annotations -> truth as run lengths"),
    "convert-to-yolo": ("converters.points_to_yolo", "point annotations -> a YOLO data set"),
    "draw": ("yolo_bones.draw_rle", "overlays of run lengths"),
    "ensemble": ("yolo_bones.ensemble_rle", "a vote of several models on runs"),
    "evaluate": ("yolo_bones.evaluate_rle", "Dice of one CSV against another"),
    "explore": ("yolo_bones.explore_points", "what a data set is like: figures, contact sheets, shift to a test set"),
    "export": ("yolo_bones.export_rle", "radiographs -> run lengths"),
    "make-phantoms": ("yolo_bones.make_phantoms", "synthetic radiographs with exact truth"),
    "measure": ("yolo_bones.measure_rle", "lengths, widths, joint spaces, the wrist's measures, in px or mm"),
    "metadata-to-csv": ("converters.metadata_to_csv", "the data set's table of patients -> a clean CSV"),
    "phantom-statistics": ("yolo_bones.phantom.statistics", "a set of radiographs against real hands"),
    "rle-to-points": ("converters.rle_to_points", "run lengths -> annotations, to correct or to learn from"),
    "report": ("yolo_bones.report_rle", "a page to look at: images worst first, layers, scores, findings"),
    "ship-weights": ("yolo_bones.ship_weights", "strip a checkpoint of paths and dates"),
    "train": ("yolo_bones.train_bones", "train on overlapping bones, in canonical views and close-ups too"),
    "train-folds": ("yolo_bones.train_folds", "cross-validate a training and ensemble its models"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in VERBS:
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help")
        lines = [f"  {verb:<20}{what}" for verb, (_, what) in VERBS.items()]
        text = "\n".join(["usage: yolo-bones VERB [options]", "", *lines])
        print(text, file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    module = importlib.import_module(VERBS[arguments[0]][0])
    return int(module.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())
