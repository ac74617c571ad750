"""Is a mean different from zero?  Exact for few pieces of evidence, whatever their distribution."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.analysis.intervals import CONFIDENCE, clopper_pearson, student_t

EXACT = 14
"""Up to so many differences all subsets are looked at: 2¹⁴ of them."""
ROWS = 2**22
"""How many subset means stand in memory at once."""
SAME = 1e-9
"""Shares that differ by less are equal but for rounding."""


class Tested(NamedTuple):
    """Means of rows of differences, their interval, and the p-value of a mean of zero."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


Limits = tuple[float, float]


def paired_mean(
    differences: ArrayLike, confidence: float = CONFIDENCE, limits: Limits | None = None
) -> Tested:
    """Mean of n paired differences with interval and two-sided p; each row of (…, n) by itself.

    Where n ≤ 14 by Fisher's randomization test: of the 2ⁿ ways to give the differences their signs, p is the
    share that makes the mean at least as extreme.  Its inversion is an interval of subset means: with M₍ᵢ₎
    the ordered means of all 2ⁿ − 1 subsets, [M₍ₖ₎, M₍₂ⁿ₋ₖ₎] covers the centre with probability 1 − 2k/2ⁿ, at
    least so with ties.  It needs only that the differences are symmetric, which they are where A and B do
    the same. Infinite where n is too small for the confidence asked for.

    Where n > 14 by Student's t, p no smaller than that of n equal signs, 2 · ½ⁿ.

    ``limits``: between which the differences must lie, as those of shares do between −1 and 1. With them
    differences that are equal, or nearly all equal, get no interval narrower than :func:`rare_values` allows;
    p stays. Source: Fisher (1935), The design of experiments; Hartigan (1969), Using subsample values as
    typical values; Clopper & Pearson (1934), The use of confidence or fiducial limits.
    """
    rows = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    shape, n = rows.shape[:-1], rows.shape[-1]
    rows = rows.reshape(-1, n)
    low, high, p = (_by_subsets if n <= EXACT else _by_t)(rows, confidence)
    if limits is not None:
        least, most = rare_values(rows, limits, confidence)
        low, high = np.fmin(low, least), np.fmax(high, most)
    return Tested(*(part.reshape(shape) for part in (rows.mean(axis=1), low, high, p)))


