"""Rank groups instead of bare ranks: who can be told apart from whom.

Entrants stand in the order of their mean score: a share of the budget lies between 0 and 1, so no single run
can dominate it, and the interquartile mean beside it cannot tell apart two entrants that fail on more than
three quarters of the tasks. The first leads the first group. Going down, an entrant opens the next group, and
leads it, where its paired difference to the leader of the current group excludes 0 after Holm's correction
over all pairs of entrants; else it shares the leader's group. Members of a group are not clearly worse than
its leader; two of them may still differ from each other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sim.analysis.aggregate import interquartile_mean, resampled_interquartile_means
from sim.analysis.bootstrap import (
    RESAMPLES,
    SEED,
    Scores,
    interval,
    multiplicities,
    resampled_means,
    resamples,
    standard_error,
)
from sim.analysis.comparison import holm

SURE = 0.05


def leaderboard(scores: Scores, count: int = RESAMPLES, seed: int = SEED) -> pd.DataFrame:
    """Entrants from best (lowest mean) to worst, in rank groups.

    behind: the difference of means to the leader of the entrant's own group or, for the leader
    of a group, to the one of the group before; its 95 % interval pairs the seeds. p_holm: of that difference,
    over all pairs of entrants (normal, bootstrap standard error).

    Columns: place, group, entrant, problems, seeds, mean, mean_low, mean_high, iqm, iqm_low, iqm_high,
    behind, behind_low, behind_high, p_holm; behind and p_holm are NaN for the first.
    """
    entrants, problems, seeds = scores.values.shape
    drawn = resamples(problems, seeds, count, seed)
    draws = resampled_means(scores.values, multiplicities(drawn))
    middle = scores.values.mean(axis=(1, 2))
    p_value = pairwise_p(middle, draws, seeds)
    order = np.argsort(middle, kind="stable")
    group, leader = rank_groups(order, p_value)
    low, high = interval(draws, seeds, problems)
    quarter_low, quarter_high = interval(resampled_interquartile_means(scores.values, drawn), seeds, problems)
    quarter = interquartile_mean(scores.values.reshape(entrants, -1))
    apart_low, apart_high = interval(draws[:, order] - draws[:, leader], seeds, problems)
    first = leader == order
    names = np.array(scores.entrants, dtype=object)
    return pd.DataFrame({
        "place": np.arange(1, entrants + 1), "group": group, "entrant": names[order],
        "problems": problems, "seeds": seeds,
        "mean": middle[order], "mean_low": low[order], "mean_high": high[order],
        "iqm": quarter[order], "iqm_low": quarter_low[order], "iqm_high": quarter_high[order],
        "behind": np.where(first, np.nan, middle[order] - middle[leader]),
        "behind_low": np.where(first, np.nan, apart_low), "behind_high": np.where(first, np.nan, apart_high),
        "p_holm": np.where(first, np.nan, p_value[order, leader]),
    })  # fmt: skip


def pairwise_p(middle: NDArray[np.float64], draws: NDArray[np.float64], seeds: int) -> NDArray[np.float64]:
    """Holm-adjusted two-sided p of every difference between entrants, symmetric (O, O), 1 on the diagonal.

    middle: (O,) statistics, draws: (R, O) the same over resamples shared by all entrants. The p value is
    normal with the bootstrap's standard error: a share of resamples could not fall below 1/R, too coarse once
    it is multiplied by the number of pairs.
    """
    row, column = np.triu_indices(len(middle), 1)
    error = standard_error(draws[:, row] - draws[:, column], seeds)
    apart = np.abs(middle[row] - middle[column])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(apart > 0, apart / error, 0.0)
    adjusted = np.ones((len(middle), len(middle)))
    adjusted[row, column] = adjusted[column, row] = holm(2 * stats.norm.sf(z))
    return adjusted


def rank_groups(
    order: NDArray[np.int64], p_value: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group (1, 2, …) of each entrant of `order`, and whom it was compared with (itself for the first).

    p_value: (O, O) adjusted. A group's leader was compared with the leader before it.
    """
    groups, compared = np.ones(len(order), dtype=np.int64), order.copy()
    leader, group = (int(order[0]) if len(order) else 0), 1
    for place in range(1, len(order)):
        entrant = int(order[place])
        compared[place] = leader
        if p_value[entrant, leader] < SURE:
            leader, group = entrant, group + 1
        groups[place] = group
    return groups, compared
