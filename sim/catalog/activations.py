"""Activations: one function each, ``x, *parameters -> value, slope``.

Numbers are float literals only: the kernels give them the network's precision.

The trait ``largest_slope`` is the supremum of |slope| for the default parameters; a unit
is called saturated where its slope is at most a stated share of that.

Accuracy.  Compiled, value and slope are within 4 ulp of the exact ones of the rounded
argument, for every argument in float32 and float64, unless a docstring says otherwise.
"Exact" takes a literal such as selu's scale in the network's own precision.

Limits.  At ±inf value and slope are the mathematical limits.  A NaN gives a value of NaN;
its slope is NaN too, except for the piecewise linear ones, where it is that of x > 0.
At a kink the slope is PyTorch's: relu'(0) = 0, leaky_relu'(0) = slope, elu'(0) = alpha,
selu'(0) = scale·alpha: the side x ≤ 0 always.
"""

from __future__ import annotations

from typing import Any

from sim.catalog import mathematics
from sim.catalog.mathematics import (
    absolute,
    copysign,
    erfcx,
    exp,
    exponentials,
    fma,
    gaussian,
    log1p,
    maximum,
    minimum,
    sincos,
    where,
)
from sim.catalog.registry import Family

activation = Family("activation", supplied=1)


@activation(largest_slope=1.0)
def linear(x: Any) -> tuple[Any, Any]:
    """x."""
    return x, 1.0


@activation(largest_slope=0.25)
def sigmoid(x: Any) -> tuple[Any, Any]:
    """1/(1 + e⁻ˣ)."""
    decay = exp(-absolute(x))
    share = 1.0 / (1.0 + decay)
    lower = decay * share  # sigmoid(-|x|)
    return where(x < 0.0, lower, share), fma(-lower, lower, lower)


@activation(largest_slope=1.0)
def tanh(x: Any) -> tuple[Any, Any]:
    """tanh x; slope 1/cosh² x, to full precision where tanh² x has rounded to 1."""
    decay, less = exponentials(-2.0 * absolute(x))
    inverse = 1.0 / (2.0 + less)
    gap = 2.0 * decay * inverse  # 1 - |tanh x|
    return copysign(less * inverse, x), fma(-gap, gap, 2.0 * gap)


@activation(largest_slope=1.0)
def relu(x: Any) -> tuple[Any, Any]:
    """max(0, x)."""
    return where(x <= 0.0, 0.0, x), where(x <= 0.0, 0.0, 1.0)


@activation(largest_slope=1.0)
def leaky_relu(x: Any, slope: Any = 0.01) -> tuple[Any, Any]:
    """x above 0, slope·x below (Maas, Hannun & Ng 2013)."""
    return where(x <= 0.0, slope * x, x), where(x <= 0.0, slope, 1.0)


@activation(largest_slope=1.0)
def elu(x: Any, alpha: Any = 1.0) -> tuple[Any, Any]:
    """x above 0, alpha·(eˣ - 1) below (Clevert, Unterthiner & Hochreiter 2016)."""
    decay, less = exponentials(minimum(x, 0.0))
    return where(x > 0.0, x, alpha * less), where(x > 0.0, 1.0, alpha * decay)


@activation(largest_slope=1.7580993408473766)
def selu(x: Any) -> tuple[Any, Any]:
    """scale·elu(x, alpha) that keeps mean 0 and variance 1 (Klambauer et al. 2017).

    scale = 1.0507009873554805, alpha = 1.6732632423543772.
    """
    decay, less = exponentials(minimum(x, 0.0))
    value = where(x > 0.0, 1.0507009873554805 * x, 1.7580993408473766 * less)
    return value, where(x > 0.0, 1.0507009873554805, 1.7580993408473766 * decay)


@activation(largest_slope=1.1289041451851548)
def gelu(x: Any) -> tuple[Any, Any]:
    """x·Φ(x) with the exact normal distribution Φ (Hendrycks & Gimpel 2016), not its tanh form."""
    size = minimum(absolute(x), 40.0)
    bell = gaussian(size, 0.5)
    ratio = 0.5 * erfcx(0.7071067811865476 * size)
    tail = bell * ratio  # Φ(-|x|)
    lower = bell * (ratio - 0.3989422804014327 * size)  # the slope at -|x|
    return where(x > 0.0, x * (1.0 - tail), -size * tail), where(x > 0.0, 1.0 - lower, lower)


@activation(largest_slope=1.099839320128867)
def silu(x: Any) -> tuple[Any, Any]:
    """x·sigmoid(x) (Elfwing, Uchibe & Doya 2018), also called swish."""
    size = minimum(absolute(x), 1000.0)
    decay = exp(-size)
    share = 1.0 / (1.0 + decay)
    value = where(x > 0.0, x * share, -size * (decay * share))
    upper = 1.0 + decay * (1.0 + size)
    lower = decay * (decay + (1.0 - size))
    return value, where(x > 0.0, upper, lower) * share * share


activation("swish", largest_slope=1.099839320128867)(silu.function)


@activation(largest_slope=1.0)
def softplus(x: Any) -> tuple[Any, Any]:
    """ln(1 + eˣ)."""
    decay = exp(-absolute(x))
    share = 1.0 / (1.0 + decay)
    return maximum(x, 0.0) + log1p(decay), where(x < 0.0, decay * share, share)


@activation(largest_slope=1.0)
def softsign(x: Any) -> tuple[Any, Any]:
    """x/(1 + |x|)."""
    size = absolute(x)
    inverse = 1.0 / (1.0 + size)
    # above 1e30 the quotient is ±1 to the last bit, also where it would be inf/inf
    return where(size > 1e30, copysign(1.0, x), x * inverse), inverse * inverse


@activation(largest_slope=1.1283791670955126)
def erf(x: Any) -> tuple[Any, Any]:
    """2/√π ∫₀ˣ exp(-t²) dt."""
    return mathematics.erf(x), 1.1283791670955126 * gaussian(x, 1.0)


@activation(largest_slope=1.0)
def sin(x: Any) -> tuple[Any, Any]:
    """sin x; slope cos x."""
    return sincos(x)
