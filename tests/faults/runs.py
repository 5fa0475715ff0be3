"""Runs of commands in forked copies of this process, which has loaded everything: killed, counted, compared."""

from __future__ import annotations

import builtins
import hashlib
import importlib
import io
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yolo_bones import files

MARKS = (".tmp-", ".parts", ".unpublished")
LONGEST_RUN_S = 240.0
PATIENCE_S = 60.0
BUSY_TICKS = 120
"""Of 10 ms: longer than it takes to load libraries."""


class Boundaries:
    """Counts what a run does to files, and kills it before the n-th such thing.

    Counted are opening for writing, each write, syncing, renaming, linking, removing and making folders, of this
    process: before and after each.
    """

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self.kill_at = kill_at

    def pass_one(self, on_kill: Callable[[], None] | None = None) -> None:
        if self.count == self.kill_at:
            if on_kill is not None:
                on_kill()
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.pass_one()
            result = function(*arguments, **options)
            self.pass_one()
            return result

        return wrapped

    def _opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            mode = str(options.get("mode", arguments[1] if len(arguments) > 1 else "r"))
            stream = function(*arguments, **options)
            if set("wax+") & set(mode):
                self.pass_one()
                self._watch_writes(stream)
            return stream

        return wrapped

    def _watch_writes(self, stream: Any) -> None:
        write = stream.write

        def counted(content: Any) -> Any:
            def half() -> None:
                write(content[: len(content) // 2])
                stream.flush()

            self.pass_one(half)
            return write(content)

        stream.write = counted

    def install(self) -> None:
        for name in ("fsync", "replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "chmod"):
            setattr(os, name, self._around(getattr(os, name)))
        builtins.open = self._opening(builtins.open)  # type: ignore[assignment]
        io.open = self._opening(io.open)  # type: ignore[assignment]
        os.fdopen = self._opening(os.fdopen)  # type: ignore[assignment]
        tempfile.mkstemp = self._around(tempfile.mkstemp)  # type: ignore[assignment]
        files._exchange = self._around(files._exchange)


def start(
    module: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    kill_at: int | None = None,
    counted: bool = False,
    before: Callable[[], None] | None = None,
) -> tuple[int, int]:
    """Fork; the copy runs the command in a folder. Returns its process id and a pipe that the count comes from.

    Args:
        module: of the command.
        arguments: of it.
        folder: to work in; what it prints goes into a file beside it.
        kill_at: boundary to kill it at.
        counted: count boundaries.
        before: called in the copy before the command.
    """
    read_end, write_end = os.pipe()
    process = os.fork()
    if process:
        os.close(write_end)
        return process, read_end
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        main = importlib.import_module(module).main
        boundaries = Boundaries(kill_at)
        if counted:
            boundaries.install()
        if before is not None:
            before()
        code = main([*arguments, *(["--quiet"] if takes_quiet(module) else [])])
        os.write(write_end, f"{boundaries.count}".encode())
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 71
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def takes_quiet(module: str) -> bool:
    return not module.endswith(("ship_weights", "train_bones"))


def finish(started: tuple[int, int]) -> tuple[int, int]:
    """Wait for a run; its exit code (negative: the signal that ended it) and how many boundaries it passed."""
    process, read_end = started
    with os.fdopen(read_end, "rb") as stream:
        watched = os.pidfd_open(process)
        has_ended = bool(select.select([watched], [], [], LONGEST_RUN_S)[0])
        os.close(watched)
        if not has_ended:
            os.killpg(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert has_ended, f"run {process} hung"
        end_group(process)
        said = stream.read()
    return os.waitstatus_to_exitcode(status), int(said or 0)


def kill_after(started: tuple[int, int], seconds: float) -> tuple[int, int]:
    """Kill a run, not the processes that it started: these must end by themselves."""
    time.sleep(seconds)
    os.kill(started[0], signal.SIGKILL)
    return finish(started)


def busy_child(leader: int) -> int:
    """A process of a run's group that has been working for a while; 0 when there is none yet."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[2]) == leader and b"spawn_main" in command and int(fields[11]) > BUSY_TICKS:
            return int(stat.parent.name)
    return 0


def end_group(leader: int) -> None:
    """Wait until the processes that a run started are gone."""
    until = time.monotonic() + PATIENCE_S
    while _alive_in_group(leader):
        if time.monotonic() > until:
            raise AssertionError(f"processes of run {leader} live on")
        time.sleep(0.02)


def _alive_in_group(leader: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state not in "ZX":
            return True
    return False


def tree(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of all files below a folder; folders without any file count too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not any(path.iterdir()):
            found[f"{name}/"] = ""
    return found


def final_names(found: dict[str, str]) -> dict[str, str]:
    """Without what is unfinished: temporary files, and parts of work."""
    return {
        name: digest
        for name, digest in found.items()
        if not name.endswith("/") and not any(mark in part for part in name.split("/") for mark in MARKS)
    }
