"""`points_to_yolo --canonical`: hands of rectangles, whose places in the view are known by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from converters import points_to_yolo as converter
from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import annotation_files, edit_json
from tests.rectangle_hands import ORIGIN_XY, SIZE, UNIT_PX, hand_planes, write_hands
from yolo_bones.anatomy import HandFrame
from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.bones import BONES
from yolo_bones.canonical import canonical_view, carried_ious, carry_bones, clip_outline
from yolo_bones.rle import ImageSize
from yolo_bones.views import PAD_LEVEL, View
from yolo_bones.yolo_labels import label_text_to_outlines

POSES = {
    "image1.png": (0.0, True),
    "image2.png": (35.0, False),
    "image3.png": (-20.0, True),
    "image4.png": (0.0, False),
}
VIEW = ImageSize(height=256, width=192)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients, one hand each, 560 x 500."""
    folder = tmp_path_factory.mktemp("rectangles")
    write_hands(folder, {name: hand_planes(*pose) for name, pose in POSES.items()})
    return folder / "train"


@pytest.fixture(scope="module")
def canonical(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("canonical") / "bones"
    assert points_to_yolo([str(raw), str(out), "--folds", "2", "--canonical-px", "256", "--quiet"]) == 0
    return out


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def view_of(record: dict[str, Any]) -> View:
    return View(ImageSize(*record["image_size"]), ImageSize(*record["view_size"]), np.array(record["matrix"]))


def outlines_of(out: Path, record: dict[str, Any]) -> dict[str, np.ndarray]:
    label = (out / record["file"].replace("images", "labels", 1)).with_suffix(".txt")
    return label_text_to_outlines(label.read_text(encoding="utf-8"), ImageSize(*record["view_size"]))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_hand_lies_thumb_left_fingers_up_at_one_place(canonical: Path) -> None:
    """4.5 units are 256 pixels; the capitate lies 0.1 right of the view's middle and 0.5 below it."""
    unit = 256 / 4.5
    capitate = np.array([192 / 2 + 0.1 * unit, 256 / 2 + 0.5 * unit])
    for name, record in report_of(canonical)["views"].items():
        view = view_of(record)
        assert view.input_size == VIEW
        np.testing.assert_allclose(view.to_input(np.array(ORIGIN_XY) + 0.5), capitate, atol=0.3)
        assert view.scale == pytest.approx(unit / UNIT_PX, rel=0.005), name
        middles = {bone: outline.mean(axis=0) for bone, outline in outlines_of(canonical, record).items()}
        assert middles["finger-3"][0] < middles["finger-7"][0] < middles["finger-15"][0] < middles["finger-19"][0]
        assert middles["finger-8"][1] < middles["finger-9"][1] < middles["finger-10"][1] < middles["finger-11"][1]


def test_images_are_drawn_as_the_matrix_says(canonical: Path, raw: Path) -> None:
    for name, record in report_of(canonical)["views"].items():
        drawn = cv2.imread(str(canonical / record["file"]), cv2.IMREAD_UNCHANGED)
        assert drawn.shape == (VIEW.height, VIEW.width)
        native = cv2.imread(str(next(raw.rglob(name))), cv2.IMREAD_GRAYSCALE)
        rows, columns = np.mgrid[: VIEW.height, : VIEW.width]
        places = view_of(record).to_image(np.stack([columns, rows], axis=-1) + 0.5) - 0.5
        x, y = np.rint(places[..., 0]).astype(int), np.rint(places[..., 1]).astype(int)
        inside = (x >= 9) & (y >= 9) & (x < SIZE.width - 9) & (y < SIZE.height - 9)
        outside = (x < -9) | (y < -9) | (x > SIZE.width + 9) | (y > SIZE.height + 9)
        at = np.clip(y, 0, SIZE.height - 1), np.clip(x, 0, SIZE.width - 1)
        expected = native[at]
        # Away from borders of bones: there the greys are 20 and 100 and nothing between.
        flat = (cv2.erode(native, np.ones((9, 9))) == cv2.dilate(native, np.ones((9, 9))))[at]
        assert (inside & flat & (expected == 100)).sum() > 1000
        assert np.abs(drawn.astype(int) - expected)[inside & flat].max() <= 1
        assert (drawn[outside] == PAD_LEVEL).all()


def test_labels_are_the_drawn_points_carried_exactly_and_come_back_by_the_matrix(canonical: Path, raw: Path) -> None:
    report = report_of(canonical)
    whole = 0
    for name, record in report["views"].items():
        drawn = {
            item["label"]: np.array(item["points"], dtype=np.float64)
            for item in json.loads(next(raw.rglob(f"{Path(name).stem}.json")).read_text())["annotations"]
        }
        for bone, outline in outlines_of(canonical, record).items():
            if len(outline) == len(drawn[bone]):
                whole += 1
                back = view_of(record).to_image(outline) - 0.5
                assert np.abs(back - drawn[bone]).max() < 1e-5
    assert whole == 4 * 29 - sum(report["clipped"].values()) - len(report["outside"])


def test_the_report_names_the_views_and_what_they_cut(canonical: Path) -> None:
    report = report_of(canonical)
    assert report["canonical"]["longest_px"] == 256
    assert report["canonical"]["window"]["height"] == 4.5
    assert set(report["views"]) == set(POSES)
    assert report["train_images"] + report["val_images"] == 4
    assert report["not_fitted"] == {}
    assert all(row["mean_iou"] > 0.9 for row in report["loss_audit"].values())
    assert sorted(record["file"] for record in report["views"].values()) == sorted(
        path.relative_to(canonical).as_posix() for path in canonical.rglob("images/*/*")
    )


def test_without_a_number_no_native_pixel_is_lost(raw: Path, tmp_path: Path) -> None:
    """The unit is 90 pixels: 4.5 units are 405, so the next multiple of 32 is 416."""
    assert points_to_yolo([str(raw), str(tmp_path / "bones"), "--folds", "2", "--quiet", "--canonical"]) == 0
    report = report_of(tmp_path / "bones")
    assert report["canonical"]["longest_px"] == "native"
    for record in report["views"].values():
        assert record["view_size"] == [416, 320]
        assert view_of(record).scale >= 1.0


@pytest.mark.parametrize("unit_px", [20.0, 90.0, 236.0, 248.3, 450.8])
def test_the_least_lossless_view_is_the_least(unit_px: float) -> None:
    frame = HandFrame(np.array([400.0, 500.0]), np.array([-1.0, 0.0]), np.array([0.0, -1.0]), unit_px)
    view = canonical_view(SIZE, frame)
    assert view is not None
    assert 1.0 <= view.scale
    smaller = canonical_view(SIZE, frame, view.input_size.height - 32)
    assert smaller is not None
    assert smaller.scale < 1.0
    assert canonical_view(SIZE, HandFrame(frame.origin_xy, frame.thumbward_xy, frame.distalward_xy, 2000.0)) is None


def test_clipping_by_hand() -> None:
    """A view of 20 x 30 pixels."""
    size = ImageSize(height=30, width=20)
    (part,) = clip_outline(np.array([[-10.0, 5.0], [10.0, 5.0], [10.0, 15.0], [-10.0, 15.0]]), size)
    assert (part.min(axis=0).tolist(), part.max(axis=0).tolist()) == ([0.0, 5.0], [10.0, 15.0])
    fork = np.array([[-5, 2], [8, 2], [8, 6], [-2, 6], [-2, 10], [12, 10], [12, 16], [-5, 16]], np.float64)
    larger, smaller = clip_outline(fork, size)
    assert (larger[:, 1].min(), larger[:, 1].max(), larger[:, 0].max()) == (10.0, 16.0, 12.0)
    assert (smaller[:, 1].min(), smaller[:, 1].max(), smaller[:, 0].max()) == (2.0, 6.0, 8.0)
    assert clip_outline(np.array([[-10.0, 5.0], [-1.0, 5.0], [-1.0, 15.0]]), size) == []
    sliver = np.array([[-10.0, 5.0], [0.05, 5.0], [0.05, 15.0], [-10.0, 15.0]])
    assert clip_outline(sliver, size) == []


def boxes(**corners: tuple[int, int, int, int]) -> AnnotatedImage:
    """Bones that are upright boxes, given as left, top, right, bottom."""
    drawn = {
        bone: np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)
        for bone, (left, top, right, bottom) in corners.items()
    }
    ordered = tuple(Annotation(bone, drawn[bone]) for bone in BONES if bone in drawn)
    return AnnotatedImage("image1", "ID001", ImageSize(height=80, width=60), ordered)


