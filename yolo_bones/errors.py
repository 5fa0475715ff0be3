"""What can go wrong, and the exit code each failure gets.

    YoloBonesError
    |-- InputError        2  a file's content is not what it should be; names file, field, expected, got
    |   `-- InputErrors   2  several of them, found in one run
    |-- RefusedError      3  understood, but unsafe or not allowed, so nothing was done
    `-- MachineError      4  the machine cannot do it: a library is missing, the disk is full or read-only

A command returns 0 when done and 130 when interrupted; 1 is kept for findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MOST_ERRORS_SHOWN = 100
MOST_OF_PATH = 1000
MOST_FAULTS = 1000
"""Of one file; a hostile one may hold millions."""


class YoloBonesError(Exception):
    """Anything this package reports in one clear line; `exit_code` is the process's exit status."""

    exit_code = 2


class InputError(YoloBonesError):
    """One fault in one file.

    Args:
        file: the file at fault, as the user knows it.
        field: the place inside it, such as `annotations[3].points[7]`; empty when the whole file is meant.
        expected: what should be there.
        got: what is there; left out when there is nothing to show.
    """

    def __init__(self, file: str | Path, field: str, expected: str, got: object | None = None) -> None:
        self.file = str(file)
        self.field = field
        self.expected = expected
        self.got = got
        # Names come from the input: whatever they hold, an error stays one line.
        file_shown, field_shown = one_line(self.file, 4096), one_line(field, 200)
        place = f"{file_shown}: {field_shown}" if field else file_shown
        found = "" if got is None else f", got {one_line(got)}"
        super().__init__(f"{place}: expected {one_line(expected, 4096)}{found}")


class InputErrors(InputError):
    """Several faults of one data set; `faults` holds them all, the message the first hundred, a line each."""

    def __init__(self, faults: Sequence[InputError]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults[:MOST_ERRORS_SHOWN]]
        if len(self.faults) > MOST_ERRORS_SHOWN:
            lines.append(f"... and {len(self.faults) - MOST_ERRORS_SHOWN} more")
        YoloBonesError.__init__(self, "\n".join(lines))


class RefusedError(YoloBonesError):
    """The request was understood and not carried out, because it is unsafe or would overwrite something."""

    exit_code = 3


class MachineError(YoloBonesError):
    """The machine or its set-up cannot do it."""

    exit_code = 4


def one_line(value: object, limit: int = 80) -> str:
    """Show any value on one line of at most `limit` characters (a path: of its own), control characters escaped."""
    limit = MOST_OF_PATH if isinstance(value, Path) else limit
    text = (str(value) if isinstance(value, (str, Path)) else repr(value))[: limit + 1]
    # A Korean heading should be readable; what a terminal cannot show is escaped.
    text = "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
