"""A SIMD vector as a Numba value: as many lanes as one register of the CPU holds.

Plain loops reach 15–45 % of the machine's multiply-add peak on small products because
LLVM cannot keep accumulators in registers across possibly aliasing stores.  A value of
type :class:`Vector` *is* an LLVM ``<N x float>``, so a local variable is a register.
LLVM legalises any number of lanes: the code is correct on every CPU and fast where the
number fits (16 float32 lanes with AVX-512, 8 with AVX2, 4 with SSE or NEON).

Places are ``array, index`` pairs into flat arrays, or addresses; neither is checked.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from sim.kernels.jit import cpu_features


def _register_bytes() -> int:
    features = cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


REGISTER_BYTES = _register_bytes()
HAS_FMA = bool(cpu_features().get("fma") or cpu_features().get("neon"))


def lanes(real: types.Type) -> int:
    """Lanes of one vector of ``real``."""
    return REGISTER_BYTES * 8 // real.bitwidth


class Vector(types.Type):
    """``count`` values of type ``real`` in one register (or in as many as LLVM needs)."""

    def __init__(self, real: types.Type, count: int) -> None:
        self.real, self.count = real, count
        super().__init__(f"Vector({real} x {count})")


class Tile(types.Type):
    """``rows`` × ``vectors`` accumulators of a matrix product, held in registers."""

    def __init__(self, vector: Vector, rows: int, vectors: int) -> None:
        self.vector, self.rows, self.vectors = vector, rows, vectors
        super().__init__(f"Tile({vector.name}, {rows} x {vectors})")


def _llvm(vector: Vector) -> ir.VectorType:
    scalar = ir.FloatType() if vector.real == types.float32 else ir.DoubleType()
    return ir.VectorType(scalar, vector.count)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, _llvm(kind))


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Tile) -> None:
        super().__init__(manager, kind, ir.ArrayType(_llvm(kind.vector), kind.rows * kind.vectors))


# --- addresses, loads and stores -------------------------------------------------------


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _load(builder: Any, place: Any, vector: Vector) -> Any:
    pointer = builder.bitcast(place, _llvm(vector).as_pointer())
    return builder.load(pointer, align=vector.real.bitwidth // 8)


def _broadcast(builder: Any, scalar: Any, vector: Vector) -> Any:
    kind = _llvm(vector)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), mask)


def _suffix(kind: ir.VectorType) -> str:
    """How LLVM names the type in an intrinsic, for instance v16f32."""
    return f"v{kind.count}f{32 if kind.element == ir.FloatType() else 64}"


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c in one rounding where the CPU can; llvm.fma without FMA calls a slow library function."""
    if not HAS_FMA:
        return builder.fadd(builder.fmul(a, b), c)
    kind = a.type
    name = f"llvm.fma.{_suffix(kind)}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [a, b, c])


def _mask(builder: Any, count: Any, vector: Vector) -> Any:
    """Lanes below ``count``."""
    index = ir.VectorType(ir.IntType(32), vector.count)
    narrow = builder.trunc(count, ir.IntType(32))
    wide = builder.insert_element(ir.Constant(index, ir.Undefined), narrow, ir.Constant(ir.IntType(32), 0))
    wide = builder.shuffle_vector(
        wide, ir.Constant(index, ir.Undefined), ir.Constant(index, [0] * vector.count)
    )
    return builder.icmp_signed("<", ir.Constant(index, list(range(vector.count))), wide)


def _store_first(builder: Any, value: Any, address: Any, vector: Vector, mask: Any) -> None:
    """Store the masked lanes only."""
    pointer = builder.bitcast(address, _llvm(vector).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, ir.IntType(32), mask.type])
    name = f"llvm.masked.store.{_suffix(value.type)}.p0"
    store = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), vector.real.bitwidth // 8), mask])


