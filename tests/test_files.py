"""Files that are old or new, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolo_bones.files import TEMPORARY_MARK, replacing, sweep_beside, sweep_temporaries


def test_left_over_files_are_swept_but_not_those_being_written(tmp_path: Path) -> None:
    target, other = tmp_path / "a.csv", tmp_path / "b.csv"
    dead = tmp_path / f".a.csv{TEMPORARY_MARK}dead"
    foreign = tmp_path / f".b.csv{TEMPORARY_MARK}dead"
    dead.write_text("half")
    foreign.write_text("half")
    with replacing(target) as stream:
        stream.write("whole")
        assert sweep_beside(target) == 1
        assert not dead.exists()
        assert foreign.exists()
        assert sweep_temporaries(tmp_path) == 1
    assert target.read_text() == "whole"
    assert sweep_beside(target, other) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with pytest.raises(KeyboardInterrupt), replacing(target):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
