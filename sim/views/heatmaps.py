"""Annotated heatmaps on the page's width: a cell that holds no number says why."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.views import style, wording
from sim.views.arrangement import ABREAST, Arrangement
from sim.views.rows import rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROWEST, WIDEST, TALL = 0.33, 0.75, 0.19
"""A cell's least and largest width and its height, in inches: four letters fit the narrowest."""
BAR, LEAST = 1.0, 1.3
"""Room for the colour bar with its name, and the least height it needs."""
TILT = 38
FOLDED = 8
"""A name of more letters, if it stands upright, is folded."""


@dataclass(frozen=True)
class Scale:
    """What the colours mean."""

    name: str
    palette: str
    low: float
    high: float


def heatmap(arranged: Arrangement, frame: pd.DataFrame, value: str, text: str, scale: Scale) -> Figure:
    """`frame` holds a row a cell: the hue's levels go down, the column's across, the row's over the panels.

    Column `value` gives the colour, `text` what is written; without a value the cell is grey and hatched,
    and a cell the study did not run stays white.
    """
    down, across = str(arranged.hue), str(arranged.column)
    lines, columns = arranged.grid.levels(down), arranged.grid.levels(across)
    row = arranged.row
    wheres = [{row: level} for level in arranged.grid.levels(row)] if row else [{}]
    names = [wording.level(down, level) for level in lines]
    heads = [wording.level(across, level) for level in columns]
    figure, axes, bar, angle = _cut(len(wheres), names, heads, titled=row is not None)
    parts = rows_by(frame, [row] if row else [])
    for index, (where, axis) in enumerate(zip(wheres, axes, strict=True)):
        mine = parts.get(tuple(where.values()), frame.iloc[:0])
        values, texts = (
            mine.pivot(index=down, columns=across, values=name).reindex(index=lines, columns=columns)
            for name in (value, text)
        )
        _draw(axis, values, texts, scale, bar if index == 0 else None)
        axis.set_title(wording.cell(where, where))
        _name(axis, names, heads, angle)
        axis.set_ylabel(style.label(down))
        axis.set_xlabel(style.axis_label(across))
    _only_outer(axes)
    return figure


def _cut(
    count: int, names: list[str], heads: list[str], titled: bool
) -> tuple[Figure, list[Axes], Axes, int]:
    """Axes for `count` heatmaps, as many side by side as fit, one for the colour bar; the heads' angle."""
    from matplotlib.figure import Figure

    left = 0.38 + max(map(len, names)) * style.LETTER
    room = style.PAGE_WIDTH - left - BAR
    abreast = max(1, min(count, ABREAST, int((room + 0.15) / (len(heads) * NARROWEST + 0.15))))
    wide = min(WIDEST, (room - 0.15 * (abreast - 1)) / abreast / len(heads))
    stacked = math.ceil(count / abreast)
    longest = max(map(len, heads)) * style.LETTER
    # Slanted names under a heatmap with a free place below it would reach into its neighbour.
    angle = 0 if longest <= wide else 90 if stacked > 1 and count % abreast else TILT
    if angle == 90:
        longest = max(len(line) for head in heads for line in _folded(head).split("\n")) * style.LETTER
    below = 0.41 + max(longest * math.sin(math.radians(angle)), 0.13)
    top, between = 0.24 if titled else 0.1, 0.28
    tall = max(TALL * len(names), LEAST if stacked == 1 else LEAST / 2)
    total = top + below + stacked * tall + (stacked - 1) * between
    figure = Figure(figsize=(style.PAGE_WIDTH, total))
    axes = []
    for index in range(count):
        row, column = divmod(index, abreast)
        corner = left + column * (wide * len(heads) + 0.15), total - top - tall - row * (tall + between)
        axes.append(_axes(figure, corner, (wide * len(heads), tall), total))
    edge = left + abreast * wide * len(heads) + 0.15 * (abreast - 1) + 0.15
    bar_height = min(total - top - below, 2.4)
    bar = _axes(figure, (edge, total - top - bar_height), (0.12, bar_height), total)
    return figure, axes, bar, angle


def _axes(figure: Figure, corner: tuple[float, float], size: tuple[float, float], total: float) -> Axes:
    """Axes at a corner, of a size, both in inches."""
    wide = style.PAGE_WIDTH
    return figure.add_axes((corner[0] / wide, corner[1] / total, size[0] / wide, size[1] / total))


def _draw(axis: Axes, values: pd.DataFrame, texts: pd.DataFrame, scale: Scale, bar: Axes | None) -> None:
    import seaborn

    name = "\n".join(textwrap.wrap(scale.name, int(LEAST / style.LETTER)))
    seaborn.heatmap(
        values.astype(float), ax=axis, cmap=scale.palette, vmin=scale.low, vmax=scale.high,
        annot=texts.fillna(""), fmt="", annot_kws={"fontsize": style.FONT_SIZE}, linewidths=0.5,
        linecolor="white", cbar=bar is not None, cbar_ax=bar, cbar_kws={"label": name},
        mask=values.isna(), xticklabels=False, yticklabels=False,
    )  # fmt: skip
    if bar is not None:
        bar.tick_params(length=2)
    marked = values.isna() & texts.notna()
    for row, column in zip(*np.nonzero(marked.to_numpy()), strict=True):
        _mark(axis, int(row), int(column), str(texts.iat[row, column]))


def _mark(axis: Axes, row: int, column: int, text: str) -> None:
    """A cell without a number: hatched, with a word or sign that says why."""
    from matplotlib.patches import Rectangle

    axis.add_patch(
        Rectangle((column, row), 1, 1, facecolor="#d4d4d4", edgecolor="#9a9a9a", hatch="/////", linewidth=0.0)
    )
    axis.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=style.FONT_SIZE,
        bbox={"facecolor": "#ececec", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _folded(head: str) -> str:
    """A long name in two lines, broken near its middle: normal / (std=0.01), glorot_ / normal."""
    breaks = [place for place in range(1, len(head)) if head[place] == "(" or head[place - 1] in "_ ,"]
    if len(head) <= FOLDED or not breaks:
        return head
    place = min(breaks, key=lambda place: abs(place - len(head) / 2))
    return f"{head[:place].rstrip()}\n{head[place:]}"


def _name(axis: Axes, names: list[str], heads: list[str], angle: int) -> None:
    axis.set_yticks(np.arange(len(names)) + 0.5, names)
    heads = [_folded(head) for head in heads] if angle == 90 else heads
    turned: dict[str, Any] = {"rotation": angle, "ha": "right", "rotation_mode": "anchor"} if angle else {}
    axis.set_xticks(np.arange(len(heads)) + 0.5, heads, **turned)
    if angle == 90:
        for text in axis.get_xticklabels():
            text.set_verticalalignment("center")
    axis.tick_params(length=0)


def _only_outer(axes: list[Axes]) -> None:
    """Names of rows stand left of the first heatmap of a line, names of columns under the last of a file."""
    places = [axis.get_position() for axis in axes]
    left = min(place.x0 for place in places)
    lowest = {round(x, 6): min(p.y0 for p in places if p.x0 == x) for x in {place.x0 for place in places}}
    for axis, place in zip(axes, places, strict=True):
        if place.x0 > left:
            axis.tick_params(labelleft=False)
            axis.set_ylabel("")
        if place.y0 > lowest[round(place.x0, 6)]:
            axis.tick_params(labelbottom=False)
            axis.set_xlabel("")
