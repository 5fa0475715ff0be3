"""What `train_bones` is pointed at: a data file, and perhaps one that describes a network. Read here, as plain YAML.

Ultralytics runs what a data file says under `download`, evaluates what a model file says under `activation`, and calls
whatever else it names as a layer. It is handed neither before it was looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from yolo_bones.errors import InputError, RefusedError
from yolo_bones.training_arguments import read_yaml

DATA_KEYS: Final = ("path", "train", "val", "test", "names", "nc", "channels", "download")
CHANNELS: Final = 3
MOST_REPEATS: Final = 100
"""Of a layer; a network is built before anything else can be told of it."""
SUBSETS: Final = ("train", "val", "test")
MODEL_KEYS: Final = ("nc", "scales", "scale", "backbone", "head", "width_multiple", "depth_multiple", "max_channels")
SCALE: Final = re.compile(r"(\d+)([nslmx])(.+)?$")
"""In `yolov8n-seg.yaml`: the file is yolov8-seg.yaml, the letter one of its scales."""


def read_data_file(path: Path) -> dict[str, Any]:
    """The folders and names of a data file, paths made absolute; nothing it says is run.

    Raises:
        InputError: a key that is missing or unknown, or a value that cannot be.
        RefusedError: it would run or fetch something.
    """
    values = read_yaml(path)
    if values.get("download"):
        raise RefusedError(f"{path}: download: would be run; take the line out, and fetch the data yourself")
    unknown = sorted(values.keys() - set(DATA_KEYS))
    if unknown:
        raise InputError(path, unknown[0], f"one of {', '.join(DATA_KEYS[:-1])}", "an unknown key")
    names = values.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise InputError(path, "names", "the names of the classes", names)
    for key, wanted in (("nc", len(names)), ("channels", CHANNELS)):
        if values.get(key, wanted) != wanted or isinstance(values.get(key), bool):
            raise InputError(path, key, str(wanted), values[key])
    root = _root(path, values.get("path"))
    found: dict[str, Any] = {
        "path": root,
        "names": names,
        "nc": len(names),
        "channels": CHANNELS,
        "yaml_file": str(path),
    }
    for subset in SUBSETS:
        value = values.get(subset)
        if value is None and subset != "test":
            raise InputError(path, subset, "a folder of images or a list", "none")
        if value is not None:
            found[subset] = _place(path, subset, root, value)
    return found


def _root(path: Path, given: object) -> Path:
    """Where folders count from: `path`, from the working folder or the file's own; else the file's folder."""
    if given is None:
        return path.parent
    if not isinstance(given, str) or "://" in given:
        raise InputError(path, "path", "a folder", given)
    here = Path(given)
    return here if here.is_absolute() or _exists(here) else path.parent / given


def _exists(place: Path) -> bool:
    """Whether it is there; a name that no file can have is not."""
    try:
        return place.exists()
    except (OSError, ValueError):
        return False


def _place(path: Path, subset: str, root: Path, value: object) -> str:
    if not isinstance(value, str) or "://" in value:
        raise InputError(path, subset, "one folder", value)
    place = (root / value).resolve()
    if not _exists(place):
        raise InputError(path, subset, "an existing folder of images or list of them", place)
    return str(place)


def check_model(name: str, package: Path) -> None:
    """Refuse a description of a network that is more than layers which the installed ultralytics itself segments with.

    Args:
        name: `model=`; of a checkpoint nothing is said here, it has a door of its own.
        package: folder of ultralytics.

    Raises:
        InputError: not readable, or not such a description.
        RefusedError: it would fetch something, or names what is no such layer.
    """
    if "://" in name:
        raise RefusedError(f"model={name}: would be fetched; give a file")
    if not name.lower().endswith((".yaml", ".yml")):
        return
    # Where ultralytics looks first; what is in neither place comes from the package itself.
    path = next((file for file in (Path(name), Path(SCALE.sub(r"\1\3", name))) if file.is_file()), None)
    if path is None:
        return
    values = read_yaml(path)
    unknown = sorted(values.keys() - set(MODEL_KEYS))
    if unknown:
        raise RefusedError(f"{path}: {unknown[0]}: is not read from a model file; expected {', '.join(MODEL_KEYS)}")
    known = set(_layers(package.glob("cfg/models/**/*seg*.yaml")))
    for kind in _layers_of(path, values):
        if kind not in known:
            raise RefusedError(f"{path}: {kind}: is no layer that ultralytics segments with")


def _layers(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        yield from _layers_of(file, yaml.safe_load(file.read_text(encoding="utf-8")))


def _layers_of(path: Path, values: dict[str, Any]) -> Iterator[str]:
    for part in ("backbone", "head"):
        rows = values.get(part)
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 4 for row in rows):
            raise InputError(path, part, "a list of layers: from, repeats, kind, arguments", rows)
        for _, repeats, kind, arguments in rows:
            yield str(kind)
            if not isinstance(repeats, int) or not 1 <= repeats <= MOST_REPEATS:
                raise InputError(path, part, f"1 to {MOST_REPEATS} repeats", repeats)
            if not isinstance(arguments, list):
                raise InputError(path, part, "a list of arguments", arguments)
