"""The page of an exploration: its figures and sheets, and the images that a sheet shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones.audit.findings import NOTE
from yolo_bones.exploration.sheet_lists import SHEETS, TEST_SHEET
from yolo_bones.exploration.sources import TEST, TRAIN, Side
from yolo_bones.image_files import read_image_size
from yolo_bones.page.record import EXPLORATION, LayerSet, PageFigure, PageFinding, PageHead
from yolo_bones.page.shown_images import PageSource, runs_of

FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "areas": ("Areas", "Area of each bone at 2048 and for the hand's size; real hands are the grey band."),
    "shapes": ("Lengths and widths", "Of each bone in third metacarpals, against real hands."),
    "points": ("Points drawn", "How many points each annotation has."),
    "overlap_matrix": ("Overlaps of all pairs", "How often (above the diagonal) and how much (below) bones overlap."),
    "overlap_pairs": ("Overlapping pairs", "How often and how much, against real hands."),
    "wrists": ("Wrists", "How far hands lean, and how many lean how far."),
    "hands": ("Hands", "Where hands lie, how large they are, the thumb's side, sizes of images."),
    "grey_regions": ("Grey levels", "Mean and spread of each region."),
    "grey_profiles": ("Grey levels across outlines", "From inside a bone to outside of it, by region."),
    "shift": (
        "Shift of the test side",
        "Measures whose distributions differ most; the grey band is what chance gives.",
    ),
    "shift_distributions": ("Shifted measures", "Both sides' distributions of the measures that shift farthest."),
}
"""File of a figure without suffix -> heading, and what it shows."""
SAMPLES: Final = ("sheet_sample", TEST_SHEET)
"""Sheets of usual images, which are told nothing of."""
KINDS: Final[Mapping[str, str]] = {
    "sheet_smallest": "small_for_the_hand",
    "sheet_largest": "large_for_the_hand",
    "sheet_bent": "leans_most",
    "sheet_overlap": "overlaps_most",
    "sheet_odd_overlaps": "odd_overlap",
    "sheet_incomplete": "incomplete",
}
"""Sheet of odd images -> what a note on the page calls it."""
SPLIT: Final = "split"


def exploration_head(title: str, record: Mapping[str, Any], sides: Sequence[Side], figures: Iterable[Path]) -> PageHead:
    """What the page says beside its images.

    Args:
        title: heading.
        record: of the exploration, see `exploration.record`.
        sides: that were explored.
        figures: pictures, in the page's own folder.
    """
    shown = shown_images(record["sheets"])
    about = [("images", f"{len(shown)} that a sheet shows, the odd ones first")]
    for side in sides:
        told = record["sides"][side.name]
        about.append((side.name, f"{told['images']} images of {told['patients']} patients, {told['masks_from']}"))
        about.extend((f"mended {name}, {side.name}", str(count)) for name, count in told["repairs"].items())
    labels = [side.masks_from if side.table is None else side.table.name for side in sides]
    sets = [LayerSet(side.name, label, _role(side)) for side, label in zip(sides, labels, strict=True)]
    return PageHead(title, EXPLORATION, about, sets, figures=[_figure(path) for path in figures])


def shown_images(sheets: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[tuple[str, str], list[PageFinding]]:
    """(Side, image) -> what the sheets say of it, in page order: odd ones sheet by sheet, then the samples.

    Args:
        sheets: sheet -> tiles, see `exploration.sheet_lists`.
    """
    found: dict[tuple[str, str], list[PageFinding]] = {}
    for name in sorted(sheets, key=lambda name: (name in SAMPLES, list(SHEETS).index(name))):
        for tile in sheets[name]:
            told = found.setdefault((TEST if name == TEST_SHEET else TRAIN, tile["image"]), [])
            if name not in SAMPLES:
                told.extend(
                    PageFinding(bone, KINDS[name], NOTE, {"seen": tile["text"]}) for bone in tile["bones"] or [""]
                )
    return found


def exploration_sources(
    shown: Mapping[tuple[str, str], Sequence[PageFinding]], sides: Sequence[Side]
) -> Iterator[PageSource]:
    """The images of `shown_images` with their masks, read one at a time."""
    listed = {(side.name, one.image.name): (side, one) for side in sides for one in side.images}
    for key, findings in shown.items():
        side, one = listed[key]
        for source in side.read([one]):
            yield PageSource(
                name=one.image.name,
                patient=one.patient,
                image=one.image,
                size=source.size,
                layers={side.name: runs_of(source.masks())},
                findings=findings,
                facts={SPLIT: side.name},
            )


def _role(side: Side) -> str:
    told = side.masks_from
    return "annotation" if told == "annotations" else "truth" if "truth" in told else "prediction"


def _figure(path: Path) -> PageFigure:
    size = read_image_size(path)
    title, about = FIGURES.get(path.stem) or (SHEETS[path.stem], "")
    return PageFigure(title, about, path.name, size.width, size.height)
