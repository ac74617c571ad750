"""The training loop: one network at a time, to the end, inside the cache.

A call trains a slice of a *fleet*, networks of one shape and one set of parts that
differ in their numbers: weights, hyperparameters, seeds.  Nothing is drawn here and no
network sees another, so a network's bytes depend on its own numbers only.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from sim.catalog.sums import real
from sim.kernels import jit
from sim.kernels.layout import SPACE_TYPE
from sim.kernels.measure import describe_gradients, describe_update, describe_weights
from sim.kernels.network import (
    TOOLS,
    Settings,
    Tools,
    backward,
    evaluate,
    forward,
    gather,
    layer_at,
    loss,
)
from sim.kernels.parts import Parts, signatures
from sim.kernels.sums import square_sum


class Data(NamedTuple):
    """The samples of a batch of runs, one table for each of S seeds."""

    features: np.ndarray
    """(S, rows, features rounded up to whole vectors): the training rows, then the test rows."""
    targets: np.ndarray
    """(S, rows, outputs rounded up to whole vectors): numbers, or classes as one-hot rows."""
    order: np.ndarray
    """(S, T, batch) int32: the training rows of each step's mini-batch; step t takes row t mod T."""
    sequence: np.ndarray
    """0, 1, 2 … rows−1, int32."""
    training: int
    """Number of training rows."""
    evaluated: np.ndarray
    """(2,) int64: how many training and how many test rows are evaluated at a checkpoint."""


class Fleet(NamedTuple):
    """The R networks of a batch."""

    theta: np.ndarray
    """(R, parameters): trained in place."""
    state: np.ndarray
    """(R, slots, parameters): the optimizer's, in place."""
    running: np.ndarray
    """(R, places): running statistics of normalizers, in place."""
    seed: np.ndarray
    """(R,) int64: which table of the data."""
    optimizer: np.ndarray
    """(R, hyperparameters) float64."""
    activation: np.ndarray
    """(R, parameters of the activation)."""
    normalizer: np.ndarray
    """(R, parameters of the normalizer)."""
    numbers: np.ndarray
    """(R, fields of Numbers) float64."""
    key: np.ndarray
    """(R,) uint64: keys of the dropout masks."""


class Numbers(NamedTuple):
    """What else differs from network to network."""

    dropout: float
    weight_decay: float
    clip_norm: float
    clip_value: float
    diverged_above: float
    saturated: float
    """Slopes up to this count as saturated."""
    running_momentum: float
    decision: float
    """A single output above it means class 1."""


class Notes(NamedTuple):
    """What is written down; an array without columns asks for nothing."""

    losses: np.ndarray
    """(R, steps) float64: mini-batch loss before each update."""
    norms: np.ndarray
    """(R, steps) float64: norm of the whole gradient before clipping."""
    curves: np.ndarray
    """(R, C, fields of CURVE) float64, a row a checkpoint."""
    layers: np.ndarray
    """(R, C, layers, columns of measure.Column) float64."""
    recorded: np.ndarray
    """(R,) int64: checkpoints written."""
    diverged: np.ndarray
    """(R,) int64: the step whose loss left the range, or −1."""


class Course(NamedTuple):
    """How long, and when to measure."""

    steps: int
    checkpoints: np.ndarray
    """(C,) int64, ascending: numbers of updates after which a network is measured."""


class Room(NamedTuple):
    """Scratch of one thread."""

    work: np.ndarray
    gradient: np.ndarray
    constants: np.ndarray


CURVE = ("batch_loss", "train_loss", "test_loss", "train_accuracy", "test_accuracy")
CONSTANTS = 16
"""Room for the numbers an optimizer prepares for a step."""
FIELDS = len(Numbers._fields)


@jit.inlined
def numbers_of(fleet, r):  # type: ignore[no-untyped-def]
    """Row r by name."""
    row = fleet.numbers[r]
    return Numbers(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7])


@jit.inlined
def settings_of(fleet, r, numbers, learning):  # type: ignore[no-untyped-def]
    """The numbers the parts need, in the network's precision; running statistics follow only while learning."""
    like = fleet.theta[r, 0]
    momentum = numbers.running_momentum if learning else 0.0
    return Settings(
        fleet.activation[r],
        fleet.normalizer[r],
        real(momentum, like),
        real(numbers.dropout, like),
        real(numbers.saturated, like),
        fleet.key[r],
    )


