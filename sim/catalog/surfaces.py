"""Surfaces: functions of a few coordinates that an optimizer walks down.

A surface is one function of the coordinates x and y and its parameters that returns the value and the two
partial derivatives, (f, ∂f/∂x, ∂f/∂y).  A *separable* surface has any number of coordinates: f is a sum
of terms of one coordinate each, and the function, of x and the coordinate's place 0 … 1 among all of them,
returns a term and its slope.  Scalars or arrays in, the same out; kernels run it over many starts at once.

Traits: ``domain``, an interval for each coordinate (one for all, if separable), from which starts are
taken; ``minima``, those known in closed form or to 16 digits, the best first; ``source``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import exp, sincos, sqrt, where
from sim.catalog.registry import Family, Part

surface = Family("surface", supplied=2)
"""Arguments that are not parameters: x and y, or x and place."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Minimum:
    """A known minimum: the value there, and where it is (one number for all coordinates, if separable)."""

    value: float
    at: tuple[float, ...]


def square(low: float, high: float) -> tuple[Interval, Interval]:
    """The same interval for x and y."""
    return (low, high), (low, high)


def domain_of(part: Part, dimensions: int = 2) -> tuple[Interval, ...]:
    """The interval of each of ``dimensions`` coordinates."""
    domain: tuple[Interval, ...] = part.domain
    return domain * dimensions if is_separable(part) else domain


def minima_of(part: Part, dimensions: int = 2) -> tuple[Minimum, ...]:
    """The known minima, the best first, with all coordinates."""
    known: tuple[Minimum, ...] = part.traits.get("minima", ())
    if not is_separable(part):
        return known
    return tuple(Minimum(minimum.value, minimum.at * dimensions) for minimum in known)


def lowest(part: Part, dimensions: int = 2) -> int:
    """How many of the known minima are the best: those of Himmelblau's function are equally low."""
    known = minima_of(part, dimensions)
    return sum(isclose(minimum.value, known[0].value, rel_tol=1e-9, abs_tol=1e-9) for minimum in known)


def is_separable(part: Part) -> bool:
    """Whether the surface takes any number of coordinates instead of two."""
    return bool(part.traits.get("separable", False))


# --- two wells ------------------------------------------------------------------------------------


@surface(
    domain=square(-2.0, 2.0),
    minima=(
        Minimum(-2.0630902517681942, (-0.93630063401091863, 0.0)),
        Minimum(-1.0927319992017409, (0.90531789916011499, 0.0)),
    ),
    source="E. Dupont 2018, Optimization algorithms visualization",
)
def two_wells(x: Any, y: Any) -> Any:
    """A bowl with a poorer well on the right and a better one on the left.

    f = x² + y² − 2 exp(−((x−1)² + y²)/0.2) − 3 exp(−((x+1)² + y²)/0.2); a saddle at (0.0686024367, 0).
    """
    poorer = exp(-5.0 * ((x - 1.0) * (x - 1.0) + y * y))
    better = exp(-5.0 * ((x + 1.0) * (x + 1.0) + y * y))
    value = x * x + y * y - 2.0 * poorer - 3.0 * better
    slope_x = 2.0 * x + 20.0 * (x - 1.0) * poorer + 30.0 * (x + 1.0) * better
    return value, slope_x, 2.0 * y + 20.0 * y * poorer + 30.0 * y * better


# --- quadratics -----------------------------------------------------------------------------------


@surface(
    separable=True,
    domain=((-1.0, 1.0),),
    minima=(Minimum(0.0, (0.0,)),),
    limits={"condition": Range(1.0)},
    source="Polyak 1964, Some methods of speeding up the convergence of iteration methods",
)
def ravine(x: Any, place: Any, condition: float = 100.0) -> Any:
    """A quadratic along the axes with condition number κ, in any number of dimensions.

    f = ½ Σ λ_i x_i², curvatures λ_i = κ^(i/(n−1)) from 1 to κ in equal ratios.
    """
    curvature = condition**place
    return 0.5 * curvature * x * x, curvature * x


@surface(
    domain=square(-1.0, 1.0),
    minima=(Minimum(0.0, (0.0, 0.0)),),
    limits={"condition": Range(1.0)},
    source="the ravine of Polyak 1964, turned",
)
def tilted_ravine(x: Any, y: Any, condition: float = 100.0) -> Any:
    """The ravine turned by 45°: rules that scale each coordinate by itself lose their advantage.

    f = ½ ((x + y)²/2 + κ (x − y)²/2).
    """
    along, across = 0.5 * (x + y), 0.5 * condition * (x - y)
    return 0.5 * (along * (x + y) + across * (x - y)), along + across, along - across


