"""One look for all figures, and how they become files of the same bytes everywhere."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from yolo_bones.files import write_bytes

DPI: Final = 120
COLOURS: Final = {"train": "#1f5f99", "test": "#d2691e"}
REAL: Final = "#b9bec4"
"""Of real hands: a band, or a mark of `REAL_MARK`."""
REAL_MARK: Final = "#5f6670"
INK: Final = "#24292f"
GRID: Final = "#e4e7ea"
STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#8b9198",
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
}


@contextmanager
def own_style() -> Iterator[None]:
    """Draw in this look whatever the user's own settings of matplotlib are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]  # its stubs list every key by name
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure."""
    return Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without version or date."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    write_bytes(path, stream.getvalue())


def sides_of(record: Mapping[str, Any]) -> list[str]:
    """`train`, and `test` where there is one."""
    return list(record["sides"])


def side_label(record: Mapping[str, Any], side: str) -> str:
    """A side's name for a legend."""
    return f"{side} ({record['sides'][side]['images']} images)"


def column_of(record: Mapping[str, Any], side: str, name: str) -> NDArray[np.float64]:
    """Known values of one column of `per_image`."""
    table = record["per_image"][side]
    if not table["rows"]:
        return np.zeros(0)
    place = table["columns"].index(name)
    return np.array([row[place] for row in table["rows"] if row[place] is not None], dtype=np.float64)


def legend_below(figure: Figure, axis: Axes) -> None:
    """One legend for a whole figure, under its axes."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
