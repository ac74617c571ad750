"""The products of a dense layer: one routine, three uses.

A product is C[r, c] = start[r] + Σ_k A[r, k] · X[k, c].  The numbers of A are broadcast,
the rows of X and C are whole vectors, so the lanes run along c:

* forward             C = Z  (units, batch),  A = W,  X = inputs (fan_in, batch), start = bias
* input gradient      C = G  (fan_in, batch), A = Wᵀ, X = D (units, batch); or multiplied into C
* weight gradient     C = dW (units, fan_in), A = D,  X = inputs transposed (batch, fan_in)

Strides make Wᵀ from W without moving it.  A block of 4 rows × 2 vectors of accumulators
stays in registers over the whole sum; what is left of rows goes to smaller blocks.  Where a
row is no whole number of vectors its last vector overlaps the one before it: some sums are
found twice, but nothing is padded, and only rows shorter than a vector are written through a
mask, which takes several times as long.  Every sum runs over k in ascending order, whatever
the block, so the bytes do not depend on the blocking.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import types

from sim.kernels import jit
from sim.kernels.emit import lanes
from sim.kernels.tiles import (
    tile_from,
    tile_multiply_add,
    tile_of_zeros,
    tile_scale,
    tile_store,
    tile_store_first,
)


class Matrix(NamedTuple):
    """A matrix somewhere in memory: element (r, c) lies at ``place + r * row + c * column`` (bytes)."""

    place: int
    row: int
    column: int


MATRIX = jit.struct(Matrix, [types.intp] * 3)

# Bound when a template is specialised: number type, block size, vector length, smaller functions.
REAL: Any = types.float64
ROWS = VECTORS = LANES = BYTES = 0
begin: Any = None
wide: Any = None
narrow: Any = None
write: Any = None
write_narrow: Any = None
panel_4: Any = None
panel_3: Any = None
panel_2: Any = None
panel_1: Any = None


def _wide(A, X, C, start, inner, apart):
    """ROWS rows and two vectors, ``apart`` bytes from one another, of the product."""
    tile = begin(REAL, ROWS, 2, start.place, start.row)
    tile = tile_multiply_add(tile, A.place, A.row, A.column, X.place, X.row, apart, inner)
    write(tile, C.place, C.row, apart)


def _narrow(A, X, C, start, inner, columns):
    """ROWS rows and one vector of the product, whose rows have ``columns`` numbers in all."""
    tile = begin(REAL, ROWS, 1, start.place, start.row)
    tile = tile_multiply_add(tile, A.place, A.row, A.column, X.place, X.row, 0, inner)
    write_narrow(tile, C.place, C.row, columns)


def _store_narrow(tile, place, step, columns):
    """The one vector of each row, or its beginning if the row is not longer."""
    if columns < LANES:
        tile_store_first(tile, place, step, columns)
    else:
        tile_store(tile, place, step, 0)


def _scale_narrow(tile, place, step, columns):
    """The one vector of each row, whole: a number scaled twice would be wrong."""
    tile_scale(tile, place, step, 0)


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
            min(LANES, columns - LANES - c) * BYTES,
        )
        c += 2 * LANES
    if c < columns:
        c = max(columns - LANES, 0)
        narrow(
            a,
            Matrix(X.place + c * BYTES, X.row, BYTES),
            Matrix(C.place + r * C.row + c * BYTES, C.row, BYTES),
            s,
            inner,
            columns,
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


def _compiled(name: str, real: types.Type, begin: Any, write: Any, write_narrow: Any) -> Any:
    """The product compiled for ``real``; the three say how a tile begins and what becomes of it."""
    known = {"REAL": real, "LANES": lanes(real), "BYTES": real.bitwidth // 8}
    last = jit.inlined(jit.specialised(write_narrow, "write_narrow", **known))
    panels = {}
    for rows in (4, 3, 2, 1):
        blocks = {
            "wide": jit.specialised(_wide, f"block_{rows}x2", ROWS=rows, begin=begin, write=write, **known),
            "narrow": jit.specialised(
                _narrow, f"block_{rows}x1", ROWS=rows, begin=begin, write_narrow=last, **known
            ),
        }
        inlined = {place: jit.inlined(block) for place, block in blocks.items()}
        panels[f"panel_{rows}"] = jit.inlined(jit.specialised(_panel, f"panel_{rows}", **known, **inlined))
    return jit.kernel(jit.specialised(_product, f"{name}_{real}", **panels), PRODUCT)


@cache
def product_kernel(real: types.Type) -> Any:
    """C = start + A X."""
    return _compiled("product", real, tile_from, tile_store, _store_narrow)


@cache
def scaling_product_kernel(real: types.Type) -> Any:
    """C ← C · A X, element by element (nothing is added); ``columns`` is a whole number of vectors."""
    return _compiled("scaling_product", real, tile_of_zeros, tile_scale, _scale_narrow)
