"""Which steps of long work are done: a small record a step, with its settings and the hashes of what it wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

from yolo_bones.files import write_text

BLOCK_BYTES: Final = 1 << 20


class StepState(Enum):
    """What is known of a step.

    NEW: it was never begun. BEGUN: with these settings, but not finished. DONE: with these settings, and what it wrote
    is still there. OTHER: it was begun with other settings. CHANGED: what it wrote is gone or was changed since.
    """

    NEW = "new"
    BEGUN = "begun"
    DONE = "done"
    OTHER = "other"
    CHANGED = "changed"


class StepLedger:
    """Records of steps in a folder.

    Args:
        root: what paths in the records count from, so that the whole may be moved.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def state(self, key: str, settings: Mapping[str, Any]) -> StepState:
        """How far a step is."""
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            recorded, outputs = record["settings"], record["outputs"]
        except FileNotFoundError:
            return StepState.NEW
        except (ValueError, KeyError, TypeError):
            return StepState.OTHER
        if recorded != _plain(settings):
            return StepState.OTHER
        if outputs is None:
            return StepState.BEGUN
        whole = all(digest_of(self.root / name) == digest for name, digest in outputs.items())
        return StepState.DONE if whole else StepState.CHANGED

    def begin(self, key: str, settings: Mapping[str, Any]) -> None:
        """Note that a step is under way."""
        self._write(key, settings, None)

    def finish(self, key: str, settings: Mapping[str, Any], outputs: Sequence[Path]) -> None:
        """Note that a step is done, and what it wrote."""
        digests = {path.relative_to(self.root).as_posix(): digest_of(path) for path in outputs}
        missing = sorted(name for name, digest in digests.items() if digest is None)
        if missing:
            raise ValueError(f"expected the outputs of {key}, got no {', '.join(missing)}")
        self._write(key, settings, digests)

    def _write(self, key: str, settings: Mapping[str, Any], outputs: Mapping[str, str | None] | None) -> None:
        record = {"settings": settings, "outputs": outputs}
        write_text(self._path(key), json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def _path(self, key: str) -> Path:
        return self.root / ".steps" / f"{key.replace('/', '-')}.json"


def _plain(settings: Mapping[str, Any]) -> Any:
    """Settings as they come back from JSON."""
    return json.loads(json.dumps(settings))


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file's bytes, or of the names and sizes of all files in a folder; None where nothing is there."""
    if path.is_dir():
        members = sorted(member for member in path.rglob("*") if member.is_file())
        listed = [[member.relative_to(path).as_posix(), member.stat().st_size] for member in members]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def fingerprint_of(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over names, sizes and modification times, to tell whether files are the same without reading them."""
    listed = []
    for path in files:
        kind = path.stat()
        listed.append([path.relative_to(root).as_posix(), kind.st_size, kind.st_mtime_ns])
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
