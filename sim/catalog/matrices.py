"""What layerwise optimizers say of whole matrices; kernels compile these functions as they stand.

Plain loops: an array expression costs the compiler a second or more, for the message alone that it
would show if shapes did not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.catalog.sums import dot, real, total


def length(vector: Any) -> Any:
    """√Σ entries², in the vector's precision."""
    return np.sqrt(dot(vector, vector))


def product(left: Any, right: Any) -> Any:
    """A B."""
    result = np.zeros((left.shape[0], right.shape[1]), left.dtype)
    for i in range(left.shape[0]):
        row = result[i]
        for k in range(left.shape[1]):
            share, other = left[i, k], right[k]
            for j in range(row.size):
                row[j] += share * other[j]
    return result


def turned(matrix: Any) -> Any:
    """Aᵀ."""
    result = np.empty((matrix.shape[1], matrix.shape[0]), matrix.dtype)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            result[j, i] = matrix[i, j]
    return result


def mix(target: Any, keep: Any, share: Any, matrix: Any) -> None:
    """A ← keep · A + share · B."""
    for i in range(target.shape[0]):
        row, other = target[i], matrix[i]
        for j in range(row.size):
            row[j] = keep * row[j] + share * other[j]


def eigen(matrix: Any) -> Any:
    """Eigenvalues and, as columns, eigenvectors of a symmetric matrix; NaN if it is not finite."""
    known = matrix.copy()
    for i in range(known.shape[0]):
        whole = total(known[i])
        if not np.isfinite(whole):  # LAPACK would raise, and end the training of all networks
            mix(known, whole - whole, whole - whole, known)
            return known[i], known
    values, vectors = np.linalg.eigh(known)
    return values, turned(vectors.T)


def power(matrix: Any, shift: Any, exponent: Any) -> Any:
    """(M + shift · 1)^exponent of a symmetric M with no negative eigenvalue; NaN if M is not finite."""
    values, vectors = eigen(matrix)
    scaled = vectors.copy()
    for j in range(values.size):  # rounding may leave a zero just below zero
        share = (abs(values[j]) + shift) ** exponent
        for i in range(values.size):
            scaled[i, j] *= share
    return product(scaled, turned(vectors))


def orthogonal(matrix: Any, steps: Any, first: Any, third: Any, fifth: Any) -> Any:
    """Newton–Schulz: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, so many steps; singular values tend to about 1."""
    found = matrix.copy()
    for _ in range(steps):
        gram = product(found, turned(found))
        inner = product(gram, gram)
        mix(inner, fifth, third, gram)
        mix(found, first, real(1, first), product(inner, found))
    return found


FUNCTIONS = (length, product, turned, mix, eigen, power, orthogonal)
"""What the kernels compile as it stands."""
