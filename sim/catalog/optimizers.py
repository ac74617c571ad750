"""Optimizers: how parameters θ follow their gradient g.

An optimizer is two functions.  The decorated one takes the number of the step (1, 2, …)
and the hyperparameters and returns the numbers that stay the same over one step, in
float64: bias corrections, 1 − β and the like, which float32 would round badly.  Its *rule*
is the update itself, for one parameter: θ, g, the state slots, those numbers, in; θ and
the slots out.  Rules contain arithmetic and square roots only, so the compiler runs them
over a whole vector of parameters at once.

State slots start at zero.  Defaults are PyTorch's.  A hyperparameter that is one of a few
words (``choices``) reaches the function as the position of the word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.catalog.mathematics import sqrt
from sim.catalog.registry import Family

optimizer = Family("optimizer", supplied=1)
"""Arguments the kernels supply: the number of the step, from 1."""


@dataclass(frozen=True)
class Rule:
    """An elementwise update and the names of its state slots."""

    update: Callable[..., Any]
    slots: tuple[str, ...] = ()


def _descend(theta, g, lr):  # type: ignore[no-untyped-def]
    return (theta - lr * g,)


@optimizer(rule=lambda settings: Rule(_descend))
def sgd(step: Any, lr: float = 1e-3) -> Any:
    """Gradient descent: θ ← θ − lr · g.

    Stochastic, mini-batch or full batch by the order of samples, not by the rule.
    Source: Robbins & Monro 1951.
    """
    return (lr,)


def _follow(theta, g, v, lr, decay, gain):  # type: ignore[no-untyped-def]
    v = decay * v + gain * g
    return theta - lr * v, v


@optimizer(rule=lambda settings: Rule(_follow, ("velocity",)), choices={"form": ("ema", "heavy_ball")})
def momentum(step: Any, lr: float = 1e-3, beta: float = 0.9, form: Any = "ema", dampening: float = 0.0) -> Any:
    """Momentum: v ← β v + (1 − β) g (``ema``) or v ← β v + (1 − τ) g (``heavy_ball``); θ ← θ − lr · v.

    The moving-average form with lr equals the heavy ball with lr (1 − β).  The heavy ball
    is PyTorch's ``SGD(momentum=β, dampening=τ)``: its first step is v = g, undampened.
    Source: Polyak 1964.
    """
    heavy = form == 1.0
    first = step == 1.0
    gain = 1.0 - beta if not heavy else (1.0 if first else 1.0 - dampening)
    return lr, beta, gain


def _rms(theta, g, v, lr, rho, gain, epsilon, mu):  # type: ignore[no-untyped-def]
    v = rho * v + gain * (g * g)
    return theta - lr * (g / (sqrt(v) + epsilon)), v


def _rms_momentum(theta, g, v, b, lr, rho, gain, epsilon, mu):  # type: ignore[no-untyped-def]
    v = rho * v + gain * (g * g)
    b = mu * b + g / (sqrt(v) + epsilon)
    return theta - lr * b, v, b


def _rms_centered(theta, g, v, m, lr, rho, gain, epsilon, mu):  # type: ignore[no-untyped-def]
    v = rho * v + gain * (g * g)
    m = rho * m + gain * g
    variance = v - m * m
    variance = 0.0 if variance < 0.0 else variance
    return theta - lr * (g / (sqrt(variance) + epsilon)), v, m


def _rms_centered_momentum(theta, g, v, m, b, lr, rho, gain, epsilon, mu):  # type: ignore[no-untyped-def]
    v = rho * v + gain * (g * g)
    m = rho * m + gain * g
    variance = v - m * m
    variance = 0.0 if variance < 0.0 else variance
    b = mu * b + g / (sqrt(variance) + epsilon)
    return theta - lr * b, v, m, b


def _rms_rule(settings: dict[str, Any]) -> Rule:
    if settings["centered"] and settings["momentum"]:
        return Rule(_rms_centered_momentum, ("square_average", "average", "buffer"))
    if settings["centered"]:
        return Rule(_rms_centered, ("square_average", "average"))
    if settings["momentum"]:
        return Rule(_rms_momentum, ("square_average", "buffer"))
    return Rule(_rms, ("square_average",))


@optimizer(rule=_rms_rule)
def rmsprop(
    step: Any,
    lr: float = 1e-2,
    rho: float = 0.99,
    epsilon: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
) -> Any:
    """RMSprop: v ← ρ v + (1 − ρ) g²; θ ← θ − lr · g / (√v + ε).

    ``momentum`` μ > 0 follows b ← μ b + g / (√v + ε) instead of g / (√v + ε);
    ``centered`` divides by the root of v − (moving average of g)², clamped at 0.
    As PyTorch's ``RMSprop``; optax puts ε inside the root and has ρ = 0.9.
    Source: Tieleman & Hinton 2012; centered: Graves 2013.
    """
    return lr, rho, 1.0 - rho, epsilon, momentum


def _adam(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon):  # type: ignore[no-untyped-def]
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * (g * g)
    return theta - rate * (m / (sqrt(v) * root + epsilon)), m, v


@optimizer(rule=lambda settings: Rule(_adam, ("first_moment", "second_moment")))
def adam(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    bias_correction: bool = True,
) -> Any:
    """Adam: m, v moving averages of g, g²; θ ← θ − lr · m̂ / (√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).

    Without ``bias_correction`` m̂ = m and v̂ = v, as some visualizations have it: the
    first step is then (1 − β₁)/√(1 − β₂) · lr instead of lr.  ε stands outside the root,
    after the correction, as in PyTorch's ``Adam``.  Source: Kingma & Ba 2015.
    """
    corrected1 = 1.0 - beta1**step if bias_correction else 1.0
    corrected2 = 1.0 - beta2**step if bias_correction else 1.0
    return lr / corrected1, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0 / corrected2**0.5, epsilon
