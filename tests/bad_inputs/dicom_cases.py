"""DICOM: tags that lie, ways to write pixels, and a patient whose name must stay where it is."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.bad_inputs.case import Case
from tests.bad_inputs.good import annotation_of, encoded, grey_image, png, write_good, write_pair
from tests.bad_inputs.image_cases import jpeg_of_scans

Size = tuple[int, int]
RADIOGRAPH = "1.2.840.10008.5.1.4.1.1.1"


def dicom(
    levels: np.ndarray,
    *,
    syntax: str = ExplicitVRLittleEndian,
    bits: int = 12,
    drop: tuple[str, ...] = (),
    cut: int | None = None,
    run_lengths: bool = False,
    **tags: Any,
) -> bytes:
    """A radiograph as a hospital sends it, with all that names its patient."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = (
        RADIOGRAPH,
        "1.2.3.4",
        syntax,
    )
    image = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    image.PatientName, image.PatientID, image.PatientBirthDate = "HONG^GILDONG", "9901011234567", "19990101"
    image.InstitutionName, image.SOPClassUID, image.SOPInstanceUID = "SECRET HOSPITAL", RADIOGRAPH, "1.2.3.4"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.Modality = "1.2.3", "1.2.3.1", "DX"
    image.Rows, image.Columns = levels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8 * levels.itemsize, bits, bits - 1
    image.PixelData = levels.tobytes()[:cut]
    image["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(image, name, value)
    for name in drop:
        delattr(image, name)
    if run_lengths:
        image.compress(RLELossless)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _case(name: str, expect: str, content: Callable[[np.ndarray], bytes], *must: str, **more: Any) -> Case:
    def make(folder: Path, size: Size) -> None:
        write_good(folder, *size)
        write_pair(folder, content(grey_image(*size)), annotation_of(*size), suffix=more.get("suffix", ".dcm"))

    return Case(name, "dicom", expect, make, must and ("bad_R", *must), more.get("counter"), more.get("command"))


def _tagged(name: str, expect: str, *must: str, counter: str | None = None, **given: Any) -> Case:
    return _case(name, expect, lambda grey: dicom(deep(grey), **given), *must, counter=counter)


def deep(grey: np.ndarray) -> np.ndarray:
    return grey.astype("<u2") * 16


def _with_vr(tag: int, old: bytes, new: bytes) -> Callable[[np.ndarray], bytes]:
    """A file in which the two letters that say what a tag holds are others."""

    def make(grey: np.ndarray) -> bytes:
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        content = dicom(deep(grey))
        assert head + old in content
        return content.replace(head + old, head + new)

    return make


def padded(levels: np.ndarray, value: int, **tags: Any) -> bytes:
    """A frame of a level that stands for no pixel."""
    inner = levels[8:-8, 8:-8]
    return dicom(np.pad(inner, 8, constant_values=value), PixelPaddingValue=value, **tags)


def _jpeg(grey: np.ndarray, kind: str, **more: Any) -> list[bytes]:
    return [encoded(Image.fromarray(grey), kind, **more)]


def _jpeg_half(grey: np.ndarray) -> bytes:
    small = np.ascontiguousarray(grey[::2, ::2])
    return dicom(grey, syntax=JPEGBaseline8Bit, bits=8, PixelData=encapsulate(_jpeg(small, "JPEG")))


def dicom_of_jpeg_2000(levels: np.ndarray, bits: int, **tags: Any) -> bytes:
    """Levels of fewer than 16 bits, packed around the middle of 16 and then said to have that many."""
    moved = (levels.astype(int) + (1 << 15) - (1 << (bits - 1))).astype(np.uint16)
    frame = bytearray(encoded(Image.fromarray(moved), "JPEG2000", irreversible=False, no_jp2=True))
    frame[42] = bits - 1
    given = {"syntax": JPEG2000Lossless, "bits": bits, "PixelData": encapsulate([bytes(frame)]), **tags}
    return dicom(levels, **given)


def with_overlay(content: bytes, bit: int) -> bytes:
    """The same, with tags that say in which bit of each pixel an overlay lies."""
    tags = ((0x100, 16), (0x102, bit))
    overlay = b"".join(struct.pack("<HH2sHH", 0x6000, tag, b"US", 2, value) for tag, value in tags)
    place = content.index(struct.pack("<HH", 0x7FE0, 0x10))
    return content[:place] + overlay + content[place:]


def _closed_jpeg(grey: np.ndarray, *, size: int = 1, frames: int = 1) -> bytes:
    """A JPEG of which a part is left, with the mark of its end; or several."""
    whole = _jpeg(grey, "JPEG")[0]
    kept = [whole[: len(whole) // size - 2] + b"\xff\xd9"] * frames
    return dicom(grey, syntax=JPEGBaseline8Bit, bits=8, PixelData=encapsulate(kept))


def _both_pictures(folder: Path, size: Size) -> None:
    write_good(folder, *size)
    write_pair(folder, dicom(deep(grey_image(*size))), annotation_of(*size), suffix=".dcm")
    write_pair(folder, png(grey_image(*size)), None, suffix=".png")


def _command(module: str, *options: str) -> Callable[[Path, Path, Size], list[str]]:
    return lambda folder, out, _: [module, str(folder), *(option.replace("OUT", str(out)) for option in options)]


CASES = [
    _tagged("dcm-good", "repair", counter="rescaled_16bit"),
    _tagged("dcm-implicit", "repair", counter="rescaled_16bit", syntax=ImplicitVRLittleEndian),
    _case("dcm-8-bits", "ok", lambda grey: dicom(grey, bits=8)),
    _case("dcm-run-lengths", "repair", lambda grey: dicom(deep(grey), run_lengths=True), counter="rescaled_16bit"),
    _case("dcm-jpeg", "ok", lambda grey: dicom(grey, syntax=JPEGBaseline8Bit, bits=8, PixelData=encapsulate(_jpeg(grey, "JPEG")))),
    _case("dcm-jpeg-2000", "repair", lambda grey: dicom(deep(grey), syntax=JPEG2000Lossless, bits=16, PixelData=encapsulate(_jpeg(deep(grey), "JPEG2000", irreversible=False))), counter="rescaled_16bit"),
    _tagged("dcm-inverted", "repair", counter="inverted", PhotometricInterpretation="MONOCHROME1"),
    _tagged("dcm-slope", "repair", counter="inverted", RescaleSlope=-1, RescaleIntercept=4095),
    _case("dcm-signed", "repair", lambda grey: dicom((deep(grey).astype(int) - 1000).astype("<i2"), bits=16, PixelRepresentation=1), counter="rescaled_16bit"),
    _tagged("dcm-window", "repair", counter="rescaled_16bit", WindowCenter=100, WindowWidth=10),
    _tagged("dcm-birth-date-wrong", "repair", counter="rescaled_16bit", PatientBirthDate="born on 19990101 in SECRET HOSPITAL"),
    _tagged("dcm-not-burned-in", "repair", counter="rescaled_16bit", BurnedInAnnotation="NO"),
    _tagged("dcm-burned-in", "error", "BurnedInAnnotation", BurnedInAnnotation="YES"),
    _tagged("dcm-burned-in-name", "error", "BurnedInAnnotation", BurnedInAnnotation="GILDONG"),
    _case("dcm-half-pixels", "error", lambda grey: dicom(deep(grey), cut=grey.size), "PixelData"),
    _case("dcm-cut", "error", lambda grey: dicom(deep(grey))[:-5000], "PixelData"),
    _case("dcm-cut-in-tags", "error", lambda grey: dicom(deep(grey))[:420]),
    _tagged("dcm-no-pixels", "error", "PixelData", drop=("PixelData",)),
    _tagged("dcm-no-rows", "error", "Rows", drop=("Rows",)),
    _tagged("dcm-no-columns", "error", "Columns", drop=("Columns",)),
    _tagged("dcm-no-bits", "error", "BitsAllocated", drop=("BitsAllocated",)),
    _tagged("dcm-no-photometric", "error", "PhotometricInterpretation", drop=("PhotometricInterpretation",)),
    _tagged("dcm-rows-60000", "error", "Rows", Rows=60_000),
    _tagged("dcm-60000-squared", "error", "Rows", Rows=60_000, Columns=60_000),
    _tagged("dcm-rows-0", "error", "Rows", Rows=0),
    _tagged("dcm-rows-fewer", "error", "Rows", Rows=100),
    _tagged("dcm-swapped", "error", "bad_R.json", Rows=208, Columns=256),
    _tagged("dcm-32-bits", "error", "BitsAllocated", BitsAllocated=32, BitsStored=32, HighBit=31),
    _tagged("dcm-high-bit", "error", "HighBit", HighBit=15),
    _tagged("dcm-colour", "error", "SamplesPerPixel", SamplesPerPixel=3, PhotometricInterpretation="RGB"),
    _tagged("dcm-palette", "error", "PhotometricInterpretation", PhotometricInterpretation="PALETTE COLOR"),
    _tagged("dcm-name-as-colour", "error", "PhotometricInterpretation", PhotometricInterpretation="HONG GILDONG"),
    _tagged("dcm-frames", "error", "NumberOfFrames", NumberOfFrames=3),
    _tagged("dcm-inverse-shape", "error", "PresentationLUTShape", PresentationLUTShape="INVERSE"),
    _tagged("dcm-jpeg-lossless", "error", "TransferSyntaxUID", "JPEG Lossless", syntax=JPEGLosslessSV1, PixelData=encapsulate([b"\xff\xd8"])),
    _tagged("dcm-deflated", "error", "TransferSyntaxUID", "Deflated", syntax=DeflatedExplicitVRLittleEndian),
    _case("dcm-jpeg-other-size", "error", _jpeg_half, "Rows"),
    _case("dcm-jpeg-damaged", "error", lambda grey: dicom(grey, syntax=JPEGBaseline8Bit, bits=8, PixelData=encapsulate([b"\xff\xd8\xff\xe0" + b"no picture" * 9])), "PixelData"),
    _case("dcm-run-lengths-cut", "error", lambda grey: dicom(deep(grey), syntax=RLELossless, PixelData=encapsulate([struct.pack("<16L", 2, 64, 70, *[0] * 13) + b"\0\1\2\3\4\5"])), "PixelData"),
    _case("dcm-other-vr", "error", _with_vr(0x00280010, b"US", b"ZZ")),
    _case("dcm-text-rows", "error", _with_vr(0x00280010, b"US", b"LO")),
    _case("dcm-more-bits", "error", lambda grey: dicom(grey.astype("<u2") * 257), "BitsStored"),
    _case("dcm-overlay", "repair", lambda grey: with_overlay(dicom(deep(grey) | np.uint16(0x8000)), 15), counter="overlay_dropped"),
    _case("dcm-overlay-apart", "repair", lambda grey: with_overlay(dicom(deep(grey)), 0), counter="rescaled_16bit"),
    _case("dcm-overlay-unsaid", "error", lambda grey: dicom(deep(grey) | np.uint16(0x8000)), "BitsStored"),
    _case("dcm-signed-8-bits", "ok", lambda grey: dicom((grey.astype(int) - 128).astype("i1"), bits=8, PixelRepresentation=1)),
    _case("dcm-signed-jpeg", "error", lambda grey: dicom(grey, syntax=JPEGBaseline8Bit, bits=8, PixelRepresentation=1, PixelData=encapsulate(_jpeg(grey, "JPEG"))), "PixelRepresentation"),
    _tagged("dcm-sign-2", "error", "PixelRepresentation", PixelRepresentation=2),
    _case("dcm-jpeg-2000-12-bits", "repair", lambda grey: dicom_of_jpeg_2000(deep(grey), 12), counter="rescaled_16bit"),
    _case("dcm-jpeg-2000-says-10-bits", "error", lambda grey: dicom_of_jpeg_2000(deep(grey), 12, BitsStored=10, HighBit=9), "BitsStored"),
    _case("dcm-jpeg-closed", "error", lambda grey: _closed_jpeg(grey, size=2), "PixelData", "truncated"),
    _case("dcm-jpeg-scans", "error", lambda grey: dicom(grey, syntax=JPEGBaseline8Bit, bits=8, Rows=8000, Columns=8000, PixelData=encapsulate([jpeg_of_scans(grey)])), "scans"),
    _case("dcm-two-jpegs", "error", lambda grey: _closed_jpeg(grey, frames=2), "PixelData"),
    _tagged("dcm-empty-tags", "repair", counter="rescaled_16bit", NumberOfFrames=None, RescaleSlope=None, RescaleIntercept=None),
    _case("dcm-padding", "repair", lambda grey: padded(deep(grey), 65535, bits=16), counter="padding_darkened"),
    _case("dcm-padding-signed", "repair", lambda grey: padded((deep(grey).astype(int) - 1000).astype("<i2"), -32768, bits=16, PixelRepresentation=1), counter="padding_darkened"),
    _tagged("dcm-padding-unused", "repair", counter="rescaled_16bit", PixelPaddingValue=65535, bits=16),
    _case("dcm-padding-too-large", "error", lambda grey: dicom(grey, bits=8, PixelPaddingValue=4095), "PixelPaddingValue"),
    _tagged("dcm-empty-rows", "error", "Rows", Rows=None),
    _case("dcm-no-preamble", "error", lambda grey: dicom(deep(grey))[132:]),
    _case("dcm-text", "error", lambda _: b"HONG GILDONG 9901011234567\n" * 60),
    _case("dcm-empty", "error", lambda _: b"", "empty"),
    _case("dcm-png-inside", "error", lambda grey: png(grey), "PNG"),
    _case("dcm-named-png", "error", lambda grey: dicom(deep(grey)), "DICOM", suffix=".png"),
    _case("dcm-named-dicom", "error", lambda grey: dicom(deep(grey)), ".dicom", suffix=".dicom"),
    Case("dcm-beside-png", "dicom", "error", _both_pictures, ("bad_R",)),
    _case("dcm-to-coco", "ok", lambda grey: dicom(deep(grey)), command=_command("converters.points_to_coco", "OUT", "--quiet")),
    _case("dcm-to-rle", "ok", lambda grey: dicom(deep(grey)), command=_command("converters.points_to_rle", "OUT", "--quiet")),
    _case("dcm-audit", "ok", lambda grey: dicom(deep(grey)), command=_command("yolo_bones.audit_points", "--json", "OUT/a.json", "--fix", "OUT/fixed", "--quiet")),
    _case("dcm-folds", "error", lambda grey: dicom(deep(grey)), "DICOM", command=_command("yolo_bones.train_folds", "--out", "OUT/folds", "--folds", "2")),
]  # fmt: skip
