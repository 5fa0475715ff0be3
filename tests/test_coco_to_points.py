"""COCO files in the shape that CVAT and Label Studio export, and those of points_to_coco -> point annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as oracle

from converters.coco_to_points import main as coco_to_points
from converters.points_to_coco import main as points_to_coco
from converters.points_to_rle import main as points_to_rle
from converters.points_to_yolo import main as points_to_yolo
from converters.rle_to_points import main as rle_to_points
from tests.conftest import annotation_files, edit_json
from yolo_bones.annotations import read_annotations
from yolo_bones.bones import BONES
from yolo_bones.corrected_coco import possible_names
from yolo_bones.corrected_masks import kept_points
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.rle import ImageSize, encode
from yolo_bones.truth_sources import annotated_masks

SIZE = ImageSize(48, 64)
NAMES = ("image1.png", "image2_L.png")
Masks = dict[str, np.ndarray]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two patients, an image each."""
    folder = tmp_path / "images"
    for number, name in enumerate(NAMES, start=1):
        place = folder / f"ID{number:03d}" / name
        place.parent.mkdir(parents=True)
        assert cv2.imwrite(str(place), np.full((SIZE.height, SIZE.width), 9 * number, dtype=np.uint8))
    return folder


def blank() -> np.ndarray:
    return np.zeros((SIZE.height, SIZE.width), dtype=bool)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    plane = blank()
    plane[top:bottom, left:right] = True
    return plane


def ring() -> np.ndarray:
    return box(10, 10, 30, 26) & ~box(15, 14, 24, 20)


def uncompressed(plane: np.ndarray) -> dict[str, Any]:
    """As CVAT writes masks: counts as a list, column-major, beginning with off."""
    flat = plane.ravel(order="F").astype(np.int8)
    places = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *places.tolist(), flat.size]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(plane.shape)}


def cvat(*annotations: dict[str, Any], labels: tuple[str, ...] = BONES, **image: Any) -> dict[str, Any]:
    """An `instances_default.json` of CVAT: categories from 1, empty licence and info, attributes in each annotation."""
    usual = {"width": SIZE.width, "height": SIZE.height, "license": 0, "flickr_url": "", "coco_url": ""}
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [{"id": 1 + index, "name": name, "supercategory": ""} for index, name in enumerate(labels)],
        "images": [
            {"id": number, "file_name": f"ID{number:03d}/{name}", "date_captured": 0, **usual, **image}
            for number, name in enumerate(NAMES, start=1)
        ],
        "annotations": [{"id": number, **one} for number, one in enumerate(annotations, start=1)],
    }


def shape(bone: str, segmentation: Any, image_id: int = 1, **more: Any) -> dict[str, Any]:
    """One annotation of CVAT."""
    return {
        "image_id": image_id,
        "category_id": 1 + BONES.index(bone),
        "segmentation": segmentation,
        "area": 1.0,
        "bbox": [0.0, 0.0, 1.0, 1.0],
        "iscrowd": int(isinstance(segmentation, dict)),
        "attributes": {"occluded": False, "rotation": 0.0},
        **more,
    }


def label_studio(*annotations: dict[str, Any], labels: tuple[str, ...], file_names: tuple[str, ...]) -> dict[str, Any]:
    """A `result.json` of Label Studio: everything counts from 0, labels in an order of its own."""
    return {
        "images": [
            {"width": SIZE.width, "height": SIZE.height, "id": number, "file_name": name}
            for number, name in enumerate(file_names)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(labels)],
        "annotations": [{"id": number, "ignore": 0, "iscrowd": 0, **one} for number, one in enumerate(annotations)],
        "info": {"year": 2024, "version": "1.0", "description": "", "contributor": "Label Studio", "url": ""},
    }


def converted(tmp_path: Path, images: Path, record: Any, *options: str) -> tuple[int, dict[str, Masks], dict[str, Any]]:
    """Exit code, image -> bone -> mask of what was written, and the report."""
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(record), encoding="utf-8")
    out = tmp_path / "out"
    code = coco_to_points([str(file), str(out), "--images", str(images), "--quiet", *options])
    found: dict[str, Masks] = {}
    for path in annotation_files(out) if out.exists() else []:
        image, _ = read_annotations(path, path.parent.name, SIZE)
        found[path.stem] = {}
        for annotation in image.annotations:
            crop, top, left = annotation.fill(SIZE)
            found[path.stem][annotation.bone] = blank()
            found[path.stem][annotation.bone][top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    report = out / "report.json"
    return code, found, json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}


