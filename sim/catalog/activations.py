"""Activations: one function each, ``x, *parameters -> value, slope``.

Numbers are float literals only: the kernels give them the network's precision.

The trait ``largest_slope`` is the supremum of |slope|, a number or a function of the
parameters; a unit is called saturated where its slope is at most a stated share of that.
The trait ``equations`` is how value and slope are written out for a reader, in the argument z,
the value a and the parameters; `sim.views.formulas` says what may stand in it.  A part without
it is written as φ(z) and φ'(z).

Accuracy.  Compiled, value and slope are within 4 ulp of the exact ones for every argument
in float32 and float64, unless a docstring says otherwise (eps is the distance from 1 to
the next number).  "Exact" takes a parameter or a literal such as selu's scale as the
number it is in the network's precision.

Limits.  At ±inf value and slope are the mathematical limits (those of sin are NaN).  A NaN
gives a value of NaN; its slope is NaN too, except for the piecewise linear ones, where it
is that of x > 0.  At a kink the slope is that of the side x ≤ 0, as in PyTorch:
relu'(0) = 0, leaky_relu'(0) = slope, elu'(0) = alpha, selu'(0) = scale·alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.catalog import mathematics
from sim.catalog.mathematics import (
    absolute,
    copysign,
    exp,
    exponentials,
    fma,
    gaussian,
    growth,
    log1p,
    maximum,
    minimum,
    normal,
    sincos,
    where,
)
from sim.catalog.registry import Family, Part

activation = Family("activation", supplied=1)


def largest_slope(part: Part, parameters: Mapping[str, Any]) -> float:
    """The supremum of |slope| of an activation with these parameters."""
    largest = part.traits["largest_slope"]
    return float(largest(**parameters) if callable(largest) else largest)


@activation(largest_slope=1.0, equations=("z", "1"))
def linear(x: Any) -> tuple[Any, Any]:
    """x.

    Source: elementary.
    """
    return x, 1.0


@activation(largest_slope=0.25, equations=("1 / (1 + exp(-z))", "a * (1 - a)"))
def sigmoid(x: Any) -> tuple[Any, Any]:
    """1/(1 + e⁻ˣ).

    Source: Rumelhart, Hinton & Williams 1986.
    """
    decay = exp(-absolute(x))
    share = 1.0 / (1.0 + decay)
    lower = decay * share  # sigmoid(-|x|)
    return where(x < 0.0, lower, share), fma(-lower, lower, lower)


@activation(largest_slope=0.25, equations=("1 / (1 + exp(-z))", "a * (1 - a)"))
def textbook_sigmoid(x: Any) -> tuple[Any, Any]:
    """1/(1 + e⁻ˣ) whose slope a·(1 - a) is taken of the rounded a, as programs in textbooks do.

    The value is that of sigmoid.  The slope's error is half a unit in the last place of a, not of
    the slope: 16 ulp at x = 4, all of it from 37 on.  To follow worked examples to their last
    digit, not to train.
    Source: Rumelhart, Hinton & Williams 1986.
    """
    decay = exp(-absolute(x))
    share = 1.0 / (1.0 + decay)
    a = where(x < 0.0, decay * share, share)
    return a, fma(-a, a, a)


@activation(largest_slope=1.0, equations=("tanh(z)", "1 - a**2"))
def tanh(x: Any) -> tuple[Any, Any]:
    """tanh x; slope 1/cosh² x, to full precision where tanh² x has rounded to 1.

    A slope below 6e-38 (float64: 1.1e-307) is 0.
    Source: LeCun et al. 1998.
    """
    size = absolute(x)
    grown, beyond = growth(size + size)
    inverse = 1.0 / (2.0 + grown)
    gap = inverse + inverse  # 1 - |tanh x|
    return copysign(grown * inverse, x), where(beyond, 0.0, fma(-gap, gap, gap + gap))


@activation(largest_slope=1.0, equations=("max(0, z)", "1 if z > 0 else 0"))
def relu(x: Any) -> tuple[Any, Any]:
    """max(0, x).

    Source: Nair & Hinton 2010.
    """
    return where(x <= 0.0, 0.0, x), where(x <= 0.0, 0.0, 1.0)


@activation(
    largest_slope=lambda slope: max(1.0, abs(slope)),
    equations=("z if z > 0 else slope * z", "1 if z > 0 else slope"),
)
def leaky_relu(x: Any, slope: Any = 0.01) -> tuple[Any, Any]:
    """x above 0, slope·x below (Maas, Hannun & Ng 2013)."""
    return where(x <= 0.0, slope * x, x), where(x <= 0.0, slope, 1.0)


@activation(
    largest_slope=lambda alpha: max(1.0, abs(alpha)),
    equations=("z if z > 0 else alpha * (exp(z) - 1)", "1 if z > 0 else alpha * exp(z)"),
)
def elu(x: Any, alpha: Any = 1.0) -> tuple[Any, Any]:
    """x above 0, alpha·(eˣ - 1) below (Clevert, Unterthiner & Hochreiter 2016)."""
    decay, less = exponentials(minimum(x, 0.0))
    return where(x > 0.0, x, alpha * less), where(x > 0.0, 1.0, alpha * decay)


@activation(
    largest_slope=1.7580993408473766,
    equations=(
        "1.0507009873554805 * z if z > 0 else 1.7580993408473766 * (exp(z) - 1)",
        "1.0507009873554805 if z > 0 else 1.7580993408473766 * exp(z)",
    ),
)
def selu(x: Any) -> tuple[Any, Any]:
    """scale·elu(x, alpha) that keeps mean 0 and variance 1 (Klambauer et al. 2017).

    scale = 1.0507009873554805, alpha = 1.6732632423543772.
    """
    decay, less = exponentials(minimum(x, 0.0))
    value = where(x > 0.0, 1.0507009873554805 * x, 1.7580993408473766 * less)
    return value, where(x > 0.0, 1.0507009873554805, 1.7580993408473766 * decay)


@activation(largest_slope=1.1289041451851548, equations=("z * Phi(z)", "Phi(z) + z * density(z)"))
def gelu(x: Any) -> tuple[Any, Any]:
    """x·Φ(x), Φ the exact standard normal distribution and not its tanh form (Hendrycks & Gimpel 2016).

    Below -1 the value is within 5 ulp.  From -1.7 to -0.5 the slope, which crosses 0 at
    -0.7518, is within 0.6 eps.  Where exp(-x²/2) is subnormal both are within |x| of the
    smallest subnormal.
    """
    near = minimum(maximum(x, -40.0), 40.0)  # beyond, Φ is 0 or 1 and inf·0 would be NaN
    share, density = normal(near)
    return maximum(x, -40.0) * share, fma(near, density, share)


SILU: dict[str, Any] = {
    "largest_slope": 1.099839320128867,
    "equations": ("z * sigmoid(z)", "sigmoid(z) * (1 + z * (1 - sigmoid(z)))"),
}


@activation(**SILU)
def silu(x: Any) -> tuple[Any, Any]:
    """x·sigmoid(x), also called swish (Elfwing, Uchibe & Doya 2018).

    From -6 to -0.5 the slope, which crosses 0 at -1.2785, is within 0.4 eps.  Where eˣ is
    subnormal both are within |x| of the smallest subnormal.
    """
    near = minimum(maximum(x, -1000.0), 1000.0)  # as in gelu
    decay = exp(-absolute(near))
    upper = 1.0 / (1.0 + decay)
    lower = decay * upper
    share = where(x > 0.0, upper, lower)
    rest = where(x > 0.0, lower, upper)  # sigmoid(-x)
    return maximum(x, -1000.0) * share, share * fma(near, rest, 1.0)


activation("swish", **SILU)(silu.function)


@activation(largest_slope=1.0, equations=("log(1 + exp(z))", "sigmoid(z)"))
def softplus(x: Any) -> tuple[Any, Any]:
    """ln(1 + eˣ).

    Source: Dugas et al. 2001.
    """
    decay = exp(-absolute(x))
    share = 1.0 / (1.0 + decay)
    return maximum(x, 0.0) + log1p(decay), where(x < 0.0, decay * share, share)


@activation(largest_slope=1.0, equations=("z / (1 + abs(z))", "1 / (1 + abs(z))**2"))
def softsign(x: Any) -> tuple[Any, Any]:
    """x/(1 + |x|).

    Source: Bergstra et al. 2009.
    """
    size = absolute(x)
    inverse = 1.0 / (1.0 + size)
    # above 1e30 the quotient is ±1 to the last bit, also where it would be inf/inf
    return where(size > 1e30, copysign(1.0, x), x * inverse), inverse * inverse


@activation(largest_slope=1.1283791670955126, equations=("erf(z)", "2 / sqrt(pi) * exp(-z**2)"))
def erf(x: Any) -> tuple[Any, Any]:
    """2/√π ∫₀ˣ exp(-t²) dt.

    Source: Williams 1997.
    """
    return mathematics.erf(x), 1.1283791670955126 * gaussian(x, 1.0)


@activation(largest_slope=1.0, equations=("sin(z)", "cos(z)"))
def sin(x: Any) -> tuple[Any, Any]:
    """sin x; slope cos x.

    Within 4 ulp up to |x| = 1.6e6.  Beyond, the error grows like |x|·2⁻⁵²; past 3e15 the two
    are only sure to lie in [-1, 1].
    Source: Sitzmann et al. 2020.
    """
    return sincos(x)
