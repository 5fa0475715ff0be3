"""Explore the annotations of a data set: figures, contact sheets, and every number behind them.

    python -m yolo_bones.explore_points RAW --out DIR --workers 2
    python -m yolo_bones.explore_points RAW --test DATA/test --pred pred.csv --out DIR

Writes DIR/explore.json and PNG pictures drawn from nothing else: areas, shapes and points of each bone, overlaps,
wrists, places and sizes of hands, grey levels, and how far the images of --test shift from those of RAW. Figures of
real hands stand beside those of the set. Masks of --test come from --pred; without it from `test_truth.csv` beside the
folder or annotations in it; else they are predicted with the shipped weights, into DIR/test_pred.csv.

DIR/explore.html shows figures and sheets, and image by image with all outlines those that a sheet shows; their pictures
lie in DIR/explore_files where they are too many to lie inside.

Predictions differ from annotations by themselves, most in sizes and overlaps of small bones; a shift of grey levels,
places and poses is the images'.

An interrupted run goes on where it was when the command is repeated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones import __version__
from yolo_bones.claims import claim
from yolo_bones.command_line import EXIT_INTERRUPTED, count_argument, progress, run_command, say
from yolo_bones.data_set import find_root
from yolo_bones.errors import InputError, InputErrors, RefusedError, YoloBonesError
from yolo_bones.exploration.collected import Collected
from yolo_bones.exploration.image_measures import ImageMeasures, measure_source
from yolo_bones.exploration.record import as_text, explored, shortened
from yolo_bones.exploration.sheet_lists import SHEETS, list_sheets
from yolo_bones.exploration.sources import (
    TEST,
    TRAIN,
    Listed,
    Side,
    annotated_side,
    check_table,
    fingerprint_of,
    image_side,
    table_beside,
)
from yolo_bones.exploration.summary import summary_of
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.page.exploration_page import exploration_head, exploration_sources, shown_images
from yolo_bones.page.page_files import check_page_place, pictures_beside
from yolo_bones.page_options import PageOptions, make_page
from yolo_bones.parallel import ToldFault, work_in_order
from yolo_bones.resumable import MADE, PartFolder
from yolo_bones.truth_sources import TruthSource
from yolo_bones.watched_files import refuse_changed, watch

RECORD: Final = "explore.json"
PAGE: Final = "explore.html"
PAGE_PICTURES: Final = pictures_beside(Path(PAGE)).name
PREDICTED: Final = "test_pred.csv"
PREDICTED_MANIFEST: Final = "test_pred.manifest.json"
PARTS: Final = ".parts"
SHIPPED: Final = "predictions of the shipped weights"


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.explore_points", description=__doc__.split("\n")[0])
    parser.add_argument("raw", type=Path, metavar="RAW", help="folder or .zip with DCM/ and outputs_json/")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for pictures and explore.json")
    parser.add_argument("--test", type=Path, metavar="DIR", help="images to compare with, searched recursively")
    parser.add_argument("--pred", type=Path, metavar="FILE", help="CSV or parquet with the masks of --test")
    parser.add_argument("--tiles", type=count_argument, default=24, help="images on the sheet of a sample")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier exploration in --out")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_explore, build_parser().parse_args(argv))


def _explore(arguments: argparse.Namespace) -> int:
    from yolo_bones.figures.drawing import FIGURES, draw_figures
    from yolo_bones.figures.sheets import write_sheet

    out: Path = arguments.out
    _check_out(arguments)
    train, test = annotated_side(arguments.raw), _test_side(arguments)
    sides = [train] if test is None else [train, test]
    for side in sides:
        watch(
            [
                None if side.masks_from == SHIPPED else side.table,
                *(path for one in side.images for path in (one.image, one.annotation)),
            ]
        )
    pictures = [f"{name}.png" for name in (*FIGURES, *SHEETS)]
    parts = _open_parts(arguments, sides, [PAGE_PICTURES, PAGE, *pictures, PREDICTED, PREDICTED_MANIFEST, RECORD])
    if test is not None and test.masks_from == SHIPPED:
        _predict(arguments)
    found = _measure_all(arguments, sides, parts)
    sheets = list_sheets(found, arguments.tiles)
    record = shortened({**explored(found, {side.name: side.masks_from for side in sides}), "sheets": sheets})
    made = parts.made
    drawn = list(progress(draw_figures(record, made), "figures", len(FIGURES), arguments.quiet, "figure"))
    for name, tiles in progress(record["sheets"].items(), "sheets", len(record["sheets"]), arguments.quiet, "sheet"):
        side = sides[-1] if name == "sheet_test" else train
        write_sheet(made / f"{name}.png", SHEETS[name], tiles, side.read(_chosen(side, tiles)))
        drawn.append(f"{name}.png")
    _write_page(arguments, record, sides, [made / name for name in drawn])
    write_text(made / RECORD, as_text(record))
    refuse_changed()
    parts.publish(out)
    print(summary_of(record))
    for name, count in record["sides"][TRAIN]["repairs"].items():
        say(f"mended {count} x {name}", arguments.quiet)
    say(f"{out}: {RECORD}, {PAGE} and {len(drawn)} pictures", arguments.quiet)
    return 0


def _write_page(
    arguments: argparse.Namespace, record: dict[str, Any], sides: Sequence[Side], pictures: Sequence[Path]
) -> None:
    """The page to look at, for which the pictures must be there."""
    head = exploration_head(arguments.raw.resolve().name, record, sides, pictures)
    shown = shown_images(record["sheets"])
    options = PageOptions(pictures[0].parent / PAGE, workers=max(1, arguments.workers), quiet=arguments.quiet)
    make_page(options, head, exploration_sources(shown, sides), len(shown))


def _test_side(arguments: argparse.Namespace) -> Side | None:
    """Images of --test with whatever masks there are; see the module's text."""
    folder: Path | None = arguments.test
    if folder is None:
        if arguments.pred is not None:
            raise InputError("--pred", "", "--test DIR with the images that it is of", "no --test")
        return None
    if not folder.is_dir():
        raise InputError("--test", "", "a folder of images", "a file" if folder.exists() else "nothing there")
    table = arguments.pred or table_beside(folder)
    if table is None and (folder / "outputs_json").is_dir():
        return annotated_side(folder, TEST)
    if table is None:
        return image_side(folder, _predicted_table(arguments), SHIPPED)
    side = image_side(folder, table, "predictions" if arguments.pred else f"{table.name}, found beside the images")
    if others := check_table(side):
        say(f"{table}: {others} images of it are not in {folder}; left out", arguments.quiet)
    return side


