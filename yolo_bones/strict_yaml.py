"""YAML of unknown origin, read strictly: plain values alone, every key once, of a bounded size.

Aliases are refused: nine short lines of them stand for more values than any memory holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from yolo_bones.errors import InputError

MOST_YAML_BYTES: Final = 1 << 16
"""A second's work for the reader."""
LONGEST_NUMBER: Final = 64
"""Digits; sixties (`1:30:00`) and other bases make numbers of any size of them."""


class StrictNodes:
    """For a loader of PyYAML, before it in the bases: a doubled key, a tag or an alias is an error."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse what is more than a plain value."""
        event: Any = self.peek_event()  # type: ignore[attr-defined]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.constructor.ConstructorError(None, None, "a tag or an alias", event.start_mark)
        return super().compose_node(parent, index)  # type: ignore[misc, no-any-return]

    def construct_scalar(self, node: Any) -> Any:
        """Refuse what escapes can make and no file name or message holds: zero bytes, halves of characters."""
        value = super().construct_scalar(node)  # type: ignore[misc]
        if isinstance(value, str) and any(
            character == "\0" or "\ud800" <= character <= "\udfff" for character in value
        ):
            raise yaml.constructor.ConstructorError(None, None, "an escape that is no text", node.start_mark)
        is_number = str(node.tag).endswith((":int", ":float"))
        if is_number and len(node.value) > LONGEST_NUMBER:
            raise yaml.constructor.ConstructorError(None, None, "a number of very many digits", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a doubled key."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[attr-defined]
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key} twice", node.start_mark)
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))  # type: ignore[misc]


class PlainLoader(StrictNodes, yaml.SafeLoader):
    """Plain values."""


def read_strict_yaml(path: Path, wanted: str = "a readable YAML file", loader: type[Any] = PlainLoader) -> Any:
    """The value that a file holds.

    Args:
        path: of the file.
        wanted: what it should be, for messages.
        loader: a loader of PyYAML with `StrictNodes`.

    Raises:
        InputError: not readable, too large, not UTF-8, or no plain YAML.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(path, "", "a YAML file", "a folder" if path.is_dir() else "a pipe or device")
        if size > MOST_YAML_BYTES:
            raise InputError(path, "", f"at most {MOST_YAML_BYTES} bytes", size)
        return yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - makes plain values only
    except FileNotFoundError as error:
        raise InputError(path, "", "an existing file") from error
    except OSError as error:
        raise InputError(path, "", "a readable YAML file", error.strerror) from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "UTF-8 text") from error
    except RecursionError as error:
        raise InputError(path, "", wanted, "lists nested hundreds deep") from error
    except (yaml.YAMLError, ArithmeticError, TypeError, ValueError) as error:
        raise InputError(path, "", wanted, " ".join(str(error).split())) from error
