"""COCO results of any detector -> the submission; polygons -> runs against exact arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle

from converters.coco_to_rle import main as coco_to_rle
from converters.points_to_coco import main as points_to_coco
from tests.conftest import read_masks
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.coco import categories, result_records
from yolo_bones.export_rle import main as export
from yolo_bones.rle import ImageSize, RunLengthMasks, _polygons, decode, encode, encode_polygons
from yolo_bones.rle_table import open_rle_table

SIZE = ImageSize(20, 30)
ROOM = np.zeros((BONE_COUNT, SIZE.height, SIZE.width), dtype=bool)

eighths = st.integers(-40, 160).map(lambda number: number / 8)
outlines = st.lists(st.lists(st.tuples(eighths, eighths), max_size=7), max_size=3)
sizes = st.builds(ImageSize, st.integers(1, 11), st.integers(1, 17))


def inside(points: list[tuple[float, float]], size: ImageSize) -> np.ndarray:
    """Even-odd at pixel centres, in fractions; a centre on the outline belongs to its right and lower side."""
    found = np.zeros((size.height, size.width), dtype=bool)
    corners = [(Fraction(x), Fraction(y)) for x, y in points]
    for row in range(size.height):
        y = Fraction(2 * row + 1, 2)
        crossings = [
            x0 + (y - y0) * (x1 - x0) / (y1 - y0)
            for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
            if (y0 <= y) != (y1 <= y)
        ]
        for column in range(size.width):
            found[row, column] = sum(x <= Fraction(2 * column + 1, 2) for x in crossings) % 2
    return found


def part(points: list[tuple[float, float]]) -> np.ndarray:
    return np.array(points, dtype=np.float64).reshape(-1, 2)


@given(outlines, outlines, sizes, st.sampled_from([1, 7, 1 << 21]))
@settings(deadline=None, max_examples=150)
def test_polygons_equal_exact_arithmetic(first: Any, second: Any, size: ImageSize, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_polygons, "MOST_CROSSINGS", at_once)
        masks = encode_polygons([[part(points) for points in first], [part(points) for points in second]], size)
    RunLengthMasks(size, masks.starts, masks.ends, masks.offsets)  # canonical
    for dense, drawn in zip(decode(masks), (first, second), strict=True):
        expected = np.zeros_like(dense)
        for points in drawn:
            expected |= inside(points, size)
        assert (dense == expected).all()


def test_polygons_equal_shapely_and_opencv() -> None:
    rng = np.random.default_rng(3)
    size = ImageSize(60, 90)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 200))
    points = np.stack([50 + 61.3 * np.cos(angles), 27 + 24.7 * np.sin(angles)], axis=1)
    rows, columns = np.mgrid[0:60, 0:90] + 0.5
    expected = shapely.contains_xy(shapely.Polygon(points), columns, rows)
    (dense,) = decode(encode_polygons([[points]], size))
    assert 3000 < expected.sum() < 5400
    assert (dense == expected).all()
    filled = np.zeros((60, 90), dtype=np.uint8)
    cv2.fillPoly(filled, [np.array([[10, 5], [80, 5], [80, 40], [10, 40]])], 1)
    (dense,) = decode(encode_polygons([[np.array([[10, 5], [81, 5], [81, 41], [10, 41]])]], size))
    assert (dense == filled.astype(bool)).all()


def test_neighbours_share_no_pixel_and_leave_none() -> None:
    size = ImageSize(40, 70)
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 1, 2) * [70, 40]
    frame = np.array([[0, 0], [70, 0], [70, 40], [0, 40]], dtype=np.float64)
    fans = [[np.array([frame[index], frame[(index + 1) % 4], corner])] for index in range(4)]
    assert (decode(encode_polygons(fans, size)).sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    "points", [[[0, 0], [np.nan, 1], [2, 2]], [[0, 0], [np.inf, 1], [2, 2]], [[0, 0], [1e9, 1]], [1]]
)
def test_bad_polygons_are_a_value_error(points: list[Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        encode_polygons([[np.array(points, dtype=np.float64)]], SIZE)


def test_the_truth_goes_through_coco_unchanged(tiny_hands: Path, tmp_path: Path) -> None:
    assert points_to_coco([str(tiny_hands), str(tmp_path / "coco"), "--quiet"]) == 0
    annotations = tmp_path / "coco" / "annotations.json"
    for out, more in (("a.csv", []), ("b.csv", ["--images", str(tiny_hands / "train")]), ("c.parquet", [])):
        assert coco_to_rle([str(annotations), str(tmp_path / out), *more, "--quiet"]) == 0
    truth = (tiny_hands / "train_truth.csv").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == truth
    assert (tmp_path / "b.csv").read_bytes() == truth
    assert open_rle_table(tmp_path / "c.parquet").names() == open_rle_table(tmp_path / "a.csv").names()


def test_export_s_own_results_make_export_s_own_csv(tiny_hands: Path, tmp_path: Path) -> None:
    """With the network's own faults: bones that were not found."""
    source = ["--source", str(tiny_hands / "test")]
    assert export([*source, "--out", str(tmp_path / "pred.csv"), "--format", "both", "--quiet"]) == 0
    results = [str(tmp_path / "pred.json"), str(tmp_path / "back.csv"), "--images", str(tiny_hands / "test"), "--quiet"]
    assert coco_to_rle(results) == 0
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "pred.csv").read_bytes()


