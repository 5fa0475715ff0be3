"""Tables of run lengths -> annotations; pseudo-labels: which images enter, how they are marked, where they may go."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.coco_to_points import main as coco_to_points
from converters.points_to_coco import main as points_to_coco
from converters.points_to_rle import main as points_to_rle
from converters.points_to_yolo import main as points_to_yolo
from converters.rle_to_points import main as rle_to_points
from tests.conftest import annotation_files, edit_json, read_masks
from tests.rectangle_hands import SIZE, hand_planes, write_hands
from tests.test_train_folds import plan_of
from yolo_bones import soft
from yolo_bones.annotations import read_annotations
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.coco import result_records
from yolo_bones.data_set import check_data_set, find_pairs, find_pseudo
from yolo_bones.fold_run import FoldRun, make_data, make_truth
from yolo_bones.pseudo_labels import Confidences, Thresholds, judge_image
from yolo_bones.rle import encode
from yolo_bones.rle_table import write_masks
from yolo_bones.step_ledger import StepLedger
from yolo_bones.step_runner import StepRunner
from yolo_bones.train_folds import main as train_folds

NAMES = tuple(f"image{number}.png" for number in range(1, 5))
PLANES = {name: hand_planes(10.0 * index, index < 2, unit_px=45.0) for index, name in enumerate(NAMES)}
ULNA, RADIUS = BONES.index("Ulna"), BONES.index("Radius")


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four drawn patients of one image each."""
    folder = tmp_path_factory.mktemp("hands")
    write_hands(folder, PLANES)
    return folder / "train"


@pytest.fixture
def raw(tmp_path: Path, hands: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(hands, tmp_path / "raw"))


def write_table(path: Path, planes: dict[str, np.ndarray]) -> Path:
    write_masks(path, ((name, encode(planes[name])) for name in sorted(planes)))
    return path


def predicted(folder: Path, **changes: Any) -> Path:
    """The exact hands as a table, some of them changed: name without suffix -> function of the planes."""
    planes = {name: plane.copy() for name, plane in PLANES.items()}
    for stem, change in changes.items():
        change(planes[f"{stem}.png"])
    return write_table(folder / "pred.csv", planes)


def lose(bone: int) -> Any:
    def change(planes: np.ndarray) -> None:
        planes[bone] = False

    return change


def run(table: Path, out: Path, images: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    code = rle_to_points([str(table), str(out), "--images", str(images), "--quiet", *options])
    report = out / "report.json"
    return code, json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}


def expected_dice(folder: Path, **of_images: dict[str, float]) -> Path:
    """What `audit_rle --json` writes: 0.95 for every bone but those given."""
    images = [
        {"image": name, "bones": {**dict.fromkeys(BONES, 0.95), **of_images.get(name.removesuffix(".png"), {})}}
        for name in NAMES
    ]
    path = folder / "audit.json"
    path.write_text(json.dumps({"version": "0", "images": images, "findings": []}), encoding="utf-8")
    return path


def test_predictions_are_marked_unless_a_person_looked(tmp_path: Path, hands: Path) -> None:
    table = predicted(tmp_path, image2=lose(ULNA))
    code, report = run(table, tmp_path / "out", hands / "DCM")
    assert (code, report["images"], report["pseudo_label"]) == (0, 4, True)
    assert report["counters"] == {"missing_bones": 1}
    data_set = check_data_set(tmp_path / "out")
    assert len(data_set.pseudo) == 4
    assert (data_set.drawn.pairs, data_set.report()["pseudo_labelled_images"]) == ((), 4)
    record = json.loads((tmp_path / "out/outputs_json/ID001/image1.json").read_text(encoding="utf-8"))
    assert record["source"] == "pseudo-label"
    assert record["attributes"] == {"pseudo_label": {"table": "pred.csv"}}
    assert str(tmp_path) not in json.dumps([record, report])
    assert run(table, tmp_path / "looked", hands / "DCM", "--corrected")[1]["pseudo_label"] is False
    assert check_data_set(tmp_path / "looked").pseudo == ()
    assert "source" not in json.loads((tmp_path / "looked/outputs_json/ID001/image1.json").read_text(encoding="utf-8"))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, hands: Path) -> None:
    table = predicted(tmp_path)
    written = []
    for name in ("one", "two"):
        run(table, tmp_path / name, hands / "DCM")
        files = sorted((tmp_path / name).rglob("*.json"))
        written.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert written[0] == written[1]
    assert len(written[0]) == 5


