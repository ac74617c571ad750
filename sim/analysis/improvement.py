"""How often one entrant beats another, by how much, and how many seeds it takes to know.

Letters: O entrants, P problems, S seeds, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.analysis.bootstrap import RESAMPLES, SEED, Scores, interval, multiplicities, resamples
from sim.analysis.comparison import holm, sign_test
from sim.analysis.intervals import CONFIDENCE

EXACT = 60
"""Up to this many differences the distribution of Wilcoxon's statistic is counted out; then it is normal."""


def win_matrix(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(X < Y) + ½ P(X = Y), the row's X and the column's Y of different seeds, mean over problems: (O, O).

    values: (O, P, S), lower is better. Seeds of their own on either side: the chance that the row's entrant
    does better on its next run than the column's on its own; pairs of one seed share their draws and are left
    out. Source: Agarwal et al. (2021), probability of improvement.
    """
    return resampled_wins(values, np.ones((1, *values.shape[1:]), dtype=np.float32))[0]


def resampled_wins(values: NDArray[np.float64], times: NDArray[np.float32]) -> NDArray[np.float64]:
    """`win_matrix` of every resample, (R, O, O), from how often it holds each seed, `times` (R, P, S).

    Of resampled seeds i and j a pair counts times_i · times_j; with K the kernel's matrix of one problem this
    is the quadratic form timesᵀ K times: one product of matrices for all resamples and opponents.
    """
    entrants, problems, seeds = values.shape
    wins = np.zeros((len(times), entrants, entrants))
    for problem in range(problems):
        weight = times[:, problem]
        pairs = weight.sum(axis=1) ** 2 - (weight**2).sum(axis=1)
        share = np.zeros_like(wins)
        for row in range(entrants - 1):
            kernel = _kernel(values[row, problem], values[row + 1 :, problem])  # (O − row − 1, S, S)
            met = weight @ kernel.transpose(1, 0, 2).reshape(seeds, -1)
            won = np.einsum("rkj,rj->rk", met.reshape(len(times), -1, seeds), weight)
            # A resample of one seed alone has no pair of two: it says nothing either way.
            share[:, row, row + 1 :] = np.where(pairs[:, None] > 0, won / np.maximum(pairs, 1)[:, None], 0.5)
        wins += share
    upper = np.triu_indices(entrants, 1)
    wins /= problems
    wins[:, upper[1], upper[0]] = 1.0 - wins[:, upper[0], upper[1]]
    wins[:, np.arange(entrants), np.arange(entrants)] = 0.5
    return wins


def _kernel(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 where mine (S,) is less than theirs (O, S), ½ where equal, 0 on pairs of one seed: (O, S, S)."""
    better = mine[:, None] < theirs[:, None, :]
    kernel = better + 0.5 * (mine[:, None] == theirs[:, None, :])
    kernel[:, np.arange(len(mine)), np.arange(len(mine))] = 0.0
    return kernel.astype(np.float32)


def improvement(scores: Scores, count: int = RESAMPLES, seed: int = SEED) -> pd.DataFrame:
    """Probability of improvement of every entrant over every other, with 95 % bootstrap intervals.

    Where one is better on every seed of every problem, all resamples agree and the interval has no width.

    Columns: entrant, other, problems, seeds, probability, probability_low, probability_high.
    """
    entrants, problems, seeds = scores.values.shape
    times = multiplicities(resamples(problems, seeds, count, seed))
    low, high = interval(resampled_wins(scores.values, times), seeds, problems)
    row, column = np.nonzero(~np.eye(entrants, dtype=bool))
    names = np.array(scores.entrants, dtype=object)
    return pd.DataFrame({
        "entrant": names[row], "other": names[column], "problems": problems, "seeds": seeds,
        "probability": win_matrix(scores.values)[row, column],
        "probability_low": low[row, column], "probability_high": high[row, column],
    })  # fmt: skip


def seeds_needed(probability: float, alpha: float = 0.05, power: float = 0.95) -> int:
    """Seeds from which P(X < Y) ≥ `probability` is detected: N ≥ ((z_{1−α} + z_power) / (√6 (p − ½)))².

    29 for 0.75. One-sided. Source: Noether (1987), Sample size determination for some common nonparametric
    tests; Bouthillier et al. (2021), Accounting for variance in machine learning benchmarks.
    """
    if not 0.5 < probability <= 1.0:
        raise ValueError(f"a probability of improvement to detect lies in (0.5, 1], not at {probability}")
    z = stats.norm.ppf(1 - alpha) + stats.norm.ppf(power)
    return int(np.ceil((z / (np.sqrt(6.0) * (probability - 0.5))) ** 2))


def hodges_lehmann(differences: ArrayLike, confidence: float = CONFIDENCE) -> NDArray[np.float64]:
    """Median of the means of all pairs (i ≤ j), with the interval that inverts Wilcoxon's signed-rank test.

    Along the last axis, n ≥ 1 values; returns (..., 3): estimate, low, high. The interval is from the k-th
    smallest to the k-th largest of the n(n+1)/2 means, P(W⁺ < k) ≤ α/2; NaN where n is too small for one.
    Source: Hodges & Lehmann (1963), Estimates of location based on rank tests.
    """
    values = np.asarray(differences, dtype=np.float64)
    count = values.shape[-1]
    first, second = np.triu_indices(count)
    means = np.sort((values[..., first] + values[..., second]) / 2, axis=-1)
    rank = _critical_rank(count, (1 - confidence) / 2)
    middle = np.median(means, axis=-1)
    if rank < 1:
        return np.stack([middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan)], axis=-1)
    return np.stack([middle, means[..., rank - 1], means[..., -rank]], axis=-1)