@pytest.mark.parametrize("kind", ["compressed", "uncompressed", "coco", "no images"])
def test_what_export_writes_comes_back(tiny_hands: Path, tmp_path: Path, kind: str) -> None:
    """`result_records` and `file_name` are all that export_rle --format both adds to its CSV."""
    truth = tiny_hands / "test_truth.csv"
    size = ImageSize(320, 256)
    records, images = [], []
    for number, (name, masks) in enumerate(read_masks(truth, size).items(), start=1):
        images.append({"id": number, "file_name": f"ID003/{name}", "height": 320, "width": 256})
        for record in result_records(number, masks, [0.5] * BONE_COUNT):
            if kind == "uncompressed":
                plane = np.asfortranarray(decode(masks[record["category_id"]])[0])
                record["segmentation"]["counts"] = column_counts(plane)
            records.append(record if kind == "coco" else {**record, "file_name": name})
    (tmp_path / "pred.json").write_text(json.dumps(records))
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "categories": categories()}))
    more = {"coco": ["--coco", str(tmp_path / "coco.json")], "no images": []}
    chosen = more.get(kind, ["--images", str(tiny_hands / "test")])
    assert coco_to_rle([str(tmp_path / "pred.json"), str(tmp_path / "out.csv"), *chosen, "--quiet"]) == 0
    assert (tmp_path / "out.csv").read_bytes() == truth.read_bytes()


def column_counts(plane: np.ndarray) -> list[int]:
    """Column-major run lengths with a run of no pixel inside, which readers must bear."""
    flat = np.concatenate([[False], plane.ravel(order="F"), [not plane[-1, -1]]])
    counts = np.diff(np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1])])).tolist()
    return [counts[0] - 1, 0, 1, *counts[1:]] if counts[0] else counts


@given(st.integers(0, 2**12 - 1), st.booleans())
@settings(deadline=None, max_examples=60)
def test_uncompressed_counts_equal_the_oracle(tmp_path_factory: pytest.TempPathFactory, bits: int, split: bool) -> None:
    plane = np.array([bits >> place & 1 for place in range(12)], dtype=np.uint8).reshape(3, 4)
    flat = plane.ravel(order="F").tolist()
    counts = [0]
    for place, value in enumerate(flat):
        if value != (len(counts) - 1) % 2:
            counts.append(0)
        counts[-1] += 1
        if split and place == 5:
            counts += [0, 0]
    counted = oracle.decode(oracle.frPyObjects({"size": [3, 4], "counts": counts}, 3, 4))
    assert (counted == plane).all()
    folder = tmp_path_factory.mktemp("counts")
    result = {**mark("Ulna"), "file_name": "a.png", "segmentation": {"size": [3, 4], "counts": counts}}
    (folder / "r.json").write_text(json.dumps([result]))
    assert coco_to_rle([str(folder / "r.json"), str(folder / "o.csv"), "--quiet"]) == 0
    assert (decode(read_masks(folder / "o.csv", ImageSize(3, 4))["a.png"])[CLASS_IDS["Ulna"]] == plane).all()


def mark(bone: str, score: float = 0.5, left: float = 2, image_id: Any = 1) -> dict[str, Any]:
    """A result whose mask is a square of nine pixels."""
    square = [left, 4, left + 3, 4, left + 3, 7, left, 7]
    return {"image_id": image_id, "category_id": CLASS_IDS[bone], "segmentation": [square], "score": score}


COCO = {
    "images": [
        {"id": 7, "file_name": "b.png", "height": SIZE.height, "width": SIZE.width},
        {"id": 1, "file_name": "a.png", "height": SIZE.height, "width": SIZE.width},
    ]
}


