"""Rules that look at a whole tensor of a layer: LARS, LAMB, Muon, Shampoo, SOAP.

Their updates change tensors in place (see ``Rule``) and are written as array code: they
allocate temporary arrays, cost more for each parameter and take longer to compile than
elementwise rules.  Flat vectors compile in a quarter of the time of matrices, so whatever is
elementwise is done flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.catalog.limits import Range
from sim.catalog.matrices import eigenvectors, length, orthogonal, power
from sim.catalog.optimizers.family import HIDDEN, NOT_NEGATIVE, POSITIVE, SHARE, VECTOR, Rule, optimizer
from sim.catalog.optimizers.moments import BETAS, MOMENTS
from sim.catalog.sums import real


def _lars(kind, shape, theta, g, v, lr, beta, trust, decay, epsilon):
    u = g + decay * theta
    size, slope = length(theta), length(u)
    ratio = trust * size / (slope + epsilon) if size > 0.0 and slope > 0.0 else 1.0
    v[:] = beta * v + (lr * ratio) * u
    theta -= v


@optimizer(
    rule=lambda settings: Rule(_lars, ("velocity",), layerwise=True),
    limits={"beta": SHARE, "trust": POSITIVE, "weight_decay": NOT_NEGATIVE, "epsilon": NOT_NEGATIVE},
)
def lars(
    step: Any,
    lr: float = 1.0,
    beta: float = 0.9,
    trust: float = 1e-3,
    weight_decay: float = 0.0,
    epsilon: float = 0.0,
) -> Any:
    """LARS: u = g + λ θ; v ← β v + lr · η ‖θ‖/‖u‖ · u; θ ← θ − v, for each tensor; η = ``trust``.

    The ratio is 1 where a norm is 0.  As optax's ``lars`` (biases and all, ratio and decay
    unmasked); PyTorch has none.  Source: You, Gitman & Ginsburg 2017.
    """
    return lr, beta, trust, weight_decay, epsilon


def _lamb(kind, shape, theta, g, m, v, lr, beta1, gain1, beta2, gain2, corrected, root, epsilon, decay):
    m[:] = beta1 * m + gain1 * g
    v[:] = beta2 * v + gain2 * (g * g)
    u = corrected * m / (np.sqrt(v) * root + epsilon) + decay * theta
    size, slope = length(theta), length(u)
    ratio = size / slope if size > 0.0 and slope > 0.0 else 1.0
    theta -= (lr * ratio) * u


@optimizer(
    rule=lambda settings: Rule(_lamb, MOMENTS, layerwise=True), limits={**BETAS, "weight_decay": NOT_NEGATIVE}
)
def lamb(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
) -> Any:
    """LAMB: u = m̂ / (√v̂ + ε) + λ θ; θ ← θ − lr · ‖θ‖/‖u‖ · u, for each tensor; ratio 1 where a norm is 0.

    As optax's ``lamb``; PyTorch has none.  Source: You et al. 2020.
    """
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    corrected = 1.0 / (1.0 - beta1**step)
    return lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2, corrected, root, epsilon, weight_decay


def _muon(
    kind,
    shape,
    theta,
    g,
    m,
    v,
    keep,
    lr,
    beta,
    gain,
    now,
    ahead,
    rate,
    beta1,
    gain1,
    beta2,
    gain2,
    root,
    epsilon,
):
    if kind == HIDDEN:
        m[:] = beta * m + gain * g
        u = now * g + ahead * m
        u = u / max(length(u), epsilon)
        turned = orthogonal(u.reshape(shape), 5, 3.4445, -4.7750, 2.0315).reshape(u.size)
        tall = real(max(shape[0], shape[1]), lr) / real(shape[1], lr)
        theta[:] = keep * theta - (lr * np.sqrt(tall)) * turned
    else:
        m[:] = beta1 * m + gain1 * g
        v[:] = beta2 * v + gain2 * (g * g)
        theta -= rate * (m / (np.sqrt(v) * root + epsilon))


@optimizer(
    rule=lambda settings: Rule(_muon, MOMENTS, layerwise=True),
    limits={**BETAS, "momentum": SHARE, "weight_decay": NOT_NEGATIVE, "adam_share": POSITIVE},
)
def muon(
    step: Any,
    lr: float = 1e-3,
    momentum: float = 0.95,
    nesterov: bool = True,
    bias_correction: bool = False,
    weight_decay: float = 0.1,
    adam_share: float = 1.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-7,
) -> Any:
    """Muon: m ← μ m + (1 − μ) G; W ← W − lr · (λ W + √max(1, rows/columns) · NS((1 − μ) G + μ m)).

    NS divides by the norm and makes singular values about 1 by five Newton–Schulz steps
    (3.4445, −4.7750, 2.0315).  Hidden matrices only: the first and the last layer and all vectors
    take Adam with lr · ``adam_share`` and without decay.  As PyTorch's ``Muon``, which rounds NS to
    bfloat16; ``bias_correction`` divides g by 1 − μᵗ and m by 1 − μᵗ⁺¹ as optax's ``muon`` does, which
    gives the rest Nesterov's Adam and decays nothing unless asked.
    Source: Jordan et al. 2024.
    """
    now = 1.0 - momentum if nesterov else 0.0
    ahead = momentum if nesterov else 1.0
    if bias_correction:
        now /= 1.0 - momentum**step
        ahead /= 1.0 - momentum ** (step + 1.0 if nesterov else step)
    rate = lr * adam_share / (1.0 - beta1**step)
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    return (
        1.0 - lr * weight_decay, lr, momentum, 1.0 - momentum, now, ahead,
        rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, epsilon,
    )  # fmt: skip


def _shampoo(kind, shape, theta, g, left, right, lr, epsilon):
    slope = g.reshape(shape)
    left += slope @ slope.T
    right += slope.T @ slope
    if kind == VECTOR:
        move = power(left, epsilon, -0.5) @ slope
    else:
        move = power(left, epsilon, -0.25) @ slope @ power(right, epsilon, -0.25)
    theta -= lr * move.reshape(g.size)


@optimizer(rule=lambda settings: Rule(_shampoo, (), layerwise=True, pairs=1), limits={"epsilon": POSITIVE})
def shampoo(step: Any, lr: float = 1e-1, epsilon: float = 1e-4) -> Any:
    """Shampoo: L ← L + G Gᵀ; R ← R + Gᵀ G; W ← W − lr · L^(−1/4) G R^(−1/4), L₀ = R₀ = ε · 1.

    A vector has L alone, with power −1/2.  The paper's algorithms 1 and 2, roots taken every
    step from the eigenvalues; later codes average L and R and take roots now and then.
    Source: Gupta, Koren & Singer 2018.
    """
    return lr, epsilon


def _soap(
    kind, shape, theta, g, m, v, left, right, basis, other,
    rate, beta1, gain1, beta2, gain2, share, refresh, root, epsilon,
):  # fmt: skip
    m[:] = beta1 * m + gain1 * g
    if kind == VECTOR:
        v[:] = beta2 * v + gain2 * (g * g)
        theta -= rate * (m / (np.sqrt(v) * root + epsilon))
    else:
        slope = g.reshape(shape)
        left[:] = share * left + (1.0 - share) * (slope @ slope.T)
        right[:] = share * right + (1.0 - share) * (slope.T @ slope)
        if refresh > 0.0:
            basis[:] = eigenvectors(left)
            other[:] = eigenvectors(right)
        turned = (basis.T @ slope @ other).reshape(g.size)
        v[:] = beta2 * v + gain2 * (turned * turned)
        move = (basis.T @ m.reshape(shape) @ other).reshape(g.size) / (np.sqrt(v) * root + epsilon)
        theta -= rate * (basis @ move.reshape(shape) @ other.T).reshape(g.size)


@optimizer(
    rule=lambda settings: Rule(_soap, MOMENTS, layerwise=True, pairs=2),
    limits={**BETAS, "shampoo_beta": SHARE, "every": Range(1, whole=True)},
)
def soap(
    step: Any,
    lr: float = 3e-3,
    beta1: float = 0.95,
    beta2: float = 0.95,
    epsilon: float = 1e-8,
    shampoo_beta: float = 0.95,
    every: int = 10,
) -> Any:
    """SOAP, Adam in Shampoo's basis: W ← W − lr · Q_L [Q_Lᵀ m̂ Q_R / (√v̂ + ε)] Q_Rᵀ.

    v is the average of (Q_Lᵀ G Q_R)²; Q_L, Q_R hold the eigenvectors of the averages of G Gᵀ and
    Gᵀ G, taken anew on steps 1, 1 + ``every``, …; vectors take Adam.  The paper's code refreshes the
    basis by one step of the power method and leaves out the first update.  Source: Vyas et al. 2025.
    """
    refresh = 1.0 if (step - 1.0) % every == 0.0 else 0.0
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    rate = lr / (1.0 - beta1**step)
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, shampoo_beta, refresh, root, epsilon
