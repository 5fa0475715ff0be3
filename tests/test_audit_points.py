"""Label errors found, named and put right."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.typical_hands import SIZE, frame, hands, image, outlines
from yolo_bones import audit_points, make_phantoms
from yolo_bones.annotations import DrawnOutline
from yolo_bones.audit.corrections import corrected_record
from yolo_bones.audit.findings import Correction, Finding, in_order
from yolo_bones.audit.norms import DrawnImage, Norms, learn_norms
from yolo_bones.audit.point_audit import audit_images, judge_images
from yolo_bones.audit.set_findings import find_blank, find_copies, find_shared_patients, find_strange_sides, see_image
from yolo_bones.audit.shape_findings import sesamoid_points
from yolo_bones.bones import CLASS_IDS
from yolo_bones.hand_labels import MIRRORED, label_outlines
from yolo_bones.outline_model import outward_normals_of
from yolo_bones.phantom.planted_errors import KINDS
from yolo_bones.rle import ImageSize


@lru_cache(maxsize=1)
def usual() -> Norms:
    """What is usual in a set of right annotations."""
    norms, _ = learn_norms(hands(16))
    return norms


def audited(*images: DrawnImage, file: Path | None = None) -> list[Finding]:
    """Findings about images of a large set of right annotations."""
    labellings = [label_outlines(one.points, one.bones, usual().hand) for one in images]
    return list(judge_images(images, labellings, usual(), [] if file is None else [file] * len(images)).findings)


def found_in(changed: DrawnImage, file: Path | None = None) -> dict[str, tuple[str, str]]:
    """Bone -> (kind, severity) found in one image."""
    return {one.bone: (one.kind, one.severity) for one in audited(changed, file=file)}


def drawn_hand(seed: int = 50) -> dict[str, np.ndarray]:
    return outlines(frame(True, 4.0), np.random.default_rng(seed))


def relabelled(drawn: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> DrawnImage:
    other = {a: b for first, second in pairs for a, b in ((first, second), (second, first))}
    return image({other.get(bone, bone): points for bone, points in drawn.items()}, "odd.png", "ID999")


def odd(drawn: dict[str, np.ndarray]) -> DrawnImage:
    return image(drawn, "odd.png", "ID999")


def test_right_annotations_have_no_findings() -> None:
    assert found_in(odd(drawn_hand())) == {}


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ([("Trapezium", "Trapezoid")], "exchanged_trapezium_trapezoid"),
        ([("finger-9", "finger-13")], "exchanged_neighbours"),
        ([("finger-1", "finger-17")], "exchanged_labels"),
        ([("Scaphoid", "Triquetrum"), ("Lunate", "Pisiform")], "rotated_lower_row"),
        (list(MIRRORED), "mirrored_hand"),
        ([pair for pair in MIRRORED if not pair[0].startswith("finger") or "finger-1" in pair], "mirrored_labels"),
    ],
)
def test_exchanged_labels_are_named(pairs: list[tuple[str, str]], kind: str) -> None:
    found = found_in(relabelled(drawn_hand(), pairs))
    assert found == {bone: (kind, "error") for pair in pairs for bone in pair}


def test_a_missing_bone_is_an_error_and_one_that_is_never_drawn_a_note() -> None:
    drawn = drawn_hand()
    del drawn["Lunate"]
    assert found_in(odd(drawn)) == {"Lunate": ("missing_bone", "error")}
    without = [
        DrawnImage(one.name, one.patient, one.size, tuple(o for o in one.outlines if o.bone != "Pisiform"))
        for one in hands(6)
    ]
    found = audit_images(without).findings
    assert {(one.bone, one.kind, one.severity) for one in found} == {("Pisiform", "missing_bone", "note")}
    assert len(found) == 6


def test_a_bone_drawn_twice() -> None:
    drawn = odd(drawn_hand())
    first = drawn.outlines[3]
    beside = DrawnOutline(29, first.bone, first.points + 4)
    twice = DrawnImage(drawn.name, drawn.patient, drawn.size, (*drawn.outlines, beside))
    assert found_in(twice) == {first.bone: ("doubled_bone", "error")}
    copied = DrawnImage(drawn.name, drawn.patient, drawn.size, (*drawn.outlines, DrawnOutline(29, *first_of(first))))
    assert found_in(copied) == {first.bone: ("doubled_bone", "note")}


def first_of(outline: DrawnOutline) -> tuple[str, np.ndarray]:
    return outline.bone, outline.points


def test_a_second_outline_that_is_the_missing_bone_is_relabelled() -> None:
    drawn = drawn_hand()
    listed = [
        DrawnOutline(i, "finger-9" if bone == "finger-13" else bone, p) for i, (bone, p) in enumerate(drawn.items())
    ]
    (one,) = audited(DrawnImage("odd.png", "ID999", SIZE, tuple(listed)))
    assert (one.bone, one.kind, one.correction) == ("finger-9", "wrong_label", Correction("relabel", 12, "finger-13"))


def test_a_right_outline_under_another_label_is_kept_where_something_else_has_its_own() -> None:
    drawn = drawn_hand()
    listed = [DrawnOutline(i, "Hamate" if bone == "Capitate" else bone, p) for i, (bone, p) in enumerate(drawn.items())]
    junk = DrawnOutline(29, "Capitate", np.array([[20, 20], [60, 20], [60, 60], [20, 60]], np.int32))
    found = audited(DrawnImage("odd.png", "ID999", SIZE, (*listed, junk)))
    assert {(one.bone, one.kind, one.correction) for one in found} == {
        ("Hamate", "wrong_label", Correction("relabel", 21, "Capitate")),
        ("Capitate", "doubled_bone", Correction("remove", 29)),
    }


def test_an_outline_that_is_hardly_there_is_drawn_anew_and_not_made_up() -> None:
    drawn = drawn_hand()
    drawn["finger-10"] = drawn["finger-10"][:3]
    (one,) = audited(odd(drawn))
    assert one.bone == "finger-10"
    assert one.correction is None or one.correction.action == "redraw"


def test_the_pisiform_on_the_ulna() -> None:
    drawn = drawn_hand()
    drawn["Pisiform"] = drawn["Pisiform"] + np.rint(drawn["Ulna"].mean(axis=0) - drawn["Pisiform"].mean(axis=0)).astype(
        int
    )
    (one,) = audited(odd(drawn))
    assert (one.bone, one.kind, one.evidence["drawn_on"]) == ("Pisiform", "drawn_on_another_bone", "Ulna")


def test_size_alone_is_a_note() -> None:
    drawn = drawn_hand()
    centre = drawn["finger-9"].mean(axis=0)
    drawn["finger-9"] = np.rint((drawn["finger-9"] - centre) * 0.5 + centre).astype(np.int32)
    assert found_in(odd(drawn)) == {"finger-9": ("implausible_size", "note")}


def with_ring(drawn: dict[str, np.ndarray], bone: str = "finger-14") -> dict[str, np.ndarray]:
    """A band across a bone joined to its outline."""
    plane = np.zeros((SIZE.height, SIZE.width), np.uint8)
    cv2.fillPoly(plane, [drawn[bone].reshape(-1, 1, 2)], 1)
    x, y = np.rint(drawn[bone].mean(axis=0)).astype(int)
    plane[y - 8 : y + 8, x - 50 : x + 50] = 1
    (border,), _ = cv2.findContours(plane, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return drawn | {bone: border.reshape(-1, 2).astype(np.int32)}


def with_bulge(drawn: dict[str, np.ndarray], bone: str) -> dict[str, np.ndarray]:
    """A disc drawn into one side of a bone."""
    plane = np.zeros((SIZE.height, SIZE.width), np.uint8)
    cv2.fillPoly(plane, [drawn[bone].reshape(-1, 1, 2)], 1)
    cv2.circle(plane, tuple(map(int, drawn[bone][drawn[bone][:, 0].argmax()])), 24, 1, -1)
    found, _ = cv2.findContours(plane, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return drawn | {bone: max(found, key=len).reshape(-1, 2).astype(np.int32)}


def test_a_ring_drawn_in_is_told_from_an_outline_that_ran_out() -> None:
    assert found_in(odd(with_ring(drawn_hand()))) == {"finger-14": ("ring_in_bone", "error")}
    assert found_in(odd(with_bulge(drawn_hand(), "Capitate"))) == {"Capitate": ("outline_left_bone", "error")}


def test_a_sesamoid_drawn_with_the_thumb_is_a_note_and_a_larger_bulge_there_an_error() -> None:
    model = usual().outlines[CLASS_IDS["finger-3"]]
    beside = np.flatnonzero(sesamoid_points(model) & (outward_normals_of(model.points)[:, 0] < -0.5))
    middle = int(beside[len(beside) // 2])
    for share, expected in ((0.045, ("sesamoid_differs", "note")), (0.2, ("outline_left_bone", "error"))):
        drawn = drawn_hand()
        points = drawn["finger-3"].astype(np.float64)
        out = outward_normals_of(points)[middle]
        near = np.abs((np.arange(len(points)) - middle + 48) % 96 - 48) <= 4
        drawn["finger-3"] = np.rint(points + share * 260.0 * near[:, None] * out).astype(np.int32)
        assert found_in(odd(drawn)) == {"finger-3": expected}


def test_what_is_brighter_than_the_bone_is_an_object(tmp_path: Path) -> None:
    drawn = drawn_hand()
    bulged = with_bulge(drawn, "Capitate")
    grey = np.full((SIZE.height, SIZE.width), 60, np.uint8)
    for level, points in ((250, bulged["Capitate"]), (150, drawn["Capitate"])):
        cv2.fillPoly(grey, [points.reshape(-1, 1, 2)], level)
    file = tmp_path / "odd.png"
    cv2.imwrite(str(file), grey)
    assert found_in(odd(bulged), file=file) == {"Capitate": ("object_in_bone", "error")}
    cv2.imwrite(str(file), np.where(grey == 250, 40, grey).astype(np.uint8))
    assert found_in(odd(bulged), file=file) == {"Capitate": ("outline_left_bone", "error")}


def test_what_both_hands_of_a_patient_have_is_no_error() -> None:
    both = []
    for number, thumb_left in enumerate((True, False)):
        drawn = outlines(frame(thumb_left), np.random.default_rng(60 + number))
        bulged = drawn["Capitate"] + 40.0 * thumb_side(drawn, "Capitate")[:, None] * [-1.0 if thumb_left else 1.0, 0.0]
        both.append(image(drawn | {"Capitate": np.rint(bulged).astype(np.int32)}, f"both{number}.png", "ID999"))
    assert [one.bone for one in audited(both[0])] == ["Capitate"]
    assert audited(*both) == []


def thumb_side(drawn: dict[str, np.ndarray], bone: str) -> np.ndarray:
    """1 for the points of a bone in a quarter turn around its thumb's side, falling to 0 beside it."""
    from_centre = drawn[bone] - drawn[bone].mean(axis=0)
    towards = np.sign(drawn["Trapezium"].mean(axis=0)[0] - drawn[bone].mean(axis=0)[0])
    angle = np.arctan2(from_centre[:, 1], towards * from_centre[:, 0])
    return np.where(np.abs(angle) < 0.8, np.cos(angle / 0.8 * np.pi / 2) ** 2, 0.0)


