"""A SIMD vector as a Numba value: as many lanes as one register of the CPU holds.

Plain loops reach 15–45 % of the machine's multiply-add peak on small products because
LLVM cannot keep accumulators in registers across possibly aliasing stores.  A local
variable that holds a vector is a register.

Places are ``array, index`` pairs into flat arrays; they are not checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from sim.kernels import (
    emit,
    vectors,  # noqa: F401  (registers the arithmetic of vectors)
)
from sim.kernels.emit import HAS_FMA, Vector, lanes

__all__ = [
    "HAS_FMA", "Vector", "address", "borrowed", "fma", "horizontal_sum", "lanes", "lanes_of", "larger",
    "load", "load_first", "prefetch", "splat", "store", "store_first", "widen",
]  # fmt: skip


@intrinsic
def address(typing: Any, array: Any, index: Any) -> Any:
    """Where ``array[index]`` lies in memory.

    A whole array passed from function to function costs seven words and two counts of
    its references; its address costs one word.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(emit.element(context, builder, array, *args), ir.IntType(64))

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
def matrix(typing: Any, flat: Any, begin: Any, rows: Any, columns: Any) -> Any:
    """A (rows, columns) view of ``flat[begin:]``; a reshape would check strides at each call."""
    kind = types.Array(flat.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, *shape = args
        size = context.get_abi_sizeof(context.get_data_type(flat.dtype))
        view = context.make_array(kind)(context, builder)
        populate_array(
            view,
            data=emit.element(context, builder, flat, *args[:2]),
            shape=shape,
            strides=[builder.mul(shape[1], emit.integer(size)), emit.integer(size)],
            itemsize=emit.integer(size),
            meminfo=None,
        )
        return view._getvalue()

    return kind(flat, types.intp, types.intp, types.intp), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """The vector of consecutive elements that begins at ``array[index]``."""
    vector = Vector(array.dtype, lanes(array.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.load(builder, emit.element(context, builder, array, *args), vector)

    return vector(array, types.intp), generate


@intrinsic
def load_first(typing: Any, array: Any, index: Any, count: Any) -> Any:
    """The first ``count`` lanes of :func:`load`, zero in the others; nothing behind them is read."""
    vector = Vector(array.dtype, lanes(array.dtype))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit.element(context, builder, array, *args[:2])
        return emit.load_first(builder, place, vector, emit.mask(builder, args[2], vector))

    return vector(array, types.intp, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write all lanes of ``value`` to ``array[index:]``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = emit.element(context, builder, array, *args[:2])
        pointer = builder.bitcast(address, args[2].type.as_pointer())
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def store_first(typing: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first ``count`` lanes of ``value`` to ``array[index:]``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit.element(context, builder, array, *args[:2])
        emit.store_first(builder, args[2], place, value, emit.mask(builder, args[3], value))
        return context.get_dummy_value()

    return types.void(array, types.intp, value, types.intp), generate


@intrinsic
def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Bring the cache line of ``array[index]`` near; nothing happens where there is none."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(emit.element(context, builder, array, *args), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, flag(0), flag(3), flag(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def splat(typing: Any, scalar: Any) -> Any:
    """A vector with ``scalar`` in every lane."""
    vector = Vector(scalar, lanes(scalar))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.broadcast(builder, args[0], vector)

    return vector(scalar), generate


@intrinsic
def widen(typing: Any, value: Any) -> Any:
    """The same lanes in float64."""
    wide = Vector(types.float64, value.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0] if value == wide else builder.fpext(args[0], emit.llvm_type(wide))

    return wide(value), generate


def lanes_of(array: Any) -> int:
    """Lanes of a vector of the array's type, known when the caller is compiled."""
    raise TypeError("for compiled code only")


@overload(lanes_of)
def _lanes_of(array):
    count = lanes(array.dtype)
    return lambda array: count


# --- arithmetic ------------------------------------------------------------------------


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Lane by lane a·b + c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit.fma(builder, *args)

    return a(a, b, c), generate


@intrinsic
def larger(typing: Any, value: Any, other: Any) -> Any:
    """The larger of each lane; where they cannot be compared, ``other``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return value(value, other), generate


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
