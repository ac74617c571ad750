"""Branch-free float32 and float64 versions of the catalog's elementary functions.

A loop that calls them is vectorised by LLVM: no branch, no table, no call.  Each is a
range reduction, a polynomial by Horner's rule, and powers of two set in the exponent
bits.  No fastmath flag; the reductions use constants with trailing zero bits, so the
bounds hold with and without a fused multiply-add.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from sim.catalog import mathematics
from sim.kernels.polynomials import FLOAT32, FLOAT64
from sim.kernels.simd import HAS_FMA

INLINE = {"error_model": "numpy", "forceinline": True}
"""Options of every overload: a call left in a loop would stop its vectorisation."""


# --- single instructions ---------------------------------------------------------------


def _one_real(*arguments: Any) -> bool:
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
    return (a(a, b, c), _multiply_add) if _one_real(a, b, c) else None


@intrinsic
def _absolute(typing: Any, x: Any) -> Any:
    return (x(x), _instruction("fabs", 1)) if _one_real(x) else None


@intrinsic
def _square_root(typing: Any, x: Any) -> Any:
    return (x(x), _instruction("sqrt", 1)) if _one_real(x) else None


@intrinsic
def _with_sign(typing: Any, x: Any, sign: Any) -> Any:
    return (x(x, sign), _instruction("copysign", 2)) if _one_real(x, sign) else None


@intrinsic
def select(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """``yes if condition else no`` without a branch."""
    if condition != types.boolean or not _one_real(yes, no):
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


# --- functions -------------------------------------------------------------------------


def _stands_for(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the implementation that the decorated function builds from the constants of a
    precision stand for ``function`` of the catalog wherever a kernel calls it with reals."""

    def register(build: Callable[[SimpleNamespace], Any]) -> Callable[[SimpleNamespace], Any]:
        def choose(*arguments: Any) -> Any:
            reals = [kind for kind in arguments if kind != types.boolean]
            if not _one_real(*reals):
                return None
            return build(FLOAT32 if reals[0] == types.float32 else FLOAT64)

        choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        overload(function, jit_options=INLINE, strict=False)(choose)
        return build

    return register


def _is(function: Callable[..., Any], implementation: Callable[..., Any]) -> None:
    """The same where the precision changes nothing."""
    _stands_for(function)(lambda c: implementation)


_is(mathematics.fma, lambda a, b, c: fma(a, b, c))
_is(mathematics.absolute, lambda x: _absolute(x))
_is(mathematics.sqrt, lambda x: _square_root(x))
_is(mathematics.copysign, lambda x, sign: _with_sign(x, sign))
_is(mathematics.where, lambda condition, yes, no: select(condition, yes, no))
_is(mathematics.minimum, lambda x, bound: select(bound < x, bound, x))
_is(mathematics.maximum, lambda x, bound: select(bound > x, bound, x))
_is(mathematics.exp, lambda x: mathematics.exponentials(x)[0])
_is(mathematics.expm1, lambda x: mathematics.exponentials(x)[1])


def _exponentials_of_sum(x: Any, rest: Any) -> Any:
    """(eˣ⁺ʳᵉˢᵗ, eˣ⁺ʳᵉˢᵗ - 1) for a |rest| of few units in the last place of x; in kernels only."""
    raise NotImplementedError


@_stands_for(_exponentials_of_sum)
def _exponentials(c: SimpleNamespace) -> Any:
    low, high, magic, per_ln2 = c.exp_low, c.exp_high, c.exp_magic, c.per_ln2
    upper, lower, coefficients = c.ln2_upper, c.ln2_lower, c.exp

    def implementation(x: Any, rest: Any) -> Any:
        x = select(low > x, low, x)
        x = select(high < x, high, x)
        shifted = fma(x, per_ln2, magic)
        k = shifted - magic
        r = fma(-k, lower, fma(-k, upper, x)) + rest
        less = fma(r * r, horner(r, coefficients), r)  # eʳ - 1
        a, b, inverse_b = powers(shifted)
        return fma(less, a, a) * b, fma(less, a, a - inverse_b) * b

    return implementation


@_stands_for(mathematics.exponentials)
def _exponentials_of_one(c: SimpleNamespace) -> Any:
    nothing = -c.zero  # LLVM drops the addition of -0, but not that of +0

    def implementation(x: Any) -> Any:
        return _exponentials_of_sum(x, nothing)

    return implementation


@_stands_for(mathematics.gaussian)
def _gaussian(c: SimpleNamespace) -> Any:
    edge = c.bell_edge

    def implementation(x: Any, rate: Any) -> Any:
        x = mathematics.minimum(_absolute(x), edge)
        upper = upper_half(x)
        square = x * x
        # what rounding took from the square matters as soon as the square is large
        lost = fma(x - upper, x + upper, fma(upper, upper, -square))
        return _exponentials_of_sum(-rate * square, -rate * lost)[0]

    return implementation


