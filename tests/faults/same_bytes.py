"""Every command but training, run ten times in different surroundings: all files must come out the same.

    python -m tests.faults.same_bytes [--runs 10] [--case NAME ...]

Runs differ in PYTHONHASHSEED, locale (C, C.UTF-8 and Korean where it can be made), the order in which the system lists
folders, the number of workers (1 or 4), the working folder and, where that is allowed, in having no network at all.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.faults import runs
from tests.faults.cases import BY_NAME, CASES, inputs_in, with_inputs
from tests.faults.kill_many import import_all, in_child, sources_digest

NETWORK_NAMESPACE = 0x40000000
LOCALES = ("C", "ko_KR.UTF-8", "C.UTF-8", "en_US.ISO-8859-1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of a run of all cases.

    Attributes:
        hash_seed: PYTHONHASHSEED.
        locale: LC_ALL.
        shuffle: seed of the order in which folders are listed; 0 leaves it.
        workers: of the commands that take any.
        network: whether there is one.
    """

    hash_seed: int = 0
    locale: str = "C.UTF-8"
    shuffle: int = 0
    workers: int = 1
    network: bool = True


def surroundings(number: int) -> Surroundings:
    """Of the run of that number; run 0 is the plain one."""
    if number == 0:
        return Surroundings()
    return Surroundings(
        hash_seed=7919 * number % 4_000_000_007,
        locale=LOCALES[(number + 1) % len(LOCALES)],
        shuffle=number,
        workers=(1, 4)[number % 2],
        network=number % 3 != 1,
    )


def shuffled_listings(seed: int) -> None:
    """Have folders listed in a random order."""
    chance = random.Random(seed)
    list_folder, scan_folder = os.listdir, os.scandir

    def listdir(*arguments: Any) -> list[Any]:
        names = sorted(list_folder(*arguments))
        chance.shuffle(names)
        return names

    @contextlib.contextmanager
    def entries_of(found: list[Any]) -> Iterator[Iterator[Any]]:
        yield iter(found)

    class Entries:
        def __init__(self, *arguments: Any) -> None:
            with scan_folder(*arguments) as stream:
                self.found = sorted(stream, key=lambda entry: entry.name)
            chance.shuffle(self.found)
            self.iterator = iter(self.found)

        def __enter__(self) -> Entries:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def __iter__(self) -> Iterator[Any]:
            return self.iterator

        def __next__(self) -> Any:
            return next(self.iterator)

        def close(self) -> None:
            """As the system's."""

    os.listdir = listdir  # type: ignore[assignment]
    os.scandir = Entries  # type: ignore[assignment,misc]


def run_all(names: list[str], inputs: Path, around: Surroundings) -> dict[str, dict[str, str]]:
    """Case -> path -> digest."""
    if not around.network:
        ctypes.CDLL(None, use_errno=True).unshare(NETWORK_NAMESPACE)
    import_all([BY_NAME[name] for name in names])
    found = {}
    with tempfile.TemporaryDirectory(prefix=f"yolo_bones-{around.hash_seed}-") as temporary:
        for name in names:
            case = BY_NAME[name]
            trial = Path(temporary) / name
            case.lay_out(trial, inputs)
            arguments = [*with_inputs(case.arguments, inputs)]
            if case.takes_workers:
                arguments = [*without_workers(arguments), "--workers", str(around.workers)]
            before = (lambda: shuffled_listings(around.shuffle)) if around.shuffle else None
            code, _ = runs.finish(runs.start(case.module, arguments, trial, before=before))
            assert code == case.code, f"{name}: exit {code}:\n{Path(f'{trial}.log').read_text()}"
            found[name] = runs.tree(trial)
            shutil.rmtree(trial)
    return found


def without_workers(arguments: list[str]) -> list[str]:
    if "--workers" not in arguments:
        return arguments
    place = arguments.index("--workers")
    return [*arguments[:place], *arguments[place + 2 :]]


def korean_locale(folder: Path) -> bool:
    """Make the Korean locale where nobody installed it."""
    if shutil.which("localedef") is None:
        return False
    target = folder / "ko_KR.UTF-8"
    done = subprocess.run(["localedef", "-i", "ko_KR", "-f", "UTF-8", str(target)], capture_output=True, check=False)
    return target.is_dir() and done.returncode in (0, 1)


def run_in(around: Surroundings, names: list[str], state: Path, locales: Path | None) -> dict[str, dict[str, str]]:
    """The same in a process of its own, which is what hash seeds and locales are of."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(around.hash_seed),
        "LC_ALL": around.locale,
        "OMP_NUM_THREADS": "1",
        **({} if locales is None else {"LOCPATH": str(locales)}),
    }
    asked = json.dumps({"names": names, "around": asdict(around)})
    command = [sys.executable, "-m", "tests.faults.same_bytes", "--state", str(state), "--one", asked]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{around}:\n{done.stderr}"
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(names: list[str], state: Path, numbers: list[int]) -> dict[str, int]:
    """Case -> how many of the runs gave the files of the first one; says which files differ."""
    equal: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="yolo_bones-locales-") as temporary:
        locales = Path(temporary) if korean_locale(Path(temporary)) else None
        first: dict[str, dict[str, str]] = {}
        for number in numbers:
            around = surroundings(number)
            found = run_in(around, names, state, locales if around.locale.startswith("ko") else None)
            first = first or found
            for name in names:
                differing = sorted(
                    path
                    for path in found[name].keys() | first[name].keys()
                    if found[name].get(path) != first[name].get(path)
                )
                equal[name] += not differing
                if differing:
                    print(f"{name}: {around}: {differing} differ", flush=True)
    return dict(equal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--case", nargs="+", choices=list(BY_NAME), default=[case.name for case in CASES])
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "faults" / sources_digest())
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        asked = json.loads(arguments.one)
        found = run_all(asked["names"], inputs_in(arguments.state), Surroundings(**asked["around"]))
        print(json.dumps(found))
        return 0
    in_child(lambda: inputs_in(arguments.state))
    equal = compare(arguments.case, arguments.state, list(range(arguments.runs)))
    for name in arguments.case:
        print(f"{name:<28}{equal[name]} of {arguments.runs} runs gave the same bytes")
    return int(any(count < arguments.runs for count in equal.values()))


if __name__ == "__main__":
    sys.exit(main())
