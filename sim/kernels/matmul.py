"""The products of a dense layer: one routine, three uses.

A product is C[r, c] = start[r] + Σ_k A[r, k] · X[k, c].  The numbers of A are broadcast,
the rows of X and C are whole vectors, so the lanes run along c:

* forward             C = Z  (units, batch),  A = W,  X = inputs (fan_in, batch), start = bias
* input gradient      C = G  (fan_in, batch), A = Wᵀ, X = D (units, batch)
* weight gradient     C = dW (units, fan_in), A = D,  X = inputs transposed (batch, fan_in)

Strides make Wᵀ from W without moving it.  A block of 4 rows × 2 vectors of accumulators
stays in registers over the whole sum; what is left of rows and vectors goes to smaller
blocks, so nothing but the last vector of a row is padded.  Every sum runs over k in
ascending order, whatever the block, so the bytes do not depend on the blocking.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import types

from sim.kernels import jit
from sim.kernels.simd import lanes, tile_from, tile_multiply_add, tile_store, transpose_block


class Matrix(NamedTuple):
    """A matrix inside a flat array: element (r, c) is ``data[begin + r * row + c * column]``."""

    data: Any
    begin: int
    row: int
    column: int


def matrix_type(real: types.Type) -> types.BaseTuple:
    """Numba's type of a :class:`Matrix` of ``real``."""
    return jit.struct(Matrix, [jit.vector_of(real), types.intp, types.intp, types.intp])


# Bound by `product_kernel`: block sizes, lanes of a vector, and the compiled blocks.
ROWS = VECTORS = LANES = 0
wide_4 = narrow_4 = wide_2 = narrow_2 = wide_1 = narrow_1 = panel_4 = panel_2 = panel_1 = None  # type: Any


def _block(A, X, C, start, r, c, inner, columns):  # type: ignore[no-untyped-def]
    """C[r : r+ROWS, c : c+VECTORS·lanes], at most ``columns`` of them written."""
    tile = tile_from(ROWS, VECTORS, start.data, start.begin + r * start.row, start.row)
    a = A.begin + r * A.row
    x = X.begin + c
    for k in range(inner):
        tile = tile_multiply_add(tile, A.data, a + k * A.column, A.row, X.data, x + k * X.row)
    tile_store(tile, C.data, C.begin + r * C.row + c, C.row, columns - c)


def _panel(A, X, C, start, r, inner, columns):  # type: ignore[no-untyped-def]
    """All columns of ROWS rows."""
    c = 0
    while c + LANES < columns:
        wide(A, X, C, start, r, c, inner, columns)
        c += 2 * LANES
    if c < columns:
        narrow(A, X, C, start, r, c, inner, columns)


def _product(A, X, C, start, rows, inner, columns):  # type: ignore[no-untyped-def]
    """C[r, c] = start[r] + Σ_k A[r, k] · X[k, c] for r < rows, k < inner, c < columns.

    ``X.column`` and ``C.column`` are 1.  X is read to the end of its last vector, which
    its row stride must allow; C is written to ``columns`` exactly.
    """
    r = 0
    while r + 4 <= rows:
        panel_4(A, X, C, start, r, inner, columns)
        r += 4
    if r + 2 <= rows:
        panel_2(A, X, C, start, r, inner, columns)
        r += 2
    if r < rows:
        panel_1(A, X, C, start, r, inner, columns)


wide: Any = None
narrow: Any = None


@cache
def product_kernel(real: types.Type) -> Any:
    """The compiled product for ``real``."""
    panels = {}
    for rows in (4, 2, 1):
        blocks = {
            name: jit.inlined(jit.specialised(_block, f"block_{rows}x{vectors}", ROWS=rows, VECTORS=vectors))
            for name, vectors in (("wide", 2), ("narrow", 1))
        }
        panel = jit.specialised(_panel, f"panel_{rows}", LANES=lanes(real), **blocks)
        panels[f"panel_{rows}"] = jit.inlined(panel)
    matrix = matrix_type(real)
    signature = types.void(matrix, matrix, matrix, matrix, types.intp, types.intp, types.intp)
    return jit.kernel(jit.specialised(_product, f"product_{real}", **panels), signature)


def _transpose(source, target, rows, columns):  # type: ignore[no-untyped-def]
    """Write the transpose of a (rows, columns) matrix, block by block of lanes × lanes.

    Both are read and written to the end of their last block, which their strides and
    the room behind them must allow.
    """
    for r in range(0, rows, LANES):
        for c in range(0, columns, LANES):
            transpose_block(
                source.data,
                source.begin + r * source.row + c,
                source.row,
                target.data,
                target.begin + c * target.row + r,
                target.row,
            )


@cache
def transpose_kernel(real: types.Type) -> Any:
    """The compiled transpose for ``real``."""
    matrix = matrix_type(real)
    signature = types.void(matrix, matrix, types.intp, types.intp)
    return jit.kernel(jit.specialised(_transpose, f"transpose_{real}", LANES=lanes(real)), signature)
