"""JSON of unknown origin, read strictly: whole, UTF-8, every key once, no NaN or Infinity, of a bounded depth."""

from __future__ import annotations

import contextlib
import gc
import json
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from yolo_bones.errors import InputError

MOST_BYTES: Final = 2_000_000_000
MOST_DEPTH: Final = 64
LISTS_AN_OBJECT: Final = 6
KEYS_AN_OBJECT: Final = 3
MOST_SHOWN: Final = 30
"""Characters of what is no JSON."""
CHUNK_BYTES: Final = 4_000_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
QUOTE: Final = ord('"')
OPENS_OBJECT: Final = ord("{")
NAMES_VALUE: Final = ord(":")
STEPS: Final = np.zeros(256, dtype=np.int8)
"""How far each byte leads into lists and objects, or out of them."""
STEPS[[ord("["), OPENS_OBJECT]] = 1
STEPS[[ord("]"), ord("}")]] = -1


def read_strict_json(
    path: Path,
    counters: Counter[str],
    most_bytes: int = MOST_BYTES,
    *,
    nan_refused: bool = True,
    most_objects: int | None = None,
) -> Any:
    """The value that a file holds.

    Args:
        path: of the file.
        counters: a byte order mark is counted here as `bom`.
        most_bytes: a longer file is refused.
        nan_refused: False where the caller names the field of a NaN itself.
        most_objects: that the file may hold, six times as many lists and three times as many keys, where millions
            of empty ones should not be built at all.

    Raises:
        InputError: no plain file, not readable, too large, cut, not UTF-8, a key twice in one object, NaN or Infinity,
            nested more than 64 deep, a number of thousands of digits, a zero byte.
    """
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            raise InputError(path, "", "a JSON file", "something that is not a plain file")
        if kind.st_size > most_bytes:
            size_mb = kind.st_size / 1e6
            raise InputError(path, "", f"a JSON file of at most {most_bytes / 1e6:.0f} MB", f"{size_mb:.1f} MB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", "a readable JSON file", error.strerror) from error
    if content.startswith(BYTE_ORDER_MARK):
        counters["bom"] += 1
        content = content[len(BYTE_ORDER_MARK) :]
    if b"\0" in content:
        raise InputError(path, f"byte {content.index(0)}", "JSON in UTF-8", "a zero byte (is it UTF-16, or no text?)")
    _check_nesting(path, content, most_objects)
    try:
        with collector_paused():
            return json.loads(
                content.decode("utf-8"),
                object_pairs_hook=_distinct_keys,
                parse_constant=_refused if nan_refused else float,
            )
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "JSON in UTF-8", "other bytes") from error
    except json.JSONDecodeError as error:
        raise _not_json(path, error) from error
    except _Refused as error:
        raise InputError(path, "", error.expected, error.got) from error
    except ValueError as error:
        raise InputError(path, "", "numbers of a sane length", str(error)) from error


def _not_json(path: Path, error: json.JSONDecodeError) -> InputError:
    """What the parser wants at a place, and what stands there."""
    if not error.doc.strip():
        return InputError(path, "", "JSON", "an empty file")
    wanted = error.msg.removeprefix("Expecting ") if error.msg.startswith("Expecting") else ""
    expected = f"JSON, {'a ' if wanted[0].isalpha() else ''}{wanted} here" if wanted else f"JSON ({error.msg.lower()})"
    there = error.doc[error.pos : error.pos + MOST_SHOWN]
    got = repr(there) if there.strip() else "the end of the file"
    return InputError(path, f"line {error.lineno}, column {error.colno}", expected, got)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No search for garbage meanwhile: among millions of lists that are all in use it takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_nesting(path: Path, content: bytes, most_objects: int | None) -> None:
    """Before anything is built of it: a file of brackets alone would take a hundred times its size in memory."""
    # What is escaped ends no text; a text's own brackets are none.
    plain = content.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in content else content
    within, depth, objects, lists, keys = False, 0, 0, 0, 0
    for start in range(0, len(plain), CHUNK_BYTES):
        codes = np.frombuffer(plain, dtype=np.uint8, count=min(CHUNK_BYTES, len(plain) - start), offset=start)
        in_text = np.logical_xor.accumulate(codes == QUOTE) ^ within
        steps = STEPS[codes]
        steps[in_text] = 0
        depths = np.cumsum(steps, dtype=np.int32) + depth
        if depths.max() > MOST_DEPTH:
            raise InputError(path, "", f"JSON nested at most {MOST_DEPTH} deep", "more")
        opened = codes[steps > 0]
        objects += int(np.count_nonzero(opened == OPENS_OBJECT))
        lists += len(opened)
        keys += int(np.count_nonzero((codes == NAMES_VALUE) & ~in_text))
        if most_objects is not None and (
            objects > most_objects or lists > LISTS_AN_OBJECT * most_objects or keys > KEYS_AN_OBJECT * most_objects
        ):
            many = f"{KEYS_AN_OBJECT * most_objects} keys and {LISTS_AN_OBJECT * most_objects} lists"
            raise InputError(path, "", f"at most {most_objects} objects, {many}", "more")
        within, depth = bool(in_text[-1]), int(depths[-1])


class _Refused(Exception):
    def __init__(self, expected: str, got: str) -> None:
        self.expected, self.got = expected, got
        super().__init__(got)


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise _Refused("each key once in an object", f"{twice!r} twice")
    return found


def _refused(constant: str) -> Any:
    raise _Refused("finite numbers", constant)
