"""Thresholds from counts, hand-computed; then the command with the real network and its file beside the weights."""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.conftest import ROOT
from tests.test_looking import GREY, UNIT_PX, Eye, hand
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.calibrate_rle import MOST_NOTE, _measure
from yolo_bones.calibrate_rle import main as calibrate
from yolo_bones.calibration import (
    STEPS,
    Curves,
    Cut,
    choose_cut,
    count_image,
    curves_of,
    cut_of,
    dice_of,
    grid_with,
    left_out_dice,
)
from yolo_bones.detector.look_settings import LookSettings
from yolo_bones.detector.looking import look
from yolo_bones.evaluate_rle import main as evaluate
from yolo_bones.export_rle import main as export
from yolo_bones.merger import MergedBones, MergeSettings
from yolo_bones.metrics import dice_per_channel
from yolo_bones.rle import ImageSize, empty_masks, encode, encode_crop, encode_logits, stack
from yolo_bones.rle_table import write_rle_table

SIZE = ImageSize(4, 6)
FLAT = Cut((0.0,) * BONE_COUNT, 0.01)
SHIPPED = ROOT / "weights" / "bones-n.pt"


def only_first(top: int, left: int, logits: np.ndarray, truth: np.ndarray) -> tuple[MergedBones, object]:
    """Bone 0 as given, the others neither found nor there."""
    nothing = (0, 0, np.zeros((0, 0), np.float32))
    crops = ((top, left, logits.astype(np.float32)), *[nothing] * (BONE_COUNT - 1))
    channels = empty_masks(SIZE, BONE_COUNT)
    others = empty_masks(SIZE, BONE_COUNT - 1)
    confidence = np.float32([0.8] + [0.0] * (BONE_COUNT - 1))
    return MergedBones(channels, confidence, crops), stack(SIZE, [encode_crop(truth, 0, 0, SIZE), others])


def test_counts_are_exact_at_each_threshold() -> None:
    logits = np.array([[-1.0, 0.0, 0.5], [2.0, 0.25, -3.0]])
    truth = np.zeros((4, 6), bool)
    truth[1, 2] = truth[2, 1] = truth[2, 2] = truth[3, 5] = True  # logits 0, 2, 0.25; the last lies outside the box
    grid = np.float32([-1.0, 0.0, 0.25, 2.0])
    counts = count_image(*only_first(1, 1, logits, truth), grid)
    assert counts.predicted[0].tolist() == [4, 3, 2, 0]  # 0, 0.5, 2, 0.25 lie above -1
    assert counts.shared[0].tolist() == [3, 2, 1, 0]
    assert counts.truth[0] == 4
    assert counts.predicted[1:].sum() == 0
    curves = curves_of([counts], grid)
    np.testing.assert_allclose(curves.found[0, 0], [6 / 8, 4 / 7, 2 / 6, 0.0], atol=1e-4)
    assert curves.absent[0, 0] == pytest.approx(0.0, abs=1e-4)
    assert (curves.found[0, 1:] == 1.0).all()


def test_dice_from_counts_is_dice_of_masks() -> None:
    rng = np.random.default_rng(3)
    size, present = ImageSize(31, 47), Cut(tuple(np.linspace(-0.7, 0.7, BONE_COUNT)), 0.3)
    grid = grid_with(present)
    assert len(grid) == len(STEPS) + BONE_COUNT - 5  # -0.5, -0.25, 0, 0.25 and 0.5 are in both
    logits = [(3, 5, rng.normal(0, 1.5, (20, 30)).astype(np.float32)) for _ in BONES]
    truth = stack(size, [encode_crop(rng.random((31, 47)) < 0.3, 0, 0, size) for _ in BONES])
    confidence = rng.random(BONE_COUNT).astype(np.float32)
    merged = MergedBones(empty_masks(size, BONE_COUNT), confidence, tuple(logits))
    curves = curves_of([count_image(merged, truth, grid)], grid)
    masks = [
        encode_logits(plane, top, left, size, cut) if trust >= 0.3 else empty_masks(size, 1)
        for (top, left, plane), cut, trust in zip(logits, present.thresholds, confidence, strict=True)
    ]
    np.testing.assert_allclose(dice_of(curves, present)[0], dice_per_channel(stack(size, masks), truth))
    with pytest.raises(ValueError, match="of the grid"):
        dice_of(curves, Cut((0.3331,) * BONE_COUNT, 0.3))


def made_up_curves(best: np.ndarray, confidence: float = 0.9) -> Curves:
    """Dice 1 - (t - best)^2 / 10 for (N, 29) best thresholds."""
    grid = STEPS.astype(np.float32)
    found = 1.0 - (grid - best[:, :, None]) ** 2 / 10.0
    return Curves(grid, found, np.zeros(best.shape), np.full(best.shape, confidence, np.float32))


