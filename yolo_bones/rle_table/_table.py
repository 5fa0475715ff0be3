"""A table by its file name."""

from __future__ import annotations

from pathlib import Path

from yolo_bones.rle_table._csv import CsvTable
from yolo_bones.rle_table._parquet import SUFFIX, ParquetTable
from yolo_bones.rle_table._rows import ImageRows, RleTable
from yolo_bones.rle_table._soft import SoftTable

__all__ = ["ImageRows", "RleTable", "open_rle_table"]


def open_rle_table(path: Path) -> RleTable:
    """A folder holds soft channels, `.parquet` is a parquet table, all else a CSV; nothing is read yet."""
    if path.is_dir():
        return SoftTable(path)
    return ParquetTable(path) if path.suffix.lower() == SUFFIX else CsvTable(path)
