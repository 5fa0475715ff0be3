"""Strata by metadata, and sampling lists that the stock training reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from converters.points_to_yolo import main as points_to_yolo
from tests.conftest import ROOT
from tests.rectangle_hands import hand_planes, write_hands
from yolo_bones.annotated_hand import BENT, STRAIGHT
from yolo_bones.errors import InputError, InputErrors
from yolo_bones.sampling import BALANCED, UNDERSAMPLED, SampleWish, joint_labels, read_wish, sample
from yolo_bones.slices import NONE
from yolo_bones.splits import stratified_folds, wrist_column
from yolo_bones.strata import StratumColumn, join_strata, read_strata


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def column(name: str, ordered: bool, order: str, labels: str) -> StratumColumn:
    """Patients p0, p1, ... with a label each."""
    of_patient = {f"p{number}": label for number, label in enumerate(labels.split())}
    return StratumColumn(name, of_patient, tuple(order.split()), ordered)


# Strata.


def test_columns_are_joined_to_folders_and_cut_as_evaluation_cuts_them(tmp_path: Path) -> None:
    rows = [f"{number},{'_x0008_f' if number < 3 else 'm'},{number * 10}" for number in range(1, 11)]
    path = table(tmp_path / "meta.csv", "ID,sex,age", *rows, "77,,5")
    patients = [f"ID{number:03d}" for number in range(1, 12)]
    sex, age = read_strata(path, ["sex", "age"], patients)
    assert sex.labels == {p: "f" if p in ("ID001", "ID002") else NONE if p == "ID011" else "m" for p in patients}
    assert (sex.order, sex.ordered) == (("f", "m", NONE), False)
    # Ten numbers: quartiles 32.5, 55 and 77.5.
    assert age.order == ("10-30", "40-50", "60-70", "80-100", NONE)
    assert (age.labels["ID004"], age.labels["ID011"], age.ordered) == ("40-50", NONE, True)
    assert [age.gap("10-30", label) for label in age.order] == [0, 1, 2, 3, 5]
    assert [sex.gap("f", label) for label in sex.order] == [0, 3, 3]


def test_faulty_metadata_is_named_at_once(tmp_path: Path) -> None:
    path = table(tmp_path / "meta.csv", "ID,sex,name", *(f"{number},f,name{number}" for number in range(1, 60)))
    patients = [f"ID{number:03d}" for number in range(1, 60)]
    with pytest.raises(InputErrors) as failed:
        read_strata(path, ["sex", "height", "name"], patients)
    assert [str(fault) for fault in failed.value.faults] == [
        f"{path}:1: height: expected one column height, got the columns ID,sex,name",
        f"{path}: name: expected numbers, or at most 40 values, got 59 values",
    ]
    with pytest.raises(InputErrors, match="expected patients of the data set, got none of them"):
        read_strata(path, ["sex", "name"], ["ID900"])
    images = table(tmp_path / "images.csv", "image_name,sex", "a.png,f")
    with pytest.raises(
        InputErrors, match="expected a table of patients, with a column patient or ID, got one of images"
    ):
        read_strata(images, ["sex"], patients)


def test_rare_strata_join_the_nearest_and_wrists_are_never_mixed() -> None:
    wrist = column("wrist", True, "straight bent", "straight " * 9 + "bent")
    sex = column("sex", False, "f m", "f f f f f m m m m m")
    age = column("age", True, "1 2 3", "1 1 2 2 3 1 3 3 3 3")
    joint = join_strata([wrist, sex, age], 2)
    assert joint.joined == ("straight, f, 2 + straight, f, 3", "straight, m, 1 + straight, m, 3")
    assert Counter(joint.labels.values()) == {
        "straight, f, 1": 2,
        "straight, f, 2 + straight, f, 3": 3,
        "straight, m, 1 + straight, m, 3": 4,
        # Rare, but of another wrist.
        "bent, m, 3": 1,
    }
    shares = joint.shares({f"p{number}": number in (0, 9) for number in range(10)})
    assert shares["sex"]["f"] == {"train": {"patients": 4, "share": 0.5}, "val": {"patients": 1, "share": 0.5}}
    assert shares["wrist"]["bent"] == {"train": {"patients": 0, "share": 0.0}, "val": {"patients": 1, "share": 0.5}}
    assert set(shares) == {"wrist", "sex", "age", "together"}
    assert len(shares["together"]) == 4


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("fm-"), st.integers(0, 3)), min_size=1, max_size=60))
def test_joined_strata_are_large_enough_wherever_a_wrist_has_patients_enough(
    people: list[tuple[bool, str, int]],
) -> None:
    wrist = column("wrist", True, "straight bent", " ".join("bent" if bent else "straight" for bent, _, _ in people))
    sex = column("sex", False, "f m -", " ".join(sex for _, sex, _ in people))
    age = column("age", True, "0 1 2 3", " ".join(str(age) for _, _, age in people))
    joint = join_strata([wrist, sex, age], 5)
    sizes = Counter(joint.labels.values())
    for patient, label in joint.labels.items():
        of_wrist = sum(other == wrist.labels[patient] for other in wrist.labels.values())
        assert sizes[label] >= min(5, of_wrist)
        assert all(part.startswith(wrist.labels[patient]) for part in label.split(" + "))


def test_folds_are_alike_in_every_stratum() -> None:
    """96 patients in 4 folds: of each stratum a quarter in each, one more or less."""
    patients = [f"ID{number:03d}" for number in range(96)]
    wrists = {p: [BENT if number % 8 == 0 else STRAIGHT] * 2 for number, p in enumerate(patients)}
    sex = StratumColumn("sex", {p: "fm"[n // 48] for n, p in enumerate(patients)}, ("f", "m"), False)
    age = StratumColumn("age", {p: str(n // 24 % 2) for n, p in enumerate(patients)}, ("0", "1"), True)
    joint = join_strata([wrist_column(wrists), sex, age], 4)
    # Three of each kind of bent wrist, so that ages are not told apart there.
    assert len(set(joint.labels.values())) == 6
    dealt, note = stratified_folds(wrists, 4, 0, joint.labels)
    assert note == ""

    def unevenness(labels: Mapping[str, str], folds: Mapping[str, int]) -> int:
        counts = Counter((folds[patient], labels[patient]) for patient in patients)
        of_labels = ([counts[fold, label] for fold in range(4)] for label in set(labels.values()))
        return max(max(of_folds) - min(of_folds) for of_folds in of_labels)

    assert unevenness(joint.labels, dealt) <= 1
    blind, _ = stratified_folds(wrists, 4, 0)
    assert unevenness(joint.labels, blind) > 2
    assert unevenness(sex.labels, dealt) < unevenness(sex.labels, blind)


# Wishes and samples.


def test_wishes_are_read_as_they_are_written() -> None:
    assert read_wish("wrist") == SampleWish(("wrist",))
    assert read_wish("wrist, sex") == SampleWish(("wrist", "sex"))
    assert read_wish("wrist=bent:0.25") == SampleWish(("wrist",), "bent", 0.25)
    assert read_wish("age=20:30:0.5") == SampleWish(("age",), "20:30", 0.5)
    for text in ("wrist", "wrist,sex", "wrist=bent:0.25"):
        assert str(read_wish(text)) == text
    for wrong in ("", "wrist,", "wrist,wrist", "wrist=bent", "wrist=:0.5", "wrist=bent:0", "wrist=bent:1", "a,b=c:0.5"):
        with pytest.raises(ValueError, match="expected"):
            read_wish(wrong)


def labels_of(**counts: int) -> dict[str, str | None]:
    return {f"{label}{n}.png": label for label, count in counts.items() for n in range(count)}


def counted(kind: str, wish: str, labels: dict[str, str | None], seed: int = 0) -> tuple[Counter[str], Counter[int]]:
    """Lines by label, and how often images are listed."""
    names = sample(kind, read_wish(wish), labels, seed).names
    return Counter(str(labels[name]) for name in names), Counter(Counter(names).values())


@pytest.mark.parametrize(
    ("kind", "wish", "lines", "times"),
    [
        (UNDERSAMPLED, "wrist", {"bent": 3, "straight": 3}, {1: 6}),
        # 3 are a quarter of 12, and 0.3 of 10.
        (UNDERSAMPLED, "wrist=bent:0.25", {"bent": 3, "straight": 9}, {1: 12}),
        (UNDERSAMPLED, "wrist=bent:0.3", {"bent": 3, "straight": 7}, {1: 10}),
        # Less than there are: the bent ones are thinned.
        (UNDERSAMPLED, "wrist=bent:0.1", {"bent": 1, "straight": 16}, {1: 17}),
        (BALANCED, "wrist", {"bent": 16, "straight": 16}, {1: 16, 5: 2, 6: 1}),
        (BALANCED, "wrist=bent:0.5", {"bent": 16, "straight": 16}, {1: 16, 5: 2, 6: 1}),
        (BALANCED, "wrist=bent:0.25", {"bent": 6, "straight": 16}, {1: 16, 2: 3}),
        (BALANCED, "wrist=bent:0.1", {"bent": 3, "straight": 27}, {1: 8, 2: 11}),
    ],
)
def test_samples_by_hand(kind: str, wish: str, lines: dict[str, int], times: dict[int, int]) -> None:
    assert counted(kind, wish, labels_of(straight=16, bent=3)) == (lines, times)


def test_samples_follow_their_seed_and_not_the_order_of_files() -> None:
    labels = labels_of(straight=30, bent=4)
    wish = read_wish("wrist")
    first = sample(UNDERSAMPLED, wish, labels, 0)
    assert sample(UNDERSAMPLED, wish, dict(reversed(labels.items())), 0) == first
    assert sample(UNDERSAMPLED, wish, labels, 1).names != first.names
    assert list(first.names) == sorted(first.names)
    # Thinning further takes images out of those that stayed.
    fewer = sample(UNDERSAMPLED, read_wish("wrist=bent:0.8"), labels, 0)
    assert set(fewer.names) < set(first.names)


def test_images_of_unknown_strata_stay_as_they_are() -> None:
    labels: dict[str, str | None] = {**labels_of(straight=6, bent=2), "odd.png": None}
    balanced = sample(BALANCED, read_wish("wrist"), labels, 0)
    assert Counter(balanced.names)["odd.png"] == 1
    assert balanced.notes == ("1 images of unknown wrist are listed once",)
    assert "odd.png" in sample(UNDERSAMPLED, read_wish("wrist"), labels, 0).names
    assert joint_labels([{"a": "x", "b": None}, {"a": "y", "b": "z"}], ["a", "b"]) == {"a": "x, y", "b": None}


def test_many_repeats_and_wishes_that_cannot_be_are_said() -> None:
    crowd = sample(BALANCED, read_wish("sex"), labels_of(f=25, m=2), 0)
    assert crowd.notes == ("each of the 2 images with m is repeated 12 times or more",)
    with pytest.raises(InputError, match=r"--balance: wrist=bent:0.5: expected images with bent and without"):
        sample(BALANCED, read_wish("wrist=bent:0.5"), labels_of(straight=5), 0)
    with pytest.raises(InputError, match="got images with bent"):
        sample(UNDERSAMPLED, read_wish("wrist=bent:0.5"), labels_of(bent=5), 0)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 0.95), st.sampled_from([UNDERSAMPLED, BALANCED]))
def test_a_wished_share_is_reached_as_near_as_whole_images_allow(
    bent: int, straight: int, share: float, kind: str
) -> None:
    labels = labels_of(straight=straight, bent=bent)
    lines, _ = counted(kind, f"wrist=bent:{share!r}", labels)
    total = lines["bent"] + lines["straight"]
    if kind == BALANCED:
        assert (lines["bent"] >= bent, lines["straight"] >= straight) == (True, True)
        assert abs(lines["bent"] / total - share) <= 1 / min(lines.values()) / 2 + 1e-9
    else:
        assert lines["bent"] <= bent
        assert lines["straight"] <= straight
        assert min(lines.values()) >= 1
        if min(lines.values()) > 1:
            assert abs(lines["bent"] / total - share) <= 1 / min(lines.values())


# The converter, and the stock training.

HANDS = {f"image{number}.png": (40.0 if number in (3, 7) else 0.0, True) for number in range(1, 10)}
SEXES = "ffffmmmm"
"""Of ID001 to ID008; ID009 has no row."""


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine patients with one hand each, the third and the seventh bent; their table beside them."""
    folder = tmp_path_factory.mktemp("hands")
    write_hands(folder, {name: hand_planes(*pose, unit_px=45.0) for name, pose in HANDS.items()})
    rows = [f"ID{number:03d},{sex}" for number, sex in enumerate(SEXES, start=1)]
    table(folder / "meta.csv", "patient,sex", *rows)
    return folder


