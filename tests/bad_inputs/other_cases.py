"""Metadata, COCO results, soft channels, options, weights, data files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_inputs.case import Case, Command
from tests.bad_inputs.good import annotation_of, grey_image, png, write_good, write_pair
from tests.bad_inputs.table_cases import good_rows, text_of, with_pred, write_images
from yolo_bones.bones import BONES

Size = tuple[int, int]


def _file(layer: str, file: str, command: Command) -> Callable[..., Case]:
    """Cases about one file of a command that reads others as well."""

    def case(name: str, expect: str, content: Any, *must: str, **more: Any) -> Case:
        def make(folder: Path, size: Size) -> None:
            (folder / "good.csv").write_text(text_of(good_rows(size)))
            (folder / "pred.csv").write_text(text_of(good_rows(size)))
            write_images(folder, size)
            made = content(size) if callable(content) else content
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            if made is None:
                path.mkdir()
            elif callable(made):
                made(path)
            else:
                path.write_bytes(made if isinstance(made, bytes) else made.encode())

        return Case(name, layer, expect, make, must or (Path(file).name,), command=more.pop("command", command), **more)

    return case


def _soft_file(of: Size, **changed: Any) -> bytes:
    """One image's soft channels, each bone 4 x 4 pixels."""
    boxes = np.array([[9 * place % (of[0] - 4), 5, 4, 4] for place in range(29)], dtype=np.int32)
    arrays = {"size": np.array(of, np.int32), "boxes": boxes, "levels": np.full(29 * 16, 200, np.uint8), **changed}
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


def _doubled_levels(size: Size) -> bytes:
    """The last of two arrays of one name is read by most."""
    stream = io.BytesIO(_soft_file(size))
    with zipfile.ZipFile(stream, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("levels.npy", archive.read("levels.npy"))
    return stream.getvalue()


def _zip_of(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), content)
    return stream.getvalue()


