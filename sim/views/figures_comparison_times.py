"""Problem by problem: who arrives when, and how the loss falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis.convergence import kaplan_meier, success
from sim.views import kin, style, wording
from sim.views.comparison import FAINT, TARGET, ComparisonRecords, comparison_figure
from sim.views.figures_learning import curve_table, middle
from sim.views.problem_panels import axis_names, problem_panels, star_entries, star_legend, stars
from sim.views.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEEPEST = 1e-9
"""A loss this far below the largest is as good as none."""
RAW = 6
"""Raw runs of each optimizer drawn behind its median."""


@comparison_figure(title="Steps to the target, problem by problem", chapter="problems")
def arrivals(records: ComparisonRecords) -> Drawing:
    """Kaplan-Meier curves of every optimizer on every problem."""
    from matplotlib.collections import LineCollection

    curves = kaplan_meier(records.runs, ["problem", "entrant"], TARGET)
    parts = dict(iter(curves.groupby(["problem", "entrant"], sort=False)))
    entries = star_entries(records)
    figure, axes = problem_panels(records, 1.2, entries, left=0.5)
    for problem, axis in axes.items():
        shown = stars(records, problem)
        steps = {name: parts[problem, name] for name in records.entrants}
        lines = [kin.staircase(rows["step"], 100 * rows["share"]) for rows in steps.values()]
        axis.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.5, zorder=1))
        for name, look in shown.items():
            rows = steps[name]
            axis.step(
                rows["step"], 100 * rows["share"], where="post", markevery=max(1, len(rows) // 4), **look
            )
        axis.set_ylim(-3, 103)
        axis.set_yticks([0, 25, 50, 75, 100])
        budget = float(max(rows["step"].max() for rows in steps.values()))
        _few_steps(axis, budget)
        late = np.interp(0.4 * budget, *_best_of_others(steps, shown)) < 50
        _named(axis, shown, *((0.04, 0.86, "left") if late else (0.97, 0.06, "right")))
    axis_names(figure, style.axis_label("step"), "reached the target (%)", entries)
    star_legend(figure, records, entries)
    return Drawing(
        figure,
        "Share of the report seeds that have reached each problem's target by each step; runs that fail or "
        "diverge never arrive and pull a curve's end below 100 %. Medians, restricted means and log-rank "
        "tests "
        f"of all pairs are in the tables. {_hardest(records)} {records.censored()}",
    )


def _best_of_others(steps: dict[str, pd.DataFrame], shown: dict[str, Any]) -> tuple[Any, Any]:
    """Curve of the last of those that stand out: the best of the others, where there are any."""
    rows = steps[list(shown)[-1]]
    return rows["step"].to_numpy(dtype=float), 100 * rows["share"].to_numpy()


def _few_steps(axis: Axes, budget: float) -> None:
    """Steps from 0 to the budget, ticks at its thirds or so."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_xlim(0, budget)
    axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda step, _: wording.setting(step)))


def _named(axis: Axes, shown: dict[str, Any], x: float, y: float, align: str) -> None:
    """The name of the best of the others, who has no colour of its own."""
    last = list(shown)[-1]
    if "linestyle" in shown[last]:
        axis.text(x, y, last, transform=axis.transAxes, ha=align, va="bottom", fontsize=kin.SMALL)


def _hardest(records: ComparisonRecords) -> str:
    """The problem that fewest runs solve."""
    shares = success(records.runs, ["problem"], TARGET)
    row = shares.iloc[int(shares["share"].argmin())]
    return (
        f"Hardest: {str(row['problem']).replace('_', ' ')}, where {wording.percent(row['share'])} of all "
        "runs "
        "arrive."
    )


