"""Logits of any view at native pixels, and several looks at one image. No network; images that are not square."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_looks import disc, look, plateau
from yolo_bones.anatomy import HandFrame
from yolo_bones.bones import BONE_COUNT, CLASS_IDS
from yolo_bones.candidates import Candidates
from yolo_bones.fused_bones import FusedBones
from yolo_bones.logit_crops import logit_crops
from yolo_bones.merger import MergedBones, MergeSettings, merge_candidates, merge_views
from yolo_bones.rle import ImageSize, decode
from yolo_bones.views import CARPUS, View, fit_letterbox, hand_view, turned

SIZE = ImageSize(height=620, width=450)
FRAME = HandFrame(np.array([230.0, 320.0]), np.array([-0.8, 0.6]), np.array([-0.6, -0.8]), 110.0)
WHOLE = fit_letterbox(SIZE, 256, 32)
VIEWS = {
    "mirrored": turned(WHOLE, mirror=True),
    "upside down": View(SIZE, WHOLE.input_size, np.array([[0.4, 0.0, 5.0], [0.0, -0.4, 252.0]])),
    "half turn": View(SIZE, WHOLE.input_size, np.array([[-0.4, 0.0, 186.0], [0.0, -0.4, 252.0]])),
    "turned": turned(WHOLE, turn_deg=23.0),
    "quarter turn": View(SIZE, ImageSize(192, 256), np.array([[0.0, 0.4, 2.0], [-0.4, 0.0, 184.0]])),
    "turned and mirrored": turned(WHOLE, turn_deg=-64.0, mirror=True, zoom=0.9),
    "enlarged": turned(WHOLE, turn_deg=5.0, zoom=2.5),
    "canonical": hand_view(SIZE, FRAME, CARPUS, ImageSize(128, 96)),
}


def channel(merged: MergedBones, bone: str) -> np.ndarray:
    return decode(merged.channels[CLASS_IDS[bone]])[0]


@pytest.mark.parametrize("name", VIEWS)
def test_a_known_shape_comes_back_in_place_from_any_view(name: str) -> None:
    centre, radius = (236.3, 318.8), 41.5
    merged = merge_views([look(VIEWS[name], {"Capitate": disc(centre, radius)})])
    y, x = np.nonzero(channel(merged, "Capitate"))
    assert abs(x.mean() + 0.5 - centre[0]) < 0.1
    assert abs(y.mean() + 0.5 - centre[1]) < 0.1
    assert len(x) == pytest.approx(np.pi * radius**2, rel=0.02)


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel, a = -0.5, written out."""
    d = np.abs(distance)
    return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0.0))


@pytest.mark.parametrize("name", ["turned", "canonical"])
def test_turned_logits_are_those_of_the_cubic_interpolant(name: str) -> None:
    """Noise from cell to cell, standard deviation 4, the worst case; linear weights are 0.55 off."""
    view = VIEWS[name]
    rows, columns = view.input_size.height // 4, view.input_size.width // 4
    plane = np.random.default_rng(3).normal(0.0, 4.0, (rows, columns)).astype(np.float32)
    scores = np.zeros((1, BONE_COUNT), np.float32)
    scores[0, 4] = 0.9
    left, top, right, bottom = 30.0, 30.0, view.input_size.width - 30.0, view.input_size.height - 30.0
    box = np.array([[left, top, right, bottom]], np.float32)
    one = Candidates(box, scores, np.ones((1, 1), np.float32), plane[None], view)
    settings = MergeSettings(box_margin=0.0)
    first_row, first_column, logits = merge_views([one], settings, keep_logits=True).logits[4]
    y, x = np.mgrid[first_row : first_row + logits.shape[0], first_column : first_column + logits.shape[1]] + 0.5
    places = view.to_input(np.stack([x, y], axis=-1))
    inside = ((places > [left + 1, top + 1]) & (places < [right - 1, bottom - 1])).all(axis=-1)
    outside = ((places < [left - 1, top - 1]) | (places > [right + 1, bottom + 1])).any(axis=-1)
    column, row = (places[inside] / 4 - 0.5).T
    exact, linear = np.zeros(len(row)), np.zeros(len(row))
    for down in range(-1, 3):
        for across in range(-1, 3):
            i, j = np.floor(row).astype(int) + down, np.floor(column).astype(int) + across
            exact += plane[i, j] * cubic(row - i) * cubic(column - j)
            linear += plane[i, j] * np.clip(1 - np.abs(row - i), 0, 1) * np.clip(1 - np.abs(column - j), 0, 1)
    assert len(exact) > 5000
    assert np.abs(linear - exact).mean() > 0.5
    assert np.abs(logits[inside] - exact).mean() < 0.06
    assert logits[outside].max() < -12.0


