from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from yolo_bones.splits import fold_of_patients

PATIENTS = st.lists(st.text("0123456789", min_size=1, max_size=4), min_size=1, max_size=60, unique=True)


@given(PATIENTS, st.integers(1, 8), st.integers(0, 5))
def test_folds_are_even_and_do_not_depend_on_order(patients: list[str], folds: int, seed: int) -> None:
    dealt = fold_of_patients(patients, folds, seed)
    assert set(dealt) == set(patients)
    sizes = Counter(dealt.values())
    assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(folds)) <= 1
    assert fold_of_patients(patients[::-1], folds, seed) == dealt


def test_another_seed_deals_otherwise() -> None:
    patients = [f"ID{number:03d}" for number in range(1, 101)]
    assert fold_of_patients(patients, 5, 0) != fold_of_patients(patients, 5, 1)
