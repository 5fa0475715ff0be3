"""The compact table: parquet with zstd, COCO's compressed counts, and each image's size.

Columns: `image_name` (string), `class` (string), `height`, `width` (uint32), `counts` (binary); 29 rows an image in
channel order. polars reads and writes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.rle import ImageSize, RunLengthMasks, coco_counts_to_masks
from yolo_bones.rle_table._pages import check_pages
from yolo_bones.rle_table._rows import LONGEST_NAME, ImageRows, RleTable, check_image_name

SUFFIX: Final = ".parquet"
COLUMNS: Final = ("image_name", "class", "height", "width", "counts")
IMAGES_AT_ONCE: Final = 64
MOST_PIXELS: Final = 1 << 26
MOST_COUNTS: Final = 1 << 26
"""Bytes of one image; those of real masks are a hundred thousand."""
MOST_IMAGES: Final = 300_000
SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)")
MACHINE_ERRORS: Final = (errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.EIO)
LONGEST_SIDE: Final = 1 << 16
"""Counts of a few bytes take time and memory that grow with the sides, and the file says how long they are."""


class ParquetRows(ImageRows):
    """29 COCO counts and the image's size."""

    def __init__(self, path: Path, number: int, rows: list[tuple[Any, ...]]) -> None:
        self.path = path
        self.first_row = BONE_COUNT * number + 1
        self.image_name = rows[0][0]
        self.size = ImageSize(rows[0][2], rows[0][3])
        self.counts = [row[4] for row in rows]

    @property
    def place(self) -> str:  # type: ignore[override]
        """File and number of the first row, counted from 1."""
        return f"{self.path}:row {self.first_row}"

    def masks(self, size: ImageSize) -> RunLengthMasks:
        """See `ImageRows`."""
        if size != self.size:
            raise InputError(self.place, f"size of {self.image_name}", str(size), str(self.size))
        try:
            return coco_counts_to_masks(self.counts, size)
        except ValueError:
            raise InputErrors(list(self._faults(size))) from None

    def _faults(self, size: ImageSize) -> Iterator[InputError]:
        for index, counts in enumerate(self.counts):
            try:
                coco_counts_to_masks([counts], size)
            except ValueError as error:
                expected, _, got = str(error).partition("expected ")[2].partition(", got ")
                place = f"{self.path}:row {self.first_row + index}"
                yield InputError(place, f"counts of {self.image_name}, {BONES[index]}", expected, got)


