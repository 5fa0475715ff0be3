"""Small random tables of several models, for the tests of ensembles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import read_masks
from yolo_bones import soft
from yolo_bones.bones import BONE_COUNT
from yolo_bones.ensemble_rle import main as ensemble
from yolo_bones.rle import ImageSize, decode, encode
from yolo_bones.rle_table import write_masks

SIZE = ImageSize(24, 37)
NAMES = [f"image{number}.png" for number in range(6)]
SIZES = ["--size", "24x37", "--quiet"]


def planes_of(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.random((BONE_COUNT, 24, 37)) < 0.5 for name in NAMES}


def write_three_models(tmp_path: Path) -> tuple[list[Path], list[dict[str, np.ndarray]]]:
    """Two CSVs and a parquet table of random masks, some of them empty."""
    paths, planes = [], []
    for number, name in enumerate(("a.csv", "b.csv", "c.parquet")):
        drawn = planes_of(number)
        drawn[NAMES[number]][3] = False
        path = tmp_path / name
        write_masks(path, [(image, encode(masks)) for image, masks in drawn.items()])
        paths.append(path)
        planes.append(drawn)
    return paths, planes


def run(paths: list[Path], out: Path, *options: str) -> dict[str, np.ndarray]:
    assert ensemble([*map(str, paths), "--out", str(out), *SIZES, *options]) == 0
    return {name: decode(masks) for name, masks in read_masks(out, SIZE).items()}


def probabilities(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        planes = np.zeros((BONE_COUNT, 24, 37))
        for plane in planes:
            top, left = generator.integers(0, 12), generator.integers(0, 18)
            plane[top : top + 9, left : left + 14] = generator.random((9, 14))[: 24 - top, : 37 - left]
        planes[generator.integers(0, BONE_COUNT)] = 0.0
        found[name] = planes
    return found


def soft_folder(folder: Path, planes: dict[str, np.ndarray]) -> Path:
    for name, drawn in planes.items():
        soft.write(folder, name, drawn)
    return folder
