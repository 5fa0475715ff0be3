"""All figures of an exploration by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from yolo_bones.figures.bone_figures import draw_areas, draw_points, draw_shapes
from yolo_bones.figures.grey_figures import draw_grey_profiles, draw_grey_regions
from yolo_bones.figures.hand_figures import draw_hands, draw_wrists
from yolo_bones.figures.overlap_figures import draw_overlap_matrix, draw_overlap_pairs
from yolo_bones.figures.shift_figures import draw_shift, draw_shift_distributions
from yolo_bones.figures.style import own_style, save_figure

FIGURES: Final[dict[str, Callable[[Mapping[str, Any]], Figure]]] = {
    "areas": draw_areas,
    "shapes": draw_shapes,
    "points": draw_points,
    "overlap_matrix": draw_overlap_matrix,
    "overlap_pairs": draw_overlap_pairs,
    "wrists": draw_wrists,
    "hands": draw_hands,
    "grey_regions": draw_grey_regions,
    "grey_profiles": draw_grey_profiles,
    "shift": draw_shift,
    "shift_distributions": draw_shift_distributions,
}
OF_TWO_SIDES: Final = ("shift", "shift_distributions")


def draw_figures(record: Mapping[str, Any], out: Path) -> Iterator[str]:
    """Draw everything that the record holds, one figure after another; gives the names of the files."""
    for name, draw in FIGURES.items():
        if name in OF_TWO_SIDES and record["shift"] is None:
            continue
        with own_style():
            save_figure(draw(record), out / f"{name}.png")
        yield f"{name}.png"
