"""Panels in which each kind of optimizer stands out before all the others, with names at the lines' ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.views import layout, style
from sim.views.comparison import FAINT, Crowd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 0.30
"""Share of a panel's width that the names at the ends of its lines take."""
APART = 0.085
"""Least distance of two names, as a share of a panel's height."""
SMALL = style.FONT_SIZE - 1.0

Line = tuple[Any, Any]
"""x and y of one entrant."""


def kin_panels(
    crowd: Crowd, lines: dict[str, Line], xlabel: str, ylabel: str, step: bool = False
) -> tuple[Figure, list[Axes]]:
    """A panel a kinship: its members in colour with markers and names, everyone else faint behind."""
    from matplotlib.collections import LineCollection

    kinships = {
        kin: shown for kin, names in crowd.kinships.items() if (shown := [n for n in names if n in lines])
    }
    columns = min(3, len(kinships))
    rows = math.ceil(len(kinships) / columns)
    cut = layout.Cut(rows, columns, 1.75 if rows > 1 else 2.4)
    figure, axes = cut.axes()
    cut.name(figure, xlabel, ylabel)
    used = list(axes.flat)[: len(kinships)]
    for axis in list(axes.flat)[len(kinships) :]:
        axis.set_axis_off()
    for axis, (kin, members) in zip(used, kinships.items(), strict=True):
        axis.set_title(kin)
        others = [staircase(*lines[name]) if step else np.column_stack(lines[name]) for name in lines]
        axis.add_collection(LineCollection(others, colors=FAINT, linewidths=0.5, zorder=1))
        for name in members:
            x, y = lines[name]
            draw: Callable[..., Any] = axis.step if step else axis.plot
            kept = {"where": "post"} if step else {}
            draw(x, y, **crowd.looks[name].line, **kept, markevery=max(1, len(x) // 5), zorder=3)
    return figure, used


def name_lines(crowd: Crowd, axes: Sequence[Axes], lines: dict[str, Line]) -> None:
    """Names at the right ends of each panel's members, moved apart where they would lie over another.

    The axes' limits must be final: the room for the names is added here.
    """
    kinships = [[n for n in names if n in lines] for names in crowd.kinships.values()]
    shown = [names for names in kinships if names]
    for axis, members in zip(axes, shown, strict=True):
        low, high = axis.get_xlim()
        logarithmic = axis.get_xscale() == "log"
        place = (math.log(low), math.log(high)) if logarithmic else (low, high)
        end = place[1] + (place[1] - place[0]) * ROOM / (1 - ROOM)
        axis.set_xlim(low, math.exp(end) if logarithmic else end)
        ends = [float(np.asarray(lines[name][1], dtype=float)[-1]) for name in members]
        to_axis = axis.transScale + axis.transLimits
        heights = to_axis.transform(np.column_stack([np.full(len(ends), high), ends]))[:, 1]
        for name, height in zip(members, spread(heights), strict=True):
            axis.text(
                1 - ROOM + 0.015, height, name, transform=axis.transAxes, va="center", fontsize=SMALL,
                color=crowd.looks[name].color, clip_on=False,
            )  # fmt: skip


def spread(heights: Any, apart: float = APART) -> np.ndarray:
    """Heights moved as little as needed, in their order, so that neighbours are `apart` and inside 0 … 1."""
    wanted = np.nan_to_num(np.clip(np.asarray(heights, dtype=float), 0.0, 1.0))
    order = np.argsort(wanted, kind="stable")
    placed = wanted[order]
    for _ in range(50):
        gaps = np.diff(placed)
        close = gaps < apart - 1e-9
        if not close.any():
            break
        move = np.where(close, (apart - gaps) / 2, 0.0)
        placed[:-1] -= move
        placed[1:] += move
    low, high = 0.02, 1.0
    for place in range(len(placed)):
        low = placed[place] = max(placed[place], low)
        low += apart
    for place in range(len(placed) - 1, -1, -1):
        high = placed[place] = min(placed[place], high)
        high -= apart
    result = np.empty_like(placed)
    result[order] = placed
    return result


def staircase(x: Any, y: Any) -> np.ndarray:
    """Points of a right-continuous step curve."""
    across, along = (
        np.repeat(np.asarray(x, dtype=float), 2)[1:],
        np.repeat(np.asarray(y, dtype=float), 2)[:-1],
    )
    return np.column_stack([across, along])