@_stands_for(mathematics.log1p)
def _log1p(c: SimpleNamespace) -> Any:
    zero, one, two, infinity, nan = c.zero, c.one, c.two, c.infinity, c.nan
    upper, lower, coefficients = c.ln2_upper, c.ln2_lower, c.log

    def implementation(x: Any) -> Any:
        total = one + x
        lost = select(x > one, one - (total - x), x - (total - one))
        m, k, scale = mantissa_and_exponent(total)
        f = fma(lost, scale, m - one)
        s = f / (two + f)
        z = s * s
        tail = fma(k, lower, -s * (f - z * horner(z, coefficients)))
        y = fma(k, upper, f + tail)
        y = select(total < infinity, y, total)
        return select(total > zero, y, select(total == zero, -infinity, nan))

    return implementation


@_stands_for(mathematics.log)
def _log(c: SimpleNamespace) -> Any:
    zero, one, two, infinity, nan = c.zero, c.one, c.two, c.infinity, c.nan
    tiny, lift, lifted = c.tiny, c.lift, c.lifted
    upper, lower, coefficients = c.ln2_upper, c.ln2_lower, c.log

    def implementation(x: Any) -> Any:
        small = x < tiny
        m, k, _ = mantissa_and_exponent(select(small, x * lift, x))
        k = k - select(small, lifted, zero)
        f = m - one
        s = f / (two + f)
        z = s * s
        tail = fma(k, lower, -s * (f - z * horner(z, coefficients)))
        y = fma(k, upper, f + tail)
        y = select(x < infinity, y, x)
        return select(x > zero, y, select(x == zero, -infinity, nan))

    return implementation


def _tail_ratio(x: Any) -> Any:
    """Φ(-x)/exp(-x²/2) for finite x ≥ 0.99, Mills' ratio over √(2π); in kernels only."""
    raise NotImplementedError


@_stands_for(_tail_ratio)
def _ratio(c: SimpleNamespace) -> Any:
    one, center, coefficients = c.one, c.ratio_center, c.ratio

    def implementation(x: Any) -> Any:
        inverse = one / (x + center)
        t = (x - center) * inverse
        # the polynomial is steep: one Newton step takes the rounding of the quotient away
        t = fma(fma(-t, x, fma(-t, center, x - center)), inverse, t)
        return horner(t, coefficients) * inverse

    return implementation


@_stands_for(mathematics.normal)
def _normal(c: SimpleNamespace) -> Any:
    zero, half, one, upper, lower, coefficients = (
        c.zero,
        c.half,
        c.one,
        c.normal_upper,
        c.normal_lower,
        c.normal,
    )
    per_root_tau = c.per_root_tau

    def implementation(x: Any) -> Any:
        size = _absolute(x)
        square = x * x
        bell = mathematics.gaussian(x, half)
        near = half + fma(x, fma(square, horner(square, coefficients), lower), upper * x)
        tail = bell * _tail_ratio(size)
        far = select(x < zero, tail, one - tail)
        return select(size < one, near, far), per_root_tau * bell

    return implementation


@_stands_for(mathematics.erf)
def _erf(c: SimpleNamespace) -> Any:
    one, two, root_two, edge, last = c.one, c.two, c.root_two, c.erf_edge, c.bell_edge
    upper, lower, coefficients = c.erf_upper, c.erf_lower, c.erf

    def implementation(x: Any) -> Any:
        size = _absolute(x)
        square = x * x
        near = fma(x, fma(square, horner(square, coefficients), lower), upper * x)
        ratio = _tail_ratio(root_two * mathematics.minimum(size, last))
        far = fma(-two * mathematics.gaussian(x, one), ratio, one)
        return select(size < edge, near, _with_sign(far, x))

    return implementation


@_stands_for(mathematics.sincos)
def _sincos(c: SimpleNamespace) -> Any:
    """Reduced in float64 always: float32 products with π/2 would be wrong from x = 1000 on."""
    kind, one, half, sine, cosine = c.kind, c.one, c.half, c.sin, c.cos
    magic, per_half_pi, edge = FLOAT64.magic, FLOAT64.per_half_pi, FLOAT64.quarter_pi
    first, second, third = FLOAT64.half_pi

    def implementation(x: Any) -> Any:
        wide = np.float64(x)
        shifted = fma(wide, per_half_pi, magic)
        k = shifted - magic
        wide = fma(-k, third, fma(-k, second, fma(-k, first, wide)))
        # for a huge x what is left is no longer small: keep the polynomials within [-1, 1]
        wide = select(edge < wide, edge, wide)
        wide = select(-edge > wide, -edge, wide)
        r = kind(wide)
        z = r * r
        s = fma(r * z, horner(z, sine), r)
        c = fma(z * z, horner(z, cosine), fma(-half, z, one))
        return quarter_turns(s, c, shifted)

    return implementation
