"""Formulas of whole vectors: what + and √ mean where a letter stands for a register.

A catalog function written with arithmetic and the functions below can be typed with vectors in place
of its numbers.  It is then laid out as it is written: nothing is left to LLVM's vectoriser, and a quotient
is what the processor does quickest.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import product
from typing import Any

from numba import types
from numba.core.errors import NumbaError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from sim.catalog import mathematics
from sim.kernels import emit
from sim.kernels.emit import Vector


def _vector_among(kinds: tuple[Any, ...]) -> Vector | None:
    """The kind of vector among the arguments, if all others are of it, its numbers, or integers."""
    vector = next((kind for kind in kinds if isinstance(kind, Vector)), None)
    fits = vector and all(kind in (vector, vector.real) or isinstance(kind, types.Integer) for kind in kinds)
    return vector if fits else None


def _whole(context: Any, builder: Any, value: Any, kind: types.Type, vector: Vector) -> Any:
    """A number in every lane; a vector as it is."""
    if kind == vector:
        return value
    return emit.broadcast(builder, context.cast(builder, value, kind, vector.real), vector)


def _means(operation: Any, count: int, instruction: Callable[..., Any]) -> None:
    """Let ``instruction(builder, vector, *values)`` be an operation on vectors, or on vectors and numbers."""

    @infer_global(operation)
    class _Operation(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vector = _vector_among(args)
            return signature(vector, *args) if vector and len(args) == count else None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = signature.return_type
        pairs = zip(args, signature.args, strict=True)
        return instruction(builder, vector, *(_whole(context, builder, *pair, vector) for pair in pairs))

    for kinds in product((Vector, types.Number), repeat=count):
        if Vector in kinds:
            lower_builtin(operation, *kinds)(generate)


_means(operator.add, 2, lambda builder, vector, a, b: builder.fadd(a, b))
_means(operator.sub, 2, lambda builder, vector, a, b: builder.fsub(a, b))
_means(operator.mul, 2, lambda builder, vector, a, b: builder.fmul(a, b))
_means(operator.truediv, 2, emit.divide)
_means(operator.neg, 1, lambda builder, vector, a: builder.fneg(a))
_means(mathematics.fma, 3, lambda builder, vector, a, b, c: emit.fma(builder, a, b, c))
_means(mathematics.sqrt, 1, lambda builder, vector, a: emit.unary(builder, "sqrt", a))
_means(mathematics.absolute, 1, lambda builder, vector, a: emit.unary(builder, "fabs", a))


def _bounded(relation: str) -> Callable[..., Any]:
    """The bound where it is so to x, else x, a NaN too."""
    return lambda builder, vector, x, bound: builder.select(
        builder.fcmp_ordered(relation, bound, x), bound, x
    )


_means(mathematics.minimum, 2, _bounded("<"))
_means(mathematics.maximum, 2, _bounded(">"))


@infer_global(operator.pow)
class _Square(AbstractTemplate):
    """x ** 2, as people write it; no other power."""

    def generic(self, args: Any, kws: Any) -> Any:
        known = isinstance(args[0], Vector) and isinstance(args[1], types.IntegerLiteral)
        return signature(args[0], *args) if known and args[1].literal_value == 2 else None


@lower_builtin(operator.pow, Vector, types.IntegerLiteral)
def _square(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.fmul(args[0], args[0])


def takes_vectors(compiled: Any, real: types.Type, count: int) -> bool:
    """Whether a function of ``count`` numbers that returns a tuple of them does as well with vectors."""
    vector = Vector(real, emit.lanes(real))
    try:
        compiled.compile((vector,) * count)
    except NumbaError:
        return False
    returned = compiled.overloads[(vector,) * count].signature.return_type
    return isinstance(returned, types.UniTuple) and returned.dtype == vector
