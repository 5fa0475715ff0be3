"""Turn a COCO file that was corrected in CVAT or Label Studio into point annotations.

    python -m converters.coco_to_points instances_default.json OUT --images DIR

OUT becomes a data set of its own: DCM with the images, outputs_json with the annotations, report.json. Categories are
known by name, whatever their ids; images by the base name of their file, whatever folders, address or upload hash
stand before it. Segmentations are polygons of one or several parts, or RLE, compressed or not.

Each outline is filled to exactly its mask, holes included; parts that lie apart are joined by bridges one pixel wide,
which are counted. Several annotations of one bone are one bone where they touch; apart, they are an error (--unite
joins them). Points that points_to_coco kept come back as they were, unless the mask was edited.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from converters._points_out import (
    PRODUCTS,
    ImagePlace,
    add_points_arguments,
    find_places,
    fingerprint_of_input,
    inexact_record,
    outline_bone,
    patient_faults,
    say_inexact,
    with_patients,
    write_data_set,
)
from converters._shared import claim_early, finish, open_folder
from yolo_bones import __version__
from yolo_bones.annotation_records import OutlinedBone, RecordSource, annotation_record
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.coco_results import Instance
from yolo_bones.coco_segmentations import read_segmentations
from yolo_bones.command_line import progress, run_command, say
from yolo_bones.corrected_coco import CorrectedCoco, ImageOnDisk, read_corrected
from yolo_bones.corrected_masks import MOST_OF_BONE, kept_points, united
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.resumable import PartFolder
from yolo_bones.rle import RunLengthMasks
from yolo_bones.strict_json import read_strict_json
from yolo_bones.watched_files import watch as watch_files

MADE_BY: Final = "coco_to_points"
FACTS: Final = ("holes", "points_kept", "pseudo_labelled_images")
"""Counters of nothing that was mended."""
EXIT_FINDINGS: Final = 1
LONGEST_ATTRIBUTE: Final = 200


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m converters.coco_to_points",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("coco", type=Path, metavar="FILE", help="COCO file of images, annotations and categories")
    add_points_arguments(parser)
    parser.add_argument("--unite", action="store_true", help="join annotations of one bone that lie apart")
    parser.add_argument("--skip-boxes", action="store_true", help="leave annotations out that are only a box")
    looked = parser.add_mutually_exclusive_group()
    looked.add_argument("--corrected", action="store_true", help="a person looked at every image: no pseudo-labels")
    looked.add_argument(
        "--pseudo", action="store_true", dest="all_pseudo", help="nobody looked: mark every image as a pseudo-label"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_convert, build_parser().parse_args(argv))


@dataclass(slots=True)
class _Done:
    """What became of the images, in the file's order."""

    written: list[str] = field(default_factory=list)
    without_annotations: list[str] = field(default_factory=list)
    inexact: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)


def _convert(arguments: argparse.Namespace) -> int:
    claim_early(arguments.out, arguments.images)
    watch_files([arguments.coco, arguments.patients])
    counters: Counter[str] = Counter()
    record = read_strict_json(arguments.coco, counters)
    places = find_places(arguments.images, arguments.patients)
    watch_files(place.path for place in places.values())
    found, places = _read(arguments, record, places)
    flags = {name: getattr(arguments, name) for name in ("unite", "skip_boxes", "corrected", "all_pseudo", "copy")}
    settings = {"converter": MADE_BY, "coco": arguments.coco.name, **flags}
    read = [arguments.coco, arguments.patients]
    input_of = fingerprint_of_input(places, arguments.images, read)
    sources = [arguments.images, *(path for path in read if path is not None)]
    parts = open_folder(arguments, sources, PRODUCTS, {**settings, "input": input_of})
    done = _outline_all(arguments, found, places, parts)
    done.counters.update(counters)
    records = ((name, parts.read(name)["record"]) for name in done.written)
    watched = progress(records, "writing", len(done.written), arguments.quiet)
    not_linked = write_data_set(parts.made, places, watched, copy=arguments.copy)
    if not_linked:
        say(f"{arguments.out}: {not_linked} images copied, links are not possible here", arguments.quiet)
    report = {**settings, "version": __version__, **_report(arguments, found, done, places)}
    finish(arguments.out, parts, report, arguments.quiet)
    place = arguments.out / "report.json"
    say_inexact(done.inexact, place, arguments.quiet)
    for line in _lines(report, place):
        say(line, arguments.quiet)
    if not done.written:
        say(f"no image has an annotation of a bone; {place} says why")
        return EXIT_FINDINGS
    return 0


