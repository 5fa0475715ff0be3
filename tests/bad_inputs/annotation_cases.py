"""Annotations: files that belong together, outlines, labels, JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_inputs.case import Case, edited
from tests.bad_inputs.good import annotation_of, ellipse, grey_image, png, write_good, write_pair

Size = tuple[int, int]
Change = Callable[[list[Any], Size], Any]


def _drawn(layer: str, name: str, expect: str, change: Change, must: tuple[str, ...] = (), **more: Any) -> Case:
    """A case about what stands in the list of annotations; `change` spoils it."""

    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        record = edited(annotation_of(*size), lambda annotations: change(annotations, size))
        write_pair(folder, png(grey_image(*size)), record)

    return Case(name, layer, expect, make, must or ("bad_R.json",), **more)


def _points(name: str, expect: str, points: Callable[[Size], Any], counter: str | None = None) -> Case:
    change: Change = lambda annotations, size: annotations[0].__setitem__("points", points(size))  # noqa: E731
    return _drawn("polygon", name, expect, change, ("bad_R.json", "annotations[0]"), counter=counter)


def _label(name: str, label: Any, must: tuple[str, ...] = ()) -> Case:
    return _drawn("label", name, "error", lambda a, _: a[0].__setitem__("label", label), ("annotations[0]", *must))


def _json(name: str, expect: str, content: Callable[[str], bytes], *must: str, **more: Any) -> Case:
    """A case about the file as a whole; `content` is made of good JSON text."""

    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        text = json.dumps(annotation_of(*size), ensure_ascii=False)
        write_pair(folder, png(grey_image(*size)), content(text))

    return Case(name, "json", expect, make, ("bad_R.json", *must), **more)


def _json_file(name: str, expect: str, place: Callable[[Path], object]) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        _, annotation = write_pair(folder, png(grey_image(*size)), None)
        place(annotation)

    return Case(name, "json", expect, make, ("bad_R",))


def _pair(name: str, expect: str, make_more: Callable[[Path, Size], object], *must: str, **more: Any) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        make_more(folder, size)

    return Case(name, "pair", expect, make, must, **more)


def _write(folder: Path, size: Size, **more: Any) -> tuple[Path, Path]:
    return write_pair(folder, more.pop("picture", png(grey_image(*size))), annotation_of(*size), **more)


def _both(*calls: dict[str, Any]) -> Callable[[Path, Size], object]:
    return lambda folder, size: [_write(folder, size, **call) for call in calls]


def _lists(training: bytes | None, validation: bytes | None) -> Callable[[Path, Size], object]:
    def make(folder: Path, size: Size) -> None:
        _write(folder, size)
        _write(folder, size, stem="bad_L")
        for name, content in (("train.txt", training), ("val.txt", validation)):
            if content is not None:
                (folder / name).write_bytes(content)

    return make


def _moved(name: str, place: str) -> Callable[[Path, Size], object]:
    def make(folder: Path, size: Size) -> None:
        for path in _write(folder, size):
            if path.suffix == name:
                target = folder / place.format(path.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)

    return make


def _tangle(count: int) -> Callable[[Size], Any]:
    def make(size: Size) -> Any:
        chance = np.random.default_rng(5)
        return np.column_stack([chance.integers(0, side, count) for side in (size[1], size[0])]).tolist()

    return make


def _parts(annotations: list[Any], *columns: list[int]) -> None:
    """Draw the first bone as boxes from column to column, in this order."""
    boxes = [[[left, 20], [right, 20], [right, 30], [left, 30]] for left, right in columns]
    annotations[0]["points"] = boxes[0]
    annotations.extend({**annotations[0], "points": box} for box in boxes[1:])


def _nest(depth: int) -> Callable[[str], bytes]:
    return lambda good: good.replace('"attributes": {}', '"attributes": ' + "[" * depth + "]" * depth, 1).encode()


def _into(key: str, value: str) -> Callable[[str], bytes]:
    """A key of the record's own beside its annotations."""
    return lambda good: f'{{"{key}": {value}, {good[1:]}'.encode("utf-8", "surrogatepass")


def _gone(folder: Path, size: Size) -> None:
    _write(folder, size)
    (folder / "outputs_json").rename(folder / "annotations")


GOOD_LISTS = (b"ID001/bad_R.png\nbad_L.png\n", b"ID90/good0_L.png\nID91/good1_L.png\n")

