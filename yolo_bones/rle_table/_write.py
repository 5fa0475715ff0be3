"""Tables written image by image; the old file stays until all is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.files import replacing
from yolo_bones.rle import RunLengthMasks, masks_to_coco_counts, masks_to_row_texts
from yolo_bones.rle_table._csv import HEADER
from yolo_bones.rle_table._parquet import IMAGES_AT_ONCE, SUFFIX, raise_system_error

CLASS_FIELDS: Final = tuple(f",{bone},".encode() for bone in BONES)
ROW_GROUP: Final = BONE_COUNT * 4 * IMAGES_AT_ONCE


def write_rle_table(path: Path, images: Iterable[tuple[str, Sequence[str]]]) -> int:
    """Write a CSV with 29 rows an image, in the order given.

    Args:
        path: final name.
        images: (image name, 29 row texts in channel order).

    Returns:
        Number of images.
    """
    return _write_csv(path, ((name, [text.encode("ascii") for text in texts]) for name, texts in images))


def _write_csv(path: Path, images: Iterable[tuple[str, Sequence[bytes]]]) -> int:
    count = 0
    with replacing(path, "wb") as stream:
        stream.write(",".join(HEADER).encode() + b"\n")
        for image_name, texts in images:
            name = _field(image_name)
            stream.write(
                b"".join(
                    part for field, text in zip(CLASS_FIELDS, texts, strict=True) for part in (name, field, text, b"\n")
                )
            )
            count += 1
    return count


def _field(image_name: str) -> bytes:
    """A name as a CSV field, quoted where it must be."""
    if not any(character in image_name for character in ',"\r\n'):
        return image_name.encode()
    field = io.StringIO()
    csv.writer(field, lineterminator="").writerow([image_name])
    return field.getvalue().encode()


def write_masks(path: Path, images: Iterable[tuple[str, RunLengthMasks]]) -> int:
    """Write masks as CSV or, where the name ends in `.parquet`, as parquet.

    Args:
        path: final name.
        images: (image name, 29 channels).

    Returns:
        Number of images.
    """
    if path.suffix.lower() != SUFFIX:
        return _write_csv(path, ((name, masks_to_row_texts(masks)) for name, masks in images))
    return _write_parquet(path, images)


def _write_parquet(path: Path, images: Iterable[tuple[str, RunLengthMasks]]) -> int:
    import polars
    from polars.io.plugins import register_io_source

    schema = {
        "image_name": polars.String(),
        "class": polars.String(),
        "height": polars.UInt32(),
        "width": polars.UInt32(),
        "counts": polars.Binary(),
    }
    count = 0
    failure: BaseException | None = None

    def frames(*_: object) -> Iterator[Any]:
        # polars wraps what is raised in here: the failure is kept and raised again outside.
        nonlocal failure
        try:
            yield from batches()
        except BaseException as error:
            failure = error
            raise

    def batches() -> Iterator[Any]:
        nonlocal count
        rows: list[tuple[object, ...]] = []
        for image_name, masks in images:
            height, width = masks.size.height, masks.size.width
            for bone, counts in zip(BONES, masks_to_coco_counts(masks), strict=True):
                rows.append((image_name, bone, height, width, counts))
            count += 1
            if len(rows) >= BONE_COUNT * IMAGES_AT_ONCE:
                yield polars.DataFrame(rows, schema=schema, orient="row")
                rows = []
        if rows or count == 0:
            yield polars.DataFrame(rows, schema=schema, orient="row")

    with replacing(path, "wb") as stream:
        source = register_io_source(frames, schema=schema)
        try:
            source.sink_parquet(
                stream, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True, statistics=False
            )
        except BaseException as error:
            if failure is not None:
                raise failure from None
            raise_system_error(error)
            raise
    return count
