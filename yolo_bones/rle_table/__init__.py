"""Tables of run lengths: `image_name,class,rle`, 29 rows an image, keyed by (image, class) and never by position.

Three forms with one interface, told apart by the file's name:

* CSV, the exchange format: row text (row-major, 1-based), any order of rows, an absent bone has an empty `rle`;
* parquet, compact: COCO's compressed counts and each image's size, zstd, 29 rows an image in channel order;
* a folder of soft channels (`yolo_bones.soft`): probabilities, read as masks of what lies above one half.

All are read image by image. Memory stays flat for rows in canonical order (29 rows an image, in channel order); rows
in another order are found through an index of their places in the file.
"""

from yolo_bones.rle_table._aligned import SizeOf, aligned_images, aligned_masks, aligned_tables
from yolo_bones.rle_table._csv import HEADER, CsvTable
from yolo_bones.rle_table._parquet import SUFFIX, ParquetTable
from yolo_bones.rle_table._soft import SOFT_SUFFIX
from yolo_bones.rle_table._table import ImageRows, RleTable, open_rle_table
from yolo_bones.rle_table._write import write_masks, write_rle_table

__all__ = [
    "HEADER",
    "SOFT_SUFFIX",
    "SUFFIX",
    "CsvTable",
    "ImageRows",
    "ParquetTable",
    "RleTable",
    "SizeOf",
    "aligned_images",
    "aligned_masks",
    "aligned_tables",
    "open_rle_table",
    "write_masks",
    "write_rle_table",
]
