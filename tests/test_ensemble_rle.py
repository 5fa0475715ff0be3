"""The commands that vote and convert, on files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import read_masks
from yolo_bones import soft
from yolo_bones.bones import BONE_COUNT
from yolo_bones.compare_rle import main as compare
from yolo_bones.convert_table import main as convert
from yolo_bones.ensemble_rle import main as ensemble
from yolo_bones.errors import InputError
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.export_rle import main as export
from yolo_bones.rle import ImageSize, decode, encode
from yolo_bones.rle_table import open_rle_table, write_masks

SIZE = ImageSize(24, 37)
NAMES = [f"image{number}.png" for number in range(6)]
SIZES = ["--size", "24x37", "--quiet"]


def planes_of(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.random((BONE_COUNT, 24, 37)) < 0.5 for name in NAMES}


@pytest.fixture
def models(tmp_path: Path) -> tuple[list[Path], list[dict[str, np.ndarray]]]:
    """Two CSVs and a parquet table of random masks, some of them empty."""
    paths, planes = [], []
    for number, name in enumerate(("a.csv", "b.csv", "c.parquet")):
        drawn = planes_of(number)
        drawn[NAMES[number]][3] = False
        path = tmp_path / name
        write_masks(path, [(image, encode(masks)) for image, masks in drawn.items()])
        paths.append(path)
        planes.append(drawn)
    return paths, planes


def run(paths: list[Path], out: Path, *options: str) -> dict[str, np.ndarray]:
    assert ensemble([*map(str, paths), "--out", str(out), *SIZES, *options]) == 0
    return {name: decode(masks) for name, masks in read_masks(out, SIZE).items()}


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


def probabilities(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        planes = np.zeros((BONE_COUNT, 24, 37))
        for plane in planes:
            top, left = generator.integers(0, 12), generator.integers(0, 18)
            plane[top : top + 9, left : left + 14] = generator.random((9, 14))[: 24 - top, : 37 - left]
        planes[generator.integers(0, BONE_COUNT)] = 0.0
        found[name] = planes
    return found


def soft_folder(folder: Path, planes: dict[str, np.ndarray]) -> Path:
    for name, drawn in planes.items():
        soft.write(folder, name, drawn)
    return folder


def test_soft_channels_mixed_with_hard_ones(models: tuple, tmp_path: Path) -> None:
    paths, planes = models
    first, second = probabilities(1), probabilities(2)
    mixed = [soft_folder(tmp_path / "s1", first), paths[0], soft_folder(tmp_path / "s2", second)]
    found = run(mixed, tmp_path / "mixed.csv", "--weights", "1,0.5,2", "--threshold", "0.45")
    assert list(found) == NAMES
    for name in NAMES:
        one, two = (np.ceil(255 * drawn[name] - 0.5) for drawn in (first, second))
        total = 2 * one + 255 * planes[0][name] + 4 * two
        assert (found[name] == (total * 100 > 45 * 255 * 7)).all()
    by_logit = run(mixed, tmp_path / "logit.csv", "--space", "logit")
    name = NAMES[2]

    def logit(levels: np.ndarray) -> np.ndarray:
        inside = np.clip(levels / 255, 0.5 / 255, 1 - 0.5 / 255)
        return np.log(inside / (1 - inside))

    total = logit(np.ceil(255 * first[name] - 0.5)) + logit(255.0 * planes[0][name])
    total += logit(np.ceil(255 * second[name] - 0.5))
    clear = np.abs(total) > 1e-4
    assert (by_logit[name] == (total > 0))[clear].all()
    assert clear.mean() > 0.9
    reordered = run([mixed[2], mixed[0], mixed[1]], tmp_path / "r.csv", "--space", "logit")
    assert all((reordered[name] == by_logit[name]).all() for name in NAMES)


def test_averages_may_overrule_all_models_and_shares_stay_shares(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folders = [soft_folder(tmp_path / name, probabilities(seed)) for name, seed in (("s1", 1), ("s2", 2))]
    capsys.readouterr()
    run(folders, tmp_path / "low.csv", "--threshold", "0.1")
    assert "more against all" in capsys.readouterr().out
    report = json.loads((tmp_path / "low.report.json").read_text())
    bones = report["agreement"]["bones"].values()
    assert all(0.0 <= share <= 1.0 for bone in bones for share in bone["outvoted"].values())
    levels = [
        {name: np.ceil(255 * planes[name] - 0.5) for name in NAMES} for planes in (probabilities(1), probabilities(2))
    ]
    against = disputed = 0
    for name in NAMES:
        one, two = (drawn[name][0] for drawn in levels)
        on = one + two > 0.1 * 2 * 255
        against += (on & (one < 128) & (two < 128)).sum() + (~on & (one >= 128) & (two >= 128)).sum()
        disputed += ((one >= 128) ^ (two >= 128)).sum()
    first = report["agreement"]["bones"]["finger-1"]
    assert (first["against_all_px"], first["disputed_px"]) == (against, disputed)
    assert report["warnings"] == []
    # In an average no model decides alone, however heavy it is.
    run(folders, tmp_path / "heavy.csv", "--weights", "2,1")
    assert json.loads((tmp_path / "heavy.report.json").read_text())["warnings"] == []
    assert (
        ensemble([*map(str, folders), "--out", str(tmp_path / "t.csv"), "--space", "logit", "--threshold", "0.999"])
        == 2
    )
    assert "expected a threshold from 0.002 to 0.998 for logits, got 0.999" in capsys.readouterr().err


def test_one_soft_folder_is_its_masks_above_one_half(tmp_path: Path) -> None:
    planes = probabilities(5)
    planes[NAMES[0]][0, 0, :3] = [0.5, np.nextafter(0.5, 1), np.nan]
    folder = soft_folder(tmp_path / "s", planes)
    for options in ([], ["--space", "logit"]):
        found = run([folder], tmp_path / "one.csv", "--overwrite", *options)
        assert all((found[name] == (planes[name] > 0.5)).all() for name in NAMES)
    assert {name: decode(masks).sum() for name, masks in read_masks(folder, SIZE).items()} == {
        name: (planes[name] > 0.5).sum() for name in NAMES
    }


def test_the_documented_ten_lines_write_the_same_file(tmp_path: Path) -> None:
    documented = soft.__doc__ or ""
    lines = [line[4:] for line in documented.splitlines() if line.startswith("    ")]
    code = "\n".join(lines[lines.index("boxes, pixels = np.zeros((29, 4), np.int32), []") :])
    name, planes = NAMES[1], probabilities(3)[NAMES[1]]
    exec(code, {"np": np, "probabilities": planes, "folder": tmp_path, "image_name": name})
    written = soft.write(tmp_path / "ours", name, planes)
    assert (tmp_path / f"{name}.npz").read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda a: a.pop("boxes"), r"boxes: expected int32 of shape \(29, 4\), got no such array"),
        (lambda a: a.update(more=np.zeros(3)), "the arrays size, boxes, levels, got also more.npy"),
        (lambda a: a.update(levels=a["levels"].astype(float)), "levels: expected uint8"),
        (lambda a: a.update(levels=a["levels"][:-1]), "boxes: expected boxes inside 24x37 that hold all"),
        (lambda a: a.update(size=np.array([10, 37], np.int32)), "boxes: expected boxes inside 10x37"),
        (lambda a: a.update(size=np.array([0, 37], np.int32)), "size: expected a height and width"),
        (lambda a: a.update(size=np.array([1 << 20, 1 << 20], np.int32)), "size: expected a height and width"),
        (lambda a: a.update(boxes=-a["boxes"]), "levels: expected uint8 of shape|boxes: expected boxes inside"),
        (lambda a: a.update(levels=np.zeros(1 << 20, np.uint8)), r"levels: expected uint8 .* in at most \d+ bytes"),
        (lambda a: a.update(boxes=np.array([{}] * 29)), "boxes: expected int32"),
    ],
)
def test_soft_files_that_are_wrong(tmp_path: Path, spoil: object, says: str) -> None:
    path = soft.write(tmp_path, "x.png", probabilities(1)[NAMES[0]])
    with np.load(path) as stored:
        arrays = dict(stored)
    spoil(arrays)
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=says) as caught:
        soft.read(path)
    assert str(path) in str(caught.value)


def test_soft_files_that_are_no_zip(tmp_path: Path) -> None:
    path = soft.write(tmp_path, "x.png", probabilities(1)[NAMES[0]])
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (b"", b"PK\x03\x04", whole[:middle], whole[:middle] + b"\xff" * 9 + whole[middle + 9 :]):
        path.write_bytes(content)
        with pytest.raises(InputError):
            soft.read(path)


def test_soft_channels_of_logits_keep_their_side() -> None:
    logits = np.array([[-1.0, np.nextafter(np.float32(-1), 0), -1.0000001, 50.0, -50.0, np.nan, 1e30]], np.float32)
    levels = soft.levels_of_logits(logits, -1.0)
    assert (levels >= 128).tolist() == (logits > -1.0).tolist()
    assert levels[0, 3:5].tolist() == [255, 0]


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


def test_exported_soft_channels_are_the_csv_and_resume(
    tiny_hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out, folder = tmp_path / "pred.csv", tmp_path / "soft"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--soft", str(folder), "--quiet"]
    write, calls = soft.write_crops, []

    def interrupt_second(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(soft, "write_crops", interrupt_second)
        assert export(arguments) == 130
    assert len(list(folder.iterdir())) == 1
    assert export(arguments) == 3
    # The finished part's soft file is lost: it is made again.
    next(folder.iterdir()).unlink()
    assert export([*arguments, "--resume"]) == 0
    assert len(list(folder.iterdir())) == 2
    assert ensemble([str(folder), "--out", str(tmp_path / "voted.csv"), "--quiet"]) == 0
    assert (tmp_path / "voted.csv").read_bytes() == out.read_bytes()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert export([*arguments, "--overwrite"]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert export([*arguments, "--overwrite"]) == 3
    assert "holds notes.txt, which is no soft channel" in capsys.readouterr().err


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
