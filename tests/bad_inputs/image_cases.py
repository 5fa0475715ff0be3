"""Images: damaged, lying, enormous, of another kind, special files, names."""

from __future__ import annotations

import os
import socket
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bad_inputs.case import Case
from tests.bad_inputs.good import annotation_of, chunk, encoded, grey_image, png, raw_png, write_good, write_pair

Size = tuple[int, int]
Picture = Callable[[np.ndarray], bytes]


def _case(name: str, expect: str, picture: Picture, must: tuple[str, ...] = ("bad_R",), **more: object) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        write_pair(folder, picture(grey_image(*size)), annotation_of(*size), suffix=str(more.get("suffix", ".png")))

    return Case(name, "image", expect, make, must, more.get("counter"))  # type: ignore[arg-type]


def _placed(name: str, expect: str, place: Callable[[Path, Size], object], must: tuple[str, ...] = ("bad_R",)) -> Case:
    """A case about the place or the kind of a file; `place` puts the image there."""

    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        image, _ = write_pair(folder, None, annotation_of(*size))
        place(image, size)

    return Case(name, "image", expect, make, must)


def _named(name: str, expect: str, stem: str, must: tuple[str, ...] = ()) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        write_pair(folder, png(grey_image(*size)), annotation_of(*size), stem=stem)

    return Case(name, "image", expect, make, must)


def _stray(name: str, file: str, content: bytes, expect: str = "ok") -> Case:
    """A good pair with a file beside the image that is no part of the data set."""

    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        image, _ = write_pair(folder, png(grey_image(*size)), annotation_of(*size))
        (image.parent / file).write_bytes(content)

    return Case(name, "image", expect, make, () if expect == "ok" else (file,))


def _mode(grey: np.ndarray, mode: str, kind: str = "PNG") -> bytes:
    return encoded(Image.fromarray(grey).convert(mode), kind)