def test_each_bone_gets_its_own_threshold_when_images_are_many_and_its_groups_when_they_are_few() -> None:
    best = np.zeros((4, BONE_COUNT))
    best[:, CLASS_IDS["Ulna"]] = 2.0
    own = choose_cut(made_up_curves(best), FLAT, group_images=0)
    assert own.thresholds[CLASS_IDS["Ulna"]] == 2.0
    assert set(own.thresholds[:-1]) == {0.0}
    # The mean of parabolas peaks at the mean of their peaks: with as many further images of the group (arm: 1),
    # itself drawn half way to all bones' 2 / 29, the ulna ends at (2 + (1 + 2 / 29) / 2) / 2 = 1.267.
    shrunken = choose_cut(made_up_curves(best), FLAT, group_images=4)
    assert shrunken.thresholds[CLASS_IDS["Ulna"]] == 1.25
    assert shrunken.thresholds[CLASS_IDS["Radius"]] == 0.25  # (0 + 0.534) / 2 = 0.267
    alike = choose_cut(made_up_curves(best), FLAT, group_images=1e9)
    assert set(alike.thresholds) == {0.125}  # 2 / 29 = 0.069


def test_images_without_a_bone_do_not_move_its_threshold() -> None:
    best = np.zeros((3, BONE_COUNT))
    best[2] = 3.0
    curves = made_up_curves(best)
    absent = curves.absent.copy()
    absent[2] = 1.0
    there = Curves(curves.grid, curves.found, absent, curves.confidence)
    assert set(choose_cut(there, FLAT).thresholds) == {0.0}
    assert set(choose_cut(curves, FLAT).thresholds) == {1.0}


def test_presence_is_cut_where_that_pays_only() -> None:
    curves = made_up_curves(np.zeros((2, BONE_COUNT)))
    assert choose_cut(curves, FLAT).least_confidence == 0.01
    # Bone 5 is not there in the second image, found with confidence 0.12; elsewhere nothing is below 0.9.
    found, absent, confidence = curves.found.copy(), curves.absent.copy(), curves.confidence.copy()
    found[1, 5], absent[1, 5], confidence[1, 5] = 0.0, 1.0, 0.12
    cut = choose_cut(Curves(curves.grid, found, absent, confidence), FLAT)
    assert cut.least_confidence == 0.15
    assert dice_of(Curves(curves.grid, found, absent, confidence), cut).mean() == 1.0


def test_a_patient_is_scored_with_what_the_others_chose() -> None:
    best = np.zeros((3, BONE_COUNT))
    best[1:] = 2.0
    dice = left_out_dice(made_up_curves(best), ["a", "b", "b"], FLAT)
    # Patient a is cut at 2 though its best is 0, and b the other way round: 1 - 4 / 10.
    np.testing.assert_allclose(dice, 0.6)
    np.testing.assert_allclose(left_out_dice(made_up_curves(best), ["a", "b", "c"], FLAT)[0], 0.6)
    np.testing.assert_allclose(left_out_dice(made_up_curves(best), ["a", "b", "c"], FLAT)[1], 0.9)
    with pytest.raises(ValueError, match="at least two patients"):
        left_out_dice(made_up_curves(best), ["a", "a", "a"], FLAT)