@comparison_figure(title="Learning curves", chapter="problems", needs=("step",))
def curves(records: ComparisonRecords) -> Drawing:
    """Median of the problem's metric over the steps, quartiles around it and raw runs behind."""
    entries = (
        star_entries(records)[:-1]
        if len(records.entrants) > len(records.founding)
        else list(records.founding)
    )
    figure, axes = problem_panels(records, 1.3, entries, own_y=True)
    for problem, axis in axes.items():
        target = records.targets.get(problem)
        metric = target.metric if target and records.measured(target.metric) else "train_loss"
        mine = records.runs[records.runs["problem"] == problem]
        shown = stars(records, problem)
        for name, look in shown.items():
            _curve(axis, curve_table(mine[mine["entrant"] == name], records.curves, metric), metric, look)
        if target:
            axis.axhline(target.value, color=style.MUTED, linewidth=0.6, linestyle=(0, (1, 2)))
        if metric.endswith("loss"):
            axis.set_yscale("log")
            _range(axis, target.value if target else None)
        _few_steps(axis, float(mine["steps"].max()))
        up = metric.endswith("accuracy")
        _named(axis, shown, 0.97, 0.04 if up else 0.86, "right")
    axis_names(figure, style.axis_label("step"), "", entries)
    star_legend(figure, records, entries)
    diverged = int((records.runs["status"] == "diverged").sum())
    return Drawing(
        figure,
        "Metric of each problem's target (dotted) over training, the best setting of each optimizer on "
        "report "
        f"seeds. Axes span medians and target. Thick: median; band: quartiles; thin: {RAW} single runs. A "
        f"diverged run ({diverged:,} in "
        "all) "
        f"counts as worst from there on. The table holds all optimizers. {records.censored()}",
    )


def _curve(axis: Axes, wide: pd.DataFrame, metric: str, look: dict[str, Any]) -> None:
    """Median, quartiles and a few runs of one optimizer."""
    from matplotlib.collections import LineCollection

    wide = wide.dropna(how="all")
    if wide.empty:
        return
    raw = [np.column_stack([wide.index, wide[run]]) for run in wide.columns[:RAW]]
    axis.add_collection(LineCollection(raw, colors=[look["color"]], linewidths=0.3, alpha=0.5, zorder=1))
    table = quartiles(wide, metric)
    axis.fill_between(
        table["step"], table["low"], table["high"], color=look["color"], alpha=0.16, linewidth=0, zorder=2
    )
    axis.plot(wide.index, middle(wide, metric), markevery=max(1, len(wide) // 5), **look)


def quartiles(wide: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Median and quartiles over runs at each step, a diverged run as the worst; NaN where that is its value.

    Columns: step, runs, median, low, high.
    """
    worst = -np.inf if metric.endswith("accuracy") else np.inf
    filled = np.sort(wide.fillna(worst).to_numpy(dtype=float), axis=1)
    count = filled.shape[1]
    quantiles = {
        name: filled[:, round(share * (count - 1))]
        for name, share in (("median", 0.5), ("low", 0.25), ("high", 0.75))
    }
    finite = {name: np.where(np.isfinite(values), values, np.nan) for name, values in quantiles.items()}
    return pd.DataFrame({"step": wide.index, "runs": wide.notna().sum(axis=1).to_numpy(), **finite})


def _range(axis: Axes, level: float | None) -> None:
    """A logarithm over the medians and the target, not over every stray run, with few ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axis.lines]
    values = np.concatenate([*lines, [level] if level else []])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return
    low, high = values.min() / 1.5, values.max() * 1.5
    low = max(low, level / 1e4 if level else low, high * DEEPEST)
    axis.set_ylim(low, high)
    axis.yaxis.set_minor_locator(NullLocator())
    if high / low > 30:
        axis.yaxis.set_major_locator(LogLocator(numticks=5))
        return
    ticks = [m * 10.0**e for e in range(-12, 9) for m in (1, 1.5, 2, 3, 5, 7) if low <= m * 10.0**e <= high]
    axis.yaxis.set_major_locator(FixedLocator(ticks[:: max(1, len(ticks) // 3)]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.setting(value)))
