"""Images of a page whose masks are drawn outlines: as they are drawn, and as an audit proposes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from yolo_bones.annotations import DrawnOutline
from yolo_bones.audit.corrections import corrections_by_image
from yolo_bones.audit.findings import ERROR, Correction, Finding
from yolo_bones.audit.norms import DrawnImage
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.page.given_findings import page_findings
from yolo_bones.page.record import LayerSet
from yolo_bones.page.shown_images import PageSource, runs_of
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import ImageSize, RunLengthMasks, empty_masks, encode_crop, stack, union

ANNOTATION: Final = "annotation"
PROPOSAL: Final = "proposal"
AUDIT_SETS: Final = (LayerSet(ANNOTATION, "as drawn", ANNOTATION), LayerSet(PROPOSAL, "as --fix would write", PROPOSAL))


@dataclass(frozen=True, slots=True, eq=False)
class AuditedAnnotation:
    """One annotated image with what was found in it.

    Attributes:
        drawn: its outlines.
        image: the file.
        findings: about it, in order.
    """

    drawn: DrawnImage
    image: Path
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return sum(one.severity == ERROR for one in self.findings)


def worst_first(
    drawn: Iterable[DrawnImage], images: Iterable[Path], findings: Iterable[Finding]
) -> list[AuditedAnnotation]:
    """Images in page order: most errors first, then most notes, then by patient and name.

    Args:
        drawn: annotated images.
        images: their files.
        findings: of an audit, in order.
    """
    about: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        about.setdefault((one.patient, one.image), []).append(one)
    audited = [
        AuditedAnnotation(one, image, tuple(about.get((one.patient, one.name), ())))
        for one, image in zip(drawn, images, strict=True)
    ]
    return sorted(audited, key=lambda one: (-one.errors, -len(one.findings), one.drawn.patient, one.drawn.name))


def annotation_sources(audited: Iterable[AuditedAnnotation]) -> Iterator[PageSource]:
    """The same images with their masks, and with those of the proposal where it changes any."""
    for one in audited:
        drawn = one.drawn
        masks = fill_outlines(drawn.outlines, drawn.size)
        layers = {ANNOTATION: runs_of(masks)}
        wanted = next(iter(corrections_by_image(one.findings).values()), [])
        if wanted and all(correction.action != "leave_out" for correction in wanted):
            proposed = fill_outlines(corrected_outlines(drawn.outlines, wanted), drawn.size)
            if not proposed.equals(masks):
                layers[PROPOSAL] = runs_of(proposed)
        findings = page_findings(one.findings)
        yield PageSource(drawn.name, drawn.patient, one.image, drawn.size, layers, findings=findings)


def corrected_outlines(outlines: Sequence[DrawnOutline], corrections: Sequence[Correction]) -> list[DrawnOutline]:
    """Outlines with corrections applied, as `audit.corrections.corrected_record` applies them to a file."""
    by_index: dict[int, list[Correction]] = {}
    for one in corrections:
        if one.index is not None:
            by_index.setdefault(one.index, []).append(one)
    kept = []
    for outline in outlines:
        actions: Mapping[str, Correction] = {one.action: one for one in by_index.get(outline.index, [])}
        if "remove" in actions or "redraw" in actions:
            continue
        if "relabel" in actions:
            outline = replace(outline, bone=actions["relabel"].label)
        if "replace" in actions:
            outline = replace(outline, points=np.array(actions["replace"].points, dtype=np.int32))
        kept.append(outline)
    return kept


def fill_outlines(outlines: Iterable[DrawnOutline], size: ImageSize) -> RunLengthMasks:
    """29 channels of drawn outlines, filled; of a bone drawn several times all that any of them covers."""
    masks = [empty_masks(size) for _ in BONES]
    for outline in outlines:
        class_id = CLASS_IDS[outline.bone]
        filled = encode_crop(*fill_polygon(outline.points, size), size)
        masks[class_id] = filled if len(masks[class_id].starts) == 0 else union(masks[class_id], filled)
    return stack(size, masks)
