"""From an ``[[example]]`` table to an Example whose numbers fit its layers and whose names are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sim.catalog.registry import REQUIRED, nearest
from sim.errors import StudyError, complaint
from sim.study.choices import Choice
from sim.study.document import keys_in
from sim.study.example_factors import EXAMPLE
from sim.study.example_model import Example
from sim.study.parts import choices
from sim.study.values import Trouble

MOST_PARAMETERS = 2000
AFTER = "_after"
"""Ends the name of a figure of the network that an epoch leaves: ``loss_after``, ``a3_after``."""


def example_of(table: Any, shared: Mapping[str, Any], where: str) -> Example:
    """The example; raises StudyError."""
    written = {**shared, **keys_in(table)}
    for name, key in EXAMPLE.items():
        if key.default is REQUIRED and name not in written:
            raise StudyError(complaint(where, name, "is missing"))
    found = {name: written.get(name, _default(key)) for name, key in EXAMPLE.items()}
    _check_layers(found["layers"], where)
    shapes = list(pairwise(found["layers"]))
    _check_numbers(found, shapes, where)
    if found["weight_names"] is None:
        found["weight_names"] = tuple(
            tuple(tuple(f"w{n}_{to}{of}" for of in range(1, i + 1)) for to in range(1, o + 1))
            for n, (i, o) in enumerate(shapes, 1)
        )
    if found["bias_names"] is None:
        found["bias_names"] = tuple(
            tuple(f"b{n}_{to}" for to in range(1, o + 1)) for n, (_, o) in enumerate(shapes, 1)
        )
    found["said"] = _said(found["optimizer"], found["said"], where)
    found["trace"] = _trace(found["trace"], found["epochs"], where)
    example = Example(table.name, table.question, **found)
    _check_names(example, shapes, where)
    _check_figures(example, where)
    return example


def _default(key: Any) -> Any:
    return None if key.default in (None, REQUIRED) else key.read(key.default)


def _check_layers(layers: Sequence[int], where: str) -> None:
    if len(layers) < 2:
        problem = "names fewer than two layers: inputs, hidden units …, outputs"
        raise StudyError(complaint(f"{where}.layers", list(layers), problem))
    count = sum(i * o + o for i, o in pairwise(layers))
    if count > MOST_PARAMETERS:
        raise StudyError(complaint(f"{where}.layers", count, f"parameters are more than {MOST_PARAMETERS:,}"))


def _check_numbers(found: Mapping[str, Any], shapes: list[tuple[int, int]], where: str) -> None:
    """Every list has the lengths that the layers ask for."""
    layers, samples = found["layers"], len(found["inputs"])
    for name in ("weights", "weight_names"):
        if found[name] is not None:
            _check_count(found[name], len(shapes), "layers", f"{where}.{name}")
            for place, (matrix, (fan_in, fan_out)) in enumerate(zip(found[name], shapes, strict=True)):
                _check_matrix(matrix, fan_out, fan_in, f"{where}.{name}[{place}]")
    for name in ("biases", "bias_names"):
        if found[name] is not None:
            _check_count(found[name], len(shapes), "layers", f"{where}.{name}")
            for place, (row, (_, fan_out)) in enumerate(zip(found[name], shapes, strict=True)):
                _check_count(row, fan_out, "units", f"{where}.{name}[{place}]")
    _check_matrix(found["inputs"], samples, layers[0], f"{where}.inputs")
    _check_matrix(found["targets"], samples, layers[-1], f"{where}.targets")
    loss = found["loss"].part
    if "regression" not in loss.tasks and not all(0 <= y <= 1 for row in found["targets"] for y in row):
        problem = f"are no probabilities from 0 to 1, which {loss.name} compares with"
        raise StudyError(complaint(f"{where}.targets", [list(row) for row in found["targets"]], problem))
    if loss.traits.get("one_hot", False):
        _check_shares(found["targets"], loss.name, where)


def _check_shares(targets: Sequence[Sequence[float]], name: str, where: str) -> None:
    """Targets of a loss that compares with one-hot rows, or with shares."""
    for place, row in enumerate(targets):
        if abs(sum(row) - 1.0) > 1e-9:
            problem = f"does not sum to 1, as what {name} compares with must"
            raise StudyError(complaint(f"{where}.targets[{place}]", list(row), problem))


def _check_matrix(rows: Sequence[Sequence[Any]], height: int, width: int, where: str) -> None:
    lengths = {len(row) for row in rows}
    if len(rows) != height or lengths != {width}:
        shape = f"{len(rows)} × {' or '.join(map(str, sorted(lengths)))}"
        problem = f"is its shape; {height} × {width} is what the layers ask for"
        raise StudyError(complaint(where, shape, problem))


def _check_count(values: Sequence[Any], count: int, what: str, where: str) -> None:
    if len(values) != count:
        raise StudyError(complaint(where, len(values), f"entries; there are {count} {what}"))


def _said(optimizers: Sequence[Choice], said: Mapping[str, Any] | None, where: str) -> Choice | None:
    """The optimizer with the hyperparameters that the source's words give."""
    if said is None:
        return None
    if len(optimizers) != 1:
        raise StudyError(complaint(f"{where}.said", said, "stands beside several optimizers"))
    try:
        found = choices("optimizer")({**optimizers[0].as_dict(), **said})
    except Trouble as trouble:
        line = complaint(f"{where}.said{trouble.path}", trouble.value, trouble.problem, trouble.choices)
        raise StudyError(line) from None
    if len(found) != 1 or found[0] == optimizers[0]:
        raise StudyError(complaint(f"{where}.said", said, "is not one optimizer that differs from the other"))
    return found[0]


