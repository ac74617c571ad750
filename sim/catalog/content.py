"""What a function is, as a digest: its code and that of every function it reaches, in whatever file.

Two definitions of one name with equal digests compute the same; the digest tells apart the
versions of a function that someone defines again in a notebook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np


def fingerprint(function: Any, traits: Mapping[str, Any] | None = None) -> str:
    """SHA-256, in hex, of a function's code, defaults and traits, and of all that it uses from outside."""
    seen: set[int] = set()
    words = [*_of(function, seen)]
    for name in sorted(traits or {}):
        words += [name, *_of((traits or {})[name], seen)]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _of(value: Any, seen: set[int]) -> Iterator[str]:
    value = getattr(value, "py_func", value)  # what Numba's jit decorated
    if isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, CodeType):
        yield value.co_code.hex()
        yield " ".join(value.co_names)
        for constant in value.co_consts:
            yield from _of(constant, seen)
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _of(entry, seen)
    elif isinstance(value, Mapping):
        for key in value:
            yield str(key)
            yield from _of(value[key], seen)
    elif isinstance(value, (ModuleType, BuiltinFunctionType, type)):
        yield value.__name__
    elif isinstance(value, (set, frozenset)):
        yield repr(sorted(map(repr, value)))  # their order differs from process to process
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    else:
        yield repr(value)


def _of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    if id(function) in seen or str(function.__module__).startswith("sim."):
        yield function.__qualname__
        return
    seen.add(id(function))
    yield from _of(function.__code__, seen)
    yield from _of(function.__defaults__ or (), seen)
    for cell in function.__closure__ or ():
        yield from _of(cell.cell_contents, seen)
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield from _of(function.__globals__[name], seen)


def _names(code: CodeType) -> Iterator[str]:
    """Names that the code, or a function within it, looks up outside."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
