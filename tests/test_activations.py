"""Every activation of the registry, as the kernels compile it: 40 digits, limits, its own slope."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from exact import arguments, errors, exactly, within
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from sim.catalog.activations import activation, largest_slope
from sim.catalog.registry import Part
from sim.kernels import jit
from sim.kernels.parts import activation_kernel

NAN, INF = np.nan, np.inf
EVERY = pytest.mark.parametrize("part", activation.values(), ids=lambda part: part.name)
BOTH = pytest.mark.parametrize("precision", jit.REAL)
NUMBERS = st.floats(-INF, INF, width=32)


@dataclass(frozen=True)
class Reference:
    """Exact value and slope, (value, slope) at -inf and inf, and what the docstring grants beyond 4 ulp."""

    value: Callable[..., mpf]
    slope: Callable[..., mpf]
    below: tuple[float, float]
    above: tuple[float, float]
    increasing: bool = True
    ulp_below_minus_one: float = 4.0
    crossing: tuple[float, float] = (0.0, 0.0)  # here the slope is measured in eps
    crossing_eps: float = 0.0
    underflow: bool = False  # |x| smallest subnormals are granted
    flushed: float = 0.0  # a slope below so many smallest normal numbers may be 0
    largest: float = INF


def _share(x: mpf) -> mpf:
    return 1 / (1 + mpmath.exp(-x)) if x > 0 else mpmath.exp(x) / (1 + mpmath.exp(x))


def _normal(x: mpf) -> mpf:
    return mpmath.erfc(-within(x, 60) / mpmath.sqrt(2)) / 2


def _tanh(x: mpf) -> mpf:
    return -mpmath.sign(x) * mpmath.expm1(-2 * abs(x)) / (1 + mpmath.exp(-2 * abs(x)))


SILU = Reference(
    lambda x: x * _share(x),
    lambda x: _share(x) * (1 + x * _share(-x)),
    (0.0, 0.0), (INF, 1.0), increasing=False, crossing=(-6.0, -0.5), crossing_eps=0.4, underflow=True,
)  # fmt: skip

REFERENCES = {
    "linear": Reference(lambda x: x, lambda x: mpf(1), (-INF, 1.0), (INF, 1.0)),
    "sigmoid": Reference(_share, lambda x: _share(x) * _share(-x), (0.0, 0.0), (1.0, 0.0)),
    "tanh": Reference(
        _tanh, lambda x: 4 * _share(2 * x) * _share(-2 * x), (-1.0, 0.0), (1.0, 0.0), flushed=5.0
    ),
    "relu": Reference(lambda x: max(x, mpf(0)), lambda x: mpf(x > 0), (0.0, 0.0), (INF, 1.0)),
    "leaky_relu": Reference(
        lambda x, slope: x if x > 0 else slope * x,
        lambda x, slope: mpf(1) if x > 0 else slope,
        (-INF, 0.01), (INF, 1.0),
    ),
    "elu": Reference(
        lambda x, alpha: x if x > 0 else alpha * mpmath.expm1(x),
        lambda x, alpha: mpf(1) if x > 0 else alpha * mpmath.exp(x),
        (-1.0, 0.0), (INF, 1.0),
    ),
    "selu": Reference(
        lambda x: mpf(1.0507009873554805) * (x if x > 0 else mpf(1.6732632423543772) * mpmath.expm1(x)),
        lambda x: mpf(1.0507009873554805) * (1 if x > 0 else mpf(1.6732632423543772) * mpmath.exp(x)),
        (-1.7580993408473766, 0.0), (INF, 1.0507009873554805),
    ),
    "gelu": Reference(
        lambda x: x * _normal(x),
        lambda x: _normal(x) + x * mpmath.npdf(x),
        (0.0, 0.0), (INF, 1.0),
        increasing=False, ulp_below_minus_one=5.0, crossing=(-1.7, -0.5), crossing_eps=0.6, underflow=True,
    ),
    "silu": SILU,
    "swish": SILU,
    "softplus": Reference(
        lambda x: max(x, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(x))), _share, (0.0, 0.0), (INF, 1.0)
    ),
    "softsign": Reference(
        lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, (-1.0, 0.0), (1.0, 0.0)
    ),
    "erf": Reference(
        lambda x: mpmath.erf(within(x, 60)),
        lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(within(x, 60) ** 2)),
        (-1.0, 0.0), (1.0, 0.0),
    ),
    "sin": Reference(mpmath.sin, mpmath.cos, (NAN, NAN), (NAN, NAN), increasing=False, largest=1.6e6),
}  # fmt: skip

KNOWN = pytest.mark.parametrize("name", REFERENCES)


def kernel(part: Part, precision: str) -> Any:
    return activation_kernel(part, jit.REAL[precision])


def compiled(
    part: Part, points: Any, precision: str = "float64", **given: float
) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope by the very kernel that trains networks."""
    slope = np.array(points, precision, ndmin=1)
    value = np.empty_like(slope)
    kernel(part, precision)(slope, value, np.array(list(part.bind(**given).values()), precision))
    return value, slope


