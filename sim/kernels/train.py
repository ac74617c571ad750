"""The training loop: one network at a time, to the end, inside the cache.

A call trains a fleet.  Nothing is drawn here and no network sees another, so a network's
bytes depend on its own numbers only.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import types

from sim.catalog.sums import real
from sim.kernels import jit
from sim.kernels.arguments import Numbers, argument_types
from sim.kernels.callables import ADDRESSES, kernels_at
from sim.kernels.evaluation import note_scores
from sim.kernels.layout import SPACE_TYPE
from sim.kernels.measure import note_layers, note_updates
from sim.kernels.network import (
    TOOLS,
    Network,
    Samples,
    Settings,
    Tools,
    announce,
    backward,
    forward,
    gather,
    list_rows,
    loss,
)
from sim.kernels.parts import Parts, signatures
from sim.kernels.plateau import RATE, begin, watch
from sim.kernels.simd import borrowed
from sim.kernels.sums import square_sum
from sim.kernels.tuples import flat


@jit.inlined
def numbers_of(fleet, r):
    """Network r's numbers by name."""
    row = fleet.numbers[r]
    return Numbers(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8])


@jit.inlined
def network_of(fleet, r, room):
    """Network r in the thread's scratch."""
    return Network(
        borrowed(room.theta),
        borrowed(room.gradient),
        borrowed(room.state),
        borrowed(fleet.running[r]),
        borrowed(room.work),
        borrowed(room.addresses),
    )


@jit.inlined
def copy(source, target):
    """target ← source."""
    for i in range(target.size):
        target[i] = source[i]


@jit.inlined
def samples_of(fleet, r, data):
    """What network r learns from."""
    table = fleet.table[r]
    return Samples(
        borrowed(data.tables[table]),
        borrowed(data.order[fleet.order[r]]),
        borrowed(data.sequence),
        data.training,
        borrowed(data.evaluated),
    )


@jit.inlined
def settings_of(fleet, r, numbers, running_momentum):
    """The numbers network r's parts need, in its precision."""
    like = fleet.theta[r, 0]
    return Settings(
        borrowed(fleet.activation[r]),
        borrowed(fleet.normalizer[r]),
        real(running_momentum, like),
        real(numbers.dropout, like),
        real(numbers.saturated, like),
        fleet.key[r],
    )


@jit.inlined
def differentiate(space, network, samples, step, settings, parts, tools, notes):
    """Loss and gradient of the step's mini-batch."""
    batch = samples.order[step % samples.order.shape[0]]
    gather(space, network, samples, batch, tools)
    forward(space, network, batch.size, step, settings, parts, tools, notes)
    value = loss(space, network.work, batch.size, parts)
    announce(space, samples, samples.order[(step + 1) % samples.order.shape[0]])
    backward(space, network, batch.size, parts, tools)
    return value


@jit.inlined
def rested(space, network, constants, parts):
    """The network where its optimizer wants it evaluated: at a copy of θ, if it does not say otherwise."""
    at = network.work[space.before : space.before + network.theta.size]
    parts.rest(network.theta, network.state, constants, at)
    return Network(at, network.gradient, network.state, network.running, network.work, network.addresses)


@jit.inlined
def silence(gradient, places):
    """A frozen parameter has no gradient: it counts in no norm and moves no average."""
    for i in range(places.size):
        gradient[places[i]] = real(0.0, gradient[0])


@jit.inlined
def hold(theta, places, values):
    """A frozen parameter is what it was, whatever decay or the optimizer made of it."""
    for i in range(places.size):
        theta[places[i]] = values[i]


@jit.inlined
def condition(theta, gradient, numbers, rate):
    """Clip the gradient by value and by global norm, then decay: g ← clip(g) + λ θ, or θ ← θ − lr λ θ."""
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
    if numbers.decoupled_decay > 0.0:
        keep = real(1.0 - rate * numbers.decoupled_decay, theta[0])
        for i in range(theta.size):
            theta[i] *= keep


@jit.inlined
def rate_factor(fleet, r, step, course, room, value):
    """What the step's learning rate is multiplied by; a schedule that watches takes the loss in for later."""
    row = fleet.schedule[r]
    factor = course.factors[row, step % course.factors.shape[1]] * room.plateau[RATE]
    if course.plateaus[row, 0] > 0.0:
        watch(room.plateau, course.plateaus[row], value)
    return factor


