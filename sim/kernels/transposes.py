"""Matrices transposed, and the rows of a mini-batch found and transposed.

A product wants a unit a row, a weight gradient a sample a row.  Features are needed both ways: transposed,
and as they stand in their table, for which a list of addresses does.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import types

from sim.kernels import jit
from sim.kernels.callables import ADDRESSES
from sim.kernels.emit import lanes
from sim.kernels.matmul import MATRIX
from sim.kernels.shuffles import gather_block, transpose_block
from sim.kernels.simd import address

# Bound when a template is specialised: number type, vector length, bytes of a number.
REAL: Any = types.float64
LANES = BYTES = 0


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


def _gather(table, batch, nothing, addresses, target, features):
    """target[:, s] = table[batch[s]], whole vectors of both; addresses[s] is where that row lies.

    Where the mini-batch has ended a sample is the row of zeros at ``nothing``: what another mini-batch
    left there would be finite and never counted, but equal studies shall have equal bytes.
    """
    for s in range(addresses.size):
        addresses[s] = table.place + batch[s] * table.row if s < batch.size else nothing
    for s in range(0, addresses.size, LANES):
        for f in range(0, features, LANES):
            gather_block(
                REAL,
                address(addresses, s),
                f * BYTES,
                target.place + f * target.row + s * BYTES,
                target.row,
            )


BATCH = types.Array(types.int32, 1, "C")
GATHER = types.void(MATRIX, BATCH, types.intp, ADDRESSES, MATRIX, types.intp)


@cache
def gather_kernel(real: types.Type) -> Any:
    """The compiled gathering of rows of ``real``."""
    known = {"REAL": real, "LANES": lanes(real), "BYTES": real.bitwidth // 8}
    return jit.kernel(jit.specialised(_gather, f"gather_{real}", **known), GATHER)
