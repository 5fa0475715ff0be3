"""The guarded door: hostile and foreign files, with the real torch and ultralytics."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from yolo_bones.detector import weights as door
from yolo_bones.errors import InputError, MachineError, RefusedError
from yolo_bones.export_rle import main as export
from yolo_bones.ship_weights import main as ship

torch = pytest.importorskip("torch")
SHIPPED = ROOT / "weights" / "bones-n.pt"


class Hostile:
    """Pickled, it would create a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "PWNED"
    for name, content in (("a.pt", {"model": Hostile(marker)}), ("b.pt", Hostile(marker))):
        torch.save(content, tmp_path / name)
        with pytest.raises(RefusedError, match=name):
            door.load_weights(tmp_path / name)
    old = tmp_path / "old.pt"
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(marker), 2))
        archive.writestr("archive/version", "3\n")
    with pytest.raises((RefusedError, InputError), match=r"old\.pt"):
        door.load_weights(old)
    assert not marker.exists()


def test_export_refuses_a_hostile_file_with_exit_code_3(
    tmp_path: Path, tiny_hands: Path, capsys: pytest.CaptureFixture
) -> None:
    torch.save({"model": Hostile(tmp_path / "PWNED")}, tmp_path / "best.pt")
    source, out = tiny_hands / "test", tmp_path / "pred.csv"
    arguments = ["--source", str(source), "--out", str(out), "--weights", str(tmp_path / "best.pt"), "--quiet"]
    assert export(arguments) == 3
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert "best.pt" in said
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_wrong_sha256_beside_the_file_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "best.pt"
    copy.write_bytes(SHIPPED.read_bytes())
    listed = tmp_path / "best.pt.sha256"
    listed.write_text("0" * 64 + "  best.pt\n", encoding="utf-8")
    with pytest.raises(RefusedError, match="sha256"):
        door.load_weights(copy)
    right = door.load_weights(SHIPPED).sha256
    listed.write_text(f"{right}  best.pt\n", encoding="utf-8")
    assert door.load_weights(copy).sha256 == right


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises((InputError, RefusedError), match=r"best\.pt"):
        door.load_weights(path)


def test_missing_file_and_wrong_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pt: expected a readable weights file"):
        door.load_weights(tmp_path / "none.pt")
    with pytest.raises(InputError, match=r"expected a \.pt file"):
        door.load_weights(ROOT / "README.md")
    with pytest.raises(InputError, match="not a plain file"):
        door.load_weights(tmp_path)


def test_a_model_of_other_classes_is_an_input_error(tmp_path: Path) -> None:
    loaded = door.load_weights(SHIPPED)
    loaded.network.names = {0: "person", 1: "bicycle"}
    torch.save({"model": loaded.network, "train_args": {}}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other.pt: names: expected the 29 bone names.*person"):
        door.load_weights(tmp_path / "other.pt")


def test_odd_checkpoints_are_input_errors(tmp_path: Path, tiny_hands: Path) -> None:
    for odd in ({"train_args": [1]}, {"names": None}, {"names": {"a": 1, 2: "b"}}, {"model": 5}):
        network = door.load_weights(SHIPPED).network
        if "names" in odd:
            network.names = odd["names"]
        torch.save({"model": network, "train_args": {}, **odd}, tmp_path / "odd.pt")
        with pytest.raises(InputError, match=r"odd\.pt"):
            door.load_weights(tmp_path / "odd.pt")
    network = door.load_weights(SHIPPED).network
    next(network.parameters()).data.fill_(float("nan"))
    torch.save({"model": network, "train_args": {"imgsz": 64}}, tmp_path / "diverged.pt")
    source, weights = str(tiny_hands / "test"), str(tmp_path / "diverged.pt")
    assert export(["--source", source, "--out", str(tmp_path / "p.csv"), "--weights", weights, "--quiet"]) == 2


def test_safe_loading_that_is_not_in_force_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: str, **_: object) -> tuple[object, str]:
        return torch.load(path, weights_only=False), path

    door.verify_safe_loading()
    monkeypatch.setattr(door.tasks, "torch_safe_load", careless)
    with pytest.raises(MachineError, match="not in force"):
        door.verify_safe_loading()


def test_shipped_weights_are_listed_and_hold_no_path_or_date() -> None:
    loaded = door.load_weights(SHIPPED)
    assert loaded.sha256 in (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    assert loaded.overlap_mask is False
    with zipfile.ZipFile(SHIPPED) as archive:
        pickled = b"".join(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    for forbidden in (rb"/(work|home|root|tmp|Users)", rb"\.cache", rb"20\d\d-\d\d", rb"[A-Z]:\\"):
        assert not re.search(forbidden, pickled), forbidden


def test_shipping_is_deterministic_and_keeps_the_network(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert ship([str(SHIPPED), str(tmp_path / "a.pt")]) == 0
    assert ship([str(SHIPPED), str(tmp_path / "b.pt")]) == 0
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert ship([str(SHIPPED), str(tmp_path / "a.pt")]) == 3
    first, second = (door.load_weights(path).network.state_dict() for path in (SHIPPED, tmp_path / "a.pt"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert "a.pt" in capsys.readouterr().out
    listed = (tmp_path / "a.pt.sha256").read_text(encoding="utf-8")
    assert listed == f"{door.load_weights(tmp_path / 'a.pt').sha256}  a.pt\n"


def test_shipping_warns_of_settings_that_serve_other_weights(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source, target, beside = tmp_path / "source.pt", tmp_path / "a.pt", tmp_path / "a.yaml"
    source.write_bytes(SHIPPED.read_bytes())  # without the settings that would go along
    assert ship([str(source), str(target)]) == 0
    own, other = (f"sha256: {sha256}\n" for sha256 in (door.load_weights(target).sha256, "f" * 64))
    for content, warned in ((own, False), (other, True), ("not settings", True)):
        beside.write_text(content, encoding="utf-8")
        capsys.readouterr()
        assert ship([str(source), str(target), "--overwrite"]) == 0
        assert ("warning: a.yaml beside it is not for these weights" in capsys.readouterr().err) is warned
        assert beside.read_text(encoding="utf-8") == content


def test_settings_of_other_weights_do_not_go_along(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = tmp_path / "source.pt"
    source.write_bytes(SHIPPED.read_bytes())
    for number, content in enumerate((f"sha256: {'f' * 64}\n", "not settings")):
        source.with_suffix(".yaml").write_text(content, encoding="utf-8")
        assert ship([str(source), str(tmp_path / f"{number}.pt")]) == 0
        assert "source.yaml is not for these weights and does not go along" in capsys.readouterr().err
        assert not (tmp_path / f"{number}.yaml").exists()


WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))
sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize("module", ["detector.network", "training.bone_trainer"])
@pytest.mark.parametrize(("asked", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_told_otherwise(module: str, asked: str | None, used: str) -> None:
    """Read when torch is loaded, so it must be said before."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", f"{WATCH}import yolo_bones.{module}"],
        env={**environment, **({"OMP_WAIT_POLICY": asked} if asked else {})},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.split() == [used]


def test_stock_ultralytics_opens_the_shipped_weights() -> None:
    from ultralytics import YOLO

    model = YOLO(str(SHIPPED))
    assert model.task == "segment"
    assert len(model.names) == 29
