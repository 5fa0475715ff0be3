"""Against a plain loop, by hand, and on simulated patients."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_bones import bootstrap as module
from yolo_bones.bootstrap import bootstrap_by_patient, holm, resampled_means

UNEVEN = ["c", "a", "b", "a", "a", "b"]
"""One image of c, two of b, three of a."""


def uneven_values(columns: int = 3) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(len(UNEVEN), columns))


def by_loop(values: np.ndarray, patients: list[str], samples: int, seed: int) -> np.ndarray:
    """Every draw spelt out: the images of each patient as often as the patient was drawn."""
    generator = np.random.default_rng(seed)
    names = sorted(set(patients))
    means = []
    for _ in range(samples):
        drawn = []
        for name, times in zip(names, generator.multinomial(len(names), [1 / len(names)] * len(names)), strict=True):
            for _ in range(times):
                drawn.extend(row for row, patient in zip(values, patients, strict=True) if patient == name)
        means.append(sum(drawn) / len(drawn))
    return np.array(means)


def test_equals_a_plain_loop_for_unequal_numbers_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    values = uneven_values()
    expected = by_loop(values, UNEVEN, 50, seed=7)
    assert len(np.unique(expected[:, 0].round(9))) > 5
    np.testing.assert_allclose(resampled_means(values, UNEVEN, 50, 7), expected, rtol=0, atol=1e-12)
    monkeypatch.setattr(module, "COUNTS_AT_ONCE", 21)  # 7 draws of 3 patients; the last chunk has one
    np.testing.assert_allclose(resampled_means(values, UNEVEN, 50, 7), expected, rtol=0, atol=1e-12)
    assert not np.allclose(resampled_means(values, UNEVEN, 50, 8), expected)


def test_order_of_images_does_not_matter() -> None:
    values, order = uneven_values(), [5, 3, 0, 1, 4, 2]
    shuffled = resampled_means(values[order], [UNEVEN[place] for place in order], 40, 1)
    np.testing.assert_allclose(shuffled, resampled_means(values, UNEVEN, 40, 1), rtol=0, atol=1e-12)


def test_mean_is_over_images_not_over_patients() -> None:
    # a: 3 images of 1; b: 1 image of 5. Draws: aa 1, ab (3 + 5) / 4 = 2, bb 5.
    values = np.array([[1.0], [1.0], [1.0], [5.0]])
    means = resampled_means(values, ["a", "a", "a", "b"], 400, 0)[:, 0]
    found, times = np.unique(means, return_counts=True)
    assert found.tolist() == [1.0, 2.0, 5.0]
    assert times / 400 == pytest.approx([0.25, 0.5, 0.25], abs=0.08)
    assert bootstrap_by_patient(values, ["a", "a", "a", "b"], 400, 0).mean.tolist() == [2.0]


def test_interval_and_p_are_those_of_the_loop() -> None:
    patients = [f"p{number // 2}" for number in range(24)]
    values = np.random.default_rng(2).normal(0.1, 1.0, size=(24, 2))
    found = bootstrap_by_patient(values, patients, 199, 3)
    for column, means in enumerate(by_loop(values, patients, 199, 3).T):
        assert found.low[column] == pytest.approx(np.percentile(means, 2.5))
        assert found.high[column] == pytest.approx(np.percentile(means, 97.5))
        tail = min(sum(mean <= 0 for mean in means), sum(mean >= 0 for mean in means))
        assert 0 < tail < 99
        assert found.p[column] == pytest.approx(2 * (tail + 1) / 200)


def test_the_other_way_round_is_the_negative() -> None:
    values = uneven_values()
    found, other = (bootstrap_by_patient(sign * values, UNEVEN, 500, 5) for sign in (1, -1))
    np.testing.assert_array_equal(found.mean, -other.mean)
    np.testing.assert_allclose(found.low, -other.high, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.high, -other.low, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.p, other.p)


def test_no_difference_is_exactly_none() -> None:
    found = bootstrap_by_patient(np.zeros((6, 2)), UNEVEN, 100, 0)
    for figures in (found.mean, found.low, found.high):
        assert figures.tolist() == [0.0, 0.0]
    assert found.p.tolist() == [1.0, 1.0]


def test_p_is_never_below_the_chance_that_all_patients_agree_by_luck() -> None:
    for count, smallest in ((2, 0.5), (6, 1 / 32), (20, 2 / 1000)):
        found = bootstrap_by_patient(np.ones((count, 1)), [f"{number}" for number in range(count)], 999, 0)
        assert found.p.tolist() == [smallest]
        assert found.smallest_p == smallest


def test_one_patient_has_no_interval() -> None:
    found = bootstrap_by_patient(np.array([[0.25], [0.75]]), ["a", "a"], 100, 0)
    assert (found.mean.tolist(), found.p.tolist(), found.patients) == ([0.5], [1.0], 1)
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


def test_coverage_needs_whole_patients() -> None:
    # 600 studies at once: 40 patients of 1 to 5 images whose common part varies three times as much as the rest.
    generator = np.random.default_rng(11)
    images = generator.integers(1, 6, 40)
    patients = np.repeat([f"{number:02}" for number in range(40)], images).tolist()
    values = 0.7 + np.repeat(generator.normal(0, 3, (40, 600)), images, axis=0)
    values += generator.normal(0, 1, values.shape)

    def coverage(names: list[str]) -> float:
        found = bootstrap_by_patient(values, names, 1000, 0)
        return float(np.mean((found.low <= 0.7) & (found.high >= 0.7)))

    assert 0.91 <= coverage(patients) <= 0.97
    assert coverage([f"{number}" for number in range(len(patients))]) < 0.85


def test_p_of_no_difference_is_small_as_rarely_as_it_should() -> None:
    values = np.random.default_rng(12).normal(0, 1, (40, 600))
    found = bootstrap_by_patient(values, [f"{number}" for number in range(40)], 1000, 0)
    assert 0.03 <= np.mean(found.p < 0.05) <= 0.09
    assert 0.4 <= np.mean(found.p < 0.5) <= 0.6


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .5 times 4 3 2 1: .04 .06 .06 .5; a later one is never below an earlier one.
    assert holm(np.array([0.03, 0.01, 0.5, 0.02])) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm(np.array([0.02, 0.011])) == pytest.approx([0.022, 0.022])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("rows", "patients", "samples"), [(0, 0, 10), (2, 1, 10), (2, 2, 0)])
def test_what_cannot_be_resampled(rows: int, patients: int, samples: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        resampled_means(np.zeros((rows, 1)), ["a"] * patients, samples, 0)
