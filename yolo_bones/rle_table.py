"""The CSV of run lengths: `image_name,class,rle`, 29 rows an image, keyed by (image, class) and never by position."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.files import replacing
from yolo_bones.rle import ImageSize, RunLengthMasks, row_text_to_runs, stack_runs

HEADER: Final = ("image_name", "class", "rle")


@dataclass(frozen=True, slots=True)
class RleTable:
    """A whole CSV of run lengths, checked row by row.

    Attributes:
        path: where it came from, for messages.
        texts: image name -> 29 texts in channel order (row-major, 1-based).
        lines: image name -> line number of each of those rows.
        counters: what was mended: `nan_rle`, rows where a spreadsheet or pandas wrote `nan` for an empty RLE.
    """

    path: Path
    texts: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, tuple[int, ...]]
    counters: Mapping[str, int]

    def masks(self, image_name: str, size: ImageSize) -> RunLengthMasks:
        """The 29 channels of one image.

        Raises:
            InputErrors: texts that are no valid RLE for this size; names each line.
        """
        runs = []
        faults: list[InputError] = []
        for bone, text, line in zip(BONES, self.texts[image_name], self.lines[image_name], strict=True):
            try:
                runs.append(row_text_to_runs(text, size))
            except ValueError as error:
                expected, _, got = str(error).partition(", got ")
                place = f"rle of {image_name}, {bone}"
                faults.append(InputError(f"{self.path}:{line}", place, expected, got or None))
        if faults:
            raise InputErrors(faults)
        return stack_runs(size, runs)


def read_rle_table(path: Path) -> RleTable:
    """Read a submission CSV strictly, in any row order.

    Raises:
        InputError: header, row shape, unknown class, doubled or missing row; names file, line and field.
    """
    texts: dict[str, list[str | None]] = {}
    lines: dict[str, list[int]] = {}
    nan_rows = 0
    for line, (image_name, bone, rle) in _rows(path):
        if not image_name or any(ord(character) < 32 for character in image_name):
            raise InputError(f"{path}:{line}", "image_name", "the base name of an image", image_name)
        if bone not in CLASS_IDS:
            raise InputError(f"{path}:{line}", "class", "one of the 29 bone names", bone)
        channels = texts.setdefault(image_name, [None] * BONE_COUNT)
        places = lines.setdefault(image_name, [0] * BONE_COUNT)
        class_id = CLASS_IDS[bone]
        if channels[class_id] is not None:
            expected = f"one row for {image_name}, {bone}"
            raise InputError(f"{path}:{line}", "class", expected, f"a duplicate of line {places[class_id]}")
        if rle == "nan":
            rle, nan_rows = "", nan_rows + 1
        channels[class_id], places[class_id] = rle, line
    complete: dict[str, tuple[str, ...]] = {}
    for image_name, channels in texts.items():
        missing = [bone for bone, text in zip(BONES, channels, strict=True) if text is None]
        if missing:
            expected = f"{BONE_COUNT} rows, an empty rle for an absent bone"
            place = f"{path}:{next(filter(None, lines[image_name]))}"
            raise InputError(place, image_name, expected, f"no row for {', '.join(missing)}")
        complete[image_name] = tuple(text for text in channels if text is not None)
    counters = {"nan_rle": nan_rows} if nan_rows else {}
    return RleTable(path, complete, {name: tuple(places) for name, places in lines.items()}, counters)


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Numbered rows of three plain ASCII-digit-safe fields, after the header."""
    csv.field_size_limit(1 << 27)
    line = 0
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, None)
            line = reader.line_num
            if header is None or tuple(header) != HEADER:
                raise InputError(f"{path}:1", "", f"the header {','.join(HEADER)}", header and ",".join(header))
            for row in reader:
                line = reader.line_num
                if len(row) != len(HEADER):
                    raise InputError(f"{path}:{reader.line_num}", "", "3 fields", len(row))
                yield reader.line_num, (row[0], row[1], row[2])
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error
    except IsADirectoryError as error:
        raise InputError(path, "", "a CSV file", "a folder") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "UTF-8 text") from error
    except csv.Error as error:
        raise InputError(f"{path}:{line + 1}", "", "a well-formed CSV row", str(error)) from error


def write_rle_table(path: Path, images: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Write `image_name,class,rle` with 29 rows an image, in the order given; the old file stays until all is there.

    Args:
        path: final name.
        images: (image name, 29 row texts in channel order).
    """
    with replacing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        for image_name, texts in images:
            for bone, text in zip(BONES, texts, strict=True):
                writer.writerow((image_name, bone, text))
