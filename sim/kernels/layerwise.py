"""Update rules that see one tensor of one layer at a time.

State beside the slots, the rule's pairs of square matrices, lies behind the slots in the
same block of memory: tensor by tensor, for each pair first (rows, rows), then (columns, columns).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, overload, type_callable
from numba.np.arrayobj import populate_array
from numba.np.linalg import ensure_lapack

import sim.kernels.wide  # noqa: F401  (registers what it says of matrices)
from sim.catalog import matrices
from sim.catalog.matrices import part, row
from sim.catalog.optimizers import averaged, quasi_newton
from sim.catalog.optimizers import layerwise as own_layers
from sim.catalog.optimizers.family import HIDDEN, OUTER, VECTOR, Rule
from sim.kernels import emit, jit
from sim.kernels.layout import Layer
from sim.kernels.tuples import flat, taken

FAN_IN, FAN_OUT, WEIGHT, SCALE, SHIFT = (
    Layer._fields.index(name) for name in ("fan_in", "fan_out", "weight", "scale", "shift")
)
"""Columns of the table of layers; W is followed by bias, scale and shift."""
FIELDS = len(Layer._fields)


def _compiled_as_it_stands(function: Callable[..., Any]) -> None:
    def choose(*arguments: Any) -> Any:
        return function

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    overload(
        function,
        jit_options=jit.CALLED,
        strict=False,
    )(choose)


def room(size: int, like: np.ndarray) -> np.ndarray:
    """A new vector of so many numbers of the same precision; whatever is in it."""
    return np.empty(size, like.dtype)


@type_callable(room)
def _type_room(context: Any) -> Any:
    return lambda size, like: jit.vector_of(like.dtype)


@lower_builtin(room, types.Integer, types.Array)
def _room(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = signature.return_type
    bytes_each = emit.integer(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    memory = context.nrt.meminfo_alloc_aligned(builder, builder.mul(args[0], bytes_each), jit.CACHE_LINE)
    return _vector(context, builder, kind, context.nrt.meminfo_data(builder, memory), args[0], memory)


@type_callable(matrices.part)
def _type_part(context: Any) -> Any:
    return lambda vector, start, size: vector


@lower_builtin(matrices.part, types.Array, types.Integer, types.Integer)
def _part(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return _view(context, builder, signature.args[0], *args)


@type_callable(matrices.row)
def _type_row(context: Any) -> Any:
    return lambda matrix, number, size: matrix


@lower_builtin(matrices.row, types.Array, types.Integer, types.Integer)
def _row(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    matrix, number, size = args
    return _view(context, builder, signature.args[0], matrix, builder.mul(number, size), size)


def _view(context: Any, builder: Any, kind: Any, memory: Any, start: Any, size: Any) -> Any:
    """Numbers of contiguous memory as a vector that keeps no share in it."""
    place = emit.element(context, builder, kind, memory, start)
    return _vector(context, builder, jit.vector_of(kind.dtype), place, size, None)


def _vector(context: Any, builder: Any, kind: Any, place: Any, size: Any, owned: Any) -> Any:
    """A vector of the numbers from a place on; it has its share in the memory that is ``owned``."""
    data = context.get_data_type(kind.dtype)
    bytes_each = emit.integer(context.get_abi_sizeof(data))
    view = context.make_array(kind)(context, builder)
    start = builder.bitcast(place, data.as_pointer())
    populate_array(view, data=start, shape=[size], strides=[bytes_each], itemsize=bytes_each, meminfo=owned)
    return view._getvalue()


@type_callable(matrices.eigen_rows)
def _type_eigen_rows(context: Any) -> Any:
    return lambda matrix, values: types.int32


@lower_builtin(matrices.eigen_rows, types.Array, types.Array)
def _eigen_rows(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """LAPACK's divide and conquer, by the door that Numba's ``numpy.linalg.eigh`` uses."""
    ensure_lapack()
    kind = signature.args[0]
    matrix, values = (context.make_array(kind)(context, builder, value) for value in args)
    letters = [
        ir.Constant(ir.IntType(8), ord(c)) for c in ("s" if kind.dtype == types.float32 else "d") + "VL"
    ]
    size = builder.extract_value(values.shape, 0)
    given = [*letters, size, matrix.data, size, values.data]
    called = ir.FunctionType(ir.IntType(32), [value.type for value in given])
    return builder.call(cgutils.get_or_insert_function(builder.module, called, "numba_ez_xxxevd"), given)


@intrinsic(prefer_literal=True)
def views(typing: Any, memory: Any, start: Any, stride: Any, size: Any, count: Any) -> Any:
    """``count`` vectors of ``size`` numbers of contiguous memory, from ``start``, every ``stride``."""
    vectors = types.UniTuple(jit.vector_of(memory.dtype), count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory_value, place, step, length, _ = args
        made = []
        for _ in range(vectors.count):
            made.append(_view(context, builder, memory, memory_value, place, length))
            place = builder.add(place, step)
        return context.make_tuple(builder, vectors, made)

    return vectors(memory, types.intp, types.intp, types.intp, count), generate


@intrinsic(prefer_literal=True)
def squares(typing: Any, memory: Any, start: Any, rows: Any, columns: Any, count: Any) -> Any:
    """``count`` pairs of matrices, (rows, rows) and (columns, columns), one after the other, flat."""
    vectors = types.UniTuple(jit.vector_of(memory.dtype), 2 * count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory_value, place, *sides, _ = args
        made = []
        for number in range(vectors.count):
            size = builder.mul(sides[number % 2], sides[number % 2])
            made.append(_view(context, builder, memory, memory_value, place, size))
            place = builder.add(place, size)
        return context.make_tuple(builder, vectors, made)

    return vectors(memory, types.intp, types.intp, types.intp, count), generate


for _function in (*matrices.FUNCTIONS, *own_layers.FUNCTIONS, *averaged.FUNCTIONS, *quasi_newton.FUNCTIONS):
    _compiled_as_it_stands(_function)

# Bound when the template is specialised.
function: Any = None
COUNT = SLOTS = PAIRS = ROOM = WITH_ROOM = 0


def update_layers(table, theta, gradient, state, constants, value):
    """One step of a layerwise rule: of each layer W, b and, with a normalizer, scale and shift."""
    settings, layers = taken(constants, COUNT), flat(table)
    place, last, widest = SLOTS * state.shape[1], table.shape[0] - 1, 0
    for number in range(table.shape[0]):  # comparisons: ``max`` is a function to compile
        layer = row(layers, number, FIELDS)
        if layer[FAN_IN] > widest:
            widest = layer[FAN_IN]
        if layer[FAN_OUT] > widest:
            widest = layer[FAN_OUT]
    spare = room(ROOM * widest * widest, theta)
    for number in range(table.shape[0]):
        layer = row(layers, number, FIELDS)
        rows, normalized = layer[FAN_OUT], layer[SHIFT] > layer[SCALE]
        for which in range(2 + 2 * normalized):  # one call: it is compiled once
            kind, columns = VECTOR, 1
            if which == 0:
                kind, columns = HIDDEN if (number > 0) & (number < last) else OUTER, layer[FAN_IN]
            start, size = layer[WEIGHT + which], rows * columns
            if size > 0:
                function(
                    kind,
                    (rows, columns),
                    part(theta, start, size),
                    part(gradient, start, size),
                    *views(state, start, state.shape[1], size, SLOTS),
                    *squares(state, place, rows, columns, PAIRS),
                    *views(spare, 0, 0, spare.size, WITH_ROOM),
                    *settings,
                )
            place += PAIRS * (rows * rows + columns * columns)


def known_of(rule: Rule, typed: Any) -> dict[str, Any]:
    """What ``update_layers`` must know of a rule; ``typed`` is its compiled function."""
    return {
        "function": typed,
        "SLOTS": len(rule.slots),
        "PAIRS": rule.pairs,
        "ROOM": rule.room,
        "WITH_ROOM": int(rule.room > 0),
    }


def state_rows(rule: Rule, layers: Sequence[Layer], parameters: int) -> int:
    """How many rows of ``parameters`` numbers the rule's whole state takes."""
    squares = 0
    for layer in layers:
        vectors = 3 if layer.shift > layer.scale else 1
        squares += layer.fan_out**2 + layer.fan_in**2 + vectors * (layer.fan_out**2 + 1)
    return rule.per_parameter + -(-(rule.pairs * squares + rule.numbers) // max(parameters, 1))


def vector_table(size: int) -> np.ndarray:
    """A layer table for θ that is one vector of no network."""
    layer = dict.fromkeys(Layer._fields, 0) | {"fan_out": size}
    return np.array([[layer[name] for name in Layer._fields]], np.int64)
