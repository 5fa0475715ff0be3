"""The few lines about a data set that `explore_points` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SHIFTS_SHOWN: Final = 10
SHOWN: Final = 3
MISSING_SHOWN: Final = 5


def summary_of(record: Mapping[str, Any]) -> str:
    """Text from what `explored` gathered."""
    lines = [line for side, about in record["sides"].items() for line in _side_lines(record, side, about)]
    lines += ["", _against_real_hands(record), _overlap_line(record)]
    if record["shift"] is not None:
        lines += ["", *_shift_lines(record["shift"])]
    return "\n".join(lines)


def _side_lines(record: Mapping[str, Any], side: str, about: Mapping[str, Any]) -> list[str]:
    wrists = ", ".join(f"{count} {wrist}" for wrist, count in record["wrists"][side].items() if count)
    thumbs = ", ".join(f"{count} {place}" for place, count in record["thumb_sides"][side].items() if count)
    sizes = ", ".join(f"{count} of {size}" for size, count in record["image_sizes"][side].items())
    lacking = sorted(about["missing_bones"].items(), key=lambda entry: -entry[1])
    missing = ", ".join(f"{bone} {count}" for bone, count in lacking[:MISSING_SHOWN]) or "none"
    if len(lacking) > MISSING_SHOWN:
        missing += f" and {len(lacking) - MISSING_SHOWN} more bones"
    return [
        f"{side}: {about['images']} images of {about['patients']} patients, masks from {about['masks_from']}",
        f"  sizes {sizes}; wrists {wrists}; thumb {thumbs}; bones missing {missing}",
    ]


def _against_real_hands(record: Mapping[str, Any]) -> str:
    """The bones whose mean relative area lies farthest from that of real hands."""
    ratios = {
        bone: figures["train"]["mean"] / figures["reference"]["mean"]
        for bone, figures in record["relative_areas"].items()
        if figures["train"]["count"]
    }
    farthest = sorted(ratios, key=lambda bone: -abs(ratios[bone] - 1.0))[:SHOWN]
    said = ", ".join(f"{bone} {ratios[bone]:.2f} x" for bone in farthest) or "nothing measured"
    return f"mean areas for the hand's size, against real hands: farthest {said}"


def _overlap_line(record: Mapping[str, Any]) -> str:
    multi = record["multi_label_px"]
    seldom = [pair for pair in record["overlaps"] if pair["reference"] is None and pair["train"]["images"]]
    return (
        f"pixels of two labels or more, an image at 2048: {multi['train']['mean'] or 0.0:,.0f} "
        f"(real hands {multi['reference']['mean']:,.0f}); pairs seldom in real hands: {len(seldom)}"
    )


def _shift_lines(shift: Mapping[str, Any]) -> list[str]:
    measures, chance = shift["measures"], shift["chance_ks"]
    beyond = sum(measure["ks"] > chance for measure in measures)
    lines = [
        f"shift of test against train: {beyond} of {len(measures)} measures beyond chance (KS > {chance:.2f})",
        f"{'measure':<34}{'train':>12}{'test':>12}{'std. diff.':>12}{'KS':>8}",
    ]
    for measure in measures[:SHIFTS_SHOWN]:
        standardised = "" if measure["standardised"] is None else f"{measure['standardised']:+.2f}"
        means = "".join(f"{measure[side]['mean']:>12.4g}" for side in ("train", "test"))
        lines.append(f"{measure['measure']:<34}{means}{standardised:>12}{measure['ks']:>8.2f}")
    return lines
