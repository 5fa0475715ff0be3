"""The one guarded door for weights: a checkpoint is a pickle, and a pickle is code."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import stat
import tempfile
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yolo_bones.archives import open_zip
from yolo_bones.bones import BONES
from yolo_bones.detector.environment import prepare
from yolo_bones.errors import InputError, MachineError, RefusedError, one_line

prepare()

import torch  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

SHIPPED: Final = Path(__file__).resolve().parents[2] / "weights" / "bones-n.pt"
"""How they look best stands beside them; see `stored_settings`."""
MOST_BYTES: Final = 1_000_000_000
ZIP_START: Final = b"PK\x03\x04"
PICKLE_START: Final = b"\x80"
MOST_TIMES: Final = 10
"""torch packs nothing; a file whose parts unpack to more than so many times its bytes is made to take memory."""
LEAST_INPUT_PX: Final = 32
MOST_INPUT_PX: Final = 8192
TRIAL_PX: Final = 64
STRIDES: Final = (8, 16, 32, 64)
MOST_LISTED_BYTES: Final = 1 << 16
LISTED: Final = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
REFUSED_PART: Final = re.compile(r"(?:GLOBAL|class|operand) ([\w.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A checkpoint that passed the door.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        network: in float32, evaluation mode.
        overlap_mask: whether it was trained with masks flattened into one map; None when the file does not say.
        training_size: imgsz of its training; None when the file does not say.
        arguments: all that the file says about its training.
    """

    path: Path
    sha256: str
    network: torch.nn.Module
    overlap_mask: bool | None
    training_size: int | None
    arguments: dict[str, Any]


class _Stranger:
    """A class that no allow-list names; its pickle must be refused."""


def load_weights(path: Path, *, any_classes: bool = False) -> Weights:
    """Load a YOLOv8-seg checkpoint with torch's weights-only unpickler, after checking that it is in force.

    Args:
        path: of the file.
        any_classes: it may be made for other classes than the 29 bones, to begin a training with.

    Raises:
        InputError: no such file, or not a segmentation checkpoint, or not for the 29 bones.
        RefusedError: it would run code, or its SHA-256 is not the one written beside it.
        MachineError: safe loading is not in force.
    """
    content_hash = _checked_hash(path)
    verify_safe_loading()
    try:
        checkpoint = _safe_load(path)
    except MemoryError:
        raise
    except Exception as error:
        # A stranger's pickle makes its reader raise anything.
        cause = error.__cause__
        if isinstance(cause, pickle.UnpicklingError) and "outside the supported" in str(error):
            raise RefusedError(f"{path}: refused, holds more than weights: {_refused_part(cause)}") from error
        raise InputError(path, "", "a YOLOv8-seg checkpoint", _first_line(error)) from error
    network = checkpoint.get("model") if checkpoint.get("ema") is None else checkpoint["ema"]
    if not isinstance(network, torch.nn.Module):
        raise InputError(path, "model", "a network", type(network).__name__)
    _check_head(path, network)
    if not any_classes:
        _check_names(path, network)
    arguments = checkpoint.get("train_args") or {}
    if not isinstance(arguments, dict):
        raise InputError(path, "train_args", "a mapping", type(arguments).__name__)
    training_size, overlap_mask = arguments.get("imgsz"), arguments.get("overlap_mask")
    if isinstance(training_size, int) and not LEAST_INPUT_PX <= training_size <= MOST_INPUT_PX:
        expected = f"a whole number from {LEAST_INPUT_PX} to {MOST_INPUT_PX}"
        raise InputError(path, "train_args.imgsz", expected, training_size)
    return Weights(
        path=path,
        sha256=content_hash,
        network=_tried(path, network),
        overlap_mask=overlap_mask if isinstance(overlap_mask, bool) else None,
        training_size=training_size if isinstance(training_size, int) else None,
        arguments=arguments,
    )


def verify_safe_loading() -> None:
    """Prove that safe loading is in force: a checkpoint holding an unlisted class must be refused.

    Raises:
        MachineError: it was loaded.
    """
    with tempfile.TemporaryDirectory(prefix="yolo_bones-") as folder:
        probe = Path(folder) / "probe.pt"
        torch.save({"model": _Stranger()}, probe)
        try:
            _safe_load(probe)
        except TypeError:
            return
    raise MachineError("safe loading of weights is not in force with the torch and ultralytics installed here")