class ParquetTable(RleTable):
    """A parquet file of run lengths."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._numbers: dict[str, int] | None = None
        self._pages_checked = False

    def images(self) -> Iterator[ImageRows]:
        """See `RleTable`."""
        self._numbered()
        table, rows = self._scanned()
        for first in range(0, rows, BONE_COUNT * IMAGES_AT_ONCE):
            found = self._collected(table.slice(first, BONE_COUNT * IMAGES_AT_ONCE))
            for offset in range(0, found.height, BONE_COUNT):
                yield self._checked((first + offset) // BONE_COUNT, found[offset : offset + BONE_COUNT])

    def names(self) -> list[str]:
        """See `RleTable`."""
        return list(self._numbered())

    def find(self, image_name: str) -> ImageRows | None:
        """See `RleTable`."""
        number = self._numbered().get(image_name)
        if number is None:
            return None
        table, _ = self._scanned()
        return self._checked(number, self._collected(table.slice(BONE_COUNT * number, BONE_COUNT)))

    def _scanned(self) -> tuple[Any, int]:
        import polars

        expected = {
            "image_name": polars.String,
            "class": polars.String,
            "height": polars.UInt32,
            "width": polars.UInt32,
            "counts": polars.Binary,
        }
        with _file_errors(self.path):
            if not self.path.exists():
                raise InputError(self.path, "", "an existing file")
            if self.path.is_dir():
                raise InputError(self.path, "", "a parquet file", "a folder")
            table = polars.scan_parquet(self.path, glob=False, missing_columns="raise", extra_columns="raise")
            schema = dict(table.collect_schema())
            if schema != expected:
                wanted = ", ".join(f"{name} {kind}" for name, kind in expected.items())
                got = ", ".join(f"{name} {kind}" for name, kind in schema.items())
                raise InputError(self.path, "columns", wanted, got)
            if not self._pages_checked:
                check_pages(self.path)
                self._pages_checked = True
            # Columns may come in any order.
            table = table.select(COLUMNS)
            rows = int(table.select(polars.len()).collect().item())
        if rows > BONE_COUNT * MOST_IMAGES:
            raise InputError(self.path, "rows", f"at most {MOST_IMAGES} images", f"{rows} rows")
        if rows % BONE_COUNT:
            raise InputError(self.path, "rows", f"{BONE_COUNT} rows an image", f"{rows} rows")
        return table, rows

    def _collected(self, table: Any) -> Any:
        with _file_errors(self.path):
            return table.collect()

    def _check_lengths(self, table: Any) -> None:
        """Names that are no longer than any is: a few bytes of the file may stand for very long ones."""
        import polars

        longest = self._collected(table.select(polars.col("image_name").str.len_bytes().max())).item() or 0
        if longest > LONGEST_NAME:
            raise InputError(self.path, "image_name", f"at most {LONGEST_NAME} bytes", longest)

    def _numbered(self) -> dict[str, int]:
        """Image name -> its number, in order; the column of names alone is read."""
        if self._numbers is None:
            table, _ = self._scanned()
            self._check_lengths(table)
            names = [row[0] for row in self._collected(table.select("image_name").gather_every(BONE_COUNT)).rows()]
            numbers: dict[str, int] = {}
            for number, name in enumerate(names):
                place = f"{self.path}:row {BONE_COUNT * number + 1}"
                check_image_name(place, name or "")
                if numbers.setdefault(name, number) != number:
                    expected = f"{BONE_COUNT} rows for {name}"
                    raise InputError(
                        place, "image_name", expected, f"a duplicate of row {BONE_COUNT * numbers[name] + 1}"
                    )
            self._numbers = numbers
        return self._numbers

    def _checked(self, number: int, frame: Any) -> ParquetRows:
        """29 rows of one image in channel order, of one size."""
        held = frame["counts"].bin.size().sum()
        if held > MOST_COUNTS:
            place = f"{self.path}:row {BONE_COUNT * number + 1}"
            raise InputError(place, "counts", f"at most {MOST_COUNTS} bytes an image", held)
        rows = frame.rows()
        for index, (row, bone) in enumerate(zip(rows, BONES, strict=True)):
            place = f"{self.path}:row {BONE_COUNT * number + index + 1}"
            if row[0] != rows[0][0] or row[1] != bone:
                expected = f"{rows[0][0]}, {bone}: {BONE_COUNT} rows an image in channel order"
                raise InputError(place, "class", expected, f"{row[0]}, {row[1]}")
            if row[4] is None or row[2:4] != rows[0][2:4]:
                raise InputError(place, "height, width, counts", "one size an image and no empty cell", row[2:4])
        height, width = rows[0][2:4]
        sides = [side for side in (height, width) if side is not None and 1 <= side <= LONGEST_SIDE]
        if len(sides) < 2 or height * width > MOST_PIXELS:
            place = f"{self.path}:row {BONE_COUNT * number + 1}"
            expected = f"at most {MOST_PIXELS} pixels and {LONGEST_SIDE} a side"
            raise InputError(place, "height, width", expected, (height, width))
        return ParquetRows(self.path, number, rows)


def raise_system_error(error: BaseException) -> None:
    """Where polars passes on that the system has no memory or takes no more bytes, raise that."""
    said = SYSTEM_ERROR.search(str(error))
    if said is not None and int(said[1]) in MACHINE_ERRORS:
        raise OSError(int(said[1]), os.strerror(int(said[1]))) from error


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Make an `InputError` of what polars says of a damaged file; some damage makes it panic, which is no Exception."""
    from polars.exceptions import PanicException, PolarsError

    try:
        yield
    except (PolarsError, OSError) as error:
        raise_system_error(error)
        raise InputError(path, "", "a parquet file", str(error).partition("\n")[0]) from error
    except PanicException as error:
        raise InputError(path, "", "a parquet file", "a damaged one") from error