def test_an_inset_counts_pixels_of_the_view_and_cut_edges_stay() -> None:
    """Twice as large and moved: the native point (x, y) lies at (2 x + 1 - 40, 2 y + 1)."""
    view = View(ImageSize(80, 60), ImageSize(100, 60), np.array([[2.0, 0.0, -40.0], [0.0, 2.0, 0.0]]))
    image = boxes(Hamate=(25, 10, 35, 20), Ulna=(10, 10, 30, 40), Lunate=(2, 2, 9, 9), Radius=(26, 60, 27, 70))
    carried = carry_bones(image, view)
    assert set(carried.outlines) == {"Hamate", "Ulna"}
    assert carried.outlines["Hamate"].tolist() == [[11, 21], [31, 21], [31, 41], [11, 41]]
    assert (carried.clipped, carried.split, carried.outside) == (("Ulna",), (), ("Lunate", "Radius"))
    inset = carry_bones(image, view, 1.5).outlines
    assert (inset["Hamate"].min(axis=0).tolist(), inset["Hamate"].max(axis=0).tolist()) == ([12.5, 22.5], [29.5, 39.5])
    assert (inset["Ulna"].min(axis=0).tolist(), inset["Ulna"].max(axis=0).tolist()) == ([0.0, 22.5], [19.5, 79.5])
    assert carry_bones(image, view, 1.5).without_inset == ("Radius",)


