"""`train_bones`: the loss, the run, its checkpoint, its end."""

from __future__ import annotations

import json
import os
import resource
import shutil
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
from yolo_bones.errors import InputError, MachineError, RefusedError
from yolo_bones.export_rle import main as export
from yolo_bones.logit_crops import enlargement
from yolo_bones.merger import MergeSettings
from yolo_bones.rle_table import open_rle_table
from yolo_bones.ship_weights import main as ship
from yolo_bones.train_bones import _checkpoints, _forget_earlier_run, _warn_of_data
from yolo_bones.train_bones import main as train
from yolo_bones.training.bone_data import BoneDataset, build_loader
from yolo_bones.training.bone_loss import BoneLoss, _enlarged
from yolo_bones.training.bone_trainer import BoneTrainer
from yolo_bones.training.draws import PlainChanges
from yolo_bones.training_arguments import (
    DEFAULTS,
    FORCED,
    arguments_of_interrupted_run,
    arguments_of_new_run,
    read_arguments,
)
from yolo_bones.training_recipe import Recipe

import torch  # isort: skip

TINY = ("model=yolov8n-seg.yaml", "imgsz=64", "batch=2", "device=cpu", "threads=1")
VIEWS = ("canonical=0.5", "closeup=0.25", "elastic=1")


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
    return train([f"data={data}", f"project={place}", f"name={name}", *TINY, *VIEWS, *more])


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


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there is one core only
def test_workers_draw_what_one_process_draws(data: Path) -> None:
    images = data.parent / "datasets" / "bones" / "images" / "train"
    recipe = Recipe(canonical=0.5, closeup=0.25, epoch_images=4)
    drawn = []
    for workers in (0, 2):
        dataset = BoneDataset(images, 64, recipe, PlainChanges(), seed=3, keep=True)
        assert dataset.plain_px() == 64
        loader = build_loader(dataset, 2, workers)
        batches = []
        for epoch in (0, 1):
            loader.sampler.epoch = epoch
            batches += [(batch["img"].numpy().tobytes(), batch["bboxes"].numpy().tobytes()) for batch in loader]
        drawn.append(batches)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 4


def test_settings_beside_the_weights_tell_how_to_look(trained: Path) -> None:
    for name in ("best", "last"):
        weights = load_weights(trained / "weights" / f"{name}.pt")
        stored = read_settings(trained / "weights" / f"{name}.pt", weights.sha256)
        assert stored is not None
        assert (stored.look["canonical"], stored.look["closeup"], stored.look["canonical_px"]) == (True, True, 64)
        assert stored.merge["box_margin"] == 0.1
        assert stored.merge["place_prior"] == 0.0


def test_shipped_weights_keep_their_settings(trained: Path, tmp_path: Path) -> None:
    best, target = trained / "weights" / "best.pt", tmp_path / "bones.pt"
    assert ship([str(best), str(target)]) == 0
    weights, source = load_weights(target), load_weights(best)
    assert weights.sha256 != source.sha256
    shipped, stored = read_settings(target, weights.sha256), read_settings(best, source.sha256)
    assert shipped is not None
    assert stored is not None
    assert (shipped.look, shipped.merge) == (stored.look, stored.merge)
    for removed in (target, target.with_name("bones.pt.sha256")):
        removed.unlink()
    assert ship([str(best), str(target)]) == 3  # settings still lie there
    assert not target.exists()


def test_a_run_begins_with_weights_made_for_other_classes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from ultralytics import YOLO

    pretrained = tmp_path / "coco.pt"
    YOLO("yolov8n-seg.yaml").save(pretrained)  # 80 classes, as published ones have
    with pytest.raises(InputError, match="names: expected the 29 bone names"):
        load_weights(pretrained)
    still = (f"data={data}", f"model={pretrained}", f"project={tmp_path}", "epochs=1", "epoch_images=2", "lr0=0")
    assert train([*still, *TINY[1:]]) == 0
    begun, ended = (load_weights(path, any_classes=True).network for path in (pretrained, Path(best_of(capsys))))
    shared = [name for name, value in begun.named_parameters() if ended.get_parameter(name).shape == value.shape]
    assert len(shared) > 0.9 * len(list(begun.named_parameters()))
    assert all(torch.allclose(begun.get_parameter(name), ended.get_parameter(name), atol=1e-3) for name in shared)


