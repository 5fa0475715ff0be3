"""`train_folds`: its plan and its steps, votes of hand-made models, and a real cross-validation that is interrupted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT, read_masks
from tests.rectangle_hands import SIZE, hand_planes, write_hands
from yolo_bones import soft
from yolo_bones.ballot_files import read_ballot_file
from yolo_bones.bones import BONES
from yolo_bones.data_set import find_pairs
from yolo_bones.errors import InputError, MachineError, RefusedError
from yolo_bones.fold_plan import (
    FoldModel,
    FoldPlan,
    SeedVote,
    data_yaml_text,
    export_device,
    read_training_arguments,
    training_settings,
)
from yolo_bones.fold_run import FoldRun, is_trained, make_data, make_truth, make_wrists
from yolo_bones.fold_scores import ScoreRow, score_file, score_table, union_of
from yolo_bones.fold_votes import join_folds, vote_on_test, vote_out_of_fold
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.metrics import DiceScores
from yolo_bones.rle import encode
from yolo_bones.rle_table import open_rle_table, write_masks
from yolo_bones.step_ledger import StepLedger, StepState
from yolo_bones.step_runner import Step, StepFailed, StepRunner, call_command, held_folder, run_program
from yolo_bones.train_folds import main as train_folds


def plan_of(out: Path, **changes: Any) -> FoldPlan:
    settings = {"folds": 2, "seeds": 2, "split_seed": 0, "vote": "soft", "training": {}, "export": (), "tested": True}
    return FoldPlan(out=out, **{**settings, **changes})


# The plan.


def test_the_plan_counts_its_steps_and_asks_for_soft_channels_only_where_they_vote(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert [model.name for model in plan.models] == ["fold0-seed0", "fold1-seed0", "fold0-seed1", "fold1-seed1"]
    # Truth, wrists; 2 data sets; 4 models trained and predicting twice; 2 joined; 3 ways to vote; the test vote.
    assert plan.step_count() == 2 + 2 + 4 * 3 + 2 + 3 + 1
    assert plan.soft(FoldModel(0, 1), "val") is not None
    single = plan_of(tmp_path, seeds=1)
    assert single.seed_votes == ()
    assert (single.soft(FoldModel(0, 0), "val"), single.soft(FoldModel(0, 0), "test") is None) == (None, False)
    hard = plan_of(tmp_path, vote="hard", tested=False)
    assert hard.seed_votes == (SeedVote("hard", "fitted"), SeedVote("hard", "equal"))
    assert hard.soft(FoldModel(0, 0), "val") is None
    assert hard.parts == ("val",)


def test_training_arguments_are_checked_and_stand_after_those_of_the_fold(tmp_path: Path) -> None:
    given = read_training_arguments(["imgsz=64", "model=a=b.pt"])
    assert given == {"imgsz": "64", "model": "a=b.pt"}
    arguments = plan_of(tmp_path, training=given).training_arguments(FoldModel(1, 3))
    assert arguments[0] == f"data={tmp_path / 'fold1' / 'bones.yaml'}"
    assert arguments[2:] == ["name=fold1-seed3", "seed=3", "imgsz=64", "model=a=b.pt"]
    for wrong in (["imgsz"], ["=3"], ["data=x.yaml"], ["seed=3"], ["resume=x"], ["imgsz=64", "imgsz=32"]):
        with pytest.raises(InputError):
            read_training_arguments(wrong)


def test_a_file_that_training_starts_from_counts_by_its_content(tmp_path: Path) -> None:
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"one")
    before = training_settings({"model": str(weights)})
    weights.write_bytes(b"two")
    assert training_settings({"model": str(weights)}) != before
    assert training_settings({"model": "yolov8n-seg.yaml"})["files"] == {}


@pytest.mark.parametrize(
    ("training", "options"),
    [
        ({}, ()),
        ({"device": "cpu"}, ("--device", "cpu")),
        ({"device": "1"}, ("--device", "cuda:1")),
        ({"device": "[2,3]"}, ("--device", "cuda:2")),
        ({"device": "cuda:0"}, ("--device", "cuda:0")),
    ],
)
def test_predictions_run_where_the_training_ran(training: dict[str, str], options: tuple[str, ...]) -> None:
    assert export_device(training) == options


def test_the_data_file_of_a_fold_equals_that_of_the_repository_but_for_its_folders() -> None:
    ours = yaml.safe_load(data_yaml_text())
    assert ours["names"] == yaml.safe_load((ROOT / "bones.yaml").read_text(encoding="utf-8"))["names"]
    assert (ours["train"], ours["val"]) == ("data/images/train", "data/images/val")


def test_a_training_is_over_with_its_manifest_not_with_its_last_epoch(tmp_path: Path) -> None:
    """What comes after the last epoch also writes how the weights look."""
    (tmp_path / "recipe.yaml").write_text("epochs: 1\n")
    (tmp_path / "results.csv").write_text("epoch,time\n1,0.5\n")
    assert not is_trained(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    assert is_trained(tmp_path)


def test_a_plan_without_metadata_has_the_settings_that_it_always_had(tmp_path: Path) -> None:
    assert plan_of(tmp_path).strata_settings() == {}
    table = tmp_path / "meta.csv"
    table.write_text("patient,sex\nID001,f\n")
    first = plan_of(tmp_path, metadata=table, stratify=("sex",)).strata_settings()
    assert first["stratify"] == ["sex"]
    table.write_text("patient,sex\nID001,m\n")
    assert plan_of(tmp_path, metadata=table, stratify=("sex",)).strata_settings() != first


# Steps.


def test_a_step_is_done_once_for_its_settings_and_its_outputs(tmp_path: Path) -> None:
    ledger, out = StepLedger(tmp_path), tmp_path / "a.csv"
    assert ledger.state("a", {"x": (1, 2)}) is StepState.NEW
    ledger.begin("a", {"x": (1, 2)})
    assert ledger.state("a", {"x": (1, 2)}) is StepState.BEGUN
    with pytest.raises(ValueError, match=r"a\.csv"):
        ledger.finish("a", {"x": (1, 2)}, [out])
    out.write_text("1")
    ledger.finish("a", {"x": (1, 2)}, [out])
    assert ledger.state("a", {"x": (1, 2)}) is StepState.DONE
    assert ledger.state("a", {"x": (1, 3)}) is StepState.OTHER
    out.write_text("2")
    assert ledger.state("a", {"x": (1, 2)}) is StepState.CHANGED
    out.unlink()
    assert ledger.state("a", {"x": (1, 2)}) is StepState.CHANGED


def test_steps_are_skipped_gone_on_with_made_anew_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out, calls = tmp_path / "a.pt", []

    def run(settings: dict[str, Any], *, kept: Path | None = None, overwrite: bool = False, fail: bool = False) -> None:
        def work(fresh: bool) -> None:
            calls.append(fresh)
            if fail:
                raise StepFailed("a", 7, "failed")
            out.write_text(json.dumps(settings))

        runner = StepRunner(StepLedger(tmp_path), 3, overwrite)
        runner.run(Step("a", "step a", settings, (out,), kept), work)

    with pytest.raises(StepFailed) as failed:
        run({"x": 1}, fail=True)
    assert failed.value.exit_code == 7
    run({"x": 1})
    run({"x": 1})
    assert calls == [True, False]
    assert "[1/3] step a: done before" in capsys.readouterr().err
    run({"x": 2})
    assert calls == [True, False, True]
    with pytest.raises(RefusedError, match="made with other settings"):
        run({"x": 3}, kept=out)
    run({"x": 3}, kept=out, overwrite=True)
    out.write_text("other")
    with pytest.raises(RefusedError, match="changed since"):
        run({"x": 3}, kept=out)
    assert calls == [True, False, True, True]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program_that_fails_names_its_step_and_keeps_its_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "runs" / "a.log"
    with pytest.raises(StepFailed, match=r"fold 1, seed 0: training: failed with exit code 3, see .*a\.log") as failed:
        run_program("fold 1, seed 0: training", python("print('why'); raise SystemExit(3)"), log, None)
    assert failed.value.exit_code == 3
    assert log.read_text() == "why\n"
    with pytest.raises(StepFailed, match="was ended by SIGKILL") as killed:
        run_program("a", python("import os; os.kill(os.getpid(), 9)"), log, None)
    assert killed.value.exit_code == MachineError.exit_code
    for interrupted in ("raise SystemExit(130)", "import os; os.kill(os.getpid(), 2); import time; time.sleep(9)"):
        with pytest.raises(KeyboardInterrupt):
            run_program("a", python(interrupted), log, None)


def test_a_command_that_fails_names_its_step_and_its_table_is_dropped(capsys: pytest.CaptureFixture) -> None:
    def command(arguments: Sequence[str]) -> int:
        print("a table")
        return int(arguments[0])

    call_command("fold 0: data set", command, ["0"])
    assert capsys.readouterr().out == ""
    with pytest.raises(StepFailed, match="fold 0: data set: failed with exit code 4"):
        call_command("fold 0: data set", command, ["4"])
    with pytest.raises(KeyboardInterrupt):
        call_command("fold 0: data set", command, ["130"])


def test_a_folder_is_held_until_the_last_program_that_works_there_has_ended(tmp_path: Path) -> None:
    with held_folder(tmp_path) as held_file:
        assert held_file is not None
        with pytest.raises(RefusedError, match="still works here"), held_folder(tmp_path):
            pass
        run_program("a", python(f"import os; os.fstat({held_file})"), tmp_path / "a.log", held_file)
        orphan = subprocess.Popen(python("import sys; sys.stdin.read()"), stdin=subprocess.PIPE, pass_fds=(held_file,))
    with pytest.raises(RefusedError), held_folder(tmp_path):
        pass
    orphan.communicate()
    with held_folder(tmp_path):
        pass


# Votes of hand-made models: seed 0 sees every bone, seed 1 sees half of each.

HANDS = {f"image{number}.png": (40.0 * (number % 2), number < 3) for number in range(1, 5)}


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> FoldRun:
    folder = tmp_path_factory.mktemp("votes")
    planes = {name: hand_planes(*pose, unit_px=45.0) for name, pose in HANDS.items()}
    write_hands(folder, planes)
    plan = plan_of(folder / "out")
    root = folder / "train"
    runner = StepRunner(StepLedger(plan.out), plan.step_count(), quiet=True)
    run = FoldRun(plan, runner, root, tuple(find_pairs(root, [])), root / "DCM", None)
    make_truth(run)
    for fold in range(2):
        make_data(run, fold)
    validated = [json.loads((plan.data(fold) / "report.json").read_text())["val"] for fold in range(2)]
    make_wrists(run, validated)
    for model in plan.models:
        for part, names in (("val", validated[model.fold]), ("test", sorted(planes))):
            seen = {name: seen_by(planes[name], model) for name in names}
            write_masks(plan.predicted(model, part), ((name, encode(mask)) for name, mask in seen.items()))
            for name, mask in seen.items():
                soft.write(plan.soft(model, part), name, mask * 0.9)
    for seed in range(2):
        join_folds(run, seed)
    for way in plan.seed_votes:
        vote_out_of_fold(run, way)
    return run


def seen_by(planes: np.ndarray, model: FoldModel) -> np.ndarray:
    """Seed 0 sees all; seed 1 every second row. Fold 1 sees no Ulna, so that it can be told which fold spoke."""
    seen = planes.copy()
    if model.seed == 1:
        seen[:, ::2] = False
    if model.fold == 1:
        seen[BONES.index("Ulna")] = False
    return seen


def test_out_of_fold_tables_hold_every_image_once_from_the_model_that_did_not_see_it(voted: FoldRun) -> None:
    with voted.plan.wrists.open(encoding="utf-8", newline="") as stream:
        rows = {row["image_name"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(HANDS)
    assert {name: row["wrist"] for name, row in rows.items()} == {
        name: "bent" if tilt else "straight" for name, (tilt, _) in HANDS.items()
    }
    # Two bent and two straight wrists in two folds: one of each in either.
    assert sorted((row["fold"], row["wrist"]) for row in rows.values()) == [
        (fold, wrist) for fold in "01" for wrist in ("bent", "straight")
    ]
    for seed in range(2):
        assert open_rle_table(voted.plan.joined(seed)).names() == sorted(HANDS)
        masks = read_masks(voted.plan.joined(seed), SIZE)
        for name, row in rows.items():
            assert (masks[name].areas()[BONES.index("Ulna")] == 0) == (row["fold"] == "1")
        assert open_rle_table(voted.plan.joined_soft(seed)).names() == sorted(HANDS)


def test_folds_follow_metadata_where_it_is_given(voted: FoldRun, tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    # Without it both folds hold a bent and a straight wrist; so they do here, and one of each sex.
    rows = [f"{number},{sex}" for number, sex in enumerate("ffmm", start=1)]
    table.write_text("\n".join(["ID,sex", *rows]) + "\n", encoding="utf-8")
    plan = plan_of(tmp_path / "out", metadata=table, stratify=("sex",))
    run = replace(voted, plan=plan, runner=StepRunner(StepLedger(plan.out), plan.step_count(), quiet=True))
    make_data(run, 0)
    report = json.loads((plan.data(0) / "report.json").read_text(encoding="utf-8"))
    assert report["strata"]["columns"] == ["wrist", "sex"]
    assert "stratify" in run.data_settings()
    assert "stratify" not in voted.data_settings()


def test_weights_are_fitted_to_the_better_seed_and_serve_all_its_folds(voted: FoldRun) -> None:
    plan, sizes = voted.plan, dict.fromkeys(HANDS, SIZE)
    truth = plan.truth / "truth.csv"

    def dice(path: Path) -> float:
        return score_file(path, truth, lambda rows: sizes[rows.image_name]).dice

    # The Ulna is missing in two of four images.
    assert dice(plan.joined(0)) == pytest.approx((28 + 0.5) / 29)
    assert dice(plan.voted(SeedVote("hard", "fitted"))) == dice(plan.joined(0))
    # 0.9 and 0 average to 0.45: equal weights keep what both see.
    assert dice(plan.voted(SeedVote("soft", "equal"))) == pytest.approx(dice(plan.joined(1)), abs=1e-6)
    assert dice(plan.voted(SeedVote("soft", "fitted"))) == dice(plan.joined(0))
    vote_on_test(voted, SeedVote("soft", "fitted"))
    names = [f"{model.name}.soft" for model in plan.models]
    weights, _, others = read_ballot_file(plan.test_vote.with_name("models.weights.yaml"), names)
    assert others is None
    first, second, third, fourth = weights["default"]
    assert first == second > third == fourth
    # One of the two folds of seed 0 sees the Ulna: 0.45 of the weight's share of 0.9, so it is not there.
    assert dice(plan.test_vote) == pytest.approx(28 / 29, abs=1e-4)


def test_votes_are_not_repeated_but_follow_their_inputs(voted: FoldRun) -> None:
    way = SeedVote("soft", "equal")
    before = voted.plan.voted(way).stat().st_mtime_ns
    vote_out_of_fold(voted, way)
    assert voted.plan.voted(way).stat().st_mtime_ns == before
    fitted = SeedVote("soft", "fitted")
    before = voted.plan.voted(fitted).stat().st_mtime_ns
    with voted.plan.fitted_weights.open("a", encoding="utf-8") as stream:
        stream.write("# looked at\n")
    vote_out_of_fold(voted, fitted)
    assert voted.plan.voted(fitted).stat().st_mtime_ns != before
    (voted.plan.joined_soft(1) / "image1.png.npz").unlink()
    with pytest.raises(StepFailed, match="seeds: soft vote, equal weights: failed with exit code 2"):
        vote_out_of_fold(voted, way)


def test_scores_by_hand() -> None:
    dice = {name: np.full(29, value) for name, value in (("a", 0.5), ("b", 1.0), ("c", 0.75))}
    row = ScoreRow("seed 0", DiceScores(dice), {"a": "bent", "b": "straight", "c": "bent"})
    record = row.as_record()
    assert (record["dice"], record["images"]) == (0.75, 3)
    assert {wrist: (part["images"], part["dice"]) for wrist, part in record["wrists"].items()} == {
        "straight": (1, 1.0),
        "bent": (2, 0.625),
    }
    head, line = score_table([row]).splitlines()
    assert head.split() == ["model", "images", "all", "29", "finger", "hand", "arm", "straight", "bent"]
    assert line.split() == ["seed", "0", "3", "0.7500", "0.7500", "0.7500", "0.7500", "1.0000", "0.6250"]
    assert score_table([ScoreRow("test", DiceScores(dice), {})]).splitlines()[1].split()[-2:] == ["-", "-"]
    assert union_of([DiceScores({"a": dice["a"]}), DiceScores({"b": dice["b"]})]).dice == 0.75


# The whole, for real.

TRAINING = ("model=yolov8n-seg.yaml", "imgsz=64", "epochs=6", "batch=4", "device=cpu", "threads=1")


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Four patients of 160 x 128 pixels in two folds; interrupted in the first training, then repeated."""
    folder = tmp_path_factory.mktemp("folds")
    raw, out = folder / "raw", folder / "out"
    options = ["--patients", "4", "--test", "1", "--seed", "6", "--size", "160x128", "--bent", "0.5", "--quiet"]
    assert make_phantoms([str(raw), *options]) == 0
    arguments = [str(raw), "--out", str(out), "--folds", "2", "--test", str(raw / "test" / "DCM")]
    arguments += ["--test-truth", str(raw / "test_truth.csv"), *TRAINING, "--quiet"]
    command = [sys.executable, "-m", "yolo_bones.train_folds", *arguments]
    run = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
    training = out / "runs" / "fold0-seed0"
    results = training / "results.csv"
    while run.poll() is None and not (training / "weights" / "last.pt").exists():
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate()
    before = {"code": run.returncode, "said": said, "files": {path.name for path in out.iterdir()}}
    before["results"] = results.read_text() if results.exists() else ""
    return {"raw": raw, "out": out, "arguments": arguments, "interrupted": before, "code": train_folds(arguments)}