def assembly_of(part: Part, precision: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """What the compiler made of it; Numba cannot tell for a kernel from the cache."""
    monkeypatch.setenv("MANYNETS_CACHE", str(folder))
    (assembly,) = activation_kernel.__wrapped__(part, jit.REAL[precision]).inspect_asm().values()
    return assembly


GIVEN = [(name, {}) for name in REFERENCES] + [("leaky_relu", {"slope": 0.3}), ("elu", {"alpha": 1.7})]


@BOTH
@pytest.mark.parametrize(("name", "given"), GIVEN, ids=str)
def test_value_and_slope_are_within_the_stated_distance_of_the_exact_ones(name, precision, given):
    part, reference = activation[name], REFERENCES[name]
    limits = np.finfo(precision)
    points = arguments(precision, largest=reference.largest)
    parameters = np.array(list(part.bind(**given).values()), precision).tolist()
    value, slope = compiled(part, points, precision, **given)
    granted = np.abs(points.astype("float64")) * float(limits.smallest_subnormal) * reference.underflow

    off, ulps = errors(value, exactly(reference.value, points, *parameters))
    wrong = (ulps > np.where(points < -1.0, reference.ulp_below_minus_one, 4.0)) & (off > granted)
    assert not wrong.any(), f"value at {points[wrong][:5]}: {ulps[wrong][:5]} ulp"

    off, ulps = errors(slope, exactly(reference.slope, points, *parameters))
    crossing = (points >= reference.crossing[0]) & (points <= reference.crossing[1])
    granted = np.where(crossing, reference.crossing_eps * float(limits.eps), granted)
    flushed = (slope == 0) & (off < reference.flushed * float(limits.smallest_normal))
    wrong = (ulps > 4.0) & (off > granted) & ~flushed
    assert not wrong.any(), f"slope at {points[wrong][:5]}: {ulps[wrong][:5]} ulp"


@BOTH
def test_sin_of_huge_arguments_loses_accuracy_as_slowly_as_stated(precision):
    points = np.random.default_rng(5).uniform(1.6e6, 2.0**50, 300).astype(precision)
    value, slope = compiled(activation["sin"], points, precision)
    granted = np.abs(points) * 2.0**-52 + 4 * np.finfo(precision).eps
    assert np.all(errors(value, exactly(mpmath.sin, points))[0] <= granted)
    assert np.all(errors(slope, exactly(mpmath.cos, points))[0] <= granted)
    largest = np.finfo(precision).max
    for computed in compiled(activation["sin"], [largest, -largest, 1e30], precision):
        assert np.all(np.abs(computed) <= 1.0)


@BOTH
@KNOWN
def test_limits_at_infinity(name, precision):
    reference = REFERENCES[name]
    value, slope = compiled(activation[name], [-INF, INF], precision)
    np.testing.assert_allclose(value, [reference.below[0], reference.above[0]], rtol=1e-6, atol=0)
    np.testing.assert_allclose(slope, [reference.below[1], reference.above[1]], rtol=1e-6, atol=0)


@BOTH
@EVERY
def test_nan_stays_nan(part, precision):
    value, slope = compiled(part, NAN, precision)
    assert np.isnan(value).all()
    if part.name in REFERENCES:
        piecewise_linear = {"linear": 1.0, "relu": 1.0, "leaky_relu": 1.0}
        assert np.array_equal(slope, [piecewise_linear.get(part.name, NAN)], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "slope"),
    [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("selu", 1.7580993408473766)],
)
def test_slope_at_a_kink_is_that_of_the_lower_side(name, slope):
    assert compiled(activation[name], [0.0, -0.0])[1].tolist() == [slope, slope]


