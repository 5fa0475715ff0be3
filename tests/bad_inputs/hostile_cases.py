"""Files made to take time or memory, as large as they are let in."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
from PIL import Image

from tests.bad_inputs.archive_cases import good_members, zipped
from tests.bad_inputs.case import Case, edited
from tests.bad_inputs.dicom_cases import deep, dicom
from tests.bad_inputs.good import annotation_of, chunk, encoded, grey_image, png, raw_png, write_pair
from tests.bad_inputs.other_cases import CLASSES, COCO, METADATA, SOFT, TRAIN
from tests.bad_inputs.table_cases import BACK, CHECK, HEADER, good_rows, text_of, write_images
from yolo_bones.bones import BONES

Size = tuple[int, int]
SIDE = 8_000
"""Of an image of 64 megapixels."""


def _image(name: str, content: Callable[[Size], bytes], suffix: str = ".png") -> Case:
    """A single pair: what is settled is the hostile file."""

    def make(folder: Path, size: Size) -> None:
        # What is let in has a wrong label beside it, so that the run ends with the check.
        record = edited(annotation_of(*size), lambda annotations: annotations[0].update(label="finger-20"))
        write_pair(folder, content(size), record, suffix=suffix)

    return Case(name, "image", "error", make, ("bad_R",))


def _json(name: str, content: Callable[[Size], bytes]) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_pair(folder, png(grey_image(*size)), content(size))

    return Case(name, "json", "error", make, ("bad_R",))


def _zip(name: str, expect: str, content: Callable[[Size], bytes]) -> Case:
    return Case(name, "archive", expect, lambda folder, size: (folder / "data.zip").write_bytes(content(size)))


def _other(name: str, layer: str, file: str, content: Callable[[Size], Any], command: Any = None) -> Case:
    def make(folder: Path, size: Size) -> None:
        for table in ("good.csv", "pred.csv"):
            (folder / table).write_text(text_of(good_rows(size)))
        write_images(folder, size)
        (folder / file).parent.mkdir(exist_ok=True)
        made = content(size)
        (folder / file).write_bytes(made if isinstance(made, bytes) else made.encode())

    return Case(name, layer, "error", make, (Path(file).name,), command=command)


def _zlib_zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(count // 1_000_000)), packer.flush()])


def _large_png(kind: int, bits: int, channels: int) -> bytes:
    """64 megapixels, all black, whole: what is wrong is their size beside the annotation."""
    return raw_png(SIDE, SIDE, bits, kind, _zlib_zeros((SIDE * channels * bits // 8 + 1) * SIDE + 1_000_000))


def _polygons(outlines: list[str], labels: list[str]) -> bytes:
    drawn = (f'{{"label":"{label}","points":[{points}]}}' for label, points in zip(labels, outlines, strict=True))
    return f'{{"annotations":[{",".join(drawn)}]}}'.encode()


def _random_points(count: int, size: Size, seed: int) -> str:
    chance = np.random.default_rng(seed)
    both = zip(chance.integers(0, size[1], count).tolist(), chance.integers(0, size[0], count).tolist(), strict=True)
    return ",".join(f"[{x},{y}]" for x, y in both)


def _comb(count: int, size: Size) -> str:
    """A sound outline of very many teeth."""
    return ",".join(f"[{place % size[1]},{(place // size[1] * 7 + place % 2 * 5) % size[0]}]" for place in range(count))


FINGERS = [f"finger-{number}" for number in range(1, 20)]


def _directory(members: int) -> bytes:
    """A zip of that many empty members, made without Python's own slow writer."""
    local = b"PK\3\4" + struct.pack("<5H3L2H", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = (b"PK\1\2" + entry) * members
    count = min(members, 0xFFFF)
    return local + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(local), 0)


def _tags(size: Size) -> bytes:
    """DICOM with as many empty private tags before its pixels as fit."""
    good = dicom(deep(grey_image(*size)))
    place = good.index(struct.pack("<HH", 0x28, 2))
    tags = b"".join(struct.pack("<HH2sH", 0x11, 0x10 + k % 0xF0, b"LO", 0) for k in range(240_000))
    return good[:place] + tags + good[place:]