class _Runs:
    """Pickled, it makes a file when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (Path("PWNED"),)


def _object_array() -> np.ndarray:
    return np.array([_Runs()], dtype=object)


def _results(change: Callable[[list[dict[str, Any]], Size], Any]) -> Callable[[Size], str]:
    def content(size: Size) -> str:
        listed = [
            {"image_id": 1, "category_id": place, "score": 0.9, "segmentation": [[5, 5, 30, 5, 30, 30, 5, 30]]}
            for place in range(29)
        ]
        return json.dumps(change(listed, size) or listed)

    return content


def _segmentation(value: Any) -> Callable[[Size], str]:
    def change(listed: list[dict[str, Any]], size: Size) -> None:
        filled = {**value, "size": list(size)} if isinstance(value, dict) and "size" not in value else value
        listed[0]["segmentation"] = filled

    return _results(change)


def _coco_file(change: Callable[[dict[str, Any], Size], Any]) -> Callable[[Size], str]:
    """A whole COCO file of two images, changed."""

    def content(size: Size) -> str:
        images = [{"id": k, "file_name": f"image{k}.png", "height": size[0], "width": size[1]} for k in range(2)]
        drawn = [
            {"id": place, "image_id": 0, "category_id": place + 1, "segmentation": [[5, 5, 30, 5, 30, 30, 5, 30]]}
            for place in range(29)
        ]
        names = [{"id": place + 1, "name": bone} for place, bone in enumerate(BONES)]
        record: dict[str, Any] = {"images": images, "annotations": drawn, "categories": names}
        change(record, size)
        return json.dumps(record)

    return content


def _patients_workbook(change: Callable[[bytes], bytes]) -> Callable[[Size], bytes]:
    """A workbook of two patients whose sheet, as XML, is changed."""

    def content(_: Size) -> bytes:
        from openpyxl import Workbook

        book, stream, again = Workbook(), io.BytesIO(), io.BytesIO()
        for row in (("ID", "나이", "성별"), (1, 54, "_x0008_여"), (2, 61, " 남")):
            book.active.append(row)
        book.save(stream)
        with zipfile.ZipFile(stream) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                part = old.read(name)
                new.writestr(name, change(part) if name == "xl/worksheets/sheet1.xml" else part)
        return again.getvalue()

    return content


def _more_rows(rows: bytes) -> Callable[[Size], bytes]:
    return _patients_workbook(lambda sheet: sheet.replace(b"</sheetData>", rows + b"</sheetData>"))


def _workbook(**parts: bytes) -> bytes:
    return _zip_of(**{"[Content_Types].xml": b"<Types/>", **parts})


def _door(
    name: str, expect: str, content: Any, *must: str, beside: str | None = None, listed: str | None = None
) -> Case:
    """A case about weights, or about what lies beside them."""

    def make(folder: Path, size: Size) -> None:
        write_images(folder, size)
        made = content() if callable(content) else content
        if made is None:
            (folder / "best.pt").mkdir()
        else:
            (folder / "best.pt").write_bytes(made)
        if beside is not None:
            (folder / "best.yaml").write_text(beside)
        if listed is not None:
            (folder / "best.pt.sha256").write_text(listed)

    return Case(name, "weights", expect, make, must or ("best.pt",), command=EXPORT)


def _shipped() -> bytes:
    return (Path(__file__).resolve().parents[2] / "weights" / "bones-n.pt").read_bytes()


def _zip_with_pickle() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), pickle.dumps(_Runs(), 2))
        archive.writestr(zipfile.ZipInfo("archive/version"), b"3\n")
    return stream.getvalue()


_X_HASH = hashlib.sha256(b"x" * 100).hexdigest()


def _packed_zeros() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), b"\x80\x02}.")
        archive.writestr("archive/data/0", bytes(50_000_000))
    return stream.getvalue()


def _data(name: str, expect: str, content: str, *must: str) -> Case:
    def make(folder: Path, size: Size) -> None:
        for subset in ("train", "val"):
            (folder / "set" / "images" / subset).mkdir(parents=True)
            (folder / "set" / "labels" / subset).mkdir(parents=True)
            (folder / "set" / "images" / subset / f"{subset}.png").write_bytes(png(grey_image(*size)))
            (folder / "set" / "labels" / subset / f"{subset}.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
        (folder / "data.yaml").write_text(content.replace("SET", str(folder / "set")).replace("NAMES", NAMES))

    return Case(name, "data", expect, make, must or ("data.yaml",), command=TRAIN)


def _option(name: str, expect: str, *options: str, must: tuple[str, ...]) -> Case:
    """Good data and a bad option of points_to_yolo."""

    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        write_pair(folder, png(grey_image(*size)), annotation_of(*size))

    return Case(
        name, "option", expect, make, must, command=with_pred("converters.points_to_yolo", "IN", "OUT/o", *options)
    )


NAMES = json.dumps(list(BONES))
METADATA = with_pred("converters.metadata_to_csv", "IN/meta.csv", "OUT/m.csv", "--json", "OUT/m.json", "--quiet")
WORKBOOK = with_pred("converters.metadata_to_csv", "IN/meta.xlsx", "OUT/m.csv", "--quiet")
COMPARE = with_pred(
    "yolo_bones.compare_rle",
    "IN/pred.csv",
    "IN/good.csv",
    "IN/good.csv",
    "--patients",
    "IN/patients.csv",
    "--samples",
    "100",
    "--quiet",
)
BY = with_pred("yolo_bones.evaluate_rle", "IN/pred.csv", "IN/good.csv", "--by", "IN/patients.csv:patient", "--quiet")
SOFT = with_pred("yolo_bones.ensemble_rle", "IN/soft", "--out", "OUT/v.csv", "--quiet")
COCO = with_pred("converters.coco_to_rle", "IN/results.json", "OUT/p.csv", "--images", "IN/images", "--quiet")
CLASSES = with_pred(
    "yolo_bones.ensemble_rle",
    "IN/pred.csv",
    "IN/good.csv",
    "--out",
    "OUT/v.csv",
    "--class-weights",
    "IN/weights.yaml",
    "--quiet",
)
EXPORT = with_pred(
    "yolo_bones.export_rle", "--weights", "IN/best.pt", "--source", "IN/images", "--out", "OUT/p.csv", "--quiet"
)
TRAIN = with_pred("yolo_bones.train_bones", "data=IN/data.yaml", "project=OUT/runs", "name=x", "epochs=1", "imgsz=64")

metadata = _file("metadata", "meta.csv", METADATA)
workbook = _file("metadata", "meta.xlsx", WORKBOOK)
patients = _file("patients", "patients.csv", COMPARE)
soft = _file("soft", "soft/image0.png.npz", SOFT)
coco = _file("coco", "results.json", COCO)
corrected = _file("coco", "results.json", with_pred("converters.coco_to_points", "IN/results.json", "OUT/o", "--images", "IN/images", "--quiet"))  # fmt: skip
classes = _file("weights-of-votes", "weights.yaml", CLASSES)
GOOD_PATIENTS = "image_name,patient\nimage0.png,ID1\nimage1.png,ID2\n"
GOOD_TABLE = "ID,age,sex\n1,54,F\n2,61,M\n"

CASES = [
    metadata("meta-good", "ok", GOOD_TABLE),
    metadata("meta-semicolons", "error", GOOD_TABLE.replace(",", ";"), "meta.csv:1", "semicolons"),
    metadata("meta-tabs", "error", GOOD_TABLE.replace(",", "\t"), "meta.csv:1", "tabs"),
    metadata("meta-utf-16", "error", GOOD_TABLE.encode("utf-16"), "meta.csv:1", "UTF-16"),
    metadata("meta-code-page", "error", "ID,성별\n1,여\n".encode("cp949"), "UTF-8"),
    metadata("meta-empty", "error", b""),
    metadata("meta-no-id", "error", "age,sex\n54,F\n", "ID"),
    metadata("meta-id-twice", "error", "ID,ID,sex\n1,1,F\n", "ID"),
    metadata("meta-ragged", "error", "ID,age\n1,54,F\n", "meta.csv:2"),
    metadata("meta-open-quote", "error", 'ID,age\n1,"54\n'),
    metadata("meta-formula", "ok", "ID,note\n1,\"=HYPERLINK(\"\"http://x\"\")\"\n"),
    metadata("meta-300-columns", "error", "ID," + ",".join(f"c{k}" for k in range(300)) + "\n1" + ",x" * 300 + "\n"),
    metadata("meta-long-cell", "error", f"ID,note\n1,{'x' * 40_000}\n", "row 2"),
    metadata("meta-folder", "error", None),
    metadata("meta-json-is-a-folder", "error", GOOD_TABLE, "a folder", command=with_pred("converters.metadata_to_csv", "IN/meta.csv", "OUT/m.csv", "--json", "IN/images")),
    metadata("meta-id-in-wide-digits", "repair", "ID,age\n\uff11,54\n", counter="number_written_otherwise"),
    workbook("xlsx-good", "ok", _more_rows(b"")),
    workbook("xlsx-row-too-late", "error", _more_rows(b'<row r="2"><c r="A2"><v>7</v></c></row>'), "sheet1.xml", "row 2"),
    workbook("xlsx-cell-twice", "error", _more_rows(b'<row r="9"><c r="A9"><v>7</v></c><c r="A9"><v>8</v></c></row>'), "A9"),
    workbook("xlsx-million-rows", "error", _more_rows(b"<row/>" * 1_000_000), "at most 200000 elements"),
    workbook("xlsx-entity-file", "error", _patients_workbook(lambda sheet: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + sheet.replace(b"54", b"&a;"))),
    workbook("xlsx-cut", "error", lambda _: _workbook()[:-30]),
    workbook("xlsx-no-workbook", "error", lambda _: _workbook()),
    workbook("xlsx-other-zip", "error", lambda _: _zip_of(a=b"x")),
    workbook("xlsx-old", "error", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "xls"),
    workbook("xlsx-entities", "error", lambda _: _workbook(xl__workbook=b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>")),
    patients("patients-good", "ok", GOOD_PATIENTS),
    patients("patients-semicolons", "error", GOOD_PATIENTS.replace(",", ";"), "patients.csv:1", "semicolons"),
    patients("patients-no-column", "error", "image_name,who\nimage0.png,ID1\n", "patient"),
    patients("patients-missing-image", "error", GOOD_PATIENTS[:-15], "image1.png"),
    patients("patients-twice", "error", GOOD_PATIENTS + "image0.png,ID9\n", "patients.csv:4"),
    patients("patients-empty-cell", "error", "image_name,patient\nimage0.png,\nimage1.png,ID2\n", "patients.csv:2"),
    patients("patients-spaces", "error", "image_name,patient\nimage0.png, ID1\nimage1.png,ID2\n", "patients.csv:2"),
    patients("patients-code-page", "error", "image_name,patient\nimage0.png,환자\n".encode("cp949"), "UTF-8"),
    patients("patients-workbook", "error", b"PK\x03\x04" + b"\0" * 40, "zip"),
    patients("patients-folder", "error", None),
    patients("by-no-column", "error", "image_name,who\nimage0.png,ID1\n", "patient", command=BY),
    patients("by-semicolons", "error", GOOD_PATIENTS.replace(",", ";"), "semicolons", command=BY),
    soft("soft-good", "ok", _soft_file, command=with_pred("yolo_bones.convert_table", "IN/soft", "OUT/t.csv", "--quiet")),
    soft("soft-pickle", "error", lambda size: _soft_file(size, levels=_object_array())),
    soft("soft-text", "error", b"no zip at all"),
    soft("soft-cut", "error", lambda size: _soft_file(size)[:300]),
    soft("soft-no-boxes", "error", lambda size: _soft_file(size, boxes=None)),
    soft("soft-box-outside", "error", lambda size: _soft_file(size, boxes=np.full((29, 4), 10_000, np.int32))),
    soft("soft-box-negative", "error", lambda size: _soft_file(size, boxes=np.full((29, 4), -4, np.int32))),
    soft("soft-28-boxes", "error", lambda size: _soft_file(size, boxes=np.zeros((28, 4), np.int32))),
    soft("soft-few-levels", "error", lambda size: _soft_file(size, levels=np.zeros(3, np.uint8))),
    soft("soft-floats", "error", lambda size: _soft_file(size, levels=np.zeros(29 * 16))),
    soft("soft-size-lies", "error", lambda size: _soft_file(size, size=np.array([2**30, 2**30], np.int32))),
    soft("soft-array-twice", "error", _doubled_levels),
    soft("soft-pipe", "error", lambda size: lambda path: os.mkfifo(path)),
    soft("soft-out-is-a-member", "refuse", lambda size: _soft_file(size), command=with_pred("yolo_bones.convert_table", "IN/soft", "IN/soft/image0.png.npz", "--overwrite")),
    soft("soft-one-more-array", "error", lambda size: _soft_file(size, more=np.zeros(3))),
    coco("coco-good", "ok", _results(lambda listed, _: None)),
    coco("coco-object", "error", "{}"),
    coco("coco-number", "error", "3"),
    coco("coco-text-in-list", "error", '["mask"]'),
    coco("coco-half", "error", lambda size: _results(lambda listed, _: None)(size)[:500]),
    coco("coco-70-deep", "error", "[" * 70 + "]" * 70, "64"),
    coco("coco-nan", "error", _results(lambda listed, _: listed[0].update(score=float("nan"))), "finite"),
    coco("coco-score-text", "error", _results(lambda listed, _: listed[0].update(score="high")), "score"),
    coco("coco-image-unknown", "error", _results(lambda listed, _: listed[0].update(image_id=99)), "99"),
    coco("coco-category-unknown", "error", _results(lambda listed, _: listed[0].update(category_id=99)), "99"),
    coco("coco-category-text", "error", _results(lambda listed, _: listed[0].update(category_id="Ulna")), "category_id"),
    coco("coco-no-segmentation", "error", _results(lambda listed, _: listed[0].pop("segmentation") and None), "segmentation"),
    coco("coco-odd-polygon", "error", _segmentation([[1, 2, 3, 4, 5, 6, 7]]), "segmentation"),
    coco("coco-polygon-text", "error", _segmentation([["1", "2", "3", "4", "5", "6"]]), "segmentation"),
    coco("coco-polygon-1e30", "error", _segmentation([[1e30, 2, 3, 4, 5, 6]]), "segmentation"),
    coco("coco-polygon-box", "error", _segmentation([[1, 2, 3, 4]]), "segmentation"),
    coco("coco-counts-negative", "error", _segmentation({"counts": [-5, 10]}), "segmentation"),
    coco("coco-counts-too-many", "error", _segmentation({"counts": [0, 2**40]}), "segmentation"),
    coco("coco-counts-too-few", "error", _segmentation({"counts": [5, 5]}), "segmentation"),
    coco("coco-counts-text-cut", "error", _segmentation({"counts": "o"}), "segmentation"),
    coco("coco-counts-signs", "error", _segmentation({"counts": "\u00ff\u0100"}), "segmentation"),
    coco("coco-other-size", "error", _segmentation({"counts": [9], "size": [3, 3]}), "segmentation"),
    coco("coco-size-lies", "error", _segmentation({"counts": [9], "size": [10**9, 10**9]}), "segmentation"),
    coco("coco-of-another-size", "error", _coco_file(lambda record, _: record["images"][0].update(height=3060)), "images"),
    coco("coco-no-images", "error", _coco_file(lambda record, _: record.update(images=[])), "at least one image"),
    coco("coco-image-id-twice", "error", _coco_file(lambda record, _: record["images"][1].update(id=0)), "images[1].id"),
    coco("coco-category-twice", "error", _coco_file(lambda record, _: record["categories"][1].update(id=1)), "categories[1].id"),
    coco("coco-category-renamed", "error", _coco_file(lambda record, _: record["categories"][28].update(name="Elle")), "Elle"),
    coco("coco-formula-name", "refuse", _coco_file(lambda record, _: record["images"][0].update(file_name="=image0.png")), "results.json", "images[0].file_name"),
    coco("coco-10000-of-an-image", "error", _results(lambda listed, _: listed * 345), "image0.png", "at most 2900 masks"),
    corrected("points-of-coco-good", "ok", _coco_file(lambda record, _: None)),
    corrected("points-of-coco-no-images", "error", _coco_file(lambda record, _: record.update(images=[])), "images: expected at least one image"),
    corrected("points-of-coco-no-categories", "error", _coco_file(lambda record, _: record.update(categories=[])), "categories"),
    corrected("points-of-coco-sides-swapped", "error", _coco_file(lambda record, size: record["images"][0].update(height=size[1], width=size[0])), "images[0].height"),
    coco("coco-marked", "repair", lambda size: b"\xef\xbb\xbf" + _results(lambda listed, _: None)(size).encode(), counter="bom"),
    coco("coco-folder", "error", None),
    classes("yaml-object", "error", "!!python/object/apply:os.system ['touch PWNED']"),
    classes("yaml-list", "error", "- 1\n- 2\n"),
    classes("yaml-unknown-bone", "error", "finger-20: [1, 2]\n", "finger-20"),
    classes("yaml-negative", "error", "Ulna: [1, -2]\n", "Ulna"),
    classes("yaml-infinite", "error", "Ulna: [1, .inf]\n", "Ulna"),
    classes("yaml-escape-too-large", "error", 'weights: {default: ["\\UFFFFFFFF", 2]}\n'),
    classes("yaml-half-character", "error", 'weights: {default: ["\\ud800", 2]}\n'),
    classes("yaml-half", "error", "Ulna: [1, 2\n"),
    classes("yaml-laughs", "error", "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))),
    classes("yaml-utf-16", "error", "Ulna: [1, 2]\n".encode("utf-16")),
    _option("option-balance-typo", "error", "--balance", "wrst", must=("wrst", "wrist")),
    _option("option-balance-share", "error", "--balance", "wrist=bent:2", must=("--balance",)),
    _option("option-folds-1", "error", "--folds", "1", must=("--folds",)),
    _option("option-fold-9", "error", "--fold", "9", must=("--fold",)),
    _option("option-seed-minus", "error", "--seed", "-1", must=("--seed",)),
    _option("option-inset-nan", "error", "--inset-px", "nan", must=("--inset-px",)),
    _option("option-metadata-missing", "error", "--metadata", "nowhere.csv", "--stratify", "sex", must=("nowhere.csv",)),
    _option("option-list-missing", "error", "--train-list", "nowhere.txt", "--val-list", "nowhere.txt", must=("nowhere.txt",)),
    _option("option-dry-run", "ok", "--dry-run", must=()),
    _door("pt-pickle", "refuse", _zip_with_pickle),
    _door("pt-plain-pickle", "refuse", lambda: pickle.dumps(_Runs(), 4)),
    _door("pt-wrong-hash", "refuse", b"x" * 100, "sha256", listed="0" * 64 + "  best.pt\n"),
    _door("pt-hash-with-mark-and-star", "error", b"x" * 100, listed=f"\ufeff{_X_HASH.upper()} *best.pt\r\n"),
    _door("pt-hash-of-bsd", "error", b"x" * 100, listed=f"SHA256 (best.pt) = {_X_HASH}\n"),
    _door("pt-hash-among-others", "error", b"x" * 100, listed=f"{'0' * 64}  other.pt\n{_X_HASH}  best.pt\n"),
    _door("pt-hash-twice", "refuse", b"x" * 100, "sha256", listed=f"{'0' * 64}  best.pt\n{_X_HASH}  best.pt\n"),
    _door("pt-hash-empty", "refuse", b"x" * 100, "sha256", listed=""),
    _door("pt-pickle-cut", "error", b"\x80\x02}q\x00(X\x05"),
    _door("pt-pickle-of-nothing", "error", lambda: _zip_of(archive__version=b"3\n", **{"archive__data.pkl": b"\x80\x02."})),
    _door("pt-packed-zeros", "error", lambda: _packed_zeros(), "unpacked"),
    _door("pt-hash-unreadable", "refuse", b"x" * 100, "sha256", listed="not a checksum"),
    _door("pt-empty", "error", b"", "empty"),
    _door("pt-text", "error", b"version https://git-lfs.github.com/spec/v1\n"),
    _door("pt-cut", "error", lambda: _shipped()[:100_000]),
    _door("pt-folder", "error", None),
    _door("pt-other-zip", "error", lambda: _zip_of(a=b"x")),
    _door("pt-settings-object", "error", _shipped, "best.yaml", beside="!!python/object/apply:os.system ['touch PWNED']"),
    _door("pt-settings-of-others", "refuse", _shipped, "best.yaml", beside=f"sha256: '{'0' * 64}'\n"),
    _door("pt-settings-text", "error", _shipped, "best.yaml", beside="no settings"),
    _door("pt-settings-half", "error", _shipped, "best.yaml", beside="sha256: [\n"),
    _data("data-download", "refuse", "path: SET\ntrain: images/train\nval: images/val\nnames: NAMES\ndownload: __import__('os').system('touch PWNED')\n", "download"),
    _data("data-object", "error", "!!python/object/apply:os.system ['touch PWNED']"),
    _data("data-no-folder", "error", "path: SET\ntrain: images/nowhere\nval: images/val\nnames: NAMES\n", "train"),
    _data("data-address", "error", "path: https://example.org/set\ntrain: a\nval: b\nnames: NAMES\n"),
    _data("data-other-names", "error", "path: SET\ntrain: images/train\nval: images/val\nnames: [hand]\n", "names"),
    _data("data-no-names", "error", "path: SET\ntrain: images/train\nval: images/val\n", "names"),
    _data("data-other-count", "error", "path: SET\ntrain: images/train\nval: images/val\nnames: NAMES\nnc: 5\n", "nc"),
    _data("data-grey", "error", "path: SET\ntrain: images/train\nval: images/val\nnames: NAMES\nchannels: 1\n", "channels"),
    _data("data-long-path", "error", f"path: SET\ntrain: {'x' * 5000}\nval: images/val\nnames: NAMES\n", "train"),
    _data("data-zero-byte", "error", 'path: SET\ntrain: "a\\0b"\nval: images/val\nnames: NAMES\n'),
    _data("data-sixties", "error", f"path: 1{':1' * 300}.5\ntrain: a\nval: b\nnames: NAMES\n"),
    _data("data-empty", "error", ""),
    _data("data-list", "error", "- train\n- val\n"),
]  # fmt: skip
