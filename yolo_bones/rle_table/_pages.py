"""A parquet file's page headers, looked at before polars reads them.

polars 2.1 believes a page's number of values: a negative one makes it ask for 2^61 bytes, and the process aborts.
Both footer and page headers are structs of Thrift's compact protocol; only what leads to the pages is looked at.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import InputError

TAIL: Final = 8
"""Bytes after the footer: its length and `PAR1`."""
MOST_UNPACKED: Final = 1 << 24
MOST_TIMES: Final = 50
"""A column that unpacks to more bytes than this, and to more than so many times its own, is made to take memory."""
MOST_NESTED: Final = 16
LONGEST_VARINT: Final = 10
BYTE, INT16, INT32, INT64, DOUBLE, BINARY, LIST, SET = range(3, 11)
STRUCT: Final = 12


class _Damaged(Exception):
    pass


def check_pages(path: Path) -> None:
    """Refuse a file in which a page claims more values than its row group has rows, or fewer than none.

    Raises:
        InputError: such a page, or headers that are not as Thrift writes them.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            length = int.from_bytes(data[-TAIL:-4], "little")
            footer = _Reader(data, max(len(data) - TAIL - length, 0)).struct()
            for group in _of(footer, 4, list):
                for column in _of(group, 1, list):
                    _check_column(data, _of(column, 3, dict), _of(group, 3, int))
        except _Damaged as error:
            raise InputError(path, "", "a parquet file", "a damaged one") from error


def _check_column(data: mmap.mmap, column: dict[int, Any], rows: int) -> None:
    place = _of(column, 9, int)
    if 11 in column:
        dictionary = _of(column, 11, int)
        place = dictionary if 0 < dictionary < place else place
    end = place + _of(column, 7, int)
    if not 0 <= place <= end <= len(data):
        raise _Damaged
    first, unpacked = place, 0
    while place < end:
        reader = _Reader(data, place)
        header = reader.struct()
        for kind in (5, 7, 8):  # data page, dictionary page, data page of version 2
            if kind in header:
                values = _of(_of(header, kind, dict), 1, int)
                if values < 0 or (kind != 7 and values > rows):
                    raise _Damaged
        size = _of(header, 3, int)
        if size < 0:
            raise _Damaged
        place = reader.place + size
        unpacked += _of(header, 2, int)
        if unpacked > MOST_UNPACKED and unpacked > MOST_TIMES * (place - first):
            raise _Damaged


def _of(struct: Any, field: int, kind: type) -> Any:
    value = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(value, kind):
        raise _Damaged
    return value


class _Reader:
    """Values of Thrift's compact protocol from a place on."""

    def __init__(self, data: mmap.mmap, place: int) -> None:
        self.data = data
        self.place = place

    def struct(self, nested: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            found[field] = kind == 1 if kind in (1, 2) else self._value(kind, nested + 1)
        return found

    def _value(self, kind: int, nested: int) -> Any:
        if nested > MOST_NESTED:
            raise _Damaged
        if kind in (1, 2, BYTE):
            return self._byte()
        if kind in (INT16, INT32, INT64):
            number = self._number()
            if kind != INT64 and not -(2**31) <= number < 2**31:
                raise _Damaged
            return number
        if kind in (DOUBLE, BINARY):
            length = 8 if kind == DOUBLE else self._varint()
            self.place += length
            return None
        if kind in (LIST, SET):
            head = self._byte()
            count = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, nested + 1) for _ in range(count)]
        if kind == STRUCT:
            return self.struct(nested)
        raise _Damaged  # parquet has no maps

    def _byte(self) -> int:
        if self.place >= len(self.data):
            raise _Damaged
        self.place += 1
        return self.data[self.place - 1]

    def _varint(self) -> int:
        number = 0
        for index in range(LONGEST_VARINT):
            byte = self._byte()
            number |= (byte & 127) << (7 * index)
            if byte < 128:
                return number
        raise _Damaged

    def _number(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
