"""What each treatment of a grid changes, in pairs."""

from __future__ import annotations

import pandas as pd

from sim.analysis import comparison, gradients
from sim.views import wording
from sim.views.records import GridRecords
from sim.views.rows import Row

QUANTITIES = ("final_test_accuracy", "final_train_accuracy", "final_test_loss", "final_train_loss")
RATIO = "log10_gradient_ratio"
CIRCUMSTANCES = ("activation", "depth", "initializer", "dataset", "samples", "optimizer", "width", "steps")
"""Factors by which the table tells a treatment's effect."""


def effects(grid: GridRecords, by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Paired effects of every varying treatment on what was measured, in each cell of `by`.

    Quantities: the final accuracy (without one, the loss), steps to the primary target, and the log10 ratio
    of the gradient's norm in the first hidden layer to the last one's after training, where measured.
    Counted once for each `by`: a figure, a table and the answer tell of them.
    """
    if by not in grid.effects:
        grid.effects[by] = _counted(grid, by)
    return grid.effects[by]


def any_effect(grid: GridRecords) -> bool:
    """Whether `effects` has a row: whether a quantity was measured and any two networks are a pair."""
    return bool(_quantities(grid)) and any(
        comparison.any_pair(grid.runs, factor, grid.baseline(factor)) for factor in grid.treatments
    )


def _counted(grid: GridRecords, by: tuple[str, ...]) -> pd.DataFrame:
    runs, quantities = grid.runs, _quantities(grid)
    if RATIO in quantities:
        runs = runs.assign(**{RATIO: gradients.log10_ratio(runs, grid.layers, checkpoint=-1)})
    of_factor = [
        comparison.paired_effects(runs, factor, grid.baseline(factor), by, quantities)
        for factor in grid.treatments
    ]
    tables = [table for of_quantity in zip(*of_factor, strict=True) for table in of_quantity]
    # Levels of different kinds (true, 0.1, batch) can only stand in one column as objects.
    whole = [table.astype({"level": object, "baseline": object}) for table in tables if len(table)]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame()


def pairs_told(row: Row) -> str:
    """The pairs behind a mean: 384 pairs; 134 of 576 pairs, in the others a network diverged."""
    finite, pairs = int(row["finite_pairs"]), wording.count(int(row["pairs"]), "pair")
    if finite == int(row["pairs"]):
        return pairs
    why = "a network diverged" if str(row["quantity"]).startswith("final_") else "an end is not finite"
    return f"{finite:,} of {pairs}, in the others {why}"


def divergence_told(frame: pd.DataFrame) -> str:
    """Treatments that at least halve divergence, else the strongest: diverged: 45 % → 2 % with batch norm.

    Empty where no treatment changes who diverges.
    """
    each = frame.drop_duplicates(["factor", "level"])
    change = (each["diverged"] - each["baseline_diverged"]).abs()
    if not change.max() > 0:
        return ""
    cures = each[(change > 0) & (each["diverged"] <= each["baseline_diverged"] / 2)]
    shown = each[change == change.max()].head(1) if cures.empty else cures
    told = (
        f"{wording.percent(before)} → {wording.percent(after)} with {wording.treatment(str(factor), level)}"
        for factor, level, before, after in zip(
            *(shown[name] for name in ("factor", "level", "baseline_diverged", "diverged")), strict=True
        )
    )
    return f"diverged: {wording.enumeration(told)}"


def _quantities(grid: GridRecords) -> list[str]:
    """Names of the quantities that were measured."""
    runs = grid.runs
    final = [quantity for quantity in QUANTITIES if grid.measured(quantity)][:1]
    target = f"steps_to_{grid.target}"
    steps = [target] if grid.target and target in runs and runs[target].notna().any() else []
    return [*final, *steps, *([RATIO] if grid.measured("log10_grad_pre") and grid.deepest >= 2 else [])]
