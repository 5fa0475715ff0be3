"""Files that hold either their old content or their new content, never a half of it."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from yolo_bones.errors import InputError, MachineError, RefusedError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

TEMPORARY_MARK = ".tmp-"
HOLDING = ".held"
"""In a temporary folder: locked by whoever fills it."""
READ_IN_FOLDERS: Final = (".png", ".jpg", ".jpeg", ".dcm", ".npz")
"""Images and soft channels: a folder of them is an input, and so is each of them."""
AT_WORKING_FOLDER: Final = -100
RENAME_EXCHANGE: Final = 2
UNWRITABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
)


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


def sweep_temporaries(folder: Path, *, deep: bool = True) -> int:
    """Remove what interrupted earlier runs left in `folder`, or anywhere below it; returns how many that were."""
    pattern = f".*{TEMPORARY_MARK}*"
    return _sweep(folder.rglob(pattern) if deep else folder.glob(pattern))


def sweep_beside(*targets: Path) -> int:
    """Remove what interrupted earlier runs left of just these; returns how many files and folders that were."""
    return sum(
        _sweep(path for path in target.parent.iterdir() if path.name.startswith(f".{target.name}{TEMPORARY_MARK}"))
        for target in targets
        if target.parent.is_dir()
    )


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; its name goes first and at once, so that nobody finds half of it."""
    gone = _put_aside(folder)
    shutil.rmtree(folder if gone is None else gone, ignore_errors=True)


def _put_aside(folder: Path) -> Path | None:
    """Give a folder a name that is swept; None where that cannot be, or it is not there."""
    gone = folder.with_name(f".{folder.name}{TEMPORARY_MARK}gone")
    shutil.rmtree(gone, ignore_errors=True)
    try:
        folder.rename(gone)
    except OSError:
        return None
    return gone


@contextlib.contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Make a folder beside `target` for files that shall get that name together; `move_folder` gives it to them.

    What is still there in the end is removed, as is what killed earlier runs left.

    Raises:
        MachineError: the place cannot be written.
    """
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep_beside(target)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}{TEMPORARY_MARK}", dir=target.parent))
    try:
        with (folder / HOLDING).open("wb") as held:
            _hold(held.fileno())
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def private_folder(prefix: str) -> Path:
    """Make a folder for this process in the system's place for temporary files; what killed processes left is swept.

    Args:
        prefix: of its name.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if (folder / HOLDING).is_file() and not _is_being_written(folder / HOLDING):
            shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    held = os.open(folder / HOLDING, os.O_WRONLY | os.O_CREAT)
    _hold(held)  # for as long as the process lives
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def move_folder(folder: Path, target: Path) -> None:
    """Give a folder its final name; what had that name is removed, where the system can in the same instant."""
    with machine_errors(target):
        (folder / HOLDING).unlink(missing_ok=True)
        folder.chmod(0o777 & ~_umask())
        if not target.is_dir() or target.is_symlink():
            target.unlink(missing_ok=True)
            folder.rename(target)
        elif _exchange(folder, target):
            remove_folder(folder)
        else:
            gone = _put_aside(target)
            folder.rename(target)
            if gone is not None:
                shutil.rmtree(gone, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Let two paths change their names in one instant, where the system can: Linux, most file systems."""
    import ctypes

    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(exchange(AT_WORKING_FOLDER, names[0], AT_WORKING_FOLDER, names[1], RENAME_EXCHANGE) == 0)


def _sweep(candidates: Iterable[Path]) -> int:
    count = 0
    for path in list(candidates):
        if path.is_dir() and not path.is_symlink():
            if _is_being_written(path / HOLDING):
                continue
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and not _is_being_written(path):
            path.unlink(missing_ok=True)
        else:
            continue
        count += 1
    return count


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
    """Raise `RefusedError` when `target` exists and the user has not asked to replace it.

    Raises:
        InputError: it is a pipe or a device, which would be replaced as well.
    """
    if target.exists() and not target.is_file() and not target.is_dir():
        raise InputError(target, "", "a file name to write", "a pipe or device")
    if target.exists() and not overwrite:
        raise RefusedError(f"{target}: exists already; give --overwrite to replace it")


def refuse_inputs(targets: Iterable[Path | None], sources: Iterable[Path | None]) -> None:
    """Look at all names before anything is computed.

    Raises:
        InputError: a file is to be written where a folder is.
        RefusedError: something to be written is something that is read, or two outputs are one file.
    """
    read = {source.resolve() for source in sources if source is not None}
    written: set[Path] = set()
    for target in targets:
        if target is None:
            continue
        if target.exists() and not target.is_file():
            raise InputError(target, "", "a file name to write", "a folder" if target.is_dir() else "a pipe or device")
        place = target.resolve()
        is_member = place.suffix.lower() in READ_IN_FOLDERS and place.exists() and not read.isdisjoint(place.parents)
        if place in read or is_member:
            raise RefusedError(f"{target}: is an input, which is never changed; write to another name")
        if place in written:
            raise RefusedError(f"{target}: would be written twice; give each output a name of its own")
        written.add(place)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