def convert(folder: Path, results: Any, *more: str, coco: Any = COCO) -> int:
    text = results if isinstance(results, str) else json.dumps(results)
    (folder / "results.json").write_text(text, encoding="utf-8")
    (folder / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    arguments = [str(folder / "results.json"), str(folder / "out.csv"), "--coco", str(folder / "coco.json")]
    return coco_to_rle([*arguments, *more])


def columns(folder: Path, image: str, bone: str) -> list[int]:
    """Columns of the mask's boxes."""
    return np.flatnonzero(decode(read_masks(folder / "out.csv", SIZE)[image])[CLASS_IDS[bone]].any(axis=0)).tolist()


def test_best_score_wins_and_the_rest_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    results = [
        mark("Ulna", 0.3, 2),
        mark("Ulna", 0.9, 8),
        mark("Ulna", 0.9, 14),
        mark("Radius", 0.1, 20),
        {**mark("Ulna", 0.99), "segmentation": [[2.6, 4.6, 2.9, 4.6, 2.9, 4.9]]},
    ]
    assert convert(tmp_path, results) == 0
    assert open_rle_table(tmp_path / "out.csv").names() == ["b.png", "a.png"]
    assert columns(tmp_path, "a.png", "Ulna") == [8, 9, 10]
    assert columns(tmp_path, "a.png", "Radius") == [20, 21, 22]
    assert read_masks(tmp_path / "out.csv", SIZE)["b.png"].areas().sum() == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 2 * BONE_COUNT
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report["counters"] == {"empty_instances": 1, "images_without_results": 1, "second_instances": 2}
    assert [item["place"] for item in report["second_instances"]] == ["[2]", "[0]"]
    assert {item["kept"] for item in report["second_instances"]} == {"[1]"}
    assert "2 x second_instances" in capsys.readouterr().err
    assert convert(tmp_path, results) == 3
    assert convert(tmp_path, results, "--keep", "union", "--overwrite") == 0
    assert columns(tmp_path, "a.png", "Ulna") == [2, 3, 4, 8, 9, 10, 14, 15, 16]
    assert json.loads((tmp_path / "out.report.json").read_text())["counters"]["united_instances"] == 2


def test_polygons_over_the_edge_are_cut_and_counted(tmp_path: Path) -> None:
    assert convert(tmp_path, [mark("Ulna", left=28)]) == 0
    assert columns(tmp_path, "a.png", "Ulna") == [28, 29]
    assert json.loads((tmp_path / "out.report.json").read_text())["counters"]["clipped_polygons"] == 1


def test_categories_go_by_name_or_by_id(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    turned = [{"id": 100 - number, "name": bone} for number, bone in enumerate(BONES)]
    results = [{**mark("Ulna"), "category_id": 100 - CLASS_IDS["Ulna"]}]
    assert convert(tmp_path, results, coco={**COCO, "categories": turned}) == 0
    assert columns(tmp_path, "a.png", "Ulna") == [2, 3, 4]
    counted_from_1 = [{**mark("Ulna"), "category_id": number} for number in range(1, 30)]
    capsys.readouterr()
    assert convert(tmp_path, counted_from_1, "--overwrite") == 2
    hint = "are they counted from 1? then give --first-category 1"
    assert f"[28].category_id: expected a bone's id from 0 to 28; {hint}, got 29" in capsys.readouterr().err
    assert convert(tmp_path, counted_from_1, "--overwrite", "--first-category", "1") == 0
    assert (read_masks(tmp_path / "out.csv", SIZE)["a.png"].areas() == 9).all()
    bad = [{"id": 1, "name": "ulna"}, {"id": 2, "name": "Ulna"}, {"id": 2, "name": "Radius"}, {"id": 3, "name": "Ulna"}]
    assert convert(tmp_path, [], "--overwrite", coco={**COCO, "categories": bad}) == 2
    assert [line.split(": ")[2] for line in capsys.readouterr().err.splitlines() if line.startswith("error")] == [
        f"categories[{place}" for place in ("0].name", "2].id", "3].name")
    ]


def changed(**more: Any) -> Callable[[], Any]:
    return lambda: [{**mark("Ulna"), **more}]


def rle(size: Any, counts: Any) -> dict[str, Any]:
    return {"segmentation": {"size": size, "counts": counts}}


FAULTS: list[tuple[Any, str]] = [
    (changed(category_id=True), "[0].category_id: expected a whole number, got True"),
    (changed(category_id=29), "[0].category_id: expected a bone's id from 0 to 28"),
    (changed(category_id=-1), "[0].category_id: expected a bone's id"),
    (changed(category_id=10**30), "[0].category_id: expected a bone's id"),
    (changed(image_id=3), "[0].image_id: expected the id of a known image, got 3"),
    (changed(image_id="1"), "[0].image_id: expected the id of a known image, got '1'"),
    (changed(image_id=[1]), "[0].image_id: expected a whole number or a name, got [1]"),
    (changed(file_name="b.png"), "[0].file_name: expected a.png, the image of image_id 1, got b.png"),
    (changed(file_name="\ud800.png"), "[0].file_name: expected the name of an image"),
    (changed(score=None), "[0].score: expected a number, got none"),
    (changed(score=True), "[0].score: expected a number, got True"),
    (changed(score=10**400), "[0].score: expected a number, got 1000"),
    (changed(segmentation=[]), "[0].segmentation: expected an RLE {size, counts} or a list of polygons"),
    (changed(segmentation=7), "[0].segmentation: expected an RLE {size, counts} or a list of polygons, got 7"),
    (changed(segmentation=[1, 2, 3, 4, 5, 6]), "[0].segmentation[0]: expected a flat list"),
    (changed(segmentation=[[1, 2, 3, 4]]), "[0].segmentation[0]: expected an even count of numbers, at least 6"),
    (changed(segmentation=[[1, 2, 3, 4, 5, True]]), "[0].segmentation[0][5]: expected a number, got True"),
    (changed(segmentation=[[1, 2, 3, 4, 5, 10**400]]), "[0].segmentation[0][5]: expected a coordinate"),
    (changed(**rle([30, 20], "d0")), "[0].segmentation.size: expected [20, 30], the image's height and width"),
    (changed(**rle([20, -30], "d0")), "[0].segmentation.size: expected [height, width], whole numbers"),
    (changed(**rle([10**9, 10**9], "d0")), "[0].segmentation.size: expected [height, width]"),
    (changed(**rle([20, True], "d0")), "[0].segmentation.size: expected [height, width]"),
    (changed(**rle(None, "d0")), "[0].segmentation.size: expected [height, width], got none"),
    (changed(**rle([20, 30], "d0")), "[0].segmentation.counts: expected counts that add up to 600 pixels"),
    (changed(**rle([20, 30], "hP")), "[0].segmentation.counts: expected COCO's compressed counts, got a text cut"),
    (changed(**rle([20, 30], "hé")), "[0].segmentation.counts: expected COCO's compressed counts"),
    (changed(**rle([20, 30], None)), "[0].segmentation.counts: expected a text or a list of run lengths, got none"),
    (changed(**rle([20, 30], [600, 0.0])), "[0].segmentation.counts[1]: expected a whole number from 0 to 600"),
    (changed(**rle([20, 30], [599])), "[0].segmentation.counts: expected run lengths that add up to 600"),
    (changed(**rle([20, 30], [10**300])), "[0].segmentation.counts[0]: expected a whole number from 0 to 600"),
    (lambda: [7], "[0]: expected an object, got 7"),
    (lambda: 7, ": expected a list, got 7"),
    (
        lambda: [{"image_id": 1, "category_id": 1, "score": 1, "bbox": [1, 2, 3, 4]}],
        "[0]: expected a key 'segmentation'",
    ),
    (lambda: '[{"score": 1, "score": 2}]', "expected each key once in an object, got 'score' twice"),
    (lambda: '[{"score": NaN}]', "expected finite numbers, got NaN"),
    (lambda: json.dumps([mark("Ulna")]).replace(" 4,", " 1e999,", 1), "segmentation[0][1]: expected a coordinate"),
    (lambda: "[" * 200_000, "expected JSON nested at most 64 deep"),
    (lambda: json.dumps([mark("Ulna")])[:-9], "line 1, column"),
    (lambda: "[1" + "0" * 5000 + "]", "expected numbers of a sane length"),
    (lambda: "", "expected JSON, got an empty file"),
]


@pytest.mark.parametrize(("results", "said"), FAULTS, ids=[said[:60] for _, said in FAULTS])
def test_faults_are_one_clear_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture, results: Callable[[], Any], said: str
) -> None:
    assert convert(tmp_path, results(), "--quiet") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"error: {tmp_path / 'results.json'}")
    assert said in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json", "results.json"]


