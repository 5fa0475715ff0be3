"""Everything that a report on tables of run lengths reads, checked as a whole before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from yolo_bones.errors import InputError, InputErrors
from yolo_bones.image_sources import find_images, patients_of_folders
from yolo_bones.image_table import patients_of_images, read_patients
from yolo_bones.page.given_findings import GivenAudit, read_audit
from yolo_bones.page.table_sources import AGAINST, PREDICTION, TRUTH, TableSources
from yolo_bones.rle_table import open_rle_table
from yolo_bones.slices import MetadataColumn, entries_of_images, read_metadata_column

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Files of a report.

    Attributes:
        prediction, truth, against: tables.
        images: file or folder of the images.
        audit: JSON of an audit.
        patients: images.csv.
        by: metadata tables and a column of each.
    """

    prediction: Path
    images: Path
    truth: Path | None = None
    against: Path | None = None
    audit: Path | None = None
    patients: Path | None = None
    by: Sequence[tuple[Path, str]] = ()

    @property
    def tables(self) -> dict[str, Path]:
        """Set -> its table, the prediction first."""
        given = {PREDICTION: self.prediction, TRUTH: self.truth, AGAINST: self.against}
        return {key: path for key, path in given.items() if path is not None}

    @property
    def files(self) -> list[Path]:
        """All but the images."""
        small = [self.audit, self.patients, *(path for path, _ in self.by)]
        return [*self.tables.values(), *(path for path in small if path is not None)]


@dataclass(frozen=True, slots=True, eq=False)
class ReportInputs:
    """What was read, but for masks and pixels.

    Attributes:
        sources: tables and images.
        columns: of metadata, in the order given.
        audit: given findings.
    """

    sources: TableSources
    columns: tuple[MetadataColumn, ...]
    audit: GivenAudit | None

    @property
    def patients(self) -> Mapping[str, str] | None:
        """Patient of every image; None where one is not known."""
        patients = self.sources.patients
        return patients if patients.keys() >= self.sources.files.keys() else None

    def named_columns(self, taken: Sequence[str]) -> dict[str, MetadataColumn]:
        """Columns by a name that no other one has, nor anything in `taken`."""
        named: dict[str, MetadataColumn] = {}
        for column in self.columns:
            name = column.name if column.name not in {*taken, *named} else f"{column.name} ({column.path.name})"
            named.setdefault(name, column)
        return named


def read_report_inputs(paths: ReportPaths) -> ReportInputs:
    """Read all small files, and check that they belong together.

    Raises:
        InputErrors: the faults of all of them; where there are any, those of the tables as well.
    """
    images = find_images(paths.images)
    faults: list[InputError] = []
    patients = _told(faults, _read_patients, paths, images) or {}
    sources = TableSources(
        {key: open_rle_table(path) for key, path in paths.tables.items()},
        {path.name: path for path in images},
        patients,
    )
    columns = [_told(faults, read_metadata_column, *source) for source in paths.by]
    audit = None if paths.audit is None else _told(faults, read_audit, paths.audit)
    inputs = ReportInputs(sources, tuple(column for column in columns if column is not None), audit)
    if paths.patients is None or patients:
        for column in inputs.columns:
            _told(faults, entries_of_images, column, list(sources.files), inputs.patients)
    if paths.audit is not None and audit is not None and _are_strangers(audit, sources.files):
        faults.append(InputError(paths.audit, "", f"images of {paths.images}", "none of them"))
    if faults:
        _told(faults, sum, (0 for _ in sources.images()))
        raise InputErrors(list({str(fault): fault for fault in faults}.values()))
    return inputs


def _read_patients(paths: ReportPaths, images: Sequence[Path]) -> dict[str, str]:
    if paths.patients is None:
        return patients_of_folders(paths.images, images)
    return patients_of_images(paths.patients, read_patients(paths.patients), [path.name for path in images])


def _are_strangers(audit: GivenAudit, files: Collection[str]) -> bool:
    """Whether an audit is of other images altogether."""
    return bool(audit.images) and audit.images.isdisjoint(files)


def _told(faults: list[InputError], read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What is read; None where that fails, the faults added."""
    try:
        return read(*args, **kwargs)
    except InputError as error:
        faults.extend(getattr(error, "faults", [error]))
        return None