def test_one_image_alone_is_held_against_what_is_built_in() -> None:
    drawn = drawn_hand()
    assert audit_images([odd(drawn)]).findings == ()
    found = audit_images([relabelled(drawn, [("Capitate", "Hamate")])]).findings
    assert {one.bone for one in found} == {"Capitate", "Hamate"}


def test_too_few_bones_make_no_hand() -> None:
    few = {bone: points for bone, points in drawn_hand().items() if bone in ("Radius", "Ulna", "finger-1")}
    (one,) = audit_images([odd(few)]).findings
    assert (one.kind, one.severity, one.evidence["outlines"]) == ("no_hand", "error", 3)


def test_errors_in_a_part_of_a_set_do_not_change_what_is_usual() -> None:
    right = hands(10)
    norms, _ = learn_norms(right)
    wrong = [
        DrawnImage(one.name, one.patient, one.size, tuple(o for o in relabelled(
            {p.bone: p.points for p in one.outlines}, [("Trapezium", "Trapezoid")]).outlines))
        for one in right[:2]
    ]  # fmt: skip
    learnt, _ = learn_norms([*wrong, *right[2:]])
    assert np.abs(learnt.hand.mean - norms.hand.mean).max() < 0.02


def seen(name: str, patient: str, grey: np.ndarray, side: str = "") -> Any:
    one = see_image(name, patient, grey)
    return type(one)(one.name, one.patient, one.size, one.digest, one.thumbnail, side)


