"""What tuning longer would bring: the best result to expect of n trials, from the trials there are.

A bootstrap of the trials covers the expected best of n of them too seldom: with 32 trials 90 % for n = 4 and
75 % for n = 8, for a resample can never show a trial better than the best one seen. Order statistics give an
exact interval of the median best instead, whatever the distribution, and say where the trials are too few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.analysis.cells import cells
from sim.analysis.intervals import CONFIDENCE


def expected_best(results: ArrayLike, lower: bool = True) -> NDArray[np.float64]:
    """Expected best of n = 1 … N trials drawn with replacement from the N results along the last axis.

    With results sorted from best to worst, E = Σ v_i (((N − i + 1)/N)ⁿ − ((N − i)/N)ⁿ): the chance that v_i
    is the best of n. Infinite results (diverged) make every expectation infinite; give them a value.
    Returns (..., N). Source: Dodge et al. (2019), Show your work.
    """
    values = np.sort(np.asarray(results, dtype=np.float64), axis=-1)
    values = values if lower else values[..., ::-1]
    count = values.shape[-1]
    worse = (np.arange(count, -1, -1) / max(count, 1))[:, None] ** np.arange(1, count + 1)  # (N + 1, N)
    return values @ (worse[:-1] - worse[1:])


def quantile_bounds(
    results: ArrayLike, quantile: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of a quantile q of the distribution that results (N,) are drawn from, whatever it is.

    X_(k), the k-th smallest, exceeds the quantile with the chance P(Bin(N, q) < k); between two of them the
    bound is interpolated after Nyblom. −inf or inf where even the smallest or largest is not beyond it surely
    enough. Source: Nyblom (1992), Note on interpolated order statistics.
    """
    ordered = np.sort(np.asarray(results, dtype=np.float64))
    tail = (1 - confidence) / 2
    return _order_bound(ordered, quantile, tail), _order_bound(ordered, quantile, 1 - tail)


def _order_bound(ordered: NDArray[np.float64], q: float, chance: float) -> float:
    """The value that exceeds the quantile with this chance."""
    count = len(ordered)
    beyond = stats.binom.cdf(np.arange(count), count, q)  # of X_(1) … X_(N)
    k = int(np.searchsorted(beyond, chance, side="right"))  # X_(k) is sure enough to lie below, X_(k+1) not
    if k == 0:
        return -np.inf
    if k == count:
        return np.inf
    over, under = beyond[k] - chance, chance - beyond[k - 1]
    part = 1.0 if over == 0 else under / (under + k * (1 - q) / ((count - k) * q) * over)
    low, high = ordered[k - 1], ordered[k]
    return float(low if part == 0 or low == high else low + part * (high - low))


def tuning_curve(trials: pd.DataFrame, by: Sequence[str], result: str, lower: bool = True) -> pd.DataFrame:
    """Best result of n = 1 … N trials in each cell of `by`, a row a trial in `trials`.

    best: `expected_best`. median: of the best of n, F⁻¹(1 − 2^(−1/n)) of the results, with its interval
    by `quantile_bounds`; a bound beyond the results seen is infinite (from n > 0.19 N on the better one is).
    Source: Dodge et al. (2019); Lourie, Cho & He (2024), Show your work with confidence.

    Columns: *by, trials (how many the budget allows), of (how many there are), best, median, median_low,
    median_high.
    """
    group = cells(trials, by)
    tables = []
    for cell in range(len(group.keys)):
        results = trials[result].to_numpy(dtype=np.float64)[group.number == cell]
        keys = group.keys.iloc[np.full(len(results), cell)].reset_index(drop=True)
        tables.append(keys.assign(**_curve(results, lower)))
    names = [*by, "trials", "of", "best", "median", "median_low", "median_high"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=names)


def _curve(results: NDArray[np.float64], lower: bool) -> dict[str, NDArray[np.float64]]:
    """The columns of one cell of `tuning_curve`."""
    sign = 1.0 if lower else -1.0
    budget = np.arange(1, len(results) + 1)
    quantiles = 1 - 0.5 ** (1 / budget)
    bounds = np.array([quantile_bounds(sign * results, q) for q in quantiles])
    median = np.quantile(sign * results, quantiles, method="inverted_cdf")
    low, high = np.sort(sign * bounds, axis=1).T
    return {
        "trials": budget, "of": np.full(len(results), len(results)), "best": expected_best(results, lower),
        "median": sign * median, "median_low": low, "median_high": high,
    }  # fmt: skip
