"""Losses: what a network's outputs cost against the targets, and the slope of that cost.

A loss sees the outputs of a mini-batch as (outputs, batch), targets alike (classes as
one-hot rows), and writes the loss ℓ of every sample and ∂ℓ/∂output.  The kernels take
the mean over the mini-batch; ``losses`` is zero before.  ``scratch`` is (2, batch) room for a loss to use.

The trait ``equations`` is how ℓ = f + Σ_k g(a_k, y_k) is written out for a reader: f, g and ∂ℓ/∂a_k, of the
outputs a, the targets y, and S = Σ_k exp(a_k).  A loss without it is written by its name.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.mathematics import exp, log1p
from sim.catalog.quadratic import CURVATURE
from sim.catalog.registry import Family
from sim.catalog.sums import column_dots, column_maxima, column_totals, exponentiate, lower, share_out

loss = Family("loss", supplied=5)
"""Arguments the kernels supply: outputs, targets, delta, losses, scratch."""


@loss(
    tasks=("regression", "classification"),
    decision=0.5,
    equations=("0", "(a - y)**2 / 2", "a - y"),
)
def half_squared_error(outputs: Any, targets: Any, delta: Any, losses: Any, scratch: Any) -> None:
    """Half squared error: ℓ = ½ Σ_k (o_k − t_k)², ∂ℓ/∂o_k = o_k − t_k.

    PyTorch's ``MSELoss`` has no ½ and averages over the outputs too.
    Source: Rumelhart, Hinton & Williams 1986.
    """
    for k in range(outputs.shape[0]):
        for b in range(outputs.shape[1]):
            error = outputs[k, b] - targets[k, b]
            delta[k, b] = error
            losses[b] += 0.5 * error * error


@loss(tasks=("classification",), one_hot=True, equations=("log(S)", "-y * a", "exp(a) / S - y"))
def softmax_cross_entropy(outputs: Any, targets: Any, delta: Any, losses: Any, scratch: Any) -> None:
    """Softmax cross-entropy: ℓ = ln Σ_j exp(o_j) − Σ_k t_k o_k, ∂ℓ/∂o_k = softmax(o)_k − t_k.

    The largest output is subtracted first, so no exponential overflows and the sum of
    exponentials is at least 1; at equal outputs ℓ = ln K.  Targets are one-hot.
    As PyTorch's ``CrossEntropyLoss``.
    Source: Bridle 1990.
    """
    peak, rest = scratch[0], scratch[1]
    column_maxima(outputs, peak)
    lower(outputs, peak, delta)
    column_dots(targets, delta, losses)
    exponentiate(delta)
    column_totals(delta, -1.0, rest)
    for b in range(rest.size):
        losses[b] = log1p(rest[b]) - losses[b]
        rest[b] = 1.0 / (1.0 + rest[b])
    share_out(delta, rest, targets)


@loss(
    tasks=("classification",),
    largest_classes=2,
    equations=("0", "log(1 + exp(a)) - y * a", "sigmoid(a) - y"),
)
def binary_cross_entropy(outputs: Any, targets: Any, delta: Any, losses: Any, scratch: Any) -> None:
    """Binary cross-entropy with logits: ℓ = Σ_k ln(1 + exp(o_k)) − t_k o_k, ∂ℓ/∂o_k = σ(o_k) − t_k.

    Written with exp(−|o|), which cannot overflow.  As PyTorch's ``BCEWithLogitsLoss``,
    which averages over the outputs where this sums.
    Source: Baum & Wilczek 1988.
    """
    for k in range(outputs.shape[0]):
        for b in range(outputs.shape[1]):
            o = outputs[k, b]
            size = o if o > 0.0 else -o
            small = exp(-size)
            positive = o if o > 0.0 else 0.0
            losses[b] += positive + log1p(small) - targets[k, b] * o
            share = 1.0 / (1.0 + small)
            delta[k, b] = (share if o > 0.0 else small * share) - targets[k, b]


@loss(tasks=("regression",), largest_outputs=CURVATURE.shape[0], couples_outputs=True)
def quadratic_deep(outputs: Any, targets: Any, delta: Any, losses: Any, scratch: Any) -> None:
    """Quadratic bowl of DeepOBS: ℓ = ½ (o − t)ᵀ Q (o − t), ∂ℓ/∂o = Q (o − t), Q fixed and ill-conditioned.

    Q: :mod:`sim.catalog.quadratic`; of fewer than 100 outputs its first rows and columns.
    Source: Schneider, Balles & Hennig 2019.
    """
    for k in range(outputs.shape[0]):
        for b in range(outputs.shape[1]):
            delta[k, b] = 0.0
        for j in range(outputs.shape[0]):
            for b in range(outputs.shape[1]):
                delta[k, b] += CURVATURE[k, j] * (outputs[j, b] - targets[j, b])
        for b in range(outputs.shape[1]):
            losses[b] += 0.5 * (outputs[k, b] - targets[k, b]) * delta[k, b]
