"""The rows of a submission against the images it is for: all that is wrong, not only the first.

`rle_table` reads a table strictly and stops at the first fault of its structure; this looks at each row by itself.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.errors import MOST_FAULTS, InputError, InputErrors
from yolo_bones.rle import ImageSize, RowTextError, longest_row_text, row_texts_to_masks
from yolo_bones.rle_table import HEADER, SUFFIX, open_rle_table

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LONGEST_LINE: Final = 1 << 29
LONGEST_NAMES: Final = 1 << 16
"""Bytes of a line beside its runs."""
FEWEST_ENDS: Final = 4
"""Numbers of a row, to tell that all of them are places."""


@dataclass(slots=True)
class RowAudit:
    """What is wrong with the rows of one file.

    Attributes:
        faults: each of them forbids to score the file.
        out_of_order: (place, expected row, row there) of the first row that is not where it should be.
    """

    faults: list[InputError] = field(default_factory=list)
    out_of_order: tuple[str, str, str] | None = None


def audit_rows(path: Path, sizes: Mapping[str, ImageSize]) -> RowAudit:
    """Check a CSV, or a parquet table, row by row.

    Args:
        path: of the table.
        sizes: image name -> size, of all images that must be there, in canonical order.

    Raises:
        InputError: not a file of rows at all, or a parquet table whose rows are not 29 an image in channel order.
    """
    if path.suffix.lower() == SUFFIX:
        return _audit_parquet(path, sizes)
    audit = RowAudit()
    canonical = ((name, bone) for name in sizes for bone in BONES)
    lines: dict[tuple[str, str], int] = {}
    strangers: set[str] = set()
    longest = max(map(longest_row_text, sizes.values()), default=0) + LONGEST_NAMES
    for line, content in _lines(path, min(longest, LONGEST_LINE)):
        if len(audit.faults) >= MOST_FAULTS:
            return audit
        row = _fields(path, line, content, audit)
        if row is None:
            continue
        name, bone, text = row
        place = f"{path}:{line}"
        wanted = next(canonical, None)
        if audit.out_of_order is None and (name, bone) != wanted:
            audit.out_of_order = (place, ", ".join(wanted or ("the file's end",)), f"{name}, {bone}")
        if name not in sizes and name not in strangers:
            audit.faults.append(_stranger(place, name, sizes))
            strangers.add(name)
        if bone not in CLASS_IDS:
            audit.faults.append(_no_bone(place, bone))
        elif name in sizes:
            before = lines.setdefault((name, bone), line)
            if before != line:
                duplicate = f"a duplicate of line {before}"
                audit.faults.append(InputError(place, "class", f"one row for {name}, {bone}", duplicate))
            _check_text(place, f"rle of {name}, {bone}", text, sizes[name], audit)
    audit.faults.extend(_missing(path, sizes, lines.keys()))
    return audit


def _lines(path: Path, longest: int) -> Iterator[tuple[int, bytes]]:
    """Numbered rows below the header."""
    if path.is_dir() or not path.exists():
        raise InputError(path, "", "a CSV file", "a folder" if path.is_dir() else "nothing there")
    if not path.is_file():
        raise InputError(path, "", "a regular file (it is read twice)", "a pipe or device")
    with path.open("rb") as stream:
        header = stream.readline(1 << 16)
        bare = header.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n").replace(b'"', b"")
        if bare != ",".join(HEADER).encode():
            got = header[:200].decode("utf-8", "replace") if header else "an empty file"
            raise InputError(f"{path}:1", "", f"the header {','.join(HEADER)}", got)
        line = 1
        while content := stream.readline(longest):
            line += 1
            if len(content) == longest and not content.endswith(b"\n"):
                raise InputError(f"{path}:{line}", "", f"a line of fewer than {longest} bytes", "a longer one")
            yield line, content


def _fields(path: Path, line: int, content: bytes, audit: RowAudit) -> tuple[str, str, bytes] | None:
    place = f"{path}:{line}"
    if not content.endswith(b"\n"):
        audit.faults.append(InputError(place, "", "a line end after the last row", "none (is the file cut?)"))
    fields = content.rstrip(b"\r\n").split(b",")
    try:
        if b'"' in content:
            csv.field_size_limit(LONGEST_LINE)
            fields = [cell.encode() for cell in next(csv.reader([content.decode("utf-8")], strict=True))]
        if len(fields) != len(HEADER):
            audit.faults.append(InputError(place, "", f"{len(HEADER)} fields", len(fields)))
            return None
        return fields[0].decode("utf-8"), fields[1].decode("utf-8"), fields[2]
    except UnicodeDecodeError as error:
        audit.faults.append(InputError(place, f"byte {error.start}", "UTF-8 text"))
    except csv.Error as error:
        audit.faults.append(InputError(place, "", "a well-formed CSV row", str(error)))
    return None


def _check_text(place: str, what: str, text: bytes, size: ImageSize, audit: RowAudit) -> None:
    # Pandas writes `nan` for an empty RLE; every reader here takes it as that.
    if text in (b"", b"nan"):
        return
    try:
        row_texts_to_masks([text], size)
    except RowTextError as error:
        _, expected, got = error.faults[0]
        hint = "; the numbers ascend throughout: are they `start end`, not `start length`?" if _are_ends(text) else ""
        audit.faults.append(InputError(place, what, f"{expected}{hint}", got))


def _are_ends(text: bytes) -> bool:
    """Whether a row's numbers look like starts and ends in turn: all of them ascend."""
    words = text.split(b" ")
    if len(words) < FEWEST_ENDS or len(words) % 2 or not all(word.isdigit() and len(word) < 16 for word in words):
        return False
    numbers = [int(word) for word in words]
    return all(a <= b for a, b in pairwise(numbers))


