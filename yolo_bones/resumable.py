"""Long work in parts: a folder that remembers what is done, for one set of settings only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from yolo_bones.errors import RefusedError
from yolo_bones.files import write_text


class PartFolder:
    """Finished parts of an interrupted run, one small JSON file each, written last of all that belongs to the part.

    Args:
        folder: where the parts lie while the work is unfinished.
        settings: what the work is made from; parts of other settings are refused.
        fresh: forget what is there.
        way_out: what the user can do about an unfinished run of other settings.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        fresh: bool = False,
        way_out: str = "repeat that command, or give --overwrite to start anew",
    ) -> None:
        self.folder = folder
        marker = folder / "settings.json"
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if fresh:
            self.remove()
        if marker.exists() and marker.read_text(encoding="utf-8") != text:
            raise RefusedError(f"{folder}: holds an unfinished run on other input or with other options; {way_out}")
        if not marker.exists():
            self.remove()
            write_text(marker, text)

    def has(self, key: str) -> bool:
        """Whether a part is done."""
        return self._path(key).exists()

    def read(self, key: str) -> Any:
        """A finished part."""
        return json.loads(self._path(key).read_text(encoding="utf-8"))

    def write(self, key: str, content: Any) -> None:
        """Mark a part as done."""
        write_text(self._path(key), json.dumps(content))

    def remove(self) -> None:
        """Forget all parts, once the whole is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.part.json"