def rare_values(
    rows: NDArray[np.float64], limits: Limits, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far a mean may be from what nearly all of n values equal; NaN for rows where they do not.

    With k of n values above d, and P(x > d) ≤ q(k), Clopper & Pearson's upper bound, the mean is at most
    d + q(k) · (U − d), U the upper limit; likewise below. Where all are equal q(0) = 1 − (α/2)^(1/n), with
    α = 1 − confidence. Nearly all: more than half, and of the m others even equal signs would say nothing,
    2 · ½ᵐ > α, so that neither sign flips nor t can know how rare they are. Where there are others, none is
    taken to lie further from d than the furthest of them: a mean over many pairs seldom moves by a whole
    success. (rows, n) -> (rows,) twice.
    Source: Clopper & Pearson (1934), The use of confidence or fiducial limits.
    """
    n, (lower, upper) = rows.shape[1], limits
    usual = np.median(rows, axis=1)
    apart = rows - usual[:, None]
    below, above = (apart < -SAME).sum(axis=1), (apart > SAME).sum(axis=1)
    others = below + above
    nearly = (2 * others < n) & (2 * 0.5**others > 1 - confidence)
    rarely_below, rarely_above = (clopper_pearson(count, n, confidence)[1] for count in (below, above))
    furthest = np.where(others > 0, np.abs(apart).max(axis=1), np.inf)
    low = usual - rarely_below * np.minimum(furthest, usual - lower)
    high = usual + rarely_above * np.minimum(furthest, upper - usual)
    return np.where(nearly, low, np.nan), np.where(nearly, high, np.nan)


def unpaired_mean(
    a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE, limits: Limits | None = None
) -> Tested:
    """Mean of a minus mean of b with Welch's interval and two-sided p; each of them one-dimensional.

    p is no smaller than that of a complete separation, 2 · n! m! / (n + m)!.  ``limits``: between which the
    values of both must lie. Where nearly all of a side are equal, the reach of either side's own interval
    (:func:`rare_values` or Student's t) is combined, √(reach² + reach²), and the interval is no narrower.
    Source: Welch (1947), The generalization of Student's problem; Newcombe (1998), Interval estimation for
    the difference between independent proportions.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    error, mean = np.sqrt(parts.sum()), a.mean() - b.mean()
    sizes = np.array([len(a), len(b)]) - 1
    freedom = parts.sum() ** 2 / (parts**2 / sizes).sum() if error > 0 else float(sizes.sum())
    reach = stats.t.ppf(0.5 + confidence / 2, freedom) * error
    p = 2 * stats.t.sf(abs(mean) / error, freedom) if error > 0 else float(mean == 0)
    least = 2 * np.exp(-_log_choose(len(a) + len(b), len(a)))
    low, high = mean - reach, mean + reach
    if limits is not None:
        down, up = _reaches(a, b, limits, confidence)
        low, high = np.fmin(low, mean - down), np.fmax(high, mean + up)
    return Tested(*(np.array([x]) for x in (mean, low, high, min(max(p, least), 1.0))))


def _reaches(
    a: NDArray[np.float64], b: NDArray[np.float64], limits: Limits, confidence: float
) -> tuple[float, float]:
    """How far the difference may lie below and above; NaN where neither side is nearly constant."""
    sides, rare = [], False
    for values in (a, b):
        low, high = (float(end[0]) for end in rare_values(values[None], limits, confidence))
        rare |= np.isfinite(low)
        by_t = student_t(values.mean(), values.std(ddof=1), len(values), confidence)
        down, up = values.mean() - np.fmin(low, by_t[0]), np.fmax(high, by_t[1]) - values.mean()
        sides.append((float(down), float(up)))
    (a_down, a_up), (b_down, b_up) = sides
    return (float(np.hypot(a_down, b_up)), float(np.hypot(a_up, b_down))) if rare else (np.nan, np.nan)


def _log_choose(n: int, k: int) -> float:
    from scipy.special import gammaln

    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


@lru_cache(maxsize=4)
def _subsets(n: int) -> NDArray[np.float64]:
    """(n, 2ⁿ − 1): each column takes the mean of one subset of n values."""
    taken = ((np.arange(1, 2**n) >> np.arange(n)[:, None]) & 1).astype(np.float64)
    return taken / taken.sum(axis=0)


def _by_subsets(rows: NDArray[np.float64], confidence: float) -> tuple[NDArray[np.float64], ...]:
    subsets, size = _subsets(rows.shape[1]), 2 ** rows.shape[1]
    k = int((1 - confidence) / 2 * size + 1e-9)
    found = [
        _of_part(part, subsets, k) for part in np.array_split(rows, max(1, -(-len(rows) * size // ROWS)))
    ]
    low, high, tail = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return low, high, np.minimum(2 * (1 + tail) / size, 1.0)


def _of_part(
    rows: NDArray[np.float64], subsets: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], ...]:
    """Bounds at the k-th subset mean from either end, and how many means lie on the rarer side of zero."""
    scale = np.abs(rows).max(axis=1, keepdims=True)
    means = rows @ subsets
    near = 1e-12 * scale  # a sum that is zero but for rounding is zero
    tail = np.minimum((means <= near).sum(axis=1), (means >= -near).sum(axis=1))
    if k < 1:
        return np.full(len(rows), -np.inf), np.full(len(rows), np.inf), tail
    last = means.shape[1] - k
    means.partition([k - 1, last], axis=1)
    return means[:, k - 1], means[:, last], tail


def _by_t(rows: NDArray[np.float64], confidence: float) -> tuple[NDArray[np.float64], ...]:
    n = rows.shape[1]
    mean, error = rows.mean(axis=1), rows.std(axis=1, ddof=1) / np.sqrt(n)
    reach = stats.t.ppf(0.5 + confidence / 2, n - 1) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / error)
    return mean - reach, mean + reach, np.clip(2 * stats.t.sf(t, n - 1), 2 * 0.5**n, 1.0)
