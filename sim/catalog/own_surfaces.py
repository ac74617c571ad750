"""What a surface from outside the package may leave out, and how it may be written.

    from math import sin, cos                       # plain Python, NumPy's scalar functions, or Numba's jit

    DOMAIN = ((-3, 3), (-3, 3))                     # an interval for x and y; −2 … 2 where it is not written
    MINIMA = ((0.5, 0.0),)                          # known minima, if any

    def mine(x, y, stretch=1.0):
        return x * x + stretch * y * y, 2 * x, 2 * stretch * y

``@surface(domain=…, minima=…)`` above the function says the same.
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

from sim.catalog.own import with_traits
from sim.catalog.registry import Part, PartError
from sim.catalog.surfaces import Minimum, is_separable, square

DOMAIN = square(-2.0, 2.0)


def complete(part: Part) -> Part:
    """The surface with a domain, and its minima with their values, the best first."""
    count = 1 if is_separable(part) else 2
    if len(inspect.signature(part.function).parameters) < 2:
        raise PartError(f"{part.name} must take {'x and its place' if count == 1 else 'x and y'}")
    default = DOMAIN[:count]
    return with_traits(
        part,
        domain=_domain(part.traits.get("domain", default), count),
        minima=_minima(part, count),
        source=part.traits.get("source", Path(part.path).name),
    )


def _domain(written: Any, count: int) -> Any:
    try:
        intervals = tuple((float(low), float(high)) for low, high in written)
    except (TypeError, ValueError):
        intervals = ()
    if len(intervals) != count or not all(-math.inf < low < high < math.inf for low, high in intervals):
        wanted = "two intervals ((low, high), (low, high))" if count == 2 else "one interval ((low, high),)"
        raise PartError(f"DOMAIN = {written!r} is not {wanted}")
    return intervals


def _minima(part: Part, count: int) -> Any:
    """The minima with their values at the default parameters, the best first."""
    written = part.traits.get("minima", ())
    try:
        known = [entry if isinstance(entry, Minimum) else _minimum(part, entry, count) for entry in written]
    except Exception as error:
        said = " ".join(str(error).split())
        raise PartError(f"MINIMA = {written!r} cannot be used: {said}") from None
    return tuple(sorted(known, key=lambda minimum: minimum.value))


def _minimum(part: Part, entry: Any, count: int) -> Minimum:
    at = tuple(float(x) for x in entry)
    if len(at) != count:
        raise ValueError(f"{entry!r} has {len(at)} coordinates, not {count}")
    place = () if count == 2 else (0.0,)
    return Minimum(float(part.function(*at, *place, *part.parameters.values())[0]), at)
