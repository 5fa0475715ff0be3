"""Fuzz target: a file of soft channels. Input: the bytes of the `.npz` file."""

from __future__ import annotations

import io
import random
import zipfile
from functools import cache
from typing import Any, Final

import numpy as np
from harness import change_bytes, fuzz, instrumented, temporary_file

with instrumented(__name__):
    from yolo_bones import soft
    from yolo_bones.bones import BONE_COUNT
    from yolo_bones.errors import InputError
    from yolo_bones.rle import RunLengthMasks

LONGEST: Final = 8192
MOST_PIXELS: Final = 1 << 20
"""Masks of larger images are not made here."""


def arrays_of(height: int, width: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(height)
    boxes = np.zeros((BONE_COUNT, 4), np.int32)
    boxes[::2] = [1, 2, height - 2, width - 3]
    levels = generator.integers(0, 256, int((boxes[:, 2] * boxes[:, 3]).sum()), dtype=np.uint8)
    return {"size": np.array([height, width], np.int32), "boxes": boxes, "levels": levels}


def packed(arrays: dict[str, Any], compressed: bool) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


@cache
def seeds() -> tuple[bytes, ...]:
    return tuple(packed(arrays_of(*size), compressed) for size in ((7, 11), (4, 6)) for compressed in (True, False))


def one_input(data: bytes) -> bool:
    with temporary_file(".png.npz", data) as path:
        try:
            rows = soft.read(path)
        except InputError as error:
            said = str(error)
            assert said.startswith(str(path)), said
            assert "\n" not in said, said
            return False
        assert rows.image_name == path.name.removesuffix(".npz")
        assert len(rows.crops) == BONE_COUNT
        size = rows.size
        assert size is not None
        if size.pixels > MOST_PIXELS:
            return True
        masks = rows.masks(size)
        RunLengthMasks(size, masks.starts.copy(), masks.ends.copy(), masks.offsets.copy())
        again = soft.read(soft.write_crops(path.parent, "again.png", size, rows.crops))
        assert again.masks(size).equals(masks)
        return True


def changed(data: bytes, rng: random.Random) -> bytes:
    """Changed bytes, or a changed array in a whole file."""
    if rng.random() < 0.4:
        return change_bytes(data, rng)
    arrays: dict[str, Any] = arrays_of(*rng.choice(((7, 11), (4, 6), (5, 5))))
    name = rng.choice(tuple(arrays))
    kind = rng.randrange(9)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = arrays[name].astype(rng.choice((np.int64, np.float32, np.uint8, np.int8, ">i4", "S3")))
    elif kind == 2:
        arrays[name] = arrays[name].reshape(-1)[: rng.randrange(arrays[name].size + 1)]
    elif kind == 3:
        flat = arrays[name].reshape(-1)
        flat[rng.randrange(flat.size)] = rng.choice((0, 1, 2, 7, 127))
    elif kind == 4:
        arrays["boxes"][rng.randrange(BONE_COUNT)] = [rng.choice((-1, 0, 3, 2**31 - 1)) for _ in range(4)]
    elif kind == 5:
        arrays["size"][:] = [rng.choice((-1, 0, 1, 9, 2**16, 2**31 - 1)) for _ in range(2)]
    elif kind < 8:
        arrays["levels"] = arrays["levels"][rng.sample(range(arrays["levels"].size), arrays["levels"].size)]
    else:
        arrays[rng.choice(("more", "size/../x", "a" * 200))] = np.zeros(3)
    found = packed(arrays, rng.random() < 0.5)
    return with_bad_entry(found, rng) if rng.random() < 0.2 else found


def with_bad_entry(data: bytes, rng: random.Random) -> bytes:
    """The same files, one of them packed otherwise, doubled or with another header."""
    source = zipfile.ZipFile(io.BytesIO(data))
    stream = io.BytesIO()
    chosen = rng.choice(source.namelist())
    with zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))) as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change_bytes(content, rng) if name == chosen else content)
    return stream.getvalue()


if __name__ == "__main__":
    fuzz("soft", one_input, seeds(), changed, LONGEST)
