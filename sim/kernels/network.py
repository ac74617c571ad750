"""One network on one mini-batch: gather, forward, loss, backward.

Bare functions, compiled into the training loop.  A ``network`` is a few flat vectors;
``space`` and ``layer`` say what lives where in them (`layout.py`); ``parts`` are the
catalog's kernels as first-class functions, ``tools`` the products, the transpose and the gathering
of samples; ``settings`` are the numbers the parts need.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sim.kernels import jit
from sim.kernels.dropout import counter_of, drop
from sim.kernels.layout import layer_at
from sim.kernels.matmul import GRADIENT, PRODUCT, Listed, Matrix
from sim.kernels.measure import describe_activations
from sim.kernels.shuffles import sum_rows
from sim.kernels.simd import address, lanes_of, matrix, prefetch
from sim.kernels.transposes import GATHER, TRANSPOSE


class Tools(NamedTuple):
    """The kernels every network needs."""

    product: Any
    scaling_product: Any
    gradient: Any
    transpose: Any
    gather: Any


class Network(NamedTuple):
    """One network's vectors."""

    theta: Any
    gradient: Any
    state: Any
    """(slots, parameters)."""
    running: Any
    work: Any
    addresses: Any
    """Where the rows lie that layers see, a sample a row."""


class Samples(NamedTuple):
    """One table in one order: fields as in :class:`~sim.kernels.arguments.Data`, without their first axis."""

    table: Any
    order: Any
    sequence: Any
    training: int
    evaluated: Any


class Settings(NamedTuple):
    """The numbers of one network that its parts need, in the network's precision."""

    activation: Any
    """Parameters of the activation."""
    normalizer: Any
    """Parameters of the normalizer."""
    momentum: Any
    """Weight of the newest mini-batch in running statistics."""
    dropout: Any
    """Share of hidden activations dropped."""
    saturated: Any
    """A slope at most this large counts as saturated."""
    key: Any
    """Key of the dropout masks, uint64."""


TOOLS = Tools(PRODUCT, PRODUCT, GRADIENT, TRANSPOSE, GATHER)
"""The signatures of the tools."""


@jit.inlined
def block(flat, begin, row, column):
    """A matrix inside a flat vector for the tools; distances in elements."""
    return Matrix(address(flat, begin), row * flat.itemsize, column * flat.itemsize)


# --- samples -------------------------------------------------------------------------------


@jit.inlined
def announce(space, samples, batch):
    """Ask for the beginnings of a mini-batch's rows while there is other work.

    What is far away is the page; to ask for whole rows costs more than it saves.
    """
    stride = layer_at(space, 0).rows_stride
    for b in range(batch.size):
        prefetch(samples.table, batch[b] * stride)


@jit.inlined
def list_rows(space, work, addresses):
    """Where the samples lie that layers see: the same places for every mini-batch, but for the first layer's,
    which are zeros until the first is gathered.
    """
    for s in range(space.columns):
        addresses[layer_at(space, 0).addresses + s] = address(work, space.zeros)
    for number in range(1, space.table.shape[0]):
        layer = layer_at(space, number)
        for s in range(space.columns):
            addresses[layer.addresses + s] = address(work, layer.rows + s * layer.rows_stride)


@jit.inlined
def gather(space, network, samples, batch, tools):
    """Find a mini-batch's rows and bring features and targets into ``work`` as (…, columns)."""
    first = layer_at(space, 0)
    tools.gather(
        block(samples.table, 0, first.rows_stride, 1),
        batch,
        address(network.work, space.zeros),
        network.addresses[first.addresses : first.addresses + space.columns],
        block(network.work, first.input, space.columns, 1),
        first.rows_stride,
    )


# --- forward ---------------------------------------------------------------------------------


@jit.inlined
def affine(space, layer, network, tools):
    """h = W a + b, for every column."""
    tools.product(
        block(network.theta, layer.weight, layer.fan_in, 1),
        block(network.work, layer.input, space.columns, 1),
        block(network.work, layer.pre, space.columns, 1),
        block(network.theta, layer.bias, 1, 0),
        layer.fan_out,
        layer.fan_in,
        space.columns,
    )


@jit.inlined
def normalize(space, layer, network, count, settings, rule):
    """h ← scale · ĥ + shift by the given rule."""
    theta, work = network.theta, network.work
    rule(
        matrix(work, layer.pre, layer.fan_out, space.columns),
        matrix(work, layer.normal, layer.fan_out, space.columns),
        matrix(work, layer.statistics, 3, max(layer.fan_out, space.columns)),
        theta[layer.scale : layer.scale + layer.fan_out],
        theta[layer.shift : layer.shift + layer.fan_out],
        matrix(network.running, layer.running, 2, layer.fan_out),
        settings.momentum,
        count,
        settings.normalizer,
    )


@jit.inlined
def activate(space, layer, work, settings, parts):
    """post = φ(h); pre becomes the slope."""
    size = layer.fan_out * space.columns
    parts.activate(
        work[layer.pre : layer.pre + size], work[layer.post : layer.post + size], settings.activation
    )


@jit.inlined
def add(target, source):
    """target += source.  (Views: a loop over ``begin + i``, which might be negative, is not vectorised.)"""
    for i in range(target.size):
        target[i] += source[i]


@jit.inlined
def multiply(target, source):
    """target *= source."""
    for i in range(target.size):
        target[i] *= source[i]