def test_a_cvat_export_of_polygons_and_masks_comes_back_pixel_by_pixel(tmp_path: Path, images: Path) -> None:
    triangle = [[10.0, 2.0, 30.5, 2.25, 10.0, 20.75]]
    record = cvat(
        shape("Radius", triangle, attributes={"occluded": True, "rotation": 0.0}),
        shape("Capitate", uncompressed(ring())),
        shape("Ulna", [[40.0, 30.0, 50.0, 30.0, 50.0, 40.0, 40.0, 40.0], [52.0, 30.0, 60.0, 30.0, 60.0, 44.0]]),
        shape("Ulna", uncompressed(box(0, 0, 48, 1)), 2),
    )
    code, found, report = converted(tmp_path, images, record)
    assert code == 0
    for bone, segmentation in (("Radius", triangle), ("Ulna", record["annotations"][2]["segmentation"])):
        expected = oracle.decode(oracle.merge(oracle.frPyObjects(segmentation, *ring().shape))).astype(bool)
        difference = expected ^ found["image1"][bone]
        assert not (expected & ~found["image1"][bone]).any()
        # Between the parts of the ulna lie two columns; the bridge is as long, and is counted.
        assert difference.sum() == (2 if bone == "Ulna" else 0)
    assert (found["image1"]["Capitate"] == ring()).all()
    # A line one pixel wide is no outline: it gets a pixel beside it.
    assert (found["image2_L"]["Ulna"] & box(0, 0, 48, 1)).sum() == 48
    assert report["inexact"] == [
        {"image": "image1.png", "bone": "Capitate", "holes": 1},
        {"image": "image1.png", "bone": "Ulna", "joined_parts": 1, "added_px": 2},
        {"image": "image2_L.png", "bone": "Ulna", "added_px": 1},
    ]
    assert (report["counters"]["added_px"], report["holes"]) == (3, 1)
    assert report["counters"]["missing_bones"] == 26 + 28
    assert report["missing"][1]["bones"] == list(BONES[:-1])
    written = json.loads((tmp_path / "out/outputs_json/ID001/image1.json").read_text(encoding="utf-8"))
    attributes = {one["label"]: one["attributes"] for one in written["annotations"]}
    assert attributes["Radius"] == {"occluded": True, "rotation": 0.0}
    assert "source" not in written
    assert (tmp_path / "out/DCM/ID001/image1.png").samefile(images / "ID001" / "image1.png")


def test_a_label_studio_export_is_known_by_names_not_by_ids(tmp_path: Path, images: Path) -> None:
    labels = ("Ulna", "Marker", "Radius")
    boxes = {
        "Radius": [[2.0, 2.0, 9.0, 2.0, 9.0, 12.0, 2.0, 12.0]],
        "Ulna": [[20.0, 5.0, 30.0, 5.0, 30.0, 9.0, 20.0, 9.0]],
    }
    record = label_studio(
        {"image_id": 0, "category_id": 2, "segmentation": boxes["Radius"], "bbox": [2, 2, 7, 10], "area": 70},
        {"image_id": 0, "category_id": 1, "segmentation": boxes["Ulna"], "bbox": [2, 2, 7, 10], "area": 70},
        {"image_id": 1, "category_id": 0, "segmentation": boxes["Ulna"], "bbox": [2, 2, 7, 10], "area": 40},
        labels=labels,
        file_names=("images/8a3f2c1d-image1.png", "..\\..\\label-studio\\media\\upload\\4\\cb0618f6-image2_L.png"),
    )
    code, found, report = converted(tmp_path, images, record)
    assert code == 0
    assert report["other_categories"] == {"Marker": 1}
    assert (found["image1"]["Radius"] == box(2, 2, 12, 9)).all()
    assert list(found["image2_L"]) == ["Ulna"]
    assert (found["image2_L"]["Ulna"] == box(5, 20, 9, 30)).all()