def test_the_audit_sees_what_is_wrong_with_an_outline() -> None:
    view = View(ImageSize(80, 60), ImageSize(160, 120), np.array([[0.0, 2.0, -20.0], [-2.0, 0.0, 130.0]]))
    image = boxes(Hamate=(15, 20, 35, 50))
    (outline,) = carry_bones(image, view).outlines.values()
    # 21 x 31 native pixels are drawn, 42 x 62 of the view; moved by 6 they share 42 x 56.
    assert carried_ious(image, view, {"Hamate": outline})["Hamate"] > 0.99
    moved = carried_ious(image, view, {"Hamate": outline + np.array([6.0, 0.0])})["Hamate"]
    assert moved == pytest.approx(56 / 68, abs=0.01)
    mirrored = carried_ious(image, view, {"Hamate": outline * np.array([-1.0, 1.0]) + np.array([120.0, 0.0])})["Hamate"]
    assert mirrored < 0.9


def shuffle_labels(record: dict[str, Any]) -> None:
    labels = [annotation["label"] for annotation in record["annotations"]]
    for annotation, place in zip(record["annotations"], np.random.default_rng(1).permutation(29), strict=True):
        annotation["label"] = labels[place]


def test_an_image_whose_hand_cannot_be_fitted_is_left_out_and_listed(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spoilt = tmp_path / "raw"
    for name, content in files(raw).items():
        (spoilt / name).parent.mkdir(parents=True, exist_ok=True)
        (spoilt / name).write_bytes(content)
    paths = annotation_files(spoilt)
    edit_json(paths[0], shuffle_labels)
    assert points_to_yolo([str(spoilt), str(tmp_path / "bones"), "--folds", "2", "--canonical-px", "256"]) == 0
    assert "1 images are left out, too few of their bones agree on one hand: image1.png" in capsys.readouterr().err
    report = report_of(tmp_path / "bones")
    assert list(report["not_fitted"]) == ["image1.png"]
    assert report["not_fitted"]["image1.png"]["support"] < 0.4
    assert set(report["views"]) == {"image2.png", "image3.png", "image4.png"}
    assert report["train_images"] + report["val_images"] == 3
    assert "image1.png" not in report["val"]
    assert not list((tmp_path / "bones").rglob("image1.*"))
    for path in paths[1:]:
        edit_json(path, shuffle_labels)
    assert points_to_yolo([str(spoilt), str(tmp_path / "none"), "--folds", "2", "--canonical", "--quiet"]) == 2
    assert "whose drawn bones agree on one hand" in capsys.readouterr().err


def test_an_interrupted_conversion_goes_on_with_the_same_views_only(
    raw: Path, canonical: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_one, done = converter._convert_one, []

    def interrupt_third(*arguments: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        return convert_one(*arguments)

    out = tmp_path / "bones"
    arguments = [str(raw), str(out), "--folds", "2", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(converter, "_convert_one", interrupt_third)
        assert points_to_yolo([*arguments, "--canonical-px", "256"]) == 130
    assert points_to_yolo([*arguments, "--canonical-px", "288"]) == 3
    assert points_to_yolo(arguments) == 3
    assert points_to_yolo([*arguments, "--canonical-px", "256"]) == 0
    assert files(out) == files(canonical)
    assert points_to_yolo([*arguments, "--overwrite"]) == 0
    assert report_of(out)["canonical"] is None


@pytest.mark.parametrize("number", ["100", "0", "32", "16384", "x"])
def test_views_of_other_sizes_are_refused(raw: Path, tmp_path: Path, number: str) -> None:
    with pytest.raises(SystemExit):
        points_to_yolo([str(raw), str(tmp_path), "--canonical-px", number])