def test_the_present_cut_is_the_merger_s() -> None:
    assert cut_of(MergeSettings(logit_threshold=-0.5, least_confidence=0.2)) == Cut((-0.5,) * BONE_COUNT, 0.2)
    thresholds = tuple(np.linspace(-1, 1, BONE_COUNT).tolist())
    assert cut_of(MergeSettings(logit_thresholds=thresholds)).thresholds == thresholds


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A private copy of the shipped weights, without settings beside it."""
    (tmp_path / "w").mkdir()
    return Path(shutil.copy(SHIPPED, tmp_path / "w" / "best.pt"))


def test_calibration_writes_settings_that_export_picks_up(
    tiny_hands: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture
) -> None:
    source, truth = str(tiny_hands / "train" / "DCM"), str(tiny_hands / "train_truth.csv")
    look = ["--imgsz", "256", "--conf", "0.02"]
    arguments = ["--source", source, "--truth", truth, "--weights", str(weights), "--quiet", *look]
    assert calibrate([*arguments, "--note", "tiny hands, seed 5"]) == 0
    printed = capsys.readouterr().out
    stored = yaml.safe_load(weights.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert (stored["look"]["longest_px"], stored["merge"]["least_confidence"]) == (256, 0.02)
    about = stored["calibrated_on"]
    assert (about["images"], about["patients"], about["note"]) == (4, 2, "tiny hands, seed 5")
    assert about["dice_after"] > about["dice_before"] + 0.002
    assert list(stored["thresholds"]) == list(BONES)
    assert re.search(
        rf"^Ulna +0\.000 -> {stored['thresholds']['Ulna']:.3f} +0\.\d{{4}} +0\.\d{{4}} +0\.\d{{4}}$", printed, re.M
    )
    assert str(tmp_path) not in weights.with_suffix(".yaml").read_text(encoding="utf-8")
    out, scores = tmp_path / "pred.csv", tmp_path / "scores.json"
    assert export(["--source", source, "--out", str(out), "--weights", str(weights), "--quiet"]) == 0
    assert evaluate([str(out), truth, "--size", "320x256", "--json", str(scores), "--quiet"]) == 0
    assert json.loads(scores.read_text(encoding="utf-8"))["dice"] == pytest.approx(about["dice_after"], abs=1e-6)
    manifest = json.loads((tmp_path / "pred.manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["merge"]["logit_thresholds"] == [stored["thresholds"][bone] for bone in BONES]
    before = weights.with_suffix(".yaml").read_bytes()
    assert calibrate(arguments) == 3
    assert calibrate([*arguments, "--note", "tiny hands, seed 5", "--no-calibration", "--overwrite"]) == 0
    assert weights.with_suffix(".yaml").read_bytes() == before
    # From the thresholds that it found itself there is nothing more to win, and nothing is changed.
    capsys.readouterr()
    assert calibrate([*arguments, "--overwrite"]) == 0
    assert "thresholds stay as they are" in capsys.readouterr().err
    again = yaml.safe_load(weights.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert again["thresholds"] == stored["thresholds"]


class Broad(Eye):
    """Its bones are so large that the canonical view cuts many of them."""

    radius = 0.9 * UNIT_PX


def test_what_is_calibrated_is_what_is_exported(tmp_path: Path) -> None:
    """Dice of the present cut from counts is that of the masks; the first look completes bones in both."""
    cv2.imwrite(str(tmp_path / "a.png"), GREY)
    eye, merging = Broad(hand()), MergeSettings(box_margin=0.1)
    looking = LookSettings(longest_px=320, first_look_px=320, canonical_px=320, canonical=True)
    exported = look(eye, GREY, looking, merging)
    assert exported.counters["spare_look_used"] > 2
    blocks = np.zeros((BONE_COUNT, *GREY.shape), bool)
    blocks[:, 200:500, 100:400] = True
    curves = _measure(Namespace(quiet=True), eye, (looking, merging), [tmp_path / "a.png"], {"a.png": encode(blocks)})
    measured = dice_of(curves, cut_of(merging))[0]
    np.testing.assert_allclose(measured, dice_per_channel(exported.channels, encode(blocks)), atol=1e-6)


def test_a_note_that_the_file_would_not_take_is_refused_before_anything_is_measured(
    weights: Path, capsys: pytest.CaptureFixture
) -> None:
    from yolo_bones.detector.stored_settings import Calibration

    Calibration(images=1, patients=1, note="x" * MOST_NOTE, dice_before=0.5, dice_after=0.5)
    with pytest.raises(SystemExit) as ended:
        calibrate(["--source", "x", "--truth", "y", "--weights", str(weights), "--note", "x" * (MOST_NOTE + 1)])
    assert ended.value.code == 2
    assert "--note: expected at most 1000 characters, got 1001" in capsys.readouterr().err


def test_images_and_truth_must_be_the_same(
    tiny_hands: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture
) -> None:
    source = tiny_hands / "test" / "DCM"
    names = sorted(path.name for path in source.rglob("*.png"))
    rows = [(names[0], [""] * BONE_COUNT), ("stranger.png", [""] * BONE_COUNT)]
    write_rle_table(tmp_path / "truth.csv", rows)
    arguments = ["--source", str(source), "--weights", str(weights), "--quiet", "--truth"]
    assert calibrate([*arguments, str(tmp_path / "truth.csv")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2
    assert f"{names[1]}: expected its rows in" in said[0]
    assert "image_name: expected an image of --source, got stranger.png" in said[1]
    write_rle_table(tmp_path / "truth.csv", [(names[0], ["1 99999999"] + [""] * 28), (names[1], [""] * 29)])
    assert calibrate([*arguments, str(tmp_path / "truth.csv")]) == 2
    assert calibrate([*arguments, str(tmp_path / "none.csv")]) == 2
    assert not weights.with_suffix(".yaml").exists()


def test_one_patient_is_too_few_for_an_estimate(
    tiny_hands: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--source", str(tiny_hands / "test" / "DCM"), "--truth", str(tiny_hands / "test_truth.csv")]
    arguments += ["--weights", str(weights), "--imgsz", "128", "--quiet"]
    names = [path.name for path in (tiny_hands / "test" / "DCM").rglob("*.png")]
    patients = tmp_path / "images.csv"
    patients.write_text("".join(["image_name,patient\n", *(f"{name},ID9\n" for name in names)]), encoding="utf-8")
    stale = f"sha256: {'f' * 64}\nlook: {{canonical: true}}\n"
    weights.with_suffix(".yaml").write_text(stale, encoding="utf-8")
    assert calibrate([*arguments, "--patients", str(patients), "--overwrite"]) == 0
    said = capsys.readouterr()
    assert "left out" not in said.out.splitlines()[0]
    assert "best.yaml was made for other weights; nothing of it is used" in said.err
    stored = yaml.safe_load(weights.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert stored["calibrated_on"]["dice_left_out"] is None
    assert stored["look"]["canonical"] is False
    assert (stored["calibrated_on"]["images"], stored["calibrated_on"]["patients"]) == (2, 1)
    patients.write_text(f"image_name,patient\n{names[0]},ID9\n", encoding="utf-8")
    assert calibrate([*arguments, "--patients", str(patients), "--overwrite"]) == 2
    assert f"expected a row for {names[1]}" in capsys.readouterr().err
