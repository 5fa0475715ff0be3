"""All cases, each through its command in a process of its own, as a user would run it.

python -m tests.bad_inputs [--size 256x208] [--only image,json] [--timeout 60]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bad_inputs.case import Case, faults_of, run_apart, tree
from tests.bad_inputs.corpus import CASES
from yolo_bones.command_line import image_size_argument


def hold(case: Case, size: tuple[int, int], timeout_s: float) -> list[str]:
    """What of one case does not hold."""
    with tempfile.TemporaryDirectory(prefix="bad-input-") as place:
        folder, out, work = (Path(place) / name for name in ("case", "out", "work"))
        for made in (folder, out, work):
            made.mkdir()
        case.make(folder, size)
        before = tree(folder)
        outcome = run_apart(case.arguments(folder, out, size), work, timeout_s)
        faults = faults_of(case, folder, out, before, outcome)
        return faults + [f"wrote {path.name} where it was run" for path in work.iterdir()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=image_size_argument, default=image_size_argument("256x208"))
    parser.add_argument("--only", default="", help="layers, with commas between them")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for each case")
    arguments = parser.parse_args()
    layers = set(filter(None, arguments.only.split(",")))
    chosen = [case for case in CASES if not layers or case.layer in layers]
    held = 0
    for case in chosen:
        faults = hold(case, (arguments.size.height, arguments.size.width), arguments.timeout)
        held += not faults
        if faults:
            print(f"{case.name}: {'; '.join(faults)}", flush=True)
    print(f"{held} of {len(chosen)} held at {arguments.size}")
    return 0 if chosen and held == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
