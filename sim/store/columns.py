"""The columns of the three tables of networks (those of walks: :mod:`sim.store.surface_columns`,
of worked examples: :mod:`sim.store.example_columns`).

**runs**, a row a network: every factor of the study (parts as their labels; ``lr``, the learning
rate, apart from the optimizer; ``samples``, ``batch_size`` and ``steps`` as they really were),
``parameters`` (how many are trained), ``status`` (``reached`` its grid's first target, ``not_reached``,
``diverged``), ``diverged_at`` (step; empty if it did not), ``steps_to_<target>`` for every target
(empty: not within the steps it had; its resolution is the distance of checkpoints) and the last
recorded losses and accuracies.

**curves**, a row a network × checkpoint: ``batch_loss`` on the mini-batch of the step that follows, losses
and accuracies on the rows evaluated (a regression has no accuracy). Checkpoint 0 is the untrained
network. A network that diverged has no rows afterwards.

**layers**, a row a network × checkpoint × layer, layers 1 … depth + 1, the last the output layer, all
measured on that step's mini-batch:
``log10_grad_weight`` log₁₀ ‖∂L/∂W‖, ``log10_grad_pre`` log₁₀ ‖∂L/∂h‖ with h the pre-activation and
L the mini-batch's mean loss (a norm of zero is -inf), ``grad_zero`` and ``grad_nonfinite`` how many
entries of ∂L/∂W are exactly zero or not finite, ``activation_mean`` and ``activation_std`` of all
activations φ(h) of the layer, over its units and the batch's samples (the output layer has none: empty),
``saturated`` the share of activations whose slope is at most 5 % of the
activation's largest, ``dead`` the share of units saturated on the whole batch,
``update_ratio`` ‖ΔW‖/‖W‖ of the step that led here (empty at checkpoint 0), ``weight_norm`` ‖W‖.

What a study does not measure is empty.

A study that compares optimizers has six columns more in **runs** (``grid`` is the problem): ``stage``
(``tuning``, ``target``, ``extension``, ``report``; empty for a network of a grid), ``entrant`` (the
optimizer's name in the comparison, whatever its setting), ``setting`` (``trial`` of tuning and extension,
``tuned`` the best one frozen, ``default`` the untuned one), ``trial`` (its number among the trials; -1 for a
default), ``target`` (the level of the problem's metric that counts as reached; in the report stage alone) and
``gradient_evaluations`` (gradients of single samples that were computed: every optimizer takes one of each
sample of its mini-batch a step, so equal steps are equal budgets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sim.store.example_columns import EXAMPLE_TABLES, example_schemas
from sim.store.surface_columns import WALK_TABLES, surface_schemas
from sim.study.comparison import TARGET

if TYPE_CHECKING:
    from sim.study import Study

TABLES = ("runs", "curves", "layers")
ALL_TABLES: Mapping[str, tuple[str, ...]] = {
    "networks": TABLES,
    "walks": WALK_TABLES,
    "examples": EXAMPLE_TABLES,
}
"""What each kind of work records, by what its runs are called; the first table has a row a run."""
KEYS = (
    "run", "checkpoint", "layer", "start", "position", "epoch", "parameter", "slot", "sample", "unit",
)  # fmt: skip
"""What rows are sorted by, each table by those of them it has."""

_TEXT, _WHOLE, _REAL, _YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_FACTORS = {
    "run": _WHOLE, "grid": _TEXT, "replicate": _WHOLE,
    "dataset": _TEXT, "samples": _WHOLE, "scaling": _TEXT,
    "depth": _WHOLE, "width": _WHOLE, "activation": _TEXT, "initializer": _TEXT, "bias": _TEXT,
    "normalizer": _TEXT, "residual": _YES, "dropout": _REAL, "loss": _TEXT,
    "optimizer": _TEXT, "lr": _REAL, "schedule": _TEXT, "weight_decay": _REAL, "decay": _TEXT,
    "clipping": _TEXT,
    "batch_size": _WHOLE, "steps": _WHOLE, "precision": _TEXT,
    "parameters": _WHOLE, "status": _TEXT, "diverged_at": _REAL,
}  # fmt: skip

_COMPARED = {
    "stage": _TEXT,
    "entrant": _TEXT,
    "setting": _TEXT,
    "trial": _WHOLE,
    "target": _REAL,
    "gradient_evaluations": _WHOLE,
}

_METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")

_CURVES = {
    "run": _WHOLE, "checkpoint": _WHOLE, "step": _WHOLE, "batch_loss": _REAL,
    **dict.fromkeys(_METRICS, _REAL),
}  # fmt: skip

_LAYERS = {
    "run": _WHOLE, "checkpoint": _WHOLE, "step": _WHOLE, "layer": _WHOLE,
    "log10_grad_weight": _REAL, "log10_grad_pre": _REAL, "grad_zero": _WHOLE, "grad_nonfinite": _WHOLE,
    "activation_mean": _REAL, "activation_std": _REAL, "saturated": _REAL, "dead": _REAL,
    "update_ratio": _REAL, "weight_norm": _REAL,
}  # fmt: skip


def schemas(study: Study, noun: str = "networks") -> dict[str, pa.Schema]:
    """Name of each table of a kind of work -> its columns in order."""
    return _SCHEMAS[noun](study)


def _network_schemas(study: Study) -> dict[str, pa.Schema]:
    """``runs`` has a column for each target of any grid."""
    targets = dict.fromkeys(
        f"steps_to_{target.name}" for grid in study.grids for target in grid.settings.targets
    )
    if study.problems:
        targets[f"steps_to_{TARGET}"] = None
    final = [f"final_{metric}" for metric in _METRICS]
    runs = {**_FACTORS, **(_COMPARED if study.problems else {}), **dict.fromkeys([*targets, *final], _REAL)}
    return {
        name: pa.schema(list(columns.items()))
        for name, columns in zip(TABLES, (runs, _CURVES, _LAYERS), strict=True)
    }


_SCHEMAS: Mapping[str, Callable[[Study], dict[str, pa.Schema]]] = {
    "networks": _network_schemas,
    "walks": lambda study: surface_schemas(),
    "examples": lambda study: example_schemas(),
}


def conform(records: Any, schema: pa.Schema) -> pa.Table:
    """Records (a pyarrow Table or a DataFrame) with exactly the columns of ``schema``, sorted by their keys.

    A column that is missing is empty: NaN where it holds real numbers, null elsewhere. Raises KeyError
    for a column that the schema does not have.
    """
    table = records if isinstance(records, pa.Table) else pa.Table.from_pandas(records, preserve_index=False)
    unknown = set(table.column_names) - set(schema.names)
    if unknown:
        raise KeyError(f"no such columns in the records: {', '.join(sorted(unknown))}")
    columns = [
        table[field.name] if field.name in table.column_names else _empty(field.type, len(table))
        for field in schema
    ]
    keys = [(key, "ascending") for key in KEYS if key in schema.names]
    return pa.table(columns, names=schema.names).cast(schema).sort_by(keys).combine_chunks()


def _empty(kind: pa.DataType, rows: int) -> pa.Array:
    return pa.array([float("nan")] * rows, kind) if pa.types.is_floating(kind) else pa.nulls(rows, kind)
