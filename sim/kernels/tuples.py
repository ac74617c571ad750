"""From an array to a tuple of numbers and back: their count is known when a kernel is compiled.

One load or store a number, nothing to infer and nothing to inline: Numba's own ``to_fixed_tuple`` is a loop
in a function of its own, a tenth of the time to compile a small kernel.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from sim.kernels import emit


def _numbers(array: Any, count: Any, kind: types.Type) -> Any:
    """How the first ``count`` numbers of a contiguous vector become a tuple of numbers of a kind."""
    made = types.UniTuple(kind, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = [emit.element(context, builder, array, args[0], emit.integer(i)) for i in range(made.count)]
        numbers = [context.cast(builder, builder.load(place), array.dtype, kind) for place in places]
        return context.make_tuple(builder, made, numbers)

    return made(array, count), generate


@intrinsic(prefer_literal=True)
def taken(typing: Any, array: Any, count: Any) -> Any:
    """The first ``count`` numbers of a contiguous vector."""
    return _numbers(array, count, array.dtype)


@intrinsic(prefer_literal=True)
def widened(typing: Any, array: Any, count: Any) -> Any:
    """The same as float64."""
    return _numbers(array, count, types.float64)


@intrinsic
def put(typing: Any, array: Any, numbers: Any) -> Any:
    """array[i] ← numbers[i], in the array's precision."""
    if not isinstance(numbers, types.BaseTuple):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for i, kind in enumerate(numbers):
            number = context.cast(builder, builder.extract_value(args[1], i), kind, array.dtype)
            builder.store(number, emit.element(context, builder, array, args[0], emit.integer(i)))
        return context.get_dummy_value()

    return types.void(array, numbers), generate


@intrinsic
def flat(typing: Any, matrix: Any) -> Any:
    """A contiguous matrix as one vector; a reshape is a function to compile."""
    vector = types.Array(matrix.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = context.make_array(matrix)(context, builder, args[0])
        view = context.make_array(vector)(context, builder)
        populate_array(
            view,
            data=whole.data,
            shape=[whole.nitems],
            strides=[whole.itemsize],
            itemsize=whole.itemsize,
            meminfo=None,
        )
        return view._getvalue()

    return vector(matrix), generate
