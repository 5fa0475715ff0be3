"""One self-contained page of a record: template, style, script and data in one text.

The record comes from strangers' files. It is embedded once, as data that no parser takes for markup, and the page's
policy lets nothing run but the script that was written here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

STYLES: Final = ("page.css", "images.css", "viewer.css", "tables.css", "summary.css", "narrow.css")
SCRIPTS: Final = (
    "dom.js",
    "record.js",
    "runs.js",
    "outlines.js",
    "loading.js",
    "view.js",
    "overlay.js",
    "switches.js",
    "pointer.js",
    "tables.js",
    "viewer.js",
    "filter.js",
    "list.js",
    "downloads.js",
    "bone_table.js",
    "panel.js",
    "charts.js",
    "summary_tables.js",
    "scatter.js",
    "summary.js",
    "gallery.js",
    "keys.js",
    "main.js",
)
"""In the order in which they are joined: one closure, so that a later file sees the names of an earlier one."""
POLICY: Final = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data: blob: 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)


def render(record: Mapping[str, Any]) -> str:
    """The page of a record.

    Args:
        record: format 1 (see `yolo_bones.page.record`); numbers are finite, what is unknown is None.

    Returns:
        HTML that needs no network; the same record gives the same text.

    Raises:
        ValueError: for a number that JSON does not know.
    """
    from jinja2 import Environment

    style = _joined(STYLES)
    script = f'(() => {{\n"use strict";\n{_joined(SCRIPTS)}}})();\n'
    template = Environment(autoescape=True).from_string(_text_of("page.html.j2"))
    # The template takes style, script and record as they are (written here, or escaped below) and escapes the rest.
    return template.render(
        policy=POLICY.format(script=_digest(script), style=_digest(style)),
        title=_whole_text(str(record["title"])),
        about=[[_whole_text(str(cell)) for cell in pair] for pair in record.get("about", [])],
        style=style,
        script=script,
        record=_as_data(record),
    )


def _text_of(name: str) -> str:
    return (files("yolo_bones.page") / "template" / name).read_text(encoding="utf-8")


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join(_text_of(name) for name in names)


def _digest(text: str) -> str:
    """Name of an inline block in the page's policy: the hash of exactly what stands between its tags."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _as_data(record: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: nothing in it ends the element, and it can be written as UTF-8."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _whole_text(text: str) -> str:
    """Text without the halves of characters that stand for undecodable bytes of a file's name."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
