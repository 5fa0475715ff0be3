"""Work in several processes: order, faults, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from yolo_bones.errors import InputError, InputErrors, MachineError, RefusedError
from yolo_bones.parallel import work_in_order


def square(number: int) -> int:
    return number * number


def die_once(mark: Path, number: int) -> int:
    if number == 3 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return -number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(kind: str) -> str:
    errors = {"input": InputError("a.png", "x", "y", "z"), "refused": RefusedError("no"), "value": ValueError("odd")}
    if kind in errors:
        raise errors[kind]
    return kind


def sleep(folder: Path, number: int) -> int:
    (folder / f"{os.getpid()}").write_text("")
    time.sleep(60)
    return number


def test_results_come_in_order_however_many_work() -> None:
    wanted = [number * number for number in range(9)]
    assert list(work_in_order(square, range(9), 1)) == wanted
    assert list(work_in_order(square, iter(range(9)), 2)) == wanted
    assert list(work_in_order(square, [], 2)) == []


def test_an_item_whose_process_died_is_named_and_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = partial(die_once, tmp_path / "died")
    assert list(work_in_order(work, range(6), 2, named=lambda number: f"image{number}.png")) == [0, -1, -2, -3, -4, -5]
    assert capsys.readouterr().err.startswith("image3.png: the process that worked on it was killed")


def test_an_item_that_kills_two_processes_is_a_machine_error() -> None:
    with pytest.raises(MachineError, match=r"image2\.png: the processes that worked on it were killed"):
        list(work_in_order(die, range(4), 2, named=lambda number: f"image{number}.png"))


def test_faults_and_errors_come_back_as_what_they_are() -> None:
    with pytest.raises(InputErrors, match=r"a\.png: x: expected y, got z"):
        list(work_in_order(fail, ["good", "input"], 2))
    with pytest.raises(RefusedError, match="no"):
        list(work_in_order(fail, ["refused"], 2))
    with pytest.raises(ValueError, match="odd"):
        list(work_in_order(fail, ["value"], 2))


def test_helpers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = f"""
from functools import partial
from pathlib import Path
from tests.test_parallel import sleep
from yolo_bones.parallel import work_in_order
if __name__ == "__main__":
    list(work_in_order(partial(sleep, Path({str(tmp_path)!r})), [1, 2], 2))
"""
    script = tmp_path / "main.txt"
    script.write_text(code)
    started = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while len([path for path in tmp_path.iterdir() if path.name.isdigit()]) < 2:
        assert started.poll() is None
        time.sleep(0.05)
    started.kill()
    started.wait()
    helpers = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    until = time.monotonic() + 10.0
    while any(is_alive(helper) for helper in helpers):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