def test_all_faults_are_said_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    results = [
        {**mark("Ulna"), **rle([20, 30], "d0")},
        mark("Radius"),
        {**mark("Ulna", image_id=7), "segmentation": [[1]]},
    ]
    assert convert(tmp_path, results, "--quiet") == 2
    error = capsys.readouterr().err
    assert "[0].segmentation.counts" in error
    assert "[2].segmentation[0]" in error


def test_images_of_a_coco_file_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image = COCO["images"][0]
    bad = [image, {**image, "file_name": "c.png"}, {**image, "id": 8}, {**image, "id": 9, "height": 0}, {"id": 10}]
    assert convert(tmp_path, [], coco={"images": bad}) == 2
    error = capsys.readouterr().err
    for place in ("images[1].id", "images[2].file_name", "images[3].height", "images[4].file_name"):
        assert place in error
    assert convert(tmp_path, [], coco={"images": [{**image, "file_name": "=x.png"}]}) == 3
    assert convert(tmp_path, [], coco={"images": []}) == 2


def test_without_images_names_and_sizes_come_from_the_results(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plane = ROOM.copy()
    plane[0, 3:6, 4:9] = True
    (record,) = result_records("second", encode(plane), [0.5] * BONE_COUNT)
    results, out = tmp_path / "r.json", tmp_path / "o.csv"

    def run(*records: dict[str, Any]) -> int:
        results.write_text(json.dumps(records))
        return coco_to_rle([str(results), str(out), "--overwrite"])

    assert run({**record, "file_name": "x/b.png"}) == 0
    assert (decode(read_masks(out, SIZE)["b.png"]) == plane).all()
    assert "images without any result are not known" in capsys.readouterr().err
    assert run(record) == 2
    assert "[0].file_name: expected a name, or --coco or --images" in capsys.readouterr().err
    assert run({**mark("Ulna"), "file_name": "b.png"}) == 2
    assert "[0].segmentation: expected an RLE, or --coco or --images" in capsys.readouterr().err
    assert run({**record, "file_name": "b.png"}, {**record, "file_name": "c.png"}) == 2
    assert "[1].file_name: expected b.png" in capsys.readouterr().err
    assert run({**record, "file_name": "b.png"}, {**record, "file_name": "b.png", "image_id": 4}) == 2
    assert "[1].image_id: expected 'second', the image_id of b.png before" in capsys.readouterr().err
    assert run() == 2


def test_images_of_a_folder_are_numbered_or_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder, results, out = tmp_path / "images", tmp_path / "r.json", tmp_path / "o.csv"
    (folder / "ID2").mkdir(parents=True)
    (folder / "ID1").mkdir()
    for name in ("ID2/a.png", "ID1/b.png", "ID1/30.png"):
        cv2.imwrite(str(folder / name), np.zeros((20, 30), dtype=np.uint8))

    def found(image_id: Any, **more: Any) -> list[str]:
        results.write_text(json.dumps([{**mark("Ulna", image_id=image_id), **more}]))
        code = coco_to_rle([str(results), str(out), "--images", str(folder), "--overwrite", "--quiet"])
        return (
            [name for name, masks in read_masks(out, SIZE).items() if masks.areas().any()] if code == 0 else [str(code)]
        )

    assert found(1) == ["30.png"]
    assert open_rle_table(out).names() == ["30.png", "b.png", "a.png"]
    assert found(3) == ["a.png"]
    assert found("b") == ["b.png"]
    assert found("b.png") == ["b.png"]
    assert found(30) == ["30.png"]
    assert found(1, file_name="q/a.png") == ["a.png"]
    assert found(4) == ["2"]
    assert found(1, file_name="c.png") == ["2"]
    (folder / "ID1" / "30.png").rename(folder / "ID1" / "2.png")
    assert found(2) == ["2"]
    assert "image_id 2, which may be 2.png or image 2 of the folder; give --coco" in capsys.readouterr().err


def test_a_whole_file_joins_a_folder_by_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((30, 20), dtype=np.uint8))
    results = tmp_path / "whole.json"
    results.write_text(json.dumps({**COCO, "annotations": [], "categories": categories()}))
    assert coco_to_rle([str(results), str(tmp_path / "o.csv"), "--images", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "images, id 7: expected an image of --coco or --images, got b.png" in error
    assert "images, id 1: expected 30x20, the size of a.png, got 20x30" in error


def test_what_is_read_is_never_replaced(tmp_path: Path) -> None:
    assert convert(tmp_path, [mark("Ulna")]) == 0
    (tmp_path / "out.report.json").write_bytes((tmp_path / "results.json").read_bytes())
    before = (tmp_path / "out.report.json").read_bytes()
    arguments = [str(tmp_path / "out.report.json"), str(tmp_path / "out.csv"), "--overwrite"]
    assert coco_to_rle([*arguments, "--coco", str(tmp_path / "coco.json")]) == 3
    assert (tmp_path / "out.report.json").read_bytes() == before
