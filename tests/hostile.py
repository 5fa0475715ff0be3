"""Hostile files, each in a process of its own that has one gigabyte and two seconds.

    python -m tests.hostile [--size 256x208] [--only json] [--wall]

Memory is the whole address space (RLIMIT_AS), the libraries' included; time is what the process computes, its start
included. --wall looks at the clock instead, on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.bad_inputs.case import EXITS, Case
from tests.bad_inputs.hostile_cases import CASES
from yolo_bones.command_line import image_size_argument

MOST_BYTES = 1 << 30
MOST_S = 2.0
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


@dataclass(frozen=True)
class Settled:
    """How one file was settled."""

    code: int
    text: str
    computed_s: float
    wall_s: float
    resident_mb: float


def settle(case: Case, size: tuple[int, int], place: Path) -> Settled:
    """Meet one case within the limits; address space is limited, resident memory is told."""
    folder, out = place / "case", place / "out"
    folder.mkdir()
    out.mkdir()
    # In a process of its own: what a process takes counts as taken by those that it starts.
    maker = get_context("fork").Process(target=case.make, args=(folder, size))
    maker.start()
    maker.join()
    command = [sys.executable, "-m", *case.arguments(folder, out, size)]
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    said = place / "said.txt"
    began = time.perf_counter()
    with said.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=out, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, preexec_fn=_limit
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    text = said.read_text(encoding="utf-8", errors="backslashreplace")
    return Settled(process.returncode, text, used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def faults_of(case: Case, settled: Settled) -> list[str]:
    """What does not hold, time left aside."""
    faults = [] if settled.code == EXITS[case.expect] else [f"exit {settled.code}, not {EXITS[case.expect]}"]
    if "Traceback" in settled.text:
        faults.append("a traceback")
    return faults + [f"does not mention {wanted}" for wanted in case.must if wanted not in settled.text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=image_size_argument, default=image_size_argument("256x208"))
    parser.add_argument("--only", default="", help="part of the cases' names")
    parser.add_argument("--wall", action="store_true", help="look at the clock, not at the time computed")
    arguments = parser.parse_args()
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    chosen = [case for case in CASES if arguments.only in case.name]
    bad, slowest, largest = 0, 0.0, 0.0
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="hostile-") as place:
            settled = settle(case, (arguments.size.height, arguments.size.width), Path(place))
        seconds = settled.wall_s if arguments.wall else settled.computed_s
        faults = faults_of(case, settled) + ([f"{seconds:.1f} s"] if seconds > MOST_S else [])
        slowest, largest = max(slowest, seconds), max(largest, settled.resident_mb)
        bad += bool(faults)
        verdict = "; ".join(faults) or "ok"
        # A process counts as having taken what the one that started it had taken.
        memory = f"{settled.resident_mb:4.0f}" if settled.resident_mb > own_mb + 8 else f"<{own_mb:3.0f}"
        print(f"{case.name:42s} {seconds:5.2f} s  {memory} MB  {verdict}", flush=True)
        if faults:
            print(settled.text[-400:])
    good = len(chosen) - bad
    print(f"{good} of {len(chosen)} settled within {MOST_S:g} s and 1 GB; the most: {slowest:.2f} s, {largest:.0f} MB")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
