"""`train_bones`: the loss, the run, its checkpoint, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import ROOT
from yolo_bones.detector.stored_settings import read_settings
from yolo_bones.detector.weights import load_weights
from yolo_bones.errors import MachineError
from yolo_bones.export_rle import main as export
from yolo_bones.merger import MergeSettings
from yolo_bones.rle_table import open_rle_table
from yolo_bones.train_bones import _warn_of_inset
from yolo_bones.train_bones import main as train
from yolo_bones.training.bone_loss import BoneLoss, _enlarged, _enlargement
from yolo_bones.training.bone_trainer import BoneTrainer
from yolo_bones.training_recipe import Recipe

import torch  # isort: skip

TINY = ("model=yolov8n-seg.yaml", "imgsz=64", "batch=2", "device=cpu", "canonical=0.5", "closeup=0.25", "elastic=1")


@pytest.fixture(scope="module")
def data(tiny_hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bones.yaml beside a converted set of two patients."""
    place = tmp_path_factory.mktemp("bones")
    assert points_to_yolo([str(tiny_hands), str(place / "datasets" / "bones"), "--quiet"]) == 0
    text = (
        (ROOT / "bones.yaml").read_text(encoding="utf-8").replace("datasets/bones", str(place / "datasets" / "bones"))
    )
    (place / "bones.yaml").write_text(text, encoding="utf-8")
    return place / "bones.yaml"


def run(data: Path, place: Path, name: str, *more: str) -> int:
    return train([f"data={data}", f"project={place}", f"name={name}", *TINY, *more])


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    assert run(data, place, "r", "epochs=2", "epoch_images=4", "restyle=0.5") == 0
    return place / "r"


def test_a_run_leaves_weights_that_the_stock_class_opens(trained: Path) -> None:
    from ultralytics import YOLO

    for name in ("best.pt", "last.pt"):
        weights = load_weights(trained / "weights" / name)
        assert weights.overlap_mask is False
        assert weights.training_size == 64
        assert YOLO(str(trained / "weights" / name)).names[28] == "Ulna"
    assert not list(trained.rglob("*.tmp-*"))


