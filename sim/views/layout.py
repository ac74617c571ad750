"""Where panels, titles and the legend stand, in inches: no layout engine has to guess."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sim.views import style, wording
from sim.views.arrangement import ABREAST, Arrangement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.145
"""Height of a line of text."""
HANDLE = 0.42
"""Width of a legend's sample and the space around it."""
LEFT, RIGHT, GAP = 0.62, 0.10, 0.14
TICKS, AXIS_NAME = 0.20, 0.17
"""Heights of the tick labels and of the name below an axis."""


@dataclass(frozen=True)
class Panels:
    """A figure cut into panels, each with the levels it stands for."""

    figure: Figure
    cells: list[tuple[dict[str, Any], Axes]]

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Axes]]:
        return iter(self.cells)


@dataclass(frozen=True)
class Cut:
    """How many panels, how tall, and what stands above and below them."""

    rows: int
    columns: int
    height: float
    title_lines: int = 1
    below: float = 0.0
    sharey: Literal["all", "row"] = "all"

    @property
    def width(self) -> float:
        """Width of a panel in inches."""
        return (style.PAGE_WIDTH - LEFT - RIGHT - (self.columns - 1) * GAP) / self.columns

    def axes(self) -> tuple[Figure, Any]:
        """The figure and its array of axes, shape (rows, columns)."""
        from matplotlib.figure import Figure

        head = 0.06 + LINE * self.title_lines
        foot = TICKS + AXIS_NAME + self.below
        between = TICKS + head + 0.04
        total = head + foot + self.rows * self.height + (self.rows - 1) * between
        figure = Figure(figsize=(style.PAGE_WIDTH, total))
        grid = figure.add_gridspec(
            self.rows, self.columns, left=LEFT / style.PAGE_WIDTH, right=1 - RIGHT / style.PAGE_WIDTH,
            top=1 - head / total, bottom=foot / total, wspace=GAP / self.width, hspace=between / self.height,
        )  # fmt: skip
        axes = grid.subplots(sharey=self.sharey, squeeze=False)
        for index, axis in enumerate(axes.flat):
            _plain(axis, named=index % self.columns == 0, ticks=4 if self.width > 1.3 else 3)
        return figure, axes

    def name(self, figure: Figure, xlabel: str, ylabel: str) -> None:
        """One name for all x axes, below them, and one for all y axes."""
        total = figure.get_size_inches()[1]
        places = [axis.get_position() for axis in figure.axes]
        across = (LEFT + style.PAGE_WIDTH - RIGHT) / 2 / style.PAGE_WIDTH
        along = (max(place.y1 for place in places) + min(place.y0 for place in places)) / 2
        below = (self.below + AXIS_NAME - 0.01) / total
        figure.supxlabel(xlabel, x=across, y=below, va="top", fontsize=style.FONT_SIZE)
        left = 0.04 / style.PAGE_WIDTH
        figure.supylabel(ylabel, x=left, y=along, ha="left", va="center", fontsize=style.FONT_SIZE)


