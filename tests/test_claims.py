"""Outputs are one run's at a time; inputs stay as they are; folders get their names at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from yolo_bones.claims import claim, given_back_at_end
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.files import TEMPORARY_MARK, move_folder, private_folder, remove_folder, sweep_temporaries
from yolo_bones.resumable import PartFolder
from yolo_bones.watched_files import forgotten_at_end, refuse_changed, watch


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def elsewhere(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_one_process_claims_another_cannot_have(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from yolo_bones.claims import claim; claim(Path({str(tmp_path / 'a.csv')!r}))"
    with given_back_at_end():
        claim(tmp_path / "a.csv", None, tmp_path / "b.csv")
        claim(tmp_path / "a.csv")
        assert "another run is writing it" in elsewhere(code).stderr
    assert elsewhere(code).returncode == 0


def test_a_claim_leaves_nothing_and_sweeps_what_a_killed_run_left(tmp_path: Path) -> None:
    (tmp_path / f".a.csv{TEMPORARY_MARK}dead").write_text("half")
    (tmp_path / f".a.csv{TEMPORARY_MARK}held").write_text("")
    (tmp_path / f".other.csv{TEMPORARY_MARK}dead").write_text("half")
    with given_back_at_end():
        claim(tmp_path / "a.csv", tmp_path / "new" / "deep" / "b.csv")
        assert names(tmp_path / "new") == ["deep", f"deep/.b.csv{TEMPORARY_MARK}held"]
    assert names(tmp_path) == [f".other.csv{TEMPORARY_MARK}dead"]


def test_an_output_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder"), given_back_at_end():
        claim(tmp_path / "file" / "out.csv")
    assert names(tmp_path) == ["file"]


def test_a_symlinked_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / f".a.csv{TEMPORARY_MARK}held").symlink_to(tmp_path / "victim")
    with pytest.raises((OSError, RefusedError)), given_back_at_end():
        claim(tmp_path / "a.csv")
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_file_that_changes_is_noticed_and_a_link_to_it_is_no_change(tmp_path: Path) -> None:
    still, moved = tmp_path / "still.png", tmp_path / "moved.png"
    still.write_text("a")
    moved.write_text("b")
    with forgotten_at_end():
        watch([still, None, moved])
        os.link(still, tmp_path / "link.png")
        refuse_changed()
        moved.unlink()
        moved.write_text("c")
        with pytest.raises(InputErrors, match=r"moved.png: expected a file that stays as it is") as caught:
            refuse_changed()
        assert len(caught.value.faults) == 1
    refuse_changed()


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    move_folder(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path) == ["old", "old/new.txt"]
    remove_folder(tmp_path / "old")
    remove_folder(tmp_path / "old")
    assert names(tmp_path) == []


def test_what_was_made_gets_its_names_together_and_what_was_not_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "images").mkdir(parents=True)
    (out / "images" / "old.png").write_text("old")
    (out / "gone").mkdir()
    (out / "list.txt").write_text("stale")
    (out / "mine.txt").write_text("not a product")
    parts = PartFolder(out / ".parts", {"a": 1}, products=("images", "gone", "list.txt", "report.json"))
    (parts.made / "images").mkdir(parents=True)
    (parts.made / "images" / "new.png").write_text("new")
    (parts.made / "report.json").write_text("{}")
    parts.publish(out)
    assert names(out) == ["images", "images/new.png", "mine.txt", "report.json"]


def test_an_interrupted_publication_goes_on(tmp_path: Path) -> None:
    """Stopped after the first folder changed places with the old one: the old one must not come back."""
    out = tmp_path / "out"
    products = ("images", "labels")
    for name in products:
        (out / name).mkdir(parents=True)
        (out / name / "x").write_text("old")
    parts = PartFolder(out / ".parts", {}, products=products)
    for name in products:
        (parts.made / name).mkdir(parents=True)
        (parts.made / name / "x").write_text("new")
        (parts.made / name / ".unpublished").write_text("")
    parts.write("ready", list(products))
    (out / "images").rename(out / "aside")
    (parts.made / "images").rename(out / "images")
    (out / "aside").rename(parts.made / "images")
    PartFolder(out / ".parts", {}, products=products).publish(out)
    assert {name: (out / name / "x").read_text() for name in products} == dict.fromkeys(products, "new")
    assert names(out) == ["images", "images/x", "labels", "labels/x"]


def test_forgotten_parts_are_swept_when_even_that_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / f"..parts{TEMPORARY_MARK}gone" / "deep").mkdir(parents=True)
    assert sweep_temporaries(tmp_path) == 1
    assert names(tmp_path) == []


def test_private_folders_of_killed_processes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = f"""
import os, tempfile
tempfile.tempdir = {str(tmp_path)!r}
from yolo_bones.files import private_folder
print(private_folder("bones-"), flush=True)
os.kill(os.getpid(), 9)
"""
    left = Path(elsewhere(code).stdout.strip())
    assert left.is_dir()
    mine = private_folder("bones-")
    assert not left.exists()
    other = private_folder("bones-")
    assert mine.is_dir()
    assert other != mine
