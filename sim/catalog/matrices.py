"""What layerwise optimizers say of whole matrices; kernels compile these functions as they stand.

Matrices are flat vectors, row by row, and results go where the caller says: plain loops over one
type of array are quick to compile; an array expression, a second dimension or an array made here
takes the compiler longer than the rest of a rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def part(vector: Any, start: Any, size: Any) -> Any:
    """So many numbers of a vector from ``start`` on."""
    return vector[start : start + size]


def row(matrix: Any, number: Any, size: Any) -> Any:
    """Row ``number`` of a matrix with rows of so many numbers."""
    return part(matrix, number * size, size)


def wide(vector: Any) -> Any:
    """The same numbers, single ones of which kernels read and write as float64 whatever their precision."""
    return vector


def inner(left: Any, right: Any) -> Any:
    """Σ left[i] · right[i]: ``sums.dot`` for what is called rather than inlined."""
    return left @ right


def eigen_rows(matrix: Any, values: Any) -> Any:
    """M, symmetric, becomes its eigenvectors, one a row; ``values`` its eigenvalues.  0 if all went well."""
    size = values.size
    values[:], vectors = np.linalg.eigh(matrix.reshape(size, size))
    matrix[:] = vectors.T.ravel()
    return 0


def mix(target: Any, keep: Any, share: Any, vector: Any) -> None:
    """a ← keep · a + share · b."""
    for i in range(target.size):
        target[i] = keep * target[i] + share * vector[i]


def turn(target: Any, matrix: Any, rows: Any, columns: Any) -> None:
    """target ← Aᵀ of a (rows, columns) A."""
    for i in range(rows):
        numbers = row(matrix, i, columns)
        for j in range(columns):
            row(target, j, rows)[i] = numbers[j]


def product(target: Any, left: Any, right: Any, rows: Any, inner: Any, columns: Any) -> None:
    """target ← A B of a (rows, inner) A and an (inner, columns) B."""
    for i in range(rows):
        sums, shares = row(target, i, columns), row(left, i, inner)
        for j in range(columns):
            sums[j] = 0
        for k in range(inner):
            share, other = shares[k], row(right, k, columns)
            for j in range(columns):
                sums[j] += share * other[j]


def eigen(target: Any, values: Any, matrix: Any) -> None:
    """Eigenvectors, one a row, and eigenvalues of a symmetric matrix; NaN if it is not finite."""
    whole = matrix[0] - matrix[0]
    for i in range(matrix.size):
        target[i] = matrix[i]
        whole += matrix[i] - matrix[i]
    if whole != whole or eigen_rows(target, values) != 0:  # LAPACK may not end where a number is not finite
        for i in range(target.size):
            target[i] = np.nan
        for i in range(values.size):
            values[i] = np.nan


def power(target: Any, matrix: Any, size: Any, shift: Any, exponent: Any, spare: Any) -> None:
    """target ← (M + shift · 1)^exponent of a symmetric M with no negative eigenvalue; NaN if M is not finite.

    ``spare`` is room for 2 size² + size numbers.
    """
    square = size * size
    rows, columns = part(spare, 0, square), part(spare, square, square)
    values = part(spare, 2 * square, size)
    eigen(rows, values, matrix)
    turn(columns, rows, size, size)
    for k in range(size):  # rounding may leave a zero just below zero
        share, vector = (abs(values[k]) + shift) ** exponent, row(rows, k, size)
        for j in range(size):
            vector[j] *= share
    product(target, columns, rows, size, size, size)


FUNCTIONS = (mix, turn, product, eigen, power)
"""What the kernels compile as it stands."""
