"""Votes and weights against dense sums of fractions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_rle import PROPERTIES
from yolo_bones.ballot_files import read_ballot_file, read_fraction, weights_by_bone, written_ballot
from yolo_bones.bones import BONE_COUNT, BONES
from yolo_bones.errors import InputError
from yolo_bones.metrics import EPSILON
from yolo_bones.rle import ImageSize, decode, empty_masks, encode
from yolo_bones.voting import Agreement, Voter, ballot_of, count_pairs, vote
from yolo_bones.weight_fitting import count_image, fit_weights, weightings

SHAPE = (7, 11)
HALF = Fraction(1, 2)
DECIMALS = st.decimals(0, 3, places=2).map(Fraction)


def opinions_of(seed: int, models: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """(N, 29, H, W) bool, correlated so that all sets of models occur."""
    generator = np.random.default_rng(seed)
    truth = generator.random((BONE_COUNT, *shape)) < 0.4
    flips = generator.random((models, BONE_COUNT, *shape)) < 0.3
    return truth ^ flips


@PROPERTIES
@given(st.integers(0, 2**32 - 1), st.integers(1, 10), st.data())
def test_weights_are_exact(seed: int, models: int, data: st.DataObject) -> None:
    rows = st.lists(DECIMALS, min_size=models, max_size=models).filter(any)
    common, own = data.draw(rows), data.draw(rows)
    threshold = data.draw(st.sampled_from([Fraction(0), Fraction(1, 3), HALF, Fraction(6, 10), Fraction(99, 100)]))
    weights = [own if index % 3 == 0 else common for index in range(BONE_COUNT)]
    planes = opinions_of(seed, models, (3, 5))
    ballot = ballot_of(weights, threshold)
    batches = [encode(each) for each in planes]
    agreement = Agreement(tuple(f"m{number}" for number in range(models)))
    decided = vote(ballot, batches, agreement)
    for bone, row in enumerate(weights):
        summed = sum(np.where(planes[model, bone], weight, Fraction(0)) for model, weight in enumerate(row))
        expected = summed > threshold * sum(row)
        assert (decode(decided[bone])[0] == expected).all()
        has = planes[:, bone]
        assert agreement.disputed[bone] == (has.any(axis=0) & ~has.all(axis=0)).sum()
        assert agreement.extra[bone].tolist() == (has & ~expected).sum(axis=(1, 2)).tolist()
        assert agreement.missed[bone].tolist() == (~has & expected).sum(axis=(1, 2)).tolist()
    pairs = Agreement(agreement.models)
    count_pairs(batches, decided, pairs)
    assert (pairs.disputed == agreement.disputed).all()
    assert (pairs.extra == agreement.extra).all()
    assert (pairs.missed == agreement.missed).all()


def test_an_exact_tie_is_off_and_decimals_do_not_round() -> None:
    planes = np.zeros((3, BONE_COUNT, 2, 3), bool)
    planes[:2] = True
    batches = [encode(each) for each in planes]
    # 0.1 + 0.2 is exactly the half of 0.6: in floating point it would be more.
    row = [Fraction("0.1"), Fraction("0.2"), Fraction("0.3")]
    assert vote(ballot_of([row] * BONE_COUNT, HALF), batches).areas().sum() == 0
    row[2] = Fraction("0.29999999")
    assert vote(ballot_of([row] * BONE_COUNT, HALF), batches).areas().sum() == BONE_COUNT * 6


def test_more_models_than_a_table_holds() -> None:
    planes = opinions_of(3, 19)
    batches = [encode(each) for each in planes]
    ballot = ballot_of([[Fraction(1)] * 19] * BONE_COUNT, HALF)
    agreement = Agreement(tuple(map(str, range(19))))
    assert vote(ballot, batches, agreement).equals(encode(planes.sum(axis=0) > 9.5))
    assert agreement.images == 1
    assert (agreement.disputed > 0).all()


def test_a_vote_that_follows_one_model_is_shown() -> None:
    planes = opinions_of(1, 3)
    batches = [encode(each) for each in planes]
    rows = [[Fraction(1), Fraction(1), Fraction(1)]] * BONE_COUNT
    rows[5] = [Fraction(1), Fraction(5), Fraction(2)]
    ballot = ballot_of(rows, HALF)
    agreement = Agreement(("a", "b", "c"))
    decided = Voter(ballot).decide(batches, agreement)
    assert decided[5].equals(batches[1][5])
    assert agreement.followed().tolist() == [-1] * 5 + [1] + [-1] * 23
    assert agreement.as_record()["bones"]["finger-6"]["follows"] == "b"
    assert agreement.outvoted()[5, 1] == 0.0
    assert ballot.sole_deciders().tolist() == [-1] * 5 + [1] + [-1] * 23
    # Models that agree everywhere follow nobody.
    same = Agreement(("a", "b"))
    vote(ballot_of([[Fraction(1)] * 2] * BONE_COUNT, HALF), [batches[0], batches[0]], same)
    assert same.followed().tolist() == [-1] * BONE_COUNT
    assert same.outvoted().max() == 0.0


@pytest.mark.parametrize(
    ("rows", "threshold", "says"),
    [
        ([[Fraction(0), Fraction(0)]] * BONE_COUNT, HALF, "at least one model with weight for finger-1"),
        ([[Fraction(-1), Fraction(2)]] * BONE_COUNT, HALF, "weights of at least 0"),
        ([[Fraction(1), Fraction(2)]] * BONE_COUNT, Fraction(1), "threshold from 0 to below 1"),
        ([[Fraction(1, 10**17), Fraction(2)]] * BONE_COUNT, HALF, "fewer digits"),
    ],
)
def test_ballots_that_cannot_be(rows: list, threshold: Fraction, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ballot_of(rows, threshold)


def test_wrong_numbers_of_opinions() -> None:
    ballot = ballot_of([[Fraction(1), Fraction(1)]] * BONE_COUNT, HALF)
    with pytest.raises(ValueError, match="expected 2 batches of 29 masks"):
        vote(ballot, [empty_masks(ImageSize(3, 4), 29)])


def test_weights_file_bone_over_group_over_default(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("threshold: 0.1\nweights:\n  default: [1, 2]\n  hand: [0.25, 1]\n  Lunate: [0, 1]\n")
    weights, threshold, others = read_ballot_file(path, ["a.csv", "b.csv"])
    assert others is None
    assert threshold == Fraction(1, 10)
    rows = dict(zip(BONES, weights_by_bone(weights), strict=True))
    assert rows["finger-1"] == rows["Ulna"] == (1, 2)
    assert rows["Capitate"] == (Fraction(1, 4), 1)
    assert rows["Lunate"] == (0, 1)
    again = tmp_path / "again.yaml"
    again.write_text(written_ballot({"default": [1, 2], "Lunate": [0, 3]}, ["a.csv", "b.csv"], HALF, "two\nlines"))
    assert again.read_text().startswith("# two\n# lines\nthreshold: 0.5\n")
    expected = {"default": (1, 2), "Lunate": (0, 3)}
    assert read_ballot_file(again, ["a.csv", "b.csv"]) == (expected, HALF, None)
    assert read_ballot_file(again, ["x.csv", "y.csv"]) == (expected, HALF, ["a.csv", "b.csv"])
    for threshold in (Fraction("0.00001"), Fraction("0.123456789012345678"), Fraction(0)):
        again.write_text(written_ballot(expected, ["a.csv", "b.csv"], threshold, ""))
        assert read_ballot_file(again, ["a.csv", "b.csv"])[1] == threshold


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weights: {default: [1]}", r"weights\.default: expected 2 weights, one a model, got 1"),
        ("weights: {default: [1, 1], Pisifrom: [1, 1]}", r"weights\.Pisifrom: expected default, finger"),
        ("weights: {default: [1, -1]}", r"weights\.default\[1\]: expected a decimal number"),
        ("weights: {default: [1, .nan]}", r"weights\.default\[1\]: expected a decimal number"),
        ("weights: {default: [1, 1e3]}", r"weights\.default\[1\]: expected a decimal number"),
        ("weights: {hand: [1, 1]}", "weights for every bone"),
        ("weights: {default: [1, 1], default: [2, 1]}", "key default twice"),
        ("weights: {default: 1}", r"weights\.default: expected"),
        ("weights: {default: [1, 1]}\nmore: 1", "more: expected"),
        ("models: [b.csv, a.csv]\nweights: {default: [1, 1]}", r"models: expected the inputs a\.csv, b\.csv"),
        ("models: [c.csv]\nweights: {default: [1, 1]}", "models: expected the inputs"),
        ("threshold: x\nweights: {default: [1, 1]}", "threshold: expected a decimal number"),
        ("- 1", "expected keys weights"),
        ("", "expected keys weights"),
        ("weights: {default: [1, 1]", "a YAML file of weights"),
        ("weights: !!python/object/apply:os.system [echo]", "a YAML file of weights"),
        ("weights: {default: [1, !!int ]}", "a YAML file of weights"),
        ("weights: !x {default: [1, 1]}", "a YAML file of weights"),
        ("[" * 5000, "a YAML file of weights"),
        ('weights: {default: [1, 1]}\n"a\\nb": 1', r"a\\nb: expected"),
    ],
)
def test_weights_files_that_are_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_ballot_file(path, ["a.csv", "b.csv"])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", ".", "1.", "-1", "+1", "1e3", "nan", "inf", "\u0661", "1_0", "0x1", "1" * 19])
def test_fractions_that_are_wrong(text: str) -> None:
    with pytest.raises(InputError, match="a decimal number"):
        read_fraction(text, "--weights", "")


def test_weightings_hold_every_decision_once() -> None:
    tried = weightings(3, HALF)
    assert tried.weights[0].tolist() == [1, 1, 1]
    tables = {tuple(row) for row in tried.tables.tolist()}
    assert len(tables) == len(tried.tables)
    member = (np.arange(8)[:, None] >> np.arange(3)) & 1
    for weights in np.random.default_rng(0).random((200, 3)):
        assert tuple((member @ weights > weights.sum() / 2).astype(float)) in tables
    with pytest.raises(ValueError, match="1 to 8 models"):
        weightings(9, HALF)


def noisy(truth: np.ndarray, rate: float, generator: np.random.Generator) -> np.ndarray:
    return truth ^ (generator.random(truth.shape) < rate)


def simulated(images: int, rates: np.ndarray, seed: int) -> np.ndarray:
    """(I, 29, 2, 2^N) counts of models that err at (29, N) rates."""
    generator = np.random.default_rng(seed)
    counts = []
    for _ in range(images):
        truth = generator.random((BONE_COUNT, 12, 17)) < 0.5
        models = [
            np.stack([noisy(plane, rates[bone, model], generator) for bone, plane in enumerate(truth)])
            for model in range(rates.shape[1])
        ]
        counts.append(count_image(encode(truth), [encode(planes) for planes in models]))
    return np.stack(counts)


def test_counts_give_the_dice_of_the_vote() -> None:
    counts = simulated(2, np.full((BONE_COUNT, 3), 0.2), 5)
    tried = weightings(3, HALF)
    fit = fit_weights(counts, ["p1", "p2"], HALF, 5, 0)
    assert set(fit.strategies) == {"equal"}
    majority = (tried.tables[0] > 0).astype(np.int64)
    pixels = counts[:, :, :, :] * majority
    expected = (2 * pixels[:, :, 1].sum(-1) + EPSILON) / (pixels.sum((2, 3)) + counts[:, :, 1].sum(-1) + EPSILON)
    assert fit.held_out["equal"] == pytest.approx(expected.mean(axis=0), abs=1e-6)


def test_fitting_finds_the_better_model_and_the_bone_that_differs() -> None:
    rates = np.tile([0.05, 0.3, 0.3], (BONE_COUNT, 1))
    rates[7] = [0.4, 0.4, 0.04]
    counts = simulated(16, rates, 7)
    patients = [f"ID{number // 2:03d}" for number in range(16)]
    fit = fit_weights(counts, patients, HALF, 4, 0)
    assert fit.strategies[7] == "bone"
    assert fit.strategies.count("global") >= 24
    common = fit.weights[fit.strategies.index("global")]
    assert common[0] > common[1:].sum()
    assert fit.weights[7, 2] > fit.weights[7, :2].sum()
    assert fit.held_out["global"].mean() > fit.held_out["equal"].mean() + 0.05
    again = fit_weights(counts, patients, HALF, 4, 0)
    assert (again.weights == fit.weights).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_models_that_are_alike_keep_equal_weights_for_most_bones(seed: int) -> None:
    counts = simulated(8, np.full((BONE_COUNT, 3), 0.2), seed)
    fit = fit_weights(counts, [f"ID{number:03d}" for number in range(8)], HALF, 4, 0)
    assert fit.strategies.count("bone") <= 14
    assert fit.chosen.mean() >= fit.held_out["equal"].mean() - 1e-9