PAIRS = [
    _pair("pair-no-json", "error", lambda f, s: write_pair(f, png(grey_image(*s)), None), "bad_R"),
    _pair("pair-no-image", "error", lambda f, s: write_pair(f, None, annotation_of(*s)), "bad_R"),
    _pair("pair-same-name", "error", _both({}, {"patient": "ID002"}), "ID001", "ID002", "bad_R"),
    _pair("pair-same-stem", "error", _both({}, {"suffix": ".jpg"}), "bad_R"),
    _pair("pair-image-on-top", "error", _moved(".png", "DCM/{}"), "bad_R"),
    _pair("pair-image-too-deep", "error", _moved(".png", "DCM/ID001/left/{}"), "bad_R"),
    _pair("pair-json-of-another", "error", _moved(".json", "outputs_json/ID002/{}"), "bad_R"),
    _pair("pair-json-on-top", "error", _moved(".json", "outputs_json/{}"), "bad_R"),
    _pair("pair-no-annotations", "error", _gone, "outputs_json"),
    _pair(
        "pair-here-and-in-train", "error", lambda f, s: (_write(f, s), write_good(f / "train", *s)), "train/", "both"
    ),
    _pair("pair-list-is-a-folder", "error", lambda f, s: (_write(f, s), (f / "train.txt").mkdir()), "train.txt"),
    _pair(
        "pair-list-is-a-link-out",
        "refuse",
        lambda f, s: (_write(f, s), (f / "val.txt").symlink_to("/etc/hostname")),
        "val.txt",
    ),
    _pair("pair-empty-patient", "ok", lambda f, s: (_write(f, s), (f / "DCM" / "ID005").mkdir())),
    _pair("pair-hidden-folder", "ok", lambda f, s: (_write(f, s), write_pair(f, b"x", b"x", patient=".git"))),
    _pair("pair-suffix-twice", "ok", _both({"stem": "bad_R.png"})),
    _pair("list-good", "ok", _lists(*GOOD_LISTS)),
    _pair("list-leak", "error", _lists(b"ID001/bad_R.png\n", b"ID001/bad_L.png\n"), "ID001", "val.txt"),
    _pair("list-one-of-two", "error", _lists(GOOD_LISTS[0], None), "train.txt"),
    _pair("list-empty", "error", _lists(GOOD_LISTS[0], b"\n\n"), "val.txt"),
    _pair("list-unknown", "error", _lists(b"nobody.png\n", GOOD_LISTS[1]), "train.txt", "line 1", "nobody.png"),
    _pair("list-other-patient", "error", _lists(b"ID002/bad_R.png\n", GOOD_LISTS[1]), "train.txt", "line 1"),
    _pair("list-twice", "error", _lists(b"bad_R.png\nbad_R.png\n", GOOD_LISTS[1]), "train.txt", "line 2"),
    _pair("list-latin", "error", _lists(b"b\xe4d.png\n", GOOD_LISTS[1]), "train.txt", "UTF-8"),
    _pair("list-marked", "ok", _lists(b"\xef\xbb\xbf" + GOOD_LISTS[0], GOOD_LISTS[1])),
    _pair("list-crlf-and-spaces", "ok", _lists(GOOD_LISTS[0].replace(b"\n", b" \r\n"), GOOD_LISTS[1])),
    _pair("list-comment", "error", _lists(b"# left hands\n" + GOOD_LISTS[0], GOOD_LISTS[1]), "train.txt", "line 1"),
    _pair("list-utf-16", "error", _lists(GOOD_LISTS[0].decode().encode("utf-16"), GOOD_LISTS[1]), "train.txt", "UTF-8"),
    _pair("list-500000-repeats", "error", _lists(b"bad_R.png\n" * 500_000, GOOD_LISTS[1]), "train.txt", "line 2"),
    _pair("list-path", "error", _lists(b"../../../etc/passwd\n", GOOD_LISTS[1]), "train.txt", "line 1"),
    _pair("list-long-line", "error", _lists(b"x" * 5_000_000, GOOD_LISTS[1]), "train.txt"),
]