@jit.inlined
def forward(space, network, count, step, settings, parts, tools, notes):
    """Training pass: outputs in the last layer's ``pre``, all that the backward pass needs kept.

    Activations are described in ``notes``, a row a layer, where it has rows.
    """
    work, last = network.work, space.table.shape[0] - 1
    for number in range(last):
        layer = layer_at(space, number)
        affine(space, layer, network, tools)
        if layer.normal:
            normalize(space, layer, network, count, settings, parts.normalize)
        activate(space, layer, work, settings, parts)
        size = layer.fan_out * space.columns
        post, slope = work[layer.post : layer.post + size], work[layer.pre : layer.pre + size]
        if notes.shape[0] > 0:
            describe_activations(
                post, slope, layer.fan_out, space.columns, count, settings.saturated, notes[number]
            )
        if settings.dropout > 0:
            drop(post, slope, space.columns, count, settings.dropout, counter_of(step, number), settings.key)
        if layer.skip:
            add(post, work[layer.input : layer.input + size])
        above = layer_at(space, number + 1)
        tools.transpose(
            block(work, layer.post, space.columns, 1),
            block(work, above.rows, above.rows_stride, 1),
            layer.fan_out,
            space.columns,
        )
    affine(space, layer_at(space, last), network, tools)


@jit.inlined
def evaluate(space, network, count, settings, parts, tools):
    """Evaluation pass: running statistics, nothing dropped, nothing kept."""
    work, last = network.work, space.table.shape[0] - 1
    for number in range(last):
        layer = layer_at(space, number)
        affine(space, layer, network, tools)
        if layer.normal:
            normalize(space, layer, network, count, settings, parts.normalize_evaluate)
        activate(space, layer, work, settings, parts)
        if layer.skip:
            size = layer.fan_out * space.columns
            add(work[layer.post : layer.post + size], work[layer.input : layer.input + size])
    affine(space, layer_at(space, last), network, tools)


@jit.inlined
def loss(space, work, count, parts):
    """Mean loss of the first ``count`` columns; the last layer's δ is filled."""
    top = layer_at(space, space.table.shape[0] - 1)
    return parts.loss(
        matrix(work, top.pre, top.fan_out, space.columns),
        matrix(work, space.targets, top.fan_out, space.columns),
        matrix(work, top.delta, top.fan_out, space.columns),
        matrix(work, space.scratch, 3 + top.fan_out, space.columns),
        count,
    )


# --- backward ----------------------------------------------------------------------------------


@jit.inlined
def row_sums(source, begin, rows, columns, target, place):
    """target[place + r] = Σ_c source[r, c]; ``columns`` and the rows that are read are whole vectors."""
    step, size = lanes_of(source), source.itemsize
    for r in range(0, rows, step):
        sum_rows(
            source,
            address(source, begin + r * columns),
            columns * size,
            columns // step,
            address(target, place + r),
            rows - r,
        )


@jit.inlined
def parameter_gradient(space, layer, network, count, tools):
    """∂L/∂W = δ aᵀ and ∂L/∂b = Σ_b δ_b."""
    work, gradient = network.work, network.gradient
    tools.gradient(
        block(work, layer.delta, space.columns, 1),
        Listed(address(network.addresses, layer.addresses), 0),
        block(gradient, layer.weight, layer.fan_in, 1),
        block(work, space.zeros, 0, 0),
        layer.fan_out,
        count,
        layer.fan_in,
    )
    row_sums(work, layer.delta, layer.fan_out, space.columns, gradient, layer.bias)


@jit.inlined
def input_gradient(space, layer, network, target, product):
    """∂L/∂a = Wᵀ δ, written to ``target`` or multiplied into it, as ``product`` has it."""
    work = network.work
    product(
        block(network.theta, layer.weight, 1, layer.fan_in),
        block(work, layer.delta, space.columns, 1),
        block(work, target, space.columns, 1),
        block(work, space.zeros, 0, 0),
        layer.fan_in,
        layer.fan_out,
        space.columns,
    )


@jit.inlined
def through_normalizer(space, layer, network, count, parts):
    """∂L/∂h of a hidden layer from ∂L/∂(what its activation saw), in place."""
    work = network.work
    parts.normalize_backward(
        matrix(work, layer.pre, layer.fan_out, space.columns),
        matrix(work, layer.normal, layer.fan_out, space.columns),
        matrix(work, layer.statistics, 3, max(layer.fan_out, space.columns)),
        network.theta[layer.scale : layer.scale + layer.fan_out],
        network.gradient[layer.scale : layer.scale + layer.fan_out],
        network.gradient[layer.shift : layer.shift + layer.fan_out],
        count,
    )


@jit.inlined
def backward(space, network, count, parts, tools):
    """Gradient of the mean loss, from the last layer's δ down; every layer's δ stays in ``work``.

    A layer's slope stands where its δ will: the product is multiplied into it at once.  Only
    with skip connections ∂L/∂(a layer's output) is kept, for the layer below needs it too.
    """
    work, last = network.work, space.table.shape[0] - 1
    carried, free = space.carry, space.carry + space.width * space.columns
    for number in range(last, 0, -1):
        layer, below = layer_at(space, number), layer_at(space, number - 1)
        parameter_gradient(space, layer, network, count, tools)
        if layer.skip or below.skip:
            input_gradient(space, layer, network, free, tools.product)
            size = layer.fan_in * space.columns
            if layer.skip:
                add(work[free : free + size], work[carried : carried + size])
            multiply(work[below.pre : below.pre + size], work[free : free + size])
            carried, free = free, carried
        else:
            input_gradient(space, layer, network, below.pre, tools.scaling_product)
        if below.normal:
            through_normalizer(space, below, network, count, parts)
    parameter_gradient(space, layer_at(space, 0), network, count, tools)