def test_copies_are_found_exact_written_anew_and_turned_over() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 255, (90, 120)).astype(np.uint8), (0, 0), 9)
    grey = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    done, jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    anew = cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)
    other = cv2.normalize(
        cv2.GaussianBlur(rng.integers(0, 255, (90, 120)).astype(np.uint8), (0, 0), 9), None, 0, 255, 32
    )
    images = [seen("a.png", "1", grey), seen("b.png", "2", anew), seen("c.png", "1", grey[:, ::-1].copy())]
    found = find_copies([*images, seen("d.png", "3", other), seen("e.png", "4", np.zeros((90, 120), np.uint8))])
    by_image = {(one.image, one.evidence["same_as"]): (one.kind, one.evidence.get("turned_over")) for one in found}
    assert by_image == {
        ("a.png", "2/b.png"): ("same_image_under_two_patients", None),
        ("b.png", "1/a.png"): ("same_image_under_two_patients", None),
        ("a.png", "1/c.png"): ("same_image_twice", 1),
        ("c.png", "1/a.png"): ("same_image_twice", 1),
        ("b.png", "1/c.png"): ("same_image_under_two_patients", 1),
        ("c.png", "2/b.png"): ("same_image_under_two_patients", 1),
    }


def test_images_of_nothing_are_blank_and_no_copies_of_each_other() -> None:
    black = np.zeros((40, 60), np.uint8)
    bright = black.copy()
    bright[::2] = 250
    bright[:20] = 0
    images = [seen("a.png", "1", black), seen("b.png", "2", black), seen("c.png", "3", bright)]
    assert find_copies(images) == []
    assert [one.image for one in find_blank(images)] == ["a.png", "b.png"]


