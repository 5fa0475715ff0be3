"""Turn the table of patients that comes with a data set into a clean CSV.

    python -m converters.metadata_to_csv meta_data.xlsx out.csv --images RAW

English columns (ID, age, sex, weight_kg, height_cm; other named ones are kept as they are), one row a patient. Values
that no person can have become empty and are listed, with what was evidently meant; nothing is corrected by guess.
--json (OUT's name with .report.json) lists every change. --images adds the column `patient`, the folder's name, and
says who is only in one of both. Takes an .xlsx workbook, whose formulas are not evaluated, or a CSV file.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones import __version__
from yolo_bones.claims import claim
from yolo_bones.command_line import run_command, say
from yolo_bones.errors import InputError, one_line
from yolo_bones.files import refuse_inputs, refuse_to_overwrite, replacing, write_text
from yolo_bones.image_files import SUFFIXES
from yolo_bones.metadata_headings import ID
from yolo_bones.patient_metadata import Change, PatientMetadata, clean_sheet, iterate_lines
from yolo_bones.patient_names import PatientJoin, join_folders
from yolo_bones.watched_files import refuse_changed, watch
from yolo_bones.workbooks import Sheet, read_sheets

EXIT_FINDINGS: Final = 1
MOST_SHOWN: Final = 50
IMAGE_FOLDERS: Final = ("DCM", "train/DCM", "test/DCM")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m converters.metadata_to_csv", description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, metavar="TABLE", help="meta_data.xlsx, or the same as CSV")
    parser.add_argument("out", type=Path, metavar="OUT", help="CSV to write")
    parser.add_argument("--images", type=Path, metavar="RAW", help="data set whose patients the rows belong to")
    parser.add_argument("--sheet", metavar="NAME", help="sheet of the workbook, where several have a column ID")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="record of every change (OUT's name with .report.json)"
    )
    parser.set_defaults(data_sets=("images",))
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are values to look at")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier OUT and FILE")
    parser.add_argument("--quiet", action="store_true", help="no summary")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(_convert, build_parser().parse_args(argv))


def _convert(arguments: argparse.Namespace) -> int:
    report_path = _checked_report_path(arguments)
    folders = None if arguments.images is None else find_patient_folders(arguments.images)
    sheets = read_sheets(arguments.table)
    sheet, metadata = clean_sheet(sheets, arguments.sheet)
    join = None if folders is None else join_folders(metadata.rows, set(folders), arguments.table, ID)
    refuse_changed()
    with replacing(arguments.out) as stream:
        lines = iterate_lines(metadata, None if join is None else join.folder_of)
        csv.writer(stream, lineterminator="\n").writerows(lines)
    report = _report(sheet, sheets, metadata, join)
    write_text(report_path, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if not arguments.quiet:
        _say_what_happened(arguments, report, metadata, report_path)
        _say_replaced(report)
    return EXIT_FINDINGS if arguments.strict and metadata.findings else 0


def _checked_report_path(arguments: argparse.Namespace) -> Path:
    out: Path = arguments.out
    if out.is_dir() or out.suffix.lower() != ".csv":
        raise InputError(out, "", "the name of a .csv file to write", "a folder" if out.is_dir() else out.name)
    report: Path = arguments.json or out.with_name(f"{out.stem}.report.json")
    refuse_inputs([out, report], [arguments.table])
    claim(out, report)
    for target in (out, report):
        refuse_to_overwrite(target, arguments.overwrite)
    watch([arguments.table])
    return report


def find_patient_folders(raw: Path) -> dict[str, int]:
    """Patient -> number of images, of `DCM` in a data set, or in its `train` and `test`, or of a folder of patients.

    Raises:
        InputError: there is no such folder, or no patient in it.
    """
    if not raw.is_dir():
        raise InputError(raw, "", "a folder with DCM/, here or in train/ and test/", "nothing there")
    found = [raw / name for name in IMAGE_FOLDERS if (raw / name).is_dir()] or [raw]
    counts: dict[str, int] = {}
    for folder in (folder for place in found for folder in sorted(place.iterdir()) if folder.is_dir()):
        images = sum(path.suffix.lower() in SUFFIXES for path in folder.iterdir() if not path.name.startswith("."))
        if images:
            counts[folder.name] = counts.get(folder.name, 0) + images
    if not counts:
        raise InputError(raw, "", "folders of patients with images in DCM/, here or in train/ and test/", "none")
    return counts


def _say_replaced(report: dict[str, Any]) -> None:
    replaced = report.get("images", {}).get("patient_column_replaced", {})
    if replaced:
        say(f"column patient: {len(replaced)} other entries replaced by names of folders (listed in the report)")


def _report(
    sheet: Sheet, sheets: Sequence[Sheet], metadata: PatientMetadata, join: PatientJoin | None
) -> dict[str, Any]:
    images = {}
    if join is not None:
        joined = len(join.folder_of) - len(join.without_images)
        names = [{"ID": entry, "patient": join.folder_of[entry]} for entry in join.without_images]
        before = {entry: cells.get("patient", "") for entry, cells in metadata.rows.items()}
        replaced = {entry: old for entry, old in before.items() if old not in ("", join.folder_of[entry])}
        images = {
            "images": {
                "patients_joined": joined,
                "rows_without_images": names,
                "images_without_rows": list(join.without_rows),
                **({"patient_column_replaced": replaced} if replaced else {}),
            }
        }
    return {
        "converter": "metadata_to_csv",
        "version": __version__,
        "source": sheet.path.name,
        "sheet": sheet.name or None,
        "other_sheets": [other.name for other in sheets if other is not sheet],
        "source_rows": metadata.source_rows,
        "patients": len(metadata.rows),
        "headings": [
            {"letter": h.letter, "written": h.written, "column": h.column or None, "what": h.what}
            for h in metadata.headings
        ],
        "counts": metadata.counts,
        "empty_cells": metadata.empty_cells,
        **images,
        "findings": [change.as_record() for change in metadata.findings],
        "changes": [change.as_record() for change in metadata.changes],
    }


def _say_what_happened(
    arguments: argparse.Namespace, report: dict[str, Any], metadata: PatientMetadata, report_path: Path
) -> None:
    say(f"{arguments.out}: {len(metadata.rows)} patients of {metadata.source_rows} rows in {arguments.table}")
    named = [f"{h.written} -> {h.column}" for h in metadata.headings if h.column and h.written != h.column]
    kept = [h.written for h in metadata.headings if h.what == "kept"]
    dropped = [h.letter for h in metadata.headings if not h.column]
    for what, names in (("named", named), ("kept as they are", kept), ("dropped, without a heading", dropped)):
        if names:
            say(f"columns {what}: {one_line(', '.join(names), 400)}")
    for name in report["other_sheets"]:
        say(f"sheet {one_line(name)} is not read")
    counts = ", ".join(f"{count} x {kind}" for kind, count in metadata.counts.items())
    empty = ", ".join(f"{column} {count}" for column, count in metadata.empty_cells.items() if count)
    say(f"changes: {counts or 'none'} (each one in {report_path}); empty cells: {empty or 'none'}")
    for change in metadata.findings[:MOST_SHOWN]:
        say(_finding_line(change))
    if len(metadata.findings) > MOST_SHOWN:
        say(f"... and {len(metadata.findings) - MOST_SHOWN} more")
    if "images" in report:
        images = report["images"]
        say(f"{images['patients_joined']} patients have a row and images")
        for what, names in (
            ("rows without images", [record["patient"] for record in images["rows_without_images"]]),
            ("patients with images but no row", images["images_without_rows"]),
        ):
            if names:
                shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
                say(f"{len(names)} {what}: {one_line(shown, 400)}")


def _finding_line(change: Change) -> str:
    """One value to look at."""
    if change.fault is None:
        return ""
    who = f" (ID {one_line(change.patient)})" if change.patient else ""
    meant = "" if change.fault.proposal is None else f", {change.fault.proposal} was perhaps meant"
    left = "kept" if change.now else "left empty" if change.now == "" else "not a row of its own in the CSV"
    written = one_line(change.as_record()["written"])
    return f"row {change.row}{who}: {change.column}: expected {change.fault.expected}, got {written}{meant}; {left}"


if __name__ == "__main__":
    sys.exit(main())
