"""Result audit: masks measured by hand, faults planted in exact masks, the score's order, the command itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import TINY_SIZE, read_masks
from tests.mask_faults import FAULTS
from yolo_bones.audit.mask_checks import usual_overlaps
from yolo_bones.audit.mask_scores import COSTS, departures, score_image
from yolo_bones.audit.mask_shapes import see_masks
from yolo_bones.audit_rle import check_predictions, main
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.rle import ImageSize, decode, encode
from yolo_bones.rle_table import write_masks

SIZE = ImageSize(*TINY_SIZE)
Planes = NDArray[np.bool_]
Change = Callable[[Planes], object]


@pytest.fixture(scope="module")
def truth(tiny_hands: Path) -> dict[str, Planes]:
    """Exact masks of four images of two patients."""
    masks = read_masks(tiny_hands / "train_truth.csv", SIZE)
    return {name: decode(found) for name, found in masks.items()}


@pytest.fixture(scope="module")
def images(tiny_hands: Path) -> Path:
    return tiny_hands / "train" / "DCM"


def write_prediction(path: Path, truth: dict[str, Planes], change: Change | None = None) -> tuple[Path, str]:
    """The truth as a prediction, the first image changed; returns the file and that image's name."""
    planes = {name: found.copy() for name, found in truth.items()}
    spoilt = next(iter(planes))
    if change is not None:
        change(planes[spoilt])
    write_masks(path, ((name, encode(found)) for name, found in planes.items()))
    return path, spoilt


def audit(prediction: Path, *options: str | Path) -> tuple[int, dict[str, Any]]:
    report = prediction.with_suffix(".audit.json")
    code = main([str(prediction), *map(str, options), "--json", str(report), "--strict", "--quiet"])
    return code, json.loads(report.read_text(encoding="utf-8"))


def errors_of(record: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["image"], one["bone"], one["kind"]) for one in record["findings"] if one["severity"] == "error"}


def test_parts_holes_and_overlaps_are_counted_in_pixels() -> None:
    planes = np.zeros((BONE_COUNT, 12, 20), dtype=bool)
    planes[0, 2:7, 3:9] = True  # 30 pixels less a hole of 2
    planes[0, 4, 5:7] = False
    planes[1, 2:6, 2:7] = True  # 20 pixels and a stray part of 4
    planes[1, 9:11, 10:12] = True
    planes[2, 3, 15] = True  # no outline
    seen = see_masks(encode(planes), "a.png", "ID001")
    assert seen.areas[:4].tolist() == [28, 24, 1, 0]
    assert seen.parts[:4].tolist() == [1, 2, 1, 0]
    assert seen.holes[:2] == pytest.approx([2 / 28, 0.0])
    assert seen.astray[:2] == pytest.approx([0.0, 4 / 24])
    # Columns 3 to 6 and rows 2 to 5 are common, 16 pixels; the hole lies in them.
    assert seen.iou[0, 1] == seen.iou[1, 0] == pytest.approx(14 / (28 + 24 - 14))
    assert seen.iou[0, 0] == 0.0
    assert seen.iou[3, 4] == 0.0
    assert [outline.index for outline in seen.drawn.outlines] == [0, 1]


def test_a_mask_that_fills_its_whole_box_has_no_hole() -> None:
    planes = np.zeros((BONE_COUNT, 5, 8), dtype=bool)
    planes[0] = True
    assert see_masks(encode(planes), "a.png", "").holes[0] == 0.0


