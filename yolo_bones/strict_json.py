"""JSON of unknown origin, read strictly: whole, UTF-8, every key once, no NaN or Infinity."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from yolo_bones.errors import InputError

MOST_BYTES: Final = 2_000_000_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_strict_json(
    path: Path, counters: Counter[str], most_bytes: int = MOST_BYTES, *, nan_refused: bool = True
) -> Any:
    """The value that a file holds.

    Args:
        path: of the file.
        counters: a byte order mark is counted here as `bom`.
        most_bytes: a longer file is refused.
        nan_refused: False where the caller names the field of a NaN itself.

    Raises:
        InputError: not readable, too large, cut, not UTF-8, a key twice in one object, NaN or Infinity, lists nested
            thousands deep, a number of thousands of digits.
    """
    try:
        if path.stat().st_size > most_bytes:
            size_mb = path.stat().st_size / 1e6
            raise InputError(path, "", f"a JSON file of at most {most_bytes / 1e6:.0f} MB", f"{size_mb:.1f} MB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", "a readable JSON file", error.strerror) from error
    if content.startswith(BYTE_ORDER_MARK):
        counters["bom"] += 1
        content = content[len(BYTE_ORDER_MARK) :]
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_distinct_keys,
            parse_constant=_refused if nan_refused else float,
        )
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "JSON in UTF-8", "other bytes") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(path, place, "JSON", error.msg if content.strip() else "an empty file") from error
    except _Refused as error:
        raise InputError(path, "", error.expected, error.got) from error
    except RecursionError as error:
        raise InputError(path, "", "JSON of a sane depth", "lists nested thousands deep") from error
    except ValueError as error:
        raise InputError(path, "", "numbers of a sane length", str(error)) from error


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