def _trace(trace: tuple[int, ...] | None, epochs: int, where: str) -> tuple[int, ...]:
    """The epochs to write out; the first two and the last where none are named."""
    if trace is None:
        return tuple(sorted({0, min(1, epochs - 1), epochs - 1}))
    beyond = [epoch for epoch in trace if epoch >= epochs]
    if beyond:
        problem = f"is beyond the last epoch, {epochs - 1}: the first is 0"
        raise StudyError(complaint(f"{where}.trace", beyond[0], problem))
    return trace


def _check_names(example: Example, shapes: list[tuple[int, int]], where: str) -> None:
    """No name stands for two things, and what is frozen is known."""
    taken = Counter([*example.parameters, *_symbols(example), "L", "S", "pi", "y"])
    for name in example.parameters:
        if taken[name] > 1:
            raise StudyError(complaint(f"{where}.weight_names", name, "stands for more than one thing"))
    tensors = list(example.tensors)
    known = ["weights", "biases", *tensors, *example.parameters]
    for word in example.frozen:
        if not example.called(word):
            problem = "is not what a parameter is called"
            raise StudyError(complaint(f"{where}.frozen", word, problem, known, nearest(word, known)))


def _symbols(example: Example) -> list[str]:
    """x1 …, y1 …, z1 …, a1 …: what the derivation calls inputs, targets and units."""
    units = range(1, example.units + 1)
    inputs, outputs = range(1, example.layers[0] + 1), range(1, example.layers[-1] + 1)
    pairs = (("x", inputs), ("y", outputs), ("z", units), ("a", units))
    return [f"{letter}{place}" for letter, places in pairs for place in places]


def figures(example: Example) -> list[str]:
    """The figures of an epoch that can be compared with printed ones.

    ``loss``, ``z1`` and ``a1`` are of the network as the epoch finds it (of the first sample); parameters,
    ``velocity_w11`` and what ends in ``_after`` are of the network as it leaves it.
    """
    slots = {
        slot for choice in example.optimizers for slot in choice.part.rule(dict(choice.parameters)).slots
    }
    states = [f"{slot}_{name}" for slot in sorted(slots) for name in example.parameters]
    forward = [name for name in _symbols(example) if name[0] in "za"]
    outputs = [f"a{unit}{AFTER}" for unit in example.layer_units(len(example.layers) - 1)]
    return ["loss", f"loss{AFTER}", *example.parameters, *forward, *outputs, *states]


def _check_figures(example: Example, where: str) -> None:
    known = figures(example)
    for place, row in enumerate(example.published):
        for name, _ in row.figures:
            if name not in known:
                raise StudyError(
                    complaint(
                        f"{where}.published[{place}]", name, "is no figure here", known, nearest(name, known)
                    )
                )