def _read(
    arguments: argparse.Namespace, record: Any, places: dict[str, ImagePlace]
) -> tuple[CorrectedCoco, dict[str, ImagePlace]]:
    """What the file says, and the images with the patients that are known then."""
    on_disk = [ImageOnDisk(name, place.patient_id, place.size) for name, place in places.items()]
    faults: list[InputError] = []
    found = read_corrected(str(arguments.coco), record, on_disk, faults)
    places = with_patients(places, found.patients, arguments.coco, faults)
    if not arguments.skip_boxes:
        expected = "a mask or polygons; --skip-boxes leaves it out"
        faults += [InputError(arguments.coco, f"{place}.segmentation", expected, "only a box") for place in found.boxes]
    faults += patient_faults(places, found.images, arguments.patients)
    if faults:
        raise InputErrors(faults)
    return found, places


def _outline_all(
    arguments: argparse.Namespace, found: CorrectedCoco, places: Mapping[str, ImagePlace], parts: PartFolder
) -> _Done:
    """Outline every image; what an earlier run finished is only read. All faults at once."""
    by_image: dict[str, list[Instance]] = {name: [] for name in found.images}
    for instance in found.instances:
        by_image[instance.image_name].append(instance)
    done = _Done()
    faults: list[InputError] = []
    for name, mine in progress(by_image.items(), "outlining", len(by_image), arguments.quiet):
        if not parts.has(name):
            part = _part(arguments, found, places[name], mine, faults)
            if faults:
                continue
            parts.write(name, part)
        _note(name, parts.read(name), done)
    if faults:
        # What was made of a faulty file is not gone on with.
        parts.remove()
        raise InputErrors(faults)
    return done


def _part(
    arguments: argparse.Namespace,
    found: CorrectedCoco,
    place: ImagePlace,
    instances: Sequence[Instance],
    faults: list[InputError],
) -> dict[str, Any]:
    """What becomes of one image, as JSON."""
    name = place.path.name
    counters: Counter[str] = Counter()
    segmentations = [(instance.place, instance.segmentation) for instance in instances]
    masks = read_segmentations(str(arguments.coco), segmentations, place.size, faults, counters)
    of_bones: dict[int, list[tuple[Instance, RunLengthMasks]]] = {}
    for instance, mask, area in zip(instances, masks, masks.areas().tolist(), strict=True):
        if area:
            of_bones.setdefault(instance.class_id, []).append((instance, mask))
        else:
            counters["empty_annotations"] += 1
    bones: list[OutlinedBone] = []
    inexact: list[dict[str, Any]] = []
    for class_id, drawn in sorted(of_bones.items()):
        try:
            bones.append(_bone(arguments, found, BONES[class_id], drawn, (name, counters, inexact)))
        except InputError as error:
            faults.append(error)
    counters["missing_bones"] += BONE_COUNT - len(bones) if bones else 0
    is_pseudo = arguments.all_pseudo or (name in found.pseudo and not arguments.corrected)
    made_with = {"coco": arguments.coco.name} if is_pseudo else {}
    record = annotation_record(name, place.patient_id, place.size, bones, RecordSource(MADE_BY, is_pseudo, made_with))
    missing = [bone for bone in BONES if bone not in {one.bone for one in bones}]
    return {"record": record, "inexact": inexact, "missing": missing, "counters": counters, "pseudo": is_pseudo}


