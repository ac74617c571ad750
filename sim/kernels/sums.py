"""Compiled work on a row; a sum is a vector of partial sums, added up pairwise at the end.

The order of additions depends on the number of lanes and on nothing else, so the same
CPU kind gives the same bytes every time.
"""

from __future__ import annotations

import math

from numba import types
from numba.extending import lower_builtin, overload, type_callable

from sim.catalog.mathematics import exp
from sim.catalog.matrices import inner
from sim.catalog.sums import (
    clear,
    column_dots,
    column_maxima,
    column_totals,
    dot,
    exponentiate,
    lower,
    real,
    remove,
    rescale,
    row_dots,
    row_totals,
    share_out,
    total,
)
from sim.kernels import jit
from sim.kernels.shuffles import dot_rows, sum_rows
from sim.kernels.simd import (
    address,
    fma,
    horizontal_sum,
    lanes,
    lanes_of,
    larger,
    load,
    load_first,
    splat,
    store,
    widen,
)
from sim.kernels.tuples import flat


@type_callable(real)
def _type_real(context):
    return lambda number, like: like


@lower_builtin(real, types.Number, types.Float)
def _real(context, builder, signature, args):
    return context.cast(builder, args[0], signature.args[0], signature.return_type)


@overload(total, jit_options=jit.BARE)
def _total(row):
    kind, step = row.dtype, lanes(row.dtype)

    def sum_of(row):
        partial = splat(kind(0))
        whole = row.size - row.size % step
        for i in range(0, whole, step):
            partial = partial + load(row, i)
        if whole < row.size:
            partial = partial + load_first(row, whole, row.size - whole)
        return horizontal_sum(partial)

    return sum_of


@overload(inner, jit_options=jit.CALLED)
@overload(dot, jit_options=jit.BARE)
def _dot(left, right):
    kind, step = left.dtype, lanes(left.dtype)

    def sum_of(left, right):
        partial = splat(kind(0))
        whole = left.size - left.size % step
        for i in range(0, whole, step):
            partial = fma(load(left, i), load(right, i), partial)
        if whole < left.size:
            rest = left.size - whole
            partial = fma(load_first(left, whole, rest), load_first(right, whole, rest), partial)
        return horizontal_sum(partial)

    return sum_of


