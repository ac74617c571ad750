"""What is noted of one layer at a checkpoint.

Everything comes from the mini-batch the training step sees anyway, so a checkpoint costs
a few passes over vectors that are in the cache, and no further forward or backward pass.
"""

from __future__ import annotations

import math
from enum import IntEnum

from sim.catalog.sums import total
from sim.kernels import jit
from sim.kernels.layout import layer_at
from sim.kernels.sums import deviation_sum, log10_norm, square_sum


class Column(IntEnum):
    """Columns of the statistics of one layer."""

    log10_grad_weight = 0
    log10_grad_pre = 1
    grad_zero = 2
    grad_nonfinite = 3
    activation_mean = 4
    activation_std = 5
    saturated = 6
    dead = 7
    update_ratio = 8
    weight_norm = 9


GRAD_WEIGHT, GRAD_PRE, GRAD_ZERO, GRAD_NONFINITE, MEAN, STD, SATURATED, DEAD, UPDATE_RATIO, WEIGHT_NORM = map(
    int, Column
)


@jit.inlined
def describe_activations(post, slope, rows, columns, count, threshold, note):
    """Mean and standard deviation of φ(h), saturated and dead share.

    ``post`` and ``slope`` are (rows, columns), flat; only the first ``count`` columns are
    samples.  A value is saturated where |slope| ≤ ``threshold``; a unit is dead where all
    its values are.
    """
    sums = 0.0
    saturated = 0
    dead = 0
    for r in range(rows):
        values = post[r * columns : r * columns + count]
        sums += total(values)
        flat = 0
        for b in range(r * columns, r * columns + count):
            flat += 1 if abs(slope[b]) <= threshold else 0
        saturated += flat
        dead += 1 if flat == count else 0
    size = rows * count
    mean = sums / size
    squares = 0.0
    for r in range(rows):
        squares += deviation_sum(post[r * columns : r * columns + count], mean)
    note[MEAN] = mean
    note[STD] = math.sqrt(squares / size)
    note[SATURATED] = saturated / size
    note[DEAD] = dead / rows


@jit.inlined
def describe_gradients(weight_gradient, delta, note):
    """Norms of ∂L/∂W and ∂L/∂h as log10; entries of ∂L/∂W that are zero or not finite."""
    note[GRAD_WEIGHT] = log10_norm(weight_gradient)
    note[GRAD_PRE] = log10_norm(delta)
    zero = 0
    wrong = 0
    for i in range(weight_gradient.size):
        value = weight_gradient[i]
        zero += 1 if value == 0 else 0
        wrong += 0 if value - value == 0 else 1
    note[GRAD_ZERO] = zero
    note[GRAD_NONFINITE] = wrong


@jit.inlined
def describe_weights(weights, note):
    """Norm of the weights."""
    note[WEIGHT_NORM] = math.sqrt(square_sum(weights))


@jit.inlined
def describe_update(weights, before, note):
    """Norm of the last change over the norm of the weights it led to; ``before`` is overwritten."""
    for i in range(weights.size):
        before[i] = weights[i] - before[i]
    note[UPDATE_RATIO] = math.sqrt(square_sum(before) / square_sum(weights))


@jit.inlined
def note_layers(space, network, notes):
    """Gradients and weights of every layer, a row a layer."""
    for number in range(notes.shape[0]):
        layer = layer_at(space, number)
        size = layer.fan_in * layer.fan_out
        delta = network.work[layer.delta : layer.delta + layer.fan_out * space.columns]
        describe_gradients(network.gradient[layer.weight : layer.weight + size], delta, notes[number])
        describe_weights(network.theta[layer.weight : layer.weight + size], notes[number])


@jit.inlined
def note_updates(space, network, step, notes):
    """Relative size of every layer's last update; ``space.before`` holds the parameters before it."""
    if step > 0:
        for number in range(notes.shape[0]):
            layer = layer_at(space, number)
            size = layer.fan_in * layer.fan_out
            before = network.work[space.before + layer.weight : space.before + layer.weight + size]
            describe_update(network.theta[layer.weight : layer.weight + size], before, notes[number])
