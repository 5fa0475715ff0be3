"""What Pillow would let pass, and what it would read for minutes."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bad_inputs.good import encoded, grey_image, png, raw_png
from yolo_bones.errors import InputError
from yolo_bones.image_files import read_grey, rescale_levels

SIZE = (40, 56)
PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))


def interlaced(pixels: np.ndarray, cut: int = 0) -> bytes:
    rows = []
    for top, down, left, right in PASSES:
        rows += [b"\0" + row.tobytes() for row in pixels[top::down, left::right]]
    content = b"".join(rows)
    picture = raw_png(*pixels.shape, pixels=zlib.compress(content[: len(content) - cut]))
    header = bytearray(picture)
    header[28] = 1
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    return bytes(header)


def test_an_interlaced_png_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path, pixels = tmp_path / "x.png", grey_image(*SIZE)
    path.write_bytes(interlaced(pixels))
    assert (read_grey(path)[0] == pixels).all()
    path.write_bytes(interlaced(pixels, cut=300))
    with pytest.raises(InputError, match="truncated"):
        read_grey(path)


def test_a_black_lower_edge_is_no_missing_one(tmp_path: Path) -> None:
    path, pixels = tmp_path / "x.png", grey_image(*SIZE)
    pixels[20:] = 0
    path.write_bytes(png(pixels))
    assert (read_grey(path)[0] == pixels).all()
    rows = b"".join(b"\0" + row.tobytes() for row in pixels[:20])
    path.write_bytes(raw_png(*SIZE, pixels=zlib.compress(rows)))
    with pytest.raises(InputError, match="truncated"):
        read_grey(path)


def test_colour_and_transparency_give_the_levels_that_pillow_gives(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    for channels in (3, 4):
        colours = chance.integers(0, 256, (300, 56, channels)).astype(np.uint8)
        (tmp_path / "x.png").write_bytes(png(colours))
        weights = np.array([19595, 38470, 7471])  # of ITU-R 601, in 65536ths
        wanted = (colours[..., :3].astype(np.int64) @ weights + 0x8000) >> 16
        assert (read_grey(tmp_path / "x.png")[0] == wanted).all()


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colour_of_sixteen_bits_keeps_its_lower_bytes(tmp_path: Path, kind: int, channels: int) -> None:
    deep = np.random.default_rng(6).integers(0, 4096, SIZE).astype(np.uint16)
    rows = np.repeat(deep[:, :, None], channels, axis=2).astype(">u2").reshape(SIZE[0], -1)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    (tmp_path / "colour.png").write_bytes(raw_png(*SIZE, 16, kind, content))
    (tmp_path / "grey.png").write_bytes(png(deep))
    assert (read_grey(tmp_path / "colour.png")[0] == read_grey(tmp_path / "grey.png")[0]).all()


@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"restart_marker_blocks": 3}, {"optimize": True}])
def test_a_jpeg_that_was_cut_and_closed_is_no_whole_one(tmp_path: Path, options: dict[str, int]) -> None:
    path, pixels = tmp_path / "x.jpg", grey_image(90, 70)
    pixels[60:] = 30  # a flat corner is what a cut leaves as well
    whole = encoded(Image.fromarray(pixels).convert("RGB" if "subsampling" in options else "L"), "JPEG", **options)
    path.write_bytes(whole + b"what follows the end")
    assert abs(read_grey(path)[0].astype(int) - pixels).max() < 40
    path.write_bytes(whole[: len(whole) * 3 // 4] + b"\xff\xd9")
    with pytest.raises(InputError, match="truncated"):
        read_grey(path)


def test_sixteen_bits_are_scaled_by_the_power_of_two_that_holds_them() -> None:
    deep = np.array([[0, 1, 2048, 4095]], dtype=np.uint16).repeat(300, axis=0)
    assert rescale_levels(deep)[299].tolist() == [0, 0, 128, 255]
    assert rescale_levels(deep * 16)[0].tolist() == [0, 0, 128, 255]
    assert rescale_levels(np.array([[0, 100, 255]], dtype=np.uint16))[0].tolist() == [0, 100, 255]
