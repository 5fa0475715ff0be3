"""Exploration: rectangles whose measures are known, shifts and extremes computed by hand, the command itself."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL.PngImagePlugin import PngImageFile

from tests.conftest import ROOT, edit_json
from tests.rectangle_hands import ORIGIN_XY, SIZE, UNIT_PX, hand_masks, hand_planes, write_hands
from tests.test_page_record import read_record as read_page
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.exploration.collected import Collected
from yolo_bones.exploration.extremes import incomplete, most_bent, most_overlap, odd_overlaps, size_outliers
from yolo_bones.exploration.image_measures import HandPlace, ImageMeasures
from yolo_bones.exploration.record import as_text, shortened
from yolo_bones.exploration.sections import figures_of
from yolo_bones.exploration.sheet_lists import SHEETS
from yolo_bones.exploration.shift import chance_ks, compare
from yolo_bones.exploration.sources import annotated_side, image_side, table_beside
from yolo_bones.explore_points import main
from yolo_bones.figures.drawing import FIGURES
from yolo_bones.figures.sheets import close_up_window
from yolo_bones.page.exploration_page import KINDS
from yolo_bones.page.layers import unpack_layers
from yolo_bones.reference import CLASS_AREA_PX, shape_reference

SCALE = 2048 / SIZE.height
TILTS = {"a.png": -24.0, "b.png": 0.0, "c.png": 12.0}
"""Of the complete hands; of `b.png` the thumb is on the right."""


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three complete hands, one without Pisiform and in a larger image, one of two bones; two hands for test."""
    folder = tmp_path_factory.mktemp("hands")
    planes = {name: hand_planes(tilt, name != "b.png") for name, tilt in TILTS.items()}
    wide = np.zeros((len(BONES), SIZE.height, SIZE.width + 60), dtype=bool)
    wide[:, :, : SIZE.width] = hand_planes()
    wide[CLASS_IDS["Pisiform"]] = False
    scraps = hand_planes()
    scraps[[index for index, bone in enumerate(BONES) if bone not in ("finger-1", "Ulna")]] = False
    write_hands(folder, {**planes, "d.png": wide, "e.png": scraps}, with_runs=False)
    write_hands(folder, {"y.png": hand_planes(unit_px=80.0), "z.png": hand_planes(unit_px=81.0)}, split="test")
    edit_json(folder / "train" / "outputs_json" / "ID001" / "a.json", _repeat_first_point)
    return folder


def _repeat_first_point(record: dict[str, Any]) -> None:
    record["annotations"][0]["points"].insert(0, record["annotations"][0]["points"][0])


