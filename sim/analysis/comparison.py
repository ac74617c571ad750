"""What one changed factor does, in pairs of networks that share everything else.

Paired networks start from the same draws and see the same data in the same order, so a pair's difference
is the factor's doing. The replicate is the unit of evidence: pairs of one replicate share draws, so they
are averaged before an interval or a test is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.analysis.cells import Cells, cells, split
from sim.analysis.convergence import PREFIX
from sim.analysis.intervals import grouped_mean, wilson
from sim.study.factors import FACTORS

DIRECTIONS = ("higher", "lower", "nearer_zero")


class Pairs(NamedTuple):
    """Rows of `runs` in pairs, and the groups and replicates they fall into."""

    level: NDArray[np.int64]  # the row with another level of the factor
    baseline: NDArray[np.int64]  # the row at the baseline
    group: Cells  # of every pair: the group it tells of
    replicate: NDArray[np.int64]  # of every pair: the replicate of a group, numbered through all groups
    within: NDArray[np.int64]  # of every replicate: its group

    def over_replicates(self, values: NDArray[np.float64]) -> pd.DataFrame:
        """grouped_mean of each group over its replicates' means."""
        means = grouped_mean(values, self.replicate, len(self.within))["mean"]
        return grouped_mean(means, self.within, len(self.group.keys))

    def tally(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many pairs of each group are marked."""
        return np.bincount(self.group.number[which], minlength=len(self.group.keys))


def paired_effect(
    runs: pd.DataFrame,
    factor: str,
    baseline: Any,
    by: Sequence[str] = (),
    quantity: str = "final_test_accuracy",
    match: Sequence[str] | None = None,
    better: str | None = None,
) -> pd.DataFrame:
    """Every level of `factor` against its baseline level, over pairs that agree in every column of `match`.

    `match`: by default grid, replicate and every factor but this one. `quantity`: a column of `runs`, such as
    final_test_accuracy, final_train_loss, steps_to_<target> (compared as min(t, T), a network that never
    arrives loses to one that does), or one added to it: runs.assign(log10_ratio=gradients.log10_ratio(…)).
    `better`: higher, lower or nearer_zero; by default higher for accuracies, nearer_zero for ratios, else
    lower. A diverged network has the worst possible end: it loses or ties, and stays out of the means.

    share_better = (better + ½ ties) / pairs, averaged over replicates, is the probability of improvement,
    with Wilson's interval at n = replicates; mean_difference = level − baseline over finite pairs with a t
    interval over replicates; p_value: exact two-sided sign test over replicates; p_holm: Holm's (1979)
    adjustment over all rows of this table: every level of this one factor in every cell of `by`, for this
    one quantity. baseline_diverged and diverged: shares of the pairs whose network at the baseline, or at the
    level, diverged. Levels without a pair have no row.

    Columns: *by, factor, level, baseline, quantity, pairs, replicates, baseline_diverged, diverged,
    finite_pairs, level_mean, baseline_mean, mean_difference, mean_difference_low, mean_difference_high,
    median_difference, better, worse, ties, share_better, share_better_low, share_better_high, p_value,
    p_holm.
    """
    return paired_effects(runs, factor, baseline, by, [quantity], match, better)[0]


def paired_effects(
    runs: pd.DataFrame,
    factor: str,
    baseline: Any,
    by: Sequence[str],
    quantities: Sequence[str],
    match: Sequence[str] | None = None,
    better: str | None = None,
) -> list[pd.DataFrame]:
    """The table of :func:`paired_effect` for each of several quantities, over the same pairs."""
    by = [column for column in by if column != factor]
    pairs = _pairs(runs, factor, baseline, _others(runs, factor) if match is None else match, by)
    return [_effect(runs, factor, baseline, by, quantity, pairs, better) for quantity in quantities]


def any_pair(runs: pd.DataFrame, factor: str, baseline: Any) -> bool:
    """Whether :func:`paired_effect` has anything to compare."""
    return len(_pairs(runs, factor, baseline, _others(runs, factor), ()).level) > 0


def _others(runs: pd.DataFrame, factor: str) -> list[str]:
    """What the runs of a pair agree in: grid, replicate, and every factor but this one."""
    factors = (name for name in (*FACTORS, "lr", "precision") if name != factor and name in runs)
    return ["grid", "replicate", *factors]


def _effect(
    runs: pd.DataFrame,
    factor: str,
    baseline: Any,
    by: Sequence[str],
    quantity: str,
    pairs: Pairs,
    better: str | None,
) -> pd.DataFrame:
    direction = _direction(quantity, better)
    keys = pairs.group.keys
    names = {"factor": factor, "level": keys[factor], "baseline": baseline, "quantity": quantity}
    counts = {"pairs": pairs.group.networks, "replicates": np.bincount(pairs.within, minlength=len(keys))}
    table = keys[by].assign(**names, **counts, **_divergence(runs, pairs))
    return table.assign(
        **_differences(runs, quantity, direction, pairs), **_chances(runs, quantity, direction, pairs)
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment: sorted p_i becomes max over j ≤ i of min(1, (m − j + 1) p_j).

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    remaining = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(remaining * p_values[order]), 1.0)
    return adjusted


def sign_test(positive: ArrayLike, negative: ArrayLike) -> NDArray[np.float64]:
    """Exact two-sided p of as lopsided a split of signs, ties left out; 1 without a sign. Elementwise."""
    positive, negative = np.asarray(positive), np.asarray(negative)
    return np.minimum(2 * stats.binom.cdf(np.minimum(positive, negative), positive + negative, 0.5), 1.0)


def smallest_p(replicates: ArrayLike) -> NDArray[np.float64]:
    """The least p of sign_test over n replicates, all of one sign: min(1, 2 · ½ⁿ). Elementwise."""
    return sign_test(replicates, np.zeros_like(replicates))


def _divergence(runs: pd.DataFrame, pairs: Pairs) -> dict[str, NDArray[np.float64]]:
    """Share of each group's pairs that diverged at the baseline and at the level."""
    diverged = (runs["status"] == "diverged").to_numpy()
    sides = {"baseline_diverged": pairs.baseline, "diverged": pairs.level}
    return {name: pairs.tally(diverged[side]) / pairs.group.networks for name, side in sides.items()}


def _pairs(runs: pd.DataFrame, factor: str, baseline: Any, match: Sequence[str], by: Sequence[str]) -> Pairs:
    """Each run that is not at the baseline, beside the one that is and agrees in `match`."""
    alike = cells(runs, match)
    levels = cells(runs, [factor]).number
    if len(split(alike.number, levels)[0][0]) < len(runs):
        raise ValueError(f"several runs share one level of {factor} and all of {', '.join(match)}")
    at_baseline = (runs[factor] == baseline).to_numpy()
    partner = np.full(len(alike.keys), -1, dtype=np.int64)
    partner[alike.number[at_baseline]] = np.flatnonzero(at_baseline)
    found = partner[alike.number]
    level = np.flatnonzero(~at_baseline & (found >= 0))
    group = cells(runs.iloc[level], [*by, factor])
    (within, _), replicate = split(group.number, runs["replicate"].to_numpy()[level])
    return Pairs(level, found[level], group, replicate, within)


def _direction(quantity: str, better: str | None) -> str:
    """Which values of a quantity are good."""
    if better is None:
        named = {"accuracy": "higher", "ratio": "nearer_zero"}
        return next((good for ending, good in named.items() if quantity.endswith(ending)), "lower")
    if better not in DIRECTIONS:
        raise ValueError(f"better = {better!r} is none of {', '.join(DIRECTIONS)}")
    return better


def _values(runs: pd.DataFrame, quantity: str) -> NDArray[np.float64]:
    """The quantity as it enters means: NaN for the end of a diverged run, min(t, T) for steps."""
    values = runs[quantity].to_numpy(dtype=np.float64)
    if quantity.startswith(PREFIX):
        return np.fmin(values, runs["steps"].to_numpy(dtype=np.float64))
    if quantity.startswith("final_"):
        return np.where((runs["status"] == "diverged").to_numpy(), np.nan, values)
    return values


def _scores(runs: pd.DataFrame, quantity: str, direction: str) -> NDArray[np.float64]:
    """The quantity as it decides who is better: higher is better, −inf is the worst."""
    steps = quantity.startswith(PREFIX)
    values = runs[quantity].to_numpy(dtype=np.float64) if steps else _values(runs, quantity)
    good = {"higher": values, "lower": -values, "nearer_zero": -np.abs(values)}[direction]
    return np.where(np.isnan(good), -np.inf, good)


def _differences(runs: pd.DataFrame, quantity: str, direction: str, pairs: Pairs) -> dict[str, Any]:
    """How far apart the two of a pair are: means over finite pairs, median over all."""
    values, number, count = _values(runs, quantity), pairs.group.number, len(pairs.group.keys)
    level, base = values[pairs.level], values[pairs.baseline]
    with np.errstate(invalid="ignore"):
        difference = level - base
    finite = np.isfinite(difference)
    mean = pairs.over_replicates(difference)
    sides = [grouped_mean(np.where(finite, side, np.nan), number, count)["mean"] for side in (level, base)]
    worst = {"higher": -np.inf, "lower": np.inf, "nearer_zero": np.nan}[direction]
    level, base = (np.where(np.isnan(side), worst, side) for side in (level, base))
    with np.errstate(invalid="ignore"):
        whole = pd.Series(np.where(level == base, 0.0, level - base))
    return {
        "finite_pairs": pairs.tally(finite),
        "level_mean": sides[0],
        "baseline_mean": sides[1],
        "mean_difference": mean["mean"],
        "mean_difference_low": mean["low"],
        "mean_difference_high": mean["high"],
        "median_difference": whole.groupby(number).median().reindex(range(count)),
    }


def _chances(runs: pd.DataFrame, quantity: str, direction: str, pairs: Pairs) -> dict[str, Any]:
    """How often the level beats its baseline, and how surely."""
    score = _scores(runs, quantity, direction)
    level, base = score[pairs.level], score[pairs.baseline]
    outcome = (level > base).astype(np.float64) - (level < base)
    net = grouped_mean(outcome, pairs.replicate, len(pairs.within))["mean"]
    share = grouped_mean((net + 1) / 2, pairs.within, len(pairs.group.keys))
    low, high = wilson(share["mean"] * share["finite"], share["finite"])
    signs = [np.bincount(pairs.within[sign * net > 0], minlength=len(share)) for sign in (1, -1)]
    p_value = sign_test(*signs)
    return {
        "better": pairs.tally(outcome > 0),
        "worse": pairs.tally(outcome < 0),
        "ties": pairs.tally(outcome == 0),
        "share_better": share["mean"],
        "share_better_low": low,
        "share_better_high": high,
        "p_value": p_value,
        "p_holm": holm(p_value),
    }
