"""Fuzz target: a whole CSV of run lengths, masks of 7 x 11 pixels. Input: the bytes of the file."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Final

from harness import change_bytes, fuzz, instrumented, temporary_file

with instrumented(__name__):
    from yolo_bones.bones import BONES
    from yolo_bones.errors import InputError
    from yolo_bones.rle import ImageSize, RunLengthMasks
    from yolo_bones.rle_table import open_rle_table, write_masks

SIZE: Final = ImageSize(7, 11)
HEADER: Final = b"image_name,class,rle\n"
TEXTS: Final = (b"", b"1 77", b"1 5 13 7 40 38", b"nan", b"5 1 6 1 77 1", b"12 11", b"0000007 00000003")
BAD_TEXTS: Final = (
    b"1 78",
    b"0 1",
    b"5 0",
    b"1 2 3",
    b"9 2 1 2",
    b"1 5 3 5",
    b" 1 1",
    b"1  1",
    b"NaN",
    b"1.0 2",
    b"\xff",
)
NAMES: Final = (b"a.png", b"b.png", b"c d.jpg", "\u624b.png".encode(), b"nan", b"0")
BAD_NAMES: Final = (
    b"",
    b"a\x00",
    b"\xff.png",
    b"a\rb",
    b"a\x1b[m",
    b'a"b',
    b'"a,b"',
    b'"a""b"',
    b'"a',
    b"\xef\xbb\xbfa.png",
)
LONGEST: Final = 8192
MOST_ROWS: Final = 100


def table_of(names: tuple[bytes, ...], first: int = 0) -> bytes:
    rows = [
        b"%b,%b,%b\n" % (name, bone.encode(), TEXTS[(first + number + index) % len(TEXTS)])
        for number, name in enumerate(names)
        for index, bone in enumerate(BONES)
    ]
    return HEADER + b"".join(rows)


@cache
def seeds() -> tuple[bytes, ...]:
    two = table_of(NAMES[:2])
    header, *rows = two.splitlines(keepends=True)
    return (
        HEADER,
        table_of(NAMES[2:3]),
        two,
        table_of(NAMES[3:6], 3),
        header + b"".join(rows[::-1]),
        header + b"".join(rows[::2] + rows[1::2]),
        b"\xef\xbb\xbf" + two.replace(b"\n", b"\r\n"),
        b"".join(b'"' + line.replace(b",", b'","') + b'"\n' for line in two.splitlines()),
        table_of((b'"a,b"', b'"say ""hand"""')),
    )


def masks_or_fault(path: Path, rows: object) -> RunLengthMasks | str:
    """Masks that pass the batch's own checks, or what the reader says is wrong."""
    try:
        masks = rows.masks(SIZE)  # type: ignore[attr-defined]
    except InputError as error:
        check_fault(error, path)
        return str(error)
    assert len(masks) == len(BONES)
    assert masks.size == SIZE
    RunLengthMasks(SIZE, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())
    return masks


def check_fault(error: InputError, path: Path) -> None:
    """Every line of the message names the file and says what is expected."""
    # Lines of a message end with a line feed; names may hold other line ends.
    for said in str(error).split("\n"):
        assert said.startswith(str(path)), said
        assert ": expected " in said, said


def same(found: RunLengthMasks | str, other: RunLengthMasks | str) -> bool:
    if isinstance(found, str) or isinstance(other, str):
        return isinstance(found, str) and isinstance(other, str) and found == other
    return found.equals(other)


def one_input(data: bytes) -> bool:
    """Raises on an escape; returns whether the whole table was accepted."""
    with temporary_file(".csv", data) as path:
        streamed = open_rle_table(path)
        found = []
        whole = True
        try:
            for rows in streamed.images():
                found.append((rows.image_name, rows.place, masks_or_fault(path, rows)))
        except InputError as error:
            check_fault(error, path)
            whole = False
        indexed = open_rle_table(path)
        try:
            names = indexed.names()
            indexable = True
        except InputError as error:
            check_fault(error, path)
            indexable = False
        assert indexable == whole
        if not whole:
            return False
        assert names == [name for name, _, _ in found]
        # Once more through the index, in another order.
        for name, place, masks in reversed(found):
            rows = indexed.find(name)
            assert rows is not None
            assert (rows.image_name, rows.place) == (name, place)
            assert same(masks_or_fault(path, rows), masks)
        assert indexed.find("no such image") is None or "no such image" in names
        assert [rows.image_name for rows in indexed.images()] == names
        assert streamed.names() == names
        good = [(name, masks) for name, _, masks in found if not isinstance(masks, str)]
        written = path.with_name("written.csv")
        assert write_masks(written, good) == len(good)
        again = [(rows.image_name, rows.masks(SIZE)) for rows in open_rle_table(written).images()]
        assert [name for name, _ in again] == [name for name, _ in good]
        assert all(masks.equals(other) for (_, masks), (_, other) in zip(again, good, strict=True))
        return len(good) == len(found)


def changed(data: bytes, rng: random.Random) -> bytes:
    """A similar file: a row, a field, the order of rows, line ends, or single bytes differ."""
    lines = data.split(b"\n")[:MOST_ROWS]
    which = rng.randrange(len(lines))
    fields = lines[which].split(b",")
    kind = rng.randrange(14)
    if kind == 0:
        return change_bytes(data, rng)
    if kind == 1:
        return table_of(tuple(rng.sample(NAMES + BAD_NAMES, rng.randint(0, 3))), rng.randrange(len(TEXTS)))
    if kind == 2:
        rows = lines[1:-1]
        rng.shuffle(rows)
        lines[1:-1] = rows
    elif kind == 3:
        other = rng.randrange(len(lines))
        lines[which], lines[other] = lines[other], lines[which]
    elif kind == 4:
        fields[-1] = rng.choice(TEXTS + BAD_TEXTS)
    elif kind == 5:
        old, new = fields[0], rng.choice(NAMES + BAD_NAMES)
        if old:
            lines = [line.replace(old + b",", new + b",", 1) if line.startswith(old) else line for line in lines]
            fields = lines[which].split(b",")
    elif kind == 6:
        fields[0] = rng.choice(NAMES + BAD_NAMES)
    elif kind == 7 and len(fields) > 1:
        fields[1] = rng.choice(BONES).encode()
    elif kind == 8:
        fields = [b'"' + field + b'"' if rng.random() < 0.5 else field for field in fields]
    elif kind == 9:
        del lines[which]
        return b"\n".join(lines)
    elif kind == 10:
        lines.insert(which, rng.choice(lines))
        return b"\n".join(lines)
    elif kind == 11:
        return rng.choice(
            (data.replace(b"\n", b"\r\n"), data.replace(b"\r\n", b"\n"), b"\xef\xbb\xbf" + data, data[:-1])
        )
    elif kind == 12:
        fields[-1] = change_bytes(fields[-1], rng)
    else:
        rows = lines[1:-1]
        return b"\n".join([lines[0], *rows, *(row.replace(b".", b"2.", 1) for row in rows), b""])
    if kind not in (2, 3):
        lines[which] = b",".join(fields)
    return b"\n".join(lines)


if __name__ == "__main__":
    fuzz("csv", one_input, seeds(), changed, LONGEST)
