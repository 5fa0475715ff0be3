"""Long work in parts: a folder that remembers what is done, for one set of settings only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import RefusedError
from yolo_bones.files import machine_errors, move_folder, remove_folder, temporary_folder, write_text

MADE: Final = "made"
READY: Final = "ready"
"""The part that says what was made, once all is."""
UNPUBLISHED: Final = ".unpublished"
"""In a folder that was made and has not got its name yet."""


class PartFolder:
    """Finished parts of an interrupted run, one small JSON file each, written last of all that belongs to the part.

    Args:
        folder: where the parts lie while the work is unfinished.
        settings: what the work is made from; parts of other settings are refused.
        fresh: forget what is there.
        way_out: what the user can do about an unfinished run of other settings.
        products: names that `publish` gives, in its order.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        fresh: bool = False,
        way_out: str = "repeat that command, or give --overwrite to start anew",
        products: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.products = tuple(products)
        marker = folder / "settings.json"
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if fresh:
            self.remove()
        if marker.exists() and marker.read_text(encoding="utf-8") != text:
            raise RefusedError(f"{folder}: holds an unfinished run on other input or with other options; {way_out}")
        if not marker.exists():
            self.remove()
            # The folder is never there without its settings: nobody could tell whose it is.
            with temporary_folder(folder) as made:
                write_text(made / marker.name, text)
                move_folder(made, folder)

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
        remove_folder(self.folder)

    @property
    def made(self) -> Path:
        """Where files are made that shall get their names together, in the end; see `publish`."""
        return self.folder / MADE

    def publish(self, out: Path) -> None:
        """Give what was made its names in `out`, then forget all parts. Interrupted, it goes on when called again.

        Until then what was there before stays as it was; what was not made now is removed.
        """
        if not self.has(READY):
            ready = [name for name in self.products if (self.made / name).exists()]
            for name in ready:
                if (self.made / name).is_dir():
                    write_text(self.made / name / UNPUBLISHED, "")
            self.write(READY, ready)
        ready = self.read(READY)
        for name in self.products:
            with machine_errors(out / name):
                self._publish_one(self.made / name, out / name, name in ready)
        self.remove()

    def _publish_one(self, source: Path, target: Path, is_made: bool) -> None:
        if not is_made and target.is_dir() and not target.is_symlink():
            remove_folder(target)
        elif not is_made:
            target.unlink(missing_ok=True)
        elif source.is_file():
            source.replace(target)
        elif (source / UNPUBLISHED).exists():
            move_folder(source, target)
        # Else it got its name before the interruption; what may be there now is what had it.
        if target.is_dir():
            (target / UNPUBLISHED).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.part.json"
