"""A data set as a zip: its directory, checked as a whole before anything is unpacked.

Nothing of an archive decides where something is written: a member's name is refused unless it is a plain relative one.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from yolo_bones.errors import InputError, RefusedError, one_line
from yolo_bones.image_files import STRANGE_SUFFIXES, SUFFIXES

OTHER_SUFFIXES: Final = (".json", ".txt", *STRANGE_SUFFIXES)
"""Beside those of images: what is read, and images that are not, which must not be left out silently."""
NESTED: Final = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
MAGICS: Final = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
}
TAR_MAGIC: Final = b"ustar"
TAR_MAGIC_AT: Final = 257

MOST_DIRECTORY_BYTES: Final = 8_000_000
MOST_MEMBERS: Final = 100_000
MOST_MEMBER_BYTES: Final = 600_000_000
MOST_TOTAL_BYTES: Final = 2_000_000_000_000
MOST_RATIO: Final = 200
"""Of a member's bytes unpacked and packed; deflate gives zeros at 1,000, outlines as JSON at 20."""
SMALL_BYTES: Final = 1_000_000
"""What is not larger may be packed as well as it likes."""
MOST_TOTAL_RATIO: Final = 100
MOST_PARTS: Final = 8
MOST_NAME_BYTES: Final = 255
LOCAL_HEADER_BYTES: Final = 30
END_BYTES: Final = 22
ENCRYPTED: Final = 0x1
NAMES_ARE_UTF8: Final = 0x800
DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def archive_kind(path: Path) -> str | None:
    """`zip`, another kind of archive in words, or None."""
    with path.open("rb") as stream:
        start = stream.read(TAR_MAGIC_AT + len(TAR_MAGIC))
    if start.endswith(TAR_MAGIC) and len(start) == TAR_MAGIC_AT + len(TAR_MAGIC):
        return "a tar archive"
    named = path.suffix.lower() == ".zip"
    return next((kind for magic, kind in MAGICS.items() if start.startswith(magic)), "zip" if named else None)


class _BoundedReads(io.RawIOBase):
    """A file from which no more is read at once than a sane directory takes."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def read(self, size: int | None = -1) -> bytes:
        limit = MOST_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        if limit > MOST_DIRECTORY_BYTES + 1:
            raise zipfile.BadZipFile(f"a directory of {size} bytes, more than {MOST_DIRECTORY_BYTES}")
        return self._raw.read(limit)


@contextlib.contextmanager
def open_zip(archive: Path, raw: io.BufferedReader) -> Iterator[zipfile.ZipFile]:
    """A zip's directory, read without more memory than a sane one takes.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = zipfile.ZipFile(_BoundedReads(raw))
    except Exception as error:
        # A stranger's file can make a parser raise almost anything.
        raise InputError(archive, "", "a whole zip archive", f"a damaged one ({error})") from error
    with content:
        raw.seek(-END_BYTES - len(content.comment), os.SEEK_END)
        end = raw.read(END_BYTES)
        (listed,) = struct.unpack("<H", end[10:12])
        # 65,535 where another record says how many.
        if end.startswith(b"PK\5\6") and listed not in (0xFFFF, len(content.infolist()) & 0xFFFF):
            raise InputError(archive, "", f"{listed} members, as its end says", len(content.infolist()))
        yield content


def checked_members(
    archive: Path, content: zipfile.ZipFile, archive_bytes: int
) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """Members that are read, with their places; all that the directory says is checked, of the others as well.

    Args:
        archive: the file.
        content: its directory.
        archive_bytes: its size.

    Raises:
        InputError: a name that is not UTF-8, a way to pack that is not read.
        RefusedError: names the member that would be written elsewhere, is no plain file, or unpacks to too much.
    """
    infos = content.infolist()
    if len(infos) > MOST_MEMBERS:
        raise RefusedError(f"{archive}: refused, {len(infos)} members are more than {MOST_MEMBERS}")
    chosen: dict[zipfile.ZipInfo, PurePosixPath] = {}
    places: dict[str, str] = {}
    folders: set[str] = set()
    for info in infos:
        name = _checked_name(archive, info)
        _check_kind(archive, name, info)
        key = _folded(name)
        above = {_folded(parent) for parent in PurePosixPath(name).parents} - {"."}
        if not info.is_dir():
            if key in places:
                same = "twice" if places[key] == name else f"beside {one_line(places[key])}, which some systems call so"
                raise refused_member(archive, name, f"is there {same}")
            places[key] = name
            _check_size(archive, name, info)
            if _is_read(name):
                chosen[info] = PurePosixPath(name)
        folders |= above | ({key} if info.is_dir() else set())
    for key in places.keys() & folders:
        raise refused_member(archive, places[key], "is a file and a folder")
    _check_overlaps(archive, infos)
    total = sum(info.file_size for info in infos)
    most = min(MOST_TOTAL_BYTES, max(100 * SMALL_BYTES, MOST_TOTAL_RATIO * archive_bytes))
    if total > most:
        raise RefusedError(f"{archive}: refused, would unpack to {total} bytes, more than {most}")
    return chosen


