"""The CSV, read strictly, image by image."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.errors import MOST_FAULTS, InputError, InputErrors
from yolo_bones.rle import ImageSize, RowTextError, RunLengthMasks, row_texts_to_masks
from yolo_bones.rle_table._rows import LONGEST_NAME, ImageRows, RleTable, check_image_name

HEADER: Final = ("image_name", "class", "rle")
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
ZIP_MAGIC: Final = b"PK\x03\x04"
LONGEST_LINE: Final = 1 << 29
"""Bytes; a mask of 64 megapixels of noise has no longer row."""
LONGEST_QUOTED_LINE: Final = 1 << 25
"""The slow way of reading."""
MOST_IMAGES: Final = 120_000
"""Of a table whose rows are in another order, or wrong."""
CLASS_IDS: Final = {bone.encode(): class_id for class_id, bone in enumerate(BONES)}
CANONICAL: Final = tuple(CLASS_IDS)

Row = tuple[bytes, bytes, bytes]


class CsvRows(ImageRows):
    """29 row texts and their line numbers."""

    def __init__(self, table: CsvTable, image_name: str, texts: Sequence[bytes], lines: Sequence[int]) -> None:
        self.table = table
        self.path = table.path
        self.image_name = image_name
        self.texts = texts
        self.lines = lines
        self.size = None

    @property
    def place(self) -> str:  # type: ignore[override]
        """File and line of the first row."""
        return f"{self.path}:{min(self.lines)}"

    def masks(self, size: ImageSize) -> RunLengthMasks:
        """See `ImageRows`."""
        texts = self.texts
        if b"nan" in texts:
            # Pandas and spreadsheets write it for an empty RLE. Counted where rows are used; they may be read twice.
            self.table.counters["nan_rle"] += texts.count(b"nan")
            texts = [b"" if text == b"nan" else text for text in texts]
        try:
            return row_texts_to_masks(texts, size)
        except RowTextError as error:
            raise InputErrors(
                [
                    InputError(f"{self.path}:{self.lines[index]}", f"rle of {self.image_name}, {BONES[index]}", *said)
                    for index, *said in error.faults
                ]
            ) from error


class CsvTable(RleTable):
    """A CSV of run lengths."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._index: _Index | None = None

    def images(self) -> Iterator[ImageRows]:
        """See `RleTable`: streamed while rows are canonical, through the index from the first that is not."""
        hashes = array("q")
        if self._index is None:
            for rows in self._canonical_images():
                hashes.append(hash(rows.image_name))
                yield rows
        done = len(hashes)
        if self._index is None:
            # Two images of one name, or (all but never) two names of one hash: the index knows which.
            if len(np.unique(np.frombuffer(hashes, dtype=np.int64))) == done:
                return
            self._index = _Index(self.path)
        for name in self._index.names[done:]:
            yield self._read(name)

    def names(self) -> list[str]:
        """See `RleTable`."""
        return self._indexed().names

    def find(self, image_name: str) -> ImageRows | None:
        """See `RleTable`."""
        return self._read(image_name) if image_name in self._indexed().numbers else None

    def _indexed(self) -> _Index:
        if self._index is None:
            self._index = _Index(self.path)
        return self._index

    def _canonical_images(self) -> Iterator[CsvRows]:
        """Images from the top of the file; ends early, with an index made, at the first row out of order."""
        with _opened(self.path) as stream:
            line = _read_header(self.path, stream)
            while True:
                texts: list[bytes] = []
                name = b""
                for bone in CANONICAL:
                    row = _read_row(self.path, stream, line + 1)
                    if row is None and not texts:
                        return
                    if row is None or row[1] != bone or (texts and row[0] != name):
                        # Cut short, shuffled or wrong: the index tells, and finds what is only shuffled.
                        self._index = _Index(self.path)
                        return
                    line += 1
                    name = row[0]
                    texts.append(row[2])
                image_name = _checked_name(self.path, line - BONE_COUNT + 1, name)
                yield CsvRows(self, image_name, texts, range(line - BONE_COUNT + 1, line + 1))

    def _read(self, image_name: str) -> CsvRows:
        index = self._indexed()
        number = index.numbers[image_name]
        rows = slice(BONE_COUNT * number, BONE_COUNT * (number + 1))
        lines = index.lines[rows].tolist()
        texts = []
        with _opened(self.path, 1 << 14) as stream:
            for line, place in zip(lines, index.places[rows], strict=True):
                stream.seek(place)
                row = _read_row(self.path, stream, line)
                if row is None:
                    raise InputError(f"{self.path}:{line}", "", "a file that stays as it is", "another length")
                texts.append(row[2])
        return CsvRows(self, image_name, texts, lines)


