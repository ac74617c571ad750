"""Adam and its close relatives: a moving average m of g over the root of one, v, of g².

A moving average x of y is written x + (1 − β)(y − x), as PyTorch's ``lerp``: two operations for three.
The corrections of both are numbers of the step, √v̂ = root · √v; a rule takes what it can of them into its
rate and its ε, so that a parameter costs no operation more than it must.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import absolute, fma, maximum, sqrt
from sim.catalog.optimizers.family import NOT_NEGATIVE, POSITIVE, SHARE, Rule, optimizer

BETAS = {"beta1": SHARE, "beta2": SHARE, "epsilon": NOT_NEGATIVE}
MOMENTS = ("first_moment", "second_moment")
EPSILON_PLACES = ("outside", "inside", "before")
"""√v̂ + ε; √(v̂ + ε); or √v + ε before v is corrected."""


def _adam(theta, g, m, v, rate, gain1, gain2, epsilon):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    return fma(-rate, m / (sqrt(v) + epsilon), theta), m, v


def _adam_inside(theta, g, m, v, rate, gain1, gain2, epsilon):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    return fma(-rate, m / sqrt(v + epsilon), theta), m, v


@optimizer(
    rule=lambda settings: Rule(_adam_inside if settings["epsilon_place"] == "inside" else _adam, MOMENTS),
    choices={"epsilon_place": EPSILON_PLACES},
    limits=BETAS,
)
def adam(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    bias_correction: bool = True,
    epsilon_place: Any = "outside",
) -> Any:
    """Adam: m, v moving averages of g, g²; θ ← θ − lr · m̂ / (√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).

    Without ``bias_correction`` m̂ = m and v̂ = v, as some visualizations have it: the
    first step is then (1 − β₁)/√(1 − β₂) · lr instead of lr.  ε stands outside the root,
    after the correction, as in PyTorch's ``Adam`` and optax's ``adam(eps)``; ``inside`` is
    √(v̂ + ε), optax's ``eps_root``; ``before`` is √v + ε, corrected afterwards, the paper's second
    form and TensorFlow 1's.  Source: Kingma & Ba 2015.
    """
    corrected1 = 1.0 - beta1**step if bias_correction else 1.0
    corrected2 = 1.0 - beta2**step if bias_correction else 1.0
    root = corrected2**0.5
    small = epsilon if epsilon_place == 2.0 else epsilon * (corrected2 if epsilon_place == 1.0 else root)
    return lr / corrected1 * root, 1.0 - beta1, 1.0 - beta2, small


def _adamw(theta, g, m, v, keep, rate, gain1, gain2, epsilon):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    return fma(-rate, m / (sqrt(v) + epsilon), keep * theta), m, v


@optimizer(rule=lambda settings: Rule(_adamw, MOMENTS), limits={**BETAS, "weight_decay": NOT_NEGATIVE})
def adamw(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> Any:
    """AdamW: θ ← θ − lr · λ · θ, then Adam with the gradient of before; λ = ``weight_decay``.

    The decay never passes through the moments, so it is not divided by √v.  As PyTorch's
    ``AdamW``; optax's has λ = 1e-4.  Source: Loshchilov & Hutter 2019.
    """
    root = (1.0 - beta2**step) ** 0.5
    rate = lr / (1.0 - beta1**step) * root
    return 1.0 - lr * weight_decay, rate, 1.0 - beta1, 1.0 - beta2, epsilon * root


def _amsgrad(theta, g, m, v, largest, rate, gain1, gain2, share, epsilon):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    largest = maximum(v * share, largest)
    return fma(-rate, m / (sqrt(largest) + epsilon), theta), m, v, largest


@optimizer(
    rule=lambda settings: Rule(_amsgrad, (*MOMENTS, "largest_second_moment")),
    choices={"maximum": ("uncorrected", "corrected")},
    limits=BETAS,
)
def amsgrad(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    bias_correction: bool = True,
    maximum: Any = "uncorrected",
) -> Any:
    """AMSGrad: Adam with the largest second moment so far, w ← max(w, v); θ ← θ − lr · m̂ / (√ŵ + ε).

    ``uncorrected`` keeps the largest v and corrects it by today's 1 − β₂ᵗ, as PyTorch's
    ``Adam(amsgrad=True)``; ``corrected`` keeps the largest v̂, as optax's ``amsgrad``: early
    steps differ.  The paper corrects nothing (``bias_correction = false``).
    Source: Reddi, Kale & Kumar 2018.
    """
    corrected1 = 1.0 - beta1**step if bias_correction else 1.0
    corrected2 = 1.0 - beta2**step if bias_correction else 1.0
    share = 1.0 / corrected2 if maximum == 1.0 else 1.0
    root = 1.0 if maximum == 1.0 else corrected2**0.5
    return lr / corrected1 * root, 1.0 - beta1, 1.0 - beta2, share, epsilon * root


def _nadam(theta, g, m, v, now, ahead, gain1, gain2, epsilon):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    return theta - (now * g + ahead * m) / (sqrt(v) + epsilon), m, v


@optimizer(
    rule=lambda settings: Rule(_nadam, MOMENTS),
    choices={"momentum_schedule": ("growing", "constant")},
    limits={**BETAS, "momentum_decay": NOT_NEGATIVE},
)
def nadam(
    step: Any,
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    momentum_decay: float = 4e-3,
    momentum_schedule: Any = "growing",
) -> Any:
    """NAdam: θ ← θ − lr · [(1 − μₜ) g / (1 − Π_{k≤t} μₖ) + μₜ₊₁ m / (1 − Π_{k≤t+1} μₖ)] / (√v̂ + ε).

    ``growing``: μₜ = β₁ (1 − ½ · 0.96^{t ψ}), ψ = ``momentum_decay``, as PyTorch's ``NAdam``;
    ``constant``: μₜ = β₁, as optax's ``nadam`` (whose lr is 1e-3).  Source: Dozat 2016.
    """
    shrink = 0.0 if momentum_schedule == 1.0 else 0.96**momentum_decay
    product, power, k = 1.0, 1.0, 0.0
    while k < step and product > 1e-18:  # below this, 1 − Π is 1 whatever follows
        power *= shrink
        product *= beta1 * (1.0 - 0.5 * power)
        k += 1.0
    now = beta1 * (1.0 - 0.5 * shrink**step)
    ahead = beta1 * (1.0 - 0.5 * shrink ** (step + 1.0))
    root = (1.0 - beta2**step) ** 0.5
    current = lr * (1.0 - now) / (1.0 - product) * root
    following = lr * ahead / (1.0 - product * ahead) * root
    return current, following, 1.0 - beta1, 1.0 - beta2, epsilon * root


def _radam(theta, g, m, v, rate, gain1, gain2, root, outside):
    m = fma(gain1, g - m, m)
    v = fma(gain2, fma(g, g, -v), v)
    return fma(-rate, m / fma(sqrt(v), root, outside), theta), m, v


@optimizer(
    rule=lambda settings: Rule(_radam, MOMENTS),
    choices={"epsilon_place": ("before", "outside")},
    limits={**BETAS, "threshold": Range(4.0)},
)
def radam(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    threshold: float = 5.0,
    epsilon_place: Any = "before",
) -> Any:
    """Rectified Adam: θ ← θ − lr · r · m̂ / √v̂ once ρₜ > 5, before that θ ← θ − lr · m̂.

    ρ∞ = 2/(1 − β₂) − 1; ρₜ = ρ∞ − 2 t β₂ᵗ/(1 − β₂ᵗ); r = √[(ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)].
    PyTorch's ``RAdam`` adds ε to the uncorrected √v (``before``), optax's ``radam`` to √v̂
    (``outside``); both rectify above 5, the paper above 4.  Source: Liu et al. 2020.
    """
    corrected2 = 1.0 - beta2**step
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * step * beta2**step / corrected2
    rate, root, outside = lr / (1.0 - beta1**step), 0.0, 1.0
    if length > threshold:
        kept = (length - 4.0) * (length - 2.0) * longest
        rate *= (kept / ((longest - 4.0) * (longest - 2.0) * length)) ** 0.5
        root = 1.0 / corrected2**0.5
        outside = epsilon * root if epsilon_place == 0.0 else epsilon
    return rate, 1.0 - beta1, 1.0 - beta2, root, outside


def _adamax(theta, g, m, u, rate, gain1, beta2, epsilon):
    m = fma(gain1, g - m, m)
    u = maximum(absolute(g) + epsilon, beta2 * u)
    return theta - rate * (m / u), m, u


@optimizer(
    rule=lambda settings: Rule(_adamax, ("first_moment", "largest_gradient")),
    limits={**BETAS, "epsilon": POSITIVE},
)
def adamax(
    step: Any, lr: float = 2e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Any:
    """Adamax: m moving average of g, u ← max(β₂ u, |g| + ε); θ ← θ − lr / (1 − β₁ᵗ) · m / u.

    As PyTorch's ``Adamax`` and optax's ``adamax`` (lr 1e-3 there).  Source: Kingma & Ba 2015, section 7.1.
    """
    return lr / (1.0 - beta1**step), 1.0 - beta1, beta2, epsilon