def test_a_mirrored_view_gives_the_very_bits_of_the_upright_one() -> None:
    upright = look(WHOLE, {"Lunate": disc((200.0, 300.0), 50.0), "Ulna": disc((90.0, 500.0), 64.0)})
    width = WHOLE.input_size.width
    left, top, right, bottom = upright.boxes_xyxy.T
    mirrored = Candidates(
        np.stack([width - right, top, width - left, bottom], axis=1),
        upright.scores,
        upright.coefficients,
        upright.prototypes[:, :, ::-1],
        turned(WHOLE, mirror=True),
    )
    assert merge_views([mirrored]).channels.equals(merge_views([upright]).channels)


@pytest.mark.parametrize("name", ["mirrored", "turned", "canonical"])
def test_a_mask_is_cut_to_its_widened_box_in_any_view(name: str) -> None:
    """All of a box is on; widened by a tenth of 40 x 56 input pixels on every side."""
    view = VIEWS[name]
    middle = view.to_image(np.array([view.input_size.width / 2, view.input_size.height / 2]))
    seen = look(view, {"Hamate": disc((float(middle[0]), float(middle[1])), 5.0)})
    box = np.array([[28.0, 36.0, 68.0, 92.0]], np.float32)
    everywhere = Candidates(box, seen.scores, seen.coefficients, np.ones_like(seen.prototypes), view)
    mask = channel(merge_views([everywhere], MergeSettings(box_margin=0.1)), "Hamate")
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    places = view.to_input(np.stack([x, y], axis=-1))
    tolerance = 1.1 * view.scale
    assert mask[
        (places > np.array([24.0, 30.4]) + tolerance).all(axis=-1) & (places < 72.0 - tolerance).all(axis=-1)
    ].all()
    assert not mask[(places < np.array([24.0, 30.4]) - tolerance).any(axis=-1)].any()
    assert not mask[(places > np.array([72.0, 97.6]) + tolerance).any(axis=-1)].any()
    assert mask[(np.abs(places - [48.0, 96.0]) < 1.0).all(axis=-1)].all()


def test_nothing_is_claimed_beyond_what_a_look_saw() -> None:
    """The box ends at the input's border; widening it does not reach out of the picture."""
    view = View(SIZE, ImageSize(64, 96), np.array([[0.5, 0.0, -50.0], [0.0, 0.5, -100.0]]))
    seen = look(view, {"Radius": plateau(100.0, 210.0, 300.0, 300.0, 5.0)})
    mask = channel(merge_views([seen], MergeSettings(box_margin=0.5)), "Radius")
    x = np.flatnonzero(mask.any(axis=0))
    assert (x[0], x[-1]) == (100, 291)


def test_one_look_and_the_same_look_twice_give_the_same_masks() -> None:
    seen = look(WHOLE, {"Lunate": disc((200.0, 300.0), 50.0), "finger-9": disc((90.0, 80.0), 31.0)})
    once = merge_candidates(seen)
    assert merge_views([seen]).channels.equals(once.channels)
    assert merge_views([seen, seen]).channels.equals(once.channels)
    assert once.counters == {}