@overload(row_totals)
def _row_totals(matrix, target):
    def implementation(matrix, target):
        rows, columns = matrix.shape
        step, size = lanes_of(matrix), matrix.itemsize
        for u in range(0, rows, step):
            begin, place = address(matrix, u * columns), address(target, u)
            sum_rows(matrix, begin, columns * size, columns // step, place, rows - u)

    return implementation


@overload(row_dots)
def _row_dots(left, right, target):
    def implementation(left, right, target):
        rows, columns = left.shape
        step, size = lanes_of(left), left.itemsize
        apart = address(right, 0) - address(left, 0)
        for u in range(0, rows, step):
            begin, place = address(left, u * columns), address(target, u)
            dot_rows(left, begin, apart, columns * size, columns // step, place, rows - u)

    return implementation


@overload(rescale)
def _rescale(row, centre, factor, shift, target):
    def implementation(row, centre, factor, shift, target):
        middle, slope, start = splat(centre), splat(factor), splat(shift)
        for i in range(0, row.size, lanes_of(row)):
            store(target, i, fma(load(row, i) - middle, slope, start))

    return implementation


@overload(remove)
def _remove(row, centre, other, share, factor):
    def implementation(row, centre, other, share, factor):
        middle, along, slope = splat(centre), splat(-share), splat(factor)
        for i in range(0, row.size, lanes_of(row)):
            store(row, i, fma(load(other, i), along, load(row, i) - middle) * slope)

    return implementation


@overload(column_maxima)
def _column_maxima(matrix, target):
    def implementation(matrix, target):
        rows, columns = matrix.shape
        for b in range(0, columns, lanes_of(matrix)):
            largest = load(matrix, b)
            for i in range(b + columns, rows * columns, columns):
                largest = larger(load(matrix, i), largest)
            store(target, b, largest)

    return implementation


@overload(column_totals)
def _column_totals(matrix, start, target):
    def implementation(matrix, start, target):
        rows, columns = matrix.shape
        for b in range(0, columns, lanes_of(matrix)):
            sum_of = splat(start)
            for i in range(b, rows * columns, columns):
                sum_of = sum_of + load(matrix, i)
            store(target, b, sum_of)

    return implementation


@overload(column_dots)
def _column_dots(left, right, target):
    zero = left.dtype(0)

    def implementation(left, right, target):
        rows, columns = left.shape
        for b in range(0, columns, lanes_of(left)):
            sum_of = splat(zero)
            for i in range(b, rows * columns, columns):
                sum_of = fma(load(left, i), load(right, i), sum_of)
            store(target, b, sum_of)

    return implementation


@overload(lower)
def _lower(matrix, row, target):
    def implementation(matrix, row, target):
        rows, columns = matrix.shape
        for b in range(0, columns, lanes_of(matrix)):
            lowered_by = load(row, b)
            for i in range(b, rows * columns, columns):
                store(target, i, load(matrix, i) - lowered_by)

    return implementation


@overload(share_out)
def _share_out(matrix, factors, other):
    def implementation(matrix, factors, other):
        rows, columns = matrix.shape
        for b in range(0, columns, lanes_of(matrix)):
            factor = load(factors, b)
            for i in range(b, rows * columns, columns):
                store(matrix, i, load(matrix, i) * factor - load(other, i))

    return implementation


@overload(exponentiate)
def _exponentiate(matrix):
    def implementation(matrix):
        values = flat(matrix)
        for i in range(values.size):
            values[i] = exp(values[i])

    return implementation


@overload(clear)
def _clear(matrix, count):
    def implementation(matrix, count):
        for u in range(matrix.shape[0]):
            for b in range(count, matrix.shape[1]):
                matrix[u, b] = 0

    return implementation


@jit.inlined
def square_sum(row):
    """Σ row[i]² accumulated in float64, whatever the precision of the row."""
    step = lanes_of(row)
    partial = widen(load_first(row, 0, 0))
    whole = row.size - row.size % step
    for i in range(0, whole, step):
        value = widen(load(row, i))
        partial = fma(value, value, partial)
    if whole < row.size:
        value = widen(load_first(row, whole, row.size - whole))
        partial = fma(value, value, partial)
    return horizontal_sum(partial)


@jit.inlined
def wide_sum(row):
    """Σ row[i] accumulated in float64, whatever the precision of the row."""
    step = lanes_of(row)
    partial = widen(load_first(row, 0, 0))
    whole = row.size - row.size % step
    for i in range(0, whole, step):
        partial = partial + widen(load(row, i))
    if whole < row.size:
        partial = partial + widen(load_first(row, whole, row.size - whole))
    return horizontal_sum(partial)


@jit.inlined
def deviation_sum(row, mean):
    """Σ (row[i] − mean)² accumulated in float64."""
    step = lanes_of(row)
    partial, rest = widen(load_first(row, 0, 0)), row.size % step
    centre = widen(splat(real(mean, row[0])))
    for i in range(0, row.size - rest, step):
        value = widen(load(row, i)) - centre
        partial = fma(value, value, partial)
    sum_of = horizontal_sum(partial)
    for i in range(row.size - rest, row.size):
        sum_of += (row[i] - mean) * (row[i] - mean)
    return sum_of


SMALLEST, LARGEST = 1e-290, 1e290
"""Sums of squares outside lose digits to under- or overflow."""


@jit.inlined
def log10_norm(row):
    """log10 of the Euclidean norm: −inf for all zeros, NaN or inf where an element is.

    Squares below 1e-308 would vanish although the norm does not: such a row is first
    divided by its largest element.
    """
    squares = square_sum(row)
    if SMALLEST < squares < LARGEST:
        return 0.5 * math.log10(squares)
    largest = 0.0
    for i in range(row.size):
        size = abs(row[i] * 1.0)
        if not size <= largest:
            largest = size
    if largest == 0.0:
        return -math.inf
    if not largest < math.inf:
        return largest
    squares = 0.0
    for i in range(row.size):
        share = row[i] / largest
        squares += share * share
    return math.log10(largest) + 0.5 * math.log10(squares)
