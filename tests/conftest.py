"""Tiny synthetic hands in the real layout, made once. Never square: a swapped axis must show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from yolo_bones.bones import BONES
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.rle_table import open_rle_table

TINY_SIZE = (320, 256)
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def tiny_hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two annotated patients and one test patient; 320 x 256 pixels."""
    out = tmp_path_factory.mktemp("hands") / "raw"
    size = f"{TINY_SIZE[0]}x{TINY_SIZE[1]}"
    arguments = ["--patients", "2", "--test", "1", "--seed", "5", "--size", size, "--quiet"]
    assert make_phantoms([str(out), *arguments]) == 0
    return out


@pytest.fixture
def raw(tmp_path: Path, tiny_hands: Path) -> Path:
    """A private copy of the annotated hands that a test may spoil; annotations in channel order, no outline pinched."""
    target = tmp_path / "raw"
    for path in sorted((tiny_hands / "train").rglob("*")):
        if path.is_file():
            copy = target / path.relative_to(tiny_hands / "train")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    for path in annotation_files(target):
        edit_json(path, tidy)
    return target


def tidy(record: dict[str, Any]) -> None:
    """Let a test say `annotations[3]`, and have nothing of so small a hand mended before the test has its turn."""
    record["annotations"].sort(key=lambda annotation: BONES.index(annotation["label"]))
    for annotation in record["annotations"]:
        outline = shapely.make_valid(shapely.Polygon(annotation["points"]))
        if outline.geom_type != "Polygon":
            outline = max(outline.geoms, key=lambda part: part.area)
            annotation["points"] = [[round(x), round(y)] for x, y in outline.exterior.coords[:-1]]


def read_masks(path: Path, size: ImageSize) -> dict[str, RunLengthMasks]:
    """Image name -> 29 channels of a whole table."""
    return {rows.image_name: rows.masks(size) for rows in open_rle_table(path).images()}


def annotation_files(raw: Path) -> list[Path]:
    return sorted((raw / "outputs_json").rglob("*.json"))


def edit_json(path: Path, change: Any) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
