"""Stray parts and holes of drawn masks."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from tests.made_looks import Seen, disc, look
from yolo_bones.bones import CLASS_IDS
from yolo_bones.merger import MergeSettings, merge_views
from yolo_bones.rle import ImageSize, decode_box
from yolo_bones.tidying import tidy_mask
from yolo_bones.views import fit_letterbox


def blank() -> np.ndarray:
    return np.zeros((140, 190), np.uint8)


def ball(mask: np.ndarray, x: int, y: int, radius: int, value: int = 1) -> np.ndarray:
    return cv2.circle(mask.copy(), (x, y), radius, value, cv2.FILLED)


def tidied(mask: np.ndarray, bone: str) -> tuple[np.ndarray, dict[str, int]]:
    counters: Counter[str] = Counter()
    return tidy_mask(mask, bone, counters), dict(counters)


@pytest.mark.parametrize("bone", ["finger-7", "Lunate"])
def test_a_whole_bone_is_left_alone(bone: str) -> None:
    mask = ball(blank(), 80, 70, 40)
    found, counters = tidied(mask, bone)
    assert found is mask
    assert counters == {}


@pytest.mark.parametrize("bone", ["finger-7", "Lunate", "Radius"])
def test_a_stray_component_is_removed(bone: str) -> None:
    whole = ball(blank(), 70, 70, 40)
    found, counters = tidied(ball(whole, 160, 100, 8), bone)
    np.testing.assert_array_equal(found, whole)
    assert sum(counters.values()) == 1


def test_half_a_bone_beside_the_other_half_is_kept_and_far_away_removed() -> None:
    """Areas 2827 and 1257; side 53, so 8 pixels are near enough."""
    whole = ball(blank(), 50, 70, 30)
    near = ball(whole, 106, 70, 20)
    assert tidied(near, "finger-6") == (near, {})
    found, counters = tidied(ball(whole, 120, 70, 20), "finger-6")
    np.testing.assert_array_equal(found, whole)
    assert counters == {"component_removed": 1}


def test_the_sesamoid_stays_with_the_thumbs_metacarpal_only_where_it_touches() -> None:
    """Area 5027, side 71; the sesamoid's 197 are 4 % of it; 1 pixel apart counts as touching, 8 do not."""
    bone = ball(blank(), 60, 70, 40)
    touching, apart = ball(bone, 110, 70, 8), ball(bone, 117, 70, 8)
    assert len(cv2.findContours(touching, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]) == 2
    found, counters = tidied(touching, "finger-3")
    assert found is touching
    assert counters == {}
    for mask, name in ((touching, "finger-2"), (apart, "finger-3")):
        found, counters = tidied(mask, name)
        np.testing.assert_array_equal(found, bone)
        assert counters == {"component_removed": 1}


def test_small_holes_are_filled_and_large_ones_left() -> None:
    """Area about 7850; 0.5 % of it are 39 pixels."""
    whole = ball(blank(), 80, 70, 50)
    pierced = ball(ball(whole, 70, 60, 2, 0), 100, 80, 9, 0)
    found, counters = tidied(pierced, "finger-11")
    np.testing.assert_array_equal(found, ball(whole, 100, 80, 9, 0))
    assert counters == {"hole_filled": 1}
    np.testing.assert_array_equal(pierced, ball(ball(whole, 70, 60, 2, 0), 100, 80, 9, 0))


def test_what_hangs_on_a_carpal_by_a_thread_is_cut_off() -> None:
    carpal = ball(blank(), 60, 70, 45)
    spoiled = ball(carpal, 150, 70, 12)
    spoiled[69:72, 60:150] = 1
    found, counters = tidied(spoiled, "Lunate")
    assert counters == {"thread_cut": 1}
    assert not found[:, 112:].any()
    assert (found[carpal > 0] == 1).all()
    np.testing.assert_array_equal(tidied(spoiled, "finger-3")[0], spoiled)


def test_where_a_crop_begins_does_not_matter() -> None:
    mask = ball(blank(), 70, 70, 34)
    mask[66:70, 100:150] = 1
    mask = ball(mask, 150, 68, 9)
    whole, counters = tidied(mask, "Hamate")
    assert counters == {"thread_cut": 1}
    for top, left in ((1, 2), (3, 5), (17, 11)):
        part, again = tidied(mask[top:, left:].copy(), "Hamate")
        assert again == counters
        np.testing.assert_array_equal(part, whole[top:, left:])


def test_a_carpal_of_a_few_pixels_survives() -> None:
    mask = blank()
    mask[70:73, 80:82] = 1
    np.testing.assert_array_equal(tidied(mask, "Pisiform")[0], mask)


def test_the_border_of_a_crop_is_no_thread() -> None:
    """A bone that fills its crop to the brim keeps its corners' neighbours."""
    mask = np.ones((83, 61), np.uint8)
    found, counters = tidied(mask, "Hamate")
    assert (found == 1).mean() > 0.99
    assert set(counters) <= {"thread_cut"}


def test_logits_say_what_tidied_masks_say() -> None:
    """A stray disc within the bone's box; off and on agree with the channel, and untidied nothing is lost."""
    size = ImageSize(height=300, width=260)
    body, stray = disc((100.0, 150.0), 60.0), disc((200.0, 220.0), 15.0)
    both = Seen(
        lambda x, y: np.maximum(body.field(x, y), stray.field(x, y)),
        np.concatenate([body.outline_xy, stray.outline_xy]),
    )
    seen = look(fit_letterbox(size, 288, 32), {"Lunate": both})
    lunate = CLASS_IDS["Lunate"]
    plain = merge_views([seen], keep_logits=True)
    tidy = merge_views([seen], MergeSettings(tidy=True), keep_logits=True)
    assert tidy.counters["component_removed" if "component_removed" in tidy.counters else "thread_cut"] == 1
    assert plain.channels[lunate].areas()[0] - tidy.channels[lunate].areas()[0] == pytest.approx(np.pi * 225.0, rel=0.1)
    for merged in (plain, tidy):
        top, left, logits = merged.logits[lunate]
        np.testing.assert_array_equal(logits > 0.0, decode_box(merged.channels[lunate], top, left, *logits.shape)[0])