def test_an_image_enters_as_a_whole_or_not_at_all(tmp_path: Path, hands: Path) -> None:
    def shrink(planes: np.ndarray) -> None:
        rows = np.flatnonzero(planes[RADIUS].any(axis=1))
        planes[RADIUS, rows[: len(rows) // 2]] = False

    table = predicted(tmp_path, image2=lose(ULNA))
    other = write_table(tmp_path / "other.csv", {**PLANES, "image9.png": PLANES["image1.png"]})
    third = predicted(tmp_path / "third", image4=shrink)
    audit = expected_dice(tmp_path, image3={"Pisiform": 0.7999, "Ulna": 0.8})
    options = ["--min-confidence", "0.8", "--confidence", str(audit), "--min-agreement", "0.9"]
    code, report = run(table, tmp_path / "out", hands / "DCM", *options, "--agree", str(other), str(third))
    assert (code, report["images"]) == (0, 1)
    assert report["left_out_reasons"] == {"disputed bones": 1, "missing bones": 1, "unsure bones": 1}
    by_image = {one["image"]: one["reasons"] for one in report["left_out"]}
    assert by_image["image2.png"] == {"missing bones": {"Ulna": None}}
    assert by_image["image3.png"] == {"unsure bones": {"Pisiform": 0.7999}}
    # Half of the rows: Dice about 2/3, of the worst table.
    assert list(by_image["image4.png"]["disputed bones"]) == ["Radius"]
    assert by_image["image4.png"]["disputed bones"]["Radius"] == pytest.approx(2 / 3, abs=0.02)
    record = json.loads((tmp_path / "out/outputs_json/ID001/image1.json").read_text(encoding="utf-8"))
    assert record["attributes"]["pseudo_label"] == {
        "table": "pred.csv",
        "min_confidence": 0.8,
        "confidence": "audit.json",
        "min_agreement": 0.9,
        "agree": ["other.csv", "pred.csv"],
    }
    assert record["annotations"][0]["attributes"] == {"confidence": 0.95, "agreement": 1.0}
    assert [path.parent.name for path in annotation_files(tmp_path / "out")] == ["ID001"]


def test_where_no_image_passes_the_report_says_why(
    tmp_path: Path, hands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = expected_dice(tmp_path)
    options = ["--min-confidence", "0.96", "--confidence", str(audit)]
    code, report = run(predicted(tmp_path), tmp_path / "out", hands / "DCM", *options)
    assert (code, report["images"], report["left_out_reasons"]) == (1, 0, {"unsure bones": 4})
    assert "no image could be written" in capsys.readouterr().err


def test_confidence_is_read_from_each_kind_of_file(tmp_path: Path) -> None:
    planes = PLANES["image1.png"].copy()
    planes[ULNA] = False
    audit = Confidences(expected_dice(tmp_path, image1={"Radius": 0.5}))
    assert audit.of_image("image1.png")[RADIUS] == 0.5
    scores = np.linspace(0.5, 0.9, BONE_COUNT)
    results = [{**one, "file_name": "image1.png"} for one in result_records(1, encode(planes), scores)]
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    of_results = Confidences(tmp_path / "results.json").of_image("image1.png")
    assert np.isnan(of_results[ULNA])
    assert of_results[:ULNA] == pytest.approx(scores[:ULNA])
    # Half of the radius is sure, half of it nearly not; what lies below one half does not count.
    rows, columns = np.nonzero(planes[RADIUS])
    probabilities = planes * 0.8
    probabilities[RADIUS, rows[0], columns[0]] = 0.2
    probabilities[RADIUS, rows[1:], columns[1:]] = 0.6
    soft.write(tmp_path / "soft", "image1.png", probabilities)
    of_soft = Confidences(tmp_path / "soft").of_image("image1.png")
    assert np.isnan(of_soft[ULNA])
    assert of_soft[0] == pytest.approx(0.8, abs=0.002)
    assert of_soft[RADIUS] == pytest.approx(0.6, abs=0.002)
    for source in (audit, Confidences(tmp_path / "soft")):
        with pytest.raises(Exception, match="confidence of image7"):
            source.of_image("image7.png")


def test_what_is_not_known_passes_no_threshold() -> None:
    areas, unknown = np.ones(BONE_COUNT, dtype=np.int64), np.full(BONE_COUNT, np.nan)
    assert judge_image("a.png", areas, unknown, unknown, Thresholds()) is None
    left_out = judge_image("a.png", areas, unknown, unknown, Thresholds(confidence=0.0))
    assert left_out is not None
    assert left_out.as_record()["reasons"]["unsure bones"]["Ulna"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-confidence", "0.5"], "--confidence FILE beside it"),
        (["--min-agreement", "0.5"], "--agree CSV beside it"),
        (["--min-agreement", "0.5", "--agree", "{table}"], "the table itself"),
        (["--corrected", "--min-agreement", "0.5", "--agree", "x.csv"], "no thresholds"),
        (["--min-confidence", "0.5", "--confidence", "{table}.json"], "what audit_rle --json writes"),
    ],
)
def test_thresholds_without_figures_are_refused(
    tmp_path: Path, hands: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    table = predicted(tmp_path)
    (tmp_path / "pred.csv.json").write_text('{"x": 1}', encoding="utf-8")
    told = [option.replace("{table}", str(table)) for option in options]
    assert run(table, tmp_path / "out", hands / "DCM", *told) == (2, {})
    assert message in capsys.readouterr().err


def test_an_image_that_is_not_there_or_no_patients_is_an_error(
    tmp_path: Path, hands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "pred.csv", {"image1.png": PLANES["image1.png"], "else.png": PLANES["image1.png"]})
    assert run(table, tmp_path / "out", hands / "DCM")[0] == 2
    assert "got else.png" in capsys.readouterr().err
    assert run(write_table(table, {"image1.png": PLANES["image1.png"]}), tmp_path / "out", hands / "DCM/ID001")[0] == 2
    assert "patient" in capsys.readouterr().err


# Where pseudo-labels may go.


@pytest.fixture
def pseudo(tmp_path: Path, hands: Path) -> Path:
    """Pseudo-labels of two new patients and of ID001's other hand."""
    folder = tmp_path / "new"
    for patient, name in (("ID001", "other1.png"), ("ID008", "new8.png"), ("ID009", "new9.png")):
        (folder / patient).mkdir(parents=True)
        shutil.copy(hands / "DCM/ID002/image2.png", folder / patient / name)
    planes = PLANES["image2.png"]
    table = write_table(tmp_path / "new.csv", {"other1.png": planes, "new8.png": planes, "new9.png": planes})
    assert run(table, tmp_path / "RAW2", folder)[0] == 0
    return tmp_path / "RAW2"


def yolo(raw: Path, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = points_to_yolo([str(raw), str(out), "--quiet", *options])
    report = out / "report.json"
    return code, json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}


def images_of(out: Path, subset: str) -> set[str]:
    return {path.name for path in (out / "images" / subset).iterdir()}


def test_pseudo_labels_train_in_every_fold_and_change_no_fold(tmp_path: Path, raw: Path, pseudo: Path) -> None:
    validated: set[str] = set()
    for fold in range(4):
        options = ["--folds", "4", "--fold", str(fold)]
        code, report = yolo(raw, tmp_path / f"with{fold}", *options, "--pseudo", str(pseudo))
        assert code == 0
        assert report["val"] == yolo(raw, tmp_path / f"without{fold}", *options)[1]["val"]
        validated |= images_of(tmp_path / f"with{fold}", "val")
        training = images_of(tmp_path / f"with{fold}", "train")
        assert {"new8.png", "new9.png"} <= training
        # The other hand of a patient who validates does not train.
        alone = report["val"] == ["image1.png"]
        assert ("other1.png" in training) == (not alone)
        told = report["pseudo"]
        assert (told["train_images"], told["left_out"]) == ((2, ["other1.png"]) if alone else (3, []))
        assert told["added"]["pseudo_labelled_images"] == 3
    assert validated == set(NAMES)


def test_pseudo_labels_among_drawn_images_train_too(tmp_path: Path, raw: Path) -> None:
    edit_json(raw / "outputs_json/ID003/image3.json", lambda record: record.update(source="pseudo-label"))
    for fold in range(3):
        code, report = yolo(raw, tmp_path / f"out{fold}", "--folds", "3", "--fold", str(fold))
        assert code == 0
        assert "image3.png" in images_of(tmp_path / f"out{fold}", "train")
        assert report["pseudo"] == {"train_images": 1, "train_patients": 1, "left_out": []}
        assert report["pseudo_labelled_images"] == 1


def test_lists_that_let_pseudo_labels_validate_are_refused_by_name(
    tmp_path: Path, raw: Path, pseudo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "train.txt").write_text("image2.png\nimage3.png\n", encoding="utf-8")
    (raw / "val.txt").write_text("ID001/image1.png\nID009/new9.png\n", encoding="utf-8")
    assert yolo(raw, tmp_path / "out", "--pseudo", str(pseudo)) == (3, {})
    assert "new9.png: pseudo-labelled, and never validates" in capsys.readouterr().err
    (raw / "val.txt").write_text("ID001/image1.png\n", encoding="utf-8")
    code, report = yolo(raw, tmp_path / "out", "--pseudo", str(pseudo))
    assert code == 0
    assert images_of(tmp_path / "out", "train") == {"image2.png", "image3.png", "new8.png", "new9.png"}
    assert report["pseudo"]["left_out"] == ["other1.png"]
    assert report["split_note"] == "1 images are in neither list and left out: image4.png"
    edit_json(raw / "outputs_json/ID001/image1.json", lambda record: record.update(source="pseudo-label"))
    assert (
        yolo(raw, tmp_path / "own", "--train-list", str(raw / "train.txt"), "--val-list", str(raw / "val.txt"))[0] == 3
    )
    assert "image1.png: pseudo-labelled" in capsys.readouterr().err


def test_what_is_added_must_be_marked_and_new(tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert yolo(raw, tmp_path / "out", "--pseudo", str(raw)) == (2, {})
    said = capsys.readouterr().err
    assert "source: expected 'pseudo-label'" in said
    assert "a base name that no image of RAW has" in said


def test_samples_hold_pseudo_labels_too(tmp_path: Path, raw: Path, pseudo: Path) -> None:
    code, report = yolo(raw, tmp_path / "out", "--folds", "2", "--balance", "wrist", "--pseudo", str(pseudo))
    assert code == 0
    assert "./images/train/new9.png" in (tmp_path / "out/train_balanced.txt").read_text(encoding="utf-8")
    assert report["train_images"] == report["samples"]["balanced"]["images"]


def test_pseudo_labels_are_no_truth(
    tmp_path: Path, raw: Path, pseudo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert points_to_rle([str(pseudo), str(tmp_path / "rle"), "--quiet"]) == 3
    assert "3 pseudo-labelled images are no truth to score against: other1.png" in capsys.readouterr().err
    assert points_to_rle([str(pseudo), str(tmp_path / "rle"), "--quiet", "--allow-pseudo"]) == 0
    assert (read_masks(tmp_path / "rle/truth.csv", SIZE)["new8.png"].areas() > 0).all()
    edit_json(raw / "outputs_json/ID003/image3.json", lambda record: record.update(source="pseudo-label"))
    assert train_folds([str(raw), "--out", str(tmp_path / "cv"), "--folds", "2", "--quiet"]) == 3
    said = capsys.readouterr().err
    assert "1 images are pseudo-labelled" in said
    assert "image3.png" in said
    assert [pair.image_name for pair in find_pseudo(find_pairs(raw, []))] == ["image3.png"]


def test_folds_of_a_cross_validation_add_them(tmp_path: Path, raw: Path, pseudo: Path) -> None:
    plan = plan_of(tmp_path / "cv", pseudo=pseudo)
    runner = StepRunner(StepLedger(plan.out), plan.step_count(), quiet=True)
    cross = FoldRun(plan, runner, raw, tuple(find_pairs(raw, [])), None, None)
    make_truth(cross)
    make_data(cross, 0)
    assert {"new8.png", "new9.png"} <= images_of(plan.data(0), "train")
    assert sorted(read_masks(plan.truth / "truth.csv", SIZE)) == sorted(NAMES)
    # Other pseudo-labels are another data set to train on; the truth is the same.
    plain = replace(cross, plan=replace(plan, pseudo=None))
    assert plain.data_settings(0) != cross.data_settings(0)
    assert plain.data_settings() == cross.data_settings()


def test_the_mark_goes_through_coco_and_goes_when_a_person_looked(tmp_path: Path, pseudo: Path) -> None:
    assert points_to_coco([str(pseudo), str(tmp_path / "coco"), "--quiet"]) == 0
    file = tmp_path / "coco/annotations.json"
    assert {one["source"] for one in json.loads(file.read_text(encoding="utf-8"))["images"]} == {"pseudo-label"}
    for name, options, marked in (("kept", [], 3), ("looked", ["--corrected"], 0)):
        out = tmp_path / name
        assert coco_to_points([str(file), str(out), "--images", str(pseudo / "DCM"), "--quiet", *options]) == 0
        assert len(check_data_set(out).pseudo) == marked
    image, _ = read_annotations(tmp_path / "kept/outputs_json/ID009/new9.json", "ID009", SIZE)
    assert image.is_pseudo


def test_a_set_of_pseudo_labels_alone_is_told_so(
    tmp_path: Path, pseudo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert yolo(pseudo, tmp_path / "yolo") == (2, {})
    assert "to validate on, got" in capsys.readouterr().err