def test_weights_that_a_run_begins_with_are_those_that_it_takes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pt", tmp_path / "other.PT"
    for path in (one, other):
        path.write_bytes((ROOT / "weights" / "bones-n.pt").read_bytes())
    for given, names in (
        ({"model": str(one)}, ["one.pt"]),
        ({"model": str(one), "pretrained": False}, []),
        ({"model": str(one), "pretrained": str(other.with_suffix(".pt"))}, ["other.pt"]),
        ({"model": "yolov8n-seg.yaml", "pretrained": str(one)}, ["one.pt"]),
        ({"model": "yolov8n-seg.yaml"}, []),
    ):
        other.with_suffix(".pt").write_bytes(one.read_bytes())
        assert list(_checkpoints(arguments_of_new_run(given))) == names
    with pytest.raises(InputError, match=r"expected a \.pt file"):
        _checkpoints(arguments_of_new_run({"model": str(other)}))


def test_a_run_from_before_weights_were_averaged_goes_on_as_it_began(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "r")
    (tmp_path / "r" / "manifest.json").unlink()
    recipe = tmp_path / "r" / "recipe.yaml"
    values = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    assert values.pop("averaging") == 0.05
    recipe.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert arguments_of_interrupted_run(tmp_path / "r" / "weights" / "last.pt", {}).recipe.averaging == 0.0


