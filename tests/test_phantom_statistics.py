"""The phantom's statistics: levels, shapes and overlaps computed by hand, rules at their limits, the command itself."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.rectangle_hands import ORIGIN_XY, SIZE, UNIT_PX, hand_masks, hand_planes, write_hands
from yolo_bones import reference
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.contact_sheet import lay_out, write_contact_sheet
from yolo_bones.errors import InputErrors, MachineError
from yolo_bones.greys import DISTANCES_PX, READINGS, REGIONS, Crop, GreyMeasures, measure_greys
from yolo_bones.hand_measures import (
    MEASURES,
    Collected,
    HandMeasures,
    count_multi_label,
    measure_hand,
    pairwise_iou,
    trimmed,
)
from yolo_bones.parallel import work_in_order
from yolo_bones.phantom.agreement import Check, Verdict, factor_deviation, judge, share_deviation
from yolo_bones.phantom.statistics import main, measure_sources
from yolo_bones.phantom.statistics_tables import Table
from yolo_bones.phantom.summaries import near_wrap
from yolo_bones.rle import ImageSize, encode
from yolo_bones.truth_sources import read_truth

STATS = ROOT.parent / "shared" / "stats"
METACARPAL_ROW = list(REGIONS).index("metacarpal")

# ---------------------------------------------------------------------------------------------------------- grey levels


def crop(top: int, left: int, height: int, width: int) -> Crop:
    return top, left, np.ones((height, width), dtype=bool)


def distance_to_box(shape: tuple[int, int], box: Crop) -> np.ndarray:
    """Signed distance of each pixel to a rectangle's outline: 1 on the outermost pixels inside, -1 just outside."""
    top, left, mask = box
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    below, right = top + mask.shape[0] - 1, left + mask.shape[1] - 1
    beyond = np.hypot(
        np.maximum(0, np.maximum(top - rows, rows - below)), np.maximum(0, np.maximum(left - columns, columns - right))
    )
    within = np.minimum(np.minimum(rows - top, below - rows), np.minimum(columns - left, right - columns)) + 1
    return np.asarray(np.where(beyond > 0, -beyond, within))


