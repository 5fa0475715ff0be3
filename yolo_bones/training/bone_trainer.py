"""Ultralytics' trainer with our views, our mask loss, validation by native Dice, and an end at the first divergence."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from yolo_bones.detector.environment import prepare
from yolo_bones.errors import MachineError
from yolo_bones.files import TEMPORARY_MARK, machine_errors, write_text

prepare()

import torch  # noqa: E402
import ultralytics  # noqa: E402
from ultralytics.models.yolo.segment import SegmentationTrainer  # noqa: E402
from ultralytics.utils import DEFAULT_CFG_DICT  # noqa: E402
from ultralytics.utils.torch_utils import strip_optimizer, unwrap_model  # noqa: E402

from yolo_bones.training.bone_data import BoneDataset, build_loader  # noqa: E402
from yolo_bones.training.bone_loss import BoneLoss  # noqa: E402
from yolo_bones.training.draws import PlainChanges  # noqa: E402
from yolo_bones.training.native_dice import NativeDice  # noqa: E402
from yolo_bones.training_recipe import Recipe  # noqa: E402
from yolo_bones.training_sources import read_data_file  # noqa: E402

STOCK_ARGUMENTS: Final[dict[str, Any]] = dict(DEFAULT_CFG_DICT)
"""Of `yolo segment train`, with their defaults."""
ULTRALYTICS: Final = Path(ultralytics.__file__).parent
TORCH_WRITER: Final = "inline_container"
MOST_BAD_STEPS: Final = 3
"""Steps in a row whose loss or gradient is not finite before training stops; each is skipped."""


class BoneTrainer(SegmentationTrainer):
    """A run of `train_bones`.

    Args:
        overrides: arguments of `yolo segment train`.
        recipe: our own.
    """

    model: Any
    optimizer: Any
    loss: Any
    tloss: Any
    metrics: Any
    validator: Any
    accumulate: Any
    ema: Any

    def __init__(self, overrides: dict[str, Any], recipe: Recipe) -> None:
        self.recipe = recipe
        self.bad_steps = 0
        self.skipped_steps = 0
        super().__init__(overrides=overrides)
        self.add_callback("on_train_start", _start)
        self.add_callback("on_train_epoch_start", _start_epoch)

    def get_dataset(self) -> dict[str, Any]:
        """Of the data file, which ultralytics itself does not see: it would run what that says under `download`."""
        return read_data_file(Path(str(self.args.data)))

    def build_dataset(self, img_path: str, *_: Any) -> BoneDataset:
        """Images of one folder."""
        arguments = self.args
        plain = PlainChanges(
            degrees=arguments.degrees,
            translate=arguments.translate,
            scale=arguments.scale,
            shear=arguments.shear,
            fliplr=arguments.fliplr,
            flipud=arguments.flipud,
        )
        keep = arguments.cache in (True, "ram", "True")
        return BoneDataset(Path(img_path), arguments.imgsz, self.recipe, plain, seed=arguments.seed, keep=keep)

    def get_dataloader(self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train") -> Any:
        """Batches, drawn in this process on the CPU, where the network takes all the time."""
        if rank > 0:
            raise MachineError("train_bones trains on one device; give one, such as device=0")
        workers = 0 if self.device.type == "cpu" or mode == "val" else int(self.args.workers)
        return build_loader(self.build_dataset(dataset_path), batch_size, workers)

    def get_validator(self) -> NativeDice:
        """Dice at native resolution."""
        return NativeDice(self.test_loader.dataset, self.args.imgsz, self.recipe)

    def _setup_train(self) -> None:
        super()._setup_train()  # type: ignore[no-untyped-call]
        # Ultralytics does this on CUDA only; on this CPU a step takes 14 % less.
        self.model.to(memory_format=torch.channels_last)
        if self.recipe.averaging:
            self.ema.decay = self._share_kept

    def _share_kept(self, updates: int) -> float:
        """Of the averaged weights at an update: of as many steps as `averaging` says, or of all that there were yet.

        Counted anew each time: ultralytics may change the number of epochs, the batch and when it steps on the way.
        """
        steps: float = self.recipe.averaging * self.epochs * len(self.train_loader) / self.accumulate
        return min(1.0 - 1.0 / max(1.0, steps), updates / (updates + 1.0))

    def optimizer_step(self) -> None:
        """One step; one that is not finite is skipped, three in a row end the run.

        Raises:
            MachineError: the run diverged; `last.pt` holds the epoch before.
        """
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if bool(torch.isfinite(self.loss).all()) and bool(torch.isfinite(norm)):
            self.bad_steps = 0
            super().optimizer_step()  # type: ignore[no-untyped-call]
            return
        self.bad_steps += 1
        self.skipped_steps += 1
        self.optimizer.zero_grad()
        if self.bad_steps >= MOST_BAD_STEPS:
            kept = f"{self.last} of the epoch before is kept" if self.last.exists() else "no checkpoint was written yet"
            raise MachineError(f"training diverged in epoch {self.epoch + 1}: the loss is NaN or infinite; {kept}")

    def save_model(self) -> bool:
        """Write checkpoints beside their place first: one that is cut off never keeps the name."""
        places = {name: getattr(self, name) for name in ("last", "best")}
        for name, place in places.items():
            setattr(self, name, _beside(place))
        with _written_beside(*places.values()):
            try:
                saved = bool(super().save_model())  # type: ignore[no-untyped-call]
                written = {name: getattr(self, name) for name in places}
            finally:
                for name, place in places.items():
                    setattr(self, name, place)
            for name, temporary in written.items():
                if temporary.exists():
                    _put(temporary, places[name])
        return saved

    def final_eval(self) -> None:
        """Strip the checkpoints, each beside its place first, and score the best one."""
        results: Any = None
        for place in (self.last, self.best):
            if place.exists():
                temporary = _beside(place)
                with _written_beside(place):
                    stripped = strip_optimizer(place, str(temporary), {"train_results": results} if results else None)
                    results = stripped.get("train_results")
                    _put(temporary, place)
        if self.best.exists():
            self.metrics = self.validator(model=self.best)
            self.metrics.pop("fitness", None)
            self.run_callbacks("on_fit_epoch_end")

    def finish(self) -> None:
        """What follows the last epoch, for a run that was interrupted there."""
        self.epoch = int(self.csv.read_text(encoding="utf-8").splitlines()[-1].split(",")[0]) - 1
        self.final_eval()

    def check_resume(self, overrides: dict[str, Any]) -> None:
        """As the stock one; a run goes on where it lies, wherever it lay when it began."""
        super().check_resume(overrides)  # type: ignore[no-untyped-call]
        if self.resume:
            self.args.save_dir = str(Path(str(self.args.resume)).resolve().parent.parent)


def _beside(place: Path) -> Path:
    """Where a file is written before it takes its place."""
    return place.with_name(f".{place.name}{TEMPORARY_MARK}{os.getpid()}")


@contextlib.contextmanager
def _written_beside(*places: Path) -> Iterator[None]:
    """While checkpoints are written beside their places; what did not take its place is removed.

    Raises:
        MachineError: the disk is full, or the like; torch's own writer tells that in a way of its own.
    """
    try:
        with machine_errors(places[0]):
            yield
    except RuntimeError as error:
        if TORCH_WRITER not in str(error):
            raise
        raise MachineError(f"{places[0]}: cannot be written: {str(error).splitlines()[0]}") from error
    finally:
        for place in places:
            _beside(place).unlink(missing_ok=True)


def _put(temporary: Path, place: Path) -> None:
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(place)


def _drop_rows_after(table: Path, epoch: int) -> None:
    """Rows of epochs that are to be trained again: a run may end between a row and its checkpoint."""
    if not table.exists():
        return
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if row.split(",")[0].isdigit() and int(row.split(",")[0]) <= epoch]
    if len(kept) < len(rows):
        write_text(table, "\n".join([header, *kept]) + "\n")


def _start(trainer: BoneTrainer) -> None:
    _drop_rows_after(Path(trainer.csv), trainer.start_epoch)
    model: Any = unwrap_model(trainer.model)
    model.criterion = BoneLoss(model, trainer.recipe)
    if trainer.device.type == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(trainer.recipe.threads or cores)


def _start_epoch(trainer: BoneTrainer) -> None:
    trainer.train_loader.sampler.epoch = trainer.epoch
