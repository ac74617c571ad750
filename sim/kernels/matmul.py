"""The products of a dense layer: one routine, three uses.

A product is C[r, c] = start[r] + Σ_k A[r, k] · X[k, c].  The numbers of A are broadcast,
the rows of X and C are whole vectors, so the lanes run along c:

* forward             C = Z  (units, batch),  A = W,  X = inputs (fan_in, batch), start = bias
* input gradient      C = G  (fan_in, batch), A = Wᵀ, X = D (units, batch); or multiplied into C
* weight gradient     C = dW (units, fan_in), A = D,  X = inputs, a sample a row (batch, fan_in)

Strides make Wᵀ from W without moving it.  A weight gradient finds its samples by a list of
addresses: the first layer's are rows of a table, and need not be brought together.

A block of 4 rows × 2 vectors of accumulators stays in registers over the whole sum; what is
left of rows goes to smaller blocks.  Where a row is no whole number of vectors its last vector
overlaps the one before it: some sums are found twice, but nothing is padded, and only rows
shorter than a vector are written through a mask, which takes several times as long.  Every sum
runs over k in ascending order, whatever the block, so the bytes do not depend on the blocking.
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
    tile_multiply_add_listed,
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


class Listed(NamedTuple):
    """A matrix of scattered rows: element (r, c) lies ``offset + c * itemsize`` behind the r-th address."""

    addresses: int
    """Where the list of addresses lies."""
    offset: int


MATRIX = jit.struct(Matrix, [types.intp] * 3)
LISTED = jit.struct(Listed, [types.intp] * 2)

# Bound when a template is specialised: number type, block size, vector length, smaller functions.
REAL: Any = types.float64
ROWS = VECTORS = LANES = BYTES = 0
begin: Any = None
behind: Any = None
accumulate: Any = None
write: Any = None
wide: Any = None
narrow: Any = None
write_narrow: Any = None
panel_4: Any = None
panel_3: Any = None
panel_2: Any = None
panel_1: Any = None


# --- what the uses differ in: how a block begins, where X lies, what becomes of the block ----


def _from_starts(start):
    return tile_from(REAL, ROWS, VECTORS, start.place, start.row)


def _from_zeros(start):
    return tile_of_zeros(REAL, ROWS, VECTORS)


def _behind(X, c):
    """X from column c on."""
    return Matrix(X.place + c * BYTES, X.row, BYTES)


def _behind_listed(X, c):
    return Listed(X.addresses, X.offset + c * BYTES)


def _accumulate(tile, A, X, apart, inner):
    return tile_multiply_add(tile, A.place, A.row, A.column, X.place, X.row, apart, inner)


def _accumulate_listed(tile, A, X, apart, inner):
    return tile_multiply_add_listed(tile, A.place, A.row, A.column, X.addresses, X.offset, apart, inner)


def _store(tile, C, apart):
    tile_store(tile, C.place, C.row, apart)


def _store_narrow(tile, C, columns):
    """The one vector of each row, or its beginning if the row is not longer."""
    if columns < LANES:
        tile_store_first(tile, C.place, C.row, columns)
    else:
        tile_store(tile, C.place, C.row, 0)


def _scale(tile, C, apart):
    tile_scale(tile, C.place, C.row, apart)


def _scale_narrow(tile, C, columns):
    """The one vector of each row, whole: a number scaled twice would be wrong."""
    tile_scale(tile, C.place, C.row, 0)


# --- the routine ---------------------------------------------------------------------------


def _wide(A, X, C, start, inner, apart):
    """ROWS rows and two vectors, ``apart`` bytes from one another, of the product."""
    write(accumulate(begin(start), A, X, apart, inner), C, apart)


def _narrow(A, X, C, start, inner, columns):
    """ROWS rows and one vector of the product, whose rows have ``columns`` numbers in all."""
    write(accumulate(begin(start), A, X, 0, inner), C, columns)


def _panel(A, X, C, start, r, inner, columns):
    """All columns of ROWS rows from row r on."""
    a = Matrix(A.place + r * A.row, A.row, A.column)
    s = Matrix(start.place + r * start.row, start.row, 0)
    c = 0
    while c + LANES < columns:
        apart = min(LANES, columns - LANES - c) * BYTES
        wide(a, behind(X, c), Matrix(C.place + r * C.row + c * BYTES, C.row, BYTES), s, inner, apart)
        c += 2 * LANES
    if c < columns:
        c = max(columns - LANES, 0)
        narrow(a, behind(X, c), Matrix(C.place + r * C.row + c * BYTES, C.row, BYTES), s, inner, columns)


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
GRADIENT = types.void(MATRIX, LISTED, MATRIX, MATRIX, types.intp, types.intp, types.intp)


class Use(NamedTuple):
    """What a use of the routine is made of."""

    begin: Any = _from_zeros
    behind: Any = _behind
    accumulate: Any = _accumulate
    store: Any = _store
    store_narrow: Any = _store_narrow


def _compiled(name: str, real: types.Type, use: Use, signature: Any) -> Any:
    """The product compiled for ``real`` and one use."""
    known: dict[str, Any] = {"REAL": real, "LANES": lanes(real), "BYTES": real.bitwidth // 8}

    def inlined(function: Any, name: str, **more: Any) -> Any:
        return jit.inlined(jit.specialised(function, name, **known, **more))

    behind, accumulate = inlined(use.behind, "behind"), inlined(use.accumulate, "accumulate")

    def block(function: Any, write: Any, rows: int, vectors: int) -> Any:
        begin = inlined(use.begin, f"begin_{rows}x{vectors}", ROWS=rows, VECTORS=vectors)
        parts = {"begin": begin, "accumulate": accumulate, "write": inlined(write, "write")}
        return inlined(function, f"block_{rows}x{vectors}", **parts)

    panels = {}
    for rows in (4, 3, 2, 1):
        blocks = {
            "wide": block(_wide, use.store, rows, 2),
            "narrow": block(_narrow, use.store_narrow, rows, 1),
        }
        panels[f"panel_{rows}"] = inlined(_panel, f"panel_{rows}", behind=behind, **blocks)
    return jit.kernel(jit.specialised(_product, f"{name}_{real}", **panels), signature)


@cache
def product_kernel(real: types.Type) -> Any:
    """C = start + A X."""
    return _compiled("product", real, Use(begin=_from_starts), PRODUCT)


@cache
def scaling_product_kernel(real: types.Type) -> Any:
    """C ← C · A X, element by element (nothing is added); ``columns`` is a whole number of vectors."""
    return _compiled("scaling_product", real, Use(store=_scale, store_narrow=_scale_narrow), PRODUCT)


@cache
def gradient_kernel(real: types.Type) -> Any:
    """C = A X (nothing is added) with the rows of X at listed addresses."""
    use = Use(behind=_behind_listed, accumulate=_accumulate_listed)
    return _compiled("gradient", real, use, GRADIENT)
