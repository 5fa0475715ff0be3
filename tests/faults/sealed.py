"""Runs one command under an audit hook, and lists what it did beyond reading, computing and writing its outputs.

    python -m tests.faults.sealed REPORT MODULE ARGUMENT ...

Sockets, other programs, text that is run as code, and files opened for writing outside the working folder, the folder
for temporary files and the private settings of ultralytics. What may be is in `ALLOWED`, each with its reason.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ALLOWED: tuple[tuple[str, str, str], ...] = (
    # (event, end of the path of a file that is at work, why)
)
WATCHED_PREFIXES = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "urllib.", "ftplib.")
WATCHED = {"os.system", "pty.spawn", "os.startfile", "http.client.connect", "http.client.send", "webbrowser.open"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Seal:
    """The hook and what it saw."""

    def __init__(self, writable: list[Path]) -> None:
        self.writable = [str(place.resolve()) for place in writable]
        self.seen: list[dict[str, str]] = []
        self.excused: dict[str, int] = {}
        self._busy = False

    def hook(self, event: str, values: tuple[Any, ...]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            told = self._judge(event, values)
            if told is not None:
                self._note(event, told)
        finally:
            self._busy = False

    def _judge(self, event: str, values: tuple[Any, ...]) -> str | None:
        """What to say of an event; None of those that are nobody's business."""
        if event == "open":
            return self._judge_open(*values)
        if event == "exec":
            code = values[0]
            is_module = isinstance(code, CodeType) and code.co_name == "<module>" and Path(code.co_filename).is_file()
            return None if is_module else str(getattr(code, "co_filename", code))[:80]
        if event == "compile":
            source, name = values
            is_file = isinstance(name, (str, bytes)) and Path(os.fsdecode(name)).is_file()
            return None if source is None or is_file else f"{os.fsdecode(name) if name else ''}: {source!r}"[:120]
        if event in WATCHED or event.startswith(WATCHED_PREFIXES):
            return str(values)[:200]
        return None

    def _judge_open(self, path: Any, mode: Any, flags: Any) -> str | None:
        is_writing = bool(set(mode or "") & set("wax+")) or bool(int(flags or 0) & WRITING)
        if not is_writing or isinstance(path, int):
            return None
        place = os.path.realpath(os.fsdecode(path))
        inside = any(place == folder or place.startswith(f"{folder}/") for folder in self.writable)
        return None if inside or place == "/dev/null" else place

    def _note(self, event: str, told: str) -> None:
        files = []
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        if event in ("exec", "compile") and any(name.startswith("<frozen importlib") for name in files):
            self.excused["a module that is loaded"] = self.excused.get("a module that is loaded", 0) + 1
            return
        for kind, ending, why in ALLOWED:
            # The nearest file that is at work answers for what it does.
            if kind == event and any(name.endswith(ending) for name in files[:4]):
                self.excused[f"{event} by {ending}: {why}"] = self.excused.get(f"{event} by {ending}: {why}", 0) + 1
                return
        shown = [name for name in files if "/tests/faults/" not in name][:6]
        self.seen.append({"event": event, "told": told, "by": " < ".join(shown)})


def main() -> int:
    report, module, *arguments = sys.argv[1:]
    seal = Seal([Path.cwd(), Path(tempfile.gettempdir()), Path(os.environ.get("YOLO_CONFIG_DIR", os.devnull))])
    stream = Path(report).open("w", encoding="utf-8")  # noqa: SIM115 (before the hook)
    sys.addaudithook(seal.hook)
    sys.argv = [module, *arguments]
    code = importlib.import_module(module).main(arguments)
    seal._busy = True
    json.dump({"code": code, "seen": seal.seen, "excused": seal.excused}, stream)
    stream.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