def best_of(capsys: pytest.CaptureFixture) -> str:
    """What the command printed last."""
    return str(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(
    ("report", "warning"),
    [
        ('{"inset_px": 0.5, "canonical": null}', "inset by 0.5 px"),
        ('{"inset_px": 0.0, "canonical": {"longest_px": 512}}', "without --canonical"),
        ('{"inset_px": 0.0, "canonical": null}', ""),
        ("no JSON", ""),
    ],
)
def test_data_made_for_the_stock_command_is_warned_of(
    report: str, warning: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(report, encoding="utf-8")
    _warn_of_data(tmp_path / "images" / "train")
    said = capsys.readouterr().err
    assert warning in said
    assert bool(said) is bool(warning)


def test_its_weights_predict(trained: Path, tiny_hands: Path, tmp_path: Path) -> None:
    source = tiny_hands / "test" / "DCM"
    out = tmp_path / "pred.csv"
    assert (
        export(["--source", str(source), "--out", str(out), "--weights", str(trained / "weights/last.pt"), "--quiet"])
        == 0
    )
    assert len(list(open_rle_table(out).images())) == 2


def test_places_count_where_no_canonical_view_was_trained(data: Path, tmp_path: Path) -> None:
    assert train([f"data={data}", f"project={tmp_path}", "name=r", *TINY, "epochs=1", "epoch_images=2"]) == 0
    last = tmp_path / "r" / "weights" / "last.pt"
    stored = read_settings(last, load_weights(last).sha256)
    assert stored is not None
    assert (stored.look["canonical"], stored.look["closeup"], stored.merge["place_prior"]) == (False, False, 1.0)


def test_the_same_seed_trains_the_same_weights(data: Path, tmp_path: Path) -> None:
    states = []
    for name in ("a", "b"):
        assert run(data, tmp_path, name, "epochs=1", "epoch_images=2", "seed=4") == 0
        states.append(load_weights(tmp_path / name / "weights" / "last.pt").network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_interrupted_run_goes_on(data: Path, tmp_path: Path) -> None:
    """Interrupted for real once its first checkpoint is there; afterwards all epochs are in results.csv."""
    command = [
        sys.executable,
        "-m",
        "yolo_bones.train_bones",
        f"data={data}",
        f"project={tmp_path}",
        "name=r",
        *TINY,
        *VIEWS,
    ]
    started = subprocess.Popen([*command, "epochs=60", "epoch_images=2", "val=False"], cwd=ROOT, stderr=subprocess.PIPE)
    last = tmp_path / "r" / "weights" / "last.pt"
    deadline = time.monotonic() + 240
    while not last.with_suffix(".yaml").exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=120)
    assert started.returncode == 130, errors.decode()[-2000:]
    done = len((tmp_path / "r" / "results.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert 1 <= done < 60
    assert last.with_suffix(".yaml").exists()
    assert train([f"resume={last}", "imgsz=128"]) == 3
    checkpoint = torch.load(last, weights_only=False)
    checkpoint["train_args"]["epochs"] = done + 1  # the rest of sixty epochs would take minutes
    checkpoint["ema"].args.epochs = done + 1
    torch.save(checkpoint, last)
    table = tmp_path / "r" / "results.csv"
    with table.open("a", encoding="utf-8") as stream:
        stream.write(f"{done + 1},1,2,3\n")  # of an epoch that did not come to its checkpoint
    assert train([f"resume={last}"]) == 0
    assert train([f"resume={last}"]) == 3  # finished
    epochs = [line.split(",")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    assert epochs == [str(epoch + 1) for epoch in range(done + 1)]


def tiny(data: Path, place: Path) -> dict[str, Any]:
    places = {"data": str(data), "project": str(place), "name": "r"}
    return {**DEFAULTS, **FORCED, **places, "imgsz": 64, "batch": 2, "device": "cpu"}


def test_a_run_that_was_interrupted_after_its_last_epoch_and_moved_is_finished_where_it_lies(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {**tiny(data, tmp_path), "epochs": 1}
    trainer = BoneTrainer(dict(overrides), Recipe(epoch_images=2, canonical=0.5, threads=1))

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    trainer.add_callback("on_fit_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    folder = (tmp_path / "r").rename(tmp_path / "moved")
    record = {**overrides, **Recipe(epoch_images=2, canonical=0.5, threads=1).as_record()}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(record), encoding="utf-8")
    (folder / "weights" / ".best.pt.tmp-1").write_bytes(b"a half")

    last = folder / "weights" / "last.pt"
    assert train([f"resume={last}"]) == 0
    assert not (tmp_path / "r").exists()
    assert {path.name for path in (folder / "weights").iterdir()} == {"best.pt", "best.yaml", "last.pt", "last.yaml"}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["weights"]["best.pt"] == load_weights(folder / "weights" / "best.pt").sha256
    assert (manifest["settings"]["arguments"]["model"], manifest["counts"]["epochs"]) == ("yolov8n-seg.yaml", 1)

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert train([f"resume={last}"]) == 3
    assert "finished" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_an_earlier_run_of_the_same_name_left_is_not_taken_for_the_new_one(data: Path, tmp_path: Path) -> None:
    weights = tmp_path / "r" / "weights"
    weights.mkdir(parents=True)
    for left in (weights / "best.yaml", weights / "last.yaml", tmp_path / "r" / "manifest.json"):
        left.write_text("of another run", encoding="utf-8")
    trainer = BoneTrainer({**tiny(data, tmp_path), "epochs": 1, "exist_ok": True}, Recipe(epoch_images=2))
    _forget_earlier_run(trainer)
    assert not list(weights.iterdir())
    assert not (tmp_path / "r" / "manifest.json").exists()


def test_weights_are_averaged_over_steps(data: Path, tmp_path: Path) -> None:
    """Two epochs of four batches of two, a step every four images: three of the four steps are averaged."""
    arguments = {**tiny(data, tmp_path), "epochs": 2, "nbs": 4, "warmup_epochs": 0.0}
    trainer = BoneTrainer(arguments, Recipe(epoch_images=8, threads=1, averaging=0.75))
    seen: list[torch.Tensor] = []

    def remember(run: Any) -> None:
        weights = next(run.model.parameters()).detach().clone()
        if not seen or not torch.equal(weights, seen[-1]):
            seen.append(weights)

    trainer.add_callback("on_train_start", remember)
    trainer.add_callback("on_train_batch_end", remember)
    trainer.train()
    assert len(seen) == 5
    average = seen[0].double()
    for step, weights in enumerate(seen[1:], start=1):
        newest = max(1 / 3, 1 / (step + 1))
        average = (1 - newest) * average + newest * weights.double()
    torch.testing.assert_close(next(trainer.ema.ema.parameters()).double(), average, atol=1e-6, rtol=1e-5)


def test_a_diverging_run_stops_and_keeps_the_epoch_before(data: Path, tmp_path: Path) -> None:
    trainer = BoneTrainer({**tiny(data, tmp_path), "epochs": 3}, Recipe(epoch_images=6, threads=1))

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


def test_weights_that_diverge_before_validation_stop_the_run_too(data: Path, tmp_path: Path) -> None:
    trainer = BoneTrainer({**tiny(data, tmp_path), "epochs": 3}, Recipe(epoch_images=2, threads=1))

    def poison(run: Any) -> None:
        if run.epoch == 1:
            with torch.no_grad():
                next(run.ema.ema.parameters()).fill_(float("nan"))

    trainer.add_callback("on_train_epoch_end", poison)
    with pytest.raises(MachineError, match="training diverged"):
        trainer.train()
    kept = load_weights(tmp_path / "r" / "weights" / "last.pt").network
    assert all(bool(torch.isfinite(value).all()) for value in kept.state_dict().values())


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
        ("data=absent.yaml", "absent.yaml"),
        ("plots=True", "plots: expected False"),
        ("fraction=0.5", "fraction: expected 1"),
        ("single_cls=True", "single_cls"),
        ("cls_pw=0.5", "cls_pw"),
        ("amp=True", "amp: expected False or bf16"),
        ("batch=0.7", "batch: expected a whole number of at least 1, got 0.7"),
        ("imgsz=large", "imgsz: expected a whole number of at least 32"),
        ("epochs=0", "epochs"),
    ],
)
def test_bad_arguments_are_named(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train([argument]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [
        ("optimizer=SGDW", 2, "SGDW"),
        ("lr0=fast", 2, "lr0"),
        ("model=absent.yaml", 2, "absent.yaml"),
        ("device=cuda:77", 4, "device=77"),
        ("amp=bf16", 4, "bfloat16"),
    ],
)
def test_what_ultralytics_refuses_is_said_in_one_line(
    argument: str, code: int, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [one for one in TINY if one.partition("=")[0] != argument.partition("=")[0]]
    assert train([f"data={data}", f"project={tmp_path}", "name=r", *others, argument]) == code
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert message in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["names"].update({0: "thumb"}), "names: expected the 29 bones"),
        (lambda content: content.update(train=content["train"] + "-absent"), "train-absent"),
        (lambda content: content.update(train=[content["train"]]), "train: expected one folder"),
    ],
)
def test_a_data_file_of_something_else_is_refused_before_training(
    change: Any, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(data.read_text(encoding="utf-8"))
    change(content)
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert run(other, tmp_path, "r", "epochs=1") == 2
    said = capsys.readouterr().err
    assert message in said
    assert "epoch" not in said


def test_a_file_of_arguments_is_named_where_it_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = tmp_path / "run.yaml"
    for text, field in (("mosaic: 1.0", "mosaic"), ("canonical: 3", "canonical"), ("epoch: 5", "epoch")):
        cfg.write_text(f"data: {ROOT / 'bones.yaml'}\n{text}\n", encoding="utf-8")
        assert train([f"cfg={cfg}"]) == 2
        assert f"{cfg}: {field}: expected" in capsys.readouterr().err


def test_values_are_read_as_the_stock_command_reads_them(tmp_path: Path) -> None:
    given, _ = read_arguments(
        ["lr0=1e-3", "dice=5E-1", "name=12", "project=on", "time=None", "device=0,1", "val=False"]
    )
    assert given == {
        "lr0": 0.001, "dice": 0.5, "name": "12", "project": "on", "time": None, "device": "0,1", "val": False,
    }  # fmt: skip
    (tmp_path / "run.yaml").write_text("lr0: 2e-3\nlrf: 0.5\n", encoding="utf-8")
    assert read_arguments([f"cfg={tmp_path / 'run.yaml'}", "lrf=1e-1"])[0] == {"lr0": 0.002, "lrf": 0.1}


def test_an_interrupted_run_goes_on_as_it_began(tmp_path: Path) -> None:
    last = tmp_path / "weights" / "last.pt"
    last.parent.mkdir()
    last.write_bytes(b"")
    begun = arguments_of_new_run({"model": "a.pt", "epochs": 5, "canonical": 0.5})
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({**begun.record, **begun.recipe.as_record()}), encoding="utf-8"
    )
    goes_on = arguments_of_interrupted_run(last, {"threads": 3, "device": "0"})
    assert (goes_on.overrides["model"], goes_on.record["model"]) == (str(last), "a.pt")
    assert (goes_on.overrides["epochs"], goes_on.overrides["device"]) == (5, "0")
    assert (goes_on.recipe.canonical, goes_on.recipe.threads) == (0.5, 3)
    for key, value in (("epochs", 6), ("canonical", 0.4), ("weight_decay", 0.1), ("name", "s")):
        with pytest.raises(RefusedError, match=f"{key} cannot change"):
            arguments_of_interrupted_run(last, {key: value})
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RefusedError, match="finished"):
        arguments_of_interrupted_run(last, {})


def fake_predictions(cells: tuple[int, int], anchors: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, anchors, 32), torch.randn(1, 32, *cells)


def test_logits_are_enlarged_as_the_merger_enlarges_them() -> None:
    """A region's logits equal the merger's enlargement of the whole plane, and that is exact for quadratics."""
    whole = {cells: enlargement(np.arange(cells * 4) + 0.5, cells * 4, cells).shares for cells in (12, 9, 10)}
    coefficients, prototypes = fake_predictions((12, 9), 3)
    cover = np.zeros((16, 12), np.uint8)
    cells = torch.einsum("an,nhw->ahw", coefficients[0], prototypes[0])
    region = _enlarged(cells, (2, 5, cover))
    dense = torch.from_numpy(whole[12]) @ cells @ torch.from_numpy(whole[9]).T
    torch.testing.assert_close(region, dense[:, 8:24, 20:32], atol=1e-4, rtol=1e-4)
    centres = (np.arange(10) + 0.5) * 4.0
    pixels = np.arange(40) + 0.5
    np.testing.assert_allclose((whole[10] @ (centres**2))[8:-8], pixels[8:-8] ** 2, rtol=1e-5)


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


def test_a_checkpoint_that_finds_no_room_leaves_nothing_and_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        code = run(data, tmp_path, "r", "epochs=1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 4
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert "last.pt: cannot be written" in errors[0]
    assert not any((tmp_path / "r" / "weights").iterdir())
