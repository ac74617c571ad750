"""Numbers kept in the precision of a network, read and written as float64.

Whatever is reckoned with them is then of one type in every precision: each function of them is compiled
once, and no sum or product is rounded to single precision before it is kept.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import lower_builtin, models, register_model, type_callable

from sim.catalog.matrices import wide
from sim.kernels import emit


class Numbers(types.Type):
    """Where numbers of type ``real`` lie."""

    def __init__(self, real: types.Type) -> None:
        self.real = real
        super().__init__(f"Numbers({real})")


@register_model(Numbers)
class _NumbersModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Numbers) -> None:
        super().__init__(manager, kind, manager.lookup(kind.real).get_data_type().as_pointer())


@type_callable(wide)
def _type_wide(context: Any) -> Any:
    return lambda vector: Numbers(vector.dtype)


@lower_builtin(wide, types.Array)
def _wide(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.make_array(signature.args[0])(context, builder, args[0]).data


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.float64, args[0], types.intp) if isinstance(args[0], Numbers) else None


@infer
class _GetAt(AbstractTemplate):
    """The same at a place known when the caller is compiled: found sooner among all that has places."""

    key = "static_getitem"

    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.float64, *args) if isinstance(args[0], Numbers) else None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if not isinstance(args[0], Numbers):
            return None
        return signature(types.void, args[0], types.intp, types.float64)


@lower_builtin(operator.getitem, Numbers, types.Integer)
def _get(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    number = builder.load(builder.gep(args[0], [args[1]]))
    return context.cast(builder, number, signature.args[0].real, types.float64)


@lower_builtin("static_getitem", Numbers, types.Any)
def _get_at(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    number = builder.load(builder.gep(args[0], [emit.integer(args[1])]))
    return context.cast(builder, number, signature.args[0].real, types.float64)


@lower_builtin(operator.setitem, Numbers, types.Integer, types.Float)
def _set(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    number = context.cast(builder, args[2], types.float64, signature.args[0].real)
    builder.store(number, builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()
