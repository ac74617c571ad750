"""Gradient descent and momentum: θ follows g, or an average of past g.

Multiply-adds are fused, as those of the products are: one rounding less, one instruction less.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.mathematics import fma
from sim.catalog.optimizers.family import SHARE, Rule, optimizer


def _descend(theta, g, lr):
    return (fma(-lr, g, theta),)


@optimizer(rule=lambda settings: Rule(_descend))
def sgd(step: Any, lr: float = 1e-3) -> Any:
    """Gradient descent: θ ← θ − lr · g.

    Stochastic, mini-batch or full batch by the order of samples, not by the rule.
    Source: Robbins & Monro 1951.
    """
    return (lr,)


def _follow(theta, g, v, lr, decay, gain):
    v = fma(gain, g, decay * v)
    return fma(-lr, v, theta), v


@optimizer(
    rule=lambda settings: Rule(_follow, ("velocity",)),
    choices={"form": ("ema", "heavy_ball")},
    limits={"beta": SHARE, "dampening": SHARE},
)
def momentum(
    step: Any, lr: float = 1e-3, beta: float = 0.9, form: Any = "ema", dampening: float = 0.0
) -> Any:
    """Momentum: v ← β v + (1 − β) g (``ema``) or v ← β v + (1 − τ) g (``heavy_ball``); θ ← θ − lr · v.

    The moving-average form with lr equals the heavy ball with lr (1 − β).  The heavy ball
    is PyTorch's ``SGD(momentum=β, dampening=τ)``: its first step is v = g, undampened; with
    τ = 0 it is optax's ``sgd(momentum=β)`` too.  Source: Polyak 1964.
    """
    heavy = form == 1.0
    first = step == 1.0
    gain = 1.0 - beta if not heavy else (1.0 if first else 1.0 - dampening)
    return lr, beta, gain


def _look_ahead(theta, g, v, lr, beta):
    v = fma(beta, v, g)
    return fma(-lr, fma(beta, v, g), theta), v


@optimizer(rule=lambda settings: Rule(_look_ahead, ("velocity",)), limits={"beta": SHARE})
def nesterov(step: Any, lr: float = 1e-3, beta: float = 0.9) -> Any:
    """Nesterov's momentum: v ← β v + g; θ ← θ − lr · (g + β v).

    As PyTorch's ``SGD(momentum=β, nesterov=True)`` and optax's ``sgd(momentum=β,
    nesterov=True)``.  The look-ahead form of Sutskever et al. 2013, which takes g at θ − lr β v,
    is the same in the variable θ − lr β v.  Source: Nesterov 1983.
    """
    return lr, beta
