"""From catalog to machine: each part becomes one small kernel with one signature.

All activations have the same signature, so have all losses, normalizers and optimizers:
the training loop takes them as first-class functions and is itself compiled once a
precision.  The cost of compiling is a sum over the parts a study names, not a product.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

import sim.kernels.scalar  # noqa: F401  (registers the compiled elementary functions)
from sim.catalog.activations import activation as activations
from sim.catalog.registry import Part
from sim.catalog.sums import clear
from sim.kernels import jit, layerwise
from sim.kernels.loops import each, each_vector
from sim.kernels.sums import wide_sum
from sim.kernels.tuples import flat, put, taken, widened
from sim.kernels.vectors import takes_vectors

LINEAR = activations["linear"]

# Bound when a template is specialised: the part's function and the number of its parameters.
function: Any = None
COUNT = 0


class Parts(NamedTuple):
    """The compiled parts of one kind of network, as the training loop takes them."""

    activate: Any
    normalize: Any
    normalize_evaluate: Any
    normalize_backward: Any
    loss: Any
    constants: Any
    update: Any
    rest: Any


# --- templates ---------------------------------------------------------------------------


def _activate(h, a, parameters):
    """a = φ(h), and h is replaced by the slope φ'(h), which is all that back-propagation needs."""
    settings = taken(parameters, COUNT)
    each(function, h, a, settings)


def _normalize(h, normal, statistics, scale, shift, running, momentum, count, parameters):
    function(h, normal, statistics, scale, shift, running, momentum, count, *taken(parameters, COUNT))


def _normalize_backward(delta, normal, statistics, scale, scale_gradient, shift_gradient, count):
    function(delta, normal, statistics, scale, scale_gradient, shift_gradient, count)


def _loss(outputs, targets, delta, scratch, count):
    """Mean loss of the first ``count`` samples; delta = ∂(mean loss)/∂outputs, zero in the padding."""
    losses = scratch[0]
    for b in range(losses.size):
        losses[b] = REAL(0.0)
    function(outputs, targets, delta, losses, scratch[1:])
    share = 1.0 / types.float64(count)
    narrow = REAL(share)
    slopes = flat(delta)
    for i in range(slopes.size):
        slopes[i] *= narrow
    clear(delta, count)
    return wide_sum(losses[:count]) * share


REAL: Any = types.float64

# Bound for a loss behind an output activation: both compiled, and the activation's parameters.
output: Any = None
mean_loss: Any = None
OUTPUT: tuple[Any, ...] = ()


def _loss_of_activated(outputs, targets, delta, scratch, count):
    """Mean of L(ψ(h), y): ``outputs`` h become ψ(h), and delta = ∂L/∂ψ · ψ'(h).

    An output activation is a part of the loss as the training loop sees it, so that networks
    without one pay nothing for it.
    """
    slopes = scratch[3:]
    for k in range(outputs.shape[0]):
        for b in range(outputs.shape[1]):
            outputs[k, b], slopes[k, b] = output(outputs[k, b], *OUTPUT)
    value = mean_loss(outputs, targets, delta, scratch, count)
    for k in range(outputs.shape[0]):
        for b in range(count):
            delta[k, b] *= slopes[k, b]
    return value


def _constants(step, settings, constants):
    """Fill the numbers that stay the same over one step."""
    put(constants, function(step, *taken(settings, COUNT)))


def _read_none(state, i):
    return ()


def _read(state, i):
    """The first LAST + 1 state slots of parameter i."""
    return (*fewer(state, i), state[LAST, i])


def _write_none(state, i, values):
    pass


def _write(state, i, values):
    """values[0] belongs to θ, values[1 + s] to slot s."""
    fewer(state, i, values)
    state[LAST, i] = values[LAST + 1]


SLOTS = LAST = 0
fewer: Any = None
read: Any = None
write: Any = None


def _update(table, theta, gradient, state, constants, value):
    """One step of an elementwise rule over the whole vector of parameters; it does not ask for the loss."""
    settings = taken(constants, COUNT)
    for i in range(theta.size):
        values = function(theta[i], gradient[i], *read(state, i), *settings)
        theta[i] = values[0]
        write(state, i, values)


def _update_vectors(table, theta, gradient, state, constants, value):
    """The same of a rule that takes vectors."""
    each_vector(function, theta, gradient, state, SLOTS, taken(constants, COUNT))


