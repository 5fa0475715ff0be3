"""COCO records of any detector -> which bone of which image each is: ids, names, sizes, scores. No files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.coco_segmentations import SegmentationError, checked_size, is_whole, rle_size
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.image_files import check_image_name
from yolo_bones.rle import ImageSize

ImageId = int | str
MOST_FAULTS: Final = 5_000
"""After which no more are noted of a file."""
MOST_OF_IMAGE: Final = 100 * BONE_COUNT
"""Results of one image; each is a mask to be made."""
SURE: Final = 1.0
"""Score of an annotation, which was drawn and not detected."""


@dataclass(frozen=True, slots=True)
class KnownImage:
    """One image of the table to write."""

    name: str
    size: ImageSize


@dataclass(frozen=True, slots=True)
class KnownImages:
    """The images that results may belong to.

    Attributes:
        images: in the order of the table.
        by_id: what an `image_id` means.
        by_name: whether a result's `file_name` says which image it is; else `image_id` does and the name must agree.
    """

    images: tuple[KnownImage, ...]
    by_id: Mapping[ImageId, KnownImage]
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """One result: `place` in the file, such as `[17]`, the image's name, the channel, and the mask as it is written."""

    place: str
    image_name: str
    class_id: int
    score: float
    segmentation: Any


@dataclass(slots=True)
class CocoReader:
    """Reads the parts of one file; what is wrong is added to `faults`.

    Attributes:
        path: of the file.
        faults: all that is wrong.
        faulty_images, faulty_categories: ids that the file's own lists have and nothing came of, which was told there;
            it is not told again for each record that has one of them.
    """

    path: str
    faults: list[InputError] = field(default_factory=list)
    faulty_images: set[object] = field(default_factory=set)
    faulty_categories: set[object] = field(default_factory=set)

    def fault(self, place: str, expected: str, got: object) -> None:
        """Note one fault, of the first thousands."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(InputError(self.path, place, expected, "none" if got is None else got))

    def records(self, listed: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(place, record) of a list of objects."""
        if not isinstance(listed, list):
            self.fault(place, "a list", listed)
            return
        for index, record in enumerate(listed):
            if isinstance(record, dict):
                yield f"{place}[{index}]", record
            else:
                self.fault(f"{place}[{index}]", "an object", record)

    def images(self, listed: Any) -> KnownImages:
        """The `images` of a COCO file, in its order."""
        by_id: dict[ImageId, KnownImage] = {}
        names: dict[str, str] = {}
        for place, record in self.records(listed, "images"):
            image_id, name = self._image_id(place, record, "id"), self._name(place, record.get("file_name"))
            try:
                size = checked_size(record.get("height"), record.get("width"))
            except ValueError as error:
                self.fault(f"{place}.height, width", str(error), (record.get("height"), record.get("width")))
                continue
            if image_id is None or name is None:
                continue
            if image_id in by_id:
                self.fault(f"{place}.id", "an id that no other image has", image_id)
            elif name in names:
                self.fault(f"{place}.file_name", "a base name that no other image has", f"{name} of {names[name]}")
            else:
                by_id[image_id], names[name] = KnownImage(name, size), place
        self.faulty_images |= ids_without(listed, by_id)
        return KnownImages(tuple(by_id.values()), by_id)

    def categories(self, listed: Any) -> dict[int, int]:
        """Category id -> channel, by name."""
        found: dict[int, int] = {}
        for place, record in self.records(listed, "categories"):
            number, name = record.get("id"), record.get("name")
            if not is_whole(number):
                self.fault(f"{place}.id", "a whole number", number)
            elif not isinstance(name, str) or name not in CLASS_IDS:
                self.fault(f"{place}.name", "one of the 29 bone names", name)
            elif number in found:
                self.fault(f"{place}.id", "an id that no other category has", number)
            elif CLASS_IDS[name] in found.values():
                self.fault(f"{place}.name", "a name that no other category has", name)
            else:
                found[number] = CLASS_IDS[name]
        self.faulty_categories |= ids_without(listed, found)
        return found

    def named_images(self, records: Iterable[tuple[str, dict[str, Any]]]) -> KnownImages:
        """Images as the results tell them: `file_name`, and the size of their RLEs; in order of first mention."""
        by_id: dict[ImageId, KnownImage] = {}
        ids: dict[str, ImageId] = {}
        for place, record in records:
            image_id = self._image_id(place, record)
            if "file_name" not in record:
                self.fault(f"{place}.file_name", "a name, or --coco or --images, which tell whose mask it is", None)
                return KnownImages((), {})
            name = self._name(place, record["file_name"])
            if image_id is None or name is None:
                continue
            try:
                size = rle_size(record.get("segmentation"))
            except SegmentationError:
                continue  # said where the mask is read
            if size is None and image_id not in by_id:
                self.fault(f"{place}.segmentation", "an RLE, or --coco or --images, which tell the size", "polygons")
            elif ids.setdefault(name, image_id) != image_id:
                self.fault(f"{place}.image_id", f"{ids[name]!r}, the image_id of {name} before", repr(image_id))
            elif size is not None:
                by_id.setdefault(image_id, KnownImage(name, size))
        return KnownImages(tuple(by_id.values()), by_id)

    def instances(
        self,
        records: Iterable[tuple[str, dict[str, Any]]],
        images: KnownImages,
        class_ids: Mapping[int, int] | None,
        first_category: int,
        scored: bool,
    ) -> list[Instance]:
        """Whose mask each record is; records at fault are left out, all where no image or category is known.

        Args:
            records: (place, record).
            images: known ones.
            class_ids: category id -> channel; None when no categories are given.
            first_category: id of the first bone, where no categories are given.
            scored: whether each record must have a score; without, it counts as sure.
        """
        if not images.images or (class_ids is not None and not class_ids):
            return []
        names = {image.name: image for image in images.images}
        found = []
        counts: Counter[str] = Counter()
        for place, record in records:
            if self._is_told(record):
                continue
            image = self._image(place, record, images, names)
            class_id = self._class_id(place, record.get("category_id"), class_ids, first_category)
            score = self._score(place, record, scored)
            if "segmentation" not in record:
                self.fault(place, "a key 'segmentation'", "none (boxes have no mask)")
            elif image is not None and class_id is not None and score is not None:
                counts[image.name] += 1
                found.append(Instance(place, image.name, class_id, score, record["segmentation"]))
        for name, count in counts.items():
            if count > MOST_OF_IMAGE:
                self.fault(f"image {name}", f"at most {MOST_OF_IMAGE} masks", count)
        return found

    def _is_told(self, record: dict[str, Any]) -> bool:
        image, category = record.get("image_id"), record.get("category_id")
        return (is_id(image) and image in self.faulty_images) or (
            is_id(category) and category in self.faulty_categories
        )

    def _image(
        self, place: str, record: dict[str, Any], images: KnownImages, names: Mapping[str, KnownImage]
    ) -> KnownImage | None:
        said = self._name(place, record["file_name"]) if record.get("file_name") is not None else ""
        if said is None:
            return None
        if said and images.by_name:
            if said not in names:
                self.fault(f"{place}.file_name", "the name of a known image", said)
            return names.get(said)
        image_id = self._image_id(place, record)
        if image_id is None:
            return None
        image = images.by_id.get(image_id)
        if image is None:
            self.fault(f"{place}.image_id", "the id of a known image", repr(image_id))
        elif said and said != image.name:
            self.fault(f"{place}.file_name", f"{image.name}, the image of image_id {image_id!r}", said)
            return None
        return image

    def _image_id(self, place: str, record: dict[str, Any], key: str = "image_id") -> ImageId | None:
        image_id = record.get(key)
        if is_whole(image_id) or isinstance(image_id, str):
            return image_id
        self.fault(f"{place}.{key}", "a whole number or a name", image_id)
        return None

    def _name(self, place: str, file_name: Any) -> str | None:
        """Base name of a file name; folders before it are dropped."""
        name = PurePosixPath(PureWindowsPath(file_name).as_posix()).name if isinstance(file_name, str) else ""
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            name = ""
        if not name:
            self.fault(f"{place}.file_name", "the name of an image", file_name)
            return None
        try:
            check_image_name(Path(name))
        except RefusedError as error:
            raise RefusedError(f"{self.path}: {place}.file_name: {error}") from error
        return name

    def _class_id(
        self, place: str, category: Any, class_ids: Mapping[int, int] | None, first_category: int
    ) -> int | None:
        where = f"{place}.category_id"
        if not is_whole(category):
            self.fault(where, "a whole number", category)
            return None
        if class_ids is not None:
            if category not in class_ids:
                self.fault(where, "the id of one of the file's categories", category)
            return class_ids.get(category)
        if 0 <= category - first_category < BONE_COUNT:
            return int(category) - first_category
        hint = "; are they counted from 1? then give --first-category 1" if category == BONE_COUNT else ""
        self.fault(where, f"a bone's id from {first_category} to {first_category + BONE_COUNT - 1}{hint}", category)
        return None

    def _score(self, place: str, record: dict[str, Any], scored: bool) -> float | None:
        score: Any = record.get("score", None if scored else SURE)
        if type(score) in (int, float) and abs(score) < 2**53:
            return float(score)
        self.fault(f"{place}.score", "a number", score)
        return None


def is_id(value: object) -> bool:
    """Whether a JSON value may be looked up among ids; lists and objects may not."""
    return isinstance(value, (int, float, str))


def ids_without(listed: Any, known: Container[object]) -> frozenset[object]:
    """Ids that a file's list has and that are not among the known ones."""
    ids = [record.get("id") for record in listed if isinstance(record, dict)] if isinstance(listed, list) else []
    return frozenset(one for one in ids if is_id(one) and one not in known)


def by_image_and_bone(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    """Image name -> its instances in channel order, the highest score of each bone first, ties as in the file."""
    found: dict[str, list[Instance]] = {}
    for instance in instances:
        found.setdefault(instance.image_name, []).append(instance)
    for mine in found.values():
        mine.sort(key=lambda instance: (instance.class_id, -instance.score))
    return found


def dropped_record(loser: Instance, winner: Instance) -> dict[str, Any]:
    """What the report says of an instance that another one of its bone and image replaced."""
    return {
        "place": loser.place,
        "image_name": loser.image_name,
        "class": BONES[loser.class_id],
        "score": loser.score,
        "kept": winner.place,
        "kept_score": winner.score,
    }
