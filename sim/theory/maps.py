"""One layer of an infinitely wide network: maps of variance and correlation, slopes and fixed points.

Pre-activations h^l = W^l φ(h^{l−1}) + b^l with W ~ (0, σw²/fan_in), b ~ (0, σb²).  ``q`` is the mean of h²
(units of h²), ``c`` the correlation of h for two inputs, ``chi`` the factor on the SQUARED gradient of one
layer; the norm's factor is √χ.  ``phi`` maps an array to (value, slope), the form of a catalog activation.
Everything here holds for width → ∞ and before the first training step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.catalog.registry import Part
from sim.theory.gaussian import Array, expectation, joint_expectation

Phi = Callable[[Array], tuple[Array, Array]]
Parameters = Mapping[str, Any] | Iterable[tuple[str, Any]]

SMALLEST, LARGEST = 1e-12, 1e12
"""Fixed points outside this range count as 0 and as infinite."""

NEARLY_ZERO = 1e-20
"""The variance at which quadrature stands for the limit q → 0."""

STEPS_PER_DECADE = 50
"""Resolution of the search for fixed points; two of them closer than 5 % may be taken for none."""


def bound(activation: Part, parameters: Parameters = ()) -> Phi:
    """The activation as a function of x alone: (φ(x), φ'(x)); parameters as a mapping or as pairs."""
    given = activation.bind(**dict(parameters))

    def phi(x: Array) -> tuple[Array, Array]:
        value, slope = activation.function(x, *given.values())
        return value, np.broadcast_to(slope, x.shape)

    return phi


def mean_square(phi: Phi, q: ArrayLike) -> Array:
    """E φ(√q z)²: ReLU q/2, erf (2/π)asin(2q/(1+2q)), sin (1−e^{−2q})/2; shape of q, units of φ²."""
    return expectation(lambda u: phi(u)[0] ** 2, q)


def mean_square_slope(phi: Phi, q: ArrayLike) -> Array:
    """E φ'(√q z)²: ReLU 1/2, erf 4/(π√(1+4q)), sin (1+e^{−2q})/2; shape of q, no unit."""
    return expectation(lambda u: phi(u)[1] ** 2, q)


def variance_map(phi: Phi, weight_variance: float, bias_variance: float, q: ArrayLike) -> Array:
    """Variance one layer on, σw² ∫Dz φ(√q z)² + σb² (Poole et al. 2016, eq. 3); shape of q."""
    return weight_variance * mean_square(phi, q) + bias_variance


def fixed_point(phi: Phi, weight_variance: float, bias_variance: float = 0.0, start: float = 1.0) -> float:
    """The variance q* which the variance map, iterated from ``start`` for ever, tends to; 0 and inf included.

    The map rises with q for every activation of the catalog, so the iteration moves one way and stops at
    the first fixed point on it; it is found by bracketing because the iteration itself may need 1/ε layers
    (tanh at σw²=1).  Where every q is a fixed point (ReLU at σw²=2) it is ``start``.
    """
    from scipy.optimize import brentq

    def growth(q: ArrayLike) -> Array:
        return variance_map(phi, weight_variance, bias_variance, q) / np.asarray(q) - 1

    first = float(growth(start))
    if abs(first) < 1e-13:
        return start
    end = LARGEST if first > 0 else SMALLEST
    count = int(STEPS_PER_DECADE * abs(np.log10(end / start))) + 2
    path = np.geomspace(start, end, count)
    crossed = np.flatnonzero(np.sign(growth(path)) != np.sign(first))
    if crossed.size == 0:
        return float("inf") if first > 0 else 0.0
    low, high = sorted((path[crossed[0] - 1], path[crossed[0]]))
    return float(brentq(lambda q: float(growth(q)), low, high, xtol=1e-300, rtol=1e-14))


def inside(q: float) -> float:
    """``q`` moved into the range where quadrature can stand for the limits q → 0 and q → ∞."""
    return min(max(q, NEARLY_ZERO), LARGEST)


def gradient_factor(phi: Phi, weight_variance: float, q: float) -> float:
    """χ = σw² ∫Dz φ'(√q z)², the factor on the squared gradient ∂L/∂h of one layer at variance q.

    At q* it is χ₁ (Schoenholz et al. 2017, eq. 6): below 1 gradients vanish, above 1 they explode.  The
    norm's factor is √χ.  q = 0 and q = inf give the limits.
    """
    return float(weight_variance * mean_square_slope(phi, inside(q)))


def variance_factor(phi: Phi, weight_variance: float, q: float) -> float:
    """Slope of the variance map, χ₁ + σw² ∫Dz φ''φ, as σw² E[u φφ']/q (Schoenholz et al. 2017, eq. 9).

    Both are equal by partial integration; this form needs no φ'' and is right for kinked φ.
    """

    def product(u: Array) -> Array:
        value, slope = phi(u)
        return u * value * slope

    return float(weight_variance * expectation(product, inside(q)) / inside(q))


def correlation_map(
    phi: Phi, weight_variance: float, bias_variance: float, q: float, correlation: float
) -> float:
    """Correlation one layer on, (σw² E φ(u₁)φ(u₂) + σb²)/(σw² E φ² + σb²) (Poole et al. 2016, eq. 5).

    Both inputs have variance q, 0 < q < ∞.  ReLU without bias gives J(c) = (√(1−c²) + (π − acos c)c)/π.
    """
    product = joint_expectation(lambda u: phi(u)[0], q, correlation)
    following = float(variance_map(phi, weight_variance, bias_variance, q))
    return (weight_variance * product + bias_variance) / following


def correlation_fixed_point(phi: Phi, weight_variance: float, bias_variance: float, q: float) -> float:
    """The stable fixed point c* in [0, 1] of the correlation map at variance q = q*.

    The map is convex on [0, 1] and c = 1 is always fixed, with slope χ₁.  So c* = 1 where χ₁ ≤ 1, and for
    χ₁ > 1 exactly one fixed point lies below 1.  For q* = 0 and q* = inf it is 1 by convention.
    """
    from scipy.optimize import brentq

    def gain(c: float) -> float:
        return correlation_map(phi, weight_variance, bias_variance, q, c) - c

    if not SMALLEST <= q <= LARGEST or gradient_factor(phi, weight_variance, q) <= 1.0 + 1e-12:
        return 1.0
    if gain(0.0) <= 1e-14:
        return 0.0
    upper = next((c for c in 1.0 - 0.1 ** np.arange(1, 11) if gain(c) < 0), None)
    return 1.0 if upper is None else float(brentq(gain, 0.0, upper, xtol=1e-14))


def correlation_factor(phi: Phi, weight_variance: float, q: float, correlation: float) -> float:
    """Slope of the correlation map at q* and c, σw² E φ'(u₁)φ'(u₂) (Schoenholz et al. 2017, eq. 10)."""
    return weight_variance * joint_expectation(lambda u: phi(u)[1], inside(q), correlation)
