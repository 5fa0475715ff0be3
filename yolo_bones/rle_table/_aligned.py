"""Several tables of the same images, read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.rle import ImageSize, RunLengthMasks
from yolo_bones.rle_table._rows import ImageRows, RleTable

SizeOf = Callable[[ImageRows], ImageSize]
"""Size of the image that rows belong to."""


def aligned_images(
    tables: Sequence[RleTable], *, others_may_hold_more: bool = False
) -> Iterator[tuple[ImageRows, ...]]:
    """Rows of each image from every table, in the order of the first one.

    Tables in one order are streamed; one in another order is read through its index.

    Args:
        tables: at least one.
        others_may_hold_more: images that the first table has not are left out instead of being errors.

    Raises:
        InputErrors: an image that is not in all tables, after all others were handed out.
    """
    if not tables:
        raise ValueError("expected at least one table")
    first, *others = tables
    streams = [iter(table.images()) for table in others]
    in_step = [True] * len(others)
    faults: list[InputError] = []
    count = 0
    for rows in first.images():
        count += 1
        found: list[ImageRows] = [rows]
        for number, table in enumerate(others):
            partner = next(streams[number], None) if in_step[number] else None
            if partner is None or partner.image_name != rows.image_name:
                in_step[number] = False
                partner = table.find(rows.image_name)
            if partner is None:
                expected = f"an image of {table.path.name}"
                faults.append(InputError(rows.place, "image_name", expected, rows.image_name))
            else:
                found.append(partner)
        if len(found) == len(tables):
            yield tuple(found)
    if count == 0:
        faults.append(InputError(first.path, "", "at least one image", "none"))
    for number, table in enumerate([] if others_may_hold_more else others):
        # A table read in step to its end holds nothing else; of any other all names are known.
        rest = list(islice(streams[number], 1)) if in_step[number] else []
        if rest or not in_step[number]:
            faults.extend(_unknown(table, first))
    if faults:
        raise InputErrors(faults)


def _unknown(table: RleTable, first: RleTable) -> Iterator[InputError]:
    known = set(first.names())
    for name in table.names():
        if name not in known:
            rows = table.find(name)
            place = rows.place if rows else str(table.path)
            yield InputError(place, "image_name", f"an image of {first.path.name}", name)


def aligned_tables(
    tables: Sequence[RleTable], size_of: SizeOf, *, others_may_hold_more: bool = False
) -> Iterator[tuple[tuple[ImageRows, ...], list[RunLengthMasks]]]:
    """The same with all masks read: rows and masks of every table, image by image.

    Raises:
        InputErrors: all faults of all images; none is handed out after the first fault.
    """
    faults: list[InputError] = []
    images = aligned_images(tables, others_may_hold_more=others_may_hold_more)
    while True:
        try:
            found = next(images)
        except StopIteration:
            break
        except InputErrors as error:
            faults.extend(error.faults)
            break
        masks = []
        try:
            size = size_of(found[0] if found[0].size else next((rows for rows in found if rows.size), found[0]))
        except InputError as error:
            faults.append(error)
            continue
        for rows in found:
            try:
                masks.append(rows.masks(size))
            except InputErrors as error:
                faults.extend(error.faults)
            except InputError as error:
                faults.append(error)
        if not faults:
            yield found, masks
    if faults:
        raise InputErrors(faults)


def aligned_masks(tables: Sequence[RleTable], size_of: SizeOf) -> Iterator[tuple[ImageRows, list[RunLengthMasks]]]:
    """`aligned_tables`, the first table's rows standing for the image."""
    return ((rows[0], masks) for rows, masks in aligned_tables(tables, size_of))
