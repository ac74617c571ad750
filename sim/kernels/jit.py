"""The only place where Numba is configured: flags, cache folder, signatures, names.

Why each setting is as it is:

* ``nogil``: kernels run on a plain thread pool; ``parallel=True`` compiles 2.5–3 times
  slower and its threading layers oversubscribe or abort.
* ``error_model="numpy"``: a division by zero gives inf as in NumPy; the Python model
  adds a branch that stops LLVM from vectorising.
* no fastmath flag: LLVM may then neither reorder a sum nor fuse a product, so fresh and
  cached code give the same bytes; where a fused multiply-add is wanted the code says so.
* no counting of references (``_nrt``), but where arrays are made: kernels get all memory they
  use, and two calls a view to count it take up to a third of the time of a small layer.
* one explicit signature a kernel: compiled once, never again for another call.
* ``cache=True`` in a folder named by a digest of everything that changes the code: Numba's
  own check does not see a changed callee in another file, other flags or another CPU.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types

from sim.catalog.registry import is_foreign
from sim.catalog.rewriting import with_float_literals
from sim.kernels.linked import Linking, set_environments

FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False, "_nrt": False}
ALLOCATING: dict[str, Any] = {**FLAGS, "_nrt": True}
BARE: dict[str, Any] = {**FLAGS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Without what Python would need to call it, a third of the time to compile a small function."""
CALLED: dict[str, Any] = {**BARE, "pipeline_class": Linking}
"""For what only kernels call; one set, for Numba compiles a helper anew for callers with other flags."""

CACHE_LINE = 64
"""Bytes of a cache line, and of the widest vector register."""

REAL = {"float32": types.float32, "float64": types.float64}
"""Numba's scalar type of each precision a study may ask for."""


def vector_of(real: types.Type) -> types.Array:
    """The type of a contiguous one-dimensional array of ``real``."""
    return types.Array(real, 1, "C")


def matrix_of(real: types.Type) -> types.Array:
    """The type of a C-contiguous two-dimensional array of ``real``."""
    return types.Array(real, 2, "C")


def struct(kind: type, fields: list[types.Type]) -> types.BaseTuple:
    """The type of a named tuple, as Numba infers it from a value."""
    return types.BaseTuple.from_types(fields, kind)


def cpu_features() -> dict[str, bool]:
    """Instruction sets that generated code may use: those forced by NUMBA_CPU_FEATURES, or the host's."""
    forced = numba.config.CPU_FEATURES
    if forced is None:
        return dict(llvm.get_host_cpu_features())
    return {word[1:]: word[0] == "+" for word in forced.split(",") if word}


@cache
def digest() -> str:
    """Hex digest of all that decides the generated code: sources, versions, CPU, NUMBA_* settings."""
    package = Path(__file__).parents[1]
    parts = [
        *(
            path.read_bytes()
            for folder in ("kernels", "catalog")
            for path in sorted((package / folder).rglob("*.py"))
        ),
        f"{sys.version_info[:2]} {numba.__version__} {llvmlite.__version__} {np.__version__}".encode(),
        f"{numba.config.CPU_NAME or llvm.get_host_cpu_name()} {sorted(cpu_features().items())}".encode(),
        *(f"{name}={os.environ[name]}".encode() for name in sorted(os.environ) if name.startswith("NUMBA_")),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled kernels are kept: below MANYNETS_CACHE, or the user's cache folder."""
    root = os.environ.get("MANYNETS_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "manynets"
    return Path(root).expanduser() / digest()


@contextmanager
def _caching() -> Iterator[None]:
    """Numba reads its cache folder while decorating; other users of Numba in the process keep theirs."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage: the compiler makes a million objects that stay, and a tenth of its time goes
    into looking at them again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


_seconds = 0.0


def compile_seconds() -> float:
    """Wall seconds this process has spent compiling kernels or loading them from the cache."""
    return _seconds


def retyped(function: Callable[..., Any], real: types.Type) -> FunctionType:
    """A copy of a catalog function whose float constants have the network's precision.

    A Python float is float64 to Numba: one such literal would turn a whole float32
    expression into float64 at half the speed.  In a copy of someone's own function the other
    functions of its file that it calls are compiled too.
    """
    dtype = np.dtype(real.name).type
    code = function.__code__
    constants = tuple(dtype(value) if type(value) is float else value for value in code.co_consts)
    seen = function.__globals__
    if is_foreign(function):
        seen = {**seen, **_helpers(function, real)}
    code = code.replace(co_consts=constants)
    copy = FunctionType(code, seen, function.__name__, function.__defaults__, function.__closure__)
    # The cache looks up a function's module by name when it loads it: one's own has none to be found.
    copy.__module__ = __name__ if is_foreign(function) else function.__module__
    return copy


def _helpers(function: Callable[..., Any], real: types.Type) -> dict[str, Any]:
    """The functions, of the same origin, that someone's own function calls by name, compiled into it."""
    named = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    plain = {name: getattr(value, "py_func", value) for name, value in named.items()}
    return {
        name: inlined(retyped(with_float_literals(value), real))
        for name, value in plain.items()
        if isinstance(value, FunctionType)
        and value.__module__ == function.__module__
        and value is not function
    }


def inlined(function: Callable[..., Any]) -> Any:
    """A function for use inside kernels: typed where it is called, compiled into its caller.

    (``inline="always"`` is no alternative: type inference of one large function takes twice
    as long as of its pieces.)
    """
    return numba.njit(forceinline=True, **CALLED)(function)


def called(function: Callable[..., Any]) -> Any:
    """A function for use inside kernels, compiled once and called."""
    return numba.njit(**CALLED)(function)


def specialised(template: Callable[..., Any], name: str, **known: Any) -> FunctionType:
    """A copy of ``template`` under its own name with some of its global names bound.

    Bound through globals, not a closure: Numba's cache key contains a pickle of the
    closure, which differs from process to process once a compiled function is in it.
    """
    copy = FunctionType(template.__code__, {**template.__globals__, **known}, name, template.__defaults__)
    copy.__qualname__ = name
    copy.__module__ = template.__module__
    copy.__doc__ = template.__doc__
    return copy


def kernel(function: Callable[..., Any], signature: Any, flags: dict[str, Any] = FLAGS) -> Any:
    """Compile ``function`` for one explicit signature, or load it from the cache.

    Its ``__qualname__`` must be its own: the cache finds a function by that name.
    """
    global _seconds
    start = time.perf_counter()
    with _caching(), _uncollected():
        compiled = numba.njit(signature, cache=True, **flags)(function)
    set_environments(compiled)
    _seconds += time.perf_counter() - start
    return compiled
