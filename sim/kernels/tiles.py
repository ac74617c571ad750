"""Register tiles of a matrix product.

All places are addresses, all distances bytes: a whole array passed from function to
function costs seven words and two counts of its references, its address one word.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from sim.kernels import emit


class Tile(types.Type):
    """``rows`` × ``vectors`` accumulators of a matrix product, held in registers."""

    def __init__(self, vector: emit.Vector, rows: int, vectors: int) -> None:
        self.vector, self.rows, self.vectors = vector, rows, vectors
        super().__init__(f"Tile({vector.name}, {rows} x {vectors})")


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Tile) -> None:
        super().__init__(manager, kind, ir.ArrayType(emit.llvm_type(kind.vector), kind.rows * kind.vectors))


def _number(builder: Any, place: Any, vector: emit.Vector) -> Any:
    """The number at an address, in every lane."""
    scalar = builder.load(emit.pointer(builder, place, emit.llvm_type(vector).element))
    return emit.broadcast(builder, scalar, vector)


@intrinsic(prefer_literal=True)
def tile_from(typing: Any, real: Any, rows: Any, vectors: Any, start: Any, step: Any) -> Any:
    """A tile whose row r is filled with the number at ``start + r * step``."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))
    tile = Tile(vector, rows.literal_value, vectors.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = ir.Constant(context.get_value_type(tile), ir.Undefined)
        for row, place in enumerate(emit.steps(builder, args[3], args[4], tile.rows)):
            filled = _number(builder, place, vector)
            for column in range(tile.vectors):
                value = builder.insert_value(value, filled, row * tile.vectors + column)
        return value

    return tile(real, rows, vectors, types.intp, types.intp), generate


@intrinsic(prefer_literal=True)
def tile_of_zeros(typing: Any, real: Any, rows: Any, vectors: Any) -> Any:
    """A tile filled with zeros."""
    tile = Tile(emit.Vector(real.dtype, emit.lanes(real.dtype)), rows.literal_value, vectors.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(tile)
        return ir.Constant(kind, [emit.constant(0.0, tile.vector)] * kind.count)

    return tile(real, rows, vectors), generate


def _rank_one(builder: Any, totals: list[Any], factors: list[Any], columns: list[Any]) -> list[Any]:
    """Every accumulator plus its row's number times its column's vector."""
    pairs = [(factor, column) for factor in factors for column in columns]
    return [emit.fma(builder, *pair, total) for pair, total in zip(pairs, totals, strict=True)]


def _accumulated(
    builder: Any, tile: Tile, value: Any, moving: list[tuple[Any, Any]], count: Any, terms: Any
) -> Any:
    """The tile ``value`` plus ``count`` rank-one products of ``terms(places)``: factors of rows, columns.

    The places move as ``moving`` says: (from, by).  The loop is written out here to forbid LLVM to unroll
    it: it is bound by the multiply-adds anyway, and unrolled over unknown distances it needs more address
    registers than there are.
    """
    first = [builder.extract_value(value, at) for at in range(tile.rows * tile.vectors)]
    moving = [*moving, (emit.integer(0), emit.integer(1))]
    before = builder.block
    loop, done = builder.append_basic_block("product"), builder.append_basic_block("produced")
    builder.cbranch(builder.icmp_signed(">", count, emit.integer(0)), loop, done)

    builder.position_at_end(loop)
    places = [builder.phi(ir.IntType(64)) for _ in moving]
    totals = [builder.phi(start.type) for start in first]
    later = _rank_one(builder, totals, *terms(places[:-1]))
    moved = [builder.add(place, step) for place, (_, step) in zip(places, moving, strict=True)]
    starts = [start for start, _ in moving]
    for phi, start, next_value in zip([*places, *totals], [*starts, *first], [*moved, *later], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(next_value, loop)
    again = builder.cbranch(builder.icmp_signed("<", moved[-1], count), loop, done)
    again.set_metadata("llvm.loop", emit.not_unrolled(builder.module))

    builder.position_at_end(done)
    finished = [builder.phi(start.type) for start in first]
    result = value
    for at, (phi, start, total) in enumerate(zip(finished, first, later, strict=True)):
        phi.add_incoming(start, before)
        phi.add_incoming(total, loop)
        result = builder.insert_value(result, phi, at)
    return result


def _numbers(builder: Any, place: Any, step: Any, tile: Tile) -> list[Any]:
    return [_number(builder, at, tile.vector) for at in emit.steps(builder, place, step, tile.rows)]


def _vectors(builder: Any, place: Any, apart: Any, tile: Tile) -> list[Any]:
    return [
        emit.vector_at(builder, at, tile.vector) for at in emit.steps(builder, place, apart, tile.vectors)
    ]


@intrinsic
def tile_multiply_add(
    typing: Any, tile: Any, left: Any, row: Any, step: Any, right: Any, stride: Any, apart: Any, inner: Any
) -> Any:
    """Add to row r, for k < inner, the number at ``left + r * row + k * step`` times the vectors at
    ``right + k * stride``, ``apart`` from one another.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, left_at, row_step, left_step, right_at, right_step, distance, count = args

        def terms(places: list[Any]) -> tuple[list[Any], list[Any]]:
            columns = _vectors(builder, places[1], distance, tile)
            return _numbers(builder, places[0], row_step, tile), columns

        moving = [(left_at, left_step), (right_at, right_step)]
        return _accumulated(builder, tile, value, moving, count, terms)

    index = types.intp
    return tile(tile, index, index, index, index, index, index, index), generate


@intrinsic
def tile_multiply_add_listed(
    typing: Any, tile: Any, left: Any, row: Any, step: Any, listed: Any, offset: Any, apart: Any, inner: Any
) -> Any:
    """The same with the vectors at ``offset`` from the k-th address of a list."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, left_at, row_step, left_step, list_at, begin, distance, count = args

        def terms(places: list[Any]) -> tuple[list[Any], list[Any]]:
            right = builder.add(emit.address_at(builder, places[1]), begin)
            columns = _vectors(builder, right, distance, tile)
            return _numbers(builder, places[0], row_step, tile), columns

        moving = [(left_at, left_step), (list_at, emit.integer(emit.ADDRESS_BYTES))]
        return _accumulated(builder, tile, value, moving, count, terms)

    index = types.intp
    return tile(tile, index, index, index, index, index, index, index), generate


def _finish(generate_one: Any) -> Any:
    """An intrinsic that visits every vector of a tile: (builder, its value, pointer to its place, kind)."""

    def typed(typing: Any, tile: Any, place: Any, step: Any, apart: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value, first, distance, between = args
            for row, begin in enumerate(emit.steps(builder, first, distance, tile.rows)):
                for column, at in enumerate(emit.steps(builder, begin, between, tile.vectors)):
                    part = builder.extract_value(value, row * tile.vectors + column)
                    generate_one(builder, part, emit.pointer(builder, at, part.type), tile.vector)
            return context.get_dummy_value()

        return types.void(tile, types.intp, types.intp, types.intp), generate

    return typed


def _scale(builder: Any, value: Any, pointer: Any, vector: emit.Vector) -> None:
    before = emit.load(builder, pointer, vector)
    emit.store(builder, builder.fmul(before, value), pointer, vector)


@intrinsic
def tile_store(typing: Any, tile: Any, place: Any, step: Any, apart: Any) -> Any:
    """Write row r to ``place + r * step``, its vectors ``apart`` from one another."""
    return _finish(emit.store)(typing, tile, place, step, apart)


@intrinsic
def tile_scale(typing: Any, tile: Any, place: Any, step: Any, apart: Any) -> Any:
    """Multiply row r into what stands at ``place + r * step``, its vectors ``apart`` from one another."""
    return _finish(_scale)(typing, tile, place, step, apart)


@intrinsic
def tile_store_first(typing: Any, tile: Any, place: Any, step: Any, count: Any) -> Any:
    """Write the first ``count`` elements of row r to ``place + r * step``; a row is one vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, first, distance, wanted = args
        chosen = emit.mask(builder, wanted, tile.vector)
        for row, at in enumerate(emit.steps(builder, first, distance, tile.rows)):
            part = builder.extract_value(value, row)
            emit.store_first(builder, part, emit.pointer(builder, at, part.type), tile.vector, chosen)
        return context.get_dummy_value()

    return types.void(tile, types.intp, types.intp, types.intp), generate
