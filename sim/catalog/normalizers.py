"""Normalizers: what is done to a hidden layer's pre-activations before the activation.

Each variant is the forward rule while training; its traits are the backward rule and,
where it differs, the rule for evaluation (same arguments).  Arrays, for a layer of U units whose mini-batch
of ``count`` samples is padded to B columns (padding is never summed):

==============  ==============  =====================================================
``h``           (U, B)          pre-activations, replaced by scale · ĥ + shift
``normal``      (U, B)          ĥ, kept for the backward rule
``statistics``  (3, max(U, B))  row 0: 1/√(variance + ε), kept; rows 1, 2: scratch
``scale``       (U,)            learnable γ
``shift``       (U,)            learnable β
``running``     (2, U)          running mean and variance, used for evaluation
``momentum``    number          weight of the newest mini-batch in the running values
``delta``       (U, B)          ∂L/∂(scale · ĥ + shift), replaced by ∂L/∂h
==============  ==============  =====================================================
"""

from __future__ import annotations

from typing import Any

from sim.catalog.mathematics import sqrt
from sim.catalog.registry import Family
from sim.catalog.sums import clear, dot, real, remove, rescale, row_dots, row_totals, total

normalizer = Family("normalizer", supplied=8)
"""Arguments the kernels supply: h, normal, statistics, scale, shift, running, momentum, count."""


def _none_backward(delta, normal, statistics, scale, scale_gradient, shift_gradient, count):  # type: ignore[no-untyped-def]
    """∂L/∂h is what came."""


@normalizer(backward=_none_backward, learnable=False)
def none(
    h: Any, normal: Any, statistics: Any, scale: Any, shift: Any, running: Any, momentum: Any, count: int
) -> None:
    """No normalization: the activation sees h = W a + b itself.

    Source: elementary.
    """


def _batch_evaluate(h, normal, statistics, scale, shift, running, momentum, count, epsilon):  # type: ignore[no-untyped-def]
    """scale · (h − running mean) / √(running variance + ε) + shift."""
    for u in range(h.shape[0]):
        rescale(h[u], running[0, u], scale[u] / sqrt(running[1, u] + epsilon), shift[u], h[u])


def _batch_backward(delta, normal, statistics, scale, scale_gradient, shift_gradient, count):  # type: ignore[no-untyped-def]
    """∂L/∂h = γ/√(var + ε) · (δ − mean(δ) − ĥ · mean(δ ĥ)), means over the mini-batch."""
    samples = real(count, scale[0])
    row_dots(delta, normal, scale_gradient)
    row_totals(delta, shift_gradient)
    for u in range(delta.shape[0]):
        mean, along = shift_gradient[u] / samples, scale_gradient[u] / samples
        remove(delta[u], mean, normal[u], along, scale[u] * statistics[0, u])
    clear(delta, count)


@normalizer(evaluate=_batch_evaluate, backward=_batch_backward, learnable=True)
def batch(
    h: Any,
    normal: Any,
    statistics: Any,
    scale: Any,
    shift: Any,
    running: Any,
    momentum: Any,
    count: int,
    epsilon: float = 1e-5,
) -> None:
    """Batch normalization: ĥ = (h − mean) / √(variance + ε), statistics of each unit over the mini-batch.

    The biased variance normalizes; the unbiased one enters the running average (at one
    sample, where it does not exist, the biased one).  As PyTorch's ``BatchNorm1d`` with
    its momentum of 0.1.  Source: Ioffe & Szegedy 2015.
    """
    samples = real(count, momentum)
    degrees = samples - 1.0 if count > 1 else samples
    inverse, mean, squares = statistics[0], statistics[1], statistics[2]
    clear(h, count)
    row_totals(h, mean)
    for u in range(h.shape[0]):
        mean[u] /= samples
        rescale(h[u], mean[u], 1.0, 0.0, normal[u])
    clear(normal, count)
    row_dots(normal, normal, squares)
    for u in range(h.shape[0]):
        inverse[u] = 1.0 / sqrt(squares[u] / samples + epsilon)
        running[0, u] += momentum * (mean[u] - running[0, u])
        running[1, u] += momentum * (squares[u] / degrees - running[1, u])
    for u in range(h.shape[0]):
        rescale(normal[u], 0.0, inverse[u], 0.0, normal[u])
        rescale(normal[u], 0.0, scale[u], shift[u], h[u])


def _layer_backward(delta, normal, statistics, scale, scale_gradient, shift_gradient, count):  # type: ignore[no-untyped-def]
    """∂L/∂h = (g − mean(g) − ĥ · mean(g ĥ)) / √(var + ε) with g = γ δ, means over the units."""
    units, batch = delta.shape
    share = 1.0 / real(units, scale[0])
    for b in range(batch):
        statistics[1, b] = 0.0
        statistics[2, b] = 0.0
    for u in range(units):
        scale_gradient[u] = dot(delta[u, :count], normal[u, :count])
        shift_gradient[u] = total(delta[u, :count])
        for b in range(batch):
            statistics[1, b] += scale[u] * delta[u, b] * share
            statistics[2, b] += scale[u] * delta[u, b] * normal[u, b] * share
    for u in range(units):
        for b in range(batch):
            centred = scale[u] * delta[u, b] - statistics[1, b] - normal[u, b] * statistics[2, b]
            delta[u, b] = centred * statistics[0, b]


@normalizer(backward=_layer_backward, learnable=True)
def layer(
    h: Any,
    normal: Any,
    statistics: Any,
    scale: Any,
    shift: Any,
    running: Any,
    momentum: Any,
    count: int,
    epsilon: float = 1e-5,
) -> None:
    """Layer normalization: ĥ = (h − mean) / √(variance + ε), statistics of each sample over the units.

    The same while training and evaluating; the running values stay untouched.
    As PyTorch's ``LayerNorm``.  Source: Ba, Kiros & Hinton 2016.
    """
    # The lanes run over the samples: each step adds one unit's value to every sample's sum.
    units, batch = h.shape
    share = 1.0 / real(units, momentum)
    for b in range(batch):
        statistics[0, b] = 0.0
        statistics[1, b] = 0.0
    for u in range(units):
        for b in range(batch):
            statistics[1, b] += h[u, b] * share
    for u in range(units):
        for b in range(batch):
            normal[u, b] = h[u, b] - statistics[1, b]
            statistics[0, b] += normal[u, b] * normal[u, b] * share
    for b in range(batch):
        statistics[0, b] = 1.0 / sqrt(statistics[0, b] + epsilon)
    for u in range(units):
        for b in range(batch):
            normal[u, b] = normal[u, b] * statistics[0, b]
            h[u, b] = scale[u] * normal[u, b] + shift[u]