@surface(
    domain=square(-10.0, 10.0), minima=(Minimum(0.0, (1.0, 3.0)),), source="Booth; Jamil & Yang 2013, no. 17"
)
def booth(x: Any, y: Any) -> Any:
    """A quadratic with κ = 9: f = (x + 2y − 7)² + (2x + y − 5)²."""
    first, second = x + 2.0 * y - 7.0, 2.0 * x + y - 5.0
    return first * first + second * second, 2.0 * first + 4.0 * second, 4.0 * first + 2.0 * second


# --- curved valleys -------------------------------------------------------------------------------


@surface(
    domain=((-2.0, 2.0), (-1.0, 3.0)),
    minima=(Minimum(0.0, (1.0, 1.0)),),
    limits={"steepness": Range(0.0, above=True)},
    source="Rosenbrock 1960, An automatic method for finding the greatest or least value of a function",
)
def rosenbrock(x: Any, y: Any, steepness: float = 100.0) -> Any:
    """A curved valley with a nearly flat floor: f = (1 − x)² + s (y − x²)²."""
    off, rest = y - x * x, 1.0 - x
    return (
        rest * rest + steepness * off * off,
        -2.0 * rest - 4.0 * steepness * x * off,
        2.0 * steepness * off,
    )


@surface(
    domain=square(-4.5, 4.5), minima=(Minimum(0.0, (3.0, 0.5)),), source="Beale 1958, On an iterative method"
)
def beale(x: Any, y: Any) -> Any:
    """Flat valleys between steep corners: f = Σ_k (c_k − x + x yᵏ)², c = 1.5, 2.25, 2.625, k = 1, 2, 3."""
    y2 = y * y
    y3 = y2 * y
    first, second, third = 1.5 - x + x * y, 2.25 - x + x * y2, 2.625 - x + x * y3
    value = first * first + second * second + third * third
    slope_x = 2.0 * (first * (y - 1.0) + second * (y2 - 1.0) + third * (y3 - 1.0))
    return value, slope_x, 2.0 * x * (first + 2.0 * second * y + 3.0 * third * y2)


@surface(
    domain=square(-2.0, 2.0),
    minima=(
        Minimum(3.0, (0.0, -1.0)),
        Minimum(30.0, (-0.6, -0.4)),
        Minimum(84.0, (1.8, 0.2)),
        Minimum(840.0, (1.2, 0.8)),
    ),
    source="Goldstein & Price 1971, On descent from local minima",
)
def goldstein_price(x: Any, y: Any) -> Any:
    """Values from 3 to a million: f = (1 + s² p)(30 + t² q), s = x + y + 1, t = 2x − 3y.

    p = 19 − 14x + 3x² − 14y + 6xy + 3y², q = 18 − 32x + 12x² + 48y − 36xy + 27y².
    """
    s, t = x + y + 1.0, 2.0 * x - 3.0 * y
    p = 19.0 - 14.0 * x + 3.0 * x * x - 14.0 * y + 6.0 * x * y + 3.0 * y * y
    q = 18.0 - 32.0 * x + 12.0 * x * x + 48.0 * y - 36.0 * x * y + 27.0 * y * y
    left, right = 1.0 + s * s * p, 30.0 + t * t * q
    both = 2.0 * s * p + s * s * (6.0 * (x + y) - 14.0)  # ∂left/∂x = ∂left/∂y
    right_x = 4.0 * t * q + t * t * (24.0 * x - 36.0 * y - 32.0)
    right_y = -6.0 * t * q + t * t * (54.0 * y - 36.0 * x + 48.0)
    return left * right, both * right + left * right_x, both * right + left * right_y


# --- several minima -------------------------------------------------------------------------------


@surface(
    domain=square(-5.0, 5.0),
    minima=(
        Minimum(0.0, (3.0, 2.0)),
        Minimum(0.0, (-2.805118086952745, 3.131312518250573)),
        Minimum(0.0, (-3.779310253377747, -3.2831859912861694)),
        Minimum(0.0, (3.5844283403304917, -1.8481265269644036)),
    ),
    source="Himmelblau 1972, Applied nonlinear programming",
)
def himmelblau(x: Any, y: Any) -> Any:
    """Four minima of equal value: f = (x² + y − 11)² + (x + y² − 7)²."""
    first, second = x * x + y - 11.0, x + y * y - 7.0
    return (
        first * first + second * second,
        4.0 * x * first + 2.0 * second,
        2.0 * first + 4.0 * y * second,
    )