@intrinsic
def address(typing: Any, array: Any, index: Any) -> Any:
    """Where ``array[index]`` lies in memory.

    A whole array passed from function to function costs seven words and two counts of
    its references; its address costs one word.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_address(context, builder, array, *args), ir.IntType(64))

    return types.intp(array, types.intp), generate


@intrinsic
def borrowed(typing: Any, array: Any) -> Any:
    """The same array without a share in its memory: its views cost no atomic counting of references.

    Whoever calls the kernel keeps the memory alive.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(array)(context, builder, args[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """The vector of consecutive elements that begins at ``array[index]``."""
    vector = Vector(array.dtype, lanes(array.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, _address(context, builder, array, *args), vector)

    return vector(array, types.intp), generate


@intrinsic
def load_first(typing: Any, array: Any, index: Any, count: Any) -> Any:
    """Like :func:`load`, lanes from ``count`` on replaced by zero."""
    vector = Vector(array.dtype, lanes(array.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = _load(builder, _address(context, builder, array, *args[:2]), vector)
        zero = ir.Constant(whole.type, [0.0] * vector.count)
        return builder.select(_mask(builder, args[2], vector), whole, zero)

    return vector(array, types.intp, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write all lanes of ``value`` to ``array[index:]``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, *args[:2])
        pointer = builder.bitcast(address, args[2].type.as_pointer())
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def splat(typing: Any, scalar: Any) -> Any:
    """A vector with ``scalar`` in every lane."""
    vector = Vector(scalar, lanes(scalar))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _broadcast(builder, args[0], vector)

    return vector(scalar), generate


@intrinsic
def widen(typing: Any, value: Any) -> Any:
    """The same lanes in float64."""
    wide = Vector(types.float64, value.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0] if value == wide else builder.fpext(args[0], _llvm(wide))

    return wide(value), generate


def lanes_of(array: Any) -> int:
    """Lanes of a vector of the array's type, known when the caller is compiled."""
    raise TypeError("for compiled code only")


@overload(lanes_of)
def _lanes_of(array):  # type: ignore[no-untyped-def]
    count = lanes(array.dtype)
    return lambda array: count


# --- arithmetic ------------------------------------------------------------------------


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Lane by lane a·b + c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fma(builder, *args)

    return a(a, b, c), generate


def _binary(operation: Any, instruction: str) -> None:
    @intrinsic
    def apply(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return a(a, b), generate

    @overload(operation)
    def arithmetic(a, b):  # type: ignore[no-untyped-def]
        if isinstance(a, Vector) and a == b:
            return lambda a, b: apply(a, b)
        return None


for _operation, _instruction in [(operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")]:
    _binary(_operation, _instruction)


def _halves(builder: Any, value: Any, count: int) -> tuple[Any, Any]:
    """The lower and the upper half of a vector of ``count`` lanes."""
    undefined = ir.Constant(value.type, ir.Undefined)
    kind = ir.VectorType(ir.IntType(32), count // 2)
    return tuple(
        builder.shuffle_vector(value, undefined, ir.Constant(kind, list(range(start, start + count // 2))))
        for start in (0, count // 2)
    )


@intrinsic
def horizontal_sum(typing: Any, value: Any) -> Any:
    """Sum of the lanes, halves added pairwise: (v0+v8)+(v4+v12)+…, the same on every call."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total, count = args[0], value.count
        while count > 1:
            total = builder.fadd(*_halves(builder, total, count))
            count //= 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return value.real(value), generate


# --- tiles of a matrix product: all places are addresses, all distances bytes ------------


def _pointer(builder: Any, place: Any, kind: Any) -> Any:
    return builder.inttoptr(place, kind.as_pointer())


def _number(builder: Any, place: Any, vector: Vector) -> Any:
    """The number at an address, in every lane."""
    return _broadcast(builder, builder.load(_pointer(builder, place, _llvm(vector).element)), vector)


def _vector(builder: Any, place: Any, vector: Vector) -> Any:
    return builder.load(_pointer(builder, place, _llvm(vector)), align=vector.real.bitwidth // 8)


def _steps(builder: Any, place: Any, step: Any, count: int) -> list[Any]:
    """place, place + step, … as LLVM values."""
    places = [place]
    for _ in range(count - 1):
        places.append(builder.add(places[-1], step))
    return places


@intrinsic(prefer_literal=True)
def tile_from(typing: Any, real: Any, rows: Any, vectors: Any, start: Any, step: Any) -> Any:
    """A tile whose row r is filled with the number at ``start + r * step``."""
    vector = Vector(real.dtype, lanes(real.dtype))
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
        width = ir.Constant(ir.IntType(64), REGISTER_BYTES)
        columns = [_vector(builder, place, vector) for place in _steps(builder, args[3], width, tile.vectors)]
        for row, place in enumerate(_steps(builder, args[1], args[2], tile.rows)):
            factor = _number(builder, place, vector)
            for column in range(tile.vectors):
                at = row * tile.vectors + column
                total = _fma(builder, factor, columns[column], builder.extract_value(result, at))
                result = builder.insert_value(result, total, at)
        return result

    return tile(tile, types.intp, types.intp, types.intp), generate


def _finish(tile: Tile, generate_one: Any) -> Any:
    """Code that visits every vector of a tile: (builder, vector's value, pointer, its mask)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, first, distance, columns = args
        vector = tile.vector
        width = ir.Constant(ir.IntType(64), REGISTER_BYTES)
        masks = [
            _mask(builder, builder.sub(columns, ir.Constant(ir.IntType(64), column * vector.count)), vector)
            for column in range(tile.vectors)
        ]
        for row, begin in enumerate(_steps(builder, first, distance, tile.rows)):
            for column, at in enumerate(_steps(builder, begin, width, tile.vectors)):
                part = builder.extract_value(value, row * tile.vectors + column)
                generate_one(builder, part, _pointer(builder, at, part.type), masks[column])
        return context.get_dummy_value()

    return generate


@intrinsic
def tile_store(typing: Any, tile: Any, place: Any, step: Any, count: Any) -> Any:
    """Write row r to ``place + r * step``, its first ``count`` elements only."""

    def store_one(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
        _store_first(builder, value, pointer, tile.vector, mask)

    return types.void(tile, types.intp, types.intp, types.intp), _finish(tile, store_one)


@intrinsic
def tile_scale(typing: Any, tile: Any, place: Any, step: Any, count: Any) -> Any:
    """Multiply row r into what stands at ``place + r * step``, its first ``count`` elements only."""

    def scale_one(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
        before = builder.load(pointer, align=tile.vector.real.bitwidth // 8)
        _store_first(builder, builder.fmul(before, value), pointer, tile.vector, mask)

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
    """Write the transpose of the lanes × lanes block at ``source`` to the block at ``target``; steps are bytes."""
    vector = Vector(real.dtype, lanes(real.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, read, read_step, write, write_step = args
        rows = [_vector(builder, place, vector) for place in _steps(builder, read, read_step, vector.count)]
        places = _steps(builder, write, write_step, vector.count)
        for row, place in zip(_transposed(builder, rows, vector.count), places, strict=True):
            builder.store(row, _pointer(builder, place, row.type), align=vector.real.bitwidth // 8)
        return context.get_dummy_value()

    index = types.intp
    return types.void(real, index, index, index, index), generate
