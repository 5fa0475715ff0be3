"""What a training shows while it runs."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from yolo_bones.command_line import say


class TrainingProgress:
    """A bar for each epoch and a line when it ends."""

    def __init__(self) -> None:
        self.bar: Any = None

    def watch(self, trainer: Any) -> None:
        """Follow a run."""
        trainer.add_callback("on_train_epoch_start", self._begin)
        trainer.add_callback("on_train_batch_end", self._step)
        trainer.add_callback("on_fit_epoch_end", self._end)

    def _begin(self, trainer: Any) -> None:
        what = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        self.bar = tqdm(total=len(trainer.train_loader), desc=what, file=sys.stderr, unit="step", leave=False)

    def _step(self, trainer: Any) -> None:
        self.bar.update()
        self.bar.set_postfix_str(_listed(trainer.tloss))

    def _end(self, trainer: Any) -> None:
        if self.bar is None:
            say(f"best: {_listed(trainer.metrics)}")
            return
        self.close()
        what = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        say(f"{what}: {_listed(trainer.tloss or {})}; {_listed(trainer.metrics)}")

    def close(self) -> None:
        """Clear the bar's line, where one is shown."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {float(value):.4f}" for key, value in values.items() if value)
