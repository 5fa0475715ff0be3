"""DICOM gives the picture that a PNG of its levels gives, and never its patient."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.bad_inputs.case import SECRETS
from tests.bad_inputs.dicom_cases import dicom, dicom_of_jpeg_2000, with_overlay
from tests.bad_inputs.good import annotation_of, png, write_good, write_pair
from yolo_bones.dicom_files import read_spacing_mm
from yolo_bones.errors import InputError
from yolo_bones.image_files import read_grey, read_image_size
from yolo_bones.rle import ImageSize

SIZE = (40, 56)


@pytest.fixture
def levels() -> np.ndarray:
    chance = np.random.default_rng(3)
    made = chance.integers(0, 4096, SIZE).astype("<u2")
    made[0, 0] = 4095
    return made


def read(tmp_path: Path, content: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    assert read_image_size(path) == ImageSize(*SIZE)
    return read_grey(path)


def test_twelve_bits_become_eight_as_in_a_png_of_the_same_levels(tmp_path: Path, levels: np.ndarray) -> None:
    (tmp_path / "x.png").write_bytes(png(levels))
    as_png, _ = read_grey(tmp_path / "x.png")
    grey, repairs = read(tmp_path, dicom(levels))
    assert (grey == as_png).all()
    assert grey[0, 0] == 255
    assert repairs == ("rescaled_16bit",)


def test_windows_are_not_applied(tmp_path: Path, levels: np.ndarray) -> None:
    plain, _ = read(tmp_path, dicom(levels))
    windowed, _ = read(tmp_path, dicom(levels, WindowCenter=100, WindowWidth=10, RescaleIntercept=-500, RescaleSlope=2))
    assert (plain == windowed).all()


def test_monochrome1_is_inverted_and_counted(tmp_path: Path, levels: np.ndarray) -> None:
    plain, _ = read(tmp_path, dicom(levels))
    inverted, repairs = read(tmp_path, dicom(levels, PhotometricInterpretation="MONOCHROME1"))
    assert (inverted == 255 - plain).all()
    assert "inverted" in repairs
    # A falling slope turns it round once more.
    again, repairs = read(tmp_path, dicom(levels, PhotometricInterpretation="MONOCHROME1", RescaleSlope=-1))
    assert (again == plain).all()
    assert "inverted" not in repairs


def test_run_lengths_are_the_levels_they_pack(tmp_path: Path, levels: np.ndarray) -> None:
    levels[10:20] = 300  # runs, beside levels that make none
    plain, _ = read(tmp_path, dicom(levels))
    packed, _ = read(tmp_path, dicom(levels, run_lengths=True))
    assert (plain == packed).all()


@pytest.mark.parametrize(("lowest", "bits", "zero"), [(-1000, 16, 1024), (-2048, 12, 2048), (0, 16, 0)])
def test_signed_levels_are_moved_up(tmp_path: Path, levels: np.ndarray, lowest: int, bits: int, zero: int) -> None:
    signed = np.maximum(levels.astype(int) // (1 if bits == 16 else 2) + lowest, lowest)
    stored = (signed & ((1 << bits) - 1)).astype("<u2")
    grey, _ = read(tmp_path, dicom(stored, bits=bits, PixelRepresentation=1))
    moved = signed + zero
    full = (1 << int(moved.max()).bit_length()) - 1
    assert (grey == np.rint(moved * 255.0 / full)).all()


def test_an_overlay_above_the_stored_bits_is_no_part_of_the_picture(tmp_path: Path, levels: np.ndarray) -> None:
    plain, _ = read(tmp_path, dicom(levels))
    overlay, repairs = read(tmp_path, with_overlay(dicom(levels | np.uint16(0x8000)), bit=15))
    assert (plain == overlay).all()
    assert repairs == ("rescaled_16bit", "overlay_dropped")
    # Bits that nothing explains are a number of stored bits that lies.
    for content in (dicom(levels | np.uint16(0x8000)), with_overlay(dicom(levels | np.uint16(0x8000)), bit=0)):
        with pytest.raises(InputError, match="BitsStored"):
            read(tmp_path, content)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_jpeg_2000_of_any_depth_gives_its_levels(tmp_path: Path, levels: np.ndarray, bits: int) -> None:
    levels = (levels >> 2 if bits == 10 else levels << (bits - 12)).astype("<u2")
    plain, _ = read(tmp_path, dicom(levels, bits=bits))
    packed, _ = read(tmp_path, dicom_of_jpeg_2000(levels, bits))
    assert (plain == packed).all()


def test_signed_levels_of_eight_bits_are_moved_up(tmp_path: Path) -> None:
    signed = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 256 - 128
    grey, _ = read(tmp_path, dicom(signed.astype("i1"), bits=8, PixelRepresentation=1))
    assert (grey == signed + 128).all()


def test_a_sign_may_fill_the_bits_above(tmp_path: Path, levels: np.ndarray) -> None:
    signed = levels.astype(int) // 2 - 900
    filled, _ = read(tmp_path, dicom(signed.astype("<i2"), PixelRepresentation=1))
    empty, _ = read(tmp_path, dicom((signed & 0xFFF).astype("<u2"), PixelRepresentation=1))
    assert (filled == empty).all()


def test_spacing_is_read_down_and_across(tmp_path: Path, levels: np.ndarray) -> None:
    path = tmp_path / "x.dcm"
    for tags, expected in (
        ({"PixelSpacing": [0.15, 0.2]}, (0.15, 0.2)),
        ({"ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.16, 0.16]}, (0.15, 0.15)),
        ({}, None),
    ):
        path.write_bytes(dicom(levels, **tags))
        assert read_spacing_mm(path) == expected
    path.write_bytes(dicom(levels, PixelSpacing=[0, 0.1]))
    with pytest.raises(InputError, match="PixelSpacing"):
        read_spacing_mm(path)
    (tmp_path / "x.png").write_bytes(png(levels))
    assert read_spacing_mm(tmp_path / "x.png") is None


def test_no_damage_to_a_file_tells_who_it_is_of(tmp_path: Path, levels: np.ndarray) -> None:
    chance = np.random.default_rng(8)
    path = tmp_path / "x.dcm"
    good = [np.frombuffer(dicom(levels, run_lengths=packed), np.uint8) for packed in (False, True)]
    said = set()
    for trial in range(400):
        spoilt = good[trial % 2].copy()
        spoilt[chance.integers(128, 1100, 4)] = chance.integers(0, 256, 4)
        path.write_bytes(spoilt.tobytes())
        try:
            read_grey(path)
        except InputError as error:
            said.add(str(error))
    assert len(said) > 5
    assert not [message for message in said for secret in SECRETS if secret in message]


def test_a_data_set_holds_the_pixels_and_the_tables_the_name(tmp_path: Path) -> None:
    from converters.points_to_rle import main as to_rle
    from converters.points_to_yolo import main as to_yolo

    size = (256, 208)
    write_good(tmp_path / "raw", *size)
    chance = np.random.default_rng(1)
    levels = chance.integers(0, 4096, size).astype("<u2")
    image, _ = write_pair(tmp_path / "raw", dicom(levels), annotation_of(*size), suffix=".dcm")
    assert to_yolo([str(tmp_path / "raw"), str(tmp_path / "yolo"), "--quiet"]) == 0
    assert to_rle([str(tmp_path / "raw"), str(tmp_path / "rle"), "--quiet"]) == 0
    (staged,) = (tmp_path / "yolo" / "images").rglob("bad_R.*")
    assert staged.suffix == ".png"
    assert (cv2.imread(str(staged), cv2.IMREAD_UNCHANGED) == read_grey(image)[0]).all()
    with Image.open(staged) as opened:
        assert not opened.info
    assert "bad_R.dcm,Ulna" in (tmp_path / "rle" / "truth.csv").read_text()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_as_dark_as_the_darkest_pixel_and_dims_nothing(
    tmp_path: Path, levels: np.ndarray, photometric: str
) -> None:
    framed = np.pad(levels[4:-4, 4:-4], 4, constant_values=65535)
    grey, repairs = read(
        tmp_path, dicom(framed, bits=16, PixelPaddingValue=65535, PhotometricInterpretation=photometric)
    )
    plain, _ = read(tmp_path, dicom(np.pad(levels[4:-4, 4:-4], 4, mode="edge"), PhotometricInterpretation=photometric))
    assert "padding_darkened" in repairs
    assert (grey[4:-4, 4:-4] == plain[4:-4, 4:-4]).all()
    assert np.unique(grey[:4]) == grey.min()
