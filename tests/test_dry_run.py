"""`points_to_yolo --dry-run` reads and checks all and writes a report, in whose place a conversion may come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.points_to_yolo import main
from tests.conftest import annotation_files, edit_json


def run(*arguments: object) -> int:
    return main([*map(str, arguments), "--quiet"])


def test_only_a_report_is_written_and_it_tells_what_would_be_mended(raw: Path, tmp_path: Path) -> None:
    edit_json(annotation_files(raw)[0], lambda record: record["annotations"].pop())
    out = tmp_path / "out"
    assert run(raw, out, "--dry-run") == 0
    assert [path.name for path in out.rglob("*")] == ["report.json"]
    report = json.loads((out / "report.json").read_text())
    assert report["dry_run"] is True
    assert report["counters"] == {"missing_bones": 1}
    assert report["images"] == len(annotation_files(raw))


def test_a_conversion_follows_a_check_and_a_check_never_a_conversion(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(raw, out, "--dry-run") == 0
    assert run(raw, out, "--dry-run") == 0
    assert run(raw, out) == 0
    before = (out / "report.json").read_bytes()
    assert "dry_run" not in json.loads(before)
    assert run(raw, out, "--dry-run") == 3
    assert (out / "report.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--folds", "1"], "--folds"),
        (["--fold", "7"], "--fold"),
        (["--metadata", "nowhere.csv", "--stratify", "sex"], "nowhere.csv"),
        (["--train-list", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_options_are_checked_too(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], says: str
) -> None:
    assert run(raw, tmp_path / "out", "--dry-run", *options) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_leak_between_lists_is_found(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images = sorted((raw / "DCM").rglob("*.png"))
    of_one = [path for path in images if path.parent == images[0].parent]
    (raw / "train.txt").write_text(f"{of_one[0].name}\n")
    (raw / "val.txt").write_text("".join(f"{path.name}\n" for path in images if path != of_one[0]))
    assert run(raw, tmp_path / "out", "--dry-run") == 2
    assert of_one[0].parent.name in capsys.readouterr().err
