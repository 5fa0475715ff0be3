"""Recall of the label audit on sets with planted errors, and errors it raises on images without any.

    python -m tests.measure_audit SET [SET ...] [--workers 2] [--json FILE]

Each SET is a folder of `make_phantoms --plant-errors N`, or one without planted errors, of which all images count as
right. Prints Markdown. Not a test: `make audit` makes the sets of docs/audit.md and runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_bones import audit_points
from yolo_bones.files import write_text
from yolo_bones.phantom.planted_errors import KINDS, SAME_IMAGE

EXCHANGES = (
    "mirrored_hand",
    "mirrored_labels",
    "rotated_lower_row",
    "rotated_upper_row",
    "exchanged_neighbours",
    "exchanged_trapezium_trapezoid",
)


@dataclass
class Tally:
    """Of one kind of error."""

    planted: int = 0
    found: int = 0
    as_error: int = 0
    bones: float = 0.0
    named: int = 0
    missed: list[str] = field(default_factory=list)


def audit(folder: Path, workers: int) -> dict[str, Any]:
    """The audit's JSON of a set."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "audit.json"
        with contextlib.redirect_stdout(io.StringIO()):
            code = audit_points.main([str(folder), "--json", str(report), "--workers", str(workers)])
        assert code == 0, folder
        record: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return record


def tally(record: dict[str, Any], errors: list[dict[str, Any]]) -> tuple[dict[str, Tally], dict[str, list[str]], int]:
    """Planted errors by kind; image without errors -> kinds of error raised on it; number of such images."""
    by_image: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for finding in record["findings"]:
        by_image[finding["image"]].append(finding)
    tallies: dict[str, Tally] = defaultdict(Tally)
    touched = set()
    for error in errors:
        touched |= {error["image"], error.get("copy", error)["image"]}
        about = [
            one for one in by_image[error["image"]] if (error["kind"] == SAME_IMAGE) == one["kind"].startswith("same")
        ]
        wanted = set(error["bones"]) or {""}
        hit = {one["bone"] for one in about} & wanted
        one = tallies[error["kind"]]
        one.planted += 1
        one.found += bool(hit)
        one.as_error += any(finding["severity"] == "error" and finding["bone"] in wanted for finding in about)
        one.bones += len(hit) / len(wanted)
        one.named += any(finding["kind"] == error["kind"] for finding in about)
        if not hit:
            one.missed.append(f"{error['image']} {' '.join(error['bones'])}")
    false = {
        name: [f"{one['bone']} {one['kind']}" for one in found if one["severity"] == "error"]
        for name, found in by_image.items()
        if name not in touched and any(one["severity"] == "error" for one in found)
    }
    return tallies, false, record["images_checked"] - len(touched)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, raised, records = [], [], {}
    for folder in arguments.sets:
        record = audit(folder, arguments.workers)
        planted = folder / "planted_errors.json"
        tallies, false, right = tally(record, json.loads(planted.read_text()) if planted.exists() else [])
        records[folder.name] = {
            "audit": record,
            "false": false,
            "right": right,
            "missed": {k: t.missed for k, t in tallies.items()},
        }
        rows.append((folder.name, tallies))
        raised.append((folder.name, right, false))
    names = [name for name, tallies in rows if tallies]
    print("| planted | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for kind in (*KINDS, "exchanged labels", "all kinds"):
        wanted = {"exchanged labels": EXCHANGES, "all kinds": KINDS}.get(kind, (kind,))
        cells = []
        for _, tallies in rows:
            if tallies:
                found, planted_count = (
                    sum(getattr(tallies[one], name) for one in wanted) for name in ("found", "planted")
                )
                cells.append(
                    f"{found} of {planted_count}"
                    + (f" ({found / max(1, planted_count):.3f})" if len(wanted) > 1 else "")
                )
        print(f"| {kind.replace('_', ' ')} | " + " | ".join(cells) + " |")
    for title, name in (
        ("found as an error", "as_error"),
        ("of the right kind", "named"),
        ("bones at fault that were named", "bones"),
    ):
        shares = [
            f"{sum(getattr(t, name) for t in tallies.values()) / sum(t.planted for t in tallies.values()):.3f}"
            for _, tallies in rows
            if tallies
        ]
        print(f"| {title} | " + " | ".join(shares) + " |")
    print()
    for name, right, false in raised:
        print(f"{name}: {len(false)} of {right} right images with an error {json.dumps(false)}")
    for name, tallies in rows:
        for kind, one in tallies.items():
            if one.missed:
                print(f"{name}: missed {kind}: {one.missed}")
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
