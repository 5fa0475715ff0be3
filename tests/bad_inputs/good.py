"""Good files, from which the bad ones are made. Never square: a swapped axis must show."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolo_bones.bones import BONES

Grey = NDArray[np.uint8]


def grey_image(height: int, width: int, seed: int = 0) -> Grey:
    """(H, W) a bright blob with noise, the same for the same seed."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    far = ((rows - height / 2) / height) ** 2 + ((columns - width / 2) / width) ** 2
    return (40 + 120 * np.exp(-8 * far) + chance.integers(0, 8, (height, width))).astype(np.uint8)


def png(pixels: NDArray[Any], **options: Any) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(height: int, width: int, bits: int = 8, kind: int = 0, pixels: bytes = b"", before: bytes = b"") -> bytes:
    """A PNG whose header says anything."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def ellipse(x: float, y: float, radius_x: float, radius_y: float, points: int = 20) -> list[list[int]]:
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return [[round(x + radius_x * np.cos(turn)), round(y + radius_y * np.sin(turn))] for turn in turns]


def annotation_of(height: int, width: int) -> dict[str, Any]:
    """29 ellipses in a lattice of 6 x 5, in channel order, as an annotation file holds them."""
    drawn = [
        {
            "id": f"{place:04d}",
            "type": "poly_seg",
            "attributes": {},
            "label": bone,
            "points": ellipse((place % 6 + 0.5) * width / 6, (place // 6 + 0.5) * height / 5, width / 15, height / 14),
        }
        for place, bone in enumerate(BONES)
    ]
    return {"annotations": drawn, "attributes": {}, "metadata": {"height": height, "width": width}}


def write_pair(
    root: Path,
    picture: bytes | None,
    record: Any,
    patient: str = "ID001",
    stem: str = "bad_R",
    suffix: str = ".png",
    json_stem: str | None = None,
) -> tuple[Path, Path]:
    """An image and its annotation in the real layout; None leaves one out, bytes are written as they are."""
    image = root / "DCM" / patient / f"{stem}{suffix}"
    annotation = root / "outputs_json" / patient / f"{json_stem or stem}.json"
    for path, content in ((image, picture), (annotation, record)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return image, annotation


def write_good(root: Path, height: int, width: int, pairs: int = 2) -> None:
    """Good companions: a tool that stops at the first folder is seen too."""
    for number in range(pairs):
        picture = png(grey_image(height, width, number + 1))
        write_pair(root, picture, annotation_of(height, width), f"ID9{number}", f"good{number}_L")
