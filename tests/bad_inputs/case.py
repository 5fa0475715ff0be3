"""What a case is, and when it holds."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXITS = {"ok": 0, "repair": 0, "error": 2, "refuse": 3, "machine": 4}
SECRETS = ("GILDONG", "9901011234567", "19990101", "SECRET HOSPITAL")
"""In every DICOM file; none of it may get anywhere."""
LABELLED = ("image", "pair", "polygon", "label", "json", "dicom", "archive")
"""Layers whose command is `points_to_yolo`."""

Command = Callable[[Path, Path, tuple[int, int]], list[str]]


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: unique.
        layer: of the corpus; says which command meets it unless the case says so itself.
        expect: a key of `EXITS`.
        make: writes the files of the case into a folder, for images of (height, width).
        must: strings that must be printed, in any case of letters.
        counter: of a repair, above 0 in a report.
        command: module and arguments, from the case's folder, the folder to write and (height, width).
        lines: of each label file; None where they differ.
    """

    name: str
    layer: str
    expect: str
    make: Callable[[Path, tuple[int, int]], Any]
    must: tuple[str, ...] = ()
    counter: str | None = None
    command: Command | None = None
    lines: int | None = 29

    def arguments(self, folder: Path, out: Path, size: tuple[int, int]) -> list[str]:
        """Module and arguments."""
        if self.command is not None:
            return self.command(folder, out, size)
        hw = f"{size[0]}x{size[1]}"
        if self.layer == "csv":
            tables = [str(folder / "pred.csv"), str(folder / "good.csv")]
            return ["yolo_bones.evaluate_rle", *tables, "--size", hw, "--json", str(out / "report.json"), "--quiet"]
        raw = folder / "data.zip" if self.layer == "archive" else folder
        return ["converters.points_to_yolo", str(raw), str(out), "--quiet"]


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    text: str


def run_here(arguments: list[str]) -> Outcome:
    """In this process; an exception passes through."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = int(importlib.import_module(arguments[0]).main(arguments[1:]))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return Outcome(code, said.getvalue())


def run_apart(arguments: list[str], folder: Path, timeout_s: float = 60.0, python: str = sys.executable) -> Outcome:
    """In a process of its own that works in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    command = [python, "-m", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Outcome(124, "timed out")
    return Outcome(done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace"))


def faults_of(case: Case, folder: Path, out: Path, before: dict[str, str], outcome: Outcome) -> list[str]:
    """What of a case does not hold."""
    code, text = outcome.code, outcome.text
    faults = [] if code == EXITS[case.expect] else [f"exit {code}, not {EXITS[case.expect]}"]
    if "Traceback" in text or "Warning" in text:
        faults.append("a traceback or a library's warning")
    if case.expect not in ("ok", "repair"):
        said = [line for line in text.splitlines() if "error: " in line]
        faults += [] if said else ["no line that begins with error:"]
        faults += [f"does not mention {wanted!r}" for wanted in case.must if wanted.lower() not in text.lower()]
        left = [path.name for path in _files(out) if path.suffix != ".json"]
        faults += [f"left {left[0]} behind"] if left else []
    if case.counter is not None and not _is_counted(out, case.counter):
        faults.append(f"counter {case.counter} is not above 0")
    if tree(folder) != before:
        faults.append("the case's own files changed")
    everything = text.encode() + b"".join(path.read_bytes() for path in _files(out))
    faults += [f"tells {secret}" for secret in SECRETS if secret.encode() in everything]
    if code == 0 and case.command is None and case.layer in LABELLED:
        faults += _label_faults(case, folder, out)
    return faults


def _label_faults(case: Case, folder: Path, out: Path) -> Iterator[str]:
    labels = [path for path in _files(out) if path.suffix == ".txt" and "labels" in path.parts]
    drawn = [path for path in (folder / "outputs_json").rglob("*.json") if not path.parent.name.startswith(".")]
    if case.layer != "archive" and len(labels) != len(drawn):
        yield f"{len(labels)} label files"
    if case.layer == "archive" and not labels:
        yield "no label files"
    for path in labels if case.lines is not None else ():
        if len(path.read_text().splitlines()) != case.lines:
            yield f"{path.name}: {len(path.read_text().splitlines())} lines"


def _is_counted(out: Path, counter: str) -> bool:
    pattern = re.compile(rf'"{re.escape(counter)}"\s*:\s*[1-9]')
    return any(pattern.search(path.read_text(encoding="utf-8")) for path in _files(out) if path.suffix == ".json")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder -> its checksum, or what it is."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            if path.is_symlink():
                found[str(path)] = f"link {path.readlink()}"
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path)] = "special"
    return found


def edited(record: Any, change: Callable[[list[Any]], Any]) -> Any:
    """An annotation record of which a change was made to the list of annotations."""
    copy = json.loads(json.dumps(record))
    change(copy["annotations"])
    return copy
