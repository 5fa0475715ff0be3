"""Two tables with differences known by hand; images of 20 x 30."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.compare_rle import main as compare
from yolo_bones.comparison import compare_scores
from yolo_bones.metrics import EPSILON, DiceScores
from yolo_bones.rle_table import write_rle_table

FULL = [f"{1 + 20 * class_id} 8" for class_id in range(BONE_COUNT)]
PISIFORM, ULNA = BONES.index("Pisiform"), BONES.index("Ulna")


def dice_of(kept: int) -> float:
    """Dice of `kept` of 8 pixels."""
    return (2 * kept + EPSILON) / (kept + 8 + EPSILON)


def texts(**kept: int) -> list[str]:
    """The truth, with only so many pixels of some bones."""
    return [f"{1 + 20 * class_id} {kept.get(bone, 8)}" for class_id, bone in enumerate(BONES)]


class Study:
    """Twelve patients of two images; b finds more of each Pisiform, less of each Ulna, and is a's equal elsewhere."""

    def __init__(self, folder: Path, patients: int = 12) -> None:
        self.names = [f"image{number:02}.png" for number in range(2 * patients)]
        self.a, self.b, self.truth = (folder / f"{name}.csv" for name in ("a", "b", "truth"))
        self.patients = folder / "images.csv"
        rows = [f"{name},ID{number // 2:03}" for number, name in enumerate(self.names)]
        self.patients.write_text("\n".join(["image_name,patient", *rows]) + "\n", encoding="utf-8")
        write_rle_table(self.truth, [(name, FULL) for name in self.names])
        write_rle_table(self.a, [(name, texts(Pisiform=4)) for name in self.names])
        # The first image gains most; the last loses most.
        images = [(name, texts(Pisiform=6, Ulna=6)) for name in self.names]
        images[0] = (self.names[0], texts(Pisiform=7, Ulna=6))
        images[-1] = (self.names[-1], texts(Pisiform=6, Ulna=5))
        write_rle_table(self.b, images[::-1])
        self.json = folder / "compared.json"

    def run(self, *pair: Path, more: tuple[str, ...] = ()) -> dict:
        files = [str(path) for path in (*(pair or (self.a, self.b)), self.truth)]
        options = ["--patients", str(self.patients), "--size", "20x30", "--samples", "2000", "--quiet"]
        assert compare([*files, *options, "--json", str(self.json), *more]) == 0
        return json.loads(self.json.read_text(encoding="utf-8"))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_gains_and_losses_by_hand(study: Study, capsys: pytest.CaptureFixture) -> None:
    record = study.run()
    assert (record["images"], record["patients"], record["notes"]) == (24, 12, [])
    pisiform, ulna, radius = (record["bones"][bone] for bone in ("Pisiform", "Ulna", "Radius"))
    assert pisiform["a"] == pytest.approx(dice_of(4))
    gain = (23 * dice_of(6) + dice_of(7)) / 24 - dice_of(4)
    assert pisiform["difference"] == pytest.approx(gain)
    assert pisiform["b"] == pytest.approx(dice_of(4) + gain)
    assert (pisiform["better"], pisiform["equal"], pisiform["worse"]) == (24, 0, 0)
    assert pisiform["largest_gain"]["image_name"] == study.names[0]
    assert pisiform["largest_gain"]["difference"] == pytest.approx(dice_of(7) - dice_of(4))
    assert pisiform["largest_loss"] is None
    # No resampled mean lies on the other side: 12 patients would allow 2 ** -11.
    assert pisiform["p"] == pytest.approx(2 / 2001)
    assert pisiform["p_holm"] == pytest.approx(29 * 2 / 2001)
    assert 0 < pisiform["low"] <= gain <= pisiform["high"]
    loss = (23 * dice_of(6) + dice_of(5)) / 24 - 1
    assert ulna["difference"] == pytest.approx(loss)
    assert (ulna["better"], ulna["equal"], ulna["worse"], ulna["largest_gain"]) == (0, 0, 24, None)
    assert ulna["largest_loss"]["image_name"] == study.names[-1]
    assert (radius["better"], radius["equal"], radius["worse"]) == (0, 24, 0)
    assert (radius["difference"], radius["low"], radius["high"], radius["p"]) == (0.0, 0.0, 0.0, 1.0)
    assert [pisiform["verdict"], ulna["verdict"], radius["verdict"]] == ["better", "worse", ""]
    assert record["groups"]["hand"]["difference"] == pytest.approx(gain / 8)
    assert record["groups"]["arm"]["difference"] == pytest.approx(loss / 2)
    assert record["groups"]["finger"]["difference"] == 0.0
    assert record["overall"]["difference"] == pytest.approx((gain + loss) / 29)
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert verdict == record["verdict"]
    interval = f"{record['overall']['low']:+.4f} to {record['overall']['high']:+.4f}"
    expected = (
        f"b is better overall: {(gain + loss) / 29:+.4f} (95 % CI {interval}), better on: Pisiform, worse on: Ulna"
    )
    assert verdict == expected


