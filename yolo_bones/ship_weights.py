"""Strip a trained checkpoint of paths and dates and print its SHA-256.

python -m yolo_bones.ship_weights runs/segment/train/weights/best.pt weights/bones-n.pt
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from yolo_bones.command_line import run_command
from yolo_bones.errors import InputError
from yolo_bones.files import refuse_to_overwrite


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
    refuse_to_overwrite(arguments.target, arguments.overwrite)

    from yolo_bones.training.shipping import ship_checkpoint

    shipped = ship_checkpoint(arguments.source, arguments.target)
    print(f"{shipped.sha256}  {arguments.target.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