POLYGONS = [
    _points("points-none", "error", lambda _: []),
    _points("points-1", "error", lambda _: [[5, 5]]),
    _points("points-2", "error", lambda _: [[5, 5], [50, 50]]),
    _points("points-on-a-line", "error", lambda _: [[5, 5], [20, 20], [50, 50]]),
    _points("points-on-a-level", "error", lambda _: [[5, 9], [20, 9], [50, 9], [30, 9]]),
    _points("points-the-same", "error", lambda _: [[5, 5]] * 4),
    _points("points-two-places", "error", lambda _: [[5, 5], [9, 9], [5, 5], [9, 9]]),
    _points("points-doubled", "repair", lambda s: [p for p in ellipse(60, 60, 20, 30) for _ in (0, 1)], "duplicate_points"),
    _points("points-closed", "repair", lambda s: [*ellipse(60, 60, 20, 30), ellipse(60, 60, 20, 30)[0]], "closing_point"),
    _points("points-closed-twice", "repair", lambda s: [*ellipse(60, 60, 20, 30), *[ellipse(60, 60, 20, 30)[0]] * 2], "closing_point"),
    _points("points-bow-tie", "repair", lambda _: [[10, 10], [60, 60], [60, 10], [10, 60]], "self_intersections"),
    _points("points-star", "repair", lambda _: [[60, 10], [75, 90], [15, 40], [105, 40], [45, 90]], "self_intersections"),
    _points("points-spike", "repair", lambda _: [[10, 10], [60, 10], [60, 40], [90, 40], [60, 40], [60, 80], [10, 80]], "self_intersections"),
    _points("points-eight-touching", "repair", lambda _: [[10, 10], [40, 40], [70, 10], [70, 70], [40, 40], [10, 70]], "self_intersections"),
    _points("points-fractions", "repair", lambda _: [[10.4, 10.6], [60.2, 12.5], [33.3, 70.9]], "rounded_points"),
    _points("points-1-outside", "repair", lambda _: [[-1, 9], [60, 9], [30, 70]], "clipped_points"),
    _points("points-at-the-edge", "repair", lambda s: [[s[1] - 30, 9], [s[1], 9], [s[1] - 20, 70]], "clipped_points"),
    _points("points-2-outside", "error", lambda _: [[-2, 9], [60, 9], [30, 70]]),
    _points("points-there-and-back", "error", lambda _: [[10, 10], [60, 10], [10, 10], [10, 60]]),
    _points("points-outline-twice", "repair", lambda _: ellipse(60, 60, 20, 30) * 2, "duplicate_points"),
    _points("points-ring-with-slit", "repair", lambda _: [[10, 10], [60, 10], [60, 60], [10, 60], [10, 10], [20, 20], [20, 50], [50, 50], [50, 20], [20, 20]], "self_intersections"),
    _points("points-half-outside", "repair", lambda s: [[-0.5, -0.5], [s[1] - 0.5, 0], [s[1] - 0.5, s[0] - 0.5]], "clipped_points"),
    _points("points-at-all-corners", "ok", lambda s: [[0, 0], [s[1] - 1, 0], [s[1] - 1, s[0] - 1], [0, s[0] - 1]]),
    _points("points-as-floats", "ok", lambda _: [[10.0, 1e1], [60.0, 10], [60, 60.0]]),
    _points("points-rounded-to-a-line", "error", lambda _: [[10.1, 10.2], [10.3, 60.1], [10.4, 30.3], [9.8, 20]]),
    _points("points-one-ragged", "error", lambda _: [[10, 10], [60], [60, 60]]),
    _points("points-swapped", "error", lambda s: [[x, y] for y, x in ellipse(s[1] / 2, s[0] - 20, 20, 15)]),
    _points("points-third-outside", "error", lambda s: [[s[1] * 0.6, 10], [s[1] * 1.3, 10], [s[1] * 1.3, 60], [s[1] * 0.6, 60]]),
    _points("points-elsewhere", "error", lambda s: [[3 * s[1], 3 * s[0]], [4 * s[1], 3 * s[0]], [4 * s[1], 4 * s[0]]]),
    _points("points-relative", "error", lambda _: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]),
    _points("points-1e12", "error", lambda _: [[1e12, 5], [50, 5], [50, 50]]),
    _points("points-1e308", "error", lambda _: [[1e308, 5], [50, -1e308], [50, 50]]),
    _points("points-nan", "error", lambda _: [[math.nan, 5], [50, 5], [50, 50]]),
    _points("points-infinite", "error", lambda _: [[5, 5], [math.inf, 5], [50, 50]]),
    _points("points-minus-infinite", "error", lambda _: [[5, 5], [50, -math.inf], [50, 50]]),
    _points("points-400-digits", "error", lambda _: [[10**400, 5], [50, 5], [50, 50]]),
    _points("points-text", "error", lambda _: [["1", "2"], ["30", "2"], ["30", "40"]]),
    _points("points-null", "error", lambda _: [[None, 2], [30, 2], [30, 40]]),
    _points("points-true", "error", lambda _: [[True, 2], [30, 2], [30, 40]]),
    _points("points-flat", "error", lambda _: [1, 2, 30, 2, 30, 40]),
    _points("points-three-numbers", "error", lambda _: [[1, 2, 0], [30, 2, 0], [30, 40, 0]]),
    _points("points-objects", "error", lambda _: [{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 30, "y": 40}]),
    _points("points-rings", "error", lambda _: [[[1, 2], [30, 2], [30, 40]]]),
    _points("points-as-text", "error", lambda _: "M 1 2 L 30 2 L 30 40 Z"),
    _points("points-as-object", "error", lambda _: {"outer": [[1, 2], [30, 2], [30, 40]]}),
    _points("points-as-null", "error", lambda _: None),
    _points("points-700000", "error", lambda s: [[i % s[1], (i * 7) % s[0]] for i in range(700_000)]),
    _points("points-100001", "error", lambda s: [[i % s[1], (i * 7) % s[0]] for i in range(100_001)]),
    _points("points-tangle", "error", _tangle(30_000)),
    _points("points-small-tangle", "error", _tangle(2_000)),
    _points("points-dense", "repair", lambda s: [[x, y] for x, y in ellipse(100, 100, 60, 60, 20_000)], "duplicate_points"),
]  # fmt: skip

