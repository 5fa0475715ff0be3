"""How an image is looked at: a first look finds the hand, further looks show it in views that a network knows best.

    small look at all -> where the hand lies -> canonical look (again, where that moved it) -> close-up of the carpus

Every look is one forward of the same network; what they see is averaged as logits in native pixels by
`merger.merge_views`. Works with anything that can `detect`; imports no network library itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from yolo_bones.anatomy import HandFrame
from yolo_bones.bones import BONE_COUNT
from yolo_bones.candidates import Candidates
from yolo_bones.detector.look_settings import SEARCH_TURNS, LookSettings
from yolo_bones.grey_sense import is_negative
from yolo_bones.hand_finding import find_hand
from yolo_bones.hand_fit import HandFit
from yolo_bones.joint_identity import keep_likely
from yolo_bones.merger import MergedBones, MergeSettings, merge_views
from yolo_bones.rle import ImageSize
from yolo_bones.views import (
    CANONICAL,
    HandWindow,
    View,
    fit_letterbox,
    hand_view,
    input_size_of_window,
    turned,
)

Grey = NDArray[np.uint8]


class Looker(Protocol):
    """What looks: a `detector.network.Detector`, or anything else that makes candidates."""

    @property
    def stride(self) -> int:
        """An input's sides are multiples of this."""

    def detect(self, grey: Grey, view: View) -> Candidates:
        """Candidates of one image in one view."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """All looks at one image.

    Attributes:
        candidates: of each look that counts.
        spare: the look that found the hand, where it does not count itself.
        frame: where the hand was found; None where it was not searched or not found.
        counters: how often what was decided on the way.
    """

    candidates: tuple[Candidates, ...]
    frame: HandFrame | None
    counters: dict[str, int]
    spare: Candidates | None = None

    def merged(self, settings: MergeSettings, *, keep_logits: bool = False) -> MergedBones:
        """See `merge_views`."""
        return merge_views(self.candidates, settings, spare=self.spare, frame=self.frame, keep_logits=keep_logits)


def look(
    looker: Looker, grey: Grey, settings: LookSettings, merging: MergeSettings, *, keep_logits: bool = False
) -> MergedBones:
    """Look at an image as often as the settings say, and merge what was seen.

    Args:
        looker: the network.
        grey: (H, W) uint8.
        settings: how to look.
        merging: how to merge.
        keep_logits: also hand over the logits of each box.

    Returns:
        29 channels at the image's own resolution; the counters are those of the looks and of the merger.
    """
    looks = gather_looks(looker, grey, settings, merging)
    merged = looks.merged(merging, keep_logits=keep_logits)
    return replace(merged, counters=dict(sorted((Counter(looks.counters) + Counter(merged.counters)).items())))


def gather_looks(looker: Looker, grey: Grey, settings: LookSettings, merging: MergeSettings) -> Looks:
    """The looks of `look`, not merged."""
    return _Looking(looker, grey, settings, merging).all()


def twins(view: View, settings: LookSettings) -> list[View]:
    """The turned and zoomed versions of a view, then the mirrored ones of all; the view itself is left out."""
    upright = [view, *(turned(view, turn_deg=turn) for turn in settings.turns)]
    upright += [turned(view, zoom=zoom) for zoom in settings.zooms]
    mirrored = [turned(one, mirror=True) for one in upright] if settings.flips else []
    return [*upright[1:], *mirrored]


def other_side(frame: HandFrame) -> HandFrame:
    """The frame of a hand of the other side in the same place."""
    return replace(frame, thumbward_xy=-frame.thumbward_xy)


def corner_shift(one: HandFrame, other: HandFrame, window: HandWindow = CANONICAL) -> float:
    """How far the corner of a window moves that moves most between two frames, in lengths of the third metacarpal."""
    corners = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * (window.width, window.height)
    corners += (window.centre_thumbward, window.centre_distalward)
    places = [
        frame.origin_xy + frame.unit_px * (corners @ np.stack([frame.thumbward_xy, frame.distalward_xy]))
        for frame in (one, other)
    ]
    return float(np.linalg.norm(places[0] - places[1], axis=1).max() / one.unit_px)


@dataclass(frozen=True, slots=True, eq=False)
class _Hand:
    """A hand that was found: the look that found it, the canonical one, and the frame that the latter fits."""

    first: Candidates
    canonical: Candidates
    frame: HandFrame

    @property
    def bones_seen(self) -> float:
        return total_confidence(self.canonical)


class _Looking:
    """One image while it is looked at."""

    def __init__(self, looker: Looker, grey: Grey, settings: LookSettings, merging: MergeSettings) -> None:
        self.looker, self.grey, self.settings, self.merging = looker, grey, settings, merging
        self.size = ImageSize(*grey.shape)
        self.counters: Counter[str] = Counter()

    def all(self) -> Looks:
        settings = self.settings
        if not (settings.canonical or settings.closeup):
            return self._gathered([self._look_at_all(settings.longest_px)], None)
        seen, fit = self._find_hand()
        hand = self._hand_of(seen, fit) if settings.canonical else None
        if settings.canonical and (hand is None or hand.bones_seen < settings.turn_doubt * BONE_COUNT):
            hand = self._turned_hand(hand)
        if hand is not None and settings.keep_first:
            return self._gathered([hand.first, hand.canonical], hand.frame)
        if hand is not None:
            return replace(self._gathered([hand.canonical], hand.frame), spare=hand.first)
        if fit is None or settings.canonical:
            self.counters["hand_not_found" if fit is None else "canonical_look_dismissed"] += 1
        if seen.view.input_size != self._whole(settings.longest_px).input_size:
            seen = self._look_at_all(settings.longest_px)
        return self._gathered([seen], None if settings.canonical or fit is None else fit.frame)

    def _hand_of(self, seen: Candidates, fit: HandFit | None) -> _Hand | None:
        """What the canonical look shows of a hand that a first look has found; None where it shows none."""
        if fit is None:
            return None
        canonical, frame = self._canonical(self._settle_side(fit))
        return None if frame is None else _Hand(seen, canonical, frame)

    def _turned_hand(self, upright: _Hand | None) -> _Hand | None:
        """The hand as it is found in the image turned by quarters, where more is seen of it than upright."""
        self.counters["hand_searched_turned"] += 1
        whole = self._whole(self.settings.first_look_px)
        net, (height, width) = whole.input_size, (self.size.height * whole.scale, self.size.width * whole.scale)
        fitting = min(1.0, net.width / height, net.height / width)
        views = [turned(whole, turn_deg=turn, zoom=1.0 if turn == 180.0 else fitting) for turn in SEARCH_TURNS]

        def best() -> Candidates:
            return max(map(self._detect, views), key=total_confidence)

        grey = self.grey
        before = self.counters.copy()
        seen = self._as_positive(best(), best)
        least = 0.0 if upright is None else upright.bones_seen
        hand = self._hand_of(seen, self._supported(seen)) if total_confidence(seen) > least else None
        if hand is None or hand.bones_seen <= least:
            self.grey, self.counters = grey, before
            return upright
        self.counters["hand_found_turned"] += 1
        return hand

    def _gathered(self, seen: list[Candidates], frame: HandFrame | None) -> Looks:
        """What was seen so far and everything that needs no decision any more."""
        views = [twin for one in seen for twin in twins(one.view, self.settings)]
        if self.settings.closeup and frame is not None:
            closeup = self._view(frame, self.settings.closeup_window, self.settings.closeup_px)
            views += [closeup, *twins(closeup, self.settings)]
        # One by one: on a CPU a batch of two or four saves 5 to 9 % of a forward, no more.
        return Looks((*seen, *map(self._detect, views)), frame, dict(self.counters))

    def _detect(self, view: View) -> Candidates:
        return keep_likely(self.looker.detect(self.grey, view))

    def _look_at_all(self, longest_px: int) -> Candidates:
        return self._detect(self._whole(longest_px))

    def _whole(self, longest_px: int) -> View:
        return fit_letterbox(self.size, longest_px, self.looker.stride)

    def _view(self, frame: HandFrame, window: HandWindow, longest_px: int) -> View:
        return hand_view(self.size, frame, window, input_size_of_window(window, longest_px, self.looker.stride))

    def _find_hand(self) -> tuple[Candidates, HandFit | None]:
        """The look that found the hand, or the one at full size, which finds it where a small one does not."""
        settings = self.settings
        if settings.canonical and settings.first_look_px < settings.longest_px:
            seen = self._look_for_hand(settings.first_look_px)
            fit = self._supported(seen)
            if fit is not None:
                return seen, fit
            self.counters["hand_searched_at_full_size"] += 1
        seen = self._look_for_hand(settings.longest_px)
        return seen, self._supported(seen)

    def _look_for_hand(self, longest_px: int) -> Candidates:
        return self._as_positive(self._look_at_all(longest_px), lambda: self._look_at_all(longest_px))

    def _as_positive(self, seen: Candidates, look_again: Callable[[], Candidates]) -> Candidates:
        """What was seen; or, where it shows that the image is a negative, what is seen of the positive from now on.

        A negative shows much more once it is inverted; where that is not so, the image stays as it is.
        """
        if not self.settings.negatives or self.counters["greys_inverted"] or not is_negative(self.grey, seen):
            return seen
        negative, self.grey = self.grey, np.asarray(cv2.bitwise_not(self.grey), dtype=np.uint8)
        again = look_again()
        if total_confidence(again) < self.settings.positive_gain * total_confidence(seen):
            self.grey = negative
            return seen
        self.counters["greys_inverted"] += 1
        return again

    def _supported(self, seen: Candidates) -> HandFit | None:
        fit = find_hand(seen, self.merging)
        return fit if fit is not None and fit.support >= self.settings.least_support else None

    def _settle_side(self, fit: HandFit) -> HandFrame:
        """The frame, or that of the other side where the fit is in doubt and more is seen of it."""
        if fit.other_side_support < self.settings.side_doubt * fit.support:
            return fit.frame
        self.counters["side_in_doubt"] += 1
        frames = (fit.frame, other_side(fit.frame))
        views = [self._view(frame, CANONICAL, self.settings.first_look_px) for frame in frames]
        found = [total_confidence(self._detect(view)) for view in views]
        if found[1] <= found[0]:
            return frames[0]
        self.counters["side_changed"] += 1
        return frames[1]

    def _canonical(self, frame: HandFrame) -> tuple[Candidates, HandFrame | None]:
        """The canonical look, and the frame that it fits, which is better than the one that it was made with.

        No frame where the look shows no hand.
        """
        seen, fit = self._canonical_look(frame)
        if fit is None or corner_shift(frame, fit.frame) <= self.settings.moved:
            return seen, None if fit is None else fit.frame
        self.counters["canonical_look_repeated"] += 1
        again, fit_again = self._canonical_look(fit.frame)
        if fit_again is None or total_confidence(again) < total_confidence(seen):
            return seen, fit.frame
        return again, fit_again.frame

    def _canonical_look(self, frame: HandFrame) -> tuple[Candidates, HandFit | None]:
        seen = self._detect(self._view(frame, CANONICAL, self.settings.canonical_px))
        return seen, self._supported(seen)


def total_confidence(candidates: Candidates) -> float:
    """Sum over the bones of each one's best score, 0 to 29."""
    return float(candidates.scores.max(axis=0, initial=0.0).sum())