@EVERY
def test_slope_is_the_derivative_of_the_value(part):
    points = np.linspace(-6.05, 6.05, 242)  # keeps 0.025 away from kinks at 0
    step = 1e-5
    difference = compiled(part, points + step)[0] - compiled(part, points - step)[0]
    np.testing.assert_allclose(compiled(part, points)[1], difference / (2 * step), rtol=1e-6, atol=1e-8)


@BOTH
@EVERY
def test_plain_python_agrees_with_the_kernel_on_arrays_and_scalars(part, precision):
    points = np.linspace(-7.0, 7.0, 57).astype(precision)
    parameters = tuple(part.bind().values())
    tolerance = {"rtol": 200 * np.finfo(precision).eps, "atol": 2 * np.finfo(precision).eps}
    kernels = compiled(part, points, precision)
    for array, exact in zip(part.function(points, *parameters), kernels, strict=True):
        np.testing.assert_allclose(np.broadcast_to(array, points.shape), exact, **tolerance)
    for x, value, slope in zip(points, *kernels, strict=True):
        np.testing.assert_allclose(part.function(x, *parameters), (value, slope), **tolerance)


@EVERY
def test_largest_slope_is_the_supremum(part):
    points = np.concatenate([np.linspace(-50, 50, 200_001), [-1e-9, 1e-9]])
    steepest = np.abs(compiled(part, points)[1]).max()
    assert steepest == pytest.approx(largest_slope(part, part.parameters), rel=1e-7)


@BOTH
@EVERY
def test_the_compiled_loop_is_vectorised_and_calls_no_function(part, precision, monkeypatch, tmp_path):
    if platform.machine() != "x86_64":
        pytest.skip("reads x86 assembly")
    assembly = assembly_of(part, precision, monkeypatch, tmp_path)
    whole_vector = r"v?mov(?:[au]p[sd]|dq[au]\d*)\s+%[xyz]mm\d+,\s*\w*\(%r\w+,%r\w+(?:,[48])?\)"
    stored = re.findall(whole_vector, assembly)
    assert len(stored) >= 2, "no loop stores whole vectors of values and slopes"
    called = set(re.findall(r"(?:call[lq]?\s+\*?|movabsq\s+\$)([A-Za-z_][\w.]*)", assembly))
    mathematics = {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "erfc", "fma", "ldexp", "pow"}
    assert not called & (mathematics | {f"{name}f" for name in mathematics})
    assert not {name for name in called if "3sim7catalog" in name or "3sim7kernels6scalar" in name}


@EVERY
def test_float32_stays_float32(part, monkeypatch, tmp_path):
    """A float64 literal left in the code would convert every element there and back."""
    if platform.machine() != "x86_64" or "sincos" in part.function.__code__.co_names:
        pytest.skip("reads x86 assembly; sincos reduces its argument in float64")
    assembly = assembly_of(part, "float32", monkeypatch, tmp_path)
    assert not re.findall(r"cvt[sp]s2[sp]d", assembly)


@pytest.mark.parametrize("name", [name for name, reference in REFERENCES.items() if reference.increasing])
@given(pair=st.tuples(*[NUMBERS] * 2).map(sorted), precision=st.sampled_from(list(jit.REAL)))
def test_increasing_ones_increase(name, pair, precision):
    (low, high), slope = compiled(activation[name], pair, precision)
    assert low <= high or high - low > -4 * np.spacing(np.abs(low))
    assert np.all(slope >= 0)


@given(x=NUMBERS, precision=st.sampled_from(list(jit.REAL)))
def test_bounded_and_odd_ones_stay_so(x, precision):
    for name in ("tanh", "erf", "softsign", "sin"):
        value, slope = compiled(activation[name], [x, -x], precision)
        if name != "sin" or abs(x) < 1e15:
            assert np.all(np.abs(value) <= 1)
            assert value[0] == -value[1]
            assert slope[0] == slope[1]
    assert 0 <= compiled(activation["sigmoid"], x, precision)[0][0] <= 1


def test_swish_is_silu():
    assert activation["swish"].function is activation["silu"].function
