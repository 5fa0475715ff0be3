"""The fuzz targets of `make fuzz`, run over a few seeded inputs without atheris; and what they have found so far."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from tests.conftest import ROOT
from yolo_bones.errors import InputError
from yolo_bones.rle import (
    ImageSize,
    RowTextError,
    RunLengthMasks,
    coco_counts_to_masks,
    empty_masks,
    masks_to_coco_counts,
    masks_to_row_texts,
    row_texts_to_masks,
    transpose,
)
from yolo_bones.rle_table import open_rle_table, write_masks

FOLDER = ROOT / "tests" / "fuzz"
TARGETS = (
    "fuzz_row_text",
    "fuzz_coco_counts",
    "fuzz_csv",
    "fuzz_parquet",
    "fuzz_soft",
    "fuzz_ballot",
    "fuzz_coco_json",
)
SIZE = ImageSize(7, 11)


@pytest.fixture
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setitem(sys.modules, "atheris", None)
    return importlib.import_module(request.param)


def seeds_of(target: ModuleType) -> tuple[bytes, ...]:
    return target.seeds() if hasattr(target, "seeds") else target.SEEDS


@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_target_accepts_its_seeds_and_holds_on_changed_ones(target: ModuleType) -> None:
    seeds = seeds_of(target)
    assert all(target.one_input(seed) for seed in seeds)
    assert not target.one_input(b"\0\0\0?")
    rng = random.Random(5)
    accepted = 0
    for _ in range(200):
        data = rng.choice(seeds)
        for _ in range(rng.randint(1, 3)):
            data = target.changed(data, rng)
        accepted += target.one_input(data[: target.LONGEST])
    assert 10 <= accepted <= 190


@pytest.mark.parametrize("name", TARGETS)
def test_without_atheris_a_target_says_so(name: str) -> None:
    code = f"import runpy, sys; sys.modules['atheris'] = None; sys.path.insert(0, {str(FOLDER)!r}); "
    code += f"runpy.run_path({str(FOLDER / (name + '.py'))!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        "error: atheris is not installed: expected `make fuzz` or requirements-fuzz.txt"
    ]


def test_transposition_where_keys_and_places_differ_in_width() -> None:
    # With more than 2^30 pixels keys need 64 bits and places do not; terms overflowed in one of two types.
    size = ImageSize(26_843, 40_000)
    starts = np.arange(20, dtype=np.int32) * 50_000
    masks = RunLengthMasks(size, starts, starts + 40_000, np.array([0, 20]))
    columns = transpose(masks)
    assert columns.areas().tolist() == [20 * 40_000]
    assert transpose(columns).equals(masks)
    assert coco_counts_to_masks(masks_to_coco_counts(masks), size).equals(masks)


def test_row_text_of_too_large_an_image_is_refused_both_ways() -> None:
    # Two runs that touch made one whose length has nine digits.
    size = ImageSize(46_340, 46_340)
    with pytest.raises(RowTextError, match="text 1: an image of fewer than 100000000 pixels, got 46340x46340"):
        row_texts_to_masks([b"", b"71598108 86685840 158283948 20000000"], size)
    assert masks_to_row_texts(row_texts_to_masks([b"", b""], size)) == [b"", b""]
    with pytest.raises(ValueError, match="fewer than 100000000 pixels, got 46340x46340"):
        masks_to_row_texts(coco_counts_to_masks([b"0" + masks_to_coco_counts(empty_masks(size))[0]], size))


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "pred.parquet"
    masks = row_texts_to_masks([b"2 3 9 4"] * 29, SIZE)
    assert write_masks(path, [("a.png", masks), ("b.png", masks)]) == 2
    return path


def test_parquet_columns_may_come_in_any_order(parquet: Path) -> None:
    frame = pl.read_parquet(parquet)
    frame.select(frame.columns[::-1]).write_parquet(parquet)
    assert [rows.masks(SIZE).areas().tolist() for rows in open_rle_table(parquet).images()] == [[7] * 29] * 2


@pytest.mark.parametrize("sides", [(1, 2**31 - 1), (1, 65_537), (8193, 8192), (0, 7)])
def test_parquet_of_huge_images_is_refused(parquet: Path, sides: tuple[int, int]) -> None:
    height, width = (pl.lit(side, dtype=pl.UInt32) for side in sides)
    pl.read_parquet(parquet).with_columns(height=height, width=width).write_parquet(parquet)
    with pytest.raises(InputError, match=r"row 1: height, width: expected at most"):
        list(open_rle_table(parquet).images())


def test_pages_that_would_abort_or_panic_are_refused(parquet: Path) -> None:
    pl.read_parquet(parquet).write_parquet(parquet, compression="uncompressed", statistics=False)
    content = parquet.read_bytes()
    refused = 0
    # Each byte of the file's first page header, and of its data's first bytes, in turn.
    for place in range(4, 60):
        for value in (0x00, 0x01, 0x7F, 0xFF):
            spoilt = bytearray(content)
            spoilt[place] = value
            parquet.write_bytes(spoilt)
            try:
                list(open_rle_table(parquet).images())
            except InputError:
                refused += 1
    assert refused > 56
