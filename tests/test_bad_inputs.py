"""Bad inputs of our own at 256 pixels: one clear error, or a counted repair; never a traceback, never half a result."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_inputs.__main__ import hold
from tests.bad_inputs.case import Case, faults_of, run_here, tree
from tests.bad_inputs.corpus import CASES
from tests.bad_inputs.hostile_cases import CASES as HOSTILE
from tests.hostile import faults_of as faults_of_hostile
from tests.hostile import settle

SIZE = (256, 208)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_settled(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out, work = (tmp_path / name for name in ("case", "out", "work"))
    for place in (folder, out, work):
        place.mkdir()
    case.make(folder, SIZE)
    before = tree(folder)
    monkeypatch.chdir(work)
    outcome = run_here(case.arguments(folder, out, SIZE))
    assert faults_of(case, folder, out, before, outcome) == [], outcome.text[-2000:]
    assert not list(work.iterdir())


@pytest.mark.parametrize("name", ["png-half", "points-nan", "zip-slip", "dcm-rows-60000", "csv-cut", "meta-semicolons"])
def test_a_user_meets_the_same(name: str) -> None:
    (case,) = (case for case in CASES if case.name == name)
    assert hold(case, SIZE, timeout_s=60.0) == []


@pytest.mark.parametrize("name", ["png-30000", "json-lists", "json-quotes", "zip-bomb", "dicom-rows", "yaml-laughs"])
def test_a_hostile_file_is_settled_within_a_gigabyte(name: str, tmp_path: Path) -> None:
    (case,) = (case for case in HOSTILE if case.name == f"hostile-{name}")
    settled = settle(case, SIZE, tmp_path)
    assert faults_of_hostile(case, settled) == [], settled.text[-2000:]


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
