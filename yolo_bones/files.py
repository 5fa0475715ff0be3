"""Files that hold either their old content or their new content, never a half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from yolo_bones.errors import MachineError, RefusedError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

TEMPORARY_MARK = ".tmp-"
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


@contextlib.contextmanager
def replacing(target: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `target`; on success sync it and put it in the target's place.

    Args:
        target: the final name; its folder is made when missing.
        mode: `w` for UTF-8 text with `\\n` line ends, `wb` for bytes.

    Raises:
        MachineError: the place cannot be written.
    """
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}{TEMPORARY_MARK}", dir=target.parent)
    temporary = Path(name)
    _hold(descriptor)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with machine_errors(target):
            with os.fdopen(descriptor, mode, **text) as stream:  # type: ignore[call-overload]
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def machine_errors(target: Path) -> Iterator[None]:
    """Turn a full disk, a read-only folder and the like into a `MachineError` that names the target."""
    try:
        yield
    except OSError as error:
        if _blames(target, error) and error.errno in UNWRITABLE:
            raise MachineError(f"{target}: cannot be written: {error.strerror}") from error
        raise


def _blames(target: Path, error: OSError) -> bool:
    """Whether an error is the target's; what cannot be read while it is written is another file's fault."""
    if error.filename is None:
        return True
    name = Path(os.fsdecode(error.filename))
    return name in (target, *target.parents) or name.name.startswith(f".{target.name}{TEMPORARY_MARK}")


def write_bytes(target: Path, content: bytes) -> None:
    """Write a whole file, or leave the old one."""
    with replacing(target, "wb") as stream:
        stream.write(content)


def write_text(target: Path, content: str) -> None:
    """Write a whole text file in UTF-8, or leave the old one."""
    write_bytes(target, content.encode("utf-8"))


def sweep_temporaries(folder: Path) -> int:
    """Remove what an interrupted earlier run left below `folder`; returns how many files that were."""
    return _sweep(folder.rglob(f".*{TEMPORARY_MARK}*"))


def sweep_beside(*targets: Path) -> int:
    """Remove what interrupted earlier runs left of just these files; returns how many files that were."""
    return sum(
        _sweep(path for path in target.parent.iterdir() if path.name.startswith(f".{target.name}{TEMPORARY_MARK}"))
        for target in targets
        if target.parent.is_dir()
    )


def _sweep(candidates: Iterable[Path]) -> int:
    leftovers = [path for path in list(candidates) if path.is_file() and not _is_being_written(path)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _hold(descriptor: int) -> None:
    """Mark a temporary file as being written, for as long as it is open; the mark dies with the process."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_being_written(path: Path) -> bool:
    """Whether a living process holds this temporary file."""
    if fcntl is None:
        return False
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def refuse_to_overwrite(target: Path, overwrite: bool) -> None:
    """Raise `RefusedError` when `target` exists and the user has not asked to replace it."""
    if target.exists() and not overwrite:
        raise RefusedError(f"{target}: exists already; give --overwrite to replace it")


def refuse_inputs(targets: Iterable[Path | None], sources: Iterable[Path | None]) -> None:
    """Raise `RefusedError` when something to be written is something that is read, or two outputs are one file."""
    read = {source.resolve() for source in sources if source is not None}
    written: set[Path] = set()
    for target in targets:
        if target is None:
            continue
        place = target.resolve()
        if place in read:
            raise RefusedError(f"{target}: is an input, which is never changed; write to another name")
        if place in written:
            raise RefusedError(f"{target}: would be written twice; give each output a name of its own")
        written.add(place)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
