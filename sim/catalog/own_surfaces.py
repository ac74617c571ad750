"""The user's own surface: a Python file with one function, as those of :mod:`sim.catalog.surfaces`.

    from math import sin, cos                       # plain Python, NumPy's scalar functions, or Numba's jit

    DOMAIN = ((-3, 3), (-3, 3))                     # an interval for x and y; −2 … 2 where it is not written
    MINIMA = ((0.5, 0.0),)                          # known minima, if any

    def mine(x, y, stretch=1.0):
        return x * x + stretch * y * y, 2 * x, 2 * stretch * y

Every problem a file can have is one ValueError of one line that names the file.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from functools import lru_cache
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any

from sim.catalog.registry import Part, nearest
from sim.catalog.surfaces import Minimum, square

DOMAIN = square(-2.0, 2.0)


def own_surface(path: str, name: str) -> Part:
    """The function ``name`` of a Python file as a surface; equal files give the same part."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return _part(path, name, content)


@lru_cache(maxsize=64)
def _part(path: str, name: str, content: bytes) -> Part:
    found = _carried_out(path, content)
    function = found.get(name)
    function = getattr(function, "py_func", function)  # what Numba's jit decorated is compiled again here
    if not isinstance(function, FunctionType):
        names = [word for word, value in found.items() if callable(value) and not word.startswith("_")]
        like = nearest(name, names)
        raise ValueError(f"{path}: has no function {name!r}" + (f"; did you mean {like!r}?" if like else ""))
    described = list(inspect.signature(function).parameters.values())
    if len(described) < 2:
        raise ValueError(f"{path}: {name} must take x and y")
    settings = {parameter.name: parameter.default for parameter in described[2:]}
    traits = {
        "domain": _domain(path, found.get("DOMAIN", DOMAIN)),
        "minima": _minima(path, found.get("MINIMA", ()), function, settings),
        "source": Path(path).name,
        "unique": f"{name}_{hashlib.sha256(content).hexdigest()[:12]}",
    }
    return Part("surface", name, function, MappingProxyType(settings), MappingProxyType(traits))


def _carried_out(path: str, content: bytes) -> dict[str, Any]:
    """The names that the file defines."""
    found: dict[str, Any] = {"__name__": Path(path).stem, "__file__": path}
    try:
        exec(compile(content, path, "exec"), found)
    except SyntaxError as error:
        raise ValueError(f"{path}: is not Python: {error.msg} (line {error.lineno})") from None
    except Exception as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be carried out: {type(error).__name__}: {said}") from None
    return found


def _domain(path: str, written: Any) -> Any:
    try:
        intervals = tuple((float(low), float(high)) for low, high in written)
    except (TypeError, ValueError):
        intervals = ()
    if len(intervals) != 2 or not all(low < high < math.inf for low, high in intervals):
        raise ValueError(f"{path}: DOMAIN = {written!r} is not two intervals ((low, high), (low, high))")
    return intervals


def _minima(path: str, written: Any, function: Any, settings: dict[str, Any]) -> Any:
    """The minima with their values at the default parameters, the best first."""
    try:
        points = [(float(x), float(y)) for x, y in written]
        known = [Minimum(float(function(*at, *settings.values())[0]), at) for at in points]
    except Exception as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: MINIMA = {written!r} cannot be used: {said}") from None
    return tuple(sorted(known, key=lambda minimum: minimum.value))
