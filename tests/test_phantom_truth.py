"""What phantoms say about themselves: truth, annotations as people draw them, planted errors, the table of patients."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

from converters.points_to_rle import main as points_to_rle
from tests.conftest import TINY_SIZE, read_masks
from yolo_bones.bones import BONES, CLASS_IDS, HAND_BONES
from yolo_bones.data_set import check_data_set
from yolo_bones.errors import InputError
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.phantom.annotation_files import annotation_record, stamp
from yolo_bones.phantom.annotators import (
    ANNOTATORS,
    FEWEST_POINTS,
    MOST_POINTS,
    DrawnBone,
    _with_repeats,
    draw_bones,
    draw_outline,
    pixel_chain,
    with_count,
)
from yolo_bones.phantom.metadata_table import COLUMNS, DIRT, row_count, write_metadata_table
from yolo_bones.phantom.patients import image_names, write_patient
from yolo_bones.phantom.planted_errors import KINDS, LOWER_ROW, SAME_IMAGE, UPPER_ROW, plan_errors, plant
from yolo_bones.phantom.projection import Shadow
from yolo_bones.phantom.settings import PhantomSettings, Stream, patient_name, person_of
from yolo_bones.phantom.truth import truth_outlines
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import ImageSize, decode

SETTINGS = PhantomSettings(7, 0, seed=6, height=96, width=80, bent=0.2)
SIZE = ImageSize(420, 300)


def filled(points: np.ndarray, size: ImageSize) -> np.ndarray:
    plane = np.zeros((size.height, size.width), bool)
    crop, top, left = fill_polygon(np.asarray(points, np.int32), size)
    plane[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return plane


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def disc(radius: int, centre: tuple[int, int], size: ImageSize) -> np.ndarray:
    rows, columns = np.mgrid[: size.height, : size.width]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def shadow(top: int, left: int, height: int, width: int) -> Shadow:
    return Shadow(top, left, np.ones((height, width), np.float32), np.ones((height, width), bool))


@pytest.mark.parametrize(
    ("sesamoid", "area"),
    [
        (shadow(14, 10, 2, 3), 24 + 6),  # begins in the row below the bone's last
        (shadow(14, 16, 2, 3), 24 + 6),  # touches by a corner
        (shadow(12, 10, 4, 3), 24 + 6),  # half of it lies on the bone
        (shadow(15, 10, 2, 3), 24),  # a row of other pixels between
        (shadow(10, 17, 2, 3), 24),  # a column between
    ],
)
def test_a_sesamoid_belongs_to_the_metacarpal_that_it_touches(sesamoid: Shadow, area: int) -> None:
    names = ["finger-2", "finger-3", "sesamoid"]
    outlines = truth_outlines(names, [shadow(10, 10, 4, 6), shadow(10, 10, 4, 6), sesamoid])
    assert filled(outlines["finger-2"], SIZE).sum() == 24
    assert filled(outlines["finger-3"], SIZE).sum() == area
    assert list(outlines) == ["finger-2", "finger-3"]


def test_chain_of_a_rectangle_is_thinned_to_what_is_asked() -> None:
    chain = pixel_chain(np.ones((60, 100), bool))
    assert len(chain) == 2 * (60 + 100) - 4
    for asked, given in ((50, 50), (3, FEWEST_POINTS), (9999, 316)):
        points = with_count(chain, asked, exact=True)
        assert len(points) == given
        assert filled(points, SIZE)[:60, :100].all()
        assert filled(points, SIZE).sum() == 6000


def test_exact_outlines_fill_to_the_same_pixels_and_keep_within_the_range() -> None:
    size = ImageSize(2048, 1700)
    rng = np.random.default_rng(0)
    for radius in (40, 250, 640):
        mask = disc(radius, (1000, 800), size)
        outline = pixel_chain(mask)
        for annotator in ANNOTATORS:
            points = draw_outline(outline, size, annotator, 0.0, rng)
            assert FEWEST_POINTS <= len(points) <= MOST_POINTS
            assert (filled(points, size) == mask).all()


def test_noise_lowers_dice_as_its_unit_says() -> None:
    """Dice is about 1 - E|d| P / 2A, which is 1 - E|d| / r of a disc; E|d| of a normal d is 0.798 of its deviation."""
    size = ImageSize(2048, 400)
    mask = disc(100, (500, 200), size)
    outline = pixel_chain(mask)
    rng = np.random.default_rng(1)
    lost = [1 - dice(filled(draw_outline(outline, size, ANNOTATORS[0], 2.0, rng), size), mask) for _ in range(40)]
    assert np.mean(lost) == pytest.approx(0.798 * 2.0 / 100, rel=0.2)
    half = ImageSize(1024, 400)
    lost = [
        1 - dice(filled(draw_outline(outline, half, ANNOTATORS[0], 2.0, rng), half), mask[:1024]) for _ in range(40)
    ]
    assert np.mean(lost) == pytest.approx(0.798 * 1.0 / 100, rel=0.3)


def test_noise_leaves_the_frames_edge_alone_and_never_leaves_the_frame() -> None:
    size = ImageSize(300, 200)
    mask = disc(80, (299, 60), size)
    for seed in range(20):
        points = draw_outline(pixel_chain(mask), size, ANNOTATORS[2], 8.0, np.random.default_rng(seed))
        assert points.min() >= 0
        assert (points.max(axis=0) <= [199, 299]).all()
        assert filled(points, size)[299].sum() > 120


def test_neighbouring_points_stray_together() -> None:
    """White noise of that size would tear a chain apart; a smooth one changes its length by little."""
    size = ImageSize(2048, 700)
    chain = pixel_chain(disc(300, (1000, 350), size))
    points = draw_outline(chain, size, ANNOTATORS[0], 3.0, np.random.default_rng(4))
    radii = np.linalg.norm(points - [350, 1000], axis=1)
    assert radii.std() > 1.0
    assert np.abs(np.diff(radii)).max() < 3.0


def test_a_followed_outline_repeats_points_and_still_fills_exactly() -> None:
    size = ImageSize(600, 700)
    for side, most in ((300, 1196 + 60), (500, MOST_POINTS)):
        mask = np.zeros((600, 700), bool)
        mask[50 : 50 + side, 60 : 60 + side] = True
        points = _with_repeats(pixel_chain(mask, 0, 0), np.random.default_rng(2))
        repeats = int((points[1:] == points[:-1]).all(axis=1).sum())
        assert len(points) <= most
        assert repeats >= 50 or side == 500
        assert (filled(points, size) == mask).all()


def test_an_image_is_drawn_in_another_order_than_the_classes_and_as_often_the_same() -> None:
    outlines = {bone: pixel_chain(np.ones((30, 20), bool), 5 * place, 3) for place, bone in enumerate(BONES)}
    first, second = (draw_bones(outlines, SIZE, 0.6, np.random.default_rng(5)) for _ in range(2))
    labels = [bone.label for bone in first[1]]
    assert sorted(labels) == sorted(BONES)
    assert labels != list(BONES)
    assert all((a.points == b.points).all() for a, b in zip(first[1], second[1], strict=True))


def test_written_annotations_fill_to_the_exact_truth(tiny_hands: Path) -> None:
    size = ImageSize(*TINY_SIZE)
    truth = read_masks(tiny_hands / "train_truth.csv", size)
    orders = set()
    for path in sorted((tiny_hands / "train" / "outputs_json").rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        keys = "annotations attributes file_id filename parent_path last_modifier_id metadata last_workers"
        assert list(record) == keys.split()
        assert record["filename"] == f"{path.stem}.png"
        assert record["metadata"] == {"height": TINY_SIZE[0], "width": TINY_SIZE[1]}
        planes = decode(truth[f"{path.stem}.png"])
        orders.add(tuple(annotation["label"] for annotation in record["annotations"]))
        for annotation in record["annotations"]:
            assert set(annotation) == {"id", "type", "attributes", "points", "label"}
            assert re.fullmatch(
                r"30-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", annotation["id"]
            )
            assert (filled(annotation["points"], size) == planes[CLASS_IDS[annotation["label"]]]).all()
    assert len(orders) == 4


def test_dirt_of_annotation_files_is_seeded_and_changes_nothing_else() -> None:
    def stamped(dirty: bool, seed: int) -> dict[str, object]:
        drawn = [DrawnBone("Ulna", np.array([[1, 1], [5, 1], [5, 9]], np.int32))]
        record = annotation_record(drawn, ANNOTATORS[0], ("ID001", "image1.png"), SIZE)
        stamp(record, dirty, np.random.default_rng(seed))
        return record

    names = Counter(stamped(True, seed)["filename"] for seed in range(200))
    sizes = Counter(str(stamped(True, seed)["metadata"]) for seed in range(200))
    assert 25 < names["image1.jpg"] < 75
    assert 25 < sizes["{'height': 3060, 'width': 3060}"] < 75
    for seed in range(20):
        assert stamped(True, seed) | {"filename": "", "metadata": ""} == stamped(False, seed) | {
            "filename": "",
            "metadata": "",
        }
        assert stamped(False, seed)["filename"] == "image1.png"


def test_file_names_follow_time_and_a_few_carry_a_side() -> None:
    names = [image_names(SETTINGS, number) for number in range(1, 1001)]
    assert all(re.fullmatch(r"image\d{13}(_R)?", first) for first, _, _ in names)
    assert all(re.fullmatch(r"image\d{13}(_L)?", second) for _, second, _ in names)
    assert all(first < second < third for first, second, third in names)
    assert 20 <= sum(first.endswith("_R") for first, _, _ in names) <= 65
    assert len({name for three in names for name in three}) == 3000


def test_no_option_changes_what_another_one_draws() -> None:
    others = replace(SETTINGS, bent=0.9, annotator_noise=1.0, plant_errors=3, dirty_metadata=True, test_patients=4)
    for number in (1, 5):
        assert image_names(others, number) == image_names(SETTINGS, number)
        assert person_of(others, number) == person_of(SETTINGS, number)
        draws = [s.chance(Stream.IMAGE, number, 1).random(4).tolist() for s in (SETTINGS, others)]
        assert draws[0] == draws[1]
    streams = [SETTINGS.chance(stream, 3, hand).random() for stream in Stream for hand in (0, 1)]
    assert len(set(streams)) == len(streams)


def test_every_kind_of_error_is_planned_on_an_image_of_its_own() -> None:
    planned = plan_errors(replace(SETTINGS, plant_errors=14))
    assert len(KINDS) == 14
    assert sorted(error.kind for error in planned) == sorted(KINDS)
    assert len({(error.number, error.hand) for error in planned}) == 14
    copied = [error for error in planned if error.copied_to]
    assert [error.kind for error in copied] == [SAME_IMAGE]
    assert copied[0].copied_to != copied[0].number
    assert plan_errors(replace(SETTINGS, plant_errors=14, bent=0.8, annotator_noise=1.0)) == planned
    assert plan_errors(replace(SETTINGS, plant_errors=14, seed=7)) != planned
    with pytest.raises(InputError, match="--plant-errors: expected at most 14"):
        plan_errors(replace(SETTINGS, plant_errors=15))


def squares() -> list[DrawnBone]:
    """29 bones as upright rectangles of 20 x 36 pixels in six rows of five."""
    drawn = []
    for place, bone in enumerate(BONES):
        top, left = 10 + 68 * (place // 5), 12 + 58 * (place % 5)
        corners = [[left, top], [left + 19, top], [left + 19, top + 35], [left, top + 35]]
        drawn.append(DrawnBone(bone, np.array(corners, np.int32)))
    return drawn


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_what_each_error_does(kind: str, seed: int) -> None:
    before = squares()
    after, details = plant(kind, squares(), SIZE, np.random.default_rng(seed))
    named = set(details["bones"])
    right = {bone.label: filled(bone.points, SIZE) for bone in before}
    unchanged = [bone for bone in after if bone.label not in named]
    assert all((filled(bone.points, SIZE) == right[bone.label]).all() for bone in unchanged)
    wrong = [bone for bone in after if bone.label in named]
    if kind in CHECKS:
        CHECKS[kind](Case(named, wrong, right, details))
        return
    # Exchanged and rotated labels: each outline is there once, none under its own name.
    assert len(after) == 29
    assert sorted(bone.label for bone in after) == sorted(BONES)
    for old, new in zip(before, after, strict=True):
        assert (old.points == new.points).all()
        assert (old.label != new.label) == (old.label in named)
        assert details["drawn_label"].get(old.label, old.label) == new.label
    counts = {
        "exchanged_neighbours": 2,
        "exchanged_trapezium_trapezoid": 2,
        "rotated_lower_row": 4,
        "rotated_upper_row": 4,
        "mirrored_labels": 12,
        "mirrored_hand": 28,
    }
    assert len(named) == counts[kind]


class Case(NamedTuple):
    """What one planting did: the bones it names, their annotations, the right masks, the details."""

    named: set[str]
    wrong: list[DrawnBone]
    right: dict[str, np.ndarray]
    details: dict[str, Any]


def _is_missing(case: Case) -> None:
    assert len(case.named) == 1
    assert not case.wrong


def _is_double(case: Case) -> None:
    assert len(case.wrong) == 2
    first, second = (filled(bone.points, SIZE) for bone in case.wrong)
    assert 0.5 < dice(first, second) < 1.0


def _lies_elsewhere(case: Case) -> None:
    (bone,) = case.wrong
    there = filled(bone.points, SIZE)
    assert not (there & case.right[bone.label]).any()
    assert dice(there, case.right[case.details["drawn_on"]]) > 0.95  # all squares are alike


def _has_grown(case: Case) -> None:
    (bone,) = case.wrong
    there = filled(bone.points, SIZE)
    own = case.right[bone.label]
    assert (there & own).sum() >= 0.98 * own.sum()
    assert there.sum() > own.sum()
    # The area as planted; drawing it with fewer points moves the edge a little.
    assert there.sum() == pytest.approx((1 + case.details["added_share"]) * own.sum(), rel=0.05)


def _has_left(case: Case) -> None:
    (bone,) = case.wrong
    there, own = filled(bone.points, SIZE), case.right[bone.label]
    iou = (there & own).sum() / (there | own).sum()
    assert iou < 0.85
    assert iou == pytest.approx(case.details["iou_with_right_outline"], abs=0.05)


def _is_resized(case: Case) -> None:
    (bone,) = case.wrong
    area = filled(bone.points, SIZE).sum()
    width, height = 19 * case.details["factor"] + 1, 35 * case.details["factor"] + 1
    assert area == pytest.approx(width * height, rel=0.12)


def _is_as_it_was(case: Case) -> None:
    assert not case.named
    assert not case.wrong


CHECKS = {
    "missing_bone": _is_missing,
    "doubled_bone": _is_double,
    "drawn_on_another_bone": _lies_elsewhere,
    "ring_in_bone": _has_grown,
    "object_in_bone": _has_grown,
    "outline_left_bone": _has_left,
    "implausible_size": _is_resized,
    SAME_IMAGE: _is_as_it_was,
}


def test_the_rows_are_the_carpal_bones() -> None:
    assert sorted(UPPER_ROW + LOWER_ROW) == sorted(HAND_BONES)


def test_planting_changes_annotations_only_and_a_copied_image_comes_on_top(tmp_path: Path) -> None:
    planting = replace(SETTINGS, plant_errors=14)
    copied = next(error for error in plan_errors(planting) if error.copied_to)
    number = copied.copied_to
    clean = write_patient(SETTINGS, number, tmp_path / "clean", annotated=True)
    dirty = write_patient(planting, number, tmp_path / "planted", annotated=True)
    source = write_patient(planting, copied.number, tmp_path / "planted", annotated=True)
    assert len(dirty.truth) == 3
    assert clean.truth.items() <= dirty.truth.items()
    assert not clean.planted
    (found,) = [error for error in source.planted if error["kind"] == SAME_IMAGE]
    (name,) = set(dirty.truth) - set(clean.truth)
    assert found["copy"] == {"image": name, "patient": patient_name(number)}
    assert dirty.truth[name] == source.truth[found["image"]]
    folder = tmp_path / "planted"
    copy = (folder / "DCM" / patient_name(number) / name).read_bytes()
    assert copy == (folder / "DCM" / found["patient"] / found["image"]).read_bytes()
    for image in clean.truth:
        places = [tmp_path / which / "DCM" / patient_name(number) / image for which in ("clean", "planted")]
        assert places[0].read_bytes() == places[1].read_bytes()
        texts = [
            (tmp_path / which / "outputs_json" / patient_name(number) / f"{image[:-4]}.json").read_text()
            for which in ("clean", "planted")
        ]
        planted = {error["image"] for error in dirty.planted if error["kind"] != SAME_IMAGE}
        assert (texts[0] != texts[1]) == (image in planted)


def test_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--patients", "1", "--size", "128x96", "--quiet"]
    assert make_phantoms([str(tmp_path / "a"), *few, "--plant-errors", "3"]) == 2
    assert "--plant-errors: expected at most 2" in capsys.readouterr().err
    assert make_phantoms([str(tmp_path / "b"), *few, "--annotator-noise", "nan"]) == 2
    assert not list(tmp_path.iterdir())
    options = ["--plant-errors", "2", "--dirty-metadata", "--annotator-noise", "--domain", "wide"]
    assert make_phantoms([str(tmp_path / "c"), *few, *options]) == 0
    planted = json.loads((tmp_path / "c" / "planted_errors.json").read_text(encoding="utf-8"))
    assert [error["patient"] for error in planted] == ["ID001", "ID001"]
    report = json.loads((tmp_path / "c" / "report.json").read_text(encoding="utf-8"))
    assert report["generator_version"] == 2
    assert report["domain"] == "wide"
    assert report["annotator_noise"] == 0.6
    assert sum(report["planted_kinds"].values()) == 2
    assert make_phantoms([str(tmp_path / "c"), *few, *options]) == 0
    assert make_phantoms([str(tmp_path / "c"), *few, *options[:-2]]) == 3


NAMESPACE = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def read_xlsx(path: Path) -> dict[tuple[int, int], float | str]:
    """(row as a spreadsheet counts, column from 0) -> cell; `_xHHHH_` is un-escaped as the format says."""
    with zipfile.ZipFile(path) as archive:
        strings = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    texts = ["".join(part.text or "" for part in item.iterfind(".//x:t", NAMESPACE)) for item in strings]
    texts = [re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text) for text in texts]
    cells: dict[tuple[int, int], float | str] = {}
    for cell in sheet.iterfind(".//x:c", NAMESPACE):
        value = cell.find("x:v", NAMESPACE)
        if value is None or value.text is None:
            continue
        place = int(cell.attrib["r"][1:]), ord(cell.attrib["r"][0]) - ord("A")
        cells[place] = texts[int(value.text)] if cell.get("t") == "s" else float(value.text)
    return cells


def test_the_table_holds_the_people_of_the_radiographs(tmp_path: Path) -> None:
    settings = replace(SETTINGS, patients=40, test_patients=14)
    assert row_count(replace(SETTINGS, patients=400, test_patients=144)) == 550
    assert write_metadata_table(tmp_path / "a.xlsx", settings) == []
    assert write_metadata_table(tmp_path / "b.xlsx", settings) == []
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    cells = read_xlsx(tmp_path / "a.xlsx")
    assert [cells.get((1, column)) for column in range(6)] == ["ID", "나이", "성별", "체중(몸무게)", "키(신장)", None]
    assert any(column == 5 for _, column in cells)
    rows = max(row for row, _ in cells) - 1
    assert rows == row_count(settings) == 55
    for number in (1, 17, 55):
        person = person_of(settings, number)
        sex = "여" if person.sex == "female" else "남"
        row = [cells[number + 1, column] for column in range(5)]
        assert row == [number, person.age_years, sex, person.weight_kg, person.height_cm]


def test_dirt_of_the_table_is_listed_cell_by_cell(tmp_path: Path) -> None:
    settings = replace(SETTINGS, patients=300, test_patients=100)
    write_metadata_table(tmp_path / "clean.xlsx", settings)
    listed = write_metadata_table(tmp_path / "dirty.xlsx", replace(settings, dirty_metadata=True))
    clean, dirty = read_xlsx(tmp_path / "clean.xlsx"), read_xlsx(tmp_path / "dirty.xlsx")
    assert set(DIRT) == {cell["kind"] for cell in listed}
    places = {(cell["row"], COLUMNS.index(cell["column"])): cell for cell in listed}
    for place in clean.keys() | dirty.keys():
        if place in places:
            assert dirty.get(place) == places[place]["written"]
            assert clean.get(place) == places[place]["true"]
        else:
            assert dirty.get(place) == clean.get(place)
    written = {cell["kind"]: cell["written"] for cell in listed}
    assert written["backspace"] in ("_x0008_여", "_x0008_남")
    assert written["leading_space"] in (" 여", " 남")
    assert written["height_tenth"] < 21
    assert written["weight_tenfold"] > 300
    few = write_metadata_table(tmp_path / "few.xlsx", replace(SETTINGS, dirty_metadata=True))
    assert [cell["kind"] for cell in few].count("backspace") == 1


def test_what_is_made_from_phantoms_says_so(tiny_hands: Path, raw: Path, tmp_path: Path) -> None:
    assert points_to_rle([str(tiny_hands), str(tmp_path / "out"), "--quiet"]) == 0
    source = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["source"]
    assert source["generator"] == "yolo_bones.phantom"
    assert (source["generator_version"], source["seed"], source["patients"], source["domain"]) == (2, 5, 2, "default")
    assert check_data_set(tiny_hands / "train").report()["source"] == source
    assert "source" not in check_data_set(raw).report()
    for foreign in ("[1, 2]", '{"converter": "points_to_rle"}', '{"generator": 3}', "not json"):
        (raw / "report.json").write_text(foreign)
        assert "source" not in check_data_set(raw).report()


def test_a_doubled_bone_lies_where_its_record_says_also_at_the_frames_edge() -> None:
    size = ImageSize(300, 200)
    ulna = DrawnBone("Ulna", np.array([[80, 200], [120, 200], [120, 299], [80, 299]], np.int32))
    for seed in range(30):
        drawn, record = plant("doubled_bone", [ulna], size, np.random.default_rng(seed))
        first, second = (bone.points for bone in drawn)
        moved = second - first if np.array_equal(first, ulna.points) else first - second
        assert np.abs(moved).max() > 0
        assert record["shift_px"] == pytest.approx(moved.mean(axis=0).tolist(), abs=0.051)
