"""Adam with another measure of how far gradients spread: Yogi, AdaBelief, Sophia."""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import maximum, minimum, sign, sqrt
from sim.catalog.optimizers.family import NOT_NEGATIVE, POSITIVE, Rule, optimizer
from sim.catalog.optimizers.moments import BETAS, MOMENTS


def _yogi(theta, g, m, v, start, rate, beta1, gain1, beta2, gain2, root, epsilon):
    m = beta1 * (m + start) + gain1 * g
    v = v + start
    square = g * g
    v = v - gain2 * (sign(v - square) * square)
    return theta - rate * (m / (sqrt(v) * root + epsilon)), m, v


@optimizer(rule=lambda settings: Rule(_yogi, MOMENTS), limits={**BETAS, "initial": NOT_NEGATIVE})
def yogi(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-3,
    initial: float = 1e-6,
) -> Any:
    """Yogi: Adam with v ← v − (1 − β₂) · sign(v − g²) · g², which falls no faster than it rises.

    m₀ = v₀ = ``initial``, and both are bias-corrected all the same, as in optax's ``yogi``
    (whose lr has no default); PyTorch has none.  Source: Zaheer et al. 2018.
    """
    start = initial if step == 1.0 else 0.0
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    return start, lr / (1.0 - beta1**step), beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, epsilon


def _adabelief(theta, g, m, v, rate, beta1, gain1, beta2, gain2, floor, root, epsilon):
    m = beta1 * m + gain1 * g
    surprise = g - m
    v = beta2 * v + gain2 * (surprise * surprise) + floor
    return theta - rate * (m / (sqrt(v) * root + epsilon)), m, v


@optimizer(
    rule=lambda settings: Rule(_adabelief, ("first_moment", "second_central_moment")),
    limits={**BETAS, "floor": NOT_NEGATIVE},
)
def adabelief(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-16,
    floor: float = 1e-16,
) -> Any:
    """AdaBelief: Adam with v ← β₂ v + (1 − β₂)(g − m)² + ε_s, m the moving average that has just seen g.

    ``floor`` is ε_s, added every step.  As optax's ``adabelief`` (``eps_root`` there); PyTorch has
    none.  Source: Zhuang et al. 2020.
    """
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    return lr / (1.0 - beta1**step), beta1, 1.0 - beta1, beta2, 1.0 - beta2, floor, root, epsilon


def _sophia(theta, g, m, h, keep, lr, corrected, beta1, gain1, beta2, gain2, gamma, limit, epsilon):
    m = beta1 * m + gain1 * g
    move = m * corrected / maximum(gamma * h, epsilon)
    h = beta2 * h + gain2 * (g * g)
    return keep * theta - lr * minimum(maximum(move, -limit), limit), m, h


@optimizer(
    rule=lambda settings: Rule(_sophia, ("first_moment", "curvature")),
    limits={
        **BETAS,
        "epsilon": POSITIVE,
        "gamma": POSITIVE,
        "samples": POSITIVE,
        "every": Range(1, whole=True),
        "limit": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
    },
)
def sophia(
    step: Any,
    lr: float = 1e-4,
    beta1: float = 0.965,
    beta2: float = 0.99,
    epsilon: float = 1e-8,
    gamma: float = 0.01,
    samples: float = 1.0,
    every: int = 10,
    limit: float = 1.0,
    weight_decay: float = 0.0,
) -> Any:
    """Sophia: θ ← θ − lr · (λ θ + clip(m̂ / max(γ h, ε), ±``limit``)), h the Hessian's diagonal, averaged.

    The diagonal is estimated on steps 1, 1 + ``every``, … by ``samples`` · g², the Gauss-Newton
    diagonal of a mini-batch of that many samples with the labels it has; Sophia-G draws
    labels from the network's own prediction instead, Sophia-H probes the Hessian with random
    signs.  As optax's ``sophia`` given that estimate: it is used from the next step on, and m is
    bias-corrected, which the paper's code leaves out.  Source: Liu et al. 2023.
    """
    counted = (step - 1.0) % every == 0.0
    return (
        1.0 - lr * weight_decay, lr, 1.0 / (1.0 - beta1**step), beta1, 1.0 - beta1,
        beta2 if counted else 1.0, (1.0 - beta2) * samples if counted else 0.0, gamma, limit, epsilon,
    )  # fmt: skip
