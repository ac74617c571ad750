"""Register tiles of a matrix product, and transposes by shuffles.

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


def _vector(builder: Any, place: Any, vector: emit.Vector) -> Any:
    """The vector at an address."""
    return emit.load(builder, emit.pointer(builder, place, emit.llvm_type(vector)), vector)


def _steps(builder: Any, place: Any, step: Any, count: int) -> list[Any]:
    """place, place + step, … as LLVM values."""
    places = [place]
    for _ in range(count - 1):
        places.append(builder.add(places[-1], step))
    return places


@intrinsic(prefer_literal=True)
def tile_from(typing: Any, real: Any, rows: Any, vectors: Any, start: Any, step: Any) -> Any:
    """A tile whose row r is filled with the number at ``start + r * step``."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))
    tile = Tile(vector, rows.literal_value, vectors.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = ir.Constant(context.get_value_type(tile), ir.Undefined)
        for row, place in enumerate(_steps(builder, args[3], args[4], tile.rows)):
            filled = _number(builder, place, vector)
            for column in range(tile.vectors):
                value = builder.insert_value(value, filled, row * tile.vectors + column)
        return value

    return tile(real, rows, vectors, types.intp, types.intp), generate


def _rank_one(
    builder: Any, tile: Tile, totals: list[Any], left: Any, row: Any, right: Any, apart: Any
) -> list[Any]:
    """Every accumulator plus its row's number times its column's vector."""
    vector = tile.vector
    columns = [_vector(builder, place, vector) for place in _steps(builder, right, apart, tile.vectors)]
    factors = [_number(builder, place, vector) for place in _steps(builder, left, row, tile.rows)]
    pairs = [(factor, column) for factor in factors for column in columns]
    return [emit.fma(builder, *pair, total) for pair, total in zip(pairs, totals, strict=True)]


@intrinsic
def tile_multiply_add(
    typing: Any, tile: Any, left: Any, row: Any, step: Any, right: Any, stride: Any, apart: Any, inner: Any
) -> Any:
    """Add to row r, for k < inner, the number at ``left + r * row + k * step`` times the vectors at
    ``right + k * stride``, ``apart`` from one another.

    The loop is written out here to forbid LLVM to unroll it: it is bound by the multiply-adds
    anyway, and unrolled over unknown distances it needs more address registers than there are.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, left_at, row_step, left_step, right_at, right_step, distance, count = args
        first = [builder.extract_value(value, at) for at in range(tile.rows * tile.vectors)]
        before = builder.block
        loop, done = builder.append_basic_block("product"), builder.append_basic_block("produced")
        builder.cbranch(builder.icmp_signed(">", count, emit.integer(0)), loop, done)

        builder.position_at_end(loop)
        places = [builder.phi(ir.IntType(64)) for _ in range(3)]
        totals = [builder.phi(start.type) for start in first]
        later = _rank_one(builder, tile, totals, places[0], row_step, places[1], distance)
        steps = (left_step, right_step, emit.integer(1))
        moved = [builder.add(place, step) for place, step in zip(places, steps, strict=True)]
        for phi, start, next_value in zip(
            [*places, *totals], [left_at, right_at, emit.integer(0), *first], [*moved, *later], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(next_value, loop)
        again = builder.cbranch(builder.icmp_signed("<", moved[2], count), loop, done)
        again.set_metadata("llvm.loop", emit.not_unrolled(builder.module))

        builder.position_at_end(done)
        finished = [builder.phi(start.type) for start in first]
        result = value
        for at, (phi, start, total) in enumerate(zip(finished, first, later, strict=True)):
            phi.add_incoming(start, before)
            phi.add_incoming(total, loop)
            result = builder.insert_value(result, phi, at)
        return result

    index = types.intp
    return tile(tile, index, index, index, index, index, index, index), generate


def _finish(generate_one: Any) -> Any:
    """An intrinsic that visits every vector of a tile: (builder, its value, pointer to its place, kind)."""

    def typed(typing: Any, tile: Any, place: Any, step: Any, apart: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value, first, distance, between = args
            for row, begin in enumerate(_steps(builder, first, distance, tile.rows)):
                for column, at in enumerate(_steps(builder, begin, between, tile.vectors)):
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
        for row, at in enumerate(_steps(builder, first, distance, tile.rows)):
            part = builder.extract_value(value, row)
            emit.store_first(builder, part, emit.pointer(builder, at, part.type), tile.vector, chosen)
        return context.get_dummy_value()

    return types.void(tile, types.intp, types.intp, types.intp), generate


# --- summing rows --------------------------------------------------------------------------


def _folded(builder: Any, rows: list[Any], count: int) -> Any:
    """Lane r of one vector: the sum of vector r's lanes.

    The rounds of :func:`_transposed`, but what a round exchanges is added at once, so each
    round leaves half as many vectors; the order of a sum depends on the number of lanes only.
    """
    half = count // 2
    while half:
        pairs = zip(rows[:half], rows[half:], strict=True)
        rows = [builder.fadd(*_exchanged(builder, *pair, half, count)) for pair in pairs]
        half //= 2
    return rows[0]


def _rows_folded(vector: emit.Vector, term: Any) -> Any:
    """Code that writes the sums of a block of rows, a lane each.

    ``term(builder, place, total)`` is what a row's vector at ``place`` adds to the row's total, or
    begins it with where there is none yet.
    """

    def generate(builder: Any, first: Any, row_step: Any, turns: Any, written: Any, wanted: Any) -> None:
        width = emit.integer(emit.REGISTER_BYTES)
        starts = [term(builder, place, None) for place in _steps(builder, first, row_step, vector.count)]
        second = builder.add(first, width)
        before = builder.block
        loop, done = builder.append_basic_block("row_sums"), builder.append_basic_block("rows_summed")
        builder.cbranch(builder.icmp_signed(">", turns, emit.integer(1)), loop, done)

        builder.position_at_end(loop)
        turn, place = builder.phi(ir.IntType(64)), builder.phi(ir.IntType(64))
        totals = [builder.phi(start.type) for start in starts]
        places = _steps(builder, place, row_step, vector.count)
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
        result = _folded(builder, sums, vector.count)
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
            value = _vector(builder, place, vector)
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
            one = _vector(builder, place, vector)
            other = _vector(builder, builder.add(place, distance), vector)
            return builder.fmul(one, other) if total is None else emit.fma(builder, one, other, total)

        _rows_folded(vector, term)(builder, first, *rest)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index, index, index), generate


# --- transposing ---------------------------------------------------------------------------


def _exchanged(builder: Any, upper: Any, lower: Any, half: int, count: int) -> tuple[Any, Any]:
    """Two vectors after their blocks of ``half`` lanes off the diagonal changed places."""
    kind = ir.VectorType(ir.IntType(32), count)
    keep = [lane if not lane & half else count + (lane ^ half) for lane in range(count)]
    take = [lane ^ half if not lane & half else count + lane for lane in range(count)]
    return (
        builder.shuffle_vector(upper, lower, ir.Constant(kind, keep)),
        builder.shuffle_vector(upper, lower, ir.Constant(kind, take)),
    )


def _transposed(builder: Any, rows: list[Any], count: int) -> list[Any]:
    """Transpose ``count`` vectors of ``count`` lanes by log2(count) rounds of shuffles.

    Round by round, the blocks of side ``half`` off the diagonal of each block of side
    2·half change places; each pair of rows needs two shuffles.
    """
    half = count // 2
    while half:
        for row in range(count):
            if not row & half:
                rows[row], rows[row + half] = _exchanged(builder, rows[row], rows[row + half], half, count)
        half //= 2
    return rows


@intrinsic
def transpose_block(
    typing: Any, real: Any, source: Any, source_step: Any, target: Any, target_step: Any
) -> Any:
    """Write the transpose of the lanes × lanes block at ``source`` to the block at ``target``."""
    vector = emit.Vector(real.dtype, emit.lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, read, read_step, write, write_step = args
        rows = [_vector(builder, place, vector) for place in _steps(builder, read, read_step, vector.count)]
        places = _steps(builder, write, write_step, vector.count)
        for row, place in zip(_transposed(builder, rows, vector.count), places, strict=True):
            emit.store(builder, row, emit.pointer(builder, place, row.type), vector)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index), generate
