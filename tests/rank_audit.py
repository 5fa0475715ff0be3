"""How well `audit_rle` ranks predictions by their true Dice, and what it finds of planted faults.

    python -m tests.rank_audit OUT [--fit] [--images 30] [--seed 81101]

Makes phantoms of both domains under OUT, predicts them with the shipped weights in three ways (as shipped; one plain
look; one coarse look, untidied), audits each prediction and sets the scores against the truth. Then plants one fault in
each image of the shipped prediction, kind by kind, and counts what is found. `--fit` prints the costs of
`audit/mask_scores.py` instead, fitted to these predictions; give it seeds that no report uses.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.mask_faults import FAULTS
from yolo_bones.audit.findings import ERROR
from yolo_bones.audit.mask_scores import COSTS, departures, score_image
from yolo_bones.audit.mask_shapes import PredictedImage, see_masks
from yolo_bones.audit_rle import AuditedImage, audit_predictions, check_predictions
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.export_rle import main as export_rle
from yolo_bones.image_sources import find_images
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.metrics import dice_per_channel
from yolo_bones.rle import ImageSize, decode, encode
from yolo_bones.rle_table import open_rle_table

Planes = NDArray[np.bool_]

SIZE: Final = ImageSize(1024, 1024)
DOMAINS: Final = ("default", "wide")
LOOKS: Final[Mapping[str, Sequence[str]]] = {
    "shipped": (),
    "plain": ("--no-canonical", "--no-closeup", "--imgsz", "480"),
    "coarse": ("--no-canonical", "--no-closeup", "--imgsz", "288", "--no-tidy"),
}
GOOD_BONE: Final = 0.9
"""An image is good where every bone's Dice is at least this."""
BAD_BONE: Final = 0.5
PLANTED_FROM: Final = (0, 5, 10)
FIT_PLANTED_FROM: Final = (0, 3, 6, 9, 12)
"""Rounds of planting: the kind, of all in turn, that the first image gets."""
SETTLED: Final = {"missing", "no_hand", "wrong_label", "shared_mask"}
"""Losses that are no sum of departures."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One predicted image and what is known of it.

    Attributes:
        domain, look: of the phantom and of the prediction.
        image: what the audit is given.
        dice: (29,) true.
        planted: kind and bones of a planted fault.
    """

    domain: str
    look: str
    image: PredictedImage
    dice: NDArray[np.float64]
    planted: tuple[str, tuple[str, ...]] = ("", ())

    @property
    def bones(self) -> list[tuple[str, float]]:
        """Each bone with its true Dice."""
        return list(zip(BONES, self.dice.tolist(), strict=True))


