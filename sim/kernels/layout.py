"""Where everything of one network lives: offsets into two flat vectors.

``theta`` holds the parameters, layer by layer: W (fan_out × fan_in, row by row), b, and a
normalized layer's scale and shift.  ``work`` holds what one mini-batch needs; its
matrices are (units, columns) with the batch padded to whole vectors.  Memory is shared
wherever one value takes the place of another:

* ``pre``  h = W a + b  →  the slope φ'(h)  →  δ = ∂L/∂h;
* ``post`` φ(h), then with dropout and the skip connection the next layer's input.

Offsets are multiples of the vector length, and rows are rounded up so that a transpose
may read and write whole blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.np.unsafe.ndarray import to_fixed_tuple

from sim.kernels import jit
from sim.kernels.simd import lanes


class Layer(NamedTuple):
    """One layer: sizes, places in ``theta`` and ``running``, places in ``work``."""

    fan_in: int
    fan_out: int
    weight: int
    bias: int
    scale: int
    shift: int
    running: int
    input: int
    """(fan_in, columns): what the layer sees."""
    rows: int
    """(columns, rows_stride): the same transposed, a sample a row; the first layer's stand in their table,
    before their targets.
    """
    rows_stride: int
    addresses: int
    """Where in the list of addresses those of the rows are."""
    pre: int
    post: int
    delta: int
    """(fan_out, columns): ∂L/∂h; a hidden layer's is ``pre``."""
    normal: int
    """(fan_out, columns): what a normalizer keeps; 0 where the layer has none."""
    statistics: int
    skip: int
    """1 where the layer's input is added to its output."""


class Space(NamedTuple):
    """One network's shape and the places that belong to no layer."""

    table: np.ndarray
    """(layers, fields of Layer), int64."""
    columns: int
    """Columns of every matrix: the batch padded to whole vectors."""
    width: int
    """Rows of the widest layer and columns of the statistics."""
    targets: int
    """(outputs, columns), right behind the first layer's input: one gathering brings both."""
    scratch: int
    """(3 + outputs, columns): room for the loss."""
    zeros: int
    carry: int
    """Two (width, columns) matrices: ∂L/∂(a layer's output)."""
    before: int
    """Room for a copy of ``theta``."""


PAGE = 4096
"""Bytes: what the processor compares of two addresses first."""

LAYER_FIELDS = len(Layer._fields)

SPACE_TYPE = jit.struct(Space, [types.Array(types.int64, 2, "C"), *[types.intp] * (len(Space._fields) - 1)])


@jit.inlined
def layer_at(space, number):
    """Row ``number`` of the table, inside a kernel."""
    return Layer(*to_fixed_tuple(space.table[number], LAYER_FIELDS))


@dataclass(frozen=True)
class Layout:
    """Sizes of the flat vectors, and the offsets kernels need."""

    space: Space
    parameters: int
    stride: int
    """Parameters and room behind them: see :func:`staggered`."""
    running: int
    work: int
    addresses: int

    @property
    def layers(self) -> list[Layer]:
        """The table, row by row."""
        return [Layer(*map(int, row)) for row in self.space.table]


class _Allocator:
    """Hands out consecutive places, each a multiple of ``step``."""

    def __init__(self, step: int) -> None:
        self.step, self.size = step, 0

    def __call__(self, count: int) -> int:
        start, self.size = self.size, self.size + -(-count // self.step) * self.step
        return start


def layout(
    widths: Sequence[int], batch: int, real: types.Type, *, normalized: bool, residual: bool
) -> Layout:
    """The layout of a network with ``widths`` = inputs, hidden layers …, outputs.

    ``normalized``: hidden layers have scale, shift and running statistics.
    ``residual``: a hidden layer as wide as the hidden layer before it has a skip connection.
    """
    step = lanes(real)
    columns = -(-batch // step) * step

    def rounded(count: int) -> int:
        return -(-count // step) * step

    parameter, running, place = _Allocator(1), _Allocator(1), _Allocator(step)
    width = max(rounded(max(widths)), columns)
    layers = []
    seen, targets = place(rounded(widths[0]) * columns), place(rounded(widths[-1]) * columns)
    sample = rounded(widths[0]) + rounded(widths[-1])
    for number, (fan_in, fan_out) in enumerate(pairwise(widths)):
        hidden = number < len(widths) - 2
        normal = hidden and normalized
        rows_stride = rounded(fan_in) if number else sample
        pre, post = place(rounded(fan_out) * columns), place(rounded(fan_out) * columns)
        layers.append(
            Layer(
                fan_in=fan_in,
                fan_out=fan_out,
                weight=parameter(fan_in * fan_out),
                bias=parameter(fan_out),
                scale=parameter(fan_out if normal else 0),
                shift=parameter(fan_out if normal else 0),
                running=running(2 * fan_out) if normal else 0,
                input=seen,
                rows=place(columns * rows_stride if number else 0),
                rows_stride=rows_stride,
                addresses=number * columns,
                pre=pre,
                post=post,
                delta=pre if hidden else post,
                normal=place(rounded(fan_out) * columns) if normal else 0,
                statistics=place(3 * max(rounded(fan_out), columns)) if normal else 0,
                skip=int(residual and hidden and number > 0 and fan_in == fan_out),
            )
        )
        seen = post
    space = Space(
        table=np.array(layers, np.int64).reshape(len(layers), LAYER_FIELDS),
        columns=columns,
        width=width,
        targets=targets,
        scratch=place((3 + widths[-1]) * columns),
        zeros=place(max(width, sample)),
        carry=place(2 * width * columns),
        before=place(parameter.size),
    )
    # A layer without normalizer points its unused views at the beginning: they must fit, nothing uses them.
    return Layout(
        space,
        parameter.size,
        staggered(parameter.size, real),
        max(running.size, 2 * width),
        place.size + step,
        len(layers) * columns,
    )


def staggered(count: int, real: types.Type) -> int:
    """How far apart vectors of ``count`` numbers begin that an optimizer walks along side by side.

    A distance of whole cache lines, so that no vector crosses one, and a quarter of a page more or less
    than whole pages: a load waits for a store to the same place of another page, which to the processor
    looks like the same place.
    """
    size, quarter = real.bitwidth // 8, PAGE // 4
    return count + (quarter - count * size) % (2 * quarter) // size


def aligned_zeros(count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """A vector of zeros that begins on a 64-byte boundary, so that no vector crosses a cache line."""
    raw = np.zeros(count * dtype.itemsize + jit.CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % jit.CACHE_LINE
    return raw[start : start + count * dtype.itemsize].view(dtype)