# --- evaluation ------------------------------------------------------------------------------


@jit.inlined
def correct(work, outputs, targets, classes, columns, count, decision):  # type: ignore[no-untyped-def]
    """How many of the first ``count`` columns have their largest output where the largest target is.

    With a single output: how many stand on the right side of the decision.
    """
    right = 0
    for b in range(count):
        if classes == 1:
            right += 1 if (work[outputs + b] > decision) == (work[targets + b] > 0.5) else 0
        else:
            guess = 0
            truth = 0
            for k in range(1, classes):
                row = k * columns + b
                guess = k if work[outputs + row] > work[outputs + guess * columns + b] else guess
                truth = k if work[targets + row] > work[targets + truth * columns + b] else truth
            right += 1 if guess == truth else 0
    return right


@jit.inlined
def score(space, theta, running, work, data, seed, begin, rows, settings, decision, parts, tools):  # type: ignore[no-untyped-def]
    """Mean loss and accuracy over consecutive rows of a seed's table; not-a-number for no rows."""
    top = layer_at(space, space.table.shape[0] - 1)
    total = 0.0
    right = 0
    for start in range(0, rows, space.columns):
        count = min(space.columns, rows - start)
        samples = data.sequence[begin + start : begin + start + count]
        gather(space, work, data.features[seed], data.targets[seed], samples, tools)
        evaluate(space, theta, running, work, count, settings, parts, tools)
        right += correct(work, top.pre, space.targets, top.fan_out, space.columns, count, decision)
        total += loss(space, work, count, parts) * count
    if rows == 0:
        return math.nan, math.nan
    return total / rows, right / rows


@jit.inlined
def note_scores(space, theta, running, work, data, seed, settings, decision, parts, tools, note):  # type: ignore[no-untyped-def]
    """Loss and accuracy on training and on test rows."""
    for split in range(2):
        begin, rows = split * data.training, data.evaluated[split]
        result = score(space, theta, running, work, data, seed, begin, rows, settings, decision, parts, tools)
        note[1 + split], note[3 + split] = result


@jit.inlined
def note_layers(space, theta, gradient, work, notes):  # type: ignore[no-untyped-def]
    """Gradients and weights of every layer."""
    for number in range(notes.shape[0]):
        layer = layer_at(space, number)
        size = layer.fan_in * layer.fan_out
        delta = work[layer.delta : layer.delta + layer.fan_out * space.columns]
        describe_gradients(gradient[layer.weight : layer.weight + size], delta, notes[number])
        describe_weights(theta[layer.weight : layer.weight + size], notes[number])


@jit.inlined
def note_updates(space, theta, work, notes):  # type: ignore[no-untyped-def]
    """Relative size of every layer's last update; ``space.before`` holds the parameters before it."""
    for number in range(notes.shape[0]):
        layer = layer_at(space, number)
        size = layer.fan_in * layer.fan_out
        before = work[space.before + layer.weight : space.before + layer.weight + size]
        describe_update(theta[layer.weight : layer.weight + size], before, notes[number])


# --- one step --------------------------------------------------------------------------------


@jit.inlined
def condition(theta, gradient, numbers):  # type: ignore[no-untyped-def]
    """Clip the gradient by value and by global norm, then add L2 decay: g ← clip(g) + λ θ."""
    if numbers.clip_value < math.inf:
        limit = real(numbers.clip_value, theta[0])
        for i in range(gradient.size):
            gradient[i] = limit if gradient[i] > limit else (-limit if gradient[i] < -limit else gradient[i])
    if numbers.clip_norm < math.inf:
        share = numbers.clip_norm / (math.sqrt(square_sum(gradient)) + 1e-6)
        if share < 1.0:
            factor = real(share, theta[0])
            for i in range(gradient.size):
                gradient[i] *= factor
    if numbers.weight_decay > 0.0:
        decay = real(numbers.weight_decay, theta[0])
        for i in range(gradient.size):
            gradient[i] += decay * theta[i]


@jit.inlined
def differentiate(space, theta, running, work, gradient, data, seed, step, settings, parts, tools, notes):  # type: ignore[no-untyped-def]
    """Loss and gradient of the step's mini-batch."""
    order = data.order[seed]
    samples = order[step % order.shape[0]]
    gather(space, work, data.features[seed], data.targets[seed], samples, tools)
    forward(space, theta, running, work, samples.size, step, settings, parts, tools, notes)
    value = loss(space, work, samples.size, parts)
    backward(space, theta, gradient, work, samples.size, parts, tools)
    return value


