"""The file of settings beside weights: what it says, what is refused, and what wins over it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from yolo_bones.bones import BONES
from yolo_bones.detector.look_settings import TURNS, LookSettings
from yolo_bones.detector.stored_settings import (
    Calibration,
    StoredSettings,
    parse_settings,
    read_settings,
    settings_path,
    settings_text,
)
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.look_options import add_look_arguments, resolve_settings, warnings_of
from yolo_bones.merger import MergeSettings

SHA = "0123456789abcdef" * 4
TRAINED = SimpleNamespace(training_size=512, overlap_mask=False, path=Path("best.pt"))
AS_TRAINED = LookSettings(longest_px=512, canonical_px=512, closeup_px=512)


def write(folder: Path, content: str) -> Path:
    path = folder / "best.yaml"
    path.write_text(content, encoding="utf-8")
    return path


def parse(words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_look_arguments(parser)
    return parser.parse_args(words.split())


def resolve(words: str = "", stored: StoredSettings | None = None, weights: object = TRAINED) -> object:
    return resolve_settings(parse(words), weights, stored)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    look = LookSettings(longest_px=768, canonical=True, turns=(-4.0, 4.5), zooms=(1.25,), side_doubt=0.6)
    thresholds = tuple(0.125 * number - 1.0 for number in range(len(BONES)))
    merging = MergeSettings(companions=3, tidy=True, box_margin=0.1, logit_thresholds=thresholds)
    about = Calibration(images=6, patients=3, note="hands, größer", dice_before=0.5, dice_after=0.625)
    text = settings_text(SHA, look, merging, about)
    stored = parse_settings(write(tmp_path, text))
    assert stored.look_settings(LookSettings()) == look
    assert stored.merge_settings(MergeSettings()) == merging
    assert stored.calibrated_on == about
    assert settings_text(SHA, look, merging, about) == text


def test_what_a_file_leaves_out_is_as_trained(tmp_path: Path) -> None:
    text = f"sha256: {SHA}\nlook: {{canonical: true}}\nmerge: {{logit_threshold: -0.5}}\nthresholds: {{Ulna: 1}}\n"
    stored = parse_settings(write(tmp_path, text))
    looking, merging = resolve("", stored)
    assert looking == replace(AS_TRAINED, canonical=True)
    assert merging.logit_thresholds == (-0.5,) * 28 + (1.0,)
    assert replace(merging, logit_thresholds=None) == MergeSettings(logit_threshold=-0.5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected keys sha256, look, merge"),
        ("- 1", "expected keys sha256, look, merge"),
        ("sha256: 9e4d", "sha256: expected string should match"),
        ("look: {longest_px: 640}", "sha256: expected field required"),
        ("sha256: SHA\npixels: 3", "pixels: expected extra inputs are not permitted"),
        ("sha256: SHA\nlook: {longest_pixels: 3}", "look.longest_pixels: expected extra inputs"),
        ("sha256: SHA\nlook: {longest_px: '640'}", "look.longest_px: expected input should be a valid integer"),
        ("sha256: SHA\nlook: {longest_px: 16}", "longest_px: expected input pixels from 32 to 8192, got 16"),
        ("sha256: SHA\nlook: {turns: 5}", "look.turns: expected input should be a valid list"),
        ("sha256: SHA\nlook: {zooms: [0.0]}", "expected a closeup_height and zooms above 0"),
        ("sha256: SHA\nmerge: {tidy: 1}", "merge.tidy: expected input should be a valid boolean"),
        ("sha256: SHA\nmerge: {companions: 0}", "merge.companions: expected input should be greater"),
        ("sha256: SHA\nmerge: {box_margin: -1}", "merge.box_margin: expected input should be greater"),
        ("sha256: SHA\nmerge: {logit_thresholds: [1]}", "merge.logit_thresholds: expected extra inputs"),
        ("sha256: SHA\nthresholds: {Ulna: .nan}", "thresholds.Ulna: expected input should be a finite number"),
        ("sha256: SHA\nthresholds: {Thumb: 0}", "thresholds.Thumb: expected the name of a bone, got Thumb"),
        ("sha256: SHA\nsha256: SHA", "key sha256 twice"),
        ("sha256: SHA\nlook: &a {}\nmerge: *a", "a tag or an alias"),
        ("sha256: !!python/name:os.system SHA", "a tag or an alias"),
        ("sha256: [", "expected a YAML file of settings"),
        ("sha256: SHA\ncalibrated_on: {images: 0, patients: 1, dice_before: 0, dice_after: 2}", "calibrated_on.images"),
    ],
)
def test_files_that_are_wrong_name_the_field(tmp_path: Path, content: str, says: str) -> None:
    path = write(tmp_path, content.replace("SHA", SHA))
    with pytest.raises(InputError, match=r"best\.yaml") as caught:
        parse_settings(path)
    assert says in str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    for content in (b"\xff\xfe", b"sha256: \x00", b"x" * 300_000):
        path.write_bytes(content)
        with pytest.raises(InputError):
            parse_settings(path)
    with pytest.raises(InputError, match="existing file"):
        parse_settings(tmp_path / "none.yaml")


def test_settings_of_other_weights_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "best.pt"
    assert read_settings(weights, SHA) is None
    write(tmp_path, f"sha256: {SHA}\n")
    assert read_settings(weights, SHA) == StoredSettings(SHA)
    with pytest.raises(RefusedError, match=r"best\.yaml: was made for weights with sha256 0123.*--no-calibration"):
        read_settings(weights, "f" * 64)


def test_the_command_line_wins_over_the_file_and_that_over_the_training() -> None:
    assert resolve() == (AS_TRAINED, MergeSettings())
    assert resolve(weights=SimpleNamespace(training_size=None, overlap_mask=None))[0].longest_px == 640
    assert resolve(weights=SimpleNamespace(training_size=256, overlap_mask=None))[0].first_look_px == 256
    stored = StoredSettings(
        SHA,
        {"longest_px": 640, "canonical": True, "closeup": True, "turns": [3.0], "first_look_px": 256},
        {"tidy": True, "least_confidence": 0.2},
    )
    looking, merging = resolve("", stored)
    assert (looking.longest_px, looking.canonical_px, looking.canonical, looking.turns) == (640, 512, True, (3.0,))
    assert (merging.tidy, merging.least_confidence) == (True, 0.2)
    words = "--imgsz 768 --closeup-imgsz 384 --no-canonical --no-closeup --tta flip --no-tidy --conf 0.05"
    looking, merging = resolve(words, stored)
    assert looking == replace(
        AS_TRAINED, longest_px=768, canonical_px=768, closeup_px=384, first_look_px=256, flips=True
    )
    assert (merging.tidy, merging.least_confidence, merging.place_prior) == (False, 0.05, 0.0)
    assert resolve("--tta turn", stored)[0].turns == (3.0,)
    assert resolve("--tta turn")[0].turns == TURNS
    assert resolve("--tta none", stored)[0].turns == ()
    assert resolve("--canonical --keep-first --first-imgsz 128 --place-prior 2")[0] == replace(
        AS_TRAINED, canonical=True, keep_first=True, first_look_px=128
    )


def test_flattened_checkpoints_are_repaired_unless_told_otherwise() -> None:
    flattened = SimpleNamespace(training_size=512, overlap_mask=True, path=Path("flat.pt"))
    said: list[str] = []
    for weights, words, repaired, warns in (
        (TRAINED, "", False, ""),
        (TRAINED, "--repair-flattened", True, ""),
        (flattened, "", True, "is filled in again (--no-repair-flattened leaves it)"),
        (flattened, "--no-repair-flattened", False, "--repair-flattened fills in what smaller bones cover"),
        (SimpleNamespace(training_size=512, overlap_mask=None, path=Path("x.pt")), "", False, ""),
    ):
        looking, merging = resolve(words, weights=weights)
        assert merging.repair_flattened is repaired
        warnings = warnings_of(parse(words), weights, looking, merging, said.append)
        assert len(warnings) == bool(warns)
        assert all(line.startswith("flat.pt was trained with overlap_mask=True") for line in warnings)
        assert all(line.endswith(warns) for line in warnings)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        ("--keep-first", ["--keep-first"]),
        ("--first-imgsz 64 --closeup", ["--first-imgsz"]),
        ("--closeup-imgsz 64 --keep-first", ["--keep-first", "--closeup-imgsz"]),
        ("--canonical --keep-first --first-imgsz 64 --closeup --closeup-imgsz 64", []),
        ("--no-keep-first", []),
    ],
)
def test_options_that_do_nothing_are_named(words: str, idle: list[str]) -> None:
    warnings = warnings_of(parse(words), TRAINED, *resolve(words), lambda _: None)
    assert [line.split()[0] for line in warnings] == idle
    assert all("does nothing without" in line for line in warnings)


@pytest.mark.parametrize(
    "words", ["--imgsz 31", "--imgsz 9000", "--imgsz x", "--tta spin", "--tta ,", "--conf 2", "--place-prior -1"]
)
def test_options_out_of_range_are_refused(words: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as done:
        resolve(words)
    assert done.value.code == 2
    assert words.split()[0] in capsys.readouterr().err


def test_the_shipped_settings_are_those_of_the_shipped_weights() -> None:
    pytest.importorskip("torch")
    from yolo_bones.detector.weights import SHIPPED, load_weights

    stored = read_settings(SHIPPED, load_weights(SHIPPED).sha256)
    assert stored is not None
    assert settings_path(SHIPPED) == ROOT / "weights" / "bones-n.yaml"
