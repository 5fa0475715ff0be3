"""Kill commands at random moments and around everything that they do to files, then call them again.

    python -m tests.faults.kill_many [--kills N | --everywhere] [--case NAME ...] [--state FOLDER] [--seed 0]

After each kill every final name must hold its old content or its new one; called again, the command must end well, and
leave exactly the files of a run that nobody disturbed. Results are kept in --state for the sources as they are: called
again, it goes on. Prints a line for each command.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.faults import runs
from tests.faults.cases import CASES, Case, inputs_in, with_inputs

BOUNDARY_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a case does when nobody kills it.

    Attributes:
        before: folder with what was there before; empty for a fresh run.
        after: path -> digest.
        boundaries: how many it passes.
        seconds: it takes.
        arguments: of the run.
    """

    before: Path
    after: dict[str, str]
    boundaries: int
    seconds: float
    arguments: list[str]


class Trials:
    """Kills of one case."""

    def __init__(self, case: Case, inputs: Path, work: Path) -> None:
        self.case, self.inputs, self.work = case, inputs, work
        self.trial = work / "trial"
        modes = ["fresh", "over"] if case.earlier else ["fresh"]
        self.undisturbed = {mode: self._undisturbed(mode) for mode in modes}

    def _undisturbed(self, mode: str) -> Undisturbed:
        before = self.work / f"before-{mode}"
        self.case.lay_out(before, self.inputs)
        if mode == "over":
            self._run(before, self.case.earlier)
        arguments = [*self.case.arguments, *(self.case.overwrite if mode == "over" else ())]
        for _ in range(2):
            self._lay_out(before)
            start = time.perf_counter()
            count = self._run(self.trial, arguments)
            seconds = time.perf_counter() - start
        after = runs.tree(self.trial)
        assert after == runs.final_names(after), f"{self.case.name}: {sorted(after)}"
        assert mode == "fresh" or after != runs.tree(before), f"{self.case.name}: the earlier result is the same"
        return Undisturbed(before, after, count, seconds, with_inputs(arguments, self.inputs))

    def _run(self, folder: Path, arguments: tuple[str, ...] | list[str]) -> int:
        given = with_inputs(arguments, self.inputs)
        code, count = runs.finish(runs.start(self.case.module, given, folder, counted=True))
        assert code == self.case.code, f"{self.case.name}: exit {code}, see {folder}.log"
        return count

    def _lay_out(self, before: Path) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(before, self.trial)
        Path(f"{self.trial}.log").unlink(missing_ok=True)

    def places(self) -> list[tuple[str, int]]:
        """Every boundary of every mode."""
        return [(mode, place) for mode, normal in self.undisturbed.items() for place in range(normal.boundaries)]

    def kill(self, number: int, seed: int, chosen: tuple[str, int] | None = None) -> dict[str, object]:
        """One kill, at a random moment or at a chosen boundary; returns what was found.

        Raises:
            AssertionError: something was lost, torn or left over.
        """
        chance = random.Random(f"{seed}/{self.case.name}/{number}")
        mode = chosen[0] if chosen else chance.choice(sorted(self.undisturbed))
        normal = self.undisturbed[mode]
        self._lay_out(normal.before)
        old = runs.tree(self.trial)
        at_boundary = bool(chosen) or (not self.case.processes and number % 10 < 10 * BOUNDARY_SHARE)
        if at_boundary:
            place: float = chosen[1] if chosen else chance.randrange(normal.boundaries)
            started = runs.start(self.case.module, normal.arguments, self.trial, counted=True, kill_at=int(place))
            code, _ = runs.finish(started)
            assert code == -9, f"boundary {place} of {normal.boundaries} was not reached (exit {code})"
        else:
            place = chance.uniform(0.0, normal.seconds)
            code, _ = runs.kill_after(runs.start(self.case.module, normal.arguments, self.trial), place)
        left = runs.tree(self.trial)
        what = f"{self.case.name} {number} ({mode}, {'boundary' if at_boundary else 'second'} {place})"
        state = self._state(what, old, runs.final_names(left), normal.after)
        calls = self._call_again(what, normal)
        return {
            "mode": mode,
            "kind": "boundary" if at_boundary else "random",
            "at": place,
            "killed": code == -9,
            "state": state,
            "left_over": sum(".tmp-" in name for name in left),
            "calls": calls,
        }

    def _state(self, what: str, old: dict[str, str], found: dict[str, str], new: dict[str, str]) -> str:
        """Whether final names are as before, as after, or some of each; nothing else may be."""
        for name, digest in found.items():
            assert digest in (old.get(name), new.get(name)), f"{what}: {name} holds neither old nor new content"
        missing = [name for name in old if name in new and name not in found and name not in self.case.may_be_gone]
        assert not missing, f"{what}: {missing} are gone"
        if found == old:
            return "old"
        return "new" if found == new else "some"

    def _call_again(self, what: str, normal: Undisturbed) -> int:
        """Call the command again as it is documented; returns how many calls that took."""
        again = [*with_inputs(self.case.arguments, self.inputs), *self.case.again]
        code, _ = runs.finish(runs.start(self.case.module, again, self.trial))
        calls = 1
        if code == 3 and self.case.overwrite:
            again = [*with_inputs(self.case.arguments, self.inputs), *self.case.overwrite]
            code, _ = runs.finish(runs.start(self.case.module, again, self.trial))
            calls = 2
        assert code == self.case.code, f"{what}: called again it ended with {code}, see {self.trial}.log"
        found = runs.tree(self.trial)
        differing = sorted(
            name for name in found.keys() | normal.after.keys() if found.get(name) != normal.after.get(name)
        )
        assert not differing, f"{what}: {differing} differ from an undisturbed run"
        return calls