def test_a_run_tells_what_it_was_made_with(trained: Path) -> None:
    recipe = yaml.safe_load((trained / "recipe.yaml").read_text(encoding="utf-8"))
    assert (recipe["canonical"], recipe["restyle"], recipe["lr0"], recipe["epochs"]) == (0.5, 0.5, 0.0015, 2)
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["recipe"]["closeup"] == 0.25
    assert manifest["counts"]["training_images"] == 2
    assert set(manifest["weights"]) == {"best.pt", "last.pt"}
    assert {"dice/all", "dice/hand", "dice/closeup_hand"} <= set(manifest["dice"])
    assert str(trained.parent) not in (trained / "manifest.json").read_text(encoding="utf-8")
    assert len((trained / "results.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_settings_beside_the_weights_tell_how_to_look(trained: Path) -> None:
    for name in ("best", "last"):
        weights = load_weights(trained / "weights" / f"{name}.pt")
        stored = read_settings(trained / "weights" / f"{name}.pt", weights.sha256)
        assert stored is not None
        assert (stored.look["canonical"], stored.look["closeup"], stored.look["canonical_px"]) == (True, True, 64)
        assert stored.merge["box_margin"] == 0.1


def test_labels_with_an_inset_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text('{"inset_px": 0.5}', encoding="utf-8")
    _warn_of_inset(tmp_path / "images" / "train")
    assert "0.5 px" in capsys.readouterr().err


def test_its_weights_predict(trained: Path, tiny_hands: Path, tmp_path: Path) -> None:
    source = tiny_hands / "test" / "DCM"
    out = tmp_path / "pred.csv"
    assert (
        export(["--source", str(source), "--out", str(out), "--weights", str(trained / "weights/last.pt"), "--quiet"])
        == 0
    )
    assert len(list(open_rle_table(out).images())) == 2


def test_the_same_seed_trains_the_same_weights(data: Path, tmp_path: Path) -> None:
    states = []
    for name in ("a", "b"):
        assert run(data, tmp_path, name, "epochs=1", "epoch_images=2", "seed=4") == 0
        states.append(load_weights(tmp_path / name / "weights" / "last.pt").network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_interrupted_run_goes_on(data: Path, tmp_path: Path) -> None:
    """Interrupted for real once its first checkpoint is there; afterwards all epochs are in results.csv."""
    command = [sys.executable, "-m", "yolo_bones.train_bones", f"data={data}", f"project={tmp_path}", "name=r", *TINY]
    started = subprocess.Popen([*command, "epochs=60", "epoch_images=2", "val=False"], cwd=ROOT, stderr=subprocess.PIPE)
    last = tmp_path / "r" / "weights" / "last.pt"
    deadline = time.monotonic() + 240
    while not last.exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=120)
    assert started.returncode == 130, errors.decode()[-2000:]
    done = len((tmp_path / "r" / "results.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert 1 <= done < 60
    assert train([f"resume={last}", "imgsz=128"]) == 3
    checkpoint = torch.load(last, weights_only=False)
    checkpoint["train_args"]["epochs"] = done + 1  # the rest of sixty epochs would take minutes
    checkpoint["ema"].args.epochs = done + 1
    torch.save(checkpoint, last)
    assert train([f"resume={last}"]) == 0
    assert train([f"resume={last}"]) == 3  # finished
    assert len((tmp_path / "r" / "results.csv").read_text(encoding="utf-8").splitlines()) - 1 == done + 1


def test_a_diverging_run_stops_and_keeps_the_epoch_before(data: Path, tmp_path: Path) -> None:
    from yolo_bones.train_bones import DEFAULTS, FORCED

    overrides = {
        **DEFAULTS,
        **FORCED,
        "data": str(data),
        "project": str(tmp_path),
        "name": "r",
        "imgsz": 64,
        "batch": 2,
    }
    trainer = BoneTrainer({**overrides, "epochs": 3, "device": "cpu"}, Recipe(epoch_images=6))

    def poison(run: Any) -> None:
        if run.epoch == 1:
            with torch.no_grad():
                next(run.model.parameters()).fill_(float("nan"))

    trainer.add_callback("on_train_epoch_start", poison)
    with pytest.raises(MachineError, match=r"diverged in epoch 2.*last\.pt of the epoch before is kept"):
        trainer.train()
    kept = load_weights(tmp_path / "r" / "weights" / "last.pt").network
    assert all(bool(torch.isfinite(value).all()) for value in kept.state_dict().values())
    assert trainer.skipped_steps == 3


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("mosaic=1.0", "mosaic"),
        ("overlap_mask=True", "overlap_mask"),
        ("epoch=3", "did you mean epochs?"),
        ("canonical=2", "canonical"),
        ("nonsense", "key=value"),
        ("imgsz=[1,", "imgsz"),
        ("cfg=absent.yaml", "absent.yaml"),
        ("resume=absent/weights/last.pt", "last.pt"),
    ],
)
def test_bad_arguments_are_named(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train([argument]) == 2
    assert message in capsys.readouterr().err


def fake_predictions(cells: tuple[int, int], anchors: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, anchors, 32), torch.randn(1, 32, *cells)


def test_logits_are_enlarged_as_the_merger_enlarges_them() -> None:
    """A region's logits equal the dense enlargement of the whole plane, and that reproduces quadratics exactly."""
    coefficients, prototypes = fake_predictions((12, 9), 3)
    cover = np.zeros((16, 12), np.uint8)
    cells = torch.einsum("an,nhw->ahw", coefficients[0], prototypes[0])
    region = _enlarged(cells, (2, 5, cover))
    dense = torch.from_numpy(_enlargement(12)) @ cells @ torch.from_numpy(_enlargement(9)).T
    torch.testing.assert_close(region, dense[:, 8:24, 20:32], atol=1e-4, rtol=1e-4)
    centres = (np.arange(10) + 0.5) * 4.0
    pixels = np.arange(40) + 0.5
    np.testing.assert_allclose((_enlargement(10) @ (centres**2))[8:-8], pixels[8:-8] ** 2, rtol=1e-5)


def loss_of(recipe: Recipe) -> BoneLoss:
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import SegmentationModel

    model = SegmentationModel("yolov8n-seg.yaml", nc=29, verbose=False)
    model.args = get_cfg(overrides={"overlap_mask": False})
    return BoneLoss(model, recipe)


def test_the_mask_loss_falls_towards_the_label_and_trains_beyond_the_box() -> None:
    loss = loss_of(Recipe())
    cover = np.zeros((24, 20), np.uint8)
    cover[6:18, 5:15] = 255
    label = torch.from_numpy(cover / 255.0).float()
    values = []
    for sharpness in (0.0, 1.0, 8.0):
        logits = ((label - 0.5) * 2.0 * sharpness)[None].requires_grad_()
        value = loss._region_loss(logits, cover)
        values.append(float(value.detach()))
        value.backward()
        assert logits.grad is not None
        if sharpness == 1.0:
            assert float(logits.grad[0, 0, 0]) > 0.0  # far outside the box: pushed down
            assert float(logits.grad[0, 12, 10]) < 0.0  # inside: pushed up
            edge, middle = abs(float(logits.grad[0, 6, 10])), abs(float(logits.grad[0, 12, 10]))
            assert edge > 1.5 * middle
    assert values[0] > values[1] > values[2]
    assert values[2] < 0.02


def test_the_whole_loss_has_a_gradient_at_every_part_of_the_head() -> None:
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import SegmentationModel

    torch.manual_seed(1)
    model = SegmentationModel("yolov8n-seg.yaml", nc=29, verbose=False)
    model.args = get_cfg(overrides={"overlap_mask": False})
    model.criterion = BoneLoss(model, Recipe())
    cover = np.full((40, 32), 255, np.uint8)
    batch = {
        "img": torch.rand(2, 3, 96, 64),
        "cls": torch.tensor([[3.0], [11.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.4, 0.5, 0.5, 0.4]]),
        "batch_idx": torch.tensor([0.0, 1.0]),
        "regions": [(5, 3, cover), (5, 2, cover)],
    }
    total, parts = model(batch)
    total.sum().backward()
    assert all(float(parts[name]) > 0.0 for name in ("box_loss", "seg_loss", "cls_loss", "dfl_loss"))
    head = model.model[-1]
    for part in (head.proto, head.cv2, head.cv3, head.cv4):
        assert sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None) > 0.0


def test_validation_cuts_masks_within_what_is_trained() -> None:
    from yolo_bones.training.native_dice import MARGIN

    assert MergeSettings().box_margin < MARGIN <= Recipe().mask_margin


def test_help_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "yolo_bones.train_bones", "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ},
    )  # fmt: skip
    assert "key=value" in done.stdout
    assert "torch" not in done.stderr
