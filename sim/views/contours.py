"""Surfaces as pictures: level lines under everything that is drawn on them, and colours of optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.catalog.surfaces import domain_of, minima_of
from sim.study import Choice
from sim.views import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FINE = 161
"""Points on a side at which a surface is evaluated for its level lines."""
LEVELS = 18
MOST_ABREAST, SAMPLE = 5, 0.5
"""Entries of a legend side by side, and what the line beside a name takes, in inches."""
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))
WIDEST, THINNEST = 2.3, 0.7
"""Lines, in points."""
LEFT, RIGHT, TOP, BELOW, BETWEEN = 0.52, 0.16, 0.24, 0.36, 0.14
"""Room around and between panels, in inches."""
LEAST = 0.12
"""A panel shows at least this share of the domain."""


@lru_cache(maxsize=16)
def heights(surface: Choice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and the values on a grid over the domain, from the compiled surface."""
    from sim.kernels.walks import slope_at

    x, y = (np.linspace(low, high, FINE) for low, high in domain_of(surface.part))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, slope_at(surface.part, surface.settings, points)[0].reshape(FINE, FINE)


def ground(axis: Axes, surface: Choice) -> None:
    """Level lines, closer together where the surface is low, and crosses at the known minima."""
    x, y, values = heights(surface)
    shown = np.isfinite(values)
    lifted = np.ma.masked_array(values, ~shown) - values[shown].min()
    levels = np.quantile(lifted.compressed(), np.linspace(0, 1, LEVELS) ** 1.5)
    axis.contour(x, y, lifted, np.unique(levels), colors="#b9b9b9", linewidths=0.5)
    for minimum in minima_of(surface.part):
        axis.plot(*minimum.at, "+", color="black", markersize=4, markeredgewidth=0.8, zorder=6)
    (left, right), (low, high) = domain_of(surface.part)
    axis.set_xlim(left, right)
    axis.set_ylim(low, high)


def zoom(axis: Axes, surface: Choice, x: np.ndarray, y: np.ndarray) -> None:
    """Show a square, in shares of the domain, around these points; ticks at a few places."""
    from matplotlib.ticker import MaxNLocator

    box = np.array(domain_of(surface.part))
    sides = box[:, 1] - box[:, 0]
    inside = np.isfinite(x) & np.isfinite(y)
    points = np.clip(np.stack([x[inside], y[inside]]), box[:, :1], box[:, 1:])
    low, high = points.min(axis=1), points.max(axis=1)
    half = 0.58 * max(float(((high - low) / sides).max()), LEAST)
    middle = (low + high) / 2
    axis.set_xlim(middle[0] - half * sides[0], middle[0] + half * sides[0])
    axis.set_ylim(middle[1] - half * sides[1], middle[1] + half * sides[1])
    for line in (axis.xaxis, axis.yaxis):
        line.set_major_locator(MaxNLocator(3, prune="both"))


def looks(optimizers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each optimizer, different for up to thirty.

    The first lines are the widest, so that one under another is seen.
    """
    colours = style.colours([str(i) for i in range(style.HUES)])
    return {
        label: {
            "color": colours[i % style.HUES],
            "linestyle": DASHES[(i // style.HUES) % len(DASHES)],
            "marker": style.MARKERS[i % len(style.MARKERS)],
            "linewidth": WIDEST - (WIDEST - THINNEST) * (i % style.HUES) / style.HUES,
        }
        for i, label in enumerate(optimizers)
    }


def panels(
    rows: int, columns: int, bar: float = 0.0, between: float = BETWEEN, lines: int = 1, under: float = 0.0
) -> tuple[Figure, list[list[Axes]]]:
    """Square panels of x and y on the page's width with titles of so many ``lines``.

    Room for a colour ``bar`` on the right, ``between`` panels, and for a legend ``under`` each row, in
    inches.  Where panels stand apart each has its own tick labels.
    """
    from matplotlib.figure import Figure

    wide, apart = style.PAGE_WIDTH, between > BETWEEN
    side = min((wide - LEFT - RIGHT - bar - between * (columns - 1)) / columns, 2.3)
    top = TOP + 0.14 * (lines - 1)
    steps = [side + (BELOW if apart or row == rows - 1 else BETWEEN) + under for row in range(rows)]
    tops = [top if apart or row == 0 else 0.0 for row in range(rows)]
    tall = sum(steps) + sum(tops)
    figure = Figure(figsize=(wide, tall))
    axes = []
    for row in range(rows):
        corner = tall - sum(tops[: row + 1]) - sum(steps[:row]) - side
        places = [LEFT + column * (side + between) for column in range(columns)]
        axes.append([figure.add_axes((x / wide, corner / tall, side / wide, side / tall)) for x in places])
    for row, line in enumerate(axes):
        line[0].set_ylabel("y")
        for column, axis in enumerate(line):
            axis.tick_params(labelleft=apart or column == 0, labelbottom=apart or row == rows - 1)
            axis.set_xlabel("x" if apart or row == rows - 1 else "")
    return figure, axes


def legend(
    figure: Figure, looks_of: dict[str, dict[str, Any]], names: dict[str, str], under: Axes | None = None
) -> None:
    """Names of the optimizers at the foot of the figure, or under a row of panels."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **look) for look in looks_of.values()]
    labels = [names[label] for label in looks_of]
    foot = 0.0
    if under is not None:
        height = float(figure.get_figheight())
        foot = under.get_position().y0 - (BELOW + legend_height(labels)) / height
    figure.legend(
        handles,
        labels,
        loc="lower left",
        ncols=_abreast(labels),
        bbox_to_anchor=(0.04, foot),
        handlelength=2.2,
    )


def legend_height(labels: Sequence[str]) -> float:
    """Inches that the legend takes."""
    return 0.17 * -(-len(labels) // _abreast(labels)) + 0.1


def _abreast(labels: Sequence[str]) -> int:
    """How many of these stand side by side on the page."""
    widest = SAMPLE + style.LETTER * max(map(len, labels))
    return max(1, min(MOST_ABREAST, int((style.PAGE_WIDTH - LEFT) / widest)))