def _rest_at_theta(theta, state, constants, target):
    """A network is evaluated where its gradient is taken."""
    for i in range(theta.size):
        target[i] = theta[i]


def _update_whole(table, theta, gradient, state, constants, value):
    """One step of a rule that sees the whole vector, and the loss; its numbers are float64."""
    function(theta, gradient, value, flat(state), *widened(constants, COUNT))


def _rest_whole(theta, state, constants, target):
    """Where a rule that sees the whole vector wants the network evaluated."""
    function(theta, flat(state), target, *widened(constants, COUNT))


def _rest(theta, state, constants, target):
    """Where a rule that takes its gradients elsewhere wants the network evaluated."""
    settings = taken(constants, COUNT)
    for i in range(theta.size):
        target[i] = function(theta[i], *read(state, i), *settings)


# --- signatures ----------------------------------------------------------------------------


@cache
def signatures(real: types.Type) -> Parts:
    """The signature of each part in the given precision."""
    vector, matrix, wide = jit.vector_of(real), jit.matrix_of(real), jit.vector_of(types.float64)
    normalize = types.void(matrix, matrix, matrix, vector, vector, matrix, real, types.intp, vector)
    return Parts(
        activate=types.void(vector, vector, vector),
        normalize=normalize,
        normalize_evaluate=normalize,
        normalize_backward=types.void(matrix, matrix, matrix, vector, vector, vector, types.intp),
        loss=types.float64(matrix, matrix, matrix, matrix, types.intp),
        constants=types.void(types.float64, wide, vector),
        update=types.void(jit.matrix_of(types.int64), vector, vector, matrix, vector, types.float64),
        rest=types.void(vector, matrix, vector, vector),
    )


# --- compiling -----------------------------------------------------------------------------


def _compile(
    field: str,
    template: Any,
    part: Part,
    name: str,
    rule: Any,
    real: types.Type,
    compiled_as: Any = jit.inlined,
    **known: Any,
) -> Any:
    typed = compiled_as(jit.retyped(rule, real))
    kernel = jit.specialised(template, f"{part.kind}_{part.unique}_{name}_{real}", function=typed, **known)
    return jit.kernel(kernel, getattr(signatures(real), field))


@cache
def activation_kernel(part: Part, real: types.Type) -> Any:
    """The compiled activation, value and slope at once."""
    return _compile("activate", _activate, part, "activate", part.function, real, COUNT=len(part.parameters))


@cache
def normalizer_kernels(part: Part, real: types.Type) -> tuple[Any, Any, Any]:
    """The compiled normalizer: while training, for evaluation, backward."""
    count = len(part.parameters)
    train = _compile("normalize", _normalize, part, "train", part.function, real, COUNT=count)
    evaluate = train
    if "evaluate" in part.traits:
        evaluate = _compile("normalize", _normalize, part, "evaluate", part.evaluate, real, COUNT=count)
    return (
        train,
        evaluate,
        _compile("normalize_backward", _normalize_backward, part, "backward", part.backward, real),
    )


@cache
def loss_kernel(part: Part, real: types.Type, output: Part = LINEAR, settings: tuple[Any, ...] = ()) -> Any:
    """The compiled loss with its slope, of the outputs h, or of ψ(h) with ψ an activation."""
    if output is LINEAR:
        return _compile("loss", _loss, part, "mean", part.function, real, REAL=real)
    typed = jit.inlined(jit.retyped(part.function, real))
    mean = jit.inlined(jit.specialised(_loss, f"mean_{part.name}", function=typed, REAL=real))
    numbers = tuple(np.dtype(real.name).type(number) for number in settings)
    name = "_".join(["loss", part.name, "of", output.unique, *map(str, settings), str(real)])
    activate = jit.inlined(jit.retyped(output.function, real))
    known = {"output": activate, "mean_loss": mean, "OUTPUT": numbers}
    return jit.kernel(jit.specialised(_loss_of_activated, name, **known), signatures(real).loss)


@cache
def _slots(count: int) -> tuple[Any, Any]:
    """Functions that read and write the first ``count`` state slots of one parameter."""
    if count == 0:
        return jit.inlined(_read_none), jit.inlined(_write_none)
    fewer_read, fewer_write = _slots(count - 1)
    known = {"LAST": count - 1}
    return (
        jit.inlined(jit.specialised(_read, f"read_{count}", fewer=fewer_read, **known)),
        jit.inlined(jit.specialised(_write, f"write_{count}", fewer=fewer_write, **known)),
    )