@surface(
    domain=square(-5.0, 5.0),
    minima=(
        Minimum(-78.332331407542831, (-2.903534027771177, -2.903534027771177)),
        Minimum(-64.195612359055358, (-2.903534027771177, 2.746802770990837)),
        Minimum(-64.195612359055358, (2.746802770990837, -2.903534027771177)),
        Minimum(-50.058893310567885, (2.746802770990837, 2.746802770990837)),
    ),
    source="Styblinski & Tang 1990, Experiments in nonconvex optimization",
)
def styblinski_tang(x: Any, y: Any) -> Any:
    """Four wells of three depths: f = ½ Σ (x⁴ − 16x² + 5x), summed over both coordinates."""
    x2, y2 = x * x, y * y
    value = 0.5 * (x2 * x2 - 16.0 * x2 + 5.0 * x + y2 * y2 - 16.0 * y2 + 5.0 * y)
    return value, 2.0 * x2 * x - 16.0 * x + 2.5, 2.0 * y2 * y - 16.0 * y + 2.5


@surface(
    domain=((-2.0, 2.0), (-1.2, 1.2)),
    minima=(
        Minimum(-1.0316284534898774, (0.089842013100318062, -0.71265640302073963)),
        Minimum(-1.0316284534898774, (-0.089842013100318062, 0.71265640302073963)),
        Minimum(-0.21546382438371764, (-1.7036067149699808, 0.79608356867262512)),
        Minimum(-0.21546382438371764, (1.7036067149699808, -0.79608356867262512)),
        Minimum(2.1042503103112583, (1.6071047529201972, 0.56865145488413137)),
        Minimum(2.1042503103112583, (-1.6071047529201972, -0.56865145488413137)),
    ),
    source="Dixon & Szegö 1978, The global optimization problem",
)
def six_hump_camel(x: Any, y: Any) -> Any:
    """Six minima in three pairs: f = (4 − 2.1x² + x⁴/3) x² + xy + (4y² − 4) y²."""
    x2, y2 = x * x, y * y
    value = (4.0 - 2.1 * x2 + x2 * x2 / 3.0) * x2 + x * y + (4.0 * y2 - 4.0) * y2
    return value, x * (8.0 - 8.4 * x2 + 2.0 * x2 * x2) + y, x + y * (16.0 * y2 - 8.0)


def _rastrigin_minima() -> tuple[Minimum, ...]:
    """All within the domain: 2x + 20π sin 2πx = 0 near each whole number, by Newton's method."""
    from itertools import product
    from math import cos, pi, sin

    line = []
    for whole in range(-5, 6):
        x = float(whole)
        for _ in range(8):
            x -= (2 * x + 20 * pi * sin(2 * pi * x)) / (2 + 40 * pi**2 * cos(2 * pi * x))
        line.append((x * x + 10 * (1 - cos(2 * pi * x)), x))
    found = [Minimum(first + second, (x, y)) for (first, x), (second, y) in product(line, line)]
    return tuple(sorted(found, key=lambda minimum: (minimum.value, minimum.at)))


@surface(
    domain=square(-5.12, 5.12),
    minima=_rastrigin_minima(),
    source="Rastrigin 1974, Systems of extremal control",
)
def rastrigin(x: Any, y: Any) -> Any:
    """A bowl with 121 dimples: f = 20 + Σ (x² − 10 cos 2πx), summed over both coordinates."""
    sine_x, cosine_x = sincos(6.283185307179586 * x)
    sine_y, cosine_y = sincos(6.283185307179586 * y)
    value = 20.0 + x * x + y * y - 10.0 * (cosine_x + cosine_y)
    return value, 2.0 * x + 62.83185307179586 * sine_x, 2.0 * y + 62.83185307179586 * sine_y


@surface(
    domain=square(-5.0, 5.0),
    minima=(Minimum(0.0, (0.0, 0.0)),),
    source="Ackley 1987, A connectionist machine for genetic hillclimbing",
)
def ackley(x: Any, y: Any) -> Any:
    """A dimpled plain around a funnel: f = 20(1 − e^(−r/5)) + e − e^(½(cos 2πx + cos 2πy)), r² = ½(x² + y²).

    The funnel ends in a point: the gradient at the minimum is taken as 0, beside it it is not small.
    """
    sine_x, cosine_x = sincos(6.283185307179586 * x)
    sine_y, cosine_y = sincos(6.283185307179586 * y)
    radius = sqrt(0.5 * (x * x + y * y))
    funnel = 20.0 * exp(-0.2 * radius)
    waves = exp(0.5 * (cosine_x + cosine_y))
    inward = 0.1 * funnel / where(radius > 0.0, radius, 1.0)
    turning = 3.141592653589793 * waves
    value = (20.0 - funnel) + (2.718281828459045 - waves)
    return value, inward * x + turning * sine_x, inward * y + turning * sine_y


# --- no minimum -----------------------------------------------------------------------------------


@surface(domain=square(-1.5, 1.5), source="the saddle for two legs and a tail; Hilbert & Cohn-Vossen 1932")
def monkey_saddle(x: Any, y: Any) -> Any:
    """Three ways down from a point without curvature, and no bottom: f = x³ − 3xy²."""
    return x * x * x - 3.0 * x * y * y, 3.0 * (x * x - y * y), -6.0 * x * y
