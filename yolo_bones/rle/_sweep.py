"""The algebra of masks as one sweep over the places where runs begin and end.

Masks are compared in groups of N consecutive ones (see `interleave`): mask m of model n is mask m * N + n of a batch.
All edges of a group, sorted, with one bit for the model in the low bits of each, make a running XOR the set of models
that are on. What a set means is looked up, so every operation is the same sweep with another table. Scan order does not
matter to any of it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolo_bones.rle._batch import ImageSize, Mask, Offsets, RunLengthMasks, Runs, interleave, stack

Sets = NDArray[np.uint8] | NDArray[np.uint16]

MOST_TABLED_MODELS: Final = 16
"""More models are swept by adding their weights instead of looking their set up: a table would need 2^n entries."""


class _Events(NamedTuple):
    """Sorted edges of all groups.

    Attributes:
        keys: (E,) uint32 or uint64, position << bits | mark of the model, ascending in each group.
        bits: width of the mark.
        ends: (M,) where the events of each group end.
    """

    keys: NDArray[Any]
    bits: int
    ends: list[int]

    def positions(self, chosen: NDArray[np.int64]) -> Runs:
        found: Runs = (self.keys.take(chosen) >> self.keys.dtype.type(self.bits)).astype(np.int32)
        return found

    def stretches(self) -> NDArray[np.int64]:
        """(E,) pixels from each event to the next; of a group's last event it means nothing."""
        positions: NDArray[np.int64] = (self.keys >> self.keys.dtype.type(self.bits)).astype(np.int64)
        return np.diff(positions, append=positions[-1:])


def _events(opinions: RunLengthMasks, models: int, marks: NDArray[np.int64], bits: int) -> _Events:
    """Sort all edges; `marks` are the low bits of starts and of ends, (N, 2)."""
    if models < 1 or len(opinions) % models:
        raise ValueError(f"expected a multiple of {models} masks, got {len(opinions)}")
    narrow = int(opinions.size.pixels).bit_length() + bits <= 32
    kind: Any = np.uint32 if narrow else np.uint64
    keys: NDArray[Any] = opinions.edges.astype(kind)
    keys <<= kind(bits)
    runs = np.diff(opinions.offsets)
    groups = len(opinions) // models
    if (marks[:, 0] == marks[:, 1]).all():
        keys |= np.repeat(np.tile(marks[:, 0].astype(kind), groups), 2 * runs)
    else:
        keys[0::2] |= np.repeat(np.tile(marks[:, 0].astype(kind), groups), runs)
        keys[1::2] |= np.repeat(np.tile(marks[:, 1].astype(kind), groups), runs)
    ends = (2 * opinions.offsets[models::models]).tolist()
    first = 0
    for last in ends:
        keys[first:last].sort()
        first = last
    return _Events(keys, bits, ends)


def _sets(opinions: RunLengthMasks, models: int) -> tuple[_Events, Sets]:
    """Events, and after each the set of models that are on."""
    if models > MOST_TABLED_MODELS:
        raise ValueError(f"expected at most {MOST_TABLED_MODELS} models, got {models}")
    bits = 8 if models <= 8 else 16
    marks = np.repeat(1 << np.arange(models, dtype=np.int64), 2).reshape(models, 2)
    events = _events(opinions, models, marks, bits)
    narrow: type[np.uint8] | type[np.uint16] = np.uint8 if bits == 8 else np.uint16
    stride = events.keys.dtype.itemsize // np.dtype(narrow).itemsize
    # The low bits of a little-endian key are its first bytes.
    marked = events.keys.view(narrow)[::stride]
    return events, np.bitwise_xor.accumulate(marked)


def vote_by_table(opinions: RunLengthMasks, models: int, table: Mask) -> RunLengthMasks:
    """Decide each pixel by the set of models that have it.

    Args:
        opinions: M * N masks, see `interleave`.
        models: N, at most 16.
        table: (2^N,) bool, or (M, 2^N) for a table a mask; entry s decides for the models whose bits s has.
            Entry 0 must be off.

    Returns:
        M masks.
    """
    _check_table(opinions, models, table)
    events, sets = _sets(opinions, models)
    return _where(opinions.size, events, _looked_up(table, events, sets))


