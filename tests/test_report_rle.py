"""The page of a prediction: what its record says equals what the other commands say; tiny hands, 320 x 256."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TINY_SIZE, read_masks
from tests.test_page_record import read_record
from yolo_bones.audit_points import main as audit_points
from yolo_bones.audit_rle import main as audit_rle
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.compare_rle import main as compare
from yolo_bones.convert_table import main as convert_table
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.page.layers import unpack_layers
from yolo_bones.page.report_inputs import ReportInputs
from yolo_bones.page.summaries import compare_sets
from yolo_bones.page.table_sources import ScoredImage, TableSources
from yolo_bones.report_rle import main as report
from yolo_bones.rle import ImageSize, masks_to_row_texts
from yolo_bones.rle_table import open_rle_table, write_rle_table

SIZE = ImageSize(*TINY_SIZE)


class Hands:
    """Four images with their truth, a prediction without n bones of the nth image, another one without one bone."""

    def __init__(self, raw: Path, folder: Path) -> None:
        self.folder, self.images, self.truth = folder, raw / "train" / "DCM", raw / "train_truth.csv"
        self.pred, self.other = folder / "pred.csv", folder / "other.csv"
        self.names = open_rle_table(self.truth).names()
        self.drop(self.pred, lambda number: range(number))
        self.drop(self.other, lambda _: [20])
        self.meta = folder / "meta.csv"
        self.meta.write_text("patient,age,side\nID001,24,a\nID002,,b\n", encoding="utf-8")

    def drop(self, path: Path, bones_of: Any) -> None:
        """Write the truth without some bones of each image."""
        masks = read_masks(self.truth, SIZE)
        rows = []
        for number, name in enumerate(self.names):
            texts = [text.decode() for text in masks_to_row_texts(masks[name])]
            rows.append((name, ["" if place in bones_of(number) else text for place, text in enumerate(texts)]))
        write_rle_table(path, rows)

    def report(self, *arguments: str | Path, html: str = "page.html", code: int = 0) -> Path:
        page = self.folder / html
        given = [str(self.pred), "--images", str(self.images), "--html", str(page), "--quiet", *map(str, arguments)]
        assert report(given) == code
        return page


@pytest.fixture(scope="module")
def hands(tiny_hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Hands:
    return Hands(tiny_hands, tmp_path_factory.mktemp("report"))


def test_dice_layers_and_order_are_those_of_the_tables(hands: Hands) -> None:
    record = read_record(hands.report("--truth", hands.truth, "--against", hands.other, html="a.html"))
    images = record["images"]
    assert [one["name"] for one in images] == hands.names[::-1]
    assert [round(one["score"], 5) for one in images] == [
        round(1 - missing / BONE_COUNT, 5) for missing in (3, 2, 1, 0)
    ]
    assert (record["kind"], record["title"], record["score"]["label"]) == ("report", "pred.csv", "Dice")
    assert [(one["key"], one["label"], one["role"]) for one in record["sets"]] == [
        ("prediction", "pred.csv", "prediction"),
        ("truth", "train_truth.csv", "truth"),
        ("against", "other.csv", "against"),
    ]
    tables = {key: read_masks(path, SIZE) for key, path in (("prediction", hands.pred), ("truth", hands.truth))}
    for one in images:
        assert (one["height"], one["width"]) == TINY_SIZE
        for key, masks in tables.items():
            assert unpack_layers(one["layers"][key], SIZE).equals(masks[one["name"]])
        assert one["dice"]["prediction"][5] == 1.0
        assert one["dice"]["against"][20] < 1e-3
        assert one["findings"] == []
        assert one["picture"].startswith("data:image/jpeg;base64,")
    assert "images" in dict(record["about"])


def test_patients_wrists_and_sides_are_those_of_the_annotations(hands: Hands, tiny_hands: Path) -> None:
    from converters.points_to_rle import main as points_to_rle

    out = hands.folder / "rle"
    assert points_to_rle([str(tiny_hands), str(out), "--quiet"]) == 0
    with (out / "images.csv").open(encoding="utf-8", newline="") as stream:
        known = {row["image_name"]: row for row in csv.DictReader(stream)}
    for one in read_record(hands.report("--truth", hands.truth, html="b.html"))["images"]:
        row = known[one["name"]]
        assert one["patient"] == row["patient"]
        assert (one["facts"]["wrist"], one["facts"]["side"]) == (row["wrist"], row["side"])
        assert one["facts"]["size"] == f"{row['width']} x {row['height']}"


def test_slices_are_those_of_evaluate(hands: Hands) -> None:
    json_file = hands.folder / "scores.json"
    patients = hands.folder / "images.csv"
    rows = [f"{name},ID00{1 + place // 2}" for place, name in enumerate(hands.names)]
    patients.write_text("\n".join(["image_name,patient", *rows]) + "\n", encoding="utf-8")
    by = ["--by", f"{hands.meta}:age", "--patients", str(patients)]
    given = [str(hands.pred), str(hands.truth), "--images", str(hands.images), "--json", str(json_file), "--quiet"]
    assert evaluate([*given, *by]) == 0
    expected = json.loads(json_file.read_text(encoding="utf-8"))["slices"][0]["slices"]
    record = read_record(hands.report("--truth", hands.truth, *by, html="c.html"))
    wrist, age = record["slices"]
    assert (wrist["by"], age["by"]) == ("wrist", "age")
    assert sum(row["images"] for row in wrist["rows"]) == 4
    assert [(row["value"], row["images"], row["patients"]) for row in age["rows"]] == [("24", 2, 1), ("(none)", 2, 1)]
    for row, other in zip(age["rows"], expected, strict=True):
        assert row["dice"] == {"prediction": pytest.approx(other["dice"], abs=1e-6)}
    assert [one["facts"].get("age") for one in record["images"]] == [None, None, "24", "24"]


def test_columns_of_one_name_are_told_apart_and_folders_name_patients(hands: Hands) -> None:
    other = hands.folder / "other_meta.csv"
    other.write_text("patient,age\nID001,3\nID002,4\n", encoding="utf-8")
    by = ["--by", f"{hands.meta}:age", "--by", f"{other}:age", "--by", f"{hands.meta}:side"]
    record = read_record(hands.report("--truth", hands.truth, *by, html="d.html"))
    names = ["age", "age (other_meta.csv)", "side (meta.csv)"]
    assert [table["by"] for table in record["slices"]] == ["wrist", *names]
    assert list(record["images"][3]["facts"])[4:] == names
    assert record["images"][3]["facts"]["age (other_meta.csv)"] == "3"


def test_the_comparison_is_that_of_compare(hands: Hands) -> None:
    patients, json_file = hands.folder / "four.csv", hands.folder / "compared.json"
    rows = [f"{name},P{place}" for place, name in enumerate(hands.names)]
    patients.write_text("\n".join(["image_name,patient", *rows]) + "\n", encoding="utf-8")
    given = [str(hands.other), str(hands.pred), str(hands.truth), "--patients", str(patients)]
    assert compare([*given, "--images", str(hands.images), "--json", str(json_file), "--quiet"]) == 0
    expected = json.loads(json_file.read_text(encoding="utf-8"))
    arguments = ["--truth", hands.truth, "--against", hands.other, "--patients", patients]
    record = read_record(hands.report(*arguments, html="e.html"))
    comparison = record["comparison"]
    assert (comparison["a"], comparison["b"]) == ("other.csv", "pred.csv")
    rows_by_name = {row["name"]: row for row in comparison["rows"]}
    assert list(rows_by_name) == ["all", "finger", "hand", "arm", *BONES]
    for name, other in (("all", expected["overall"]), ("finger-1", expected["bones"]["finger-1"])):
        for key in ("difference", "low", "high"):
            assert rows_by_name[name][key] == pytest.approx(other[key], abs=1e-6)
        assert rows_by_name[name]["p"] == pytest.approx(other.get("p_holm", other["p"]), abs=1e-6)
        assert rows_by_name[name]["verdict"] == ""
    assert any("fewer than 6" in text for name, text in record["about"] if name == "note")


def scored(number: int, dice: Sequence[float], patients: dict[str, str]) -> ScoredImage:
    name = f"{number}.png"
    against, prediction = (np.full(BONE_COUNT, value) for value in dice)
    prediction[3] = 0.2
    scores = {"prediction": prediction, "against": against}
    return ScoredImage(name, patients.get(name, ""), SIZE, scores, {"wrist": "bent"}, None)


def test_a_verdict_needs_patients(hands: Hands) -> None:
    """All of twelve patients are better by a tenth, but for one bone."""
    tables = {"prediction": open_rle_table(hands.pred), "against": open_rle_table(hands.other)}
    patients = {f"{number}.png": f"P{number}" for number in range(12)}
    files = {name: hands.folder / name for name in patients}
    images = [scored(number, (0.8, 0.9), patients) for number in range(12)]
    comparison, notes = compare_sets(ReportInputs(TableSources(tables, files, patients), (), None), images)
    assert comparison is not None
    rows = {row["name"]: row for row in comparison["rows"]}
    assert (rows["all"]["verdict"], rows["Ulna"]["verdict"], rows["finger-4"]["verdict"]) == (
        "better",
        "better",
        "worse",
    )
    assert rows["Ulna"]["difference"] == pytest.approx(0.1)
    assert notes == []
    plain, notes = compare_sets(ReportInputs(TableSources(tables, files, {}), (), None), images)
    assert plain is not None
    assert [row["difference"] for row in plain["rows"]] == pytest.approx([r["difference"] for r in comparison["rows"]])
    assert {row["verdict"] for row in plain["rows"]} == {""}
    assert notes == ["patients are not known (--patients): no interval, no verdict"]


def test_without_a_truth_the_result_audit_scores_and_finds(hands: Hands) -> None:
    json_file = hands.folder / "audit.json"
    given = [str(hands.pred), "--images", str(hands.images), "--json", str(json_file), "--quiet"]
    assert audit_rle([*given, "--html", str(hands.folder / "audited.html")]) == 0
    expected = json.loads(json_file.read_text(encoding="utf-8"))
    record = read_record(hands.report(html="f.html"))
    assert (record["score"]["label"], record["slices"], record["comparison"]) == ("expected Dice", [], None)
    assert [one["name"] for one in record["images"]] == [one["image"] for one in expected["images"]]
    for one, other in zip(record["images"], expected["images"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        assert one["expected"] == pytest.approx(list(other["bones"].values()), abs=1e-4)
        found = [finding for finding in expected["findings"] if finding["image"] == one["name"]]
        assert [finding["kind"] for finding in one["findings"]] == [finding["kind"] for finding in found]
        assert one["dice"] == {}
    assert any(finding["kind"] == "missing_bone" for finding in record["images"][0]["findings"])
    # The page of the audit itself says the same.
    audited = read_record(hands.folder / "audited.html")
    assert audited["images"] == record["images"]
    assert audited["sets"] == record["sets"]
    # With its JSON nothing is audited again.
    again = read_record(hands.report("--audit", json_file, html="g.html"))
    assert [one["findings"] for one in again["images"]] == [one["findings"] for one in record["images"]]
    assert dict(again["about"])["findings of"] == "audit.json"


def test_given_findings_stand_beside_the_truth(hands: Hands) -> None:
    audit = hands.folder / "points.json"
    told = {"image": hands.names[0], "bone": "Ulna", "kind": "ring_in_bone", "severity": "note"}
    audit.write_text(json.dumps({"findings": [told, {**told, "image": "elsewhere.png"}]}), encoding="utf-8")
    record = read_record(hands.report("--truth", hands.truth, "--audit", audit, html="h.html"))
    assert [[finding["kind"] for finding in one["findings"]] for one in record["images"]] == [
        [],
        [],
        [],
        ["ring_in_bone"],
    ]
    assert dict(record["about"])["images of the audit that are not here"] == "1"


def test_the_same_page_comes_from_any_number_of_workers_and_from_parquet(hands: Hands) -> None:
    arguments = ["--truth", hands.truth, "--against", hands.other, "--by", f"{hands.meta}:age"]
    one = hands.report(*arguments, html="w1.html")
    two = hands.report(*arguments, "--workers", "2", html="w2.html")
    assert one.read_bytes() == two.read_bytes()
    table = hands.folder / "pred.parquet"
    assert convert_table([str(hands.pred), str(table), "--images", str(hands.images), "--quiet"]) == 0
    page = hands.folder / "parquet.html"
    given = [str(table), "--images", str(hands.images), "--html", str(page), "--quiet", *map(str, arguments)]
    assert report(given) == 0
    assert read_record(page)["images"] == read_record(one)["images"]


def test_only_the_worst_are_shown_and_all_are_scored(hands: Hands) -> None:
    record = read_record(hands.report("--truth", hands.truth, "--worst", "2", html="i.html"))
    assert [one["name"] for one in record["images"]] == hands.names[:1:-1]
    assert dict(record["about"])["images"] == "2 of 4, lowest score first"
    assert sum(row["images"] for row in record["slices"][0]["rows"]) == 4


def test_large_pages_have_their_pictures_beside_them(hands: Hands) -> None:
    html = hands.report("--truth", hands.truth, "--embed-mb", "0", "--picture-px", "160", html="j.html")
    record = read_record(html)
    assert [one["picture"] for one in record["images"]] == [f"j_files/000{number}.jpg" for number in (1, 2, 3, 4)]
    assert all((html.parent / one["picture"]).is_file() for one in record["images"])
    assert (record["images"][0]["picture_width"], record["images"][0]["picture_height"]) == (128, 160)


def test_millimetres_only_where_a_spacing_is_given(hands: Hands) -> None:
    plain, scaled = (
        read_record(hands.report("--truth", hands.truth, *more, "--overwrite", html="k.html"))
        for more in ([], ["--spacing", "0.25"])
    )
    units = [{one["unit"] for image in record["images"] for one in image["measurements"]} for record in (plain, scaled)]
    assert not units[0] & {"mm", "mm2"}
    assert not units[1] & {"px", "px2"}
    assert dict(scaled["about"])["side of a pixel"] == "0.25 mm"


def test_all_faults_are_told_at_once_and_nothing_is_written(hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, audit = hands.folder / "wrong.csv", hands.folder / "wrong.json"
    lines = hands.truth.read_text(encoding="utf-8").splitlines()
    stranger = [line.replace(hands.names[3], "stranger.png") for line in lines[-BONE_COUNT:]]
    lines[1] = f"{hands.names[0]},finger-1,5 0"
    wrong.write_text("\n".join([*lines[:-BONE_COUNT], *stranger]) + "\n", encoding="utf-8")
    audit.write_text("{}", encoding="utf-8")
    page = hands.folder / "wrong.html"
    given = [str(wrong), "--images", str(hands.images), "--audit", str(audit), "--by", f"{hands.meta}:height"]
    assert report([*given, "--html", str(page), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "wrong.json: findings: expected a key" in told
    assert "meta.csv:1: height: expected one column height" in told
    assert "wrong.csv:2: rle of" in told
    assert "expected an image in --images, got stranger.png" in told
    assert f"{hands.names[3]}: expected rows in wrong.csv, got none" in told
    assert not page.exists()


def test_patients_are_asked_for_where_a_column_needs_them(
    hands: Hands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images in one folder belong to no patient that is known."""
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in hands.images.rglob("*.png"):
        (flat / path.name).write_bytes(path.read_bytes())
    given = [str(hands.pred), "--images", str(flat), "--html", str(tmp_path / "page.html"), "--quiet"]
    assert report([*given, "--truth", str(hands.truth), "--by", f"{hands.meta}:age"]) == 2
    assert "--patients: expected an images.csv" in capsys.readouterr().err
    assert report([*given, "--truth", str(hands.truth), "--against", str(hands.other)]) == 0
    record = read_record(tmp_path / "page.html")
    assert {one["patient"] for one in record["images"]} == {""}
    assert record["slices"][0]["rows"][0]["patients"] is None
    assert record["comparison"]["rows"][0]["low"] is None


