"""The compiled elementary functions against 40 digits, on and beyond the range where they are tame."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from exact import arguments, errors, exactly, within
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from numba import types

import sim.kernels.scalar  # noqa: F401  (registers the compiled versions)
from sim.catalog import mathematics
from sim.kernels import jit

INF, NAN = np.inf, np.nan
BOTH = pytest.mark.parametrize("precision", jit.REAL)


# One function object each: a lambda written in a test would be compiled at every call.
def exp(x: Any) -> Any:
    return mathematics.exp(x)


def log(x: Any) -> Any:
    return mathematics.log(x)


def sine(x: Any) -> Any:
    return mathematics.sincos(x)[0]


def cosine(x: Any) -> Any:
    return mathematics.sincos(x)[1]


def bell(x: mpf, divisor: int) -> mpf:
    return mpmath.exp(-(within(x, 60) ** 2) / divisor)


# what is computed -> exact value, largest argument, ulp, whether the argument must be positive
EXACT: dict[Callable[[Any], Any], tuple[Callable[[mpf], mpf], float, float, bool]] = {
    exp: (mpmath.exp, 1e4, 1.5, False),
    (lambda x: mathematics.expm1(x)): (mpmath.expm1, 1e4, 1.5, False),
    (lambda x: mathematics.exponentials(x)[0]): (mpmath.exp, 1e4, 1.5, False),
    (lambda x: mathematics.exponentials(x)[1]): (mpmath.expm1, 1e4, 1.5, False),
    (lambda x: mathematics.gaussian(x, 1.0)): (lambda x: bell(x, 1), INF, 1.5, False),
    (lambda x: mathematics.gaussian(x, 0.5)): (lambda x: bell(x, 2), INF, 1.5, False),
    log: (mpmath.log, INF, 1.5, True),
    (lambda x: mathematics.log1p(x)): (mpmath.log1p, INF, 1.5, True),
    (lambda x: mathematics.sqrt(x)): (mpmath.sqrt, INF, 0.5, True),
    sine: (mpmath.sin, 1.6e6, 2.0, False),
    cosine: (mpmath.cos, 1.6e6, 2.0, False),
    (lambda x: mathematics.erf(x)): (lambda x: mpmath.erf(within(x, 60)), INF, 2.0, False),
    (lambda x: mathematics.absolute(x)): (abs, INF, 0.0, False),
}
NAMES = [
    "exp", "expm1", "exponentials[0]", "exponentials[1]", "gaussian(1)", "gaussian(½)",
    "log", "log1p", "sqrt", "sin", "cos", "erf", "absolute",
]  # fmt: skip


@cache
def _loop(function: Callable[[Any], Any], precision: str) -> Any:
    real = jit.REAL[precision]
    typed = numba.njit(**jit.FLAGS)(jit.retyped(function, real))

    def loop(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = typed(x[i])

    return numba.njit((jit.vector_of(real), jit.vector_of(real)), **jit.FLAGS)(loop)


def compiled(function: Callable[[Any], Any], points: Any, precision: str = "float64") -> np.ndarray:
    x = np.array(points, precision, ndmin=1)
    y = np.empty_like(x)
    _loop(function, precision)(x, y)
    return y


@BOTH
@pytest.mark.parametrize("function", EXACT, ids=NAMES)
def test_is_within_the_stated_ulps_of_the_exact_value(function, precision):
    truth, largest, bound, positive = EXACT[function]
    points = arguments(precision, largest=largest)
    points = points[points > 0] if positive else points
    off = errors(compiled(function, points, precision), exactly(truth, points))[1]
    assert off.max() <= bound, f"{off.max()} ulp at {points[off.argmax()]!r}"


@BOTH
def test_log1p_keeps_its_digits_down_to_minus_one(precision):
    random = np.random.default_rng(3)
    points = np.concatenate([random.uniform(-0.999, 0, 500), -(2.0 ** -random.uniform(1, 60, 500))])
    points = points.astype(precision)
    points = points[points > -1]
    computed = compiled(lambda x: mathematics.log1p(x), points, precision)
    assert errors(computed, exactly(mpmath.log1p, points))[1].max() <= 1.5


@BOTH
def test_normal_distribution_and_density(precision):
    """Up to where exp(-x²/2) is subnormal; the distribution to relative precision in its lower tail too."""
    lowest = -13.0 if precision == "float32" else -37.0
    points = np.random.default_rng(4).uniform(lowest, 9.0, 1500).astype(precision)
    share = compiled(lambda x: mathematics.normal(x)[0], points, precision)
    density = compiled(lambda x: mathematics.normal(x)[1], points, precision)
    exact = exactly(lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, points)
    assert errors(share, exact)[1].max() <= 5.0
    assert errors(density, exactly(mpmath.npdf, points))[1].max() <= 2.5


@BOTH
@pytest.mark.parametrize(
    ("function", "points", "values"),
    [
        (exp, [-INF, INF, 1e4, -1e4, NAN], [0, INF, INF, 0, NAN]),
        (lambda x: mathematics.expm1(x), [-INF, INF, 1e4, -1e4, NAN], [-1, INF, INF, -1, NAN]),
        (log, [0.0, -0.0, -1.0, INF, NAN], [-INF, -INF, NAN, INF, NAN]),
        (lambda x: mathematics.log1p(x), [-1.0, -2.0, INF, NAN], [-INF, NAN, INF, NAN]),
        (lambda x: mathematics.sqrt(x), [0.0, -1.0, INF, NAN], [0, NAN, INF, NAN]),
        (lambda x: mathematics.gaussian(x, 0.5), [-INF, INF, NAN], [0, 0, NAN]),
        (lambda x: mathematics.erf(x), [-INF, INF, NAN], [-1, 1, NAN]),
        (sine, [-INF, INF, NAN], [NAN, NAN, NAN]),
        (lambda x: mathematics.minimum(x, 1.0), [-INF, INF, NAN], [-INF, 1, NAN]),
        (lambda x: mathematics.maximum(x, 1.0), [-INF, INF, NAN], [1, INF, NAN]),
        (lambda x: mathematics.copysign(2.0, x), [-INF, 0.0, -0.0], [-2, 2, -2]),
        (lambda x: mathematics.where(x > 1.0, 3.0, x), [-INF, 2.0, NAN], [-INF, 3, NAN]),
        (lambda x: mathematics.fma(x, x, -1.0), [3.0, INF, NAN], [8, INF, NAN]),
    ],
    ids=[
        "exp", "expm1", "log", "log1p", "sqrt", "gaussian", "erf", "sin",
        "minimum", "maximum", "copysign", "where", "fma",
    ],
)  # fmt: skip
def test_ends_and_nan_in_kernels_and_in_python(function, points, values, precision):
    np.testing.assert_array_equal(compiled(function, points, precision), values)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(function(np.array(points)), values)


@given(x=st.floats(-700, 700), step=st.floats(1e-12, 1.0))
def test_exp_increases_and_is_positive(x, step):
    low, high = compiled(exp, [x, x + step])
    assert 0 < low <= high


@given(x=st.floats(min_value=2.0**-1000, max_value=2.0**1000))
def test_log_undoes_exp(x):
    logarithm = compiled(log, x)
    back = compiled(exp, logarithm)[0]
    assert back == pytest.approx(x, rel=1e-15 * max(abs(logarithm[0]), 2.0))


@given(x=st.floats(-1e6, 1e6))
def test_sine_and_cosine_lie_on_the_circle(x):
    s, c = compiled(sine, x)[0], compiled(cosine, x)[0]
    assert s * s + c * c == pytest.approx(1.0, abs=1e-15)


def test_fma_rounds_once_where_the_machine_can():
    from sim.kernels.simd import HAS_FMA

    x = 1.0 + 2.0**-30
    lost = compiled(lambda x: mathematics.fma(x, x, -(x * x)), x)[0]
    assert lost == (2.0**-60 if HAS_FMA else 0.0)


def test_mixed_types_are_refused_and_not_converted():
    with pytest.raises(numba.TypingError):
        numba.njit((types.float32, types.float64))(lambda a, b: mathematics.minimum(a, b))


@pytest.mark.slow
def test_the_bounds_hold_without_a_fused_multiply_add(tmp_path):
    """The whole comparison again on the plainest CPU LLVM knows, with code of its own."""
    tests = Path(__file__).parent
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "MANYNETS_CACHE": str(tmp_path)}
    chosen = ["-p", "no:cacheprovider", "-k", "within or keeps or normal_distribution"]
    command = [sys.executable, "-m", "pytest", "-q", *chosen]
    files = [str(tests / "test_scalar.py"), str(tests / "test_activations.py")]
    done = subprocess.run([*command, *files], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
