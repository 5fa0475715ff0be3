"""The four tables of `phantom/atlas.py`: from a fitted state, as a module's text, or laid under the running phantom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from tests.atlas.outlines import measure_polygon, turned
from tests.atlas.parameters import (
    BASE,
    HEAD,
    LENGTH,
    OTHER_EDGE,
    RADIUS,
    SHIFT,
    THUMB_EDGE,
    drawn_models,
    outline_of,
    warp_of,
)
from tests.atlas.placing import OVERLAP_DEVIATION_DEG, own_angle, row_share, typical_place
from tests.atlas.state import State
from yolo_bones.phantom import atlas
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG
from yolo_bones.phantom.skeleton import THUMB_METACARPAL

Array = NDArray[np.float64]
Table = dict[str, tuple[float, ...]]

DECIMALS: Final = 4
LINE: Final = 120
SESAMOID_CUT: Final = (0.80, 0.80, 0.85)
"""The thumb's metacarpal is measured together with its sesamoids: the last stations of the edge they lie at are drawn
in by so much, since the phantom's sesamoids are bones of their own."""


@dataclass(frozen=True, slots=True)
class AtlasTables:
    """What `phantom.atlas` holds, by bone; see the comments there."""

    tubes: Table
    stack_radii: Table
    rest: Table
    variation: Table


def tables_of(state: State) -> AtlasTables:
    """The tables of a fitted state, rounded as they are written."""
    tables = AtlasTables({}, {}, {}, {})
    for bone, model in drawn_models().items():
        numbers = state.parameters[bone]
        if model.is_tube:
            edges = np.exp([numbers[THUMB_EDGE], numbers[OTHER_EDGE]])
            if bone == THUMB_METACARPAL:
                edges[1, -len(SESAMOID_CUT) :] *= SESAMOID_CUT
            size = [np.exp(numbers[LENGTH]), warp_of(bone)]
            tables.tubes[bone] = _rounded([*size, *edges.ravel(), *numbers[BASE], *numbers[HEAD]])
        else:
            tables.stack_radii[bone] = _rounded(np.exp(numbers[RADIUS]))
        measures = measure_polygon(outline_of(model, numbers, state.targets[bone].length))
        place, turn_deg = _rest_place(bone, state, numbers[SHIFT])
        tables.rest[bone] = _rounded([*place, turn_deg - own_angle(bone, measures), *measures.centroid])
        tables.variation[bone] = _rounded(state.variation[bone])
    return tables


def _rest_place(bone: str, state: State, shift: Array) -> tuple[Array, float]:
    """Place and direction in the mean pose; the shift was fitted in the pose of the overlaps and turns along."""
    place, angle_deg = typical_place(bone, MEAN_DEVIATION_DEG)
    follows = row_share(bone) * (MEAN_DEVIATION_DEG - OVERLAP_DEVIATION_DEG)
    target = state.targets[bone]
    return place + turned(shift, follows) + target.shift, angle_deg + target.turn_deg


def _rounded(numbers: NDArray[np.float64] | list[float] | tuple[float, ...]) -> tuple[float, ...]:
    # Adding 0 makes -0.0 a plain zero.
    return tuple(round(float(number), DECIMALS) + 0.0 for number in numbers)


HEADER: Final = '''\
"""Mean shapes, places and variation of the 29 bones, fitted to the measured population by `tests/atlas`.

Units of the third metacarpal. The drawings that the fit starts from follow the textbooks; what is fitted is what
the published aggregates and `anatomy.TYPICAL` measure: slice widths, extents, places, and overlaps of neighbours.
"""

from __future__ import annotations

from typing import Final

# fmt: off
'''
COMMENTS: Final = {
    "TUBES": "length, warp, thumb_edge (12), other_edge (12), base (5), head (5); see `shapes.Tube`",
    "STACK_RADII": "radii (24); see `shapes.Stack`",
    "REST": "thumbward, distalward, turn in degrees, and the point (u, v) of the bone that lies there",
    "VARIATION": "standard deviations: logarithm of length and of width, thumbward, distalward, angle in degrees",
}


def as_module(tables: AtlasTables) -> str:
    """Text of `phantom/atlas.py`, no line longer than 120."""
    texts = []
    for (name, comment), table in zip(COMMENTS.items(), _all(tables), strict=True):
        kind = ", ".join(["float"] * 5) if name in ("REST", "VARIATION") else "float, ..."
        head = f"{name}: Final[dict[str, tuple[{kind}]]] = {{\n    # {comment}\n"
        texts.append(head + "".join(_row(bone, numbers) for bone, numbers in table.items()) + "}\n")
    return HEADER + "".join(texts) + "# fmt: on\n"


def _row(bone: str, numbers: tuple[float, ...]) -> str:
    """One bone's entry, on one line where it fits."""
    words = [f"{number:.{DECIMALS}f}" for number in numbers]
    short = f'    "{bone}": ({", ".join(words)}),\n'
    if len(short) <= LINE + 1:
        return short
    lines = [f'    "{bone}": (', " " * 7]
    for word in words:
        if len(lines[-1]) + len(word) + 2 > LINE:
            lines.append(" " * 7)
        lines[-1] += f" {word},"
    return "\n".join([*lines, "    ),\n"])


def install(tables: AtlasTables) -> None:
    """Let the phantom of this process grow bones from `tables`, whatever its atlas holds."""
    for held, table in zip(_held(), _all(tables), strict=True):
        held.clear()
        held.update(table)


@contextmanager
def installed(tables: AtlasTables) -> Iterator[None]:
    """`install` for a while."""
    before = current_tables()
    install(tables)
    try:
        yield
    finally:
        install(before)


def current_tables() -> AtlasTables:
    """A copy of the tables that the phantom grows bones from now."""
    return AtlasTables(*(dict(table) for table in _held()))


def _held() -> tuple[Table, ...]:
    # The modules of the phantom hold these very dictionaries.
    return cast("tuple[Table, ...]", (atlas.TUBES, atlas.STACK_RADII, atlas.REST, atlas.VARIATION))


def _all(tables: AtlasTables) -> tuple[Table, ...]:
    return tables.tubes, tables.stack_radii, tables.rest, tables.variation
