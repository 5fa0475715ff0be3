"""What the converters of a data set share: arguments, the check of all input, the report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from yolo_bones import __version__
from yolo_bones.claims import claim
from yolo_bones.command_line import progress, say
from yolo_bones.data_set import CheckedPair, DataSet, Pair, check_data_set, fingerprint
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.files import sweep_temporaries, write_text
from yolo_bones.resumable import PartFolder
from yolo_bones.watched_files import refuse_changed
from yolo_bones.watched_files import watch as watch_files

REPORT: Final = "report.json"

NOT_MENDED: Final = ("added_px", "empty_annotations", "lost_px", "missing_bones")
"""Counters of what is as it is: told, but nothing was put right there."""


def build_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Arguments that every converter takes."""
    parser = argparse.ArgumentParser(prog=f"python -m converters.{name}", description=description)
    parser.add_argument("raw", type=Path, metavar="RAW", help="folder or .zip with DCM/ and outputs_json/")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier conversion in OUT")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser


def read_checked(raw: Path, quiet: bool, out: Path | None = None) -> DataSet:
    """Check the whole data set with a progress bar; raises all faults at once.

    Args:
        raw: the data set.
        quiet: no progress bar.
        out: claimed before, so that nobody waits for the check only to hear that nothing can be written.
    """
    if out is not None:
        claim_early(out, raw)

    def watch(pairs: Iterable[Pair]) -> Iterable[Pair]:
        listed = list(pairs)
        watch_files(path for pair in listed for path in (pair.image, pair.annotation))
        return progress(listed, "checking", len(listed), quiet)

    return check_data_set(raw, watch)


def claim_early(out: Path, source: Path) -> None:
    """Claim OUT before anything is read, unless it is one to be refused later, or lies in the source."""
    is_refused = out.exists() and not out.is_dir()
    if not is_refused and not out.resolve().is_relative_to(source.resolve()):
        claim(out)


def open_out(
    arguments: argparse.Namespace,
    data_set: DataSet,
    products: tuple[str, ...],
    settings: dict[str, Any],
    added: DataSet | None = None,
) -> PartFolder:
    """Prepare OUT: refuse a finished conversion, go on with an interrupted one.

    A converter writes below `made` of what is returned; `finish` puts that into OUT, in the place of what was there.

    Args:
        arguments: with `out` and `overwrite`.
        data_set: the input; its fingerprint is part of the settings.
        products: names that this converter makes in OUT.
        settings: options that change the result.
        added: a second input.
    """
    inputs = {"input": fingerprint(data_set), **({} if added is None else {"added": fingerprint(added)})}
    sources = [data_set.root, *([] if added is None else [added.root])]
    return open_folder(arguments, sources, products, {**settings, **inputs})


def open_folder(
    arguments: argparse.Namespace, sources: Iterable[Path], products: tuple[str, ...], settings: dict[str, Any]
) -> PartFolder:
    """The same for a converter whose input is no data set.

    Args:
        arguments: with `out` and `overwrite`.
        sources: folders and files that are read.
        products: names that this converter makes in OUT.
        settings: `converter`, options that change the result, and what tells one input from another.
    """
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    target = out.resolve()
    for place in sources:
        source = place.resolve()
        # OUT may lie above the source (a project's folder), but nothing written or replaced in it may hold the source.
        if target.is_relative_to(source) or any(source.is_relative_to(target / name) for name in products):
            raise RefusedError(f"{out}: overlaps the source data {place}, which is never changed")
    claim(out)
    parts = out / ".parts"
    present = [name for name in products if (out / name).exists()]
    if is_dry(out):
        # The report of a check that made nothing; what is made now takes its name.
        present.remove(REPORT)
    if arguments.overwrite:
        if present and settings["converter"] not in (_maker(out / "report.json"), _maker(parts / "settings.json")):
            raise RefusedError(f"{out}: holds {', '.join(present)} that {settings['converter']} did not make")
    elif present and not (parts / "settings.json").exists():
        raise RefusedError(f"{out}: holds {', '.join(present)} already; give --overwrite to replace it")
    folder = PartFolder(parts, {**settings, "version": __version__}, fresh=arguments.overwrite, products=products)
    if out.exists():
        sweep_temporaries(out)
    return folder


def is_dry(out: Path) -> bool:
    """Whether the report in OUT is of a check that made nothing."""
    return _report_in(out / REPORT).get("dry_run") is True


def report_check(arguments: argparse.Namespace, data_set: DataSet, converter: str) -> int:
    """End a run that only reads and checks: write what was mended, and nothing else.

    Raises:
        RefusedError: OUT holds a finished conversion.
    """
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise InputError(out, "", "a folder", "a file")
    if out.resolve().is_relative_to(data_set.root.resolve()):
        raise RefusedError(f"{out}: overlaps the source data {data_set.root}, which is never changed")
    if (out / REPORT).exists() and not is_dry(out):
        raise RefusedError(f"{out}: holds a conversion; give another folder to check into")
    claim(out)
    report = {"converter": converter, "dry_run": True, "version": __version__, **data_set.report()}
    refuse_changed()
    write_text(out / REPORT, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for counter, count in report["counters"].items():
        say(f"{count} x {counter} to be mended (listed in {out / REPORT})", arguments.quiet)
    say(f"{arguments.raw}: {report['images']} images of {report['patients']} patients can be read", arguments.quiet)
    return 0


def _maker(record: Path) -> str | None:
    """The converter that a report or an unfinished run names."""
    return _report_in(record).get("converter")


def _report_in(record: Path) -> dict[str, Any]:
    """What a file says, where it is one of ours."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def show_progress(data_set: DataSet, what: str, quiet: bool) -> Iterable[CheckedPair]:
    """The data set's pairs with a progress bar."""
    return progress(data_set.pairs, what, len(data_set.pairs), quiet)


def finish(out: Path, parts: PartFolder, report: dict[str, Any], quiet: bool) -> int:
    """Write the report, give all that was made its names in OUT, say what was mended."""
    write_text(parts.made / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    refuse_changed()
    parts.publish(out)
    for counter, count in report["counters"].items():
        mended = "" if counter in NOT_MENDED else "mended "
        say(f"{mended}{count} x {counter} (listed in {out / 'report.json'})", quiet)
    return 0
