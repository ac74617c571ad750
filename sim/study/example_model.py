"""A worked example: one small network written down number by number, trained step by step for a reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

from sim.study.choices import Choice

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Printed:
    """Figures that others printed for one epoch, as they printed them: the digits say how exact they are."""

    epoch: int
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Example:
    """A fully-connected network, its samples, and how it learns: one update of all samples an epoch.

    ``layers`` are the numbers of inputs, units of each hidden layer …, outputs; ``weights`` holds a
    (fan_out, fan_in) matrix a layer, the names likewise.  Hidden layers have the activation
    ``activation``, the last has ``output``.  ``said`` is what the source's words give where its figures
    were made with something else: that is trained too.  ``trace``: epochs written out for reading.
    """

    name: str
    question: str
    source: str
    note: str
    layers: tuple[int, ...]
    activation: Choice
    output: Choice
    loss: Choice
    weights: tuple[Rows, ...]
    biases: Rows
    weight_names: tuple[tuple[tuple[str, ...], ...], ...]
    bias_names: tuple[tuple[str, ...], ...]
    inputs: Rows
    targets: Rows
    optimizer: tuple[Choice, ...]
    said: Choice | None
    epochs: int
    trace: tuple[int, ...]
    frozen: tuple[str, ...]
    published: tuple[Printed, ...]

    def as_dict(self) -> dict[str, Any]:
        """All its keys as a study file writes them."""
        parts = {kind: getattr(self, kind).as_dict() for kind in ("activation", "output", "loss")}
        optimizers = [choice.as_dict() for choice in self.optimizer]
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found |= parts | {"optimizer": optimizers}
        found["published"] = [{"epoch": row.epoch, **dict(row.figures)} for row in self.published]
        if self.said is None:
            return {name: value for name, value in found.items() if name != "said"}
        used = set(self.optimizer[0].parameters)
        return found | {
            "said": {name: value for name, value in self.said.parameters if (name, value) not in used}
        }

    @cached_property
    def tensors(self) -> dict[str, list[str]]:
        """``weights[0]``, ``biases[0]`` … → the names of their parameters, in the order of the kernels' θ."""
        found: dict[str, list[str]] = {}
        pairs = zip(self.weight_names, self.bias_names, strict=True)
        for number, (weights, biases) in enumerate(pairs):
            found[f"weights[{number}]"] = [name for row in weights for name in row]
            found[f"biases[{number}]"] = list(biases)
        return found

    @property
    def parameters(self) -> list[str]:
        """Names of all parameters, in the order of the kernels' θ."""
        return [name for names in self.tensors.values() for name in names]

    @property
    def values(self) -> list[float]:
        """What they are before the first epoch."""
        found: list[float] = []
        for rows, biases in zip(self.weights, self.biases, strict=True):
            found += [*(value for row in rows for value in row), *biases]
        return found

    @property
    def frozen_places(self) -> list[int]:
        """Places in θ of the parameters that are not trained."""
        names = {name for word in self.frozen for name in self.called(word)}
        return [place for place, name in enumerate(self.parameters) if name in names]

    def called(self, word: str) -> list[str]:
        """The parameters that ``biases``, ``weights[0]`` or a name of its own calls; none if unknown."""
        kinds = [
            name for tensor, names in self.tensors.items() if tensor.startswith(f"{word}[") for name in names
        ]
        return kinds or self.tensors.get(word, [word] if word in self.parameters else [])

    @property
    def optimizers(self) -> tuple[Choice, ...]:
        """Every optimizer that trains it, what the source's words say last."""
        return self.optimizer if self.said is None else (*self.optimizer, self.said)

    @cached_property
    def recorded(self) -> tuple[int, ...]:
        """The epochs that are recorded in full: those traced and those with printed figures."""
        printed = {row.epoch for row in self.published if row.epoch < self.epochs}
        return tuple(sorted({*self.trace, *printed}))

    @property
    def units(self) -> int:
        """How many hidden units and outputs there are; they are numbered through, inputs apart."""
        return sum(self.layers[1:])

    def layer_units(self, layer: int) -> range:
        """Numbers of the units of a layer, from 1; of layer 0, those of the inputs."""
        first = 1 + sum(self.layers[1:layer])
        return range(first, first + self.layers[layer])

    def connections(self) -> Iterator[tuple[int, int, int]]:
        """(layer, fan_in, fan_out) of every layer that has parameters."""
        for number, (fan_in, fan_out) in enumerate(pairwise(self.layers)):
            yield number, fan_in, fan_out
