"""Measure the bones, joints and the wrist of every image of a CSV of run lengths.

    python -m yolo_bones.measure_rle pred.csv --images DIR > measures.csv
    python -m yolo_bones.measure_rle pred.csv --images DIR --spacing 0.15 --csv measures.csv --json measures.json
    python -m yolo_bones.measure_rle pred.csv --images DIR --spacing meta.csv:spacing_mm --draw pictures
    python -m yolo_bones.measure_rle pred.csv --images DIR --against truth.csv

Prints `image_name,bone,measurement,value,unit`, in pixels, or in millimetres where --spacing tells them. What cannot be
measured has no row; stderr counts it by reason, --json lists it. --against prints how the measures of two tables agree.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2

from yolo_bones import __version__
from yolo_bones.bone_measurements import MeasuredHand, Measurement, Omission, in_millimetres, measure_hand_masks
from yolo_bones.claims import claim
from yolo_bones.command_line import (
    USUAL_SIZE,
    add_size_arguments,
    count_argument,
    progress,
    run_command,
    say,
    size_source,
)
from yolo_bones.errors import InputError
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, replacing, sweep_temporaries, write_bytes, write_text
from yolo_bones.image_files import read_grey
from yolo_bones.image_sources import find_images
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.measurement_agreement import Agreement
from yolo_bones.parallel import work_in_order
from yolo_bones.pixel_spacing import SpacingColumn, spacing_argument_value, spacings_of_images
from yolo_bones.rle import RunLengthMasks
from yolo_bones.rle_table import aligned_tables, open_rle_table
from yolo_bones.watched_files import refuse_changed, watch

HEADER = ("image_name", "bone", "measurement", "value", "unit")
DIGITS = 4
"""Decimals that are written."""
MOST_NAMED = 4
"""Bones named in a line of what could not be measured."""


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """The measures of one image in the unit they are told in.

    Attributes:
        name: of the image.
        height, width: of it.
        spacing_mm: None where it is not known.
        measurements, omissions: in the order of bones, joints, hand.
        reference: measures of the other table's masks, where there is one.
    """

    name: str
    height: int
    width: int
    spacing_mm: float | None
    measurements: tuple[Measurement, ...]
    omissions: tuple[Omission, ...]
    reference: tuple[Measurement, ...]

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "image_name": self.name,
            "height": self.height,
            "width": self.width,
            "spacing_mm": self.spacing_mm,
            "measurements": [
                {"bone": one.bone, "measurement": one.name, "value": round(one.value, DIGITS), "unit": one.unit}
                for one in self.measurements
            ],
            "not_measured": [
                {"bone": one.bone, "measurement": one.name, "reason": one.reason} for one in self.omissions
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """One image's way to a worker."""

    name: str
    masks: RunLengthMasks
    reference: RunLengthMasks | None
    spacing_mm: float | None
    picture: tuple[Path, Path] | None


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.measure_rle", description=about)
    parser.add_argument("prediction", type=Path, metavar="PRED", help="CSV or parquet of run lengths")
    add_size_arguments(parser)
    parser.add_argument(
        "--spacing",
        type=_spacing_argument,
        metavar="MM",
        help="side of a pixel in mm, or FILE.csv:COLUMN joined by image_name, patient or ID; without it pixels",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="FILE", help="images.csv: columns image_name and patient, for --spacing"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the measures here, not to stdout")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write measures and what could not be measured here")
    parser.add_argument(
        "--against", type=Path, metavar="TRUTH", help="table of the same images: print how the measures of both agree"
    )
    parser.add_argument("--draw", type=Path, metavar="DIR", help="draw the lines that were measured; needs --images")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_measure, build_parser().parse_args(argv))