class _Index:
    """Where each row of a CSV lies, and the proof that every image has each class once.

    Attributes:
        names: of the images, in order of their first row.
        numbers: name -> place in `names`.
        places: 29 byte offsets an image, in channel order.
        lines: 29 line numbers an image.
    """

    def __init__(self, path: Path) -> None:
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        self.places = array("q")
        self.lines = array("q")
        with _opened(path) as stream:
            line = _read_header(path, stream)
            place = stream.tell()
            while (row := _read_row(path, stream, line + 1)) is not None:
                line += 1
                self._add(path, line, place, row)
                place = stream.tell()
        self._check_complete(path)

    def _add(self, path: Path, line: int, place: int, row: Row) -> None:
        image_name = _checked_name(path, line, row[0])
        class_id = CLASS_IDS.get(row[1])
        if class_id is None:
            raise InputError(f"{path}:{line}", "class", "one of the 29 bone names", row[1].decode("utf-8", "replace"))
        number = self.numbers.setdefault(image_name, len(self.names))
        if number == len(self.names):
            if number >= MOST_IMAGES:
                raise InputError(f"{path}:{line}", "image_name", f"at most {MOST_IMAGES} images", "another one")
            self.names.append(image_name)
            self.places.extend([-1] * BONE_COUNT)
            self.lines.extend([0] * BONE_COUNT)
        cell = BONE_COUNT * number + class_id
        if self.places[cell] >= 0:
            expected = f"one row for {image_name}, {BONES[class_id]}"
            raise InputError(f"{path}:{line}", "class", expected, f"a duplicate of line {self.lines[cell]}")
        self.places[cell], self.lines[cell] = place, line

    def _check_complete(self, path: Path) -> None:
        faults: list[InputError] = []
        for cell in range(0, len(self.places), BONE_COUNT):
            places = self.places[cell : cell + BONE_COUNT]
            if min(places) >= 0:
                continue
            if len(faults) == MOST_FAULTS:
                break
            missing = ", ".join(bone for bone, place in zip(BONES, places, strict=True) if place < 0)
            first = min(line for line in self.lines[cell : cell + BONE_COUNT] if line)
            expected = f"{BONE_COUNT} rows, an empty rle for an absent bone"
            faults.append(
                InputError(f"{path}:{first}", self.names[cell // BONE_COUNT], expected, f"no row for {missing}")
            )
        if faults:
            raise InputErrors(faults)


def _opened(path: Path, buffering: int = 1 << 20) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "", "a regular file (it may be read twice)", "a pipe or device")
        return path.open("rb", buffering=buffering)
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error
    except OSError as error:
        raise InputError(path, "", "a readable file", error.strerror) from error


def _read_header(path: Path, stream: BinaryIO) -> int:
    """Read the first line; returns its number."""
    first = stream.readline(1 << 16)
    header = first.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n").replace(b'"', b"")
    if tuple(header.split(b",")) != tuple(name.encode() for name in HEADER):
        raise InputError(f"{path}:1", "", f"the header {','.join(HEADER)}", _said(header) if first else None)
    return 1


def _said(line: bytes) -> str:
    """A first line that is no header, for people."""
    if line.startswith(ZIP_MAGIC):
        return "a zip file (is it a workbook? save it as CSV)"
    if b"\0" in line:
        return "zero bytes (is it UTF-16, or no text at all?)"
    text = line[:200].decode("utf-8", "replace")
    return "bytes that are no text" if "\ufffd" in text else text


def _read_row(path: Path, stream: BinaryIO, line: int) -> Row | None:
    """The next row's three fields; None at the end of the file."""
    content = stream.readline(LONGEST_LINE)
    if not content:
        return None
    if not content.endswith(b"\n"):
        if len(content) == LONGEST_LINE:
            raise InputError(f"{path}:{line}", "", f"a line of fewer than {LONGEST_LINE} bytes", "a longer one")
        raise InputError(f"{path}:{line}", "", "a line end after the last row", "none (is the file cut?)")
    content = content[:-2] if content.endswith(b"\r\n") else content[:-1]
    # A line of commas alone would make very many fields.
    fields = content.split(b",", len(HEADER))
    if b'"' in content:
        fields = _quoted_fields(path, line, content)
    if len(fields) != len(HEADER):
        got = content.count(b",") + 1 if len(fields) > len(HEADER) else len(fields)
        raise InputError(f"{path}:{line}", "", "3 fields", got)
    return fields[0], fields[1], fields[2]


def _quoted_fields(path: Path, line: int, content: bytes) -> list[bytes]:
    if len(content) > LONGEST_QUOTED_LINE:
        raise InputError(
            f"{path}:{line}", "", f"a line with quotes of at most {LONGEST_QUOTED_LINE} bytes", len(content)
        )
    csv.field_size_limit(LONGEST_LINE)
    try:
        rows = list(csv.reader([content.decode("utf-8")], strict=True))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{line}", f"byte {error.start}", "UTF-8 text") from error
    except csv.Error as error:
        raise InputError(f"{path}:{line}", "", "a well-formed CSV row", str(error)) from error
    return [field.encode() for field in rows[0]] if len(rows) == 1 else []


def _checked_name(path: Path, line: int, name: bytes) -> str:
    if len(name) > LONGEST_NAME:
        raise InputError(f"{path}:{line}", "image_name", f"at most {LONGEST_NAME} bytes", len(name))
    try:
        image_name = name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{line}", "image_name", "UTF-8 text", name.decode("utf-8", "replace")) from error
    return check_image_name(f"{path}:{line}", image_name)
