"""What layerwise optimizers say of whole matrices; kernels compile these functions as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np


def length(vector: Any) -> Any:
    """√Σ entries², in the vector's precision."""
    return np.sqrt(np.sum(vector * vector))


def eigenvectors(matrix: Any) -> Any:
    """Columns: orthonormal eigenvectors of a symmetric matrix, by eigenvalue; NaN if it is not finite."""
    total = np.sum(matrix)
    if not np.isfinite(total):  # LAPACK would raise, and end the training of every network of the batch
        return matrix + (total - total)
    return np.ascontiguousarray(np.linalg.eigh(matrix)[1])


def power(matrix: Any, shift: Any, exponent: Any) -> Any:
    """(M + shift · 1)^exponent of a symmetric M with no negative eigenvalue; NaN if M is not finite."""
    total = np.sum(matrix)
    if not np.isfinite(total):
        return matrix + (total - total)
    values, vectors = np.linalg.eigh(matrix)  # rounding may leave a zero just below zero
    return (vectors * (np.abs(values) + shift) ** exponent) @ vectors.T


def orthogonal(matrix: Any, steps: Any, first: Any, third: Any, fifth: Any) -> Any:
    """Newton–Schulz: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, so many steps; singular values tend to about 1."""
    for _ in range(steps):
        gram = matrix @ matrix.T
        matrix = first * matrix + (third * gram + fifth * (gram @ gram)) @ matrix
    return matrix


FUNCTIONS = (length, eigenvectors, power, orthogonal)
