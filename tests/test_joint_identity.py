"""Where the hand lies, and which candidate is which bone: hands of boxes at typical places, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from yolo_bones.anatomy import TYPICAL, HandFrame
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.candidates import Candidates
from yolo_bones.hand_finding import find_hand, find_hand_in_looks
from yolo_bones.joint_identity import identify
from yolo_bones.merger import MergeSettings, merge_views
from yolo_bones.rle import ImageSize
from yolo_bones.shared_instances import share_out
from yolo_bones.views import View, fit_letterbox, turned

SIZE = ImageSize(height=640, width=520)
WHOLE = fit_letterbox(SIZE, 320, 32)
FRAME = HandFrame(np.array([270.0, 420.0]), np.array([-1.0, 0.0]), np.array([0.0, -1.0]), 150.0)
PRIOR = MergeSettings(place_prior=1.0)
TIDY = MergeSettings(tidy=True)

Candidate = tuple[tuple[float, float], float, dict[str, float]]
"""Centre in native pixels, side of its square box in native pixels, scores."""


def place(bone: str) -> tuple[float, float]:
    typical = TYPICAL[bone]
    x, y = FRAME.origin_xy + FRAME.unit_px * (
        typical.thumbward * FRAME.thumbward_xy + typical.distalward * FRAME.distalward_xy
    )
    return float(x), float(y)


def side(bone: str) -> float:
    """Of a square whose diagonal is that of the typical bone."""
    return float(np.hypot(TYPICAL[bone].length, TYPICAL[bone].width)) * FRAME.unit_px / np.sqrt(2.0)


def right(bone: str, score: float = 0.8) -> Candidate:
    """A candidate at the bone's typical place and of its size."""
    return place(bone), side(bone), {bone: score}


