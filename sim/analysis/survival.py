"""Whether curves of time to target differ, and what became of the runs: arrived, diverged, still under way.

Kaplan-Meier curves, medians, restricted means and expected running times are in convergence.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sim.analysis.cells import cells, split
from sim.analysis.comparison import holm
from sim.analysis.convergence import PREFIX


def logrank(
    runs: pd.DataFrame, target: str, entrant: str = "optimizer", by: Sequence[str] = ()
) -> pd.DataFrame:
    """Log-rank test of every pair of entrants within each cell of `by`; failures are censored at the budget.

    χ² = (O − E)² / V with one degree of freedom: O arrivals of the entrant, E those expected from its share
    of the runs still at risk, V the hypergeometric variance, all summed over the steps. statistic > 0: the
    entrant arrives sooner than the other. p_holm: over the pairs of one cell. NaN where neither ever arrives.
    Source: Mantel (1966), Evaluation of survival data; equal to scipy.stats.logrank.

    Columns: *by, entrant, other, networks, other_networks, statistic, chi2, p_value, p_holm.
    """
    by = list(by)
    group = cells(runs, [*by, entrant])
    outer = cells(group.keys, by)
    arrival = runs[PREFIX + target].to_numpy(dtype=np.float64)
    step = np.fmin(arrival, runs["steps"].to_numpy(dtype=np.float64))
    tables = []
    for cell in range(len(outer.keys)):
        members = np.flatnonzero(outer.number == cell)
        place = np.full(len(group.keys), -1)
        place[members] = np.arange(len(members))
        mine = place[group.number] >= 0
        first, second, statistic = _pairs(
            place[group.number[mine]], step[mine], np.isfinite(arrival[mine]), len(members)
        )
        keys = outer.keys.iloc[np.full(len(first), cell)].reset_index(drop=True) if by else pd.DataFrame()
        names = group.keys[entrant].to_numpy(dtype=object)
        p_value = stats.chi2.sf(statistic**2, 1)
        known = np.isfinite(p_value)
        adjusted = np.full_like(p_value, np.nan)
        adjusted[known] = holm(p_value[known])
        columns = {
            "entrant": names[members[first]], "other": names[members[second]],
            "networks": group.networks[members[first]], "other_networks": group.networks[members[second]],
            "statistic": statistic, "chi2": statistic**2, "p_value": p_value, "p_holm": adjusted,
        }  # fmt: skip
        tables.append(pd.concat([keys, pd.DataFrame(columns)], axis=1))
    return pd.concat(tables, ignore_index=True) if tables else _no_pairs(by)


def _no_pairs(by: list[str]) -> pd.DataFrame:
    """The columns of `logrank` without a row."""
    names = ("entrant", "other", "networks", "other_networks", "statistic", "chi2", "p_value", "p_holm")
    return pd.DataFrame(columns=[*by, *names])


def _pairs(
    entrant: NDArray[np.int64], step: NDArray[np.float64], seen: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """First and second of every pair of `count` entrants, and (O − E)/√V of its first."""
    times = np.unique(step[seen])
    at_risk = np.array([np.searchsorted(np.sort(step[entrant == one]), times) for one in range(count)])
    at_risk = np.bincount(entrant, minlength=count)[:, None] - at_risk  # (O, T)
    events = np.zeros((count, len(times)))
    np.add.at(events, (entrant[seen], np.searchsorted(times, step[seen])), 1.0)
    first, second = np.triu_indices(count, 1)
    risk, event = at_risk[first] + at_risk[second], events[first] + events[second]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(risk > 0, at_risk[first] / risk, 0.0)
        spread = np.where(risk > 1, event * share * (1 - share) * (risk - event) / (risk - 1), 0.0)
        apart = (events[first] - event * share).sum(axis=1)
        return first, second, apart / np.sqrt(spread.sum(axis=1))


def outcomes(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Shares of networks that have arrived, have diverged before they could, or are under way, by each step.

    Divergence is a competing event: it ends a run's chance to arrive, so it is neither censoring nor waiting.
    Cumulative incidence I_k(t) = Σ S(t−) d_k / n over the steps so far, d_k events of kind k among n runs at
    risk, S the share without any event; the shares of every step add up to 1. A run that arrives and diverges
    later has arrived. Source: Aalen & Johansen (1978).

    Columns: *by, step, at_risk, reached, diverged, under_way; a row at step 0 and at the largest budget.
    """
    group = cells(runs, by)
    arrival = runs[PREFIX + target].to_numpy(dtype=np.float64)
    broke = np.where(np.isnan(arrival), runs["diverged_at"].to_numpy(dtype=np.float64), np.nan)
    budget = runs["steps"].to_numpy(dtype=np.float64)
    end = np.fmin(np.fmin(arrival, broke), budget).astype(np.int64)
    ends = np.zeros(len(group.keys), dtype=np.int64)
    np.maximum.at(ends, group.number, budget.astype(np.int64))
    edges = np.repeat(np.arange(len(ends)), 2)
    edge_steps = np.column_stack([np.zeros_like(ends), ends]).ravel()
    (cell, steps), part = split(np.append(edges, group.number), np.append(edge_steps, end))
    part = part[len(edges) :]
    leaving = np.bincount(part, minlength=len(cell))
    at_risk = group.networks[cell] - (pd.Series(leaving).groupby(cell).cumsum().to_numpy() - leaving)
    arrived = np.bincount(part[~np.isnan(arrival)], minlength=len(cell)) / np.maximum(at_risk, 1)
    diverged = np.bincount(part[~np.isnan(broke)], minlength=len(cell)) / np.maximum(at_risk, 1)
    left = pd.Series(1 - arrived - diverged).groupby(cell).cumprod()
    before = left.groupby(cell).shift(fill_value=1.0).to_numpy()
    shares = {
        name: pd.Series(before * hazard).groupby(cell).cumsum().to_numpy()
        for name, hazard in (("reached", arrived), ("diverged", diverged))
    }
    keys = group.keys.iloc[cell].reset_index(drop=True)
    return keys.assign(step=steps, at_risk=at_risk, **shares, under_way=left.to_numpy())
