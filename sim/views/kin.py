"""Panels in which each kind of optimizer stands out before all others, named at the ends of its lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.views import layout, style
from sim.views.comparison import FAINT, Crowd, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = style.FONT_SIZE - 1.0
NAME_LINE = 1.2 * SMALL / 72
"""Height in inches of a line of a name."""
LEADER, AFTER = 0.13, 0.06
"""Inches from the end of a line to the marker before its name, and from there to the name."""
LONGEST = 22
"""Letters of a name on one line."""
MOST = 0.45
"""Share of a panel's width that names may take before there are fewer panels side by side."""

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
    cut = _cut(list(kinships.values()))
    figure, axes = cut.axes()
    cut.name(figure, xlabel, ylabel)
    used = list(axes.flat)[: len(kinships)]
    for axis in list(axes.flat)[len(kinships) :]:
        axis.set_axis_off()
    for axis, (kin, members) in zip(used, kinships.items(), strict=True):
        axis.set_title(kin)
        others = [staircase(*lines[name]) if step else np.column_stack(lines[name]) for name in lines]
        axis.add_collection(LineCollection(others, colors=FAINT, linewidths=0.5, zorder=1))
        for place, name in enumerate(members):
            x, y = lines[name]
            draw: Callable[..., Any] = axis.step if step else axis.plot
            kept = {"where": "post"} if step else {}
            every = max(1, len(x) // 5)  # begun at different points: lines that coincide show both markers
            draw(x, y, **crowd.looks[name].line, **kept, markevery=(place % every, every), zorder=3)
    return figure, used


def _cut(kinships: list[list[str]]) -> layout.Cut:
    """Panels wide enough for the longest name, tall enough for the names of the largest kinship."""
    names = [wrapped(name) for members in kinships for name in members]
    columns = min(3, len(kinships))
    while columns > 1 and _room(names) > MOST * layout.Cut(1, columns, 1.0).width:
        columns -= 1
    rows = math.ceil(len(kinships) / columns)
    stacked = max(len(members) * _tallest(members) for members in kinships) * NAME_LINE
    return layout.Cut(rows, columns, max(2.4 if rows == 1 else 1.75 if rows == 2 else 1.4, stacked))


def wrapped(name: str) -> str:
    """A name in lines of LONGEST letters at most."""
    return "\n".join(textwrap.wrap(name.replace("(", " ("), LONGEST))


def _tallest(names: Sequence[str]) -> int:
    """Lines of the name that has most of them."""
    return max(wrapped(name).count("\n") + 1 for name in names)


def _room(names: Sequence[str]) -> float:
    """Inches that wrapped names take beside their lines' ends."""
    from matplotlib.textpath import TextPath

    texts = [line for name in names for line in name.split("\n")]
    widest = max(TextPath((0, 0), text, size=SMALL).get_extents().width for text in texts) / 72
    return LEADER + AFTER + widest + 0.07


def name_lines(crowd: Crowd, axes: Sequence[Axes], lines: dict[str, Line]) -> None:
    """Names at the right ends of each panel's members, moved apart where they would lie over another.

    A thin line leads from the end to its name's marker. The axes' limits must be final: the room for the
    names, as wide as the longest of all panels, is added here.
    """
    kinships = [[n for n in names if n in lines] for names in crowd.kinships.values()]
    shown = [names for names in kinships if names]
    room = _room([wrapped(name) for names in shown for name in names])
    for axis, members in zip(axes, shown, strict=True):
        width, height = axis.bbox.width / axis.figure.dpi, axis.bbox.height / axis.figure.dpi
        _make_room(axis, room / width)
        ends = [float(np.asarray(lines[name][1], dtype=float)[-1]) for name in members]
        to_axis = axis.transScale + axis.transLimits
        heights = to_axis.transform(np.column_stack([np.full(len(ends), axis.get_xlim()[1]), ends]))[:, 1]
        heights = np.nan_to_num(np.clip(heights, 0.0, 1.0))
        names = spread(heights, _tallest(members) * NAME_LINE / height)
        end, inch = 1 - room / width, 1 / width
        for name, start, place in zip(members, heights, names, strict=True):
            _name(axis, crowd.looks[name], wrapped(name), (end, start), (end + LEADER * inch, place), inch)


def _make_room(axis: Axes, share: float) -> None:
    """Widen the x axis so that this share of it is free at the right; its line stays where the data are."""
    low, high = axis.get_xlim()
    logarithmic = axis.get_xscale() == "log"
    place = (math.log(low), math.log(high)) if logarithmic else (low, high)
    end = place[1] + (place[1] - place[0]) * share / (1 - share)
    axis.set_xlim(low, math.exp(end) if logarithmic else end)
    axis.spines["bottom"].set_bounds(low, high)


def _name(
    axis: Axes, look: Look, name: str, start: tuple[float, float], place: tuple[float, float], inch: float
) -> None:
    """A name at its place, with its marker, and what leads there from the end of its line."""
    kept: dict[str, Any] = {"transform": axis.transAxes, "color": look.color, "clip_on": False}
    axis.plot([start[0], place[0]], [start[1], place[1]], linewidth=0.6, **kept, zorder=2)
    axis.plot([place[0]], [place[1]], marker=look.marker, linestyle="none", **kept, zorder=3)
    axis.text(
        place[0] + AFTER * inch, place[1], name, va="center_baseline" if "\n" not in name else "center",
        fontsize=SMALL, linespacing=1.0, **kept,
    )  # fmt: skip


def spread(heights: Any, apart: float) -> np.ndarray:
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
