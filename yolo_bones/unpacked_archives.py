"""A data set that is a zip, unpacked for as long as it is needed: member by member, counted, into a private folder.

The folder is fresh and removed in the end; what a killed run left is swept by the next one.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from yolo_bones.archives import archive_kind, check_own_header, checked_members, open_zip, refused_member
from yolo_bones.errors import InputError, MachineError, RefusedError, one_line
from yolo_bones.files import machine_errors

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

PREFIX: Final = "yolo_bones-zip-"
LOCK: Final = ".held"
STALE_S: Final = 3600.0
"""After which a folder without a lock is nobody's."""
CHUNK_BYTES: Final = 1_000_000
EARLIEST: Final = calendar.timegm((1980, 1, 1, 0, 0, 0))

Watch = Callable[[Iterable[zipfile.ZipInfo], int], Iterable[zipfile.ZipInfo]]


@contextlib.contextmanager
def unpacked(archive: Path, watch: Watch = lambda members, _: members) -> Iterator[Path]:
    """A private folder with the images, annotations and lists of a zip, for as long as it is needed.

    Args:
        archive: a file.
        watch: wraps the members and their number, for a progress bar.

    Yields:
        The folder; where the data set lies in one folder of the archive, that one.

    Raises:
        InputError: no zip, or a damaged one.
        RefusedError: names the member that would be written elsewhere, is no plain file, or unpacks to too much.
        MachineError: no room.
    """
    kind = archive_kind(archive)
    if kind != "zip":
        expected = "a folder with DCM/ and outputs_json/, or a .zip of it"
        raise InputError(archive, "", expected, kind or "another file")
    with archive.open("rb") as raw, open_zip(archive, raw) as content:
        members = checked_members(archive, content, raw.seek(0, os.SEEK_END))
        with _private_folder() as place:
            _check_room(archive, place, members)
            # What is called `...zip` or `.held.zip` would lie elsewhere, or on the lock.
            folder = place / ("data" if archive.stem.startswith(".") else archive.stem)
            for info in watch(members, len(members)):
                check_own_header(archive, raw, info)
                _unpack(archive, content, info, folder / members[info])
            yield _data_folder(folder)


def _check_room(archive: Path, place: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    needed, free = sum(info.file_size for info in members), shutil.disk_usage(place).free
    if needed > free:
        said = f"{needed} bytes are needed to unpack {archive}, {free} are free; TMPDIR names another place"
        raise MachineError(f"{place.parent}: {said}")


def _unpack(archive: Path, content: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Write one member into a file that is not there yet."""
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = 0
    try:
        with content.open(info) as packed, target.open("xb") as stream:
            while chunk := packed.read(CHUNK_BYTES):
                written += len(chunk)
                if written > info.file_size:
                    raise refused_member(archive, info.filename, "is larger than the archive says")
                with machine_errors(target):
                    stream.write(chunk)
    except (MachineError, RefusedError):
        raise
    except Exception as error:
        raise InputError(archive, one_line(info.filename, 200), "a whole member", f"a damaged one ({error})") from error
    if written != info.file_size:
        raise InputError(archive, one_line(info.filename, 200), f"{info.file_size} bytes", written)
    # Half of what tells whether a data set is still the same one; the checksum tells it better than two seconds do.
    try:
        made = max(EARLIEST, calendar.timegm((*info.date_time, 0, 0, 0)))
    except (ValueError, OverflowError):
        made = EARLIEST
    moment = made * 1_000_000_000 + info.CRC % 1_000_000_000
    os.utime(target, ns=(moment, moment))


def _data_folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True, mode=0o700)
    if any((folder / name).exists() for name in ("DCM", "train")):
        return folder
    inside = [path for path in folder.iterdir() if (path / "DCM").is_dir() or (path / "train").is_dir()]
    return inside[0] if len(inside) == 1 else folder


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A fresh folder that only this user can read, removed in the end."""
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a file in the folder for as long as this process lives; it gets its name when it is locked."""
    descriptor = os.open(folder / f"{LOCK}-new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / f"{LOCK}-new").rename(folder / LOCK)
        yield
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove folders of runs that were killed: ours by name and owner, locked by nobody."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            kind = folder.lstat()
            is_own = stat.S_ISDIR(kind.st_mode) and kind.st_uid == os.getuid()
            if is_own and _is_left(folder, time.time() - kind.st_mtime):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path, age_s: float) -> bool:
    if fcntl is None or not (folder / LOCK).exists():
        return age_s > STALE_S
    with (folder / LOCK).open("rb") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
