"""The tool that makes the ablation table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from tests.ablation import refuse_other_settings


def test_an_ablation_goes_on_only_with_the_budget_and_size_that_it_began_with(tmp_path: Path) -> None:
    begun = Namespace(images=6400, imgsz=320, patients=80, test=12, rows=None, jobs=1)
    refuse_other_settings(tmp_path / "out", begun)
    refuse_other_settings(tmp_path / "out", Namespace(**{**vars(begun), "rows": "stock", "jobs": 2}))
    with pytest.raises(SystemExit, match="give another --out"):
        refuse_other_settings(tmp_path / "out", Namespace(**{**vars(begun), "imgsz": 640}))
