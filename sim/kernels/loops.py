"""A loop over elements that fills several registers a turn.

An elementary function is one long chain of operations, each waiting for the one before.  LLVM vectorises
a plain loop over it, but takes one register a turn once the body is long; with several chains side
by side the processor waits less, and tanh takes four fifths of the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.kernels import emit

CHAINS = 4
"""Registers a turn: with more of them constants no longer fit."""


def _interleaved(module: Any) -> Any:
    """Metadata of a loop's branch back: vectorised, so many registers a turn."""
    count = ir.Constant(ir.IntType(32), CHAINS)
    return emit.loop_metadata(module, [ir.MetaDataString(module, "llvm.loop.interleave.count"), count])


@intrinsic
def each(typing: Any, function: Any, source: Any, target: Any, settings: Any) -> Any:
    """target[i], source[i] = function(source[i], *settings) for every i."""
    real = source.dtype
    scalar = function.get_call_type(typing, (real, *settings), {})
    kinds = tuple(scalar.return_type)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call = context.get_function(function, scalar)
        context.add_linking_libs(getattr(call, "libs", ()))
        numbers = cgutils.unpack_tuple(builder, args[3], len(settings))
        size = context.make_array(source)(context, builder, args[1]).nitems
        before = builder.block
        loop, done = builder.append_basic_block("each"), builder.append_basic_block("all")
        builder.cbranch(builder.icmp_signed(">", size, emit.integer(0)), loop, done)

        builder.position_at_end(loop)
        index = builder.phi(ir.IntType(64))
        read = emit.element(context, builder, source, args[1], index)
        write = emit.element(context, builder, target, args[2], index)
        pair = cgutils.unpack_tuple(builder, call(builder, [builder.load(read), *numbers]), 2)
        for place, number, kind in zip((write, read), pair, kinds, strict=True):
            builder.store(context.cast(builder, number, kind, real), place)
        later = builder.add(index, emit.integer(1), flags=["nsw"])
        index.add_incoming(emit.integer(0), before)
        index.add_incoming(later, builder.block)
        again = builder.cbranch(builder.icmp_signed("<", later, size), loop, done)
        again.set_metadata("llvm.loop", _interleaved(builder.module))
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(function, source, target, settings), generate
