"""Turn COCO results of any detector, or a COCO file, into a submission CSV.

    python -m converters.coco_to_rle RESULTS.json OUT.csv --images DIR

RESULTS is a list of {image_id, category_id, segmentation, score} or a file of images, annotations and categories; masks
are compressed or plain RLE or polygons. OUT has 29 rows for every known image; a name ending in .parquet makes the
compact table. Of several results of one bone and image the highest score is kept. OUT's name with .report.json lists
what was dropped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_bones import __version__
from yolo_bones.bones import BONE_COUNT
from yolo_bones.claims import claim
from yolo_bones.coco_results import (
    CocoReader,
    Instance,
    KnownImage,
    KnownImages,
    by_image_and_bone,
    dropped_record,
)
from yolo_bones.coco_segmentations import is_whole, read_segmentations
from yolo_bones.command_line import count_argument, progress, run_command, say
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, write_text
from yolo_bones.image_files import read_image_size
from yolo_bones.image_sources import find_images
from yolo_bones.rle import RunLengthMasks, empty_masks, stack, union
from yolo_bones.rle_table import write_masks
from yolo_bones.strict_json import read_strict_json
from yolo_bones.watched_files import refuse_changed, watch


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m converters.coco_to_rle", description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, metavar="RESULTS", help="COCO results, or a whole COCO file")
    parser.add_argument("out", type=Path, metavar="OUT", help="CSV to write, or .parquet")
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--coco", type=Path, help="COCO file whose images and categories the results' ids mean")
    images.add_argument("--images", type=Path, help="folder of the images; ids count from 1 by folder and name")
    parser.add_argument("--keep", choices=("best", "union"), default="best", help="of several results of one bone")
    parser.add_argument("--first-category", type=count_argument, default=0, help="id of finger-1, without categories")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier OUT")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_convert, build_parser().parse_args(argv))


@dataclass(frozen=True, slots=True)
class _Input:
    """What was read.

    Attributes:
        images: of the table.
        by_image: image name -> its instances.
        records: number of results.
        guessed: whether the images are only those that the results name.
        shifted: whether categories, which nothing names, may be counted from 1.
    """

    images: tuple[KnownImage, ...]
    by_image: dict[str, list[Instance]]
    records: int
    guessed: bool
    shifted: bool


def _convert(arguments: argparse.Namespace) -> int:
    report_path = _checked_report_path(arguments)
    counters: Counter[str] = Counter()
    found = _read(arguments, counters)
    dropped: list[dict[str, Any]] = []
    write_masks(arguments.out, _channels(arguments, found, counters, dropped))
    counters["images_without_results"] = sum(image.name not in found.by_image for image in found.images)
    counted = {name: count for name, count in sorted(counters.items()) if count}
    report = {
        "converter": "coco_to_rle",
        "version": __version__,
        "keep": arguments.keep,
        "images": len(found.images),
        "rows": BONE_COUNT * len(found.images),
        "results": found.records,
        "counters": counted,
        "second_instances": dropped,
    }
    write_text(report_path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for name, count in counted.items():
        say(f"{count} x {name} (see {report_path})", arguments.quiet)
    if found.shifted:
        say("no result is of category 0 (finger-1): if finger-1 is category 1, give --first-category 1")
    if found.guessed:
        say("images without any result are not known: give --images or --coco to get their rows", arguments.quiet)
    say(f"{arguments.out}: {len(found.images)} images from {found.records} results", arguments.quiet)
    return 0


def _checked_report_path(arguments: argparse.Namespace) -> Path:
    out: Path = arguments.out
    if out.is_dir():
        raise InputError(out, "", "a file name to write", "a folder")
    report = out.with_name(f"{out.stem}.report.json")
    refuse_inputs([out, report], [arguments.results, arguments.coco])
    claim(out, report)
    for target in (out, report):
        refuse_to_overwrite(target, arguments.overwrite)
    watch([arguments.results, arguments.coco])
    return report


def _read(arguments: argparse.Namespace, counters: Counter[str]) -> _Input:
    """Read both files and say all that is wrong with them, masks left aside."""
    reader = CocoReader(str(arguments.results))
    record = read_strict_json(arguments.results, counters)
    whole = record if isinstance(record, dict) else {}
    records = list(reader.records(whole.get("annotations"), "annotations") if whole else reader.records(record, ""))
    own = reader.images(whole["images"]) if "images" in whole else None
    class_ids = reader.categories(whole["categories"]) if whole.get("categories") else None
    if arguments.coco is not None:
        listed, coco_class_ids = _read_coco(arguments.coco, reader, counters)
        class_ids = coco_class_ids if class_ids is None else class_ids
    elif arguments.images is not None:
        listed = _read_folder(arguments.images, records)
    else:
        listed = reader.named_images(records) if own is None else own
    if own is not None and not own.images and records:
        raise InputErrors(reader.faults or [InputError(arguments.results, "images", "at least one image", "none")])
    if own is not None and own is not listed:
        listed = _joined(reader, own, listed)
    first = arguments.first_category
    instances = reader.instances(records, listed, class_ids, first, not whole) if listed.images else []
    if reader.faults:
        raise InputErrors(reader.faults)
    if not listed.images:
        raise InputError(arguments.coco or arguments.results, "images", "at least one image", "none")
    guessed = arguments.coco is None and arguments.images is None and own is None
    shifted = class_ids is None and first == 0 and bool(instances) and all(one.class_id > 0 for one in instances)
    return _Input(listed.images, by_image_and_bone(instances), len(records), guessed, shifted)


def _read_coco(path: Path, results: CocoReader, counters: Counter[str]) -> tuple[KnownImages, dict[int, int] | None]:
    """Images and, where given, categories of a COCO file; its faults join those of the results."""
    reader = CocoReader(str(path))
    record = read_strict_json(path, counters)
    if not isinstance(record, dict):
        raise InputError(path, "", "an object with images", record)
    images = reader.images(record.get("images"))
    class_ids = reader.categories(record["categories"]) if record.get("categories") else None
    results.faults.extend(reader.faults)
    results.faulty_images |= reader.faulty_images
    results.faulty_categories |= reader.faulty_categories
    return images, class_ids


def _read_folder(folder: Path, records: Sequence[tuple[str, dict[str, Any]]]) -> KnownImages:
    """Images of a folder: named by `file_name`, by number from 1, or by an `image_id` that is the name or its stem."""
    paths = find_images(folder)
    faults: list[InputError] = []
    images = []
    for path in paths:
        try:
            images.append(KnownImage(path.name, read_image_size(path)))
        except InputError as error:
            faults.append(error)
    if faults:
        raise InputErrors(faults)
    by_id: dict[int | str, KnownImage] = {path.stem: image for path, image in zip(paths, images, strict=True)}
    by_id.update((image.name, image) for image in images)
    by_id.update(enumerate(images, start=1))
    without_name = (record.get("image_id") for _, record in records if record.get("file_name") is None)
    ids = {image_id for image_id in without_name if is_whole(image_id)}
    for path in paths:
        number = int(path.stem) if path.stem.isascii() and path.stem.isdigit() and len(path.stem) < 16 else None
        # Ultralytics turns a numeric name into the id; here ids are numbers in the folder.
        if number is not None and number in ids and by_id.setdefault(number, by_id[path.name]) is not by_id[path.name]:
            said = f"{path.name} or image {number} of the folder; give --coco"
            raise InputError(folder, "", "names that image ids cannot mean", f"image_id {number}, which may be {said}")
    return KnownImages(tuple(images), by_id, by_name=True)


def _joined(reader: CocoReader, own: KnownImages, listed: KnownImages) -> KnownImages:
    """The listed images, under the ids of the results' own file; joined by name, sizes compared."""
    by_name = {image.name: image for image in listed.images}
    by_id = {}
    for image_id, image in own.by_id.items():
        partner = by_name.get(image.name)
        if partner is None:
            reader.fault(f"images, id {image_id!r}", "an image of --coco or --images", image.name)
        elif partner.size != image.size:
            reader.fault(f"images, id {image_id!r}", f"{partner.size}, the size of {image.name}", str(image.size))
        else:
            by_id[image_id] = partner
    reader.faulty_images |= own.by_id.keys() - by_id.keys()
    return KnownImages(listed.images, by_id)