def _plain(axis: Axes, named: bool, ticks: int = 4) -> None:
    """Few ticks, two spines, and label positions fixed so that no one measures the ticks to find them."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_label_coords(0.5, -0.1)
    axis.yaxis.set_label_coords(-0.1, 0.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.yaxis.set_visible(named)  # ticks without names would take half of the drawing time


def panels(
    arranged: Arrangement, xlabel: str, ylabel: str, legend: Sequence[str] = (), title: str = ""
) -> Panels:
    """Empty panels with titles and a shared y axis, and room for the legend below."""
    wheres = arranged.panels
    rows, columns = _shape(arranged, len(wheres))
    height = 2.2 if rows == 1 else 1.35 if rows < 4 else 1.1
    cut = Cut(rows, columns, height, below=legend_height(legend, title))
    titles = [_wrapped(wording.cell(where, where), cut.width) for where in wheres]
    cut = Cut(rows, columns, height, max(text.count("\n") + 1 for text in titles), cut.below)
    figure, axes = cut.axes()
    cells = []
    for position, (where, text) in enumerate(zip(wheres, titles, strict=True)):
        axis = axes[_place(arranged, where, position, columns)]
        axis.set_title(text)
        cells.append((where, axis))
    used = {id(axis) for _, axis in cells}
    for axis in axes.flat:
        if id(axis) not in used:
            axis.set_axis_off()
    cut.name(figure, xlabel, ylabel)
    return Panels(figure, cells)


def _shape(arranged: Arrangement, count: int) -> tuple[int, int]:
    """Rows and columns of panels."""
    if arranged.row and arranged.column:
        return len(arranged.grid.levels(arranged.row)), len(arranged.grid.levels(arranged.column))
    columns = 3 if count in (5, 6, 9) else min(count, ABREAST if count <= 3 * ABREAST else ABREAST + 1)
    return math.ceil(count / columns), columns


def _place(arranged: Arrangement, where: dict[str, Any], position: int, columns: int) -> tuple[int, int]:
    if arranged.row and arranged.column:
        rows, along = arranged.grid.levels(arranged.row), arranged.grid.levels(arranged.column)
        return rows.index(where[arranged.row]), along.index(where[arranged.column])
    return divmod(position, columns)


def _wrapped(text: str, width: float) -> str:
    letters = max(int(width / (0.92 * style.LETTER)), 8)
    if max(map(len, text.split() or [""])) > letters:
        text = text.replace("(", " (")
    return "\n".join(textwrap.wrap(text, letters, break_long_words=False))


def metric_panels(
    metrics: Sequence[str], wheres: Sequence[dict[str, Any]], entries: Sequence[str], title: str
) -> tuple[Figure, Any]:
    """A line of panels for each metric, a column for each level, y shared along a line."""
    cut = Cut(len(metrics), len(wheres), 1.6, below=legend_height(entries, title), sharey="row")
    figure, axes = cut.axes()
    for column, where in enumerate(wheres):
        axes[0, column].set_title(_wrapped(wording.cell(where, where), cut.width).partition("\n")[0])
    cut.name(figure, style.axis_label("step"), "")
    for row, metric in enumerate(metrics):
        axes[row, 0].set_ylabel(style.label(metric))
        axes[row, 0].yaxis.set_label_coords(-0.45 / cut.width, 0.5)
    return figure, axes


def single_panel(
    entries: Sequence[str], title: str, xlabel: str, ylabel: str, height: float = 3.0
) -> tuple[Figure, Axes]:
    """One panel over the page's width with room for a legend below."""
    cut = Cut(1, 1, height, title_lines=0, below=legend_height(entries, title))
    figure, axes = cut.axes()
    cut.name(figure, xlabel, ylabel)
    return figure, axes[0, 0]


def dot_panels(names: Sequence[str], labels: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Panels side by side with the same named lines, the first on top, for dots with intervals."""
    from matplotlib.figure import Figure

    left, bottom, top = 0.15 + max(map(len, names)) * style.LETTER, TICKS + 2 * AXIS_NAME, 0.08
    total = top + bottom + max(0.2 * len(names) + 0.15, 0.7)
    figure = Figure(figsize=(style.PAGE_WIDTH, total))
    width = (style.PAGE_WIDTH - left - RIGHT - 0.1 - (len(labels) - 1) * 0.2) / len(labels)
    grid = figure.add_gridspec(
        1, len(labels), left=left / style.PAGE_WIDTH, right=1 - (RIGHT + 0.1) / style.PAGE_WIDTH,
        top=1 - top / total, bottom=bottom / total, wspace=0.2 / width,
    )  # fmt: skip
    axes = list(grid.subplots(squeeze=False, sharey=True)[0])
    for axis, name in zip(axes, labels, strict=True):
        _plain(axis, named=axis is axes[0])
        axis.xaxis.get_major_locator().set_params(integer=False)
        axis.set_xlabel(_wrapped(name, width), va="top")
        axis.xaxis.set_label_coords(0.5, -(TICKS - 0.02) / (total - top - bottom))
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.5)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure, axes


def legend_height(entries: Sequence[str], title: str) -> float:
    """Inches that the legend needs below the axes' name."""
    if not entries:
        return 0.0
    return LINE * (math.ceil(len(entries) / legend_columns(entries)) + bool(title)) + 0.14


def legend_columns(entries: Sequence[str]) -> int:
    """As many columns as fit the page."""
    widest = max(len(entry) for entry in entries) * style.LETTER + HANDLE
    return max(1, min(len(entries), int((style.PAGE_WIDTH - 0.2) / widest)))


def legend(figure: Figure, handles: Sequence[Any], entries: Sequence[str], title: str = "") -> None:
    """One legend for all panels, below them."""
    figure.legend(
        handles, entries, title=title or None, loc="lower center", ncol=legend_columns(entries),
        borderpad=0.2, borderaxespad=0.2, handlelength=2.2, columnspacing=1.2,
        handletextpad=0.5, labelspacing=0.25,
    )  # fmt: skip
