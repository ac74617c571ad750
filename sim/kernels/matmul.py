"""The products of a dense layer: one routine, three uses.

A product is C[r, c] = start[r] + Σ_k A[r, k] · X[k, c].  The numbers of A are broadcast,
the rows of X and C are whole vectors, so the lanes run along c:

* forward             C = Z  (units, batch),  A = W,  X = inputs (fan_in, batch), start = bias
* input gradient      C = G  (fan_in, batch), A = Wᵀ, X = D (units, batch); or multiplied into C
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
from sim.kernels.emit import lanes
from sim.kernels.tiles import tile_from, tile_multiply_add, tile_scale, tile_store, transpose_block


class Matrix(NamedTuple):
    """A matrix somewhere in memory: element (r, c) lies at ``place + r * row + c * column`` (bytes)."""

    place: int
    row: int
    column: int


MATRIX = jit.struct(Matrix, [types.intp] * 3)

# Bound when a template is specialised: number type, block size, vector length, smaller functions.
REAL: Any = types.float64
ROWS = VECTORS = LANES = BYTES = 0
wide: Any = None
narrow: Any = None
write: Any = None
panel_4: Any = None
panel_3: Any = None
panel_2: Any = None
panel_1: Any = None


def _block(A, X, C, start, inner, columns):
    """ROWS rows and VECTORS vectors of the product, at most ``columns`` numbers of a row written."""
    tile = tile_from(REAL, ROWS, VECTORS, start.place, start.row)
    tile = tile_multiply_add(tile, A.place, A.row, A.column, X.place, X.row, inner)
    write(tile, C.place, C.row, columns)


def _panel(A, X, C, start, r, inner, columns):
    """All columns of ROWS rows from row r on."""
    a = Matrix(A.place + r * A.row, A.row, A.column)
    s = Matrix(start.place + r * start.row, start.row, 0)
    c = 0
    while c + LANES < columns:
        wide(
            a,
            Matrix(X.place + c * BYTES, X.row, BYTES),
            Matrix(C.place + r * C.row + c * BYTES, C.row, BYTES),
            s,
            inner,
            columns - c,
        )
        c += 2 * LANES
    if c < columns:
        narrow(
            a,
            Matrix(X.place + c * BYTES, X.row, BYTES),
            Matrix(C.place + r * C.row + c * BYTES, C.row, BYTES),
            s,
            inner,
            columns - c,
        )


def _product(A, X, C, start, rows, inner, columns):
    """C[r, c] = start[r] + Σ_k A[r, k] · X[k, c] for r < rows, k < inner, c < columns.

    The elements of a row of X and of C are neighbours.  X is read to the end of its last
    vector, which its row distance must allow; C is written to ``columns`` exactly.
    """
    r = 0
    while r + 4 <= rows:
        panel_4(A, X, C, start, r, inner, columns)
        r += 4
    if rows - r == 3:
        panel_3(A, X, C, start, r, inner, columns)
    elif rows - r == 2:
        panel_2(A, X, C, start, r, inner, columns)
    elif rows - r == 1:
        panel_1(A, X, C, start, r, inner, columns)


PRODUCT = types.void(MATRIX, MATRIX, MATRIX, MATRIX, types.intp, types.intp, types.intp)


def _compiled(name: str, real: types.Type, write: Any) -> Any:
    """The product compiled for ``real``; ``write`` says what becomes of a finished tile."""
    panels = {}
    for rows in (4, 3, 2, 1):
        blocks = {
            name: jit.inlined(
                jit.specialised(
                    _block, f"block_{rows}x{vectors}", REAL=real, ROWS=rows, VECTORS=vectors, write=write
                )
            )
            for name, vectors in (("wide", 2), ("narrow", 1))
        }
        known = {"LANES": lanes(real), "BYTES": real.bitwidth // 8}
        panels[f"panel_{rows}"] = jit.inlined(jit.specialised(_panel, f"panel_{rows}", **known, **blocks))
    return jit.kernel(jit.specialised(_product, f"{name}_{real}", **panels), PRODUCT)


@cache
def product_kernel(real: types.Type) -> Any:
    """C = start + A X."""
    return _compiled("product", real, tile_store)


@cache
def scaling_product_kernel(real: types.Type) -> Any:
    """C ← C · (start + A X), element by element; C is read to the end of its last vector."""
    return _compiled("scaling_product", real, tile_scale)


def _transpose(source, target, rows, columns):
    """Write the transpose of a (rows, columns) matrix, block by block of lanes × lanes.

    Both are read and written to the end of their last block, which their row distances
    and the room behind them must allow.
    """
    for r in range(0, rows, LANES):
        for c in range(0, columns, LANES):
            transpose_block(
                REAL,
                source.place + r * source.row + c * BYTES,
                source.row,
                target.place + c * target.row + r * BYTES,
                target.row,
            )


TRANSPOSE = types.void(MATRIX, MATRIX, types.intp, types.intp)


@cache
def transpose_kernel(real: types.Type) -> Any:
    """The compiled transpose for ``real``."""
    known = {"REAL": real, "LANES": lanes(real), "BYTES": real.bitwidth // 8}
    return jit.kernel(jit.specialised(_transpose, f"transpose_{real}", **known), TRANSPOSE)
