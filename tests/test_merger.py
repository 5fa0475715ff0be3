"""The merger on made-up candidates: no network, shapes with known answers, images that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates
from yolo_bones.merger import MergeSettings, fuse_by_class, merge_candidates
from yolo_bones.rle import ImageSize, decode
from yolo_bones.views import View, draw_view, fit_letterbox

STRIDE = 4


def cell_centres(letterbox: View) -> tuple[np.ndarray, np.ndarray]:
    """Native coordinates (pixel centres at integers) of the prototype cells' centres: (rows, columns)."""
    rows, columns = letterbox.input_size.height // STRIDE, letterbox.input_size.width // STRIDE
    y = ((np.arange(rows) + 0.5) * STRIDE - letterbox.matrix[1, 2]) / letterbox.matrix[1, 1] - 0.5
    x = ((np.arange(columns) + 0.5) * STRIDE - letterbox.matrix[0, 2]) / letterbox.matrix[0, 0] - 0.5
    return y, x


def candidates_of(
    planes: list[np.ndarray], boxes: list[tuple[float, float, float, float]], letterbox: View
) -> Candidates:
    """Candidate i shows plane i as class i with score 0.9; its box is given in native pixels."""
    count = len(planes)
    scale = np.array([letterbox.matrix[0, 0], letterbox.matrix[1, 1]] * 2)
    pad = np.array([letterbox.matrix[0, 2], letterbox.matrix[1, 2]] * 2)
    scores = np.zeros((count, BONE_COUNT), np.float32)
    scores[np.arange(count), np.arange(count)] = 0.9
    return Candidates(
        boxes_xyxy=((np.array(boxes) + 0.5) * scale + pad).astype(np.float32),
        scores=scores,
        coefficients=np.eye(count, dtype=np.float32),
        prototypes=np.stack(planes).astype(np.float32),
        view=letterbox,
    )


def disc(letterbox: View, centre_xy: tuple[float, float], radius: float) -> np.ndarray:
    """Logits that are 0 on a circle given in native pixels."""
    y, x = cell_centres(letterbox)
    return radius - np.hypot(x[None, :] - centre_xy[0], y[:, None] - centre_xy[1])


@pytest.mark.parametrize("size", [ImageSize(900, 620), ImageSize(611, 997), ImageSize(150, 97), ImageSize(97, 203)])
@pytest.mark.parametrize("longest", [256, 416])
def test_a_known_shape_comes_back_in_place(size: ImageSize, longest: int) -> None:
    """Up (native larger than the input) and down; centroid within 0.1 native pixels, area within 2 %."""
    letterbox = fit_letterbox(size, longest, 32)
    centre = (0.41 * size.width + 0.3, 0.57 * size.height + 0.7)
    radius = 0.27 * min(size.height, size.width)
    box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    merged = merge_candidates(candidates_of([disc(letterbox, centre, radius)], [box], letterbox))
    mask = decode(merged.channels[0])[0]
    y, x = np.nonzero(mask)
    assert abs(x.mean() - centre[0]) < 0.1
    assert abs(y.mean() - centre[1]) < 0.1
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.02)


@pytest.mark.parametrize(
    "size", [ImageSize(900, 620), ImageSize(611, 997), ImageSize(150, 97), ImageSize(97, 203), ImageSize(512, 330)]
)
def test_through_the_letterbox_and_back_nothing_moves(size: ImageSize) -> None:
    """A drawn disc, scaled by the detector's own letterbox and read as logits, comes back within 0.1 native pixels.

    Mean over eight sub-pixel places, since one place alone is rounded to whole pixels.
    """
    letterbox = fit_letterbox(size, 256, 32)
    net = letterbox.input_size
    radius = 0.3 * min(size.height, size.width)
    y, x = np.mgrid[: size.height, : size.width]
    errors = []
    for place in range(8):
        centre = (0.43 * size.width + 0.37 * place, 0.55 * size.height + 0.61 * place)
        distance = np.hypot(x - centre[0], y - centre[1])
        grey = np.rint(255 * np.clip(0.5 + (radius - distance) / 12, 0, 1)).astype(np.uint8)
        # Prototype cells as large as input pixels, so that only the two mappings are tested.
        whole = Candidates(
            boxes_xyxy=np.array([[0, 0, net.width, net.height]], np.float32),
            scores=np.full((1, BONE_COUNT), 0.9, np.float32),
            coefficients=np.ones((1, 1), np.float32),
            prototypes=(draw_view(grey, letterbox) / 255.0).astype(np.float32)[None] - 0.5,
            view=letterbox,
        )
        rows, columns = np.nonzero(decode(merge_candidates(whole).channels[0])[0])
        errors.append((columns.mean() - centre[0], rows.mean() - centre[1], len(rows) / (np.pi * radius**2) - 1))
    right, down, larger = np.mean(errors, axis=0)
    assert abs(right) < 0.1
    assert abs(down) < 0.1
    assert abs(larger) < 0.01