# --- one network -----------------------------------------------------------------------------


@jit.inlined
def train_one(space, fleet, r, data, course, notes, room, parts, tools):  # type: ignore[no-untyped-def]
    """Train network r; checkpoint c is measured when ``checkpoints[c]`` updates have been made."""
    theta, state, running, seed = fleet.theta[r], fleet.state[r], fleet.running[r], fleet.seed[r]
    steps, checkpoints = course.steps, course.checkpoints
    work, gradient = room.work, room.gradient
    numbers = numbers_of(fleet, r)
    c = 0
    limit = math.inf
    for step in range(steps + 1):
        pausing = c < checkpoints.size and checkpoints[c] == step
        if step == steps and not pausing:
            break
        settings = settings_of(fleet, r, numbers, step < steps)
        layer_notes = notes.layers[r, c if pausing else 0, : notes.layers.shape[2] if pausing else 0]
        if pausing:
            if step > 0:
                note_updates(space, theta, work, layer_notes)
            decision = real(numbers.decision, theta[0])
            note_scores(
                space, theta, running, work, data, seed, settings, decision, parts, tools, notes.curves[r, c]
            )
        value = differentiate(
            space, theta, running, work, gradient, data, seed, step, settings, parts, tools, layer_notes
        )
        if pausing:
            notes.curves[r, c, 0] = value
            note_layers(space, theta, gradient, work, layer_notes)
            c += 1
            notes.recorded[r] = c
        if step == 0:
            limit = numbers.diverged_above * value
        if not value <= limit or not value < math.inf:
            notes.diverged[r] = step
            break
        if step == steps:
            break
        if notes.losses.shape[1] > 0:
            notes.losses[r, step] = value
        if notes.norms.shape[1] > 0:
            notes.norms[r, step] = math.sqrt(square_sum(gradient))
        condition(theta, gradient, numbers)
        if c < checkpoints.size and checkpoints[c] == step + 1 and notes.layers.shape[2] > 0:
            before = work[space.before : space.before + theta.size]
            for i in range(theta.size):
                before[i] = theta[i]
        parts.constants(step + 1.0, fleet.optimizer[r], room.constants)
        parts.update(theta, gradient, state, room.constants)


def _train(  # type: ignore[no-untyped-def]
    space, fleet, data, course, notes, room,
    activate, normalize, normalize_evaluate, normalize_backward, loss, constants, update, product, transpose,
):  # fmt: skip
    """Train every network of the fleet.  (Numba takes first-class functions as arguments only, not in a tuple.)"""
    parts = Parts(activate, normalize, normalize_evaluate, normalize_backward, loss, constants, update)
    tools = Tools(product, transpose)
    for r in range(fleet.theta.shape[0]):
        train_one(space, fleet, r, data, course, notes, room, parts, tools)


@cache
def train_kernel(real_type: types.Type) -> Any:
    """The compiled training loop for a precision."""

    def array(kind: Any, dimensions: int) -> types.Array:
        return types.Array(kind, dimensions, "C")

    wide, index = types.float64, types.int64
    data = jit.struct(
        Data,
        [
            array(real_type, 3),
            array(real_type, 3),
            array(types.int32, 3),
            array(types.int32, 1),
            types.intp,
            array(index, 1),
        ],
    )
    fleet = jit.struct(
        Fleet,
        [
            array(real_type, 2),
            array(real_type, 3),
            array(real_type, 2),
            array(index, 1),
            array(wide, 2),
            array(real_type, 2),
            array(real_type, 2),
            array(wide, 2),
            array(types.uint64, 1),
        ],
    )
    notes = jit.struct(
        Notes,
        [array(wide, 2), array(wide, 2), array(wide, 3), array(wide, 4), array(index, 1), array(index, 1)],
    )
    vector = jit.vector_of(real_type)
    course = jit.struct(Course, [types.intp, array(index, 1)])
    room = jit.struct(Room, [vector, vector, vector])
    functions = [types.FunctionType(signature) for signature in (*signatures(real_type), *TOOLS)]
    signature = types.void(SPACE_TYPE, fleet, data, course, notes, room, *functions)
    return jit.kernel(jit.specialised(_train, f"train_{real_type}"), signature)