@cache
def _constants_kernel(part: Part, real: types.Type) -> Any:
    typed = jit.called(jit.retyped(part.function, types.float64))
    kernel = jit.specialised(
        _constants, f"optimizer_{part.unique}_constants_{real}", function=typed, COUNT=len(part.parameters)
    )
    return jit.kernel(kernel, signatures(real).constants)


@cache
def _update_kernel(part: Part, rule: Any, real: types.Type) -> Any:
    if rule.layerwise:
        return _layerwise_kernel(part, rule, real)
    if rule.whole:
        count = rule.update.__code__.co_argcount - 4
        update = jit.retyped(rule.update, types.float64)
        return _compile("update", _update_whole, part, "update", update, real, jit.called, COUNT=count)
    return _elementwise_kernel(part, rule, real)


def _elementwise_kernel(part: Part, rule: Any, real: types.Type) -> Any:
    """By whole vectors where the rule takes them, else by numbers, for LLVM to vectorise."""
    slots, arguments = len(rule.slots), rule.update.__code__.co_argcount
    typed = jit.inlined(jit.retyped(rule.update, real))
    known: dict[str, Any] = {"function": typed, "COUNT": arguments - 2 - slots}
    name = f"{part.kind}_{part.unique}_{rule.update.__name__.strip('_')}_{real}"
    if takes_vectors(typed, real, arguments):
        update = jit.specialised(_update_vectors, name, SLOTS=slots, **known)
    else:
        reader, writer = _slots(slots)
        update = jit.specialised(_update, name, read=reader, write=writer, **known)
    return jit.kernel(update, signatures(real).update)


def _layerwise_kernel(part: Part, rule: Any, real: types.Type) -> Any:
    count = rule.update.__code__.co_argcount - 4 - len(rule.slots) - 2 * rule.pairs - (rule.room > 0)
    known = layerwise.known_of(rule, jit.called(jit.retyped(rule.update, real)))
    name = f"{part.kind}_{part.unique}_{rule.update.__name__.strip('_')}_{real}"
    update = jit.specialised(layerwise.update_layers, name, COUNT=count, **known)
    return jit.kernel(update, signatures(real).update, jit.ALLOCATING)


@cache
def _rest_kernel(part: Part, rule: Any, real: types.Type) -> Any:
    if rule.rest is None:
        return _rest_at_theta_kernel(real)
    if rule.whole:
        count = rule.rest.__code__.co_argcount - 3
        rest = jit.retyped(rule.rest, types.float64)
        return _compile("rest", _rest_whole, part, "rest", rest, real, jit.called, COUNT=count)
    reader, _ = _slots(len(rule.slots))
    count = rule.rest.__code__.co_argcount - 1 - len(rule.slots)
    return _compile(
        "rest", _rest, part, rule.rest.__name__.strip("_"), rule.rest, real, COUNT=count, read=reader
    )


@cache
def _rest_at_theta_kernel(real: types.Type) -> Any:
    return jit.kernel(jit.specialised(_rest_at_theta, f"rest_at_theta_{real}"), signatures(real).rest)


def optimizer_kernels(part: Part, rule: Any, real: types.Type) -> tuple[Any, Any, Any]:
    """The compiled optimizer: what it prepares for a step, its rule, where it wants θ evaluated."""
    return _constants_kernel(part, real), _update_kernel(part, rule, real), _rest_kernel(part, rule, real)


def compiled(
    activation: Part,
    normalizer: Part,
    loss: Part,
    optimizer: Part,
    rule: Any,
    real: types.Type,
    output: Part = LINEAR,
    settings: tuple[Any, ...] = (),
) -> Parts:
    """All parts of one kind of network; ``rule`` is the optimizer's, which its settings may choose.

    ``output`` is the output layer's activation, ``settings`` are its parameters.
    """
    return Parts(
        activation_kernel(activation, real),
        *normalizer_kernels(normalizer, real),
        loss_kernel(loss, real, output, settings),
        *optimizer_kernels(optimizer, rule, real),
    )


def encoded(part: Part, settings: Mapping[str, Any]) -> np.ndarray:
    """A part's parameters as float64 numbers; a word among ``choices`` is its position."""
    choices = part.traits.get("choices", {})
    return np.array([choices[k].index(v) if k in choices else v for k, v in settings.items()], np.float64)
