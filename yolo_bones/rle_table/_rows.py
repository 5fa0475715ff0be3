"""What both forms of a table have in common: the 29 rows of one image, and what a table can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError
from yolo_bones.rle import ImageSize, RunLengthMasks

LONGEST_NAME: Final = 1 << 12


def check_image_name(place: str | Path, image_name: str) -> str:
    """A name that every form of a table can hold.

    Raises:
        InputError: it is empty, holds control characters, or is not UTF-8.
    """
    if len(image_name) > LONGEST_NAME:
        raise InputError(place, "image_name", f"at most {LONGEST_NAME} characters", len(image_name))
    if not image_name or any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in image_name):
        raise InputError(place, "image_name", "the base name of an image, UTF-8 without control characters", image_name)
    return image_name


class ImageRows(ABC):
    """The rows of one image.

    Attributes:
        image_name: as the table writes it.
        place: file and line of the image's first row, for messages.
        size: where the table knows it.
    """

    image_name: str
    place: str
    size: ImageSize | None

    @abstractmethod
    def masks(self, size: ImageSize) -> RunLengthMasks:
        """The 29 channels.

        Raises:
            InputErrors: a row that is no valid RLE for this size; names each line.
        """


class RleTable(ABC):
    """A table of run lengths on disk.

    Attributes:
        path: of the file.
        counters: what was mended so far, by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counters: Counter[str] = Counter()

    @abstractmethod
    def images(self) -> Iterator[ImageRows]:
        """All images in the order in which the file names them first.

        Raises:
            InputError: as soon as a row is met that is no row of a table; names file, line and field.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all images, in the same order; reads the whole file once."""

    @abstractmethod
    def find(self, image_name: str) -> ImageRows | None:
        """The rows of one image, wherever they are; None when there are none."""
