"""Steps divided by the root of what squared gradients add up to: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from typing import Any

from sim.catalog.mathematics import sqrt
from sim.catalog.optimizers.family import NOT_NEGATIVE, POSITIVE, SHARE, Rule, optimizer

PLACES = ("outside", "inside")
"""Where ε stands: √v + ε, or √(v + ε)."""


def _adagrad(theta, g, s, rate, start, inside, outside):
    s = s + start + g * g
    return theta - rate * (g / (sqrt(s + inside) + outside)), s


@optimizer(
    rule=lambda settings: Rule(_adagrad, ("square_sum",)),
    choices={"epsilon_place": PLACES},
    limits={"lr_decay": NOT_NEGATIVE, "initial": NOT_NEGATIVE, "epsilon": POSITIVE},
)
def adagrad(
    step: Any,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    initial: float = 0.0,
    epsilon: float = 1e-10,
    epsilon_place: Any = "outside",
) -> Any:
    """Adagrad: s ← s + g²; θ ← θ − lr / (1 + (t − 1) η) · g / (√s + ε), s₀ = ``initial``, η = ``lr_decay``.

    As PyTorch's ``Adagrad``.  optax's has s₀ = 0.1 and ε = 1e-7 inside the root.
    Source: Duchi, Hazan & Singer 2011.
    """
    within = epsilon_place == 1.0
    start = initial if step == 1.0 else 0.0
    return lr / (1.0 + (step - 1.0) * lr_decay), start, epsilon if within else 0.0, 0.0 if within else epsilon


def _rms(theta, g, v, lr, rho, gain, inside, outside, mu):
    v = rho * v + gain * (g * g)
    return theta - lr * (g / (sqrt(v + inside) + outside)), v


def _rms_momentum(theta, g, v, b, lr, rho, gain, inside, outside, mu):
    v = rho * v + gain * (g * g)
    b = mu * b + g / (sqrt(v + inside) + outside)
    return theta - lr * b, v, b


def _rms_centered(theta, g, v, m, lr, rho, gain, inside, outside, mu):
    v = rho * v + gain * (g * g)
    m = rho * m + gain * g
    variance = v - m * m
    variance = 0.0 if variance < 0.0 else variance
    return theta - lr * (g / (sqrt(variance + inside) + outside)), v, m


def _rms_centered_momentum(theta, g, v, m, b, lr, rho, gain, inside, outside, mu):
    v = rho * v + gain * (g * g)
    m = rho * m + gain * g
    variance = v - m * m
    variance = 0.0 if variance < 0.0 else variance
    b = mu * b + g / (sqrt(variance + inside) + outside)
    return theta - lr * b, v, m, b


def _rms_rule(settings: dict[str, Any]) -> Rule:
    if settings["centered"] and settings["momentum"]:
        return Rule(_rms_centered_momentum, ("square_average", "average", "buffer"))
    if settings["centered"]:
        return Rule(_rms_centered, ("square_average", "average"))
    if settings["momentum"]:
        return Rule(_rms_momentum, ("square_average", "buffer"))
    return Rule(_rms, ("square_average",))


@optimizer(
    rule=_rms_rule,
    choices={"epsilon_place": PLACES},
    limits={"rho": SHARE, "epsilon": NOT_NEGATIVE, "momentum": SHARE},
)
def rmsprop(
    step: Any,
    lr: float = 1e-2,
    rho: float = 0.99,
    epsilon: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    epsilon_place: Any = "outside",
) -> Any:
    """RMSprop: v ← ρ v + (1 − ρ) g²; θ ← θ − lr · g / (√v + ε).

    ``momentum`` μ > 0 follows b ← μ b + g / (√v + ε) instead of g / (√v + ε);
    ``centered`` divides by the root of v − (moving average of g)², clamped at 0.
    As PyTorch's ``RMSprop``; optax has ρ = 0.9 and ε inside the root, √(v + ε).
    Source: Tieleman & Hinton 2012; centered: Graves 2013.
    """
    within = epsilon_place == 1.0
    return lr, rho, 1.0 - rho, epsilon if within else 0.0, 0.0 if within else epsilon, momentum


def _adadelta(theta, g, v, u, lr, rho, gain, epsilon):
    v = rho * v + gain * (g * g)
    move = sqrt(u + epsilon) / sqrt(v + epsilon) * g
    u = rho * u + gain * (move * move)
    return theta - lr * move, v, u


@optimizer(
    rule=lambda settings: Rule(_adadelta, ("square_average", "square_move")),
    limits={"rho": SHARE, "epsilon": POSITIVE},
)
def adadelta(step: Any, lr: float = 1.0, rho: float = 0.9, epsilon: float = 1e-6) -> Any:
    """Adadelta: v ← ρ v + (1 − ρ) g²; Δ = √(u + ε) / √(v + ε) · g; u ← ρ u + (1 − ρ) Δ²; θ ← θ − lr · Δ.

    As PyTorch's ``Adadelta`` and optax's ``adadelta``.  Source: Zeiler 2012.
    """
    return lr, rho, 1.0 - rho, epsilon
