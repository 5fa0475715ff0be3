"""Kill a small cross-validation, alone or together with the training that it started, and call it again.

    python -m tests.faults.kill_folds [--kills 100] [--seed 0]

Most kills come around the n-th thing that `train_folds` does to files; its training then goes on by itself, keeps the
folder, and the result must be that of an undisturbed run to the byte, but for what holds times (checkpoints).
Others kill training and all at a random moment: called again, everything must be there, and load. It goes on when
repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT
from tests.faults import runs
from tests.faults.cases import LOOK, inputs_in
from tests.faults.kill_many import in_child, line_of, read_results, sources_digest, summed
from tests.faults.kill_training import check_checkpoints

MODULE = "yolo_bones.train_folds"
BOUNDARY_SHARE = 0.7
TIMED = ("runs/", ".steps/", "summary.json", ".manifest.json")
"""Parts of names of what tells times, or digests of what does."""
TRAINING = ("model=yolov8n-seg.yaml", "imgsz=64", "batch=2", "device=cpu", "threads=1", "epochs=2", "epoch_images=2")


def train_in_a_copy() -> None:
    """Have trainings run in a copy of this process, which has loaded the libraries, instead of loading them anew."""
    from yolo_bones import fold_run, train_bones

    def run_program(label: str, command: Sequence[str], *_: object) -> None:
        process = os.fork()
        if process:
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            assert code == 0, f"{label}: {code}"
            return
        code = 70
        try:
            runs.Boundaries.pass_one = not_counted  # type: ignore[method-assign]
            code = train_bones.main(list(command[3:]))
        finally:
            os._exit(code)

    fold_run.run_program = run_program


def not_counted(*_: object) -> None:
    """In place of `Boundaries.pass_one`."""


def arguments_of(inputs: Path) -> list[str]:
    options = [str(inputs / "raw"), *TRAINING, "--out", "out", "--folds", "2", "--test", str(inputs / "test")]
    return [*options, "--export", " ".join(("--imgsz", "64", *LOOK[2:]))]


def cross_validate(inputs: Path, folder: Path, kill_at: int | None = None) -> tuple[int, int]:
    started = runs.start(MODULE, arguments_of(inputs), folder, kill_at=kill_at, counted=True, before=train_in_a_copy)
    return runs.finish(started)


def kill_all_after(inputs: Path, folder: Path, seconds: float) -> int:
    """The command and its training die together."""
    started = runs.start(MODULE, arguments_of(inputs), folder, before=train_in_a_copy)
    time.sleep(seconds)
    os.killpg(started[0], signal.SIGKILL)
    return runs.finish(started)[0]


def untimed(found: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in found.items() if not any(part in name for part in TIMED)}


def check_whole(trial: Path, normal: dict[str, str], what: str, same_weights: bool) -> None:
    """Everything is there and loads; with the same weights it is what an undisturbed run makes."""
    found = runs.tree(trial)
    left = [name for name in found if any(mark in name for mark in runs.MARKS)]
    assert not left, f"{what}: {left} left over"
    missing = sorted(name for name in normal if name not in found)
    assert not missing, f"{what}: {missing} are missing"
    for weights in sorted((trial / "out" / "runs").glob("*/weights")):
        check_checkpoints(weights)
    if same_weights:
        expected, made = untimed(normal), untimed(found)
        differing = sorted(name for name in expected.keys() | made.keys() if expected.get(name) != made.get(name))
        assert not differing, f"{what}: {differing} differ from an undisturbed run"


class Folds:
    """Kills of one small cross-validation."""

    def __init__(self, inputs: Path, work: Path) -> None:
        self.inputs, self.trial = inputs, work / "trial"
        for _ in range(2):
            self.clear()
            start = time.perf_counter()
            code, self.boundaries = cross_validate(inputs, self.trial)
            self.seconds = time.perf_counter() - start
            assert code == 0, self.log()
        self.normal = runs.tree(self.trial)

    def clear(self) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        self.trial.mkdir()
        Path(f"{self.trial}.log").unlink(missing_ok=True)

    def log(self) -> str:
        return Path(f"{self.trial}.log").read_text(encoding="utf-8")[-3000:]

    def kill(self, number: int, seed: int) -> dict[str, object]:
        """One kill; returns what was found."""
        chance = random.Random(f"{seed}/{number}")
        self.clear()
        at_boundary = number % 10 < 10 * BOUNDARY_SHARE
        if at_boundary:
            place: float = chance.randrange(self.boundaries)
            code, _ = cross_validate(self.inputs, self.trial, int(place))
            assert code == -signal.SIGKILL, f"boundary {place} of {self.boundaries}: exit {code}:\n{self.log()}"
        else:
            place = chance.uniform(0.0, self.seconds)
            code = kill_all_after(self.inputs, self.trial, place)
        what = f"kill {number} ({'boundary' if at_boundary else 'second'} {place})"
        left = runs.tree(self.trial)
        whole = (self.trial / "out" / "summary.json").exists()
        again, _ = cross_validate(self.inputs, self.trial)
        assert again == 0, f"{what}: called again it ended with {again}:\n{self.log()}"
        in_child(lambda: check_whole(self.trial, self.normal, what, at_boundary))
        return {
            "kind": "boundary" if at_boundary else "random",
            "at": place,
            "killed": code == -signal.SIGKILL,
            "state": "new" if whole else "some" if left else "old",
            "left_over": sum(".tmp-" in name for name in left),
            "calls": 1,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "faults")
    arguments = parser.parse_args()
    state = arguments.state.resolve() / sources_digest()
    in_child(lambda: inputs_in(state))
    import torch

    import yolo_bones.detector.network
    import yolo_bones.train_bones
    import yolo_bones.training.bone_trainer  # noqa: F401

    torch.set_num_threads(1)
    results = state / "train_folds.jsonl"
    done = read_results(results)
    with tempfile.TemporaryDirectory(prefix="yolo_bones-faults-") as temporary:
        inputs = Path(temporary) / "inputs"
        shutil.copytree(inputs_in(state) / "raw", inputs / "raw")
        (inputs / "test").mkdir()
        for path in sorted((inputs / "raw" / "DCM").rglob("*.png"))[:2]:
            shutil.copyfile(path, inputs / "test" / path.name)
        folds = Folds(inputs, Path(temporary)) if len(done) < arguments.kills else None
        for number in range(len(done), arguments.kills):
            assert folds is not None
            done.append(folds.kill(number, arguments.seed))
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(done[-1]) + "\n")
    print(line_of("train_folds", summed(done[: arguments.kills])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
