"""What `train_arrays` is given, as arrays and checked: an error is one line that names the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.catalog import limits
from sim.catalog.own import KINDS, own_part
from sim.catalog.proofs import prove
from sim.catalog.registry import Family, Part, nearest
from sim.errors import StudyError, complaint

Named = str | Mapping[str, Any]
"""A part by name, or as ``{"name": …, parameter: value}``, with ``"path"`` one of the user's own file."""
Layers = list[tuple[np.ndarray, np.ndarray]]
"""Weights (fan_out, fan_in) and biases (fan_out,) of each layer."""


def part_of(family: Family, named: Named, argument: str | None = None) -> tuple[Part, dict[str, Any]]:
    """A part of the catalog and all its parameters; ``argument`` is what errors call it, if not its kind."""
    where = argument or family.kind
    given = {"name": named} if isinstance(named, str) else dict(named)
    try:
        name = given.pop("name")
        part = own_part(family.kind, file, name) if (file := _file(family, given)) else family[name]
        bound = part.bind(**given)
        limits.check(part, bound)
        if part.content:
            prove(part, tuple(bound.items()))
        return part, bound
    except KeyError as missing:
        raise StudyError(f"{where}: {named!r} has no {missing}") from None
    except (LookupError, ValueError) as wrong:
        raise StudyError(f"{where}: {wrong}") from None


def _file(family: Family, given: dict[str, Any]) -> str:
    """The user's own file that a part is named by, taken out of what is given; "" where it is none."""
    return str(Path(given.pop("path")).resolve()) if family.kind in KINDS and "path" in given else ""


def reals(name: str, value: Any, dimensions: int, shape: str) -> np.ndarray:
    """Float64 numbers of so many dimensions."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise StudyError(f"{name}: not an array of numbers; expected {shape}") from None
    if array.ndim != dimensions:
        raise StudyError(f"{name}: shape {array.shape}; expected {shape}")
    return array


def check_finite(name: str, array: np.ndarray) -> None:
    """Raise StudyError where a number is not finite."""
    if not np.isfinite(array).all():
        raise StudyError(f"{name}: holds numbers that are not finite")


def layers_of(weights: Sequence[Any], biases: Sequence[Any], features: int) -> Layers:
    """The layers, whose shapes must follow one another from the features on."""
    if len(weights) != len(biases) or not len(weights):
        counts = f"{len(weights)} and {len(biases)} layers"
        raise StudyError(f"weights and biases: {counts}; one of each a layer is needed")
    layers, below = [], features
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        matrix = reals(f"weights[{number}]", weight, 2, f"(fan_out, {below})")
        offset = reals(f"biases[{number}]", bias, 1, "(fan_out,)")
        if matrix.shape != (len(offset), below):
            found = f"shape {matrix.shape} with biases {offset.shape}"
            raise StudyError(f"weights[{number}]: {found}; expected (fan_out, {below}) and (fan_out,)")
        check_finite(f"weights[{number}]", matrix)
        check_finite(f"biases[{number}]", offset)
        layers.append((matrix, offset))
        below = len(offset)
    return layers


def order_of(order: Any, rows: int) -> np.ndarray:
    """Row numbers (steps, batch), int32."""
    try:
        array = np.asarray(order)
    except ValueError:
        array = np.empty(0)
    if array.ndim != 2 or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
        raise StudyError(
            f"order: {array.dtype} of shape {array.shape}; expected whole numbers (steps, batch)"
        )
    if array.min() < 0 or array.max() >= rows:
        raise StudyError(f"order: rows {array.min()} … {array.max()}; inputs has rows 0 … {rows - 1}")
    return np.ascontiguousarray(array, np.int32)


def check_full_batch(optimizer: Part, order: np.ndarray, dropout: float) -> None:
    """Raise StudyError where an optimizer that compares losses would see different samples in two steps."""
    if not optimizer.traits.get("full_batch"):
        return
    rows = np.sort(order, axis=1)
    if (rows != rows[0]).any():
        raise StudyError(f"order: {optimizer.name} needs the same rows in every step, the full batch")
    if dropout > 0.0:
        raise StudyError(f"dropout: {optimizer.name} compares losses, and dropout changes them")


def target_rows(targets: Any, outputs: int, rows: int, loss: Part) -> np.ndarray:
    """Targets as (rows, outputs): class labels become one-hot rows; numbers for a single output a column."""
    array = np.asarray(targets)
    if array.ndim not in (1, 2) or len(array) != rows:
        raise StudyError(f"targets: shape {array.shape}; expected ({rows},) or ({rows}, {outputs})")
    labels = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
    if labels and (outputs > 1 or loss.traits.get("one_hot", False)):
        if array.min() < 0 or array.max() >= outputs:
            raise StudyError(f"targets: class labels must be whole numbers from 0 to {outputs - 1}")
        return np.eye(outputs)[array]
    values = reals("targets", array[:, None] if array.ndim == 1 else array, 2, f"({rows}, {outputs})")
    if values.shape[1] != outputs:
        raise StudyError(f"targets: {values.shape[1]} columns; the network has {outputs} outputs")
    check_finite("targets", values)
    if "regression" not in loss.tasks and (values.min() < 0.0 or values.max() > 1.0):
        raise StudyError(f"targets: {loss.name} compares with probabilities, from 0 to 1")
    return values


def frozen_places(layers: Sequence[Any], names: Sequence[str]) -> list[int]:
    """Places in θ of the tensors that ``names`` call: ``biases``, or ``weights[0]`` of the first layer."""
    places: dict[str, range] = {}
    for number, layer in enumerate(layers):
        weights = range(layer.weight, layer.weight + layer.fan_out * layer.fan_in)
        places[f"weights[{number}]"] = weights
        places[f"biases[{number}]"] = range(layer.bias, layer.bias + layer.fan_out)
    choices = ["weights", "biases", *places]
    if isinstance(names, str):
        raise StudyError(complaint("frozen", names, "is not a list of names", choices))
    found: set[int] = set()
    for name in names:
        if name not in choices:
            raise StudyError(complaint("frozen", name, "is unknown", choices, nearest(name, choices)))
        found.update(*(of for tensor, of in places.items() if name in (tensor, tensor.partition("[")[0])))
    return sorted(found)


def check_numbers(dropout: float, weight_decay: float, decay: str, precision: str) -> None:
    """Raise StudyError for a number out of range or an unknown word."""
    if not 0.0 <= dropout < 1.0:
        raise StudyError(complaint("dropout", dropout, "is not in [0, 1)"))
    if not 0.0 <= weight_decay < math.inf:
        raise StudyError(complaint("weight_decay", weight_decay, "is not a finite number from 0 on"))
    for name, word, choices in (
        ("decay", decay, ("l2", "decoupled")),
        ("precision", precision, ("float32", "float64")),
    ):
        if word not in choices:
            raise StudyError(complaint(name, word, "is unknown", choices))
