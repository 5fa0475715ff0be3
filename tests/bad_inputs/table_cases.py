"""Tables of run lengths through `evaluate_rle`, and through whoever else reads them."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars

from tests.bad_inputs.case import Case, Command
from tests.bad_inputs.good import grey_image, png
from yolo_bones.bones import BONES

Size = tuple[int, int]
Row = tuple[str, str, str]
HEADER = "image_name,class,rle\n"


def good_rows(size: Size) -> list[Row]:
    """58 rows of two images; each bone's mask is a few pixels."""
    masks = [f"{20 * place + 1} 5 {size[1] + 20 * place + 1} 7" for place in range(29)]
    return [(f"image{k}.png", bone, masks[place]) for k in range(2) for place, bone in enumerate(BONES)]


def text_of(rows: list[Row]) -> str:
    return HEADER + "".join(",".join(row) + "\n" for row in rows)


def write_images(folder: Path, size: Size) -> None:
    (folder / "images" / "ID1").mkdir(parents=True)
    for number in range(2):
        (folder / "images" / "ID1" / f"image{number}.png").write_bytes(png(grey_image(*size, seed=number)))


def _whole(name: str, expect: str, content: Callable[[str, Size], Any], *must: str, **more: Any) -> Case:
    """A case about a whole file; `content` is made of the text of a good one, or writes the file itself."""
    file = more.pop("file", "pred.csv")

    def make(folder: Path, size: Size) -> None:
        good = text_of(good_rows(size))
        (folder / "good.csv").write_text(good)
        write_images(folder, size)
        made = content(good, size)
        if isinstance(made, (bytes, str)):
            (folder / file).write_bytes(made if isinstance(made, bytes) else made.encode())
        elif made is not None:
            made(folder / file)

    return Case(name, "csv", expect, make, must or (file,), **more)


def _rows(name: str, expect: str, change: Callable[[list[Row], Size], Any], *must: str, **more: Any) -> Case:
    def content(_: str, size: Size) -> str:
        rows = good_rows(size)
        return text_of(change(rows, size) or rows)

    return _whole(name, expect, content, *must, **more)


def _rle(name: str, expect: str, rle: Callable[[Size], str] | str, **more: Any) -> Case:
    """A case about the text of one mask, in line 5."""

    def change(rows: list[Row], size: Size) -> None:
        rows[3] = (*rows[3][:2], rle if isinstance(rle, str) else rle(size))

    must = ("pred.csv:5",) if expect == "error" else ()
    return _rows(name, expect, change, *must, **more)


def _named(name: str, image: str, expect: str, *must: str) -> Case:
    return _rows(name, expect, lambda rows, _: [(row[0].replace("image0.png", image), *row[1:]) for row in rows], *must)


def _parquet(change: Callable[[polars.DataFrame], polars.DataFrame]) -> Callable[[str, Size], Any]:
    """Bytes of a parquet table as the project writes it, changed."""

    def content(_: str, size: Size) -> Any:
        def write(path: Path) -> None:
            from yolo_bones.convert_table import main

            assert main([str(path.with_name("good.csv")), str(path), "--size", f"{size[0]}x{size[1]}", "--quiet"]) == 0
            stream = io.BytesIO()
            change(polars.read_parquet(path)).write_parquet(stream)
            path.write_bytes(stream.getvalue())

        return write

    return content


def _cut_parquet(_: str, size: Size) -> Any:
    def write(path: Path) -> None:
        _parquet(lambda table: table)("", size)(path)
        path.write_bytes(path.read_bytes()[:-40])

    return write


def with_pred(module: str, *options: str) -> Command:
    """A command with IN and OUT in its options, and SIZE."""

    def command(folder: Path, out: Path, size: Size) -> list[str]:
        told = {"IN": str(folder), "OUT": str(out), "SIZE": f"{size[0]}x{size[1]}"}
        filled = []
        for option in options:
            for word, value in told.items():
                option = option.replace(word, value)
            filled.append(option)
        return [module, *filled]

    return command


