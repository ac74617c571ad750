"""How often an entrant is within a factor of the fastest: performance profiles and their score.

A task is one seed of one problem: all entrants start it from the same draws. Letters: O entrants, T tasks,
P problems, S seeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sim.analysis.bootstrap import (
    RESAMPLES,
    SEED,
    Scores,
    interval,
    multiplicities,
    resampled_means,
    resamples,
)

R_MAX = 4.0


def ratios(times: ArrayLike) -> NDArray[np.float64]:
    """r = t / min over entrants of t, for times (O, ...); inf where an entrant never arrives (t = inf).

    Source: Dolan & Moré (2002), Benchmarking optimization software with performance profiles.
    """
    spent = np.asarray(times, dtype=np.float64)
    best = spent.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(np.isinf(spent), np.inf, spent / best)
    return np.where(spent == best, np.where(np.isinf(spent), np.inf, 1.0), ratio)


def profile(ratio: ArrayLike, factors: ArrayLike) -> NDArray[np.float64]:
    """ρ(τ): share of tasks with r ≤ τ, for ratios (O, T) and factors (F,) an array (O, F)."""
    ordered = np.sort(np.asarray(ratio, dtype=np.float64), axis=-1)
    within = [np.searchsorted(line, factors, side="right") for line in ordered]
    return np.array(within).reshape(len(ordered), -1) / ordered.shape[-1]


def gains(ratio: ArrayLike, r_max: float = R_MAX) -> NDArray[np.float64]:
    """What each task adds to a score: (r_max − r) / (r_max − 1), nothing from r_max on."""
    return np.clip((r_max - np.asarray(ratio, dtype=np.float64)) / (r_max - 1.0), 0.0, 1.0)


def score(ratio: ArrayLike, r_max: float = R_MAX) -> NDArray[np.float64]:
    """(1 / (r_max − 1)) ∫₁^{r_max} ρ(τ) dτ of ratios (O, T), exactly: a task's step adds r_max − r or 0.

    1 for an entrant that is fastest everywhere, 0 for one never within r_max. Source: Dahl et al. (2023),
    Benchmarking neural network training algorithms (AlgoPerf), whose tasks are workloads.
    """
    return gains(ratio, r_max).mean(axis=-1)


def problem_scores(times: Scores, r_max: float = R_MAX) -> NDArray[np.float64]:
    """AlgoPerf's own tasks: the score (O,) with each problem's median time over seeds as one task."""
    return score(ratios(np.median(times.values, axis=-1)), r_max)


def performance_profiles(
    times: Scores, r_max: float = R_MAX, count: int = RESAMPLES, seed: int = SEED, points: int = 61
) -> pd.DataFrame:
    """ρ(τ) of every entrant at factors spaced evenly in log τ from 1 to r_max, with 95 % intervals.

    `times`: steps to the target, inf for never. Columns: entrant, factor, share, share_low, share_high.
    """
    ratio = ratios(times.values)
    factors = np.geomspace(1.0, r_max, points)
    within = ratio[:, None] <= factors[:, None, None]  # (O, F, P, S)
    entrants, _, problems, seeds = within.shape
    draws = _means(within.astype(np.float64), count, seed)
    low, high = interval(draws, seeds, problems)
    return pd.DataFrame({
        "entrant": np.repeat(np.array(times.entrants, dtype=object), points),
        "factor": np.tile(factors, entrants),
        "share": profile(ratio.reshape(entrants, -1), factors).ravel(),
        "share_low": low.ravel(), "share_high": high.ravel(),
    })  # fmt: skip


def profile_scores(
    times: Scores, r_max: float = R_MAX, count: int = RESAMPLES, seed: int = SEED
) -> pd.DataFrame:
    """Score of every entrant with its 95 % interval, and the score over the problems' medians.

    Columns: entrant, score, score_low, score_high, fastest (share of tasks on which none is faster),
    problem_score.
    """
    ratio = ratios(times.values)
    _, problems, seeds = ratio.shape
    low, high = interval(_means(gains(ratio, r_max), count, seed), seeds, problems)
    flat = ratio.reshape(len(ratio), -1)
    return pd.DataFrame({
        "entrant": times.entrants, "score": score(flat, r_max), "score_low": low, "score_high": high,
        "fastest": (flat == 1.0).mean(axis=1), "problem_score": problem_scores(times, r_max),
    })  # fmt: skip


def _means(values: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Means (R, ...) over resamples of values (..., P, S)."""
    problems, seeds = values.shape[-2:]
    return resampled_means(values, multiplicities(resamples(problems, seeds, count, seed)))
