"""Kills, full disks, many at once, signals: `make faults` does the same at length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

KILLED = (
    "points_to_yolo",
    "points_to_rle",
    "ensemble_rle",
    "convert_table",
    "evaluate_rle",
    "coco_to_rle",
    "metadata_to_csv",
    "draw_rle",
    "rle_to_points",
    "coco_to_points",
)
KILLS_OF_EACH = 10
CHECKED = (
    ("disk-full", ("points_to_yolo", "convert_table")),
    ("file-limit", ("ensemble_rle", "rle_to_points")),
    ("read-only", ("points_to_yolo", "ensemble_rle", "draw_rle", "make_phantoms", "metadata_to_csv")),
    ("memory", ("points_to_rle", "evaluate_rle")),
    ("eight", ("points_to_yolo", "ensemble_rle", "make_phantoms")),
    ("changed", ("points_to_yolo", "ensemble_rle", "coco_to_rle", "metadata_to_csv", "evaluate_rle")),
    ("signals", ("points_to_yolo", "make_phantoms_workers")),
    ("dying-worker", ("make_phantoms_workers",)),
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the inputs are made, once."""
    return tmp_path_factory.mktemp("faults")


def run(module: str, *arguments: str) -> str:
    """Run one of the harnesses; it fails where something was lost."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-m", f"tests.faults.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_a_hundred_kills_leave_the_old_or_the_new_and_are_made_good(state: Path) -> None:
    said = run("kill_many", "--state", str(state), "--kills", str(KILLS_OF_EACH), "--case", *KILLED)
    assert f"{KILLS_OF_EACH * len(KILLED):4} kills" in said.splitlines()[-1]


@pytest.mark.parametrize(("check", "cases"), CHECKED, ids=[check for check, _ in CHECKED])
def test_a_failing_machine_is_said_in_one_line_and_nothing_is_lost(
    state: Path, check: str, cases: tuple[str, ...]
) -> None:
    said = run("machine", "--state", str(state), "--check", check, "--case", *cases)
    if "skipped" in said:
        pytest.skip(said.strip())
    assert len(said.splitlines()) == len(cases)
