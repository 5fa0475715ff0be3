"""Corrected copies of a data set: what the findings propose, done to copies; the source stays as it is."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from yolo_bones.audit.findings import ERROR, Correction, Finding
from yolo_bones.data_set import Pair
from yolo_bones.files import replacing, sweep_temporaries, write_bytes, write_text
from yolo_bones.image_files import grey_png, is_dicom_name, read_grey
from yolo_bones.resumable import PartFolder
from yolo_bones.strict_json import read_strict_json
from yolo_bones.watched_files import refuse_changed

COPY_REPORT: Final = "corrections.json"
"""In a corrected copy: what was done to which file."""
MADE_BY: Final = "yolo_bones.audit_points"
PARTS: Final = ".parts"
APPLIED: Final = ("relabel", "remove", "redraw", "replace", "leave_out")
"""Actions that change a copy; `redraw` takes the wrong outline away, for a person to draw it anew."""


def corrections_by_image(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Correction]]:
    """(patient, image) -> what its errors propose; notes are left alone."""
    wanted: dict[tuple[str, str], list[Correction]] = {}
    for one in findings:
        if one.severity == ERROR and one.correction is not None and one.correction.action in APPLIED:
            about = wanted.setdefault((one.patient, one.image), [])
            if one.correction not in about:
                about.append(one.correction)
    return wanted


def corrected_record(record: Any, corrections: Sequence[Correction]) -> Any:
    """An annotation file's content with corrections applied; everything else in it stays.

    Args:
        record: with a list `annotations`.
        corrections: about single annotations.
    """
    by_index: dict[int, list[Correction]] = {}
    for one in corrections:
        if one.index is not None:
            by_index.setdefault(one.index, []).append(one)
    kept = []
    for index, annotation in enumerate(record["annotations"]):
        actions = by_index.get(index, [])
        if any(one.action in ("remove", "redraw") for one in actions):
            continue
        changed = dict(annotation)
        for one in actions:
            if one.action == "relabel":
                changed["label"] = one.label
            elif one.action == "replace":
                changed["points"] = [list(point) for point in one.points]
        kept.append(changed)
    return {**record, "annotations": kept}


def write_corrected(
    pairs: Iterable[Pair], wanted: Mapping[tuple[str, str], Sequence[Correction]], out: Path
) -> dict[str, int]:
    """Write images and annotations, corrected, into another folder.

    An earlier copy there stays until the new one is complete, then it is replaced.

    Args:
        pairs: the data set.
        wanted: see `corrections_by_image`.
        out: gets `DCM`, `outputs_json` and a report by which it is known again.

    Returns:
        Action -> how often it was done.
    """
    done: Counter[str] = Counter()
    parts = PartFolder(out / PARTS, {"made_by": MADE_BY}, fresh=True, products=("DCM", "outputs_json", COPY_REPORT))
    sweep_temporaries(out)
    wanted_text = {
        f"{patient}/{name}": [one.as_record() for one in all_of] for (patient, name), all_of in wanted.items()
    }
    for pair in pairs:
        corrections = wanted.get((pair.patient_id, pair.image_name), ())
        done.update(one.action for one in corrections)
        if any(one.action == "leave_out" for one in corrections):
            continue
        _copy_image(pair.image, parts.made / "DCM" / pair.patient_id)
        target = parts.made / "outputs_json" / pair.patient_id / pair.annotation.name
        if not corrections:
            _copy(pair.annotation, target)
            continue
        record = read_strict_json(pair.annotation, Counter(), nan_refused=False)
        write_text(target, json.dumps(corrected_record(record, corrections), ensure_ascii=False))
    report = {"made_by": MADE_BY, "corrections": dict(sorted(wanted_text.items())), "complete": True}
    write_text(parts.made / COPY_REPORT, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    refuse_changed()
    parts.publish(out)
    return dict(sorted(done.items()))


def is_unfinished(out: Path) -> bool:
    """Whether an interrupted run of the same command began to write there; what it left is made anew."""
    try:
        return bool(json.loads((out / PARTS / "settings.json").read_text(encoding="utf-8"))["made_by"] == MADE_BY)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _copy_image(source: Path, folder: Path) -> None:
    """A copy of the file; of DICOM, which names the patient, only the pixels as PNG."""
    if is_dicom_name(source):
        write_bytes(folder / f"{source.stem}.png", grey_png(read_grey(source)[0]))
    else:
        _copy(source, folder / source.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, "wb") as stream, source.open("rb") as original:
        shutil.copyfileobj(original, stream)