def test_sides_that_are_not_what_is_said_are_notes() -> None:
    grey = np.zeros((40, 60), np.uint8)
    usual = [
        seen(f"{number}-{side}.png", f"ID{number:02d}", grey, side)
        for number in range(12)
        for side in ("thumb-left", "thumb-right")
    ]
    assert find_strange_sides(usual) == []
    alike = [seen("x.png", "ID99", grey, "thumb-left"), seen("y_R.png", "ID99", grey, "thumb-left")]
    assert [one.image for one in find_strange_sides([*usual, *alike])] == ["x.png", "y_R.png"]
    (one,) = find_strange_sides([seen("image1_L.png", "ID1", grey, "thumb-left")])
    assert (one.kind, one.severity, one.evidence["name_says"]) == ("wrong_side", "note", "thumb-right")


def test_a_patient_in_two_folds_is_an_error_for_each_image() -> None:
    patients = {"a.png": "1", "b.png": "1", "c.png": "2"}
    assert find_shared_patients({"0": ["a.png", "b.png"], "1": ["c.png"]}, patients) == []
    found = find_shared_patients({"0": ["a.png", "c.png"], "1": ["b.png"]}, patients)
    assert [(one.image, one.evidence["also_in"]) for one in found] == [("a.png", "1"), ("b.png", "0")]


