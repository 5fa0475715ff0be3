"""Options of every command that looks at images with a network, and the settings that they lead to.

What the command line says wins over the file beside the weights, that over what the checkpoint says of its training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from yolo_bones.command_line import count_argument, share_argument
from yolo_bones.merger import MergeSettings

if TYPE_CHECKING:
    from yolo_bones.detector.look_settings import LookSettings
    from yolo_bones.detector.stored_settings import StoredSettings
    from yolo_bones.detector.weights import Weights

TWINS: Final = ("flip", "turn", "zoom")
USUAL_PX: Final = 640
"""Input size where neither the user nor the checkpoint says one."""
LEAST_PX, MOST_PX = 32, 8192


def add_look_arguments(parser: argparse.ArgumentParser) -> None:
    """How to look, how to merge, and whether the file beside the weights counts."""
    switch = argparse.BooleanOptionalAction
    looks = parser.add_argument_group("looks", "defaults: the file beside the weights, else one plain look")
    looks.add_argument(
        "--imgsz", type=size_argument, help="input pixels of the longer side, of the plain and the canonical look"
    )
    looks.add_argument("--first-imgsz", type=size_argument, help="of the look that finds the hand for --canonical")
    looks.add_argument("--closeup-imgsz", type=size_argument, help="of the close-up")
    looks.add_argument("--canonical", action=switch, help="find the hand, then look at it thumb left, fingers up")
    looks.add_argument(
        "--negatives", action=switch, help="invert the greys where the look that finds the hand shows dark bones"
    )
    looks.add_argument("--keep-first", action=switch, help="merge the look that found the hand with the canonical one")
    looks.add_argument("--closeup", action=switch, help="look at the carpus once more, close up")
    looks.add_argument(
        "--tta", type=twins_argument, metavar="flip,turn,zoom", help="more views to average, any of these, or none"
    )
    merge = parser.add_argument_group("merge", "defaults: the file beside the weights")
    merge.add_argument("--conf", type=share_argument, help="a bone of less confidence counts as absent")
    merge.add_argument("--tidy", action=switch, help="remove stray parts, fill holes, empty impossible bones")
    merge.add_argument(
        "--place-prior", type=strength_argument, metavar="X", help="how much a bone's place counts; 0 is off"
    )
    merge.add_argument(
        "--repair-flattened",
        action=switch,
        help="restore what smaller bones cover; on for checkpoints trained with overlap_mask=True",
    )
    parser.add_argument(
        "--calibration", action=switch, default=True, help="use the .yaml file beside the weights, where there is one"
    )


def size_argument(text: str) -> int:
    """Read input pixels from 32 to 8192."""
    value = count_argument(text)
    if not LEAST_PX <= value <= MOST_PX:
        raise argparse.ArgumentTypeError(f"expected input pixels from {LEAST_PX} to {MOST_PX}, got {text}")
    return value


def strength_argument(text: str) -> float:
    """Read a number from 0 to 1000."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1000.0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1000, got {text!r}")
    return value


def twins_argument(text: str) -> frozenset[str]:
    """Read names of test-time views, separated by commas, or `none`."""
    names = frozenset(text.split(",")) - {"none"}
    if not names <= set(TWINS) or not text:
        raise argparse.ArgumentTypeError(f"expected none, or any of {','.join(TWINS)}, got {text!r}")
    return names


def resolve_settings(
    arguments: argparse.Namespace, weights: Weights, stored: StoredSettings | None
) -> tuple[LookSettings, MergeSettings]:
    """How to look and how to merge.

    Args:
        arguments: of `add_look_arguments`.
        weights: loaded.
        stored: the file beside them, where it counts.
    """
    from yolo_bones.detector.look_settings import FIRST_LOOK_PX, TURNS, ZOOMS, LookSettings

    trained = min(max(weights.training_size or USUAL_PX, LEAST_PX), MOST_PX)
    look = LookSettings(
        longest_px=trained,
        first_look_px=min(FIRST_LOOK_PX, trained),
        canonical_px=trained,
        closeup_px=trained,
    )
    merging = MergeSettings(repair_flattened=weights.overlap_mask is True)
    if stored is not None:
        look, merging = stored.look_settings(look), stored.merge_settings(merging)
    asked: dict[str, Any] = {
        "longest_px": arguments.imgsz,
        "canonical_px": arguments.imgsz,
        "first_look_px": arguments.first_imgsz,
        "closeup_px": arguments.closeup_imgsz,
        "canonical": arguments.canonical,
        "negatives": arguments.negatives,
        "keep_first": arguments.keep_first,
        "closeup": arguments.closeup,
    }
    if arguments.tta is not None:
        asked["flips"] = "flip" in arguments.tta
        asked["turns"] = (look.turns or TURNS) if "turn" in arguments.tta else ()
        asked["zooms"] = (look.zooms or ZOOMS) if "zoom" in arguments.tta else ()
    merge = {
        "least_confidence": arguments.conf,
        "tidy": arguments.tidy,
        "place_prior": arguments.place_prior,
        "repair_flattened": arguments.repair_flattened,
    }
    return replace(look, **_given(asked)), replace(merging, **_given(merge))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def warnings_of(
    arguments: argparse.Namespace,
    weights: Weights,
    look: LookSettings,
    merging: MergeSettings,
    say: Callable[[str], None],
) -> list[str]:
    """What the user should know of the weights, and of options that do nothing; each line is also said."""
    found = []
    for option, given, needed, has in (
        ("--keep-first", arguments.keep_first, "--canonical", look.canonical),
        ("--first-imgsz", arguments.first_imgsz, "--canonical", look.canonical),
        ("--negatives", arguments.negatives, "--canonical or --closeup", look.canonical or look.closeup),
        ("--closeup-imgsz", arguments.closeup_imgsz, "--closeup", look.closeup),
    ):
        if given and not has:
            found.append(f"{option} does nothing without {needed}")
    if arguments.first_imgsz and look.canonical and arguments.first_imgsz > look.longest_px:
        found.append(f"--first-imgsz {arguments.first_imgsz} is cut to --imgsz {look.longest_px}")
    if weights.overlap_mask:
        remedy = (
            "what smaller bones cover is filled in again (--no-repair-flattened leaves it)"
            if merging.repair_flattened
            else "--repair-flattened fills in what smaller bones cover"
        )
        found.append(
            f"{weights.path.name} was trained with overlap_mask=True: where bones overlap, all but one of them were "
            f"left out; {remedy}"
        )
    for line in found:
        say(f"warning: {line}")
    return found
