"""One image of a YOLO data set, as it is or in its hand's canonical view."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.annotated_hand import fit_annotated_hand, outline_centroids
from yolo_bones.canonical import canonical_view, carried_ious, carry_bones
from yolo_bones.data_set import CheckedPair
from yolo_bones.errors import InputError
from yolo_bones.files import replacing, write_bytes, write_text
from yolo_bones.hand_fit import fit_hand
from yolo_bones.image_files import is_dicom_name, read_grey
from yolo_bones.loss_audit import label_ious
from yolo_bones.views import draw_view
from yolo_bones.yolo_labels import (
    bones_without_inset,
    image_to_label_text,
    label_text_to_outlines,
    outlines_to_label_text,
)


def yolo_name(image_name: str) -> str:
    """Of an image in the data set; of DICOM only the pixels come there, as PNG."""
    return f"{Path(image_name).stem}.png" if is_dicom_name(Path(image_name)) else image_name


def write_plain(checked: CheckedPair, out: Path, subset: str, inset_px: float) -> dict[str, Any]:
    """Link the image and write its label file; returns what the report is made of."""
    image = checked.read()
    name = yolo_name(checked.pair.image_name)
    copied = _place_image(checked, out / "images" / subset / name)
    write_text((out / "labels" / subset / name).with_suffix(".txt"), image_to_label_text(image, inset_px))
    return {"copied": copied, "ious": label_ious(image), "without_inset": bones_without_inset(image, inset_px)}


def write_canonical(
    checked: CheckedPair, out: Path, subset: str, inset_px: float, longest_px: int | None
) -> dict[str, Any]:
    """Draw the image in its hand's canonical view and write the label file of that view.

    Args:
        checked: the image.
        out: folder of the data set.
        subset: train or val.
        inset_px: of the labels, in pixels of the view.
        longest_px: of the view; None takes the least that loses nothing.

    Returns:
        What the report is made of; only `not_fitted` where nothing was written because there is no such view.
    """
    image = checked.read()
    fit = fit_annotated_hand(image)
    view = None if fit is None else canonical_view(image.size, fit.frame, longest_px)
    if fit is None or view is None:
        doubtful = fit_hand(outline_centroids(image))
        support = None if doubtful is None else round(doubtful.support, 4)
        return {"not_fitted": {"bones": len(image.annotations), "support": support}}
    carried = carry_bones(image, view, inset_px)
    text = outlines_to_label_text(carried.outlines, view.input_size)
    whole = carried.outlines if inset_px == 0.0 else carry_bones(image, view).outlines
    read_back = label_text_to_outlines(outlines_to_label_text(whole, view.input_size), view.input_size)
    drawn = draw_view(read_grey(checked.pair.image)[0], view)
    file = Path(subset) / f"{checked.pair.image.stem}.png"
    _write_image(out / "images" / file, drawn, checked.pair.image)
    write_text((out / "labels" / file).with_suffix(".txt"), text)
    return {
        "ious": carried_ious(image, view, read_back),
        "without_inset": carried.without_inset,
        "clipped": carried.clipped,
        "split": carried.split,
        "outside": carried.outside,
        "view": {
            "file": f"images/{file.as_posix()}",
            "image_size": [image.size.height, image.size.width],
            "view_size": [view.input_size.height, view.input_size.width],
            "matrix": view.matrix.tolist(),
            "support": round(fit.support, 4),
        },
    }


def _place_image(checked: CheckedPair, target: Path) -> bool:
    """Link a good PNG; write a mended image or DICOM anew; copy a JPEG, which ultralytics may rewrite in place.

    Returns:
        Whether a link was wanted and not possible.
    """
    source = checked.pair.image
    target.parent.mkdir(parents=True, exist_ok=True)
    if checked.image_repairs or is_dicom_name(source):
        _write_image(target, read_grey(source)[0], source)
        return False
    if source.suffix.lower() == ".png":
        target.unlink(missing_ok=True)
        try:
            os.link(source.resolve(), target)
            return False
        except OSError:
            copied = True
    else:
        copied = False
    with replacing(target, "wb") as stream, source.open("rb") as original:
        shutil.copyfileobj(original, stream)
    return copied


def _write_image(target: Path, pixels: NDArray[np.uint8], source: Path) -> None:
    done, encoded = cv2.imencode(target.suffix, pixels)
    if not done:
        raise InputError(source, "", "an image that can be written again")
    write_bytes(target, encoded.tobytes())