@pytest.mark.parametrize("factor", [1, 2])
def test_a_level_that_is_the_distance(factor: int) -> None:
    """At half size a pixel is worth two, so the level falls twice as fast for the same profile."""
    shape, box = (2048 // factor, 1200 // factor), crop(600 // factor, 400 // factor, 700 // factor, 300 // factor)
    image = np.clip(np.rint(100 + factor * distance_to_box(shape, box)), 0, 255).astype(np.uint8)
    found = measure_greys(image, {"finger-11": box})
    assert found.profiles["main"][METACARPAL_ROW] == pytest.approx([100 + d for d in DISTANCES_PX], abs=0.7)
    assert np.isnan(np.delete(found.profiles["main"], METACARPAL_ROW, axis=0)).all()


def two_bones(overlap_px: int) -> tuple[np.ndarray, dict[str, Crop]]:
    """A metacarpal 200 bright and a carpal 150 bright beside it on 10; where they overlap 250."""
    image = np.full((2048, 1000), 10, dtype=np.uint8)
    image[500:900, 400 - overlap_px : 600] = 150
    image[500:900, 200:400] = 200
    image[500:900, 400 - overlap_px : 400] = 250
    return image, {
        "finger-11": crop(500, 200, 400, 200),
        "Capitate": crop(500, 400 - overlap_px, 400, 200 + overlap_px),
    }


def test_readings_of_neighbours() -> None:
    image, crops = two_bones(overlap_px=0)
    found = measure_greys(image, crops, READINGS)
    outside = [index for index, place in enumerate(DISTANCES_PX) if place < -2]
    assert (found.profiles["main"][METACARPAL_ROW][outside] == 10).all()
    # Three sides of the metacarpal look at the background, one at the carpal: 400 of 1200 pixels of outline.
    for index in outside:
        ring = 3.1416 * -DISTANCES_PX[index] / 2
        expected = (400 * 150 + (800 + 4 * ring) * 10) / (1200 + 4 * ring)
        assert found.profiles["any_outside"][METACARPAL_ROW][index] == pytest.approx(expected, rel=0.12)
    assert (found.profiles["main"][METACARPAL_ROW][6:] == 200).all()


def test_readings_of_an_overlap() -> None:
    image, crops = two_bones(overlap_px=60)
    found = measure_greys(image, crops, READINGS)
    assert (found.profiles["alone_inside"][METACARPAL_ROW][6:] == 200).all()
    # At 12 inside the outline is 376 + 376 + 176 + 176 long; 376 + 2 * 48 of it lie in the overlap.
    expected = 200 + 50 * (376 + 2 * 48) / (2 * 376 + 2 * 176)
    assert found.profiles["main"][METACARPAL_ROW][8] == pytest.approx(expected, abs=1.5)
    assert found.regions["metacarpal"] == pytest.approx(200 + 50 * 60 / 200)
    assert found.regions["carpal"] == pytest.approx(150 + 100 * 60 / 260)
    assert found.regions["bone"] == pytest.approx((140 * 200 + 60 * 250 + 200 * 150) / 400)


def test_half_a_pixel() -> None:
    shape, box = (2048, 1200), crop(600, 400, 700, 300)
    image = np.clip(np.rint(100 + distance_to_box(shape, box)), 0, 255).astype(np.uint8)
    row = measure_greys(image, {"finger-11": box}, ["half_pixel"]).profiles["half_pixel"][METACARPAL_ROW]
    # What lies at 6.5 in the main reading is called 6; whole steps fall on both sides of it.
    assert row == pytest.approx([100 + d + 0.5 * np.sign(d) for d in DISTANCES_PX], abs=0.7)


def test_cut_bones_and_white_bands_do_not_count() -> None:
    image = np.full((2048, 1500), 13, dtype=np.uint8)
    image[1400:, 600:900] = 150
    crops = {"Radius": crop(1400, 600, 648, 300)}
    clean = measure_greys(image, crops)
    image[-42:] = 255
    image[:, :90] = 250
    image[:70] = 250
    spoilt = measure_greys(image, crops)
    row = list(REGIONS).index("radius")
    assert clean.profiles["main"][row].tolist() == spoilt.profiles["main"][row].tolist() == [13.0] * 6 + [150.0] * 5
    assert spoilt.regions["radius"] == 150.0
    assert (spoilt.background, spoilt.regions["soft"], spoilt.bone_sd) == (13.0, 13.0, 0.0)


def test_soft_tissue_and_background_by_distance() -> None:
    shape, box = (2048, 1500), crop(900, 600, 300, 300)
    distance = -distance_to_box(shape, box)
    image = np.select([distance < 0, distance < 7, distance < 41, distance < 198], [150, 250, 40, 99], 20)
    found = measure_greys(image.astype(np.uint8), {"finger-11": box})
    assert found.regions["soft"] == pytest.approx(40.0, abs=1.0)
    assert found.background == 20.0
    assert found.noise == 0.0


def test_noise_of_the_background() -> None:
    """Half of a normal distribution lies within 0.6745 standard deviations; the 5 px median adds little."""
    image = np.rint(np.random.default_rng(3).normal(60.0, 3.0, (900, 700))).astype(np.uint8)
    found = measure_greys(image, {})
    assert found.noise == 2.0
    assert found.noise_fine == pytest.approx(0.6745 * 3.0, abs=0.25)
    assert found.background == 60.0
    assert np.isnan(found.regions["bone"])
    assert measure_greys(np.full((900, 700), 20, dtype=np.uint8), {}).noise == 0.0


def test_greys_refuse() -> None:
    with pytest.raises(ValueError, match="expected masks of 500x560"):
        measure_greys(np.zeros((500, 560), np.uint8), hand_masks())
    with pytest.raises(ValueError, match="readings"):
        measure_greys(np.zeros((500, 560), np.uint8), {}, ["other"])


# --------------------------------------------------------------------------------------------------------------- shapes


def test_overlaps_by_hand() -> None:
    planes = np.zeros((3, 40, 60), dtype=bool)
    planes[0, 5:15, 10:20] = True
    planes[1, 5:15, 15:25] = True
    planes[2, 10:20, 15:55] = True
    iou = pairwise_iou(encode(planes))
    assert iou[0, 1] == pytest.approx(50 / 150)
    assert iou[0, 2] == pytest.approx(25 / 475)
    assert iou[1, 2] == pytest.approx(50 / 450)
    assert (iou == iou.T).all()
    assert (np.diag(iou) == 0).all()
    assert count_multi_label(encode(planes)) == 50 + 25  # columns 15-19 of all three, and 5 x 5 of the last two


def test_trimming_by_hand() -> None:
    kept = trimmed(np.append(np.arange(101.0), np.nan))
    assert (kept.min(), kept.max(), len(kept)) == (1.0, 99.0, 99)
    assert trimmed(np.array([np.nan])).size == 0


@pytest.mark.parametrize(("tilt_deg", "thumb_left"), [(25.0, True), (-25.0, False)])
def test_a_hand_of_rectangles(tilt_deg: float, thumb_left: bool) -> None:
    planes = hand_planes(tilt_deg, thumb_left)
    found = measure_hand(encode(planes))
    assert found is not None
    scale = 2048 / SIZE.height
    assert found.area_px == pytest.approx(planes.sum(axis=(1, 2)) * scale**2)
    assert found.unit_px == pytest.approx(UNIT_PX * scale, rel=0.015)
    assert found.origin_px == pytest.approx((ORIGIN_XY[0] * scale, ORIGIN_XY[1] * scale), abs=3)
    assert found.tilt_deg == pytest.approx(tilt_deg, abs=0.6)
    assert found.thumb_left == thumb_left
    assert found.multi_label_px == pytest.approx(float((planes.sum(axis=0) > 1).sum()) * scale**2)
    first, second = CLASS_IDS["Triquetrum"], CLASS_IDS["Pisiform"]
    shared, either = (planes[first] & planes[second]).sum(), (planes[first] | planes[second]).sum()
    assert found.iou[first, second] == pytest.approx(shared / either)


def test_outline_area_of_a_straight_rectangle() -> None:
    planes = hand_planes()
    planes[0] = False
    planes[0, 20:31, 100:121] = True
    found = measure_hand(encode(planes))
    assert found is not None
    assert found.outline_area_px[0] / found.area_px[0] == pytest.approx(10 * 20 / (11 * 21))


def test_a_missing_bone_and_a_missing_frame() -> None:
    planes = hand_planes()
    planes[CLASS_IDS["finger-1"]] = False
    found = measure_hand(encode(planes))
    assert found is not None
    assert np.isnan(found.bones[CLASS_IDS["finger-1"]]).all()
    planes[CLASS_IDS["Capitate"]] = False
    assert measure_hand(encode(planes)) is None
    with pytest.raises(ValueError, match="29 masks"):
        measure_hand(encode(planes[:28]))


# ---------------------------------------------------------------------------------------------------------------- rules


def hand_like(bones: np.ndarray, iou: np.ndarray, multi_label_px: float = 19_700.0) -> HandMeasures:
    areas = np.array([mean for mean, _ in reference.CLASS_AREA_PX.values()])
    return HandMeasures(bones, areas, areas, iou, multi_label_px, 450.0, 0.0, (1005.0, 1333.0), True)


def real_hands() -> Collected:
    """800 hands with exactly the real statistics: half of them a standard deviation above the mean, half below."""
    rows = reference.shape_reference()
    means = np.array([[rows[bone][measure][0] for measure in MEASURES] for bone in BONES])
    spreads = np.array([[rows[bone][measure][1] or 0.0 for measure in MEASURES] for bone in BONES])
    collected = Collected()
    for number in range(reference.OVERLAP_IMAGES):
        iou = np.zeros((len(BONES), len(BONES)))
        for (first, second), (mean, images) in reference.OVERLAPS.items():
            iou[CLASS_IDS[first], CLASS_IDS[second]] = iou[CLASS_IDS[second], CLASS_IDS[first]] = mean * (
                number < images
            )
        greys = GreyMeasures(
            {name: level for name, level in reference.GREY_REGIONS.items() if name != "background"},
            reference.GREY_BONE_SD,
            reference.GREY_REGIONS["background"],
            0.9,
            0.9,
            {"main": np.array(list(reference.GREY_PROFILES.values()), dtype=float)},
        )
        collected.add(f"{number}.png", hand_like(means + (-1) ** number * spreads, iou), greys)
    return collected


def test_the_real_statistics_pass() -> None:
    verdicts = judge(real_hands())
    # 29 x 16 less 6 that are left out; 29; 11 pairs twice and the doubly labelled pixels; 9 regions and 6 x 11.
    assert [len(verdict.cells) for verdict in verdicts] == [458, 29, 23, 75]
    for verdict in verdicts:
        assert verdict.passed
        assert max(verdict.cells.values()) < 1e-6


def test_deviations_at_their_limits() -> None:
    assert share_deviation(1.1, 1.0, 0.10) == pytest.approx(1.0)
    assert share_deviation(0.8, 1.0, 0.10) == pytest.approx(2.0)
    assert share_deviation(1.3, 1.0, 0.10, spread=0.6) == pytest.approx(1.0)
    assert share_deviation(0.01, -0.01, 0.10, spread=0.08) == pytest.approx(0.5)
    assert (factor_deviation(1.5, 1.0), factor_deviation(2.0, 3.0)) == pytest.approx((1.0, 1.0))
    assert factor_deviation(2.25, 1.0) == pytest.approx(2.0)
    assert Check("area", "a", "b", "mean", 1.15, 1.0, share_deviation(1.15, 1.0, 0.15)).inside
    assert factor_deviation(0.0, 1.0) == share_deviation(math.nan, 1.0, 0.1) == math.inf


def test_one_cell_beyond_what_is_allowed() -> None:
    collected = real_hands()
    cell = CLASS_IDS["Hamate"], MEASURES.index("width")
    mean, spread = reference.shape_reference()["Hamate"]["width"]
    assert spread is not None
    for number, hand in enumerate(collected.hands):
        hand.bones[cell] = mean * 1.15 + (-1) ** number * 2.0 * spread
    verdict = judge(collected, ["shape"])[0]
    outside = {check.quantity: check.deviation for check in verdict.checks if not check.inside}
    assert outside == pytest.approx({"mean": 1.5, "spread": math.log(2) / math.log(1.5)})
    assert verdict.share_inside == pytest.approx(457 / 458)
    assert verdict.passed


def test_shape_passes_at_95_percent_and_none_beyond_twice() -> None:
    good = [Check("shape", "a", str(number), "mean", 1.0, 1.0, 0.5) for number in range(95)]
    outside = [Check("shape", "b", str(number), "mean", 1.0, 1.0, 1.9) for number in range(5)]
    assert Verdict("shape", (*good, *outside)).passed
    assert not Verdict("shape", (*good[:-1], *outside)).passed
    assert not Verdict("shape", (*good, Check("shape", "b", "0", "spread", 1.0, 1.0, 2.1))).passed
    assert not Verdict("area", (*good, *outside)).passed


def test_overlaps_seldom_and_levels_off() -> None:
    collected = real_hands()
    first, second = CLASS_IDS["Triquetrum"], CLASS_IDS["Pisiform"]
    for hand in collected.hands[:200]:
        hand.iou[first, second] = hand.iou[second, first] = 0.0
    overlap, grey = judge(collected, ["overlap", "grey"])
    assert [(check.row, check.measure) for check in overlap.checks if not check.inside] == [
        ("Triquetrum - Pisiform", "frequency")
    ]
    assert grey.passed
    for greys in collected.greys:
        greys.profiles["main"][0, 0] += 13.0
        greys.regions["soft"] += 11.0
    off = [check for check in judge(collected, ["grey"])[0].checks if not check.inside]
    assert [(check.row, check.measure) for check in off] == [("soft", "level"), ("distal", "-40 px")]


def test_angles_near_the_wrap_are_named() -> None:
    collected = real_hands()
    column = MEASURES.index("angle_deg")
    for hand in collected.hands:
        hand.bones[:, column] = 0.0
    for hand in collected.hands[:16]:
        hand.bones[CLASS_IDS["Lunate"], column] = -85.0
    assert near_wrap(collected) == {"Lunate": 0.02}


# ------------------------------------------------------------------------------------------------------- the references


def read_rows(name: str) -> list[dict[str, str]]:
    if not STATS.is_dir():
        pytest.skip("needs ../shared/stats")
    with (STATS / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_copied_shapes() -> None:
    copied = reference.shape_reference()
    for row in read_rows("shape.csv"):
        for measure, (mean, spread) in copied[row["bone"]].items():
            if spread is None:
                assert mean == pytest.approx(float(row[measure]), abs=0.0006)
            else:
                real = (float(row[f"{measure}_mean"]), float(row[f"{measure}_sd"]))
                assert (mean, spread) == pytest.approx(real, abs=0.006 if measure == "angle_deg" else 1e-9)


def test_copied_areas_and_overlaps() -> None:
    for row in read_rows("class_area.csv"):
        assert reference.CLASS_AREA_PX[row["class"]] == (float(row["mean"]), float(row["sd"]))
    iou = {row[""]: row for row in read_rows("overlap_iou.csv")}
    for row in read_rows("overlap_images.csv"):
        for other in BONES:
            images = float(row[other])
            pair = tuple(sorted((row[""], other), key=BONES.index))
            if images >= 100:
                assert reference.OVERLAPS[pair] == (float(iou[row[""]][other]), images)
            else:
                assert pair not in reference.OVERLAPS


def test_tables_stand_in_one_order() -> None:
    assert tuple(reference.CLASS_AREA_PX) == BONES
    assert tuple(reference.GREY_PROFILES) == tuple(REGIONS)
    assert all(len(levels) == len(DISTANCES_PX) for levels in reference.GREY_PROFILES.values())
    assert sorted(bone for bones in REGIONS.values() for bone in bones) == sorted(BONES)


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five hands of rectangles, the last without a capitate, and two for test."""
    folder = tmp_path_factory.mktemp("rectangles")
    planes = {f"image{n}.png": hand_planes(12.0 * n - 24.0, bool(n % 2)) for n in range(4)}
    planes["image9.png"] = hand_planes()
    planes["image9.png"][CLASS_IDS["Capitate"]] = False
    write_hands(folder, planes)
    write_hands(folder, {"test0.png": hand_planes(), "test1.png": hand_planes(5.0)}, split="test")
    return folder


def figures_of(hands: Path, target: Path, *options: str) -> dict[str, object]:
    assert main([str(hands), "--quiet", "--json", str(target), *options]) == 0
    found: dict[str, object] = json.loads(target.read_text(encoding="utf-8"))
    return found


def test_runs_polygons_and_workers_give_the_same(
    hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = figures_of(hands, tmp_path / "a.json")
    shown = capsys.readouterr()
    assert exact["hands"] == 4
    assert exact["without_frame"] == ["image9.png"]
    assert "image9.png" in shown.err
    assert "Shape" in shown.out
    assert "tilt" in shown.out
    assert figures_of(hands, tmp_path / "b.json", "--workers", "2") == exact
    assert figures_of(hands, tmp_path / "c.json", "--drawn") == exact
    grey = exact["grey"]
    assert isinstance(grey, dict)
    assert (grey["bone"][0], grey["background"][0]) == (100.0, 20.0)


def test_parts_splits_and_limits(hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = figures_of(hands, tmp_path / "a.json", "--split", "test", "--only", "area", "overlap", "--markdown")
    shown = capsys.readouterr().out
    assert found["hands"] == 2
    assert "grey" not in found
    assert "## Areas in pixels at 2048\n\n| bone |" in shown
    assert "Slice widths" not in shown
    assert figures_of(hands, tmp_path / "b.json", "--limit", "1", "--only", "shape")["hands"] == 1


def test_strict_tells_by_its_exit_code(hands: Path) -> None:
    assert main([str(hands), "--quiet", "--only", "grey", "--strict"]) == 1
    assert main([str(hands), "--quiet", "--only", "grey"]) == 0


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_contact_sheet(hands: Path, tmp_path: Path, name: str) -> None:
    assert main([str(hands), "--quiet", "--contact-sheet", str(tmp_path / name), "--count", "4"]) == 0
    sheet = cv2.imread(str(tmp_path / name))
    assert sheet is not None
    # Four tiles of 320 x 286, plain above outlined, a gap of 4 around each.
    assert sheet.shape == (2 * 320 + 4 + 8, 4 * (286 + 4) + 4, 3)
    plain, outlined = sheet[4:324, 4:290].astype(int), sheet[328:648, 4:290].astype(int)
    assert np.abs(plain[..., 0] - plain[..., 2]).max() <= 12
    assert np.abs(outlined[..., 0] - outlined[..., 2]).max() > 60


def test_contact_sheet_shrinks_until_it_fits(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (SIZE.height, SIZE.width)).astype(np.uint8)
    path = tmp_path / "sheet.png"
    assert write_contact_sheet(path, [(noise, hand_masks())] * 3, most_bytes=200_000)[0] > 2 * 64
    assert 100_000 < path.stat().st_size <= 200_000
    assert write_contact_sheet(path, [(noise, hand_masks())], most_bytes=1_000) == (2 * 64 + 4 + 8, 57 + 8)


def test_tiles_of_different_sizes() -> None:
    tiles = [np.full((height, width, 3), 200, dtype=np.uint8) for height, width in ((10, 6), (8, 12), (4, 4))]
    sheet = lay_out(tiles, columns=2)
    assert sheet.shape == (2 * 14 + 4, 2 * 16 + 4, 3)
    assert int((sheet == 200).all(axis=2).sum()) == 60 + 96 + 16


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--contact-sheet", "sheet.gif"], "--contact-sheet: expected a file name ending in .png"),
        (["--contact-sheet", "sheet.png", "--count", "0"], "--count: expected at least one image"),
        (["--split", "test"], "test_truth.csv or test/outputs_json, got neither"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    write_hands(tmp_path, {"image0.png": hand_planes()}, with_runs=False)
    assert main([str(tmp_path), "--quiet", *options]) == 2
    assert said in capsys.readouterr().err


def test_a_table_that_names_a_missing_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hands(tmp_path, {"image0.png": hand_planes(), "image1.png": hand_planes()})
    next((tmp_path / "train").rglob("image1.png")).unlink()
    assert main([str(tmp_path), "--quiet"]) == 2
    assert "image_name: expected an image in" in capsys.readouterr().err


def test_tables_as_text_and_markdown() -> None:
    table = Table("Title", ["bone", "a"], [["x", "10"], ["long", "2"]], ["note"])
    assert table.as_text() == "Title\nbone   a\nx     10\nlong   2\nnote"
    assert table.as_markdown() == "## Title\n\n| bone | a |\n| --- | ---: |\n| x | 10 |\n| long | 2 |\n\nnote"
    assert ImageSize(560, 500) == SIZE


def test_a_killed_worker_is_the_machines_fault() -> None:
    with pytest.raises(MachineError, match="--workers"):
        list(work_in_order(os._exit, [9], workers=2))


def test_a_fault_found_by_a_worker_keeps_its_words(hands: Path, tmp_path: Path) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(hands, folder)
    next((folder / "train").rglob("image1.json")).write_text('{"annotations": []}', encoding="utf-8")
    with pytest.raises(InputErrors, match=r"image1\.json: annotations: expected at least one annotation"):
        list(measure_sources(read_truth(folder, drawn=True), [], workers=2))
