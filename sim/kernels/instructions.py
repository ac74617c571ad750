"""Operations on one float32 or float64 that are one instruction, or a few, and never a branch.

Numba's own would often widen an integer to 64 bits or call a function, and either keeps a
loop from filling its vectors.  The scalar counterpart of :mod:`sim.kernels.simd`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.kernels.simd import HAS_FMA

# --- single instructions ---------------------------------------------------------------


def one_real(*arguments: Any) -> bool:
    """All arguments have one floating type."""
    return isinstance(arguments[0], types.Float) and all(kind == arguments[0] for kind in arguments)


def _instruction(name: str, count: int) -> Callable[..., Any]:
    """The LLVM intrinsic ``llvm.<name>`` of ``count`` equal floating arguments."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(
            f"llvm.{name}", [kind], ir.FunctionType(kind, [kind] * count)
        )
        return builder.call(function, arguments)

    return generate


def _multiply_add(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    if HAS_FMA:
        return builder.fma(*arguments)
    a, b, c = arguments
    return builder.fadd(builder.fmul(a, b), c)


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once where the CPU can (elsewhere LLVM would call libm)."""
    return (a(a, b, c), _multiply_add) if one_real(a, b, c) else None


@intrinsic
def absolute(typing: Any, x: Any) -> Any:
    """|x|."""
    return (x(x), _instruction("fabs", 1)) if one_real(x) else None


@intrinsic
def square_root(typing: Any, x: Any) -> Any:
    """√x, correctly rounded."""
    return (x(x), _instruction("sqrt", 1)) if one_real(x) else None


@intrinsic
def with_sign(typing: Any, x: Any, sign: Any) -> Any:
    """|x| with the sign of ``sign``."""
    return (x(x, sign), _instruction("copysign", 2)) if one_real(x, sign) else None


@intrinsic
def select(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """``yes if condition else no`` without a branch."""
    if condition != types.boolean or not one_real(yes, no):
        return None
    return yes(condition, yes, no), lambda context, builder, signature, arguments: builder.select(*arguments)


@intrinsic
def horner(typing: Any, x: Any, coefficients: Any) -> Any:
    """c₀ + c₁x + c₂x² + … of a constant tuple, lowest power first."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        variable, packed = arguments
        *rest, total = cgutils.unpack_tuple(builder, packed, coefficients.count)
        for coefficient in reversed(rest):
            total = _multiply_add(context, builder, None, [total, variable, coefficient])
        return total

    return x(x, coefficients), generate


# --- bits ------------------------------------------------------------------------------


def _shape(kind: Any) -> tuple[Any, int, int]:
    """Integer type of the same width, mantissa bits and exponent bias of a floating type."""
    return (ir.IntType(32), 23, 127) if isinstance(kind, ir.FloatType) else (ir.IntType(64), 52, 1023)


@intrinsic
def powers(typing: Any, shifted: Any) -> Any:
    """(a, b, 1/b), powers of two with a·b = 2ᵏ, for k + 2·bias in the low bits of ``shifted``.

    Two factors, since 2ᵏ itself overflows or is subnormal at the ends of the range of exp.
    The two biases are in the sum already, so a half of it is an exponent field as it stands.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        integer, mantissa, bias = _shape(kind)
        bits = builder.bitcast(arguments[0], integer)
        half = builder.lshr(bits, integer(1))
        rest = builder.sub(bits, half)
        fields = half, rest, builder.sub(integer(2 * bias), rest)
        factors = [builder.bitcast(builder.shl(field, integer(mantissa)), kind) for field in fields]
        return context.make_tuple(builder, signature.return_type, factors)

    return types.UniTuple(shifted, 3)(shifted), generate


@intrinsic
def rising_power(typing: Any, shifted: Any) -> Any:
    """2ᵏ for k + bias in the low bits of ``shifted``, 0 ≤ k ≤ bias."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        integer, mantissa, _ = _shape(kind)
        field = builder.shl(builder.bitcast(arguments[0], integer), integer(mantissa))
        return builder.bitcast(field, kind)

    return shifted(shifted), generate


def _root_half(integer: Any) -> Any:
    """The bit pattern of √½."""
    if integer.width == 32:
        return integer(int(np.float32(0.5**0.5).view(np.int32)))
    return integer(int(np.float64(0.5**0.5).view(np.int64)))


@intrinsic
def mantissa_and_exponent(typing: Any, x: Any) -> Any:
    """(m, k, 2⁻ᵏ) with x = m·2ᵏ and √½ ≤ m < √2, for normal x > 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        integer, mantissa, bias = _shape(value.type)
        bits = builder.bitcast(value, integer)
        k = builder.ashr(builder.sub(bits, _root_half(integer)), integer(mantissa))
        m = builder.bitcast(builder.sub(bits, builder.shl(k, integer(mantissa))), value.type)
        field = builder.sub(integer(bias), k)
        field = builder.select(builder.icmp_signed("<", field, integer(0)), integer(0), field)
        scale = builder.bitcast(builder.shl(field, integer(mantissa)), value.type)
        return context.make_tuple(builder, signature.return_type, (m, builder.sitofp(k, value.type), scale))

    return types.UniTuple(x, 3)(x), generate


@intrinsic
def upper_half(typing: Any, x: Any) -> Any:
    """x with the lower half of its mantissa cleared, so that its square is exact."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        integer, mantissa, _ = _shape(value.type)
        mask = integer(-1 << ((mantissa + 2) // 2))
        return builder.bitcast(builder.and_(builder.bitcast(value, integer), mask), value.type)

    return x(x), generate


@intrinsic
def quarter_turns(typing: Any, sine: Any, cosine: Any, shifted: Any) -> Any:
    """(sin, cos) of r + k·π/2 from those of r, for the k in the low bits of ``shifted``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        s, c, turns = arguments
        integer = _shape(s.type)[0]
        k = builder.bitcast(turns, ir.IntType(64))
        k = k if integer.width == 64 else builder.trunc(k, integer)
        odd = builder.icmp_signed("!=", builder.and_(k, integer(1)), integer(0))

        def signed(value: Any, quarter: Any) -> Any:
            flip = builder.shl(builder.lshr(quarter, integer(1)), integer(integer.width - 1))
            return builder.bitcast(builder.xor(builder.bitcast(value, integer), flip), value.type)

        pair = (
            signed(builder.select(odd, c, s), k),
            signed(builder.select(odd, s, c), builder.add(k, integer(1))),
        )
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(sine, 2)(sine, cosine, shifted), generate