def _checked_name(archive: Path, info: zipfile.ZipInfo) -> str:
    """A member's name, in UTF-8 and harmless on every system."""
    name = info.orig_filename
    if not info.flag_bits & NAMES_ARE_UTF8 and not name.isascii():
        try:
            # macOS writes UTF-8 and does not say so; other programs write the code page of their country.
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError as error:
            raise InputError(archive, one_line(name), "a member's name in UTF-8", "another code page") from error
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise refused_member(archive, name, "has an absolute name")
    if ".." in parts:
        raise refused_member(archive, name, "would be written outside the folder")
    if UNSAFE.search(name):
        raise refused_member(archive, name, "has a name with control characters, backslashes or wildcards")
    if any(part in ("", ".") or part != part.strip() or part.endswith(".") for part in parts):
        raise refused_member(archive, name, "has a name with empty parts, spaces at an end or a point at the end")
    if any(DEVICES.fullmatch(part) for part in parts):
        raise refused_member(archive, name, "has the name of a device")
    if len(parts) > MOST_PARTS or any(len(part.encode("utf-8", "replace")) > MOST_NAME_BYTES for part in parts):
        raise refused_member(
            archive, name, f"has a name of more than {MOST_PARTS} parts or {MOST_NAME_BYTES} bytes a part"
        )
    return name.removesuffix("/")


def _folded(name: str | PurePosixPath) -> str:
    """What a system that knows neither case nor composed letters takes for the same name."""
    return unicodedata.normalize("NFC", str(name)).casefold()


def _check_kind(archive: Path, name: str, info: zipfile.ZipInfo) -> None:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode == stat.S_IFLNK:
        raise refused_member(archive, name, "is a symbolic link")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused_member(archive, name, "is no plain file")
    if info.flag_bits & ENCRYPTED:
        raise refused_member(archive, name, "is encrypted")
    if PurePosixPath(name).suffix.lower() in NESTED:
        raise refused_member(archive, name, "is an archive itself; unpack it first")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(archive, one_line(name), "a member stored or deflated", f"method {info.compress_type}")


def _check_size(archive: Path, name: str, info: zipfile.ZipInfo) -> None:
    if info.file_size > MOST_MEMBER_BYTES:
        raise refused_member(archive, name, f"would unpack to {info.file_size} bytes, more than {MOST_MEMBER_BYTES}")
    if info.file_size > max(SMALL_BYTES, MOST_RATIO * info.compress_size):
        said = f"would unpack to {info.file_size} bytes from {info.compress_size}, more than {MOST_RATIO} times as many"
        raise refused_member(archive, name, said)


def _check_overlaps(archive: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Members that share their bytes unpack to far more than there are."""
    in_order = sorted(infos, key=lambda info: info.header_offset)
    for info, following in itertools.pairwise(in_order):
        if info.header_offset + LOCAL_HEADER_BYTES + info.compress_size > following.header_offset:
            raise refused_member(archive, following.filename, f"lies inside {one_line(info.filename)}")


def check_own_header(archive: Path, raw: io.BufferedReader, info: zipfile.ZipInfo) -> None:
    """A program that goes by the members' own headers must unpack the same.

    Args:
        archive: the file.
        raw: it, open.
        info: a member as the directory has it.

    Raises:
        InputError: the two disagree.
    """
    raw.seek(max(0, info.header_offset))
    head = raw.read(LOCAL_HEADER_BYTES)
    if info.header_offset < 0 or len(head) < LOCAL_HEADER_BYTES:
        return  # said when it is unpacked
    _, _, flags, method, _, _, checksum, packed, size, _, _ = struct.unpack("<4s5H3L2H", head)
    told = ((checksum, info.CRC), (packed, info.compress_size), (size, info.file_size))
    # Zeros where they follow the bytes, ones where another record has them.
    is_same = method == info.compress_type and all(here in (0, 0xFFFFFFFF, there) for here, there in told)
    if flags & ENCRYPTED or not is_same:
        expected = "a member whose own header says what the directory says"
        raise InputError(archive, one_line(info.filename, 200), expected, "another one")


def _is_read(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return False
    return PurePosixPath(name).suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES)


def refused_member(archive: Path, name: str, why: str) -> RefusedError:
    """What is said of a member."""
    return RefusedError(f"{archive}: refused, its member {one_line(name, 200)} {why}")
