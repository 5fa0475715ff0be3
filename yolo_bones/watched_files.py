"""Files that a command reads, and whether they are still what they were when it began.

A file that is written while it is read gives a mixture of two states that never was; nothing is made of such a mixture.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError, InputErrors

_PATHS: Final[list[Path]] = []
_STATES: Final = array("q")
"""Of each path; numbers, since there may be a hundred thousand."""
NOT_THERE: Final = -1


def watch(paths: Iterable[Path | None]) -> None:
    """Remember how files are before they are read; of a folder, those right in it. None is skipped."""
    for path in paths:
        if path is None:
            continue
        members = sorted(path.iterdir()) if path.is_dir() else [path]
        for member in members:
            _PATHS.append(member)
            _STATES.append(_state(member))


def refuse_changed() -> None:
    """To be called after all was read, before anything made of it gets its name.

    Raises:
        InputErrors: names the files that were changed, replaced or removed since.
    """
    pairs = zip(_PATHS, _STATES, strict=True)
    changed = dict.fromkeys(path for path, state in pairs if _state(path) != state)
    if changed:
        expected = "a file that stays as it is while it is read; repeat the command"
        raise InputErrors(
            [InputError(path, "", expected, "another content" if path.exists() else "none") for path in changed]
        )


@contextlib.contextmanager
def forgotten_at_end() -> Iterator[None]:
    """Around a command: what it watches is no other command's concern."""
    before = len(_PATHS)
    try:
        yield
    finally:
        del _PATHS[before:], _STATES[before:]


def _state(path: Path) -> int:
    """Size, time of the last change and file number as one number; a link to the file changes none of them."""
    try:
        kind = path.stat()
    except OSError:
        return NOT_THERE
    return hash((kind.st_size, kind.st_mtime_ns, kind.st_ino))
