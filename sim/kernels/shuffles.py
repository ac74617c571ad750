"""Blocks of lanes × lanes numbers in registers: rows summed, blocks transposed.

A processor shuffles quickly within blocks of 128 bits, and whole ones.  Each round of shuffles halves the
distance to the goal, so a block takes log2(lanes) of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.kernels import emit


def _inside(vector: emit.Vector) -> int:
    """Lanes of a block of 128 bits: within one, and of whole ones, a processor shuffles quickly."""
    return min(128 // vector.real.bitwidth, vector.count)


def _shuffled(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """The lanes so numbered of a, then b."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _zipped(builder: Any, a: Any, b: Any, vector: emit.Vector) -> tuple[Any, Any]:
    """a₀ b₀ a₁ b₁ … of the lower halves of all blocks, and of the upper halves."""
    inside = _inside(vector)

    def lanes(start: int) -> list[int]:
        return [
            block + lane + other
            for block in range(0, vector.count, inside)
            for lane in range(start, start + inside // 2)
            for other in (0, vector.count)
        ]

    return _shuffled(builder, a, b, lanes(0)), _shuffled(builder, a, b, lanes(inside // 2))


def _unzipped(builder: Any, a: Any, b: Any, vector: emit.Vector) -> tuple[Any, Any]:
    """Every other block of a and b, from the first and from the second on."""
    inside = _inside(vector)

    def lanes(start: int) -> list[int]:
        blocks = range(start * inside, 2 * vector.count, 2 * inside)
        return [block + lane for block in blocks for lane in range(inside)]

    return _shuffled(builder, a, b, lanes(0)), _shuffled(builder, a, b, lanes(1))


# --- summing rows --------------------------------------------------------------------------


def _folded(builder: Any, rows: list[Any], vector: emit.Vector) -> Any:
    """Lane r of one vector: the sum of vector r's lanes.

    The rounds of :func:`_transposed`, but what a round yields is added at once, so each round leaves
    half as many vectors; the order of a sum depends on the number of lanes only.
    """
    inside = _inside(vector)
    groups = [rows[first : first + inside] for first in range(0, vector.count, inside)]
    while len(groups[0]) > 1:
        half = len(groups[0]) // 2
        groups = [
            [
                builder.fadd(*_zipped(builder, *pair, vector))
                for pair in zip(group[:half], group[half:], strict=True)
            ]
            for group in groups
        ]
    sums = [group[0] for group in groups]
    while len(sums) > 1:
        sums = [
            builder.fadd(*_unzipped(builder, *pair, vector))
            for pair in zip(sums[::2], sums[1::2], strict=True)
        ]
    return sums[0]


def _rows_folded(vector: emit.Vector, term: Any) -> Any:
    """Code that writes the sums of a block of rows, a lane each.

    ``term(builder, place, total)`` is what a row's vector at ``place`` adds to the row's total, or
    begins it with where there is none yet.
    """

    def generate(builder: Any, first: Any, row_step: Any, turns: Any, written: Any, wanted: Any) -> None:
        width = emit.integer(emit.REGISTER_BYTES)
        starts = [term(builder, place, None) for place in emit.steps(builder, first, row_step, vector.count)]
        second = builder.add(first, width)
        before = builder.block
        loop, done = builder.append_basic_block("row_sums"), builder.append_basic_block("rows_summed")
        builder.cbranch(builder.icmp_signed(">", turns, emit.integer(1)), loop, done)

        builder.position_at_end(loop)
        turn, place = builder.phi(ir.IntType(64)), builder.phi(ir.IntType(64))
        totals = [builder.phi(start.type) for start in starts]
        places = emit.steps(builder, place, row_step, vector.count)
        later = [term(builder, at, total) for at, total in zip(places, totals, strict=True)]
        moved = [builder.add(turn, emit.integer(1)), builder.add(place, width)]
        for phi, start, next_value in zip(
            [turn, place, *totals], [emit.integer(1), second, *starts], [*moved, *later], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(next_value, loop)
        builder.cbranch(builder.icmp_signed("<", moved[0], turns), loop, done)

        builder.position_at_end(done)
        sums = []
        for start, total in zip(starts, later, strict=True):
            phi = builder.phi(start.type)
            phi.add_incoming(start, before)
            phi.add_incoming(total, loop)
            sums.append(phi)
        result = _folded(builder, sums, vector)
        pointer = emit.pointer(builder, written, result.type)
        emit.store_first(builder, result, pointer, vector, emit.mask(builder, wanted, vector))

    return generate


@intrinsic
def sum_rows(typing: Any, real: Any, source: Any, step: Any, vectors: Any, target: Any, count: Any) -> Any:
    """Write to ``target`` the sums of ``count`` rows, at most as many as a vector has lanes.

    Row r is ``vectors`` whole vectors from ``source + r * step`` on.  All of a block of rows
    are read, whatever ``count`` is.
    """
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def term(builder: Any, place: Any, total: Any) -> Any:
            value = emit.vector_at(builder, place, vector)
            return value if total is None else builder.fadd(total, value)

        _rows_folded(vector, term)(builder, *args[1:])
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index, index), generate


@intrinsic
def dot_rows(
    typing: Any, real: Any, left: Any, apart: Any, step: Any, vectors: Any, target: Any, count: Any
) -> Any:
    """:func:`sum_rows` of the products of two matrices, the second ``apart`` bytes behind the first."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, first, distance, *rest = args

        def term(builder: Any, place: Any, total: Any) -> Any:
            one = emit.vector_at(builder, place, vector)
            other = emit.vector_at(builder, builder.add(place, distance), vector)
            return builder.fmul(one, other) if total is None else emit.fma(builder, one, other, total)

        _rows_folded(vector, term)(builder, first, *rest)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index, index, index), generate


# --- transposing ---------------------------------------------------------------------------


def _transposed(builder: Any, rows: list[Any], vector: emit.Vector) -> list[Any]:
    """Transpose as many vectors as a vector has lanes, by log2(lanes) rounds of shuffles.

    First within blocks of 128 bits, where zipping row k of a group with row k + half a group, as often as
    halves go into a group, transposes it; then the blocks, which unzipping neighbours transposes.
    """
    inside, count = _inside(vector), vector.count
    for _ in range(inside.bit_length() - 1):
        starts = [first + row for first in range(0, count, inside) for row in range(inside // 2)]
        pairs = [_zipped(builder, rows[row], rows[row + inside // 2], vector) for row in starts]
        rows = [row for pair in pairs for row in pair]
    columns = [rows[lane::inside] for lane in range(inside)]
    for _ in range((count // inside).bit_length() - 1):
        turned = [
            [_unzipped(builder, *pair, vector) for pair in zip(column[::2], column[1::2], strict=True)]
            for column in columns
        ]
        columns = [[even for even, _ in pairs] + [odd for _, odd in pairs] for pairs in turned]
    return [columns[lane][block] for block in range(count // inside) for lane in range(inside)]


def _store_transposed(builder: Any, rows: list[Any], write: Any, step: Any, vector: emit.Vector) -> None:
    places = emit.steps(builder, write, step, vector.count)
    for row, place in zip(_transposed(builder, rows, vector), places, strict=True):
        emit.store(builder, row, emit.pointer(builder, place, row.type), vector)


@intrinsic
def transpose_block(
    typing: Any, real: Any, source: Any, source_step: Any, target: Any, target_step: Any
) -> Any:
    """Write the transpose of the lanes × lanes block at ``source`` to the block at ``target``."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, read, read_step, write, write_step = args
        places = emit.steps(builder, read, read_step, vector.count)
        rows = [emit.vector_at(builder, place, vector) for place in places]
        _store_transposed(builder, rows, write, write_step, vector)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index), generate


@intrinsic
def gather_block(typing: Any, real: Any, addresses: Any, offset: Any, target: Any, target_step: Any) -> Any:
    """Write the transpose of a block whose row r lies ``offset`` behind the r-th of the listed addresses."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, listed, behind, write, write_step = args
        list_of = emit.steps(builder, listed, emit.integer(emit.ADDRESS_BYTES), vector.count)
        places = [builder.add(emit.address_at(builder, at), behind) for at in list_of]
        rows = [emit.vector_at(builder, place, vector) for place in places]
        _store_transposed(builder, rows, write, write_step, vector)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index), generate