def vote_with_areas(opinions: RunLengthMasks, models: int, table: Mask) -> tuple[RunLengthMasks, NDArray[np.int64]]:
    """`vote_by_table` and `areas_by_set` in one sweep."""
    _check_table(opinions, models, table)
    events, sets = _sets(opinions, models)
    decided = _where(opinions.size, events, _looked_up(table, events, sets))
    return decided, _areas(events, sets, models)


def _check_table(opinions: RunLengthMasks, models: int, table: Mask) -> None:
    groups = len(opinions) // max(models, 1)
    if table.shape not in ((1 << models,), (groups, 1 << models)):
        raise ValueError(f"expected a table of {1 << models} entries for each of {groups} masks, got {table.shape}")
    if table[..., 0].any():
        raise ValueError("expected entry 0 of the table, no model, to be off")


def _looked_up(table: Mask, events: _Events, sets: Sets) -> Mask:
    """(E,) bool, whether the pixels after each event are on."""
    if table.ndim == 1:
        return table.take(sets)
    on = np.empty(len(sets), dtype=np.bool_)
    first = 0
    for row, last in zip(table, events.ends, strict=True):
        on[first:last] = row.take(sets[first:last])
        first = last
    return on


def vote_by_weight(
    opinions: RunLengthMasks, models: int, weights: NDArray[np.int64], limits: NDArray[np.int64]
) -> RunLengthMasks:
    """Decide each pixel by the summed weight of the models that have it, for any number of models.

    Args:
        opinions: M * N masks, see `interleave`.
        models: N.
        weights: (M, N) int64, not negative.
        limits: (M,) int64, not negative; a pixel is on where the sum is more.
    """
    groups = len(opinions) // max(models, 1)
    if weights.shape != (groups, models) or limits.shape != (groups,):
        raise ValueError(f"expected weights ({groups}, {models}) and limits ({groups},), got {weights.shape}")
    if (weights < 0).any() or (limits < 0).any():
        raise ValueError("expected weights and limits of at least 0")
    bits = int(2 * models - 1).bit_length()
    marks = np.arange(2 * models, dtype=np.int64).reshape(models, 2)
    events = _events(opinions, models, marks, bits)
    mark = (events.keys & events.keys.dtype.type((1 << bits) - 1)).astype(np.int64)
    on = np.empty(len(mark), dtype=np.bool_)
    first = 0
    for row, limit, last in zip(weights, limits, events.ends, strict=True):
        steps = np.stack([row, -row], axis=1).reshape(-1)
        on[first:last] = np.cumsum(steps.take(mark[first:last])) > limit
        first = last
    return _where(opinions.size, events, on)


def _where(size: ImageSize, events: _Events, on: Mask) -> RunLengthMasks:
    """Runs of the stretches after events that are on; every group ends off."""
    change = np.empty(len(on), dtype=np.bool_)
    change[:1] = on[:1]
    np.not_equal(on[1:], on[:-1], out=change[1:])
    places = np.flatnonzero(change)
    edges = events.positions(places)
    offsets = np.zeros(len(events.ends) + 1, dtype=np.int64)
    offsets[1:] = np.searchsorted(places, events.ends) // 2
    if (edges[1:] == edges[:-1]).any():
        return join_touching(size, edges, offsets)
    return RunLengthMasks.from_edges(size, edges, offsets)


def join_touching(size: ImageSize, edges: Runs, offsets: Offsets) -> RunLengthMasks:
    """Make runs canonical: edges of one mask at one place cancel in pairs.

    Args:
        size: of the masks.
        edges: (2R,) int32, in each mask ascending, equal ones allowed.
        offsets: (M + 1,) as in `RunLengthMasks`.
    """
    mask_of = np.repeat(np.arange(len(offsets) - 1), 2 * np.diff(offsets))
    new = np.ones(len(edges), dtype=np.bool_)
    new[1:] = (edges[1:] != edges[:-1]) | (mask_of[1:] != mask_of[:-1])
    first = np.flatnonzero(new)
    odd = np.diff(first, append=len(edges)) % 2 == 1
    kept = first[odd]
    counts = np.bincount(mask_of[kept], minlength=len(offsets) - 1) // 2
    joined = np.zeros(len(offsets), dtype=np.int64)
    np.cumsum(counts, out=joined[1:])
    return RunLengthMasks.from_edges(size, edges[kept], joined)


