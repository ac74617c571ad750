"""Update rules that see one tensor of one layer at a time.

State beside the slots, the rule's pairs of square matrices, lies behind the slots in the
same block of memory: tensor by tensor, for each pair first (rows, rows), then (columns, columns).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numba.extending import overload
from numba.np.unsafe.ndarray import to_fixed_tuple

from sim.catalog import matrices
from sim.catalog.optimizers import averaged, quasi_newton
from sim.catalog.optimizers import layerwise as own_layers
from sim.catalog.optimizers.family import HIDDEN, OUTER, VECTOR, Rule
from sim.kernels import jit
from sim.kernels.layout import LAYER_FIELDS, Layer


def _compiled_as_it_stands(function: Callable[..., Any]) -> None:
    def choose(*arguments: Any) -> Any:
        return function

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    overload(function, jit_options={"error_model": "numpy"}, strict=False)(choose)


for _function in (*matrices.FUNCTIONS, *own_layers.FUNCTIONS, *averaged.FUNCTIONS, *quasi_newton.FUNCTIONS):
    _compiled_as_it_stands(_function)

# Bound when the template is specialised.
function: Any = None
slot_views: Any = None
pair_views: Any = None
fewer: Any = None
COUNT = SLOTS = PAIRS = LAST = 0


def _no_slots(state, start, end):
    return ()


def _slot_views(state, start, end):
    """The first LAST + 1 state slots of a tensor."""
    return (*fewer(state, start, end), state[LAST, start:end])


def _no_pairs(room, place, rows, columns):
    return ()


def _pair_views(room, place, rows, columns):
    """The first LAST + 1 pairs of square matrices of a tensor."""
    start = place + LAST * (rows * rows + columns * columns)
    middle, end = start + rows * rows, start + rows * rows + columns * columns
    left, right = room[start:middle].reshape((rows, rows)), room[middle:end].reshape((columns, columns))
    return (*fewer(room, place, rows, columns), left, right)


def update_layers(table, theta, gradient, state, constants, value):
    """One step of a layerwise rule: of each layer W, b and, with a normalizer, scale and shift."""
    settings = to_fixed_tuple(constants, COUNT)
    room = state.ravel()[SLOTS * theta.size :]
    place, last = table[0, 0] * 0, table.shape[0] - 1
    for number in range(table.shape[0]):
        layer = Layer(*to_fixed_tuple(table[number], LAYER_FIELDS))
        starts, rows = (layer.weight, layer.bias, layer.scale, layer.shift), layer.fan_out
        for which in range(4 if layer.shift > layer.scale else 2):  # one call: it is compiled once
            kind = VECTOR if which > 0 else (HIDDEN if 0 < number < last else OUTER)
            columns = layer.fan_in if which == 0 else 1
            start, end = starts[which], starts[which] + rows * columns
            if end > start:
                function(
                    kind,
                    (rows, columns),
                    theta[start:end],
                    gradient[start:end],
                    *slot_views(state, start, end),
                    *pair_views(room, place, rows, columns),
                    *settings,
                )
            place += PAIRS * (rows * rows + columns * columns)


def known_of(rule: Rule, typed: Any) -> dict[str, Any]:
    """What ``update_layers`` must know of a rule; ``typed`` is its compiled function."""
    return {
        "function": typed,
        "slot_views": _views(_slot_views, len(rule.slots)),
        "pair_views": _views(_pair_views, rule.pairs),
        "SLOTS": len(rule.slots),
        "PAIRS": rule.pairs,
    }


@cache
def _views(view: Any, count: int) -> Any:
    """A function that returns ``count`` views as a tuple."""
    if count == 0:
        return jit.allocating(_no_slots if view is _slot_views else _no_pairs)
    known = {"fewer": _views(view, count - 1), "LAST": count - 1}
    return jit.allocating(jit.specialised(view, f"{view.__name__.strip('_')}_{count}", **known))


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
