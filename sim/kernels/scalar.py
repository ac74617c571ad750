"""Branch-free float32 and float64 versions of the catalog's elementary functions.

A loop that calls them is vectorised by LLVM: no branch, no table, no call.  Each is a
range reduction, a polynomial by Horner's rule, and powers of two set in the exponent
bits.  No fastmath flag; the reductions use constants with trailing zero bits, so the
bounds hold with and without a fused multiply-add.

Largest errors found, on bit patterns of the whole range and dense around the origin: exp,
expm1, log, log1p and gaussian 1.5 ulp; sin, cos and erf 2; the normal distribution 5 in its
lower tail; sqrt is exact.  Time of an activation's value and slope together, ns an element,
AVX-512, one core, 1024 elements in the first-level cache:

=======  =======  =====  ====  =====  =====  ====  ========  ====  ====
.        sigmoid  tanh   elu   selu   silu   gelu  softplus  erf   sin
float32  0.30     0.30   0.32  0.32   0.41   0.89  0.77      0.81  0.52
float64  0.90     0.90   0.86  0.90   1.13   2.8   2.0       2.6   0.82
=======  =======  =====  ====  =====  =====  ====  ========  ====  ====

linear, relu and leaky_relu take 0.06 to 0.07, ``math.tanh`` 12.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from sim.catalog import mathematics
from sim.kernels.instructions import (
    absolute,
    fma,
    horner,
    mantissa_and_exponent,
    one_real,
    powers,
    quarter_turns,
    rising_power,
    select,
    square_root,
    upper_half,
    with_sign,
)
from sim.kernels.polynomials import FLOAT32, FLOAT64

INLINE = {"error_model": "numpy", "forceinline": True}
"""Options of every overload: a call left in a loop would stop its vectorisation."""


def _stands_for(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the implementation that the decorated function builds from the constants of a
    precision stand for ``function`` of the catalog wherever a kernel calls it with reals."""

    def register(build: Callable[[SimpleNamespace], Any]) -> Callable[[SimpleNamespace], Any]:
        def choose(*arguments: Any) -> Any:
            reals = [kind for kind in arguments if kind != types.boolean]
            if not one_real(*reals):
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
_is(mathematics.absolute, lambda x: absolute(x))
_is(mathematics.sqrt, lambda x: square_root(x))
_is(mathematics.copysign, lambda x, sign: with_sign(x, sign))
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


@_stands_for(mathematics.sign)
def _sign(c: SimpleNamespace) -> Any:
    zero, one = c.zero, c.one

    def implementation(x: Any) -> Any:
        return select(x > zero, one, select(x < zero, -one, x))

    return implementation


@_stands_for(mathematics.exponentials)
def _exponentials_of_one(c: SimpleNamespace) -> Any:
    nothing = -c.zero  # LLVM drops the addition of -0, but not that of +0

    def implementation(x: Any) -> Any:
        return _exponentials_of_sum(x, nothing)

    return implementation


@_stands_for(mathematics.growth)
def _growth(c: SimpleNamespace) -> Any:
    one, end, magic, per_ln2 = c.one, c.growth_end, c.growth_magic, c.per_ln2
    upper, lower, coefficients = c.ln2_upper, c.ln2_lower, c.exp

    def implementation(x: Any) -> Any:
        within = select(end < x, end, x)
        shifted = fma(within, per_ln2, magic)
        k = shifted - magic
        r = fma(-k, lower, fma(-k, upper, within))
        less = fma(r * r, horner(r, coefficients), r)  # eʳ - 1
        power = rising_power(shifted)
        return fma(less, power, power - one), x > end

    return implementation


@_stands_for(mathematics.gaussian)
def _gaussian(c: SimpleNamespace) -> Any:
    edge = c.bell_edge

    def implementation(x: Any, rate: Any) -> Any:
        x = mathematics.minimum(absolute(x), edge)
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
        size = absolute(x)
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
        size = absolute(x)
        square = x * x
        near = fma(x, fma(square, horner(square, coefficients), lower), upper * x)
        ratio = _tail_ratio(root_two * mathematics.minimum(size, last))
        far = fma(-two * mathematics.gaussian(x, one), ratio, one)
        return select(size < edge, near, with_sign(far, x))

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
