"""The columns of the five tables of worked examples.

**examples**, a row a training: ``example``, ``optimizer`` (its label), ``lr``, ``said`` (whether it is what
the source's words say rather than its figures), ``epochs``, ``parameters`` and how many are ``frozen``,
``status`` (``finished``, ``diverged``), ``diverged_at`` (epoch; empty if it did not).

**losses**, a row a training × epoch 0 … epochs: ``loss`` of the forward pass made before the epoch's update;
the last row, beyond the last epoch, is of the network as it is left.

**steps**, a row a training × recorded epoch × parameter (0, 1, … in the order of the kernels' θ): ``name``,
``frozen``, the value ``before`` and ``after`` the update, ``gradient`` ∂L/∂θ by the kernels'
back-propagation, ``difference`` [L(θ + h) − L(θ − h)] / 2h by the kernels' forward pass, all other
parameters kept, h where ``difference_error``, the bound of its error, is least
(:func:`sim.execute.differences.central_differences`).

**states**, a row a training × recorded epoch × parameter × slot of the optimizer: ``before``, ``after``.

**units**, a row a training × recorded epoch × sample × unit (hidden units and outputs, numbered through
from 1): ``activation`` and ``delta`` ∂L/∂z, L the mean over the samples, by the kernels before the update;
``activation_after`` it.
"""

from __future__ import annotations

import pyarrow as pa

EXAMPLE_TABLES = ("examples", "losses", "steps", "states", "units")

_TEXT, _WHOLE, _REAL, _YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_EXAMPLES = {
    "run": _WHOLE, "example": _TEXT, "optimizer": _TEXT, "lr": _REAL, "said": _YES, "epochs": _WHOLE,
    "parameters": _WHOLE, "frozen": _WHOLE, "status": _TEXT, "diverged_at": _REAL,
}  # fmt: skip

_LOSSES = {"run": _WHOLE, "epoch": _WHOLE, "loss": _REAL}

_STEPS = {
    "run": _WHOLE, "epoch": _WHOLE, "parameter": _WHOLE, "name": _TEXT, "frozen": _YES,
    "before": _REAL, "gradient": _REAL, "difference": _REAL, "difference_error": _REAL,
    "after": _REAL,
}  # fmt: skip

_STATES = {
    "run": _WHOLE, "epoch": _WHOLE, "parameter": _WHOLE, "slot": _TEXT, "before": _REAL, "after": _REAL,
}  # fmt: skip

_UNITS = {
    "run": _WHOLE, "epoch": _WHOLE, "sample": _WHOLE, "unit": _WHOLE,
    "activation": _REAL, "delta": _REAL, "activation_after": _REAL,
}  # fmt: skip


def example_schemas() -> dict[str, pa.Schema]:
    """Name of each table -> its columns in order."""
    columns = (_EXAMPLES, _LOSSES, _STEPS, _STATES, _UNITS)
    return {name: pa.schema(list(c.items())) for name, c in zip(EXAMPLE_TABLES, columns, strict=True)}
