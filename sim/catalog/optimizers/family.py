"""The family of optimizers, what an elementwise rule is, and the ranges hyperparameters share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.registry import Family, Part


class Optimizers(Family):
    """The family; one written as a single function of θ, g and its ``state`` is taken apart first."""

    def described(self, name: str, function: Any, traits: dict[str, Any]) -> Part:
        if "rule" in traits:
            return super().described(name, function, traits)
        from sim.catalog.optimizers.one_function import taken_apart

        constants, rule = taken_apart(function, traits.get("state", ()))
        part = super().described(name, constants, {**traits, "rule": lambda settings: rule})
        content = part.content and self.content_of(function, traits)
        return replace(part, content=content)


optimizer = Optimizers("optimizer", supplied=1)
"""Arguments the kernels supply: the number of the step, from 1."""


@dataclass(frozen=True)
class Rule:
    """An update and the names of its state slots, each as large as θ.

    Elementwise: ``update(θ, g, *slots, *numbers)`` of one parameter returns θ and the slots.

    ``layerwise``: ``update(kind, shape, θ, g, *slots, *pairs, [spare,] *numbers)`` changes one tensor of a
    layer in place: W, of shape (fan_out, fan_in), or b or a normalizer's scale or shift, (n, 1).
    θ, g and the slots come flat, row by row.  ``pairs`` is how many pairs of square matrices,
    (rows, rows) and (columns, columns), it keeps besides for each tensor, flat as well; they start at
    zero too.  With ``room`` it gets a vector to work in, as large as so many squares of the widest side.

    ``whole``: ``update(θ, g, loss, memory, *numbers)`` changes the whole vector in place; ``memory`` is one
    vector as long as ``vectors`` times θ and ``numbers`` more, all zero at first.

    Gradients are taken at θ.  A rule that wants its parameters evaluated elsewhere says where:
    ``rest(θ, *slots, *numbers)`` of one parameter, with the numbers of the latest update (zeros before the
    first); of the whole vector ``rest(θ, memory, target, *numbers)``.  Checkpoints score
    a network there, and there it is when training ends.
    """

    update: Callable[..., Any]
    slots: tuple[str, ...] = ()
    layerwise: bool = False
    pairs: int = 0
    room: int = 0
    whole: bool = False
    vectors: int = 0
    numbers: int = 0
    rest: Callable[..., Any] | None = None

    @property
    def elementwise(self) -> bool:
        """Whether a parameter is updated without a look at others."""
        return not (self.layerwise or self.whole)

    @property
    def per_parameter(self) -> int:
        """Numbers kept for each parameter; pairs of square matrices and single numbers aside."""
        return len(self.slots) + self.vectors


VECTOR, OUTER, HIDDEN = 0, 1, 2
"""Kinds of tensors: biases, scales and shifts; W of the first and the last layer; W between hidden layers."""


SHARE = Range(0.0, 1.0, below=True)
"""A decay rate β: at 1 an average would never learn, and its bias correction divides by 0."""

NOT_NEGATIVE = Range(0.0)
POSITIVE = Range(0.0, above=True)
