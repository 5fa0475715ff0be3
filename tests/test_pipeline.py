"""Every command on tiny hands that are not square, with the real network."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from converters import points_to_yolo as yolo_module
from converters.points_to_coco import main as points_to_coco
from converters.points_to_rle import main as points_to_rle
from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import ROOT, TINY_SIZE, annotation_files, edit_json, read_masks
from yolo_bones.bones import BONES
from yolo_bones.data_set import find_pairs
from yolo_bones.detector import looking as looking_module
from yolo_bones.draw_rle import main as draw
from yolo_bones.errors import InputError
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.export_rle import main as export
from yolo_bones.image_sources import find_images
from yolo_bones.main import VERBS
from yolo_bones.main import main as yolo_bones
from yolo_bones.rle import ImageSize, decode
from yolo_bones.rle_table import open_rle_table
from yolo_bones.yolo_labels import label_line_to_points

SIZE = ImageSize(*TINY_SIZE)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_points_to_yolo(tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "bones"
    out.mkdir()
    before = files(tiny_hands)
    assert points_to_yolo([str(tiny_hands), str(out), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^Ulna +4 +1\.00000 +1\.00000$", printed, re.M)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["folds"] == 2
    assert "2 patients are fewer than 5 folds" in report["split_note"]
    assert report["inset_px"] == 0.0
    trained = {path.stem for path in (out / "images" / "train").iterdir()}
    validated = {path.stem for path in (out / "images" / "val").iterdir()}
    assert (len(trained), len(validated)) == (2, 2)
    patients = {path.stem: path.parent.name for path in (tiny_hands / "train" / "DCM").rglob("*.png")}
    assert not {patients[name] for name in trained} & {patients[name] for name in validated}
    for label in sorted(out.rglob("labels/*/*.txt")):
        lines = label.read_text(encoding="utf-8").splitlines()
        assert [int(line.split()[0]) for line in lines] == list(range(29))
        assert min(len(number.partition(".")[2]) for number in lines[0].split()[1:]) >= 9
    assert files(tiny_hands) == before
    assert not list(out.rglob(".*"))


def test_label_files_hold_the_drawn_geometry(tiny_hands: Path, tmp_path: Path) -> None:
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "bones"), "--quiet"]) == 0
    path = annotation_files(tiny_hands / "train")[0]
    drawn = {item["label"]: item["points"] for item in json.loads(path.read_text(encoding="utf-8"))["annotations"]}
    label = next((tmp_path / "bones").rglob(f"labels/*/{path.stem}.txt"))
    for line in label.read_text(encoding="utf-8").splitlines():
        class_id, points = label_line_to_points(line, SIZE)
        assert np.abs(points - np.array(drawn[BONES[class_id]])).max() < 1e-5


def test_conversion_is_the_same_to_the_byte_and_never_silent_about_an_old_one(
    tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for convert in (points_to_yolo, points_to_coco, points_to_rle):
        first, second = tmp_path / f"{convert.__module__}-1", tmp_path / f"{convert.__module__}-2"
        assert convert([str(tiny_hands), str(first), "--quiet"]) == 0
        assert convert([str(tiny_hands), str(second), "--quiet"]) == 0
        assert files(first) == files(second)
        assert convert([str(tiny_hands), str(first), "--quiet"]) == 3
        assert "--overwrite" in capsys.readouterr().err
        assert convert([str(tiny_hands), str(first), "--quiet", "--overwrite"]) == 0
        assert files(first) == files(second)


def test_an_interrupted_conversion_goes_on(tiny_hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "whole"), "--quiet"]) == 0
    convert_one = yolo_module._convert_one
    done: list[str] = []

    def interrupt_third(checked: object, *rest: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(checked.pair.image_name)  # type: ignore[attr-defined]
        return convert_one(checked, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(yolo_module, "_convert_one", interrupt_third)
        assert points_to_yolo([str(tiny_hands), str(tmp_path / "out"), "--quiet"]) == 130
    assert not (tmp_path / "out" / "report.json").exists()
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "out"), "--inset-px", "1", "--quiet"]) == 3
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "out"), "--quiet"]) == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_folds_differ_and_cover_all_patients(tiny_hands: Path, tmp_path: Path) -> None:
    validated = []
    for fold in ("0", "1"):
        out = tmp_path / fold
        assert points_to_yolo([str(tiny_hands), str(out), "--folds", "2", "--fold", fold, "--quiet"]) == 0
        validated += [path.name for path in (out / "images" / "val").iterdir()]
    assert sorted(validated) == sorted(path.name for path in (tiny_hands / "train" / "DCM").rglob("*.png"))
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "x"), "--folds", "2", "--fold", "2", "--quiet"]) == 2


def test_lists_are_honoured_and_a_patient_in_both_is_an_error(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    names = sorted(path.relative_to(raw / "DCM").as_posix() for path in (raw / "DCM").rglob("*.png"))
    (raw / "train.txt").write_text("\n".join(names[:2]) + "\n", encoding="utf-8")
    (raw / "val.txt").write_text("\n".join(names[2:]) + "\n", encoding="utf-8")
    assert points_to_yolo([str(raw), str(tmp_path / "a"), "--quiet"]) == 0
    assert {path.name for path in (tmp_path / "a/images/val").iterdir()} == {Path(name).name for name in names[2:]}
    (raw / "val.txt").write_text("\n".join(names[1:]) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert points_to_yolo([str(raw), str(tmp_path / "b"), "--quiet"]) == 2
    assert "ID001, who is in both" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    assert points_to_yolo([str(raw), str(tmp_path / "b"), "--folds", "2", "--quiet"]) == 2
    (raw / "val.txt").unlink()
    assert points_to_yolo([str(raw), str(tmp_path / "b"), "--quiet"]) == 2
    (raw / "val.txt").write_text("\n".join(f"ID009/{Path(name).name}" for name in names[2:]) + "\n", encoding="utf-8")
    assert points_to_yolo([str(raw), str(tmp_path / "b"), "--quiet"]) == 2


def test_inset_moves_labels_and_is_recorded(tiny_hands: Path, tmp_path: Path) -> None:
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "a"), "--quiet"]) == 0
    assert points_to_yolo([str(tiny_hands), str(tmp_path / "b"), "--inset-px", "0.5", "--quiet"]) == 0
    assert json.loads((tmp_path / "b" / "report.json").read_text(encoding="utf-8"))["inset_px"] == 0.5
    for plain in sorted((tmp_path / "a").rglob("*.txt")):
        inset = tmp_path / "b" / plain.relative_to(tmp_path / "a")
        for wide, narrow in zip(plain.read_text().splitlines(), inset.read_text().splitlines(), strict=True):
            (_, outer), (_, inner) = label_line_to_points(wide, SIZE), label_line_to_points(narrow, SIZE)
            assert (inner.max(axis=0) <= outer.max(axis=0) + 1e-6).all()
            assert (inner.min(axis=0) >= outer.min(axis=0) - 1e-6).all()


def test_faulty_input_writes_nothing(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    edit_json(annotation_files(raw)[0], lambda record: record["annotations"][3]["points"].__setitem__(7, "x"))
    for convert in (points_to_yolo, points_to_coco, points_to_rle):
        assert convert([str(raw), str(tmp_path / "out"), "--quiet"]) == 2
        assert 'annotations[3].points[7]: expected two numbers, got "x"' in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert points_to_rle([str(tmp_path / "nowhere"), str(tmp_path / "out"), "--quiet"]) == 2


def test_source_data_is_never_written_into_or_removed(raw: Path, tmp_path: Path) -> None:
    before = files(raw)
    assert points_to_rle([str(raw), str(raw / "out"), "--quiet"]) == 3
    assert not (raw / "out").exists()
    nested = tmp_path / "project" / "images"
    shutil.copytree(raw, nested)
    assert points_to_yolo([str(nested), str(nested.parent), "--overwrite", "--quiet"]) == 3
    assert points_to_rle([str(nested), str(nested.parent), "--quiet"]) == 0
    assert files(nested) == before
    (tmp_path / "out" / "images").mkdir(parents=True)
    (tmp_path / "out" / "images" / "holiday.jpg").write_bytes(b"mine")
    assert points_to_yolo([str(raw), str(tmp_path / "out"), "--overwrite", "--quiet"]) == 3
    assert files(tmp_path / "out") == {"images/holiday.jpg": b"mine"}


def test_repairs_stand_in_the_report(raw: Path, tmp_path: Path) -> None:
    path = annotation_files(raw)[1]
    edit_json(path, lambda record: record["annotations"].pop())
    image = next((raw / "DCM").rglob("*.png"))
    grey = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(image), grey.astype(np.uint16) * 16)
    assert points_to_yolo([str(raw), str(tmp_path / "out"), "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["counters"] == {"missing_bones": 1, "rescaled_16bit": 1}
    assert {repair["field"] for repair in report["repairs"]} == {"", "Ulna"}
    written = next((tmp_path / "out").rglob(f"images/*/{image.name}"))
    back = cv2.imread(str(written), cv2.IMREAD_UNCHANGED)
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - grey.astype(int)).max() <= 1


def test_points_to_coco_is_valid_for_pycocotools(tiny_hands: Path, tmp_path: Path) -> None:
    assert points_to_coco([str(tiny_hands), str(tmp_path), "--quiet"]) == 0
    coco = COCO(str(tmp_path / "annotations.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(BONES)
    assert coco.getCatIds() == list(range(29))
    assert len(coco.getAnnIds()) == 4 * 29
    truth = read_masks(tiny_hands / "train_truth.csv", SIZE)
    for image in coco.loadImgs(coco.getImgIds()):
        assert (image["height"], image["width"]) == TINY_SIZE
        assert image["patient_id"].startswith("ID00")
        areas = truth[image["file_name"]].areas()
        for record in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            assert record["area"] == areas[record["category_id"]]
            assert record["iscrowd"] == 0
            mask = coco.annToMask(record).astype(bool)
            drawn = decode(truth[image["file_name"]][record["category_id"]])[0]
            assert (mask == drawn).all()
            rows, columns = np.nonzero(drawn)
            box = [columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1]
            assert record["bbox"] == box


def test_image_ids_count_alike_in_truth_and_prediction(raw: Path) -> None:
    """COCO evaluation joins by id: converter and export must order any names alike."""
    patient = next((raw / "DCM").iterdir()).name
    image, annotation = next((raw / "DCM" / patient).iterdir()), next((raw / "outputs_json" / patient).iterdir())
    for stem in ("image1", "image1-b", "image1 (2)", "Image1", "image10"):
        shutil.copy(image, raw / "DCM" / patient / f"{stem}.png")
        shutil.copy(annotation, raw / "outputs_json" / patient / f"{stem}.json")
    faults: list[InputError] = []
    truth = [pair.image_name for pair in find_pairs(raw, faults)]
    assert not faults
    assert truth == [path.name for path in find_images(raw / "DCM")]


def test_points_to_rle_equals_the_phantom_s_own_truth(tiny_hands: Path, tmp_path: Path) -> None:
    assert points_to_rle([str(tiny_hands), str(tmp_path), "--quiet"]) == 0
    assert (tmp_path / "truth.csv").read_bytes() == (tiny_hands / "train_truth.csv").read_bytes()
    with (tmp_path / "images.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["patient"] for row in rows] == ["ID001", "ID001", "ID002", "ID002"]
    assert [row["side"] for row in rows] == ["thumb-left", "thumb-right"] * 2
    assert {(row["height"], row["width"]) for row in rows} == {("320", "256")}


@pytest.fixture(scope="module")
def predicted(tiny_hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted") / "pred.csv"
    assert export(["--source", str(tiny_hands / "test"), "--out", str(out), "--format", "both", "--quiet"]) == 0
    return out


def test_export_writes_29_rows_an_image_and_a_manifest(tiny_hands: Path, predicted: Path) -> None:
    assert open_rle_table(predicted).names() == sorted(path.name for path in (tiny_hands / "test").rglob("*.png"))
    manifest = json.loads(predicted.with_name("pred.manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["images"] == 2
    assert re.fullmatch("[0-9a-f]{64}", manifest["settings"]["weights_sha256"])
    assert manifest["versions"]["ultralytics"] == "8.4.190"
    assert manifest["warnings"] == []
    assert sorted(path.name for path in predicted.parent.iterdir()) == ["pred.csv", "pred.json", "pred.manifest.json"]


def test_shipped_weights_find_the_bones(tiny_hands: Path, predicted: Path, capsys: pytest.CaptureFixture) -> None:
    scores = predicted.with_name("scores.json")
    truth = tiny_hands / "test_truth.csv"
    assert evaluate([str(predicted), str(truth), "--images", str(tiny_hands), "--json", str(scores), "--quiet"]) == 0
    record = json.loads(scores.read_text(encoding="utf-8"))
    scores.unlink()
    assert set(record) >= {"dice", "groups", "bones"}
    assert record["dice"] > 0.6
    assert f"all 29      {record['dice']:>8.4f}" in capsys.readouterr().out


def test_coco_results_load_and_equal_the_csv(predicted: Path, tmp_path: Path) -> None:
    results = json.loads(predicted.with_suffix(".json").read_text(encoding="utf-8"))
    names = dict(enumerate(open_rle_table(predicted).names(), start=1))
    images = [{"id": number, "file_name": name, "height": 320, "width": 256} for number, name in names.items()]
    categories = [{"id": class_id, "name": bone} for class_id, bone in enumerate(BONES)]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": [], "categories": categories, "info": {}}))
    loaded = COCO(str(truth)).loadRes(str(predicted.with_suffix(".json")))
    assert len(loaded.getAnnIds()) == len(results) > 40
    table = read_masks(predicted, SIZE)
    for record in results:
        dense = loaded.annToMask(record).astype(bool)
        assert (decode(table[names[record["image_id"]]][record["category_id"]])[0] == dense).all()
        assert 0.0 <= record["score"] <= 1.0


def test_export_is_the_same_to_the_byte_resumes_and_does_not_overwrite(
    tiny_hands: Path, predicted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pred.csv"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--format", "both", "--quiet"]
    calls = 0
    merge = looking_module.merge_views

    def interrupt_second(looks: object, settings: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return merge(looks, settings, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(looking_module, "merge_views", interrupt_second)
        assert export(arguments) == 130
    assert not out.exists()
    assert export(arguments) == 3
    for other in (["--imgsz", "64"], ["--no-canonical"], ["--no-calibration"]):
        assert export([*arguments, "--resume", *other]) == 3
    assert export([*arguments, "--resume"]) == 0
    assert files(tmp_path) == files(predicted.parent)
    assert export(arguments) == 3
    assert export([*arguments, "--resume"]) == 3
    assert export([*arguments[:3], str(tmp_path / "x.json"), *arguments[4:]]) == 2
    assert export([*arguments, "--overwrite", "--workers", "4"]) == 0
    assert files(tmp_path) == files(predicted.parent)


def test_one_file_as_source_and_errors_before_the_network(
    tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = next((tiny_hands / "test").rglob("*.png"))
    assert export(["--source", str(image), "--out", str(tmp_path / "one.csv"), "--quiet"]) == 0
    assert open_rle_table(tmp_path / "one.csv").names() == [image.name]
    twice = tmp_path / "twice"
    for folder in ("a", "b"):
        (twice / folder).mkdir(parents=True)
        (twice / folder / image.name).write_bytes(image.read_bytes())
    capsys.readouterr()
    assert export(["--source", str(twice), "--out", str(tmp_path / "two.csv")]) == 2
    assert "expected a base name that no other image has" in capsys.readouterr().err
    (twice / "b" / image.name).write_bytes(b"none")
    (twice / "b" / image.name).rename(twice / "b" / "other.png")
    assert export(["--source", str(twice), "--out", str(tmp_path / "two.csv")]) == 2
    assert "other.png: expected a PNG image as its name says, got none" in capsys.readouterr().err
    assert export(["--source", str(tmp_path / "none"), "--out", str(tmp_path / "two.csv")]) == 2
    assert export(["--source", str(image), "--out", str(tmp_path / "two.csv"), "--device", "cuda:9"]) == 4
    assert not (tmp_path / "two.csv").exists()


def test_damaged_images_are_all_named_and_the_rest_is_kept_for_resume(
    tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_hands / "test" / "DCM", source)
    image = next(source.rglob("*.png"))
    for name in ("cut1.png", "cut2.png"):
        (source / name).write_bytes(image.read_bytes()[:5000])
    arguments = ["--source", str(source), "--out", str(tmp_path / "pred.csv"), "--quiet"]
    assert export(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert ["cut1.png" in said[0], "cut2.png" in said[1], len(said)] == [True, True, 2]
    assert not (tmp_path / "pred.csv").exists()
    for name in ("cut1.png", "cut2.png"):
        (source / name).write_bytes(image.read_bytes())
    assert export([*arguments, "--resume"]) == 0
    assert len(open_rle_table(tmp_path / "pred.csv").names()) == 4


def test_flattened_training_is_warned_about(tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import torch

    from yolo_bones.detector.weights import SHIPPED, load_weights

    flattened = tmp_path / "flat.pt"
    torch.save({"model": load_weights(SHIPPED).network, "train_args": {"overlap_mask": True, "imgsz": 64}}, flattened)
    out = tmp_path / "pred.csv"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--weights", str(flattened), "--quiet"]
    assert export(arguments) == 0
    assert "warning: flat.pt was trained with overlap_mask=True" in capsys.readouterr().err
    manifest = json.loads(out.with_name("pred.manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["warnings"]) == 1
    assert manifest["settings"]["look"]["longest_px"] == 64
    assert manifest["settings"]["merge"]["repair_flattened"] is True
    assert export([*arguments, "--overwrite", "--no-repair-flattened"]) == 0
    assert "--repair-flattened fills in" in capsys.readouterr().err


def test_all_looks_find_the_bones_and_stand_in_the_manifest(
    tiny_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, soft = tmp_path / "pred.csv", tmp_path / "soft"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--soft", str(soft)]
    looks = [
        "--imgsz",
        "320",
        "--canonical",
        "--keep-first",
        "--closeup",
        "--closeup-imgsz",
        "128",
        "--tta",
        "flip,zoom",
    ]
    assert export([*arguments, *looks, "--tidy"]) == 0
    said = capsys.readouterr().err
    assert re.search(r"an image took \d+ ms in the network and \d+ ms after it \(medians\)", said)
    manifest = json.loads(out.with_name("pred.manifest.json").read_text(encoding="utf-8"))
    look = manifest["settings"]["look"]
    assert (look["canonical"], look["closeup"], look["flips"], look["turns"]) == (True, True, True, [])
    assert "look_cuts_bone" in manifest["counters"]
    assert "ms" not in json.dumps(manifest["counters"])
    scores = tmp_path / "scores.json"
    truth = str(tiny_hands / "test_truth.csv")
    assert evaluate([str(out), truth, "--images", str(tiny_hands), "--json", str(scores), "--quiet"]) == 0
    assert json.loads(scores.read_text(encoding="utf-8"))["groups"]["finger"] > 0.6
    hard, above_half = read_masks(out, SIZE), read_masks(soft, SIZE)
    assert all(hard[name].equals(above_half[name]) for name in hard)


def test_settings_beside_the_weights_are_used_unless_they_are_another_s(
    tiny_hands: Path, tmp_path: Path, predicted: Path, capsys: pytest.CaptureFixture
) -> None:
    shipped = ROOT / "weights" / "bones-n.pt"
    weights, beside = tmp_path / "mine.pt", tmp_path / "mine.yaml"
    shutil.copy(shipped, weights)
    out = tmp_path / "out" / "pred.csv"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--weights", str(weights), "--quiet"]
    shutil.copy(shipped.with_suffix(".yaml"), beside)
    assert export(arguments) == 0
    assert out.read_bytes() == predicted.read_bytes()
    assert export([*arguments, "--overwrite", "--no-calibration"]) == 0
    assert out.read_bytes() != predicted.read_bytes()
    text = beside.read_text(encoding="utf-8")
    beside.write_text(re.sub(r"sha256: \w{64}", f"sha256: {'f' * 64}", text), encoding="utf-8")
    capsys.readouterr()
    assert export([*arguments, "--overwrite"]) == 3
    assert "mine.yaml: was made for weights with sha256 f" in capsys.readouterr().err
    beside.write_text("look: {}\n", encoding="utf-8")
    assert export([*arguments, "--overwrite"]) == 2
    assert "mine.yaml: sha256: expected field required" in capsys.readouterr().err


def test_overlays_are_drawn_and_not_overwritten(tiny_hands: Path, tmp_path: Path) -> None:
    truth = tiny_hands / "train_truth.csv"
    arguments = [str(truth), "--images", str(tiny_hands), "--out", str(tmp_path), "--quiet"]
    assert draw([*arguments, "--limit", "1"]) == 0
    (picture,) = tmp_path.glob("*.png")
    drawn = cv2.imread(str(picture))
    assert drawn.shape == (*TINY_SIZE, 3)
    assert draw(arguments) == 3
    assert draw([*arguments, "--overwrite", "--longest", "160"]) == 0
    assert cv2.imread(str(picture)).shape == (160, 128, 3)


def test_every_command_answers_help_and_the_one_entry_knows_them_all(capsys: pytest.CaptureFixture) -> None:
    assert yolo_bones(["--help"]) == 0
    listed = capsys.readouterr().out
    for verb in VERBS:
        assert verb in listed
        with pytest.raises(SystemExit) as done:
            yolo_bones([verb, "--help"])
        assert done.value.code == 0
        assert f"python -m {VERBS[verb][0]}" in capsys.readouterr().out
    assert yolo_bones([]) == 2


def test_commands_run_as_modules(tiny_hands: Path, tmp_path: Path) -> None:
    truth = str(tiny_hands / "test_truth.csv")
    command = [sys.executable, "-m", "yolo_bones.evaluate_rle", truth, truth, "--size", "320x256", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "all 29        1.0000   over 2 images" in done.stdout
    command = [sys.executable, "-m", "converters.points_to_rle", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
