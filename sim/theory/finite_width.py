"""Networks of finite width at initialization, exactly: the random ratio of squared norms over a layer.

For a fixed direction the squared norm of the signal (forward) and of the gradient (backward) is multiplied
by a random ratio at each layer, independent over layers.  Bias-free ReLU with W ~ N(0, 2/n) has the ratio
(2/n)χ²_K, K ~ Binomial(n, ½) (Hanin 2018; Hanin and Nica 2018).  ``widths`` are the n_l of the hidden
layers; logarithms are natural; nothing has a unit.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def _alive(width: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers of active units 1 … n and their probabilities given that one is active, ``(n,)`` each."""
    from scipy.stats import binom

    active = np.arange(1, width + 1)
    probability = binom.pmf(active, width, 0.5)
    return active, probability / probability.sum()


def mean_log_ratio(width: int) -> float:
    """m(n) = E_K[ψ(K/2)] + ln(4/n), the mean log ratio of a He-initialized ReLU layer given it is alive.

    About −5/(2n): the typical network falls by this a layer while the mean stays 1 (Hanin and Nica 2018).
    """
    from scipy.special import digamma

    active, probability = _alive(width)
    return float(probability @ digamma(active / 2) + np.log(4 / width))


def variance_log_ratio(width: int) -> float:
    """v(n) = E_K[ψ'(K/2)] + Var_K[ψ(K/2)], variance of the log ratio given the layer is alive; about 5/n."""
    from scipy.special import digamma, polygamma

    active, probability = _alive(width)
    within, between = polygamma(1, active / 2), digamma(active / 2)
    return float(probability @ within + probability @ between**2 - (probability @ between) ** 2)


def log_ratio_moments(widths: Iterable[int]) -> tuple[float, float]:
    """Mean Σm(n_l) and variance Σv(n_l) of the log ratio over all layers, given every layer is alive."""
    sizes = list(widths)
    return sum(map(mean_log_ratio, sizes)), sum(map(variance_log_ratio, sizes))


def probability_dead(widths: Iterable[int]) -> float:
    """Probability 1 − Π(1 − 2^{−n_l}) that a ReLU network is dead on one given input (Hanin 2018)."""
    return float(-np.expm1(np.sum([np.log1p(-(0.5**width)) for width in widths])))


def second_moment(width: int, activation: str = "relu", orthogonal: bool = False) -> float:
    """E[r²] of one layer's ratio r with E[r] = 1.

    Gaussian ReLU 1 + 5/n, orthogonal ReLU 1 + 3/(n+2), Gaussian linear 1 + 2/n, orthogonal linear 1.
    KeyError for another activation.
    """
    moments = {
        ("relu", False): 1 + 5 / width,
        ("relu", True): 1 + 3 / (width + 2),
        ("linear", False): 1 + 2 / width,
        ("linear", True): 1.0,
    }
    return moments[activation, orthogonal]


def relative_variance(widths: Iterable[int], activation: str = "relu", orthogonal: bool = False) -> float:
    """Var[r]/E[r]² = Π E[r_l²] − 1 of the ratio over all layers (Hanin and Nica 2018)."""
    return float(np.prod([second_moment(width, activation, orthogonal) for width in widths]) - 1)


def networks_for_mean_log(widths: Iterable[int], error: float) -> float:
    """Number of networks whose mean log ratio has the standard error ``error``: Σv(n_l)/error²."""
    return log_ratio_moments(widths)[1] / error**2


def networks_for_mean(widths: Iterable[int], relative_error: float) -> float:
    """Number of networks whose mean ratio has this relative standard error: (ΠE[r²] − 1)/error²."""
    return relative_variance(widths) / relative_error**2


def random_walk_gain(fan_in: int) -> float:
    """g = √2·exp(1.2/(max(n, 6) − 2.4)) for W ~ N(0, g²/n) and ReLU: E log ratio has no drift.

    Fitted formula of Sussillo and Abbott (2014, eq. 20).
    """
    return float(np.sqrt(2) * np.exp(1.2 / (max(fan_in, 6) - 2.4)))


def eigenvalue_variance(depth: int, slope_ratio: float, orthogonal: bool) -> float:
    """Variance of the eigenvalues of JJᵀ at criticality (their mean is 1), L(μ₂/μ₁² − 1 − s₁).

    ``slope_ratio`` is μ₂/μ₁² = E φ'⁴/(E φ'²)²: linear 1, ReLU 2.  s₁ = −1 for Gaussian weights, 0 for
    orthogonal ones (Pennington, Schoenholz and Ganguli 2017).
    """
    return depth * (slope_ratio - 1 - (0.0 if orthogonal else -1.0))


def mean_singular_value(weight_variance: float) -> float:
    """8/(3π)·√σw², mean singular value of a square Gaussian layer Jacobian with slope 1 (quarter-circle law).

    Glorot and Bengio (2010) measured "around 0.8" for normalized and 0.5 for standard initialization.
    """
    return float(8 / (3 * np.pi) * np.sqrt(weight_variance))
