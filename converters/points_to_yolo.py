"""Turn point annotations into a data set that `yolo segment train data=bones.yaml` reads.

    python -m converters.points_to_yolo RAW OUT --folds 5 --fold 0 --seed 0
    python -m converters.points_to_yolo RAW OUT --canonical-px 1024
    python -m converters.points_to_yolo RAW OUT --metadata meta.csv --stratify sex,age --balance wrist=bent:0.5

Writes OUT/{images,labels}/{train,val} and OUT/report.json. Whole patients stay together, bent wrists are spread evenly
over the folds, with --metadata and --stratify also what is known of patients. Prints the loss audit to stdout.

--undersample and --balance write lists of training images beside them, OUT/train_undersampled.txt and
OUT/train_balanced.txt, and a data file for each: `yolo segment train data=OUT/bones_balanced.yaml`. `wrist` makes
straight and bent wrists equally frequent, `wrist,sex` every combination, `wrist=bent:0.5` half of all bent.

With --canonical (or --canonical-px, its height) every image is drawn anew in its hand's canonical view, found from
the annotation. report.json holds the (2, 3) matrix of each view, from continuous image coordinates (pixel p covers
[p, p + 1)) to those of the view. An image whose hand cannot be fitted is left out and listed there.

Pseudo-labelled images (rle_to_points), in RAW or in the data set of --pseudo, train and never validate: patients are
dealt into folds by their drawn images alone, and a pseudo-labelled image of a patient who validates is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from converters._pseudo import PseudoLabels, joined, pseudo_note, read_added, with_pseudo
from converters._shared import build_parser, finish, open_out, read_checked, report_check, show_progress
from converters._yolo_images import write_canonical, write_plain, yolo_name
from converters._yolo_split import (
    LIST_PRODUCTS,
    add_split_arguments,
    check_split,
    choose_samples,
    choose_split,
    say_shares,
    write_samples,
)
from yolo_bones import __version__
from yolo_bones.bones import BONES
from yolo_bones.canonical import LEAST_LONGEST_PX, MOST_LONGEST_PX, STRIDE
from yolo_bones.command_line import count_argument, run_command, say
from yolo_bones.data_set import CheckedPair, DataSet
from yolo_bones.errors import InputError
from yolo_bones.loss_audit import audit_table, summarise_ious
from yolo_bones.resumable import PartFolder
from yolo_bones.sampling import SampleList
from yolo_bones.splits import Split
from yolo_bones.views import CANONICAL

PRODUCTS = ("images", "labels", "report.json", *LIST_PRODUCTS)
NATIVE: Final = 0
"""Of `--canonical` without a height: the least resolution that loses nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser("points_to_yolo", __doc__.split("\n")[0])
    add_split_arguments(parser)
    parser.add_argument("--inset-px", type=float, default=0.0, help="move label borders inwards, in pixels as written")
    parser.add_argument(
        "--canonical", action="store_true", help="draw each hand in its canonical view (thumb left, fingers up)"
    )
    parser.add_argument(
        "--canonical-px", type=_longest_argument, metavar="PX", help="such views, so high (as high as loses nothing)"
    )
    parser.add_argument(
        "--pseudo", type=Path, metavar="RAW2", help="pseudo-labelled images of rle_to_points that train as well"
    )
    parser.add_argument("--dry-run", action="store_true", help="read and check everything, write only OUT/report.json")
    arguments = parser.parse_args(argv)
    arguments.canonical = arguments.canonical_px or (NATIVE if arguments.canonical else None)
    return run_command(_convert, arguments)


def _longest_argument(text: str) -> int:
    longest_px = count_argument(text)
    if not LEAST_LONGEST_PX <= longest_px <= MOST_LONGEST_PX or longest_px % STRIDE:
        expected = f"a multiple of {STRIDE} from {LEAST_LONGEST_PX} to {MOST_LONGEST_PX}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return longest_px


def _convert(arguments: argparse.Namespace) -> int:
    if not 0.0 <= arguments.inset_px <= 50.0:
        raise InputError("--inset-px", "", "pixels from 0 to 50", arguments.inset_px)
    data_set = read_checked(arguments.raw, arguments.quiet, arguments.out)
    if arguments.dry_run:
        added = read_added(arguments.pseudo, data_set, arguments.quiet)
        names_added = frozenset() if added is None else frozenset(checked.pair.image_name for checked in added.pairs)
        check_split(arguments, joined(data_set, added), names_added)
        return report_check(arguments, data_set, "points_to_yolo")
    everything, split, pseudo = _choose_images(arguments, data_set)
    samples = choose_samples(arguments, everything, split)
    settings = _settings(arguments, split, samples)
    names = {"train": sorted(split.training), "val": sorted(split.validation)}
    parts = open_out(arguments, data_set, PRODUCTS, {**settings, **names}, pseudo.added)
    done = _convert_all(arguments, everything, split, parts)
    not_fitted = {name: part["not_fitted"] for name, part in done.items() if "not_fitted" in part}
    written = {subset: [name for name in members if name not in not_fitted] for subset, members in names.items()}
    if not all(written.values()):
        expected = "images to train and to validate with whose drawn bones agree on one hand"
        raise InputError(data_set.root, "", expected, {subset: len(members) for subset, members in written.items()})
    summary = summarise_ious([part["ious"] for part in done.values() if "ious" in part])
    print(audit_table(summary))
    report = {
        **settings,
        "version": __version__,
        **data_set.report(),
        **pseudo.settings(),
        "split_note": split.note,
        "wrists": split.wrists,
        **({"strata": split.strata} if split.strata else {}),
        "train_images": len(written["train"]),
        "val_images": len(written["val"]),
        "val": written["val"],
        "without_inset": _listed(done, "without_inset"),
        "loss_audit": summary,
        **({} if arguments.canonical is None else _canonical_report(done, not_fitted)),
    }
    _say_what_happened(arguments, done, report)
    if samples:
        files = {name: _file(name, done[name]) for name in written["train"]}
        report["samples"] = write_samples(parts.made, samples, files, arguments.quiet)
    return finish(arguments.out, parts, report, arguments.quiet)