def _nested_tags(size: Size) -> bytes:
    good = dicom(deep(grey_image(*size)))
    place = good.index(struct.pack("<HH", 0x28, 2))
    nest = (
        struct.pack("<HH2sHL", 0x28, 0x3000, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ) * 20_000
    return good[:place] + nest + good[place:]


def _jpeg_of(height: int, width: int, scans: int = 1) -> bytes:
    picture = bytearray(encoded(Image.fromarray(grey_image(64, 64)), "JPEG", progressive=scans > 1))
    frame = picture.index(b"\xff\xc2" if scans > 1 else b"\xff\xc0")
    picture[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(picture[:-2]) + bytes(picture[picture.rindex(b"\xff\xda") : -2]) * (scans - 1) + b"\xff\xd9"


def _soft_bomb(size: Size) -> bytes:
    """Levels that say they are 512 MB and are packed into half of one."""
    stream = io.BytesIO()
    boxes = np.tile(np.array([0, 0, *size], np.int32), (29, 1))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (("size", np.array(size, np.int32)), ("boxes", boxes)):
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(f"{name}.npy", content.getvalue())
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (500_000_000,)})
        with archive.open("levels.npy", "w") as levels:
            levels.write(header.getvalue())
            for _ in range(500):
                levels.write(bytes(1_000_000))
    return stream.getvalue()


def _parquet_bomb(size: Size) -> bytes:
    """One image whose masks are 50 MB each, packed to a few kilobytes."""
    sides = {
        name: polars.Series([side] * 29, dtype=polars.UInt32)
        for name, side in zip(("height", "width"), size, strict=True)
    }
    table = polars.DataFrame(
        {"image_name": ["image0.png"] * 29, "class": BONES, **sides, "counts": [b"0" * 50_000_000] * 29}
    )
    stream = io.BytesIO()
    table.write_parquet(stream, compression="zstd")
    return stream.getvalue()


def _workbook_bomb(_: Size) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 200_000_000)
    return stream.getvalue()


