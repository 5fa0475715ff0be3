"""Slices by metadata and scores of single images, on six tiny images of three patients; 20 x 30."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.evaluate_rle import column_argument, score_tables
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.metrics import EPSILON
from yolo_bones.rle import ImageSize
from yolo_bones.rle_table import open_rle_table, write_rle_table
from yolo_bones.slices import cut, read_metadata_column

NAMES = [f"image{number}.png" for number in range(6)]
PATIENTS = {name: f"ID{number // 2 + 1:03}" for number, name in enumerate(NAMES)}
PISIFORMS = (8, 7, 6, 5, 4, 3)
"""Pixels of 8 that the prediction finds in each image; every other bone is found whole."""


def dice_of(kept: int) -> float:
    return (2 * kept + EPSILON) / (kept + 8 + EPSILON)


def mean_dice(*numbers: int) -> float:
    """Dice of images by number, over images and then bones."""
    return (28 + np.mean([dice_of(PISIFORMS[number]) for number in numbers])) / 29


class Scored:
    """Prediction, truth and images.csv in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        truth = [f"{1 + 20 * class_id} 8" for class_id in range(BONE_COUNT)]
        place = BONES.index("Pisiform")
        found = [[*truth[:place], f"{1 + 20 * place} {kept}", *truth[place + 1 :]] for kept in PISIFORMS]
        self.prediction, self.truth = folder / "pred.csv", folder / "truth.csv"
        write_rle_table(self.prediction, zip(NAMES, found, strict=True))
        write_rle_table(self.truth, [(name, truth) for name in NAMES])
        rows = [
            f"{name},{patient},thumb-{'right' if number % 2 else 'left'},20,30"
            for number, (name, patient) in enumerate(PATIENTS.items())
        ]
        self.images = self.table("images.csv", "image_name,patient,side,height,width", *rows)
        self.json = folder / "scores.json"

    def table(self, name: str, *lines: str) -> Path:
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def arguments(self, *more: object) -> list[str]:
        return [str(item) for item in (self.prediction, self.truth, "--size", "20x30", "--quiet", *more)]

    def slices(self, by: str, *more: object) -> dict:
        assert evaluate(self.arguments("--by", by, "--json", self.json, *more)) == 0
        return json.loads(self.json.read_text(encoding="utf-8"))["slices"][0]


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return Scored(tmp_path)


def labels(record: dict) -> list[tuple[str, int, int | None]]:
    return [(part["label"], part["images"], part["patients"]) for part in record["slices"]]


