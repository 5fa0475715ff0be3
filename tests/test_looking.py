"""Looking, with an eye that knows where a hand of 29 discs lies and draws it as a network would: no network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.test_views import SIZE, frame_of
from yolo_bones.anatomy import TYPICAL, HandFrame
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS, HAND_BONES
from yolo_bones.candidates import Candidates
from yolo_bones.detector.look_settings import LookSettings
from yolo_bones.detector.looking import corner_shift, gather_looks, look, other_side, twins
from yolo_bones.detector.prediction import Predictor, TimedLooker
from yolo_bones.grey_sense import is_negative, share_of_dark_bones
from yolo_bones.merger import MergeSettings, merge_candidates, merge_views
from yolo_bones.rle import ImageSize, decode
from yolo_bones.views import View, fit_letterbox

GREY = np.zeros((SIZE.height, SIZE.width), np.uint8)
UNIT_PX = 90.0
MERGING = MergeSettings(box_margin=0.1)
PLAIN = LookSettings(longest_px=320, first_look_px=160, canonical_px=320, closeup_px=256)
CANONICAL = replace(PLAIN, canonical=True)
MIDLINE = ("finger-8", "finger-9", "finger-10", "finger-11", "Capitate", "Lunate")
"""Bones that lie alike on a hand of either side."""


def placed(frame: HandFrame) -> HandFrame:
    return replace(frame, origin_xy=np.array([240.0, 420.0]))


class Eye:
    """A network that finds a disc of `RADIUS` at each bone's typical place.

    Attributes:
        views: all that it was shown.
    """

    stride = 32
    radius = 0.14 * UNIT_PX

    def __init__(self, frame: HandFrame) -> None:
        self.frame = frame
        self.views: list[View] = []

    def centres(self) -> np.ndarray:
        """(29, 2) continuous native coordinates."""
        typical = np.array([(TYPICAL[bone].thumbward, TYPICAL[bone].distalward) for bone in BONES])
        axes = np.stack([self.frame.thumbward_xy, self.frame.distalward_xy])
        return self.frame.origin_xy + 0.5 + self.frame.unit_px * (typical @ axes)

    def confidence(self, view: View) -> np.ndarray:
        """(29,) scores in a view: 0.9 for what lies inside it."""
        places = view.to_input(self.centres())
        inside = ((places > 0) & (places < [view.input_size.width, view.input_size.height])).all(axis=1)
        return np.where(inside, 0.9, 0.0)

    def detect(self, grey: np.ndarray, view: View) -> Candidates:
        assert view.image_size == ImageSize(*grey.shape)
        self.views.append(view)
        net = view.input_size
        rows, columns = net.height // 4, net.width // 4
        cells = np.stack(np.meshgrid(4 * np.arange(columns) + 2.0, 4 * np.arange(rows) + 2.0), axis=-1)
        native = view.to_image(cells)
        centres = self.centres()
        distances = np.linalg.norm(native[None] - centres[:, None, None], axis=-1)
        places, reach = view.to_input(centres), self.radius * view.scale
        return Candidates(
            boxes_xyxy=np.concatenate([places - reach, places + reach], axis=1).astype(np.float32),
            scores=np.diag(self.confidence(view)).astype(np.float32),
            coefficients=np.eye(BONE_COUNT, dtype=np.float32),
            prototypes=(self.radius - distances).astype(np.float32),
            view=view,
        )


def middles(channels: object) -> np.ndarray:
    """(29, 2) centroids in continuous native coordinates, NaN for an empty bone."""
    found = []
    for mask in decode(channels):
        rows, columns = np.nonzero(mask)
        found.append((columns.mean() + 0.5, rows.mean() + 0.5) if len(rows) else (np.nan, np.nan))
    return np.array(found)


def hand(thumb_left: bool = True, tilt_deg: float = 0.0) -> HandFrame:
    return placed(frame_of(thumb_left, tilt_deg, UNIT_PX))


def test_the_plain_look_is_one_look_at_the_whole_image() -> None:
    eye = Eye(hand())
    merged = look(eye, GREY, PLAIN, MERGING)
    (view,) = eye.views
    np.testing.assert_array_equal(view.matrix, fit_letterbox(SIZE, 320, 32).matrix)
    assert merged.channels.equals(merge_candidates(eye.detect(GREY, view), MERGING).channels)
    assert not any(merged.counters.values())


@pytest.mark.parametrize(("thumb_left", "tilt_deg"), [(True, 0.0), (False, 35.0), (True, -160.0)])
def test_the_canonical_look_shows_every_hand_alike_and_its_masks_lie_where_the_bones_are(
    thumb_left: bool, tilt_deg: float
) -> None:
    eye = Eye(hand(thumb_left, tilt_deg))
    merged = look(eye, GREY, CANONICAL, MERGING)
    first, canonical = eye.views
    assert max(first.input_size.height, first.input_size.width) == 160
    assert canonical.input_size == ImageSize(320, 256)
    x, y = canonical.to_input(eye.centres()).T
    assert x[CLASS_IDS["finger-1"]] < x[CLASS_IDS["finger-16"]]
    assert y[CLASS_IDS["finger-8"]] < y[CLASS_IDS["Radius"]]
    np.testing.assert_allclose(middles(merged.channels), eye.centres(), atol=0.5)
    assert "hand_not_found" not in merged.counters


def test_keeping_the_first_look_merges_it_too() -> None:
    for keep, expected in ((False, [320]), (True, [160, 320])):
        looks = gather_looks(Eye(hand()), GREY, replace(CANONICAL, keep_first=keep), MERGING)
        assert [max(one.view.input_size.height, one.view.input_size.width) for one in looks.candidates] == expected


class Blind(Eye):
    """Sees nothing where the hand is smaller than so many input pixels a unit, or in turned views."""

    least_unit_px = 0.0
    upright_only = False

    def confidence(self, view: View) -> np.ndarray:
        seen = UNIT_PX * view.scale >= self.least_unit_px and (view.is_upright or not self.upright_only)
        return super().confidence(view) * seen


class Watchful(Eye):
    """Remembers the images that it was shown; sees less in bright ones, and little in hands that do not point up."""

    in_bright_ones = 0.7
    upright_only = False

    def __init__(self, frame: HandFrame) -> None:
        super().__init__(frame)
        self.images: list[np.ndarray] = []

    def detect(self, grey: np.ndarray, view: View) -> Candidates:
        self.images.append(grey)
        seen = super().detect(grey, view)
        lies = (view.matrix[:, :2] @ self.frame.distalward_xy)[1] / view.scale > -0.5
        sureness = (self.in_bright_ones if grey.mean() > 127 else 1.0) * (0.1 if lies and self.upright_only else 1.0)
        return replace(seen, scores=seen.scores * np.float32(sureness))


def radiograph(frame: HandFrame) -> np.ndarray:
    """Bright discs where the bones lie, on soft tissue, on a darker ground with a white rim."""
    eye = Eye(frame)
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    distances = np.min([np.hypot(x - cx, y - cy) for cx, cy in eye.centres()], axis=0)
    grey = np.where(distances < eye.radius, 150, np.where(distances < 4 * eye.radius, 90, 20)).astype(np.uint8)
    grey[:6] = grey[-6:] = 255
    return grey


def test_a_negative_is_looked_at_as_a_positive_and_left_as_it_is_on_request() -> None:
    positive = radiograph(hand(tilt_deg=12.0))
    for image, settings, inverted in (
        (positive, CANONICAL, False),
        (255 - positive, CANONICAL, True),
        (255 - positive, replace(PLAIN, closeup=True), True),
        (255 - positive, replace(CANONICAL, negatives=False), False),
        (255 - positive, PLAIN, False),
    ):
        eye = Watchful(hand(tilt_deg=12.0))
        before = image.copy()
        looks = gather_looks(eye, image, settings, MERGING)
        np.testing.assert_array_equal(image, before)
        assert looks.counters.get("greys_inverted", 0) == inverted
        np.testing.assert_array_equal(eye.images[0], image)
        np.testing.assert_array_equal(eye.images[-1], 255 - image if inverted else image)


def test_an_inversion_that_shows_no_more_is_taken_back() -> None:
    eye = Watchful(hand())
    eye.in_bright_ones = 0.95
    image = 255 - radiograph(hand())
    looks = gather_looks(eye, image, CANONICAL, MERGING)
    assert "greys_inverted" not in looks.counters
    np.testing.assert_array_equal(eye.images[1], 255 - image)
    np.testing.assert_array_equal(eye.images[-1], image)


def test_a_negative_that_lies_upside_down_is_noticed_in_the_turned_image() -> None:
    eye = Watchful(hand(tilt_deg=180.0))
    eye.upright_only = True
    looks = gather_looks(eye, 255 - radiograph(hand(tilt_deg=180.0)), CANONICAL, MERGING)
    assert (looks.counters["greys_inverted"], looks.counters["hand_found_turned"]) == (1, 1)
    np.testing.assert_array_equal(eye.images[-1], radiograph(hand(tilt_deg=180.0)))


def test_what_is_no_hand_is_no_negative() -> None:
    eye = Eye(hand())
    eye.frame = replace(eye.frame, origin_xy=np.array([-900.0, -900.0]))
    view = fit_letterbox(SIZE, 320, 32)
    noise = np.random.default_rng(1).integers(0, 256, GREY.shape).astype(np.uint8)
    assert share_of_dark_bones(noise, eye.detect(noise, view)) == (0.0, 0)
    assert not is_negative(noise, eye.detect(noise, view))
    assert not is_negative(GREY, Eye(hand()).detect(GREY, view))


def test_without_a_hand_the_plain_look_is_all() -> None:
    eye = Blind(hand())
    eye.least_unit_px = 1e9
    looks = gather_looks(eye, GREY, replace(CANONICAL, closeup=True), MERGING)
    assert looks.counters == {"hand_searched_at_full_size": 1, "hand_searched_turned": 1, "hand_not_found": 1}
    assert [max(view.input_size.height, view.input_size.width) for view in eye.views] == [160, 320, 160, 160, 160]
    (only,) = looks.candidates
    assert only.view is eye.views[1]
    assert looks.frame is None


def test_a_hand_too_small_for_the_first_look_is_found_at_full_size() -> None:
    eye = Blind(hand())
    eye.least_unit_px = 30.0
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.counters == {"hand_searched_at_full_size": 1}
    assert len(eye.views) == 3
    assert [one.view for one in looks.candidates] == eye.views[2:]


def test_a_canonical_look_that_shows_no_hand_is_dismissed() -> None:
    eye = Blind(hand(tilt_deg=20.0))
    eye.upright_only = True
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.counters == {"hand_searched_turned": 1, "canonical_look_dismissed": 1}
    (only,) = looks.candidates
    np.testing.assert_array_equal(only.view.matrix, fit_letterbox(SIZE, 320, 32).matrix)
    assert len(gather_looks(eye, GREY, replace(CANONICAL, first_look_px=320), MERGING).candidates) == 1


class Upright(Eye):
    """Sees hands whose fingers point up, to within 60 degrees."""

    def sees(self, view: View) -> bool:
        return bool((view.matrix[:, :2] @ self.frame.distalward_xy)[1] / view.scale < -0.5)

    def confidence(self, view: View) -> np.ndarray:
        return super().confidence(view) * self.sees(view)


class Mistaken(Upright):
    """And takes any other for one that lies the other way round, half as sure."""

    def detect(self, grey: np.ndarray, view: View) -> Candidates:
        if self.sees(view):
            return super().detect(grey, view)
        right = self.frame
        self.frame = replace(right, thumbward_xy=-right.thumbward_xy, distalward_xy=-right.distalward_xy)
        try:
            seen = super().detect(grey, view)
        finally:
            self.frame = right
        return replace(seen, scores=seen.scores * np.float32(0.5))


@pytest.mark.parametrize(("kind", "tilt_deg"), [(Upright, 90.0), (Upright, -95.0), (Upright, 170.0), (Mistaken, 170.0)])
def test_a_hand_that_lies_otherwise_is_found_in_the_turned_image(kind: type[Upright], tilt_deg: float) -> None:
    eye = kind(hand(False, tilt_deg))
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.frame is not None
    assert (looks.counters["hand_searched_turned"], looks.counters["hand_found_turned"]) == (1, 1)
    assert corner_shift(looks.frame, eye.frame) < 0.05
    np.testing.assert_allclose(middles(looks.merged(MERGING).channels), eye.centres(), atol=0.5)
    assert looks.spare is not None
    first = looks.spare.view.to_input(eye.centres())
    assert (first > 0.0).all()
    assert (first < [looks.spare.view.input_size.width, looks.spare.view.input_size.height]).all()


def test_a_hand_at_one_end_of_a_long_image_is_not_cut_off_when_the_image_is_turned() -> None:
    eye = Upright(replace(hand(False, 90.0), origin_xy=np.array([250.0, 570.0])))
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.counters["hand_found_turned"] == 1
    assert looks.spare is not None
    first = looks.spare.view.to_input(eye.centres())
    assert (first > 0.0).all()
    assert (first < [looks.spare.view.input_size.width, looks.spare.view.input_size.height]).all()


class Lured(Eye):
    """Sure of what it sees in small turned looks; no surer than before when it looks closely."""

    def confidence(self, view: View) -> np.ndarray:
        lured = max(view.input_size.width, view.input_size.height) == 160 and not view.is_upright
        return super().confidence(view) * (1.0 if lured else 0.4)


def test_a_turned_hand_that_is_no_better_changes_nothing() -> None:
    looks = gather_looks(Lured(hand()), GREY, CANONICAL, MERGING)
    assert looks.counters == {"hand_searched_turned": 1}
    assert looks.spare is not None
    assert looks.spare.view.is_upright


def test_a_spare_look_has_no_say_about_where_the_hand_lies() -> None:
    settings = MergeSettings(box_margin=0.1, place_prior=1.0, tidy=True)
    eye = Eye(hand())
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    frame = hand()
    eye.frame = replace(frame, thumbward_xy=-frame.thumbward_xy, distalward_xy=-frame.distalward_xy)
    wrong = eye.detect(GREY, fit_letterbox(SIZE, 320, 32))
    surer = replace(wrong, scores=wrong.scores / np.float32(0.9))
    with_spare, without = (merge_views(looks.candidates, settings, spare=spare) for spare in (surer, None))
    assert with_spare.channels.equals(without.channels)
    assert set(with_spare.counters) - {"look_disagrees"} == set(without.counters)


class OneSided(Eye):
    """In whole looks it sees the midline only; with the thumb left it is sure, with the thumb right it is not."""

    def confidence(self, view: View) -> np.ndarray:
        seen = super().confidence(view)
        if view.is_upright:
            return seen * [bone in MIDLINE for bone in BONES]
        x, _ = view.to_input(self.centres()).T
        return seen * (1.0 if x[CLASS_IDS["finger-1"]] < x[CLASS_IDS["finger-16"]] else 0.5)


class Deceived(OneSided):
    """What it sees of the midline in whole looks is a hand of the other side."""

    def detect(self, grey: np.ndarray, view: View) -> Candidates:
        if not view.is_upright:
            return super().detect(grey, view)
        right, self.frame = self.frame, other_side(self.frame)
        try:
            return super().detect(grey, view)
        finally:
            self.frame = right


@pytest.mark.parametrize("thumb_left", [True, False])
@pytest.mark.parametrize(("kind", "changed"), [(OneSided, 0), (Deceived, 1)])
def test_where_the_side_is_in_doubt_both_are_looked_at(kind: type[OneSided], changed: int, thumb_left: bool) -> None:
    eye = kind(hand(thumb_left, 10.0))
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.frame is not None
    assert looks.frame.thumb_left is thumb_left
    assert (looks.counters["side_in_doubt"], looks.counters.get("side_changed", 0)) == (1, changed)
    assert [max(view.input_size.height, view.input_size.width) for view in eye.views] == [160, 160, 160, 320]
    assert corner_shift(looks.frame, eye.frame) < 0.05


class Squinting(Eye):
    """In whole looks it sees everything half a metacarpal too far to the right."""

    def detect(self, grey: np.ndarray, view: View) -> Candidates:
        found = super().detect(grey, view)
        if not view.is_upright:
            return found
        shift = view.to_input(np.array([0.5 * UNIT_PX, 0.0])) - view.to_input(np.zeros(2))
        cells = round(shift[0] / 4)
        return replace(
            found,
            boxes_xyxy=found.boxes_xyxy + np.float32([4 * cells, 0, 4 * cells, 0]),
            prototypes=np.roll(found.prototypes, cells, axis=2),
        )


def test_a_canonical_look_that_moves_the_hand_is_repeated() -> None:
    eye = Squinting(hand(False, 15.0))
    looks = gather_looks(eye, GREY, CANONICAL, MERGING)
    assert looks.counters == {"canonical_look_repeated": 1}
    _, off, right = eye.views
    assert [one.view for one in looks.candidates] == [right]
    middle = np.array([right.input_size.width, right.input_size.height]) / 2.0
    wanted = right.to_image(middle)
    assert np.hypot(*(off.to_image(middle) - wanted)) > 0.3 * UNIT_PX
    assert looks.frame is not None
    assert corner_shift(looks.frame, eye.frame) < 0.05
    assert len(gather_looks(Squinting(hand(False)), GREY, replace(CANONICAL, moved=5.0), MERGING).candidates) == 1


@pytest.mark.parametrize("settings", [PLAIN, CANONICAL])
def test_the_close_up_shows_all_carpals_and_moves_nothing(settings: LookSettings) -> None:
    eye = Eye(hand(True, -30.0))
    merged = look(eye, GREY, replace(settings, closeup=True), MERGING)
    closeup = eye.views[-1]
    assert closeup.input_size == ImageSize(256, 192)
    assert closeup.scale > 2.0 * eye.views[0].scale
    places = closeup.to_input(eye.centres()[[CLASS_IDS[bone] for bone in HAND_BONES]])
    reach = eye.radius * closeup.scale
    assert (places > reach).all()
    assert (places < np.array([192, 256]) - reach).all()
    np.testing.assert_allclose(middles(merged.channels), eye.centres(), atol=0.5)


def test_a_larger_window_keeps_its_shape_and_middle() -> None:
    window = LookSettings(closeup_height=2.7).closeup_window
    usual = LookSettings().closeup_window
    assert (window.height, window.width) == pytest.approx((2.7, usual.width * 1.5))
    assert window.centre_distalward == usual.centre_distalward


def test_twins_are_turned_zoomed_and_then_all_mirrored() -> None:
    view = fit_letterbox(SIZE, 320, 32)
    assert twins(view, PLAIN) == []
    found = twins(view, replace(PLAIN, flips=True, turns=(-8.0, 8.0), zooms=(1.25,)))
    assert len(found) == 7
    mirrored = [np.linalg.det(one.matrix[:, :2]) < 0.0 for one in found]
    assert mirrored == [False] * 3 + [True] * 4
    assert [round(one.scale / view.scale, 6) for one in found] == [1, 1, 1.25, 1, 1, 1, 1.25]
    eye = Eye(hand(False, 5.0))
    merged = look(eye, GREY, replace(CANONICAL, flips=True, turns=(-8.0, 8.0), zooms=(0.9,)), MERGING)
    assert len(eye.views) == 1 + 8
    np.testing.assert_allclose(middles(merged.channels), eye.centres(), atol=0.5)


def test_the_other_side_lies_in_the_same_place() -> None:
    frame = hand(True, 25.0)
    mirrored = other_side(frame)
    assert not mirrored.thumb_left
    assert corner_shift(frame, frame) == 0.0
    moved = replace(frame, origin_xy=frame.origin_xy + np.array([0.0, 0.4 * UNIT_PX]))
    assert corner_shift(frame, moved) == pytest.approx(0.4)
    # The window's middle lies 0.1 from the axis: its far corners lie 3.375 / 2 + 0.1 away on one side, then the other.
    assert corner_shift(frame, mirrored) == pytest.approx(3.375 + 0.2)


@pytest.mark.parametrize(
    "wrong", [{"longest_px": 31}, {"closeup_px": 9000}, {"closeup_height": 0.0}, {"zooms": (1.1, 0.0)}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LookSettings(**wrong)


def test_a_timed_looker_sees_the_same_and_counts_the_time() -> None:
    eye = TimedLooker(Eye(hand()))
    assert eye.seconds == 0.0
    assert look(eye, GREY, CANONICAL, MERGING).channels.equals(look(Eye(hand()), GREY, CANONICAL, MERGING).channels)
    assert eye.seconds > 0.0
    predictor = Predictor(Eye(hand()), CANONICAL, MERGING)
    part = predictor.predict(GREY, "a.png")
    assert (part["size"], len(part["texts"]), part["scores"][0]) == ([SIZE.height, SIZE.width], 29, 0.9)
    assert predictor.summary().startswith("an image took ")
