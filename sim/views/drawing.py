"""What is drawn inside panels: colours of levels, lines, bands, and axes of steps and sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.views import style, wording
from sim.views.arrangement import Arrangement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shade = tuple[Any, Any, Any, Any]
"""Of one band: x, low, high, colour."""


def looks(arranged: Arrangement) -> dict[Any, dict[str, Any]]:
    """Colour and marker of every coloured level."""
    levels = arranged.hues
    return {
        level: {"color": colour, "marker": style.MARKERS[index % len(style.MARKERS)]}
        for index, (level, colour) in enumerate(zip(levels, style.colours(levels), strict=True))
    }


def entries(arranged: Arrangement) -> list[str]:
    """Legend texts of the coloured levels."""
    if arranged.hue is None:
        return ["all networks"]
    return [wording.level(arranged.hue, level) for level in arranged.hues]


def title(arranged: Arrangement) -> str:
    """Title of the legend: the coloured factor."""
    return style.label(arranged.hue) if arranged.hue else ""


def handles(arranged: Arrangement, dashes: Sequence[Any] = ()) -> list[Any]:
    """Samples for the legend: a line for each coloured level, then a grey one for each dash pattern."""
    from matplotlib.lines import Line2D

    coloured = [
        Line2D([], [], color=look["color"], marker=look["marker"]) for look in looks(arranged).values()
    ]
    return [*coloured, *(Line2D([], [], color=style.MUTED, linestyle=dash) for dash in dashes)]


def key(arranged: Arrangement, where: dict[str, Any], level: Any) -> tuple[Any, ...]:
    """The cell of a panel's coloured level, as `rows_by(frame, arranged.by)` names it."""
    return (*where.values(), level) if arranged.hue else tuple(where.values())


def bands(axis: Axes, shades: Sequence[Shade]) -> None:
    """Translucent intervals around lines, all in one collection (fill_between takes 5 ms for each)."""
    from matplotlib.collections import PolyCollection

    polygons, colours = [], []
    for x, low, high, colour in shades:
        x, low, high = (np.asarray(values, dtype=float) for values in (x, low, high))
        known = np.isfinite(low) & np.isfinite(high)
        if known.sum() > 1:
            x, low, high = x[known], low[known], high[known]
            polygons.append(np.column_stack([np.append(x, x[::-1]), np.append(low, high[::-1])]))
            colours.append((*colour, 0.16))
    if polygons:
        axis.add_collection(PolyCollection(polygons, facecolors=colours, linewidths=0))


def every(count: int, most: int = 8) -> int:
    """Draw a marker at each n-th point, so that at most about `most` are drawn."""
    return max(1, math.ceil(count / most))


def step_axis(axis: Axes, steps: Any) -> None:
    """Training steps: a logarithm from 1 on where checkpoints are spaced so, linear otherwise."""
    from matplotlib.ticker import NullLocator

    taken = np.unique(steps)
    if len(taken) > 4 and np.median(taken) < 0.1 * taken[-1]:
        powers = [10**power for power in range(int(math.log10(taken[-1])), -1, -2)]
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(-0.3, 1.4 * taken[-1])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks([0, *reversed(powers)], [wording.setting(step) for step in (0, *reversed(powers))])


def size_axis(axis: Axes, sizes: Any) -> None:
    """Sizes at their own values, a logarithm over more than a factor of eight; no label lies over another."""
    from matplotlib.ticker import NullLocator

    sizes = np.sort(np.unique(sizes))
    logarithmic = sizes[0] > 0 and sizes[-1] > 8 * sizes[0]
    if logarithmic:
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(NullLocator())
    place = np.log10(sizes) if logarithmic else sizes.astype(float)
    inches = (
        axis.get_position().width
        * style.PAGE_WIDTH
        * 0.9
        * (place - place[0])
        / ((place[-1] - place[0]) or 1.0)
    )
    texts = [wording.setting(size) for size in sizes]
    kept = [len(sizes) - 1]
    for index in range(len(sizes) - 2, -1, -1):
        needed = style.LETTER * (len(texts[index]) + len(texts[kept[-1]])) / 2 + 0.08
        if inches[kept[-1]] - inches[index] >= needed:
            kept.append(index)
    axis.set_xticks(sizes[kept], [texts[index] for index in kept])


def deepest(rows: pd.DataFrame) -> pd.DataFrame:
    """Where a cell has several depths, the layers of the deepest networks."""
    return rows[rows["depth"].to_numpy() == rows["depth"].max()]


def shade(rows: pd.DataFrame, x: str, look: dict[str, Any]) -> Shade:
    """The interval of a mean log norm around its line."""
    return rows[x], rows["mean_log10_low"], rows["mean_log10_high"], look["color"]


def flags(axis: Axes, rows: dict[Any, pd.DataFrame], x: str, looks: dict[Any, dict[str, Any]]) -> None:
    """Triangles at the edge for norms that are zero (down) or not finite (up): a log axis has no place."""
    axis.margins(y=0.1)
    for share, sign, start, way in (("zero_share", "v", 0.03, 1), ("nonfinite_share", "^", 0.97, -1)):
        flagged = [level for level, cell in rows.items() if (cell[share] > 0).any()]
        for index, level in enumerate(flagged):
            bad = rows[level].loc[rows[level][share] > 0, x]
            height = np.full(len(bad), start + way * 0.055 * index)
            axis.plot(
                bad, height, sign, color=looks[level]["color"], markersize=3.6, clip_on=False,
                markevery=every(len(bad), 12), transform=axis.get_xaxis_transform(),
            )  # fmt: skip


def signs(frame: pd.DataFrame) -> str:
    """What the triangles stand for, where there are any."""
    zero = "▼ at the edge: some norms are exactly zero." if (frame["zero_share"] > 0).any() else ""
    broken = "▲ at the edge: some norms are not finite." if (frame["nonfinite_share"] > 0).any() else ""
    return wording.joined(zero, broken)