LABELS = [
    _label("label-finger-20", "finger-20", ("finger-20",)),
    _label("label-finger-0", "finger-0", ("finger-0",)),
    _label("label-lower-case", "radius", ("radius", "Radius")),
    _label("label-spaces", " Ulna ", ("Ulna",)),
    _label("label-underscore", "finger_1", ("finger_1",)),
    _label("label-cyrillic", "Capitаte", ("Capit",)),
    _label("label-zero-width", "Ulna\u200b", ("Ulna",)),
    _label("label-line-ends", "Ulna\nerror: all is well", ("Ulna",)),
    _label("label-letters-of-width", "Ｕｌｎａ", ("'Ulna'",)),
    _label("label-hyphen", "finger\u20111", ("finger\\u20111",)),
    _label("label-space-behind", "finger-1 ", ("'finger-1 '",)),
    _label("label-korean", "요골", ("요골",)),
    _label("label-empty", ""),
    _label("label-number", 27, ("label",)),
    _label("label-null", None, ("label",)),
    _label("label-list", ["Ulna"], ("label",)),
    _label("label-long", "U" * 100_000, ("label",)),
    _drawn("label", "label-no-key", "error", lambda a, _: a[0].pop("label"), ("annotations[0]", "label")),
    _drawn("label", "label-no-points", "error", lambda a, _: a[0].pop("points"), ("annotations[0]", "points")),
    _drawn("label", "label-null-annotation", "error", lambda a, _: a.__setitem__(0, None), ("annotations[0]",)),
    _drawn("label", "label-text-annotation", "error", lambda a, _: a.__setitem__(0, "Ulna"), ("annotations[0]",)),
    _drawn("label", "label-missing-bone", "repair", lambda a, _: a.pop(), counter="missing_bones", lines=None),
    _drawn("label", "label-one-bone", "repair", lambda a, _: a.__delitem__(slice(1, None)), counter="missing_bones", lines=None),
    _drawn("label", "label-no-annotation", "error", lambda a, _: a.clear()),
    _drawn("label", "label-twice", "repair", lambda a, _: a.append(dict(a[0])), counter="duplicate_annotations"),
    _drawn("label", "label-twice-overlapping", "repair", lambda a, _: a.append({**a[0], "points": [[x + 3, y] for x, y in a[0]["points"]]}), counter="merged_parts"),
    _drawn("label", "label-twice-elsewhere", "error", lambda a, _: a.append({**a[0], "points": a[9]["points"]}), ("annotations[29]", "finger-1")),
    _drawn("label", "label-nine-times", "error", lambda a, _: a.extend({**a[0], "points": [[x + k, y] for x, y in a[0]["points"]]} for k in range(8)), ("finger-1", "at most 8")),
    _drawn("label", "label-parts-in-any-order", "repair", lambda a, _: _parts(a, [20, 30], [50, 60], [25, 55]), counter="merged_parts"),
    _drawn("label", "label-all-the-same", "error", lambda a, _: [one.__setitem__("label", "Ulna") for one in a], ("Ulna", "at most 8")),
    _drawn("label", "label-overlapping-bones", "ok", lambda a, _: a[20].__setitem__("points", [[x + 4, y] for x, y in a[19]["points"]])),
    _drawn("label", "label-one-outline-for-two", "ok", lambda a, _: a[20].__setitem__("points", a[19]["points"])),
    _drawn("label", "label-10001", "error", lambda a, _: a.extend([a[0]] * 9_973), ("annotations", "at most 10000")),
]  # fmt: skip