def _bone(
    arguments: argparse.Namespace,
    found: CorrectedCoco,
    bone: str,
    drawn: Sequence[tuple[Instance, RunLengthMasks]],
    notes: tuple[str, Counter[str], list[dict[str, Any]]],
) -> OutlinedBone:
    """One outline of the annotations of one bone.

    Raises:
        InputError: they lie apart, or their mask cannot be one outline.
    """
    name, counters, inexact = notes
    first = drawn[0][0]
    attributes = _plain(found.attributes.get(first.place, {}))
    if len(drawn) == 1 and first.place in found.points:
        points = kept_points(found.points[first.place], drawn[0][1])
        if points is not None:
            counters["points_kept"] += 1
            return OutlinedBone(bone, points, attributes)
        counters["points_outdated"] += 1
    places = [instance.place for instance, _ in drawn]
    if len(drawn) > MOST_OF_BONE:
        raise InputError(
            arguments.coco, places[1], f"at most {MOST_OF_BONE} annotations of {bone} in {name}", len(drawn)
        )
    mask, is_one = united([mask for _, mask in drawn])
    if not is_one and not arguments.unite:
        expected = f"one {bone} in {name}, drawn at {places[0]} (--unite joins parts that lie apart)"
        raise InputError(arguments.coco, places[1], expected, f"a second {bone} elsewhere")
    counters["united_annotations"] += len(drawn) - 1
    outline = outline_bone(mask, str(arguments.coco), places[0])
    told = inexact_record(name, bone, outline)
    if told is not None:
        inexact.append(told)
    return OutlinedBone(bone, outline.points, attributes)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of an annotation tool that are plain values, such as `occluded`."""
    found = {key: value for key, value in attributes.items() if isinstance(value, (str, int, float, bool))}
    return {key: value for key, value in found.items() if len(str(value)) <= LONGEST_ATTRIBUTE}


def _note(name: str, part: dict[str, Any], done: _Done) -> None:
    done.counters.update(part["counters"])
    if not part["record"]["annotations"]:
        done.without_annotations.append(name)
        return
    done.written.append(name)
    done.counters["pseudo_labelled_images"] += part["pseudo"]
    done.inexact += part["inexact"]
    if part["missing"]:
        done.missing.append({"image": name, "bones": part["missing"]})
    for record in part["inexact"]:
        done.counters.update({key: count for key, count in record.items() if isinstance(count, int)})


def _report(
    arguments: argparse.Namespace, found: CorrectedCoco, done: _Done, places: Mapping[str, ImagePlace]
) -> dict[str, Any]:
    return {
        "images": len(done.written),
        "annotations": len(found.instances),
        "counters": {key: count for key, count in sorted(done.counters.items()) if count and key not in FACTS},
        **{key: done.counters[key] for key in FACTS},
        "boxes_left_out": found.boxes if arguments.skip_boxes else [],
        "other_categories": dict(sorted(found.other_categories.items())),
        "images_without_annotations": done.without_annotations,
        "images_not_in_file": sorted(places.keys() - set(found.images)),
        "missing": done.missing,
        "inexact": done.inexact,
    }


def _lines(report: dict[str, Any], place: Path) -> Iterator[str]:
    """What was left out, for people."""
    for category, count in report["other_categories"].items():
        yield f"{count} annotations of {category!r}, which is no bone, are left out"
    if report["boxes_left_out"]:
        yield f"{len(report['boxes_left_out'])} boxes without a mask are left out (listed in {place})"
    for key, what in (
        ("images_without_annotations", "images have no annotation of a bone and are left out"),
        ("images_not_in_file", "images of the folder are not in the file"),
    ):
        if report[key]:
            yield f"{len(report[key])} {what} (listed in {place})"
    yield f"{place.parent}: {report['images']} images"


if __name__ == "__main__":
    sys.exit(main())