def converted(hands: Path, out: Path, *options: str) -> dict[str, Any]:
    assert points_to_yolo([str(hands), str(out), "--quiet", *options]) == 0
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sampled(hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sampled") / "bones"
    options = ["--metadata", str(hands / "meta.csv"), "--stratify", "wrist,sex", "--folds", "2"]
    converted(hands, out, *options, "--undersample", "wrist", "--balance", "wrist=bent:0.5")
    return out


def test_the_report_says_the_share_of_each_stratum(hands: Path, sampled: Path, tmp_path: Path) -> None:
    report = json.loads((sampled / "report.json").read_text(encoding="utf-8"))
    assert report["stratify"] == ["sex"]
    assert (report["strata"]["metadata"], report["strata"]["columns"]) == ("meta.csv", ["wrist", "sex"])
    shares = report["strata"]["shares"]
    assert {label: held["train"]["patients"] + held["val"]["patients"] for label, held in shares["sex"].items()} == {
        "f": 4,
        "m": 4,
        NONE: 1,
    }
    assert [shares["wrist"]["bent"][subset]["patients"] for subset in ("train", "val")] == [1, 1]
    assert [shares["sex"]["f"][subset]["patients"] for subset in ("train", "val")] == [2, 2]
    assert str(hands) not in (sampled / "report.json").read_text(encoding="utf-8")
    again = tmp_path / "again"
    options = ["--metadata", str(hands / "meta.csv"), "--stratify", "sex", "--folds", "2", "--undersample", "wrist"]
    converted(hands, again, *options, "--balance", "wrist=bent:0.5")
    assert files(again) == files(sampled)


def test_without_metadata_nothing_of_it_is_written(hands: Path, tmp_path: Path) -> None:
    report = converted(hands, tmp_path / "bones", "--folds", "2")
    assert set(report) & {"stratify", "strata", "samples"} == set()
    assert {path.name for path in (tmp_path / "bones").iterdir()} == {"images", "labels", "report.json"}


def test_lists_name_training_images_only(sampled: Path) -> None:
    report = json.loads((sampled / "report.json").read_text(encoding="utf-8"))
    trained = {path.name for path in (sampled / "images" / "train").iterdir()}
    for kind in (UNDERSAMPLED, BALANCED):
        lines = (sampled / f"train_{kind}.txt").read_text(encoding="utf-8").splitlines()
        assert len(lines) == report["samples"][kind]["lines"]
        assert all(line.startswith("./images/train/") for line in lines)
        assert {Path(line).name for line in lines} <= trained
        data = yaml.safe_load((sampled / f"bones_{kind}.yaml").read_text(encoding="utf-8"))
        assert (data["train"], data["val"], len(data["names"])) == (f"train_{kind}.txt", "images/val", 29)
    straight = len(trained) - 1
    assert report["samples"][UNDERSAMPLED]["strata"] == {
        "bent": {"images": 1, "lines": 1},
        "straight": {"images": straight, "lines": 1},
    }
    assert report["samples"][BALANCED]["strata"] == {
        "bent": {"images": 1, "lines": straight},
        "not bent": {"images": straight, "lines": straight},
    }


def test_the_stock_training_sees_as_many_images_as_a_list_has_lines(sampled: Path, tmp_path: Path) -> None:
    (tmp_path / "Arial.ttf").write_bytes(b"")
    quiet = {
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "ULTRALYTICS_SAFE_LOAD": "1",
        "YOLO_CONFIG_DIR": str(tmp_path),
        "YOLO_VERBOSE": "True",  # other tests of the same process silence ultralytics
    }
    command = [
        *(str(Path(sys.executable).parent / "yolo"), "segment", "train", f"data={sampled / 'bones_balanced.yaml'}"),
        *(f"cfg={ROOT / 'bones_train.yaml'}", f"project={tmp_path / 'runs'}", "model=yolov8n-seg.yaml", "imgsz=64"),
        *("epochs=1", "batch=1", "workers=0", "device=cpu", "val=False"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **quiet}, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    lines = (sampled / "train_balanced.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > len(set(lines))
    scanned = re.search(r"Scanning \S*train\S* (\d+) images, 0 backgrounds, 0 corrupt", said)
    assert scanned is not None, said[-3000:]
    assert int(scanned[1]) == len(lines)
    assert f" {len(lines)}/{len(lines)} " in said[said.index("Epoch") :]


def test_a_sampling_list_serves_as_a_training_list(
    hands: Path, sampled: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    validated = sorted(path.name for path in (sampled / "images" / "val").iterdir())
    val = table(tmp_path / "val.txt", *validated)
    for kind in (UNDERSAMPLED, BALANCED):
        names = sampled / f"train_{kind}.txt"
        converted(hands, tmp_path / kind, "--train-list", str(names), "--val-list", str(val))
        trained = {path.name for path in (tmp_path / kind / "images" / "train").iterdir()}
        assert trained == {Path(line).name for line in names.read_text(encoding="utf-8").splitlines()}
    assert (tmp_path / BALANCED / "train_balanced.txt").read_bytes() == (sampled / "train_balanced.txt").read_bytes()
    assert not (tmp_path / UNDERSAMPLED / "train_undersampled.txt").exists()
    capsys.readouterr()
    options = ["--train-list", str(val), "--val-list", str(sampled / "train_balanced.txt")]
    assert points_to_yolo([str(hands), str(tmp_path / "none"), "--quiet", *options]) == 2
    assert "expected each image once" in capsys.readouterr().err
    twice = table(tmp_path / "twice.txt", *(["image1.png"] * 2))
    options = ["--train-list", str(twice), "--val-list", str(val)]
    assert points_to_yolo([str(hands), str(tmp_path / "none"), "--quiet", *options]) == 2
    assert "line 2: expected each image once, got image1.png as in line 1" in capsys.readouterr().err


def test_samples_of_given_lists_take_a_seed(hands: Path, tmp_path: Path) -> None:
    train = table(tmp_path / "train.txt", *(f"image{n}.png" for n in (1, 2, 3, 4, 5)))
    val = table(tmp_path / "val.txt", *(f"image{n}.png" for n in (6, 7, 8, 9)))
    lists = ["--train-list", str(train), "--val-list", str(val)]
    found = []
    for seed in ("0", "1", "2", "3"):
        converted(hands, tmp_path / seed, *lists, "--undersample", "wrist", "--seed", seed)
        found.append((tmp_path / seed / "train_undersampled.txt").read_text(encoding="utf-8"))
    assert all("image3.png" in text and text.count("\n") == 2 for text in found)
    assert len(set(found)) > 1
    assert points_to_yolo([str(hands), str(tmp_path / "x"), "--quiet", *lists, "--seed", "1"]) == 2
    by_sex = converted(hands, tmp_path / "sex", *lists, "--balance", "sex", "--metadata", str(hands / "meta.csv"))
    assert by_sex["samples"]["balanced"]["strata"] == {"f": {"images": 4, "lines": 4}, "m": {"images": 1, "lines": 4}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--stratify", "sex"], "--metadata: expected a table with sex, got none"),
        (["--balance", "wrist,sex"], "--metadata: expected a table with sex, got none"),
        (
            ["--metadata", "META"],
            "--metadata: expected --stratify, --undersample or --balance with columns of it, got none",
        ),
        (["--metadata", "META", "--stratify", "age"], ":1: age: expected one column age, got the columns patient,sex"),
        (["--balance", "wrist=twisted:0.5"], "--balance: wrist=twisted:0.5: expected images with twisted and without"),
        (["--seed", str(2**33), "--balance", "wrist"], "--seed: expected at most"),
    ],
)
def test_wishes_that_cannot_be_end_before_anything_is_written(
    hands: Path, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture
) -> None:
    given = [str(hands / "meta.csv") if option == "META" else option for option in options]
    assert points_to_yolo([str(hands), str(tmp_path / "out"), "--quiet", *given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
