"""A submission against its images: silent on what is right, every planted mistake found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import read_masks
from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.check_rle import main as check
from yolo_bones.conventions import MOST_OFFSET, OFFSETS, lies_like_a_hand, sideways_shift
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.rle import ImageSize, RunLengthMasks, decode, encode, transpose
from yolo_bones.rle_table import write_masks

SIZE = ImageSize(320, 256)
Change = Callable[[RunLengthMasks], RunLengthMasks]


@pytest.fixture(scope="module")
def hands(tiny_hands: Path) -> Path:
    return tiny_hands / "train" / "DCM"


@pytest.fixture(scope="module")
def truth(tiny_hands: Path) -> Path:
    return tiny_hands / "train_truth.csv"


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients with bent wrists, in images that are wider than high."""
    out = tmp_path_factory.mktemp("bent") / "raw"
    arguments = ["--patients", "2", "--bent", "1", "--seed", "8", "--size", "400x512", "--quiet"]
    assert make_phantoms([str(out), *arguments]) == 0
    return out


def written_as(change: Change, source: Path, target: Path, size: ImageSize = SIZE) -> Path:
    write_masks(target, ((name, change(masks)) for name, masks in read_masks(source, size).items()))
    return target


def column_major(masks: RunLengthMasks) -> RunLengthMasks:
    """What a reader of rows gets from one who wrote columns."""
    turned = transpose(masks)
    return RunLengthMasks.from_edges(masks.size, turned.edges.copy(), turned.offsets.copy())


def zero_based(masks: RunLengthMasks) -> RunLengthMasks:
    """What a reader who counts from 1 gets from one who counted from 0."""
    assert masks.edges.min() > 0
    return RunLengthMasks.from_edges(masks.size, masks.edges - np.int32(1), masks.offsets.copy())


def both(masks: RunLengthMasks) -> RunLengthMasks:
    return zero_based(column_major(masks))