def kill_everywhere(cases: list[Case], state: Path) -> None:
    """At every boundary, once; nothing is kept."""
    with tempfile.TemporaryDirectory(prefix="yolo_bones-faults-") as temporary:
        in_child(lambda: inputs_in(state))
        for case in cases:
            work = Path(temporary) / case.name
            work.mkdir()
            trials = Trials(case, inputs_in(state), work)
            done = [trials.kill(number, 0, chosen) for number, chosen in enumerate(trials.places())]
            print(line_of(case.name, summed(done)), flush=True)


def sources_digest() -> str:
    """Of the package: results are of these sources."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "yolo_bones").rglob("*.py"), *(ROOT / "converters").rglob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def import_all(cases: list[Case]) -> None:
    """Load what the commands load, so that their copies need not."""
    import importlib

    for case in cases:
        importlib.import_module(case.module)
    import matplotlib.backends.backend_agg  # noqa: F401
    import openpyxl  # noqa: F401
    import polars  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import xlsxwriter  # noqa: F401

    import yolo_bones.figures.drawing
    import yolo_bones.figures.sheets

    if any(case.needs_torch for case in cases):
        import torch

        import yolo_bones.detector.network
        import yolo_bones.training.shipping  # noqa: F401

        torch.set_num_threads(1)


def run_cases(cases: list[Case], kills: int | None, state: Path, seed: int) -> dict[str, collections.Counter[str]]:
    """All kills that are not done yet; returns counts for each case."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="yolo_bones-faults-") as temporary:
        in_child(lambda: inputs_in(state))
        for case in cases:
            wanted = case.kills if kills is None else kills
            results = state / f"{case.name}.jsonl"
            done = read_results(results)
            if len(done) < wanted:
                work = Path(temporary) / case.name
                work.mkdir()
                trials = Trials(case, inputs_in(state), work)
                for number in range(len(done), wanted):
                    done.append(trials.kill(number, seed))
                    with results.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(done[-1]) + "\n")
                shutil.rmtree(work)
            found[case.name] = summed(done[:wanted])
            print(line_of(case.name, found[case.name]), flush=True)
    return found


def in_child(work: object) -> None:
    """Whatever starts threads of libraries is done in a copy: this process will fork."""
    process = os.fork()
    if not process:
        code = 70
        try:
            work()  # type: ignore[operator]
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, "what was done in a copy failed, as said above"


def read_results(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def summed(results: list[dict[str, object]]) -> collections.Counter[str]:
    count: collections.Counter[str] = collections.Counter(kills=len(results))
    for result in results:
        count.update([str(result["kind"]), str(result["state"]), f"{result['calls']}_calls"])
        count["left_over"] += bool(result["left_over"])
        count["ended_before"] += not result["killed"]
    return count


def line_of(name: str, count: collections.Counter[str]) -> str:
    kinds = f"{count['kills']:4} kills, {count['boundary']:4} at boundaries"
    states = f"old {count['old']:4}, new {count['new']:4}, some of each {count['some']:4}"
    return f"{name:<26}{kinds}; {states}; left over {count['left_over']:4}; with --overwrite {count['2_calls']:4}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, help="of each case; as many as the list of cases says when not given")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="only these")
    parser.add_argument("--everywhere", action="store_true", help="at every boundary instead, anew each time")
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "faults")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [case for case in CASES if arguments.case is None or case.name in arguments.case]
    state = arguments.state.resolve() / sources_digest()
    import_all(chosen)
    if arguments.everywhere:
        kill_everywhere([case for case in chosen if not case.processes], state)
        return 0
    found = run_cases(chosen, arguments.kills, state, arguments.seed)
    total = sum(found.values(), collections.Counter())
    print(line_of("all", total))
    return 0


if __name__ == "__main__":
    sys.exit(main())