@pytest.mark.parametrize(
    "file_name",
    [
        "image1.png",
        "some/folder/image1.png",
        "C:\\data\\image1.png",
        "8a3f2c1d-image1.png",
        "http://localhost:8080/data/upload/3/8a3f2c1d-image1.png",
        "/data/local-files/?d=hands/ID001/image1.png",
        "/data/upload/1/8a3f2c1d-image1.png?token=5",
        "image%31.png",
        "http://[/image1.png",
    ],
)
def test_whatever_stands_before_a_name_it_is_found(file_name: str) -> None:
    assert "image1.png" in list(possible_names(file_name))


def test_a_name_that_looks_like_an_upload_is_first_what_it_says() -> None:
    assert list(possible_names("deadbeef-1.png"))[:2] == ["deadbeef-1.png", "1.png"]


def test_annotations_of_one_bone_are_one_where_they_touch(tmp_path: Path, images: Path) -> None:
    parts = [box(4, 4, 10, 10), box(20, 4, 30, 10), box(10, 10, 20, 12)]
    record = cvat(*(shape("Hamate", uncompressed(part)) for part in parts))
    code, found, report = converted(tmp_path, images, record)
    assert code == 0
    # The last joins the first two, by corners alone.
    assert (found["image1"]["Hamate"] == parts[0] | parts[1] | parts[2]).all()
    assert report["counters"]["united_annotations"] == 2
    assert report["images_without_annotations"] == ["image2_L.png"]