def test_exact_masks_have_no_error(truth: dict[str, Planes], images: Path, tmp_path: Path) -> None:
    prediction, _ = write_prediction(tmp_path / "pred.csv", truth)
    code, record = audit(prediction, "--images", images)
    assert errors_of(record) == set()
    assert code == 0
    assert record["images_checked"] == 4
    assert all(image["score"] > 0.9 for image in record["images"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_missing_bone_is_an_error_and_its_image_comes_first(
    truth: dict[str, Planes], images: Path, tmp_path: Path, suffix: str
) -> None:
    def remove(planes: Planes) -> None:
        planes[CLASS_IDS["Pisiform"]] = False

    prediction, spoilt = write_prediction(tmp_path / f"pred{suffix}", truth, remove)
    code, record = audit(prediction, "--images", images)
    assert code == 1
    assert errors_of(record) == {(spoilt, "Pisiform", "missing_bone")}
    assert record["images"][0]["image"] == spoilt
    assert record["images"][0]["bones"]["Pisiform"] == 0.0
    assert record["images"][0]["rank"] == 1


def test_exchanged_bones_are_named_both(truth: dict[str, Planes], images: Path, tmp_path: Path) -> None:
    pair = [CLASS_IDS["finger-9"], CLASS_IDS["finger-13"]]

    def exchange(planes: Planes) -> None:
        planes[pair] = planes[pair[::-1]]

    prediction, spoilt = write_prediction(tmp_path / "pred.csv", truth, exchange)
    _, record = audit(prediction, "--images", images)
    found = {(image, bone) for image, bone, _ in errors_of(record)}
    assert found == {(spoilt, "finger-9"), (spoilt, "finger-13")}
    assert {one["proposal"] for one in record["findings"] if one["severity"] == "error"} == {
        "label it finger-9",
        "label it finger-13",
    }


def test_of_two_classes_with_one_mask_the_misplaced_one_is_wrong(
    truth: dict[str, Planes], images: Path, tmp_path: Path
) -> None:
    def copy(planes: Planes) -> None:
        planes[CLASS_IDS["finger-12"]] = planes[CLASS_IDS["finger-13"]]

    prediction, spoilt = write_prediction(tmp_path / "pred.csv", truth, copy)
    _, record = audit(prediction, "--images", images)
    shared = [one for one in record["findings"] if one["kind"] == "one_mask_for_two"]
    assert [(one["image"], one["bone"], one["evidence"]["same_mask_as"]) for one in shared] == [
        (spoilt, "finger-12", "finger-13")
    ]
    assert shared[0]["evidence"]["iou"] == 1.0


def test_a_stray_part_and_a_hole_are_told_of(truth: dict[str, Planes], images: Path, tmp_path: Path) -> None:
    def spoil(planes: Planes) -> None:
        rows, columns = np.nonzero(planes[CLASS_IDS["Hamate"]])
        y, x = int(rows.mean()), int(columns.mean())
        assert planes[CLASS_IDS["Hamate"], y - 2 : y + 3, x - 2 : x + 3].all()
        planes[CLASS_IDS["Hamate"], y - 1 : y + 2, x - 1 : x + 2] = False
        planes[CLASS_IDS["Capitate"], 2:9, 2:9] = True

    prediction, spoilt = write_prediction(tmp_path / "pred.csv", truth, spoil)
    _, record = audit(prediction, "--images", images)
    found = {(one["bone"], one["kind"]): one["evidence"] for one in record["findings"] if one["image"] == spoilt}
    area = int(truth[spoilt][CLASS_IDS["Capitate"]].sum())
    assert found["Capitate", "in_pieces"]["parts"] == 2
    assert found["Capitate", "in_pieces"]["share_astray"] == pytest.approx(49 / (area + 49), abs=5e-4)
    hamate = int(truth[spoilt][CLASS_IDS["Hamate"]].sum())
    assert found["Hamate", "holes"]["holes_over_area"] == pytest.approx(9 / (hamate - 9), abs=5e-4)


def test_what_makes_no_hand_is_said_so(truth: dict[str, Planes], tmp_path: Path) -> None:
    def leave_three(planes: Planes) -> None:
        planes[3:] = False

    prediction, spoilt = write_prediction(tmp_path / "pred.csv", truth, leave_three)
    _, record = audit(prediction, "--size", str(SIZE))
    assert (spoilt, "", "no_hand") in errors_of(record)
    assert sum(one["kind"] == "missing_bone" for one in record["findings"]) == BONE_COUNT - 3
    assert record["images"][0]["image"] == spoilt


def test_a_prediction_of_nothing_scores_nothing(tmp_path: Path) -> None:
    prediction, _ = write_prediction(tmp_path / "pred.csv", {"a.png": np.zeros((BONE_COUNT, 20, 30), dtype=bool)})
    code, record = audit(prediction, "--size", "20x30")
    assert code == 1
    assert record["images"][0]["score"] == 0.0
    assert record["counts"]["error"] == {"missing_bone": BONE_COUNT, "no_hand": 1}


def test_the_score_falls_with_the_size_of_a_fault(truth: dict[str, Planes]) -> None:
    """The upper 0, 2, 4, 6 tenths of a metacarpal cut off, and all of it."""
    bone, planes = CLASS_IDS["finger-7"], next(iter(truth.values()))
    rows = np.flatnonzero(planes[bone].any(axis=1))
    seen = []
    for tenths in (0, 2, 4, 6, 10):
        changed = planes.copy()
        changed[bone, : rows[0] + len(rows) * tenths // 10] = False
        seen.append(see_masks(encode(changed), f"{tenths}.png", ""))
    scores = [score_image(image).bones[bone] for image in check_predictions(seen)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9
    assert scores[2] < 0.8
    assert scores[-1] == 0.0


def test_the_other_hand_is_compared_only_where_patients_are_known(truth: dict[str, Planes]) -> None:
    seen = [see_masks(encode(planes), name, "ID001") for name, planes in list(truth.items())[:2]]
    alone = [see_masks(encode(planes), name, "") for name, planes in list(truth.items())[:2]]
    first, second = (image.checks[CLASS_IDS["finger-11"]] for image in check_predictions(seen))
    assert first.has_other
    assert second.has_other
    # Of the two the one that departs from the typical outline is told.
    assert sorted([first.other_outline > 0.0, second.other_outline > 0.0]) == [False, True]
    not_compared = check_predictions(alone)[0].checks[CLASS_IDS["finger-11"]]
    assert not not_compared.has_other
    assert not_compared.other_outline == not_compared.other_size == 0.0


def test_costs_never_reward_a_departure(truth: dict[str, Planes]) -> None:
    name, planes = next(iter(truth.items()))
    checked = check_predictions([see_masks(encode(planes), name, "")])[0]
    sizes = [departures(check) for check in checked.checks]
    assert set(COSTS) == {cost for found in sizes for cost in found}
    assert min(COSTS.values()) >= 0.0
    assert min(size for found in sizes for size in found.values()) >= 0.0


def test_triquetrum_and_pisiform_may_overlap_as_they_do() -> None:
    allowed = usual_overlaps()
    assert allowed[CLASS_IDS["Triquetrum"], CLASS_IDS["Pisiform"]] == pytest.approx(1.5 * 0.44833 + 0.05)
    assert allowed[CLASS_IDS["finger-4"], CLASS_IDS["finger-8"]] == pytest.approx(0.05)
    assert (allowed.diagonal() == 1.0).all()


@pytest.mark.parametrize("kind", list(FAULTS))
def test_a_planted_fault_spoils_the_bones_that_it_names_and_no_other(kind: str, truth: dict[str, Planes]) -> None:
    planes = next(iter(truth.values()))
    changed = planes.copy()
    spoilt = FAULTS[kind](changed, np.random.default_rng(3))
    different = {BONES[index] for index in np.flatnonzero((changed != planes).any(axis=(1, 2)))}
    assert different
    assert different <= set(spoilt)


def test_more_workers_give_the_same_bytes(truth: dict[str, Planes], images: Path, tmp_path: Path) -> None:
    prediction, _ = write_prediction(tmp_path / "pred.csv", dict(list(truth.items())[:2]))
    written = []
    for workers in ("1", "2"):
        ranks, report = tmp_path / f"ranks{workers}.csv", tmp_path / f"audit{workers}.json"
        places = ["--per-image", str(ranks), "--json", str(report)]
        assert main([str(prediction), "--images", str(images), *places, "--workers", workers, "--quiet"]) == 0
        written.append((ranks.read_bytes(), report.read_bytes()))
    assert written[0] == written[1]


def test_the_ranking_is_a_table_worst_first(
    truth: dict[str, Planes], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(planes: Planes) -> None:
        planes[CLASS_IDS["Ulna"]] = False

    prediction, spoilt = write_prediction(tmp_path / "pred.csv", truth, remove)
    ranks = tmp_path / "ranks.csv"
    command = [str(prediction), "--images", str(images), "--per-image", str(ranks), "--quiet"]
    assert main(command) == 0
    rows = list(csv.DictReader(ranks.read_text(encoding="utf-8").splitlines()))
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores)
    assert rows[0]["image_name"] == spoilt
    assert (rows[0]["worst_bone"], rows[0]["worst_bone_score"], rows[0]["errors"]) == ("Ulna", "0.0000", "1")
    assert {row["patient"] for row in rows} == {folder.name for folder in images.iterdir()}
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(rows)
    assert spoilt in printed[0]
    assert "Ulna missing_bone" in printed[0]
    assert main(command) == 3


def test_patients_come_from_a_table_or_are_said_to_be_unknown(
    truth: dict[str, Planes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = dict(list(truth.items())[:1])
    prediction, _ = write_prediction(tmp_path / "pred.csv", few)
    table = tmp_path / "images.csv"
    table.write_text("image_name,patient\n" + "".join(f"{name},P1\n" for name in few), encoding="utf-8")
    _, record = audit(prediction, "--size", str(SIZE), "--patients", table)
    assert {image["patient"] for image in record["images"]} == {"P1"}
    assert main([str(prediction), "--size", str(SIZE)]) == 0
    assert "no patients are known" in capsys.readouterr().err
    table.write_text("image_name,patient\nother.png,P1\n", encoding="utf-8")
    assert main([str(prediction), "--size", str(SIZE), "--patients", str(table), "--quiet"]) == 2


def test_an_output_never_replaces_the_prediction(truth: dict[str, Planes], tmp_path: Path) -> None:
    prediction, _ = write_prediction(tmp_path / "pred.csv", truth)
    before = prediction.read_bytes()
    assert main([str(prediction), "--size", str(SIZE), "--json", str(prediction), "--quiet"]) == 3
    assert prediction.read_bytes() == before


def test_runs_beyond_the_image_are_named(
    truth: dict[str, Planes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prediction, _ = write_prediction(tmp_path / "pred.csv", truth)
    assert main([str(prediction), "--size", "32x24", "--quiet"]) == 2
    assert "pred.csv:" in capsys.readouterr().err
