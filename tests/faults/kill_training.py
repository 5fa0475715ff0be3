"""Kill a small training while it writes its checkpoints, and resume it.

    python -m tests.faults.kill_training [--kills 20] [--seed 0]

After each kill every checkpoint that is there must load; resumed, the training must end with every epoch once in
results.csv, with its manifest, and with nothing left over.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.faults import runs
from tests.faults.cases import inputs_in
from tests.faults.kill_many import in_child, sources_digest

EPOCHS = 3
MODULE = "yolo_bones.train_bones"
RUN = ("model=yolov8n-seg.yaml", "imgsz=64", "batch=2", "device=cpu", "threads=1", f"epochs={EPOCHS}", "epoch_images=2")


def only_while_saving() -> None:
    """Have boundaries count only inside what writes checkpoints and what lies beside them."""
    from yolo_bones import train_bones
    from yolo_bones.training.bone_trainer import BoneTrainer

    active: list[bool] = []
    passed = runs.Boundaries.pass_one

    def counted(self: runs.Boundaries, *arguments: object) -> None:
        if active:
            passed(self, *arguments)  # type: ignore[arg-type]

    def saving(function):  # type: ignore[no-untyped-def]
        def wrapped(*arguments, **options):  # type: ignore[no-untyped-def]
            active.append(True)
            try:
                return function(*arguments, **options)
            finally:
                active.pop()

        return wrapped

    runs.Boundaries.pass_one = counted  # type: ignore[method-assign,assignment]
    BoneTrainer.save_model = saving(BoneTrainer.save_model)  # type: ignore[method-assign]
    BoneTrainer.final_eval = saving(BoneTrainer.final_eval)  # type: ignore[method-assign]
    train_bones._write_settings = saving(train_bones._write_settings)


def train(folder: Path, arguments: list[str], kill_at: int | None = None) -> tuple[int, int]:
    started = runs.start(MODULE, arguments, folder, kill_at=kill_at, counted=True, before=only_while_saving)
    return runs.finish(started)


def check_checkpoints(weights: Path) -> None:
    """Each that is there is whole."""
    from yolo_bones.detector.weights import load_weights

    for path in sorted(weights.glob("*.pt")):
        load_weights(path)


def check_finished(folder: Path, what: str) -> None:
    rows = (folder / "results.csv").read_text(encoding="utf-8").splitlines()[1:]
    epochs = [row.split(",")[0] for row in rows]
    assert epochs == [str(epoch) for epoch in range(1, EPOCHS + 1)], f"{what}: results.csv holds {epochs}"
    assert (folder / "manifest.json").is_file(), f"{what}: no manifest"
    assert (folder / "weights" / "best.yaml").is_file(), f"{what}: no settings beside the weights"
    left = [str(path) for path in folder.rglob("*") if ".tmp-" in path.name]
    assert not left, f"{what}: {left} left over"
    check_checkpoints(folder / "weights")


def kill_many(work: Path, inputs: Path, kills: int, seed: int) -> None:
    from converters.points_to_yolo import main as points_to_yolo

    in_child(lambda: points_to_yolo([str(inputs / "raw"), str(work / "bones"), "--quiet"]))
    text = (ROOT / "bones.yaml").read_text(encoding="utf-8").replace("datasets/bones/", "bones/")
    (work / "bones.yaml").write_text(text, encoding="utf-8")
    trial = work / "trial"
    arguments = [f"data={work / 'bones.yaml'}", *RUN, f"project={trial / 'runs'}", "name=r"]
    trial.mkdir()
    code, boundaries = train(trial, arguments)
    assert code == 0, Path(f"{trial}.log").read_text(encoding="utf-8")[-2000:]
    check_finished(trial / "runs" / "r", "undisturbed")
    chance, resumed = random.Random(seed), 0
    for number in range(kills):
        place, code = 0, 0
        while code == 0:
            # Now and then a run saves a best checkpoint less, and passes fewer boundaries.
            shutil.rmtree(trial)
            trial.mkdir()
            Path(f"{trial}.log").unlink(missing_ok=True)
            place = chance.randrange(boundaries)
            code, _ = train(trial, arguments, place)
        what = f"kill {number} at {place} of {boundaries}"
        assert code == -9, f"{what}: exit {code}"
        folder = trial / "runs" / "r"
        last = folder / "weights" / "last.pt"
        in_child(lambda folder=folder: check_checkpoints(folder / "weights"))
        again = [f"resume={last}"] if last.exists() else [*arguments, "exist_ok=True"]
        resumed += last.exists()
        code, _ = train(trial, again)
        assert code == 0, f"{what}: {again}: {Path(f'{trial}.log').read_text(encoding='utf-8')[-2000:]}"
        in_child(lambda folder=folder, what=what: check_finished(folder, what))
        print(f"{what}: {'resumed' if again[0].startswith('resume') else 'begun anew'}, whole", flush=True)
    print(f"{kills} kills inside checkpointing: {resumed} resumed, {kills - resumed} begun anew, all whole")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "faults")
    arguments = parser.parse_args()
    state = arguments.state.resolve() / sources_digest()
    in_child(lambda: inputs_in(state))
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="yolo_bones-faults-") as folder:
        kill_many(Path(folder), inputs_in(state), arguments.kills, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
