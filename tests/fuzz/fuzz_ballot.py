"""Fuzz target: the YAML file of an ensemble's weights. Input: the file."""

from __future__ import annotations

import random
from typing import Final

from harness import change_bytes, fuzz, instrumented, temporary_file

with instrumented(__name__):
    from fractions import Fraction

    from yolo_bones.ballot_files import read_ballot_file, weights_by_bone, written_ballot
    from yolo_bones.bones import BONE_COUNT
    from yolo_bones.errors import InputError
    from yolo_bones.voting import ballot_of

LONGEST: Final = 4096
MODELS: Final = ("a.csv", "b.csv")
SEEDS: Final = (
    b"threshold: 0.5\nmodels: [a.csv, b.csv]\nweights:\n  default: [1, 2]\n  hand: [0.25, 1]\n  Pisiform: [0, 1]\n",
    b"weights: {finger: [1, 1], hand: [1, 0.1], arm: [3, 2]}\n",
    b'# note\nweights:\n  "default":\n  - "1"\n  - 2.50\n',
)
PIECES: Final = (
    b"weights:", b"default", b"Lunate", b"[1, 1]", b"*d", b"&d ", b"<<: *w", b"!!int ", b"!!python/name:os.system ",
    b"? ", b"- ", b": ", b"{", b"}", b"[", b"]", b"\t", b"|", b">-", b"---\n", b"...\n", b"%YAML 1.1\n", b".inf",
    b"-1", b"1e999", b"0x10", b"~", b"null", b"true", b"2026-11-21", b"1_0", b"\xd9\xa1", b"\xff", b"\0", b"'",
    b'"', b"9" * 30,
)  # fmt: skip


def one_input(data: bytes) -> bool:
    with temporary_file(".yaml", data) as path:
        try:
            weights, threshold, _ = read_ballot_file(path, MODELS)
        except InputError as error:
            said = str(error)
            assert all(line.startswith(str(path)) for line in said.splitlines()), said
            return False
        rows = weights_by_bone(weights)
        assert len(rows) == BONE_COUNT
        assert all(len(row) == len(MODELS) and all(weight >= 0 for weight in row) for row in rows)
        try:
            ballot = ballot_of(rows, Fraction(1, 2) if threshold is None else threshold)
        except ValueError as error:
            if not str(error).startswith("expected "):
                raise
            return False
        whole = {key: tuple(int(weight) for weight in row) for key, row in weights.items()}
        path.write_text(written_ballot(whole, MODELS, Fraction(1, 2), "again"))
        assert read_ballot_file(path, MODELS)[0] == whole
        assert ballot.weights.shape == (BONE_COUNT, len(MODELS))
        return True


def changed(data: bytes, rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.3:
        return change_bytes(data, rng)
    if kind < 0.6:
        # Another digit, so that some files stay whole.
        places = [place for place, byte in enumerate(data) if 48 <= byte < 58] or [0]
        place = rng.choice(places)
        return data[:place] + b"%d" % rng.randrange(10) + data[place + 1 :]
    place = rng.randrange(len(data) + 1)
    if rng.random() < 0.2:
        return data[:place] + rng.choice(PIECES) * rng.choice((2, 50, 600)) + data[place:]
    cut = rng.choice((0, 0, 1, 4))
    return data[:place] + rng.choice(PIECES) + data[place + cut :]


if __name__ == "__main__":
    fuzz("ballot", one_input, SEEDS, changed, LONGEST)