def test_an_interrupted_cross_validation_goes_on_in_the_middle_of_a_training(crossed: dict[str, Any]) -> None:
    before = crossed["interrupted"]
    assert before["code"] == 130, before["said"]
    assert before["said"].strip().splitlines()[-1] == "interrupted"
    assert "summary.json" not in before["files"]
    done = before["results"].splitlines()
    assert 2 <= len(done) < 7
    assert crossed["code"] == 0
    after = (crossed["out"] / "runs" / "fold0-seed0" / "results.csv").read_text().splitlines()
    assert after[: len(done)] == done
    assert [line.split(",")[0] for line in after] == ["epoch", "1", "2", "3", "4", "5", "6"]


def test_the_whole_is_written_and_summed_up(crossed: dict[str, Any]) -> None:
    out, raw = crossed["out"], crossed["raw"]
    images = sorted(path.name for path in (raw / "train" / "DCM").rglob("*.png"))
    assert sorted(open_rle_table(out / "out_of_fold" / "seed0.csv").names()) == images
    assert len(open_rle_table(out / "test" / "ensemble.csv").names()) == 2
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["counts"]["images"] == 8
    assert sum(summary["counts"]["wrists"].values()) == 8
    assert [(model["fold"], model["seed"]) for model in summary["models"]] == [(0, 0), (1, 0)]
    assert summary["chosen"] == {"vote": "soft", "weights": "equal"}
    assert [row["name"] for row in summary["scores"]] == [
        "fold 0, seed 0",
        "fold 1, seed 0",
        "seed 0, out of fold",
        "test: fold 0, seed 0",
        "test: fold 1, seed 0",
        "test: all models",
    ]
    assert [row["images"] for row in summary["scores"]] == [4, 4, 8, 2, 2, 2]
    assert str(out) not in (out / "summary.json").read_text(encoding="utf-8")
    arguments = yaml.safe_load((out / "runs" / "fold1-seed0" / "recipe.yaml").read_text(encoding="utf-8"))
    assert (arguments["imgsz"], arguments["seed"]) == (64, 0)