JSONS = [
    _json("json-half", "error", lambda good: good[: len(good) // 2].encode()),
    _json("json-without-its-end", "error", lambda good: good[:-1].encode()),
    _json("json-empty", "error", lambda _: b"", "empty"),
    _json("json-blanks", "error", lambda _: b" \n\t "),
    _json("json-zeros", "error", lambda _: b"\0" * 4096),
    _json("json-null", "error", lambda _: b"null"),
    _json("json-number", "error", lambda _: b"17"),
    _json("json-text", "error", lambda _: b'"annotations"'),
    _json("json-list", "error", lambda good: f"[{good}]".encode()),
    _json("json-no-annotations", "error", lambda _: b"{}", "annotations"),
    _json("json-annotations-object", "error", lambda _: b'{"annotations": {"0": {}}}', "annotations"),
    _json("json-annotations-null", "error", lambda _: b'{"annotations": null}', "annotations"),
    _json("json-twice", "error", lambda good: (good + good).encode()),
    _json("json-and-more", "error", lambda good: (good + " # drawn in May").encode()),
    _json("json-comment", "error", lambda good: ("// drawn in May\n" + good).encode()),
    _json("json-single-quotes", "error", lambda good: good.replace('"', "'").encode()),
    _json("json-comma-at-end", "error", lambda good: (good[:-1] + ",}").encode()),
    _json("json-marked", "repair", lambda good: b"\xef\xbb\xbf" + good.encode(), counter="bom"),
    _json("json-utf-16", "error", lambda good: good.encode("utf-16"), "UTF-8"),
    _json("json-utf-16-unmarked", "error", lambda good: good.encode("utf-16-le"), "UTF-16"),
    _json("json-zero-byte-at-end", "error", lambda good: good.encode() + b"\0", "zero byte"),
    _json("json-marked-twice", "error", lambda good: b"\xef\xbb\xbf" * 2 + good.encode()),
    _json("json-nan-in-words", "error", lambda good: good.replace("[[", "[[nan, ", 1).encode(), "nan"),
    _json("json-number-as-code", "error", lambda good: good.replace("[[", "[[0x1F, ", 1).encode(), "column"),
    _json("json-key-twice-within", "error", lambda good: good.replace('"attributes": {}', '"attributes": {"a": {"b": 1, "b": 2}}', 1).encode(), "'b' twice"),
    _json("json-empty-list", "error", lambda _: b"[]", "an object, got []"),
    _json("json-crlf", "ok", lambda good: good.replace(", ", ",\r\n").encode()),
    _json("json-utf-32", "error", lambda good: good.encode("utf-32")),
    _json("json-korean-code-page", "error", lambda good: good.replace('"attributes"', '"속성"', 1).encode("cp949"), "UTF-8"),
    _json("json-korean", "ok", lambda good: good.replace('"attributes"', '"속성"', 1).encode()),
    _json("json-gzip", "error", lambda _: b"\x1f\x8b\x08\0" + b"\0" * 200),
    _json("json-key-twice", "error", lambda good: good.replace('"label"', '"label": "Ulna", "label"', 1).encode(), "label"),
    _json("json-annotations-twice", "error", lambda good: good.replace('{"annotations"', '{"annotations": [], "annotations"', 1).encode(), "annotations"),
    _json("json-60-deep", "ok", _nest(58)),
    _json("json-70-deep", "error", _nest(70), "64"),
    _json("json-100000-deep", "error", _nest(100_000), "64"),
    _json("json-brackets-in-text", "ok", _into("note", '"' + "[{" * 500 + '\\"[["')),
    _json("json-4300-digits", "error", _into("note", "9" * 5_000)),
    _json("json-lone-surrogate", "ok", _into("note", '"\\ud800"')),
    _json("json-raw-surrogate", "error", _into("note", '"\ud800"'), "UTF-8"),
    _json("json-control-character", "error", _into("note", '"a\x01b"')),
    _json("json-nan-elsewhere", "ok", _into("note", "NaN")),
    _json("json-17-mb", "error", _into("note", '"' + "x" * 17_000_000 + '"'), "16 MB"),
    _json("json-300000-objects", "error", _into("note", "[" + "{}," * 300_000 + "{}]"), "objects"),
    _json("json-lists", "error", _into("note", "[" + "[]," * 1_300_000 + "[]]"), "lists"),
    _json_file("json-folder", "error", lambda path: path.mkdir()),
    _json_file("json-fifo", "error", os.mkfifo),
    _json_file("json-symlink-out", "refuse", lambda path: path.symlink_to("/etc/hostname")),
    _json_file("json-symlink-nowhere", "error", lambda path: path.symlink_to("nowhere.json")),
]  # fmt: skip

CASES = [*PAIRS, *POLYGONS, *LABELS, *JSONS]
