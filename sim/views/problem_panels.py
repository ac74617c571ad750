"""A panel a problem, each with axes of its own, and who stands out in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sim.views import layout, style
from sim.views.comparison import FAINT, ComparisonRecords, goal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ABREAST = 3
BEST = "black"
DASHES = (0, (3, 1.5))


def problem_panels(
    records: ComparisonRecords,
    height: float,
    entries: list[str],
    left: float = 0.45,
    own_y: bool = False,
    abreast: int = ABREAST,
) -> tuple[Figure, dict[str, Axes]]:
    """Panels in the order of the problems, titled with name and target, with room for a legend below."""
    from matplotlib.figure import Figure

    names = records.problems
    columns = min(abreast, len(names))
    rows = math.ceil(len(names) / columns)
    gap = 0.42 if own_y else 0.26
    head, between = 0.36, 0.56
    below = 0.42 + layout.legend_height(entries, "")
    total = head + below + rows * height + (rows - 1) * between
    width = (style.PAGE_WIDTH - left - 0.16 - (columns - 1) * gap) / columns  # half a number juts out
    figure = Figure(figsize=(style.PAGE_WIDTH, total))
    axes: dict[str, Axes] = {}
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        corner = (left + column * (width + gap), total - head - row * (height + between) - height)
        axis = figure.add_axes((
            corner[0] / style.PAGE_WIDTH, corner[1] / total, width / style.PAGE_WIDTH, height / total,
        ))  # fmt: skip
        axis.spines[["top", "right"]].set_visible(False)
        target = records.targets.get(name)
        told = f"\n{goal(target)}" if target else ""
        axis.set_title(f"{name.replace('_', ' ')}{told}", fontsize=style.FONT_SIZE - 0.5, linespacing=1.1)
        if column and not own_y:
            axis.tick_params(labelleft=False)
        axes[name] = axis
    return figure, axes


def axis_names(figure: Figure, xlabel: str, ylabel: str, entries: list[str], left: float = 0.45) -> None:
    """One name for all x axes and one for all y axes."""
    total = figure.get_size_inches()[1]
    foot = layout.legend_height(entries, "")
    figure.supxlabel(
        xlabel, x=(left + style.PAGE_WIDTH) / 2 / style.PAGE_WIDTH, y=(foot + 0.16) / total, va="top",
        fontsize=style.FONT_SIZE,
    )  # fmt: skip
    if ylabel:
        figure.supylabel(ylabel, x=0.04 / style.PAGE_WIDTH, ha="left", va="center", fontsize=style.FONT_SIZE)


def stars(records: ComparisonRecords, problem: str) -> dict[str, dict[str, Any]]:
    """Who stands out on a problem: the founding optimizers in colours, the best of the others in black."""
    founding = records.founding
    shown = {
        name: {"color": colour, "marker": style.MARKERS[place]}
        for place, (name, colour) in enumerate(zip(founding, style.colours(founding), strict=True))
    }
    others = [name for name in records.entrants if name not in shown]
    if others:
        spent = records.spent
        place = spent.problems.index(problem)
        means = {name: spent.values[spent.entrants.index(name), place].mean() for name in others}
        shown[min(others, key=lambda name: means[name])] = {"color": BEST, "linestyle": DASHES}
    return shown


def star_legend(figure: Figure, records: ComparisonRecords, entries: list[str]) -> None:
    """The founding optimizers, the best of the others, and the rest."""
    from matplotlib.lines import Line2D

    colours = style.colours(records.founding)
    handles = [
        Line2D([], [], color=colour, marker=style.MARKERS[place]) for place, colour in enumerate(colours)
    ]
    handles += [Line2D([], [], color=BEST, linestyle=DASHES), Line2D([], [], color=FAINT, linewidth=0.6)]
    layout.legend(figure, handles[: len(entries)], entries)


def star_entries(records: ComparisonRecords) -> list[str]:
    """Texts of `star_legend`."""
    others = len(records.entrants) > len(records.founding)
    return [*records.founding, *(["best of the others (named)", "all others"] if others else [])]
