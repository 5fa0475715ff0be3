"""The plan of a cross-validation: its models, what each is trained with, and where everything lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from yolo_bones.bones import BONES
from yolo_bones.errors import InputError

OWN_KEYS: Final = ("data", "project", "name", "seed", "resume", "save_dir", "exist_ok", "mode", "task")
"""Training arguments that the cross-validation gives itself."""
FILE_KEYS: Final = ("cfg", "model", "pretrained")
"""Training arguments that may name a file, whose content then counts as a setting."""


@dataclass(frozen=True, slots=True)
class FoldModel:
    """One training: the fold that it does not see, and its seed."""

    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"fold{self.fold}-seed{self.seed}"

    @property
    def label(self) -> str:
        """For people."""
        return f"fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class SeedVote:
    """One way to vote between models of the same images.

    Attributes:
        vote: `hard` counts masks, `soft` averages probabilities.
        weights: `equal` or `fitted`; weights are fitted to hard votes only.
    """

    vote: str
    weights: str

    @property
    def fits(self) -> bool:
        """Whether it is the one that learns weights."""
        return (self.vote, self.weights) == ("hard", "fitted")

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.vote}-{self.weights}"

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.vote} vote, {self.weights} weights"


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What is trained, and where it lies below `out`.

    Attributes:
        out: folder of the cross-validation.
        folds, seeds: a model for each pair.
        split_seed: deals patients into folds.
        vote: `soft` or `hard`.
        training: key -> value, for `train_bones`.
        export: further options of `export_rle`.
        tested: whether there are test images.
        metadata, stratify: table of patients and those of its columns that folds are dealt by, beside the wrist.
        pseudo: data set of pseudo-labels that train in every fold, or None.
    """

    out: Path
    folds: int
    seeds: int
    split_seed: int
    vote: str
    training: Mapping[str, str]
    export: tuple[str, ...]
    tested: bool
    metadata: Path | None = None
    stratify: tuple[str, ...] = ()
    pseudo: Path | None = None

    @property
    def models(self) -> tuple[FoldModel, ...]:
        """Seed by seed, so that the first complete cross-validation is there early."""
        return tuple(FoldModel(fold, seed) for seed in range(self.seeds) for fold in range(self.folds))

    @property
    def parts(self) -> tuple[str, ...]:
        """What every model predicts."""
        return ("val", "test") if self.tested else ("val",)

    @property
    def truth(self) -> Path:
        """Folder of `points_to_rle`, and of `wrists.csv`."""
        return self.out / "truth"

    @property
    def wrists(self) -> Path:
        """Table of every image's patient, fold and wrist."""
        return self.truth / "wrists.csv"

    def data(self, fold: int) -> Path:
        """Data set in which a fold validates."""
        return self.out / f"fold{fold}" / "data"

    def data_yaml(self, fold: int) -> Path:
        """What training reads it by."""
        return self.out / f"fold{fold}" / "bones.yaml"

    def run(self, model: FoldModel) -> Path:
        """Folder of a training."""
        return self.out / "runs" / model.name

    def weights(self, model: FoldModel) -> Path:
        """The checkpoint that predicts."""
        return self.run(model) / "weights" / "best.pt"

    def predicted(self, model: FoldModel, part: str) -> Path:
        """Run lengths of a model; part is `val` or `test`."""
        return self.out / part / f"{model.name}.csv"

    def soft(self, model: FoldModel, part: str) -> Path | None:
        """Folder of its soft channels, where they are needed."""
        needed = self.vote == "soft" and (part == "test" or self.seeds > 1)
        return self.out / part / f"{model.name}.soft" if needed else None

    def joined(self, seed: int) -> Path:
        """Out-of-fold run lengths of all images."""
        return self.out / "out_of_fold" / f"seed{seed}.csv"

    def joined_soft(self, seed: int) -> Path:
        """Out-of-fold soft channels of all images."""
        return self.out / "out_of_fold" / f"seed{seed}.soft"

    @property
    def seed_votes(self) -> tuple[SeedVote, ...]:
        """Ways to vote between seeds that are tried out of fold; the one that fits weights comes first."""
        if self.seeds < 2:
            return ()
        fitting, equal = SeedVote("hard", "fitted"), SeedVote(self.vote, "equal")
        return (fitting, equal) if self.vote == "hard" else (fitting, equal, SeedVote("soft", "fitted"))

    def voted(self, way: SeedVote) -> Path:
        """Out-of-fold run lengths of one way to vote."""
        return self.out / "out_of_fold" / f"{way.name}.csv"

    @property
    def fitted_weights(self) -> Path:
        """Weights of the seeds, written by the vote that fits them."""
        return self.out / "out_of_fold" / "hard-fitted.weights.yaml"

    @property
    def test_vote(self) -> Path:
        """Run lengths of the test images on which all models voted."""
        return self.out / "test" / "ensemble.csv"

    def training_arguments(self, model: FoldModel) -> list[str]:
        """Of a training that begins; paths are whole, since ultralytics counts others from a place of its own."""
        folder = self.run(model)
        own = {
            "data": self.data_yaml(model.fold).resolve(),
            "project": folder.parent.resolve(),
            "name": folder.name,
            "seed": model.seed,
        }
        return [f"{key}={value}" for key, value in (*own.items(), *self.training.items())]

    def strata_settings(self) -> dict[str, Any]:
        """What tells one stratified deal from another; nothing where only wrists are looked at."""
        if self.metadata is None or not self.stratify:
            return {}
        digest = hashlib.sha256(self.metadata.read_bytes()).hexdigest()
        return {"stratify": list(self.stratify), "metadata_sha256": digest}

    def step_count(self) -> int:
        """Steps of the whole."""
        of_models = len(self.models) * (1 + len(self.parts))
        return 2 + self.folds + of_models + self.seeds + len(self.seed_votes) + int(self.tested)


def read_training_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Check the shape of `key=value` arguments; their meaning is `train_bones`' to know.

    Raises:
        InputError: no such pair, a key given twice, or one that the cross-validation sets itself.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.isidentifier():
            raise InputError("command line", "", "training arguments as key=value", argument)
        if key in OWN_KEYS:
            raise InputError("command line", key, "no such argument: every fold and seed gets its own", argument)
        if key in given:
            raise InputError("command line", key, "one value", "two")
        given[key] = value
    return given


def training_settings(training: Mapping[str, str]) -> dict[str, Any]:
    """What tells one training from another: arguments, and the hashes of files that they name."""
    files = {
        key: hashlib.sha256(Path(training[key]).read_bytes()).hexdigest()
        for key in FILE_KEYS
        if key in training and Path(training[key]).is_file()
    }
    return {"arguments": dict(sorted(training.items())), "files": files}


def export_device(training: Mapping[str, str]) -> tuple[str, ...]:
    """Options by which `export_rle` takes the device of the training."""
    first = training.get("device", "").strip("[]() ").split(",")[0].strip()
    if not first:
        return ()
    return ("--device", f"cuda:{first}" if first.isdigit() else first)


def data_yaml_text(train: str = "data/images/train", val: str = "data/images/val") -> str:
    """A data file for training, of one fold by default; its paths count from the file itself."""
    content = {"train": train, "val": val, "names": dict(enumerate(BONES))}
    return str(yaml.safe_dump(content, sort_keys=False))
