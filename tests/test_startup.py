"""An interrupt while libraries load ends a command with one line; nobody else's signals are touched."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WAIT = "import time; print('loading', flush=True); time.sleep(30)\n"
"""In the place of a library that takes long."""


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "yolo_bones.audit_points", "RAW"],
        [sys.executable, "-m", "converters.points_to_rle", "RAW", "OUT"],
        [str(Path(sys.executable).with_name("yolo-bones")), "explore", "RAW", "--out", "OUT"],
    ],
    ids=["module", "converter", "script"],
)
def test_an_interrupt_while_libraries_load_is_one_line(command: list[str], tmp_path: Path) -> None:
    if not Path(command[0]).exists():
        pytest.skip("the package is not installed")
    (tmp_path / "numpy.py").write_text(WAIT)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == "interrupted\n"


def test_importing_the_package_changes_no_signal() -> None:
    code = "import signal, yolo_bones; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("megabytes", [60, 150, 450])
def test_no_memory_for_libraries_is_one_line_and_not_the_exit_code_of_findings(megabytes: int) -> None:
    command = [sys.executable, "-m", "yolo_bones.draw_rle", "masks.csv"]
    limit = megabytes << 20
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.returncode, done.stderr) == (4, "error: not enough memory to load libraries\n")
