"""Strip a trained checkpoint of paths and dates; print its SHA-256 and write it beside the file.

Settings that lie beside the checkpoint, of how it looks and where it cuts, go along.

python -m yolo_bones.ship_weights runs/segment/train/weights/best.pt weights/bones-n.pt
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_bones.claims import claim
from yolo_bones.command_line import run_command, say
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import refuse_to_overwrite, write_text

if TYPE_CHECKING:
    from yolo_bones.detector.stored_settings import StoredSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yolo_bones.ship_weights", description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="checkpoint of a training run")
    parser.add_argument("target", type=Path, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the target")
    return run_command(_ship, parser.parse_args(argv))


def _ship(arguments: argparse.Namespace) -> int:
    if arguments.target.suffix != ".pt":
        raise InputError(arguments.target, "", "a name that ends in .pt")
    listed = arguments.target.with_name(f"{arguments.target.name}.sha256")
    claim(arguments.target, listed)
    for target in (arguments.target, listed):
        refuse_to_overwrite(target, arguments.overwrite)

    from yolo_bones.detector.stored_settings import settings_path
    from yolo_bones.detector.weights import load_weights
    from yolo_bones.training.shipping import ship_checkpoint

    stored = _settings_of(arguments.source, load_weights(arguments.source).sha256)
    settings = settings_path(arguments.target)
    claim(settings)
    if stored is not None:
        refuse_to_overwrite(settings, arguments.overwrite)
    shipped = ship_checkpoint(arguments.source, arguments.target)
    line = f"{shipped.sha256}  {arguments.target.name}"
    write_text(listed, f"{line}\n")
    print(line)
    if stored is not None:
        write_text(settings, stored.text_for(shipped.sha256))
    _warn_of_stale_settings(arguments.target, shipped.sha256)
    return 0


def _settings_of(source: Path, sha256: str) -> StoredSettings | None:
    """Those beside the source; a file that is not for these weights, or of somebody else, does not go along."""
    from yolo_bones.detector.stored_settings import read_settings, settings_path

    try:
        return read_settings(source, sha256)
    except (InputError, RefusedError):
        say(f"warning: {settings_path(source)} is not for these weights and does not go along")
        return None


def _warn_of_stale_settings(target: Path, sha256: str) -> None:
    """Settings beside the target that serve other weights would be refused at every use."""
    from yolo_bones.detector.stored_settings import read_settings, settings_path

    try:
        read_settings(target, sha256)
    except (InputError, RefusedError):
        name = settings_path(target).name
        say(f"warning: {name} beside it is not for these weights: remove it, or calibrate_rle --overwrite")


if __name__ == "__main__":
    sys.exit(main())
