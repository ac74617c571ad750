"""How sure a share or a mean is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def wilson(successes: ArrayLike, trials: ArrayLike, confidence: float = CONFIDENCE) -> Bounds:
    """Score interval of a binomial share.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), p = successes / n, z the normal quantile.
    Elementwise; NaN without trials. Source: Wilson (1927), Probable inference.
    """
    hits, tries = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    z = stats.norm.ppf(0.5 + confidence / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / tries
        middle = share + z**2 / (2 * tries)
        reach = z * np.sqrt(share * (1 - share) / tries + z**2 / (4 * tries**2))
        scale = 1 + z**2 / tries
        low = np.where(share == 0, 0.0, np.clip((middle - reach) / scale, 0.0, 1.0))
        return low, np.where(share == 1, 1.0, np.clip((middle + reach) / scale, 0.0, 1.0))


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, confidence: float = CONFIDENCE) -> Bounds:
    """Exact interval of a binomial share: never covers less than it says, so wider than Wilson's.

    Quantiles of Beta(k, n−k+1) and Beta(k+1, n−k). Elementwise; NaN without trials.
    Source: Clopper & Pearson (1934), The use of confidence or fiducial limits.
    """
    hits, tries = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = (1 - confidence) / 2
    low = np.where(hits == 0, 0.0, stats.beta.ppf(tail, hits, tries - hits + 1))
    high = np.where(hits == tries, 1.0, stats.beta.ppf(1 - tail, hits + 1, tries - hits))
    return np.where(tries == 0, np.nan, low), np.where(tries == 0, np.nan, high)


def student_t(mean: ArrayLike, sd: ArrayLike, count: ArrayLike, confidence: float = CONFIDENCE) -> Bounds:
    """Interval of a mean: mean ± t(count − 1) · sd / √count. Elementwise; NaN below two values.

    Source: Student (1908), The probable error of a mean.
    """
    middle, number = np.asarray(mean, dtype=np.float64), np.asarray(count, dtype=np.float64)
    enough = np.where(number > 1, number, np.nan)
    reach = stats.t.ppf(0.5 + confidence / 2, enough - 1) * np.asarray(sd) / np.sqrt(enough)
    return middle - reach, middle + reach


def grouped_mean(values: ArrayLike, groups: NDArray[np.int64], count: int) -> pd.DataFrame:
    """Mean, standard deviation and t interval of the finite values of each group 0 … count − 1.

    Columns: finite (how many values), mean, sd, low, high; NaN where too few values stand.
    """
    numbers = np.asarray(values, dtype=np.float64)
    kept = np.isfinite(numbers)
    numbers, groups = numbers[kept], groups[kept]
    finite = np.bincount(groups, minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(groups, numbers, minlength=count) / finite
        # A second pass: the sum of squares minus the squared sum loses every digit of a small spread.
        spread = np.bincount(groups, (numbers - mean[groups]) ** 2, minlength=count)
        sd = np.sqrt(spread / np.where(finite > 1, finite - 1, np.nan))
    low, high = student_t(mean, sd, finite)
    return pd.DataFrame({"finite": finite, "mean": mean, "sd": sd, "low": low, "high": high})


def grouped_share(flags: ArrayLike, groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Share of true flags in each group 0 … count − 1; NaN for an empty group."""
    marks = np.asarray(flags, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, marks, minlength=count) / np.bincount(groups, minlength=count)