def look(candidates: Iterable[Candidate], view: View = WHOLE) -> Candidates:
    """Every candidate's mask fills its box."""
    listed = list(candidates)
    scores = np.zeros((len(listed), BONE_COUNT), np.float32)
    boxes = []
    for index, (centre, length, named) in enumerate(listed):
        for bone, score in named.items():
            scores[index, CLASS_IDS[bone]] = score
        middle = view.to_input(np.array(centre) + 0.5)
        boxes.append([*(middle - length * view.scale / 2), *(middle + length * view.scale / 2)])
    net = view.input_size
    return Candidates(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=scores,
        coefficients=np.ones((len(listed), 1), np.float32),
        prototypes=np.ones((1, net.height // 4, net.width // 4), np.float32),
        view=view,
    )


def hand(*, without: Iterable[str] = ()) -> list[Candidate]:
    return [right(bone) for bone in BONES if bone not in set(without)]


def best_place(candidates: Candidates, bone: str) -> tuple[float, float]:
    """Centre of a class's best candidate in native pixels."""
    box = candidates.boxes_xyxy[candidates.scores[:, CLASS_IDS[bone]].argmax()]
    x, y = candidates.view.to_image((box[:2] + box[2:]).astype(np.float64) / 2.0) - 0.5
    return float(x), float(y)


@pytest.mark.parametrize("view", [WHOLE, turned(WHOLE, mirror=True), turned(WHOLE, turn_deg=35.0, zoom=0.8)])
def test_a_hand_is_found_from_any_view(view: View) -> None:
    fit = find_hand(look(hand(), view))
    assert fit is not None
    assert np.abs(fit.frame.origin_xy - FRAME.origin_xy).max() < 4.0
    assert fit.frame.unit_px == pytest.approx(FRAME.unit_px, rel=0.02)
    assert fit.frame.tilt_deg == pytest.approx(0.0, abs=1.5)
    assert fit.frame.thumb_left
    assert fit.support > 0.9


def test_too_few_bones_are_no_hand() -> None:
    assert find_hand(look([right("Lunate"), right("Ulna"), right("finger-1")])) is None
    assert find_hand(look([])) is None
    doubtful = [(centre, length, dict.fromkeys(named, 0.005)) for centre, length, named in hand()]
    assert find_hand(look(doubtful)) is None


def test_a_hand_is_found_whatever_confidence_a_bone_needs_in_the_end() -> None:
    unsure = look([(centre, length, dict.fromkeys(named, 0.3)) for centre, length, named in hand()])
    found = [find_hand(unsure, MergeSettings(least_confidence=least)) for least in (0.01, 0.5)]
    assert found[0] is not None
    assert found[1] is not None
    np.testing.assert_array_equal(found[0].frame.origin_xy, found[1].frame.origin_xy)


def test_each_bone_is_taken_from_the_look_that_is_surest_of_it() -> None:
    """The second look has everything in one place, and is sure of nothing."""
    lost = [((100.0, 100.0), 40.0, {bone: 0.3}) for bone in BONES]
    alone = find_hand(look(hand()))
    assert alone is not None
    for looks in ([look(lost), look(hand())], [look(hand()), look(lost)]):
        both = find_hand_in_looks(looks)
        assert both is not None
        np.testing.assert_allclose(both.frame.origin_xy, alone.frame.origin_xy)


def test_without_settings_nothing_is_looked_at() -> None:
    looks = [look(hand())]
    counters: Counter[str] = Counter()
    assert identify(looks, MergeSettings(), counters) is looks
    assert counters == {}


def test_a_frame_that_is_known_is_not_searched() -> None:
    """The right one changes nothing; one moved by what lies between them takes the place of one for the other."""
    seen = look([*hand(without=["Lunate"]), right("Lunate", 0.5), (place("Hamate"), side("Hamate"), {"Lunate": 0.6})])
    fit = find_hand(seen)
    assert fit is not None
    moved = replace(fit.frame, origin_xy=fit.frame.origin_xy + np.array(place("Hamate")) - place("Lunate"))
    (searched,), (given,), (wrong,) = (identify([seen], PRIOR, Counter(), frame) for frame in (None, fit.frame, moved))
    np.testing.assert_allclose(given.scores, searched.scores)
    assert best_place(given, "Lunate") == pytest.approx(place("Lunate"), abs=0.1)
    assert best_place(wrong, "Lunate") == pytest.approx(place("Hamate"), abs=0.1)


def test_place_decides_between_two_candidates_of_a_bone() -> None:
    """The lunate's highest score lies on the hamate; scores, boxes and masks of the right one stay as they are."""
    seen = look([*hand(without=["Lunate"]), right("Lunate", 0.5), (place("Hamate"), side("Hamate"), {"Lunate": 0.6})])
    assert best_place(seen, "Lunate") == pytest.approx(place("Hamate"), abs=0.1)
    counters: Counter[str] = Counter()
    (weighed,) = identify([seen], PRIOR, counters)
    assert best_place(weighed, "Lunate") == pytest.approx(place("Lunate"), abs=0.1)
    assert weighed.scores[:, CLASS_IDS["Lunate"]].max() == pytest.approx(0.5)
    assert counters == {"place_decided": 1}
    lunate = CLASS_IDS["Lunate"]
    assert merge_views([seen]).confidence[lunate] == np.float32(0.6)
    merged = merge_views([seen], PRIOR)
    assert merged.confidence[lunate] == np.float32(0.5)
    assert merged.counters == {"place_decided": 1}


def test_a_bone_that_lies_oddly_keeps_its_confidence() -> None:
    x, y = place("finger-4")
    seen = look([*hand(without=["finger-4"]), ((x - 60.0, y + 30.0), side("finger-4"), {"finger-4": 0.7})])
    (weighed,) = identify([seen], PRIOR, Counter())
    assert weighed.scores[:, CLASS_IDS["finger-4"]].max() == pytest.approx(0.7)


def test_size_decides_where_places_are_alike() -> None:
    """Two boxes about the distal phalanx, one of the whole finger's size."""
    whole = (place("finger-8"), 3.0 * side("finger-8"), {"finger-8": 0.6})
    seen = look([*hand(without=["finger-8"]), whole, right("finger-8", 0.5)])
    (weighed,) = identify([seen], PRIOR, Counter())
    best = weighed.boxes_xyxy[weighed.scores[:, CLASS_IDS["finger-8"]].argmax()]
    assert best[2] - best[0] == pytest.approx(side("finger-8") * WHOLE.scale, rel=0.01)


def test_radius_and_ulna_may_lie_anywhere() -> None:
    bent = ((480.0, 600.0), 90.0, {"Radius": 0.4})
    seen = look([*hand(without=["Radius"]), bent, right("Radius", 0.3)])
    (weighed,) = identify([seen], PRIOR, Counter())
    assert best_place(weighed, "Radius") == pytest.approx((480.0, 600.0), abs=0.1)


def test_an_instance_that_two_classes_claim_goes_to_the_one_that_has_nothing_else() -> None:
    """finger-9 is surer of it, but finger-13 has no other; finger-9 has another at 0.4."""
    there = place("finger-13")
    seen = look(
        [
            (there, 40.0, {"finger-9": 0.7, "finger-13": 0.6}),
            (place("finger-9"), 40.0, {"finger-9": 0.4}),
            right("Lunate"),
        ]
    )
    counters: Counter[str] = Counter()
    shared = share_out(seen, counters)
    assert best_place(shared, "finger-13") == pytest.approx(there, abs=0.1)
    assert best_place(shared, "finger-9") == pytest.approx(place("finger-9"), abs=0.1)
    assert shared.scores[:, CLASS_IDS["finger-9"]].max() == np.float32(0.4)
    assert counters == {"instance_claimed_twice": 1, "instance_given_up": 1}


def test_where_both_claimants_have_something_else_the_one_that_loses_less_goes() -> None:
    """0.6 * 0.6 against 0.7 * 0.2."""
    seen = look(
        [
            ((200.0, 300.0), 60.0, {"finger-9": 0.7, "finger-13": 0.6}),
            ((300.0, 300.0), 60.0, {"finger-9": 0.6}),
            ((400.0, 300.0), 60.0, {"finger-13": 0.2}),
        ]
    )
    shared = share_out(seen, Counter())
    assert best_place(shared, "finger-13")[0] == pytest.approx(200.0, abs=0.1)
    assert best_place(shared, "finger-9")[0] == pytest.approx(300.0, abs=0.1)


def test_a_chain_of_claims_is_settled_as_a_whole() -> None:
    """Each of three classes is surest of its neighbour's instance; only all moves together free every instance."""
    at = [(100.0, 100.0), (200.0, 100.0), (300.0, 100.0), (400.0, 100.0)]
    seen = look(
        [
            (at[0], 50.0, {"finger-4": 0.3}),
            (at[1], 50.0, {"finger-4": 0.6, "finger-8": 0.5}),
            (at[2], 50.0, {"finger-8": 0.6, "finger-12": 0.5}),
            (at[3], 50.0, {"finger-12": 0.6, "finger-16": 0.9}),
        ]
    )
    shared = share_out(seen, Counter())
    bones = ("finger-4", "finger-8", "finger-12", "finger-16")
    assert [best_place(shared, bone)[0] for bone in bones] == pytest.approx([100.0, 200.0, 300.0, 400.0], abs=0.1)


def test_a_bone_without_an_alternative_keeps_what_it_has() -> None:
    seen = look([((200.0, 300.0), 60.0, {"finger-9": 0.7, "finger-13": 0.6})])
    counters: Counter[str] = Counter()
    shared = share_out(seen, counters)
    np.testing.assert_array_equal(shared.scores, seen.scores)
    assert counters == {"instance_claimed_twice": 1}


def test_a_tangle_of_many_classes_is_left_as_it_is() -> None:
    """Eight classes with three instances each: 6561 combinations, three times as many with every further class."""
    claims = dict(zip(BONES[:8], np.linspace(0.9, 0.8, 8).tolist(), strict=True))
    seen = look([((100.0 + 120.0 * n, 300.0), 60.0, {b: s - 0.1 * n for b, s in claims.items()}) for n in range(3)])
    counters: Counter[str] = Counter()
    np.testing.assert_array_equal(share_out(seen, counters).scores, seen.scores)
    assert counters == {"instance_claimed_twice": 28}
    fewer = look([((100.0 + 120.0 * n, 300.0), 60.0, dict.fromkeys(BONES[:3], 0.9 - 0.1 * n)) for n in range(3)])
    assert not np.array_equal(share_out(fewer, Counter()).scores, fewer.scores)


def test_the_pisiform_may_lie_on_the_triquetrum() -> None:
    there = place("Triquetrum")
    seen = look([(there, 40.0, {"Triquetrum": 0.8, "Pisiform": 0.7}), ((90.0, 90.0), 40.0, {"Pisiform": 0.5})])
    counters: Counter[str] = Counter()
    assert share_out(seen, counters) is seen
    assert counters == {}


def test_bones_that_only_overlap_keep_their_instances() -> None:
    """Two boxes of 160 shifted by 44: IoU 0.57, with alternatives at hand; shifted by 28 it is 0.70, too much."""
    for shift, clash in ((44.0, False), (28.0, True)):
        seen = look(
            [
                ((150.0, 300.0), 160.0, {"Trapezium": 0.8}),
                ((150.0 + shift, 300.0), 160.0, {"Trapezoid": 0.7}),
                ((400.0, 500.0), 60.0, {"Trapezium": 0.7, "Trapezoid": 0.6}),
            ]
        )
        assert (share_out(seen, Counter()) is not seen) is clash


def test_an_uncertain_bone_where_no_hand_has_it_is_chosen_anew_or_emptied() -> None:
    far = (40.0, 600.0)
    seen = look(
        [
            *hand(without=["Trapezium", "Lunate", "Hamate"]),
            (far, 50.0, {"Trapezium": 0.2, "Lunate": 0.2, "Hamate": 0.5}),
            right("Trapezium", 0.1),
        ]
    )
    merged = merge_views([seen], TIDY)
    assert merged.counters["impossible_bone_rechosen"] == 1
    assert merged.counters["impossible_bone_emptied"] == 1
    areas = dict(zip(BONES, merged.channels.areas().tolist(), strict=True))
    assert areas["Lunate"] == 0
    assert areas["Hamate"] > 0
    top, left, bottom, right_ = merged.channels[CLASS_IDS["Trapezium"]].boxes()[0].tolist()
    assert ((left + right_) / 2, (top + bottom) / 2) == pytest.approx(place("Trapezium"), abs=2.0)
    assert merged.confidence[CLASS_IDS["Trapezium"]] == np.float32(0.1)
    assert merge_views([seen]).confidence[CLASS_IDS["Lunate"]] == np.float32(0.2)


def test_where_no_hand_is_found_nothing_is_changed() -> None:
    seen = look([right("Lunate"), right("finger-9"), ((40.0, 600.0), 50.0, {"Hamate": 0.2})])
    merged = merge_views([seen], MergeSettings(place_prior=1.0, tidy=True))
    assert merged.counters == {"places_not_judged": 1}
    assert merged.channels.equals(merge_views([seen]).channels)
    assert merge_views([look([])], MergeSettings(place_prior=1.0, tidy=True)).channels.areas().sum() == 0