def test_repeated_it_does_nothing_and_says_the_same(crossed: dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    out = crossed["out"]
    state = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    said = (out / "summary.json").read_bytes()
    assert train_folds([argument for argument in crossed["arguments"] if argument != "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("done before") == 2 + 2 + 2 * 3 + 1 + 1
    assert captured.out.splitlines()[0].split()[:2] == ["model", "images"]
    assert (out / "summary.json").read_bytes() == said
    written = {path.name for path, when in state.items() if path.stat().st_mtime_ns != when}
    assert written <= {"summary.json", "bones.yaml"}


def test_other_settings_are_refused_and_bad_ones_found_before_anything_is_made(
    crossed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    raw, arguments = str(crossed["raw"]), crossed["arguments"]
    changed = ["epochs=7" if argument == "epochs=6" else argument for argument in arguments]
    assert train_folds(changed) == 3
    assert "last.pt: was made with other settings" in capsys.readouterr().err
    assert train_folds([*arguments, "--seed", "1"]) == 3
    out = tmp_path / "none"
    for wrong in (
        ["--folds", "5"],
        ["--folds", "1"],
        ["--seeds", "0"],
        ["--seeds", "9"],
        ["epochs"],
        ["name=x"],
        ["--test", str(tmp_path / "nowhere")],
        ["--test-truth", str(crossed["raw"] / "test_truth.csv")],
        ["--test", str(crossed["raw"] / "train"), "--test-truth", str(crossed["raw"] / "test_truth.csv")],
        ["--export", "--out elsewhere.csv"],
        ["--export", "'"],
        ["--stratify", "sex"],
        ["--metadata", str(tmp_path / "nowhere.csv"), "--stratify", "sex"],
    ):
        assert train_folds([raw, "--out", str(out), *wrong]) == 2, wrong
        assert not out.exists()
    with pytest.raises(SystemExit):
        train_folds([raw, "--out", str(out), "--export=--no-such-option"])
    assert train_folds([raw, "--folds", "2", "--out", str(Path(raw) / "train" / "DCM" / "out")]) == 3


def test_a_training_that_fails_ends_the_command_with_its_exit_code(
    crossed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(crossed["raw"]), "--out", str(tmp_path / "out"), "--folds", "2", "no_such_key=1", "--quiet"]
    assert train_folds(arguments) == 2
    said = capsys.readouterr().err
    assert "fold 0, seed 0: training: failed with exit code 2, see" in said
    assert "no_such_key" in (tmp_path / "out" / "runs" / "fold0-seed0.log").read_text()