def areas_by_set(opinions: RunLengthMasks, models: int) -> NDArray[np.int64]:
    """Pixels that belong to exactly each set of models: all that agreement, Dice and weights can be computed from.

    Args:
        opinions: M * N masks, see `interleave`.
        models: N, at most 16.

    Returns:
        (M, 2^N) int64; entry 0, no model, is 0.
    """
    return _areas(*_sets(opinions, models), models)


def _areas(events: _Events, sets: Sets, models: int) -> NDArray[np.int64]:
    groups, width = len(events.ends), 1 << models
    counts = np.diff(events.ends, prepend=0)
    cells = np.repeat(np.arange(0, groups * width, width), counts)
    cells += sets
    # After a group's last event no model is on: what the next group's first position makes of it falls into entry 0.
    found = np.bincount(cells, weights=events.stretches(), minlength=groups * width).reshape(groups, width)
    found[:, 0] = 0
    return found.astype(np.int64)


def union(a: RunLengthMasks, b: RunLengthMasks) -> RunLengthMasks:
    """Pixels of a or b, mask by mask."""
    return vote_by_table(interleave([a, b]), 2, np.array([False, True, True, True]))


def intersection(a: RunLengthMasks, b: RunLengthMasks) -> RunLengthMasks:
    """Pixels of both, mask by mask."""
    return vote_by_table(interleave([a, b]), 2, np.array([False, False, False, True]))


def difference(a: RunLengthMasks, b: RunLengthMasks) -> RunLengthMasks:
    """Pixels of a and not of b, mask by mask."""
    return vote_by_table(interleave([a, b]), 2, np.array([False, True, False, False]))


def intersection_areas(a: RunLengthMasks, b: RunLengthMasks) -> NDArray[np.int64]:
    """(M,) int64, pixels that mask m of a and mask m of b share."""
    return paired_intersection_areas(interleave([a, b]))


def paired_intersection_areas(pairs: RunLengthMasks) -> NDArray[np.int64]:
    """(M,) int64, pixels that masks 2m and 2m + 1 of one batch share."""
    events, sets = _sets(pairs, 2)
    both = np.flatnonzero(sets == 3)
    total = np.zeros(len(both) + 1, dtype=np.int64)
    np.cumsum(events.positions(both + 1) - events.positions(both), out=total[1:])
    return np.diff(total[np.searchsorted(both, events.ends)], prepend=0)


def _shared(a: RunLengthMasks, b: RunLengthMasks) -> NDArray[np.int64]:
    """(M, L) int64, pixels that each mask of a shares with each of b; only pairs whose extents meet are swept."""
    if a.size != b.size:
        raise ValueError(f"expected masks of one size, got {a.size} and {b.size}")
    shared = np.zeros((len(a), len(b)), dtype=np.int64)
    boxes_a, boxes_b = a.boxes()[:, None], b.boxes()[None]
    low = np.maximum(boxes_a[..., :2], boxes_b[..., :2])
    high = np.minimum(boxes_a[..., 2:], boxes_b[..., 2:])
    rows, columns = np.nonzero((low < high).all(axis=-1))
    for row in np.unique(rows).tolist():
        partners = columns[rows == row].tolist()
        pairs = stack(a.size, [batch for partner in partners for batch in (a[row], b[partner])])
        shared[row, partners] = paired_intersection_areas(pairs)
    return shared


def iou_matrix(a: RunLengthMasks, b: RunLengthMasks) -> NDArray[np.float64]:
    """(M, L) intersection over union of each mask of a with each of b; two empty masks have 1."""
    shared = _shared(a, b)
    either = a.areas()[:, None] + b.areas()[None] - shared
    return np.where(either == 0, 1.0, shared / np.maximum(either, 1))


def dice_matrix(a: RunLengthMasks, b: RunLengthMasks) -> NDArray[np.float64]:
    """(M, L) Dice of each mask of a with each of b; two empty masks have 1."""
    shared = _shared(a, b)
    both = a.areas()[:, None] + b.areas()[None]
    return np.where(both == 0, 1.0, 2 * shared / np.maximum(both, 1))
