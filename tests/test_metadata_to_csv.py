"""`metadata_to_csv`: every kind of dirt by hand, the phantom's own dirt, workbooks that a stranger made to harm."""

from __future__ import annotations

import csv
import datetime
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from converters.metadata_to_csv import main
from converters.points_to_rle import main as points_to_rle
from tests.conftest import ROOT
from yolo_bones import workbooks
from yolo_bones.errors import InputError
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.metadata_cells import QUANTITIES, Fault, clean_number, clean_sex, clean_text, misfit
from yolo_bones.metadata_headings import column_letter
from yolo_bones.patient_names import entries_of_patients, join_folders, patient_number
from yolo_bones.phantom.metadata_table import write_metadata_table
from yolo_bones.phantom.settings import PhantomSettings

HEADINGS = ("ID", "나이", "성별", "체중(몸무게)", "키(신장)")


def workbook(path: Path, *rows: tuple[Any, ...], sheet: str = "Sheet1", **more: list[tuple[Any, ...]]) -> Path:
    book = Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for name, others in more.items():
        added = book.create_sheet(name)
        for row in others:
            added.append(row)
    book.save(path)
    return path


def converted(table: Path, *options: object) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Rows of the CSV and the report."""
    out = table.with_name("out.csv")
    assert main([str(table), str(out), "--overwrite", *map(str, options)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return rows, json.loads(out.with_name("out.report.json").read_text(encoding="utf-8"))


def found(report: dict[str, Any]) -> list[tuple[int, str, str, Any]]:
    return [(f["row"], f["ID"], f["column"], f.get("proposal")) for f in report["findings"]]


# Cells.


@pytest.mark.parametrize(
    ("cell", "text", "kinds"),
    [
        ("여", "female", ("translated",)),
        ("_x0008_여", "female", ("control_characters", "translated")),
        ("_x005F_x0008_남", "male", ("control_characters", "translated")),
        ("\x08남자 ", "male", ("control_characters", "spaces", "translated")),
        ("\xa0여\u200b", "female", ("control_characters", "spaces", "translated")),
        ("F", "female", ("translated",)),
        ("male", "male", ()),
        (None, "", ()),
        ("미상", "", ("no_value",)),
    ],
)
def test_a_sex_is_read_however_it_is_written(cell: str | None, text: str, kinds: tuple[str, ...]) -> None:
    clean = clean_sex(cell)
    assert (clean.text, clean.kinds, clean.fault) == (text, kinds, None)


@pytest.mark.parametrize("cell", ["X", 1, "여남", "boy?"])
def test_another_sex_is_not_guessed(cell: object) -> None:
    clean = clean_sex(cell)
    assert clean.text == ""
    assert clean.fault == Fault("female or male (여 or 남)")


@pytest.mark.parametrize(
    ("column", "cell", "text", "kinds"),
    [
        ("age", 40, "40", ()),
        ("age", "34세", "34", ("unit",)),
        ("age", 0, "0", ()),
        ("height_cm", 157.0, "157", ()),
        ("height_cm", "\uff11\uff17\uff11.5 cm", "171.5", ("unit",)),
        ("weight_kg", "58.40", "58.4", ("number_written_otherwise",)),
        ("weight_kg", "_x0008_61", "61", ("control_characters",)),
        ("weight_kg", "-", "", ("no_value",)),
    ],
)
def test_a_number_is_read_however_it_is_written(column: str, cell: object, text: str, kinds: tuple[str, ...]) -> None:
    clean = clean_number(cell, QUANTITIES[column])
    assert (clean.text, clean.kinds, clean.fault) == (text, kinds, None)


@pytest.mark.parametrize(
    ("column", "cell", "proposal"),
    [
        ("height_cm", 17.1, "171"),
        ("height_cm", 1.71, "171"),
        ("height_cm", 1710, "171"),
        ("height_cm", 3000, None),
        ("weight_kg", 640, "64"),
        ("weight_kg", 0.4, None),
        ("weight_kg", "72,5", "72.5"),
        ("age", -3, None),
        ("age", 430, None),
        ("age", "old", None),
        ("age", True, None),
        ("age", datetime.datetime(2020, 3, 4), None),
        ("age", float("nan"), None),
        ("weight_kg", "1e999", None),
    ],
)
def test_an_impossible_number_is_empty_and_what_was_evidently_meant_is_proposed(
    column: str, cell: object, proposal: str | None
) -> None:
    clean = clean_number(cell, QUANTITIES[column])
    if cell != cell:
        assert (clean.text, clean.kinds) == ("", ("no_value",))
        return
    assert clean.text == ""
    assert clean.fault is not None
    assert clean.fault.proposal == proposal
    assert clean.kinds[-1] == "impossible"


def test_a_weight_and_a_height_must_be_one_person_s() -> None:
    def proposals(weight_kg: str, height_cm: str) -> dict[str, str | None]:
        return {column: fault.proposal for column, fault in misfit(weight_kg, height_cm).items()}

    assert proposals("64", "171") == proposals("3.5", "50") == proposals("", "171") == proposals("64", "") == {}
    # Body mass indices of 2.2 and 173.6, of which ten times and a tenth are a person's.
    assert proposals("6.4", "171") == {"weight_kg": "64"}
    assert proposals("250", "120") == {"weight_kg": "25"}
    # 0.4: ten times that is none either.
    assert proposals("2", "220") == {"weight_kg": None, "height_cm": None}


def test_texts_lose_what_cannot_be_seen_and_nothing_else() -> None:
    assert clean_text(" a_x0008_ b ").text == "a b"
    assert clean_text("=1+1").text == "=1+1"
    assert clean_text(datetime.datetime(2022, 8, 1)).text == "2022-08-01T00:00:00"
    assert (clean_text(True).text, clean_text(3.0).text, clean_text(0.1).text) == ("TRUE", "3", "0.1")


# The table.


def test_korean_headings_become_english_and_every_change_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    table = workbook(
        tmp_path / "meta.xlsx",
        (*HEADINGS, None),
        (1, 40, "남", 58.4, 175, "나이: 세"),
        (2, 21, "_x0008_여", 640, 167.2),
        (3, 30, " 여", 56.7, 17.1),
        (4, None, "남", 60, 170, "확인 필요"),
    )
    rows, report = converted(table)
    assert [list(row.values()) for row in rows] == [
        ["1", "40", "male", "58.4", "175"],
        ["2", "21", "female", "", "167.2"],
        ["3", "30", "female", "56.7", ""],
        ["4", "", "male", "60", "170"],
    ]
    assert list(rows[0]) == ["ID", "age", "sex", "weight_kg", "height_cm"]
    assert found(report) == [(3, "2", "weight_kg", "64"), (4, "3", "height_cm", "171")]
    assert report["counts"] == {
        "control_characters": 1,
        "impossible": 2,
        "nameless_column": 2,
        "spaces": 1,
        "translated": 4,
    }
    written = [(c["row"], c["column"], c["written"], c["now"]) for c in report["changes"]]
    assert written == [
        (2, "sex", "남", "male"),
        (2, "F", "나이: 세", None),
        (3, "sex", "_x0008_여", "female"),
        (3, "weight_kg", 640, ""),
        (4, "sex", " 여", "female"),
        (4, "height_cm", 17.1, ""),
        (5, "sex", "남", "male"),
        (5, "F", "확인 필요", None),
    ]
    assert report["empty_cells"] == {"age": 1, "sex": 0, "weight_kg": 1, "height_cm": 1}
    said = capsys.readouterr()
    assert said.out == ""
    assert "row 4 (ID 3): height_cm: expected a number from 40 to 250 cm, got 17.1, 171 was perhaps meant" in said.err
    assert str(tmp_path) not in table.with_name("out.report.json").read_text(encoding="utf-8")


def test_a_clean_table_stays_as_it_is(tmp_path: Path) -> None:
    table = workbook(tmp_path / "a.xlsx", HEADINGS, (1, 40, "남", 58.4, 175), ("ID002", 21, "여", 50, 1672))
    converted(table)
    clean = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "clean.csv").write_bytes(clean)
    _, report = converted(tmp_path / "clean.csv")
    assert (tmp_path / "out.csv").read_bytes() == clean
    assert report["changes"] == []


def test_a_csv_is_read_like_a_workbook_and_english_headings_too(tmp_path: Path) -> None:
    path = tmp_path / "meta.csv"
    lines = ["Patient_ID,Age,Gender,Weight (kg),Height_cm,ward,Unnamed: 6", "1.0,40,F,58.4,17.5,  B ,x", "ID002,,m,,,,"]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    rows, report = converted(path)
    assert rows[0] == {"ID": "1", "age": "40", "sex": "female", "weight_kg": "58.4", "height_cm": "", "ward": "B"}
    assert rows[1] == {"ID": "ID002", "age": "", "sex": "male", "weight_kg": "", "height_cm": "", "ward": ""}
    assert [heading["what"] for heading in report["headings"]] == ["named"] * 5 + ["kept", "dropped"]
    assert found(report) == [(2, "1", "height_cm", "175")]


def test_one_row_a_patient_and_nothing_is_lost_silently(tmp_path: Path) -> None:
    table = workbook(
        tmp_path / "meta.xlsx",
        ("ID", "나이", "성별"),
        (1, 40, "남"),
        ("ID001", 41, None),
        (2, 30, "여"),
        (2, 30, "여"),
        (None, 50, "남"),
        (-7, 51, "남"),
        (8.5, 52, "남"),
        (),
        ("P-9", None, "여"),
    )
    rows, report = converted(table)
    assert [list(row.values()) for row in rows] == [["1", "", "male"], ["2", "30", "female"], ["P-9", "", "female"]]
    assert found(report) == [
        (2, "1", "age", None),
        (3, "ID001", "ID", None),
        (5, "2", "ID", None),
        (6, "", "ID", None),
        (7, "", "ID", None),
        (8, "", "ID", None),
    ]
    lost = {change["row"]: change["written"] for change in report["findings"] if change["kinds"] == ["row_without_id"]}
    assert lost == {
        6: {"나이": "50", "성별": "남"},
        7: {"ID": "-7", "나이": "51", "성별": "남"},
        8: {"ID": "8.5", "나이": "52", "성별": "남"},
    }
    assert (report["source_rows"], report["patients"]) == (8, 3)


def test_formulas_are_not_evaluated(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "meta.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["ID", "나이", "메모"])
    sheet.write_row(1, 0, [1])
    sheet.write_formula(1, 1, "=30+3", value=33)
    sheet.write_string(1, 2, "=not a formula")
    sheet.write_row(2, 0, [2])
    sheet.write_formula(2, 1, "=NOW()", value="")
    book.close()
    rows, report = converted(path)
    assert [row["age"] for row in rows] == ["33", ""]
    assert rows[0]["메모"] == "=not a formula"
    assert report["counts"] == {"formula_result": 2}
    assert [(finding["row"], finding["written"]) for finding in report["findings"]] == [(3, "=NOW()")]


def test_the_phantom_s_dirt_is_found_whole_and_nothing_else(tmp_path: Path) -> None:
    settings = PhantomSettings(300, 100, 8, 320, 256, 0.3, domain="wide", dirty_metadata=True)
    listed = write_metadata_table(tmp_path / "meta.xlsx", settings)
    rows, report = converted(tmp_path / "meta.xlsx")
    of_patient = {row["ID"]: row for row in rows}
    columns = dict(zip(HEADINGS, ("ID", "age", "sex", "weight_kg", "height_cm"), strict=True))
    expected = []
    for cell in listed:
        patient, column = str(cell["ID"]), columns.get(cell["column"], "")
        if cell["kind"] in ("backspace", "leading_space"):
            assert of_patient[patient]["sex"] == {"여": "female", "남": "male"}[cell["true"]]
        elif cell["kind"] in ("height_tenth", "weight_tenfold"):
            expected.append((cell["row"], patient, column))
            proposal = next(f["proposal"] for f in report["findings"] if (f["ID"], f["column"]) == (patient, column))
            assert float(proposal) == pytest.approx(cell["true"], abs=1.0)
        elif cell["kind"] == "missing":
            assert of_patient[patient][column] == ""
        else:
            assert any(c["written"] == cell["written"] for c in report["changes"] if c["ID"] == patient)
    assert expected
    assert [(f["row"], f["ID"], f["column"]) for f in report["findings"]] == expected
    kinds = Counter(cell["kind"] for cell in listed)
    assert report["counts"]["control_characters"] == kinds["backspace"]
    assert report["counts"]["spaces"] == kinds["leading_space"]
    assert sum(report["empty_cells"].values()) == kinds["missing"] + len(expected)


# Patients.


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "image1.png").write_bytes(b"")
    return root


def test_rows_are_joined_to_the_images_of_train_and_test(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    raw = folders(tmp_path / "raw", "train/DCM/ID001", "train/DCM/ID002", "test/DCM/ID041")
    (raw / "train" / "DCM" / "ID777").mkdir()
    table = workbook(tmp_path / "meta.xlsx", ("ID", "나이"), (1, 40), (41, 30), (55, 20), ("guest", 20))
    rows, report = converted(table, "--images", raw)
    assert [(row["patient"], row["ID"]) for row in rows] == [
        ("ID001", "1"),
        ("ID041", "41"),
        ("ID055", "55"),
        ("guest", "guest"),
    ]
    assert report["images"] == {
        "patients_joined": 2,
        "rows_without_images": [{"ID": "55", "patient": "ID055"}, {"ID": "guest", "patient": "guest"}],
        "images_without_rows": ["ID002"],
    }
    said = capsys.readouterr().err
    assert "2 patients have a row and images" in said
    assert "2 rows without images: ID055, guest" in said
    assert "1 patients with images but no row: ID002" in said
    assert converted(table, "--images", raw / "train")[1]["images"]["patients_joined"] == 1
    assert converted(table, "--images", raw / "test" / "DCM")[1]["images"]["patients_joined"] == 1
    (tmp_path / "clean.csv").write_bytes((tmp_path / "out.csv").read_bytes())
    again, _ = converted(tmp_path / "clean.csv", "--images", raw)
    assert [row["patient"] for row in again] == ["ID001", "ID041", "ID055", "guest"]


def test_images_that_are_not_there_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = workbook(tmp_path / "meta.xlsx", ("ID", "나이"), (1, 40))
    for raw in (tmp_path / "nowhere", tmp_path):
        assert main([str(table), str(tmp_path / "out.csv"), "--images", str(raw)]) == 2
    assert "expected folders of patients with images in DCM/" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_names_of_patients_are_joined_by_text_and_then_by_number() -> None:
    assert [patient_number(name) for name in ("1", "ID001", "id7", "7.0", "P1", "-1", "9" * 30)] == [
        *(1, 1, 7, 7),
        *(None, None, None),
    ]
    path = Path("meta.csv")
    assert entries_of_patients({"ID001", "x"}, {"1", "x", "y"}, path, "ID") == {"ID001": "1", "x": "x"}
    with pytest.raises(InputError, match="one name of patient 1, got ID001 and 1"):
        entries_of_patients({"ID001"}, {"1", "ID001"}, path, "ID")
    join = join_folders(["1", "12"], {"hand1", "0001"}, path, "ID")
    assert join.folder_of == {"1": "0001", "12": "12"}
    assert (join.without_images, join.without_rows) == (("12",), ("hand1",))


def test_from_the_workbook_to_scores_by_sex_and_wrist(tiny_hands: Path, tmp_path: Path) -> None:
    out, rle = tmp_path / "meta.csv", tmp_path / "rle"
    assert main([str(tiny_hands / "meta_data.xlsx"), str(out), "--images", str(tiny_hands), "--quiet"]) == 0
    assert points_to_rle([str(tiny_hands), str(rle), "--quiet"]) == 0
    with (rle / "images.csv").open(encoding="utf-8", newline="") as stream:
        wrists = {row["image_name"]: row["wrist"] for row in csv.DictReader(stream)}
    assert set(wrists.values()) <= {"straight", "bent"}
    scores = tmp_path / "scores.json"
    by = ["--by", f"{out}:sex", "--by", f"{rle / 'images.csv'}:wrist", "--patients", str(rle / "images.csv")]
    truth, images = str(rle / "truth.csv"), str(tiny_hands / "train" / "DCM")
    assert evaluate([truth, truth, *by, "--images", images, "--json", str(scores), "--quiet"]) == 0
    sex, wrist = json.loads(scores.read_text(encoding="utf-8"))["slices"]
    assert (sex["column"], sex["key"], sex["images_without_entry"]) == ("sex", "patient", 0)
    assert sum(part["images"] for part in sex["slices"]) == 4
    assert {part["label"] for part in sex["slices"]} <= {"female", "male"}
    assert {part["label"]: part["images"] for part in wrist["slices"]} == Counter(wrists.values())


# Errors.


def said_of(path: Path, capsys: pytest.CaptureFixture, *options: str) -> str:
    capsys.readouterr()
    assert main([str(path), str(path.with_name("none.csv")), *options]) == 2
    said = str(capsys.readouterr().err)
    assert said.startswith(f"error: {path}")
    assert said.count("\n") == 1
    assert not path.with_name("none.csv").exists()
    return said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("나이", "성별"), (1, "여")],
            "expected a column ID in the first row that is not empty, got the columns 나이,성",
        ),
        ([("ID", "나이", "age"), (1, 2, 3)], "expected one column age, got the columns B (나이) and C (age)"),
        ([("ID", "나이")], "expected at least one row with an ID, got none"),
        ([("ID", "image_name"), (1, "a.png")], "expected a table of patients, got one of images"),
        ([()], "expected a sheet with cells, got none"),
        ([("ID", *"x" * 300), (1,)], "expected at most 256 columns, got 301"),
    ],
)
def test_tables_that_are_none_of_patients(
    tmp_path: Path, rows: list[tuple[Any, ...]], said: str, capsys: pytest.CaptureFixture
) -> None:
    assert said in said_of(workbook(tmp_path / "meta.xlsx", *rows), capsys)


def test_one_of_several_sheets_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = workbook(tmp_path / "a.xlsx", ("ID", "나이"), (1, 2), notes=[("x",)])
    _, report = converted(table)
    assert (report["sheet"], report["other_sheets"]) == ("Sheet1", ["notes"])
    table = workbook(tmp_path / "b.xlsx", ("ID", "나이"), (1, 2), old=[("ID", "나이"), (1, 3)])
    assert "expected one sheet with a column ID, or --sheet NAME, got the sheets Sheet1, old" in said_of(table, capsys)
    assert converted(table, "--sheet", "old")[0] == [{"ID": "1", "age": "3"}]
    assert "expected a sheet new with cells" in said_of(table, capsys, "--sheet", "new")


def zipped(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def respelt(path: Path, old: bytes, new: bytes) -> Path:
    """A workbook with other text in its sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert old in parts[sheet]
    return zipped(path, {**parts, sheet: parts[sheet].replace(old, new)})