AUDIT = with_pred("yolo_bones.audit_rle", "IN/pred.csv", "--size", "SIZE", "--json", "OUT/a.json", "--quiet")
VOTE = with_pred(
    "yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--size", "SIZE", "--out", "OUT/v.csv", "--quiet"
)
CHECK = with_pred("yolo_bones.check_rle", "IN/pred.csv", "--images", "IN/images", "--json", "OUT/c.json", "--quiet")
DRAW = with_pred("yolo_bones.draw_rle", "IN/pred.csv", "--images", "IN/images", "--out", "OUT/d", "--quiet")
CONVERT = with_pred("yolo_bones.convert_table", "IN/pred.csv", "OUT/t.parquet", "--size", "SIZE", "--quiet")
DRAW_INTO = with_pred(
    "yolo_bones.draw_rle", "IN/pred.csv", "--images", "IN/images", "--out", "IN/images/ID1", "--overwrite", "--quiet"
)
BACK = with_pred("yolo_bones.convert_table", "IN/pred.parquet", "OUT/t.csv", "--quiet")
HUGE = "9" * 30

CASES = [
    _rle("rle-odd", "error", "1 2 3"),
    _rle("rle-single", "error", "17"),
    _rle("rle-overlapping", "error", "1 10 5 10"),
    _rle("rle-touching", "ok", "1 2 3 2"),
    _rle("rle-unsorted", "error", "100 5 1 5"),
    _rle("rle-same-twice", "error", "7 3 7 3"),
    _rle("rle-past-the-end", "error", lambda size: f"{size[0] * size[1] - 2} 10"),
    _rle("rle-just-past-the-end", "error", lambda size: f"{size[0] * size[1]} 2"),
    _rle("rle-to-the-end", "ok", lambda size: f"{size[0] * size[1]} 1"),
    _rle("rle-zero-start", "error", "0 5"),
    _rle("rle-zero-length", "error", "5 0"),
    _rle("rle-negative", "error", "-5 3"),
    _rle("rle-negative-length", "error", "5 -3"),
    _rle("rle-plus", "error", "+5 3"),
    _rle("rle-decimals", "error", "1.0 5.0"),
    _rle("rle-exponent", "error", "1e2 5"),
    _rle("rle-hexadecimal", "error", "0x10 5"),
    _rle("rle-underscore", "error", "1_0 5"),
    _rle("rle-wide-digits", "error", "１ ５"),
    _rle("rle-arabic-digits", "error", "١ ٥"),
    _rle("rle-thirty-digits", "error", f"1 {HUGE}"),
    _rle("rle-past-64-bits", "error", "1 18446744073709551617"),
    _rle("rle-past-32-bits", "error", "1 4294967297"),
    _rle("rle-semicolons", "error", "1;5"),
    _rle("rle-tab", "error", "1\t5"),
    _rle("rle-no-break-space", "error", "1\u00a05"),
    _rle("rle-brackets", "error", "[1 5]"),
    _rle("rle-text", "error", "none"),
    _rle("rle-minus-one", "error", "-1"),
    _rle("rle-empty", "ok", ""),
    _rle("rle-nan", "repair", "nan", counter="nan_rle"),
    _rle("rle-not-a-number", "error", "NaN"),
    _rle("rle-quoted", "ok", '"1 5"'),
    _rle("rle-long", "error", lambda _: "1 1 " * 2_000_000),
    _rows("csv-row-missing", "error", lambda rows, _: rows[:-1], "pred.csv", "image1.png", "Ulna"),
    _rows("csv-image-missing", "error", lambda rows, _: rows[:29], "image1.png"),
    _rows("csv-row-twice", "error", lambda rows, _: [*rows, (*rows[0][:2], "7 7")], "pred.csv:60"),
    _rows("csv-shuffled", "ok", lambda rows, _: rows[::-1]),
    _rows("csv-class-unknown", "error", lambda rows, _: [*rows, ("image0.png", "finger-20", "1 1")], "pred.csv:60", "finger-20"),
    _rows("csv-class-case", "error", lambda rows, _: [(a, b.lower(), c) for a, b, c in rows], "pred.csv:2"),
    _rows("csv-class-spaces", "error", lambda rows, _: [(a, f" {b}", c) for a, b, c in rows], "pred.csv:2"),
    _rows("csv-image-unknown", "error", lambda rows, _: [*rows, *[("imageX.png", b, c) for _, b, c in rows[:29]]], "imageX.png"),
    _named("csv-image-path", "/data/image0.png", "error", "/data/image0.png"),
    _named("csv-image-formula", "=cmd|'/c calc'!A1", "error", "=cmd"),
    _named("csv-image-empty", "", "error", "pred.csv"),
    _named("csv-image-spaces", "image0.png ", "error", "image0.png"),
    _whole("csv-empty", "error", lambda _, __: b"", "pred.csv:1"),
    _whole("csv-header-only", "error", lambda _, __: HEADER, "pred.csv"),
    _whole("csv-no-header", "error", lambda good, _: good[len(HEADER) :], "pred.csv:1"),
    _whole("csv-other-header", "error", lambda good, _: good.replace("image_name", "ImageId", 1), "pred.csv:1"),
    _whole("csv-header-case", "error", lambda good, _: good.replace("class", "Class", 1), "pred.csv:1"),
    _whole("csv-index-column", "error", lambda good, _: "\n".join(f"{k},{line}" for k, line in enumerate(good.splitlines())) + "\n", "pred.csv:1"),
    _whole("csv-semicolons", "error", lambda good, _: good.replace(",", ";"), "pred.csv:1"),
    _whole("csv-tabs", "error", lambda good, _: good.replace(",", "\t"), "pred.csv:1"),
    _whole("csv-marked-crlf", "ok", lambda good, _: b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode()),
    _whole("csv-cr-alone", "error", lambda good, _: good.replace("\n", "\r"), "pred.csv:1"),
    _whole("csv-utf-16", "error", lambda good, _: good.encode("utf-16"), "pred.csv:1"),
    _whole("csv-cut", "error", lambda good, _: good[:-7], "pred.csv:59"),
    _whole("csv-no-last-line-end", "error", lambda good, _: good[:-1], "pred.csv:59"),
    _whole("csv-blank-line", "error", lambda good, _: good.replace("\n", "\n\n", 3), "pred.csv:2"),
    _whole("csv-zero-byte", "error", lambda good, _: good.replace("1 5", "1\0 5", 1), "pred.csv:2"),
    _whole("csv-four-fields", "error", lambda good, _: good.replace("1 5 ", "1,5 ", 1), "pred.csv:2"),
    _whole("csv-open-quote", "error", lambda good, _: good.replace("1 5 ", '"1 5 ', 1), "pred.csv:2"),
    _whole("csv-gzip", "error", lambda good, _: gzip.compress(good.encode(), mtime=0), "pred.csv:1"),
    _whole("csv-workbook", "error", lambda _, __: b"PK\x03\x04\x14\0\0\0\x08\0" + b"\xa3\0" * 300, "pred.csv:1", "workbook"),
    _whole("csv-png", "error", lambda _, size: png(grey_image(*size)), "pred.csv:1"),
    _whole("csv-missing", "error", lambda _, __: None, "pred.csv"),
    _whole("csv-folder", "error", lambda _, __: lambda path: path.mkdir(), "pred.csv"),
    _whole("csv-json-is-a-pipe", "error", lambda good, _: lambda path: (path.write_text(good), os.mkfifo(path.with_name("pipe"))), "a pipe", command=with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--size", "SIZE", "--json", "IN/pipe", "--quiet")),
    _whole("csv-json-is-an-image", "refuse", lambda good, _: good, "image0.png", command=with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--images", "IN/images", "--json", "IN/images/ID1/image0.png", "--quiet")),
    _whole("draw-over-the-images", "refuse", lambda good, _: good, "image0.png", command=DRAW_INTO),
    _whole("csv-size-wide-digits", "error", lambda good, _: good, "--size", command=with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--size", "２５６x２０８")),
    _whole("csv-json-is-a-folder", "error", lambda good, _: good, "a folder", command=with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--json", "IN/images", "--quiet")),
    _whole("csv-json-is-the-input", "refuse", lambda good, _: good, "pred.csv", command=with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--json", "IN/pred.csv", "--quiet")),
    _whole("audit-workbook", "error", lambda _, __: b"PK\x03\x04\x14\0" + b"\xa3\0" * 300, "workbook", command=AUDIT),
    _whole("audit-json-is-a-folder", "error", lambda good, _: good, "a folder", command=with_pred("yolo_bones.audit_rle", "IN/pred.csv", "--json", "IN/images", "--quiet")),
    _rows("audit-half-a-row", "error", lambda rows, _: rows[:-1], "image1.png", command=AUDIT),
    _rows("vote-other-images", "error", lambda rows, _: [(a.replace("image1", "imageX"), b, c) for a, b, c in rows], "image", command=VOTE),
    _rows("vote-past-the-end", "error", lambda rows, size: [(*rows[0][:2], f"{size[0] * size[1]} 9"), *rows[1:]], "pred.csv:2", command=VOTE),
    _rows("check-other-images", "error", lambda rows, _: [(a.replace("image1", "imageX"), b, c) for a, b, c in rows], "imageX.png", command=CHECK),
    _rows("check-bad-rle", "error", lambda rows, _: [(*rows[0][:2], "5 5 1 1"), *rows[1:]], "pred.csv:2", command=CHECK),
    _rows("draw-other-images", "error", lambda rows, _: [(a.replace("image0", "imageX"), b, c) for a, b, c in rows], "imageX.png", command=DRAW),
    _rows("convert-bad-rle", "error", lambda rows, _: [(*rows[0][:2], "5 5 1 1"), *rows[1:]], "pred.csv:2", command=CONVERT),
    _whole("vote-weights-too-few", "error", lambda good, _: good, "--weights", command=with_pred("yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--out", "OUT/v.csv", "--weights", "1")),
    _whole("vote-weights-negative", "error", lambda good, _: good, "--weights", command=with_pred("yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--out", "OUT/v.csv", "--weights", "1,-1")),
    _whole("vote-weights-nan", "error", lambda good, _: good, "--weights", command=with_pred("yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--out", "OUT/v.csv", "--weights", "1,nan")),
    _whole("vote-threshold-nan", "error", lambda good, _: good, "--threshold", command=with_pred("yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--out", "OUT/v.csv", "--threshold", "nan")),
    _whole("vote-over-an-input", "refuse", lambda good, _: good, "pred.csv", command=with_pred("yolo_bones.ensemble_rle", "IN/good.csv", "IN/pred.csv", "--out", "IN/pred.csv", "--overwrite")),
    _whole("parquet-good", "ok", _parquet(lambda table: table), file="pred.parquet", command=BACK),
    _whole("parquet-cut", "error", _cut_parquet, file="pred.parquet", command=BACK),
    _whole("parquet-text", "error", lambda good, _: good, file="pred.parquet", command=BACK),
    _whole("parquet-empty", "error", lambda _, __: b"", file="pred.parquet", command=BACK),
    _whole("parquet-magic-alone", "error", lambda _, __: b"PAR1" * 3, file="pred.parquet", command=BACK),
    _whole("parquet-row-missing", "error", _parquet(lambda table: table[:-1]), file="pred.parquet", command=BACK),
    _whole("parquet-row-twice", "error", _parquet(lambda table: polars.concat([table, table[:29]])), file="pred.parquet", command=BACK),
    _whole("parquet-column-missing", "error", _parquet(lambda table: table.drop(table.columns[-1])), file="pred.parquet", command=BACK),
    _whole("parquet-other-types", "error", _parquet(lambda table: table.cast(polars.String, strict=False)), file="pred.parquet", command=BACK),
    _whole("parquet-long-name", "error", _parquet(lambda table: table.with_columns(image_name=polars.lit("x" * 5000))[:29]), "image_name", file="pred.parquet", command=BACK),
    _whole("parquet-of-something-else", "error", _parquet(lambda _: polars.DataFrame({"a": np.arange(3)})), file="pred.parquet", command=BACK),
]  # fmt: skip