def dense(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Of a changed picture, its rows one after another in the image's size."""

    def changed(masks: RunLengthMasks) -> RunLengthMasks:
        planes = change(decode(masks))
        return encode(np.ascontiguousarray(planes).reshape(BONE_COUNT, masks.size.height, masks.size.width))

    return changed


def kinds(printed: str) -> list[str]:
    return [line.split(": ")[1] for line in printed.splitlines()]


MISTAKES: list[tuple[Change, list[str]]] = [
    (lambda masks: masks, []),
    (column_major, ["column_major"]),
    (zero_based, ["zero_based"]),
    (both, ["column_major", "zero_based"]),
    (dense(lambda planes: planes[:, :, ::-1]), ["mirrored"]),
    (dense(lambda planes: planes[:, ::-1]), ["upside_down"]),
    (dense(lambda planes: planes[:, ::-1, ::-1]), ["turned_180"]),
    (dense(lambda planes: np.rot90(planes, 1, (1, 2))), ["turned_left"]),
    (dense(lambda planes: np.rot90(planes, -1, (1, 2))), ["turned_right"]),
    (dense(lambda planes: np.roll(planes, 1, axis=2)), ["shifted"]),
]
NAMES = ["right", "column_major", "zero_based", "both", "mirrored", "upside_down", "180", "left", "right_90", "late"]


@pytest.mark.parametrize(("change", "expected"), MISTAKES, ids=NAMES)
@pytest.mark.parametrize("table", ["a.csv", "a.parquet"])
def test_mistaken_conventions_are_found_and_nothing_else(
    hands: Path,
    truth: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    change: Change,
    expected: list[str],
    table: str,
) -> None:
    wrong = written_as(change, truth, tmp_path / table)
    assert check([str(wrong), "--images", str(hands), "--quiet", "--strict"]) == (1 if expected else 0)
    assert kinds(capsys.readouterr().out) == expected


@pytest.mark.parametrize(("change", "expected"), MISTAKES[:4], ids=NAMES[:4])
def test_bent_wrists_in_wide_images(
    bent: Path, tmp_path: Path, capsys: pytest.CaptureFixture, change: Change, expected: list[str]
) -> None:
    wrong = written_as(change, bent / "train_truth.csv", tmp_path / "a.csv", ImageSize(400, 512))
    assert check([str(wrong), "--images", str(bent / "train"), "--quiet"]) == 0
    assert kinds(capsys.readouterr().out) == expected


def test_without_contrast_places_tell(hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """In empty images only the anatomy is left: column-major is seen, a shift cannot be."""
    blank = tmp_path / "blank"
    blank.mkdir()
    for path in hands.rglob("*.png"):
        cv2.imwrite(str(blank / path.name), np.full((320, 256), 40, dtype=np.uint8))
    for change, expected in ((lambda masks: masks, []), (both, ["column_major"])):
        wrong = written_as(change, truth, tmp_path / "a.csv")
        assert check([str(wrong), "--images", str(blank), "--quiet"]) == 0
        assert kinds(capsys.readouterr().out) == expected


def test_dark_bones_are_no_mistake(hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for path in hands.rglob("*.png"):
        cv2.imwrite(str(tmp_path / path.name), 255 - cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    for change, expected in ((lambda masks: masks, []), (both, ["column_major", "zero_based"])):
        wrong = written_as(change, truth, tmp_path / "a.csv")
        assert check([str(wrong), "--images", str(tmp_path), "--quiet"]) == 0
        assert kinds(capsys.readouterr().out) == expected


def test_masks_too_wide_or_too_narrow_are_not_shifted(
    hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    kernel = np.ones((3, 3), dtype=np.uint8)
    for morph in (cv2.dilate, cv2.erode):

        def change(planes: np.ndarray, morph: Callable[..., np.ndarray] = morph) -> np.ndarray:
            return np.stack([morph(plane.astype(np.uint8), kernel) for plane in planes])

        wrong = written_as(dense(change), truth, tmp_path / "a.csv")
        assert check([str(wrong), "--images", str(hands), "--quiet", "--strict"]) == 0
        assert capsys.readouterr().out == ""


@pytest.mark.parametrize("moved", [-1, 0, 1, 2])
def test_shift_of_a_known_profile(moved: int) -> None:
    rises = np.exp(-((OFFSETS - moved) ** 2) / 2.0) - 0.05
    assert sideways_shift(rises) == pytest.approx(moved, abs=0.01)
    two = np.zeros(2 * MOST_OFFSET + 1)
    two[[MOST_OFFSET + moved - 2, MOST_OFFSET + moved + 2]] = 5.0
    assert sideways_shift(two) == pytest.approx(moved)


def test_typical_places_lie_like_a_hand() -> None:
    planes = np.zeros((BONE_COUNT, 300, 240), dtype=bool)
    for class_id, bone in enumerate(BONES):
        row, column = round(180 - 60 * TYPICAL[bone].distalward), round(110 + 50 * TYPICAL[bone].thumbward)
        planes[class_id, row - 1 : row + 2, column - 1 : column + 2] = True
    for hand in (planes, planes[:, :, ::-1]):
        assert lies_like_a_hand(encode(hand), transposed=False) is True
    turned = encode(np.ascontiguousarray(planes.transpose(0, 2, 1)))
    assert lies_like_a_hand(turned, transposed=False) is False
    as_written = RunLengthMasks.from_edges(ImageSize(300, 240), turned.edges.copy(), turned.offsets.copy())
    assert lies_like_a_hand(as_written, transposed=True) is True
    shuffled = encode(planes[np.random.default_rng(0).permutation(BONE_COUNT)])
    assert lies_like_a_hand(shuffled, transposed=False) is False
    planes[9:] = False
    assert lies_like_a_hand(encode(planes), transposed=False) is None


def test_empty_masks_odd_areas_and_order(
    hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tables = dict(reversed(read_masks(truth, SIZE).items()))
    first = next(iter(tables))
    planes = decode(tables[first])
    planes[CLASS_IDS["Pisiform"]] = False
    planes[CLASS_IDS["Hamate"]] = planes[CLASS_IDS["Radius"]]
    tables[first] = encode(planes)
    wrong, record = tmp_path / "a.csv", tmp_path / "a.json"
    write_masks(wrong, tables.items())
    assert check([str(wrong), "--images", str(hands), "--json", str(record), "--strict", "--quiet"]) == 1
    order, empty, area = capsys.readouterr().out.splitlines()
    last = list(tables)[-1]
    assert order == f"{wrong}: row_order: at {wrong}:2 the row of {last}, finger-1 is expected, got {first}, finger-1"
    assert empty == f"{wrong}: empty_masks: Pisiform: no mask in 1 of 4 images ({first})"
    assert area.startswith(f"{wrong}: implausible_area: {first}, Hamate: {planes[CLASS_IDS['Radius']].sum()} pixels")
    found = json.loads(record.read_text(encoding="utf-8"))
    assert [finding["kind"] for finding in found["findings"]] == ["row_order", "empty_masks", "implausible_area"]
    assert found["findings"][1]["images"] == [first]
    assert found["measures"]["reading"] == "as_written"


def test_rows_in_another_order_are_a_finding(
    hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    lines = truth.read_text(encoding="utf-8").splitlines(keepends=True)
    wrong = tmp_path / "a.csv"
    wrong.write_text("".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    assert check([str(wrong), "--images", str(hands), "--quiet"]) == 0
    assert kinds(capsys.readouterr().out) == ["row_order"]


def test_all_faults_are_listed(hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lines = truth.read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    name = rows[1][0]
    rows[2][1] = "Finger-2"
    rows[3][0] = name.removesuffix(".png")
    rows[4][2] = "0 5"
    rows[5][2] = f"{SIZE.pixels} 2"
    rows[6] = rows[7]
    rows[8][2] = "100 105 356 361 612 617"
    rows[9][2] = "5 3 x"
    rows[10] = rows[10][:2]
    strangers = [["other.png", bone, ""] for bone in BONES]
    kept = rows[: 1 + 3 * BONE_COUNT] + strangers
    wrong = tmp_path / "a.csv"
    wrong.write_text("\n".join(",".join(row) for row in kept), encoding="utf-8")
    assert check([str(wrong), "--images", str(hands), "--quiet"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    last = rows[1 + 3 * BONE_COUNT][0]
    told = [line.removeprefix(f"error: {wrong}") for line in printed.err.splitlines()]
    assert told == [
        ":3: class: expected one of the 29 bone names (finger-2?), got Finger-2",
        f":4: image_name: expected the name of one of the images ({name}?), got {name.removesuffix('.png')}",
        f":5: rle of {name}, finger-4: expected starts counted from 1, got start 0",
        f":6: rle of {name}, finger-5: expected runs inside 320x256 (81920 pixels), got one that ends at 81921",
        f":8: class: expected one row for {name}, finger-7, got a duplicate of line 7",
        f":9: rle of {name}, finger-8: expected separate runs; the numbers ascend throughout: are they `start end`, "
        "not `start length`?, got overlapping runs",
        f":10: rle of {name}, finger-9: expected whole numbers separated by single spaces, got 'x'",
        ":11: expected 3 fields, got 2",
        ":89: image_name: expected the name of one of the images, got other.png",
        ":117: expected a line end after the last row, got none (is the file cut?)",
        f": {name}: expected 29 rows, an empty rle for an absent bone, got no row for finger-2, finger-3, finger-6, "
        "finger-10",
        f": {last}: expected 29 rows, an empty rle for an absent bone, got none",
    ]


def test_no_table_at_all(hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    wrong = tmp_path / "a.csv"
    assert check([str(wrong), "--images", str(hands)]) == 2
    wrong.write_bytes(b"")
    assert check([str(wrong), "--images", str(hands)]) == 2
    wrong.write_text("id,rle\n", encoding="utf-8")
    assert check([str(wrong), "--images", str(hands)]) == 2
    assert check([str(tmp_path), "--images", str(hands)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.rpartition("expected ")[2] for line in told] == [
        "a CSV file, got nothing there",
        "the header image_name,class,rle, got an empty file",
        "the header image_name,class,rle, got id,rle\\n",
        "a CSV file, got a folder",
    ]


def test_a_parquet_of_other_images(hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = written_as(lambda masks: masks, truth, tmp_path / "a.parquet")
    images = tmp_path / "images"
    shutil.copytree(hands, images)
    gone = sorted(images.rglob("*.png"))[0]
    grey = cv2.imread(str(gone), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(gone.with_name("new.png")), grey)
    gone.unlink()
    other = sorted(images.rglob("*.png"))[-1]
    cv2.imwrite(str(other), grey[:200])
    assert check([str(table), "--images", str(images), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert f"row 1: image_name: expected the name of one of the images, got {gone.name}" in told
    assert "new.png: expected 29 rows, an empty rle for an absent bone, got none" in told
    assert f"size of {other.name}" in told


def test_a_damaged_image_is_said(hands: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images = tmp_path / "images"
    shutil.copytree(hands, images)
    broken = sorted(images.rglob("*.png"))[1]
    broken.write_bytes(broken.read_bytes()[:-2000])
    assert check([str(truth), "--images", str(images), "--quiet"]) == 2
    assert f"{broken}: expected a complete image" in capsys.readouterr().err
