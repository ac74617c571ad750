"""A learning rate is chosen on one half of the replicates and shown on the other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from sim.views.records import GridRecords

FEWEST_REPLICATES = 4
"""Below this many replicates a cell is too small to be halved."""


@lru_cache(maxsize=2)
def tuned(grid: GridRecords) -> GridRecords:
    """Only each cell's best learning rate: chosen on even replicates, kept on odd ones.

    Best: reaches the primary target most often; then the lowest median final training loss, a diverged
    network counting as infinite; then the smallest rate. A cell is a combination of all other factors.
    Choosing and showing on the same networks would flatter whatever has more rates to choose from.
    """
    if "lr" not in grid.varying or not _has_choice(grid):
        return grid
    halved = grid.runs["replicate"].nunique() >= FEWEST_REPLICATES
    trial = grid.runs[grid.runs["replicate"] % 2 == 0] if halved else grid.runs
    best = best_rates(grid, trial)
    shown = grid.runs[grid.runs["replicate"] % 2 == 1] if halved else grid.runs
    cells = _cell_factors(grid)
    chosen = shown.merge(best[[*cells, "lr"]], on=[*cells, "lr"], how="inner").sort_values(
        "run", ignore_index=True
    )
    where = "chosen on even replicates, shown on odd ones" if halved else "chosen on the same replicates"
    return grid.of(chosen, f"Each cell at its best learning rate, {where}.")


def best_rates(grid: GridRecords, trial: pd.DataFrame) -> pd.DataFrame:
    """A row a cell: its factors, the best `lr`, its `share` of success, and whether it is at the `edge`."""
    cells = _cell_factors(grid)
    column = f"steps_to_{grid.target}"
    reached = (
        trial[column].notna() if grid.target and column in trial else pd.Series(False, index=trial.index)
    )
    loss = trial["final_train_loss"].where(trial["status"] != "diverged", np.inf).fillna(np.inf)
    scored = trial[[*cells, "lr"]].assign(reached=reached, loss=loss)
    rates = scored.groupby([*cells, "lr"], sort=False, dropna=False).agg(
        share=("reached", "mean"), loss=("loss", "median")
    )
    rates = rates.reset_index().sort_values(
        ["share", "loss", "lr"], ascending=[False, True, True], kind="stable"
    )
    if not cells:
        best, span = rates.head(1), rates["lr"]
        return best.assign(edge=best["lr"].isin([span.min(), span.max()]))
    best = rates.drop_duplicates(cells)
    ends = rates.groupby(cells, sort=False, dropna=False)["lr"].agg(["min", "max"]).reset_index()
    best = best.merge(ends, on=cells)
    edge = ((best["lr"] == best["min"]) | (best["lr"] == best["max"])) & (best["min"] < best["max"])
    order = trial[cells].drop_duplicates()
    return order.merge(best.assign(edge=edge).drop(columns=["min", "max"]), on=cells)


def _has_choice(grid: GridRecords) -> bool:
    cells = _cell_factors(grid)
    rates = grid.runs.groupby(cells, dropna=False)["lr"].nunique() if cells else pd.Series([2])
    return bool((rates > 1).any())


def _cell_factors(grid: GridRecords) -> list[str]:
    return [factor for factor in grid.varying if factor != "lr"]
