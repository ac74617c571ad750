"""Optimizers on quadratics ½λx²: convergence rates, stability limits, first steps; what κ an input makes.

``rate`` is the factor on the distance to the minimum per step, asymptotically; ``curvature`` is lr·λ, the
learning rate times the eigenvalue, without unit; κ is the condition number, largest over smallest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Tuned(NamedTuple):
    """The best constant settings for eigenvalues in [smallest, largest] and the rate they reach."""

    lr: float
    momentum: float
    rate: float


def gradient_descent(smallest: float, largest: float) -> Tuned:
    """lr 2/(L+μ), rate (κ−1)/(κ+1) (Polyak 1964)."""
    return Tuned(2 / (largest + smallest), 0.0, (largest - smallest) / (largest + smallest))


def nesterov(smallest: float, largest: float) -> Tuned:
    """lr 1/L, β = (√κ−1)/(√κ+1), rate 1 − 1/√κ on a quadratic (Nesterov 1983)."""
    root = np.sqrt(largest / smallest)
    return Tuned(1 / largest, float((root - 1) / (root + 1)), float(1 - 1 / root))


def heavy_ball(smallest: float, largest: float) -> Tuned:
    """lr 4/(√L+√μ)², β = ((√κ−1)/(√κ+1))², rate (√κ−1)/(√κ+1) (Polyak 1964).

    The rate is a double root: errors fall as k·rate^k, so a measured rate is to be fitted to the tail.
    """
    high, low = np.sqrt(largest), np.sqrt(smallest)
    rate = float((high - low) / (high + low))
    return Tuned(float(4 / (high + low) ** 2), rate**2, rate)


def heavy_ball_rate(curvature: float, momentum: float) -> float:
    """Spectral radius of x ← x − lr·λx + β(x − x₋₁); β = 0 is gradient descent.

    Roots of r² − (1 + β − lr·λ)r + β.
    """
    return _largest_root(1 + momentum - curvature, momentum)


def nesterov_rate(curvature: float, momentum: float) -> float:
    """Spectral radius of Nesterov's step, the gradient taken at x + β(x − x₋₁).

    Roots of r² − (1 + β)(1 − lr·λ)r + β(1 − lr·λ).
    """
    return _largest_root((1 + momentum) * (1 - curvature), momentum * (1 - curvature))


def _largest_root(linear: float, constant: float) -> float:
    """Largest modulus of the roots of r² − linear·r + constant."""
    return float(np.max(np.abs(np.roots([1.0, -linear, constant]))))


def stability_limit(momentum: float = 0.0, averaged: bool = False) -> float:
    """The largest stable lr·λ: gradient descent 2, heavy ball 2(1+β), EMA momentum 2(1+β)/(1−β).

    ``averaged``: the velocity is the running mean βv + (1−β)g instead of the sum βv + g.  Heavy ball with
    lr(1−β) takes the same steps as EMA momentum with lr.
    """
    limit = 2 * (1 + momentum)
    return limit / (1 - momentum) if averaged else limit


def edge_sharpness(lr: float, momentum: float = 0.0, averaged: bool = False) -> float:
    """Sharpness (largest eigenvalue of the Hessian) at which full-batch training hovers, limit/lr.

    2/lr for gradient descent (Cohen et al. 2021).
    """
    return stability_limit(momentum, averaged) / lr


def adam_first_step(gradient: ArrayLike, lr: float, epsilon: float = 1e-8) -> NDArray[np.float64]:
    """Adam's first step, lr·g/(|g| + ε): about lr whatever the gradient (Kingma and Ba 2015); shape of g."""
    g = np.asarray(gradient, dtype=np.float64)
    return np.asarray(lr * g / (np.abs(g) + epsilon))


def adam_first_step_uncorrected(lr: float, beta1: float = 0.9, beta2: float = 0.999) -> float:
    """The first step without bias correction, lr(1−β1)/√(1−β2) for ε = 0: 3.16228 lr at the usual betas."""
    return float(lr * (1 - beta1) / np.sqrt(1 - beta2))


def rmsprop_first_step(lr: float, decay: float = 0.99) -> float:
    """RMSprop's first step, lr/√(1−ρ) for ε = 0: ten times lr at ρ = 0.99 (Tieleman and Hinton 2012)."""
    return float(lr / np.sqrt(1 - decay))


def shift_condition(mean_norm: float) -> float:
    """κ of white inputs (variance 1) with a bias, moved by a mean of norm m: why inputs are centred.

    κ = λ₊², λ₊ = 1 + m²/2 + m√(1 + m²/4): 6.854 at m = 1, 119 at m = 3 (LeCun et al. 1991 for the effect).
    """
    return float(1 + mean_norm**2 / 2 + mean_norm * np.sqrt(1 + mean_norm**2 / 4)) ** 2


def scale_condition(scale: float) -> float:
    """κ of white inputs of which one feature is multiplied by s: s², or 1/s² for s below 1."""
    return max(scale * scale, 1 / (scale * scale))


def adam_regret(c: float) -> float:
    """Average regret (2C−4)/3 a step of Adam on the sequence of Reddi, Kale and Kumar (2018), C > 2.

    f_t = Cx if t mod 3 = 1, else −x, on [−1, 1], β1 = 0, β2 = 1/(1+C²), lr α/√t: Adam ends at +1, the best
    point is −1, where AMSGrad ends.
    """
    return (2 * c - 4) / 3