def _safe_load(path: Path) -> dict[str, Any]:
    """The only call in this project that unpickles."""
    with warnings.catch_warnings():
        # torch asks for a bug report about each strange pickle; whether it is refused is what counts.
        warnings.simplefilter("ignore", UserWarning)
        checkpoint, _ = tasks.torch_safe_load(str(path), safe_only=True)  # type: ignore[no-untyped-call]
    return dict(checkpoint)


def _tried(path: Path, network: torch.nn.Module) -> torch.nn.Module:
    """The network in float32 and evaluation mode, after it read one small image: its parts may be anything."""
    try:
        network = network.float().eval()
        stride: Any = network.stride
        if int(stride.max()) not in STRIDES:
            raise InputError(path, "stride", f"one of {', '.join(map(str, STRIDES))}", stride.tolist())
        with torch.no_grad():
            # A copy: the head keeps what it made for this size, and would be shipped with it.
            deepcopy(network)(torch.zeros(1, 3, TRIAL_PX, TRIAL_PX))
    except InputError:
        raise
    except Exception as error:
        raise InputError(path, "model", "a network that reads an image", _first_line(error)) from error
    return network


def _checked_hash(path: Path) -> str:
    """SHA-256 of the file; refused when a `.sha256` file beside it says otherwise."""
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            raise InputError(path, "", "a weights file", "something that is not a plain file")
        if path.suffix != ".pt":
            raise InputError(path, "", "a .pt file", path.suffix or "no suffix")
        if kind.st_size > MOST_BYTES:
            raise InputError(path, "", f"at most {MOST_BYTES} bytes", kind.st_size)
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise InputError(path, "", "a readable weights file", error.strerror) from error
    listed = path.with_name(f"{path.name}.sha256")
    if os.path.lexists(listed):
        wanted = _listed_hash(listed, path.name)
        if wanted != found:
            raise RefusedError(f"{path}: sha256 is {found}, but {listed.name} says {wanted}")
    if not content.startswith((ZIP_START, PICKLE_START)):
        raise InputError(path, "", "a YOLOv8-seg checkpoint", "another kind of file" if content else "an empty file")
    if content.startswith(ZIP_START):
        _check_unpacked(path, len(content))
    return found


def _check_unpacked(path: Path, packed: int) -> None:
    with path.open("rb") as raw, open_zip(path, raw) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_TIMES * packed:
        expected = f"parts of at most {MOST_TIMES} times the file's {packed} bytes, unpacked"
        raise InputError(path, "", expected, f"{unpacked} bytes")


def _listed_hash(listed: Path, name: str) -> str:
    """What a `.sha256` file says of the file it lies beside, in the words of sha256sum, BSD, or alone."""
    try:
        with listed.open("rb") as stream:
            content = stream.read(MOST_LISTED_BYTES) if listed.is_file() else b""
    except OSError:
        return "nothing that can be read"
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    lines = [line for line in content.decode(encoding, errors="replace").splitlines() if LISTED.search(line)]
    # A list of several files has a line for this one.
    lines = [line for line in lines if name in line] if len(lines) > 1 else lines
    hashes = {found.lower() for line in lines for found in LISTED.findall(line)}
    return hashes.pop() if len(hashes) == 1 else "no SHA-256 of it"


def _check_head(path: Path, network: torch.nn.Module) -> None:
    layers = getattr(network, "model", None)
    head = layers[-1] if isinstance(layers, torch.nn.Sequential) and len(layers) else None
    if type(head).__name__ != "Segment":
        raise InputError(path, "model", "YOLOv8-seg, with a Segment head", type(head).__name__)


def _check_names(path: Path, network: torch.nn.Module) -> None:
    names: Any = getattr(network, "names", None)
    listed = dict(enumerate(names)) if isinstance(names, (list, tuple)) else names
    if listed != dict(enumerate(BONES)):
        found = ", ".join(map(str, listed.values())) if isinstance(listed, dict) else listed
        raise InputError(path, "names", "the 29 bone names in channel order", found)


def _first_line(error: BaseException) -> str:
    return one_line(str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__, 200)


def _refused_part(error: BaseException) -> str:
    """What torch's unpickler stopped at; the rest of its message says how to load it all the same."""
    found = REFUSED_PART.search(str(error))
    return found[1] if found else _first_line(error)
