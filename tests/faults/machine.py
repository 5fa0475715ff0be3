"""What commands do when the machine fails: no space, nothing writable, no memory, many at once, signals, dying helpers.

    python -m tests.faults.machine [--check NAME ...] [--case NAME ...] [--thorough]

Every command must say so in one line, leave final names old or new, and end well when it is called again.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import ctypes
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.faults import runs
from tests.faults.cases import BY_NAME, CASES, Case, inputs_in, with_inputs
from tests.faults.kill_many import import_all, in_child, sources_digest

MOUNT_NAMESPACE = 0x00020000
LONGEST_END_S = 10.0
ONE_BY_ONE = ("lines/", "out/image", "soft/")
"""Pictures and soft channels, which get their names as they are made."""
PAGE = 4096
"""The smallest file system."""
ROOM_FOR_LOG = 3000
"""What a run says goes into a file, too."""
MEGABYTES = (60, 300, 500, 520, 550, 600, 700, 900)
"""Of memory; libraries alone take some 400 of these."""


class Bench:
    """One case and its place."""

    def __init__(self, case: Case, inputs: Path, work: Path, thorough: bool) -> None:
        self.case, self.inputs, self.work, self.thorough = case, inputs, work, thorough
        self.trial = work / "trial"
        self.arguments = with_inputs(case.arguments, inputs)

    def clear(self) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        self.case.lay_out(self.trial, self.inputs)
        self.forget_log()

    def forget_log(self) -> None:
        Path(f"{self.trial}.log").unlink(missing_ok=True)

    def log(self) -> str:
        path = Path(f"{self.trial}.log")
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def run(self, arguments: list[str] | None = None, before: Callable[[], None] | None = None) -> int:
        started = runs.start(self.case.module, arguments or self.arguments, self.trial, before=before)
        return runs.finish(started)[0]

    def normal(self) -> dict[str, str]:
        self.clear()
        assert self.run() == self.case.code, self.log()
        return runs.tree(self.trial)

    def check_refusal(self, code: int, wanted: int, what: str, lines: int = 1) -> str:
        """One line of error and the right exit code; returns that line."""
        said = self.log()
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert code == wanted, f"{self.case.name}: {what}: exit {code} instead of {wanted}:\n{said}"
        assert "Traceback" not in said, f"{self.case.name}: {what}:\n{said}"
        assert len(errors) == lines, f"{self.case.name}: {what}: {len(errors)} error lines:\n{said}"
        return errors[0]

    def check_repeated(self, normal: dict[str, str], what: str) -> None:
        """Called again, it does what it would have done."""
        self.forget_log()
        code = self.run([*self.arguments, *self.case.again])
        if code == 3:
            code = self.run([*self.arguments, *self.case.overwrite])
        assert code == self.case.code, f"{self.case.name}: {what}: called again it ended with {code}:\n{self.log()}"
        self.check_tree(normal, what)

    def check_tree(self, normal: dict[str, str], what: str) -> None:
        found = runs.tree(self.trial)
        names = found.keys() | normal.keys()
        differing = sorted(name for name in names if found.get(name) != normal.get(name))
        assert not differing, f"{self.case.name}: {what}: {differing} differ from an undisturbed run"

    def check_final_names(self, normal: dict[str, str], what: str) -> None:
        for name, digest in runs.final_names(runs.tree(self.trial)).items():
            assert digest == normal.get(name), f"{self.case.name}: {what}: {name} is torn"


def mounts_are_allowed() -> bool:
    """Move into a name space of our own, where mounts are nobody else's; False where the system does not let us."""
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or library.unshare(MOUNT_NAMESPACE) != 0:
        return False
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Callable[[str], None]]:
    """A file system of so many bytes at a place; yields what changes its options."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(size, PAGE)}", "tmpfs", str(place)], check=True)
    try:
        yield lambda options: void(["mount", "-o", f"remount,{options}", str(place)])
    finally:
        subprocess.run(["umount", str(place)], check=True)


def void(command: list[str]) -> None:
    subprocess.run(command, check=True)


def used_bytes(place: Path) -> int:
    state = os.statvfs(place)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def check_disk_full(bench: Bench) -> str:
    """A disk that is full after some part of what the run writes."""
    bench.clear()
    with small_disk(bench.trial, 1 << 30):
        assert bench.run() == bench.case.code, bench.log()
        normal, needed = runs.tree(bench.trial), used_bytes(bench.trial)
    refused = 0
    shares = [part / 16 for part in range(17)] if bench.thorough else [0.0, 0.25, 0.5, 0.75, 0.9]
    for share in shares:
        bench.clear()
        with small_disk(bench.trial, int(needed * share)) as change:
            code = bench.run()
            if code != bench.case.code:
                bench.check_refusal(code, 4, f"disk full at {share:.2f}")
                refused += 1
            bench.check_final_names(normal, f"disk full at {share:.2f}")
            change("size=1g")
            bench.check_repeated(normal, f"disk full at {share:.2f}")
    assert refused or needed <= PAGE, f"{bench.case.name}: no disk was too small"
    return f"{refused} of {len(shares)} sizes too small"


def check_file_limit(bench: Bench) -> str:
    """No file may become larger than so many bytes: the same, for those who may not mount."""
    normal = bench.normal()
    largest = max(path.stat().st_size for path in bench.trial.rglob("*") if path.is_file())
    refused = 0
    shares = (0.0, 0.1, 0.5, 0.9, 0.99)
    for share in shares:
        limit = max(int(largest * share), ROOM_FOR_LOG)
        bench.clear()
        code = bench.run(before=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        if code != bench.case.code:
            bench.check_refusal(code, 4, f"files of {limit} bytes")
            refused += 1
        bench.check_final_names(normal, f"files of {limit} bytes")
        bench.check_repeated(normal, f"files of {limit} bytes")
    assert refused or largest <= ROOM_FOR_LOG, f"{bench.case.name}: nothing was too large"
    return f"{refused} of {len(shares)} limits too small"


def check_read_only(bench: Bench) -> str:
    """A place that cannot be written is noticed before any input is opened."""
    bench.clear()
    opened = Path(f"{bench.trial}.opened")

    def watch() -> None:
        descriptor = os.open(opened, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

        def hook(event: str, values: tuple[Any, ...]) -> None:
            if event == "open" and isinstance(values[0], str) and values[0].startswith(str(bench.inputs)):
                os.write(descriptor, f"{values[0]}\n".encode())

        sys.addaudithook(hook)

    with small_disk(bench.trial, 1 << 26) as change:
        bench.case.lay_out(bench.trial, bench.inputs)
        change("ro")
        line = bench.check_refusal(bench.run(before=watch), 4, "read-only")
    read = opened.read_text(encoding="utf-8").split()
    assert not read, f"{bench.case.name}: {read[:3]} were opened before it was seen that nothing can be written"
    return line


def check_memory(bench: Bench) -> str:
    """Too little memory, for libraries or for the work, is said in one line."""
    normal = bench.normal()
    refused = 0
    for megabytes in MEGABYTES:
        bench.clear()
        limit = megabytes << 20
        command = [sys.executable, "-m", bench.case.module, *bench.arguments, "--quiet"]
        with Path(f"{bench.trial}.log").open("wb") as log:
            done = subprocess.run(
                command,
                cwd=bench.trial,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                check=False,
                preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
            )
        what = f"{megabytes} MiB"
        if done.returncode != bench.case.code:
            bench.check_refusal(done.returncode, 4, what)
            refused += 1
        bench.check_final_names(normal, what)
        bench.check_repeated(normal, what)
    assert refused, f"{bench.case.name}: no limit was too small"
    return f"{refused} of {len(MEGABYTES)} limits too small"


def check_eight(bench: Bench) -> str:
    """Eight at once on one output: one makes it, the others say so."""
    normal = bench.normal()
    bench.clear()
    started = [runs.start(bench.case.module, bench.arguments, bench.trial) for _ in range(8)]
    codes = [runs.finish(one)[0] for one in started]
    said = bench.log()
    assert "Traceback" not in said, said
    assert codes.count(bench.case.code) >= 1, f"{bench.case.name}: {codes}:\n{said}"
    assert set(codes) <= {bench.case.code, 3}, f"{bench.case.name}: {codes}:\n{said}"
    if bench.case.overwrite:
        assert codes.count(bench.case.code) == 1, f"{bench.case.name}: {codes}:\n{said}"
    bench.check_tree(normal, "eight at once")
    return f"{codes.count(3)} refused"


def check_changed(bench: Bench) -> str:
    """An input that is written while it is read: an error that names it, and nothing is made."""
    private = bench.work / "inputs"
    shutil.rmtree(private, ignore_errors=True)
    shutil.copytree(bench.inputs, private)
    sources = [Path(given) for given in with_inputs(bench.case.arguments, private) if given.startswith(str(private))]
    sources = [source for source in sources if source.name not in ("images", "table.csv")] or sources
    if not sources:
        return "no input"
    chosen = sources[0]
    if chosen.is_dir():
        chosen = sorted(path for path in chosen.rglob("*") if path.suffix in (".json", ".png"))[-1]
    bench.clear()
    arguments = with_inputs(bench.case.arguments, private)
    code = bench.run(arguments, before=lambda: change_when_opened(chosen))
    line = bench.check_refusal(code, 2, f"{chosen.name} changed")
    assert chosen.name in line, line
    left = [name for name in runs.final_names(runs.tree(bench.trial)) if not name.startswith(ONE_BY_ONE)]
    left = [name for name in left if name not in bench.case.copied]
    assert not left, f"{bench.case.name}: {sorted(left)} were made of it"
    return line.replace(str(bench.work), "")[:100]


def change_when_opened(chosen: Path) -> None:
    """Have a file change right after it was opened for the first time."""
    done = []

    def changing(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(file: Any, *arguments: Any, **options: Any) -> Any:
            stream = function(file, *arguments, **options)
            if not done and str(file) == str(chosen):
                done.append(True)
                os.utime(chosen, ns=(1, 1))
            return stream

        return wrapped

    builtins.open = changing(builtins.open)  # type: ignore[assignment]
    io.open = changing(io.open)  # type: ignore[assignment]


def check_signals(bench: Bench) -> str:
    """Ctrl-C and SIGTERM: exit code 130 soon, everything tidied up, and it goes on when called again."""
    bench.clear()
    start = time.perf_counter()
    assert bench.run() == bench.case.code, bench.log()
    seconds = time.perf_counter() - start
    normal = runs.tree(bench.trial)
    chance = random.Random(bench.case.name)
    interrupted, slowest = 0, 0.0
    for number in range(12 if bench.thorough else 4):
        bench.clear()
        started = runs.start(bench.case.module, bench.arguments, bench.trial)
        time.sleep(chance.uniform(0.02, seconds))
        sent = time.perf_counter()
        if number % 2:
            os.kill(started[0], signal.SIGTERM)
        else:
            os.killpg(started[0], signal.SIGINT)  # as a terminal does: workers get it too
        code, _ = runs.finish(started)
        took = time.perf_counter() - sent
        what = f"signal {number}"
        # A run that has not come so far as to listen is ended by the system.
        assert code in (130, bench.case.code, -signal.SIGTERM), f"{bench.case.name}: {what}: {code}:\n{bench.log()}"
        assert took < LONGEST_END_S, f"{bench.case.name}: {what}: took {took:.1f} s"
        if code == 130:
            interrupted += 1
            slowest = max(slowest, took)
            assert bench.log().splitlines()[-1] == "interrupted", bench.log()
            assert "Traceback" not in bench.log(), bench.log()
            left = [name for name in runs.tree(bench.trial) if ".tmp-" in name]
            assert not left, f"{bench.case.name}: {what}: {left} left over"
        bench.check_final_names(normal, what)
        bench.check_repeated(normal, what)
    return f"{interrupted} interrupted, the slowest in {slowest:.1f} s"


def check_dying_worker(bench: Bench) -> str:
    """A helper process that is killed: what it had is named and done again."""
    normal = bench.normal()
    bench.clear()
    started = runs.start(bench.case.module, bench.arguments, bench.trial)
    victim = 0
    while not victim:
        victim = runs.busy_child(started[0])
        time.sleep(0.02)
    os.kill(victim, signal.SIGKILL)
    code, _ = runs.finish(started)
    assert code == bench.case.code, bench.log()
    assert "tried once more" in bench.log(), bench.log()
    bench.check_tree(normal, "a worker killed")
    return bench.log().splitlines()[0]


OF_NUMPY = ("points_to_rle", "points_to_coco", "evaluate_rle", "draw_rle", "coco_to_rle", "metadata_to_csv")
"""Libraries of others (polars, torch, the BLAS of scipy) may end a process without memory, or wait in it for ever."""
ALONE = [case for case in CASES if not case.processes and not case.copied]
WORKING = [case.name for case in CASES if case.processes]
CHECKS: dict[str, tuple[Callable[[Bench], str], list[str]]] = {
    "disk-full": (check_disk_full, [case.name for case in ALONE]),
    "file-limit": (check_file_limit, [case.name for case in ALONE if not case.needs_torch and not case.prints]),
    "read-only": (check_read_only, [case.name for case in CASES]),
    "memory": (check_memory, list(OF_NUMPY)),
    "eight": (check_eight, [case.name for case in CASES]),
    "changed": (check_changed, [case.name for case in CASES if case.name != "ship_weights"]),
    "signals": (check_signals, [case.name for case in CASES]),
    "dying-worker": (check_dying_worker, WORKING),
}
NEED_MOUNTS = ("disk-full", "read-only")


def run_checks(checks: list[str], cases: list[str], state: Path, thorough: bool) -> int:
    """Run them all; prints a line for each, and those that fail; returns how many did."""
    import_all([BY_NAME[name] for name in cases])
    in_child(lambda: inputs_in(state))
    may_mount = mounts_are_allowed()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="yolo_bones-faults-") as temporary:
        for check in checks:
            if check in NEED_MOUNTS and not may_mount:
                print(f"{check:<14}skipped: this user may not mount file systems")
                continue
            function, fitting = CHECKS[check]
            for name in (name for name in cases if name in fitting):
                work = Path(temporary) / name
                work.mkdir(exist_ok=True)
                try:
                    said = function(Bench(BY_NAME[name], inputs_in(state), work, thorough))
                except AssertionError as error:
                    failed += 1
                    said = f"FAILED {error}"
                print(f"{check:<14}{name:<26}{said}", flush=True)
                shutil.rmtree(work, ignore_errors=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", nargs="+", choices=list(CHECKS), default=list(CHECKS))
    parser.add_argument("--case", nargs="+", choices=list(BY_NAME), default=list(BY_NAME))
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "faults")
    parser.add_argument("--thorough", action="store_true", help="more sizes, more moments")
    arguments = parser.parse_args()
    return run_checks(arguments.check, arguments.case, arguments.state.resolve() / sources_digest(), arguments.thorough)


if __name__ == "__main__":
    sys.exit(main())