def test_by_a_column_of_images(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    record = scored.slices(f"{scored.images}:side")
    assert labels(record) == [("thumb-left", 3, None), ("thumb-right", 3, None)]
    left, right = record["slices"]
    assert left["dice"] == pytest.approx(mean_dice(0, 2, 4))
    assert right["dice"] == pytest.approx(mean_dice(1, 3, 5))
    assert right["groups"]["hand"] == pytest.approx((7 + np.mean([dice_of(kept) for kept in (7, 5, 3)])) / 8)
    assert left["groups"]["finger"] == left["groups"]["arm"] == 1.0
    assert left["lowest_bone"] == "Pisiform"
    printed = capsys.readouterr().out
    assert "side of images.csv, by image_name (0 images without an entry, 0 entries without an image)" in printed
    line = f"thumb-left +3 +- +{mean_dice(0, 2, 4):.4f} +1.0000 +0.9[0-9]+ +1.0000  Pisiform 0.8[0-9]+"
    assert re.search(f"^{line}$", printed, re.M)


def test_patients_are_counted_where_they_are_known(scored: Scored) -> None:
    record = scored.slices(f"{scored.images}:side", "--patients", scored.images)
    assert labels(record) == [("thumb-left", 3, 3), ("thumb-right", 3, 3)]


def test_numbers_of_the_metadata_sheet_find_patient_folders(scored: Scored) -> None:
    # As a sheet with gaps is saved: whole numbers as floats, dirty cells, a nameless column, patients without an image.
    meta = scored.table("meta.csv", "ID,sex,", "1, f,", "2.0,m,x", "77,f,", "78,,")
    record = scored.slices(f"{meta}:sex", "--patients", scored.images)
    assert labels(record) == [("f", 2, 1), ("m", 2, 1), ("(none)", 2, 1)]
    assert [part["dice"] for part in record["slices"]] == pytest.approx(
        [mean_dice(0, 1), mean_dice(2, 3), mean_dice(4, 5)]
    )
    counts = record["images_without_entry"], record["entries_without_image"], record["cells_mended"]
    assert counts == (2, 2, 1)
    named = scored.table("named.csv", "patient,sex", "ID003,m", "ID001,f", "ID002,f")
    assert labels(scored.slices(f"{named}:sex", "--patients", scored.images)) == [("f", 4, 2), ("m", 2, 1)]


def test_dirty_cells_are_mended_and_empty_ones_are_none(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    meta = scored.table("meta.csv", "ID,성별", "1,_x0008_여", "2, 여", "3,nan")
    record = scored.slices(f"{meta}:성별", "--patients", scored.images)
    assert labels(record) == [("여", 4, 2), ("(none)", 2, 1)]
    assert "2 images without an entry, 0 entries without an image, 3 cells mended" in capsys.readouterr().out


def test_two_names_of_one_patient_are_not_guessed(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    meta = scored.table("meta.csv", "ID,sex", "1,f", "01,m", "2,f", "3,f", "99,f", "099,f")
    assert evaluate(scored.arguments("--by", f"{meta}:sex", "--patients", scored.images)) == 2
    assert capsys.readouterr().err == f"error: {meta}: ID: expected one name of patient 1, got 01 and 1\n"


def cells_cut(scored: Scored, *cells: str) -> dict[str, tuple[str, ...]]:
    names = [f"{number}.png" for number in range(len(cells))]
    path = scored.table(
        "cells.csv", "image_name,x", *(f"{name},{cell}" for name, cell in zip(names, cells, strict=True))
    )
    slicing = cut(read_metadata_column(path, "x"), names, None)
    return {part.label: tuple(cells[names.index(name)] for name in part.image_names) for part in slicing.slices}


def test_many_numbers_are_cut_at_the_quartiles(scored: Scored) -> None:
    # Nine values 1 ... 9: quartiles 3, 5 and 7, each belonging below.
    found = cells_cut(scored, "9", "8", "7", "6", "5", "4", "3", "2", "1.0")
    assert found == {"1-3": ("3", "2", "1.0"), "4-5": ("5", "4"), "6-7": ("7", "6"), "8-9": ("9", "8")}
    # Ties stay together: of 1 x 8 and 2 ... 9 the quartiles are 1, 1.5 and 5.25.
    tied = cells_cut(scored, *["1"] * 8, "2", "3", "4", "5", "6", "7", "8", "9.5")
    assert {label: len(cells) for label, cells in tied.items()} == {"1": 8, "2-5": 4, "6-9.5": 4}
    below_zero = cells_cut(scored, *(str(number) for number in range(-8, 1)))
    assert list(below_zero) == ["-8 to -6", "-5 to -4", "-3 to -2", "-1 to 0"]


def test_few_numbers_and_texts_are_cut_by_value(scored: Scored) -> None:
    eight = cells_cut(scored, "10", "9", "8", "7", "6", "5", "4", "3.50", "10.0")
    assert list(eight) == ["3.5", "4", "5", "6", "7", "8", "9", "10"]
    assert eight["10"] == ("10", "10.0")
    mixed = cells_cut(scored, "10", "9", "8", "7", "6", "5", "4", "3", "2", "old")
    assert list(mixed) == sorted(["10", "9", "8", "7", "6", "5", "4", "3", "2", "old"])
    assert len(cells_cut(scored, *(str(number) for number in range(9)), "1e999")) == 10


def test_what_needs_patients_says_so(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    meta = scored.table("meta.csv", "ID,sex", "1,f")
    assert evaluate(scored.arguments("--by", f"{meta}:sex")) == 2
    expected = f"error: --patients: expected an images.csv, because {meta} is joined by ID, got none\n"
    assert capsys.readouterr().err == expected
    short = scored.table("short.csv", "image_name,patient", *(f"{name},p" for name in NAMES[1:]))
    assert evaluate(scored.arguments("--by", f"{meta}:sex", "--patients", short)) == 2
    assert capsys.readouterr().err == f"error: {short}: image_name: expected a row for image0.png, got none\n"


def test_all_faults_of_all_tables_at_once(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    patients = scored.table("p.csv", "image_name,patient", "a.png,1", "b.png,", "a.png,2", " c.png,3", ",4")
    by = scored.table("by.csv", "image_name,sex", "a.png,f", "", "a.png,m")
    assert evaluate(scored.arguments("--patients", patients, "--by", f"{by}:sex", "--by", f"{by}:age")) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {by}:4: image_name: expected one row for a.png, got a duplicate of line 2",
        f"error: {by}:1: age: expected one column age, got the columns image_name,sex",
        f"error: {patients}:3: patient: expected a name without spaces around it, got ",
        f"error: {patients}:4: image_name: expected one row for a.png, got a duplicate of line 2",
        f"error: {patients}:5: image_name: expected a name without spaces around it, got  c.png",
        f"error: {patients}:6: image_name: expected a name without spaces around it, got ",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: expected a header, got none"),
        (b"image_name,sex\n", ": expected at least one row below the header, got none"),
        (b"name,sex\na,f\n", ":1: expected a column image_name or patient or ID, got the columns name,sex"),
        (b"image_name,sex,sex\na,f,m\n", ":1: sex: expected one column sex, got the columns image_name,sex,sex"),
        (b"image_name,sex\na,f\nb\n", ":3: expected 2 fields, got 1"),
        (b'image_name,sex\n"a\nb",f\nc,"m\n', ":4: expected a well-formed CSV row, got unexpected end of data"),
        ("image_name,sex\na,f\nb,여\n".encode("cp949"), ":3: sex: expected UTF-8 text, got "),
        ("image_name,성별\na,f\n".encode("cp949"), ":1: column 2: expected UTF-8 text, got "),
        ("image_name,sex\na,f\n".encode("utf-16"), ":1: expected UTF-8 text, got a zero byte"),
        (b"PK\x03\x04rest", ": expected a CSV file (of a workbook converters.metadata_to_csv makes one), got a"),
        (None, ": expected an existing file"),
    ],
)
def test_tables_that_cannot_be_read(
    scored: Scored, content: bytes | None, said: str, capsys: pytest.CaptureFixture
) -> None:
    path = scored.folder / "meta.csv"
    if content is not None:
        path.write_bytes(content)
    assert evaluate(scored.arguments("--by", f"{path}:sex")) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}{said}")


def test_byte_order_mark_dos_line_ends_and_quotes_are_fine(scored: Scored) -> None:
    lines = ["image_name,sex", *(f'"{name}","a, ""b"""' for name in NAMES)]
    path = scored.folder / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert labels(scored.slices(f"{path}:sex")) == [('a, "b"', 6, None)]


def test_a_path_may_hold_a_colon() -> None:
    assert column_argument(r"C:\data\meta.csv:sex") == (Path(r"C:\data\meta.csv"), "sex")
    with pytest.raises(SystemExit) as stopped:
        evaluate(["a.csv", "b.csv", "--by", "meta.csv"])
    assert stopped.value.code == 2


def test_without_by_the_scores_are_as_before(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    assert evaluate(scored.arguments("--json", scored.json)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"all 29        {mean_dice(*range(6)):.4f}   over 6 images"
    record = json.loads(scored.json.read_text(encoding="utf-8"))
    assert set(record) == {"dice", "groups", "bones", "images", "counters"}
    assert evaluate(scored.arguments("--json", scored.json)) == 0


def test_scores_of_single_images_keep_every_digit(scored: Scored, capsys: pytest.CaptureFixture) -> None:
    out = scored.folder / "deep" / "dice.csv"
    assert evaluate(scored.arguments("--per-image", out)) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["image_name", *BONES, "mean"]
    scores = score_tables(open_rle_table(scored.prediction), open_rle_table(scored.truth), lambda _: ImageSize(20, 30))
    assert [row[0] for row in rows] == NAMES
    for number, (name, *figures) in enumerate(rows):
        assert [float(figure) for figure in figures[:-1]] == scores.per_image[name].tolist()
        assert float(figures[-1]) == pytest.approx(mean_dice(number), abs=1e-15)
    assert float(rows[5][header.index("Pisiform")]) == dice_of(3)
    out.write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert evaluate(scored.arguments("--per-image", out)) == 3
    said = capsys.readouterr()
    assert (said.out, out.read_text(encoding="utf-8")) == ("", "old")
    assert "--overwrite" in said.err
    assert evaluate(scored.arguments("--per-image", out, "--overwrite")) == 0
    assert out.read_text(encoding="utf-8").startswith("image_name,finger-1,")
    assert [path.name for path in out.parent.iterdir()] == ["dice.csv"]
