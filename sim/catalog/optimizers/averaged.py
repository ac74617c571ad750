"""Schedule-free rules: the gradient is taken at y, the network is evaluated at an average x of all z.

With θ = y a rule keeps z − y; x follows from the two, so the average costs no memory:
y = (1 − β) z + β x makes x = y − (1/β − 1)(z − y).
"""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import sqrt
from sim.catalog.optimizers.family import NOT_NEGATIVE, POSITIVE, SHARE, Rule, optimizer

BETWEEN = Range(0.0, 1.0, above=True, below=True)
"""At β = 0 y would be z, and nothing would tell of x."""
STEPS = Range(0, whole=True)


def _free_sgd(y, g, ahead, rate, beta, back, share, decay):
    z = y + ahead
    x = y - back * ahead
    z = z - rate * (g + decay * y)
    x = x + share * (z - x)
    y = z + beta * (x - z)
    return y, z - y


def _average(y, ahead, rate, beta, back, share, decay):
    return y - back * ahead


def _free_adam(y, g, ahead, v, rate, beta, back, share, decay, beta2, gain2, root, epsilon):
    z = y + ahead
    x = y - back * ahead
    v = beta2 * v + gain2 * (g * g)
    z = z - rate * (g / (sqrt(v) * root + epsilon) + decay * y)
    x = x + share * (z - x)
    y = z + beta * (x - z)
    return y, z - y, v


def _average_of_adam(y, ahead, v, rate, beta, back, share, decay, beta2, gain2, root, epsilon):
    return y - back * ahead


def weights_of(step: Any, warmup: Any) -> Any:
    """(γ over its peak, γ² over Σ γ²) of a step whose γ rises in a straight line over ``warmup`` steps."""
    length = max(warmup, 1.0)
    rise = min(1.0, step / length)
    rising = min(step, length)
    total = rising * (rising + 1.0) * (2.0 * rising + 1.0) / (6.0 * length * length) + step - rising
    return rise, rise * rise / total


FUNCTIONS = (weights_of,)
"""What the kernels compile as it stands."""


@optimizer(
    rule=lambda settings: Rule(_free_sgd, ("lead",), rest=_average),
    limits={"beta": BETWEEN, "warmup": STEPS, "weight_decay": NOT_NEGATIVE},
    decays={"decoupled": "weight_decay"},
)
def schedule_free_sgd(
    step: Any, lr: float = 1.0, beta: float = 0.9, warmup: int = 0, weight_decay: float = 0.0
) -> Any:
    """Schedule-free SGD: z ← z − γ (∇f(y) + λ y); x ← (1 − c) x + c z; y = (1 − β) z + β x; evaluated at x.

    γ = lr · min(1, t / ``warmup``), c = γ² / Σ γ².  Mini-batch losses and gradients are those at y; a
    checkpoint's scores, and the network that training leaves, those at x (running statistics of batch
    normalization stay those of y).  Decay works at y, decoupled or not; a schedule multiplies γ and
    leaves c.  As the authors' ``schedulefree.SGDScheduleFree``; optax's ``contrib.schedule_free_sgd`` begins
    its warm-up with a step of 0; PyTorch has none.  Source: Defazio et al. 2024.
    """
    rise, share = weights_of(step, warmup)
    return lr * rise, beta, 1.0 / beta - 1.0, share, weight_decay


@optimizer(
    rule=lambda settings: Rule(_free_adam, ("lead", "second_moment"), rest=_average_of_adam),
    limits={
        "beta1": BETWEEN,
        "beta2": SHARE,
        "epsilon": POSITIVE,
        "warmup": STEPS,
        "weight_decay": NOT_NEGATIVE,
    },
    decays={"decoupled": "weight_decay"},
)
def schedule_free_adamw(
    step: Any,
    lr: float = 2.5e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    warmup: int = 0,
    weight_decay: float = 0.0,
) -> Any:
    """Schedule-free AdamW: z ← z − γ (g / (√v̂ + ε) + λ y), g = ∇f(y); x and y as in ``schedule_free_sgd``.

    v is the moving average of g²; there is no first moment, the average x stands in for it.  As the
    authors' ``schedulefree.AdamWScheduleFree``; optax's ``contrib.schedule_free_adamw`` begins its warm-up
    with a step of 0; PyTorch has none.  Source: Defazio et al. 2024.
    """
    rise, share = weights_of(step, warmup)
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    return lr * rise, beta1, 1.0 / beta1 - 1.0, share, weight_decay, beta2, 1.0 - beta2, root, epsilon
