"""What the converters of a data set share: arguments, the check of all input, the report."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yolo_bones import __version__
from yolo_bones.command_line import progress, say
from yolo_bones.data_set import CheckedPair, DataSet, Pair, check_data_set, fingerprint
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.resumable import PartFolder


def build_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Arguments that every converter takes."""
    parser = argparse.ArgumentParser(prog=f"python -m converters.{name}", description=description)
    parser.add_argument("raw", type=Path, metavar="RAW", help="folder with DCM/ and outputs_json/, or with train/")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier conversion in OUT")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def read_checked(raw: Path, quiet: bool) -> DataSet:
    """Check the whole data set with a progress bar; raises all faults at once."""

    def watch(pairs: Iterable[Pair]) -> Iterable[Pair]:
        listed = list(pairs)
        return progress(listed, "checking", len(listed), quiet)

    return check_data_set(raw, watch)


def open_out(
    arguments: argparse.Namespace, data_set: DataSet, products: tuple[str, ...], settings: dict[str, Any]
) -> PartFolder:
    """Prepare OUT: refuse a finished conversion, go on with an interrupted one.

    Args:
        arguments: with `out` and `overwrite`.
        data_set: the input; its fingerprint is part of the settings.
        products: names that this converter makes in OUT.
        settings: options that change the result.
    """
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    source, target = data_set.root.resolve(), out.resolve()
    # OUT may lie above the source (a project's folder), but nothing written or replaced in it may hold the source.
    if target.is_relative_to(source) or any(source.is_relative_to(target / name) for name in products):
        raise RefusedError(f"{out}: overlaps the source data {data_set.root}, which is never changed")
    parts = out / ".parts"
    present = [name for name in products if (out / name).exists()]
    if arguments.overwrite:
        if present and settings["converter"] not in (_maker(out / "report.json"), _maker(parts / "settings.json")):
            raise RefusedError(f"{out}: holds {', '.join(present)} that {settings['converter']} did not make")
        for name in present:
            product = out / name
            shutil.rmtree(product) if product.is_dir() and not product.is_symlink() else product.unlink()
    elif present and not (parts / "settings.json").exists():
        raise RefusedError(f"{out}: holds {', '.join(present)} already; give --overwrite to replace it")
    record = {**settings, "input": fingerprint(data_set), "version": __version__}
    folder = PartFolder(parts, record, fresh=arguments.overwrite)
    if out.exists():
        sweep_temporaries(out)
    return folder


def _maker(record: Path) -> str | None:
    """The converter that a report or an unfinished run names."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("converter") if isinstance(found, dict) else None


def show_progress(data_set: DataSet, what: str, quiet: bool) -> Iterable[CheckedPair]:
    """The data set's pairs with a progress bar."""
    return progress(data_set.pairs, what, len(data_set.pairs), quiet)


def finish(out: Path, parts: PartFolder, report: dict[str, Any], quiet: bool) -> int:
    """Write the report, forget the parts, say what was mended."""
    write_text(out / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    parts.remove()
    for counter, count in report["counters"].items():
        say(f"mended {count} x {counter} (listed in {out / 'report.json'})", quiet)
    return 0
