"""Soft channels: the files, and ensembles of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import read_masks
from tests.ensembles import NAMES, SIZE, probabilities, run, soft_folder, write_three_models
from yolo_bones import soft
from yolo_bones.ensemble_rle import main as ensemble
from yolo_bones.errors import InputError
from yolo_bones.export_rle import main as export
from yolo_bones.rle import decode


@pytest.fixture
def models(tmp_path: Path) -> tuple[list[Path], list[dict[str, np.ndarray]]]:
    return write_three_models(tmp_path)


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
