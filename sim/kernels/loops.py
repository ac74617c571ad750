"""Loops over elements.

An elementary function is one long chain of operations, each waiting for the one before.  LLVM vectorises
a plain loop over it, but takes one register a turn once the body is long; with several chains side
by side (`each`) the processor waits less, and tanh takes four fifths of the time.

An optimizer's rule is short, and what it waits for is memory and the divider: it is laid out for whole
vectors as it stands (`each_vector`).
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


@intrinsic(prefer_literal=True)
def each_vector(
    typing: Any, function: Any, theta: Any, gradient: Any, state: Any, slots: Any, settings: Any
) -> Any:
    """θ[i], state[s, i] … = function(θ[i], gradient[i], state[s, i] …, *settings) for every i, s < ``slots``.

    A vector of them at once; what is left at the end goes through masks.
    """
    vector = emit.Vector(theta.dtype, emit.lanes(theta.dtype))
    kinds = (vector,) * (2 + slots.literal_value + len(settings))
    called = function.get_call_type(typing, kinds, {})

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call = context.get_function(function, called)
        context.add_linking_libs(getattr(call, "libs", ()))
        numbers = [
            emit.broadcast(builder, number, vector)
            for number in cgutils.unpack_tuple(builder, args[5], len(settings))
        ]
        kept = context.make_array(state)(context, builder, args[3])
        apart = cgutils.unpack_tuple(builder, kept.shape, 2)[1]
        rows = [builder.mul(emit.integer(slot), apart) for slot in range(slots.literal_value)]

        def at(index: Any) -> list[Any]:
            """Where θ, its gradient and its state lie."""
            flat = [(theta, args[1], index), (gradient, args[2], index)]
            flat += [(state, args[3], builder.add(row, index)) for row in rows]
            return [emit.element(context, builder, *place) for place in flat]

        def step(index: Any, load: Any, store: Any, *chosen: Any) -> None:
            places = at(index)
            values = [load(builder, place, vector, *chosen) for place in places]
            results = cgutils.unpack_tuple(builder, call(builder, [*values, *numbers]), 1 + len(rows))
            for place, result in zip([places[0], *places[2:]], results, strict=True):
                store(builder, result, place, vector, *chosen)

        size = context.make_array(theta)(context, builder, args[1]).nitems
        whole = builder.and_(size, emit.integer(-vector.count))
        with cgutils.for_range_slice(builder, emit.integer(0), whole, emit.integer(vector.count)) as (
            index,
            _,
        ):
            step(index, emit.load, emit.store)
        with builder.if_then(builder.icmp_signed("<", whole, size)):
            step(
                whole, emit.load_first, emit.store_first, emit.mask(builder, builder.sub(size, whole), vector)
            )
        return context.get_dummy_value()

    return types.void(function, theta, gradient, state, slots, settings), generate