def _critical_rank(count: int, tail: float) -> int:
    """The largest k with P(W⁺ < k) ≤ `tail`, W⁺ the sum of ranks of positive signs among `count`."""
    total = count * (count + 1) // 2
    if count > EXACT:
        spread = np.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return int(np.floor(total / 2 + stats.norm.ppf(tail) * spread))
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for rank in range(1, count + 1):  # each rank is in the sum or not
        chance[rank:] = (chance[rank:] + chance[: total + 1 - rank]) / 2
        chance[:rank] /= 2
    return int(np.searchsorted(np.cumsum(chance), tail, side="right"))


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, zeros and ties ranked after Pratt; 1 without a difference.

    Source: Wilcoxon (1945); Pratt (1959), Remarks on zeros and ties.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not (values != 0).any():
        return 1.0
    exact = not (values == 0).any() and len(np.unique(np.abs(values))) == len(values)
    return float(
        stats.wilcoxon(values, zero_method="pratt", method="exact" if exact else "asymptotic").pvalue
    )


def paired_differences(scores: Scores, baseline: Any) -> pd.DataFrame:
    """Every entrant against a baseline on each problem, seed by seed; below 0 is better than the baseline.

    p_holm adjusts the Wilcoxon tests of this table, which are the comparisons declared by naming a baseline.

    Columns: problem, entrant, baseline, seeds, better, worse, ties, difference (Hodges-Lehmann),
    difference_low, difference_high, p_wilcoxon, p_sign, p_holm.
    """
    home = scores.entrants.index(baseline)
    others = [index for index in range(len(scores.entrants)) if index != home]
    apart = (scores.values[others] - scores.values[home]).swapaxes(0, 1)  # (P, O − 1, S)
    estimate = hodges_lehmann(apart).reshape(-1, 3)
    better, worse = ((apart < 0).sum(axis=-1).ravel(), (apart > 0).sum(axis=-1).ravel())
    p_value = np.array([wilcoxon(one) for one in apart.reshape(-1, apart.shape[-1])])
    names = [scores.entrants[index] for index in others]
    return pd.DataFrame({
        "problem": np.repeat(np.array(scores.problems, dtype=object), len(others)),
        "entrant": names * len(scores.problems), "baseline": baseline, "seeds": apart.shape[-1],
        "better": better, "worse": worse, "ties": apart.shape[-1] - better - worse,
        "difference": estimate[:, 0], "difference_low": estimate[:, 1], "difference_high": estimate[:, 2],
        "p_wilcoxon": p_value, "p_sign": sign_test(better, worse), "p_holm": holm(p_value),
    })  # fmt: skip
