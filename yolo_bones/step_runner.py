"""How a command made of commands runs its steps: what is done is not done again, a failure names its step."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.command_line import EXIT_INTERRUPTED, say
from yolo_bones.errors import MachineError, RefusedError, YoloBonesError
from yolo_bones.step_ledger import StepLedger, StepState

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

STDERR: Final = 2
CHILD_PATIENCE_S: Final = 5.0
"""A terminal interrupts its child as well; so long it may take before it is told again."""
CHILD_END_S: Final = 60.0


class StepFailed(YoloBonesError):
    """A step of the command ended with an exit code, which becomes the command's own."""

    def __init__(self, label: str, exit_code: int, message: str) -> None:
        self.exit_code = exit_code
        super().__init__(f"{label}: {message}; what is finished stays: repeat the command to go on from here")


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        key: name of its record.
        label: for people.
        settings: whatever changes its result.
        outputs: what it writes.
        kept: what is not replaced without --overwrite when the settings are others; None where the step is cheap.
    """

    key: str
    label: str
    settings: Mapping[str, Any]
    outputs: tuple[Path, ...]
    kept: Path | None = None


@dataclass(slots=True)
class StepRunner:
    """Runs steps in their order.

    Attributes:
        ledger: of what is done.
        total: number of steps, for progress.
        overwrite: make anew what was made with other settings.
        quiet: say nothing.
        number: of the step at hand.
    """

    ledger: StepLedger
    total: int
    overwrite: bool = False
    quiet: bool = False
    number: int = 0

    def run(self, step: Step, work: Callable[[bool], None]) -> None:
        """Do a step unless it is done.

        Args:
            step: what it is.
            work: does it; told whether it begins afresh, so that whatever is there already is replaced.

        Raises:
            RefusedError: it was made otherwise before, and may not be made anew.
            MachineError: it did not write what it should.
        """
        self.number += 1
        head = f"[{self.number}/{self.total}] {step.label}"
        state = self.ledger.state(step.key, step.settings)
        if state is StepState.DONE:
            say(f"{head}: done before", self.quiet)
            return
        fresh = state is not StepState.BEGUN
        if fresh and not self.overwrite and step.kept is not None and step.kept.exists():
            why = "was changed since it was made" if state is StepState.CHANGED else "was made with other settings"
            raise RefusedError(f"{step.kept}: {why}; give --overwrite to make it anew, or another --out")
        say(head, self.quiet)
        if fresh:
            self.ledger.begin(step.key, step.settings)
        work(fresh)
        try:
            self.ledger.finish(step.key, step.settings, step.outputs)
        except ValueError as error:
            raise MachineError(f"{step.label}: {error}") from error


def call_command(label: str, command: Callable[[Sequence[str]], int], arguments: Sequence[str | Path]) -> None:
    """Run another command in this process; its table on stdout is dropped, since its report holds the same.

    Raises:
        StepFailed: it ended with another exit code than 0.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            code = command([str(argument) for argument in arguments])
    except SystemExit as error:  # of argparse
        code = error.code if isinstance(error.code, int) else 2
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise StepFailed(label, code, f"failed with exit code {code}, as said above")


def run_program(label: str, command: Sequence[str], log: Path | None, held_file: int | None) -> None:
    """Run a program beside this one, its output on stderr.

    Args:
        label: of the step.
        command: program and arguments.
        log: file for its output instead.
        held_file: an open file that it inherits: whatever lock is on it lasts until the program ends.

    Raises:
        StepFailed: it ended with another exit code than 0.
        KeyboardInterrupt: it was interrupted; it has ended.
    """
    with contextlib.ExitStack() as stack:
        output: Any = STDERR
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(log.open("ab"))
        inherited = () if held_file is None else (held_file,)
        child = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=inherited
        )
        try:
            code = child.wait()
        except BaseException:
            _end(child)
            raise
    if code in (EXIT_INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    said = "as said above" if log is None else f"see {log}"
    if code < 0:
        message = f"was ended by {signal.Signals(-code).name} (out of memory?), {said}"
        raise StepFailed(label, MachineError.exit_code, message)
    if code:
        raise StepFailed(label, code, f"failed with exit code {code}, {said}")


def _end(child: subprocess.Popen[bytes]) -> None:
    for tell, patience in ((None, CHILD_PATIENCE_S), (signal.SIGINT, CHILD_END_S), (signal.SIGTERM, CHILD_PATIENCE_S)):
        if tell is not None:
            child.send_signal(tell)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
            return
    child.kill()
    child.wait()


@contextlib.contextmanager
def held_folder(folder: Path) -> Iterator[int | None]:
    """Keep a folder for one run at a time; yields the open file that is locked.

    Raises:
        RefusedError: another run, or a program that it started, works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield None
        return
    with (folder / ".lock").open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RefusedError(f"{folder}: another run, or a training that it started, still works here") from error
        yield stream.fileno()
