"""How the training loop gets the kernels it calls: by address.

Numba passes functions as well, but looks each of them up anew whenever the loop is called: half a millisecond
for fourteen, all of it holding Python's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.kernels import emit, jit

ADDRESSES = types.Array(types.intp, 1, "C")


@cache
def _address(kernel: Any) -> int:
    """Where the code of a kernel compiled for one signature begins."""
    (compiled,) = kernel.overloads.values()
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def addresses(kernels: Sequence[Any]) -> np.ndarray:
    """Where kernels are, for a kernel that calls them."""
    return np.array([_address(kernel) for kernel in kernels], np.intp)


def functions_at(kind: type, signatures: Sequence[Any], first: int = 0) -> Any:
    """For use inside a kernel: of addresses, from the ``first`` on, a named tuple of functions."""
    functions = jit.struct(kind, [types.FunctionType(signature) for signature in signatures])

    @intrinsic
    def taken(typing: Any, places: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            made = []
            for number, function in enumerate(functions, first):
                pair = cgutils.create_struct_proxy(function)(context, builder)
                place = builder.load(emit.element(context, builder, places, args[0], emit.integer(number)))
                pair.jit_addr = builder.inttoptr(place, cgutils.voidptr_t)
                pair.c_addr = pair.py_addr = cgutils.voidptr_t(None)
                made.append(pair._getvalue())
            return context.make_tuple(builder, functions, made)

        return functions(places), generate

    return taken
