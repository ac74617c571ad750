"""Figures of who learns, how soon, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.analysis import convergence
from sim.study import Target
from sim.views import drawing, layout, style, wording
from sim.views.arrangement import Arrangement, arrange, arrange_heatmap, factors_of
from sim.views.effects import any_effect, effects, pairs_told
from sim.views.heatmaps import Scale, heatmap
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure
from sim.views.rows import Row, highest, lowest, rows_by
from sim.views.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BANDED = 3
"""With more curves in a panel than this their bands only hide each other."""


def has_target(grid: GridRecords) -> bool:
    """True where the grid has a target and the records say who reached it."""
    return grid.target is not None and f"steps_to_{grid.target}" in grid.runs


def goal(target: Target) -> str:
    """A target in words: learned (test accuracy ≥ 0.8)."""
    sign = "≥" if target.rising else "≤"
    return f"{target.name} ({style.label(target.metric)} {sign} {wording.setting(target.value)})"


def resolution(grid: GridRecords) -> str:
    """How exactly the steps to a target are known, as a sentence; empty where nothing was recorded."""
    budget = grid.curves["run"].map(grid.runs.set_index("run")["steps"])
    taken = pd.DataFrame({"budget": budget, "step": grid.curves["step"]}).dropna().drop_duplicates()
    gaps = taken.sort_values(["budget", "step"]).groupby("budget")["step"].diff()
    if not gaps.notna().any():
        return ""
    spans = gaps.groupby(taken["budget"]).agg(["min", "max"])
    if (spans["max"] > spans["min"] + 1).any():  # rounding to whole steps moves a checkpoint by less
        return "Times are known only to the checkpoint; checkpoints are log-spaced."
    ends = dict.fromkeys(wording.setting(gap) for gap in (gaps.min(), gaps.max()))
    return f"Times are known only to the checkpoint, {' to '.join(ends)} steps apart."


@figure(
    title="Share that learns",
    applies=lambda grid: has_target(grid) and len(factors_of(tuned(grid).conditioned)) >= 2,
)
def success_heatmap(grid: GridRecords) -> Drawing:
    """Share of networks that reach the primary target, in per cent."""
    arranged = arrange_heatmap(
        tuned(grid),
        down=("condition", "optimizer", "activation", "normalizer", "initializer", "clipping"),
        across=("initializer", "depth", "samples", "steps", "width"),
        panels=("depth", "activation", "initializer", "samples", "steps"),
    )
    frame = convergence.success(arranged.grid.runs, arranged.by, str(grid.target))
    percents = 100 * frame["share"]
    frame = frame.assign(percent=percents, text=[f"{percent:.0f}" for percent in percents])
    scale = Scale("networks that reach the target (%)", style.SEQUENTIAL, 0, 100)
    drawn = heatmap(arranged, frame, "percent", "text", scale)
    every, none = int((frame["share"] == 1).sum()), int((frame["share"] == 0).sum())
    caption = (
        f"{frame['successes'].sum():,} of {wording.count(int(frame['networks'].sum()), 'network')} drawn "
        f"reach {goal(grid.targets[0])}; of {wording.count(len(frame), 'cell')} {every} do so in every "
        f"network and {none} in none; {int(frame['diverged'].sum()):,} networks diverge."
    )
    return Drawing(drawn, f"{caption} {arranged.remarks()}".strip())


@figure(title="Steps to the target", applies=lambda grid: has_target(grid) and bool(grid.varying))
def kaplan_meier(grid: GridRecords) -> Drawing:
    """Kaplan-Meier curves: share of networks that have reached the primary target by each step."""
    arranged = arrange(
        tuned(grid),
        hue=(
            "optimizer",
            "condition",
            "normalizer",
            "residual",
            "clipping",
            "initializer",
            "activation",
            "samples",
        ),
        column=("depth", "steps", "samples"),
        row=("activation", "initializer", "dataset"),
    )
    curves = convergence.kaplan_meier(arranged.grid.runs, arranged.by, str(grid.target))
    entries, title = drawing.entries(arranged), drawing.title(arranged)
    shown = layout.panels(arranged, style.axis_label("step"), "reached the target (%)", entries, title)
    looks, parts = drawing.looks(arranged), rows_by(curves, arranged.by)
    banded = len(looks) <= BANDED
    widths = dict(zip(looks, np.linspace(2.4, 0.8, len(looks)), strict=True))  # a hidden curve's edges show
    for where, axis in shown:
        cells = {level: parts.get(drawing.key(arranged, where, level)) for level in looks}
        present = {level: rows for level, rows in cells.items() if rows is not None}
        for level, rows in present.items():
            axis.step(
                rows["step"],
                100 * rows["share"],
                where="post",
                markevery=drawing.every(len(rows), 5),
                **{**looks[level], "linewidth": widths[level]},
            )
        if banded:
            drawing.bands(axis, [_steps(rows, looks[level]["color"]) for level, rows in present.items()])
        axis.set_ylim(-3, 103)
        drawing.step_axis(axis, curves["step"])
    layout.legend(shown.figure, drawing.handles(arranged), entries, title)
    bands = " Bands: 95 % interval." if banded else " Intervals of the median are in the table."
    caption = f"{_speed_caption(arranged, grid)}{bands}"
    return Drawing(shown.figure, wording.joined(caption, resolution(arranged.grid), arranged.remarks()))


def _steps(rows: pd.DataFrame, colour: tuple[float, float, float]) -> drawing.Shade:
    """A curve's interval as a staircase: every value holds until the next step."""
    x = np.repeat(rows["step"].to_numpy(dtype=float), 2)[1:]
    low, high = (np.repeat(100 * rows[name].to_numpy(), 2)[:-1] for name in ("share_low", "share_high"))
    return x, low, high, colour


