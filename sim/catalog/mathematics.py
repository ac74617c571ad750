"""The elementary functions that catalog functions are written with.

Called from Python each is the obvious NumPy (or SciPy) function, on scalars and on
arrays.  Inside a kernel :mod:`sim.kernels.scalar` puts a branch-free version in its
place that the compiler turns into SIMD code; the bounds measured for those stand there.
Kernels know float32 and float64, and all floating arguments of a call have one type.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def fma(a: Any, b: Any, c: Any) -> Any:
    """a·b + c; in a kernel rounded once where the CPU can."""
    return a * b + c


def absolute(x: Any) -> Any:
    """|x|."""
    return np.abs(x)


def copysign(x: Any, sign: Any) -> Any:
    """|x| with the sign of ``sign``."""
    return np.copysign(x, sign)


def sqrt(x: Any) -> Any:
    """√x, correctly rounded."""
    return np.sqrt(x)


def where(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the condition holds, else ``no``; both are computed, nothing branches.

    In Python an array comes back as an array and a scalar as a scalar.
    """
    return np.where(condition, yes, no)[()]


def minimum(x: Any, bound: Any) -> Any:
    """The smaller of x and ``bound``; a NaN of x stays."""
    return where(bound < x, bound, x)


def maximum(x: Any, bound: Any) -> Any:
    """The larger of x and ``bound``; a NaN of x stays."""
    return where(bound > x, bound, x)


def sign(x: Any) -> Any:
    """−1, 0 or 1; a NaN stays."""
    return np.sign(x)


def exp(x: Any) -> Any:
    """eˣ."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """eˣ - 1 without cancellation near 0."""
    return np.expm1(x)


def exponentials(x: Any) -> tuple[Any, Any]:
    """(eˣ, eˣ - 1), both to full precision for little more than the price of one."""
    return np.exp(x), np.expm1(x)


def growth(x: Any) -> tuple[Any, Any]:
    """(eˣ - 1, whether x is beyond an end) for x ≥ 0; beyond it, near the largest number, it stays."""
    end = 87.25 if np.asarray(x).dtype == np.float32 else 708.25
    return np.expm1(minimum(x, end)), x > end


def gaussian(x: Any, rate: Any) -> Any:
    """exp(-rate·x²) to full precision in its tails; ``rate`` is a power of two, 0.5 or 1."""
    return np.exp(-rate * x * x)


def log(x: Any) -> Any:
    """Natural logarithm; -inf at 0, NaN below."""
    return np.log(x)


def log1p(x: Any) -> Any:
    """ln(1 + x) without cancellation near 0."""
    return np.log1p(x)


def sincos(x: Any) -> tuple[Any, Any]:
    """(sin x, cos x), x in radians."""
    return np.sin(x), np.cos(x)


def erf(x: Any) -> Any:
    """2/√π ∫₀ˣ exp(-t²) dt."""
    from scipy import special

    return special.erf(x)


def normal(x: Any) -> tuple[Any, Any]:
    """(Φ(x), φ(x)), distribution and density of the standard normal, for finite x."""
    from scipy import special

    return special.ndtr(x), 0.3989422804014327 * np.exp(-0.5 * x * x)
