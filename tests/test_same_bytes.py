"""The same files whatever the hash seed, the locale, the order of folders, the number of workers, without a network.

`make same-bytes` runs each command ten times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.kill_many import in_child
from tests.faults.same_bytes import compare, surroundings

SLOW = ("explore_points", "make_phantoms_workers", "points_to_yolo_canonical", "export_rle", "ship_weights")


def test_surroundings_differ_in_all_that_they_should() -> None:
    made = [surroundings(number) for number in range(10)]
    assert len({one.hash_seed for one in made}) == 10
    assert {one.locale for one in made} >= {"C", "ko_KR.UTF-8"}
    assert {one.workers for one in made} == {1, 4}
    assert {one.network for one in made} == {True, False}


def test_three_runs_of_each_command_give_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.faults.cases import inputs_in

    in_child(lambda: inputs_in(tmp_path))
    names = [case.name for case in CASES if case.name not in SLOW]
    assert compare(names, tmp_path, [0, 1, 2]) == dict.fromkeys(names, 3), capsys.readouterr().out