def _speed_caption(arranged: Arrangement, grid: GridRecords) -> str:
    times = convergence.time_to_target(arranged.grid.runs, arranged.by, str(grid.target))
    fast = times[np.isfinite(times["median"])]
    arrived, networks = int(times["successes"].sum()), int(times["networks"].sum())
    said = (
        f"Target: {goal(grid.targets[0])}. {arrived:,} of {wording.count(networks, 'network')} arrive; those "
        "that fail or diverge are censored at their budget."
    )
    if fast.empty:
        budget = wording.count(int(times["budget"].max()), "step")
        return f"{said} In no curve half of the networks arrive within {budget}."
    first = lowest(fast, "median")
    name = wording.cell(first, arranged.by) or "all networks"
    return (
        f"{said} Fastest: {name}, where half of {wording.count(int(first['networks']), 'network')} arrive "
        f"within {wording.setting(first['median'])} steps; in {len(times) - len(fast)} of "
        f"{wording.count(len(times), 'curve')} fewer than half ever do."
    )


@figure(title="Effect of each treatment, paired", applies=any_effect)
def paired_effects(grid: GridRecords) -> Drawing:
    """Mean difference of each treatment to its baseline over pairs with the same draws, and its interval."""
    frame = effects(grid)
    quantities = list(dict.fromkeys(frame["quantity"]))
    pairs = zip(frame["factor"], frame["level"], strict=True)
    frame = frame.assign(name=[wording.treatment(factor, level) for factor, level in pairs])
    order = list(dict.fromkeys(frame["name"]))
    drawn, axes = layout.dot_panels(
        order, [f"Δ {style.difference_label(quantity)}" for quantity in quantities]
    )
    for axis, quantity in zip(axes, quantities, strict=True):
        _dots(axis, frame[frame["quantity"] == quantity].set_index("name").reindex(order), quantity)
    return Drawing(drawn, _effects_caption(frame))


def _dots(axis: Axes, rows: pd.DataFrame, quantity: str) -> None:
    """A dot and its interval for each treatment; grey for a ratio, which has no better side.

    Grey too where pairs were left out: what is left of them is not a fair sample.
    """
    good, bad, neither = style.verdict_colours()
    whole = rows["finite_pairs"] == rows["pairs"]
    up, down = whole & (rows["mean_difference_low"] > 0), whole & (rows["mean_difference_high"] < 0)
    if quantity.endswith("ratio"):
        good = bad = neither
    above, below = (good, bad) if quantity.endswith("accuracy") else (bad, good)
    shades = [above if u else below if d else neither for u, d in zip(up, down, strict=True)]
    height = np.arange(len(rows))
    axis.axvline(0, color=style.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    axis.hlines(
        height, rows["mean_difference_low"], rows["mean_difference_high"], color=shades, linewidth=1.6
    )
    axis.scatter(rows["mean_difference"], height, color=shades, s=16, zorder=3)


def _effects_caption(frame: pd.DataFrame) -> str:
    main = frame[(frame["quantity"] == frame["quantity"].iloc[0]) & np.isfinite(frame["mean_difference"])]
    if main.empty:
        return "No pair of finished networks to compare."
    best, worst = highest(main, "mean_difference"), lowest(main, "mean_difference")
    what = style.difference_label(str(best["quantity"]))
    said = f"Change of {what} against the same network without the treatment: "
    said += f"largest {_difference(best)}"
    said += f"; smallest {_difference(worst)}." if best["name"] != worst["name"] else "."
    return (
        f"{said} Bars: 95 % interval over replicates; blue: better, orange: worse, with the 95 % interval "
        "clear of 0 and no pair left out. A diverged network has no end to compare and counts in the table's "
        f"share of better pairs only. {_divergence(frame)}"
    ).strip()


def _divergence(frame: pd.DataFrame) -> str:
    """Share that diverges without and with each treatment, where any does."""
    each = frame.drop_duplicates("name")
    each = each[(each["baseline_diverged"] > 0) | (each["diverged"] > 0)]
    if each.empty:
        return ""
    told = (
        f"{name} {wording.percent(before)} → {wording.percent(after)}"
        for name, before, after in zip(each["name"], each["baseline_diverged"], each["diverged"], strict=True)
    )
    return f"Diverged without → with it: {', '.join(told)}."


def _difference(row: Row) -> str:
    """A treatment's mean difference with its interval and the number of pairs."""
    mean, low, high = (wording.number(row[f"mean_difference{end}"]) for end in ("", "_low", "_high"))
    return f"{row['name']} {mean} [{low}, {high}] over {pairs_told(row)}"
