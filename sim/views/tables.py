"""The tables: numbers in full for the CSV, a sentence for the reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sim.analysis import comparison, convergence, gradients, overfitting
from sim.analysis.intervals import wilson
from sim.analysis.prediction import compare_with_theory
from sim.views import wording
from sim.views.effects import CIRCUMSTANCES, effects
from sim.views.figures_gradients import STRUCTURE
from sim.views.figures_success import goal, has_target, resolution
from sim.views.records import GridRecords
from sim.views.registry import Sheet, table
from sim.views.rows import highest, lowest
from sim.views.tuning import best_rates

EXTREME = -3.0
"""A first layer a thousandth of the last one's gradient counts as vanished; its inverse as exploded."""

SURE = 0.05
"""A comparison stands where its p after Holm's correction is below this."""


def write_csv(frame: pd.DataFrame) -> bytes:
    """CSV with floats that read back to the same bits, empty for missing, one line end on every machine."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


@table(title="Factor per layer", needs=("log10_grad_pre",), applies=lambda grid: grid.deepest >= 2)
def per_layer_factor(grid: GridRecords) -> Sheet:
    """What one layer multiplies the norm of ∂L/∂h by in untrained networks."""
    frame = gradients.per_layer_factor(grid.runs, grid.layers, grid.varying)
    fitted = frame[np.isfinite(frame["factor"])]
    if fitted.empty:
        return Sheet(frame, "No cell has two hidden layers with a finite gradient to fit a factor to.")
    shrinks, grows = int((fitted["factor_high"] < 1).sum()), int((fitted["factor_low"] > 1).sum())
    return Sheet(
        frame,
        f"In {shrinks} of {wording.count(len(frame), 'cell')} a layer clearly shrinks the gradient's norm "
        f"on its way back, in {grows} it clearly grows it (95 % interval over replicates clear of 1); "
        f"factors run from {wording.number(fitted['factor'].min())} to "
        f"{wording.number(fitted['factor'].max())}.",
    )


@table(title="First to last layer", needs=("log10_grad_pre",), applies=lambda grid: grid.deepest >= 2)
def first_to_last_ratio(grid: GridRecords) -> Sheet:
    """log10 of the first hidden layer's gradient norm over the last one's, untrained."""
    frame = gradients.first_to_last(grid.runs, grid.layers, grid.varying)
    ratio = frame["log10_ratio_median"]
    return Sheet(
        frame,
        "The median first-layer gradient is below a thousandth of the last layer's in "
        f"{int((ratio < EXTREME).sum())} of {wording.count(len(frame), 'cell')} and above a thousand times "
        f"it in {int((ratio > -EXTREME).sum())}.",
    )


@table(title="Gradient norm by layer", needs=("log10_grad_pre",), varies=STRUCTURE)
def gradient_by_layer(grid: GridRecords) -> Sheet:
    """The numbers behind the figure, for every cell and layer."""
    by = grid.varying if "depth" in grid.varying else (*grid.varying, "depth")
    frame = gradients.by_layer(grid.runs, grid.layers, by)
    zero = int((frame["zero_share"] > 0).sum())
    return Sheet(
        frame,
        f"Mean log₁₀ norms run from {wording.number(frame['mean_log10'].min())} to "
        f"{wording.number(frame['mean_log10'].max())}; in {zero:,} of {wording.count(len(frame), 'row')} a "
        "norm is exactly zero.",
    )


@table(title="Share that learns", applies=has_target)
def success_share(grid: GridRecords) -> Sheet:
    """Networks that reach each target, and that diverge, with Wilson intervals."""
    frame = _each_target(grid, convergence.success)
    first = frame[frame["target"] == grid.target]
    reached, networks = int(first["successes"].sum()), int(first["networks"].sum())
    low, high = wilson(reached, networks)
    return Sheet(
        frame,
        f"{reached:,} of {wording.count(networks, 'network')} ({wording.percent(reached / networks)}, 95 % "
        f"interval {wording.percent(float(low))} to {wording.percent(float(high))}) reach "
        f"{goal(grid.targets[0])}; {int(first['diverged'].sum()):,} diverge.",
    )


@table(title="Median steps to target", applies=has_target)
def steps_to_target(grid: GridRecords) -> Sheet:
    """Kaplan-Meier medians; beyond the budget where fewer than half succeed."""
    frame = _each_target(grid, convergence.time_to_target)
    first = frame[frame["target"] == grid.target]
    known = first[np.isfinite(first["median"])]
    if known.empty:
        cells = wording.count(len(first), "cell")
        return Sheet(frame, f"In none of {cells} half of the networks reach {goal(grid.targets[0])}.")
    fast = lowest(known, "median")
    name = wording.cell(fast, grid.varying)
    told = (
        f"Half of the networks arrive in {len(known)} of {wording.count(len(first), 'cell')}, soonest "
        f"after {wording.number(fast['median'])} steps{f' ({name})' if name else ''}; the rest stay beyond "
        "their budget."
    )
    return Sheet(frame, wording.joined(told, resolution(grid)))


@table(title="Best learning rate", needs=("final_train_loss",), applies=lambda grid: "lr" in grid.varying)
def best_learning_rate(grid: GridRecords) -> Sheet:
    """The learning rate that does best in each cell, over all replicates."""
    frame = best_rates(grid, grid.runs)
    return Sheet(
        frame,
        f"Best learning rates run from {wording.number(frame['lr'].min())} to "
        f"{wording.number(frame['lr'].max())}; in {int(frame['edge'].sum())} of "
        f"{wording.count(len(frame), 'cell')} the best lies at the edge of the rates tried, so a better "
        "one may lie beyond.",
    )


@table(title="Paired effect of each treatment", applies=lambda grid: bool(grid.treatments))
def paired_effect(grid: GridRecords) -> Sheet:
    """Each treatment against the same network without it, same draws and data order."""
    frame = effects(grid, tuple(factor for factor in CIRCUMSTANCES if factor in grid.varying))
    if frame.empty:
        return Sheet(frame, "No two networks differ in a treatment alone.")
    least = comparison.smallest_p(frame["replicates"])
    families = pd.Series(least, index=frame.index).groupby([frame["factor"], frame["quantity"]], sort=False)
    beyond = families.transform("min") * families.transform("size") > SURE
    hopeless = _hopeless(frame[beyond])
    if beyond.all():
        return Sheet(frame, f"{hopeless[0].upper()}{hopeless[1:]} (sign test over replicates, 5 %).")
    clear = frame[frame["p_holm"] < SURE]
    return Sheet(
        frame,
        f"{len(clear)} of {wording.count(len(frame) - int(beyond.sum()), 'comparison')} stand after Holm's "
        "correction over the rows of one treatment and quantity (sign test over replicates, 5 %): "
        f"{int((clear['share_better'] > 0.5).sum())} for the better and "
        f"{int((clear['share_better'] < 0.5).sum())} for the worse{f'; {hopeless}' if hopeless else ''}.",
    )


def _hopeless(frame: pd.DataFrame) -> str:
    """Comparisons too many for their replicates: the smallest p there is, times their number, exceeds 5 %."""
    if frame.empty:
        return ""
    sizes = sorted(set(frame.groupby(["factor", "quantity"]).size()))
    replicates = wording.count(int(frame["replicates"].max()), "replicate")
    among = wording.enumeration(f"{size:,}" for size in sizes)
    return f"with {replicates} no comparison among {among} can pass Holm's correction"


@table(title="Train and test gap", needs=("final_train_loss", "final_test_loss"))
def train_test_gap(grid: GridRecords) -> Sheet:
    """How much worse the networks do on rows they were not trained on."""
    frame = overfitting.gap(grid.runs, grid.varying)
    metric = "accuracy" if frame["accuracy_gap"].notna().any() else "loss"
    gap = frame[f"{metric}_gap"]
    if not gap.notna().any():
        return Sheet(frame, "No network finished training.")
    worst = highest(frame, f"{metric}_gap")
    name = wording.cell(worst, grid.varying)
    clear = int((frame[f"{metric}_gap_low"] > 0).sum())
    return Sheet(
        frame,
        f"The largest gap in {metric} is {wording.number(gap.max())}{f' ({name})' if name else ''}; in "
        f"{clear} of {wording.count(len(frame), 'cell')} networks clearly overfit (95 % interval above 0).",
    )


@table(title="Saturation by layer", needs=("saturated",))
def saturation(grid: GridRecords) -> Sheet:
    """Saturated activations and dead units of every hidden layer after training."""
    by = grid.varying if "depth" in grid.varying else (*grid.varying, "depth")
    frame = gradients.saturation(grid.runs, grid.layers, by)
    most = int((frame["saturated"] > 0.5).sum())
    return Sheet(
        frame,
        f"In {most:,} of {wording.count(len(frame), 'layer')} more than half of the activations are "
        f"saturated; in {int((frame['dead'] > 0.5).sum()):,} more than half of the units are so for every "
        "sample.",
    )


@table(
    title="Measured beside theory",
    needs=("log10_grad_pre",),
    varies=("activation", "initializer", "bias"),
    applies=lambda grid: grid.deepest >= 2,
)
def measured_and_predicted(grid: GridRecords) -> Sheet:
    """Squared factor per layer of plain untrained networks beside mean field's prediction."""
    frame = compare_with_theory(grid.runs, grid.layers)
    known = frame[np.isfinite(frame["log_difference"])]
    if known.empty:
        return Sheet(frame, "Mean field theory predicts none of these cells.")
    return Sheet(
        frame,
        f"Theory predicts {len(known)} of {wording.count(len(frame), 'cell')}; the median difference of "
        f"the logarithms is {wording.number(known['log_difference'].median())} a layer, and "
        f"{int(known['within_interval'].sum())} predictions lie within the measured 95 % interval.",
    )


def _each_target(grid: GridRecords, tell: Any) -> pd.DataFrame:
    """A table by cell for each target of the grid, one below the other."""
    named = [target.name for target in grid.targets if f"steps_to_{target.name}" in grid.runs]
    tables = [tell(grid.runs, grid.varying, name) for name in named]
    for frame, name in zip(tables, named, strict=True):
        frame.insert(0, "target", name)
    return pd.concat(tables, ignore_index=True)
