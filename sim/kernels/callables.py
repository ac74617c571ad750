"""How a kernel gets the kernels it calls: by address.

Numba passes functions as well, but looks each of them up anew whenever the caller is called, half a
millisecond for fourteen; and every call has branches that ask Python where the function is, should that not
be known, which took an eighth of the step of a tiny network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, lower_builtin, models, register_model

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


class KernelAt(types.Callable):
    """A kernel of a known signature by its address."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        super().__init__(f"KernelAt({signature})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Signature | None:
        """The signature, if the arguments are of its types or become so without loss."""
        known = self.signature.args
        fits = len(args) == len(known) and not kws and all(map(context.can_convert, args, known))
        return Signature(self.signature.return_type, known, recvr=self) if fits else None

    def get_call_signatures(self) -> tuple[list[Signature], bool]:
        """For messages."""
        return [self.signature], False

    def get_impl_key(self, sig: Signature) -> type:
        """One code for all."""
        return KernelAt


register_model(KernelAt)(models.OpaqueModel)


@lower_builtin(KernelAt, KernelAt, types.VarArg(types.Any))
def _call(context: Any, builder: Any, signature: Signature, args: Sequence[Any]) -> Any:
    """Call it; an error is the caller's as well."""
    kind, returned = signature.args[1:], signature.return_type
    code = builder.bitcast(args[0], context.call_conv.get_function_type(returned, kind).as_pointer())
    status, result = context.call_conv.call_function(builder, code, returned, kind, args[1:])
    with cgutils.if_unlikely(builder, status.is_error):
        context.call_conv.return_status_propagate(builder, status)
    return result


def kernels_at(kind: type, signatures: Sequence[Any], first: int = 0) -> Any:
    """For use inside a kernel: of addresses, from the ``first`` on, a named tuple of kernels to call."""
    kernels = jit.struct(kind, [KernelAt(signature) for signature in signatures])

    @intrinsic
    def taken(typing: Any, places: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = [
                builder.load(emit.element(context, builder, places, args[0], emit.integer(number)))
                for number in range(first, first + len(signatures))
            ]
            return context.make_tuple(
                builder, kernels, [builder.inttoptr(place, cgutils.voidptr_t) for place in found]
            )

        return kernels(places), generate

    return taken