def test_overlapping_bones_keep_their_shared_pixels() -> None:
    size = ImageSize(400, 300)
    letterbox = fit_letterbox(size, 320, 32)
    planes = [disc(letterbox, (120, 200), 60), disc(letterbox, (170, 200), 60)]
    merged = merge_candidates(candidates_of(planes, [(60, 140, 180, 260), (110, 140, 230, 260)], letterbox))
    first, second = decode(merged.channels[:2])
    assert (first & second)[200, 145]
    assert first.sum() == pytest.approx(second.sum(), rel=0.01)
    assert len(merged.channels) == BONE_COUNT
    assert merged.channels.areas()[2:].sum() == 0


def test_mask_is_cut_to_its_widened_box() -> None:
    size = ImageSize(300, 400)
    letterbox = fit_letterbox(size, 320, 32)
    everywhere = np.full((letterbox.input_size.height // 4, letterbox.input_size.width // 4), 5.0)
    settings = MergeSettings(box_margin=0.0, box_margin_px=0.0)
    merged = merge_candidates(candidates_of([everywhere], [(100, 50, 199, 149)], letterbox), settings)
    mask = decode(merged.channels[0])[0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert abs(rows[0] - 50) <= 1
    assert abs(rows[-1] - 149) <= 1
    assert abs(columns[0] - 100) <= 1
    assert abs(columns[-1] - 199) <= 1


def test_good_companions_are_averaged_by_score_and_strangers_left_out() -> None:
    letterbox = fit_letterbox(ImageSize(320, 320), 320, 32)
    scores = np.zeros((4, BONE_COUNT), np.float32)
    scores[:, 7] = [0.8, 0.6, 0.7, 0.1]
    made = Candidates(
        boxes_xyxy=np.array([[10, 10, 50, 90], [12, 10, 52, 90], [200, 10, 240, 90], [10, 10, 50, 90]], np.float32),
        scores=scores,
        coefficients=np.array([[1.0], [0.0], [9.0], [9.0]], np.float32),
        prototypes=np.ones((1, 80, 80), np.float32),
        view=letterbox,
    )
    fused = fuse_by_class(made, MergeSettings())
    assert fused.confidence[7] == np.float32(0.8)
    assert fused.coefficients[7, 0] == pytest.approx(0.8 / 1.4)
    assert fused.boxes_xyxy[7].tolist() == pytest.approx([10 + 2 * 0.6 / 1.4, 10, 50 + 2 * 0.6 / 1.4, 90])


def test_no_candidates_give_29_empty_channels() -> None:
    letterbox = fit_letterbox(ImageSize(64, 96), 96, 32)
    nothing = Candidates(
        boxes_xyxy=np.zeros((0, 4), np.float32),
        scores=np.zeros((0, BONE_COUNT), np.float32),
        coefficients=np.zeros((0, 32), np.float32),
        prototypes=np.zeros((32, 16, 24), np.float32),
        view=letterbox,
    )
    merged = merge_candidates(nothing)
    assert merged.channels.areas().tolist() == [0] * BONE_COUNT
    assert merged.channels.size == ImageSize(64, 96)


def test_letterbox_of_a_wide_image() -> None:
    letterbox = fit_letterbox(ImageSize(height=500, width=1000), 320, 32)
    assert letterbox.input_size == ImageSize(160, 320)
    assert letterbox.matrix[:, 2].tolist() == [0.0, 0.0]
    tall = fit_letterbox(ImageSize(height=1000, width=610), 320, 32)
    assert tall.input_size == ImageSize(320, 224)
    assert tall.matrix[0, 2] == (224 - 195) // 2


@pytest.mark.parametrize("broken", ["scores", "coefficients"])
def test_candidates_that_do_not_fit_are_refused(broken: str) -> None:
    arrays = {
        "boxes_xyxy": np.zeros((2, 4), np.float32),
        "scores": np.zeros((2, BONE_COUNT), np.float32),
        "coefficients": np.zeros((2, 32), np.float32),
        "prototypes": np.zeros((32, 8, 8), np.float32),
    }
    arrays[broken] = np.zeros((2, 5), np.float32)
    with pytest.raises(ValueError, match="expected"):
        Candidates(**arrays, view=fit_letterbox(ImageSize(64, 96), 96, 32))
