"""Fuzz target: COCO results of any detector, as `coco_to_rle` reads them. Input: the JSON file."""

from __future__ import annotations

import contextlib
import io
import json
import random
from typing import Any, Final

from harness import change_bytes, fuzz, instrumented, temporary_file

with instrumented(__name__):
    from converters.coco_to_rle import main
    from yolo_bones.bones import BONE_COUNT
    from yolo_bones.rle_table import open_rle_table

LONGEST: Final = 8192
RLE: Final = {"size": [7, 11], "counts": "`0g0"}
RECORD: Final = {"image_id": 1, "category_id": 3, "score": 0.5, "file_name": "a.png", "segmentation": RLE}
LISTED: Final = {"size": [7, 11], "counts": [3, 4, 70]}
POLYGON: Final = [[1.0, 1.0, 9.5, 1.0, 5.0, 6.0]]
IMAGES: Final = [{"id": 1, "file_name": "a.png", "height": 7, "width": 11}]
FILES: Final[tuple[Any, ...]] = (
    [{**RECORD, "segmentation": LISTED}],
    [{**RECORD, "segmentation": LISTED}, {**RECORD, "category_id": 4, "segmentation": LISTED, "score": 1}],
    {"images": IMAGES, "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "segmentation": POLYGON}]},
    {
        "images": IMAGES,
        "categories": [{"id": 7, "name": "Lunate"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": LISTED}],
    },
)
SEEDS: Final = tuple(json.dumps(content).encode() for content in FILES)
VALUES: Final = (
    None, True, False, 0, -1, 1, 2.5, 1e308, 10**30, "", "a.png", "../a.png", "a\0", [], {}, [[]], [[1, 2]],
    [[1, 2, 3]], POLYGON, LISTED, RLE, {"size": [7, 11], "counts": "d"}, {"size": [11, 7], "counts": [77]},
    {"size": [7, 11], "counts": [78]},
    {"size": [2**20, 2**20], "counts": [2**40]}, {"size": [-1, 11], "counts": [0]}, [["1", "2", "3", "4", "5", "6"]],
)  # fmt: skip


def one_input(data: bytes) -> bool:
    with temporary_file(".json", data) as path:
        said, out = io.StringIO(), path.with_suffix(".csv")
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main([str(path), str(out), "--quiet"])
        if code:
            assert code in (2, 3), said.getvalue()
            assert not out.exists()
            assert said.getvalue().startswith("error: "), said.getvalue()
            return False
        assert path.read_bytes() == data
        for name in open_rle_table(out).names():
            assert name
        assert out.read_bytes().count(b"\n") % BONE_COUNT == 1
        return True


def changed(data: bytes, rng: random.Random) -> bytes:
    """Changed bytes, or a whole file with another value somewhere."""
    if rng.random() < 0.3:
        return change_bytes(data, rng)
    content = json.loads(json.dumps(rng.choice(FILES)))
    if rng.random() < 0.3:
        # Another mask, score and class, so that some files stay whole.
        first, second = sorted(rng.sample(range(78), 2))
        record = (content if isinstance(content, list) else content["annotations"])[0]
        record["segmentation"] = {"size": [7, 11], "counts": [first, second - first, 77 - second]}
        record["score"] = rng.random()
        return json.dumps(content).encode()
    node: Any = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and rng.random() < 0.75:
            node = node[key]
            continue
        if rng.random() < 0.2 and isinstance(node, dict):
            del node[key]
        else:
            node[key] = rng.choice(VALUES)
        break
    return json.dumps(content).encode()


if __name__ == "__main__":
    fuzz("coco_json", one_input, SEEDS, changed, LONGEST)
