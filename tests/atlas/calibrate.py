"""Rounds of measuring a population of phantoms and refitting the mean bones, until its statistics are a real hand's.

    PYTHONPATH=. python -m tests.atlas.calibrate --rounds 4 --hands 160 --workers 2 --state .cache/atlas.json
    PYTHONPATH=. python -m tests.atlas.calibrate --rounds 0 --hands 0 --state .cache/atlas.json \\
        --out yolo_bones/phantom/atlas.py

1. `drawings` of the bones are fitted (`fit`) to the population's slice widths, extents and overlaps, as plain outlines.
2. A population of the 3-D phantoms that grow from them is measured (`population`).
3. What it misses moves the targets of the outlines and each bone's own variation (`updates`); from 1 again.

The state is written after each round, so an interrupted run loses at most the round it is in, and the next run goes on.
The phantoms measured are those of the state, whatever `phantom/atlas.py` holds; only `--out` writes that file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.atlas.fit import Problem, fit
from tests.atlas.parameters import drawn_models
from tests.atlas.population import BENT_OF_OVERLAPS, BENT_OF_SHAPES, measure_population, population
from tests.atlas.state import State, first_state, read_state, write_state
from tests.atlas.updates import updated
from tests.atlas.write_atlas import as_module, tables_of
from yolo_bones.command_line import count_argument, run_command, say
from yolo_bones.files import write_text
from yolo_bones.hand_measures import Collected
from yolo_bones.phantom.agreement import Verdict, judge
from yolo_bones.phantom.summaries import mean_multi_label

FIRST_STEPS: Final = 14
STEPS: Final = 7
"""Gauss-Newton steps from the drawings, and of each round."""
SEED_OF_SHAPES: Final = 77
SEED_OF_OVERLAPS: Final = 78


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.atlas.calibrate", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=count_argument, default=4, help="rounds to add to what the state holds")
    parser.add_argument("--hands", type=count_argument, default=160, help="in each of two populations; 0 measures none")
    parser.add_argument("--workers", type=count_argument, default=1, help="processes")
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="JSON, made when missing")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the atlas module here after each round")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.rounds and not arguments.hands:
        parser.error("--hands 0 goes with --rounds 0 only")
    return run_command(_calibrate, arguments)


def _calibrate(arguments: argparse.Namespace) -> int:
    if arguments.state.exists():
        state = read_state(arguments.state)
    else:
        say("fitting the drawings", arguments.quiet)
        state = first_state()
    if not state.parameters:
        state = refitted(state, FIRST_STEPS)
    _keep(state, arguments)
    for _ in range(arguments.rounds):
        started = time.monotonic()
        shapes, overlaps = _measure(state, arguments)
        state = refitted(updated(state, shapes, overlaps), STEPS)
        _keep(state, arguments)
        say(f"round {state.rounds}: {time.monotonic() - started:.0f} s", arguments.quiet)
    if arguments.hands:
        shapes, overlaps = _measure(state, arguments)
        print("\n".join(faults(verdicts_of(shapes, overlaps))))
    return 0


def refitted(state: State, steps: int) -> State:
    """The state with its outlines fitted to its targets."""
    models = drawn_models()
    numbers = state.parameters or {bone: model.start for bone, model in models.items()}
    return replace(state, parameters=fit(Problem(models, state.targets, state.pairs), numbers, steps))


def _keep(state: State, arguments: argparse.Namespace) -> None:
    write_state(arguments.state, state)
    if arguments.out is not None:
        write_text(arguments.out, as_module(tables_of(state)))


def _measure(state: State, arguments: argparse.Namespace) -> tuple[Collected, Collected]:
    """A population with as many bent wrists as the real shapes', and one as the real overlaps'."""
    tables, patients = tables_of(state), -(-arguments.hands // 2)
    shapes, overlaps = (
        measure_population(population(patients, seed, bent), tables, arguments.workers, arguments.quiet)
        for seed, bent in ((SEED_OF_SHAPES, BENT_OF_SHAPES), (SEED_OF_OVERLAPS, BENT_OF_OVERLAPS))
    )
    print(f"after {state.rounds} rounds: {summary(verdicts_of(shapes, overlaps), overlaps)}", flush=True)
    return shapes, overlaps


def verdicts_of(shapes: Collected, overlaps: Collected) -> list[Verdict]:
    """Shape of the one population, areas and overlaps of the other, against the real ones."""
    return judge(shapes, ("shape",)) + judge(overlaps, ("area", "overlap"))


def summary(verdicts: Sequence[Verdict], overlaps: Collected) -> str:
    """How near a population is, on one line."""
    parts = []
    for verdict in verdicts:
        inside, far = (sum(getattr(check, name) for check in verdict.checks) for name in ("inside", "far"))
        parts.append(f"{verdict.part} {inside}/{len(verdict.checks)} inside, {far} beyond twice")
    return f"{'; '.join(parts)}; {mean_multi_label(overlaps):.0f} pixels with two labels or more"


def faults(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each figure that is off by more than is allowed."""
    return [
        f"{check.part} {check.row} {check.measure} {check.quantity}: {check.found:.4g}, real {check.expected:.4g}, "
        f"{check.deviation:.2f} times what is allowed"
        for verdict in verdicts
        for check in verdict.checks
        if not check.inside
    ]


if __name__ == "__main__":
    sys.exit(main())
