"""RAW as a zip gives what the folder gives; nothing is left of what was unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

from converters.points_to_rle import main as to_rle
from converters.points_to_yolo import main as to_yolo
from tests.bad_inputs.archive_cases import good_members, zipped
from tests.bad_inputs.case import run_here
from tests.conftest import ROOT
from yolo_bones import archives, unpacked_archives
from yolo_bones.unpacked_archives import PREFIX, unpacked

SIZE = (256, 208)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good archive, and a folder of our own for what is unpacked."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path = tmp_path / "data.zip"
    path.write_bytes(zipped({**good_members(SIZE, "train/"), "train/notes.docx": b"not read"}))
    return path


def test_a_zip_gives_what_its_folder_gives(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "folder")  # our own, a line above
    for command in (to_rle, to_yolo):
        for source in (archive, tmp_path / "folder"):
            assert command([str(source), str(tmp_path / f"{command.__module__}-{source.stem}"), "--quiet"]) == 0
    for name in ("converters.points_to_rle", "converters.points_to_yolo"):
        one, other = (tmp_path / f"{name}-{stem}" for stem in ("data", "folder"))
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
        assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files)
    assert not list((tmp_path / "tmp").iterdir())


def test_errors_name_the_archive_and_not_where_it_was_unpacked(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(zipped({**good_members(SIZE), "DCM/ID90/good0_L.png": b"text"}))
    outcome = run_here(["converters.points_to_rle", str(archive), str(tmp_path / "out"), "--quiet"])
    assert outcome.code == 2
    assert f"{archive}/DCM/ID90/good0_L.png" in outcome.text
    assert PREFIX not in outcome.text
    assert not list((tmp_path / "tmp").iterdir())


def test_only_what_is_read_is_unpacked_and_only_for_us(archive: Path) -> None:
    with unpacked(archive) as folder:
        assert folder.parent.stat().st_mode & 0o077 == 0
        assert not list(folder.rglob("*.docx"))
        assert len(list(folder.rglob("*.png"))) == 3
    assert not folder.exists()


def test_an_archive_unpacks_to_the_same_files_twice(archive: Path) -> None:
    states = []
    for _ in range(2):
        with unpacked(archive) as folder:
            states.append([(path.name, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*.*"))])
    assert states[0] == states[1]


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_holds_is_not(archive: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from yolo_bones.unpacked_archives import unpacked\n"
        "with unpacked(pathlib.Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(archive)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        with unpacked(archive):
            assert held.exists()
        process.kill()
        process.wait()
    assert held.exists()
    with unpacked(archive):
        assert not held.exists()


def test_a_strangers_folder_is_not_swept(archive: Path, tmp_path: Path) -> None:
    link, fresh, old = (tmp_path / "tmp" / f"{PREFIX}{name}" for name in ("link", "fresh", "old"))
    (tmp_path / "precious").mkdir()
    link.symlink_to(tmp_path / "precious")
    for folder in (fresh, old):
        folder.mkdir()
    long_ago = time.time() - 2 * unpacked_archives.STALE_S
    os.utime(old, (long_ago, long_ago))
    with unpacked(archive):
        assert fresh.exists()
        assert link.is_symlink()
        assert not old.exists()
    assert (tmp_path / "precious").exists()


def test_a_disk_without_room_ends_before_anything_is_unpacked(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 100

    monkeypatch.setattr(unpacked_archives.shutil, "disk_usage", lambda _: Full)
    outcome = run_here(["converters.points_to_rle", str(archive), str(tmp_path / "out"), "--quiet"])
    assert outcome.code == 4
    assert "TMPDIR" in outcome.text


def test_limits_are_those_of_the_total_as_well(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 6)
    outcome = run_here(["converters.points_to_rle", str(archive), str(tmp_path / "out"), "--quiet"])
    assert outcome.code == 3
    assert "7 members" in outcome.text
