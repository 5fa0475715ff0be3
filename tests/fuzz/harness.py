"""What the fuzz targets share: instrumented imports, mutations of bytes, temporary files, and the run itself.

A target is a script with libFuzzer's flags (`python tests/fuzz/fuzz_csv.py -max_total_time=60`), and a module that
imports without atheris, so that the ordinary tests can call it. Corpora and inputs that fail go to .cache/fuzz/.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache" / "fuzz"
SHARED_MEMORY: Final = Path("/dev/shm")
COMPARISONS: Final = (operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge)
"""By CPython's numbers."""

_numbers = itertools.count()


def _atheris() -> Any:
    try:
        import atheris
    except ImportError:
        print("error: atheris is not installed: expected `make fuzz` or requirements-fuzz.txt", file=sys.stderr)
        raise SystemExit(4) from None
    return atheris


def instrumented(module: str) -> contextlib.AbstractContextManager[Any]:
    """Imports of yolo_bones inside count coverage where the module runs as a script."""
    if module != "__main__":
        return contextlib.nullcontext()
    return _atheris().instrument_imports(include=["yolo_bones"])


def _release_comparisons(atheris: Any) -> None:
    """Keep atheris 3.0.0 from never releasing what a comparison returns: megabytes where that is an array."""
    traced = atheris._trace_cmp

    def compare(left: Any, right: Any, kind: int, *rest: Any) -> Any:
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return COMPARISONS[kind](left, right)
        return traced(left, right, kind, *rest)

    atheris._trace_cmp = compare


def fuzz(
    name: str,
    one_input: Callable[[bytes], bool],
    seeds: Sequence[bytes],
    changed: Callable[[bytes, random.Random], bytes],
    longest: int,
) -> None:
    """Run libFuzzer with the flags of the command line; never returns.

    Args:
        name: of the target.
        one_input: raises on an escape; returns whether the input was accepted.
        seeds: what the corpus begins with.
        changed: makes a similar input; used beside libFuzzer's own mutations.
        longest: input in bytes.
    """
    atheris = _atheris()

    first = True

    def once(data: bytes) -> None:
        nonlocal first
        if first:
            # atheris puts its own function there when it starts.
            _release_comparisons(atheris)
            first = False
        one_input(data)

    def mutate(data: bytes, longest_now: int, seed: int) -> bytes:
        rng = random.Random(seed)
        found = atheris.Mutate(data, longest_now) if data and rng.random() < 0.25 else changed(data, rng)
        return bytes(found[:longest_now])

    flags = sys.argv[1:]
    arguments = [sys.argv[0], f"-max_len={longest}", "-len_control=0", f"-artifact_prefix={CACHE}/{name}-", *flags]
    if all(flag.startswith("-") for flag in flags):
        corpus = CACHE / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        arguments.append(str(corpus))
    warnings.simplefilter("error")
    atheris.Setup(arguments, once, custom_mutator=mutate)
    atheris.Fuzz()


@contextlib.contextmanager
def temporary_file(suffix: str, content: bytes) -> Iterator[Path]:
    """A file in memory where there is such a place, under a name not used before."""
    with tempfile.TemporaryDirectory(
        prefix="yolo-bones-fuzz-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    ) as folder:
        path = Path(folder) / f"{next(_numbers)}{suffix}"
        path.write_bytes(content)
        yield path


def change_bytes(data: bytes, rng: random.Random, first: int = 0) -> bytes:
    """One to three small changes from byte `first` on, mostly such that nothing moves."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(min(first, len(found)), len(found) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            found[place:place] = rng.randbytes(rng.choice((1, 1, 2, 8)))
        elif kind == 1:
            del found[place : place + rng.choice((1, 1, 2, 8, 64))]
        elif kind == 2:
            piece = found[place : place + rng.randint(1, 32)]
            goal = rng.randrange(min(first, len(found)), len(found) + 1)
            found[goal:goal] = piece
        elif place < len(found):
            found[place] = (
                found[place] ^ (1 << rng.randrange(8)),
                rng.randrange(256),
                (found[place] + 1) % 256,
                (found[place] - 1) % 256,
                rng.choice((0, 0x7F, 0x80, 0xFF)),
            )[kind - 3]
    return bytes(found)
