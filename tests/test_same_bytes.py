"""The same files whatever the hash seed, the locale, the order of folders, the number of workers, without a network.

`make same-bytes` runs each command ten times.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.cases import CASES
from tests.faults.same_bytes import surroundings

SLOW = ("explore_points", "make_phantoms_workers", "points_to_yolo_canonical", "export_rle", "ship_weights")


def test_surroundings_differ_in_all_that_they_should() -> None:
    made = [surroundings(number) for number in range(10)]
    assert len({one.hash_seed for one in made}) == 10
    assert {one.locale for one in made} >= {"C", "ko_KR.UTF-8"}
    assert {one.workers for one in made} == {1, 4}
    assert {one.network for one in made} == {True, False}


def test_three_runs_of_each_command_give_the_same_bytes(tmp_path: Path) -> None:
    names = [case.name for case in CASES if case.name not in SLOW]
    options = ["--runs", "3", "--state", str(tmp_path), "--case", *names]
    command = [sys.executable, "-m", "tests.faults.same_bytes", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    assert done.stdout.count("3 of 3 runs") == len(names)