def _check_out(arguments: argparse.Namespace) -> None:
    """Nothing is written into a folder of images or annotations, nor over a table that is read."""
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise InputError("--out", "", "a folder", "a file")
    target = out.resolve()
    for source in (find_root(arguments.raw), arguments.test):
        if source is not None and target.is_relative_to(source.resolve()):
            raise RefusedError(f"{out}: lies in the source data {source}, which is never changed")
    if arguments.pred is not None and arguments.pred.resolve() == target / PREDICTED:
        raise RefusedError(f"{arguments.pred}: is a name that this command writes; give the file another one")
    claim(out)
    # Whether there is an earlier exploration is asked later, of all files together.
    check_page_place(out / PAGE, [arguments.pred], overwrite=True)


def _open_parts(arguments: argparse.Namespace, sides: Sequence[Side], products: Sequence[str]) -> PartFolder:
    """Refuse a finished exploration, go on with an interrupted one."""
    out: Path = arguments.out
    marker = out / PARTS / "settings.json"
    present = [name for name in products if (out / name).exists()]
    if present and RECORD not in present and not marker.exists():
        raise RefusedError(f"{out}: holds {', '.join(present)} without {RECORD}; give a folder of its own")
    if present and not arguments.overwrite and not marker.exists():
        raise RefusedError(f"{out}: holds {RECORD} already; give --overwrite to replace it")
    settings = {
        "command": "explore_points",
        "version": __version__,
        "input": fingerprint_of(sides, _predicted_table(arguments)),
    }
    parts = PartFolder(out / PARTS, settings, fresh=arguments.overwrite, products=products)
    sweep_temporaries(out)
    return parts


def _predicted_table(arguments: argparse.Namespace) -> Path:
    """Where predictions are written, until all is there."""
    return Path(arguments.out / PARTS / MADE / PREDICTED)


def _predict(arguments: argparse.Namespace) -> None:
    """Masks of the test side; what an interrupted run of these very images wrote is kept."""
    table = _predicted_table(arguments)
    if table.exists():
        return
    say(
        f"no masks of {arguments.test} given: predicting them with the shipped weights (or give --pred)",
        arguments.quiet,
    )
    # Loads nothing heavy, but a user who gives masks should not need its libraries.
    from yolo_bones import export_rle

    mode = ["--resume", *(["--quiet"] if arguments.quiet else [])]
    code = export_rle.main(["--source", str(arguments.test), "--out", str(table), *mode])
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise PredictionFailed(code)


class PredictionFailed(YoloBonesError):
    """The prediction of the test side ended with an exit code, which becomes the command's own."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(
            "--test: its masks could not be predicted, as said above; predict them yourself and give --pred"
        )


def _measure_all(arguments: argparse.Namespace, sides: Sequence[Side], parts: PartFolder) -> dict[str, Collected]:
    """Measures of every image of all sides; what an earlier run measured is only read.

    Raises:
        InputErrors: the faults of all images, after the others were measured.
    """
    faults: list[InputError] = []
    for side in sides:
        todo = [listed for listed in side.images if not parts.has(f"{side.name}/{listed.image.name}")]
        measured = work_in_order(measure_source, side.read(todo, faults), arguments.workers, _name)
        for result in progress(measured, f"measuring {side.name}", len(todo), arguments.quiet):
            if isinstance(result, ImageMeasures):
                parts.write(f"{side.name}/{result.image}", result.as_part())
            else:
                faults.extend(map(ToldFault, result))
    if faults:
        raise InputErrors(faults)
    return {
        side.name: Collected(
            [ImageMeasures.from_part(parts.read(f"{side.name}/{listed.image.name}")) for listed in side.images]
        )
        for side in sides
    }


def _name(source: TruthSource) -> str:
    return source.image.name


def _chosen(side: Side, tiles: Sequence[dict[str, Any]]) -> list[Listed]:
    by_name = {listed.image.name: listed for listed in side.images}
    return [by_name[tile["image"]] for tile in tiles]


if __name__ == "__main__":
    sys.exit(main())
