"""Products, transposes and sums of rows against NumPy, in every shape, and nothing written beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.kernels import jit, matmul, sums, transposes
from sim.kernels.emit import lanes
from sim.kernels.matmul import Matrix

REALS = pytest.mark.parametrize("precision", ["float32", "float64"])
SIZES = st.integers(1, 70)
GUARD = 7.25
"""What stands where nothing may be written."""


def whole(count: int, precision: str) -> int:
    """Rounded up to whole vectors."""
    step = lanes(jit.REAL[precision])
    return -(-count // step) * step


def matrix_of(array: np.ndarray) -> Matrix:
    return Matrix(array.ctypes.data, array.strides[0], array.strides[1])


def drawn(rng: np.random.Generator, shape: tuple[int, int], precision: str) -> np.ndarray:
    """Small integers: their sums are exact, in whatever order."""
    return rng.integers(-8, 9, shape).astype(precision)


class Case:
    """A product's operands; the rows of X are whole vectors, C stands among guards."""

    def __init__(self, rows: int, inner: int, columns: int, precision: str, room: int) -> None:
        rng = np.random.default_rng([rows, inner, columns])
        self.left, self.start = drawn(rng, (rows, inner), precision), drawn(rng, (rows, 1), precision)
        self.right = drawn(rng, (inner, whole(columns, precision)), precision)
        self.shape = rows, inner, columns
        self.around = np.full((rows + 2, room), GUARD, precision)
        self.result = self.around[1:-1]
        self.expected = self.start + self.left @ self.right[:, :columns]

    def run(self, kernel: Any, left: np.ndarray, right: Any = None) -> None:
        start = Matrix(self.start.ctypes.data, self.start.strides[0], 0)
        kernel(matrix_of(left), right or matrix_of(self.right), matrix_of(self.result), start, *self.shape)

    def untouched(self) -> bool:
        """Whether only the result was written."""
        self.result[:, : self.shape[2]] = GUARD
        return bool((self.around == GUARD).all())


@REALS
@given(rows=SIZES, inner=st.integers(0, 40), columns=SIZES, more=st.integers(0, 3))
def test_a_product_is_that_of_numpy_and_writes_nothing_else(precision, rows, inner, columns, more):
    case = Case(rows, inner, columns, precision, columns + more)
    case.run(matmul.product_kernel(jit.REAL[precision]), case.left)
    np.testing.assert_array_equal(case.result[:, :columns], case.expected)
    assert case.untouched()


@REALS
@given(rows=SIZES, inner=st.integers(0, 40), columns=SIZES, seed=st.integers(0, 9))
def test_a_gradient_finds_its_samples_in_a_list(precision, rows, inner, columns, seed):
    case = Case(rows, inner, columns, precision, columns)
    table = drawn(np.random.default_rng(seed), (9, whole(columns, precision)), precision)
    chosen = np.random.default_rng(seed).integers(0, len(table), inner)
    addresses = (table.ctypes.data + chosen * table.strides[0]).astype(np.intp)
    case.run(matmul.gradient_kernel(jit.REAL[precision]), case.left, matmul.Listed(addresses.ctypes.data, 0))
    np.testing.assert_array_equal(case.result, case.left @ table[chosen][:, :columns])
    assert case.untouched()


@REALS
@given(rows=SIZES, inner=st.integers(1, 40), vectors=st.integers(1, 5))
def test_a_scaling_product_multiplies_each_number_once(precision, rows, inner, vectors):
    columns = vectors * whole(1, precision)
    case = Case(rows, inner, columns, precision, columns)
    case.result[:] = np.arange(rows * columns).reshape(rows, columns) % 5
    expected = case.result * (case.expected - case.start)  # integers: exact
    turned = np.ascontiguousarray(case.left.T).T  # as Wᵀ is read from W
    case.run(matmul.scaling_product_kernel(jit.REAL[precision]), turned)
    np.testing.assert_array_equal(case.result, expected)
    assert case.untouched()


@REALS
@given(rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_a_transpose_moves_blocks(precision, rows, columns):
    step = whole(1, precision)
    source = np.arange(rows * columns * step * step, dtype=precision).reshape(rows * step, columns * step)
    target = np.zeros(source.T.shape, precision)
    transposes.transpose_kernel(jit.REAL[precision])(matrix_of(source), matrix_of(target), *source.shape)
    np.testing.assert_array_equal(target, source.T)


@REALS
@given(given=st.integers(1, 40), blocks=st.integers(1, 3), seed=st.integers(0, 9))
def test_a_mini_batch_is_found_and_transposed(precision, given, blocks, seed):
    """Behind the mini-batch's end stand zeros, and nothing beside is written."""
    features, samples = blocks * whole(1, precision), whole(given, precision)
    rng = np.random.default_rng(seed)
    table, batch = drawn(rng, (50, features), precision), rng.integers(0, 50, given).astype(np.int32)
    turned = np.full((features + 1, samples), GUARD, precision)
    nothing, addresses = np.zeros(features, precision), np.zeros(samples, np.intp)
    kernel = transposes.gather_kernel(jit.REAL[precision])
    kernel(matrix_of(table), batch, nothing.ctypes.data, addresses, matrix_of(turned), features)
    np.testing.assert_array_equal(turned[:-1, :given], table[batch].T)
    assert not turned[:-1, given:].any()
    assert (turned[-1] == GUARD).all()
    np.testing.assert_array_equal(
        addresses[:given], table.ctypes.data + batch.astype(np.intp) * table.strides[0]
    )
    assert (addresses[given:] == nothing.ctypes.data).all()


def _of_rows(function: Any, count: int, precision: str) -> Callable[..., Any]:
    """A sum over rows, compiled as kernels have it."""
    real = jit.REAL[precision]
    names = ", ".join("abc"[:count])
    scope: dict[str, Any] = {"function": function}
    exec(f"def call({names}, target):\n    function({names}, target)\n", scope)
    return numba.njit((*[jit.matrix_of(real)] * count, jit.vector_of(real)), **jit.FLAGS)(scope["call"])


@REALS
def test_sums_of_rows(precision):
    totals = _of_rows(sums.row_totals, 1, precision)
    dots = _of_rows(sums.row_dots, 2, precision)
    rng = np.random.default_rng(3)
    for rows, vectors in ((1, 1), (3, 2), (16, 1), (17, 3), (40, 4)):
        shape = whole(rows, precision), vectors * whole(1, precision)  # whole blocks of rows are read
        left, right = drawn(rng, shape, precision), drawn(rng, shape, precision)
        target = np.full(rows + 5, GUARD, precision)
        totals(left[:rows], target)
        np.testing.assert_array_equal(target[:rows], left[:rows].sum(axis=1))
        dots(left[:rows], right[:rows], target)
        np.testing.assert_array_equal(target[:rows], (left * right)[:rows].sum(axis=1))
        assert (target[rows:] == GUARD).all()