@jit.inlined
def train_one(space, network, samples, fleet, r, course, notes, room, parts, tools):
    """Train network r; checkpoint c is measured when ``course.checkpoints[c]`` updates have been made.

    The last checkpoint looks at one mini-batch more, without learning from it.  Losses and gradients of
    mini-batches are taken at θ; scores, and the parameters that are left, where the optimizer rests.
    """
    numbers = numbers_of(fleet, r)
    learning = settings_of(fleet, r, numbers, numbers.running_momentum)
    resting = settings_of(fleet, r, numbers, 0.0)
    checkpoints, constants = borrowed(course.checkpoints), borrowed(room.constants)
    hyperparameters = borrowed(room.hyperparameters)
    frozen, held = borrowed(fleet.frozen), borrowed(fleet.held[r])
    begin(room.plateau)
    for i in range(hyperparameters.size):
        hyperparameters[i] = fleet.optimizer[r, i]
    measured = notes.layers.shape[2]
    c, limit = 0, math.inf
    for step in range(course.steps + 1):
        pausing = c < checkpoints.size and checkpoints[c] == step
        if step == course.steps and not pausing:
            break
        settings = learning if step < course.steps else resting
        layer_notes = borrowed(notes.layers[r, c if pausing else 0, : measured if pausing else 0])
        if pausing:
            note_updates(space, network, step, layer_notes)
            at_rest = rested(space, network, constants, parts)
            note_scores(space, at_rest, samples, settings, numbers.decision, parts, tools, notes.curves[r, c])
        value = differentiate(space, network, samples, step, settings, parts, tools, layer_notes)
        silence(network.gradient, frozen)
        if pausing:
            notes.curves[r, c, 0] = value
            note_layers(space, network, layer_notes)
            c += 1
            notes.recorded[r] = c
        if step == 0:
            limit = numbers.diverged_above * value if value > 0.0 else math.inf
        if not (value <= limit and value < math.inf):
            notes.diverged[r] = step
            break
        if step == course.steps:
            break
        if notes.losses.shape[1] > 0:
            notes.losses[r, step] = value
            notes.norms[r, step] = math.sqrt(square_sum(network.gradient))
        if measured > 0 and c < checkpoints.size and checkpoints[c] == step + 1:
            copy(network.theta, network.work[space.before : space.before + network.theta.size])
        hyperparameters[0] = fleet.optimizer[r, 0] * rate_factor(fleet, r, step, course, room, value)
        condition(network.theta, network.gradient, numbers, hyperparameters[0])
        silence(network.gradient, frozen)
        hold(network.theta, frozen, held)
        parts.constants(step + 1.0, hyperparameters, constants)
        parts.update(space.table, network.theta, network.gradient, network.state, constants, value)
        hold(network.theta, frozen, held)
    copy(rested(space, network, constants, parts).theta, network.theta)
    hold(network.theta, frozen, held)


# Bound when the loop is specialised: what makes kernels to call of the addresses it gets.
parts_at: Any = None
tools_at: Any = None


def _train(space, fleet, data, course, notes, room, places):
    """Train every network of the fleet; ``places`` are the addresses of its parts and tools."""
    parts, tools = parts_at(places), tools_at(places)
    list_rows(space, room.work, room.addresses)
    for r in range(fleet.theta.shape[0]):
        network, samples = network_of(fleet, r, room), samples_of(fleet, r, data)
        theta, state = borrowed(fleet.theta[r]), flat(borrowed(fleet.state[r]))
        copy(theta, network.theta)
        copy(state, flat(network.state))
        train_one(space, network, samples, fleet, r, course, notes, room, parts, tools)
        copy(network.theta, theta)
        copy(flat(network.state), state)


@cache
def train_kernel(real_type: types.Type) -> Any:
    """The compiled training loop for a precision."""
    parts = kernels_at(Parts, signatures(real_type))
    tools = kernels_at(Tools, TOOLS, first=len(Parts._fields))
    loop = jit.specialised(_train, f"train_{real_type}", parts_at=parts, tools_at=tools)
    return jit.kernel(loop, types.void(SPACE_TYPE, *argument_types(real_type), ADDRESSES))
