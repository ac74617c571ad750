"""Figures of learning over time and of how well it carries over to unseen rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis import overfitting
from sim.views import drawing, layout, style, wording
from sim.views.arrangement import ABREAST, Arrangement, arrange
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure
from sim.views.rows import Row, highest, lowest, rows_by
from sim.views.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RAW = 12
"""Raw runs drawn behind each median."""
SOLID, DASHED = "-", (0, (3, 1.5))


@figure(
    title="Train and test at the end",
    needs=("final_train_loss", "final_test_loss"),
    varies=("samples", "weight_decay", "dropout"),
    applies=lambda grid: "samples" in grid.varying or "depth" in grid.varying,
)
def train_and_test(grid: GridRecords) -> Drawing:
    """Metric on training (solid) and test rows (dashed) at the end; the shaded distance is the gap."""
    metric = "accuracy" if grid.measured("final_train_accuracy", "final_test_accuracy") else "loss"
    across = "samples" if "samples" in grid.varying else "depth"
    arranged = arrange(
        tuned(grid),
        hue=("depth", "condition", "weight_decay", "dropout"),
        column=("condition", "weight_decay", "dropout", "activation"),
        row=("activation", "initializer", "dataset"),
        across=across,
    )
    frame = overfitting.gap(arranged.grid.runs, [*arranged.by, across])
    entries, title = [*drawing.entries(arranged), "train", "test"], drawing.title(arranged)
    shown = layout.panels(arranged, style.axis_label(across), f"final {metric}", entries, title)
    looks, parts = drawing.looks(arranged), rows_by(frame, arranged.by)
    for where, axis in shown:
        shades = []
        for level, look in looks.items():
            if (rows := parts.get(drawing.key(arranged, where, level))) is None:
                continue
            rows = rows.sort_values(across)
            train, test = rows[f"train_{metric}"], rows[f"test_{metric}"]
            axis.plot(rows[across], train, linestyle=SOLID, **look)
            axis.plot(rows[across], test, linestyle=DASHED, **look)
            shades.append((rows[across], train, test, look["color"]))
        drawing.bands(axis, shades)
        drawing.size_axis(axis, frame[across])
    layout.legend(shown.figure, drawing.handles(arranged, (SOLID, DASHED)), entries, title)
    caption = _gap_caption(frame, [*arranged.by, across], metric)
    return Drawing(shown.figure, f"{caption} {arranged.remarks()}".strip())


def _gap_caption(frame: pd.DataFrame, by: list[str], metric: str) -> str:
    known = frame[np.isfinite(frame[f"{metric}_gap"])]
    if known.empty:
        return "No network finished training."
    worst, best = highest(known, f"{metric}_gap"), lowest(known, f"{metric}_gap")

    def told(row: Row) -> str:
        gap, train, test = (
            wording.number(row[name]) for name in (f"{metric}_gap", f"train_{metric}", f"test_{metric}")
        )
        return f"{gap} ({wording.cell(row, by)}: train {train}, test {test})"

    return (
        f"The gap in {metric} between training and test rows is largest, {told(worst)}, and smallest, "
        f"{told(best)}. Lines: mean over the networks that finish; shaded: the gap."
    )


@figure(title="Learning curves", needs=("train_loss", "step"))
def learning_curves(grid: GridRecords) -> Drawing:
    """Median loss and accuracy over the steps, some raw runs behind; a diverged network counts as worst."""
    arranged = _few_panels(grid)
    metrics, wheres, runs = _curve_metrics(grid), arranged.panels, arranged.grid.runs
    entries, title = drawing.entries(arranged), drawing.title(arranged)
    drawn, axes = layout.metric_panels(metrics, wheres, entries, title)
    tables = {metric: curve_table(runs, grid.curves, metric) for metric in metrics}
    members = {cell: rows["run"] for cell, rows in rows_by(runs, arranged.by).items()}
    for (down, across), axis in np.ndenumerate(axes):
        for level, look in drawing.looks(arranged).items():
            who = members.get(drawing.key(arranged, wheres[across], level))
            if who is not None:
                _curve(axis, tables[metrics[down]][who], metrics[down], look)
        drawing.step_axis(axis, grid.curves["step"])
    layout.legend(drawn, drawing.handles(arranged), entries, title)
    return Drawing(drawn, f"{_curves_caption(runs, metrics[-1])} {arranged.remarks()}".strip())


def _few_panels(grid: GridRecords) -> Arrangement:
    """Panels stand side by side only: the metrics go down."""
    return arrange(
        tuned(grid),
        hue=("optimizer", "condition", "normalizer", "residual", "initializer", "depth", "samples"),
        column=("depth", "activation", "samples", "steps"),
        most_columns=ABREAST,
    )


def _curve_metrics(grid: GridRecords) -> list[str]:
    """The loss, and the accuracy where there is one: on test rows where they were measured."""
    split = "test" if grid.measured("test_loss") else "train"
    return [f"{split}_{metric}" for metric in ("loss", "accuracy") if grid.measured(f"{split}_{metric}")]


def _curve(axis: Axes, wide: pd.DataFrame, metric: str, look: dict[str, Any]) -> None:
    """Median over a cell's networks, and its first few networks as hairlines."""
    from matplotlib.collections import LineCollection

    wide = wide.dropna(how="all")
    raw = [np.column_stack([wide.index, wide[run]]) for run in wide.columns[:RAW]]
    axis.add_collection(LineCollection(raw, colors=[look["color"]], linewidths=0.35, alpha=0.45))
    axis.plot(wide.index, middle(wide, metric), markevery=drawing.every(len(wide), 6), **look)


def curve_table(runs: pd.DataFrame, curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a step, a column a run; NaN after divergence."""
    mine = curves[curves["run"].isin(runs["run"])]
    return mine.pivot(index="step", columns="run", values=metric).reindex(columns=runs["run"])


def middle(wide: pd.DataFrame, metric: str) -> pd.Series:
    """Median over runs where a missing value (diverged) is the worst; NaN where half or more diverged."""
    worst = -np.inf if metric.endswith("accuracy") else np.inf
    median = wide.fillna(worst).median(axis=1)
    return median.where(np.isfinite(median))


def _curves_caption(runs: pd.DataFrame, metric: str) -> str:
    final = runs[f"final_{metric}"]
    best = final.max() if metric.endswith("accuracy") else final.min()
    diverged = int((runs["status"] == "diverged").sum())
    return (
        f"{diverged:,} of {wording.count(len(runs), 'network')} drawn diverge; the best ends at a "
        f"{style.label(metric)} of {wording.number(best)}. Thick: median, a diverged network counting as "
        f"worst; thin: up to {RAW} single networks."
    )
