"""Which training images a network sees how often: frequent kinds thinned, or rare kinds repeated, by whole images.

wrist              every wrist as often as the other
wrist,sex          every combination as often as the others
wrist=bent:0.5     half of all are bent
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

from yolo_bones.errors import InputError

UNDERSAMPLED: Final = "undersampled"
BALANCED: Final = "balanced"
MANY_REPEATS: Final = 10
"""An image repeated more often than that is soon known by heart."""


@dataclass(frozen=True, slots=True)
class SampleWish:
    """What shares are wanted.

    Attributes:
        columns: whose combinations are the strata.
        value, share: of the one column; empty and None where all strata are to be as frequent as each other.
    """

    columns: tuple[str, ...]
    value: str = ""
    share: float | None = None

    def __str__(self) -> str:
        """As it is written on the command line."""
        return ",".join(self.columns) + ("" if self.share is None else f"={self.value}:{self.share:g}")


@dataclass(frozen=True, slots=True)
class SampleList:
    """A list of images, some perhaps several times.

    Attributes:
        kind: `undersampled` or `balanced`.
        wish: what it fulfils.
        names: sorted; a repeated image stands there several times.
        strata: stratum -> images that there are, and lines of the list.
        notes: what the user should know.
    """

    kind: str
    wish: SampleWish
    names: tuple[str, ...]
    strata: Mapping[str, tuple[int, int]]
    notes: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """For the report."""
        counts = {label: {"images": images, "lines": lines} for label, (images, lines) in self.strata.items()}
        return {"wish": str(self.wish), "lines": len(self.names), "strata": counts, "notes": list(self.notes)}


def read_wish(text: str) -> SampleWish:
    """Read `COLUMN,COLUMN` or `COLUMN=VALUE:SHARE`.

    Raises:
        ValueError: it is neither.
    """
    columns, equals, wanted = text.partition("=")
    names = tuple(name.strip() for name in columns.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"expected different columns such as wrist,sex, got {text!r}")
    if not equals:
        return SampleWish(names)
    value, colon, share_text = wanted.rpartition(":")
    try:
        share = float(share_text)
    except ValueError:
        share = 0.0
    if len(names) > 1 or not colon or not value or not 0.0 < share < 1.0:
        raise ValueError(f"expected COLUMN=VALUE:SHARE with a share between 0 and 1, got {text!r}")
    return SampleWish(names, value, share)


def sample(kind: str, wish: SampleWish, labels: Mapping[str, str | None], seed: int) -> SampleList:
    """Choose images by their strata, from a seed and their names alone.

    Args:
        kind: `undersampled` leaves images out, `balanced` repeats some and leaves none out.
        wish: shares that are wanted; of one value the images are all as it is or all not so.
        labels: image name -> stratum; None where it is not known: such an image is in the list once.
        seed: of the choice.

    Raises:
        InputError: no image of a wanted value, or no other.
    """
    strata: dict[str, list[str]] = defaultdict(list)
    for name in sorted(labels):
        label = labels[name]
        if label is not None:
            strata[_stratum(label, wish)].append(name)
    if wish.share is not None and (len(strata) < 2 or wish.value not in strata):
        known = ", ".join(sorted({label for label in labels.values() if label is not None})) or "none"
        raise InputError(
            f"--{_option(kind)}", str(wish), f"images with {wish.value} and without", f"images with {known}"
        )
    unknown = sorted(name for name, label in labels.items() if label is None)
    notes = [f"{len(unknown)} images of unknown {' or '.join(wish.columns)} are listed once"] if unknown else []
    numbers = _numbers(kind, wish, {label: len(names) for label, names in strata.items()})
    chosen = list(unknown)
    for label, names in strata.items():
        times, rest = divmod(numbers[label], len(names))
        chosen += names * times + sorted(names, key=lambda name: _ticket(seed, name))[:rest]
        if times >= MANY_REPEATS:
            notes.append(f"each of the {len(names)} images with {label} is repeated {times} times or more")
    counts = {label: (len(names), numbers[label]) for label, names in sorted(strata.items())}
    return SampleList(kind, wish, tuple(sorted(chosen)), counts, tuple(notes))


def _stratum(label: str, wish: SampleWish) -> str:
    return label if wish.share is None or label == wish.value else f"not {wish.value}"


def _option(kind: str) -> str:
    return {UNDERSAMPLED: "undersample", BALANCED: "balance"}[kind]


def _numbers(kind: str, wish: SampleWish, sizes: Mapping[str, int]) -> dict[str, int]:
    """Stratum -> lines; at least one each."""
    if wish.share is None:
        extreme = min if kind == UNDERSAMPLED else max
        return dict.fromkeys(sizes, extreme(sizes.values(), default=0))
    (other,) = sizes.keys() - {wish.value}
    wanted, others, odds = sizes[wish.value], sizes[other], wish.share / (1.0 - wish.share)
    too_many = wanted > odds * others
    if kind == UNDERSAMPLED:
        kept = floor(odds * others + 1e-9) if too_many else floor(wanted / odds + 1e-9)
        thinned = wish.value if too_many else other
        return {**sizes, thinned: max(1, kept)}
    listed = ceil(wanted / odds - 1e-9) if too_many else ceil(odds * others - 1e-9)
    return {**sizes, (other if too_many else wish.value): listed}


def _ticket(seed: int, name: str) -> str:
    """By which images are drawn, so that the order of files does not matter."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def joint_labels(columns: Sequence[Mapping[str, str | None]], names: Iterable[str]) -> dict[str, str | None]:
    """Image name -> its labels in all columns; None where one is not known."""
    found: dict[str, str | None] = {}
    for name in names:
        labels = [column[name] for column in columns]
        known = [label for label in labels if label is not None]
        found[name] = ", ".join(known) if len(known) == len(labels) else None
    return found
