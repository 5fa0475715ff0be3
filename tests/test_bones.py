from pathlib import Path

import yaml

from tests.conftest import ROOT
from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import ARM_BONES, BONES, CLASS_IDS, DIGITS, FINGER_BONES, GROUPS, HAND_BONES, KINDS


def test_names_in_channel_order() -> None:
    carpals = ["Trapezium", "Trapezoid", "Capitate", "Hamate", "Scaphoid", "Lunate", "Triquetrum", "Pisiform"]
    assert BONES == (*(f"finger-{number}" for number in range(1, 20)), *carpals, "Radius", "Ulna")
    assert (CLASS_IDS["finger-1"], CLASS_IDS["Trapezium"], CLASS_IDS["Ulna"]) == (0, 19, 28)


def test_groups_and_digits_cover_every_bone_once() -> None:
    assert (len(FINGER_BONES), len(HAND_BONES), len(ARM_BONES)) == (19, 8, 2)
    assert sorted(bone for bones in GROUPS.values() for bone in bones) == sorted(BONES)
    assert DIGITS["little"] == ("finger-16", "finger-17", "finger-18", "finger-19")
    assert set(TYPICAL) == set(BONES)


def test_kinds() -> None:
    assert set(KINDS) == set(BONES)
    assert [KINDS[bone] for bone in DIGITS["thumb"]] == ["distal", "proximal", "metacarpal"]
    assert [KINDS[bone] for bone in DIGITS["ring"]] == ["distal", "middle", "proximal", "metacarpal"]
    assert (KINDS["Hamate"], KINDS["Radius"], KINDS["Ulna"]) == ("carpal", "radius", "ulna")


def test_bones_yaml_holds_the_same_names_and_no_path() -> None:
    record = yaml.safe_load((ROOT / "bones.yaml").read_text(encoding="utf-8"))
    assert record["names"] == dict(enumerate(BONES))
    assert "path" not in record
    assert "download" not in record


def test_training_settings_keep_overlap() -> None:
    record = yaml.safe_load((ROOT / "bones_train.yaml").read_text(encoding="utf-8"))
    assert record["overlap_mask"] is False
    assert record["mosaic"] == record["copy_paste"] == record["hsv_h"] == record["hsv_s"] == 0.0
    assert record["model"].startswith("yolov8")
    assert Path(record["model"]).suffix == ".yaml"


def test_no_absolute_path_of_a_machine_in_configuration() -> None:
    for name in ("bones.yaml", "bones_train.yaml", "pyproject.toml", "requirements.txt"):
        assert "/home/" not in (ROOT / name).read_text(encoding="utf-8")