def make_predictions(out: Path, seed: int, images: int) -> None:
    """Phantoms and predictions that are not there yet."""
    for number, domain in enumerate(DOMAINS):
        folder = out / f"{seed}_{domain}"
        if not (folder / "report.json").exists():
            patients = ["--patients", "1", "--test", str(images // 2), "--bent", "0.5", "--domain", domain]
            made = [str(folder), "--seed", str(seed + number), "--size", str(SIZE), *patients, "--quiet"]
            assert make_phantoms(made) == 0
        for look, options in LOOKS.items():
            table = folder / f"{look}.csv"
            if not table.exists():
                asked = ["--source", str(folder / "test" / "DCM"), "--out", str(table), "--quiet", *options]
                assert export_rle(asked) == 0


def read_cases(out: Path, seed: int, domain: str, look: str, plant: int | None = None) -> list[Case]:
    """Cases of one prediction; with `plant`, one fault each, kinds taking turns from there on."""
    folder = out / f"{seed}_{domain}"
    patients = {path.name: path.parent.name for path in find_images(folder / "test" / "DCM")}
    truth = open_rle_table(folder / "test_truth.csv")
    cases = []
    for number, rows in enumerate(open_rle_table(folder / f"{look}.csv").images()):
        masks, planted = rows.masks(SIZE), ("", ())
        if plant is not None:
            kind = list(FAULTS)[(number + plant) % len(FAULTS)]
            planes = decode(masks)
            bones = FAULTS[kind](planes, np.random.default_rng([seed, number, plant]))
            masks, planted = encode(planes), (kind, bones)
        right = truth.find(rows.image_name)
        assert right is not None
        seen = see_masks(masks, rows.image_name, patients[rows.image_name])
        cases.append(Case(domain, look, seen, dice_per_channel(masks, right.masks(SIZE)), planted))
    return cases


def fit_costs(out: Path, seed: int, workers: int) -> dict[str, float]:
    """Costs that fit best, none below 0, over every bone of every prediction, planted faults included."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]

    rows, losses = [], []
    for domain in DOMAINS:
        files = [read_cases(out, seed, domain, look) for look in LOOKS]
        files += [read_cases(out, seed, domain, "shipped", plant) for plant in FIT_PLANTED_FROM]
        for cases in files:
            for case, image in zip(cases, check_predictions([case.image for case in cases], workers), strict=True):
                scored = score_image(image)
                for check, found, dice in zip(image.checks, scored.losses, case.dice, strict=True):
                    if not SETTLED & found.keys():
                        sizes = departures(check)
                        rows.append([sizes[name] for name in COSTS])
                        losses.append(1.0 - dice)
    costs, _ = nnls(np.array(rows), np.array(losses))
    return dict(zip(COSTS, costs.round(3).tolist(), strict=True))


def audit_cases(cases: Sequence[Case], workers: int) -> list[tuple[Case, AuditedImage]]:
    """Each case with what the audit says of it."""
    audited = {image.name: image for image in audit_predictions([case.image for case in cases], workers)}
    return [(case, audited[case.image.drawn.name]) for case in cases]


def spearman(pairs: Sequence[tuple[Case, AuditedImage]]) -> float:
    """Rank correlation of the scores with the true Dice of the images."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    scores = [image.score.score for _, image in pairs]
    return round(float(spearmanr(scores, [case.dice.mean() for case, _ in pairs]).statistic), 3)


def erroneous(image: AuditedImage) -> set[str]:
    """Bones with an error."""
    return {finding.bone for finding in image.findings if finding.severity == ERROR}


def told(image: AuditedImage) -> set[str]:
    """Bones with an error or a note."""
    return {finding.bone for finding in image.findings}


def measure_ranks(pairs: Sequence[tuple[Case, AuditedImage]]) -> dict[str, Any]:
    """Figures of predictions without planted faults."""
    groups = {"all": list(pairs)}
    for domain in DOMAINS:
        groups[domain] = [pair for pair in pairs if pair[0].domain == domain]
        for look in LOOKS:
            groups[f"{domain}, {look}"] = [pair for pair in groups[domain] if pair[0].look == look]
    good = [pair for pair in pairs if pair[0].dice.min() >= GOOD_BONE]
    bones = [
        (dice, bone in erroneous(image), bone in told(image)) for case, image in pairs for bone, dice in case.bones
    ]
    bad = [one for one in bones if one[0] < BAD_BONE]
    errors = [dice for dice, is_error, _ in bones if is_error]
    worst = sorted(pairs, key=lambda pair: pair[1].score.score)[: len(pairs) // 10]
    least = sorted(pairs, key=lambda pair: pair[0].dice.mean())[: len(pairs) // 10]
    return {
        "spearman": {name: [spearman(group), len(group)] for name, group in groups.items()},
        "dice": {name: round(float(np.mean([case.dice for case, _ in group])), 4) for name, group in groups.items()},
        "mean_error_of_score": round(float(np.mean([abs(im.score.score - c.dice.mean()) for c, im in pairs])), 4),
        "worst_tenth_found_in_first_tenth": round(len({id(p) for p in worst} & {id(p) for p in least}) / len(worst), 3),
        "good_images": len(good),
        "good_images_with_error": sum(bool(image.errors) for _, image in good),
        "bad_bones": len(bad),
        "bad_bones_with_error": sum(is_error for _, is_error, _ in bad),
        "bad_bones_told": sum(is_told for *_, is_told in bad),
        "errors": len(errors),
        "errors_below_0.9": sum(dice < GOOD_BONE for dice in errors),
    }


def measure_faults(pairs: Sequence[tuple[Case, AuditedImage]]) -> dict[str, dict[str, float]]:
    """Of each planted kind: how many, how many with an error on one of the bones, how many told at all."""
    found: dict[str, dict[str, float]] = {}
    for case, image in pairs:
        kind, bones = case.planted
        row = found.setdefault(kind, {"planted": 0, "error": 0, "told": 0, "mean_dice": 0.0})
        row["planted"] += 1
        row["error"] += bool({*bones} & erroneous(image))
        row["told"] += bool({*bones} & told(image))
        row["mean_dice"] += float(np.mean([case.dice[CLASS_IDS[bone]] for bone in bones]))
    for row in found.values():
        row["mean_dice"] = round(row["mean_dice"] / row["planted"], 3)
    return dict(sorted(found.items()))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rank_audit", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for phantoms and predictions; kept")
    parser.add_argument("--seed", type=int, default=81101, help="of the default domain; the wide one takes the next")
    parser.add_argument("--images", type=int, default=30, help="of each domain")
    parser.add_argument("--fit", action="store_true", help="print fitted costs instead of figures")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args(argv)
    out, seed, workers = arguments.out, arguments.seed, arguments.workers
    make_predictions(out, seed, arguments.images)
    if arguments.fit:
        print(json.dumps(fit_costs(out, seed, workers), indent=2))
        return 0
    pairs = [
        pair
        for domain in DOMAINS
        for look in LOOKS
        for pair in audit_cases(read_cases(out, seed, domain, look), workers)
    ]
    record = measure_ranks(pairs)
    print(json.dumps(record, indent=2), flush=True)
    planted = [
        pair
        for domain in DOMAINS
        for plant in PLANTED_FROM
        for pair in audit_cases(read_cases(out, seed, domain, "shipped", plant), workers)
    ]
    print(json.dumps(measure_faults(planted), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
