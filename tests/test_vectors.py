"""Formulas of whole vectors: quotients, their limits, and rules that come out as number by number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numba
import numpy as np
import pytest
from numba import types

from sim.catalog.mathematics import absolute, fma, maximum, minimum, sqrt
from sim.catalog.optimizers import optimizer
from sim.kernels import jit, parts
from sim.kernels.emit import HAS_FMA
from sim.kernels.simd import lanes, load, store
from sim.kernels.vectors import takes_vectors

BOTH = pytest.mark.parametrize("precision", jit.REAL)


def by_vectors(formula: Any, precision: str, *columns: np.ndarray) -> np.ndarray:
    """``formula`` of two or three columns of numbers, a vector of each at a time."""
    real = jit.REAL[precision]
    step, vector = lanes(real), jit.vector_of(real)
    typed = jit.inlined(formula)
    a, b, c = (*columns, columns[-1])[:3]

    @numba.njit(types.void(vector, vector, vector, vector), **jit.FLAGS)
    def run(a: Any, b: Any, c: Any, result: Any) -> None:
        for i in range(0, result.size, step):
            store(result, i, typed(load(a, i), load(b, i), load(c, i)))

    padded = [np.resize(column.astype(precision), -(-column.size // step) * step) for column in (a, b, c)]
    result = np.empty_like(padded[0])
    run(*padded, result)
    return result[: columns[0].size]


@BOTH
def test_quotients_are_right_to_a_unit_in_the_last_place(precision: str) -> None:
    """Of denominators whose reciprocal is a normal number, where the remainder is one too, and close to 1."""
    draws, limits = np.random.default_rng(0), np.finfo(precision)
    largest = -limits.minexp * np.log10(2) - 1
    scale = 10 ** draws.uniform(-largest, largest, 40_000)
    b = np.concatenate([scale, draws.uniform(1, 2, 40_000)]) * draws.choice([-1.0, 1.0], 80_000)
    a = draws.normal(size=b.size) * np.minimum(abs(b), 1.0)
    a, b = a.astype(precision), b.astype(precision)
    told = abs(a) > limits.smallest_normal * 2.0**60
    a, b = a[told], b[told]
    assert a.size > 60_000
    exact = a.astype(np.longdouble) / b
    found = by_vectors(lambda a, b, c: a / b, precision, a, b)
    ulp = np.spacing(np.maximum(abs(exact).astype(precision), limits.smallest_normal * 2**30))
    off = abs(found - exact) / ulp
    assert off.max() < 1.0
    assert np.mean(found == (a / b)) > 0.8


@BOTH
def test_quotients_have_their_limits(precision: str) -> None:
    a = np.array([1.0, -1.0, 0.0, 0.0, 5.0, -5.0, np.inf, np.inf, np.nan, 1.0])
    b = np.array([0.0, 0.0, 0.0, 3.0, np.inf, np.inf, 2.0, np.inf, 1.0, np.nan])
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = a / b
    found = by_vectors(lambda a, b, c: a / b, precision, a, b)
    np.testing.assert_array_equal(found, expected.astype(precision))


FORMULAS = {
    "numbers on either side": (lambda a, b, c: 2 * a - b * 3 + 1 - c, lambda a, b, c: 2 * a - b * 3 + 1 - c),
    "signs": (lambda a, b, c: -a + absolute(b), lambda a, b, c: -a + abs(b)),
    "roots": (lambda a, b, c: sqrt(absolute(a)), lambda a, b, c: np.sqrt(abs(a))),
    "squares": (lambda a, b, c: a**2 - b**2, lambda a, b, c: a * a - b * b),
    "bounds": (lambda a, b, c: minimum(maximum(a, b), c), lambda a, b, c: np.minimum(np.maximum(a, b), c)),
}


@BOTH
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_those_of_numpy(name: str, precision: str) -> None:
    ours, theirs = FORMULAS[name]
    a, b, c = np.random.default_rng(1).normal(size=(3, 100)).astype(precision)
    np.testing.assert_array_equal(by_vectors(ours, precision, a, b, c), theirs(a, b, c))


@BOTH
def test_a_fused_product_is_rounded_once(precision: str) -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 100)).astype(precision)
    left = by_vectors(lambda a, b, c: fma(a, b, -(a * b)), precision, a, b)
    exact = [
        Fraction(float(x)) * Fraction(float(y)) - Fraction(float(x * y)) for x, y in zip(a, b, strict=True)
    ]
    expected = np.array([float(number) for number in exact])
    np.testing.assert_array_equal(left, expected if HAS_FMA else 0 * expected)


@BOTH
def test_a_bound_lets_nan_through(precision: str) -> None:
    nan, one = np.full(8, np.nan), np.ones(8)
    assert np.isnan(by_vectors(lambda a, b, c: maximum(a, b), precision, nan, one)).all()
    assert np.isnan(by_vectors(lambda a, b, c: minimum(a, b), precision, nan, one)).all()


def _wandering(theta: Any, g: Any, rate: Any) -> Any:
    if g > 0:
        return (theta - rate,)
    return (theta + rate,)


def test_a_rule_that_branches_takes_no_vectors() -> None:
    assert not takes_vectors(jit.inlined(_wandering), types.float32, 3)
    assert takes_vectors(jit.inlined(lambda theta, g, rate: (theta - rate * g,)), types.float32, 3)
    assert not takes_vectors(jit.inlined(lambda theta, g, rate: (1.0, 2.0)), types.float32, 3)


ELEMENTWISE = [name for name, part in optimizer.items() if part.rule(part.bind()).elementwise]


def _stepped(
    kernel: Any, constants: Any, part: Any, rule: Any, size: int, precision: str
) -> list[np.ndarray]:
    """θ and state after three steps, with three numbers behind them that nobody may touch."""
    draws = np.random.default_rng(3)
    theta, gradient = draws.normal(size=(2, size + 3)).astype(precision)
    state, numbers = np.zeros((max(len(rule.slots), 1), size), precision), np.zeros(32, precision)
    for step in range(3):
        constants(step + 1.0, parts.encoded(part, part.bind()), numbers)
        kernel(np.zeros((1, 9), np.int64), theta[:size], gradient[:size], state, numbers, 0.0)
    assert np.array_equal(
        theta[size:], np.random.default_rng(3).normal(size=(2, size + 3)).astype(precision)[0, size:]
    )
    return [theta, state]


@BOTH
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_rules_by_vectors_are_rules_by_numbers(name: str, precision: str, monkeypatch: Any) -> None:
    """Whole vectors and what is left; to what a quotient may differ by."""
    real, part = jit.REAL[precision], optimizer[name]
    rule = part.rule(part.bind())
    constants, by_vectors, _ = parts.optimizer_kernels(part, rule, real)
    monkeypatch.setattr(parts, "takes_vectors", lambda *arguments: False)
    monkeypatch.setattr(jit, "kernel", lambda code, signature: numba.njit(signature, **jit.FLAGS)(code))
    by_numbers = parts._elementwise_kernel(part, rule, real)
    for size in (1, lanes(real), 3 * lanes(real) + 5):
        ours = _stepped(by_vectors, constants, part, rule, size, precision)
        theirs = _stepped(by_numbers, constants, part, rule, size, precision)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=8 * np.finfo(precision).eps)
