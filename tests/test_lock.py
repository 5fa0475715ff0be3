"""What is installed is what was looked at: every file of every dependency by its hash."""

from __future__ import annotations

import re

from tests.conftest import ROOT

NAME = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = (NAME.match(line) for line in text.splitlines())
    return {normal(match[1]): match[2] for match in found if match}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_direct_dependency_as_it_is_pinned() -> None:
    locked = pins("requirements.lock")
    for name in ("requirements.txt", "requirements-dev.txt"):
        wanted = pins(name)
        assert wanted
        assert {one: locked.get(one) for one in wanted} == wanted, "run `make lock`"


def test_every_locked_file_has_a_hash() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert len(entries) >= len(pins("requirements.lock")) > 50
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_builds_the_package_is_locked_too() -> None:
    """`make install` builds without a network of its own."""
    assert "setuptools" in pins("requirements.lock")


def test_each_direct_dependency_is_told_about() -> None:
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    missing = [name for name in pins("requirements.txt") if f"| {name} " not in told]
    assert not missing, missing