def _stranger(place: str, name: str, sizes: Mapping[str, ImageSize]) -> InputError:
    """A hint is given where only the folder or the suffix is wrong."""
    base = name.replace("\\", "/").rpartition("/")[2]
    stems = {known.rpartition(".")[0]: known for known in sizes}
    near = base if base in sizes else stems.get(base) or stems.get(base.rpartition(".")[0])
    hint = f" ({near}?)" if near else ""
    return InputError(place, "image_name", f"the name of one of the images{hint}", name)


def _no_bone(place: str, bone: str) -> InputError:
    near = next((known for known in BONES if known.lower() == bone.strip().lower()), None)
    hint = f" ({near}?)" if near else ""
    return InputError(place, "class", f"one of the 29 bone names{hint}", bone)


def _missing(path: Path, sizes: Mapping[str, ImageSize], there: Container[tuple[str, str]]) -> Iterator[InputError]:
    for name in sizes:
        absent = [bone for bone in BONES if (name, bone) not in there]
        if absent:
            got = "none" if len(absent) == BONE_COUNT else f"no row for {', '.join(absent)}"
            yield InputError(path, name, f"{BONE_COUNT} rows, an empty rle for an absent bone", got)


def _audit_parquet(path: Path, sizes: Mapping[str, ImageSize]) -> RowAudit:
    """Such a table has 29 rows an image in channel order, or is not read at all."""
    table, audit, there = open_rle_table(path), RowAudit(), set[tuple[str, str]]()
    names = iter(sizes)
    for rows in table.images():
        name = rows.image_name
        wanted = next(names, "the file's end")
        if audit.out_of_order is None and wanted != name:
            audit.out_of_order = (rows.place, wanted, name)
        if name not in sizes:
            audit.faults.append(_stranger(rows.place, name, sizes))
            continue
        there.update((name, bone) for bone in BONES)
        try:
            rows.masks(sizes[name])
        except InputErrors as error:
            audit.faults.extend(error.faults)
        except InputError as error:
            audit.faults.append(error)
    audit.faults.extend(_missing(path, sizes, there))
    return audit
