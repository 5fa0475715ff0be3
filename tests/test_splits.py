from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rectangle_hands import SIZE, hand_planes
from yolo_bones.annotated_hand import BENT, STRAIGHT, UNKNOWN, fit_annotated_hand, wrist_of_image, wrist_of_patient
from yolo_bones.annotations import AnnotatedImage, Annotation
from yolo_bones.bones import BONES
from yolo_bones.polygons import trace_mask
from yolo_bones.splits import fold_of_patients, stratified_folds

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
    wrists = {patient: [STRAIGHT, STRAIGHT] for patient in patients}
    assert stratified_folds(wrists, 5, 0) == stratified_folds(wrists, 5, 0)
    assert stratified_folds(wrists, 5, 0) != stratified_folds(wrists, 5, 1)


@given(
    st.dictionaries(st.text("0123456789", min_size=1, max_size=4), st.booleans(), min_size=2, max_size=40), st.data()
)
def test_stratified_folds_are_even_in_size_and_wrists_and_do_not_depend_on_order(
    bent: dict[str, bool], data: st.DataObject
) -> None:
    folds, seed = data.draw(st.integers(2, min(8, len(bent)))), data.draw(st.integers(0, 5))
    wrists = {patient: [STRAIGHT, BENT if is_bent else STRAIGHT] for patient, is_bent in bent.items()}
    dealt, note = stratified_folds(wrists, folds, seed)
    assert stratified_folds({p: wrists[p][::-1] for p in reversed(list(wrists))}, folds, seed) == (dealt, note)
    assert set(dealt) == set(bent)
    sizes = Counter(dealt.values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 2
    of_bent = Counter(dealt[patient] for patient in bent if bent[patient])
    if "not stratified" not in note:
        assert max(of_bent.values(), default=0) - min(of_bent.get(fold, 0) for fold in range(folds)) <= 1


def test_every_fold_gets_its_share_of_bent_wrists() -> None:
    """10 of 50 patients in 5 folds: 2 in each; dealt without looking some fold gets none."""
    wrists = {f"ID{n:03d}": [BENT if n % 5 == 0 else STRAIGHT] * 2 for n in range(50)}
    dealt, note = stratified_folds(wrists, 5, 3)
    assert Counter(dealt[patient] for patient in wrists if wrists[patient][0] == BENT) == dict.fromkeys(range(5), 2)
    assert Counter(dealt.values()) == dict.fromkeys(range(5), 10)
    assert note == ""
    blind = fold_of_patients(list(wrists), 5, 3)
    assert Counter(blind[patient] for patient in wrists if wrists[patient][0] == BENT) != dict.fromkeys(range(5), 2)


def test_what_cannot_be_stratified_is_said() -> None:
    def dealt(bent: int, straight: int, unknown: int = 0) -> tuple[Counter[int], str]:
        kinds = [BENT] * bent + [STRAIGHT] * straight + [UNKNOWN] * unknown
        wrists = {f"ID{n:03d}": [kind] for n, kind in enumerate(kinds)}
        found, note = stratified_folds(wrists, 4, 0)
        assert set(found.values()) == {0, 1, 2, 3}
        return Counter(found[f"ID{n:03d}"] for n in range(bent)), note

    spread, note = dealt(bent=3, straight=9)
    assert max(spread.values()) == 1
    assert note == "3 patients with a bent wrist are fewer than 4 folds: not every fold holds one"
    _, note = dealt(bent=9, straight=3)
    assert note == "3 patients with a straight wrist are fewer than 4 folds: not every fold holds one"
    _, note = dealt(bent=3, straight=2)
    assert note == "3 patients with either wrist are fewer than 4 folds: folds are not stratified"
    _, note = dealt(bent=4, straight=7, unknown=1)
    assert note == "1 patients whose hands cannot be fitted are dealt as if straight"
    assert dealt(bent=0, straight=8)[1] == ""


def annotated(planes: np.ndarray, left_out: tuple[str, ...] = ()) -> AnnotatedImage:
    drawn = zip(BONES, planes, strict=True)
    outlines = (Annotation(bone, trace_mask(plane, 0, 0)) for bone, plane in drawn if bone not in left_out)
    return AnnotatedImage("image1", "ID001", SIZE, tuple(outlines))


@pytest.mark.parametrize(
    ("tilt_deg", "wrist"), [(0.0, STRAIGHT), (-13.5, STRAIGHT), (16.5, BENT), (-40.0, BENT), (48.0, BENT)]
)
@pytest.mark.parametrize("thumb_left", [True, False])
def test_a_wrist_is_bent_where_the_hand_leans_more_than_15_degrees(
    tilt_deg: float, thumb_left: bool, wrist: str
) -> None:
    image = annotated(hand_planes(tilt_deg, thumb_left))
    fit = fit_annotated_hand(image)
    assert fit is not None
    assert fit.frame.tilt_deg == pytest.approx(tilt_deg, abs=0.5)
    assert wrist_of_image(image) == wrist


def test_wrists_are_unknown_where_too_few_bones_agree() -> None:
    planes = hand_planes(40.0)
    assert wrist_of_image(annotated(planes, BONES[:10])) == BENT
    assert wrist_of_image(annotated(planes, BONES[:26])) == UNKNOWN
    assert wrist_of_image(annotated(planes[np.random.default_rng(0).permutation(29)])) == UNKNOWN


@pytest.mark.parametrize(("exchanged", "wrist"), [(14, BENT), (18, UNKNOWN)])
def test_two_fifths_of_the_bones_must_agree(exchanged: int, wrist: str) -> None:
    """Of 27 bones with a place of their own 13 are right (0.48), or 9 (0.33)."""
    order = np.arange(29)
    wrong = np.random.default_rng(0).choice(27, exchanged, replace=False)
    order[wrong] = order[np.roll(wrong, 1)]
    assert wrist_of_image(annotated(hand_planes(20.0)[order])) == wrist


def test_a_patient_s_wrist_is_bent_where_either_hand_s_is() -> None:
    assert wrist_of_patient([STRAIGHT, BENT]) == BENT
    assert wrist_of_patient([BENT, UNKNOWN]) == BENT
    assert wrist_of_patient([UNKNOWN, STRAIGHT]) == STRAIGHT
    assert wrist_of_patient([UNKNOWN]) == UNKNOWN