def test_workbooks_that_are_broken_or_of_another_kind(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    good = workbook(tmp_path / "good.xlsx", ("ID", "나이"), (1, 40)).read_bytes()

    def said(content: bytes) -> str:
        path = tmp_path / "meta.xlsx"
        path.write_bytes(content)
        return said_of(path, capsys)

    assert "expected a whole .xlsx workbook, got a broken zip file" in said(good[: len(good) // 2])
    assert "expected a whole .xlsx workbook, got a broken zip file" in said(b"PK\x03\x04" + b"x" * 100)
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert "got an old .xls workbook" in said(ole + bytes(600))
    assert "got a workbook with a password" in said(ole + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
    zipped(tmp_path / "x.zip", {"a.txt": b"a"})
    assert "expected an .xlsx workbook, got another zip file" in said((tmp_path / "x.zip").read_bytes())
    zipped(tmp_path / "x.zip", {"xl/workbook.bin": b"a"})
    assert "got a binary one (.xlsb)" in said((tmp_path / "x.zip").read_bytes())
    zipped(tmp_path / "x.zip", {"[Content_Types].xml": b"<not xml"})
    assert "expected a workbook that openpyxl can read, got" in said((tmp_path / "x.zip").read_bytes())
    damaged = bytearray(good)
    damaged[good.index(b"xl/worksheets/sheet1.xml") + 40] ^= 0xFF
    assert "expected a whole .xlsx workbook, got a broken zip file" in said(bytes(damaged))
    assert "expected UTF-8 text" in said("ID,나이\n1,2\n".encode("cp949"))
    assert "expected a header" in said(b"")
    (tmp_path / "meta.xlsx").unlink()
    assert "expected an existing file" in said_of(tmp_path / "meta.xlsx", capsys)
    assert "got a folder" in said_of(tmp_path, capsys)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = zipped(tmp_path / "a.xlsx", {"[Content_Types].xml": b"", "xl/worksheets/sheet1.xml": bytes(200_000_000)})
    assert path.stat().st_size < 1_000_000
    assert "expected a workbook that unpacks to at most 128000000 bytes, got 200000000" in said_of(path, capsys)
    path = zipped(tmp_path / "b.xlsx", {"[Content_Types].xml": b"", **{f"{n}.xml": b"" for n in range(1001)}})
    assert "expected a workbook of at most 1000 parts" in said_of(path, capsys)
    with (tmp_path / "c.xlsx").open("wb") as stream:
        stream.truncate(workbooks.MOST_FILE_BYTES + 1)
    assert f"expected at most {workbooks.MOST_FILE_BYTES} bytes" in said_of(tmp_path / "c.xlsx", capsys)


def test_xml_that_swells_or_counts_rows_without_end_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plain = workbook(tmp_path / "a.xlsx", ("ID", "나이"), (1, 40))
    entities = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet'
    assert "EntitiesForbidden" in said_of(respelt(plain, b"<worksheet", entities), capsys)
    far = workbook(tmp_path / "b.xlsx", ("ID", "나이"), (1, 40))
    said = said_of(respelt(far, b'<row r="2"', b'<row r="99999999999"'), capsys)
    assert "expected at most 1048576 rows" in said


def test_a_sheet_that_is_only_formatted_far_down_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ("ID", "나이"), (1, 40))
    rows, _ = converted(respelt(path, b"</sheetData>", b'<row r="70000"><c r="ZZ70000" s="0"/></row></sheetData>'))
    assert rows == [{"ID": "1", "age": "40"}]


def test_results_are_replaced_only_when_asked_and_inputs_never(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = workbook(tmp_path / "meta.xlsx", ("ID", "나이"), (1, 400))
    out, record = tmp_path / "deep" / "a.csv", tmp_path / "changes.json"
    assert main([str(table), str(out), "--json", str(record), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.json", "deep", "meta.xlsx"]
    first = out.read_bytes(), record.read_bytes()
    assert main([str(table), str(out)]) == 3
    assert main([str(table), str(out), "--json", str(record), "--overwrite", "--strict"]) == 1
    assert (out.read_bytes(), record.read_bytes()) == first
    assert main([str(out), str(out), "--overwrite"]) == 3
    assert main([str(table), str(tmp_path / "b.csv"), "--json", str(table), "--overwrite"]) == 3
    assert main([str(table), str(tmp_path / "b.xlsx")]) == 2
    assert main([str(table), str(tmp_path)]) == 2


def test_letters_of_columns() -> None:
    assert [column_letter(place) for place in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_reading_workbooks_costs_nothing_where_none_is_read() -> None:
    code = "import sys, converters.metadata_to_csv, yolo_bones.slices; print('openpyxl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_a_tab_between_words_is_a_space_and_an_infinite_cell_stays_json(tmp_path: Path) -> None:
    assert clean_text(" a\tb ").text == "a b"
    assert clean_text("a\nb\n").text == "a b"
    assert clean_text(1e300).text == "1e+300"
    table = tmp_path / "table.csv"
    table.write_text("ID,키(신장)\n1,inf\n", encoding="utf-8")
    rows, report = converted(table)
    assert rows[0]["height_cm"] == ""
    assert "Infinity" not in json.dumps(report)


def test_a_patient_column_that_says_otherwise_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for patient in ("ID001", "ID002"):
        (tmp_path / "raw" / "DCM" / patient).mkdir(parents=True)
        (tmp_path / "raw" / "DCM" / patient / f"{patient}.png").touch()
    table = tmp_path / "table.csv"
    table.write_text("ID,patient\n1,ID001\n2,mine\n", encoding="utf-8")
    rows, report = converted(table, "--images", tmp_path / "raw")
    assert [row["patient"] for row in rows] == ["ID001", "ID002"]
    assert report["images"]["patient_column_replaced"] == {"2": "mine"}
    assert "1 other entries replaced" in capsys.readouterr().err
