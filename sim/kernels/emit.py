"""LLVM instructions on vectors, for the intrinsics of `simd` and `tiles`.

A value of type :class:`Vector` *is* an LLVM ``<N x float>``; LLVM legalises any number of
lanes, so the code is correct on every CPU and fast where the number fits a register: 16
float32 lanes with AVX-512, 8 with AVX2, 4 with SSE or NEON.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

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


def llvm_type(vector: Vector) -> ir.VectorType:
    """The vector as LLVM knows it."""
    scalar = ir.FloatType() if vector.real == types.float32 else ir.DoubleType()
    return ir.VectorType(scalar, vector.count)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, llvm_type(kind))


ADDRESS_BYTES = 8
"""Every address is a 64-bit integer."""


def address_at(builder: Any, place: Any) -> Any:
    """The address that is kept at an address."""
    return builder.load(pointer(builder, place, ir.IntType(64)))


def integer(value: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(ir.IntType(64), value)


def element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """A pointer to ``array[index]``."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def pointer(builder: Any, place: Any, kind: Any) -> Any:
    """An address as a pointer to ``kind``."""
    return builder.inttoptr(place, kind.as_pointer())


def load(builder: Any, place: Any, vector: Vector) -> Any:
    """The vector a pointer points to, aligned as its elements are."""
    return builder.load(
        builder.bitcast(place, llvm_type(vector).as_pointer()), align=vector.real.bitwidth // 8
    )


def store(builder: Any, value: Any, place: Any, vector: Vector) -> None:
    """Write a vector where a pointer points."""
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=vector.real.bitwidth // 8)


def broadcast(builder: Any, scalar: Any, vector: Vector) -> Any:
    """A vector with ``scalar`` in every lane."""
    kind = llvm_type(vector)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    lanes_from = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), lanes_from)


def constant(number: float, vector: Vector) -> Any:
    """A vector with a number known beforehand in every lane."""
    return ir.Constant(llvm_type(vector), [number] * vector.count)


def _suffix(kind: ir.VectorType) -> str:
    """How LLVM names the type in an intrinsic, for instance v16f32."""
    return f"v{kind.count}f{32 if kind.element == ir.FloatType() else 64}"


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c in one rounding where the CPU can; llvm.fma without FMA calls a slow library function."""
    if not HAS_FMA:
        return builder.fadd(builder.fmul(a, b), c)
    function = ir.FunctionType(a.type, [a.type] * 3)
    intrinsic = cgutils.get_or_insert_function(builder.module, function, f"llvm.fma.{_suffix(a.type)}")
    return builder.call(intrinsic, [a, b, c])


def vector_at(builder: Any, place: Any, vector: Vector) -> Any:
    """The vector at an address."""
    return load(builder, pointer(builder, place, llvm_type(vector)), vector)


def steps(builder: Any, place: Any, step: Any, count: int) -> list[Any]:
    """place, place + step, … as LLVM values."""
    places = [place]
    for _ in range(count - 1):
        places.append(builder.add(places[-1], step))
    return places


def unary(builder: Any, name: str, a: Any) -> Any:
    """LLVM's intrinsic ``name`` of each lane, for instance sqrt."""
    kind = ir.FunctionType(a.type, [a.type])
    return builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{_suffix(a.type)}"), [a]
    )


def _reciprocal(builder: Any, a: Any) -> Any:
    """1/a to 14 bits: an AVX-512 instruction."""
    kind, lanes_of_mask = a.type, ir.IntType(a.type.count)
    name = f"llvm.x86.avx512.rcp14.p{'s' if kind.element == ir.FloatType() else 'd'}.512"
    function = ir.FunctionType(kind, [kind, kind, lanes_of_mask])
    intrinsic = cgutils.get_or_insert_function(builder.module, function, name)
    return builder.call(intrinsic, [a, ir.Constant(kind, ir.Undefined), lanes_of_mask(-1)])


def divide(builder: Any, vector: Vector, a: Any, b: Any) -> Any:
    """a/b of each lane, with AVX-512 to 1 unit in the last place, elsewhere correctly rounded.

    The divider takes a vector every 6 to 16 cycles, and a square root the same one.  A reciprocal of 14
    bits, in float64 doubled by a step of Newton's, gives a first quotient q; its exact remainder a - q·b
    times the reciprocal is what q lacks.  Where there is none to be had (b = 0, a or b infinite) a times
    the reciprocal is the limit.  |b| is meant to lie between the smallest normal number and its reciprocal.
    """
    if REGISTER_BYTES < 64:
        return builder.fdiv(a, b)
    inverse, negative = _reciprocal(builder, b), builder.fneg(b)
    limit = first = builder.fmul(a, inverse)
    if vector.real == types.float64:
        inverse = fma(builder, inverse, fma(builder, negative, inverse, constant(1.0, vector)), inverse)
        first = builder.fmul(a, inverse)
    remainder = fma(builder, negative, first, a)
    known = builder.fcmp_ordered("ord", remainder, remainder)
    return builder.select(known, fma(builder, remainder, inverse, first), limit)


def mask(builder: Any, count: Any, vector: Vector) -> Any:
    """Lanes below ``count``."""
    index = ir.VectorType(ir.IntType(32), vector.count)
    narrow = builder.trunc(count, ir.IntType(32))
    wide = builder.insert_element(ir.Constant(index, ir.Undefined), narrow, ir.Constant(ir.IntType(32), 0))
    wide = builder.shuffle_vector(
        wide, ir.Constant(index, ir.Undefined), ir.Constant(index, [0] * vector.count)
    )
    return builder.icmp_signed("<", ir.Constant(index, list(range(vector.count))), wide)


def load_first(builder: Any, place: Any, vector: Vector, chosen: Any) -> Any:
    """Load the lanes of a mask only; the others are zero."""
    source, kind = builder.bitcast(place, llvm_type(vector).as_pointer()), llvm_type(vector)
    kinds = [source.type, ir.IntType(32), chosen.type, kind]
    name = f"llvm.masked.load.{_suffix(kind)}.p0"
    intrinsic = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, kinds), name)
    align = ir.Constant(ir.IntType(32), vector.real.bitwidth // 8)
    return builder.call(intrinsic, [source, align, chosen, constant(0.0, vector)])


def store_first(builder: Any, value: Any, place: Any, vector: Vector, chosen: Any) -> None:
    """Store the lanes of a mask only."""
    target = builder.bitcast(place, value.type.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [value.type, target.type, ir.IntType(32), chosen.type])
    name = f"llvm.masked.store.{_suffix(value.type)}.p0"
    intrinsic = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(intrinsic, [value, target, ir.Constant(ir.IntType(32), vector.real.bitwidth // 8), chosen])


def loop_metadata(module: Any, wish: list[Any]) -> Any:
    """Metadata of a loop's branch back that tells LLVM what to do with it."""
    # LLVM wants a loop's metadata to name itself first, so that no two loops share it.
    loop = ir.MDValue(module, [module.add_metadata(wish)], name=str(len(module.metadata)))
    loop.operands = (loop, *loop.operands)
    return loop


def not_unrolled(module: Any) -> Any:
    """One turn stays one turn."""
    return loop_metadata(module, [ir.MetaDataString(module, "llvm.loop.unroll.disable")])
