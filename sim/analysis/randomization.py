"""Is a mean different from zero?  Exact for few pieces of evidence, whatever their distribution."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.analysis.intervals import CONFIDENCE

EXACT = 14
"""Up to so many differences all subsets are looked at: 2¹⁴ of them."""
ROWS = 2**22
"""How many subset means stand in memory at once."""


class Tested(NamedTuple):
    """Means of rows of differences, their interval, and the p-value of a mean of zero."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def paired_mean(differences: ArrayLike, confidence: float = CONFIDENCE) -> Tested:
    """Mean of n paired differences with interval and two-sided p; each row of (…, n) by itself.

    Where n ≤ 14 by Fisher's randomization test: of the 2ⁿ ways to give the differences their signs, p is the
    share that makes the mean at least as extreme.  Its inversion is an interval of subset means: with M₍ᵢ₎
    the ordered means of all 2ⁿ − 1 subsets, [M₍ₖ₎, M₍₂ⁿ₋ₖ₎] covers the centre with probability 1 − 2k/2ⁿ, at
    least so with ties.  It needs only that the differences are symmetric, which they are where A and B do
    the same. Infinite where n is too small for the confidence asked for.

    Where n > 14 by Student's t, p no smaller than that of n equal signs, 2 · ½ⁿ. Source: Fisher (1935), The
    design of experiments; Hartigan (1969), Using subsample values as typical values.
    """
    rows = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    shape, n = rows.shape[:-1], rows.shape[-1]
    rows = rows.reshape(-1, n)
    low, high, p = (_by_subsets if n <= EXACT else _by_t)(rows, confidence)
    return Tested(*(part.reshape(shape) for part in (rows.mean(axis=1), low, high, p)))


def unpaired_mean(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> Tested:
    """Mean of a minus mean of b with Welch's interval and two-sided p; each of them one-dimensional.

    p is no smaller than that of a complete separation, 2 · n! m! / (n + m)!.
    Source: Welch (1947), The generalization of Student's problem.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    error, mean = np.sqrt(parts.sum()), a.mean() - b.mean()
    sizes = np.array([len(a), len(b)]) - 1
    freedom = parts.sum() ** 2 / (parts**2 / sizes).sum() if error > 0 else float(sizes.sum())
    reach = stats.t.ppf(0.5 + confidence / 2, freedom) * error
    p = 2 * stats.t.sf(abs(mean) / error, freedom) if error > 0 else float(mean == 0)
    least = 2 * np.exp(-_log_choose(len(a) + len(b), len(a)))
    return Tested(*(np.array([x]) for x in (mean, mean - reach, mean + reach, min(max(p, least), 1.0))))


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