def _choose_images(arguments: argparse.Namespace, data_set: DataSet) -> tuple[DataSet, Split, PseudoLabels]:
    """All images, and which of them train and validate."""
    added = read_added(arguments.pseudo, data_set, arguments.quiet)
    everything = joined(data_set, added)
    names = frozenset() if added is None else frozenset(checked.pair.image_name for checked in added.pairs)
    split, pseudo = with_pseudo(choose_split(arguments, everything, names), everything, added)
    for note in (split.note, pseudo_note(pseudo)):
        if note:
            say(note, arguments.quiet)
    say_shares(split, arguments.quiet)
    return everything, split, pseudo


def _settings(arguments: argparse.Namespace, split: Split, samples: Sequence[SampleList]) -> dict[str, Any]:
    """Options that change the result."""
    return {
        "converter": "points_to_yolo",
        "folds": split.folds,
        "fold": (arguments.fold or 0) if split.folds else None,
        "seed": (arguments.seed or 0) if split.folds else None,
        "lists": not split.folds,
        "inset_px": arguments.inset_px,
        "canonical": _canonical_settings(arguments.canonical),
        **({"stratify": list(arguments.stratify)} if split.strata else {}),
        **({"samples": {chosen.kind: str(chosen.wish) for chosen in samples}} if samples else {}),
    }


def _convert_all(
    arguments: argparse.Namespace, data_set: DataSet, split: Split, parts: PartFolder
) -> dict[str, dict[str, Any]]:
    """Image name -> what was written; what an earlier run finished is only read."""
    done: dict[str, dict[str, Any]] = {}
    for checked in show_progress(data_set, "converting", arguments.quiet):
        name = checked.pair.image_name
        if name not in split.training | split.validation:
            continue
        if not parts.has(name):
            subset = "val" if name in split.validation else "train"
            parts.write(name, _convert_one(checked, parts.made, subset, arguments.inset_px, arguments.canonical))
        done[name] = parts.read(name)
    return done


def _convert_one(
    checked: CheckedPair, out: Path, subset: str, inset_px: float, canonical: int | None
) -> dict[str, Any]:
    """Write one image and its label file."""
    if canonical is None:
        return write_plain(checked, out, subset, inset_px)
    return write_canonical(checked, out, subset, inset_px, None if canonical == NATIVE else canonical)


def _file(name: str, part: Mapping[str, Any]) -> str:
    """Of a training image, below OUT; a view has a name of its own."""
    return str(part["view"]["file"]) if "view" in part else f"images/train/{yolo_name(name)}"


def _listed(done: Mapping[str, dict[str, Any]], kind: str) -> list[str]:
    return [f"{name}: {bone}" for name, part in done.items() for bone in part.get(kind, [])]


def _canonical_settings(longest_px: int | None) -> dict[str, Any] | None:
    if longest_px is None:
        return None
    return {"longest_px": "native" if longest_px == NATIVE else longest_px, "window": asdict(CANONICAL)}


def _canonical_report(done: Mapping[str, dict[str, Any]], not_fitted: Mapping[str, Any]) -> dict[str, Any]:
    """What carrying into views lost, and the views themselves."""
    clipped = Counter(bone for part in done.values() for bone in part.get("clipped", []))
    return {
        "not_fitted": not_fitted,
        "clipped": {bone: clipped[bone] for bone in BONES if bone in clipped},
        "split": _listed(done, "split"),
        "outside": _listed(done, "outside"),
        "views": {name: part["view"] for name, part in done.items() if "view" in part},
    }


def _say_what_happened(
    arguments: argparse.Namespace, done: Mapping[str, dict[str, Any]], report: Mapping[str, Any]
) -> None:
    copied = sum(part.get("copied", False) for part in done.values())
    if copied:
        say(f"{arguments.out}: {copied} images copied, links are not possible here", arguments.quiet)
    if arguments.canonical is None:
        return
    clipped, split, outside = sum(report["clipped"].values()), len(report["split"]), len(report["outside"])
    cut = f"{clipped} bones are cut by their view ({split} into several parts, the largest kept)"
    say(f"{len(report['views'])} views; {cut}, {outside} lie outside it and are left out", arguments.quiet)
    missing = ", ".join(list(report["not_fitted"])[:5])
    if missing:
        say(
            f"{len(report['not_fitted'])} images are left out, too few of their bones agree on one hand: {missing}",
            arguments.quiet,
        )


if __name__ == "__main__":
    sys.exit(main())
