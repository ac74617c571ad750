"""Sums over a row, the one thing array code in the catalog cannot say as a plain loop.

LLVM may not reorder a sum, so a loop adds one number at a time and waits for each; the
kernels replace these functions by versions that keep a vector of partial sums.
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


def real(number: int, like: Any) -> Any:
    """An integer as a number of the same precision as ``like``: int64 times float32 would be float64."""
    return np.asarray(like).dtype.type(number)
