"""Who reaches a target, and how soon, under a budget of training steps.

A network that never reaches the target, diverged or not, is a right-censored observation at its budget
(its number of steps): diverging early does not make it leave the race early. Times have the resolution of
the checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sim.analysis.cells import Cells, cells, split
from sim.analysis.intervals import CONFIDENCE, Bounds, clopper_pearson, grouped_mean, wilson

PREFIX = "steps_to_"


def targets(runs: pd.DataFrame) -> list[str]:
    """Names of the targets in the records (columns steps_to_<target>), the primary one first."""
    return [str(column).removeprefix(PREFIX) for column in runs.columns if str(column).startswith(PREFIX)]


def success(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Share of networks that reach the target, and share that diverge, with Wilson intervals.

    A network may reach the target and diverge later: it counts in both.

    Columns: *by, networks, successes, share, share_low, share_high, diverged, diverged_share,
    diverged_low, diverged_high.
    """
    group, time, _ = _observations(runs, by, target)
    answers: dict[str, Any] = {"networks": group.networks}
    flags = {"successes": np.isfinite(time), "diverged": (runs["status"] == "diverged").to_numpy()}
    for name, prefix in (("successes", ""), ("diverged", "diverged_")):
        count = np.bincount(group.number[flags[name]], minlength=len(group.keys))
        low, high = wilson(count, group.networks)
        answers[name] = count
        answers[f"{prefix}share"] = count / group.networks
        answers |= {f"{prefix or 'share_'}low": low, f"{prefix or 'share_'}high": high}
    return group.beside(answers)


def time_to_target(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Steps to the target, failures censored at their budget T.

    median: Kaplan and Meier's, the first step by which half have reached it, inf where fewer than half ever
    do; its interval inverts the band of kaplan_meier (Brookmeyer & Crowley 1982), inf for a bound beyond the
    budget. restricted_mean: mean of min(t, T) with its t interval.
    expected_running_time: Σ min(t, T) / successes, the steps one success costs with restarts.

    Columns: *by, networks, successes, budget (the largest T), median, median_low, median_high, median_text
    ("120", ">300"), restricted_mean, restricted_mean_low, restricted_mean_high, expected_running_time
    (inf without a success).
    """
    group, time, budget = _observations(runs, by, target)
    count = len(group.keys)
    curve = _product_limit(group, time, budget)
    spent = np.minimum(time, budget)
    mean = grouped_mean(spent, group.number, count)
    successes = np.bincount(group.number[np.isfinite(time)], minlength=count)
    largest = _budgets(group, budget)
    median = _first_step(curve, "share", count)
    low, high = _first_step(curve, "share_high", count), _first_step(curve, "share_low", count)
    with np.errstate(divide="ignore"):
        expected = np.bincount(group.number, spent, minlength=count) / successes
    answers = {
        "networks": group.networks,
        "successes": successes,
        "budget": largest,
        "median": median,
        "median_low": low,
        "median_high": high,
        "median_text": _texts(median, largest),
        "restricted_mean": mean["mean"],
        "restricted_mean_low": mean["low"],
        "restricted_mean_high": mean["high"],
        "expected_running_time": expected,
    }
    return group.beside(answers)


def kaplan_meier(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Share of networks that have reached the target by each step: a right-continuous step curve.

    share = 1 − Π (1 − d/n) over the steps so far, d networks reaching it of n still at risk; Greenwood's
    variance and the log-log band. Where the share is 0 or 1 that band has no width; Clopper and Pearson's
    exact interval stands there. Each group's curve has a row at step 0 and at its largest budget.
    Source: Kaplan & Meier (1958); band: Kalbfleisch & Prentice (1980).

    Columns: *by, step, at_risk, reached (at this step), share, share_low, share_high.
    """
    group, time, budget = _observations(runs, by, target)
    curve = _product_limit(group, time, budget)
    keys = group.keys.iloc[curve["cell"]].reset_index(drop=True)
    return pd.concat([keys, curve.drop(columns="cell")], axis=1)


def _observations(
    runs: pd.DataFrame, by: Sequence[str], target: str
) -> tuple[Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Groups, steps to the target (inf: never) and budgets of the runs."""
    time = runs[PREFIX + target].to_numpy(dtype=np.float64)
    return cells(runs, by), np.where(np.isnan(time), np.inf, time), runs["steps"].to_numpy(dtype=np.float64)


def _budgets(group: Cells, budget: NDArray[np.float64]) -> NDArray[np.int64]:
    """The largest budget of each group."""
    largest = np.zeros(len(group.keys))
    np.maximum.at(largest, group.number, budget)
    return largest.astype(np.int64)


def _product_limit(group: Cells, time: NDArray[np.float64], budget: NDArray[np.float64]) -> pd.DataFrame:
    """Kaplan-Meier curves of all groups, a row a distinct step: cell and the columns of kaplan_meier."""
    reached = np.isfinite(time)
    step = np.minimum(time, budget).astype(np.int64)
    ends = _budgets(group, budget)
    # Every curve has a row at step 0 and one at its budget, whether or not a run reaches or leaves there.
    edges = np.repeat(np.arange(len(ends)), 2)
    edge_steps = np.column_stack([np.zeros_like(ends), ends]).ravel()
    (cell, steps), part = split(np.append(edges, group.number), np.append(edge_steps, step))
    part = part[len(edges) :]
    events = np.bincount(part[reached], minlength=len(cell))
    leaving = np.bincount(part, minlength=len(cell))
    before = pd.Series(leaving).groupby(cell).cumsum().to_numpy() - leaving
    at_risk = group.networks[cell] - before
    waiting = pd.Series(1 - events / np.maximum(at_risk, 1)).groupby(cell).cumprod().to_numpy()
    curve = pd.DataFrame(
        {"cell": cell, "step": steps, "at_risk": at_risk, "reached": events, "share": 1 - waiting}
    )
    low, high = _band(curve)
    return curve.assign(share_low=low, share_high=high)


def _band(curve: pd.DataFrame) -> Bounds:
    """Pointwise interval of the share, as kaplan_meier describes it."""
    events, at_risk = curve["reached"].to_numpy(), curve["at_risk"].to_numpy()
    waiting = 1 - curve["share"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(events > 0, events / (at_risk * (at_risk - events)), 0.0)
        greenwood = pd.Series(terms).groupby(curve["cell"]).cumsum().to_numpy()
        reach = stats.norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(greenwood) / np.abs(np.log(waiting))
        low, high = 1 - waiting ** np.exp(-reach), 1 - waiting ** np.exp(reach)
    so_far = pd.Series(events).groupby(curve["cell"]).cumsum().to_numpy()
    exact = clopper_pearson(so_far, np.where(waiting == 0, so_far, at_risk))
    inside = (waiting > 0) & (waiting < 1)
    return np.where(inside, low, exact[0]), np.where(inside, high, exact[1])


def _first_step(curve: pd.DataFrame, column: str, count: int) -> NDArray[np.float64]:
    """First step at which a curve comes to one half in each cell; inf where it never does."""
    # 1e-12: a product of ratios such as 3/4 · 2/3 may miss the half it stands for by a rounding.
    half = curve[curve[column] >= 0.5 - 1e-12]
    return half.groupby("cell")["step"].min().reindex(range(count)).fillna(np.inf).to_numpy(dtype=np.float64)


def _texts(median: NDArray[np.float64], budget: NDArray[np.int64]) -> list[str]:
    """Medians as text: "120", or ">300" beyond the budget."""
    pairs = zip(median, budget, strict=True)
    return [f"{steps:.0f}" if np.isfinite(steps) else f">{limit}" for steps, limit in pairs]
