"""The stock `yolo segment train` on converted hands, and its checkpoint through the rest of the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import ROOT
from yolo_bones.export_rle import main as export
from yolo_bones.rle_table import open_rle_table
from yolo_bones.ship_weights import main as ship

TINY = (
    "model=yolov8n-seg.yaml",
    "imgsz=64",
    "epochs=1",
    "batch=2",
    "workers=0",
    "device=cpu",
    "project=runs",
    "name=t",
)


@pytest.fixture(scope="module")
def trained(tiny_hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the unmodified command ran, with bones.yaml as it stands in the repository."""
    place = tmp_path_factory.mktemp("training")
    for name in ("bones.yaml", "bones_train.yaml"):
        shutil.copy(ROOT / name, place / name)
    assert points_to_yolo([str(tiny_hands), str(place / "datasets" / "bones"), "--quiet"]) == 0
    config = place / "config"
    config.mkdir()
    (config / "Arial.ttf").write_bytes(b"")
    quiet = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "ULTRALYTICS_SAFE_LOAD": "1", "YOLO_CONFIG_DIR": str(config)}
    command = [str(Path(sys.executable).parent / "yolo"), "segment", "train", "data=bones.yaml", "cfg=bones_train.yaml"]
    environment = {**os.environ, **quiet}
    # Relative projects count from the repository that holds .venv, so an absolute one keeps the run in this folder.
    command += [*TINY, f"project={place / 'runs'}"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return place


def checkpoint_of(trained: Path) -> Path:
    return next(trained.rglob("weights/last.pt"))


def test_checkpoint_keeps_overlap_and_predicts(trained: Path, tiny_hands: Path, tmp_path: Path) -> None:
    from yolo_bones.detector.weights import load_weights

    weights = load_weights(checkpoint_of(trained))
    assert weights.overlap_mask is False
    assert weights.training_size == 64
    assert weights.arguments["mosaic"] == 0.0
    out = tmp_path / "pred.csv"
    arguments = ["--source", str(tiny_hands / "test"), "--out", str(out), "--weights", str(weights.path), "--quiet"]
    assert export(arguments) == 0
    assert len(open_rle_table(out).names()) == 2


def test_shipping_removes_paths_and_dates(trained: Path, tmp_path: Path) -> None:
    before = checkpoint_of(trained).read_bytes()
    shipped = tmp_path / "bones.pt"
    assert ship([str(checkpoint_of(trained)), str(shipped)]) == 0
    assert str(trained).encode() in before
    assert str(trained).encode() not in shipped.read_bytes()
    assert len(shipped.read_bytes()) < 8_000_000


def test_no_other_model_was_fetched(trained: Path) -> None:
    found = {path.name for path in trained.rglob("*.pt")}
    assert found <= {"best.pt", "last.pt"}