def test_a_correction_changes_one_annotation_and_keeps_the_rest_of_the_file() -> None:
    annotations = [{"label": "Ulna", "points": [[0, 0]], "id": number} for number in range(4)]
    record = {"annotations": annotations, "metadata": {"height": 3060}}
    corrections = [
        Correction("relabel", 0, "Radius"),
        Correction("remove", 1),
        Correction("replace", 2, points=((1, 2), (3, 4), (5, 7))),
    ]
    changed = corrected_record(record, corrections)
    assert changed["metadata"] == {"height": 3060}
    assert [one["id"] for one in changed["annotations"]] == [0, 2, 3]
    assert [one["label"] for one in changed["annotations"]] == ["Radius", "Ulna", "Ulna"]
    assert changed["annotations"][1]["points"] == [[1, 2], [3, 4], [5, 7]]
    assert record["annotations"] == [{"label": "Ulna", "points": [[0, 0]], "id": number} for number in range(4)]


def test_findings_come_by_patient_image_and_severity() -> None:
    places = [("b", "2", "error"), ("a", "3", "note"), ("a", "3", "error"), ("a", "1", "note")]
    found = in_order(Finding(image, patient, "Ulna", "x", severity) for patient, image, severity in places)
    assert [(one.patient, one.image, one.severity) for one in found] == sorted(places)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One error of each kind among 15 patients."""
    out = tmp_path_factory.mktemp("planted") / "raw"
    options = ["--patients", "15", "--seed", "61601", "--size", "512x416", "--bent", "0.4", "--plant-errors", "14"]
    assert make_phantoms.main([str(out), *options, "--quiet"]) == 0
    return out


def test_planted_errors_are_found_and_nothing_else(planted: Path, tmp_path: Path) -> None:
    report, fixed = tmp_path / "audit.json", tmp_path / "fixed"
    before = {path: path.read_bytes() for path in sorted(planted.rglob("*")) if path.is_file()}
    assert audit_points.main([str(planted), "--json", str(report), "--strict", "--fix", str(fixed), "--quiet"]) == 1
    assert {path: path.read_bytes() for path in before} == before
    record = json.loads(report.read_text())
    errors = json.loads((planted / "planted_errors.json").read_text())
    assert record["images_checked"] == 31
    by_image: dict[str, set[str]] = {}
    for finding in record["findings"]:
        by_image.setdefault(finding["image"], set()).add(finding["bone"])
        assert finding["kind"] != "implausible_size" or finding["severity"] == "note"
    touched = {name for error in errors for name in (error["image"], error.get("copy", error)["image"])}
    assert len({error["kind"] for error in errors}) == len(KINDS)
    missed = [
        error["kind"] for error in errors if not set(error["bones"] or [""]) <= by_image.get(error["image"], set())
    ]
    # In so small a set, at a quarter of the resolution, one object or slip of the pen may stay within what is usual.
    assert missed in ([], ["object_in_bone"], ["outline_left_bone"])
    assert [one for one in record["findings"] if one["severity"] == "error" and one["image"] not in touched] == []

    again = tmp_path / "again.json"
    assert audit_points.main([str(fixed), "--json", str(again), "--quiet"]) == 0
    left = {one["kind"] for one in json.loads(again.read_text())["findings"] if one["severity"] == "error"}
    assert left == {"missing_bone"}
    assert record["fixed"]["leave_out"] == 1

    stale = fixed / "DCM" / "ID001" / "stale.png"
    stale.touch()
    assert audit_points.main([str(planted), "--fix", str(fixed), "--quiet"]) == 3
    assert stale.exists()
    assert audit_points.main([str(planted), "--fix", str(fixed), "--overwrite", "--quiet"]) == 0
    assert not stale.exists()
    report_of_copy = json.loads((fixed / "corrections.json").read_text())
    assert report_of_copy["complete"]
    done = report_of_copy["corrections"]
    assert sum(len(one) for one in done.values()) == sum(record["fixed"].values())


def test_the_same_findings_come_from_two_workers(planted: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for folder in ("DCM", "outputs_json"):
        for patient in ("ID001", "ID002", "ID003"):
            shutil.copytree(planted / "train" / folder / patient, few / folder / patient)
    texts = []
    for workers in ("1", "2"):
        report = tmp_path / f"{workers}.json"
        assert audit_points.main([str(few), "--json", str(report), "--workers", workers, "--quiet"]) == 0
        texts.append(report.read_text())
    assert texts[0] == texts[1]


def test_folds_are_looked_at(planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = tmp_path / "few"
    for folder in ("DCM", "outputs_json"):
        shutil.copytree(planted / "train" / folder / "ID001", few / folder / "ID001")
    names = sorted(path.name for path in (few / "DCM").rglob("*.png"))
    lists = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, name in zip(lists, names, strict=False):
        path.write_text(f"./images/train/{name}\n")
    assert audit_points.main([str(few), "--folds", *map(str, lists), "--quiet"]) == 0
    assert capsys.readouterr().out.count("patient_in_two_folds") == 2
    assert audit_points.main([str(few), "--folds", str(lists[0]), str(lists[0]), "--quiet"]) == 2
    assert "--folds: expected each fold once" in capsys.readouterr().err
    assert audit_points.main([str(few), "--folds", str(lists[0]), "--json", str(lists[0]), "--quiet"]) == 3
    lists[1].write_text("\n")
    assert audit_points.main([str(few), "--folds", *map(str, lists), "--quiet"]) == 2
    assert "at least one image, got none" in capsys.readouterr().err
    lists[1].write_text("\ufeffother.png\n")
    assert audit_points.main([str(few), "--folds", *map(str, lists), "--quiet"]) == 2
    assert "an image of the data set, got other.png" in capsys.readouterr().err


def test_all_faults_of_all_files_are_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ImageSize(120, 90)
    for name, content in (("a", "{"), ("b", json.dumps({"annotations": [{"label": "Ulna", "points": [[1, 1]]}]}))):
        for folder, suffix in (("DCM", "png"), ("outputs_json", "json")):
            (tmp_path / "raw" / folder / "ID1").mkdir(parents=True, exist_ok=True)
            path = tmp_path / "raw" / folder / "ID1" / f"{name}.{suffix}"
            if suffix == "png":
                cv2.imwrite(str(path), np.zeros((size.height, size.width), np.uint8))
            else:
                path.write_text(content)
    out = tmp_path / "audit.json"
    assert (
        audit_points.main([str(tmp_path / "raw"), "--json", str(out), "--fix", str(tmp_path / "fix"), "--quiet"]) == 2
    )
    errors = capsys.readouterr().err
    assert "a.json" in errors
    assert "b.json: annotations[0].points: expected at least 3 points, got 1" in errors
    assert not out.exists()
    assert not (tmp_path / "fix").exists()


def test_a_copy_is_never_written_over_the_source_or_over_something_else(planted: Path, tmp_path: Path) -> None:
    assert audit_points.main([str(planted), "--fix", str(planted / "train" / "fixed"), "--quiet"]) == 3
    assert audit_points.main([str(planted), "--fix", str(planted.parent), "--quiet"]) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("x")
    for more in ([], ["--overwrite"]):
        assert audit_points.main([str(planted), "--fix", str(tmp_path / "mine"), *more, "--quiet"]) == 3
    assert (tmp_path / "mine" / "note.txt").read_text() == "x"
