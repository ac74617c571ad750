"""Back-propagation written out for one epoch of a small network, from its structure and its records.

Forward values, the chain rule of every parameter with symbols and with numbers, the optimizer's update.
What is computed here, in plain Python from the formulas as printed, is checked against the kernels' own
numbers: activations, gradients by back-propagation and by central differences, parameters after the update.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sim.study.example_model import Example
from sim.views.example_structure import Structure
from sim.views.formulas import evaluate, partial, renamed, substituted, symbols
from sim.views.update_rules import GRADIENT, PARAMETER, UpdateRule

LARGE = 1e300
"""Beyond this and its reciprocal a sum of exponentials is not relied on."""
EXACT = 1e-9
"""Largest difference from the kernels that passes, relative to the largest value of its kind."""
WHOLE = "This rule looks at more than one parameter: no formula tells the step of one alone."
ELSEWHERE = "It is judged at other weights than those its gradients are taken at; shown are the latter."


@dataclass(frozen=True)
class Check:
    """A printed value beside another way to it."""

    against: str
    value: float
    difference: float
    passed: bool
    error: float = 0.0
    """How far the other way may itself be off."""


@dataclass(frozen=True)
class Line:
    """left = step = step … = value.  Steps are formulas, or trees with numbers in them."""

    left: str
    steps: tuple[str | ast.expr, ...]
    value: float | None = None
    checks: tuple[Check, ...] = ()
    sign: str = "="
    note: str = ""


@dataclass(frozen=True)
class Block:
    """Lines under a title."""

    title: str
    lines: tuple[Line, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Moment:
    """The records of one epoch of one training, by parameter and by (sample, unit)."""

    epoch: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    gradient: Mapping[str, float]
    difference: Mapping[str, float]
    difference_error: Mapping[str, float]
    slots_before: Mapping[str, Mapping[str, float]]
    slots_after: Mapping[str, Mapping[str, float]]
    activation: Mapping[tuple[int, int], float]
    delta: Mapping[tuple[int, int], float]
    loss: float


@dataclass(frozen=True)
class Derivation:
    """One epoch, written out."""

    epoch: int
    blocks: tuple[Block, ...]

    @property
    def checks(self) -> list[Check]:
        """All checks of all lines."""
        return [check for block in self.blocks for line in block.lines for check in line.checks]


def checked(
    against: str, printed: float, other: float, tolerance: float, scale: float = 0.0, error: float = 0.0
) -> Check:
    """Whether two numbers agree within ``tolerance`` of the larger of their size and ``scale``.

    ``error`` is what the other one may be off besides.
    """
    difference = abs(printed - other)
    if math.isnan(difference):
        difference = math.inf
    most = tolerance * max(abs(other), scale) + error
    return Check(against, other, difference, bool(difference <= most < math.inf), error)


def derive(example: Example, rule: UpdateRule, moment: Moment) -> Derivation:
    """The derivation of one epoch."""
    return Derivation(moment.epoch, tuple(_Writer(example, rule, moment).blocks()))


@dataclass
class _Writer:
    """Writes the blocks one after another; each sample has the numbers it found out so far."""

    example: Example
    rule: UpdateRule
    moment: Moment
    found: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.structure = Structure(self.example)
        self.several = len(self.example.inputs) > 1

    def blocks(self) -> Iterator[Block]:
        """In the order in which the numbers come into being."""
        for sample in range(len(self.example.inputs)):
            of = f" of sample {sample + 1}" if self.several else ""
            self.found.append(self.structure.given(sample, self.moment.before))
            yield Block(f"Forward{of}", tuple(self._forward(sample)))
            yield Block(f"Loss{of}", tuple(self._loss(sample)))
            yield Block(f"Slopes{of}, from the loss back", tuple(self._slopes(sample)))
        if self.several:
            yield Block("Loss", (self._mean_loss(),))
        yield Block("Gradients by the chain rule", tuple(self._gradients()))
        yield from self._updates()

    def _line(
        self, sample: int, left: str, *formulas: str, checks: tuple[tuple[str, float], ...] = ()
    ) -> Line:
        """left = formulas = the last one with numbers = its value, which the sample then knows."""
        known = self.found[sample]
        formula = formulas[-1]
        if not 1 / LARGE < known.get("S", 1.0) < LARGE:  # its logarithm and shares are still numbers
            formula = renamed(formula, dict(self.structure.loss_parts()))
        value = evaluate(formula, known, self.structure.functions)
        known[left] = value
        told = tuple(checked(name, value, other, EXACT, 1e-3) for name, other in checks)
        return Line(left, (*formulas, substituted(formulas[-1], known)), value, told)

    def _forward(self, sample: int) -> Iterator[Line]:
        for layer, unit in self.structure.units():
            yield self._line(sample, f"z{unit}", self.structure.sum_of(layer, unit))
            kernel = ("kernel", self.moment.activation[sample, unit])
            yield self._line(sample, f"a{unit}", self.structure.activation(layer, unit), checks=(kernel,))

    def _loss(self, sample: int) -> Iterator[Line]:
        for name, formula in self.structure.loss_parts():
            yield self._line(sample, name, formula)
        kernel = () if self.several else (("kernel", self.moment.loss),)
        yield self._line(sample, "L", self.structure.loss(), checks=kernel)

    def _mean_loss(self) -> Line:
        losses = [known["L"] for known in self.found]
        value = sum(losses) / len(losses)
        return Line("L", (_mean(losses),), value, (checked("kernel", value, self.moment.loss, EXACT),))

    def _slopes(self, sample: int) -> Iterator[Line]:
        """∂L/∂a of outputs, ∂a/∂z of every unit, and from them ∂L/∂z, down to the first layer."""
        for name, formula in self.structure.local_slopes():
            yield self._line(sample, name, formula)
        known = self.found[sample]
        known |= {name: known[weight] for name, weight in self.structure.locals.items() if weight in known}
        share = len(self.example.inputs)
        for _, unit in reversed(list(self.structure.units())):
            chain = self.structure.chain(unit)
            kernel = ("kernel", share * self.moment.delta[sample, unit])
            yield self._line(sample, partial("L", f"z{unit}"), chain, checks=(kernel,))

    def _gradients(self) -> Iterator[Line]:
        scale = max((abs(value) for value in self.moment.gradient.values()), default=0.0)
        for name, unit, factor in self.structure.connections():
            chain = f"{self.structure.chain(unit)} * {partial(f'z{unit}', name)}"
            local = self.structure.locals | {partial(f"z{unit}", name): factor}
            written = renamed(chain, local)
            values = []
            for known in self.found:
                known[partial(f"z{unit}", name)] = evaluate(factor, known)
                values.append(evaluate(chain, known, self.structure.functions))
            value = sum(values) / len(values)
            numbers = substituted(chain, self.found[0]) if not self.several else _mean(values)
            error = self.moment.difference_error[name]
            checks = (
                checked("back-propagation", value, self.moment.gradient[name], EXACT, 1e-3 * scale),
                checked("differences", value, self.moment.difference[name], EXACT, 1e-3 * scale, error),
            )
            yield Line(partial("L", name), (chain, written, numbers), value, checks)

    def _updates(self) -> Iterator[Block]:
        numbers = self.rule.numbers(self.moment.epoch + 1)
        general = [Line(line.target, (line.formula,), sign="←") for line in self.rule.assignments]
        used = {word for line in self.rule.assignments for word in symbols(line.formula)}
        general += [Line(name, (), value) for name, value in numbers.items() if name in used]
        slots = ", ".join(f"{word}: {slot.replace('_', ' ')}" for slot, word in self.rule.slots.items())
        notes = [slots if general else WHOLE] + [ELSEWHERE] * (self.rule.rule.rest is not None)
        yield Block(f"Optimizer: {self.rule.choice.label}", tuple(general), " ".join(notes))
        yield Block(
            "Updates", tuple(line for name in self.example.parameters for line in self._update(name, numbers))
        )

    def _update(self, name: str, numbers: Mapping[str, float]) -> Iterator[Line]:
        moment, slots = self.moment, self.rule.slots
        if name in {self.example.parameters[place] for place in self.example.frozen_places}:
            yield Line(name, (), moment.after[name], note="frozen")
            return
        values = {**numbers, PARAMETER: moment.before[name], GRADIENT: moment.gradient[name]}
        values |= {word: moment.slots_before[slot][name] for slot, word in slots.items()}
        if not self.rule.assignments:
            yield Line(name, (), moment.after[name], sign="←")
            return
        kernels = {PARAMETER: moment.after[name]} | {
            word: moment.slots_after[slot][name] for slot, word in slots.items()
        }
        last = {line.target: place for place, line in enumerate(self.rule.assignments)}
        for place, (line, numbered, value) in enumerate(self.rule.carried_out(values)):
            told: tuple[Check, ...] = ()
            if line.target in kernels and place == last[line.target]:
                told = (checked("kernel", value, kernels[line.target], EXACT, 1e-6),)
                value = kernels[line.target]
            left = name if line.target == PARAMETER else f"of({line.target}, {name})"
            yield Line(left, (numbered,), value, told, "←")


def _mean(values: list[float]) -> ast.expr:
    """(v₁ + v₂ + …) / n."""
    total = " + ".join(f"v{place}" for place in range(len(values)))
    return substituted(
        f"({total}) / {len(values)}", {f"v{place}": value for place, value in enumerate(values)}
    )
