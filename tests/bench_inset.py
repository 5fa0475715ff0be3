"""What `points_to_yolo --inset-px` is worth: the Dice of a network that learnt its labels perfectly.

    python tests/bench_inset.py

Polygons are rasterised by ultralytics' own `polygon2mask` at the network's input size and label ratio, in sixteen
sub-pixel positions; the rasters, enlarged bilinearly to native pixels, are averaged, as a network does that has seen
the bone in all positions, cut at one half and compared with the truth. So only the label's own bias is seen. 6
synthetic hands at 2048 x 2048, one seed.
"""

from __future__ import annotations

import cv2
import numpy as np

from yolo_bones.phantom.patients import draw_patient
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.polygons import fill_polygon, inset_polygon
from yolo_bones.rle import ImageSize

from ultralytics.data.utils import polygon2mask  # isort: skip

NATIVE = 2048
INSETS = (0.0, 0.25, 0.5, 0.65, 0.8)
MARGIN = 12


def label_dice(points: np.ndarray, input_px: int, ratio: int, inset: float, shifts: np.ndarray) -> float:
    """Dice of one bone's averaged label rasters with its truth; `inset` and `shifts` in input pixels."""
    scale = input_px / NATIVE
    outline, _ = inset_polygon(points.astype(np.float64), inset / scale)
    truth, top, left = fill_polygon(points, ImageSize(NATIVE, NATIVE))
    framed = np.pad(truth, MARGIN)
    total = np.zeros(framed.shape, np.float32)
    for shift in shifts:
        label = polygon2mask((input_px, input_px), [((outline + 0.5) * scale + shift).reshape(-1)], 1, ratio)
        y = np.arange(top - MARGIN, top + truth.shape[0] + MARGIN) + 0.5
        x = np.arange(left - MARGIN, left + truth.shape[1] + MARGIN) + 0.5
        rows, columns = ((axis * scale + move) / ratio - 0.5 for axis, move in ((y, shift[1]), (x, shift[0])))
        grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        total += cv2.remap(label.astype(np.float32), *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    predicted = total > 0.5 * len(shifts)
    return 2.0 * (predicted & framed).sum() / (predicted.sum() + framed.sum())


def main() -> None:
    settings = PhantomSettings(3, 0, seed=5, height=NATIVE, width=NATIVE, bent=0.3)
    hands = [image for number in (1, 2, 3) for image in draw_patient(settings, number)]
    shifts = np.random.default_rng(0).uniform(0.0, 4.0, (16, 2))
    print("mean Dice of perfectly learnt labels, by inset in input pixels")
    print(f"{'input':>6}{'ratio':>6}" + "".join(f"{inset:>9.2f}" for inset in INSETS))
    for input_px, ratio in ((512, 4), (640, 4), (1024, 4), (1024, 2), (1024, 1)):
        means = []
        for inset in INSETS:
            scores = [
                label_dice(points, input_px, ratio, inset, shifts)
                for image in hands
                for points in image.outlines.values()
            ]
            means.append(float(np.mean(scores)))
        print(f"{input_px:>6}{ratio:>6}" + "".join(f"{mean:>9.4f}" for mean in means), flush=True)


if __name__ == "__main__":
    main()
