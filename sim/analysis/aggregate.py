"""One number for many problems: the interquartile mean, with stratified bootstrap intervals.

Letters: O entrants, P problems, S seeds, R resamples.
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

TRIMMED = 0.25


def interquartile_mean(values: ArrayLike) -> NDArray[np.float64]:
    """Mean of the middle half along the last axis: ⌊n/4⌋ values fall away at either end.

    The same as scipy.stats.trim_mean(values, 0.25). Source: Agarwal et al. (2021), Deep reinforcement
    learning at the edge of the statistical precipice.
    """
    numbers = np.array(values, dtype=np.float64)  # a copy: partitioned in place
    count = numbers.shape[-1]
    cut = int(TRIMMED * count)
    if not count:
        return np.full(numbers.shape[:-1], np.nan)
    if cut:
        numbers.partition((cut, count - cut - 1), axis=-1)
    return numbers[..., cut : count - cut].mean(axis=-1)


def resampled_interquartile_means(
    values: NDArray[np.float64], drawn: NDArray[np.int64], at_once: int = 2_000
) -> NDArray[np.float64]:
    """Interquartile mean over all problems and seeds of every resample: (R, O) from values (O, P, S).

    `at_once` resamples are held in memory together.
    """
    entrants, problems, seeds = values.shape
    place = (np.arange(problems)[:, None] * seeds + drawn).reshape(len(drawn), -1)
    flat = values.reshape(entrants, -1)
    means = np.empty((len(drawn), entrants))
    for start in range(0, len(drawn), at_once):
        some = place[start : start + at_once]
        for entrant in range(entrants):
            means[start : start + at_once, entrant] = interquartile_mean(flat[entrant][some])
    return means


def aggregate(scores: Scores, count: int = RESAMPLES, seed: int = SEED) -> pd.DataFrame:
    """Interquartile mean and mean of every entrant over all problems and seeds, with 95 % intervals.

    Columns: entrant, problems, seeds, iqm, iqm_low, iqm_high, mean, mean_low, mean_high.
    """
    _, problems, seeds = scores.values.shape
    drawn = resamples(problems, seeds, count, seed)
    flat = scores.values.reshape(len(scores.entrants), -1)
    table: dict[str, object] = {"entrant": scores.entrants, "problems": problems, "seeds": seeds}
    draws = {
        "iqm": resampled_interquartile_means(scores.values, drawn),
        "mean": resampled_means(scores.values, multiplicities(drawn)),
    }
    for name, point in (("iqm", interquartile_mean(flat)), ("mean", flat.mean(axis=1))):
        low, high = interval(draws[name], seeds, problems)
        table |= {name: point, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(table)
