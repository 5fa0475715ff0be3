"""Outputs that one run at a time works on: claimed before work begins, given back when the command ends.

A claim is a lock that the system drops with the process that holds it, however that ends, on a file beside the output
that is removed in the end. To claim is also to try whether the place can be written, before anything is computed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yolo_bones.errors import InputError, MachineError, RefusedError
from yolo_bones.files import TEMPORARY_MARK, machine_errors, sweep_beside

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

HELD: Final = f"{TEMPORARY_MARK}held"


@dataclass(frozen=True, slots=True)
class _Claim:
    """One output of this process.

    Attributes:
        target: its final name.
        lock: the file that is locked.
        descriptor: of that file, open.
        made: folders that were made for it, outermost first.
    """

    target: Path
    lock: Path
    descriptor: int
    made: tuple[Path, ...]

    def give_back(self) -> None:
        """Let others have the output; folders that nothing was written into go."""
        with contextlib.suppress(OSError):
            self.lock.unlink()
        os.close(self.descriptor)
        _remove_empty(self.made)


_CLAIMS: Final[list[_Claim]] = []


def claim(*targets: Path | None) -> None:
    """Keep outputs, files or folders, for this command until it ends; sweep what killed runs left beside them.

    Args:
        targets: final names; None is skipped, and what this process has claimed already.

    Raises:
        InputError: what should be a folder above a target is a file.
        RefusedError: another run works on it.
        MachineError: the place cannot be written.
    """
    held = {one.target for one in _CLAIMS}
    for target in targets:
        if target is not None and _place(target) not in held:
            _CLAIMS.append(_claimed(target))
            sweep_beside(target)


@contextlib.contextmanager
def given_back_at_end() -> Iterator[None]:
    """Around a command: whatever it claims is given back when it ends."""
    before = len(_CLAIMS)
    try:
        yield
    finally:
        while len(_CLAIMS) > before:
            _CLAIMS.pop().give_back()


def _place(target: Path) -> Path:
    """A target's absolute name; a link is a name of its own, since it is replaced and not what it leads to."""
    return target.parent.resolve() / target.name


def _claimed(target: Path) -> _Claim:
    # The folder above a mounted one may be read-only.
    is_inside = target.is_dir() and not os.access(target.parent, os.W_OK)
    lock = (target if is_inside else target.parent) / f".{target.name}{HELD}"
    if target.is_dir() and not os.access(target, os.W_OK):
        raise MachineError(f"{target}: cannot be written: a read-only folder")
    missing = tuple(place for place in (lock.parent, *lock.parent.parents) if not place.exists())[::-1]
    above = missing[0].parent if missing else lock.parent
    if not above.is_dir():
        raise InputError(above, "", "a folder", "a file")
    try:
        with machine_errors(target):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _locked(lock, target)
    except BaseException:
        _remove_empty(missing)
        raise
    return _Claim(_place(target), lock, descriptor, missing)


def _remove_empty(folders: tuple[Path, ...]) -> None:
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _locked(lock: Path, target: Path) -> int:
    """Open and lock the file; it may be removed by the run that had it, then there is a new one."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if not _try_lock(descriptor):
                raise RefusedError(f"{target}: another run is writing it; wait for its end, or give another name")
            if _is_same_file(lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        there, here = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
