"""Fuzz target: a whole parquet table of run lengths. Input: the bytes of the file.

A panic inside polars is an escape: it is no Exception and would go past everything that reports an error in one line.
"""

from __future__ import annotations

import io
import os
import random
from functools import cache
from typing import Any, Final

if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polars
from harness import change_bytes, fuzz, instrumented, temporary_file

with instrumented(__name__):
    from yolo_bones.bones import BONE_COUNT, BONES
    from yolo_bones.errors import InputError
    from yolo_bones.rle import ImageSize, RunLengthMasks, masks_to_coco_counts, row_texts_to_masks
    from yolo_bones.rle_table import open_rle_table, write_masks

LONGEST: Final = 8192
MOST_PIXELS: Final = 1 << 20
"""Masks of larger images are not read here: a short text may hold a run a row."""
SCHEMA: Final = {
    "image_name": polars.String(),
    "class": polars.String(),
    "height": polars.UInt32(),
    "width": polars.UInt32(),
    "counts": polars.Binary(),
}
OTHER_KINDS: Final = (polars.Int64, polars.UInt8, polars.Float32, polars.Boolean, polars.String, polars.Binary)
OPTIONS: Final[tuple[dict[str, Any], ...]] = (
    {"compression": "zstd"},
    {"compression": "uncompressed"},
    {"compression": "uncompressed", "statistics": False},
    {"compression": "snappy", "row_group_size": 29},
    {"compression": "zstd", "row_group_size": 40},
    {"compression": "uncompressed", "data_page_size": 64, "statistics": "full"},
    {"compression": "lz4"},
    {"compression": "gzip"},
)
BAD_SIDES: Final = (None, 0, 1, 7, 11, 255, 65_535, 65_536, 8192, 2**31, 2**32 - 1)
BAD_NAMES: Final = (None, "", "a.png", "b.png", "a\0", "a\n", "\u624b.png", "x" * 300)
BAD_COUNTS: Final = (None, b"", b"~", b"P", b"1", b"`o~~~~~~~~~o", b"\xff", b"d0\n", b"oooo")


def rows_of(names: tuple[str, ...], size: ImageSize) -> list[list[Any]]:
    texts = [b"", b"1 %d" % size.pixels, b"2 3 9 4", b"%d 1" % size.pixels]
    masks = row_texts_to_masks([texts[index % len(texts)] for index in range(BONE_COUNT)], size)
    return [
        [name, bone, size.height, size.width, counts]
        for name in names
        for bone, counts in zip(BONES, masks_to_coco_counts(masks), strict=True)
    ]


def written(frame: polars.DataFrame, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, **options)
    return stream.getvalue()


@cache
def seeds() -> tuple[bytes, ...]:
    one = polars.DataFrame(rows_of(("a.png",), ImageSize(7, 11)), schema=SCHEMA, orient="row")
    rows = rows_of(("b.png", "c.png"), ImageSize(5, 4))
    two = polars.concat([one, polars.DataFrame(rows, schema=SCHEMA, orient="row")])
    return (
        *(written(two, options) for options in OPTIONS),
        written(one, OPTIONS[1]),
        written(one.clear(), OPTIONS[0]),
    )


def check_fault(error: InputError, path: object) -> None:
    for said in str(error).split("\n"):
        assert said.startswith(str(path)), said
        assert ": expected " in said, said


def one_input(data: bytes) -> bool:
    """Raises on an escape; returns whether the whole table was accepted."""
    with temporary_file(".parquet", data) as path:
        table = open_rle_table(path)
        found = []
        try:
            names = table.names()
            for rows in table.images():
                found.append(rows)
        except InputError as error:
            check_fault(error, path)
            return False
        assert names == [rows.image_name for rows in found]
        good = []
        for rows in found:
            size = rows.size
            assert size is not None
            if size.pixels > MOST_PIXELS:
                continue
            other = table.find(rows.image_name)
            assert other is not None
            assert (other.place, other.size) == (rows.place, size)
            try:
                masks = rows.masks(size)
            except InputError as error:
                check_fault(error, path)
                continue
            assert len(masks) == BONE_COUNT
            assert masks.size == size
            RunLengthMasks(size, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())
            assert masks.equals(other.masks(size))
            good.append((rows.image_name, masks))
        again = path.with_name("written.parquet")
        assert write_masks(again, good) == len(good)
        for rows, (name, masks) in zip(open_rle_table(again).images(), good, strict=True):
            assert rows.image_name == name
            assert rows.masks(masks.size).equals(masks)
        return len(good) == len(found)


def rebuilt(rng: random.Random) -> bytes:
    """A file that polars wrote, of a table with a few wrong cells, rows or columns."""
    names = tuple(rng.sample(("a.png", "b.png", "c.png"), rng.randint(1, 3)))
    rows = rows_of(names, ImageSize(rng.randint(4, 9), rng.randint(4, 9)))
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        row, kind = rng.randrange(len(rows)), rng.randrange(7)
        if kind == 0:
            rows[row][0] = rng.choice(BAD_NAMES)
        elif kind == 1:
            rows[row][1] = rng.choice((*BONES, None, "", "finger-99"))
        elif kind == 2:
            rows[row][rng.choice((2, 3))] = rng.choice(BAD_SIDES)
        elif kind == 3:
            rows[row][4] = rng.choice((*BAD_COUNTS, change_bytes(rows[row][4] or b"", rng)))
        elif kind == 4:
            first = row - row % BONE_COUNT
            side, length = rng.choice((2, 3)), rng.choice(BAD_SIDES)
            for cells in rows[first : first + BONE_COUNT]:
                cells[side] = length
        elif kind == 5 and len(rows) > 1:
            del rows[row]
        else:
            rows.insert(row, list(rng.choice(rows)))
    frame = polars.DataFrame(rows, schema=SCHEMA, orient="row")
    if rng.random() < 0.1:
        column = rng.choice(frame.columns)
        kind = rng.randrange(4)
        if kind == 0:
            frame = frame.drop(column)
        elif kind == 1:
            frame = frame.with_columns(polars.lit(None, dtype=rng.choice(OTHER_KINDS)).alias(column))
        elif kind == 2:
            frame = frame.select(rng.sample(frame.columns, len(frame.columns)))
        else:
            frame = frame.with_columns(polars.concat_list(polars.col(column)).alias(column))
    return written(frame, rng.choice(OPTIONS))


def changed(data: bytes, rng: random.Random) -> bytes:
    """A similar file: mostly single bytes of its footer or its pages."""
    kind = rng.randrange(10)
    if kind == 0:
        return rebuilt(rng)
    if kind == 1:
        return change_bytes(data, rng)
    found = bytearray(data)
    footer = int.from_bytes(found[-8:-4], "little") + 8 if len(found) > 8 else 0
    first = max(len(found) - footer, 0) if kind < 7 else 0
    for _ in range(rng.choice((1, 1, 2, 3))):
        if first >= len(found):
            break
        place = rng.randrange(first, len(found))
        found[place] = rng.choice(
            (
                found[place] ^ (1 << rng.randrange(8)),
                rng.randrange(256),
                (found[place] + rng.choice((1, 2, 254, 255))) % 256,
                rng.choice((0, 0x7F, 0x80, 0xFF)),
            )
        )
    if kind in (5, 6) and footer <= len(found):
        # The footer moves: its length is put right.
        body, tail = bytes(found[:first]), change_bytes(bytes(found[first:-8]), rng)
        return body + tail + len(tail).to_bytes(4, "little") + b"PAR1"
    return bytes(found)


if __name__ == "__main__":
    fuzz("parquet", one_input, seeds(), changed, LONGEST)
