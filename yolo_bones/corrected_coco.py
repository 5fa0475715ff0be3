"""COCO files as annotation tools export them: which record is which image on disk, which annotation is which bone.

CVAT counts categories from 1 and writes masks as uncompressed RLE with `iscrowd`, boxes with an empty `segmentation`
and `attributes` of its own; Label Studio counts images and categories from 0 in an order of its own, and puts eight
hexadecimal digits before the name of an uploaded image, folders or an address before that. Neither keeps keys that it
does not know.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from yolo_bones.annotations import PSEUDO_LABEL
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.coco_results import CocoReader, Instance, KnownImage, KnownImages, ids_without
from yolo_bones.coco_segmentations import checked_size, is_whole
from yolo_bones.errors import InputError
from yolo_bones.rle import ImageSize

UPLOAD_HASH: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
"""Before the name of an image that was uploaded to Label Studio."""


@dataclass(frozen=True, slots=True)
class ImageOnDisk:
    """What is known of an image file.

    Attributes:
        name: base name.
        patient_id: name of its patient's folder; empty where nothing tells it.
        size: from its header.
    """

    name: str
    patient_id: str
    size: ImageSize


@dataclass(slots=True)
class CorrectedCoco:
    """What a file says, and what of it is left aside.

    Attributes:
        images: names on disk, in the file's order.
        pseudo: those of them whose record carries the mark of pseudo-labels.
        patients: name -> patient, where the record tells one.
        instances: annotations of bones that have a mask.
        boxes: places of annotations that have none.
        other_categories: name -> how many annotations, of categories that are no bone.
        attributes: place of an annotation -> its attributes.
        points: place of an annotation -> the points that `points_to_coco` kept.
    """

    images: list[str] = field(default_factory=list)
    pseudo: set[str] = field(default_factory=set)
    patients: dict[str, str] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    other_categories: Counter[str] = field(default_factory=Counter)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: dict[str, Any] = field(default_factory=dict)


def possible_names(file_name: str) -> Iterator[str]:
    """Base names that a record's file name may mean, the most literal first."""
    try:
        address = urlsplit(file_name)
        of_address = [address.path, unquote(address.path), *parse_qs(address.query).get("d", [])]
    except ValueError:  # no address
        of_address = []
    seen: set[str] = set()
    for text in (file_name, unquote(file_name), *of_address):
        name = unicodedata.normalize("NFC", PurePosixPath(PureWindowsPath(text).as_posix()).name)
        for candidate in (name, UPLOAD_HASH.sub("", name, count=1)):
            if candidate and candidate not in seen:
                seen.add(candidate)
                yield candidate


def find_on_disk(file_name: str, on_disk: Mapping[str, ImageOnDisk]) -> ImageOnDisk | None:
    """The image that a record means, if any.

    Args:
        file_name: as the record writes it.
        on_disk: images by name in composed Unicode form.
    """
    return next((on_disk[name] for name in possible_names(file_name) if name in on_disk), None)


def read_corrected(path: str, record: Any, on_disk: Sequence[ImageOnDisk], faults: list[InputError]) -> CorrectedCoco:
    """Whose mask each annotation is; masks themselves are not looked at.

    Args:
        path: of the file, for messages.
        record: its content.
        on_disk: all images that may be meant.
        faults: gets everything that is wrong.
    """
    reader = CocoReader(path)
    found = CorrectedCoco()
    if not isinstance(record, dict):
        expected = "an object with images, annotations and categories (of COCO results coco_to_rle makes a table)"
        reader.fault("", expected, "a list" if isinstance(record, list) else record)
    else:
        known = _match_images(reader, record.get("images"), on_disk, found)
        class_ids, others = _match_categories(reader, record.get("categories"))
        listed = list(reader.records(record.get("annotations"), "annotations"))
        reader.faulty_images |= ids_without(record.get("images"), known.by_id)
        reader.faulty_categories |= ids_without(record.get("categories"), class_ids.keys() | others.keys())
        found.instances = reader.instances(_of_bones(listed, others, found), known, class_ids, 0, False)
        if not known.images and not reader.faults:
            reader.fault("images", "at least one image", None)
    faults.extend(reader.faults)
    return found


