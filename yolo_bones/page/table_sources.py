"""Images of a page whose masks lie in tables of run lengths: all of them checked and scored, then some shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yolo_bones.audit.mask_shapes import PredictedImage, see_masks
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_files import read_image_size
from yolo_bones.metrics import dice_per_channel
from yolo_bones.page.hand_facts import hand_facts
from yolo_bones.page.record import PageFinding, Values
from yolo_bones.page.shown_images import PageSource, Runs, runs_of
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.rle_table import ImageRows, RleTable, aligned_tables

PREDICTION = "prediction"
TRUTH = "truth"
AGAINST = "against"


@dataclass(frozen=True, slots=True, eq=False)
class TabledImage:
    """One image as tables of run lengths have it; small enough to be sent to another process.

    Attributes:
        name, patient: of the image; the patient may be empty.
        size: of the image.
        layers: set -> runs.
    """

    name: str
    patient: str
    size: ImageSize
    layers: Mapping[str, Runs]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedImage:
    """One image, and what is said of it.

    Attributes:
        name, patient: of the image.
        size: of the image.
        score, expected, findings, dice, facts: see `record.PageImage`.
    """

    name: str
    patient: str
    size: ImageSize
    score: float
    expected: Values | None
    findings: Sequence[PageFinding]
    dice: Mapping[str, Values] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TableSources:
    """Tables of the same images, and the images' files.

    Attributes:
        tables: set -> table: `prediction` first, `truth` and `against` where there are any.
        files: image name -> file.
        patients: image name -> patient, where known.
    """

    tables: Mapping[str, RleTable]
    files: Mapping[str, Path]
    patients: Mapping[str, str]

    def images(self) -> Iterator[TabledImage]:
        """All images in the order of the prediction.

        Raises:
            InputErrors: an image that is not in all tables or has no file, a file without rows, an RLE that is not
                valid; all of them, in the end.
        """
        faults: list[InputError] = []
        try:
            for rows, masks in aligned_tables(list(self.tables.values()), self._size):
                layers = {key: runs_of(one) for key, one in zip(self.tables, masks, strict=True)}
                name = rows[0].image_name
                yield TabledImage(name, self.patients.get(name, ""), masks[0].size, layers)
            faults.extend(self._without_rows())
        except InputError as error:
            faults.extend([*getattr(error, "faults", [error]), *self._without_rows()])
        if faults:
            raise InputErrors(faults)

    def shown(self, judged: Iterable[JudgedImage]) -> Iterator[PageSource]:
        """Images of `images` for a page, their masks read once more, wherever they are in the tables."""
        for one in judged:
            found = {key: table.find(one.name) for key, table in self.tables.items()}
            yield PageSource(
                name=one.name,
                patient=one.patient,
                image=self.files[one.name],
                size=one.size,
                layers={key: runs_of(rows.masks(one.size)) for key, rows in found.items() if rows is not None},
                score=one.score,
                dice=one.dice,
                expected=one.expected,
                findings=one.findings,
                facts=one.facts,
            )

    def _size(self, rows: ImageRows) -> ImageSize:
        if rows.image_name not in self.files:
            raise InputError(rows.place, "image_name", "an image in --images", rows.image_name)
        return read_image_size(self.files[rows.image_name])

    def _without_rows(self) -> list[InputError]:
        table = self.tables[PREDICTION]
        try:
            known = set(table.names())
        except InputError:
            return []  # what is wrong with the table was told already
        return [
            InputError(path, "", f"rows in {table.path.name}", "none")
            for name, path in self.files.items()
            if name not in known
        ]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredImage:
    """What must be known of every image before a page can be sorted.

    Attributes:
        name, patient, size: of the image.
        dice: set -> (29,) Dice against the truth; empty without a truth.
        facts: of the hand, from the truth where there is one.
        predicted: what an audit looks at; None with a truth.
    """

    name: str
    patient: str
    size: ImageSize
    dice: Mapping[str, Values]
    facts: Mapping[str, str]
    predicted: PredictedImage | None


def score_tabled(image: TabledImage) -> ScoredImage:
    """Score one image against its truth, or measure its prediction for an audit."""
    masks = {key: RunLengthMasks.from_edges(image.size, *runs) for key, runs in image.layers.items()}
    truth, prediction = masks.get(TRUTH), masks[PREDICTION]
    if truth is None:
        predicted = see_masks(prediction, image.name, image.patient)
        return ScoredImage(image.name, image.patient, image.size, {}, hand_facts(prediction), predicted)
    dice = {key: dice_per_channel(one, truth) for key, one in masks.items() if key != TRUTH}
    return ScoredImage(image.name, image.patient, image.size, dice, hand_facts(truth), None)
