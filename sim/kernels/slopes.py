"""A surface of the catalog, or the user's own, compiled: value and gradient of many starts at once."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import types
from numba.np.unsafe.ndarray import to_fixed_tuple

from sim.catalog.registry import Part
from sim.catalog.surfaces import is_separable
from sim.kernels import jit

REAL = types.float64
VECTOR = jit.vector_of(REAL)
SLOPE = types.void(VECTOR, VECTOR, VECTOR, VECTOR)
"""Coordinates (dimensions · N), values (N,) and gradient (dimensions · N) to be filled, settings."""

# Bound when the surface is compiled: its function and the number of its parameters.
function: Any = None
COUNT = 0


def _slope_of_two(theta, values, gradient, settings):
    """Value and gradient of a surface of x and y at each start."""
    given = to_fixed_tuple(settings, COUNT)
    count = values.size
    x, y = theta[:count], theta[count:]
    slope_x, slope_y = gradient[:count], gradient[count:]
    for i in range(count):
        values[i], slope_x[i], slope_y[i] = function(x[i], y[i], *given)


def _slope_of_terms(theta, values, gradient, settings):
    """Value and gradient of a separable surface at each start."""
    given = to_fixed_tuple(settings, COUNT)
    count = values.size
    dimensions = theta.size // count
    for i in range(count):
        values[i] = 0.0
    for d in range(dimensions):
        x, slope = theta[d * count : (d + 1) * count], gradient[d * count : (d + 1) * count]
        place = d / max(dimensions - 1, 1)
        for i in range(count):
            term, slope[i] = function(x[i], place, *given)
            values[i] += term


@cache
def slope_kernel(part: Part) -> Any:
    """The compiled surface: value and gradient of all starts of a block."""
    template = _slope_of_terms if is_separable(part) else _slope_of_two
    known = {"function": jit.inlined(jit.retyped(part.function, REAL)), "COUNT": len(part.parameters)}
    name = f"surface_{part.unique}"
    return jit.kernel(jit.specialised(template, name, **known), SLOPE)
