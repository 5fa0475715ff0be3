"""What the door lets in, mends and refuses, with the field named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import TINY_SIZE, annotation_files, edit_json
from yolo_bones.annotations import read_annotations
from yolo_bones.bones import BONES
from yolo_bones.data_set import check_data_set
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.polygons import good_outlines, is_simple, mend_points, on_one_line
from yolo_bones.rle import ImageSize

SIZE = ImageSize(*TINY_SIZE)


def read(path: Path):
    return read_annotations(path, "ID001", SIZE)


def test_good_file_in_channel_order_with_truth_masks(raw: Path) -> None:
    path = annotation_files(raw)[0]
    edit_json(path, lambda record: record["annotations"].reverse())
    edit_json(path, lambda record: record.update(filename="other.jpg", metadata={"height": 3060, "width": 3060}))
    image, log = read(path)
    assert [annotation.bone for annotation in image.annotations] == list(BONES)
    assert log.counters == {}
    assert image.thumb_side == "thumb-left"
    record = json.loads(path.read_text(encoding="utf-8"))
    drawn = next(item["points"] for item in record["annotations"] if item["label"] == "Lunate")
    plane = np.zeros(TINY_SIZE, np.uint8)
    cv2.fillPoly(plane, [np.array(drawn, np.int32)], 1)
    crop, top, left = image.annotations[BONES.index("Lunate")].fill(SIZE)
    assert (plane[top : top + crop.shape[0], left : left + crop.shape[1]] == crop).all()
    assert plane.sum() == crop.sum()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a[3]["points"].__setitem__(7, "x"), 'annotations[3].points[7]: expected two numbers, got "x"'),
        (lambda a: a[3]["points"].__setitem__(7, [1, 2, 3]), "annotations[3].points[7]: expected two numbers"),
        (lambda a: a[3]["points"].__setitem__(7, [1, "2"]), "annotations[3].points[7]: expected two numbers"),
        (lambda a: a[3]["points"].__setitem__(7, [1, None]), "annotations[3].points[7]: expected two numbers"),
        (lambda a: a[3]["points"].__setitem__(7, [1, True]), "annotations[3].points[7]: expected two numbers"),
        (lambda a: a[3]["points"].__setitem__(7, [1, float("nan")]), "annotations[3].points[7]: expected two numbers"),
        (lambda a: a[3]["points"].__setitem__(7, [1, 9999]), "annotations[3].points[7]: expected a point inside"),
        (lambda a: a[3].__setitem__("points", [[1, 1], [5, 5]]), "annotations[3].points: expected at least 3 points"),
        (lambda a: a[3].__setitem__("points", [[5, 5]] * 4), "annotations[3].points: expected at least 3 different"),
        (lambda a: a[3].__setitem__("points", [[1, 1], [5, 5], [9, 9]]), "annotations[3].points: expected an outline"),
        (lambda a: a[3].__setitem__("points", "none"), "annotations[3].points: expected a list"),
        (lambda a: a[3].__setitem__("label", "finger-20"), "annotations[3].label: expected one of the 29 bone names"),
        (lambda a: a[27].__setitem__("label", "radius"), "annotations[27].label: expected the bone name 'Radius'"),
        (lambda a: a[3].pop("label"), "annotations[3]: expected a key 'label'"),
        (lambda a: a.clear(), "annotations: expected at least one annotation"),
        (lambda a: a.extend([{}] * 10_000), "annotations: expected at most 10000 of them, got 10029"),
    ],
)
def test_faults_name_their_field(raw: Path, change, says: str) -> None:
    path = annotation_files(raw)[0]
    edit_json(path, lambda record: change(record["annotations"]))
    with pytest.raises(InputError) as caught:
        read(path)
    assert f"{path}: {says}" in str(caught.value)


def square(x: int, y: int, side: int = 20) -> list[list[int]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


@pytest.mark.parametrize(
    ("change", "counters"),
    [
        (lambda a: a[0]["points"].append(a[0]["points"][0]), {"closing_point": 1}),
        (lambda a: a[0]["points"].insert(2, a[0]["points"][1]), {"duplicate_points": 1}),
        (lambda a: a[0].update(points=[[-1, 5], [40, 5], [40, 60]]), {"clipped_points": 1}),
        (lambda a: a[0].update(points=[[10, 10], [60, 60], [60, 10], [10, 60]]), {"self_intersections": 1}),
        (lambda a: a[0].update(points=[[10.5, 10], [60, 60], [60, 10]]), {"rounded_points": 1}),
        (lambda a: a.pop(), {"missing_bones": 1}),
        (lambda a: a.append(dict(a[0])), {"duplicate_annotations": 1}),
        (
            lambda a: (a[0].update(points=square(50, 50)), a.append({**a[0], "points": square(60, 55)})),
            {"merged_parts": 1},
        ),
    ],
)
def test_repairs_are_counted(raw: Path, change, counters: dict[str, int]) -> None:
    path = annotation_files(raw)[0]
    edit_json(path, lambda record: change(record["annotations"]))
    _, log = read(path)
    assert log.counters == counters


def test_a_crossing_outline_keeps_its_mask(raw: Path) -> None:
    path = annotation_files(raw)[0]
    bow_tie = [[10, 10], [60, 60], [60, 10], [10, 60]]
    edit_json(path, lambda record: record["annotations"][0].update(points=bow_tie))
    image, _ = read(path)
    plane = np.zeros(TINY_SIZE, np.uint8)
    cv2.fillPoly(plane, [np.array(bow_tie, np.int32)], 1)
    crop, top, left = image.annotations[0].fill(SIZE)
    assert (plane[top : top + crop.shape[0], left : left + crop.shape[1]] == crop).all()


def test_a_second_bone_elsewhere_is_an_error(raw: Path) -> None:
    path = annotation_files(raw)[0]

    def double(record: dict) -> None:
        record["annotations"][0]["points"] = square(50, 50)
        record["annotations"].append({**record["annotations"][0], "points": square(150, 150)})

    edit_json(path, double)
    with pytest.raises(InputError, match=r"annotations\[29\].label: expected one finger-1"):
        read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"null", "expected an object"),
        (b"[]", "expected an object"),
        (b'{"annotations": [', "line 1, column"),
        ('{"annotations": []}'.encode("utf-16"), "UTF-8"),
        (b"[" * 100_000, "64 deep"),
    ],
)
def test_files_that_are_no_annotation(raw: Path, content: bytes, says: str) -> None:
    path = annotation_files(raw)[0]
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read(path)


def test_all_faults_of_a_data_set_are_listed(raw: Path) -> None:
    first, *_, last = annotation_files(raw)
    edit_json(first, lambda record: record["annotations"][3]["points"].__setitem__(7, "x"))
    edit_json(last, lambda record: record["annotations"][5].__setitem__("label", "thumb"))
    (last.parent / "image99.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputErrors) as caught:
        check_data_set(raw)
    assert len(caught.value.faults) == 3
    for name in (first.name, last.name, "image99.json: expected its image"):
        assert name in str(caught.value)


def test_nothing_is_left_out_silently(raw: Path) -> None:
    image = next((raw / "DCM").rglob("*.png"))
    (raw / "DCM" / "loose.png").write_bytes(image.read_bytes())
    (image.parent / "scan.tif").write_bytes(b"II*")
    (image.parent / "deeper").mkdir()
    (image.parent / "deeper" / "image5.png").write_bytes(image.read_bytes())
    with pytest.raises(InputErrors) as caught:
        check_data_set(raw)
    for name in ("loose.png: expected a place", "scan.tif: expected a file name", "image5.png: expected a place"):
        assert name in str(caught.value)


def test_hundred_faults_are_shown_and_the_rest_counted(raw: Path) -> None:
    path = annotation_files(raw)[0]
    edit_json(path, lambda record: [item.update(points=["x"] * 10) for item in record["annotations"]])
    with pytest.raises(InputErrors) as caught:
        read(path)
    assert len(caught.value.faults) == 290
    assert str(caught.value).splitlines()[-1] == "... and 190 more"


def test_image_of_another_size_is_found(raw: Path) -> None:
    image = next((raw / "DCM").rglob("*.png"))
    cv2.imwrite(str(image), np.zeros((160, 128, 3), np.uint8))
    with pytest.raises(InputErrors, match="expected a point inside the 160x128 image"):
        check_data_set(raw)


def test_patient_folder_that_links_out_is_refused(raw: Path, tmp_path: Path) -> None:
    patient = next((raw / "DCM").iterdir())
    patient.rename(tmp_path / "elsewhere")
    patient.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="outside the data set"):
        check_data_set(raw)


def test_a_ring_keeps_its_hole(raw: Path) -> None:
    """An outline whose filling has a hole is left as drawn: the truth is what it fills."""
    path = annotation_files(raw)[0]
    ring = [[20, 20], [120, 20], [120, 120], [20, 120], [20, 20], [50, 50], [50, 90], [90, 90], [90, 50], [50, 50]]
    edit_json(path, lambda record: record["annotations"][0].update(points=ring))
    image, log = read(path)
    assert log.counters == {"self_intersections": 1}
    plane = np.zeros(TINY_SIZE, np.uint8)
    cv2.fillPoly(plane, [np.array(ring, np.int32)], 1)
    crop, top, left = image.annotations[0].fill(SIZE)
    assert not crop[70 - top, 70 - left]
    assert crop.sum() == plane.sum()


def test_link_out_of_the_data_set_is_refused(raw: Path, tmp_path: Path) -> None:
    image = next((raw / "DCM").rglob("*.png"))
    outside = tmp_path / "outside.png"
    image.rename(outside)
    image.symlink_to(outside)
    with pytest.raises(RefusedError, match="outside the data set"):
        check_data_set(raw)


def test_a_key_twice_is_an_error(raw: Path) -> None:
    path = annotation_files(raw)[0]
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"annotations":', '"annotations": [], "annotations":', 1), encoding="utf-8")
    assert '"annotations": [], "annotations":' in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="each key once in an object, got 'annotations' twice") as caught:
        read_annotations(path, "ID001", ImageSize(*TINY_SIZE))
    assert str(path) in str(caught.value)


def test_outlines_looked_at_together_are_those_with_nothing_to_mend() -> None:
    """The quick look at 29 outlines and the slow one at each agree, on outlines of every kind of fault."""
    chance = np.random.default_rng(0)
    size, good = ImageSize(20, 30), 0
    for trial in range(3000):
        points = chance.integers(-1, 31, (chance.integers(3, 9), 2)).astype(float)
        if trial % 4 == 0:
            points = chance.integers(2, 18, (chance.integers(3, 5), 2)).astype(float)
        if trial % 3 == 0:
            points += chance.choice([0.0, 0.5], points.shape)
        if trial % 5 == 0:
            points = np.repeat(points, 2, axis=0)
        found = good_outlines([points.tolist()], size, 100)[0]
        try:
            mended, repairs = mend_points(points, size)
            sound = not repairs and is_simple(mended) and not on_one_line(mended)
        except ValueError:
            sound = False
        assert (found is not None) == sound, points
        if found is not None:
            assert (found == mended).all()
            good += 1
    assert good > 100
