"""The corpus of bad inputs that came with the task, where it is at hand; `make corpus SHARED=` takes it at 2048."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CORPUS = Path(os.environ.get("YOLO_BONES_BADINPUT", ROOT.parent / "shared" / "badinput"))


@pytest.mark.skipif(not (CORPUS / "run.py").is_file(), reason="no ../shared/badinput: YOLO_BONES_BADINPUT names it")
def test_every_case_of_the_shared_corpus_holds(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    make = [sys.executable, str(CORPUS / "corpus.py"), str(cases), "--size", "256"]
    subprocess.run(make, check=True, capture_output=True)
    hold = [sys.executable, str(CORPUS / "run.py"), str(cases), "--project", str(ROOT), "--python", sys.executable]
    done = subprocess.run(
        [*hold, "--size", "256", "--timeout", "120"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "101 of 101 held", done.stdout[-3000:]