def test_annotations_of_one_bone_that_lie_apart_are_an_error_unless_asked_for(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = cvat(*(shape("Hamate", uncompressed(part)) for part in (box(4, 4, 10, 10), box(4, 14, 10, 20))))
    code, found, _ = converted(tmp_path, images, record)
    assert (code, found) == (2, {})
    assert "annotations[1]: expected one Hamate in image1.png, drawn at annotations[0]" in capsys.readouterr().err
    assert not (tmp_path / "out/DCM").exists()
    code, found, report = converted(tmp_path, images, record, "--unite")
    assert code == 0
    assert found["image1"]["Hamate"].sum() == 36 + 36 + 4
    assert report["counters"]["added_px"] == 4


def test_boxes_are_an_error_or_left_out_and_listed(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = cvat(shape("Radius", uncompressed(box(1, 1, 9, 9))), shape("Ulna", [], bbox=[3.0, 4.0, 5.0, 6.0]))
    assert converted(tmp_path, images, record)[0] == 2
    assert "annotations[1].segmentation: expected a mask or polygons" in capsys.readouterr().err
    code, found, report = converted(tmp_path, images, record, "--skip-boxes")
    assert (code, list(found["image1"])) == (0, ["Radius"])
    assert report["boxes_left_out"] == ["annotations[1]"]


def change_image(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["images"][0].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_image(width=48, height=64), "images[0].height, width: expected 48x64, the size of image1.png, got 64"),
        (change_image(file_name="image7.png"), "images[0].file_name: expected the name of an image in --images"),
        (change_image(file_name="ID002/image1.png"), "images[0].file_name: expected image1.png of patient ID001"),
        (change_image(file_name="x/8a3f2c1d-image2_L.png"), "images[1].file_name: expected one record of image2_L.png"),
        (change_image(id=2), "images[1].id: expected an id that no other image has"),
        (lambda record: record["categories"][28].update(name=" ulna"), "categories[28].name: expected the bone name"),
        (lambda record: record["categories"].clear(), "categories: expected at least one of the 29 bone names"),
        (lambda record: record["annotations"][0].update(category_id=0), "annotations[0].category_id: expected the id"),
        (lambda record: record["annotations"][0].update(image_id=9), "annotations[0].image_id: expected the id"),
        (lambda record: record["annotations"][0]["segmentation"].update(counts=[5]), "annotations[0].segmentation.co"),
        (lambda record: record["annotations"][0].pop("segmentation"), "annotations[0].segmentation: expected a mask"),
        (lambda record: record.pop("images"), "images: expected a list"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_clear_error(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str], change: Any, message: str
) -> None:
    record = cvat(shape("Radius", uncompressed(box(1, 1, 9, 9))))
    change(record)
    assert converted(tmp_path, images, record)[0] == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out/outputs_json").exists()


def test_a_wrong_image_or_category_is_not_told_again_for_each_of_its_annotations(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = uncompressed(box(1, 1, 9, 9))
    record = cvat(*(shape(bone, square, image_id) for bone in ("Radius", "Ulna") for image_id in (1, 2)))
    record["images"][0]["file_name"] = "image7.png"
    record["categories"][28]["name"] = "ulna"
    assert converted(tmp_path, images, record)[0] == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "images[0].file_name" in told[0]
    assert "categories[28].name" in told[1]


def test_coco_results_are_sent_elsewhere(tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert converted(tmp_path, images, [])[0] == 2
    assert "coco_to_rle" in capsys.readouterr().err


def test_patients_come_from_folders_a_table_or_the_file(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted(images.rglob("*.png")):
        (flat / path.name).write_bytes(path.read_bytes())
    record = cvat(shape("Radius", uncompressed(box(1, 1, 9, 9))))
    record["images"] = record["images"][:1]
    assert converted(tmp_path, flat, record)[0] == 2
    assert "images.csv" in capsys.readouterr().err
    record["images"][0]["patient_id"] = "ID007"
    assert converted(tmp_path, flat, record)[0] == 0
    assert (tmp_path / "out/DCM/ID007/image1.png").is_file()
    table = tmp_path / "images.csv"
    table.write_text("image_name,patient\nimage1.png,../out\n", encoding="utf-8")
    assert converted(tmp_path, flat, record, "--overwrite", "--patients", str(table))[0] == 2
    assert "the name of a folder" in capsys.readouterr().err
    table.write_text("image_name,patient\nimage1.png,ID008\n", encoding="utf-8")
    assert converted(tmp_path, flat, record, "--overwrite", "--patients", str(table))[0] == 2
    assert "patient_id: expected ID008" in capsys.readouterr().err
    del record["images"][0]["patient_id"]
    assert converted(tmp_path, flat, record, "--overwrite", "--patients", str(table), "--copy")[0] == 0
    assert not (tmp_path / "out/DCM/ID008/image1.png").samefile(flat / "image1.png")


def test_nothing_is_overwritten_unasked(tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = cvat(shape("Radius", uncompressed(box(1, 1, 9, 9))))
    assert converted(tmp_path, images, record)[0] == 0
    assert converted(tmp_path, images, record)[0] == 3
    assert "--overwrite" in capsys.readouterr().err
    file = tmp_path / "edited.json"
    assert coco_to_points([str(file), str(images / "out"), "--images", str(images), "--quiet"]) == 3


# points -> COCO -> points, points -> RLE -> points -> RLE.


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms as people draw them, three with label errors."""
    out = tmp_path_factory.mktemp("noisy") / "raw"
    options = ["--annotator-noise", "--plant-errors", "3", "--dirty-metadata", "--bent", "0.5"]
    assert make_phantoms([str(out), "--patients", "3", "--seed", "11", "--size", "416x320", *options, "--quiet"]) == 0
    return out / "train"


def drawn_points(root: Path, size: ImageSize) -> dict[str, list[tuple[str, list[list[int]]]]]:
    """Image -> bones and points, as readers get them."""
    found = {}
    for path in annotation_files(root):
        image, _ = read_annotations(path, path.parent.name, size)
        found[path.stem] = [(one.bone, one.points.tolist()) for one in image.annotations]
    return found


def there_and_back(tmp_path: Path, root: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """points -> COCO -> points; `change` edits the COCO file between them."""
    assert points_to_coco([str(root), str(tmp_path / "coco"), "--quiet"]) == 0
    file = tmp_path / "coco/annotations.json"
    if change is not None:
        edit_json(file, change)
    back = tmp_path / "back"
    assert coco_to_points([str(file), str(back), "--images", str(root / "DCM"), "--quiet"]) == 0
    return back


def test_points_come_back_as_they_were(tmp_path: Path, noisy: Path) -> None:
    size = ImageSize(416, 320)
    before = drawn_points(noisy, size)
    back = there_and_back(tmp_path, noisy)
    assert drawn_points(back, size) == before
    assert sum(len(bones) for bones in before.values()) > 6 * 27
    assert points_to_coco([str(back), str(tmp_path / "again"), "--quiet"]) == 0
    assert (tmp_path / "again/annotations.json").read_bytes() == (tmp_path / "coco/annotations.json").read_bytes()


def test_hand_made_points_come_back_too(tmp_path: Path, raw: Path) -> None:
    """Repeats, a closing point, a point outside, fractions, a crossing, long slanted edges, a ring with a slit."""
    size = ImageSize(320, 256)
    ring_points = [[10, 10], [40, 10], [40, 40], [10, 40], [10, 20], [20, 20], [20, 30], [30, 30], [30, 20], [10, 20]]
    outlines = {
        "finger-1": [[5, 5], [5, 5], [25, 5], [25, 30], [25, 30], [5, 30], [5, 5]],
        "finger-2": [[-1, 100], [30, 100.4], [30.5, 130], [0, 130]],
        "finger-3": [[60, 60], [90, 90], [90, 60], [60, 90]],
        "finger-4": [[100, 3], [231, 80], [117, 291]],
        "finger-5": ring_points,
        "finger-6": [[200, 319], [255, 319], [255, 200]],
    }

    def redraw(record: dict[str, Any]) -> None:
        for annotation in record["annotations"]:
            annotation["points"] = outlines.get(annotation["label"], annotation["points"])
        record["annotations"].reverse()

    edit_json(annotation_files(raw)[0], redraw)
    before = drawn_points(raw, size)
    back = there_and_back(tmp_path, raw)
    assert drawn_points(back, size) == before
    # Without the points masks come back, pixel by pixel: pycocotools makes the truth mask of every segmentation.
    (tmp_path / "2").mkdir()
    stripped = there_and_back(tmp_path / "2", raw, lambda record: [one.pop("points") for one in record["annotations"]])
    for path in annotation_files(raw):
        there = annotation_files(stripped)[annotation_files(raw).index(path)]
        masks = [annotated_masks(read_annotations(one, "ID", size)[0]) for one in (path, there)]
        assert masks[0].equals(masks[1])
    record = json.loads((tmp_path / "coco/annotations.json").read_text(encoding="utf-8"))
    ring_record = next(one for one in record["annotations"] if one["category_id"] == BONES.index("finger-5"))
    assert isinstance(ring_record["segmentation"], dict)
    assert oracle.area(ring_record["segmentation"]) == ring_record["area"]


def test_points_of_an_edited_mask_are_not_believed(tmp_path: Path, raw: Path) -> None:
    size = ImageSize(320, 256)

    def edit(record: dict[str, Any]) -> None:
        record["annotations"][0]["segmentation"] = [[10.0, 10.0, 30.0, 10.0, 30.0, 25.0, 10.0, 25.0]]

    back = there_and_back(tmp_path, raw, edit)
    bone, points = drawn_points(back, size)[annotation_files(raw)[0].stem][0]
    assert bone == "finger-1"
    assert sorted(points) == [[10, 10], [10, 24], [29, 10], [29, 24]]
    report = json.loads((back / "report.json").read_text(encoding="utf-8"))
    assert report["counters"]["points_outdated"] == 1


@pytest.mark.parametrize(
    "points", [[[3, 3]] * 4, [[1, 1], [1]], [[2**70, 1]] * 3, [[1.5, 1], [9, 1], [9, 9]], "x", None]
)
def test_points_that_are_no_outline_are_not_believed(points: Any) -> None:
    assert kept_points(points, encode(box(3, 3, 4, 4))) is None


def test_runs_come_back_as_they_were(tmp_path: Path, noisy: Path) -> None:
    assert points_to_rle([str(noisy), str(tmp_path / "first"), "--quiet"]) == 0
    table = tmp_path / "first/truth.csv"
    back = tmp_path / "back"
    assert rle_to_points([str(table), str(back), "--images", str(noisy / "DCM"), "--corrected", "--quiet"]) == 0
    assert points_to_rle([str(back), str(tmp_path / "second"), "--quiet"]) == 0
    assert (tmp_path / "second/truth.csv").read_bytes() == table.read_bytes()


def test_what_comes_back_trains(tmp_path: Path, raw: Path) -> None:
    back = there_and_back(tmp_path, raw)
    assert points_to_yolo([str(back), str(tmp_path / "yolo"), "--folds", "2", "--quiet"]) == 0
    assert len(list((tmp_path / "yolo/labels/val").iterdir())) == 2