def test_the_table_shows_each_bone(study: Study, capsys: pytest.CaptureFixture) -> None:
    study.run()
    printed = capsys.readouterr().out
    line = r"^Pisiform +0\.6667 +0\.8\d{3} +\+0\.19\d\d +\+0\.\d{4} to \+0\.\d{4} +0\.0010 +0\.0290 +24 +0 +0  better$"
    assert re.search(line, printed, re.M)
    assert re.search(r"^finger-1 +1\.0000 +1\.0000 +\+0\.0000 .* 1\.0000 +1\.0000 +0 +24 +0$", printed, re.M)
    assert re.search(r"^Pisiform +\+0\.2667 image00\.png +-$", printed, re.M)
    assert re.search(r"^Ulna +- +-0\.2308 image23\.png$", printed, re.M)
    assert "over 24 images of 12 patients, 2000 samples" in printed


def test_identical_tables_differ_by_exactly_nothing(study: Study) -> None:
    record = study.run(study.a, study.a)
    for row in (record["overall"], *record["groups"].values(), *record["bones"].values()):
        assert (row["difference"], row["low"], row["high"], row["p"]) == (0.0, 0.0, 0.0, 1.0)
    assert record["verdict"].startswith("no difference overall is shown: +0.0000 (95 % CI +0.0000 to +0.0000)")
    assert record["verdict"].endswith("better on: none, worse on: none")


def test_the_other_way_round(study: Study) -> None:
    record, other = study.run(), study.run(study.b, study.a)
    for bone in BONES:
        one, two = record["bones"][bone], other["bones"][bone]
        assert one["difference"] == -two["difference"]
        assert one["low"] == pytest.approx(-two["high"], abs=1e-12)
        assert (one["p"], one["better"], one["worse"]) == (two["p"], two["worse"], two["better"])
    assert other["verdict"].startswith("b is worse overall: -")
    assert other["verdict"].endswith("better on: Ulna, worse on: Pisiform")


def test_same_seed_same_bytes(study: Study) -> None:
    study.run()
    first = study.json.read_bytes()
    study.run()
    assert study.json.read_bytes() == first
    study.run(more=("--seed", "1"))
    assert study.json.read_bytes() != first


def test_few_patients_prove_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    record = Study(tmp_path, patients=5).run()
    note = "5 patients, fewer than 6: intervals are not to be trusted"
    assert record["notes"] == [note]
    assert f"note: {note}" in capsys.readouterr().out
    assert record["bones"]["Pisiform"]["p"] == 2**-4
    assert record["verdict"].startswith("too few patients to say which is better overall: +0.0016 (95 % CI ")
    assert record["verdict"].endswith("better on: none, worse on: none")


def test_one_patient_has_no_interval(tmp_path: Path) -> None:
    record = Study(tmp_path, patients=1).run()
    assert record["notes"][0].startswith("1 patient, fewer than 6")
    assert (record["overall"]["low"], record["overall"]["p"]) == (None, 1.0)
    assert "(95 % CI unknown)" in record["verdict"]


def test_too_little_for_the_correction_is_said(study: Study) -> None:
    # 2 / 1001 times 29 bones is 0.058.
    record = study.run(more=("--samples", "1000"))
    assert record["bones"]["Pisiform"]["verdict"] == ""
    assert record["notes"] == [
        "no bone can pass the correction: 12 patients and 1000 samples can give no p below 0.002"
    ]


def test_patients_are_required_and_must_know_every_image(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = [str(path) for path in (study.a, study.b, study.truth)]
    with pytest.raises(SystemExit) as stopped:
        compare(files)
    assert stopped.value.code == 2
    assert "--patients" in capsys.readouterr().err
    short = tmp_path / "short.csv"
    short.write_text(
        "".join(study.patients.read_text(encoding="utf-8").splitlines(keepends=True)[:-2]), encoding="utf-8"
    )
    assert compare([*files, "--patients", str(short), "--size", "20x30", "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"error: {short}: image_name: expected a row for {name}, got none" for name in study.names[-2:]
    ]


def test_tables_must_hold_the_same_images(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fewer = tmp_path / "fewer.csv"
    write_rle_table(fewer, [(name, FULL) for name in study.names[1:]])
    arguments = [study.a, fewer, study.truth, "--patients", study.patients, "--size", "20x30", "--quiet"]
    assert compare([str(argument) for argument in arguments]) == 2
    assert "expected an image of fewer.csv, got image00.png" in capsys.readouterr().err


def test_samples_have_bounds(capsys: pytest.CaptureFixture) -> None:
    for samples in ("99", "200001", "-1", "ten"):
        with pytest.raises(SystemExit):
            compare(["a", "b", "c", "--patients", "p", "--samples", samples])
        assert "--samples" in capsys.readouterr().err


def test_scores_are_matched_by_name() -> None:
    low, high = np.full(BONE_COUNT, 0.25), np.full(BONE_COUNT, 0.75)
    a, b = DiceScores({"x": low, "y": high}), DiceScores({"y": high, "x": low})
    assert not compare_scores(a, b, {"x": "1", "y": "2"}, 100, 0).differences.any()
    with pytest.raises(ValueError, match="the same images"):
        compare_scores(a, DiceScores({"x": low}), {"x": "1", "y": "2"}, 100, 0)