def _spacing_argument(text: str) -> float | SpacingColumn:
    try:
        return spacing_argument_value(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected FILE.csv:COLUMN or {error}, got {text!r}") from None


def _measure(arguments: argparse.Namespace) -> int:
    pictures = _check_arguments(arguments)
    images = list(progress(_measured(arguments, pictures), "measuring", quiet=arguments.quiet))
    if arguments.csv is not None:
        with replacing(arguments.csv) as stream:
            write_measures(stream, images)
    elif arguments.json is None and arguments.against is None:
        write_measures(sys.stdout, images)
    agreement = Agreement()
    if arguments.against is not None:
        for image in images:
            agreement.add(image.measurements, image.reference)
        print(agreement.table())
    if arguments.json is not None:
        record: dict[str, Any] = {"version": __version__, "images": [image.as_record() for image in images]}
        if arguments.against is not None:
            record["agreement"] = agreement.records()
        write_text(arguments.json, json.dumps(record, ensure_ascii=False) + "\n")
    _tell(arguments, images)
    return 0


def _check_arguments(arguments: argparse.Namespace) -> dict[str, tuple[Path, Path]]:
    """Refuse what cannot be right before anything is measured; returns image name -> image and picture of it."""
    images = find_images(arguments.images) if arguments.images is not None else []
    table = arguments.spacing.path if isinstance(arguments.spacing, SpacingColumn) else None
    pictures: dict[str, tuple[Path, Path]] = {}
    if arguments.draw is not None:
        if arguments.images is None:
            raise InputError("--draw", "", "--images, the folder of what is drawn on", "none")
        if arguments.draw.exists() and not arguments.draw.is_dir():
            raise InputError("--draw", "", "a folder", f"{arguments.draw}, which is a file")
        pictures = {path.name: (path, arguments.draw / _picture_name(path.name)) for path in images}
    targets = [arguments.csv, arguments.json, *(target for _, target in pictures.values())]
    refuse_inputs(targets, [arguments.prediction, arguments.against, arguments.patients, table, *images])
    claim(arguments.csv, arguments.json, arguments.draw)
    if arguments.draw is not None and arguments.draw.is_dir():
        sweep_temporaries(arguments.draw, deep=False)
    watch(
        [arguments.prediction, arguments.against, arguments.patients, table, *(path for path, _ in pictures.values())]
    )
    for target in (target for target in targets if target is not None):
        refuse_to_overwrite(target, arguments.overwrite)
    return pictures


def _picture_name(image_name: str) -> str:
    return image_name if image_name.endswith(".png") else f"{image_name}.png"


def _name(item: _Item) -> str:
    return item.name


def _measured(arguments: argparse.Namespace, pictures: Mapping[str, tuple[Path, Path]]) -> Iterator[MeasuredImage]:
    table = open_rle_table(arguments.prediction)
    others = [] if arguments.against is None else [open_rle_table(arguments.against)]
    patients = None
    if arguments.patients is not None:
        patients = patients_of_images(arguments.patients, read_patients(arguments.patients), table.names())
    spacings = spacings_of_images(arguments.spacing, table.names(), patients)

    def items() -> Iterator[_Item]:
        for rows, masks in aligned_tables([table, *others], size_source(arguments)):
            name = rows[0].image_name
            reference = masks[1] if others else None
            yield _Item(name, masks[0], reference, spacings.get(name), pictures.get(name))

    yield from work_in_order(_measure_item, items(), arguments.workers, _name)
    refuse_changed()
    for name, count in sum((one.counters for one in (table, *others)), Counter[str]()).items():
        say(f"mended {count} x {name}", arguments.quiet)


def _measure_item(item: _Item) -> MeasuredImage:
    hand = measure_hand_masks(item.masks)
    if item.picture is not None:
        _draw(item, hand)
    reference = [] if item.reference is None else measure_hand_masks(item.reference).measurements
    told = partial(_told, spacing_mm=item.spacing_mm)
    size = item.masks.size
    omissions = tuple(hand.omissions)
    return MeasuredImage(
        item.name, size.height, size.width, item.spacing_mm, told(hand.measurements), omissions, told(reference)
    )


def _told(measurements: Sequence[Measurement], spacing_mm: float | None) -> tuple[Measurement, ...]:
    return tuple(measurements) if spacing_mm is None else in_millimetres(measurements, spacing_mm)


def _draw(item: _Item, hand: MeasuredHand) -> None:
    from yolo_bones.measured_pictures import draw_measures

    assert item.picture is not None
    source, target = item.picture
    grey, _ = read_grey(source)
    if grey.shape != (item.masks.size.height, item.masks.size.width):
        raise InputError(source, "", f"an image of {item.masks.size}", f"{grey.shape[0]}x{grey.shape[1]}")
    done, encoded = cv2.imencode(".png", draw_measures(grey, item.masks, hand))
    if not done:
        raise InputError(source, "", "an image that can be drawn as PNG")
    write_bytes(target, encoded.tobytes())


def write_measures(stream: IO[str], images: Sequence[MeasuredImage]) -> None:
    """Write the long table: a row an image, bone or joint and measurement."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    for image in images:
        for one in image.measurements:
            writer.writerow([image.name, one.bone, one.name, repr(round(one.value, DIGITS)), one.unit])


def _tell(arguments: argparse.Namespace, images: Sequence[MeasuredImage]) -> None:
    """The summary on stderr: what was measured, what was not and why."""
    quiet: bool = arguments.quiet
    if getattr(arguments, "size_was_assumed", False):
        say(f"sizes are not known: {USUAL_SIZE} is assumed (--size, or --images)")
    without = [image.name for image in images if image.spacing_mm is None]
    if arguments.spacing is not None and without:
        say(f"{len(without)} of {len(images)} images have no spacing and are told in pixels, such as {without[0]}")
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        for one in image.omissions:
            reasons[one.reason][one.bone or one.name] += 1
    for reason, bones in sorted(reasons.items(), key=lambda pair: (-pair[1].total(), pair[0])):
        named = [bone for bone, _ in bones.most_common(MOST_NAMED)]
        more = f" and {len(bones) - len(named)} more" if len(bones) > len(named) else ""
        say(f"not measured: {bones.total()} x {reason} ({', '.join(named)}{more})", quiet)
    values, unit = sum(len(image.measurements) for image in images), "pixels" if arguments.spacing is None else "mm"
    say(f"{len(images)} images, {values} measures in {unit}", quiet)


if __name__ == "__main__":
    sys.exit(main())