@pytest.mark.parametrize("shape", ["island", "noise", "nothing"])
@pytest.mark.parametrize("name", VIEWS)
def test_crops_that_leave_out_what_is_low_say_the_same(name: str, shape: str) -> None:
    view, floor = VIEWS[name], 1.5
    rows, columns = view.input_size.height // 4, view.input_size.width // 4
    plane = np.random.default_rng(5).normal(0.0, 3.0, (rows, columns)).astype(np.float32)
    if shape != "noise":
        plane[:] = -9.0
    if shape == "island":
        plane[rows // 2 - 3 : rows // 2 + 2, columns // 3 : columns // 3 + 6] = 7.0
    box = np.array([[-3.0, 5.0, view.input_size.width + 4.0, view.input_size.height - 9.0]], np.float32)
    one = FusedBones(
        np.tile(box, (BONE_COUNT, 1)), np.ones((BONE_COUNT, 1), np.float32), np.ones(BONE_COUNT, np.float32)
    )
    scores = np.ones((1, BONE_COUNT), np.float32)
    seen = Candidates(box, scores, np.ones((1, 1), np.float32), plane[None], view)
    wanted = np.arange(BONE_COUNT) == 6
    whole = list(logit_crops(seen, one, wanted, MergeSettings()))
    spared = list(logit_crops(seen, one, wanted, MergeSettings(), np.full(BONE_COUNT, floor)))
    assert all(crop[2].size == 0 for crops in (whole, spared) for crop in [*crops[:6], *crops[7:]])
    planes = []
    for top, left, logits in (whole[6], spared[6]):
        planes.append(np.full((SIZE.height, SIZE.width), -80.0, np.float32))
        planes[-1][top : top + logits.shape[0], left : left + logits.shape[1]] = logits
    above = planes[0] > floor
    assert above.any() == (shape != "nothing")
    np.testing.assert_allclose(planes[1][above], planes[0][above], atol=1e-3)
    assert (planes[1][~above] <= floor + 1e-3).all()
    if shape == "island" and view.matrix[0, 1] != 0.0:
        y, x = np.nonzero(above)
        tight = (np.ptp(y) + 1, np.ptp(x) + 1)
        assert all(0 <= side - least <= 8 for side, least in zip(spared[6][2].shape, tight, strict=True))


@pytest.mark.parametrize("name", VIEWS)
def test_crops_stay_inside_the_image_where_a_bone_lies_beyond_it(name: str) -> None:
    view = VIEWS[name]
    for centre in ((455.0, 300.0), (-8.0, 300.0), (200.0, 626.0), (200.0, -8.0), (456.0, 626.0)):
        one = look(view, {"Capitate": disc(centre, 25.0), "Lunate": disc(centre, 4.0)})
        alone, kept = (merge_views([one], keep_logits=keep) for keep in (False, True))
        assert alone.channels.equals(kept.channels)


def test_a_turned_look_and_a_plain_one_agree_on_a_shape() -> None:
    bones = {"Scaphoid": disc((210.7, 300.2), 44.0)}
    merged = merge_views([look(WHOLE, bones), look(VIEWS["turned"], bones), look(VIEWS["mirrored"], bones)])
    y, x = np.nonzero(channel(merged, "Scaphoid"))
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx((210.7, 300.2), abs=0.1)
    assert len(x) == pytest.approx(np.pi * 44.0**2, rel=0.02)
    assert merged.counters == {}


def test_logits_are_averaged_by_confidence_and_a_look_says_no_where_its_box_ends() -> None:
    """(0.9 * 4 + 0.3 * 1) / 1.2 = 3.25 where both see it; (0.9 * 4 - 0.3 * 6) / 1.2 = 1.5 where one does."""
    wide = look(WHOLE, {"Ulna": plateau(100.0, 100.0, 300.0, 300.0, 4.0, score=0.9)})
    narrow = look(WHOLE, {"Ulna": plateau(100.0, 100.0, 220.0, 300.0, 1.0, score=0.3)})
    settings = MergeSettings(box_margin=0.0)
    merged = merge_views([wide, narrow], settings, keep_logits=True)
    top, left, logits = merged.logits[CLASS_IDS["Ulna"]]
    assert logits[200 - top, 150 - left] == pytest.approx(3.25, abs=1e-5)
    assert logits[200 - top, 260 - left] == pytest.approx(1.5, abs=1e-5)
    assert merged.confidence[CLASS_IDS["Ulna"]] == np.float32(0.9)
    surer = MergeSettings(box_margin=0.0, look_confidence=2.0)
    _, _, squared = merge_views([wide, narrow], surer, keep_logits=True).logits[CLASS_IDS["Ulna"]]
    assert squared[200 - top, 260 - left] == pytest.approx((0.81 * 4 - 0.09 * 6) / 0.9, abs=1e-5)


def test_the_least_confidence_is_that_of_a_bone_not_of_each_look() -> None:
    """Looks of 0.9 and 0.3: either both count or, where a bone needs more than 0.9, none; 0.005 has seen nothing."""
    wide = look(WHOLE, {"Ulna": plateau(100.0, 100.0, 300.0, 300.0, 4.0, score=0.9)})
    narrow = look(WHOLE, {"Ulna": plateau(100.0, 100.0, 220.0, 300.0, 1.0, score=0.3)})
    nothing = look(WHOLE, {"Ulna": plateau(100.0, 100.0, 300.0, 300.0, -9.0, score=0.005)})
    merged, strict, stricter = (
        merge_views([wide, narrow, nothing], MergeSettings(box_margin=0.0, least_confidence=least), keep_logits=True)
        for least in (0.01, 0.5, 0.95)
    )
    assert strict.channels.equals(merged.channels)
    np.testing.assert_array_equal(strict.logits[CLASS_IDS["Ulna"]][2], merged.logits[CLASS_IDS["Ulna"]][2])
    assert merged.channels.areas().sum() > 0
    assert stricter.channels.areas().sum() == 0
    assert stricter.confidence[CLASS_IDS["Ulna"]] == np.float32(0.9)


def test_a_closer_look_counts_by_how_much_closer_it_is() -> None:
    """Twice as fine, so weights 1 and 2: (4 + 2 * 1) / 3 = 2."""
    near = View(SIZE, ImageSize(256, 256), np.array([[0.8, 0.0, -40.0], [0.0, 0.8, -40.0]]))
    far = View(SIZE, ImageSize(256, 192), np.array([[0.4, 0.0, 0.0], [0.0, 0.4, 0.0]]))
    looks = [
        look(far, {"Lunate": plateau(100.0, 100.0, 300.0, 300.0, 4.0)}),
        look(near, {"Lunate": plateau(100.0, 100.0, 300.0, 300.0, 1.0)}),
    ]
    top, left, logits = merge_views(looks, MergeSettings(box_margin=0.0), keep_logits=True).logits[CLASS_IDS["Lunate"]]
    assert logits[200 - top, 200 - left] == pytest.approx(2.0, abs=1e-5)
    even = MergeSettings(box_margin=0.0, look_fineness=0.0)
    _, _, logits = merge_views(looks, even, keep_logits=True).logits[CLASS_IDS["Lunate"]]
    assert logits[200 - top, 200 - left] == pytest.approx(2.5, abs=1e-5)


def test_a_look_whose_crop_cuts_a_bone_gives_way_to_one_that_sees_it_whole() -> None:
    closeup = View(SIZE, ImageSize(96, 96), np.array([[0.5, 0.0, -80.0], [0.0, 0.5, -80.0]]))  # native 160 to 352
    bones = {"Radius": disc((256.0, 352.0), 70.0), "Lunate": disc((256.0, 250.0), 40.0)}
    alone = merge_views([look(closeup, bones)])
    assert alone.counters == {}
    assert channel(alone, "Radius").any()
    assert not channel(alone, "Radius")[353:].any()
    both = merge_views([look(WHOLE, bones), look(closeup, bones)])
    assert both.counters == {"look_cuts_bone": 1}
    assert merge_views([look(WHOLE, bones)]).channels[CLASS_IDS["Radius"]].equals(both.channels[CLASS_IDS["Radius"]])
    unsure = {**bones, "Radius": disc((256.0, 352.0), 70.0, score=0.2)}
    assert merge_views([look(WHOLE, unsure), look(closeup, bones)]).counters == {}


def test_a_look_that_ends_a_bone_before_its_border_gives_way_too() -> None:
    """The close-up's box of the radius ends 20 input pixels before the border; the plain look sees it go on beyond."""
    closeup = View(SIZE, ImageSize(96, 96), np.array([[0.5, 0.0, -80.0], [0.0, 0.5, -80.0]]))  # native 160 to 352
    seen = {"Radius": disc((256.0, 252.0), 60.0), "Lunate": disc((200.0, 250.0), 30.0)}
    whole = {"Radius": disc((256.0, 330.0), 70.0), "Lunate": disc((200.0, 250.0), 30.0)}
    both = merge_views([look(WHOLE, whole), look(closeup, seen)])
    assert both.counters == {"look_cuts_bone": 1}
    assert merge_views([look(WHOLE, whole)]).channels[CLASS_IDS["Radius"]].equals(both.channels[CLASS_IDS["Radius"]])


def window(top: int, bottom: int, scale: float = 0.5) -> View:
    """Native rows top to bottom of columns 100 to 420."""
    matrix = np.array([[scale, 0.0, -100 * scale], [0.0, scale, -top * scale]])
    return View(SIZE, ImageSize(round((bottom - top) * scale), round(320 * scale)), matrix)


def test_two_looks_that_each_cut_a_bone_make_it_whole_together() -> None:
    """Native rows 282 to 422; one look ends at row 352, the other, which sees more of it, begins at row 300."""
    bones = {"Radius": disc((256.0, 352.0), 70.0)}
    upper, lower, whole = (look(view, bones) for view in (window(160, 352), window(300, 492), window(160, 480)))
    for looks in ([upper, lower], [lower, upper]):
        both = merge_views(looks)
        assert both.counters == {"look_cuts_bone": 1}
        different = channel(both, "Radius") != channel(merge_views([whole]), "Radius")
        assert different.sum() < 20
        y, _ = np.nonzero(channel(both, "Radius"))
        assert (y.min(), y.max()) == (282, 421)


def test_a_look_has_no_vote_where_it_does_not_look() -> None:
    """Logits 3 and 1: the mean of both where both look, the one's own where only it does, hardly any at a rim."""
    left = View(SIZE, ImageSize(96, 96), np.array([[0.5, 0.0, -50.0], [0.0, 0.5, -100.0]]))  # columns 100 to 292
    right = View(SIZE, ImageSize(96, 96), np.array([[0.5, 0.0, -100.0], [0.0, 0.5, -100.0]]))  # columns 200 to 392
    ulna = {one: plateau(120.0, 220.0, 372.0, 370.0, one) for one in (3.0, 1.0)}
    looks = [look(left, {"Ulna": ulna[3.0]}), look(right, {"Ulna": ulna[1.0]})]
    top, first, logits = merge_views(looks, MergeSettings(box_margin=0.0), keep_logits=True).logits[CLASS_IDS["Ulna"]]
    row = logits[300 - top]
    assert row[[150 - first, 190 - first]] == pytest.approx(3.0, abs=1e-4)
    assert row[[215 - first, 240 - first, 280 - first]] == pytest.approx(2.0, abs=1e-3)
    assert row[[204 - first]] == pytest.approx(3.0, abs=1e-2)
    assert row[[288 - first]] == pytest.approx(1.0, abs=1e-2)
    assert row[[320 - first, 370 - first]] == pytest.approx(1.0, abs=1e-4)


def test_a_turned_look_has_no_vote_beyond_its_slanted_border() -> None:
    slanted = turned(window(160, 352), turn_deg=30.0)
    bones = {"Radius": disc((256.0, 352.0), 70.0), "Lunate": disc((256.0, 250.0), 40.0)}
    alone, whole = merge_views([look(slanted, bones)]), merge_views([look(WHOLE, bones)])
    completed = merge_views([look(slanted, bones)], spare=look(WHOLE, bones))
    assert completed.counters == {"spare_look_used": 1}
    cut, full, made = (channel(one, "Radius") for one in (alone, whole, completed))
    assert cut.sum() < 0.8 * full.sum()
    assert (made != full).sum() < 0.02 * full.sum()
    assert completed.channels[CLASS_IDS["Lunate"]].equals(alone.channels[CLASS_IDS["Lunate"]])


def test_a_spare_look_completes_what_is_cut_and_has_no_say_elsewhere() -> None:
    """It sees both bones 6 pixels larger, a bone elsewhere, and one that the close-up does not show."""
    closeup = look(window(160, 352), {"Radius": disc((256.0, 352.0), 70.0), "Lunate": disc((256.0, 250.0), 40.0)})
    larger = {
        "Radius": disc((256.0, 352.0), 76.0),
        "Lunate": disc((256.0, 250.0), 46.0),
        "Ulna": disc((150.0, 540.0), 30.0),
    }
    alone, spare = merge_views([closeup]), look(WHOLE, larger)
    merged = merge_views([closeup], spare=spare)
    assert merged.counters == {"spare_look_used": 2}
    assert merged.channels[CLASS_IDS["Lunate"]].equals(alone.channels[CLASS_IDS["Lunate"]])
    radius, wide = channel(merged, "Radius"), channel(merge_views([spare]), "Radius")
    assert (radius[352:] == wide[352:]).all()
    assert (radius[:340] != channel(alone, "Radius")[:340]).sum() < 20
    assert merged.channels[CLASS_IDS["Ulna"]].equals(merge_views([spare]).channels[CLASS_IDS["Ulna"]])
    elsewhere = merge_views([closeup], spare=look(WHOLE, {"Radius": disc((300.0, 100.0), 60.0)}))
    assert elsewhere.channels.equals(alone.channels)
    assert elsewhere.counters == {"look_disagrees": 1}


@pytest.mark.parametrize(
    ("score", "least", "spare_decides"), [(0.02, 0.1, True), (0.12, 0.1, False), (0.02, 0.01, False)]
)
def test_a_spare_look_decides_where_no_other_is_sure_enough(score: float, least: float, spare_decides: bool) -> None:
    """Both see the bone whole, the spare 6 pixels larger."""
    unsure = look(WHOLE, {"Lunate": disc((256.0, 250.0), 40.0, score=score)})
    spare = look(VIEWS["mirrored"], {"Lunate": disc((256.0, 250.0), 46.0, score=0.9)})
    merged = merge_views([unsure], MergeSettings(least_confidence=least), spare=spare)
    assert channel(merged, "Lunate").sum() == pytest.approx(np.pi * (46.0 if spare_decides else 40.0) ** 2, rel=0.02)
    assert merged.counters == ({"spare_look_used": 1} if spare_decides else {})


def test_a_cut_sliver_that_is_hardly_seen_does_not_outweigh_the_spare_look() -> None:
    sliver = look(window(160, 352), {"Radius": disc((150.0, 352.0), 30.0, score=0.1)})
    whole = look(WHOLE, {"Radius": disc((300.0, 430.0), 70.0, score=0.9)})
    merged = merge_views([sliver], spare=whole)
    assert merged.channels.equals(merge_views([whole]).channels)
    assert merged.confidence[CLASS_IDS["Radius"]] == np.float32(0.9)


@pytest.mark.parametrize("scale", [0.5, 0.25])
def test_a_border_that_lies_in_the_image_in_part_is_a_border(scale: float) -> None:
    """The look shows columns 300 to 620 of 450; the middle of its lower side, at column 460, lies outside the image."""
    size = ImageSize(round(192 * scale), round(320 * scale))
    view = View(SIZE, size, np.array([[scale, 0.0, -300 * scale], [0.0, scale, -160 * scale]]))
    bones = {"Radius": disc((380.0, 352.0), 60.0)}
    merged, whole = merge_views([look(view, bones)], spare=look(WHOLE, bones)), merge_views([look(WHOLE, bones)])
    made, full = channel(merged, "Radius"), channel(whole, "Radius")
    assert merged.counters == {"spare_look_used": 1}
    assert made[345:365, 380].all()
    assert (made != full).sum() < 0.02 * full.sum()


def test_no_rim_where_the_image_ends_at_the_border() -> None:
    """Of two looks at a bone at the image's lower edge one ends there, one shows more: their mean to the last row."""
    ulna = {one: {"Ulna": plateau(120.0, 500.0, 372.0, 620.0, one)} for one in (3.0, 1.0)}
    looks = [look(WHOLE, ulna[3.0]), look(turned(WHOLE, zoom=0.8), ulna[1.0])]
    settings = MergeSettings(box_margin=0.0, look_fineness=0.0)
    top, left, logits = merge_views(looks, settings, keep_logits=True).logits[CLASS_IDS["Ulna"]]
    assert logits[[618 - top, 600 - top], 200 - left] == pytest.approx(2.0, abs=1e-2)


def test_a_bone_that_the_image_itself_cuts_is_not_cut_by_a_look() -> None:
    """In the plain look its box ends at the input's border, in one that shows more than the image it does not."""
    radius = plateau(150.0, 500.0, 300.0, 620.0, 4.0)
    plain, more = look(WHOLE, {"Radius": radius}), look(turned(WHOLE, zoom=0.8), {"Radius": radius})
    assert plain.boxes_xyxy[0, 3] == WHOLE.input_size.height
    assert more.boxes_xyxy[0, 3] < WHOLE.input_size.height - 20
    merged = merge_views([plain, more])
    assert merged.counters == {}
    assert channel(merged, "Radius")[619, 200]


def test_a_look_that_sees_a_bone_elsewhere_is_left_out() -> None:
    here, there = disc((200.0, 300.0), 40.0, score=0.8), disc((200.0, 420.0), 40.0, score=0.6)
    right, wrong = look(WHOLE, {"Pisiform": here}), look(WHOLE, {"Pisiform": there})
    two = merge_views([right, wrong])
    assert two.counters == {"look_disagrees": 1}
    assert two.channels.equals(merge_views([right]).channels)
    assert two.confidence[CLASS_IDS["Pisiform"]] == np.float32(0.8)
    three = merge_views([right, wrong, wrong])
    assert three.counters == {"look_disagrees": 1}
    assert channel(three, "Pisiform")[420, 200]
    assert not channel(three, "Pisiform")[300, 200]


def test_a_bone_that_only_one_look_finds_is_that_looks() -> None:
    both, one = {"Lunate": disc((200.0, 300.0), 40.0)}, {"Ulna": disc((120.0, 500.0), 50.0)}
    merged = merge_views([look(WHOLE, both), look(WHOLE, {**both, **one})])
    assert channel(merged, "Ulna").sum() == pytest.approx(np.pi * 50.0**2, rel=0.02)
    assert merged.counters == {}


def test_each_bone_has_its_own_threshold() -> None:
    """Logits fall by one a pixel, so a threshold of 5 takes 5 pixels off the radius."""
    thresholds = [0.0] * BONE_COUNT
    thresholds[CLASS_IDS["Lunate"]] = 5.0
    bones = {"Lunate": disc((200.0, 300.0), 40.0), "Ulna": disc((120.0, 500.0), 40.0)}
    merged = merge_views([look(WHOLE, bones)], MergeSettings(logit_threshold=-9.0, logit_thresholds=tuple(thresholds)))
    assert channel(merged, "Lunate").sum() == pytest.approx(np.pi * 35.0**2, rel=0.02)
    assert channel(merged, "Ulna").sum() == pytest.approx(np.pi * 40.0**2, rel=0.02)
    with pytest.raises(ValueError, match="29 logit_thresholds"):
        MergeSettings(logit_thresholds=(0.0, 1.0))


def test_looks_must_show_one_image() -> None:
    with pytest.raises(ValueError, match="one image"):
        merge_views([])
    other = fit_letterbox(ImageSize(height=450, width=620), 256, 32)
    bones = {"Lunate": disc((200.0, 300.0), 40.0)}
    with pytest.raises(ValueError, match="one image"):
        merge_views([look(WHOLE, bones), look(other, bones)])