CASES = [
    _image("hostile-png-64-megapixels", lambda _: _large_png(0, 8, 1)),
    _image("hostile-png-64-megapixels-of-16-bits", lambda _: _large_png(0, 16, 1)),
    _image("hostile-png-64-megapixels-of-rgba", lambda _: _large_png(6, 8, 4)),
    _image("hostile-png-64-megapixels-cut", lambda _: raw_png(SIDE, SIDE, pixels=_zlib_zeros(1_000_000))),
    _image("hostile-png-30000", lambda _: raw_png(30_000, 30_000, 1, pixels=_zlib_zeros(100_000_000))),
    _image("hostile-png-chunks", lambda s: png(grey_image(*s))[:33] + chunk(b"teSt", b"") * 3_000_000),
    _image("hostile-png-small-chunks-of-pixels", lambda s: raw_png(*s) [:33] + chunk(b"IDAT", b"") * 3_000_000),
    _image("hostile-png-texts", lambda s: png(grey_image(*s))[:33] + chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000))) * 900),
    _image("hostile-jpeg-64-megapixels", lambda _: _jpeg_of(SIDE, SIDE), ".jpg"),
    _image("hostile-jpeg-scans", lambda _: _jpeg_of(SIDE, SIDE, 200), ".jpg"),
    _image("hostile-jpeg-filled", lambda _: b"\xff\xd8" + b"\xff" * 50_000_000, ".jpg"),
    _image("hostile-jpeg-segments", lambda _: b"\xff\xd8" + b"\xff\xe1\0\2" * 10_000_000, ".jpg"),
    _image("hostile-dicom-tags", _tags, ".dcm"),
    _image("hostile-dicom-nested", _nested_tags, ".dcm"),
    _image("hostile-dicom-rows", lambda s: dicom(deep(grey_image(*s)), Rows=60_000, Columns=1_000), ".dcm"),
    _json("hostile-json-brackets", lambda _: b"[" * 15_900_000),
    _json("hostile-json-objects", lambda _: b'{"annotations":[' + b"{}," * 5_200_000 + b"{}]}"),
    _json("hostile-json-lists", lambda _: b'{"annotations":[' + b"[]," * 5_200_000 + b"[]]}"),
    _json("hostile-json-lists-let-in", lambda _: b'{"annotations":[' + b"[]," * 1_190_000 + b"[]]}"),
    _json("hostile-json-objects-let-in", lambda _: b'{"annotations":[' + b'{"a":1},' * 199_000 + b"{}]}"),
    _json("hostile-json-text", lambda _: b'{"annotations":"' + b"x" * 15_900_000 + b'"}'),
    _json("hostile-json-quotes", lambda _: b'{"annotations":"' + b'\\"[' * 5_000_000 + b'"}'),
    _json("hostile-json-digits", lambda _: b'{"annotations":' + b"9" * 15_900_000 + b"}"),
    _json("hostile-json-keys", lambda _: b"{" + b",".join(b'"%d":1' % k for k in range(1_000_000)) + b"}"),
    _json("hostile-points-wrong", lambda _: _polygons([",".join(['["a"]'] * 30_000)] * 19, FINGERS)),
    _json("hostile-points-tangled", lambda s: _polygons([_random_points(99_000, s, k) for k in range(5)], FINGERS[:5])),
    _json("hostile-points-a-million", lambda s: _polygons([_random_points(1_000_000, s, 1)], FINGERS[:1])),
    _json("hostile-points-in-all", lambda s: _polygons([_random_points(99_000, s, k) for k in range(12)], FINGERS[:12])),
    _json("hostile-points-small-tangles", lambda s: _polygons([_random_points(900, s, k) for k in range(19)], FINGERS)),
    _json("hostile-points-let-in", lambda s: _polygons([_random_points(500, s, k) for k in range(19)], FINGERS) + b"x"),
    _json("hostile-points-comb", lambda s: _polygons([_comb(99_000, s)] * 5, FINGERS[:5])),
    _json("hostile-points-outside", lambda _: _polygons([",".join(["[9,-9]"] * 30_000)] * 19, FINGERS)),
    _json("hostile-annotations-of-one-bone", lambda _: _polygons([f"[1,1],[{k % 200 + 2},1],[{k % 200 + 2},9]" for k in range(9_999)], ["Ulna"] * 9_999)),
    _json("hostile-labels", lambda _: json.dumps({"annotations": [{"label": "U" * 1_500, "points": []}] * 9_999}).encode()),
    _zip("hostile-zip-directory", "error", lambda _: _directory(400_000)),
    _zip("hostile-zip-members", "refuse", lambda _: _directory(160_000)),
    _zip("hostile-zip-bomb", "refuse", lambda s: zipped({**good_members(s), "DCM/a.png": bytes(500_000_000)})),
    _other("hostile-csv-long-row", "csv", "pred.csv", lambda s: text_of([("image0.png", "finger-1", "1 1 " * 30_000_000)])),
    _other("hostile-csv-long-name", "csv", "pred.csv", lambda s: text_of([("x" * 100_000_000, "finger-1", "1 1")])),
    _other("hostile-csv-runs", "csv", "pred.csv", lambda s: text_of([("image0.png", "finger-1", " ".join(f"{k} 1" for k in range(1, 6_000_001, 2)))])),
    _other("hostile-csv-rows", "csv", "pred.csv", lambda s: text_of([("image0.png", "finger-1", "1 1")] * 2_000_000)),
    _other("hostile-metadata-columns", "metadata", "meta.csv", lambda _: "ID" + ",x" * 5_000_000 + "\n", METADATA),
    _other("hostile-metadata-cell", "metadata", "meta.csv", lambda _: "ID,note\n1," + "x" * 30_000_000 + "\n", METADATA),
    _other("hostile-workbook", "metadata", "meta.csv", _workbook_bomb, METADATA),
    _other("hostile-coco-brackets", "coco", "results.json", lambda _: b"[" * 50_000_000, COCO),
    _other("hostile-coco-counts", "coco", "results.json", lambda s: json.dumps([{"image_id": 1, "category_id": 0, "score": 1, "segmentation": {"size": list(s), "counts": [1] * 2_000_000}}]), COCO),
    _other("hostile-yaml-laughs", "yaml", "weights.yaml", lambda _: "a: &a [x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)), CLASSES),
    _other("hostile-yaml-nested", "yaml", "weights.yaml", lambda _: "[" * 60_000, CLASSES),
    _other("hostile-yaml-keys", "yaml", "weights.yaml", lambda _: "".join(f"{k:x}: 1\n" for k in range(7_400)), CLASSES),
    _other("hostile-data-laughs", "data", "data.yaml", lambda _: "a: &a [x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)), TRAIN),
    _other("hostile-data-sixties", "data", "data.yaml", lambda _: "path: 1" + ":1" * 60_000 + "\n", TRAIN),
    _other("hostile-parquet", "csv", "pred.parquet", _parquet_bomb, BACK),
    _other("hostile-check-rows", "csv", "pred.csv", lambda s: text_of([("image0.png", "finger-1", "1 1")] * 500_000), CHECK),
    _other("hostile-check-long-row", "csv", "pred.csv", lambda s: text_of([("image0.png", "finger-1", "1 1 " * 30_000_000)]), CHECK),
    _other("hostile-csv-commas", "csv", "pred.csv", lambda _: HEADER + "," * 100_000_000 + "\n"),
    _other("hostile-csv-names", "csv", "pred.csv", lambda _: text_of([(f"i{k}.png", "finger-1", "1 1") for k in range(400_000)])),
    _other("hostile-soft-directory", "soft", "soft/image0.png.npz", lambda _: _directory(400_000), SOFT),
    _other("hostile-soft", "soft", "soft/image0.png.npz", _soft_bomb, SOFT),
]  # fmt: skip