def _with_alpha(grey: np.ndarray) -> bytes:
    half = np.where(np.arange(len(grey))[:, None] < len(grey) // 2, 0, 255).astype(np.uint8) + np.zeros_like(grey)
    return png(np.dstack([grey, grey, grey, half]))


def _exif(grey: np.ndarray, kind: str, orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(Image.fromarray(grey), kind, exif=exif)


def _after_header(picture: bytes, more: bytes) -> bytes:
    """A PNG with chunks after its header."""
    return picture[:33] + more + picture[33:]


def _zeros(height: int, width: int, bits: int = 8) -> bytes:
    return zlib.compress(b"".join([b"\0" + b"\0" * ((width * bits + 7) // 8)] * height), 9)


def _rows(pixels: np.ndarray, kind: str = "u1") -> bytes:
    """The bytes of a PNG's pixels: of each row, no filter and its levels."""
    return zlib.compress(b"".join(b"\0" + row.astype(kind).tobytes() for row in pixels.reshape(len(pixels), -1)))


def _colour_16(grey: np.ndarray, channels: int, kind: int) -> bytes:
    """Levels of 12 bits in channels of 16, the last of which is opaque where it is no colour."""
    deep = np.repeat(grey.astype(np.uint16)[:, :, None] * 16, channels, axis=2)
    if kind in (4, 6):
        deep[..., -1] = 65535
    return raw_png(*grey.shape, 16, kind, _rows(deep, ">u2"))


def _palette(grey: np.ndarray, colours: int, more: bytes = b"", bits: int = 8) -> bytes:
    colour_list = chunk(b"PLTE", bytes(level for level in range(colours) for _ in "rgb"))
    pixels = np.packbits(grey > 100, axis=1) if bits == 1 else grey
    return raw_png(*grey.shape, bits, 3, _rows(pixels), colour_list * bool(colours) + more)


def _swapped(picture: bytes, old: bytes, new: bytes) -> bytes:
    """With the first such bytes changed, whatever checksums say."""
    assert old in picture
    return picture.replace(old, new, 1)


def _app1(grey: np.ndarray, order: str, kind: int, value: bytes) -> bytes:
    """A JPEG whose EXIF gives the orientation as another kind of number."""
    tiff = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    content = b"Exif\0\0" + tiff + struct.pack(f"{order}HHI", 274, kind, 1) + value + b"\0" * 4
    picture = _mode(grey, "L", "JPEG")
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + picture[2:]


def _closed(grey: np.ndarray, mode: str = "L") -> bytes:
    """A JPEG cut at its half, with the mark of its end."""
    picture = _mode(grey, mode, "JPEG")
    return picture[: len(picture) // 2] + b"\xff\xd9"


def _higher(grey: np.ndarray) -> bytes:
    """A JPEG whose header says more rows than there are."""
    picture = _mode(grey, "L", "JPEG")
    place = picture.index(b"\xff\xc0") + 5
    return picture[:place] + struct.pack(">H", len(grey) + 64) + picture[place + 2 :]


def jpeg_of_scans(grey: np.ndarray) -> bytes:
    """A JPEG of 64 megapixels that says so and goes over them twenty times."""
    picture = bytearray(_mode(grey, "L", "JPEG"))
    frame = picture.index(b"\xff\xc0")
    picture[frame + 5 : frame + 9] = struct.pack(">HH", 8000, 8000)
    scan = picture.index(b"\xff\xda")
    return bytes(picture[:-2]) + bytes(picture[scan:-2]) * 19 + b"\xff\xd9"


def _in_memory(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 107 bytes
        try:
            door.bind(path.name)
        finally:
            os.chdir(here)


def _inside(path: Path, size: Size) -> None:
    target = path.parents[1] / "ID002" / ".real.png"
    target.parent.mkdir()
    target.write_bytes(png(grey_image(*size)))
    path.symlink_to(Path("..") / "ID002" / ".real.png")


def _patient_link(path: Path, target: str) -> None:
    (path.parents[1] / ".ID003").mkdir()
    (path.parents[1] / "ID004").symlink_to(target)


def _nfd(folder: Path, size: Size) -> None:
    write_good(folder, *size)
    stem = "영상_왼손"
    picture, record = png(grey_image(*size)), annotation_of(*size)
    write_pair(folder, picture, record, stem=stem, json_stem=unicodedata.normalize("NFD", stem))


CASES = [
    _case("png-half", "error", lambda g: png(g)[: len(png(g)) // 2], ("bad_R.png", "truncated")),
    _case("png-nine-tenths", "error", lambda g: png(g)[: len(png(g)) * 9 // 10], ("bad_R.png", "truncated")),
    _case("png-header-only", "error", lambda g: png(g)[:33]),
    _case("png-signature-only", "error", lambda g: png(g)[:8]),
    _case("png-one-byte", "error", lambda g: png(g)[:1]),
    _case("png-empty", "error", lambda _: b"", ("bad_R.png", "empty")),
    _case("png-text", "error", lambda _: b"patient: HONG\n" * 40),
    _case("png-html", "error", lambda _: b"<html><body>404 Not Found</body></html>"),
    _case("png-zeros", "error", lambda _: b"\0" * 5000),
    _case("png-checksum", "error", lambda g: png(g)[:2000] + b"\x55\xaa" + png(g)[2002:]),
    _case("png-header-checksum", "error", lambda g: png(g)[:29] + b"\0\0\0\0" + png(g)[33:]),
    _case("png-no-pixels", "error", lambda g: raw_png(*g.shape)),
    _case("png-few-pixels", "error", lambda g: raw_png(*g.shape, pixels=_zeros(3, g.shape[1]))),
    _case("png-not-deflated", "error", lambda g: raw_png(*g.shape, pixels=b"no zlib stream" * 100)),
    _case("png-after-the-end", "ok", lambda g: png(g) + b"PK\x03\x04 what an upload added"),
    _case("png-12-of-16", "repair", lambda g: png(g.astype(np.uint16) * 16), counter="rescaled_16bit"),
    _case("png-16-of-16", "repair", lambda g: png(g.astype(np.uint16) * 257), counter="rescaled_16bit"),
    _case("png-black-16", "repair", lambda g: png(np.zeros(g.shape, np.uint16)), counter="rescaled_16bit"),
    _case("png-rgba", "repair", _with_alpha, counter="alpha_dropped"),
    _case("png-grey-alpha", "repair", lambda g: _mode(g, "LA"), counter="alpha_dropped"),
    _case("png-rgb", "ok", lambda g: _mode(g, "RGB")),
    _case("png-palette", "ok", lambda g: _mode(g, "P")),
    _case("png-1-bit", "error", lambda g: png(g > 100), ("bad_R.png", "1-bit")),
    _case("png-animated", "repair", lambda g: encoded(Image.fromarray(g), "PNG", save_all=True, append_images=[Image.fromarray(g[::-1])]), counter="frames_dropped"),
    _case("png-animated-lies", "repair", lambda g: _after_header(png(g), chunk(b"acTL", struct.pack(">II", 5, 0))), counter="frames_dropped"),
    _case("png-rgb-16", "repair", lambda g: _colour_16(g, 3, 2), counter="rescaled_16bit"),
    _case("png-rgba-16", "repair", lambda g: _colour_16(g, 4, 6), counter="rescaled_16bit"),
    _case("png-grey-alpha-16", "repair", lambda g: _colour_16(g, 2, 4), counter="rescaled_16bit"),
    _case("png-palette-alpha", "repair", lambda g: _palette(g, 256, chunk(b"tRNS", bytes(range(256)))), counter="alpha_dropped"),
    _case("png-grey-transparent", "repair", lambda g: _after_header(png(g), chunk(b"tRNS", b"\0\x64")), counter="alpha_dropped"),
    _case("png-palette-short", "error", lambda g: _palette(g, 100), ("bad_R.png", "PLTE")),
    _case("png-palette-none", "error", lambda g: _palette(g, 0), ("bad_R.png", "PLTE")),
    _case("png-palette-1-bit", "error", lambda g: _palette(g, 2, bits=1), ("bad_R.png", "1-bit")),
    _case("png-checksum-only", "error", lambda g: _swapped(png(g), png(g)[-16:-12], b"\1\2\3\4"), ("bad_R.png", "checksum")),
    _case("png-without-its-end", "error", lambda g: png(g)[:-12], ("bad_R.png", "truncated")),
    _case("png-headers", "error", lambda g: png(g)[:33] + png(g)[8:], ("bad_R.png", "order")),
    _case("png-chunk-before", "error", lambda g: png(g)[:8] + chunk(b"tEXt", b"a\0b") + png(g)[8:], ("bad_R.png", "order")),
    _case("png-unknown-critical", "error", lambda g: _after_header(png(g), chunk(b"ABCD", b"x")), ("bad_R.png", "ABCD")),
    _case("png-length-lies", "error", lambda g: _swapped(png(g), png(g)[33:37], b"\x7f\xff\xff\xff"), ("bad_R.png", "truncated")),
    _case("png-gamma", "ok", lambda g: _after_header(png(g), chunk(b"gAMA", struct.pack(">I", 10_000)))),
    _case("jpg-closed", "error", _closed, ("bad_R.jpg", "truncated"), suffix=".jpg"),
    _case("jpg-closed-rgb", "error", lambda g: _closed(g, "RGB"), ("bad_R.jpg", "truncated"), suffix=".jpg"),
    _case("jpg-no-pixels", "error", lambda g: _mode(g, "L", "JPEG").partition(b"\xff\xda")[0] + b"\xff\xd9", suffix=".jpg", must=("bad_R.jpg",)),
    _case("jpg-higher", "error", _higher, ("bad_R.jpg", "truncated"), suffix=".jpg"),
    _case("jpg-flat", "ok", lambda g: _mode(g * 0 + 9, "L", "JPEG"), suffix=".jpg"),
    _case("jpg-exif-long", "repair", lambda g: _app1(g, "<", 4, struct.pack("<I", 6)), suffix=".jpg", counter="exif_ignored"),
    _case("jpg-exif-long-mm", "repair", lambda g: _app1(g, ">", 4, struct.pack(">I", 6)), suffix=".jpg", counter="exif_ignored"),
    _case("jpg-exif-byte", "repair", lambda g: _app1(g, "<", 1, b"\6\0\0\0"), suffix=".jpg", counter="exif_ignored"),
    _case("png-jpeg-inside", "error", lambda g: _mode(g, "L", "JPEG"), ("bad_R.png", "JPEG")),
    _case("png-cmyk-inside", "error", lambda g: _mode(g, "CMYK", "JPEG"), ("bad_R.png", "JPEG")),
    _case("png-gif-inside", "error", lambda g: _mode(g, "L", "GIF")),
    _case("png-bmp-inside", "error", lambda g: _mode(g, "L", "BMP")),
    _case("png-webp-inside", "error", lambda g: _mode(g, "RGB", "WEBP")),
    _case("png-tiff-inside", "error", lambda g: _mode(g, "L", "TIFF")),
    _case("jpg-png-inside", "error", lambda g: png(g), ("bad_R.jpg", "PNG"), suffix=".jpg"),
    _case("jpg-cmyk", "error", lambda g: _mode(g, "CMYK", "JPEG"), ("bad_R.jpg", "CMYK"), suffix=".jpg"),
    _case("jpg-half", "error", lambda g: _mode(g, "L", "JPEG")[:-900], ("bad_R.jpg", "truncated"), suffix=".jpg"),
    _case("jpg-good", "ok", lambda g: _mode(g, "L", "JPEG"), suffix=".jpeg"),
    _case("jpg-after-the-end", "ok", lambda g: _mode(g, "L", "JPEG") + b"more", suffix=".jpg"),
    _case("jpg-exif", "repair", lambda g: _exif(g, "JPEG", 3), suffix=".jpg", counter="exif_ignored"),
    _case("jpg-segments", "error", lambda g: b"\xff\xd8" + b"\xff\xfe\0\2" * 50_000 + _mode(g, "L", "JPEG")[2:], ("bad_R.jpg", "segments"), suffix=".jpg"),
    _case("jpg-filled", "error", lambda g: b"\xff\xd8" + b"\xff" * 100_000 + _mode(g, "L", "JPEG")[2:], ("bad_R.jpg",), suffix=".jpg"),
    _case("jpg-scans", "error", jpeg_of_scans, ("bad_R.jpg", "scans"), suffix=".jpg"),
    _case("png-exif", "repair", lambda g: _exif(g, "PNG"), counter="exif_ignored"),
    _case("png-exif-straight", "ok", lambda g: _exif(g, "PNG", 1)),
    _case("png-exif-broken", "ok", lambda g: _after_header(png(g), chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff" + b"\1" * 40))),
    _case("png-profile-bomb", "error", lambda g: _after_header(png(g), chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 80_000_000, 9)))),
    _case("png-text-bomb", "error", lambda g: _after_header(png(g), chunk(b"zTXt", b"x\0\0" + zlib.compress(b"\0" * 80_000_000, 9)))),
    _case("png-chunks", "error", lambda g: _after_header(png(g), chunk(b"teSt", b"") * 50_000), ("bad_R.png", "chunks")),
    _case("png-30000", "error", lambda _: raw_png(30_000, 30_000, 1, pixels=_zeros(100, 30_000, 1)), ("bad_R.png", "30000")),
    _case("png-13000", "error", lambda _: raw_png(13_000, 13_000), ("bad_R.png", "13000")),
    _case("png-just-too-large", "error", lambda _: raw_png(8_001, 8_000), ("bad_R.png", "64000000")),
    _case("png-2-to-the-31", "error", lambda _: raw_png(2**31 - 1, 2**31 - 1), ("bad_R.png",)),
    _case("png-line", "error", lambda _: raw_png(1, 60_000_000), ("bad_R.png",)),
    _case("png-no-width", "error", lambda g: raw_png(len(g), 0)),
    _case("png-15-wide", "error", lambda g: png(np.ascontiguousarray(g[:, :15])), ("bad_R.png", "15")),
    _case("png-half-size", "error", lambda g: png(np.ascontiguousarray(g[::2, ::2])), ("bad_R",)),
    _case("png-upper-half", "error", lambda g: png(np.ascontiguousarray(g[: len(g) // 2])), ("bad_R",)),
    _case("png-turned", "error", lambda g: png(np.ascontiguousarray(g.T)), ("bad_R",)),
    _placed("file-symlink-out", "refuse", lambda path, _: path.symlink_to("/etc/hostname")),
    _placed("file-symlink-inside", "ok", _inside),
    _placed("file-symlink-nowhere", "error", lambda path, _: path.symlink_to("nowhere.png")),
    _placed("file-symlink-loop", "error", lambda path, _: path.symlink_to(path.name)),
    _placed("file-fifo", "error", lambda path, _: os.mkfifo(path)),
    _placed("file-folder", "error", lambda path, _: path.mkdir()),
    _placed("file-socket", "error", lambda path, _: _in_memory(path)),
    _placed("file-capitals", "ok", lambda path, size: path.with_suffix(".PNG").write_bytes(png(grey_image(*size)))),
    _placed("file-tif", "error", lambda path, size: path.with_suffix(".tif").write_bytes(_mode(grey_image(*size), "L", "TIFF")), ("bad_R.tif",)),
    _placed("file-bmp", "error", lambda path, size: path.with_suffix(".bmp").write_bytes(_mode(grey_image(*size), "L", "BMP")), ("bad_R.bmp",)),
    _stray("stray-heic", "photo.heic", b"\0\0\0\x18ftypheic", "error"),
    _stray("stray-jfif", "photo.JFIF", b"\xff\xd8\xff", "error"),
    _stray("stray-npy", "bad_R.npy", b"\x93NUMPY no array"),
    _stray("stray-cache", "labels.cache", b"\x80\x04no pickle"),
    _stray("stray-apple", "._bad_R.png", b"\0\5\x16\7 resource fork"),
    _stray("stray-thumbs", "Thumbs.db", b"\xd0\xcf\x11\xe0"),
    _stray("stray-yaml", "data.yaml", b"download: import os\n"),
    Case("name-nfd", "image", "ok", _nfd),
    _named("name-newline", "refuse", 'a\n,"b', ("DCM",)),
    _named("name-comma", "refuse", "a,b", ("a,b",)),
    _named("name-quote", "refuse", 'a"b', ('a"b',)),
    _named("name-tab", "refuse", "a\tb", ("DCM",)),
    _named("name-escape", "refuse", "a\x1b[31mb", ("DCM",)),
    _named("name-equals", "refuse", "=cmd(1)", ("=cmd",)),
    _named("name-plus", "refuse", "+cmd", ("+cmd",)),
    _named("name-minus", "refuse", "-rf", ("-rf",)),
    _named("name-at", "refuse", "@SUM(A1)", ("@SUM",)),
    _named("name-long", "ok", "x" * 200),
    _named("name-250-bytes", "error", "x" * 246, ("xxx",)),
    _named("name-bytes", "refuse", "a\udcff", ("DCM",)),
    _named("name-line-separator", "refuse", "a\u2028b", ("DCM",)),
    _named("name-turned", "refuse", "a\u202egnp", ("DCM",)),
    _placed("patient-link", "error", lambda path, _: _patient_link(path, ".ID003"), ("ID004",)),
    _placed("patient-link-nowhere", "error", lambda path, _: _patient_link(path, "nowhere"), ("ID004",)),
    _placed("folders-in-folders", "error", lambda path, size: (path.write_bytes(png(grey_image(*size))), (path.parent / "/".join("d" * 50)).mkdir(parents=True)), ("d/d",)),
    _named("name-spaces", "ok", "left hand (2)"),
    _named("name-emoji", "ok", "손🖐"),
]  # fmt: skip
