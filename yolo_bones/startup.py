"""What happens before a command runs: an interrupt, or want of memory, while libraries load ends it with one line."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Final

EXIT_INTERRUPTED: Final = 130
EXIT_MACHINE: Final = 4
LEAST_MEMORY: Final = 512 << 20
"""Bytes of address space. Libraries take 400 MiB; with little more, OpenBLAS ends the process with exit code 1."""
LOADING_SAYINGS: Final = ("failed to map segment", "cannot allocate memory", "can't start new thread")
SCRIPT: Final = "yolo-bones"
PACKAGES: Final = ("yolo_bones", "converters")


def answer_interrupts_at_once() -> None:
    """Where one of our commands is about to run, end with exit code 130 at an interrupt; else change nothing."""
    if not _is_command() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    try:
        signal.signal(signal.SIGINT, _end)
    except ValueError:
        return  # not the main thread
    sys.excepthook = _say_one_line
    if _memory_limit() < LEAST_MEMORY:
        raise MemoryError


def _memory_limit() -> float:
    """Bytes of address space that this process may have."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return float("inf")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return float("inf") if limit == resource.RLIM_INFINITY else float(limit)


def _say_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Libraries that find no memory to be loaded into raise an ImportError far below."""
    said = str(error).lower()
    if issubclass(kind, MemoryError) or any(saying in said for saying in LOADING_SAYINGS):
        os.write(2, b"error: not enough memory to load libraries\n")
        os._exit(EXIT_MACHINE)
    sys.__excepthook__(kind, error, trace)


def answer_interrupts_in_order() -> None:
    """From here on an interrupt is an exception: what is open is closed, what is half written is removed."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_command() -> bool:
    """Whether Python was started as `python -m yolo_bones.x`, `python -m converters.x` or `yolo-bones`."""
    program = sys.argv[0] if sys.argv else ""
    if program != "-m":
        return os.path.basename(program).startswith(SCRIPT)  # noqa: PTH119 pathlib takes a while to import
    started_with = sys.orig_argv
    module = started_with[started_with.index("-m") + 1] if "-m" in started_with[:-1] else ""
    return module.partition(".")[0] in PACKAGES


def _end(_: int, __: FrameType | None) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"interrupted\n")
    os._exit(EXIT_INTERRUPTED)
