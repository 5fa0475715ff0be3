"""The commands that vote and convert, on files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import read_masks
from tests.ensembles import NAMES, SIZE, SIZES, planes_of, probabilities, run, soft_folder, write_three_models
from yolo_bones.bones import BONE_COUNT
from yolo_bones.compare_rle import main as compare
from yolo_bones.convert_table import main as convert
from yolo_bones.ensemble_rle import main as ensemble
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.rle import decode, encode
from yolo_bones.rle_table import open_rle_table, write_masks


@pytest.fixture
def models(tmp_path: Path) -> tuple[list[Path], list[dict[str, np.ndarray]]]:
    return write_three_models(tmp_path)


def test_majority_of_csvs_and_parquet(models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths, planes = models
    found = run(paths, tmp_path / "out.csv")
    assert list(found) == NAMES
    for name in NAMES:
        assert (found[name] == (sum(drawn[name].astype(int) for drawn in planes) >= 2)).all()
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.splitlines()[1].split() == ["bone", "disputed", "a.csv", "b.csv", "c.parquet"]
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report["agreement"]["images"] == 6
    lost = report["agreement"]["bones"]["finger-1"]
    votes = np.stack([np.stack([drawn[name][0] for name in NAMES]) for drawn in planes])
    decided = votes.sum(axis=0) >= 2
    disputed = votes.any(axis=0) & ~votes.all(axis=0)
    assert lost["disputed_px"] == disputed.sum()
    assert lost["outvoted"]["b.csv"] == pytest.approx((votes[1] != decided).sum() / disputed.sum(), abs=1e-6)
    assert lost["follows"] is None
    in_parquet = run(paths, tmp_path / "voted.parquet")
    assert all((in_parquet[name] == found[name]).all() for name in NAMES)


def test_weights_for_models_and_bones(models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths, planes = models
    found = run(paths, tmp_path / "weighted.csv", "--weights", "1,2,2.5")
    name = NAMES[0]
    a, b, c = (drawn[name] for drawn in planes)
    assert (found[name] == (a * 1 + b * 2 + c * 2.5 > 2.75)).all()
    yaml = tmp_path / "w.yaml"
    yaml.write_text("weights: {default: [1, 1, 1], hand: [0, 1, 0], Pisiform: [1, 0, 1]}\nthreshold: 0.4\n")
    capsys.readouterr()
    assert (
        ensemble([*map(str, paths), "--out", str(tmp_path / "y.csv"), "--size", "24x37", "--class-weights", str(yaml)])
        == 0
    )
    said = capsys.readouterr()
    assert "b.csv alone decides Trapezium, Trapezoid, Capitate, Hamate, Scaphoid, Lunate, Triquetrum:" in said.err
    assert said.out.splitlines()[2 + 19].endswith("follows b.csv")
    found = {image: decode(masks) for image, masks in read_masks(tmp_path / "y.csv", SIZE).items()}
    assert (found[name][0] == (a[0].astype(int) + b[0] + c[0] > 1.2)).all()
    assert (found[name][19] == b[19]).all()
    assert (found[name][26] == (a[26] | c[26])).all()
    assert json.loads((tmp_path / "y.report.json").read_text())["settings"]["threshold"] == "2/5"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--weights", "1,2"], "--weights: expected 3 numbers, one a model, got 2"),
        (["--weights", "1,2,x"], "--weights: number 3: expected a decimal number"),
        (["--weights", "0,0,0"], "--weights: expected at least one model with weight"),
        (["--threshold", "1"], "--threshold: expected a threshold from 0 to below 1"),
        (["--threshold", "-1"], "expected"),
        (["--fit-weights", "truth.csv"], "--fit-weights: expected --patients"),
        (["--patients", "p.csv"], "--patients: expected --fit-weights"),
        (["--class-weights", "none.yaml"], "none.yaml: expected an existing file"),
        (["--method", "staple", "--weights", "1,1,1"], "--method: expected hard tables and no weights"),
    ],
)
def test_options_that_are_wrong(
    models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], says: str
) -> None:
    paths, _ = models
    out = tmp_path / "out.csv"
    try:
        code = ensemble([*map(str, paths), "--out", str(out), *SIZES, *options])
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr().err
    assert code == 2
    assert says in said
    assert "Traceback" not in said
    assert not out.exists()


def test_inputs_are_never_written_over(models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths, _ = models
    assert ensemble([*map(str, paths), "--out", str(paths[1]), "--overwrite", *SIZES]) == 3
    assert "is an input, which is never changed" in capsys.readouterr().err
    link = tmp_path / "link.csv"
    link.symlink_to(paths[0])
    assert ensemble([*map(str, paths), "--out", str(link), "--overwrite", *SIZES]) == 3
    one, truth = str(paths[0]), str(paths[1])
    patients = tmp_path / "p.csv"
    patients.write_text("image_name,patient\n" + "".join(f"{name},p\n" for name in NAMES))
    kept = {path.name: path.read_bytes() for path in (*paths, patients)}
    for command in (
        [evaluate, one, truth, "--json", one],
        [evaluate, one, truth, "--per-image", truth, "--overwrite"],
        [evaluate, one, truth, "--per-image", str(tmp_path / "x"), "--json", str(tmp_path / "x")],
        [compare, one, one, truth, "--patients", str(patients), "--json", str(patients)],
    ):
        assert command[0]([*command[1:], *SIZES]) == 3
    assert {path.name: path.read_bytes() for path in (*paths, patients)} == kept
    run(paths, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    assert ensemble([*map(str, paths), "--out", str(tmp_path / "out.csv"), *SIZES]) == 3
    run(paths, tmp_path / "out.csv", "--overwrite")
    assert (tmp_path / "out.csv").read_bytes() == before


def test_a_fault_in_one_input_leaves_the_old_result(
    models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    paths, _ = models
    run(paths, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    lines = paths[1].read_text().splitlines()
    lines[100] = lines[100].rpartition(",")[0] + ",7 0"
    paths[1].write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert ensemble([*map(str, paths), "--out", str(tmp_path / "out.csv"), "--overwrite", *SIZES]) == 2
    assert "b.csv:101: rle of image3.png, finger-13: expected run lengths of at least 1" in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_bytes() == before
    # Another size than the parquet table's.
    assert ensemble([*map(str, paths), "--out", str(tmp_path / "o.csv"), "--size", "37x24", "--quiet"]) == 2
    assert "c.parquet:row 1: size of image0.png: expected 37x24, got 24x37" in capsys.readouterr().err


def test_weights_are_fitted_on_truth_and_reused(tmp_path: Path) -> None:
    truth = planes_of(99)
    generator = np.random.default_rng(1)
    paths = []
    for number, rate in enumerate((0.04, 0.3, 0.3)):
        path = tmp_path / f"fit{number}.csv"
        noisy = {name: planes ^ (generator.random(planes.shape) < rate) for name, planes in truth.items()}
        write_masks(path, [(image, encode(masks)) for image, masks in noisy.items()])
        paths.append(path)
    # The truth knows fewer images than the models.
    write_masks(tmp_path / "truth.csv", [(image, encode(truth[image])) for image in NAMES[:5]])
    rows = "".join(f"{name},ID{number:03d}\n" for number, name in enumerate(NAMES))
    (tmp_path / "images.csv").write_text("image_name,patient\n" + rows)
    options = ["--fit-weights", str(tmp_path / "truth.csv"), "--patients", str(tmp_path / "images.csv"), "--folds", "3"]
    found = run(paths, tmp_path / "fitted.csv", *options)
    assert list(found) == NAMES
    report = json.loads((tmp_path / "fitted.report.json").read_text())
    assert report["fit"]["held_out_dice"]["global"] > report["fit"]["held_out_dice"]["equal"]
    assert (tmp_path / "fitted.weights.yaml").read_text().startswith("# fitted on 5 images of 5 patients")
    again = run(paths, tmp_path / "again.csv", "--class-weights", str(tmp_path / "fitted.weights.yaml"))
    assert all((again[name] == found[name]).all() for name in NAMES)
    # An image of the truth without a patient.
    (tmp_path / "images.csv").write_text("image_name,patient\nimage0.png,ID000\n")
    assert ensemble([*map(str, paths), "--out", str(tmp_path / "x.csv"), *options, *SIZES]) == 2


def test_staple_on_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.zeros((BONE_COUNT, 24, 37), bool)
    truth[:, 6:17, 8:25] = True
    generator = np.random.default_rng(0)
    paths = []
    for number, rate in enumerate((0.02, 0.03, 0.25, 0.25)):
        path = tmp_path / f"s{number}.csv"
        planes = truth ^ (generator.random(truth.shape) < rate)
        planes[4] = False
        planes[5] = truth[5]
        write_masks(path, [("x.png", encode(planes))])
        paths.append(path)
    found = run(paths, tmp_path / "staple.csv", "--method", "staple")["x.png"]
    assert not found[4].any()
    assert (found[5] == truth[5]).all()
    # It trusts the two good models: fewer wrong pixels than the tie-breaking majority of four.
    majority = run(paths, tmp_path / "majority.csv")["x.png"]
    assert (found[6:] != truth[6:]).sum() < (majority[6:] != truth[6:]).sum()
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    assert ensemble([*map(str, paths), "--out", str(tmp_path / "n.csv"), "--method", "staple", *SIZES]) == 4


def test_convert_there_and_back_is_the_same_to_the_byte(models: tuple, tmp_path: Path) -> None:
    (csv, *_), _ = models
    there, back = tmp_path / "there.parquet", tmp_path / "back.csv"
    assert convert([str(csv), str(there), *SIZES]) == 0
    assert convert([str(there), str(back), "--quiet"]) == 0
    assert back.read_bytes() == csv.read_bytes()
    assert convert([str(csv), str(back), *SIZES]) == 3
    assert convert([str(csv), str(csv), "--overwrite", *SIZES]) == 3
    folder = soft_folder(tmp_path / "s", probabilities(1))
    assert convert([str(folder), str(tmp_path / "hard.csv"), "--quiet"]) == 0
    assert open_rle_table(tmp_path / "hard.csv").names() == NAMES


def test_repairs_are_counted_once_a_model(models: tuple, tmp_path: Path) -> None:
    (path, other, _), _ = models
    header, *rows = path.read_text().splitlines()
    rows[3] = rows[3].rpartition(",")[0] + ",nan"
    rows[40] = rows[40].rpartition(",")[0] + ",nan"
    copies = [tmp_path / "one" / "n.csv", tmp_path / "two" / "n.csv"]
    for copy, order in zip(copies, (rows, rows[29:] + rows[:29]), strict=True):
        copy.parent.mkdir()
        copy.write_text("\n".join([header, *order]) + "\n")
    run([other, *copies, copies[0]], tmp_path / "out.csv")
    report = json.loads((tmp_path / "out.report.json").read_text())
    names = [str(copies[0]) + " (1)", str(copies[1]), str(copies[0]) + " (2)"]
    assert report["counters"] == {name: {"nan_rle": 2} for name in names}
    assert list(report["agreement"]["bones"]["Ulna"]["outvoted"]) == ["b.csv", *names]


def test_a_guessed_size_is_said_where_it_matters(models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (path, other, _), _ = models
    for name, notes in (("o.csv", 0), ("o.parquet", 1)):
        assert ensemble([str(path), str(other), "--out", str(tmp_path / name), "--overwrite"]) == 0
        assert capsys.readouterr().err.count("every image was taken as 2048x2048") == notes


def test_inputs_that_cannot_be_read_are_named(models: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (path, *_), _ = models
    os.mkfifo(tmp_path / "pipe")
    for bad, says in (
        (path / "x.csv", "x.csv: expected a readable file, got Not a directory"),
        (tmp_path / "pipe", "pipe: expected a regular file (it may be read twice), got a pipe or device"),
    ):
        assert ensemble([str(path), str(bad), "--out", str(tmp_path / "o.csv"), *SIZES]) == 2
        assert says in capsys.readouterr().err
    folder = soft_folder(tmp_path / "s", {"a\nb.png": probabilities(1)[NAMES[0]]})
    assert ensemble([str(folder), "--out", str(tmp_path / "o.csv"), *SIZES]) == 2
    assert "image_name: expected the base name of an image" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_a_folder_of_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "none").mkdir()
    assert ensemble([str(tmp_path / "none"), "--out", str(tmp_path / "o.csv"), *SIZES]) == 2
    assert "expected at least one .npz file, got none" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["none"]
