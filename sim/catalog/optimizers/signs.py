"""Steps whose size does not depend on how large the gradient is: Rprop, Lion."""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import maximum, minimum, sign, where
from sim.catalog.optimizers.family import NOT_NEGATIVE, POSITIVE, SHARE, Rule, optimizer


def _rprop(theta, g, size, previous, start, shrink, grow, smallest, largest):
    agreement = g * previous
    change = where(agreement > 0.0, grow, where(agreement < 0.0, shrink, 1.0))
    size = minimum(maximum((size + start) * change, smallest), largest)
    g = where(agreement < 0.0, 0.0, g)
    return theta - size * sign(g), size, g


@optimizer(
    rule=lambda settings: Rule(_rprop, ("step_size", "previous_gradient")),
    limits={
        "shrink": Range(0.0, 1.0, above=True, below=True),
        "grow": Range(1.0, above=True),
        "smallest": POSITIVE,
        "largest": POSITIVE,
    },
)
def rprop(
    step: Any,
    lr: float = 1e-2,
    shrink: float = 0.5,
    grow: float = 1.2,
    smallest: float = 1e-6,
    largest: float = 50.0,
) -> Any:
    """Rprop: each parameter's step size grows while its gradient keeps its sign and shrinks when it turns.

    Δ ← Δ · 1.2 where g · g₋₁ > 0, Δ · 0.5 where < 0, within [``smallest``, ``largest``]; θ ← θ − Δ · sign g,
    but no step after a change of sign.  lr is the first Δ and nothing else, so a schedule
    does not change what follows.  For full batches: on mini-batches signs change by chance.
    As PyTorch's ``Rprop``; optax's ``rprop`` returns the step before the one it computed.
    Source: Riedmiller & Braun 1993.
    """
    return lr if step == 1.0 else 0.0, shrink, grow, smallest, largest


def _lion(theta, g, m, keep, lr, beta1, gain1, beta2, gain2):
    direction = sign(beta1 * m + gain1 * g)
    return keep * theta - lr * direction, beta2 * m + gain2 * g


@optimizer(
    rule=lambda settings: Rule(_lion, ("first_moment",)),
    limits={"beta1": SHARE, "beta2": SHARE, "weight_decay": NOT_NEGATIVE},
)
def lion(
    step: Any, lr: float = 1e-4, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0
) -> Any:
    """Lion: θ ← θ − lr · (sign(β₁ m + (1 − β₁) g) + λ θ); m ← β₂ m + (1 − β₂) g; sign 0 = 0.

    As optax's ``lion``, whose λ is 1e-3; PyTorch has none.  Source: Chen et al. 2023.
    """
    return 1.0 - lr * weight_decay, lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2