def _channels(
    arguments: argparse.Namespace, found: _Input, counters: Counter[str], dropped: list[dict[str, Any]]
) -> Iterator[tuple[str, RunLengthMasks]]:
    """(image name, 29 channels); after a fault nothing more, and all faults at the end."""
    faults: list[InputError] = []
    for image in progress(found.images, "converting", len(found.images), arguments.quiet):
        mine = found.by_image.get(image.name, [])
        places = [(instance.place, instance.segmentation) for instance in mine]
        masks = read_segmentations(str(arguments.results), places, image.size, faults, counters)
        if not faults:
            yield image.name, _one_a_bone(mine, masks, arguments.keep, counters, dropped)
    if faults:
        raise InputErrors(faults)
    refuse_changed()


def _one_a_bone(
    instances: list[Instance],
    masks: RunLengthMasks,
    keep: str,
    counters: Counter[str],
    dropped: list[dict[str, Any]],
) -> RunLengthMasks:
    """29 channels of one image; instances without a pixel are no rivals."""
    channels = [empty_masks(masks.size)] * BONE_COUNT
    kept: dict[int, Instance] = {}
    for instance, mask, area in zip(instances, masks, masks.areas().tolist(), strict=True):
        bone = instance.class_id
        if area == 0:
            counters["empty_instances"] += 1
        elif bone not in kept:
            kept[bone], channels[bone] = instance, mask
        elif keep == "union":
            counters["united_instances"] += 1
            channels[bone] = union(channels[bone], mask)
        else:
            counters["second_instances"] += 1
            dropped.append(dropped_record(instance, kept[bone]))
    return stack(masks.size, channels)


if __name__ == "__main__":
    sys.exit(main())