@pytest.fixture(scope="module")
def explored(hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes about them."""
    out = tmp_path_factory.mktemp("explored") / "out"
    assert main([str(hands), "--test", str(hands / "test"), "--out", str(out), "--quiet", "--tiles", "3"]) == 0
    return out


def read_record(out: Path) -> dict[str, Any]:
    """The JSON, which holds neither NaN nor Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    record: dict[str, Any] = json.loads((out / "explore.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return record


# ---------------------------------------------------------------------------------------------------------- the numbers


def test_sides_are_counted(explored: Path) -> None:
    record = read_record(explored)
    train, test = record["sides"]["train"], record["sides"]["test"]
    assert (train["images"], train["patients"], test["images"], test["patients"]) == (5, 5, 2, 2)
    assert (train["masks_from"], test["masks_from"]) == ("annotations", "test_truth.csv, found beside the images")
    assert train["without_hand"] == ["e.png"]
    assert train["missing_bones"] == {bone: 1 for bone in BONES if bone not in ("finger-1", "Ulna")} | {"Pisiform": 2}
    assert train["repairs"] == {"duplicate_points": 1, "missing_bones": 28}
    assert record["image_sizes"] == {"train": {"560x500": 4, "560x560": 1}, "test": {"560x500": 2}}
    assert record["thumb_sides"]["train"] == {"left": 3, "right": 1, "unknown": 1}
    assert record["wrists"]["train"] == {"straight": 3, "bent": 1, "unknown": 1}


def test_areas_are_those_inside_the_drawn_line(explored: Path) -> None:
    """A hand that is not turned has rectangles along the pixels: the line runs through the border pixels' centres."""
    record = read_record(explored)
    table = record["per_image"]["train"]
    row = dict(zip(table["columns"], table["rows"][1], strict=True))
    plane = hand_planes(0.0, thumb_left=False)[CLASS_IDS["finger-11"]]
    height, width = (int(plane.any(axis=axis).sum()) for axis in (1, 0))
    assert row["image"] == "b.png"
    assert row["area_px finger-11"] == pytest.approx((height - 1) * (width - 1) * SCALE**2, rel=1e-5)
    assert record["areas"]["finger-11"]["train"]["count"] == 4
    assert record["areas"]["Pisiform"]["train"]["count"] == 3
    assert record["areas"]["Pisiform"]["reference"] == dict(zip(("mean", "sd"), CLASS_AREA_PX["Pisiform"], strict=True))
    assert row["relative_area finger-11"] == pytest.approx(plane.sum() / UNIT_PX**2, rel=0.03)
    assert record["lengths"]["finger-7"]["train"]["mean"] == pytest.approx(1.0602, rel=0.03)


def test_points_are_counted_as_they_are_drawn(hands: Path, explored: Path) -> None:
    table = read_record(explored)["per_image"]["train"]
    drawn = json.loads((hands / "train" / "outputs_json" / "ID001" / "a.json").read_text(encoding="utf-8"))
    row = dict(zip(table["columns"], table["rows"][0], strict=True))
    for annotation in drawn["annotations"]:
        assert row[f"points {annotation['label']}"] == len(annotation["points"])
    test = read_record(explored)["points"]["finger-1"]["test"]
    assert (test["count"], test["mean"]) == (0, None)


def test_hands_lie_where_they_were_put(explored: Path) -> None:
    table = read_record(explored)["per_image"]["train"]
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
    for name, tilt in TILTS.items():
        assert rows[name]["tilt_deg"] == pytest.approx(tilt, abs=0.6)
        assert rows[name]["tilt_to_thumb_deg"] == pytest.approx(tilt if name == "b.png" else -tilt, abs=0.6)
        assert rows[name]["unit"] == pytest.approx(UNIT_PX / SIZE.height, rel=0.02)
        assert rows[name]["place_x"] == pytest.approx((ORIGIN_XY[0] + 0.5) / SIZE.width, abs=0.01)
        assert rows[name]["place_y"] == pytest.approx((ORIGIN_XY[1] + 0.5) / SIZE.height, abs=0.01)
    assert rows["d.png"]["place_x"] == pytest.approx((ORIGIN_XY[0] + 0.5) / (SIZE.width + 60), abs=0.01)
    assert rows["e.png"]["tilt_deg"] is rows["e.png"]["unit"] is rows["e.png"]["thumb_left"] is None
    assert rows["e.png"]["bones"] == 2


def test_overlaps_are_shares_of_images_with_both_bones(explored: Path) -> None:
    pairs = {tuple(pair["bones"]): pair for pair in read_record(explored)["overlaps"]}
    found = pairs["Triquetrum", "Pisiform"]
    planes = [hand_planes(tilt, name != "b.png") for name, tilt in TILTS.items()]
    first, second = CLASS_IDS["Triquetrum"], CLASS_IDS["Pisiform"]
    ious = [(hand[first] & hand[second]).sum() / (hand[first] | hand[second]).sum() for hand in planes]
    assert found["train"] == {"images": 3, "share": 1.0, "iou": pytest.approx(np.mean(ious), rel=1e-5)}
    assert found["reference"] == {"images": 799, "share": 799 / 800, "iou": 0.44833}


def test_greys_are_those_painted(explored: Path) -> None:
    greys = read_record(explored)["greys"]
    assert greys["bone"]["train"]["mean"] == 100.0
    assert greys["background"]["train"]["mean"] == 20.0
    assert greys["metacarpal"]["reference"] == {"mean": 122.0, "sd": 9.0}
    share = hand_planes(TILTS["a.png"]).any(axis=0).mean()
    table = read_record(explored)["per_image"]["train"]
    assert table["rows"][0][table["columns"].index("grey image")] == pytest.approx(20 + 80 * share, rel=1e-5)


def test_the_smaller_hands_of_the_test_side_shift_the_size(explored: Path) -> None:
    shift = read_record(explored)["shift"]
    assert shift["chance_ks"] == 1.0
    by_name = {measure["measure"]: measure for measure in shift["measures"]}
    unit = by_name["unit"]
    assert unit["ks"] == 1.0
    assert unit["standardised"] < -5.0
    assert (unit["train"]["count"], unit["test"]["count"]) == (4, 2)
    assert unit["test"]["mean"] == pytest.approx(80.5 / SIZE.height, rel=0.02)
    assert by_name["height_px"]["standardised"] is None
    order = [(-m["ks"], -abs(m["standardised"] or 0.0), m["measure"]) for m in shift["measures"]]
    assert order == sorted(order)


def test_shift_by_hand() -> None:
    """Of 0, 1, 2, 3 against 2, 3, 4, 5 the distributions are half apart; the variance of both is 1.25."""
    nan = math.nan
    train = {
        "moved": [0, 1, 2, 3, nan],
        "same": [7, 7, 7, 7, 7],
        "wider": [4, 5, 6, 5, 5],
        "seldom": [1, nan, nan, nan, nan],
    }
    test = {"moved": [2, 3, 4, 5], "same": [7, 7, 7, 7], "wider": [0, 10, 0, 10], "seldom": [1, 1, 1, 1]}
    shifts = compare(*({name: np.array(column, float) for name, column in side.items()} for side in (train, test)))
    assert [shift.measure for shift in shifts] == ["moved", "wider", "same"]
    assert (shifts[0].ks, shifts[1].ks, shifts[2].ks) == (0.5, 0.5, 0.0)
    assert shifts[0].standardised == pytest.approx(2 / math.sqrt(1.25))
    assert shifts[0].train == (4, 1.5, pytest.approx(math.sqrt(1.25)))
    assert (shifts[1].standardised, shifts[2].standardised) == (0.0, None)
    assert chance_ks(400, 144) == pytest.approx(1.358 * math.sqrt(1 / 400 + 1 / 144))
    assert chance_ks(2, 1) == chance_ks(0, 5) == 1.0


def test_figures_of_nothing_and_of_little() -> None:
    assert set(figures_of(np.array([math.nan])).values()) == {0, None}
    found = figures_of(np.array([1.0, 3.0, math.nan]))
    assert (found["count"], found["mean"], found["sd"], found["p25"], found["max"]) == (2, 2.0, 1.0, 1.5, 3.0)


def test_the_record_as_text_is_the_record() -> None:
    rows = {"train": {"columns": ["image", "x"], "rows": [["a.png", math.nan], ["b,{}.png", 1 / 3]]}}
    record = shortened({"version": "1", "sheets": {"name": [(1, 2)]}, "per_image": rows})
    assert json.loads(as_text(record)) == record
    assert record["per_image"]["train"]["rows"] == [["a.png", None], ["b,{}.png", 0.333333]]
    assert '   ["a.png", null],\n' in as_text(record)


# ------------------------------------------------------------------------------------------------------------- extremes


def typical_image(name: str, tilt_deg: float = 0.0, **changes: Any) -> ImageMeasures:
    areas = [shape_reference()[bone]["area"][0] for bone in BONES]
    blank = [1.0] * len(BONES)
    measures = {
        "image": name, "patient": name[:2], "height": 2048, "width": 1800, "outline_area_px": blank, "area": areas,
        "hand": HandPlace(0.5, 0.6, 450.75 / 2048, tilt_deg, True), "length": blank, "width_of_bone": blank,
        "overlaps": [], "multi_label_px": 19_700.0, "points": blank, "greys": {}, "profiles": [], "repairs": {},
    }  # fmt: skip
    return ImageMeasures(**{**measures, **changes})


def with_area(bone: str, factor: float) -> list[float]:
    areas = [shape_reference()[name]["area"][0] for name in BONES]
    areas[CLASS_IDS[bone]] *= factor
    return areas


@pytest.mark.parametrize("copies", [1, 30])
def test_the_oddest_sizes_come_first(copies: int) -> None:
    """Against the built-in statistics in a small set, against the set itself in a large one."""
    images = [typical_image(f"{number}.png") for number in range(copies)]
    images += [
        typical_image("large.png", area=with_area("finger-9", 1.5)),
        typical_image("small.png", area=with_area("Lunate", 0.5)),
    ]
    collected = Collected([*images, typical_image("unknown.png", hand=None, area=[math.nan] * len(BONES))])
    largest = size_outliers(collected, True, "finger", 3)[0]
    assert (largest.index, largest.bones) == (copies, ("finger-9",))
    assert largest.text.startswith("finger-9 1.50 x the usual area")
    smallest = size_outliers(collected, False, "hand", 3)[0]
    assert (smallest.index, smallest.bones) == (copies + 1, ("Lunate",))
    assert size_outliers(collected, True, "arm", 3) == []


def test_the_most_bent_and_the_most_overlapping() -> None:
    odd = (CLASS_IDS["finger-9"], CLASS_IDS["finger-13"], 0.3)
    usual = (CLASS_IDS["Triquetrum"], CLASS_IDS["Pisiform"], 0.5)
    collected = Collected(
        [
            typical_image("a", 20.0, overlaps=[usual], multi_label_px=2 * 19_700.0),
            typical_image("b", -40.0, overlaps=[usual, odd], multi_label_px=3 * 19_700.0),
            typical_image("c", 5.0, hand=None, overlaps=[usual]),
        ]
    )
    assert [(one.index, one.value) for one in most_bent(collected, 5)] == [(1, -40.0), (0, 20.0)]
    most = most_overlap(collected, 1)[0]
    assert (most.index, most.bones, most.value) == (1, ("finger-9", "finger-13"), pytest.approx(3.0))
    assert [(one.index, one.bones) for one in odd_overlaps(collected, 5)] == [(1, ("finger-9", "finger-13"))]


def test_images_without_hand_and_without_bones() -> None:
    lacking = [1.0] * len(BONES)
    lacking[0] = lacking[28] = math.nan
    collected = Collected(
        [typical_image("a"), typical_image("b", outline_area_px=lacking), typical_image("c", hand=None)]
    )
    assert [(one.index, one.text) for one in incomplete(collected, 5)] == [
        (2, "no hand found"),
        (1, "without finger-1, Ulna"),
    ]


# ------------------------------------------------------------------------------------------------------------- pictures


def test_pictures_carry_no_date_and_no_version(explored: Path) -> None:
    pictures = sorted(explored.glob("*.png"))
    assert {path.stem for path in pictures} == {*FIGURES, *SHEETS} - {"sheet_smallest"}
    for path in pictures:
        with PngImageFile(path) as image:
            image.load()
            assert min(image.size) > 200
            assert set(image.info) <= {"dpi"}


def test_sheets_tell_what_is_on_them(explored: Path) -> None:
    record = read_record(explored)
    sheets = record["sheets"]
    assert [tile["image"] for tile in sheets["sheet_sample"]] == ["a.png", "c.png", "e.png"]
    assert [tile["image"] for tile in sheets["sheet_bent"]][:2] == ["a.png", "c.png"]
    assert [tile["text"] for tile in sheets["sheet_incomplete"]] == [
        "without 27 bones; no hand found",
        "without Pisiform",
    ]
    picture = cv2.imread(str(explored / "sheet_sample.png"))
    assert picture is not None
    # Three tiles of 300 and a caption of 36, gaps of 4 around each, a heading of 34.
    assert picture.shape == (34 + 4 + 336 + 4, 3 * 304 + 4, 3)
    # A tinted bone is coloured, the picture beside it grey.
    tile = picture[38:338, 4:304].astype(int)
    assert np.abs(tile[..., 0] - tile[..., 2]).max() > 60


@pytest.mark.parametrize(("bone", "inside"), [("finger-11", True), ("Radius", True)])
def test_a_close_up_lies_inside_the_image_and_holds_the_bone(bone: str, inside: bool) -> None:
    masks = hand_masks()
    top, left, side = close_up_window(masks, [bone])
    low, begin, high, end = masks.boxes()[CLASS_IDS[bone]].tolist()
    assert top <= low
    assert left <= begin
    assert top + side >= high
    assert left + side >= end
    assert (top >= 0 and top + side <= SIZE.height) is inside


# ---------------------------------------------------------------------------------------------------------- the command


def test_a_resumed_run_gives_the_same_bytes(
    hands: Path, explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while it measures, then repeated with workers; of the figures two, which cost most of the time."""
    out = tmp_path / "out"
    arguments = [str(hands), "--test", str(hands / "test"), "--out", str(out), "--tiles", "3"]
    program = [sys.executable, "-m", "yolo_bones.explore_points", *arguments, "--quiet"]
    process = subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    parts = out / ".parts" / "train"
    while not list(parts.glob("*.json")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "interrupted\n")
    assert not (out / "explore.json").exists()
    for name in list(FIGURES)[2:]:
        monkeypatch.delitem(FIGURES, name)
    assert main([*arguments, "--workers", "2", "--quiet"]) == 0
    page, whole = (read_page(folder / "explore.html") for folder in (out, explored))
    assert page["images"] == whole["images"]
    assert {one["title"] for one in page["figures"]} < {one["title"] for one in whole["figures"]}
    names = sorted(path.name for path in out.iterdir() if path.name != "explore.html")
    assert {"areas.png", "explore.json", "sheet_test.png"} <= set(names)
    assert all((out / name).read_bytes() == (explored / name).read_bytes() for name in names)


def test_the_page_shows_figures_and_the_images_of_the_sheets(hands: Path, explored: Path) -> None:
    page, record = read_page(explored / "explore.html"), read_record(explored)
    assert page["kind"] == "exploration"
    pictures = [path.name for path in explored.iterdir() if path.suffix == ".png"]
    assert len(page["figures"]) == len(pictures)
    assert page["figures"][0]["title"] == "Areas"
    assert [one["role"] for one in page["sets"]] == ["annotation", "truth"]
    assert [one["label"] for one in page["sets"]] == ["annotations", "test_truth.csv"]
    sheet_of = {kind: name for name, kind in KINDS.items()}
    tiles = [(name, tile["image"]) for name, listed in record["sheets"].items() for tile in listed]
    assert {one["name"] for one in page["images"]} == {image for _, image in tiles}
    assert {(sheet_of[f["kind"]], one["name"]) for one in page["images"] for f in one["findings"]} == {
        tile for tile in tiles if tile[0] not in ("sheet_sample", "sheet_test")
    }
    # Samples that nothing is told of come last, those of the test side after all others.
    assert [one["facts"]["split"] for one in page["images"]][-2:] == ["test", "test"]
    by_name = {one["name"]: one for one in page["images"]}
    side = annotated_side(hands)
    source = next(iter(side.read(side.images[:1])))
    assert unpack_layers(by_name["a.png"]["layers"]["train"], source.size).equals(source.masks())
    assert list(by_name["y.png"]["layers"]) == ["test"]


def test_a_large_page_keeps_its_pictures_beside_it(
    hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yolo_bones.page_options import PageOptions

    monkeypatch.setattr("yolo_bones.explore_points.PageOptions", partial(PageOptions, embed_mb=0))
    for name in list(FIGURES)[1:]:
        monkeypatch.delitem(FIGURES, name)
    out = tmp_path / "out"
    arguments = [str(hands), "--out", str(out), "--quiet", "--tiles", "2"]
    assert main(arguments) == 0
    page = read_page(out / "explore.html")
    addresses = [one["picture"] for key in ("figures", "images") for one in page[key]]
    assert addresses[0] == "areas.png"
    assert addresses[-1].startswith("explore_files/00")
    assert all((out / address).is_file() for address in addresses)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main([*arguments, "--overwrite"]) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_summary_and_what_exists_already(hands: Path, explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (explored / "areas.png").stat().st_mtime_ns
    assert main([str(hands), "--out", str(explored)]) == 3
    assert "explore.json already; give --overwrite" in capsys.readouterr().err
    assert (explored / "areas.png").stat().st_mtime_ns == before


def test_all_faults_at_once_and_what_is_good_is_kept(
    hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    shutil.copytree(hands / "train", raw)
    edit_json(raw / "outputs_json" / "ID001" / "a.json", lambda record: record["annotations"][2].update(label="thumb"))
    (raw / "outputs_json" / "ID003" / "c.json").write_text("{}", encoding="utf-8")
    (raw / "DCM" / "ID004" / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for workers in ("1", "2"):
        assert main([str(raw), "--out", str(out), "--quiet", "--workers", workers]) == 2
        said = capsys.readouterr().err
        assert "a.json: annotations[2].label: expected one of the 29 bone names, got 'thumb'" in said
        assert "c.json: expected a key 'annotations', got none" in said
        assert "d.png: expected" in said
        assert sorted(path.name for path in (out / ".parts" / "train").iterdir()) == [
            "b.png.part.json",
            "e.png.part.json",
        ]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--pred", "x.csv"], 2, "--pred: expected --test DIR"),
        (["--test", "nowhere"], 2, "--test: expected a folder of images, got nothing there"),
        (["--test", "{hands}/test", "--pred", "{hands}/lacking.csv"], 2, "rows for z.png, got none"),
        (["--out", "{hands}/train/inside"], 3, "lies in the source data"),
        (["--out", "{hands}/test_truth.csv"], 2, "--out: expected a folder, got a file"),
        (["--test", "{hands}/test", "--pred", "{out}/test_pred.csv"], 3, "a name that this command writes"),
    ],
)
def test_refusals(
    hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    rows = (hands / "test_truth.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (hands / "lacking.csv").write_text("".join(rows[:30]), encoding="utf-8")
    out = tmp_path / "out"
    filled = [option.format(hands=hands, out=out) for option in options]
    assert main([str(hands), "--out", str(out), "--quiet", *filled]) == code
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_pictures_of_somebody_else_are_not_replaced(
    hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "areas.png").write_bytes(b"mine")
    assert main([str(hands), "--out", str(tmp_path), "--quiet", "--overwrite"]) == 3
    assert "holds areas.png without explore.json" in capsys.readouterr().err
    assert (tmp_path / "areas.png").read_bytes() == b"mine"


def test_where_the_truth_of_a_test_side_is_looked_for(hands: Path) -> None:
    assert table_beside(hands / "test") == table_beside(hands / "test" / "DCM") == hands / "test_truth.csv"
    assert table_beside(hands / "train") is None


def test_images_without_patients_count_for_themselves(hands: Path, tmp_path: Path) -> None:
    for path in (hands / "test").rglob("*.png"):
        shutil.copy(path, tmp_path / path.name)
    flat = image_side(tmp_path, hands / "test_truth.csv", "truth")
    assert [listed.patient for listed in flat.images] == ["y", "z"]
    filed = image_side(hands / "test", hands / "test_truth.csv", "truth")
    assert [listed.patient for listed in filed.images] == ["ID001", "ID002"]


def test_a_test_side_without_masks_is_predicted(
    tiny_hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(FIGURES):
        monkeypatch.delitem(FIGURES, name)
    test, out = tmp_path / "test", tmp_path / "out"
    shutil.copytree(tiny_hands / "test", test)
    assert main([str(tiny_hands), "--test", str(test), "--out", str(out), "--tiles", "1"]) == 0
    shown = capsys.readouterr()
    assert "predicting them with the shipped weights (or give --pred)" in shown.err
    assert "test: 2 images of 1 patients, masks from predictions of the shipped weights" in shown.out
    assert "shift of test against train" in shown.out
    first = read_record(out)
    kept = tmp_path / "pred.csv"
    kept.write_bytes((out / "test_pred.csv").read_bytes())
    again = ["--pred", str(kept), "--overwrite", "--quiet", "--tiles", "1"]
    assert main([str(tiny_hands), "--test", str(test), "--out", str(out), *again]) == 0
    assert not (out / "test_pred.csv").exists()
    assert read_record(out)["areas"] == first["areas"]