def _match_images(reader: CocoReader, listed: Any, on_disk: Sequence[ImageOnDisk], found: CorrectedCoco) -> KnownImages:
    """Ids of the file's images, under their names on disk."""
    by_name = {unicodedata.normalize("NFC", image.name): image for image in on_disk}
    patients = {image.patient_id for image in on_disk} - {""}
    by_id: dict[int | str, KnownImage] = {}
    places: dict[str, str] = {}
    for place, record in reader.records(listed, "images"):
        image_id, file_name = record.get("id"), record.get("file_name")
        if not (is_whole(image_id) or isinstance(image_id, str)):
            reader.fault(f"{place}.id", "a whole number or a name", image_id)
            continue
        image = find_on_disk(file_name, by_name) if isinstance(file_name, str) else None
        if image is None:
            reader.fault(f"{place}.file_name", "the name of an image in --images", file_name)
        elif image_id in by_id:
            reader.fault(f"{place}.id", "an id that no other image has", image_id)
        elif image.name in places:
            expected = f"one record of {image.name}, which {places[image.name]} is too"
            reader.fault(f"{place}.file_name", expected, file_name)
        elif _is_of_other_patient(str(file_name), image, patients):
            reader.fault(f"{place}.file_name", f"{image.name} of patient {image.patient_id}", file_name)
        elif _has_size(reader, place, record, image):
            by_id[image_id], places[image.name] = KnownImage(image.name, image.size), place
            _note_image(record, image, found)
    return KnownImages(tuple(by_id.values()), by_id)


def _note_image(record: dict[str, Any], image: ImageOnDisk, found: CorrectedCoco) -> None:
    found.images.append(image.name)
    if record.get("source") == PSEUDO_LABEL:
        found.pseudo.add(image.name)
    if isinstance(record.get("patient_id"), str):
        found.patients[image.name] = record["patient_id"]


def _is_of_other_patient(file_name: str, image: ImageOnDisk, patients: set[str]) -> bool:
    """Whether the folder in a file name is another patient's."""
    folder = PurePosixPath(PureWindowsPath(unquote(file_name)).as_posix()).parent.name
    return folder in patients and folder != image.patient_id


def _has_size(reader: CocoReader, place: str, record: dict[str, Any], image: ImageOnDisk) -> bool:
    """Note a size that is none, or another one than the image's."""
    height, width = record.get("height"), record.get("width")
    where = f"{place}.height, width"
    try:
        size = checked_size(height, width)
    except ValueError as error:
        reader.fault(where, str(error), (height, width))
        return False
    if size != image.size:
        reader.fault(where, f"{image.size}, the size of {image.name}", str(size))
        return False
    return True


def _match_categories(reader: CocoReader, listed: Any) -> tuple[dict[int, int], dict[int, str]]:
    """Category id -> channel, by name; and id -> name of those that are no bone."""
    bones: dict[int, int] = {}
    others: dict[int, str] = {}
    alike = {bone.casefold(): bone for bone in BONES}
    for place, record in reader.records(listed, "categories"):
        number, name = record.get("id"), record.get("name")
        near = alike.get(name.strip().casefold()) if isinstance(name, str) else None
        if not is_whole(number):
            reader.fault(f"{place}.id", "a whole number", number)
        elif not isinstance(name, str):
            reader.fault(f"{place}.name", "a name", name)
        elif number in bones or number in others:
            reader.fault(f"{place}.id", "an id that no other category has", number)
        elif name in CLASS_IDS and CLASS_IDS[name] in bones.values():
            reader.fault(f"{place}.name", "a name that no other category has", name)
        elif name in CLASS_IDS:
            bones[number] = CLASS_IDS[name]
        elif near is not None:
            reader.fault(f"{place}.name", f"the bone name {near!r}", name)
        else:
            others[number] = name
    if not bones and not reader.faults:
        reader.fault("categories", "at least one of the 29 bone names", sorted(others.values()))
    return bones, others


def _of_bones(
    listed: Sequence[tuple[str, dict[str, Any]]], others: Mapping[int, str], found: CorrectedCoco
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Annotations of bones that have a mask; the others are noted."""
    for place, record in listed:
        category = record.get("category_id")
        if is_whole(category) and category in others:
            found.other_categories[others[category]] += 1
            continue
        if not record.get("segmentation") and isinstance(record.get("bbox"), list):
            found.boxes.append(place)
            continue
        if isinstance(record.get("attributes"), dict):
            found.attributes[place] = record["attributes"]
        if "points" in record:
            found.points[place] = record["points"]
        yield place, record
