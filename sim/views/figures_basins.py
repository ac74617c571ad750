"""Maps of starts: where each ends, at which minimum if any is known, and how soon."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.views import contours, style, wording
from sim.views.figures_surfaces import best_runs
from sim.views.goals import MINIMUM, REST, goal
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 50
"""Starts on a side from which on a map is a picture."""
LINE = 13
"""Letters of a title's line, as wide as the narrowest panel."""
ENDS = {MINIMUM: ("the best", "a poorer one", "none"), REST: ("at rest", "", "not at rest")}
HEADS = {MINIMUM: ("minimum:", "steps until it stays there"), REST: ("at the end:", "steps until it rests")}
"""What stands over the colours of the ends, and beside those of the steps."""


def _basin_runs(records: DescentRecords) -> pd.DataFrame:
    """One walk an optimizer: of several budgets the longest, of several rates the best, without noise."""
    runs = best_runs(records)
    return runs[(runs["noise"] == runs["noise"].min()) & (runs["steps"] == runs["steps"].max())]


@descent_figure(
    title="Where each start ends, and how soon",
    applies=lambda records: (
        records.mapped
        and len(records.surfaces) == 1
        and records.descent.map >= FEWEST
        and len(records.optimizers) <= 6
    ),
)
def basins(records: DescentRecords) -> Drawing:
    """Maps of starts: above, the minimum each ends at, or whether it rests; below, the steps it takes."""
    from matplotlib.colors import ListedColormap, LogNorm

    aim = goal(records)
    runs = _basin_runs(records)
    titles = [_title(records, run) for _, run in runs.iterrows()]
    lines = 1 + max(title.count("\n") for title in titles)
    figure, axes = contours.panels(2, len(runs), bar=0.85, lines=lines)
    colours = style.verdict_colours()
    parts = dict(iter(records.ends.groupby("run", sort=False)))
    ends = [parts[run] for run in runs["run"]]
    times = [np.maximum(rows["steps_to_reach"].to_numpy(), 1) for rows in ends]
    latest = max((np.nanmax(time) for time in times if np.isfinite(time).any()), default=1.0)
    for column, (rows, time) in enumerate(zip(ends, times, strict=True)):
        where = np.where(rows["best"], 0, np.where(rows["status"] == "reached", 1, 2))
        _map(axes[0][column], records, where, cmap=ListedColormap(colours), vmin=-0.5, vmax=2.5)
        axes[0][column].set_title(titles[column])
        shown = _map(axes[1][column], records, time, cmap=style.SEQUENTIAL, norm=LogNorm(1, max(latest, 2)))
    last, top = axes[1][-1].get_position(), axes[0][-1].get_position()
    bar = figure.add_axes((last.x1 + 0.015, last.y0, 0.014, last.height))
    figure.colorbar(shown, cax=bar, label=HEADS[aim][1])
    line = 0.14 / float(figure.get_figheight())
    figure.text(top.x1 + 0.015, top.y1 - line, HEADS[aim][0])
    named = [(colour, text) for colour, text in zip(colours, ENDS[aim], strict=True) if text]
    for place, (colour, text) in enumerate(named, 2):
        figure.text(top.x1 + 0.015, top.y1 - place * line, f"■ {text}", color=colour)
    return Drawing(figure, _caption(records, runs))


def _title(records: DescentRecords, run: pd.Series) -> str:
    """The optimizer's short name, in lines of the panel's width; its rate, where several were tried."""
    rate = [f"lr {run['lr']:.3g}"] if "lr" in records.varying else []
    words = records.optimizers[run["optimizer"]].split(", ")
    return "\n".join(line for word in (*words, *rate) for line in wrap(word, LINE))


def _map(axis: Axes, records: DescentRecords, values: np.ndarray, **how: Any) -> Any:
    side = records.descent.map
    assert side is not None
    (surface,) = records.surfaces.values()
    (left, right), (low, high) = surface.part.domain
    axis.set_xticks([left, (left + right) / 2])
    return axis.imshow(
        values.reshape(side, side), origin="lower", extent=(left, right, low, high), interpolation="nearest",
        aspect="auto", **how,
    )  # fmt: skip


def _caption(records: DescentRecords, runs: pd.DataFrame) -> str:
    keys = ["optimizer", "lr", "noise", "steps"]
    shares = runs[keys].merge(records.walks, on=keys)
    told = wording.enumeration(
        f"{records.optimizers[row['optimizer']]} {100 * row['share_best']:.1f} %"
        for _, row in shares.sort_values("share_best", ascending=False, kind="stable").iterrows()
    )
    assert records.descent.map is not None
    (surface,) = records.surfaces
    side, budget = f"{records.descent.map:,}", wording.count(int(runs["steps"].iloc[0]), "step")
    rates = " Each optimizer at the best of its learning rates." if "lr" in records.varying else ""
    aim = goal(records)
    white = "it reached no minimum" if aim is MINIMUM else "it did not come to rest"
    return wording.joined(
        f"Share of {side} × {side} starts on {surface.replace('_', ' ')} that {aim.best} within "
        f"{budget}: {told}.{rates} Each pixel is a start; white below: {white}.",
        aim.remark,
    )
