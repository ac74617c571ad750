"""What is done to rows and columns of a mini-batch, which the catalog cannot say as a fast plain loop.

LLVM may not reorder a sum, so a loop adds one number at a time and waits for each; and before a
loop over a few dozen numbers it first makes sure, at length, that no two rows overlap.  The kernels
replace these functions by versions that work on whole vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def total(row: Any) -> Any:
    """Σ_b row[b], in the row's precision."""
    return row.sum()


def dot(left: Any, right: Any) -> Any:
    """Σ_b left[b] · right[b], in the rows' precision."""
    return left @ right


def row_totals(matrix: Any, target: Any) -> None:
    """target[u] = Σ_b matrix[u, b] over whole rows: the padding must be zero."""
    target[: len(matrix)] = matrix.sum(axis=1)


def row_dots(left: Any, right: Any, target: Any) -> None:
    """target[u] = Σ_b left[u, b] · right[u, b] over whole rows: the padding must be zero."""
    target[: len(left)] = (left * right).sum(axis=1)


def rescale(row: Any, centre: Any, factor: Any, shift: Any, target: Any) -> None:
    """target[b] = (row[b] − centre) · factor + shift for whole rows, padding and all."""
    target[:] = (row - centre) * factor + shift


def remove(row: Any, centre: Any, other: Any, share: Any, factor: Any) -> None:
    """row[b] ← (row[b] − centre − share · other[b]) · factor for whole rows, padding and all."""
    row[:] = (row - centre - share * other) * factor


def column_maxima(matrix: Any, target: Any) -> None:
    """target[b] = max_k matrix[k, b]; NaN in the first row stays."""
    target[:] = matrix[0]
    for row in matrix[1:]:
        target[:] = np.where(row > target, row, target)


def column_totals(matrix: Any, start: Any, target: Any) -> None:
    """target[b] = start + Σ_k matrix[k, b]."""
    target[:] = start + matrix.sum(axis=0)


def column_dots(left: Any, right: Any, target: Any) -> None:
    """target[b] = Σ_k left[k, b] · right[k, b]."""
    target[:] = (left * right).sum(axis=0)


def lower(matrix: Any, row: Any, target: Any) -> None:
    """target[k, b] = matrix[k, b] − row[b]."""
    target[:] = matrix - row


def share_out(matrix: Any, factors: Any, other: Any) -> None:
    """matrix[k, b] ← matrix[k, b] · factors[b] − other[k, b]."""
    matrix[:] = matrix * factors - other


def exponentiate(matrix: Any) -> None:
    """matrix[k, b] ← exp(matrix[k, b])."""
    matrix[:] = np.exp(matrix)


def clear(matrix: Any, count: int) -> None:
    """Set the padding, the columns from ``count`` on, to zero."""
    matrix[:, count:] = 0


def real(number: int, like: Any) -> Any:
    """An integer as a number of the same precision as ``like``: int64 times float32 would be float64."""
    return np.asarray(like).dtype.type(number)
