"""RAW as a zip: names, kinds, sizes, damage."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import unicodedata
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.case import Case
from tests.bad_inputs.good import annotation_of, grey_image, png

Size = tuple[int, int]
Members = dict[str, bytes]


def good_members(size: Size, above: str = "") -> Members:
    """Three good pairs."""
    members = {}
    for number in range(3):
        name = f"ID9{number}/good{number}_L"
        members[f"{above}DCM/{name}.png"] = png(grey_image(*size, seed=number))
        members[f"{above}outputs_json/{name}.json"] = json.dumps(annotation_of(*size)).encode()
    return members


def zipped(members: Members, more: list[tuple[zipfile.ZipInfo, bytes]] | None = None) -> bytes:
    """An archive with fixed times; `more` are members that say anything of themselves."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        for info, content in more or []:
            archive.writestr(info, content, info.compress_type)
    return stream.getvalue()


def info_of(name: str, *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename, info.external_attr, info.compress_type = name, mode << 16, method
    return info


def _case(name: str, expect: str, content: Callable[[Size], bytes], *must: str, file: str = "data.zip") -> Case:
    def make(folder: Path, size: Size) -> None:
        (folder / file).write_bytes(content(size))

    command = None
    if file != "data.zip":
        command = lambda folder, out, _: ["converters.points_to_yolo", str(folder / file), str(out), "--quiet"]  # noqa: E731
    return Case(name, "archive", expect, make, (file, *must), command=command)


def _member(name: str, expect: str, member: str, *must: str, content: bytes = b"x", **more: int) -> Case:
    """A good archive with one member more."""
    return _case(name, expect, lambda size: zipped(good_members(size), [(info_of(member, **more), content)]), *must)


def _patched(size: Size, find: bytes, at: int, put: bytes) -> bytes:
    """An archive whose last record that begins so is overwritten."""
    content = bytearray(zipped(good_members(size)))
    place = content.rindex(find) + at
    content[place : place + len(put)] = put
    return bytes(content)


def _renamed(size: Size, name: bytes, flags: int = 0) -> bytes:
    """An archive whose member zzzzzzzz has other bytes for a name."""
    name = name.ljust(8, b"z")
    content = zipped(good_members(size), [(info_of("zzzzzzzz"), b"x")]).replace(b"zzzzzzzz", name)
    if flags:
        place = content.rindex(name) - 46 + 8
        content = content[:place] + struct.pack("<H", flags) + content[place + 2 :]
    return content


def _tar(size: Size) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in good_members(size).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _overlapping(size: Size) -> bytes:
    """Two members of the directory that share one member's bytes."""
    content = bytearray(zipped(good_members(size)))
    entries = [place for place in range(len(content)) if content[place : place + 4] == b"PK\1\2"]
    content[entries[2] + 42 : entries[2] + 46] = content[entries[0] + 42 : entries[0] + 46]
    return bytes(content)


def _stored(size: Size, change: Callable[[Members], object]) -> bytes:
    members = good_members(size)
    change(members)
    return zipped(members)


def _own_header(size: Size, at: int, put: bytes) -> bytes:
    """An archive of which the second image's own header says something else than the directory."""
    content = bytearray(zipped(good_members(size)))
    place = content.index(b"DCM/ID91/good1_L.png") - 30 + at
    content[place : place + len(put)] = put
    return bytes(content)


MEGABYTE = 1_000_000
CASES = [
    _case("zip-good", "ok", lambda size: zipped(good_members(size))),
    _case("zip-train-folder", "ok", lambda size: zipped(good_members(size, "train/"))),
    _case("zip-one-folder", "ok", lambda size: zipped(good_members(size, "hands 2026/"))),
    _case("zip-one-folder-with-train", "ok", lambda size: zipped(good_members(size, "hands/train/"))),
    _case("zip-from-a-mac", "ok", lambda size: zipped({**good_members(size), "__MACOSX/DCM/ID90/._good0_L.png": b"\0\5"})),
    _case("zip-with-folders", "ok", lambda size: zipped({"DCM/": b"", "DCM/ID90/": b"", **good_members(size)})),
    _case("zip-with-a-comment", "ok", lambda size: zipped(good_members(size))[:-2] + b"\5\0hello"),
    _case("zip-utf-8-unsaid", "ok", lambda size: _renamed(size, "영상".encode())),
    _member("zip-slip", "refuse", "../../evil.txt", "evil"),
    _member("zip-slip-inside", "refuse", "DCM/../../evil.png", "evil"),
    _member("zip-slip-harmless", "refuse", "DCM/x/../good.png", "good.png"),
    _member("zip-absolute", "refuse", "/etc/cron.d/evil", "evil"),
    _member("zip-drive", "refuse", "C:/evil.png", "evil"),
    _case("zip-backslash", "refuse", lambda size: _renamed(size, b"a\\..\\b"), "a"),
    _case("zip-zero-byte", "refuse", lambda size: _renamed(size, b"a.png\0.x"), "a.png"),
    _case("zip-code-page", "error", lambda size: _renamed(size, "왼손".encode("cp949")), "UTF-8"),
    _member("zip-newline", "refuse", "DCM/ID1/a\nb.png", "ID1"),
    _member("zip-comma", "refuse", "DCM/ID1/a,b.png", "a,b"),
    _member("zip-formula", "refuse", "DCM/ID1/=cmd.png", "=cmd"),
    _member("zip-empty-part", "refuse", "DCM//evil.png", "evil"),
    _member("zip-point", "refuse", "DCM/./evil.png", "evil"),
    _member("zip-point-at-end", "refuse", "DCM/evil.", "evil"),
    _member("zip-space-at-end", "refuse", "DCM/evil ", "evil"),
    _member("zip-device", "refuse", "DCM/ID1/con.png", "con.png"),
    _member("zip-device-com", "refuse", "DCM/COM1/a.png", "COM1"),
    _member("zip-deep", "refuse", "a/" * 9 + "evil.png", "evil"),
    _member("zip-long-name", "refuse", "x" * 300 + ".png", "xxx"),
    _member("zip-symlink", "refuse", "link", "link", content=b"/etc/passwd", mode=0o120777),
    _member("zip-symlink-image", "refuse", "DCM/ID1/a.png", "a.png", content=b"/etc/passwd", mode=0o120777),
    _member("zip-fifo", "refuse", "DCM/ID1/a.png", "a.png", mode=0o010644),
    _member("zip-device-node", "refuse", "DCM/ID1/a.png", "a.png", mode=0o060644),
    _member("zip-nested", "refuse", "more.zip", "more.zip"),
    _member("zip-nested-tgz", "refuse", "more.tar.gz", "more.tar.gz"),
    _member("zip-twice", "refuse", "DCM/ID90/good0_L.png", "good0_L.png"),
    _member("zip-case", "refuse", "dcm/id90/GOOD0_l.png", "GOOD0_l"),
    _member("zip-file-and-folder", "refuse", "DCM/ID90", "ID90"),
    _case("zip-composed", "refuse", lambda size: zipped({**good_members(size), "DCM/é.png": b"", f"DCM/{unicodedata.normalize('NFD', 'é')}.png": b""}), "png"),
    _case("zip-encrypted", "refuse", lambda size: _patched(size, b"PK\1\2", 8, b"\1\0"), "good2_L"),
    _member("zip-bzip2", "error", "DCM/ID1/a.png", "a.png", method=zipfile.ZIP_BZIP2),
    _member("zip-lzma", "error", "DCM/ID1/a.png", "a.png", method=zipfile.ZIP_LZMA),
    _member("zip-bomb", "refuse", "a.png", "a.png", content=b"\0" * 200 * MEGABYTE),
    _case("zip-bomb-in-parts", "refuse", lambda _: zipped({f"{number}.json": b" " * MEGABYTE for number in range(300)}), "unpack"),
    _case("zip-says-terabytes", "refuse", lambda size: _patched(size, b"PK\1\2", 24, b"\xf0\xff\xff\xff"), "good2_L"),
    _case("zip-says-less", "error", lambda size: _patched(size, b"PK\1\2", 24, b"\x10\0\0\0"), "good2_L"),
    _case("zip-checksum", "error", lambda size: _patched(size, b"PK\1\2", 16, b"\1\2\3\4"), "good2_L"),
    _case("zip-name-differs", "error", lambda size: _patched(size, b"PK\1\2", 46, b"DCX"), "data.zip"),
    _case("zip-overlapping", "refuse", _overlapping, "lies inside"),
    _case("zip-half", "error", lambda size: zipped(good_members(size))[:9_000]),
    _case("zip-without-its-end", "error", lambda size: zipped(good_members(size))[:-10]),
    _case("zip-far-directory", "error", lambda size: _patched(size, b"PK\5\6", 16, b"\xf0\xff\xff\x7f")),
    _case("zip-large-directory", "error", lambda size: _patched(size, b"PK\5\6", 12, b"\0\0\0\x7f")),
    _case("zip-empty", "error", lambda _: zipped({}), "DCM"),
    _case("zip-no-bytes", "error", lambda _: b""),
    _case("zip-named-points", "ok", lambda size: zipped(good_members(size)), file="...zip"),
    _case("zip-named-hidden", "ok", lambda size: zipped(good_members(size)), file=".held.zip"),
    _case("zip-one-folder-and-a-text", "ok", lambda size: zipped({**good_members(size, "hands/"), "README.txt": b"hello"})),
    _case("zip-after-the-end", "ok", lambda size: zipped(good_members(size)) + b"more" * 9),
    _case("zip-before-the-start", "ok", lambda size: b"MZ" + b"x" * 500 + zipped(good_members(size))),
    _case("zip-says-fewer", "error", lambda size: _patched(size, b"PK\5\6", 8, b"\3\0\3\0"), "members"),
    _case("zip-says-more", "error", lambda size: _patched(size, b"PK\5\6", 8, b"\x09\0\x09\0"), "members"),
    _case("zip-own-header-encrypted", "error", lambda size: _own_header(size, 6, b"\1\0"), "good1_L.png"),
    _case("zip-own-header-stored", "error", lambda size: _own_header(size, 8, b"\0\0"), "good1_L.png"),
    _case("zip-own-header-size", "error", lambda size: _own_header(size, 18, b"\5\0\0\0\5\0\0\0"), "good1_L.png"),
    _case("zip-own-header-checksum", "error", lambda size: _own_header(size, 14, b"\1\2\3\4"), "good1_L.png"),
    _case("zip-text", "error", lambda _: b"no archive" * 100),
    _case("zip-other-folders", "error", lambda _: zipped({"images/a.png": b"x"}), "DCM"),
    _case("zip-bad-image", "error", lambda size: _stored(size, lambda m: m.__setitem__("DCM/ID90/good0_L.png", b"text")), "good0_L.png"),
    _case("zip-no-json", "error", lambda size: _stored(size, lambda m: m.pop("outputs_json/ID91/good1_L.json")), "good1_L"),
    _case("zip-tif", "error", lambda size: _stored(size, lambda m: m.__setitem__("DCM/ID90/a.tif", b"II*\0")), "a.tif"),
    _case("tar", "error", _tar, "tar", file="data.tar"),
    _case("tar-named-zip", "error", _tar, "tar"),
    _case("tgz", "error", lambda _: b"\x1f\x8b\x08\0" + b"\0" * 100, "gzip", file="data.tar.gz"),
    _case("7z", "error", lambda _: b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, "7z", file="data.7z"),
    _case("rar", "error", lambda _: b"Rar!\x1a\7\1\0" + b"\0" * 100, "RAR", file="data.rar"),
    _case("raw-is-an-image", "error", lambda size: png(grey_image(*size)), "zip", file="data.png"),
]  # fmt: skip
