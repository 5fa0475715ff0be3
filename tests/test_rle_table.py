from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import read_masks
from yolo_bones.bones import BONES
from yolo_bones.errors import InputError
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.rle import ImageSize, RunLengthMasks, row_texts_to_masks
from yolo_bones.rle_table import aligned_images, open_rle_table, write_masks, write_rle_table

SIZE = ImageSize(20, 30)
TEXTS = [f"{1 + 20 * class_id} 7" for class_id in range(29)]


def masks_of(texts: list[str]) -> RunLengthMasks:
    return row_texts_to_masks([text.encode() for text in texts], SIZE)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "pred.csv"
    assert write_rle_table(path, [("b.png", TEXTS), ("a.png", ["", *TEXTS[1:]])]) == 2
    return path


def test_round_trip_keeps_order_and_empty_masks(table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["image_name,class,rle", "b.png,finger-1,1 7"]
    assert lines[30] == "a.png,finger-1,"
    assert len(lines) == 1 + 2 * 29
    assert open_rle_table(table).names() == ["b.png", "a.png"]
    assert read_masks(table, SIZE)["a.png"].areas().tolist() == [0] + [7] * 28


def test_rows_in_any_order_give_the_same_masks_and_scores(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    whole = read_masks(table, SIZE)
    # All reversed; the first image in order and the second not; the images interleaved.
    for number, order in enumerate((rows[::-1], rows[:29] + rows[:28:-1], rows[::2] + rows[1::2])):
        shuffled = tmp_path / f"shuffled{number}.csv"
        shuffled.write_text("\n".join([header, *order]) + "\n", encoding="utf-8")
        found = read_masks(shuffled, SIZE)
        assert set(found) == set(whole)
        assert all(found[name].equals(whole[name]) for name in whole)
        for pair in ([shuffled, table], [table, shuffled]):
            assert evaluate([*map(str, pair), "--size", "20x30", "--quiet"]) == 0
            assert "all 29        1.0000   over 2 images" in capsys.readouterr().out


def test_byte_order_mark_dos_line_ends_and_quotes_are_fine(table: Path, tmp_path: Path) -> None:
    whole = read_masks(table, SIZE)
    content = table.read_bytes()
    quoted = b"".join(b'"' + line.replace(b",", b'","') + b'"\n' for line in content.splitlines())
    for number, written in enumerate((b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"), quoted)):
        other = tmp_path / f"{number}.csv"
        other.write_bytes(written)
        found = read_masks(other, SIZE)
        assert list(found) == list(whole)
        assert all(found[name].equals(whole[name]) for name in whole)


@pytest.mark.parametrize(
    ("line", "replacement", "says"),
    [
        (1, b"image,class,rle", "pred.csv:1: expected the header"),
        (1, b"image_name;class;rle", "pred.csv:1: expected the header"),
        (5, b"b.png,finger-20,1 7", "pred.csv:5: class: expected one of the 29 bone names, got finger-20"),
        (
            5,
            b"b.png,finger-3,1 7",
            "pred.csv:5: class: expected one row for b.png, finger-3, got a duplicate of line 4",
        ),
        (5, b"b.png,finger-4", "pred.csv:5: expected 3 fields, got 2"),
        (5, b"b.png,finger-4,1 7,", "pred.csv:5: expected 3 fields, got 4"),
        (5, b"", "pred.csv:5: expected 3 fields, got 1"),
        (5, b'b.png,finger-4,"1 7', "pred.csv:5: expected a well-formed CSV row"),
        (5, b"b.png,finger-4,1 2 3", "pred.csv:5: rle of b.png, finger-4: expected an even count of numbers, got 3"),
        (5, b"b.png,finger-4,0 3", "pred.csv:5: rle of b.png, finger-4: expected starts counted from 1, got start 0"),
        (5, b"b.png,finger-4,9 3 1 2", "pred.csv:5: rle of b.png, finger-4: expected ascending starts"),
        (5, b"b.png,finger-4,1 3 2 2", "pred.csv:5: rle of b.png, finger-4: expected separate runs"),
        (5, b"b.png,finger-4,599 3", "pred.csv:5: rle of b.png, finger-4: expected runs inside 20x30"),
        (5, b"b.png,finger-4,1.0 3", "pred.csv:5: rle of b.png, finger-4: expected whole numbers"),
        (5, b"b.png,finger-4,+1 3", "pred.csv:5: rle of b.png, finger-4: expected whole numbers"),
        (5, b"b.png,finger-4,\xd9\xa1 3", "pred.csv:5: rle of b.png, finger-4: expected whole numbers"),
        (5, b"b.png,finger-4,1\x00 3", "pred.csv:5: rle of b.png, finger-4: expected whole numbers"),
        (5, b"b\x00.png,finger-4,1 3", "pred.csv:5: image_name: expected the base name"),
        (5, b"\xff.png,finger-4,1 3", "pred.csv:5: image_name: expected UTF-8"),
        (5, b"c.png,finger-4,1 7", "b.png: expected 29 rows, an empty rle for an absent bone, got no row for finger-4"),
    ],
)
def test_faults_name_line_and_field(table: Path, line: int, replacement: bytes, says: str) -> None:
    lines = table.read_bytes().splitlines()
    lines[line - 1] = replacement
    table.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(InputError) as caught:
        read_masks(table, SIZE)
    assert says in str(caught.value)


def test_a_cut_last_line_is_an_error(table: Path) -> None:
    content = table.read_bytes()
    for cut in range(1, 24):
        table.write_bytes(content[:-cut])
        with pytest.raises(InputError, match=r"pred\.csv:(2|31|58|59)"):
            read_masks(table, SIZE)


def test_a_doubled_image_is_an_error(table: Path) -> None:
    content = table.read_bytes()
    table.write_bytes(content + content[content.index(b"b.png") : content.index(b"a.png")])
    with pytest.raises(
        InputError, match=r"pred\.csv:60: class: expected one row for b\.png, finger-1, got a duplicate"
    ):
        read_masks(table, SIZE)


def test_images_must_be_the_same(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    other = tmp_path / "truth.csv"
    write_rle_table(other, [("a.png", TEXTS), ("c.png", TEXTS)])
    assert evaluate([str(table), str(other), "--size", "20x30", "--quiet"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"error: {table}:2: image_name: expected an image of truth.csv, got b.png",
        f"error: {other}:31: image_name: expected an image of pred.csv, got c.png",
    ]


def test_tables_in_different_orders_are_aligned_by_name(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(7)]
    orders = [names, names[3:] + names[:3], names]
    paths = [tmp_path / f"{number}.csv" for number in range(3)]
    for path, order in zip(paths, orders, strict=True):
        write_rle_table(path, [(name, [name[0] + " 1", *TEXTS[1:]]) for name in order if name[0] != "0"])
    found = list(aligned_images([open_rle_table(path) for path in paths]))
    assert [[rows.image_name for rows in images] for images in found] == [[name] * 3 for name in names[1:]]
    for images in found:
        assert all(rows.masks(SIZE)[0].starts.tolist() == [int(rows.image_name[0]) - 1] for rows in images)


def test_a_failed_write_leaves_the_old_file(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        write_rle_table(table, [("a.png", TEXTS), ("b.png", TEXTS[:5])])
    assert table.read_bytes() == before

    def images() -> object:
        yield "a.png", masks_of(TEXTS)
        raise InputError("some.csv", "", "another")

    for name in ("pred.csv", "new.parquet"):
        with pytest.raises(InputError, match=r"some\.csv"):
            write_masks(tmp_path / name, images())
    assert table.read_bytes() == before
    assert [path.name for path in table.parent.iterdir()] == ["pred.csv"]
    assert len(BONES) == len(TEXTS)


def test_nan_for_an_empty_mask_is_mended_and_counted(table: Path, tmp_path: Path) -> None:
    text = table.read_text(encoding="utf-8").replace("a.png,finger-1,\n", "a.png,finger-1,nan\n")
    table.write_text(text, encoding="utf-8")
    assert read_masks(table, SIZE)["a.png"].areas()[0] == 0
    assert evaluate([str(table), str(table), "--size", "20x30", "--json", str(tmp_path / "s.json"), "--quiet"]) == 0
    assert '"nan_rle": 2' in (tmp_path / "s.json").read_text(encoding="utf-8")


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "pred.parquet"
    sides = [ImageSize(20, 30), ImageSize(31, 20)]
    images = [
        (f"{number}.png", row_texts_to_masks([t.encode() for t in TEXTS], sides[number % 2])) for number in range(150)
    ]
    assert write_masks(path, images) == 150
    return path


def test_parquet_holds_the_same_masks_and_their_sizes(parquet: Path) -> None:
    table = open_rle_table(parquet)
    assert table.names() == [f"{number}.png" for number in range(150)]
    for number, rows in enumerate(table.images()):
        size = ImageSize(31, 20) if number % 2 else ImageSize(20, 30)
        assert (rows.image_name, rows.size) == (f"{number}.png", size)
        assert rows.masks(size).equals(row_texts_to_masks([text.encode() for text in TEXTS], size))
    rows = table.find("77.png")
    assert rows is not None
    assert rows.masks(ImageSize(31, 20)).areas().tolist() == [7] * 29
    assert table.find("x.png") is None
    with pytest.raises(InputError, match=r"size of 77\.png: expected 20x30, got 31x20"):
        rows.masks(SIZE)


def test_parquet_is_the_same_to_the_byte(parquet: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    table = open_rle_table(parquet)
    write_masks(again, ((rows.image_name, rows.masks(rows.size)) for rows in table.images()))
    assert again.read_bytes() == parquet.read_bytes()


def check_all(path: Path) -> None:
    for rows in open_rle_table(path).images():
        assert rows.size is not None
        rows.masks(rows.size)


def spoil(path: Path, change: pl.Expr) -> None:
    pl.read_parquet(path).with_row_index("n").with_columns(change).drop("n").write_parquet(path)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("class", "finger-9", r"row 33: class: expected 1\.png, finger-4: 29 rows an image in channel order"),
        ("image_name", "x.png", r"row 33: class: expected 1\.png, finger-4"),
        ("counts", b"~~", r"row 33: counts of 1\.png, finger-4: expected COCO's compressed counts"),
        ("counts", b"d0", r"row 33: counts of 1\.png, finger-4: expected counts that add up to 620 pixels"),
        ("counts", None, r"row 33: height, width, counts: expected one size"),
        ("height", 7, r"row 33: height, width, counts: expected one size"),
    ],
)
def test_parquet_faults_name_row_and_field(parquet: Path, column: str, value: object, says: str) -> None:
    kind = pl.read_parquet_schema(parquet)[column]
    spoil(parquet, pl.when(pl.col("n") == 32).then(pl.lit(value, dtype=kind)).otherwise(pl.col(column)).alias(column))
    with pytest.raises(InputError, match=says):
        check_all(parquet)


def test_parquet_of_another_shape_is_an_error(parquet: Path, tmp_path: Path) -> None:
    whole = pl.read_parquet(parquet)
    spoilt = tmp_path / "spoilt.parquet"
    for frame, says in (
        (whole.drop("counts"), "columns: expected"),
        (whole.with_columns(extra=1), "columns: expected"),
        (whole.with_columns(pl.col("height").cast(pl.Int64)), "columns: expected"),
        (whole.head(40), "29 rows an image"),
        (pl.concat([whole.head(58), whole.head(29)]), "a duplicate of row 1"),
    ):
        frame.write_parquet(spoilt)
        with pytest.raises(InputError, match=says):
            list(open_rle_table(spoilt).images())
    for content in (b"", b"PAR1", parquet.read_bytes()[:-100], np.random.default_rng(0).bytes(5000)):
        spoilt.write_bytes(content)
        with pytest.raises(InputError, match="a parquet file"):
            list(open_rle_table(spoilt).images())
    with pytest.raises(InputError, match="an existing file"):
        list(open_rle_table(tmp_path / "none.parquet").images())
