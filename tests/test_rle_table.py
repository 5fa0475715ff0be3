from __future__ import annotations

from pathlib import Path

import pytest

from yolo_bones.bones import BONES
from yolo_bones.errors import InputError
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import read_rle_table, write_rle_table

SIZE = ImageSize(20, 30)
TEXTS = [f"{1 + 20 * class_id} 7" for class_id in range(29)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "pred.csv"
    write_rle_table(path, [("b.png", TEXTS), ("a.png", ["", *TEXTS[1:]])])
    return path


def test_round_trip_keeps_order_and_empty_masks(table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["image_name,class,rle", "b.png,finger-1,1 7"]
    assert lines[30] == "a.png,finger-1,"
    assert len(lines) == 1 + 2 * 29
    back = read_rle_table(table)
    assert list(back.texts) == ["b.png", "a.png"]
    assert back.masks("a.png", SIZE).areas().tolist() == [0] + [7] * 28


def test_rows_in_any_order_give_the_same_scores(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    shuffled = tmp_path / "shuffled.csv"
    shuffled.write_text("\n".join([header, *rows[::-1]]) + "\n", encoding="utf-8")
    assert evaluate([str(shuffled), str(table), "--size", "20x30", "--quiet"]) == 0
    assert "all 29        1.0000   over 2 images" in capsys.readouterr().out


def test_byte_order_mark_and_dos_line_ends_are_fine(table: Path, tmp_path: Path) -> None:
    dos = tmp_path / "dos.csv"
    dos.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    assert read_rle_table(dos).texts == read_rle_table(table).texts


@pytest.mark.parametrize(
    ("line", "replacement", "says"),
    [
        (1, "image,class,rle", "pred.csv:1: expected the header"),
        (5, "b.png,finger-20,1 7", "pred.csv:5: class: expected one of the 29 bone names, got finger-20"),
        (5, "b.png,finger-3,1 7", "pred.csv:5: class: expected one row"),
        (5, "b.png,finger-4", "pred.csv:5: expected 3 fields, got 2"),
        (5, "b.png,finger-4,1 2 3", "pred.csv:5: rle of b.png, finger-4: expected an even count"),
        (5, "b.png,finger-4,599 3", "pred.csv:5: rle of b.png, finger-4: expected runs inside 20x30"),
        (5, "c.png,finger-4,1 7", "b.png: expected 29 rows"),
    ],
)
def test_faults_name_line_and_field(table: Path, line: int, replacement: str, says: str) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = replacement
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read_all() -> None:
        read = read_rle_table(table)
        for name in read.texts:
            read.masks(name, SIZE)

    with pytest.raises(InputError) as caught:
        read_all()
    assert says in str(caught.value)


def test_images_must_be_the_same(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    other = tmp_path / "truth.csv"
    write_rle_table(other, [("a.png", TEXTS), ("c.png", TEXTS)])
    assert evaluate([str(table), str(other), "--size", "20x30", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "pred.csv:2: image_name: expected an image of truth.csv, got b.png" in said
    assert "expected rows for c.png of truth.csv, got none" in said


def test_a_failed_write_leaves_the_old_file(table: Path) -> None:
    before = table.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        write_rle_table(table, [("a.png", TEXTS), ("b.png", TEXTS[:5])])
    assert table.read_bytes() == before
    assert [path.name for path in table.parent.iterdir()] == ["pred.csv"]
    assert len(BONES) == len(TEXTS)


def test_nan_for_an_empty_mask_is_mended_and_counted(table: Path, tmp_path: Path) -> None:
    text = table.read_text(encoding="utf-8").replace("a.png,finger-1,\n", "a.png,finger-1,nan\n")
    table.write_text(text, encoding="utf-8")
    read = read_rle_table(table)
    assert read.texts["a.png"][0] == ""
    assert read.counters == {"nan_rle": 1}
    assert evaluate([str(table), str(table), "--size", "20x30", "--json", str(tmp_path / "s.json"), "--quiet"]) == 0
    assert '"nan_rle": 2' in (tmp_path / "s.json").read_text(encoding="utf-8")
