"""The command that measures a table of run lengths, and what it joins it with."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import TINY_SIZE
from yolo_bones.bone_measurements import Measurement
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.measure_rle import main
from yolo_bones.measurement_agreement import Agreement, group_of
from yolo_bones.pixel_spacing import SpacingColumn, parse_spacing, spacing_argument_value, spacings_of_images


@pytest.fixture
def truth(tiny_hands: Path) -> list[str]:
    """Arguments that measure the truth of the tiny hands."""
    return [str(tiny_hands / "train_truth.csv"), "--images", str(tiny_hands / "train"), "--quiet"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_long_table_goes_to_stdout(truth: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(truth) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "image_name,bone,measurement,value,unit"
    rows = rows_of(text)
    assert len({row["image_name"] for row in rows}) == 4
    assert {row["unit"] for row in rows} == {"px", "px2", "ratio", "deg"}
    assert all(np.isfinite(float(row["value"])) for row in rows)
    keys = [(row["image_name"], row["bone"], row["measurement"]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_millimetres_only_where_spacing_is_given(
    truth: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(truth) == 0
    pixels = rows_of(capsys.readouterr().out)
    names = sorted({row["image_name"] for row in pixels})
    table = tmp_path / "meta.csv"
    table.write_text(f"image_name,mm\n{names[0]},0.5\n{names[1]},\n{names[2]},0.25\\0.25\n")
    assert main([*truth[:-1], "--spacing", f"{table}:mm"]) == 0
    told = capsys.readouterr()
    factor = {"px": 1.0, "px2": 2.0, "ratio": 0.0, "deg": 0.0}
    spacing = {names[0]: 0.5, names[2]: 0.25}
    for before, after in zip(pixels, rows_of(told.out), strict=True):
        wanted = float(before["value"]) * spacing.get(before["image_name"], 1.0) ** factor[before["unit"]]
        assert float(after["value"]) == pytest.approx(wanted, abs=1e-4)
        in_mm = before["image_name"] in spacing and before["unit"].startswith("px")
        assert after["unit"] == (before["unit"].replace("px", "mm") if in_mm else before["unit"])
    assert "2 of 4 images have no spacing" in told.err


def test_files_are_written_and_not_overwritten(truth: list[str], tmp_path: Path) -> None:
    files = ["--csv", str(tmp_path / "m.csv"), "--json", str(tmp_path / "m.json")]
    assert main([*truth, *files]) == 0
    first = (tmp_path / "m.csv").read_bytes()
    assert main([*truth, *files]) == 3
    assert main([*truth, *files, "--overwrite", "--workers", "2"]) == 0
    assert (tmp_path / "m.csv").read_bytes() == first
    record = json.loads((tmp_path / "m.json").read_text())
    image = record["images"][0]
    assert (image["height"], image["width"], image["spacing_mm"]) == (*TINY_SIZE, None)
    assert len(image["measurements"]) + len(image["not_measured"]) == 19 * 4 + 10 * 3 + 32 * 3 + 6
    assert {"bone": "Radius", "measurement": "length", "reason": "cut by the image's edge"} in image["not_measured"]


def test_an_input_is_never_written(truth: list[str]) -> None:
    before = Path(truth[0]).read_bytes()
    assert main([*truth, "--csv", truth[0], "--overwrite"]) == 3
    assert Path(truth[0]).read_bytes() == before


def test_what_could_not_be_measured_is_counted(truth: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(truth[:-1]) == 0
    assert "not measured: 16 x cut by the image's edge (Radius, Ulna)" in capsys.readouterr().err


def test_a_table_agrees_with_itself(truth: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "m.json"
    assert main([*truth, "--against", truth[0], "--json", str(report)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["measurement", "of", "unit", "n"]
    agreement = json.loads(report.read_text())["agreement"]
    assert len(agreement) == len(lines)
    assert all(row["bias"] == row["sd"] == row["worst"] == row["missed"] == row["extra"] == 0 for row in agreement)


def test_pictures_show_lines_on_the_radiograph(truth: list[str], tmp_path: Path) -> None:
    assert main([*truth, "--draw", str(tmp_path / "pictures")]) == 0
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert len(pictures) == 4
    drawn = cv2.imread(str(pictures[0]))
    assert drawn is not None
    assert drawn.shape[:2] == (1600, 1280)
    assert (np.ptp(drawn.astype(int), axis=2) > 60).mean() > 0.002
    assert main([*truth, "--draw", str(tmp_path / "pictures")]) == 3


def test_pictures_need_the_images(truth: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([truth[0], "--size", "320x256", "--draw", "nowhere"]) == 2
    assert "--draw: expected --images" in capsys.readouterr().err
    assert main([*truth, "--draw", truth[0]]) == 2
    assert "--draw: expected a folder, got" in capsys.readouterr().err


def test_an_image_that_is_not_there_is_named(truth: list[str], tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    cv2.imwrite(str(one / "other.png"), np.zeros((320, 256), np.uint8))
    assert main([truth[0], "--images", str(one), "--quiet"]) == 2


@pytest.mark.parametrize("text", ["0", "-0.1", "5", "nan", "inf", "abc", "", "0.1 0.1 0.1"])
def test_a_spacing_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="millimetres a pixel"):
        parse_spacing(text)


def test_pixels_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="not square"):
        parse_spacing("0.15\\0.14")
    assert parse_spacing("0.15\\0.15") == parse_spacing("0.15,0.15") == 0.15
    with pytest.raises(ValueError, match="with a decimal point"):
        parse_spacing("1,1")


def test_a_spacing_is_a_number_or_a_column(capsys: pytest.CaptureFixture[str], truth: list[str]) -> None:
    assert spacing_argument_value("0.143") == 0.143
    assert spacing_argument_value("a:b/meta.csv:mm") == SpacingColumn(Path("a:b/meta.csv"), "mm")
    with pytest.raises(SystemExit):
        main([*truth, "--spacing", "-3"])
    assert "expected FILE.csv:COLUMN or millimetres a pixel" in capsys.readouterr().err


def test_all_impossible_cells_of_a_column_are_named_at_once(tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("image_name,mm\na.png,0.15\nb.png,150\nc.png,nan\nd.png,wide\n")
    with pytest.raises(InputErrors) as caught:
        spacings_of_images(SpacingColumn(table, "mm"), ["a.png", "b.png", "c.png", "d.png"])
    assert [fault.field for fault in caught.value.faults] == ["b.png: mm", "d.png: mm"]


def test_a_column_by_patient_needs_to_know_the_patients(tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("patient,mm\n1,0.2\n2,0.1\n")
    column = SpacingColumn(table, "mm")
    with pytest.raises(InputError, match=r"images\.csv"):
        spacings_of_images(column, ["a.png"])
    patients = {"a.png": "ID001", "b.png": "ID002", "c.png": "ID003"}
    assert spacings_of_images(column, list(patients), patients) == {"a.png": 0.2, "b.png": 0.1}


def test_agreement_is_bias_scatter_and_what_one_side_lacks() -> None:
    agreement = Agreement()
    for value, reference in ((11.0, 10.0), (13.0, 10.0)):
        agreement.add(
            [Measurement("length", "Lunate", value, "px")], [Measurement("length", "Lunate", reference, "px")]
        )
    agreement.add([], [Measurement("length", "Capitate", 9.0, "px")])
    agreement.add([Measurement("length", "Hamate", 9.0, "px")], [])
    (row,) = agreement.records()
    assert (row["of"], row["pairs"], row["missed"], row["extra"]) == ("carpal", 2, 1, 1)
    assert (row["bias"], row["worst"]) == (2.0, 3.0)
    assert row["sd"] == pytest.approx(2.0**0.5, abs=1e-4)
    assert row["limit_high"] == pytest.approx(2.0 + 1.96 * 2.0**0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("bone", "group"),
    [
        ("finger-7", "metacarpal"),
        ("Lunate", "carpal"),
        ("Radius", "radius"),
        ("MCP-2", "MCP"),
        ("CMC-1", "CMC"),
        ("scapholunate", "wrist joint"),
        ("distal-radioulnar", "wrist joint"),
        ("", "hand"),
    ],
)
def test_measures_are_grouped_by_the_sort_of_bone_or_joint(bone: str, group: str) -> None:
    assert group_of(bone) == group
