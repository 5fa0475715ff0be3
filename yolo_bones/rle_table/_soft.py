"""Probabilities of the 29 bones of one image, inside each bone's box, as a small file; a folder of them is a table.

The file `<image name>.npz` (numpy's zip of arrays, no pickles) holds

    size    (2,)     int32   height and width of the image
    boxes   (29, 4)  int32   top, left, height, width of each bone's box, channel order; zeros for an absent bone
    levels  (L,)     uint8   the boxes' pixels one after another, row-major; level v is the probability v / 255

Outside its box a bone's probability is 0. A bone is on where its level is 128 or more: levels are rounded towards the
side of one half on which the probability lies.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from yolo_bones.bones import BONE_COUNT
from yolo_bones.errors import InputError
from yolo_bones.files import replacing
from yolo_bones.rle import ImageSize, RunLengthMasks, empty_masks, encode_crop, stack
from yolo_bones.rle_table._rows import ImageRows, RleTable, check_image_name

SOFT_SUFFIX: Final = ".npz"
ON_LEVEL: Final = 128
SHAPES: Final = {"size": (np.int32, (2,)), "boxes": (np.int32, (BONE_COUNT, 4)), "levels": (np.uint8, (-1,))}
MOST_PIXELS: Final = 1 << 26
MOST_LEVELS: Final = 1 << 28
NPY_HEADER_BYTES: Final = 1024
END_MAGIC: Final = b"PK\5\6"
END_BYTES: Final = 18
"""Of a zip's last record behind its magic; a comment may follow."""
LONGEST_END: Final = 1 << 17
MOST_DIRECTORY_BYTES: Final = 1 << 16
DAMAGE: Final = (
    OSError,
    EOFError,
    RuntimeError,  # an encrypted entry
    NotImplementedError,
    UnicodeDecodeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged zip may raise."""
NPY_HEADER: Final = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<descr>[<|][a-z][0-9]{1,2})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>[0-9]{1,10},|[0-9]{1,10}, [0-9]{1,10})\), \} *\n",
    re.DOTALL,
)
"""What numpy writes before an array of one or two axes; its own reader evaluates whatever stands there."""

Levels = NDArray[np.uint8]
SoftCrop = tuple[int, int, Levels]
"""Top, left and (h, w) levels of one bone."""


def levels_of_probabilities(probabilities: NDArray[np.floating[Any]]) -> Levels:
    """Levels from 0 to 255 of probabilities from 0 to 1; above one half becomes 128 or more, one half and NaN not."""
    above = probabilities > 0.5
    levels = np.ceil(np.nan_to_num(np.clip(probabilities, 0.0, 1.0)) * 255.0 - 0.5)
    return np.asarray(np.where(above, np.maximum(levels, 128.0), np.clip(levels, 0.0, 127.0)).astype(np.uint8))


def levels_of_logits(logits: NDArray[np.float32], threshold: float = 0.0) -> Levels:
    """Levels of logits; the threshold becomes the probability one half, so 128 or more is exactly what lies above."""
    with np.errstate(over="ignore"):
        probabilities = 1.0 / (1.0 + np.exp(threshold - logits.astype(np.float64)))
    above = logits > threshold
    levels = levels_of_probabilities(probabilities)
    return np.where(above, np.maximum(levels, np.uint8(128)), np.minimum(levels, np.uint8(127)))


def write_soft(folder: Path, image_name: str, probabilities: NDArray[np.floating[Any]]) -> Path:
    """Write the probabilities of one image, cut to each bone's box.

    Args:
        folder: made when missing.
        image_name: base name of the image, such as `image1661392103627.png`.
        probabilities: (29, H, W) from 0 to 1, channel order, the image's own resolution.

    Returns:
        The file written.
    """
    if probabilities.ndim != 3 or len(probabilities) != BONE_COUNT:
        raise ValueError(f"expected probabilities ({BONE_COUNT}, H, W), got {probabilities.shape}")
    crops: list[SoftCrop] = []
    for plane in probabilities:
        levels = levels_of_probabilities(plane)
        rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 0)
        crops.append((top, left, levels[top:bottom, left:right]))
    return write_soft_crops(folder, image_name, ImageSize(*probabilities.shape[1:]), crops)


def write_soft_crops(folder: Path, image_name: str, size: ImageSize, crops: Sequence[SoftCrop]) -> Path:
    """Write levels that are known inside boxes only; 29 crops in channel order, an absent bone with an empty one."""
    boxes = np.zeros((BONE_COUNT, 4), dtype=np.int32)
    for index, (top, left, levels) in enumerate(crops):
        if levels.size:
            boxes[index] = (top, left, *levels.shape)
    content = np.concatenate([np.zeros(0, np.uint8), *(levels.reshape(-1) for _, _, levels in crops)])
    _check_boxes(boxes, size, len(content))
    target = folder / f"{image_name}{SOFT_SUFFIX}"
    with replacing(target, "wb") as stream:
        np.savez_compressed(
            stream, size=np.array([size.height, size.width], dtype=np.int32), boxes=boxes, levels=content
        )
    return target


def _check_boxes(boxes: NDArray[np.int32], size: ImageSize, levels: int) -> None:
    top, left, height, width = boxes.astype(np.int64).T
    inside = (boxes >= 0).all() and (top + height <= size.height).all() and (left + width <= size.width).all()
    if not inside or int((height * width).sum()) != levels:
        raise ValueError(f"boxes inside {size} that hold all {levels} levels")


class SoftRows(ImageRows):
    """Probabilities of one image's bones; read as masks they are those above one half."""

    def __init__(self, path: Path, size: ImageSize, crops: list[SoftCrop]) -> None:
        self.path = path
        self.image_name = path.name.removesuffix(SOFT_SUFFIX)
        self.size = size
        self.crops = crops

    @property
    def place(self) -> str:  # type: ignore[override]
        """The file."""
        return str(self.path)

    def masks(self, size: ImageSize) -> RunLengthMasks:
        """See `ImageRows`."""
        if size != self.size:
            raise InputError(self.path, "size", str(size), str(self.size))
        found = [
            encode_crop(levels >= ON_LEVEL, top, left, size) if levels.size else empty_masks(size)
            for top, left, levels in self.crops
        ]
        return stack(size, found)


def read_soft(path: Path) -> SoftRows:
    """Read one file; nothing is unpacked before its headers are checked.

    Raises:
        InputError: not such a file; names the array.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "", f"a {SOFT_SUFFIX} file of probabilities", "a folder, pipe or device")
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _read_array(path, archive, name, 4 * BONE_COUNT * 4) for name in ("size", "boxes")}
            # A small zip may unpack to anything: no more is unpacked than the boxes hold.
            inside = int(np.clip(arrays["boxes"][:, 2:].astype(np.int64), 0, None).prod(axis=1).sum())
            arrays["levels"] = _read_array(path, archive, "levels", min(inside, MOST_LEVELS))
            # The last of two arrays of one name would be read.
            extra = sorted((Counter(archive.namelist()) - Counter(f"{name}.npy" for name in SHAPES)).elements())
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error
    except DAMAGE as error:
        raise InputError(path, "", f"a {SOFT_SUFFIX} file of probabilities", str(error)) from error
    if extra:
        raise InputError(path, "", "the arrays size, boxes, levels", f"also {', '.join(extra)}")
    height, width = arrays["size"].tolist()
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise InputError(path, "size", f"a height and width of at most {MOST_PIXELS} pixels", f"{height}x{width}")
    size, boxes = ImageSize(height, width), arrays["boxes"]
    try:
        _check_boxes(boxes, size, len(arrays["levels"]))
    except ValueError as error:
        raise InputError(path, "boxes", str(error), "others") from error
    crops, first = [], 0
    for top, left, down, across in boxes.tolist():
        last = first + down * across
        crops.append((top, left, arrays["levels"][first:last].reshape(down, across)))
        first = last
    return SoftRows(path, size, crops)


def _check_directory(path: Path) -> None:
    """A zip of three arrays lists three: a directory of a million is not read."""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - LONGEST_END, 0))
        _, magic, end = stream.read().rpartition(END_MAGIC)
    if magic and len(end) >= END_BYTES and int.from_bytes(end[8:12], "little") > MOST_DIRECTORY_BYTES:
        raise InputError(path, "", "a zip of the arrays size, boxes, levels", "one of very many members")


def _read_array(path: Path, archive: zipfile.ZipFile, name: str, most_bytes: int) -> NDArray[Any]:
    kind, shape = SHAPES[name]
    expected = f"{np.dtype(kind).name} of shape {shape}".replace("(-1,)", "(L,)")
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        raise InputError(path, name, expected, "no such array") from error
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(path, name, "an array that is stored or deflated", f"zip method {entry.compress_type}")
    if entry.file_size > most_bytes + NPY_HEADER_BYTES:
        raise InputError(path, name, f"{expected} in at most {most_bytes} bytes", f"{entry.file_size} bytes")
    try:
        with archive.open(entry) as stream:
            content = stream.read()
    except DAMAGE as error:
        raise InputError(path, name, expected, str(error)) from error
    header = NPY_HEADER.match(content)
    found = tuple(int(side) for side in header["shape"].split(b",") if side.strip()) if header else ()
    fits = len(found) == len(shape) and (shape[0] < 0 or found == shape)
    if header is None or header["descr"].decode() != np.dtype(kind).str or not fits:
        got = f"{header['descr'].decode()} of shape {found}" if header else "another header"
        raise InputError(path, name, expected, got)
    held = len(content) - header.end()
    if held != int(np.prod(found)) * np.dtype(kind).itemsize:
        raise InputError(path, name, expected, f"{held} bytes for shape {found}")
    array: NDArray[Any] = np.frombuffer(content, dtype=kind, offset=header.end())
    return array.reshape(found[::-1]).T if header["order"] == b"True" else array.reshape(found)


class SoftTable(RleTable):
    """A folder of such files, in the order of their names."""

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise InputError(self.path, "", f"a folder of {SOFT_SUFFIX} files", "no folder")
        found = sorted(path for path in self.path.iterdir() if path.suffix == SOFT_SUFFIX and path.name[0] != ".")
        if not found:
            raise InputError(self.path, "", f"at least one {SOFT_SUFFIX} file", "none")
        for path in found:
            check_image_name(self.path, path.name.removesuffix(SOFT_SUFFIX))
        return found

    def images(self) -> Iterator[ImageRows]:
        """See `RleTable`."""
        for path in self._files():
            yield read_soft(path)

    def names(self) -> list[str]:
        """See `RleTable`."""
        return [path.name.removesuffix(SOFT_SUFFIX) for path in self._files()]

    def find(self, image_name: str) -> ImageRows | None:
        """See `RleTable`."""
        path = self.path / f"{image_name}{SOFT_SUFFIX}"
        if Path(image_name).name != image_name or not path.is_file():
            return None
        return read_soft(path)
