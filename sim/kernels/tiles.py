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


@intrinsic
def tile_multiply_add(typing: Any, tile: Any, left: Any, step: Any, right: Any) -> Any:
    """Add to row r the number at ``left + r * step`` times the vectors from ``right`` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result, vector = args[0], tile.vector
        width = emit.integer(emit.REGISTER_BYTES)
        columns = [_vector(builder, place, vector) for place in _steps(builder, args[3], width, tile.vectors)]
        for row, place in enumerate(_steps(builder, args[1], args[2], tile.rows)):
            factor = _number(builder, place, vector)
            for column in range(tile.vectors):
                at = row * tile.vectors + column
                total = emit.fma(builder, factor, columns[column], builder.extract_value(result, at))
                result = builder.insert_value(result, total, at)
        return result

    return tile(tile, types.intp, types.intp, types.intp), generate


def _finish(tile: Tile, generate_one: Any) -> Any:
    """Code that visits every vector of a tile: (builder, vector's value, pointer, its mask)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, first, distance, columns = args
        vector = tile.vector
        width = emit.integer(emit.REGISTER_BYTES)
        masks = [
            emit.mask(builder, builder.sub(columns, emit.integer(column * vector.count)), vector)
            for column in range(tile.vectors)
        ]
        for row, begin in enumerate(_steps(builder, first, distance, tile.rows)):
            for column, at in enumerate(_steps(builder, begin, width, tile.vectors)):
                part = builder.extract_value(value, row * tile.vectors + column)
                generate_one(builder, part, emit.pointer(builder, at, part.type), masks[column])
        return context.get_dummy_value()

    return generate


@intrinsic
def tile_store(typing: Any, tile: Any, place: Any, step: Any, count: Any) -> Any:
    """Write row r to ``place + r * step``, its first ``count`` elements only."""

    def store_one(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
        emit.store_first(builder, value, pointer, tile.vector, mask)

    return types.void(tile, types.intp, types.intp, types.intp), _finish(tile, store_one)


@intrinsic
def tile_scale(typing: Any, tile: Any, place: Any, step: Any, count: Any) -> Any:
    """Multiply row r into what stands at ``place + r * step``, its first ``count`` elements only."""

    def scale_one(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
        before = builder.load(pointer, align=tile.vector.real.bitwidth // 8)
        emit.store_first(builder, builder.fmul(before, value), pointer, tile.vector, mask)

    return types.void(tile, types.intp, types.intp, types.intp), _finish(tile, scale_one)


# --- transposing ---------------------------------------------------------------------------


def _transposed(builder: Any, rows: list[Any], count: int) -> list[Any]:
    """Transpose ``count`` vectors of ``count`` lanes by log2(count) rounds of shuffles.

    Round by round, the blocks of side ``half`` off the diagonal of each block of side
    2·half change places; each pair of rows needs two shuffles.
    """
    kind = ir.VectorType(ir.IntType(32), count)
    half = count // 2
    while half:
        keep = [lane if not lane & half else count + (lane ^ half) for lane in range(count)]
        take = [lane ^ half if not lane & half else count + lane for lane in range(count)]
        for row in range(count):
            if not row & half:
                upper, lower = rows[row], rows[row + half]
                rows[row] = builder.shuffle_vector(upper, lower, ir.Constant(kind, keep))
                rows[row + half] = builder.shuffle_vector(upper, lower, ir.Constant(kind, take))
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