@pytest.mark.parametrize("arguments", [["--html", "PRED"], ["--html", "page.txt"], []])
def test_an_input_or_an_earlier_page_is_never_overwritten(
    hands: Hands, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "page.html"
    earlier.write_text("mine", encoding="utf-8")
    prediction = tmp_path / "pred.html"
    prediction.write_bytes(hands.pred.read_bytes())
    html = {"PRED": prediction, "page.txt": tmp_path / "page.txt"}.get((arguments or [""])[-1], earlier)
    code = report([str(prediction), "--images", str(hands.images), "--html", str(html), "--quiet"])
    assert code == (2 if html.suffix == ".txt" else 3)
    assert earlier.read_text(encoding="utf-8") == "mine"
    assert prediction.read_bytes() == hands.pred.read_bytes()
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--worst", "0"], ["--spacing", "0"], ["--spacing", "nan"], ["--spacing", "150"], ["--picture-px", "9"]],
)
def test_numbers_that_make_no_page_are_refused(hands: Hands, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        report([str(hands.pred), "--images", str(hands.images), "--html", "page.html", *arguments])
    assert caught.value.code == 2


def test_an_audit_of_a_prediction_needs_images_for_a_page(hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_rle([str(hands.pred), "--size", "320x256", "--html", str(hands.folder / "no.html"), "--quiet"]) == 2
    assert "--html: expected --images DIR" in capsys.readouterr().err


def test_an_audit_of_annotations_shows_them_and_what_it_proposes(raw: Path, tmp_path: Path) -> None:
    """Two labels are exchanged in one image; the page shows the exchange undone, as the corrected copy has it."""
    from tests.conftest import annotation_files, edit_json
    from yolo_bones.annotations import read_outlines
    from yolo_bones.page.annotation_sources import fill_outlines

    path = annotation_files(raw)[2]

    def exchange(record: dict[str, Any]) -> None:
        first, second = record["annotations"][4], record["annotations"][9]
        first["label"], second["label"] = second["label"], first["label"]

    edit_json(path, exchange)
    pages = [tmp_path / name for name in ("all.html", "some.html")]
    fixed = tmp_path / "fixed"
    assert audit_points([str(raw), "--html", str(pages[0]), "--fix", str(fixed), "--quiet"]) == 0
    record = read_record(pages[0])
    assert (record["kind"], record["score"], len(record["images"])) == ("audit", None, 4)
    assert [one["role"] for one in record["sets"]] == ["annotation", "proposal"]
    worst = record["images"][0]
    assert (worst["name"], worst["patient"]) == (f"{path.stem}.png", path.parent.name)
    assert {finding["bone"] for finding in worst["findings"]} >= {"finger-5", "finger-10"}
    corrected = fixed / "outputs_json" / path.parent.name / path.name
    for key, file in (("annotation", path), ("proposal", corrected)):
        masks = unpack_layers(worst["layers"][key], SIZE)
        assert masks.equals(fill_outlines(read_outlines(file, SIZE)[0], SIZE))
    assert audit_points([str(raw), "--html", str(pages[1]), "--html-findings-only", "--quiet"]) == 0
    some = read_record(pages[1])
    assert some["images"] == [one for one in record["images"] if one["findings"]]
    assert dict(some["about"])["images"].startswith(f"{len(some['images'])} of 4")
    inside = fixed / "page.html"
    assert audit_points([str(raw), "--html", str(inside), "--fix", str(fixed), "--overwrite", "--quiet"]) == 3
